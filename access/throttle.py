"""Slows down those who try passwords: an account and an address wait longer after each failure.

PostgreSQL counts, so all web processes share the counts. An attempt counts as a failure before the password is checked,
so many attempts at the same time gain nothing; a success takes the count back. Accounts that do not exist count as
well, so the answer does not tell whether one exists.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor
from sqlalchemy import text
from sqlalchemy.orm import Session

from access.networks import network_of

# This many failures cause no wait. After each further one the next attempt must wait, twice as long each time.
FREE_FAILURES_OF_ACCOUNT = 5
FREE_FAILURES_OF_ADDRESS = 50
FIRST_WAIT_SECONDS = 1
MAX_WAIT_SECONDS = 300
# How long failures count after the last one.
MEMORY = "interval '1 day'"
MAX_DOUBLINGS = 20

# The row is locked until the transaction ends, so attempts on one account take turns.
COUNT_SQL = text(f"""
INSERT INTO sign_in_failures AS f (subject, failures, failed_at, blocked_until)
VALUES (:subject, 1, clock_timestamp(), NULL)
ON CONFLICT (subject) DO UPDATE SET
    failures = CASE WHEN f.failed_at < clock_timestamp() - {MEMORY} THEN 1 ELSE f.failures + 1 END,
    failed_at = clock_timestamp(),
    blocked_until = CASE WHEN f.failed_at >= clock_timestamp() - {MEMORY} AND f.failures + 1 > :free THEN
        clock_timestamp() + make_interval(
            secs => least(:max_wait, :first_wait * power(2, least({MAX_DOUBLINGS}, f.failures - :free)))
        )
    END
WHERE coalesce(f.blocked_until <= clock_timestamp(), true)
RETURNING 1
""")
READ_WAIT_SQL = text("""
SELECT ceil(extract(epoch FROM blocked_until - clock_timestamp()))::int FROM sign_in_failures WHERE subject = :subject
""")
FORGET_SQL = text("DELETE FROM sign_in_failures WHERE subject = :subject")
TAKE_BACK_SQL = text("""
UPDATE sign_in_failures SET failures = greatest(0, failures - 1), blocked_until = NULL WHERE subject = :subject
""")
PRUNE_SQL = f"DELETE FROM sign_in_failures WHERE failed_at < clock_timestamp() - {MEMORY}"


@dataclass(frozen=True)
class Attempt:
    """An attempt to sign in: the email address that was given, and the address of the client.

    `is_confirmation` is true if a person who is signed in confirms the password. These attempts count for themselves:
    otherwise strangers, who can make an account wait, could keep the person from choosing a new password.
    """

    email: str
    address: str
    is_confirmation: bool = False

    @property
    def subjects(self) -> dict[str, int]:
        """The subjects that the attempt counts for, with their free failures. An email address is hashed."""
        return {self.account: FREE_FAILURES_OF_ACCOUNT, self.network: FREE_FAILURES_OF_ADDRESS}

    @property
    def account(self) -> str:
        """The subject for the account."""
        kind = "confirmation" if self.is_confirmation else "account"
        return f"{kind} {hashlib.sha256(self.email.strip().lower().encode('utf-8', 'replace')).hexdigest()}"

    @property
    def network(self) -> str:
        """The subject for the address."""
        return f"address {network_of(self.address)}"


def count_attempt(session: Session, attempt: Attempt) -> int:
    """Count an attempt as a failure and commit; return 0, or the seconds to wait if it is not allowed yet.

    An attempt that is not allowed does not count: otherwise an address that must wait could make accounts wait.
    """
    wait_seconds = 0
    for subject, free in sorted(attempt.subjects.items()):
        limits = {"free": free, "first_wait": FIRST_WAIT_SECONDS, "max_wait": MAX_WAIT_SECONDS}
        if session.execute(COUNT_SQL, {"subject": subject, **limits}).first() is None:
            wait_seconds = max(wait_seconds, session.scalar(READ_WAIT_SQL, {"subject": subject}) or 0, 1)
    if wait_seconds:
        session.rollback()
    else:
        session.commit()
    return wait_seconds


def forget_attempts(session: Session, attempt: Attempt) -> None:
    """Forget the failures of the account after a success; of those of the address, only this attempt was none."""
    session.execute(FORGET_SQL, {"subject": attempt.account})
    session.execute(TAKE_BACK_SQL, {"subject": attempt.network})


def prune(cursor: Cursor) -> None:
    """Delete the counts that are too old to matter."""
    cursor.execute(PRUNE_SQL)
