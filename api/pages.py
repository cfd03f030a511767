"""The HTML pages of static/, in the language of the browser, with the version of the product in their footers.

Names in braces, such as `{page.help}`, stand for the texts of a catalogue in static/locales. The modules of the page
load the same catalogue; the page asks for it early.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path

from flask import Response, current_app, request

import config
from api.response_headers import PAGE_POLICY

DEFAULT_LANGUAGE = "en"
PLACEHOLDER_RE = re.compile(r"\{([a-z][a-z_.]*)\}")
CATALOGUE_LINK = (
    '<link rel="preload" href="/static/locales/{language}.json" as="fetch" type="application/json" crossorigin'
    " data-catalogue>"
)


def send_page(name: str) -> Response:
    """Return the page with this file name, or 304 if the client already has it (RFC 9110, section 13.1.2)."""
    static = Path(current_app.root_path, "static")
    catalogues = _read_catalogues(static / "locales")
    languages = [DEFAULT_LANGUAGE, *(language for language in sorted(catalogues) if language != DEFAULT_LANGUAGE)]
    language = request.accept_languages.best_match(languages, DEFAULT_LANGUAGE)
    page = render((static / name).read_text(encoding="utf-8"), language, catalogues)
    response = Response(page, mimetype="text/html")
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    response.content_language.add(language)
    response.vary.add("Accept-Language")
    response.cache_control.no_cache = True
    response.add_etag()
    response.make_conditional(request)
    return response


def render(page: str, language: str, catalogues: Mapping[str, Mapping[str, str]]) -> str:
    """Return the page in this language. English takes the place of texts that the language lacks."""
    english = catalogues[DEFAULT_LANGUAGE]
    own = catalogues[language]
    loaded = [language] if own.keys() >= english.keys() else [language, DEFAULT_LANGUAGE]
    values = {
        "language": language,
        "catalogues": "\n  ".join(CATALOGUE_LINK.format(language=name) for name in loaded),
        "version": config.VERSION,
    }

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        return values[name] if name in values else html.escape(own.get(name, english.get(name, "")))

    return PLACEHOLDER_RE.sub(replace, page)


def _read_catalogues(folder: Path) -> dict[str, dict[str, str]]:
    """Return the texts of every language, by the language's code (RFC 5646)."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
