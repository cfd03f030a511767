"""A webhook receiver that answers at once: `python -m benchmarks.receiver` prints its port.

A GET returns `{"count", "first", "last"}`: the number of POSTs since the previous GET, and the Unix times of the first
and the last of them.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

HEADER_END = b"\r\n\r\n"
LENGTH_HEADER = b"content-length:"


class Connection(asyncio.Protocol):
    """A kept-alive connection. The class attributes count the POSTs of all connections."""

    count, first, last = 0, 0.0, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        """Answer every complete request."""
        self._data += data
        while (end := self._data.find(HEADER_END)) >= 0:
            head = self._data[:end].lower()
            length_start = head.find(LENGTH_HEADER)
            length = 0 if length_start < 0 else int(head[length_start + len(LENGTH_HEADER) :].split(b"\r\n", 1)[0])
            request_end = end + len(HEADER_END) + length
            if len(self._data) < request_end:
                return
            self._data = self._data[request_end:]
            self._answer(head.startswith(b"post"))

    def _answer(self, is_post: bool) -> None:
        body = b"ok"
        if is_post:
            Connection.last = time.time()
            Connection.first = Connection.first or Connection.last
            Connection.count += 1
        else:
            body = json.dumps({"count": Connection.count, "first": Connection.first, "last": Connection.last}).encode()
            Connection.count, Connection.first = 0, 0.0
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


async def main() -> None:
    """Serve until stdin is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
