"""Attacks on passwords: guesses one after the other and at once, from many addresses, and confusing email addresses."""

from __future__ import annotations

import runpy
import statistics
import threading
import time

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.security import check_password_hash, generate_password_hash

import config
from access import passwords
from access.throttle import FREE_FAILURES_OF_ACCOUNT, FREE_FAILURES_OF_ADDRESS
from app import create_app
from models import db
from support.api import read_error, read_json
from support.database import execute
from support.sign_in import PASSWORD, create_session, create_user
from support.threads import Threads

EMAIL = "kim@example.com"
GUESS = "a guess"
# So many attempts are checked: each one may run while the one before it is being counted.
CHECKED_GUESSES = FREE_FAILURES_OF_ACCOUNT + 1


@pytest.fixture
def user_id(app: Flask, database_url: str) -> int:
    """The id of an administrator with a password."""
    return create_user(database_url, email=EMAIL, password=PASSWORD)


def guess(app: Flask, email: str = EMAIL, *, password: str = GUESS, address: str = "", **headers: str) -> int:
    """Try to sign in and return the status."""
    environ = {"REMOTE_ADDR": address} if address else {}
    body = {"email": email, "password": password}
    response = app.test_client().post("/api/session", json=body, headers=headers, environ_overrides=environ)
    return response.status_code


@pytest.mark.usefixtures("long_waits")
def test_of_many_guesses_at_once_only_the_free_ones_are_checked(
    app: Flask, user_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks: list[str] = []

    def check(password_hash: str, password: str) -> bool:
        checks.append(password)
        return check_password_hash(password_hash, password)

    monkeypatch.setattr(passwords, "check_password_hash", check)
    statuses: list[int] = []
    barrier = threading.Barrier(50)

    def try_one() -> None:
        barrier.wait()
        statuses.append(guess(app))

    with Threads() as threads:
        for _ in range(50):
            threads.start(try_one)
    assert len(checks) == statuses.count(401)
    assert set(statuses) <= {401, 429, 503}
    assert statuses.count(401) == CHECKED_GUESSES


@pytest.mark.usefixtures("long_waits")
def test_an_account_that_must_wait_does_so_for_every_address_and_spelling(app: Flask, user_id: int) -> None:
    spellings = (EMAIL, EMAIL.upper(), f" {EMAIL}\t", "Kim@Example.com")
    statuses = [guess(app, spellings[number % 4], address=f"192.0.2.{number}") for number in range(CHECKED_GUESSES)]
    assert set(statuses) == {401}
    assert {guess(app, spelling, address="198.51.100.1") for spelling in spellings} == {429}


@pytest.mark.parametrize("email", ["\N{KELVIN SIGN}im@example.com", "k\u0130m@example.com", "k\u0131m@example.com"])
def test_letters_that_fold_to_those_of_an_account_do_not_reach_it(app: Flask, user_id: int, email: str) -> None:
    assert guess(app, email, password=PASSWORD) == 401
    assert guess(app, password=PASSWORD) == 200


@pytest.mark.usefixtures("long_waits")
def test_one_address_cannot_try_one_password_on_many_accounts(app: Flask, database_url: str, user_id: int) -> None:
    assert guess(app, "user1@example.com", address="192.0.2.7") == 401
    execute(
        database_url,
        "UPDATE sign_in_failures SET failures = %s WHERE subject = 'address 192.0.2.7'",
        (FREE_FAILURES_OF_ADDRESS + 5,),
    )
    assert guess(app, "user2@example.com", address="192.0.2.7") == 401
    assert guess(app, "user3@example.com", address="192.0.2.7") == 429
    assert guess(app, password=PASSWORD, address="192.0.2.8") == 200


def block_address(database_url: str, address: str) -> None:
    """Let an address wait."""
    execute(
        database_url,
        "INSERT INTO sign_in_failures VALUES (%s, 60, clock_timestamp(), clock_timestamp() + interval '1 hour')",
        (f"address {address}",),
    )


def test_an_address_that_must_wait_cannot_make_accounts_wait(app: Flask, database_url: str, user_id: int) -> None:
    block_address(database_url, "192.0.2.7")
    assert {guess(app, address="192.0.2.7") for _ in range(20)} == {429}
    assert guess(app, password=PASSWORD, address="192.0.2.8") == 200


def test_all_addresses_of_one_ipv6_network_count_together(app: Flask, database_url: str, user_id: int) -> None:
    block_address(database_url, "2001:db8:1:2::/64")
    assert guess(app, address="2001:db8:1:2:3:4:5:6") == 429
    assert guess(app, address="2001:db8:1:2::9") == 429
    assert guess(app, address="2001:db8:1:3::9") == 401
    block_address(database_url, "192.0.2.7")
    assert guess(app, address="::ffff:192.0.2.7") == 429
    assert guess(app, address="fe80::1%eth0") == 401


def test_the_port_that_a_proxy_names_makes_no_other_address(app: Flask, database_url: str) -> None:
    block_address(database_url, "192.0.2.7")
    assert guess(app, address="192.0.2.7:50123") == guess(app, address="192.0.2.7:50124") == 429


def test_successes_do_not_make_an_address_wait(app: Flask, database_url: str, user_id: int) -> None:
    execute(
        database_url,
        "INSERT INTO sign_in_failures VALUES ('address 192.0.2.7', %s, clock_timestamp(), NULL)",
        (FREE_FAILURES_OF_ADDRESS,),
    )
    statuses = {guess(app, password=PASSWORD, address="192.0.2.7") for _ in range(3)}
    assert statuses == {200}
    [(failures,)] = execute(database_url, "SELECT failures FROM sign_in_failures")
    assert failures == FREE_FAILURES_OF_ADDRESS


def test_a_header_does_not_change_the_address_that_is_throttled(app: Flask, database_url: str, user_id: int) -> None:
    block_address(database_url, "192.0.2.7")
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        assert guess(app, address="192.0.2.7", **{name: "198.51.100.1"}) == 429


def test_what_the_client_of_a_trusted_proxy_says_does_not_count(environment: dict[str, str], database_url: str) -> None:
    app = create_app(config.load({**environment, "TRUSTED_PROXIES": "1"}))
    block_address(database_url, "192.0.2.7")
    # The proxy adds the address that it sees at the end.
    assert guess(app, **{"X-Forwarded-For": "198.51.100.1, 192.0.2.7"}) == 429
    assert guess(app, **{"X-Forwarded-For": "192.0.2.7, 198.51.100.1"}) == 401
    app.extensions["request_counts"].close()
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def accounts(app: Flask, database_url: str, user_id: int) -> dict[str, str]:
    """The email addresses of accounts of each kind, all of which cannot sign in with a guess."""
    create_user(database_url, email="invited@example.com")
    disabled_id = create_user(database_url, email="disabled@example.com", password=PASSWORD)
    execute(database_url, f"UPDATE users SET disabled_at = clock_timestamp() WHERE id = {disabled_id}")
    return {
        "unknown": "nobody@example.com",
        "no address": "nobody",
        "not ASCII": "jürgen@example.com",
        "wrong password": EMAIL,
        "invited": "invited@example.com",
        "disabled": "disabled@example.com",
    }


def test_the_product_hashes_with_the_usual_cost() -> None:
    # The tests use a lower one, so look at the module as the product loads it.
    product = runpy.run_path(passwords.__file__)
    assert product["hash_password"](PASSWORD).startswith("scrypt:32768:8:1$")
    assert product["DUMMY_HASH"].startswith("scrypt:32768:8:1$")


def test_every_refused_sign_in_costs_one_scrypt(
    app: Flask, accounts: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: dict[str, int] = dict.fromkeys(accounts, 0)
    current = ""

    def check(password_hash: str, password: str) -> bool:
        counts[current] += 1
        return check_password_hash(password_hash, password)

    def generate(password: str, method: str) -> str:
        counts[current] += 1
        return generate_password_hash(password, method)

    monkeypatch.setattr(passwords, "check_password_hash", check)
    monkeypatch.setattr(passwords, "generate_password_hash", generate)
    for kind, email in accounts.items():
        current = kind
        assert guess(app, email) == 401
    assert counts == dict.fromkeys(accounts, 1)
    current = "disabled"
    assert guess(app, accounts["disabled"], password=PASSWORD) == 401
    assert counts["disabled"] == 2


def test_the_time_of_a_refused_sign_in_tells_nothing(app: Flask, database_url: str, accounts: dict[str, str]) -> None:
    durations: dict[str, list[float]] = {name: [] for name in accounts}
    for _ in range(3):
        for name, email in accounts.items():
            execute(database_url, "DELETE FROM sign_in_failures")
            started = time.thread_time()
            assert guess(app, email) == 401
            durations[name].append(time.thread_time() - started)
    medians = [statistics.median(values) for values in durations.values()]
    # Without scrypt a sign-in would take a tenth of the time.
    assert max(medians) < 2 * min(medians)


@pytest.mark.parametrize(
    "email",
    [
        *("ada@example.com.", "ada@example..com", "ada@.example.com", "ada@-example.com", "@example.com", "ada@"),
        *("аda@example.com", "ada@exаmple.com", "ada\N{ZERO WIDTH SPACE}@example.com", "ada@example。com"),
        *("ada@example.com\r\nBcc: eve@example.com", "ada@example.com,eve@example.com", "<ada@example.com>"),
        *("ada@example.com\x00", "ada@example.com\ud800", "ada @example.com", "ada@eve@example.com", "a" * 255),
    ],
    ids=ascii,
)
def test_confusing_email_addresses_are_refused(app: Flask, database_url: str, user_id: int, email: str) -> None:
    admin = app.test_client()
    admin.set_cookie("acme_session", create_session(database_url, user_id))
    body = {"email": email, "name": "Ada", "role": "viewer"}
    read_error(admin.post("/api/users", json=body), 400, "invalid_parameter", "email")
    read_error(admin.put(f"/api/users/{user_id}", json={"email": email}), 400, "invalid_parameter", "email")


def test_two_people_cannot_have_addresses_that_differ_in_case(app: Flask, database_url: str, user_id: int) -> None:
    admin = app.test_client()
    admin.set_cookie("acme_session", create_session(database_url, user_id))
    body = {"email": f" {EMAIL.title()} ", "name": "Ada", "role": "viewer"}
    read_error(admin.post("/api/users", json=body), 409, "email_taken", "email")
    other = read_json(admin.post("/api/users", json={**body, "email": "Eve@Example.com"}), 201)
    assert other["email"] == "eve@example.com"
    read_error(admin.put(f"/api/users/{other['id']}", json={"email": EMAIL.upper()}), 409, "email_taken", "email")


@pytest.mark.parametrize("text", ["\x00", "\ud800", "\udfff x", "x" * 100_000, "💥" * 100], ids=ascii)
def test_odd_emails_and_passwords_are_no_server_error(client: FlaskClient, user_id: int, text: str) -> None:
    for body in ({"email": text, "password": PASSWORD}, {"email": EMAIL, "password": text}):
        assert client.post("/api/session", json=body).status_code in {400, 401}


@pytest.mark.parametrize("body", [[], 1, "x", {"email": 1, "password": []}, {"email": None}, {}], ids=str)
def test_other_bodies_are_no_server_error(client: FlaskClient, user_id: int, body: object) -> None:
    for path in ("/api/session", "/api/setup", "/api/account/link", "/api/account/password"):
        assert client.post(path, json=body).status_code == 400
