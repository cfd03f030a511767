"""The web process with TLS of its own, which gunicorn's options turn on."""

from __future__ import annotations

import http.client
import shutil
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.prerequisites import skip_or_fail
from support.processes import Processes, run_program
from support.waiting import wait_for
from support.web import REQUEST_SECONDS

STOP_SECONDS = 20
FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nsku\r\n%s\r\n--x--\r\n'


@pytest.fixture
def connection(processes: Processes, free_port: int, tmp_path: Path) -> Iterator[http.client.HTTPSConnection]:
    """A connection to a web process with a certificate; the process must stop without an error."""
    if shutil.which("openssl") is None:
        skip_or_fail("openssl is missing, which makes the certificate of this test")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    run_program(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2"),
        *("-keyout", str(key), "-out", str(certificate)),
    )
    process = processes.start_web(free_port, GUNICORN_CMD_ARGS=f"--certfile {certificate} --keyfile {key}")
    context = ssl.create_default_context(cafile=str(certificate))
    client = http.client.HTTPSConnection("127.0.0.1", free_port, timeout=REQUEST_SECONDS, context=context)

    def connects() -> bool:
        try:
            client.connect()
        except ConnectionRefusedError:
            return False
        return True

    wait_for("the web process accepts connections", connects)
    yield client
    client.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(STOP_SECONDS) == 0
    assert "Traceback" not in processes.log.read_text()


def test_requests_uploads_and_streams_work_over_tls(connection: http.client.HTTPSConnection) -> None:
    for _ in range(3):
        connection.request("GET", "/api/products")
        response = connection.getresponse()
        assert (response.status, response.read()[:12]) == (200, b'{"products":')
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    connection.request("POST", "/api/upload", FORM % (b"a\r\n" * 500_000), headers)
    response = connection.getresponse()
    assert (response.status, b"task_id" in response.read()) == (202, True)
    connection.request("GET", "/api/products/changes")
    assert connection.getresponse().read(10)
