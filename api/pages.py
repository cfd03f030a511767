"""The HTML pages of static/, in the language of the person, with the version of the product in their footers.

Names in braces, such as `{page.help}`, stand for the texts of a catalogue in static/locales. The modules of the page
load the same catalogue; the page asks for it early. A cookie keeps a choice of the language. Without it, the browser's
languages decide.

Browsers ask for a page each time, so they never show an old one. It names the files of one version (api/assets.py).
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from flask import Response, request

import config
from api.assets import Assets, current_assets
from api.compression import Body, send_body
from api.response_headers import page_policy
from api.texts import DEFAULT_LANGUAGE, Texts

# The same name as in static/js/core/language-choice.js.
LANGUAGE_COOKIE = "acme_language"
PLACEHOLDER_RE = re.compile(r"\{([a-z][a-z_.]*)\}")
# The address of a file below static/, as the HTML names it.
SOURCE_RE = re.compile(r'(?<==")/static/((?:css|js)/[^"]+)(?=")')
FIRST_TEXTS = '<link rel="preload" href="{address}" as="fetch" type="application/json" crossorigin data-texts="first">'
# They have no `rel`, so browsers do not load them. static/js/early.js sets that of `data-later` if the first screen
# needs them.
OTHER_TEXTS = (
    '<link href="{address}" as="fetch" type="application/json" crossorigin data-later="preload" data-texts="other">'
)
LATER_MODULE = '<link href="{address}" data-later="modulepreload">'
INLINE_SCRIPT = "<script>{script}</script>"
# The script that takes the place of the early one if there is no bundle. It sets the theme.
THEME_SCRIPT = '<script src="{address}"></script>'
THEME_SOURCE = "js/core/theme-early.js"
# Each page in each language, chosen or not.
KEPT_PAGES = 32


def send_page(name: str) -> Response:
    """Return the page with this file name, or 304 if the client already has it (RFC 9110, section 13.1.2)."""
    assets = current_assets()
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen not in assets.texts:
        chosen = ""
    language = chosen or request.accept_languages.best_match(list(assets.texts), DEFAULT_LANGUAGE)
    response = send_body(render(assets, name, language, chosen=chosen), "text/html")
    response.headers["Content-Security-Policy"] = page_policy(_hash_of(assets.early_script))
    response.content_language.add(language)
    response.vary.update(["Accept-Language", "Cookie"])
    response.cache_control.no_cache = True
    return response


@lru_cache(KEPT_PAGES)
def render(assets: Assets, name: str, language: str, *, chosen: str = "") -> Body:
    """Return the page in this language. English takes the place of texts that the language lacks.

    `chosen` is the language that the person has chosen, "" if the browser decides.
    """
    english = assets.texts[DEFAULT_LANGUAGE]
    own = assets.texts[language]
    loaded = [language] if own.keys() >= english.keys() else [language, DEFAULT_LANGUAGE]
    values = {
        "language": language,
        "texts": "\n  ".join(_text_links(assets, loaded)),
        "early": _early_script(assets),
        "later": "\n  ".join(_later_links(assets)),
        "languages": "\n        ".join(_language_options(assets.texts, chosen)),
        "version": config.VERSION,
    }

    def replace(match: re.Match[str]) -> str:
        key = match[1]
        return values[key] if key in values else html.escape(own.get(key, english.get(key, "")))

    page = SOURCE_RE.sub(lambda match: assets.address(match[1]), assets.pages[name])
    return Body(PLACEHOLDER_RE.sub(replace, page).encode())


def _text_links(assets: Assets, languages: Iterable[str]) -> Iterable[str]:
    """Return the links of the texts. Those of the own language come first."""
    languages = list(languages)
    for language in languages:
        yield FIRST_TEXTS.format(address=assets.address(f"locales/{language}.json"))
    for language in languages:
        yield OTHER_TEXTS.format(address=assets.address(f"locales/{language}.other.json"))


def _later_links(assets: Assets) -> Iterable[str]:
    for name in assets.bundle.later if assets.bundle else ():
        yield LATER_MODULE.format(address=assets.address(name))


def _early_script(assets: Assets) -> str:
    if assets.bundle:
        return INLINE_SCRIPT.format(script=assets.early_script)
    return THEME_SCRIPT.format(address=assets.address(THEME_SOURCE))


@lru_cache(KEPT_PAGES)
def _hash_of(script: str) -> str:
    """Return the source of an inline script in a Content-Security-Policy; empty if there is no script."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'" if script else ""


def _language_options(catalogues: Mapping[str, Texts], chosen: str) -> Iterable[str]:
    """Return the options of the choice of a language. Each language has its own name for itself."""
    for code, texts in catalogues.items():
        name = html.escape(texts.get("page.language_name", code))
        selected = " selected" if code == chosen else ""
        yield f'<option value="{code}" lang="{code}"{selected}>{name}</option>'
