"""The addresses of the files that the page loads."""

from __future__ import annotations

import re

SCRIPT_RE = re.compile(r'<script type="module" src="(/static/[^"]+)">')
STYLES_RE = re.compile(r'<link rel="stylesheet" href="(/static/[^"]+)">')


def main_script(page: str) -> str:
    """Return the address of the first script of a page, which is given as HTML."""
    [address] = SCRIPT_RE.findall(page)
    return str(address)


def main_styles(page: str) -> str:
    """Return the address of the styles of a page, which is given as HTML."""
    [address] = STYLES_RE.findall(page)
    return str(address)
