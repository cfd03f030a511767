"""An undo that restores many deleted products does not write each of them into the index of texts."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

import config
from catalogue import search_indexes
from catalogue.filters import Filter
from catalogue.search_indexes import KINDS, TEXT_INDEX
from importer.pipeline import undo as undo_module
from importer.pipeline.run import Observer, Step, StepKind
from support.api import read_json
from support.bulk import open_transaction, run_change
from support.imports import request_action, run_job
from support.jobs import create_runner
from support.search_indexes import PARTS, create_products, find_generations, find_skus, list_parts


class NoteIndexes(Observer):
    """Note which kinds of search indexes there are before each entry is reversed."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.kinds: list[set[str]] = []

    def before_transaction(self, step: Step) -> None:
        if step.kind is StepKind.REVERSE_ENTRY:
            self.kinds.append(set(find_generations(self.url)))


def undo(client: FlaskClient, settings: config.Settings, url: str, task_id: str) -> list[set[str]]:
    """Undo a job; return the kinds of search indexes before each of its steps."""
    observer = NoteIndexes(url)
    result = run_job(
        client, create_runner(settings, observer=observer), request_action(client, task_id, "undo")["task_id"]
    )
    assert result["status"] == "completed"
    assert observer.kinds
    return observer.kinds


@pytest.mark.parametrize("deletes_all", [True, False])
def test_the_index_of_texts_makes_way_for_many_restored_products(
    client: FlaskClient, settings: config.Settings, database_url: str, deletes_all: bool
) -> None:
    create_products(database_url)
    search_indexes.build_indexes(database_url)
    if deletes_all:
        task_id = str(read_json(client.delete("/api/products/bulk-delete"))["task_id"])
    else:
        task_id = run_change(client, "delete", filter={"q": "lamp"})["task_id"]
    # All others are cheap to write.
    for kinds in undo(client, settings, database_url, task_id):
        assert kinds == set(KINDS) - {TEXT_INDEX}
    assert find_skus(database_url, Filter(name="lamp 4711")) == (["k-4711"], 1)
    assert search_indexes.build_indexes(database_url)
    assert list_parts(database_url) == PARTS
    assert find_skus(database_url, Filter(name="lamp 4711")) == (["k-4711"], 1)


def test_the_index_of_texts_stays_if_few_products_are_restored(
    client: FlaskClient, settings: config.Settings, database_url: str
) -> None:
    create_products(database_url)
    search_indexes.build_indexes(database_url)
    task_id = run_change(client, "delete", filter={"q": "lamp 11"})["task_id"]
    assert all(kinds == set(KINDS) for kinds in undo(client, settings, database_url, task_id))
    assert find_skus(database_url, Filter(name="lamp 11500")) == (["k-11500"], 1)


def test_an_undo_goes_on_if_others_keep_the_index_of_texts_in_use(
    client: FlaskClient, settings: config.Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(undo_module, "DROP_ATTEMPTS", 1)
    create_products(database_url)
    search_indexes.build_indexes(database_url)
    task_id = run_change(client, "delete", filter={"q": "lamp"})["task_id"]
    with open_transaction(database_url) as cursor:
        cursor.execute("SELECT FROM products")
        assert all(kinds == set(KINDS) for kinds in undo(client, settings, database_url, task_id))
    assert find_skus(database_url, Filter(name="lamp 4711")) == (["k-4711"], 1)
