"""What the server reads from the head of a request before it runs it."""

from __future__ import annotations

import pytest

from server.request_classes import RequestClasses
from server.request_head import Head, has_whole_body, parse_head, remove_expectation

CLASSES = RequestClasses(max_uploads=16, max_streams=100)


def head_of(text: bytes) -> Head:
    """Return the head of a request that has arrived."""
    head = parse_head(bytearray(text))
    assert head is not None
    return head


def test_a_head_is_incomplete_up_to_its_last_byte() -> None:
    text = b"POST /api/products?q=a HTTP/1.1\r\nHost: x\r\ncontent-LENGTH:  12 \r\nExpect: 100-Continue\r\n\r\n"
    assert all(parse_head(bytearray(text[:end])) is None for end in range(len(text)))
    assert head_of(text + b"body") == Head(len(text), "POST", "/api/products", 12, False, True)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (b"GET / HTTP/1.1", "/"),
        (b"GET /a//b?c=http://d/e HTTP/1.1", "/a//b"),
        (b"GET http://host/api/health?x HTTP/1.1", "/api/health"),
        (b"GET http://host HTTP/1.1", "/"),
        (b"OPTIONS * HTTP/1.1", "*"),
        (b"GET", ""),
        (b"", ""),
        (b"GET /\xff HTTP/1.1", "/\xff"),
    ],
    ids=str,
)
def test_the_path_is_found_in_any_request_line(line: bytes, path: str) -> None:
    assert head_of(line + b"\r\nHost: x\r\n\r\n").path == path


def test_a_header_of_another_name_or_in_the_body_does_not_count() -> None:
    head = head_of(b"GET / HTTP/1.1\r\nX-Content-Length: 5\r\n\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n")
    assert (head.content_length, head.is_chunked, head.expects_continue) == (0, False, False)


def test_a_body_is_complete_with_its_last_byte() -> None:
    start = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n"
    assert not has_whole_body(bytearray(start + b"ab"), head_of(start))
    assert has_whole_body(bytearray(start + b"abc"), head_of(start))


@pytest.mark.parametrize(
    ("body", "is_whole"),
    [
        (b"", False),
        (b"3\r\nabc\r\n", False),
        (b"3\r\nabc\r\n0\r\n", False),
        (b"3\r\nabc\r\n10\r\n\r\n", False),
        (b"0\r\n\r\n", True),
        (b"3\r\nabc\r\n0\r\n\r\n", True),
        (b"3\r\nabc\r\n000;a=b\r\n\r\n", True),
        (b"3\r\nabc\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n", True),
        (b"3\r\nabc\r\n0\r\nTrailer: x\r\n", False),
        (b"fff\r\n" + b"a" * 4095 + b"\r\n0\r\n\r\n", True),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_chunked_body_is_complete_after_its_last_chunk(body: bytes, is_whole: bool) -> None:
    start = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert has_whole_body(bytearray(start + body), head_of(start)) is is_whole


def test_an_expectation_that_was_met_is_removed() -> None:
    buffer = bytearray(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
    head = remove_expectation(buffer, head_of(bytes(buffer)))
    assert buffer == b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n"
    assert head == head_of(bytes(buffer))


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/api/health", "health"),
        ("HEAD", "/api/health", "health"),
        ("POST", "/api/health", "other"),
        ("GET", "/api/health/x", "other"),
        ("POST", "/api/upload", "upload"),
        ("GET", "/api/upload/progress/1", "other"),
        ("GET", "/api/upload/progress/1/stream", "stream"),
        ("GET", "/api/products/changes", "stream"),
        ("GET", "/api/webhooks/changes", "stream"),
        ("GET", "/api/products/export", "export"),
        ("POST", "/api/products/export", "export"),
        ("GET", "/api/events", "stream"),
        ("GET", "/api/imports/1/rejects.csv", "download"),
        ("GET", "/api/audit/export", "download"),
        ("GET", "/api/audit", "other"),
        ("GET", "/api/imports/1/rejects", "other"),
        ("POST", "/api/products/bulk", "long"),
        ("DELETE", "/api/products/bulk-delete", "long"),
        ("POST", "/api/webhooks/1/test", "long"),
        ("POST", "/api/imports/1/undo", "long"),
        ("DELETE", "/api/imports/1", "long"),
        ("GET", "/", "page"),
        ("GET", "/static/js/main.js", "page"),
        ("GET", "/api/products", "other"),
        ("", "", "other"),
    ],
)
def test_each_request_belongs_to_a_class(method: str, path: str, name: str) -> None:
    assert CLASSES.of(Head(0, method, path, 0, False, False)).name == name
