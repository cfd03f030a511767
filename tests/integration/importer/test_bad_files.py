"""Malformed files give rows, rejects or a sentence, and leave nothing behind."""

from __future__ import annotations

import gzip
import json
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

import config
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.jobs import create_job, create_runner, folder_of, read_job, read_products, read_rejects, run_import

HEADER = b"sku,name\n"


@pytest.fixture(autouse=True)
def check_leftovers(runner: ImportRunner) -> Iterator[None]:
    """Fail if a staging table, a file that no retry needs, a lease or an unfinished job remains."""
    yield
    assert (
        execute(runner.database_url, "SELECT tablename FROM pg_tables WHERE tablename LIKE 'import\\_staging\\_%'")
        == []
    )
    kept = execute(runner.database_url, "SELECT stored_name FROM import_jobs WHERE status = 'failed'")
    assert {path.name for path in folder_of(runner).iterdir()} <= {name for (name,) in kept}
    assert (
        execute(
            runner.database_url,
            "SELECT status FROM import_jobs WHERE status NOT IN ('completed', 'failed') OR lease_token IS NOT NULL"
            " OR staging_table IS NOT NULL OR finished_at IS NULL",
        )
        == []
    )


def import_unusable_file(runner: ImportRunner, content: bytes | str) -> str:
    """Import a file that fails as a whole, and return the sentence that says why."""
    before = read_products(runner.database_url)
    job = run_import(runner, content)
    assert (job["status"], job["created_count"], job["updated_count"]) == ("failed", 0, 0)
    assert job["progress"] < 100
    assert read_products(runner.database_url) == before
    sentence = str(job["error_message"])
    assert sentence.endswith(".")
    assert len(sentence) < 800
    assert not any(word in sentence for word in ("Traceback", "Error:", "psycopg2", "Exception", "\n"))
    return sentence


def png() -> bytes:
    return b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4


UNUSABLE = [
    (b"", "empty"),
    (b"\n\r\n  \n", "empty"),
    (b"\xef\xbb\xbf", "empty"),
    (b"sku,name", "nothing below"),
    (b"sku,name\n", "nothing below"),
    (b"sku,name\n\n\r\n   \n\n", "nothing below"),
    (b'sku,name\n,\n"",""\n,,,\n', "nothing below"),
    (b"name,description\na,b\n", "no column `sku`"),
    (b"colour\na\n", "choose it with a mapping"),
    (b"colour;size\na;b\n", "`colour`, `size`"),
    (b",".join(b"column %d" % number for number in range(10_000)) + b"\n", "9,992 more"),
    (b"sku" + b"," * 1_000_000 + b"\na\n", "1,000,001 columns; at most 16,384 are possible"),
    (b'"sku"' + b',""' * 300_000 + b"\na\n", "300,001 columns"),
    (gzip.compress(b"\n" * 1000 + b"sku" + b"\tx" * 16_384 + b"\na\n"), "16,385 columns"),
    (b"," * 1_000_000 + b"\n" + b",;\n" * 100_000, "empty"),
    (b"sku,name, SKU \na,b,c\n", "2 columns named `sku`"),
    (b"sku,Name,name,NAME\na,b,c,d\n", "3 columns named `Name`"),
    (b'"sku,name\na,b\n', "header row cannot be read"),
    (b'"sku"x,name\na,b\n', "header row cannot be read"),
    (b"x" * 2_000_000 + b"\n", "header row cannot be read"),
    (b"\xe9t\xe9,\xff\na,b\n", "no column `sku`. Its columns are: `été`, `ÿ`"),
    (b"\xff\xfe\xff", "no column `sku`. Its columns are: `\ufffd`."),
    (bytes(range(256)) * 10, "binary"),
    (b"\0" * 5_000_000, "NUL"),
    (png(), "PNG"),
    (b"%PDF-1.7\n", "PDF"),
    (gzip.compress(png()), "PNG"),
    (gzip.compress(gzip.compress(HEADER + b"a,b\n")), "gzip"),
    (gzip.compress(b""), "empty"),
    (b"\x1f\x8b", "gzip"),
    (gzip.compress(HEADER + b"a,b\n")[:-4], "gzip"),
    (gzip.compress(HEADER + b"a,b\n" * 100_000)[:-100], "gzip"),
    (gzip.compress(HEADER + b"a,b\n") + b"rubbish", "gzip"),
]


@pytest.mark.parametrize(("content", "message"), UNUSABLE, ids=[told for _, told in UNUSABLE])
def test_an_unusable_file_fails_with_a_sentence(runner: ImportRunner, content: bytes, message: str) -> None:
    run_import(runner, b"sku\nkept\n")
    assert message in import_unusable_file(runner, content)


def test_a_gzip_bomb_is_not_decompressed(settings: config.Settings) -> None:
    runner = create_runner(settings, max_unpacked_bytes=2_000_000)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(HEADER) + b"".join(packer.compress(b"a,b\n" * 250_000) for _ in range(50)) + packer.flush()
    assert len(bomb) < 100_000
    assert "decompresses to more than" in import_unusable_file(runner, bomb)
    assert "decompresses to more than" in import_unusable_file(runner, gzip.compress(HEADER + b"x" * 3_000_000))


@pytest.mark.thorough
def test_a_file_with_as_many_columns_as_a_spreadsheet_is_imported(runner: ImportRunner) -> None:
    line = b",x" * 16_383
    header = b"sku" + b"," + b",".join(b"%060d" % number for number in range(16_383))
    rows = b"".join(b"%d%s\n" % (number, line) for number in range(50))
    job = run_import(runner, header + b"\n" + rows + b"a,b\n" + b"b" + b"," * 1_000_000 + b"\n" + b"," * 1_000_000)
    # Surplus empty cells are dropped.
    assert (job["created_count"], job["rejected_count"]) == (51, 1)
    assert len(job["file"]["columns"]) == 16_384
    assert len(json.dumps(job["file"])) < 2_500_000


@pytest.mark.thorough("row2")
@pytest.mark.parametrize(
    "row", [b"x" * 50_000_000, b'a,"' + b"x" * 50_000_000 + b'"', b'"' * 50_000_001, b"," * 50_000_000]
)
def test_a_row_of_50_mb_is_rejected_and_the_rows_around_it_are_imported(runner: ImportRunner, row: bytes) -> None:
    job = run_import(runner, HEADER + b"a,before\n" + row + b"\nb,behind\n")
    assert read_rejects(runner.database_url, job) == [(3, "row_too_long")]
    assert read_products(runner.database_url) == [("a", "before", "", True), ("b", "behind", "", True)]
    kept = execute(runner.database_url, "SELECT max(length(row)) FROM import_rejects")
    assert kept[0][0] < 1000


def test_an_unclosed_quote_rejects_its_own_line_in_an_import(runner: ImportRunner) -> None:
    rows = b"".join(b"%d,n\n" % number for number in range(30_000))
    job = run_import(runner, HEADER + rows + b'a,"open\n' + rows.replace(b",n", b",m") + b"z,last")
    assert read_rejects(runner.database_url, job) == [(30_002, "bad_quoting")]
    assert (job["created_count"], job["duplicate_count"], job["total_records"]) == (30_001, 30_000, 60_002)
    assert {name for _, name, _, _ in read_products(runner.database_url)} == {"m", "last"}


def test_rows_with_nul_bytes_are_rejected(runner: ImportRunner) -> None:
    job = run_import(runner, HEADER + b'a,b\n\0,c\nd,e\0\n"f\0\n","g"\nh,"i"\n\0\0\0\0')
    assert read_rejects(runner.database_url, job) == [(3, "nul"), (4, "nul"), (5, "nul"), (8, "nul")]
    assert [row[0] for row in read_products(runner.database_url)] == ["a", "h"]


def test_rows_with_undecodable_bytes_are_rejected(runner: ImportRunner) -> None:
    good = "ä,Größe für Größe\n".encode()
    job = run_import(runner, b"sku,name\na,plain\n" + b"b,x\xff\n\xfe,c\nd,\xc3\xbc\xfc\n" + good)
    assert read_rejects(runner.database_url, job) == [
        (3, "invalid_encoding"),
        (4, "invalid_encoding"),
        (5, "invalid_encoding"),
    ]
    assert [sku for sku, *_ in read_products(runner.database_url)] == ["a", "ä"]
    kept = execute(runner.database_url, "SELECT row FROM import_rejects ORDER BY line")
    assert kept == [("b,xÿ",), ("þ,c",), ("d,üü",)]


def test_undecodable_bytes_in_other_columns_are_harmless(runner: ImportRunner) -> None:
    assert run_import(runner, b"sku,note\na,\xff\n")["created_count"] == 1


def test_a_file_with_only_rejects_writes_nothing(runner: ImportRunner) -> None:
    job = run_import(runner, HEADER + b",x\n,y\nz\n")
    assert (job["status"], job["rejected_count"], job["processed_records"]) == ("completed", 3, 3)
    assert read_products(runner.database_url) == []


def test_skus_that_differ_only_in_case_and_spaces_are_one_product(runner: ImportRunner) -> None:
    job = run_import(
        runner, "sku,name\n" + "".join(f"{sku},{n}\n" for n, sku in enumerate([" a", "A ", "a", "\ta", "A"]))
    )
    assert (job["created_count"], job["duplicate_count"]) == (1, 4)
    assert read_products(runner.database_url) == [("A", "4", "", True)]


@pytest.mark.thorough
def test_half_a_million_rows_of_one_sku_are_one_product(runner: ImportRunner) -> None:
    job = run_import(runner, HEADER + b"a,b\n" * 499_999 + b"A,last\n")
    assert (job["created_count"], job["duplicate_count"], job["total_records"]) == (1, 499_999, 500_000)
    assert read_products(runner.database_url) == [("A", "last", "", True)]


def run_concurrently(runners: list[ImportRunner], contents: list[bytes]) -> list[dict[str, Any]]:
    """Run several imports at the same time, each in its own thread."""
    task_ids = [create_job(runner, content) for runner, content in zip(runners, contents, strict=True)]
    start = threading.Barrier(len(runners))
    problems: list[BaseException] = []

    def work(runner: ImportRunner, task_id: str) -> None:
        try:
            start.wait(30)
            while runner.run(task_id):
                pass
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(runners, task_ids, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    return [read_job(runners[0].database_url, task_id) for task_id in task_ids]


def test_two_concurrent_imports_of_a_file_create_every_product_once(settings: config.Settings) -> None:
    runners = [create_runner(settings, slice_rows=500, chunk_rows=1000) for _ in range(2)]
    content = HEADER + b"".join(b"sku-%d,name %d\n" % (number, number) for number in range(20_000))
    jobs = run_concurrently(runners, [content, content])
    assert [(job["status"], job["processed_records"]) for job in jobs] == [("completed", 20_000)] * 2
    assert sum(job["created_count"] for job in jobs) == 20_000
    assert sum(job["unchanged_count"] for job in jobs) == 20_000
    assert len(read_products(settings.database_url)) == 20_000


def test_files_with_skus_in_opposite_order_do_not_deadlock(settings: config.Settings) -> None:
    runners = [create_runner(settings, slice_rows=300, chunk_rows=1000) for _ in range(2)]
    run_import(runners[0], HEADER + b"".join(b"%d,old\n" % number for number in range(0, 6000, 2)))
    contents = [
        HEADER + b"".join(b"%d,%s\n" % (number, name) for number in numbers)
        for name, numbers in ((b"up", range(6000)), (b"down", reversed(range(6000))))
    ]
    jobs = run_concurrently(runners, contents)
    for job in jobs:
        assert job["status"] == "completed"
        assert job["created_count"] + job["updated_count"] + job["unchanged_count"] == 6000
    assert sum(job["created_count"] for job in jobs) == 3000
    assert {name for _, name, _, _ in read_products(settings.database_url)} <= {"up", "down"}
