"""Thresholds that make a search use each of its strategies in a small catalogue."""

from __future__ import annotations

from catalogue.search_thresholds import DEFAULT_THRESHOLDS, Thresholds

# With a few hundred products the defaults fetch and count every match. The others make a search scan: with an exact
# total, which allows it to scan from the end; with an estimate; and with scans that are abandoned because they find too
# little.
EXACT_COUNTS = "fetches everything"
THRESHOLDS = {
    EXACT_COUNTS: DEFAULT_THRESHOLDS,
    "counts and scans": Thresholds(max_fetched_rows=25, small_catalogue_rows=0, deep_offset_rows=40),
    "estimates and scans": Thresholds(
        max_fetched_rows=25,
        small_catalogue_rows=0,
        max_counted_rows=0,
        deep_offset_rows=40,
        max_sorted_recent_rows=20,
        max_sorted_recent_share=0.05,
        max_serial_recent_rows=20,
    ),
    "abandons scans": Thresholds(
        max_fetched_rows=10,
        small_catalogue_rows=0,
        max_counted_rows=0,
        deep_offset_rows=40,
        min_scan_rows=5,
        max_scan_rows=70,
        max_sorted_recent_rows=20,
        max_sorted_recent_share=0.9,
        max_serial_recent_rows=20,
        max_serial_rows=0,
        max_compared_rows=20,
    ),
}
