"""gunicorn's response, with the `Date` that the application gives.

The page shows how long ago something happened, and what it compares is the time of the database. The clock of this
machine may differ, so the application gives the `Date` (api/response_headers.py). gunicorn drops it, and gives its own.
"""

from __future__ import annotations

from gunicorn.http import wsgi

DATE = "date"


class DatedResponse(wsgi.Response):  # type: ignore[misc]
    """A response that keeps the `Date` of the application."""

    date: str | None = None

    def process_headers(self, headers: list[tuple[str, str]]) -> None:
        """Keep the headers of the application."""
        super().process_headers(headers)
        self.date = next((value for name, value in headers if name.lower() == DATE), None)

    def default_headers(self) -> list[str]:
        """Return the lines that gunicorn adds, with the `Date` of the application if it gives one."""
        lines: list[str] = super().default_headers()
        if self.date is None:
            return lines
        return [f"Date: {self.date}\r\n" if line.partition(":")[0].lower() == DATE else line for line in lines]


def use_dated_responses() -> None:
    """Let gunicorn use this class in this process: its threaded worker takes no other one."""
    wsgi.Response = DatedResponse
