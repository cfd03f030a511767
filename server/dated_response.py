"""gunicorn's response, with the `Date` that the application gives.

The page shows how long ago something happened, and what it compares is the time of the database. The clock of this
machine may differ, so the application gives the `Date` (api/response_headers.py). gunicorn would add a second one.
"""

from __future__ import annotations

from gunicorn.http import wsgi

DATE = "date"


class DatedResponse(wsgi.Response):  # type: ignore[misc]
    """A response whose headers have one `Date`."""

    def default_headers(self) -> list[str]:
        """Return the lines that gunicorn adds, without its `Date` if the application gives one."""
        lines: list[str] = super().default_headers()
        if any(name.lower() == DATE for name, _ in self.headers):
            return [line for line in lines if line.partition(":")[0].lower() != DATE]
        return lines


def use_dated_responses() -> None:
    """Let gunicorn use this class in this process: its threaded worker takes no other one."""
    wsgi.Response = DatedResponse
