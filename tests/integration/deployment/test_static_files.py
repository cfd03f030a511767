"""The web process serves the page with everything that it loads, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask.testing import FlaskClient

import config
from api.assets import Assets
from api.pages import LANGUAGE_COOKIE, render
from support.paths import ROOT

PAGES = {"/", "/api/docs"}
IMPORT_RE = re.compile(r"""(?:from|import)\s*\(?\s*['"](\.\.?/[^'"]+\.(?:js|css))['"]""")
TEXTS_LINK_RE = re.compile(r'href="(/static/[^"]+)"[^>]+ data-texts="(\w+)"')
EXTERNAL_REFERENCE_RE = re.compile(r"""(?:from|import|url)\s*\(?\s*['"]?(\w+:[^'")]*)""")


class PageParser(HTMLParser):
    """Collects what a page loads, and the inline code that its Content-Security-Policy forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.inline_code: list[str] = []
        self.inline_scripts: list[str] = []
        self._is_inline_script = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self._is_inline_script = tag == "script" and "src" not in values
        if tag == "style":
            self.inline_code.append(tag)
        self.inline_code += [name for name in values if name == "style" or name.startswith("on")]
        self.links += [value for name, value in attributes if name in {"src", "href"} and value and value[0] != "#"]

    def handle_data(self, data: str) -> None:
        if self._is_inline_script:
            self.inline_scripts.append(data)
            self._is_inline_script = False


def read_text(client: FlaskClient, path: str) -> str:
    """Request a path and return its text; the empty string if the file cannot refer to other files."""
    with client.get(path) as response:
        assert response.status_code == 200, path
        if path in PAGES:
            assert response.mimetype == "text/html"
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert_policy_allows(policy, response.get_data(as_text=True))
        return response.get_data(as_text=True) if path in PAGES or path.endswith((".js", ".css")) else ""


def assert_policy_allows(policy: str, page: str) -> None:
    """Check that the policy names the inline script of a page, and no other one."""
    parser = PageParser()
    parser.feed(page)
    digests = [hashlib.sha256(script.encode()).digest() for script in parser.inline_scripts]
    assert re.findall(r"'sha256-([^']+)'", policy) == [base64.b64encode(digest).decode() for digest in digests]


def linked_paths(path: str, text: str) -> list[str]:
    """Return the absolute paths of the files that a page or a module refers to."""
    if path in PAGES:
        parser = PageParser()
        parser.feed(text)
        assert parser.inline_code == []
        return [link.partition("#")[0] for link in parser.links]
    return [posixpath.normpath(f"{posixpath.dirname(path)}/{name}") for name in IMPORT_RE.findall(text)]


def test_every_file_that_the_page_loads_is_served_and_all_of_the_bundle_is_loaded(client: FlaskClient) -> None:
    pending, served = ["/"], set[str]()
    while pending:
        path = pending.pop()
        if path in served:
            continue
        served.add(path)
        assert path.startswith("/static/") or path in {*PAGES, "/api/openapi.json"}
        text = read_text(client, path)
        assert "//" not in "".join(EXTERNAL_REFERENCE_RE.findall(text)), path
        pending += linked_paths(path, text)
    assert {path.rpartition(".")[2] for path in served} >= {"css", "js", "svg"}
    # `npm run bundle` makes it. Without one that fits, the page would load its modules.
    bundle = {path.name for path in (ROOT / "static" / "dist").iterdir()} - {"manifest.json", "early.js"}
    assert bundle <= {path.rpartition("/")[2] for path in served}
    # All versioned files have the same version.
    assert len({path.split("/")[2] for path in served if path.count("/") > 2 and path.startswith("/static/")}) == 1


def test_every_module_is_loaded_if_there_is_no_bundle() -> None:
    files = Assets(ROOT / "static", with_bundle=False).files
    pending, loaded = (
        ["js/main.js", "js/docs/page.js", "js/core/theme-early.js", "css/page.css", "css/docs-page.css"],
        set[str](),
    )
    while pending:
        path = pending.pop()
        if path not in loaded:
            loaded.add(path)
            names = IMPORT_RE.findall(files[path].content.decode())
            pending += [posixpath.normpath(f"{posixpath.dirname(path)}/{name}") for name in names]
    assert {name for name in files if not name.startswith("locales/")} - loaded == {"js/early.js"}


@pytest.mark.parametrize(
    "path", ["/static/../config.py", "/static/%2e%2e/config.py", "/static/..%2fconfig.py", "/config.py", "/.env"]
)
def test_files_outside_of_the_static_folder_are_not_served(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", sorted(PAGES))
@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        (None, "en"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("fr-FR,de;q=0.5,en;q=0.4", "de"),
        ("fr", "en"),
        ("de;q=0, en", "en"),
        ("*", "en"),
        ("%%%;q=many", "en"),
    ],
)
def test_each_page_is_in_the_language_of_the_browser(
    client: FlaskClient, path: str, accepted: str | None, language: str
) -> None:
    with client.get(path, headers={"Accept-Language": accepted} if accepted else {}) as response:
        text = response.get_data(as_text=True)
        assert response.headers["Content-Language"] == language
        assert "Accept-Language" in response.headers["Vary"]
    assert f'<html lang="{language}">' in text
    assert {"en": ">Skip to content<", "de": ">Zum Inhalt springen<"}[language] in text
    links = {part: link for link, part in TEXTS_LINK_RE.findall(text)}
    assert {part: link.rpartition("/")[2] for part, link in links.items()} == {
        "first": f"{language}.json",
        "other": f"{language}.other.json",
    }
    with client.get(links["first"]) as response:
        assert response.get_json()["page.language_name"] == {"en": "English", "de": "Deutsch"}[language]
    with client.get(links["other"]) as response:
        assert response.get_json()["webhooks.delete.title"]
    assert not re.search(r"\{[\w.]+\}", re.sub("<script>.*?</script>", "", text, flags=re.DOTALL))


@pytest.mark.parametrize(
    ("cookie", "language", "selected"),
    [("de", "de", ["de"]), ("en", "en", ["en"]), ("../en", "de", []), ("", "de", [])],
)
def test_a_chosen_language_wins_over_that_of_the_browser(
    client: FlaskClient, cookie: str, language: str, selected: list[str]
) -> None:
    client.set_cookie(LANGUAGE_COOKIE, cookie)
    with client.get("/", headers={"Accept-Language": "de"}) as response:
        text = response.get_data(as_text=True)
        assert {"Accept-Language", "Cookie"} <= set(response.vary.as_set(preserve_casing=True))
    assert f'<html lang="{language}">' in text
    options = re.findall(r'<option value="(\w*)"[^>]*?( selected)?>', text)
    assert [code for code, _ in options] == ["", "en", "de"]
    assert [code for code, is_selected in options if is_selected] == selected


def test_english_takes_the_place_of_missing_texts(tmp_path: Path) -> None:
    texts = {"en": {"page.a": "One & all", "page.b": "Two"}, "xx": {"page.b": "Zwo"}}
    (tmp_path / "locales").mkdir()
    for code, messages in texts.items():
        (tmp_path / "locales" / f"{code}.json").write_text(json.dumps(messages), encoding="utf-8")
    (tmp_path / "index.html").write_text('<html lang="{language}">{texts}<p title="{page.a}">{page.b}</p>')
    page = render(Assets(tmp_path), "index.html", "xx").content.decode()
    assert '<p title="One &amp; all">Zwo</p>' in page
    # The page's modules load both, the language's own one first.
    files = [(link.rpartition("/")[2], part) for link, part in TEXTS_LINK_RE.findall(page)]
    assert files == [
        ("xx.json", "first"),
        ("en.json", "first"),
        ("xx.other.json", "other"),
        ("en.other.json", "other"),
    ]


@pytest.mark.parametrize("path", sorted(PAGES))
def test_the_footer_of_each_page_shows_the_version(client: FlaskClient, path: str) -> None:
    with client.get(path) as response:
        text = response.get_data(as_text=True)
        assert f"<span>Acme Product Importer {config.VERSION}</span>" in text
        etag = response.headers["ETag"]
    with client.get(path, headers={"If-None-Match": etag}) as response:
        assert response.status_code == 304


def test_what_has_no_link_to_an_icon_gets_the_same_one(client: FlaskClient) -> None:
    with client.get("/favicon.ico") as response:
        assert (response.status_code, response.mimetype) == (200, "image/svg+xml")
        assert response.data == (ROOT / "static" / "favicon.svg").read_bytes()
