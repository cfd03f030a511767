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
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from webhooks.http_client import Exchange, ResponseTooLong, Unreachable, create_pool_classes, create_tls_context
from webhooks.ssrf_guard import ForbiddenAddress, Networks, check_url

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5
TOTAL_SECONDS = 15
MAX_RESPONSE_BYTES = 4096
MAX_LOGGED_CHARACTERS = 200
# A firewall may drop a connection that was idle for longer, so that a request on it would get no response.
KEEP_ALIVE_SECONDS = 30
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


class _Adapter(HTTPAdapter):
    """The transport adapter of the library `requests`, with connections from `http_client`."""

    def __init__(self, exchange: Exchange, ca_file: str | None) -> None:
        self._exchange = exchange
        self._ca_file = ca_file
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        """Create the pool manager of urllib3 with the pool classes of `http_client`."""
        super().init_poolmanager(*arguments, ssl_context=create_tls_context(self._ca_file), **named)
        self.poolmanager.pool_classes_by_scheme = create_pool_classes(self._exchange)

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Return the response. Unlike the library's own method, parse no cookies: nothing uses them."""
        response = requests.Response()
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw = resp
        response.request = req
        return response

    def cert_verify(self, conn: Any, *_: Any) -> None:
        """Require a valid certificate. The TLS context has the authorities already."""
        conn.cert_reqs = "CERT_REQUIRED"


class Sender:
    """Sends the requests of one thread and keeps the connection of the last one alive.

    It uses the adapter of `requests` without a session, because a session would add cookies, redirects, proxies and
    passwords from the environment. `ca_file` holds the certificate authorities to trust, by default those of certifi.
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
        self._adapter = _Adapter(self._exchange, ca_file)
        self._seconds = (connect_seconds, total_seconds)
        self._target: tuple[str, str] = ("", "")
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
            request = self._request(url, body, headers)
            try:
                response = self._send(request)
            except requests.ConnectionError as error:
                if self._exchange.dialled or self._exchange.received_bytes or not _connection_was_closed(error):
                    raise
                # Any other kept connection is at least as old.
                self.close()
                response = self._send(request)
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
        self._adapter.close()

    def _request(self, url: str, body: bytes, headers: Mapping[str, str]) -> requests.PreparedRequest:
        if self._target[0] != url:
            self._target = (url, _prepare_url(url, self._exchange.allowed))
        request = requests.PreparedRequest()
        request.method = "POST"
        request.url = self._target[1]
        request.prepare_headers(
            {
                "user-agent": USER_AGENT,
                # The product stores the response as it arrives and decompresses nothing.
                "accept-encoding": "identity",
                "content-type": "application/json",
                "content-length": str(len(body)),
                **CaseInsensitiveDict(headers),
            }
        )
        request.body = body
        return request

    def _send(self, request: requests.PreparedRequest) -> requests.Response:
        return self._adapter.send(request, stream=True, timeout=self._seconds)

    def _describe(self, response: requests.Response, started: float) -> Response:
        text = _read(response)
        status = response.status_code
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
            _shorten_headers(response.headers),
            _parse_retry_after(response.headers.get("Retry-After")),
            error,
        )

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
        if isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError | OSError):
            if any(isinstance(e, RemoteDisconnected | ConnectionError) for e in causes):
                return "The receiver closed the connection without a response."
            return NOT_HTTP_MESSAGE
        return None


def _read(response: requests.Response) -> str:
    """Return the start of the body, as far as it arrives in time. The connection of a longer body is closed."""
    raw: Any = response.raw
    data = b""
    is_complete = False
    # Only the status determines success, so an error while reading the body does not matter.
    with contextlib.suppress(Exception):
        while len(data) <= MAX_RESPONSE_BYTES and not is_complete:
            piece = raw.read1(MAX_RESPONSE_BYTES + 1 - len(data), decode_content=False)
            data += piece
            is_complete = not piece
    if not is_complete:
        raw.close()
    response.close()
    return decode_body(data, response.headers.get("Content-Type", ""))


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


def _prepare_url(url: str, allowed: Networks) -> str:
    """Check the URL and return it encoded for a request. Raise `_UnusableURL` if no request can be sent to it."""
    try:
        return requests.Request("POST", check_url(url, allowed)).prepare().url or url
    except requests.RequestException:
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
    return max(0.0, (retry_at - datetime.now(UTC)).total_seconds())


def _connection_was_closed(error: BaseException) -> bool:
    return any(
        isinstance(cause, RemoteDisconnected | ConnectionResetError | BrokenPipeError) for cause in _causes(error)
    )


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
