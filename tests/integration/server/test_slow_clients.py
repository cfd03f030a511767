"""The web process with clients that send or receive slowly, or not at all."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

import config
from support.database import execute
from support.processes import Process, Processes
from support.raw_clients import Answer, RawClient, get, raw_clients
from support.waiting import wait_for
from support.web import REQUEST_SECONDS, WebProcess

# More clients than the process has threads for requests, and more than MAX_STREAMS.
CLIENTS = 150
SLOW_UPLOADS = 200
STALL_SECONDS = 2
STOP_SECONDS = 20
# Far longer than an answer takes, far shorter than the time after which slow clients are disconnected by default.
PROMPT_SECONDS = 10
UPLOAD = ("POST /api/upload HTTP/1.1", "Content-Type: multipart/form-data; boundary=x")
FILE_HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nsku\r\n'
# Enough for the process to begin to write the file.
ROWS = b"a\r\n" * 50_000
FILE_END = b"\r\n--x--\r\n"
PRODUCTS_SQL = "INSERT INTO products (sku, description) SELECT n, repeat('x', 20000) FROM generate_series(1, 500) n"
LIST = "GET /api/products?per_page=500 HTTP/1.1"


@pytest.fixture
def web(processes: Processes, free_port: int) -> WebProcess:
    """A web process with the default limits."""
    process = WebProcess(processes, free_port)
    process.start()
    return process


@pytest.fixture
def impatient_web(processes: Processes, free_port: int) -> WebProcess:
    """A web process that soon disconnects slow clients."""
    process = WebProcess(processes, free_port)
    process.start(CLIENT_STALL_SECONDS=str(STALL_SECONDS), CLIENT_BYTES_PER_SECOND="1000")
    return process


def check_promptness(port: int) -> None:
    """Check that the process answers a health check, a list and the page although slow clients are connected."""
    for path, statuses in (("/api/health", {200, 503}), ("/api/products", {200}), ("/", {200})):
        with raw_clients(port, 1) as (client,):
            client.socket.settimeout(PROMPT_SECONDS)
            answer = client.send(f"GET {path} HTTP/1.1").read_answer()
            assert answer.status in statuses, (path, answer)


def send_slowly(clients: list[RawClient], data: bytes) -> None:
    """Let each client send one more byte."""
    for client in clients:
        client.socket.sendall(data)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"", b""),
        (b"GET /api/products HTTP/1.1\r\nX-Slow: ", b"a"),
        (b"POST /api/products HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n", b" "),
        (b"GET /api/health HTTP/1.1\r\nContent-Length: 900\r\n\r\n", b" "),
        (b"POST /api/products HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (b"POST /api/products/bulk HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 900\r\n\r\n", b" "),
        (b"POST /api/upload HTTP/1.1\r\nContent-Length: 900\r\n\r\n", b"-"),
    ],
    ids=["nothing", "head", "body", "body of a health check", "chunks", "expectation", "upload"],
)
def test_clients_that_send_slowly_delay_nobody(web: WebProcess, head: bytes, piece: bytes) -> None:
    with raw_clients(web.port, CLIENTS) as clients:
        send_slowly(clients, head)
        check_promptness(web.port)
        # An upload without a place is refused and its connection closed.
        if b"upload" not in head:
            send_slowly(clients, piece)
        check_promptness(web.port)


def test_many_slow_uploads_delay_no_other_call(web: WebProcess) -> None:
    head = f"{UPLOAD[0]}\r\n{UPLOAD[1]}\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n".encode()
    with raw_clients(web.port, SLOW_UPLOADS) as clients:
        for client in clients:
            client.socket.sendall(head + FILE_HEAD)
        wait_for(
            "the uploads without a place are refused", lambda: sum(client.has_answer() for client in clients) > 100
        )
        uploading = [client for client in clients if not client.has_answer()]
        assert uploading
        for number in range(20):
            send_slowly(uploading[:1], b"a\r\n")
            assert web.call("POST", "/products", {"sku": f"WORK-{number}"})["sku"] == f"WORK-{number}"
        check_promptness(web.port)
        refused = next(client for client in clients if client.has_answer())
        assert refused.read_answer("POST").status == 503
    files = {"file": ("a.csv", "sku\nA\n")}

    def upload() -> bool:
        return requests.post(f"{web.api_url}/upload", files=files, timeout=REQUEST_SECONDS).status_code == 202

    wait_for("an upload gets a place once the slow clients are gone", upload)


@pytest.mark.parametrize("count", [100, 101])
def test_a_request_has_at_most_100_headers(web: WebProcess, count: int) -> None:
    # `Host` is one of them.
    lines = [f"X-Header-{number}: x" for number in range(count - 1)]
    with raw_clients(web.port, 1) as (client,):
        answer = client.send("GET /api/products HTTP/1.1", *lines).read_answer()
        assert answer.status == (200 if count == 100 else 431)
        if count > 100:
            assert answer.json()["code"] == "headers_too_large"


def test_clients_that_receive_slowly_delay_nobody(web: WebProcess, settings: config.Settings) -> None:
    execute(settings.database_url, PRODUCTS_SQL)
    # Each response has 10 MB, more than the operating system buffers.
    with raw_clients(web.port, 40, receive_buffer=4096) as clients:
        for client in clients:
            client.send(LIST)
        wait_for("the responses begin", lambda: clients[0].socket.recv(1, socket.MSG_PEEK))
        assert get(web.port, "/api/health").status in {200, 503}
        # Before that the process is busy with the large responses, and may refuse others.
        wait_for(
            "the process answers", lambda: get(web.port, "/api/products?per_page=1").status == 200, PROMPT_SECONDS * 2
        )
        check_promptness(web.port)


def test_a_request_that_arrives_too_slowly_is_answered_and_ends(impatient_web: WebProcess) -> None:
    heads = [
        b"GET /api/products HTTP/1.1\r\nX-Slow: ",
        b"POST /api/products HTTP/1.1\r\nContent-Length: 900\r\n\r\n{",
        b"POST /api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: 900\r\n\r\n--",
    ]
    with raw_clients(impatient_web.port, len(heads)) as clients:
        for client, head in zip(clients, heads, strict=True):
            client.socket.sendall(head)
        for client in clients:
            answer = client.read_answer()
            assert (answer.status, answer.json()["code"]) == (408, "request_timeout")
            assert answer.json()["status"] == 408
            wait_for("the connection ends", client.is_closed)


def test_a_connection_without_a_request_ends(impatient_web: WebProcess) -> None:
    with raw_clients(impatient_web.port, 1) as (client,):
        assert client.socket.recv(1) == b""


def test_an_upload_that_trickles_ends_although_it_never_stalls(
    impatient_web: WebProcess, settings: config.Settings
) -> None:
    with raw_clients(impatient_web.port, 1) as (client,):
        client.send(*UPLOAD, "Content-Length: 900000", body=FILE_HEAD)

        def trickle() -> bool:
            client.socket.sendall(b"a")
            return client.has_answer()

        wait_for("the upload is refused", trickle)
        assert client.read_answer().status == 408
    wait_for("the part of the file is removed", lambda: not list(settings.upload_dir.iterdir()))
    assert execute(settings.database_url, "SELECT FROM import_jobs") == []


def test_a_slow_but_steady_upload_passes(impatient_web: WebProcess, settings: config.Settings) -> None:
    pieces = [FILE_HEAD, *itertools.repeat(b"a,12345678\r\n" * 100, 30), FILE_END]
    with raw_clients(impatient_web.port, 1) as (client,):
        client.send(*UPLOAD, f"Content-Length: {sum(map(len, pieces))}")
        started = time.monotonic()
        for piece in pieces:
            client.socket.sendall(piece)
            # This is the client's pace: 1,200 bytes each third of a second.
            time.sleep(0.3)
        # The upload took longer than a stalled client, and than one below the minimum speed, may stay.
        assert time.monotonic() - started > 2 * 2 * STALL_SECONDS
        assert client.read_answer("POST").status == 202
    assert len(list(settings.upload_dir.iterdir())) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc/net/tcp")
def test_a_client_that_stops_receiving_is_disconnected(impatient_web: WebProcess, settings: config.Settings) -> None:
    execute(settings.database_url, PRODUCTS_SQL)
    execute(settings.database_url, PRODUCTS_SQL.replace("SELECT n,", "SELECT n + 1000,"))
    for path in ("/api/products?per_page=500", "/api/products/export"):
        with raw_clients(impatient_web.port, 1, receive_buffer=4096) as (client,):
            client.send(f"GET {path} HTTP/1.1")
            wait_for("the server closes the connection", lambda: count_sockets(impatient_web.port) == 0)
            # The client gets what the operating system has buffered, but not the whole response.
            received = 0
            with contextlib.suppress(ConnectionResetError):
                while data := client.socket.recv(65_536):
                    received += len(data)
            assert received < 10_000_000


def count_sockets(port: int) -> int:
    """Return the number of established connections to a port, as the system sees them from the server's end."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in fields)


def test_a_client_that_receives_slowly_but_steadily_gets_everything(
    impatient_web: WebProcess, settings: config.Settings
) -> None:
    execute(settings.database_url, PRODUCTS_SQL)
    with raw_clients(impatient_web.port, 1, receive_buffer=65_536) as (client,):
        client.send(LIST, "Connection: close")
        received = 0
        started = time.monotonic()
        while data := client.socket.recv(400_000):
            received += len(data)
            time.sleep(0.05)
        assert received > 10_000_000
        assert time.monotonic() - started > STALL_SECONDS


def test_a_large_upload_passes(impatient_web: WebProcess, settings: config.Settings) -> None:
    row = b"sku-1,a name,a description\r\n" * 40_000
    length = 300 * len(row)

    def body() -> Iterator[bytes]:
        yield FILE_HEAD
        yield from itertools.repeat(row, 300)
        yield FILE_END

    headers = {
        "Content-Type": "multipart/form-data; boundary=x",
        "Content-Length": str(len(FILE_HEAD) + length + len(FILE_END)),
    }
    connection = http.client.HTTPConnection("127.0.0.1", impatient_web.port, timeout=REQUEST_SECONDS)
    with contextlib.closing(connection):
        connection.request("POST", "/api/upload", body(), headers)
        assert connection.getresponse().status == 202
    (stored,) = settings.upload_dir.iterdir()
    assert stored.stat().st_size == length + len(b"sku\r\n")


def test_a_connection_serves_several_requests_also_at_once(web: WebProcess) -> None:
    with raw_clients(web.port, 1) as (client,):
        for _ in range(3):
            assert client.send("GET /api/products HTTP/1.1").read_answer().status == 200
        body = b'{"sku": "a"}'
        client.send("POST /api/products HTTP/1.1", "Content-Type: application/json", "Content-Length: 12", body=body)
        assert client.read_answer("POST").status == 201
        # Two requests that arrive together.
        request = b"GET /api/products/1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        client.socket.sendall(request + request)
        answers = b""
        while answers.count(b'"sku"') < 2:
            answers += client.socket.recv(65_536)
        assert answers.count(b"HTTP/1.1 200 OK") == 2


def test_requests_in_unusual_forms_are_understood(web: WebProcess) -> None:
    chunks = b'3\r\n{"s\r\n9\r\nku": "c"}\r\n0\r\n\r\n'
    head = ("Content-Type: application/json",)
    with raw_clients(web.port, 1) as (client,):
        client.send("POST /api/products HTTP/1.1", *head, "Transfer-Encoding: chunked", body=chunks)
        assert client.read_answer("POST").status == 201
        client.send("POST /api/products HTTP/1.1", *head, "Content-Length: 12", "Expect: 100-continue")
        assert client.socket.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.socket.sendall(b'{"sku": "e"}')
        assert client.read_answer("POST").status == 201
        client.socket.sendall(b"\r\nGET http://localhost/api/products/2?x=http://a HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.read_answer().json()["sku"] == "e"
        client.send("HEAD / HTTP/1.1")
        assert client.read_answer("HEAD").status == 200
    with raw_clients(web.port, 1) as (client,):
        assert client.send("GET / HTTP/1.0").read_answer().status == 200
        assert client.socket.recv(1) == b""


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"\x16\x03\x01\x02", 400, "bad_request"),
        (b"GET /api/products HTTP/1.1\r\nX-Long: " + b"x" * 70_000, 431, "headers_too_large"),
        (b"GET /api/products HTTP/1.1\r\nX-Long: " + b"x" * 9_000 + b"\r\n\r\n", 431, "headers_too_large"),
        (b"GET /api/products?name=" + b"x" * 9_000 + b" HTTP/1.1\r\n\r\n", 431, "headers_too_large"),
        (b"GET /api/products HTTP/1.1\r\nBad Header: x\r\n\r\n", 400, "bad_request"),
        (b"POST /api/products HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n", 413, "too_large"),
        (
            b"POST /api/products HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1e8480\r\n" + b"x" * 1_500_000,
            413,
            "too_large",
        ),
    ],
    ids=["no http", "head", "header", "address", "malformed header", "body", "chunks"],
)
def test_a_request_that_is_too_large_or_no_request_is_refused_in_json(
    web: WebProcess, request_bytes: bytes, status: int, code: str
) -> None:
    with raw_clients(web.port, 1) as (client,):
        client.socket.sendall(request_bytes)
        answer: Answer = client.read_answer()
        assert (answer.status, answer.json()["code"], answer.json()["status"]) == (status, code, status)
        assert client.socket.recv(1) == b""


def test_refusals_of_resumable_uploads_name_the_version_of_tus(impatient_web: WebProcess) -> None:
    path = "/api/uploads/5b0c6d1e-7f0a-4c52-9d6b-0f2a51f0f6a3"
    requests = {
        400: f"PATCH {path} HTTP/1.1\r\nBad Header: x\r\n\r\n",
        408: "POST /api/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nx",
        413: "POST /api/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n",
        431: f"PATCH {path} HTTP/1.1\r\nX-Long: {'x' * 9000}\r\n\r\n",
    }
    with raw_clients(impatient_web.port, len(requests)) as clients:
        for client, request in zip(clients, requests.values(), strict=True):
            client.socket.sendall(request.encode())
        answers = [client.read_answer() for client in clients]
    assert [answer.status for answer in answers] == list(requests)
    assert {answer.headers["Tus-Resumable"] for answer in answers} == {"1.0.0"}
    # Other refusals do not have it.
    with raw_clients(impatient_web.port, 1) as (client,):
        answer = client.send("POST /api/products HTTP/1.1", "Content-Length: 2000000").read_answer()
        assert (answer.status, answer.headers["Tus-Resumable"]) == (413, None)


def test_the_process_stops_although_slow_clients_are_connected(
    processes: Processes, free_port: int, settings: config.Settings
) -> None:
    web = WebProcess(processes, free_port)
    process: Process = web.start()
    execute(settings.database_url, PRODUCTS_SQL)
    with raw_clients(web.port, 6, receive_buffer=4096) as clients:
        clients[0].socket.sendall(b"GET / HT")
        clients[1].send(*UPLOAD, "Content-Length: 900000", body=FILE_HEAD + ROWS)
        clients[2].send(LIST)
        clients[3].send("GET /api/products/changes HTTP/1.1")
        clients[4].send("GET /api/products HTTP/1.1").read_answer()
        wait_for("the upload begins", lambda: list(settings.upload_dir.iterdir()))
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0
    log = processes.log.read_text()
    assert "Traceback" not in log, log


def test_a_running_request_is_answered_before_the_process_stops(
    processes: Processes, free_port: int, settings: config.Settings
) -> None:
    web = WebProcess(processes, free_port)
    process = web.start()
    with raw_clients(web.port, 1) as (client,):
        client.send(*UPLOAD, f"Content-Length: {len(FILE_HEAD + ROWS + FILE_END)}", body=FILE_HEAD + ROWS)
        wait_for("the upload begins", lambda: list(settings.upload_dir.iterdir()))
        process.send_signal(signal.SIGTERM)
        wait_for("new connections are refused", lambda: not accepts(web.port))
        client.socket.sendall(FILE_END)
        assert client.read_answer("POST").status == 202
    assert process.wait(STOP_SECONDS) == 0


def accepts(port: int) -> bool:
    """Return whether something listens on a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
