"""A receiver of webhooks that answers at once: `python -m benchmarks.receiver` prints its port.

A GET answers `{"count", "first", "last"}`, how many POSTs came since the last GET and when (Unix time).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time


class Connection(asyncio.Protocol):
    """One kept-alive connection; requests come one after the other."""

    count, first, last = 0, 0.0, 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begins."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        """Answers every request that is whole."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            found = head.find(b"content-length:")
            length = int(head[found + 15 :].split(b"\r\n", 1)[0]) if found >= 0 else 0
            if len(self._data) < end + 4 + length:
                return
            self._data = self._data[end + 4 + length :]
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
    """Receives until stdin is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
