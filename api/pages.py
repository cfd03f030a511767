"""The HTML pages of static/, in the language of the person, with the version of the product in their footers.

Names in braces, such as `{page.help}`, stand for the texts of a catalogue in static/locales. The modules of the page
load the same catalogue; the page asks for it early. A cookie keeps a choice of the language. Without it, the browser's
languages decide.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from flask import Response, current_app, request

import config
from api.response_headers import PAGE_POLICY

DEFAULT_LANGUAGE = "en"
# The same name as in static/js/core/language-choice.js.
LANGUAGE_COOKIE = "acme_language"
PLACEHOLDER_RE = re.compile(r"\{([a-z][a-z_.]*)\}")
CATALOGUE_LINK = (
    '<link rel="preload" href="/static/locales/{language}.json?v={digest}" as="fetch" type="application/json"'
    " crossorigin data-catalogue>"
)
DIGEST_CHARACTERS = 12


@dataclass(frozen=True)
class Catalogue:
    """The texts of a language, and a digest that changes with them."""

    texts: Mapping[str, str]
    digest: str


def send_page(name: str) -> Response:
    """Return the page with this file name, or 304 if the client already has it (RFC 9110, section 13.1.2)."""
    static = Path(current_app.root_path, "static")
    catalogues = _catalogues(static / "locales", watch=current_app.debug)
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen not in catalogues:
        chosen = ""
    language = chosen or request.accept_languages.best_match(list(catalogues), DEFAULT_LANGUAGE)
    page = render((static / name).read_text(encoding="utf-8"), language, catalogues, chosen=chosen)
    response = Response(page, mimetype="text/html")
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    response.content_language.add(language)
    response.vary.update(["Accept-Language", "Cookie"])
    response.cache_control.no_cache = True
    response.add_etag()
    response.make_conditional(request)
    return response


def render(page: str, language: str, catalogues: Mapping[str, Catalogue], *, chosen: str = "") -> str:
    """Return the page in this language. English takes the place of texts that the language lacks.

    `chosen` is the language that the person has chosen, "" if the browser decides.
    """
    english = catalogues[DEFAULT_LANGUAGE].texts
    own = catalogues[language].texts
    loaded = [language] if own.keys() >= english.keys() else [language, DEFAULT_LANGUAGE]
    values = {
        "language": language,
        "catalogues": "\n  ".join(
            CATALOGUE_LINK.format(language=code, digest=catalogues[code].digest) for code in loaded
        ),
        "languages": "\n        ".join(_language_options(catalogues, chosen)),
        "version": config.VERSION,
    }

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        return values[name] if name in values else html.escape(own.get(name, english.get(name, "")))

    return PLACEHOLDER_RE.sub(replace, page)


def _language_options(catalogues: Mapping[str, Catalogue], chosen: str) -> Iterable[str]:
    """Return the options of the choice of a language. Each language has its own name for itself."""
    for code, catalogue in catalogues.items():
        name = html.escape(catalogue.texts.get("page.language_name", code))
        selected = " selected" if code == chosen else ""
        yield f'<option value="{code}" lang="{code}"{selected}>{name}</option>'


def _catalogues(folder: Path, *, watch: bool) -> Mapping[str, Catalogue]:
    """Return the catalogue of every language by the language's code (RFC 5646), the default language first.

    Files are read once per process, or when they change if `watch` is set.
    """
    times = tuple((path.name, path.stat().st_mtime_ns) for path in sorted(folder.glob("*.json"))) if watch else ()
    return _read_catalogues(folder, times)


@lru_cache(maxsize=1)
def _read_catalogues(folder: Path, _times: tuple[tuple[str, int], ...]) -> Mapping[str, Catalogue]:
    paths = sorted(folder.glob("*.json"), key=lambda path: (path.stem != DEFAULT_LANGUAGE, path.stem))
    return {path.stem: parse_catalogue(path.read_bytes()) for path in paths}


def parse_catalogue(content: bytes) -> Catalogue:
    """Return the catalogue that a file contains."""
    return Catalogue(json.loads(content), hashlib.sha256(content).hexdigest()[:DIGEST_CHARACTERS])
