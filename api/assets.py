"""The files that the page loads: the bundle of static/dist, or the modules that it is made from.

Their addresses contain a version, which is a digest of all of them. So browsers may keep them for ever, and a page
never gets files of two versions. Under the address of another version there is nothing: 404 tells an old page to
reload.

All files are read when the process starts. An update of the folder therefore changes nothing until the restart, and
processes with the same files have the same version. With FLASK_DEBUG, the modules are served instead of the bundle, and
read again when one of them changes.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask, Response, current_app

from api.compression import Body, send_body
from api.texts import DEFAULT_LANGUAGE, Texts, as_json, split_texts

log = logging.getLogger(__name__)

FOLDER = "static"
BUNDLE = "dist"
MANIFEST = "manifest.json"
# The bundle is made from the scripts and styles in these folders; tools/bundle.js has the same list.
SOURCE_FOLDERS = ("css", "js", "vendor")
SOURCE_SUFFIXES = (".css", ".js")
# Without a version: these have links in documents and bookmarks.
PUBLIC_NAMES = ("favicon.svg", "sample-products.csv")
PUBLIC_SECONDS = 300
VERSIONED_SECONDS = 31_536_000
VERSION_CHARACTERS = 12
MEDIA_TYPES = {
    ".css": "text/css",
    ".csv": "text/csv",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


class Bundle(NamedTuple):
    """What tools/bundle.js has made.

    `replaced` has the output for each source that an HTML page names. `early` is the script that pages run before
    everything else, and `later` are outputs that a first screen may need besides.
    """

    replaced: Mapping[str, str]
    early: str
    later: tuple[str, ...]


class Assets:
    """The files of one version, all in memory."""

    def __init__(self, folder: Path, *, with_bundle: bool = True) -> None:
        self.pages = {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.html"))}
        self.public = {name: Body((folder / name).read_bytes()) for name in PUBLIC_NAMES if (folder / name).is_file()}
        # By language (RFC 5646), the default one first.
        self.texts = {path.stem: _read_texts(path) for path in _by_language(folder.glob("locales/*.json"))}
        self.bundle = _find_bundle(folder) if with_bundle else None
        contents = dict(_read_bundle(folder) if self.bundle else _read_sources(folder))
        for language, texts in self.texts.items():
            parts = split_texts(language, texts)
            contents[f"locales/{language}.json"] = as_json(parts.first)
            contents[f"locales/{language}.other.json"] = as_json(parts.other)
        self.files = {name: Body(content) for name, content in contents.items()}
        self.version = _digest(contents)[:VERSION_CHARACTERS]

    def address(self, name: str) -> str:
        """Return the address of a file, or of the output of the bundle that replaces it."""
        if self.bundle and name in self.bundle.replaced:
            name = self.bundle.replaced[name]
        return f"/{FOLDER}/{self.version}/{name}"

    @property
    def early_script(self) -> str:
        """The script that pages run before everything else; empty without a bundle."""
        return self.files[self.bundle.early].content.decode() if self.bundle else ""


class AssetStore:
    """Gives the assets of a folder; with `watch`, those of the modules as they are now."""

    def __init__(self, folder: Path, *, watch: bool = False) -> None:
        self._folder = folder
        self._watch = watch
        self._times = self._read_times()
        self._assets = Assets(folder, with_bundle=not watch)

    def current(self) -> Assets:
        """Return the assets for a new page."""
        if self._watch and (times := self._read_times()) != self._times:
            self._assets, self._times = Assets(self._folder, with_bundle=False), times
        return self._assets

    def _read_times(self) -> list[tuple[Path, int]]:
        if not self._watch:
            return []
        return [(path, path.stat().st_mtime_ns) for path in sorted(self._folder.rglob("*")) if path.is_file()]

    def find(self, name: str) -> Response | None:
        """Return the response with a file to the current request; None if there is none of this name."""
        if body := self._assets.public.get(name):
            response = send_body(body, _media_type(name))
            response.cache_control.max_age = PUBLIC_SECONDS
            return response
        version, _, name = name.partition("/")
        body = self._assets.files.get(name)
        if version != self._assets.version or not body:
            return None
        response = send_body(body, _media_type(name))
        response.cache_control.public = True
        response.cache_control.max_age = VERSIONED_SECONDS
        response.cache_control.immutable = True
        return response


def register(app: Flask) -> None:
    """Read the assets of the application, and serve them below /static/."""
    store = app.extensions["assets"] = AssetStore(Path(app.root_path, FOLDER), watch=app.debug)

    @app.get(f"/{FOLDER}/<path:name>")
    def send_asset(name: str) -> Response:
        if response := store.find(name):
            return response
        response = Response("Nothing exists at this address. After an update, load the page again.\n", 404)
        response.mimetype = "text/plain"
        # A newer process may have it.
        response.cache_control.no_store = True
        return response

    @app.get("/favicon.ico")
    def send_icon() -> Response:
        # Browsers request this path when they show a response without a link to an icon, such as JSON.
        return send_asset("favicon.svg")


def current_assets() -> Assets:
    """Return the assets of the current application."""
    store: AssetStore = current_app.extensions["assets"]
    return store.current()


def _media_type(name: str) -> str:
    return MEDIA_TYPES[Path(name).suffix]


def _by_language(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: (path.stem != DEFAULT_LANGUAGE, path.stem))


def _read_texts(path: Path) -> Texts:
    texts: Texts = json.loads(path.read_bytes())
    return texts


def _read_sources(folder: Path) -> Iterator[tuple[str, bytes]]:
    for name in SOURCE_FOLDERS:
        for path in (folder / name).rglob("*"):
            if path.suffix in SOURCE_SUFFIXES:
                yield path.relative_to(folder).as_posix(), path.read_bytes()


def _read_bundle(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in (folder / BUNDLE).iterdir():
        if path.name != MANIFEST:
            yield path.name, path.read_bytes()


def _digest(contents: Mapping[str, bytes]) -> str:
    """Return the digest of files and their names; tools/bundle.js computes the same."""
    lines = (f"{name}\t{hashlib.sha256(contents[name]).hexdigest()}\n" for name in sorted(contents))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _find_bundle(folder: Path) -> Bundle | None:
    """Return the bundle if it was made from the present sources and is complete."""
    try:
        manifest: Any = json.loads((folder / BUNDLE / MANIFEST).read_bytes())
        is_current = manifest["sources"] == _digest(dict(_read_sources(folder)))
        is_complete = manifest["outputs"] == _digest(dict(_read_bundle(folder)))
        bundle = Bundle(manifest["replaced"], manifest["early"], tuple(manifest["later"]))
    # It does not exist, or a merge has damaged it.
    except (OSError, ValueError, LookupError, TypeError):
        is_current = is_complete = False
    if is_current and is_complete:
        return bundle
    log.warning("The page is slow to load, because its bundle does not match its modules: run `npm run bundle`")
    return None
