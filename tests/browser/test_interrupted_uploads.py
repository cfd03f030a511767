"""Uploads from the page: they pause, and go on after an interruption where they stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, Request, expect

from support.axe import check_accessible
from support.browser import NARROW, Console, Site, expect_status, wait_until
from support.tcp_proxy import TcpProxy, running_proxy

ROWS = 3_000
DESCRIPTION_CHARACTERS = 8_000
STALL_BYTES = 4_000_000
# Longer than a narrow window is wide.
NAME = "lamps of the supplier, autumn 2026, final version.csv"
UNFINISHED_SQL = "SELECT count(*) FROM uploads WHERE finished_at IS NULL"


@pytest.fixture
def proxy(page: Page, site: Site) -> Iterator[TcpProxy]:
    """A proxy in front of the site. The page ends before it, or what it still loads would be refused."""
    with running_proxy(urlsplit(site.address).port or 0) as proxy:
        yield proxy
        page.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of 24 MB, which does not fit into the buffers of the connections."""
    path = tmp_path / NAME
    lines = (f"LAMP-{n},Lamp {n},{'x' * DESCRIPTION_CHARACTERS}\n" for n in range(ROWS))
    path.write_text("sku,name,description\n" + "".join(lines))
    return path


def start(page: Page, proxy: TcpProxy, file: Path) -> Locator:
    """Upload a file until the proxy stalls, and return its card."""
    proxy.stall_after = STALL_BYTES
    page.goto(f"http://127.0.0.1:{proxy.port}/")
    page.get_by_test_id("import-unchecked").set_checked(True)
    page.get_by_test_id("file-input").set_input_files(file)
    card = page.get_by_test_id("upload-card")
    expect(card).to_have_attribute("data-state", "sending")
    wait_until(page, lambda: percent(card) >= 100 * STALL_BYTES // file.stat().st_size)
    return card


def percent(card: Locator) -> int:
    """Return how far the bar is."""
    return int(card.get_by_test_id("upload-progress").get_attribute("aria-valuenow") or 0)


def offsets(page: Page) -> list[int]:
    """Return a list to which the offset of each request is added that sends a part of the file."""
    found: list[int] = []

    def note(request: Request) -> None:
        if request.method == "PATCH":
            found.append(int(request.headers["upload-offset"]))

    page.on("request", note)
    return found


def expect_import(page: Page, site: Site) -> None:
    """Wait until the import of the file has ended."""
    expect_status(page, "completed")
    assert site.count() == ROWS


def test_an_upload_pauses_and_goes_on(page: Page, site: Site, proxy: TcpProxy, file: Path) -> None:
    sent = offsets(page)
    card = start(page, proxy, file)
    pause = card.get_by_test_id("pause-upload")
    pause.click()
    expect(card).to_have_attribute("data-state", "paused")
    expect(card).to_contain_text("paused")
    expect(pause).to_have_accessible_name(f"Resume the upload of {NAME}")
    check_accessible(page, "a paused upload", narrow=True)
    proxy.stall_after = None
    pause.click()
    expect_import(page, site)
    assert sent[0] == 0
    assert STALL_BYTES // 2 < sent[1] < file.stat().st_size


def test_an_upload_goes_on_by_itself_once_the_server_answers_again(
    page: Page, site: Site, console: Console, proxy: TcpProxy, file: Path
) -> None:
    console.allow("Failed to load resource: net::ERR_")
    sent = offsets(page)
    card = start(page, proxy, file)
    proxy.is_down = True
    expect(card).to_have_attribute("data-state", "interrupted")
    expect(card).to_contain_text("the upload goes on by itself")
    check_accessible(page, "an interrupted upload", narrow=True)
    proxy.stall_after = None
    proxy.is_down = False
    expect_import(page, site)
    assert sent[-1] > STALL_BYTES // 2


def test_an_upload_goes_on_after_the_page_was_loaded_again(
    page: Page, site: Site, proxy: TcpProxy, file: Path, tmp_path: Path
) -> None:
    sent = offsets(page)
    start(page, proxy, file)
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    card = page.get_by_test_id("upload-card")
    expect(card).to_have_attribute("data-state", "unfinished")
    expect(card).to_contain_text("Choose the same file to upload only the rest")
    check_accessible(page, "an unfinished upload", narrow=True)
    assert 0 < percent(card) < 100
    page.set_viewport_size(NARROW)

    other = tmp_path / "others.csv"
    other.write_text("sku\nA-1\n")
    for chosen in (other, file):
        with page.expect_file_chooser() as chooser:
            card.get_by_test_id("continue-upload").click()
        if chosen is file:
            proxy.stall_after = None
        chooser.value.set_files(chosen)
        if chosen is other:
            expect(card).to_contain_text("This is not the file whose upload was interrupted")
    expect_import(page, site)
    assert STALL_BYTES // 2 < sent[-1] < file.stat().st_size
    page.reload()
    expect(page.get_by_test_id("import-status")).to_be_visible()
    page.goto(f"http://127.0.0.1:{proxy.port}/#/import")
    expect(page.get_by_test_id("upload-card")).to_have_count(0)


def test_what_was_sent_of_a_cancelled_upload_is_removed(page: Page, site: Site, proxy: TcpProxy, file: Path) -> None:
    card = start(page, proxy, file)
    assert site.sql(UNFINISHED_SQL) == [(1,)]
    card.get_by_test_id("cancel-upload").click()
    expect(card).to_have_count(0)
    wait_until(page, lambda: site.sql(UNFINISHED_SQL) == [(0,)])
    page.reload()
    expect(page.get_by_test_id("drop-zone")).to_be_visible()
    expect(card).to_have_count(0)
