"""Sends one request to a receiver, which may be slow, broken or hostile, and describes the response."""

from __future__ import annotations

import codecs
import contextlib
import logging
import re
import ssl
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse, RemoteDisconnected
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from urllib3 import HTTPHeaderDict
from urllib3.util import parse_url

from database import clock
from webhooks.http_client import Connection, Exchange, ResponseTooLong, Unreachable, create_connection
from webhooks.ssrf_guard import ForbiddenAddress, Networks, check_url

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5
TOTAL_SECONDS = 15
MAX_RESPONSE_BYTES = 4096
MAX_LOGGED_CHARACTERS = 200
# A firewall may drop a connection that was idle for longer, so that a request on it would get no response.
KEEP_ALIVE_SECONDS = 30
DEFAULT_PORTS = {"http": 80, "https": 443}
USER_AGENT = "Acme-Product-Importer-Webhooks/1.0"

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
NOT_HTTP_MESSAGE = "The receiver did not answer in HTTP."
CHARSET_PARAMETER = re.compile(r""";\s*charset\s*=\s*"?([\w.:-]+)""", re.IGNORECASE)
# Python has other codecs that are unsafe for untrusted input.
TEXT_CHARSETS = re.compile(r"(us-)?ascii|utf-?8|iso-?8859-\d+|latin-?1|(windows-|cp)125\d|koi8-[ru]", re.IGNORECASE)
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True)
class Response:
    """The response to a request, or the reason why there is none.

    `status_code` is None without a response. `response_text` is the start of the body, and `response_headers` are the
    first headers; each is at most 4 kB. `retry_after` is in seconds from now. `error` is a sentence for users, None
    after a success.
    """

    status_code: int | None
    response_time_ms: int
    response_text: str | None
    response_headers: dict[str, str]
    retry_after: float | None
    error: str | None

    @property
    def success(self) -> bool:
        """Whether the receiver accepted the request: the status is 2xx."""
        return self.status_code is not None and 200 <= self.status_code < 300


class _UnusableURL(Exception):
    """A URL that no request can be sent to. The message is a sentence for users."""


class _Target(NamedTuple):
    """Where the requests for a URL go: the receiver, and the path with the query."""

    scheme: str
    host: str
    port: int
    path: str


class Sender:
    """Sends the requests of one thread and keeps the connection of the last one alive.

    It uses the connections of `urllib3` without a session of `requests`, which would add cookies, redirects, proxies
    and passwords from the environment. `ca_file` holds the certificate authorities to trust, by default those of
    certifi.
    """

    def __init__(
        self,
        allowed: Networks,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
        ca_file: str | None = None,
    ) -> None:
        self._exchange = Exchange(allowed)
        self._ca_file = ca_file
        self._seconds = (connect_seconds, total_seconds)
        # The URL of the last request, its target, and the connection to it.
        self._url = ""
        self._target: _Target | None = None
        self._connection: Connection | None = None
        self._used_at = 0.0

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, on_sent: Callable[[], None] | None = None
    ) -> Response:
        """Send `body` and return the response. Failures of the receiver or the network are part of the response.

        `on_sent` is called once, when the request has been sent or has failed. If the kept connection turns out to be
        closed before any byte of a response, the request is repeated on a new one; it can then arrive twice. Raises
        `ValueError` for headers that HTTP does not allow.
        """
        started = time.monotonic()
        _check_headers(headers)
        if started - self._used_at > KEEP_ALIVE_SECONDS:
            self.close()
        self._exchange.begin(*self._seconds, on_sent)
        try:
            response = self._send(self._find_target(url), _complete_headers(headers, body), body)
            return self._describe(response, started)
        except Exception as error:
            message = self._describe_error(error, url)
            if message is None:
                if not self._exchange.is_sent:
                    raise
                # The receiver's response confuses a library.
                log.warning("The response of %s cannot be read: %s", urlsplit(url).hostname, describe_exception(error))
                message = NOT_HTTP_MESSAGE
            return Response(None, _milliseconds(started), None, {}, None, message)
        finally:
            self._used_at = time.monotonic()
            self._exchange.sent()

    def close(self) -> None:
        """Close the kept connection."""
        if self._connection is not None:
            self._connection.close()

    def _find_target(self, url: str) -> _Target:
        """Return the target of a URL. Close the kept connection if it is that of another receiver."""
        if self._target is None or self._url != url:
            target = _prepare_url(url, self._exchange.allowed)
            if self._target is None or target[:3] != self._target[:3]:
                self.close()
                self._connection = None
            self._url, self._target = url, target
        return self._target

    def _send(self, target: _Target, headers: Mapping[str, str], body: bytes) -> HTTPResponse:
        if self._connection is None:
            self._connection = create_connection(*target[:3], self._exchange, self._ca_file)
        try:
            try:
                return self._connection.post(target.path, headers, body)
            except (RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                if self._exchange.dialled or self._exchange.received_bytes:
                    raise
                # The receiver has closed the kept connection before it got the request.
                self.close()
                return self._connection.post(target.path, headers, body)
        except BaseException:
            self.close()
            raise

    def _describe(self, response: HTTPResponse, started: float) -> Response:
        text = self._read(response)
        status = response.status
        error = None
        if 300 <= status < 400:
            error = (
                f"The receiver answered {status}. Redirects are not followed; enter the address that it redirects to."
            )
        elif not 200 <= status < 300:
            error = f"The receiver answered {status}."
        return Response(
            status,
            _milliseconds(started),
            text,
            _shorten_headers(HTTPHeaderDict(response.msg.items())),
            _parse_retry_after(response.msg.get("Retry-After")),
            error,
        )

    def _read(self, response: HTTPResponse) -> str:
        """Return the start of the body, as far as it arrives in time. The connection of a longer body is closed."""
        data = b""
        is_complete = False
        # Only the status determines success, so an error while reading the body does not matter.
        with contextlib.suppress(Exception):
            while len(data) <= MAX_RESPONSE_BYTES and not is_complete:
                piece = response.read1(MAX_RESPONSE_BYTES + 1 - len(data))
                data += piece
                is_complete = not piece
        # The length is what is left of the body.
        if not is_complete or response.length:
            self.close()
        response.close()
        return decode_body(data, response.msg.get("Content-Type", ""))

    def _describe_error(self, error: Exception, url: str) -> str | None:
        """Return a sentence about a failure of the network or the receiver; None for an error of the product."""
        if isinstance(error, ForbiddenAddress | Unreachable | _UnusableURL):
            return str(error)
        if isinstance(error, ResponseTooLong):
            return NOT_HTTP_MESSAGE
        causes = list(_causes(error))
        if certificate := next((e for e in causes if isinstance(e, ssl.SSLCertVerificationError)), None):
            return (
                f"The certificate of {urlsplit(url).hostname} is not valid: {certificate.verify_message.rstrip('.')}."
            )
        # Check this before TLS errors, which wrap a timeout during the handshake.
        if any(isinstance(e, TimeoutError | urllib3.exceptions.TimeoutError) for e in causes):
            return f"The receiver did not answer within {self._seconds[1]:g} s."
        if any(isinstance(e, ssl.SSLError) for e in causes):
            return f"A TLS connection to {urlsplit(url).hostname} could not be made. Does it accept https on this port?"
        if isinstance(error, HTTPException | urllib3.exceptions.HTTPError | OSError):
            if any(isinstance(e, RemoteDisconnected | ConnectionError) for e in causes):
                return "The receiver closed the connection without a response."
            return NOT_HTTP_MESSAGE
        return None


def decode_body(data: bytes, content_type: str) -> str:
    """Decode a body, without NUL characters and surrogates, which PostgreSQL does not store."""
    named = CHARSET_PARAMETER.search(content_type)
    charset = named[1] if named and TEXT_CHARSETS.fullmatch(named[1]) else "utf-8"
    try:
        decoder = codecs.getincrementaldecoder(charset)("replace")
    except LookupError:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
    # A character that is cut in two is left out.
    text = decoder.decode(data[:MAX_RESPONSE_BYTES], final=len(data) <= MAX_RESPONSE_BYTES)
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _shorten_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the first headers, at most 4 kB, without control characters."""
    shortened = {}
    left = MAX_RESPONSE_BYTES
    for name, value in headers.items():
        plain_name, plain_value = CONTROL_CHARACTERS.sub("", name), CONTROL_CHARACTERS.sub("", value)
        left -= len((plain_name + plain_value).encode(errors="replace"))
        if left < 0:
            break
        shortened[plain_name] = plain_value
    return shortened


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(value):
            raise ValueError(f"The header {name!r} has characters that HTTP headers cannot contain.")


def _complete_headers(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """Return the headers of a request; those that the caller gives come first."""
    return {
        "user-agent": USER_AGENT,
        # The product stores the response as it arrives and decompresses nothing.
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": str(len(body)),
        **{name.lower(): value for name, value in headers.items()},
    }


def _prepare_url(url: str, allowed: Networks) -> _Target:
    """Check the URL and return its target. Raise `_UnusableURL` if no request can be sent to it."""
    try:
        request = requests.Request("POST", check_url(url, allowed)).prepare()
        parsed = parse_url(request.url or url)
        # Without this, a path such as `//host/x` would be taken for a host.
        path = "/" + request.path_url.lstrip("/")
        scheme, host = parsed.scheme or "", parsed.host or ""
        return _Target(scheme, host.strip("[]"), parsed.port or DEFAULT_PORTS[scheme], path)
    except (requests.RequestException, urllib3.exceptions.LocationParseError):
        raise _UnusableURL("The URL cannot be used. Enter one such as https://example.com:8443/hooks.") from None
    except ValueError as error:
        raise _UnusableURL(str(error)) from None


def _parse_retry_after(value: str | None) -> float | None:
    """Return the seconds of a `Retry-After` header (RFC 9110, section 10.2.3)."""
    if not value:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        retry_at = parsedate_to_datetime(value)
    except Exception:
        # The standard library does not document what it raises for malformed dates.
        return None
    if retry_at.tzinfo is None:
        retry_at = retry_at.replace(tzinfo=UTC)
    return max(0.0, (retry_at - clock.now()).total_seconds())


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and every error that it wraps or was caused by."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop()
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = [argument for argument in current.args if isinstance(argument, BaseException)]
        waiting += [*inner, getattr(current, "reason", None), current.__cause__, current.__context__]


def describe_exception(error: BaseException) -> str:
    """Return one short line for the log about an exception: its type, its message and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    message = ascii(str(error))[1:-1][:MAX_LOGGED_CHARACTERS]
    return f"{type(error).__name__}: {message}{place}"


def _milliseconds(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
