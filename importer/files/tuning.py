"""Sizes that trade memory for speed. They never change which rows a file has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReaderTuning:
    """How a file is read.

    `block_bytes` is the amount of text that is read and parsed at once. After `max_fast_path_misses` blocks in a row
    that the fast path could not read, the parser stops trying it; 0 turns the fast path off. The row reader parses
    records of up to `batch_lines` lines in batches.
    """

    block_bytes: int = 1 << 20
    max_fast_path_misses: int = 8
    batch_lines: int = 16


DEFAULT_TUNING = ReaderTuning()
