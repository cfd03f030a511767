"""The metrics of a process, or of several, as Prometheus reads them, and the server of a worker that sends them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Metric, ProcessCollector, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from monitoring import metrics
from monitoring.shared_metrics import shared_folder

# prometheus_client has no types for these.
_sum_up: Any = MultiProcessCollector
_mark_dead: Any = mark_process_dead


class OwnMetrics(Collector):
    """The metrics of this process, or those that its processes share."""

    def __init__(self) -> None:
        self._folder = shared_folder()
        self._shared: Any = _sum_up(None, str(self._folder)) if self._folder else None

    def collect(self) -> Iterable[Metric]:
        """Return the metrics. Processes that have ended keep what they counted, but use nothing any more."""
        if self._shared is None or self._folder is None:
            return metrics.REGISTRY.collect()
        _forget_ended(self._folder)
        collected: Iterable[Metric] = self._shared.collect()
        return collected


def create_registry(*collectors: Collector) -> CollectorRegistry:
    """Return what a scrape reads: the metrics, those of the operating system about this process, and `collectors`."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    for collector in (OwnMetrics(), *collectors):
        registry.register(collector)
    return registry


def serve(host: str, port: int) -> WSGIServer:
    """Serve the metrics at every path of a port, in a thread of this process; raises `OSError`."""
    server, thread = start_http_server(port, host, create_registry())
    thread.name = "metrics"
    return server


def _forget_ended(folder: Path) -> None:
    """Remove the values of ended processes that only count while their process lives."""
    for path in folder.glob("gauge_live*.db"):
        pid = path.stem.rpartition("_")[2]
        if pid.isdecimal() and not _is_running(int(pid)):
            _mark_dead(int(pid), str(folder))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
