"""A TCP proxy that breaks connections on purpose."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

BLOCK_BYTES = 65_536
# The state of a connection in `tcp_info` of Linux.
ESTABLISHED = 1


class TcpProxy:
    """Forwards connections to a port of this machine, or to a Unix socket.

    `cut_after` decides for each new connection after how many bytes of the server it breaks; None means never. While
    `stall_after` is set, a connection forwards that many bytes of its client, and the rest once it is None. While
    `is_cut_off` is true, nothing arrives in either direction and no connection ends, as if a cable was pulled out.
    """

    def __init__(self, target: int | Path) -> None:
        self.cut_after: Callable[[int], int | None] = lambda _number: None
        self.connections = 0
        self.is_down = False
        self.is_cut_off = False
        self.stall_after: int | None = None
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Refuse further connections."""
        # Closing alone would not wake the thread that accepts.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.is_down:
                    client.close()
                    continue
                limit = self.cut_after(self.connections)
                self.connections += 1
                threading.Thread(target=self._serve, args=(client, limit), daemon=True).start()

    def _serve(self, client: socket.socket, limit: int | None) -> None:
        with client, contextlib.suppress(ConnectionRefusedError), self._connect() as server:
            sending = threading.Thread(target=self._forward, args=(client, server, None, True), daemon=True)
            sending.start()
            self._forward(server, client, limit)
            sending.join()

    def _connect(self) -> socket.socket:
        if isinstance(self._target, int):
            return socket.create_connection(("127.0.0.1", self._target))
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._target))
        return server

    def _forward(
        self, source: socket.socket, target: socket.socket, limit: int | None, is_client: bool = False
    ) -> None:
        forwarded = 0
        with contextlib.suppress(OSError):
            while data := source.recv(BLOCK_BYTES):
                while (self.is_cut_off or (is_client and self._is_stalled(forwarded))) and not self.is_down:
                    if not _is_open(source):
                        raise ConnectionResetError
                    time.sleep(0.01)
                if limit is not None and forwarded + len(data) > limit:
                    target.sendall(data[: limit - forwarded])
                    break
                if self.is_down:
                    break
                target.sendall(data)
                forwarded += len(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _is_stalled(self, forwarded: int) -> bool:
        return self.stall_after is not None and forwarded >= self.stall_after


def _is_open(connection: socket.socket) -> bool:
    """Return whether the other side has not closed a connection whose bytes nobody reads."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED


@contextlib.contextmanager
def running_proxy(target: int | Path) -> Iterator[TcpProxy]:
    """Run a proxy in front of a port or a Unix socket."""
    proxy = TcpProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
