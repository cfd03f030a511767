"""The files of the page have one version, which browsers may keep, and an update never mixes two versions."""

from __future__ import annotations

import gzip
import json
import logging
import re
import shutil
import sys
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api import assets
from api.pages import send_page
from api.texts import API_GROUPS, FIRST_GROUPS, group_of, split_texts
from support.assets import main_script, main_styles
from support.paths import ROOT

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

IMMUTABLE = {"public", "max-age=31536000", "immutable"}
ADDRESS_RE = re.compile(r'(?:src|href)="(/static/\w{12}/[^"]+)"')
STATIC_IMPORT_RE = re.compile(r"""^(?:import|export)\s[^;]*?from '(\.[^']+)'|^import '(\.[^']+)'""", re.MULTILINE)
COMMENT_RE = re.compile(r"/\*.*?\*/|^\s*//[^\n]*", re.DOTALL | re.MULTILINE)
BUNDLED_KEY_RE = re.compile(r"""(?<=["'`])[a-z]\w*(?:\.\w+)+(?=["'`])""")
KEY_RE = re.compile(r"'([a-z]\w*(?:\.\w+)+)'|`([a-z]\w*)\.[\w.]*\$\{")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of static/, which a test may change."""
    shutil.copytree(ROOT / "static", tmp_path / "static")
    return tmp_path / "static"


def start(folder: Path, *, debug: bool = False) -> FlaskClient:
    """Start a web process that only serves this folder."""
    app = Flask("pages", root_path=str(folder.parent), static_folder=None)
    app.debug = debug
    assets.register(app)
    app.add_url_rule("/", view_func=lambda: send_page("index.html"))
    return app.test_client()


def addresses(client: FlaskClient) -> list[str]:
    """Return the versioned addresses in the page."""
    found: list[str] = ADDRESS_RE.findall(client.get("/").text)
    assert len(found) > 3
    return found


def update(folder: Path, text: str = "\n// New.\n") -> None:
    """Change a module as an update does, with the bundle that fits."""
    with (folder / "js" / "main.js").open("a") as file:
        file.write(text)
    with (folder / "dist" / "main.js").open("a") as file:
        file.write(text)
    manifest = json.loads((folder / "dist" / "manifest.json").read_bytes())
    sources, outputs = assets._read_sources(folder), assets._read_bundle(folder)
    manifest |= {"sources": assets._digest(dict(sources)), "outputs": assets._digest(dict(outputs))}
    (folder / "dist" / "manifest.json").write_text(json.dumps(manifest))


def decoded(response: TestResponse) -> bytes:
    """Return the content of a response."""
    assert response.status_code == 200
    match response.headers.get("Content-Encoding"):
        case "gzip":
            return gzip.decompress(response.data)
        case "zstd":
            return bytes(zstd.decompress(response.data))
    return bytes(response.data)


def test_a_version_is_kept_for_ever_and_compressed(client: FlaskClient) -> None:
    page = client.get("/").text
    for address in (main_script(page), main_styles(page)):
        plain = client.get(address)
        etags = {plain.headers["ETag"]}
        assert "Content-Encoding" not in plain.headers
        for accepted, coding in (
            ("gzip, deflate", "gzip"),
            ("gzip, deflate, br, zstd", "zstd"),
            ("gzip;q=1.0, zstd;q=0.5", "gzip"),
            ("*", "zstd"),
        ):
            response = client.get(address, headers={"Accept-Encoding": accepted})
            assert response.headers["Content-Encoding"] == coding
            assert decoded(response) == plain.data
            assert len(response.data) < len(plain.data) * 0.4
            assert set(response.headers["Cache-Control"].split(", ")) == IMMUTABLE
            assert response.headers["Vary"] == "Accept-Encoding"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            etags.add(response.headers["ETag"])
            head = client.head(address, headers={"Accept-Encoding": accepted})
            own = {name: head.headers[name] for name in ("Date", "X-Request-ID")}
            assert (head.data, dict(head.headers)) == (b"", {**response.headers, **own})
        # Each coding is a representation of its own (RFC 9110, section 8.8.3).
        assert len(etags) == 3
        for refused in ("identity", "gzip;q=0, zstd;q=0", "br", ""):
            assert "Content-Encoding" not in client.get(address, headers={"Accept-Encoding": refused}).headers


def test_what_a_client_has_is_not_sent_again(client: FlaskClient) -> None:
    for path in ("/", main_script(client.get("/").text), "/static/favicon.svg", "/api/openapi.json"):
        for coding in ("identity", "gzip", "zstd"):
            accepts = {"Accept-Encoding": coding}
            first = client.get(path, headers=accepts)
            # A proxy that compresses by itself makes the ETag weak.
            for etag in (first.headers["ETag"], f"W/{first.headers['ETag']}", f'"x", {first.headers["ETag"]}', "*"):
                same = client.get(path, headers={**accepts, "If-None-Match": etag})
                assert (same.status_code, same.data) == (304, b"")
                for name in ("ETag", "Vary", "Cache-Control"):
                    assert same.headers[name] == first.headers[name]
            assert client.get(path, headers={**accepts, "If-None-Match": '"x"'}).status_code == 200
    page = client.get("/")
    assert page.headers["Cache-Control"] == "no-cache"


def test_ranges_are_those_of_the_plain_bytes(client: FlaskClient) -> None:
    address = main_script(client.get("/").text)
    content, etag = client.get(address).data, client.get(address).headers["ETag"]
    compressed = client.get(address, headers={"Accept-Encoding": "gzip"}).headers["ETag"]
    asked = {"Range": "bytes=10-19", "Accept-Encoding": "gzip"}
    part = client.get(address, headers=asked)
    assert (part.status_code, part.data) == (206, content[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(content)}"
    assert "Content-Encoding" not in part.headers
    assert client.get(address, headers={**asked, "If-Range": etag}).data == content[10:20]
    whole = client.get(address, headers={**asked, "If-Range": compressed})
    assert (whole.status_code, whole.data) == (200, content)
    assert client.get(address, headers={"Range": f"bytes={len(content)}-"}).status_code == 416


def test_a_page_after_an_update_has_files_of_the_new_version_only(folder: Path) -> None:
    old = start(folder)
    before = {address: old.get(address).data for address in addresses(old)}
    etag = old.get("/").headers["ETag"]
    update(folder)
    # The running process goes on with the files that it has read.
    assert {address: old.get(address).data for address in addresses(old)} == before

    new, other = start(folder), start(folder)
    assert new.get("/", headers={"If-None-Match": etag}).status_code == 200
    after = addresses(new)
    assert after == addresses(other)
    assert not before.keys() & set(after)
    assert b"New." in new.get(main_script(new.get("/").text)).data
    for client, foreign in ((new, before), (old, after)):
        for address in foreign:
            missing = client.get(address)
            assert (missing.status_code, missing.headers["Cache-Control"]) == (404, "no-store")
            assert len(missing.data) < 100


def test_new_texts_are_a_new_version(folder: Path) -> None:
    before = addresses(start(folder))
    path = folder / "locales" / "en.json"
    path.write_text(path.read_text("utf-8").replace('"Products"', '"Goods"'), "utf-8")
    client = start(folder)
    assert not set(before) & set(addresses(client))
    assert ">Goods</a>" in client.get("/").text
    assert "/main.js" in main_script(client.get("/").text)


@pytest.mark.parametrize("damage", ["source", "output", "missing output", "no JSON", "no manifest", "no bundle"])
def test_without_a_bundle_that_fits_the_page_loads_the_modules(
    folder: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = folder / "dist" / "manifest.json"
    match damage:
        case "source":
            (folder / "css" / "base.css").write_text("body {}")
        case "output":
            # As after a merge of two bundles.
            (folder / "dist" / "main.js").write_text("<<<<<<<")
        case "missing output":
            (folder / "dist" / "imports.js").unlink()
        case "no JSON":
            manifest.write_text("<<<<<<< " + manifest.read_text())
        case "no manifest":
            manifest.write_text("[]")
        case _:
            shutil.rmtree(folder / "dist")
    with caplog.at_level(logging.WARNING):
        client = start(folder)
    assert "its bundle does not match its modules" in caplog.text
    page = client.get("/")
    assert main_script(page.text).endswith("/js/main.js")
    assert main_styles(page.text).endswith("/css/page.css")
    assert "sha256" not in page.headers["Content-Security-Policy"]
    assert "<script>" not in page.text
    for address in ADDRESS_RE.findall(page.text):
        response = client.get(address)
        assert response.status_code == 200, address
        assert set(response.headers["Cache-Control"].split(", ")) == IMMUTABLE


def test_in_debug_mode_the_page_follows_the_modules(folder: Path) -> None:
    client = start(folder, debug=True)
    first = main_script(client.get("/").text)
    assert first.endswith("/js/main.js")
    assert main_script(client.get("/").text) == first
    (folder / "js" / "main.js").write_text("// Changed.")
    second = main_script(client.get("/").text)
    assert second != first
    assert client.get(second).data == b"// Changed."
    assert client.get(first).status_code == 404


def test_files_with_a_link_elsewhere_need_no_version(client: FlaskClient) -> None:
    for name in ("favicon.svg", "sample-products.csv"):
        response = client.get(f"/static/{name}")
        assert response.data == (ROOT / "static" / name).read_bytes()
        assert response.headers["Cache-Control"] == "max-age=300"
    # A page of a version without versioned addresses must not get new code.
    for name in ("js/main.js", "css/base.css", "locales/en.json", "index.html", "dist/main.js", "", "x" * 2_000):
        assert client.get(f"/static/{name}").status_code == 404, name


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_texts_of_a_page_are_those_that_it_may_show(language: str) -> None:
    texts = json.loads((ROOT / "static" / "locales" / f"{language}.json").read_bytes())
    first, other = split_texts(language, texts)
    assert not first.keys() & other.keys()
    left_out = texts.keys() - first.keys() - other.keys()
    assert {group_of(key) for key in left_out} == (API_GROUPS if language == "en" else set())
    assert {**first, **other}.items() <= texts.items()


def test_the_modules_of_the_first_screen_find_their_texts_in_the_first_part() -> None:
    """`import()` loads the other modules, after the other texts (static/js/core/parts.js)."""
    keys = json.loads((ROOT / "static" / "locales" / "en.json").read_bytes()).keys()
    scripts = ROOT / "static" / "js"
    pending, seen = [scripts / "main.js", scripts / "docs" / "page.js"], set[Path]()
    while pending:
        path = pending.pop().resolve()
        if path in seen or path.parent.name == "vendor":
            continue
        seen.add(path)
        code = COMMENT_RE.sub("", path.read_text("utf-8"))
        used = {whole for whole, _ in KEY_RE.findall(code) if whole in keys} | {
            part for _, part in KEY_RE.findall(code)
        }
        # Failures are texts of the API. Without one, the sentence of the API is shown.
        assert {group_of(key) for key in used if key} <= FIRST_GROUPS | {"error", "field", "failure"}, path
        pending += [path.parent / (first or second) for first, second in STATIC_IMPORT_RE.findall(code)]
    names = {path.name for path in seen}
    assert {"grid.js", "page-loader.js", "i18n.js"} <= names
    # The screens that are loaded later.
    assert not names & {"upload-queue.js", "detail-screen.js", "people-screen.js"}


def test_the_first_scripts_of_the_bundle_have_no_module_with_other_texts() -> None:
    """A bundler may move modules, but they use texts while they run."""
    keys = json.loads((ROOT / "static" / "locales" / "en.json").read_bytes()).keys()
    for name in ("main.js", "docs.js"):
        code = (ROOT / "static" / "dist" / name).read_text("utf-8")
        used = set(BUNDLED_KEY_RE.findall(code)) & keys
        assert len(used) > 50
        assert {group_of(key) for key in used} <= FIRST_GROUPS
