"""Settings of imports, of what they store, and of exports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from settings import values
from settings.setting import Setting


@dataclass(frozen=True)
class ImportSettings:
    """What an import may use, and how long its data is kept."""

    max_upload_mb: Annotated[
        int,
        Setting(
            "2048",
            "maximum size of an uploaded file, in MB; a larger one gets status 413",
            values.parse_integer(1, 1_000_000),
        ),
    ]
    upload_hours: Annotated[
        int,
        Setting(
            "24",
            "hours after which a request that uploads a file is refused; it gets status 408",
            values.parse_integer(1, 8760),
        ),
    ]
    max_imports: Annotated[
        int,
        Setting(
            "10000",
            "maximum number of imports that wait or run; further uploads get status 429",
            values.parse_integer(1, 10_000_000),
        ),
    ]
    max_imports_per_person: Annotated[
        int,
        Setting(
            "5000",
            "maximum number of imports of a person or an API key that wait or run; further uploads get status 429",
            values.parse_integer(1, 10_000_000),
        ),
    ]
    max_unfinished_uploads_per_person: Annotated[
        int,
        Setting(
            "1000",
            "maximum number of unfinished resumable uploads of a person or an API key; further ones get status 429",
            values.parse_integer(1, 1_000_000),
        ),
    ]
    max_unpacked_mb: Annotated[
        int,
        Setting(
            "8192", "maximum size of a compressed file once it is unpacked, in MB", values.parse_integer(1, 10_000_000)
        ),
    ]
    max_workbook_mb: Annotated[
        int,
        Setting(
            "1000",
            "maximum size of a workbook (.xlsx, .ods …) once it is unpacked, without its pictures, in MB",
            values.parse_integer(1, 100_000),
        ),
    ]
    workbook_memory_mb: Annotated[
        int,
        Setting(
            "4000",
            "maximum memory of the process that reads a workbook, in MB; 1,000,000 rows of four columns take about 550",
            values.parse_integer(200, 1_000_000),
        ),
    ]
    chunk_rows: Annotated[
        int, Setting("10000", "rows that the parser reads at a time", values.parse_integer(1, 1_000_000))
    ]
    max_rows: Annotated[
        int,
        Setting(
            "50000000", "maximum number of rows of a file; a larger one fails", values.parse_integer(1, 2_000_000_000)
        ),
    ]
    max_record_kb: Annotated[
        int,
        Setting("1024", "maximum length of a row, in kB; a longer one is rejected", values.parse_integer(1, 10_240)),
    ]
    lease_seconds: Annotated[
        int,
        Setting(
            "20",
            "seconds without a heartbeat after which another worker takes over a job",
            values.parse_integer(2, 3600),
        ),
    ]
    stall_seconds: Annotated[
        int,
        Setting(
            "300",
            "seconds without any progress after which a worker gives up its job, and another worker takes over",
            values.parse_integer(10, 86_400),
        ),
    ]
    slice_rows: Annotated[
        int, Setting("25000", "rows that an import writes in one transaction", values.parse_integer(1, 1_000_000))
    ]
    import_writers: Annotated[
        int,
        Setting(
            "0",
            "connections on which a job writes products at the same time; 0: as many as there are cores, at most 4",
            values.parse_integer(0, 32),
        ),
    ]
    sweep_seconds: Annotated[
        int,
        Setting(
            "5", "seconds between two searches of the reaper for jobs without a worker", values.parse_integer(1, 3600)
        ),
    ]
    max_attempts: Annotated[
        int, Setting("8", "attempts without progress after which a job fails", values.parse_integer(1, 1000))
    ]
    task_seconds: Annotated[
        int,
        Setting(
            "600",
            "seconds after which an import continues in a new task; must be less than RabbitMQ's consumer_timeout",
            values.parse_integer(1, 86_400),
        ),
    ]
    preview_hours: Annotated[
        int,
        Setting(
            "24",
            "hours after which an import is cancelled if nobody confirms its preview",
            values.parse_integer(1, 8760),
        ),
    ]
    retry_hours: Annotated[
        int,
        Setting(
            "24",
            "hours for which the file of a failed or cancelled import is kept for a retry",
            values.parse_integer(0, 8760),
        ),
    ]
    undo_days: Annotated[
        int,
        Setting("7", "days for which an import can be undone; 0 keeps no data for that", values.parse_integer(0, 3650)),
    ]
    history_days: Annotated[
        int,
        Setting(
            "365", "days after which an ended job is deleted with all its details", values.parse_integer(1, 36_500)
        ),
    ]
    reject_days: Annotated[
        int,
        Setting(
            "90", "days after which the rejected rows of an ended import are deleted", values.parse_integer(1, 36_500)
        ),
    ]
    sample_days: Annotated[
        int,
        Setting(
            "90", "days after which the throughput samples of an ended job are deleted", values.parse_integer(1, 36_500)
        ),
    ]
    max_rejects: Annotated[
        int,
        Setting(
            "1000000",
            "maximum number of rejected rows that are kept per import; the others are only counted",
            values.parse_integer(1, 10**9),
        ),
    ]
    max_export_rows: Annotated[
        int,
        Setting(
            "100000000",
            "maximum number of products of an export; a larger one gets status 413",
            values.parse_integer(1, 2_000_000_000),
        ),
    ]
    export_seconds: Annotated[
        int, Setting("600", "seconds after which an export of products is cancelled", values.parse_integer(1, 86_400))
    ]
