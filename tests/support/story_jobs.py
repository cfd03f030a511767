"""What the model of `story_model` knows about products, imports and undos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

UNFINISHED = {"pending", "processing"}
ENDED = {"completed", "failed", "cancelled"}

Values = dict[str, Any]
Query = Callable[..., list[tuple[Any, ...]]]


@dataclass(eq=False)
class ModelProduct:
    """A product. `version` identifies the write that gave it its values; an undo compares versions.

    `written` identifies its last write. After an undo, this is a later write than that of its version.
    """

    key: str
    values: Values
    version: int
    id: int | None = None
    written: int = 0

    def __post_init__(self) -> None:
        self.written = self.version


@dataclass(eq=False)
class ModelEntry:
    """An entry of the change log: the products that a slice created, those that it updated, or those that it deleted.

    `kind` is the name of the column with their ids. Each updated product has its previous values and its previous
    version. An undo reverses the entry and keeps in `products` those that it left alone.
    """

    id: int
    version: int
    kind: str
    products: list[tuple[ModelProduct, Values, int]]


@dataclass(eq=False)
class ModelJob:
    """An import or an undo. `rows` are the accepted rows of the file with their keys, `rejected` counts the others.
    `rejected_keys` are the keys that the others may have.

    `entries` is the change log of an import, from all its runs. For an undo, `entries_left` are the entries that it
    still has to reverse, and `edited_skus` are the SKUs of the products that it left alone.
    """

    task_id: str
    kind: str = "import"
    options: dict[str, Any] = field(default_factory=dict)
    header: list[str] = field(default_factory=list)
    rows: list[tuple[str, Values]] = field(default_factory=list)
    rejected: int = 0
    rejected_keys: set[str] = field(default_factory=set)
    entries: list[ModelEntry] = field(default_factory=list)
    undone_by: ModelJob | None = None
    undo_of: ModelJob | None = None
    entries_left: list[ModelEntry] = field(default_factory=list)
    edited_skus: list[str] = field(default_factory=list)

    status: str = "pending"
    run: int = 1
    total: int = 0
    is_staged: bool = False
    is_confirmed: bool = False
    can_retry: bool = False
    checkpoint: str = ""
    # The last write before the missing products were found; None until then, or if there were too many.
    compared_at: int | None = None
    missing_found: int = 0
    has_too_many_missing: bool = False
    missing_checkpoint: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    processed: int = 0
    progress: int = 0

    @property
    def is_preview(self) -> bool:
        return bool(self.options["preview"]) and not self.is_confirmed

    @property
    def left_alone_count(self) -> int:
        """The number of products that the last undo left alone; 0 until it has completed."""
        undo = self.undone_by
        return undo.counts["rejected"] if undo is not None and undo.status == "completed" else 0

    @property
    def expected_status(self) -> str:
        """The status after an undisturbed run."""
        if self.kind == "undo":
            return "completed"
        if not self.rows and not self.rejected:
            return "failed"
        if self.is_preview:
            return "awaiting_confirmation"
        if self.has_too_many_missing:
            return "failed"
        return "failed" if self.options["on_reject"] == "fail" and self.rejected else "completed"

    @property
    def removes_missing(self) -> bool:
        """Whether the import removes the products that its file does not have."""
        return self.options["missing"] != "keep" and bool(self.rows)

    def start_over(self) -> None:
        self.is_staged = self.is_confirmed = False
        self.checkpoint, self.processed, self.progress, self.undone_by = "", 0, 0, None
        self.compared_at, self.missing_found, self.has_too_many_missing, self.missing_checkpoint = None, 0, False, ""
        self.counts.clear()
