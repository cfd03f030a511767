"""One request to a receiver, which may be slow, broken or hostile, and what came of it."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http.client import RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from webhooks.network import Exchange, ForbiddenAddress, Networks, Unreachable, pools, tls_context

CONNECT_SECONDS = 5
TOTAL_SECONDS = 15
MAX_ANSWER_BYTES = 4096
USER_AGENT = "Acme-Product-Importer-Webhooks/1.0"


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


class _Adapter(HTTPAdapter):
    """Connections that only go where they may, and only for as long as they may."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        """The manager of urllib3, with pools of our own."""
        super().init_poolmanager(*arguments, ssl_context=tls_context(), **named)
        self.poolmanager.pool_classes_by_scheme = pools(self._exchange)


class Sender:
    """Makes requests for one thread and keeps the connection of the last one.

    Goes straight to the adapter of requests: a session would add cookies, redirects, proxies and passwords from the
    environment, none of which may have a say here.
    """

    def __init__(
        self,
        allowed: Networks,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
        verify: str | bool = True,
    ) -> None:
        self._exchange = Exchange(allowed)
        self._adapter = _Adapter(self._exchange)
        self._seconds = (connect_seconds, total_seconds)
        self._verify = verify
        self._prepared: tuple[str, str] = ("", "")

    def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, on_sent: Callable[[], None] | None = None
    ) -> Answer:
        """Sends `body`; never raises for anything that a receiver or the network does.

        `on_sent` is called once the request is out. A connection kept from the last request that turns out to be closed
        is replaced, and the request repeated, if nothing of an answer came: it may so arrive twice.
        """
        started = time.monotonic()
        self._exchange.begin(*self._seconds, on_sent)
        try:
            request = self._request(url, body, headers)
            try:
                response = self._send(request)
            except requests.ConnectionError as error:
                if self._exchange.dialled or self._exchange.answered or not _was_dropped(error):
                    raise
                response = self._send(request)
            return self._answer(response, started)
        except Exception as error:
            sentence = self._sentence(error, url)
            if sentence is None:
                raise
            return Answer(None, _milliseconds(started), None, {}, None, sentence)
        finally:
            self._exchange.sent()

    def close(self) -> None:
        """Closes the kept connection."""
        self._adapter.close()

    def _request(self, url: str, body: bytes, headers: Mapping[str, str]) -> requests.PreparedRequest:
        if self._prepared[0] != url:
            self._prepared = (url, requests.Request("POST", url).prepare().url or url)
        request = requests.PreparedRequest()
        request.method = "POST"
        request.url = self._prepared[1]
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
        return self._adapter.send(request, stream=True, timeout=self._seconds, verify=self._verify)

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
            dict(_short(response.headers)),
            _retry_after(response.headers.get("Retry-After")),
            error,
        )

    def _sentence(self, error: Exception, url: str) -> str | None:
        """What to say of an error of the network or the receiver; None where it is one of ours."""
        host = urlsplit(url).hostname or ""
        if isinstance(error, ForbiddenAddress | Unreachable):
            return str(error)
        causes = list(_causes(error))
        if certificate := next((e for e in causes if isinstance(e, ssl.SSLCertVerificationError)), None):
            return f"The certificate of {host} is not valid: {certificate.verify_message.rstrip('.')}."
        # Before TLS, which wraps this: the time was over during the handshake.
        if any(isinstance(e, TimeoutError | urllib3.exceptions.TimeoutError) for e in causes):
            return f"The receiver did not answer within {self._seconds[1]:g} s."
        if any(isinstance(e, ssl.SSLError) for e in causes):
            return f"A secure connection to {host} could not be made. Does it take https on this port?"
        if isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError | OSError):
            if any(isinstance(e, RemoteDisconnected | ConnectionError) for e in causes):
                return "The receiver closed the connection without an answer."
            return "The receiver did not answer in HTTP."
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
    try:
        text = found[:MAX_ANSWER_BYTES].decode(response.encoding or "utf-8", errors="replace")
    except LookupError:
        text = found[:MAX_ANSWER_BYTES].decode(errors="replace")
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _short(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The first headers, 4 kB at most, as text that PostgreSQL takes."""
    left = MAX_ANSWER_BYTES
    for name, value in headers.items():
        left -= len(name) + len(value)
        if left < 0:
            return
        yield name.replace("\0", ""), value.replace("\0", "")


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
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())


def _was_dropped(error: BaseException) -> bool:
    return any(
        isinstance(cause, RemoteDisconnected | ConnectionResetError | BrokenPipeError) for cause in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that it was made of."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        present = waiting.pop()
        if present is None or id(present) in seen:
            continue
        seen.add(id(present))
        yield present
        inner = [argument for argument in present.args if isinstance(argument, BaseException)]
        waiting += [*inner, getattr(present, "reason", None), present.__cause__, present.__context__]


def _milliseconds(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
