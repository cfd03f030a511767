"""Resumable uploads to real web processes: by two clients that are not ours, through kills, stalls and takeovers."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

import config
from support import tus
from support.database import execute
from support.jobs import create_runner, read_job
from support.paths import ROOT
from support.prerequisites import skip_or_fail
from support.processes import Process, Processes, find_free_ports
from support.s3 import S3Server
from support.waiting import wait_for
from support.web import REQUEST_SECONDS, WebProcess

ROWS = 100_000
CONTENT = b"sku,name\n" + b"".join(b"SKU-%08d,%s\n" % (number, b"x" * 40) for number in range(ROWS))
CHUNK_BYTES = 1 << 20
MB = 1_000_000


in_both_storages = pytest.mark.parametrize("storage_kind", ["folder", "moto"])


@pytest.fixture
def storage_kind() -> str:
    """Where the files are, unless a test is `in_both_storages`."""
    return "folder"


@pytest.fixture
def environment(
    request: pytest.FixtureRequest, environment: dict[str, str], storage_kind: str, credentials: None
) -> dict[str, str]:
    """The settings of the storage."""
    if storage_kind == "folder":
        return environment
    server: S3Server = request.getfixturevalue("moto")
    return {**environment, **server.environment(server.create_bucket())}


@pytest.fixture
def webs(processes: Processes) -> list[WebProcess]:
    """Two web processes that have not started."""
    return [WebProcess(processes, port) for port in find_free_ports(2)]


@pytest.fixture
def web(webs: list[WebProcess]) -> WebProcess:
    """A web process."""
    webs[0].start()
    return webs[0]


def check_import(settings: config.Settings, task_id: str, content: bytes = CONTENT) -> None:
    """Run an import, and check that it has every row of the file."""
    job = read_job(settings.database_url, task_id)
    assert (job["file_size"], job["file_sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    # The worker compares the checksum with that of what it reads.
    assert create_runner(settings).run(task_id) is False
    job = read_job(settings.database_url, task_id)
    assert (job["status"], job["created_count"], job["rejected_count"]) == ("completed", content.count(b"\n") - 1, 0)
    assert execute(settings.database_url, "SELECT count(*) FROM import_jobs") == [(1,)]


@pytest.mark.thorough("folder")
@in_both_storages
def test_tuspy_uploads_in_parts_and_goes_on_with_another_process(
    webs: list[WebProcess], settings: config.Settings, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tusclient.client import TusClient
    file = tmp_path / "products.csv"
    file.write_bytes(CONTENT)
    for web in webs:
        web.start()
    options = {"chunk_size": CHUNK_BYTES, "metadata": {"filename": "products.csv"}, "upload_checksum": True}
    # Without the stream, tuspy leaves it to the garbage collector to close the file.
    with file.open("rb") as stream:
        first = TusClient(f"{webs[0].api_url}/uploads").uploader(file_stream=stream, **options)
        first.upload(stop_at=2 * CHUNK_BYTES)
        assert first.offset == 2 * CHUNK_BYTES
        assert first.url is not None
        url = first.url.replace(str(webs[0].port), str(webs[1].port))
        second = TusClient(f"{webs[1].api_url}/uploads").uploader(file_stream=stream, url=url, **options)
        assert second.offset == 2 * CHUNK_BYTES
        second.upload()
    check_import(settings, tus.task_id_of(requests.head(url, headers=tus.VERSION, timeout=REQUEST_SECONDS)))


def start_node(web: WebProcess, file: Path, chunk_bytes: int) -> subprocess.Popen[str]:
    """Start tus-js-client in Node.js."""
    if subprocess.run([ROOT / ".ci" / "has-node"], check=False).returncode != 0:
        skip_or_fail("tus-js-client needs npm and Node.js 20.19, 22.13, 24 or newer.")
    command = ["node", "tests/support/tus-client.js", f"{web.api_url}/uploads", str(file), str(chunk_bytes)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_tus_js_client_goes_on_after_the_web_process_was_killed(
    webs: list[WebProcess], settings: config.Settings, tmp_path: Path
) -> None:
    file = tmp_path / "products.csv"
    file.write_bytes(CONTENT)
    process = webs[0].start()
    with start_node(webs[0], file, CHUNK_BYTES) as client:
        assert client.stdout
        assert client.stdout.readline() == f"{CHUNK_BYTES}\n"
        process.kill()
        process.wait()
        webs[0].start()
        output, problems = client.communicate(timeout=REQUEST_SECONDS)
    assert client.returncode == 0, problems
    check_import(settings, output.splitlines()[-1].rpartition("/")[2])


def test_tus_js_client_uploads_a_file_in_one_request(
    web: WebProcess, settings: config.Settings, tmp_path: Path
) -> None:
    file = tmp_path / "products.csv"
    file.write_bytes(CONTENT)
    with start_node(web, file, 0) as client:
        output, problems = client.communicate(timeout=REQUEST_SECONDS)
    assert client.returncode == 0, problems
    check_import(settings, output.splitlines()[-1].rpartition("/")[2])


@contextlib.contextmanager
def sending(web: WebProcess, path: str, offset: int, length: int, content: bytes) -> Iterator[socket.socket]:
    """Send the beginning of a request of `length` bytes to an upload, and leave it open."""
    lines = [f"PATCH {path} HTTP/1.1", "Host: localhost", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in tus.append_headers(offset).items()]
    with socket.create_connection(("127.0.0.1", web.port)) as client:
        client.settimeout(REQUEST_SECONDS)
        client.sendall("\r\n".join([*lines, "", ""]).encode() + content)
        yield client


def create(web: WebProcess, length: int = len(CONTENT)) -> str:
    """Create an upload and return its path."""
    url = f"{web.api_url}/uploads"
    response = requests.post(url, headers=tus.creation_headers(length), timeout=REQUEST_SECONDS)
    assert response.status_code == 201, response.text
    return response.headers["Location"]


def read_offset(web: WebProcess, path: str) -> int:
    """Ask a web process how much of an upload has arrived."""
    url = f"http://127.0.0.1:{web.port}{path}"
    response = requests.head(url, headers=tus.VERSION, timeout=REQUEST_SECONDS)
    assert response.status_code == 200
    return int(response.headers["Upload-Offset"])


def send_rest(web: WebProcess, path: str, offset: int, content: bytes = CONTENT) -> str:
    """Send what is missing of an upload, and return the task id of its import."""
    url = f"http://127.0.0.1:{web.port}{path}"
    headers = tus.append_headers(offset)
    response = requests.patch(url, data=content[offset:], headers=headers, timeout=REQUEST_SECONDS)
    assert response.status_code == 204, response.text
    return tus.task_id_of(response)


@pytest.mark.thorough("folder")
@in_both_storages
def test_what_arrived_counts_when_the_client_breaks_off(web: WebProcess, settings: config.Settings) -> None:
    path = create(web)
    with sending(web, path, 0, len(CONTENT), CONTENT[:2_500_000]):
        pass
    stored = f"SELECT FROM uploads WHERE offset_bytes = {2_500_000}"
    wait_for("the bytes are stored", lambda: execute(settings.database_url, stored))
    check_import(settings, send_rest(web, path, 2_500_000))


def await_writer(settings: config.Settings) -> None:
    """Wait until a request writes the upload. Before that, a later one could seem to be the older."""
    statement = "SELECT FROM uploads WHERE fence IS NOT NULL"
    wait_for("a request writes the upload", lambda: execute(settings.database_url, statement))


def test_a_hanging_connection_gives_way_to_a_new_one(web: WebProcess, settings: config.Settings) -> None:
    path = create(web)
    with sending(web, path, 0, len(CONTENT), CONTENT[:1_500_000]) as hanging:
        await_writer(settings)
        # Nobody waits for the client to go on. What it has sent may still be on its way.
        offset = read_offset(web, path)
        assert offset <= 1_500_000
        if offset:
            assert b" 409 " in hanging.recv(100)
        check_import(settings, send_rest(web, path, offset))


def test_another_process_takes_over_from_a_hanging_connection(
    webs: list[WebProcess], settings: config.Settings
) -> None:
    for web in webs:
        web.start()
    path = create(webs[0])
    with sending(webs[0], path, 0, len(CONTENT), CONTENT[:1_500_000]) as hanging:
        await_writer(settings)
        offset = read_offset(webs[1], path)
        task_id = send_rest(webs[1], path, offset)
        # The first process learns of it at the latest when it has something to write.
        with contextlib.suppress(OSError):
            hanging.sendall(b"x" * (len(CONTENT) - 1_500_000))
        assert b" 409 " in hanging.recv(100)
    check_import(settings, task_id)


def test_a_client_that_is_too_slow_keeps_what_it_has_sent(webs: list[WebProcess], settings: config.Settings) -> None:
    webs[0].start(CLIENT_STALL_SECONDS="1")
    path = create(webs[0])
    with sending(webs[0], path, 0, len(CONTENT), CONTENT[:MB]) as slow:
        assert b" 408 " in slow.recv(100)
    offset = read_offset(webs[0], path)
    assert 0 < offset <= MB
    check_import(settings, send_rest(webs[0], path, offset))


@pytest.mark.thorough
def test_chunks_may_have_any_size_in_total(web: WebProcess, settings: config.Settings) -> None:
    path = create(web)
    url = f"http://127.0.0.1:{web.port}{path}"
    pieces = [CONTENT[start : start + 700_000] for start in range(0, len(CONTENT), 700_000)]
    surplus = requests.patch(url, data=iter([*pieces, b"x"]), headers=tus.append_headers(0), timeout=REQUEST_SECONDS)
    assert (surplus.status_code, surplus.json()["code"]) == (413, "body_exceeds_file")
    headers = tus.append_headers(0)
    assert requests.patch(url, data=iter(pieces[:2]), headers=headers, timeout=REQUEST_SECONDS).status_code == 204
    headers = tus.append_headers(1_400_000)
    response = requests.patch(url, data=iter(pieces[2:]), headers=headers, timeout=REQUEST_SECONDS)
    check_import(settings, tus.task_id_of(response))


def kill_midway(web: WebProcess, process: Process, path: str, content: bytes, url: str) -> None:
    """Kill a web process while it receives a file, after its first checkpoint."""
    with sending(web, path, 0, len(content), content[:-MB]):
        wait_for("a checkpoint", lambda: execute(url, "SELECT offset_bytes FROM uploads WHERE offset_bytes > 0"))
        process.kill()
        process.wait()


@pytest.mark.thorough("moto")
@in_both_storages
def test_a_killed_process_loses_little_and_nothing_twice(webs: list[WebProcess], settings: config.Settings) -> None:
    content = b"sku,description\n" + b"".join(b"%06d,%s\n" % (number, b"x" * 7000) for number in range(10_100))
    process = webs[0].start()
    path = create(webs[0], len(content))
    kill_midway(webs[0], process, path, content, settings.database_url)
    webs[1].start()
    offset = read_offset(webs[1], path)
    assert offset >= 64 << 20
    check_import(settings, send_rest(webs[1], path, offset, content), content)
