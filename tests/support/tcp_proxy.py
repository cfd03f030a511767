"""A TCP proxy that breaks connections on purpose."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

BLOCK_BYTES = 65_536


class TcpProxy:
    """Forwards connections to a port of this machine.

    `cut_after` decides for each new connection after how many bytes of the server it breaks; None means never.
    """

    def __init__(self, target_port: int) -> None:
        self.cut_after: Callable[[int], int | None] = lambda _number: None
        self.connections = 0
        self.is_down = False
        self._target_port = target_port
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
        with client, socket.create_connection(("127.0.0.1", self._target_port)) as server:
            sending = threading.Thread(target=self._forward, args=(client, server, None), daemon=True)
            sending.start()
            self._forward(server, client, limit)
            sending.join()

    def _forward(self, source: socket.socket, target: socket.socket, limit: int | None) -> None:
        forwarded = 0
        with contextlib.suppress(OSError):
            while data := source.recv(BLOCK_BYTES):
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


@contextlib.contextmanager
def running_proxy(target_port: int) -> Iterator[TcpProxy]:
    """Run a proxy in front of a port."""
    proxy = TcpProxy(target_port)
    try:
        yield proxy
    finally:
        proxy.close()
