"""How calls are declared, checked and described: blueprints whose schemas also make the OpenAPI 3.1 document.

A blueprint with one call, all that a module needs:

    blueprint = Blueprint("bulk", __name__, url_prefix="/api/products", tag="Products")

    @blueprint.post("/bulk")
    @blueprint.document(operationId="changeProducts")
    @blueprint.takes(BulkSchema, location="json", example={"action": "delete", "ids": [1, 2]})
    @blueprint.answers(200, CountSchema, "What was done.")
    @blueprint.fails(IMPORT_RUNNING)
    def change_products(wanted: Bulk) -> Response:
        '''Change or delete many products

        The first line is the call's summary, the rest its description (Markdown).
        '''
        raise IMPORT_RUNNING.error(f"…")

`takes` checks the request (RequestSchema, QuerySchema in api/schemas.py), answers 400 in our shape, and hands what it
loaded to the view as its first argument. `answers` and `fails` only describe. 500 and 503 are described for every call,
what may be wrong with a JSON body for every call that takes one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import flask_smorest  # type: ignore[import-untyped]
from flask import Blueprint as FlaskBlueprint
from flask import Flask, Request, json
from marshmallow import Schema, ValidationError
from marshmallow.fields import Field
from webargs.flaskparser import FlaskParser

from api.errors import CODES, SENTENCES, ApiError, Failure
from api.requests import FormSchema, QuerySchema, RequestSchema
from api.responses import ErrorSchema

V = TypeVar("V", bound=Callable[..., Any])

JSON = "application/json"
BAD_JSON = Failure(400, CODES[400], SENTENCES[400])
INVALID_BODY = Failure(400, "invalid_body", "The body must be a JSON object.")
INVALID_PARAMETER = Failure(400, "invalid_parameter", "per_page must be a whole number from 1 to 500.", ("per_page",))
BODY_TOO_LARGE = Failure(413, CODES[413], "The body of the request is too large.")
NOT_JSON = Failure(415, CODES[415], SENTENCES[415])
ALWAYS = (Failure(500, CODES[500], SENTENCES[500]), Failure(503, CODES[503], SENTENCES[503]))
WITH_BODY = (BAD_JSON, INVALID_BODY, BODY_TOO_LARGE, NOT_JSON)
DESCRIPTIONS = {
    400: "The request cannot be used.",
    404: "It does not exist.",
    409: "The present state does not allow it.",
    412: "The condition of `If-Match` does not hold; nothing was changed.",
    413: "The body is too large.",
    415: "The body has the wrong media type.",
    500: "An error of the server.",
    503: "Not possible at the moment; try again later.",
    507: "The server's disk is full.",
}


class Parser(FlaskParser):
    """Reads requests with our errors: 400 in the one shape that all have."""

    DEFAULT_VALIDATION_STATUS = 400

    def load_json(self, req: Request, schema: Schema) -> Any:
        """The body, which must be an object."""
        body = req.get_json()
        if not isinstance(body, dict):
            raise INVALID_BODY.error()
        return body

    def handle_error(self, error: ValidationError, req: Request, schema: Schema, **_: Any) -> NoReturn:
        """Raises the 400 that names every field to blame."""
        # webargs puts all of them below the location, such as "json".
        raise _invalid(schema, cast("dict[str, Any]", error.messages).values()) from None


def load(schema: RequestSchema, data: Any) -> Any:
    """What a schema makes of data that the view has read itself; raises the 400 that names every field to blame."""
    try:
        return schema.load(data)
    except ValidationError as error:
        raise _invalid(schema, [error.messages]) from None


def _invalid(schema: Schema, all_messages: Iterable[Any]) -> ApiError:
    fields: dict[str, list[str]] = {}
    for messages in all_messages:
        for name, sentence in _sentences(messages):
            fields.setdefault(name, []).append(sentence)
    first = next(iter(fields.values()))[0]
    code = getattr(schema, "code", RequestSchema.code)
    return ApiError(400, code, getattr(schema, "sentence", "") or first, fields)


def _sentences(messages: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of marshmallow's messages, each with the path of its field, such as `filter.q`."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from _sentences(inner, f"{path}.{name}" if path else str(name))
    else:
        for sentence in messages if isinstance(messages, list) else [messages]:
            yield path.removesuffix("._schema"), str(sentence)


if TYPE_CHECKING:
    # flask-smorest has no types; its blueprint is one of Flask's.
    BlueprintBase = FlaskBlueprint
else:
    BlueprintBase = flask_smorest.Blueprint


class Blueprint(BlueprintBase):
    """A blueprint of the API; its calls stand under the heading `tag` in the document."""

    ARGUMENTS_PARSER = Parser()

    def __init__(self, name: str, import_name: str, *, url_prefix: str, tag: str) -> None:
        super().__init__(name, import_name, url_prefix=url_prefix)
        self.tag = tag
        self._prepare_doc_cbks: list[Callable[..., Any]]
        self._prepare_doc_cbks.append(self._prepare_failures)

    def route(self, rule: str, **options: Any) -> Callable[[V], V]:
        """Like Flask's; `parameters` describes those of the path."""
        routed: Callable[[V], V] = super().route(rule, **{"tags": [self.tag], **options})
        return routed

    def takes(
        self, schema: type[Schema], *, location: str = "query", example: Any = None, check: bool = True
    ) -> Callable[[V], V]:
        """Checks the request's `query` or `json` by a schema and hands what it loads to the view.

        `check=False` only describes, for views that read the request themselves; then `location` may also be `files`.
        """
        smorest: Any = super()
        decorate = smorest.arguments(schema, location=location, example=example)

        def decorator(view: V) -> V:
            decorated = decorate(view)
            # The 400 that flask-smorest describes by itself; `fails` has ours.
            del decorated._apidoc["arguments"]["responses"]
            if not check:
                plain = self.document()(view)
                plain._apidoc = decorated._apidoc  # type: ignore[attr-defined]
                return plain
            result: V = decorated
            return result

        return decorator

    def answers(
        self,
        status: int,
        schema: Schema | type[Schema] | Mapping[str, Any] | None,
        description: str,
        *,
        example: Any = None,
        content_type: str = JSON,
        **more: Any,
    ) -> Callable[[V], V]:
        """Describes an answer, an error's excepted; `more` may be its `headers` and `links`."""
        content: dict[str, Any] = {}
        if schema is not None:
            content = {"content": {content_type: {"schema": schema, **({"example": example} if example else {})}}}
        return self.document(responses={str(status): {"description": description, **more, **content}})

    def fails(self, *failures: Failure) -> Callable[[V], V]:
        """Describes the errors that a call has of its own."""

        def decorator(view: V) -> V:
            view = self.document()(view)
            view._apidoc["failures"] = failures  # type: ignore[attr-defined]
            return view

        return decorator

    def document(self, **values: Any) -> Callable[[V], V]:
        """Adds to the operation's description, word for word as OpenAPI has it."""
        smorest: Any = super()
        decorator: Callable[[V], V] = smorest.doc(**values)
        return decorator

    def _prepare_failures(self, doc: dict[str, Any], info: dict[str, Any], **_: Any) -> dict[str, Any]:
        with_json = JSON in doc.get("requestBody", {}).get("content", {})
        failures = [*info.get("failures", ()), *(WITH_BODY if with_json else ()), *ALWAYS]
        responses = doc.setdefault("responses", {})
        described = info.get("manual_doc", {}).get("responses", {})
        for status in sorted({failure.status for failure in failures if str(failure.status) not in described}):
            responses[str(status)] = error_response(failure for failure in failures if failure.status == status)
        return doc


def error_response(failures: Iterable[Failure]) -> dict[str, Any]:
    """The errors of one status as OpenAPI has them: an example for each code."""
    failures = list(failures)
    examples = {failure.code: {"summary": failure.sentence, "value": failure.example()} for failure in failures}
    return {
        "description": DESCRIPTIONS[failures[0].status]
        + " Codes: "
        + ", ".join(f"`{code}`" for code in examples)
        + ".",
        "content": {JSON: {"schema": ErrorSchema, "examples": examples}},
    }


def describe_empty(_converter: Any, field: Field[Any], **_: Any) -> dict[str, Any]:
    """What the document says of a query parameter's emptiness."""
    return {"allowEmptyValue": True} if isinstance(field.parent, QuerySchema) else {}


def describe_empty_field(_converter: Any, field: Field[Any], *, ret: dict[str, Any], **_: Any) -> dict[str, Any]:
    """What the document says of the emptiness of a form's field, of which it says `ret` so far."""
    if not isinstance(field.parent, FormSchema):
        return {}
    if ret.get("type") == "boolean":
        return {"type": ["boolean", "string"], "enum": [True, False, ""]}
    return {"enum": [*ret["enum"], ""]} if "enum" in ret else {}


if TYPE_CHECKING:
    ApiBase = object
else:
    ApiBase = flask_smorest.Api


class Document(ApiBase):
    """The OpenAPI document of an application, made of the blueprints that are registered through it."""

    ma_plugin: Any
    ERROR_SCHEMA = ErrorSchema
    DEFAULT_ERROR_RESPONSE_NAME = None

    if TYPE_CHECKING:

        def __init__(self, app: Flask, *, spec_kwargs: dict[str, Any]) -> None: ...

    def _init_spec(self, **options: Any) -> None:
        smorest: Any = super()
        smorest._init_spec(**options)
        self.ma_plugin.converter.add_parameter_attribute_function(describe_empty)
        self.ma_plugin.converter.add_attribute_function(describe_empty_field)

    def _register_error_handlers(self) -> None:
        """None: api/errors.py has the handlers of every error."""

    def _register_etag_headers(self) -> None:
        """None: api/products.py describes its own."""

    def _register_pagination_header(self) -> None:
        """None: pagination is in the body."""

    def add(self, app: Flask, *blueprints: FlaskBlueprint) -> None:
        """Registers blueprints with the application and in the document.

        Not by `register_blueprint`, which makes a heading of every blueprint.
        """
        smorest: Any = self
        for blueprint in blueprints:
            app.register_blueprint(blueprint)
            views: Any = blueprint
            views.register_views_in_doc(self, app, smorest.spec, name=blueprint.name, parameters=None)

    def as_json(self) -> str:
        """The document as JSON."""
        smorest: Any = self
        return json.dumps(smorest.spec.to_dict(), separators=(",", ":"))
