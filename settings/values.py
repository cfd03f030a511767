"""Parsers of the values of settings. They raise `ValueError` with a text that completes "NAME …, not 'value'"."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from email.utils import getaddresses
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

PRODUCT_FOLDER = Path(__file__).resolve().parents[1]
# A name, an IP address, `*.` followed by a name, or `*`. Names may have underscores, as those of Docker services do.
HOST_PATTERN_RE = re.compile(r"\*|(\*\.)?[\w-]+(\.[\w-]+)*|\[?[0-9a-f]*:[0-9a-f:.]*:[0-9a-f.]*\]?")
# The scheme, the host and the port of a page. An IPv6 address is in brackets.
ORIGIN_RE = re.compile(r"(?P<scheme>https?)://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
# A stricter check would refuse addresses that work.
ADDRESS_RE = re.compile(r"[^\s@<>]+@[^\s@<>]+")
# A shorter token could be guessed.
TOKEN_RE = re.compile(r"[!-~]{16,200}")
DSN_RE = re.compile(r"https?://[^@/]+@[^@]+/\d+")
# The user with the password ends at the last @ before the path. Several hosts are separated by commas.
POSTGRES_URL_RE = re.compile(
    r"postgres(?:ql)?(?:\+psycopg2)?://(?P<user>[^/?#]*@)?(?P<hosts>[^/?#@]*)(?P<path>/[^/?#]+)(?:\?(?P<query>[^#]*))?"
)
POSTGRES_HOST_RE = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[^\[\]:\s]*)(?::(?P<port>[0-9]{1,5})?)?")
MAX_PORT = 65535
ROLE_NAMES = ("viewer", "editor", "admin")
MAX_NUMBER_DIGITS = 20
POOLER_PORT = ":6543"
POOLER_HOST_PART = ".pooler."
POOLER_OPTION = "pgbouncer=true"
S3_SCHEME = "s3://"
# Names of buckets as most services allow them: those of Amazon S3, and upper case and underscores besides.
BUCKET_RE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
# Options of poolers and other drivers, which libpq rejects.
FOREIGN_URL_OPTIONS = {"pgbouncer", "supa", "connection_limit"}


def parse_integer(low: int, high: int) -> Callable[[str], int]:
    """Return the parser of whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        if not text.strip().isdecimal() or len(text) > MAX_NUMBER_DIGITS or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def parse_boolean(text: str) -> bool:
    """Return whether a text means yes. An empty text means no."""
    if text.strip().lower() in {"1", "true", "yes", "on"}:
        return True
    if text.strip().lower() in {"", "0", "false", "no", "off"}:
        return False
    raise ValueError("must be 1 or 0")


def parse_one_of(*words: str) -> Callable[[str], str]:
    """Return the parser of one of a few words."""

    def parse(text: str) -> str:
        if text.strip().lower() not in words:
            raise ValueError(f"must be {' or '.join(filter(None, words))}")
        return text.strip().lower()

    return parse


def parse_origins(text: str) -> tuple[str, ...]:
    """Return origins as browsers write them: in lower case, without the default port and a slash at the end."""
    origins = []
    for origin in (part.strip().lower().removesuffix("/") for part in text.split(",") if part.strip()):
        match = ORIGIN_RE.fullmatch(origin)
        if match is None:
            raise ValueError(
                "must be origins such as https://shop.example.com or http://localhost:8080, separated by commas"
                f" ({origin[:50]})"
            )
        default_port = {"https": ":443", "http": ":80"}[match["scheme"]]
        origins.append(origin.removesuffix(default_port))
    return tuple(origins)


def parse_folder(text: str) -> Path:
    """Return an absolute path. Relative ones begin in the folder of the product."""
    path = Path(text).expanduser()
    return path if path.is_absolute() else PRODUCT_FOLDER / path


def parse_storage_url(text: str) -> str:
    """Return the URL of a bucket, or the absolute path of a folder; an empty text stays empty."""
    if not text:
        return ""
    if not text.startswith(S3_SCHEME):
        if "://" in text:
            raise ValueError("must be a folder, or a bucket such as s3://acme-uploads/imports")
        return str(parse_folder(text))
    bucket, _, prefix = text.removeprefix(S3_SCHEME).partition("/")
    if not BUCKET_RE.fullmatch(bucket) or not prefix.isprintable() or set(prefix) & set("?#\\"):
        raise ValueError("must be a folder, or a bucket such as s3://acme-uploads/imports")
    return text.rstrip("/")


def parse_endpoint_url(text: str) -> str:
    """Return the address of a service, without a slash at its end."""
    if text and not _is_url(text, schemes={"http", "https"}):
        raise ValueError("must be an address such as https://minio.example.com:9000")
    return text.rstrip("/")


def parse_token(text: str) -> str:
    """Return a secret of printable ASCII that clients send in a header."""
    if text and not TOKEN_RE.fullmatch(text):
        raise ValueError("must have 16 to 200 letters, digits and other printable characters without spaces")
    return text


def parse_dsn(text: str) -> str:
    """Return the address of a Sentry project: a URL with the public key as its user and the project as its path."""
    if text and not (_is_url(text, schemes={"http", "https"}) and DSN_RE.fullmatch(text)):
        raise ValueError("must look like https://key@sentry.example.com/1")
    return text


def parse_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks of a list in CIDR notation."""
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(f"must be networks such as 10.0.0.0/8, separated by commas ({error})") from None


def parse_host_names(text: str) -> tuple[str, ...]:
    """Return host names and patterns in lower case; an IPv6 address gets the brackets that it has in a Host header."""
    names = [part.strip().lower().removesuffix(".") for part in text.split(",") if part.strip()]
    if unusable := next((name for name in names if not HOST_PATTERN_RE.fullmatch(name)), None):
        raise ValueError(
            f"must be host names such as shop.example.com or *.example.com, without https:// and port ({unusable[:50]})"
        )
    return tuple(f"[{name}]" if ":" in name and not name.startswith("[") else name for name in names)


def parse_issuer(text: str) -> str:
    """Return the address of an OpenID Connect provider. It stays as it is: ID tokens must have the same text."""
    if text and not _is_url(text, schemes={"https"} if not _is_loopback_url(text) else {"https", "http"}):
        raise ValueError("must be the issuer of the provider, such as https://login.example.com/realms/acme")
    return text


def parse_smtp_url(text: str) -> str:
    """Return the URL of a mail server."""
    if text and not _is_url(text, schemes={"smtp", "smtps"}):
        raise ValueError("must look like smtp://user:password@mail.example.com:587 or smtps://…")
    return text


def parse_mail_from(text: str) -> str:
    """Return the sender of mails: an address, or a name and an address."""
    addresses = getaddresses([text])
    if text and not (text.isprintable() and len(addresses) == 1 and ADDRESS_RE.fullmatch(addresses[0][1])):
        raise ValueError("must be an email address such as acme@example.com or Acme <acme@example.com>")
    return text


def parse_role_values(text: str) -> tuple[tuple[str, str], ...]:
    """Return pairs of a role and a value of the provider's claim."""
    pairs = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        role, _, value = (piece.strip() for piece in part.partition("="))
        if role not in ROLE_NAMES or not value:
            raise ValueError(
                "must look like admin=acme-admins,editor=acme-editors, with the roles viewer, editor, admin"
            )
        pairs.append((role, value))
    return tuple(pairs)


def _is_url(text: str, *, schemes: set[str]) -> bool:
    """Return whether a text is a URL with a host, and with nothing after its path."""
    try:
        parts = urlsplit(text)
        # Reading `port` raises ValueError if it is not a number.
        is_usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return is_usable and parts.scheme in schemes and not parts.query and not parts.fragment and text.isascii()


def _is_loopback_url(text: str) -> bool:
    """Return whether a URL names this machine."""
    with suppress(ValueError):
        return urlsplit(text).hostname in {"localhost", "127.0.0.1", "::1"}
    return False


def parse_database_url(text: str) -> str:
    """Return the URL in the form that SQLAlchemy and psycopg2 accept.

    Supabase and Heroku write `postgres://`, and poolers add options that libpq rejects. The URL may name several hosts,
    as in `postgresql://a:5432,b:5432/database`. Unless it says otherwise, the one that accepts changes is used.
    """
    return _parse_postgres_url(text, default_target="read-write")


def parse_standby_url(text: str) -> str:
    """Return the URL of a standby in the same form. Of several hosts, one that is a standby is used."""
    return _parse_postgres_url(text, default_target="standby")


def _parse_postgres_url(text: str, *, default_target: str) -> str:
    if not text:
        return ""
    parts = POSTGRES_URL_RE.fullmatch(text.strip())
    hosts = parts["hosts"].split(",") if parts else []
    if parts is None or not all(map(_is_host_with_port, hosts)):
        raise ValueError("must look like postgresql://user:password@host:5432/database")
    options = {key: value for key, value in parse_qsl(parts["query"] or "") if key not in FOREIGN_URL_OPTIONS}
    if len(hosts) > 1 or "," in options.get("host", ""):
        options.setdefault("target_session_attrs", default_target)
    query = urlencode(options, quote_via=quote, safe="/,")
    url: str = urlunsplit(("postgresql", f"{parts['user'] or ''}{parts['hosts']}", parts["path"], query, ""))
    return url


def _is_host_with_port(text: str) -> bool:
    """Return whether a text is a host as libpq accepts it, perhaps with a port. An empty one means a local socket."""
    host = POSTGRES_HOST_RE.fullmatch(text)
    return host is not None and 0 < int(host["port"] or "1") <= MAX_PORT


def parse_broker_url(text: str) -> str:
    """Return the URL of a message broker, or those of the nodes of a cluster, separated by semicolons."""
    urls = [part.strip() for part in text.split(";")] if text.strip() else []
    if any(urlsplit(url).scheme not in {"amqp", "amqps", "filesystem"} for url in urls):
        raise ValueError(
            "must look like amqp://user:password@host:5672/vhost; for a cluster, the URLs of its nodes with semicolons"
            " between them"
        )
    return ";".join(urls)


def is_transaction_pooler(url: str) -> bool:
    """Return whether the text of DATABASE_URL names a pooler that shares connections between transactions."""
    return (
        POOLER_OPTION in url.lower()
        or (POOLER_HOST_PART in url and POOLER_PORT in url)
        or url.rpartition("@")[2].partition("/")[0].endswith(POOLER_PORT)
    )
