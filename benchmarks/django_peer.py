"""Imports files with django-import-export and prints the seconds of each as JSON; benchmarks.peers runs it.

    python benchmarks/django_peer.py [--bulk] DATABASE_URL ROWS FILE …

It runs in an environment that has Django, django-import-export and psycopg2 only. The table has a unique SKU, which
tells products apart exactly as it is written. With `--bulk`, the resource has what the documentation of
django-import-export recommends for large files: its bulk mode, a loader that reads all products at once, and no diffs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import django
import tablib
from django.conf import settings
from psycopg2.extensions import parse_dsn

BATCH_ROWS = 1000


def main() -> None:
    """Import the files, one after the other, into a table that is empty at first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bulk", action="store_true")
    parser.add_argument("url")
    parser.add_argument("rows", type=int)
    parser.add_argument("paths", type=Path, nargs="+")
    options = parser.parse_args()
    dsn = parse_dsn(options.url)
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": dsn["dbname"],
        "USER": dsn.get("user", ""),
        "PASSWORD": dsn.get("password", ""),
        "HOST": dsn.get("host", ""),
        "PORT": dsn.get("port", ""),
    }
    settings.configure(DATABASES={"default": database}, INSTALLED_APPS=["import_export"], USE_TZ=True)
    django.setup()
    print(json.dumps(run(options.paths, options.rows, is_bulk=options.bulk)))


def run(paths: list[Path], rows: int, *, is_bulk: bool) -> list[float]:
    """Import each file; return the seconds."""
    # Both need the settings.
    from django.db import connection, models
    from import_export import resources
    from import_export.instance_loaders import CachedInstanceLoader

    class Product(models.Model):  # type: ignore[misc]
        sku = models.CharField(max_length=255, unique=True)
        name = models.CharField(max_length=500)
        description = models.TextField(blank=True)
        active = models.BooleanField(default=True)
        created_at = models.DateTimeField(auto_now_add=True)
        updated_at = models.DateTimeField(auto_now=True)

        class Meta:
            app_label = "import_export"  # It must be an installed app.

    class PlainMeta:
        model = Product
        fields = ("name", "sku", "description")
        import_id_fields = ("sku",)
        skip_unchanged = True

    class BulkMeta(PlainMeta):
        use_bulk = True
        batch_size = BATCH_ROWS
        skip_diff = True
        report_skipped = False
        instance_loader_class = CachedInstanceLoader

    class PlainResource(resources.ModelResource):  # type: ignore[misc]
        Meta = PlainMeta

    class BulkResource(resources.ModelResource):  # type: ignore[misc]
        Meta = BulkMeta

    with connection.schema_editor() as editor:
        editor.create_model(Product)
    seconds = []
    for path in paths:
        started_at = time.perf_counter()
        dataset = tablib.Dataset().load(path.read_text(encoding="utf-8"), format="csv")
        (BulkResource if is_bulk else PlainResource)().import_data(dataset, raise_errors=True)
        seconds.append(time.perf_counter() - started_at)
        if Product.objects.count() != rows:
            sys.exit(f"{path}: the table should have {rows} products.")
    with connection.schema_editor() as editor:
        editor.delete_model(Product)
    return seconds


if __name__ == "__main__":
    main()
