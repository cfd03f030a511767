"""What a web process leaves to another one when SIGTERM ends it: uploads that can be resumed, and streams of events."""

from __future__ import annotations

import hashlib
import signal

import requests

import config
from support import tus
from support.jobs import read_job
from support.processes import Processes, find_free_ports
from support.raw_clients import raw_clients
from support.waiting import wait_for
from support.web import REQUEST_SECONDS, WebProcess

CONTENT = b"sku\n" + b"".join(b"%07d\n" % number for number in range(100_000))
SENT_BYTES = 300_001
STOP_SECONDS = 60


def test_after_sigterm_uploads_and_streams_go_on_with_another_process(
    processes: Processes, settings: config.Settings
) -> None:
    ending, other = (WebProcess(processes, port) for port in find_free_ports(2))
    process = ending.start()
    other.start()
    url = ending.api_url.removesuffix("/api")
    created = requests.post(f"{url}/api/uploads", headers=tus.creation_headers(len(CONTENT)), timeout=REQUEST_SECONDS)
    path = created.headers["Location"]
    with (
        ending.open_stream("/products/changes") as changes,
        ending.open_stream("/events?products=true&webhooks=true") as events,
        raw_clients(ending.port, 1) as (client,),
    ):
        streams = [stream.iter_content(chunk_size=None) for stream in (changes, events)]
        for stream in streams:
            assert next(stream)
        headers = [f"{name}: {value}" for name, value in tus.append_headers(0).items()]
        head = (f"PATCH {path} HTTP/1.1", *headers, f"Content-Length: {len(CONTENT)}")
        client.send(*head, body=CONTENT[:SENT_BYTES])
        wait_for("the upload begins", lambda: list(settings.upload_dir.glob("*.part")))
        process.send_signal(signal.SIGTERM)
        # The request does not wait for the rest, which its client has not sent.
        answer = client.read_answer("PATCH")
        assert (answer.status, answer.json()["code"]) == (503, "server_stops")
        assert int(answer.headers["Retry-After"]) > 0
        # The last chunk marks the end of the stream. Without it, `requests` would raise an error.
        for stream in streams:
            assert all(chunk.startswith(b":") or b"data:" in chunk for chunk in stream)
    assert process.wait(STOP_SECONDS) == 0
    assert "Traceback" not in processes.log.read_text()

    # What had arrived is stored, and the other process gets the rest.
    found = requests.head(f"{other.api_url}{path.removeprefix('/api')}", headers=tus.VERSION, timeout=REQUEST_SECONDS)
    offset = int(found.headers["Upload-Offset"])
    assert offset == SENT_BYTES
    rest = requests.patch(
        f"{other.api_url}{path.removeprefix('/api')}",
        data=CONTENT[offset:],
        headers=tus.append_headers(offset),
        timeout=REQUEST_SECONDS,
    )
    job = read_job(settings.database_url, tus.task_id_of(rest))
    assert (job["file_size"], job["file_sha256"]) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    with other.open_stream("/products/changes") as changes:
        assert changes.status_code == 200
