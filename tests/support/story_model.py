"""A plain model of a catalogue and its imports, for `test_story.py`.

The test reports each step that a worker has committed, for example that a slice was written. The model then computes
what the step must have done, and compares that with the database. It takes only ids from the database, because
PostgreSQL chooses them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from support.story_jobs import ENDED, UNFINISHED, ModelEntry, ModelJob, ModelProduct, Query, Values


class Model:
    """The catalogue and its imports as they must be.

    `query` runs a statement on the database. `keys` has the key of each SKU: SKUs with the same key are the same.
    """

    def __init__(self, query: Query, keys: Mapping[str, str]) -> None:
        self.query, self.keys = query, keys
        self.catalogue: dict[str, ModelProduct] = {}
        self.jobs: list[ModelJob] = []
        self.last_version = 0

    def next_version(self) -> int:
        self.last_version += 1
        return self.last_version

    def touch(self, product: ModelProduct) -> None:
        """Give a product a new version."""
        product.version = product.written = self.next_version()

    # What workers do.

    def stage(self, job: ModelJob) -> None:
        job.is_staged = True
        job.total = len(job.rows) + job.rejected
        job.processed = max(job.processed, job.rejected)

    def write_slice(self, job: ModelJob, last_key: str) -> None:
        """Write the rows whose keys are greater than the checkpoint and at most `last_key`."""
        assert job.is_staged
        assert not job.is_preview
        assert job.options["on_reject"] == "skip" or not job.rejected
        assert last_key > job.checkpoint
        rows = [(key, row) for key, row in job.rows if job.checkpoint < key <= last_key]
        created, updated, counts = self.compare(job, rows)
        version = self.next_version()
        for key, row in created.items():
            given = {name: value for name, value in row.items() if value is not None}
            values = {"name": "", "description": "", "active": True, **given}
            self.catalogue[key] = ModelProduct(key, values, version)
        entries: list[ModelEntry] = []
        if created:
            entries.append(ModelEntry(0, version, "created", [(self.catalogue[key], {}, 0) for key in created]))
        if updated:
            entries.append(ModelEntry(0, version, "updated", []))
            for key, new_values in updated.items():
                product = self.catalogue[key]
                entries[-1].products.append((product, product.values, product.version))
                product.values = {**product.values, **new_values}
                product.version = product.written = version
        job.counts += counts
        job.processed += len(rows)
        job.checkpoint = last_key
        self.read_product_ids()
        self.read_entry_ids(job, entries)

    def find_missing(self, job: ModelJob) -> None:
        """Find the products that the file does not have; there is no row to compare with in a rejected one."""
        assert job.removes_missing
        assert not job.is_preview or job.checkpoint == ""
        missing = self.missing_products(job)
        limit = Fraction(str(job.options["missing_limit"]))
        job.missing_found, job.has_too_many_missing = len(missing), len(missing) > limit * len(self.catalogue)
        job.compared_at = None if job.has_too_many_missing else self.last_version

    def missing_products(self, job: ModelJob) -> list[ModelProduct]:
        keys = {key for key, _ in job.rows} | job.rejected_keys
        return [
            product
            for product in self.catalogue.values()
            if product.key not in keys and (product.values["active"] or job.options["missing"] == "delete")
        ]

    def remove_missing(self, job: ModelJob, last_key: str) -> None:
        """Remove the missing products whose keys are greater than `missing_checkpoint` and at most `last_key`."""
        assert job.compared_at is not None
        assert job.checkpoint == max(key for key, _ in job.rows)
        assert last_key > job.missing_checkpoint
        products = [
            product
            for product in self.missing_products(job)
            if job.missing_checkpoint < product.key <= last_key and product.written <= job.compared_at
        ]
        version = self.next_version()
        deletes = job.options["missing"] == "delete"
        removed = [(product, product.values, product.version) for product in products]
        for product in products:
            if deletes:
                del self.catalogue[product.key]
            else:
                product.values = {**product.values, "active": False}
                product.version = product.written = version
        job.counts["missing"] += len(products)
        job.missing_checkpoint = last_key
        kind = "deleted" if deletes else "updated"
        self.read_entry_ids(job, [ModelEntry(0, version, kind, removed)] if removed else [])

    def compare(
        self, job: ModelJob, rows: list[tuple[str, Values]]
    ) -> tuple[dict[str, Values], dict[str, Values], Counter[str]]:
        """Return what the rows create and what they update, by key, and the counts of the outcomes."""
        last_rows = dict(sorted(rows, key=lambda row: row[0]))
        created: dict[str, Values] = {}
        updated: dict[str, Values] = {}
        counts = Counter(duplicate=len(rows) - len(last_rows))
        mode = job.options["mode"]
        for key, row in last_rows.items():
            product = self.catalogue.get(key)
            if (product is None and mode == "update") or (product and mode == "create"):
                counts["skipped"] += 1
            elif product is None:
                created[key] = row
            else:
                new = {name: value for name, value in row.items() if name != "sku" and value is not None}
                if new != {name: product.values[name] for name in new}:
                    updated[key] = new
        unchanged = len(last_rows) - len(created) - len(updated)
        counts.update(created=len(created), updated=len(updated), unchanged=unchanged)
        return created, updated, counts

    def reverse_entry(self, job: ModelJob, entry_id: int) -> None:
        entry = job.entries_left.pop()
        assert entry.id == entry_id
        products, entry.products = sorted(entry.products, key=lambda item: item[0].key), []
        version = self.next_version()
        for product, previous_values, previous_version in products:
            job.processed += 1
            if entry.kind == "deleted":
                if product.key in self.catalogue:
                    job.counts["rejected"] += 1
                    job.edited_skus.append(product.values["sku"])
                    entry.products.append((product, previous_values, previous_version))
                else:
                    job.counts["updated"] += 1
                    self.catalogue[product.key] = product
                    product.written = version
            elif self.catalogue.get(product.key) is not product:
                job.counts["unchanged"] += 1
            elif product.version != entry.version:
                job.counts["rejected"] += 1
                job.edited_skus.append(product.values["sku"])
                entry.products.append((product, previous_values, previous_version))
            else:
                job.counts["updated"] += 1
                if entry.kind == "created":
                    job.counts["removed"] += 1
                    del self.catalogue[product.key]
                else:
                    product.values, product.version = previous_values, previous_version
                    product.written = version

    def finish(self, job: ModelJob, status: str) -> None:
        job.status = status
        job.can_retry = status != "completed"

    def has(self, *statuses: str) -> bool:
        return any(job.status in statuses for job in self.jobs)

    def undoable_jobs(self) -> list[ModelJob]:
        return [job for job in self.jobs if self.refusal_of_undo(job, {"force": True}) is None]

    # Actions of clients. `refusal_of_…` returns the error code if the state of the job does not allow the action.
    # `apply_…` makes the changes of an action that was allowed.

    def refusal_of_confirm(self, job: ModelJob, _: Any) -> str | None:
        if job.status != "awaiting_confirmation":
            return "not_awaiting_confirmation"
        if job.options["on_reject"] == "fail" and job.rejected:
            return "has_rejects"
        return "too_many_missing" if job.has_too_many_missing else None

    def apply_confirm(self, job: ModelJob, *_: Any) -> None:
        job.is_confirmed, job.status = True, "pending"

    def refusal_of_cancel(self, job: ModelJob, _: Any) -> str | None:
        return "already_ended" if job.status in ENDED else None

    def apply_cancel(self, job: ModelJob, *_: Any) -> None:
        self.finish(job, "cancelled")

    def refusal_of_retry(self, job: ModelJob, options: Any) -> str | None:
        if job.status == "awaiting_confirmation":
            return None
        undo = job.undone_by
        undo_is_unfinished = undo is not None and undo.status in UNFINISHED
        return "not_retryable" if not job.can_retry or job.status in UNFINISHED or undo_is_unfinished else None

    def apply_retry(self, job: ModelJob, options: dict[str, Any], _: Any) -> None:
        awaited_confirmation = job.status == "awaiting_confirmation"
        options_change = {**job.options, **options} != job.options
        job.status, job.run, job.can_retry = "pending", job.run + 1, False
        if job.kind == "undo":
            return
        job.options |= options
        was_undone = job.undone_by is not None
        if job.undone_by is not None:
            # A later undo only has to reverse the rest.
            job.entries = [entry for entry in job.entries if entry.products]
            job.undone_by.can_retry = False
        if awaited_confirmation or options_change or was_undone or not job.is_staged:
            job.start_over()

    def refusal_of_undo(self, job: ModelJob, options: Any) -> str | None:
        is_undone = job.undone_by is not None and not job.left_alone_count
        if job.kind == "undo" or job.status not in ENDED or is_undone or not job.entries:
            return "not_undoable"
        existing = [
            product
            for entry in job.entries
            for product, _, _ in entry.products
            if entry.kind != "deleted" and self.catalogue.get(product.key) is product
        ]
        deleted = [product for entry in job.entries if entry.kind == "deleted" for product, _, _ in entry.products]
        taken = [product for product in deleted if product.key in self.catalogue]
        # A product that this import wrote twice has the version of the second write. The undo reverses that one first.
        own_versions = {entry.version for entry in job.entries if entry.products}
        changed = [product for product in existing if product.version not in own_versions]
        is_blocked = 2 * len(changed + taken) > len(existing + deleted)
        return "undo_blocked" if is_blocked and not options.get("force") else None

    def apply_undo(self, job: ModelJob, _: Any, response: Any) -> None:
        entries_left = [entry for entry in job.entries if entry.products]
        undo = ModelJob(response["task_id"], kind="undo", undo_of=job, is_staged=True, entries_left=entries_left)
        undo.total = sum(len(entry.products) for entry in job.entries)
        job.undone_by = undo
        self.jobs.append(undo)

    # Comparisons with the database.

    def read_product_ids(self) -> None:
        """Read the ids of new products; check that the others have kept theirs."""
        for product_id, sku in self.query("SELECT id, sku FROM products"):
            product = self.catalogue[self.keys[sku]]
            product.id = product.id or product_id
            assert product.id == product_id

    def read_entry_ids(self, job: ModelJob, new_entries: list[ModelEntry]) -> None:
        """Read the ids of the entries that a slice has added to the change log; check that they name its products."""
        last_id = max((entry.id for entry in job.entries), default=0)
        rows = self.query(
            "SELECT c.id, c.created, c.updated, c.deleted FROM import_changes c JOIN import_jobs j ON j.id = c.job_id"
            " WHERE j.task_id = %s AND c.id > %s AND num_nonnulls(c.created, c.updated, c.deleted) > 0 ORDER BY c.id",
            [job.task_id, last_id],
        )
        entries = {entry.kind: entry for entry in new_entries}
        assert len(rows) == len(entries)
        for entry_id, *arrays in rows:
            ((kind, ids),) = [
                (kind, ids) for kind, ids in zip(("created", "updated", "deleted"), arrays, strict=True) if ids
            ]
            entry = entries.pop(kind)
            entry.id = entry_id
            assert sorted(ids) == sorted(product.id or 0 for product, _, _ in entry.products)
            job.entries.append(entry)

    def check_preview(self, job: ModelJob) -> None:
        (preview,) = self.query("SELECT preview FROM import_jobs WHERE task_id = %s", [job.task_id])[0]
        created, updated, counts = self.compare(job, job.rows)
        numbers = {"create": counts["created"], "update": counts["updated"], "rejected": job.rejected}
        numbers |= {name: counts[name] for name in ("unchanged", "skipped", "duplicate")}
        numbers |= {"missing": job.missing_found}
        assert {name: preview[name] for name in numbers} == numbers
        assert preview["missing_action"] == (job.options["missing"] if job.removes_missing else "keep")
        columns = [name for name in job.header if name != "sku"]
        examples = []
        for key, new_values in updated.items():
            values = self.catalogue[key].values
            before = {name: values[name] for name in columns}
            examples.append({"sku": values["sku"], "before": before, "after": {**before, **new_values}})
        for row in created.values():
            after = {name: True if row[name] is None else row[name] for name in columns}
            examples.append({"sku": row["sku"], "before": None, "after": after})
        assert preview["changes"] == examples
        assert len(preview["rejects"]) == job.rejected

    def check_catalogue(self) -> None:
        rows = self.query("SELECT id, sku, name, description, active FROM products ORDER BY id")
        products = sorted(self.catalogue.values(), key=lambda product: product.id or 0)
        names = ("sku", "name", "description", "active")
        assert rows == [(product.id, *(product.values[name] for name in names)) for product in products]

    def check_jobs(self) -> None:
        rows = self.query(
            "SELECT to_jsonb(j), (SELECT array_agg(row ORDER BY line) FROM import_rejects r WHERE r.job_id = j.id)"
            " FROM import_jobs j ORDER BY id"
        )
        for (row, rejects), job in zip(rows, self.jobs, strict=True):
            has_ended = job.status in ENDED
            expected = {
                "task_id": job.task_id,
                "kind": job.kind,
                "status": job.status,
                "run": job.run,
                "undone_by": job.undone_by and job.undone_by.task_id,
                "undo_of": job.undo_of and job.undo_of.task_id,
                **{f"{name}_count": job.counts[name] for name in ("created", "updated", "unchanged", "skipped")},
                "duplicate_count": job.counts["duplicate"],
                "removed_count": job.counts["removed"],
                "missing_count": job.counts["missing"],
                "left_alone_count": job.left_alone_count,
            }
            if job.is_staged:
                expected |= {
                    "total_records": job.total,
                    "processed_records": job.processed,
                    "rejected_count": job.rejected if job.kind == "import" else job.counts["rejected"],
                }
            assert {name: row[name] for name in expected} == expected
            assert (row["undo_until"] is not None) == (has_ended and bool(job.entries))
            assert (row["retry_until"] is not None) == (has_ended and job.can_retry)
            assert (row["confirm_until"] is not None) == (job.status == "awaiting_confirmation")
            assert (row["phase"] == "finished") == (row["finished_at"] is not None) == has_ended
            assert (row["progress"] == 100) == (job.status == "completed")
            assert row["progress"] >= job.progress
            job.progress = row["progress"]
            if job.status == "completed":
                names = ("created", "updated", "unchanged", "duplicate", "rejected")
                assert sum(row[f"{name}_count"] for name in names) == row["processed_records"] == row["total_records"]
            if job.kind == "undo":
                assert (rejects or []) == job.edited_skus
            else:
                assert len(rejects or []) == (job.rejected if job.is_staged else 0)
