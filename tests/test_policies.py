"""Previews, policies, cancelling, retrying: what a person may do with an import before, while and after it writes."""

from __future__ import annotations

from flask.testing import FlaskClient

from conftest import catalogue, execute, run_import
from import_tools import act, listed, upload, work
from importer.engine import Engine

OLD = "sku,name,description\nA-1,Lamp,old\nA-2,Sofa,\nA-3,Chair,\n"
NEW = "sku,name\na-1,Lamp\nA-2,Blue sofa\nB-1,Table\nB-1,Round table\n,nothing\n"


def test_a_preview_says_what_would_happen_and_touches_nothing_until_it_is_confirmed(
    client: FlaskClient, engine: Engine
) -> None:
    run_import(engine, OLD)
    before = catalogue(engine.database_url)
    job = upload(client, engine, NEW, preview="true")
    assert (job["status"], job["progress"], job["phase"]) == ("awaiting_confirmation", 50, "comparing")
    preview = job["preview"]
    numbers = {name: preview[name] for name in ("create", "update", "unchanged", "skipped", "rejected", "duplicate")}
    assert numbers == {"create": 1, "update": 1, "unchanged": 1, "skipped": 0, "rejected": 1, "duplicate": 1}
    assert preview["changes"] == [
        {"sku": "A-2", "before": {"name": "Sofa"}, "after": {"name": "Blue sofa"}},
        {"sku": "B-1", "before": None, "after": {"name": "Round table"}},
    ]
    assert [(row["line"], row["code"]) for row in preview["rejects"]] == [(6, "missing_sku")]
    assert catalogue(engine.database_url) == before

    assert act(client, job, "confirm")["status"] == "pending"
    done = work(client, engine, job["task_id"])
    assert done["status"] == "completed"
    assert (done["created_count"], done["updated_count"], done["unchanged_count"]) == (1, 1, 1)
    assert catalogue(engine.database_url)[1][:2] == ("A-2", "Blue sofa")
    assert done["preview"] == preview


def test_undo_takes_an_import_back_and_leaves_alone_what_was_edited_since(client: FlaskClient, engine: Engine) -> None:
    run_import(engine, OLD)
    before = catalogue(engine.database_url)
    job = upload(client, engine, "sku,name\nA-1,Lamp 2\nA-2,Sofa 2\nB-1,Table\nB-2,Desk\n")
    edited = execute(engine.database_url, "SELECT id FROM products WHERE sku IN ('A-2', 'B-2') ORDER BY sku")
    for (number,) in edited:
        assert client.put(f"/api/products/{number}", json={"description": "mine"}).status_code == 200
    undo = work(client, engine, act(client, job, "undo")["task_id"])
    assert (undo["status"], undo["kind"], undo["undo_of"]) == ("completed", "undo", job["task_id"])
    counts = ("updated_count", "removed_count", "rejected_count", "unchanged_count", "processed_records")
    assert {name: undo[name] for name in counts} == {
        "updated_count": 2,
        "removed_count": 1,
        "rejected_count": 2,
        "unchanged_count": 0,
        "processed_records": 4,
    }
    rejects = listed(client, undo, "rejects")["rejects"]
    assert {(row["code"], row["row"]) for row in rejects} == {("edited_since", "A-2"), ("edited_since", "B-2")}
    after = catalogue(engine.database_url)
    assert after == [before[0], ("A-2", "Sofa 2", "mine", True), before[2], ("B-2", "Desk", "mine", True)]
    assert act(client, job, "undo", 409)["code"] == "not_undoable"
    assert act(client, undo, "undo", 409)["code"] == "not_undoable"
