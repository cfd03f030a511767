"""The page while the server is down: its numbers stand still, and go on with the true values."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

from playwright.sync_api import Page, expect

from support.axe import check_accessible
from support.browser import Console, Site
from support.job_streams import insert_running_job, update_job
from support.processes import Processes, find_free_ports
from support.web import WebProcess

WRITING = (
    "phase = 'writing', started_at = clock_timestamp(), total_records = 100000, rows_read = 100000,"
    " announced_at = now() + interval '1 day', updated_at = clock_timestamp(),"
    " active_since = clock_timestamp() - interval '70 s'"
)
# Longer than any delay between two attempts to reach the server.
DOWN_MS = 600_000


def test_nothing_counts_while_the_server_is_down(page: Page, site: Site, console: Console, tmp_path: Path) -> None:
    console.allow("Failed to load resource: net::ERR_")
    environment = {
        "DATABASE_URL": site.database_url,
        "DATA_DIR": str(tmp_path / "data"),
        "UPLOAD_DIR": str(tmp_path / "uploads"),
        "SECRET_KEY": "a key for tests",
    }
    processes = Processes(environment, tmp_path / "processes.log")
    (port,) = find_free_ports(1)
    web = WebProcess(processes, port)
    try:
        process = web.start()
        task_id = insert_running_job(site.database_url)
        update_job(
            site.database_url,
            task_id,
            f"{WRITING}, processed_records = 40000, seconds_left = 3000, current_rows_per_second = 20",
        )
        page.clock.install()
        page.goto(f"http://127.0.0.1:{port}/#/imports/{task_id}")
        headline, facts = page.get_by_test_id("import-headline"), page.get_by_test_id("import-card").locator(".facts")
        expect(headline).to_have_text("Writing products")
        expect(facts).to_contain_text("40,000 of 100,000")
        expect(facts).to_contain_text("20 rows/s")
        expect(facts).to_contain_text(re.compile(r"Elapsed[1-9]:\d\d"))
        expect(facts).to_contain_text("50 min")
        # The page counts between two versions of the job.
        expect(facts).not_to_have_text(facts.inner_text(), use_inner_text=True)

        os.killpg(process.pid, signal.SIGKILL)
        expect(headline).to_contain_text("Connection lost, reconnecting")
        before = facts.inner_text()
        page.clock.fast_forward(DOWN_MS)
        expect(page.get_by_test_id("banner-warning")).to_contain_text("cannot be reached")
        expect(headline).to_contain_text("Connection lost, reconnecting")
        expect(facts).to_have_text(before, use_inner_text=True)
        check_accessible(page, "a running import without a connection")

        update_job(
            site.database_url,
            task_id,
            f"{WRITING}, processed_records = 90000, seconds_left = 600, current_rows_per_second = 25",
        )
        web.start()
        page.clock.fast_forward(DOWN_MS)
        expect(headline).to_have_text("Writing products")
        expect(facts).to_contain_text("90,000 of 100,000")
        expect(facts).to_contain_text("25 rows/s")
    finally:
        page.goto("about:blank")
        processes.stop()
