"""Looking ahead without a database."""

from __future__ import annotations

from importer.pipeline.look_ahead import LookAhead
from support.processes import find_free_ports
from support.slice_statements import make_slice


def test_a_comparison_that_fails_counts_as_none() -> None:
    (port,) = find_free_ports(1)
    with LookAhead(f"postgresql://127.0.0.1:{port}/none") as ahead:
        assert ahead.wait() is None
        ahead.start(make_slice())
        assert ahead.wait() is None
