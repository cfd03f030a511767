"""Access control in two web processes at once: what one of them changes, the other one obeys."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator

import pytest
import requests

from support.database import execute
from support.processes import Processes, find_free_ports
from support.raw_clients import RawClient, raw_clients
from support.sign_in import PASSWORD, create_key, create_session, create_user
from support.threads import Threads
from support.waiting import wait_for

SECONDS = 30
EMAIL = "ada@example.com"
HUGE_BYTES = 1 << 30


@pytest.fixture
def ports(processes: Processes) -> list[int]:
    """The ports of two web processes on one database."""
    ports = find_free_ports(2)
    for port in ports:
        processes.start_web(port)
    for port in ports:
        wait_for("the web process answers", functools.partial(_answers, port))
    return ports


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/api/docs", timeout=SECONDS).ok
    except requests.ConnectionError:
        return False


def call(port: int, method: str, path: str, *, token: str = "", body: object = None) -> requests.Response:
    """Make a call to one of the processes."""
    cookies = {"acme_session": token} if token else {}
    return requests.request(method, f"http://127.0.0.1:{port}/api{path}", cookies=cookies, json=body, timeout=SECONDS)


def test_of_first_claims_in_both_processes_one_succeeds(
    ports: list[int], processes: Processes, database_url: str
) -> None:
    statuses: list[int] = []
    barrier = threading.Barrier(8)

    def claim(number: int) -> None:
        person = {"email": f"user{number}@example.com", "name": "Ada", "password": PASSWORD}
        barrier.wait()
        if number % 4:
            statuses.append(call(ports[number % 2], "POST", "/setup", body=person).status_code)
        else:
            invited = {"email": person["email"], "name": "Ada", "role": "admin"}
            statuses.append(call(ports[number // 4], "POST", "/users", body=invited).status_code)

    with Threads() as threads:
        for number in range(8):
            threads.start(claim, number)
    # An invitation by local that waited for the first person still counts: local made it while it existed.
    assert statuses.count(201) >= 1
    assert set(statuses) <= {201, 401, 404}
    claimed_by_setup = execute(database_url, "SELECT count(*) FROM users WHERE password_hash IS NOT NULL")[0][0]
    assert claimed_by_setup <= 1
    for port in ports:
        assert call(port, "GET", "/products").status_code == 401


class OpenStream:
    """A stream of a web process that a thread reads until its end."""

    def __init__(self, port: int, token: str) -> None:
        self._response = requests.get(
            f"http://127.0.0.1:{port}/api/products/changes",
            cookies={"acme_session": token},
            stream=True,
            timeout=SECONDS,
        )
        assert self._response.status_code == 200
        self._chunks: Iterator[bytes] = self._response.iter_content(1)
        next(self._chunks)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        # The test ends the process before the stream of the administrator.
        with contextlib.suppress(requests.RequestException):
            for _ in self._chunks:
                pass
        self._response.close()

    def has_ended(self) -> bool:
        """Return whether the stream has ended."""
        return not self._thread.is_alive()


CHANGES: dict[str, Callable[[int, str, int], requests.Response]] = {
    "role": lambda port, admin, bob: call(port, "PUT", f"/users/{bob}", token=admin, body={"role": "viewer"}),
    "disabled": lambda port, admin, bob: call(port, "PUT", f"/users/{bob}", token=admin, body={"disabled": True}),
    "deleted": lambda port, admin, bob: call(port, "DELETE", f"/users/{bob}", token=admin),
}


def test_a_change_in_one_process_ends_sessions_and_streams_in_the_other(ports: list[int], database_url: str) -> None:
    admin = create_session(database_url, create_user(database_url))
    for change in CHANGES.values():
        bob_id = create_user(database_url, "editor")
        bob = create_session(database_url, bob_id)
        stream = OpenStream(ports[1], bob)
        own = OpenStream(ports[1], admin)
        assert call(ports[1], "GET", "/products", token=bob).status_code == 200
        assert change(ports[0], admin, bob_id).status_code == 200
        assert call(ports[1], "GET", "/products", token=bob).status_code == 401
        wait_for("the stream has ended", stream.has_ended, seconds=10)
        assert not own.has_ended()


def test_a_new_password_in_one_process_ends_the_other_sessions(ports: list[int], database_url: str) -> None:
    user_id = create_user(database_url, email=EMAIL, password=PASSWORD)
    own, other = create_session(database_url, user_id), create_session(database_url, user_id)
    body = {"current_password": PASSWORD, "password": "another long password"}
    assert call(ports[0], "PUT", "/account/password", token=own, body=body).status_code == 200
    assert call(ports[1], "GET", "/products", token=own).status_code == 200
    assert call(ports[1], "GET", "/products", token=other).status_code == 401
    assert call(ports[1], "POST", "/session", body={"email": EMAIL, "password": PASSWORD}).status_code == 401


def test_guesses_in_both_processes_count_together(ports: list[int], database_url: str) -> None:
    create_user(database_url, email=EMAIL, password=PASSWORD)
    body = {"email": EMAIL, "password": "a guess"}
    statuses = [call(ports[number % 2], "POST", "/session", body=body).status_code for number in range(12)]
    assert statuses[:6] == [401] * 6
    assert 429 in statuses[6:]


def test_a_huge_upload_of_nobody_is_refused_before_it_arrives(ports: list[int], database_url: str) -> None:
    key = create_key(database_url, create_user(database_url, "viewer"))
    for authorization, status in (("X-Nothing: 1", 401), (f"Authorization: Bearer {key}", 403)):
        client = RawClient(ports[0])
        client.send(
            "POST /api/upload HTTP/1.1",
            f"Content-Length: {HUGE_BYTES}",
            "Content-Type: multipart/form-data; boundary=x",
            authorization,
            body=b"--x\r\n",
        )
        assert client.read_answer("POST").status == status
        wait_for("the connection is closed", client.is_closed, seconds=10)
        client.close()


def test_an_import_goes_on_when_its_author_loses_access(
    ports: list[int], processes: Processes, database_url: str
) -> None:
    processes.start_worker()
    admin = create_session(database_url, create_user(database_url))
    bob_id = create_user(database_url, "editor")
    bob = create_session(database_url, bob_id)
    lines = "sku,name\n" + "".join(f"A-{number},Lamp\n" for number in range(20_000))
    upload = requests.post(
        f"http://127.0.0.1:{ports[0]}/api/upload",
        files={"file": ("a.csv", lines)},
        cookies={"acme_session": bob},
        timeout=SECONDS,
    )
    assert upload.status_code == 202
    assert call(ports[1], "PUT", f"/users/{bob_id}", token=admin, body={"role": "viewer"}).status_code == 200
    path = f"/upload/progress/{upload.json()['task_id']}"
    assert call(ports[0], "GET", path, token=bob).status_code == 401
    wait_for("the import has ended", lambda: call(ports[0], "GET", path, token=admin).json()["status"] == "completed")
    assert execute(database_url, "SELECT count(*) FROM products") == [(20_000,)]


def test_no_secret_is_in_the_output_of_the_processes(ports: list[int], processes: Processes, database_url: str) -> None:
    person = {"email": EMAIL, "name": "Ada", "password": PASSWORD}
    created = call(ports[0], "POST", "/setup", body=person)
    token = created.cookies["acme_session"]
    key = call(ports[1], "POST", "/keys", token=token, body={"name": "K", "scopes": ["admin"]}).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    for path in ("/api/users", "/api/nothing", "/api/products?q=%00"):
        requests.get(f"http://127.0.0.1:{ports[0]}{path}", headers=headers, timeout=SECONDS)
    call(ports[0], "POST", "/session", body={"email": EMAIL, "password": f"{PASSWORD}x"})
    call(ports[0], "POST", "/session", body={"email": "\x00", "password": PASSWORD})
    with raw_clients(ports[0], 3) as clients:
        clients[0].send("GET /api/users HTTP/1.1", f"Authorization Bearer {key}")
        clients[1].send("GET /api/users HTTP/1.1", f"Cookie acme_session={token}")
        clients[2].send(f'{{"password": "{PASSWORD}"}}')
        assert [client.read_answer().status for client in clients] == [400] * 3
    logged = processes.log.read_text(errors="replace")
    assert "Invalid request from 127.0.0.1" in logged
    assert [secret for secret in (PASSWORD, token, key) if secret in logged] == []
