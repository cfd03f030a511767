"""The numbers of rows at which a search changes its strategy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """The numbers of rows at which a search changes its strategy.

    - `max_fetched_rows`: if at most this many products match, a search fetches and counts all of them; otherwise it
      scans the products in order.
    - `small_catalogue_rows`: a catalogue of at most this size is never scanned for a text.
    - `max_counted_rows`: in a catalogue of at most this size, a search without a text counts its matches exactly,
      because an index alone gives that count. The number of all products need not be counted; see `product_count`.
    - `deep_offset_rows`: beyond this offset, a scan starts at the nearer end and prefers index-only scans.
    - `min_scan_rows`: a scan that filters may always read this many products.
    - `max_scan_rows`: a search does not use such a scan if it expects to read more products than this.
    - `max_sorted_recent_rows`, `max_sorted_recent_share`: if more products than this are recent, and more than this
      share of all, sorting or filtering them takes longer than reading the whole table in parallel, so search indexes
      other than that of texts no longer help.
    - `max_serial_recent_rows`: beyond this number, parallel workers help to look for a text in the recent products.
    - `max_serial_rows`: in a catalogue of more products, parallel workers help to look for a text in the index, and it
      pays to find out which of several texts are the rarest.
    - `max_compared_rows`: if the rarest texts leave about this many products, comparing them with the other texts takes
      less time than looking for those in the index.
    - `max_mixed_rows`: beyond this number of mixed texts, a search for a pair of letters reads the whole table.
    """

    max_fetched_rows: int = 10_000
    small_catalogue_rows: int = 50_000
    max_counted_rows: int = 1_000_000
    deep_offset_rows: int = 10_000
    min_scan_rows: int = 2_000
    max_scan_rows: int = 100_000
    max_sorted_recent_rows: int = 50_000
    max_sorted_recent_share: float = 0.25
    max_serial_recent_rows: int = 20_000
    max_serial_rows: int = 1_000_000
    max_compared_rows: int = 20_000
    max_mixed_rows: int = 50_000


DEFAULT_THRESHOLDS = Thresholds()
