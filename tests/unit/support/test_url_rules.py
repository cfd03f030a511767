"""Applications that share the builders of their addresses build the same addresses as before."""

from __future__ import annotations

from flask import Flask, url_for


def create_application(rule: str, **options: dict[str, object]) -> Flask:
    application = Flask(__name__)
    application.add_url_rule(rule, "view", lambda **_: "", **options)  # type: ignore[arg-type]
    return application


def build(application: Flask, **values: object) -> str:
    with application.test_request_context():
        return url_for("view", **values)  # type: ignore[arg-type]


def test_each_application_builds_its_own_addresses() -> None:
    for _ in range(2):
        assert build(create_application("/a/<int:number>/b"), number=7, q="ä") == "/a/7/b?q=%C3%A4"
        assert build(create_application("/a/<int(fixed_digits=3):number>/b"), number=7) == "/a/007/b"
        assert build(create_application("/a/<number>/b"), number="ü") == "/a/%C3%BC/b"
        assert build(create_application("/d/<int:page>", defaults={"page": 1})) == "/d/1"
        assert build(create_application("/d/<int:page>", defaults={"page": 2})) == "/d/2"
