"""The servers of benchmarks: nobody's products are deleted, and no index is built where it would distort a figure."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.product import no_index_builds
from benchmarks.server import ADDRESS_SETTINGS, EMBEDDED, ServerChoice, create_server, running_server
from catalogue import search_indexes
from support.bulk import create_products


def test_a_foreign_database_with_products_is_refused(database_url: str, tmp_path: Path) -> None:
    choice = ServerChoice(url=database_url)
    with running_server(tmp_path, choice) as url:
        assert url == database_url
    create_products(database_url, 1)
    with pytest.raises(SystemExit, match="has products"), running_server(tmp_path, choice):
        pass


def test_a_server_with_default_settings_changes_none_but_its_address(tmp_path: Path) -> None:
    default = create_server(tmp_path, ServerChoice(has_default_settings=True))
    assert set(default.settings) == set(ADDRESS_SETTINGS)
    assert "shared_buffers" in create_server(tmp_path, EMBEDDED).settings


def test_no_worker_builds_indexes_while_it_is_forbidden(database_url: str) -> None:
    with no_index_builds(database_url):
        assert not search_indexes.build_indexes(database_url)
    assert search_indexes.build_indexes(database_url)
