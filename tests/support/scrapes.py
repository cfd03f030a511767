"""What Prometheus reads from a scrape."""

from __future__ import annotations

from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """The samples of a scrape: `values` by name and labels, and the `labels` that each name has."""

    def __init__(self, text: str) -> None:
        self.values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        self.labels: defaultdict[str, set[str]] = defaultdict(set)
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self.values[sample.name, frozenset(sample.labels.items())] = sample.value
                self.labels[sample.name] |= set(sample.labels)

    def get(self, name: str, **labels: str) -> float | None:
        """Return the value of a sample, or None if there is none."""
        return self.values.get((name, frozenset(labels.items())))
