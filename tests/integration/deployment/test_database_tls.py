"""TLS between the product and PostgreSQL, with a certificate authority that the test makes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import config
from app import create_app
from database.connect import Component, connected
from database.migrate import upgrade_database
from embedded.cluster import SUPERUSER
from embedded.postgres import DATABASE, EmbeddedPostgres
from embedded.server_account import ServerAccount
from support.prerequisites import skip_or_fail
from support.processes import find_free_ports, run_program

# The server in the wheel is built without TLS.
PROGRAMS = Path("/usr/lib/postgresql/15/bin")
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
EXIT_STATUS = 3


def create_authority(folder: Path, name: str) -> Path:
    """Create a certificate authority and return the path of its certificate."""
    certificate = folder / f"{name}.pem"
    run_program(
        *("openssl", "req", "-x509", *NEW_KEY, "-subj", f"/CN={name}"),
        *("-keyout", str(folder / f"{name}.key"), "-out", str(certificate)),
    )
    return certificate


@pytest.fixture(scope="module")
def tls_server() -> Iterator[tuple[str, Path, Path]]:
    """The URL of a database on `localhost` without options for TLS, and the right and another authority."""
    if not (PROGRAMS / "postgres").exists() or shutil.which("openssl") is None:
        skip_or_fail("postgresql-15 or openssl is missing; install them (apt-get install postgresql-15 openssl)")
    folder = Path(tempfile.mkdtemp(prefix="acme-tls-"))
    folder.chmod(0o755)
    right, other = create_authority(folder, "right"), create_authority(folder, "other")
    key, certificate = folder / "server.key", folder / "server.pem"
    run_program(
        *("openssl", "req", "-x509", *NEW_KEY, "-subj", "/CN=localhost", "-CA", str(right)),
        *("-CAkey", str(folder / "right.key"), "-addext", "subjectAltName=DNS:localhost"),
        *("-addext", "basicConstraints=critical,CA:FALSE", "-keyout", str(key), "-out", str(certificate)),
    )
    ServerAccount(folder / "data", PROGRAMS).own(key, certificate)
    (port,) = find_free_ports(1)
    settings = {"listen_addresses": "127.0.0.1", "port": str(port), "ssl": "on", "fsync": "off"}
    settings |= {"ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
    with EmbeddedPostgres(folder / "data", settings=settings, programs=PROGRAMS):
        yield f"postgresql://{SUPERUSER}@localhost:{port}/{DATABASE}", right, other
    shutil.rmtree(folder)


def test_the_product_checks_the_certificate_of_the_server(tls_server: tuple[str, Path, Path]) -> None:
    url, right, _ = tls_server
    text = f"{url}?sslmode=verify-full&sslrootcert={right}"
    verified = config.load({"DATABASE_URL": text}).require_database_url()
    upgrade_database(verified)
    with connected(verified, Component.WEB) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert cursor.fetchone() == (True, "TLSv1.3")


@pytest.mark.parametrize(
    ("host", "authority", "advice"),
    [
        ("localhost", "other", "set sslrootcert in DATABASE_URL to the file with the certificate of the authority"),
        ("127.0.0.1", "right", "Use the name of the server for which its certificate was issued"),
        ("localhost", "missing", "Set sslrootcert in DATABASE_URL to a file that this process can read"),
    ],
)
def test_a_certificate_that_is_not_trusted_stops_the_start_with_what_to_do(
    tls_server: tuple[str, Path, Path],
    environment: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    host: str,
    authority: str,
    advice: str,
) -> None:
    url, right, other = tls_server
    certificate = {"right": right, "other": other}.get(authority, right.with_name("missing.pem"))
    text = f"{url.replace('localhost', host)}?sslmode=verify-full&sslrootcert={certificate}"
    with pytest.raises(SystemExit) as caught:
        create_app(config.load({**environment, "DATABASE_URL": text.replace("acme@", "acme:secret@")}))
    assert caught.value.code == EXIT_STATUS
    line = capsys.readouterr().err
    assert line.startswith("error: DATABASE_URL: the database does not answer: ")
    assert advice in line
    assert line.count("\n") == 1
    assert "secret" not in line
