"""Mails to people: invitations and links for new passwords. Without SMTP_URL, administrators pass the links on."""

from __future__ import annotations

import contextlib
import logging
import smtplib
import ssl
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from urllib.parse import unquote, urlsplit

from access.deadline import run_within
from database import clock

log = logging.getLogger(__name__)

# The timeout of each step, and of all of them: the person who invites somebody waits that long.
STEP_SECONDS = 5
TOTAL_SECONDS = 15
# The ports for messages of clients (RFC 6409, RFC 8314).
STARTTLS_PORT, TLS_PORT = 587, 465
LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1"}


class NotEncrypted(Exception):
    """The server offers no TLS, so the password stays here."""


@dataclass(frozen=True)
class Mail:
    """A mail in plain text."""

    to: str
    subject: str
    text: str


def link_mail(purpose: str, *, to: str, name: str, link: str, hours: int) -> Mail:
    """Return the mail with a link of `access/links.py`."""
    days = hours // 24
    validity = f"{days} days" if days > 1 else "one day"
    if purpose == "invitation":
        subject, sentence = "Your invitation", "You are invited to Acme Product Importer. Choose a password here:"
    else:
        subject, sentence = "Your new password", "Choose a new password for Acme Product Importer here:"
    text = (
        f"Hello {name},\n\n{sentence}\n\n{link}\n\n"
        f"The link works once, within {validity}. If you did not expect this mail, ignore it.\n"
    )
    return Mail(to, subject, text)


def send(smtp_url: str, mail_from: str, mail: Mail) -> bool:
    """Send a mail and return whether the server has accepted it. A failure is logged, without what the mail says."""
    try:
        run_within(TOTAL_SECONDS, lambda: _deliver(smtp_url, mail_from, mail))
    # ValueError and MessageError: an address that no mail can have, or a server that sends garbage.
    except (smtplib.SMTPException, OSError, ValueError, MessageError, NotEncrypted) as error:
        # The texts of these errors can have what the server was told.
        code = getattr(error, "smtp_code", "")
        log.warning("A mail could not be sent: %s", f"{type(error).__name__} {code}".strip())
        return False
    return True


def _deliver(smtp_url: str, mail_from: str, mail: Mail) -> None:
    message = _message(mail_from, mail)
    server = _connect(smtp_url)
    try:
        server.send_message(message, from_addr=parseaddr(mail_from)[1], to_addrs=[mail.to])
    finally:
        # Whatever the server says to the farewell, the mail is sent or not.
        with contextlib.suppress(smtplib.SMTPException, OSError):
            server.quit()


def _message(mail_from: str, mail: Mail) -> EmailMessage:
    message = EmailMessage()
    message["From"] = mail_from
    message["To"] = str(Address(addr_spec=mail.to))
    message["Subject"] = mail.subject
    message["Date"] = formatdate(clock.unix_time())
    message["Message-ID"] = make_msgid(domain=parseaddr(mail_from)[1].rpartition("@")[2])
    # Mail servers should not send "out of office" replies (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message


def _connect(smtp_url: str) -> smtplib.SMTP:
    """Return a connection to the server, encrypted if it can be, and signed in if the URL has a user."""
    parts = urlsplit(smtp_url)
    host = parts.hostname or ""
    tls = ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or TLS_PORT, timeout=STEP_SECONDS, context=tls)
    else:
        server = smtplib.SMTP(host, parts.port or STARTTLS_PORT, timeout=STEP_SECONDS)
    try:
        server.ehlo_or_helo_if_needed()
        is_encrypted = parts.scheme == "smtps"
        if not is_encrypted and server.has_extn("starttls"):
            server.starttls(context=tls)
            is_encrypted = True
        if parts.username:
            if not is_encrypted and host not in LOOPBACK_HOSTS:
                raise NotEncrypted
            server.login(unquote(parts.username), unquote(parts.password or ""))
    except BaseException:
        server.close()
        raise
    return server
