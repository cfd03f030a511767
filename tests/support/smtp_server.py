"""A mail server that receives mails, or fails in a way that a test names.

with smtp_server() as server:
    server.url("user", "password")     # for SMTP_URL
    server.mails                       # what it has accepted
"""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote


@dataclass(frozen=True)
class Received:
    """A mail that was accepted. `credentials` is the user and the password, `encrypted` whether TLS protected it."""

    sender: str
    recipient: str
    message: EmailMessage
    credentials: tuple[str, str] | None
    encrypted: bool


class SmtpServer:
    """The server. `failure` is one of the keys of `FAILURES`, `silent`, `drip` or `hang up`."""

    # The command that fails, and the reply to it.
    FAILURES: ClassVar[dict[str, tuple[str, str]]] = {
        "password": ("AUTH", "535 5.7.8 wrong password: secret of the server"),
        "recipient": ("RCPT", "550 5.1.1 no such person"),
        "sender": ("MAIL", "550 5.7.1 not allowed"),
        "content": ("DATA", "554 5.6.0 rejected"),
        "busy": ("EHLO", "421 4.3.2 try later"),
        "garbage": ("EHLO", "\xff not a reply"),
        "farewell": ("QUIT", "500 what?"),
    }

    def __init__(self, failure: str, certificate: tuple[Path, Path] | None, *, starttls: bool) -> None:
        self.failure = failure
        self.mails: list[Received] = []
        self.ended = threading.Event()
        self.context: ssl.SSLContext | None = None
        if certificate is not None:
            self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self.context.load_cert_chain(*certificate)
        self.starttls = starttls
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                # A client that gives up resets the connection.
                conversation = Conversation(server, self.request)
                with suppress(OSError):
                    conversation.run()
                conversation.connection.close()

        self.listener = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.listener.daemon_threads = True
        self.port = self.listener.server_address[1]

    def url(self, user: str = "", password: str = "") -> str:
        """Return the address for SMTP_URL."""
        scheme = "smtps" if self.context and not self.starttls else "smtp"
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
        return f"{scheme}://{login}localhost:{self.port}"


class Conversation:
    """One connection of a client (RFC 5321, with AUTH PLAIN and STARTTLS)."""

    def __init__(self, server: SmtpServer, connection: object) -> None:
        self.server = server
        self.connection: ssl.SSLSocket
        self.connection = connection  # type: ignore[assignment]
        self.encrypted = False
        self.credentials: tuple[str, str] | None = None
        self.sender = self.recipient = ""

    def run(self) -> None:
        """Answer until the client leaves."""
        if self.server.context and not self.server.starttls:
            self.encrypt()
        if self.server.failure == "silent":
            self.server.ended.wait()
            return
        if self.server.failure == "hang up":
            return
        if self.server.failure == "drip":
            # Each byte comes before the timeout of a step.
            while not self.server.ended.wait(0.05):
                self.connection.sendall(b"2")
            return
        self.reply("220 ready")
        while line := self.read_line():
            command = line.split()[0].upper()
            failing, reply = self.server.FAILURES.get(self.server.failure, ("", ""))
            if command == failing:
                self.reply(reply)
            elif not self.answer(command, line):
                return

    def answer(self, command: str, line: str) -> bool:
        """Answer a command; return whether the conversation goes on."""
        if command == "EHLO":
            offers = ["AUTH PLAIN", *(["STARTTLS"] if self.server.starttls and not self.encrypted else [])]
            self.reply("\r\n".join(["250-localhost", *(f"250-{offer}" for offer in offers[:-1]), f"250 {offers[-1]}"]))
        elif command == "STARTTLS":
            self.reply("220 go on")
            self.encrypt()
        elif command == "AUTH":
            _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
            self.credentials = (user, password)
            self.reply("235 welcome")
        elif command == "MAIL":
            self.sender = line.partition("<")[2].partition(">")[0]
            self.reply("250 fine")
        elif command == "RCPT":
            self.recipient = line.partition("<")[2].partition(">")[0]
            self.reply("250 fine")
        elif command == "DATA":
            self.reply("354 go on")
            self.receive()
            self.reply("250 accepted")
        else:
            self.reply("221 bye" if command == "QUIT" else "250 fine")
        return command != "QUIT"

    def receive(self) -> None:
        """Receive a mail, which ends with a line that has only a dot."""
        lines = []
        while (line := self.read_line(strip=False)) != ".\r\n":
            lines.append(line.removeprefix("."))
        message = message_from_bytes("".join(lines).encode("latin-1"), policy=policy.default)
        assert isinstance(message, EmailMessage)
        mail = Received(self.sender, self.recipient, message, self.credentials, self.encrypted)
        self.server.mails.append(mail)

    def encrypt(self) -> None:
        """Continue with TLS."""
        assert self.server.context is not None
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.encrypted = True

    def reply(self, text: str) -> None:
        """Send a reply."""
        self.connection.sendall(text.encode("latin-1") + b"\r\n")

    def read_line(self, *, strip: bool = True) -> str:
        """Return the next line, or "" at the end."""
        line = b""
        while not line.endswith(b"\n") and (byte := self.connection.recv(1)):
            line += byte
        text = line.decode("latin-1")
        return text.strip() if strip else text


@contextmanager
def smtp_server(
    failure: str = "", certificate: tuple[Path, Path] | None = None, *, starttls: bool = False
) -> Iterator[SmtpServer]:
    """Run a mail server; with a certificate it speaks TLS, at once or after STARTTLS."""
    server = SmtpServer(failure, certificate, starttls=starttls)
    thread = threading.Thread(target=server.listener.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.listener.shutdown()
        server.listener.server_close()
        thread.join()
