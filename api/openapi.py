"""Blueprints whose decorators declare, check and describe calls, and the OpenAPI 3.1 document made from them.

A module with one call:

    blueprint = Blueprint("bulk", __name__, url_prefix="/api/products", tag="Products")

    @blueprint.post("/bulk")
    @blueprint.document(operationId="changeProducts")
    @blueprint.accepts(BulkRequestSchema, location="json", example={"action": "delete", "ids": [1, 2]})
    @blueprint.returns(200, BulkResultSchema, "The number of changed products.")
    @blueprint.raises(IMPORT_RUNNING)
    def change_products(body: BulkRequest) -> Response:
        '''Change or delete many products

        The first line is the summary of the call, the rest its description (Markdown).
        '''
        raise IMPORT_RUNNING.exception(f"…")

The scope that a call needs follows from its heading and its method (`NEEDS_OF_TAG`); `needs` sets another one, and
api/authentication.py checks it. `accepts` checks the request with a schema, responds with 400 if it is invalid, and
passes what the schema loads to the view as its first argument. `returns` and `raises` only describe. The document adds
the errors that every call can have, those of calls that change something, and those of a JSON body if the call accepts
one. The views of calls that write are repeated after a deadlock; see api/transactions.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import flask_smorest  # type: ignore[import-untyped]
from flask import Blueprint as FlaskBlueprint
from flask import Flask, Request, json, request
from marshmallow import Schema, ValidationError
from marshmallow.fields import Field
from webargs.flaskparser import FlaskParser

from access.roles import Needs, Requirement, Scope
from api.authentication import needs_of_endpoint
from api.errors import (
    BAD_REQUEST,
    BODY_TOO_LARGE,
    BUSY,
    CROSS_SITE,
    FORBIDDEN,
    INTERNAL_ERROR,
    NOT_JSON,
    OVERLOADED,
    QUERY_TIMEOUT,
    RETRIED_STATUSES,
    RETRY_AFTER_SECONDS,
    TOO_MANY_REQUESTS,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNTRUSTED_HOST,
    ApiError,
    ErrorType,
)
from api.schemas import ErrorSchema, FormSchema, QuerySchema, RequestSchema
from api.transactions import READING_METHODS, repeat_after_conflict

V = TypeVar("V", bound=Callable[..., Any])

JSON = "application/json"
# For `document(requestBody=…)`. The view reads such a body with `load_optional_body`.
OPTIONAL_BODY = {"required": False}
INVALID_BODY = ErrorType(400, "invalid_body", "The body must be a JSON object.")
INVALID_PARAMETER = ErrorType(400, RequestSchema.code, "per_page must be a whole number from 1 to 500.", ("per_page",))
ERRORS_OF_EVERY_CALL = (
    UNTRUSTED_HOST,
    CROSS_SITE,
    TOO_MANY_REQUESTS,
    INTERNAL_ERROR,
    UNAVAILABLE,
    OVERLOADED,
    QUERY_TIMEOUT,
)
# The scopes that the calls under each heading need, to read and to write.
NEEDS_OF_TAG: dict[str, tuple[Needs, Needs]] = {
    "Products": (Scope.PRODUCTS_READ, Scope.PRODUCTS_WRITE),
    "Imports": (Scope.IMPORTS_READ, Scope.IMPORTS_WRITE),
    "Webhooks": (Scope.WEBHOOKS, Scope.WEBHOOKS),
    "Access": (Scope.ADMIN, Scope.ADMIN),
    "About": (Requirement.ANY_ACTOR, Scope.ADMIN),
}
# The names of the two ways to sign in, in the document.
KEY_SCHEME, SESSION_SCHEME = "key", "session"
ERRORS_OF_WRITING_CALLS = (BUSY,)
ERRORS_OF_JSON_BODIES = (BAD_REQUEST, INVALID_BODY, BODY_TOO_LARGE, NOT_JSON)
RETRY_AFTER_HEADER = {
    "Retry-After": {
        "description": "The number of seconds after which to repeat the call.",
        "schema": {"type": "integer", "minimum": 0, "examples": [RETRY_AFTER_SECONDS]},
    }
}
STATUS_DESCRIPTIONS = {
    400: "The request is invalid.",
    401: "Nobody is signed in, or the API key is not valid.",
    403: "The request is not allowed.",
    404: "It does not exist.",
    408: "The request arrived too slowly.",
    409: "The current state does not allow this.",
    412: "A condition or a version in the headers is not met; nothing was changed.",
    413: "The body is too large.",
    415: "The body has the wrong media type.",
    429: "The client sends too many requests.",
    460: "The body does not have its checksum.",
    500: "The server failed.",
    503: "The server cannot do this now; try again later.",
    507: "The server's disk is full.",
}


class Parser(FlaskParser):
    """Reads requests for webargs and reports invalid ones as an `ApiError`."""

    DEFAULT_VALIDATION_STATUS = 400

    def load_json(self, req: Request, schema: Schema) -> Any:
        """Return the body, which must be a JSON object."""
        return require_object(req.get_json())

    def handle_error(self, error: ValidationError, req: Request, schema: Schema, **_: Any) -> NoReturn:
        """Raise the 400 that lists every invalid field."""
        # webargs nests the messages below the location, such as "json".
        raise _validation_error(schema, cast("dict[str, Any]", error.messages).values()) from None


def require_object(body: Any) -> dict[str, Any]:
    """Return a JSON body if it is an object; raise the 400 otherwise."""
    if not isinstance(body, dict):
        raise INVALID_BODY.exception()
    return body


def load(schema: RequestSchema, data: Any) -> Any:
    """Return what a schema loads from data that the view read itself; raise the 400 that lists every invalid field."""
    try:
        return schema.load(data)
    except ValidationError as error:
        raise _validation_error(schema, [error.messages]) from None


def load_optional_body(schema: RequestSchema) -> dict[str, Any]:
    """Return what a schema loads from the JSON body; nothing if the body is blank, whatever its content type."""
    if not request.get_data().strip():
        return {}
    loaded: dict[str, Any] = load(schema, require_object(request.get_json()))
    return loaded


def _validation_error(schema: Schema, all_messages: Iterable[Any]) -> ApiError:
    """Return the 400 for marshmallow's messages about a request."""
    fields: dict[str, list[str]] = {}
    for messages in all_messages:
        for name, message in _flatten(messages):
            fields.setdefault(name, []).append(message)
    first_message = next(iter(fields.values()))[0]
    code = getattr(schema, "code", RequestSchema.code)
    return ApiError(400, code, getattr(schema, "message", "") or first_message, fields)


def _flatten(messages: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each of marshmallow's messages with the path of its field, such as `filter.q`."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from _flatten(inner, f"{path}.{name}" if path else str(name))
    else:
        for message in messages if isinstance(messages, list) else [messages]:
            # `str` would turn a FieldProblem into a plain sentence.
            yield path.removesuffix("._schema"), message if isinstance(message, str) else str(message)


if TYPE_CHECKING:
    # flask-smorest has no types; its blueprint is a subclass of Flask's.
    BlueprintBase = FlaskBlueprint
else:
    BlueprintBase = flask_smorest.Blueprint


class Blueprint(BlueprintBase):
    """A blueprint of the API. The document lists its calls under the heading `tag`."""

    ARGUMENTS_PARSER = Parser()

    def __init__(self, name: str, import_name: str, *, url_prefix: str, tag: str) -> None:
        super().__init__(name, import_name, url_prefix=url_prefix)
        self.tag = tag
        # What each endpoint needs, by its name.
        self.needs_of_endpoint: dict[str, Needs] = {}
        self._prepare_doc_cbks: list[Callable[..., Any]]
        self._prepare_doc_cbks.append(self._describe_errors)

    def route(self, rule: str, *, repeats: bool = True, **options: Any) -> Callable[[V], V]:
        """Register a view as Flask does; `parameters` describes the variables of the path.

        Views of calls that write are repeated after a deadlock. Pass `repeats=False` for a view that cannot run twice.
        """
        register: Callable[[V], V] = super().route(rule, **{"tags": [self.tag], **options})
        reads = READING_METHODS.issuperset(options.get("methods", ["GET"]))

        def decorator(view: V) -> V:
            needs = getattr(view, "_apidoc", {}).get("needs", NEEDS_OF_TAG[self.tag][0 if reads else 1])
            self.needs_of_endpoint[f"{self.name}.{options.get('endpoint', view.__name__)}"] = needs
            view = self.document()(view)
            view._apidoc["needs"] = needs  # type: ignore[attr-defined]
            return register(view if reads or not repeats else cast("V", repeat_after_conflict(view)))

        return decorator

    def accepts(
        self, schema: type[Schema], *, location: str = "query", example: Any = None, check: bool = True
    ) -> Callable[[V], V]:
        """Check the `query` or the `json` body with a schema, and pass what it loads to the view.

        `check=False` only describes the request, for views that read it themselves; then `location` may also be
        `files`.
        """
        smorest: Any = super()
        decorate = smorest.arguments(schema, location=location, example=example)

        def decorator(view: V) -> V:
            decorated = decorate(view)
            # flask-smorest describes a 400 of its own here; `raises` describes ours.
            del decorated._apidoc["arguments"]["responses"]
            if not check:
                unchecked = self.document()(view)
                unchecked._apidoc = decorated._apidoc  # type: ignore[attr-defined]
                return unchecked
            checked: V = decorated
            return checked

        return decorator

    def returns(
        self,
        status: int,
        schema: Schema | type[Schema] | Mapping[str, Any] | None,
        description: str,
        *,
        example: Any = None,
        content_type: str = JSON,
        **extra: Any,
    ) -> Callable[[V], V]:
        """Describe a response other than an error. `extra` can be its `headers` and `links`, in OpenAPI's form."""
        content: dict[str, Any] = {}
        if schema is not None:
            content = {"content": {content_type: {"schema": schema, **({"example": example} if example else {})}}}
        return self.document(responses={str(status): {"description": description, **extra, **content}})

    def raises(self, *error_types: ErrorType) -> Callable[[V], V]:
        """Describe the errors that this call has in addition to those of every call."""

        def decorator(view: V) -> V:
            view = self.document()(view)
            view._apidoc["error_types"] = error_types  # type: ignore[attr-defined]
            return view

        return decorator

    def needs(self, needs: Needs) -> Callable[[V], V]:
        """Set what this call needs, in place of what `NEEDS_OF_TAG` says."""

        def decorator(view: V) -> V:
            view = self.document()(view)
            view._apidoc["needs"] = needs  # type: ignore[attr-defined]
            return view

        return decorator

    def document(self, **values: Any) -> Callable[[V], V]:
        """Add values to the operation object of the document, in OpenAPI's own form."""
        smorest: Any = super()
        decorator: Callable[[V], V] = smorest.doc(**values)
        return decorator

    def _describe_errors(self, doc: dict[str, Any], info: dict[str, Any], *, method: str, **_: Any) -> dict[str, Any]:
        """Add a response for each status of the call's errors; flask-smorest calls this once per operation."""
        accepts_json = JSON in doc.get("requestBody", {}).get("content", {})
        needs: Needs = info["needs"]
        is_open = needs is Requirement.NOTHING
        with_key = {KEY_SCHEME: [needs] if isinstance(needs, Scope) else []}
        with_session: dict[str, list[str]] = {SESSION_SCHEME: []}
        needs_person = needs in {Requirement.PERSON, Requirement.ADMINISTRATOR}
        doc["security"] = [] if is_open else [with_session] if needs_person else [with_key, with_session]
        error_types = [
            *info.get("error_types", ()),
            *(() if is_open else (UNAUTHENTICATED, FORBIDDEN)),
            *(ERRORS_OF_WRITING_CALLS if method.upper() not in READING_METHODS else ()),
            *(ERRORS_OF_JSON_BODIES if accepts_json else ()),
            *ERRORS_OF_EVERY_CALL,
        ]
        responses = doc.setdefault("responses", {})
        described = info.get("manual_doc", {}).get("responses", {})
        for status in sorted({error_type.status for error_type in error_types}):
            if str(status) not in described:
                of_status = [error_type for error_type in error_types if error_type.status == status]
                responses[str(status)] = _error_response(of_status)
        return doc


def _error_response(error_types: list[ErrorType]) -> dict[str, Any]:
    """Return OpenAPI's response object for errors of the same status, with an example for each code."""
    examples: dict[str, Any] = {}
    for error_type in error_types:
        # Of several errors with the same code, the document shows the first one, which is the call's own.
        examples.setdefault(error_type.code, {"summary": error_type.message, "value": error_type.example()})
    codes = ", ".join(f"`{code}`" for code in examples)
    can_retry = error_types[0].status in RETRIED_STATUSES
    return {
        "description": f"{STATUS_DESCRIPTIONS[error_types[0].status]} Codes: {codes}.",
        **({"headers": RETRY_AFTER_HEADER} if can_retry else {}),
        "content": {JSON: {"schema": ErrorSchema, "examples": examples}},
    }


def _allow_empty_parameter(_converter: Any, field: Field[Any], **_: Any) -> dict[str, Any]:
    """Return the keywords that allow an empty query parameter, unless it is required."""
    return {"allowEmptyValue": True} if isinstance(field.parent, QuerySchema) and not field.required else {}


def _allow_empty_form_field(_converter: Any, field: Field[Any], *, ret: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Return the keywords that allow an empty form field; `ret` has those that describe the field so far."""
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
    """The OpenAPI document of an application, made from the blueprints that are registered with `add`."""

    ma_plugin: Any
    ERROR_SCHEMA = ErrorSchema
    DEFAULT_ERROR_RESPONSE_NAME = None

    def __init__(self, app: Flask, *, spec_kwargs: dict[str, Any]) -> None:
        smorest: Any = super()
        smorest.__init__(app, spec_kwargs=spec_kwargs)
        self._app = app
        self._blueprints: list[FlaskBlueprint] = []
        self._json = ""
        self._lock = threading.Lock()

    def _init_spec(self, **options: Any) -> None:
        smorest: Any = super()
        smorest._init_spec(**options)
        self.ma_plugin.converter.add_parameter_attribute_function(_allow_empty_parameter)
        self.ma_plugin.converter.add_attribute_function(_allow_empty_form_field)

    def _register_error_handlers(self) -> None:
        """Do nothing: api/errors.py registers the error handlers."""

    def _register_responses(self) -> None:
        """Do nothing: calls name the responses that they give, and making one for every status takes a while."""

    def _register_etag_headers(self) -> None:
        """Do nothing: api/products/routes.py describes the ETag headers."""

    def _register_pagination_header(self) -> None:
        """Do nothing: pagination is part of the body, not a header."""

    def add(self, *blueprints: FlaskBlueprint) -> None:
        """Register blueprints with the application; the document will list their calls.

        flask-smorest's `register_blueprint` would also make a heading of every blueprint.
        """
        for blueprint in blueprints:
            self._app.register_blueprint(blueprint)
            views: Any = blueprint
            needs_of_endpoint(self._app).update(views.needs_of_endpoint)
            self._blueprints.append(blueprint)

    def as_json(self) -> str:
        """Return the document as JSON.

        The first call makes it, because that takes most of the time of `create_app()`, and few processes need it.
        """
        smorest: Any = self
        with self._lock:
            if not self._json:
                for blueprint in self._blueprints:
                    views: Any = blueprint
                    views.register_views_in_doc(self, self._app, smorest.spec, name=blueprint.name, parameters=None)
                self._json = json.dumps(smorest.spec.to_dict(), separators=(",", ":"))
        return self._json
