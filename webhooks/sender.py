"""One request to a receiver, which may be slow, broken or hostile, and what came of it."""

from __future__ import annotations

import codecs
import contextlib
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from webhooks.ssrf_guard import (
    AnswerTooLong,
    Exchange,
    ForbiddenAddress,
    Networks,
    Unreachable,
    check_url,
    pools,
    tls_context,
)

CONNECT_SECONDS = 5
TOTAL_SECONDS = 15
MAX_ANSWER_BYTES = 4096
# A firewall may have forgotten a connection that was idle for longer, and would let requests on it vanish.
KEPT_SECONDS = 30
USER_AGENT = "Acme-Product-Importer-Webhooks/1.0"

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
NOT_HTTP = "The receiver did not answer in HTTP."
CHARSET = re.compile(r""";\s*charset\s*=\s*"?([\w.:-]+)""", re.IGNORECASE)
# Others of Python's codecs are not made for what strangers send.
CHARSETS = re.compile(r"(us-)?ascii|utf-?8|iso-?8859-\d+|latin-?1|(windows-|cp)125\d|koi8-[ru]", re.IGNORECASE)
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True)
class Answer:
    """What came of a request.

    `status_code` is None where there was no answer, `retry_after` in seconds from now, `error` a sentence, or None
    after a success. `response_text` is the beginning of the body, at most 4 kB; so are the headers.
    """

    status_code: int | None
    response_time_ms: int
    response_text: str | None
    response_headers: dict[str, str]
    retry_after: float | None
    error: str | None

    @property
    def success(self) -> bool:
        """Whether the receiver took it: a 2xx status, whatever its body is like."""
        return self.status_code is not None and 200 <= self.status_code < 300


class _UnusableURL(Exception):
    """A URL that nothing can be sent to; the message is one sentence."""


class _Adapter(HTTPAdapter):
    """Connections that only go where they may, and only for as long as they may."""

    def __init__(self, exchange: Exchange, authorities: str | None) -> None:
        self._exchange = exchange
        self._authorities = authorities
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        """The manager of urllib3, with pools of our own."""
        super().init_poolmanager(*arguments, ssl_context=tls_context(self._authorities), **named)
        self.poolmanager.pool_classes_by_scheme = pools(self._exchange)

    def cert_verify(self, conn: Any, *_: Any) -> None:
        """Certificates must hold before the authorities that the context knows; it need not read them again."""
        conn.cert_reqs = "CERT_REQUIRED"


class Sender:
    """Makes requests for one thread and keeps the connection of the last one.

    Goes straight to the adapter of requests: a session would add cookies, redirects, proxies and passwords from the
    environment, none of which may have a say here. `authorities` is a file of those that may sign the certificates of
    receivers, by default the usual ones.
    """

    def __init__(
        self,
        allowed: Networks,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
        authorities: str | None = None,
    ) -> None:
        self._exchange = Exchange(allowed)
        self._adapter = _Adapter(self._exchange, authorities)
        self._seconds = (connect_seconds, total_seconds)
        self._target: tuple[str, str] = ("", "")
        self._used_at = 0.0

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, on_sent: Callable[[], None] | None = None
    ) -> Answer:
        """Sends `body`; whatever a receiver or the network does is in the answer.

        `on_sent` is called once the request is out. A connection kept from the last request that turns out to be closed
        is replaced, and the request repeated, if nothing of an answer came: it may so arrive twice. Raises `ValueError`
        for headers that no request can have.
        """
        started = time.monotonic()
        _check_headers(headers)
        if started - self._used_at > KEPT_SECONDS:
            self.close()
        self._exchange.begin(*self._seconds, on_sent)
        try:
            request = self._request(url, body, headers)
            try:
                response = self._send(request)
            except requests.ConnectionError as error:
                if self._exchange.dialled or self._exchange.received_bytes or not _was_dropped(error):
                    raise
                # What else is kept was opened no later.
                self.close()
                response = self._send(request)
            return self._answer(response, started)
        except Exception as error:
            sentence = self._sentence(error, url)
            if sentence is None:
                raise
            return Answer(None, _milliseconds(started), None, {}, None, sentence)
        finally:
            self._used_at = time.monotonic()
            self._exchange.sent()

    def close(self) -> None:
        """Closes the kept connection."""
        self._adapter.close()

    def _request(self, url: str, body: bytes, headers: Mapping[str, str]) -> requests.PreparedRequest:
        if self._target[0] != url:
            self._target = (url, _target(url, self._exchange.allowed))
        request = requests.PreparedRequest()
        request.method = "POST"
        request.url = self._target[1]
        request.prepare_headers(
            {
                "user-agent": USER_AGENT,
                # What is kept of an answer is kept as it came: nothing is unpacked.
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

    def _answer(self, response: requests.Response, started: float) -> Answer:
        text = _read(response)
        status = response.status_code
        error = None
        if 300 <= status < 400:
            error = (
                f"The receiver answered {status}, and redirects are not followed. Enter the address it redirects to."
            )
        elif not 200 <= status < 300:
            error = f"The receiver answered {status}."
        return Answer(
            status,
            _milliseconds(started),
            text,
            _short(response.headers),
            _retry_after(response.headers.get("Retry-After")),
            error,
        )

    def _sentence(self, error: Exception, url: str) -> str | None:
        """What to say of an error of the network or the receiver; None where it is one of ours."""
        if isinstance(error, ForbiddenAddress | Unreachable | _UnusableURL):
            return str(error)
        if isinstance(error, AnswerTooLong):
            return NOT_HTTP
        causes = list(_causes(error))
        if certificate := next((e for e in causes if isinstance(e, ssl.SSLCertVerificationError)), None):
            return (
                f"The certificate of {urlsplit(url).hostname} is not valid: {certificate.verify_message.rstrip('.')}."
            )
        # Before TLS, which wraps this: the time was over during the handshake.
        if any(isinstance(e, TimeoutError | urllib3.exceptions.TimeoutError) for e in causes):
            return f"The receiver did not answer within {self._seconds[1]:g} s."
        if any(isinstance(e, ssl.SSLError) for e in causes):
            return (
                f"A secure connection to {urlsplit(url).hostname} could not be made. Does it take https on this port?"
            )
        if isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError | OSError):
            if any(isinstance(e, RemoteDisconnected | ConnectionError) for e in causes):
                return "The receiver closed the connection without an answer."
            return NOT_HTTP
        return None


def _read(response: requests.Response) -> str:
    """The beginning of the body, as far as it comes in time. A longer one ends the connection instead of being read."""
    raw: Any = response.raw
    found = b""
    whole = False
    # What is not read, for whatever reason, does not change what the status said.
    with contextlib.suppress(Exception):
        while len(found) <= MAX_ANSWER_BYTES and not whole:
            piece = raw.read1(MAX_ANSWER_BYTES + 1 - len(found), decode_content=False)
            found += piece
            whole = not piece
    if not whole:
        raw.close()
    response.close()
    return _decode(found, response.headers.get("Content-Type", ""))


def _decode(found: bytes, content_type: str) -> str:
    """The text of what was read, without NUL and halves of pairs, which PostgreSQL does not take."""
    named = CHARSET.search(content_type)
    charset = named[1] if named and CHARSETS.fullmatch(named[1]) else "utf-8"
    try:
        decoder = codecs.getincrementaldecoder(charset)("replace")
    except LookupError:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
    # A character that the cut goes through is left out.
    text = decoder.decode(found[:MAX_ANSWER_BYTES], final=len(found) <= MAX_ANSWER_BYTES)
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _short(headers: Mapping[str, str]) -> dict[str, str]:
    """The first headers, 4 kB at most, without control characters."""
    found = {}
    left = MAX_ANSWER_BYTES
    for name, value in headers.items():
        plain_name, plain_value = CONTROL.sub("", name), CONTROL.sub("", value)
        left -= len((plain_name + plain_value).encode(errors="replace"))
        if left < 0:
            break
        found[plain_name] = plain_value
    return found


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(value):
            raise ValueError(f"The header {name!r} has characters that no header can have.")


def _target(url: str, allowed: Networks) -> str:
    """The URL as it is requested; raises `_UnusableURL`."""
    try:
        return requests.Request("POST", check_url(url, allowed)).prepare().url or url
    except requests.RequestException:
        raise _UnusableURL("The URL cannot be used. It looks like https://example.com:8443/hooks.") from None
    except ValueError as error:
        raise _UnusableURL(str(error)) from None


def _retry_after(value: str | None) -> float | None:
    """The seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3)."""
    if not value:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _was_dropped(error: BaseException) -> bool:
    return any(
        isinstance(cause, RemoteDisconnected | ConnectionResetError | BrokenPipeError) for cause in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that it was made of."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        present = waiting.pop()
        if not isinstance(present, BaseException) or id(present) in seen:
            continue
        seen.add(id(present))
        yield present
        inner = [argument for argument in present.args if isinstance(argument, BaseException)]
        waiting += [*inner, getattr(present, "reason", None), present.__cause__, present.__context__]


def _milliseconds(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
