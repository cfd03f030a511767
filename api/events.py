"""One stream for everything that a browser shows: several imports, new jobs, the products and the webhooks."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from flask import Response, current_app
from marshmallow import ValidationError, fields
from sqlalchemy import select

from access.roles import Scope
from api import sse
from api.authentication import current_actor, require
from api.imports.progress import job_event
from api.openapi import INVALID_PARAMETER, Blueprint
from api.request_fields import Boolean
from api.response_fields import EXAMPLE_TASK_ID
from api.schemas import QuerySchema
from api.sse import CHANGE_INTERVAL_SECONDS, TOO_MANY_STREAMS, JobEvent, StreamHub
from api.topics import JOBS_TOPIC, PRODUCTS_TOPIC, WEBHOOKS_TOPIC
from models import ImportJob, db

blueprint = Blueprint("events", __name__, url_prefix="/api", tag="About")

# A URL with this many ids must fit into the longest request line that gunicorn accepts, 4,094 bytes.
MAX_IMPORTS = 50
# Each topic that is not a job, by the name of its parameter and of its event.
CHANGE_TOPICS = {"products": PRODUCTS_TOPIC, "webhooks": WEBHOOKS_TOPIC, "jobs": JOBS_TOPIC}
CHANGE_EVENTS = {topic: f"event: {name}\ndata: {{}}\n\n" for name, topic in CHANGE_TOPICS.items()}
PING = "event: ping\ndata: {}\n\n"
EXAMPLE_EVENTS = (
    'event: ready\ndata: {"missing": []}\n\n'
    f'event: import\ndata: {{"task_id": "{EXAMPLE_TASK_ID}", "progress": 64, …}}\n\n{CHANGE_EVENTS[PRODUCTS_TOPIC]}'
)


class TaskIds(fields.Field[list[uuid.UUID]]):
    """A query parameter: task ids, separated by commas."""

    def __init__(self, description: str) -> None:
        super().__init__(metadata={"description": description, "type": "string", "examples": [EXAMPLE_TASK_ID]})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[uuid.UUID]:
        try:
            task_ids = list(dict.fromkeys(uuid.UUID(part.strip()) for part in value.split(",") if part.strip()))
        except ValueError:
            raise ValidationError(f"{attr} must be the ids of imports, separated by commas.") from None
        if len(task_ids) > MAX_IMPORTS:
            raise ValidationError(f"{attr} can name at most {MAX_IMPORTS} imports.")
        return task_ids


class EventQuerySchema(QuerySchema):
    """What a stream reports."""

    imports = TaskIds(f"The ids of imports to follow, separated by commas; at most {MAX_IMPORTS}.")
    products = Boolean("Whether to report changes of products.", in_query=True)
    webhooks = Boolean("Whether to report changes of webhooks, new deliveries and attempts.", in_query=True)
    jobs = Boolean("Whether to report new jobs, deleted ones and changes of their status.", in_query=True)


class EventSubscription:
    """The subscription of one stream to several topics. Iterating yields the texts of its events.

    Yields None when a keep-alive is due. If several states of a job wait to be sent, only the newest one is sent.
    Changes of products or webhooks are reported at most once in `CHANGE_INTERVAL_SECONDS`, and always after the last
    change.
    """

    def __init__(self, topics: Iterable[int], keep_alive_seconds: float) -> None:
        self.topics = frozenset(topics)
        self._keep_alive_seconds = keep_alive_seconds
        self._condition = threading.Condition()
        self._revisions: dict[int, int] = {}
        self._jobs: dict[int, JobEvent] = {}
        # When the next report of a changed topic is due, by the monotonic clock.
        self._due: dict[int, float] = {}
        self._reported_at: dict[int, float] = {}
        self._has_ended = False

    def publish(self, topic: int, event: JobEvent | None) -> None:
        """Record the new state of a job or, if `event` is None, a change of another topic."""
        with self._condition:
            if event is None:
                due = self._reported_at.get(topic, float("-inf")) + CHANGE_INTERVAL_SECONDS
                self._due.setdefault(topic, due)
            elif event.revision > self._revisions.get(topic, 0):
                self._revisions[topic] = event.revision
                self._jobs[topic] = event
            self._condition.notify()

    def end(self) -> None:
        """End the stream."""
        with self._condition:
            self._has_ended = True
            self._condition.notify()

    def __iter__(self) -> Iterator[str | None]:
        while True:
            text = self._wait()
            if self._has_ended:
                return
            yield text

    def _wait(self) -> str | None:
        """Wait until events are due and return their text; return None if a keep-alive is due first."""
        keep_alive_at = time.monotonic() + self._keep_alive_seconds
        with self._condition:
            while not (text := self._take()) and not self._has_ended:
                now = time.monotonic()
                if now >= keep_alive_at:
                    return None
                self._condition.wait(max(0, min([keep_alive_at, *self._due.values()]) - now))
            return text or None

    def _take(self) -> str:
        now = time.monotonic()
        texts = [f"event: import\n{event.text}" for event in self._jobs.values()]
        self._jobs.clear()
        for topic in [topic for topic, due in self._due.items() if due <= now]:
            del self._due[topic]
            self._reported_at[topic] = now
            texts.append(CHANGE_EVENTS[topic])
        return "".join(texts)


# What the actor needs to follow each topic.
NEEDS_OF_PARAMETER = {
    "imports": Scope.IMPORTS_READ,
    "products": Scope.PRODUCTS_READ,
    "webhooks": Scope.WEBHOOKS,
    "jobs": Scope.IMPORTS_READ,
}


@blueprint.get("/events")
@blueprint.document(operationId="followEvents")
@blueprint.accepts(EventQuerySchema)
@blueprint.returns(200, {"type": "string"}, "The events.", content_type="text/event-stream", example=EXAMPLE_EVENTS)
@blueprint.raises(INVALID_PARAMETER, TOO_MANY_STREAMS)
def follow_events(query: dict[str, Any]) -> Response:
    """Follow jobs, products and webhooks in one stream

    Server-Sent Events (WHATWG HTML, section 9.2). Browsers open at most six connections to a server over HTTP/1.1, so a
    page that shows several things should follow them in one stream. Its events:

    - `ready`: the first event; the stream reports every change from then on. `missing` has the ids of imports that do
      not exist.
    - `import`: the job as JSON, once for each import at the start and then after each change.
    - `products`, `webhooks`: something has changed; reload what you show. At most one event per second, and always one
      after the last change.
    - `jobs`: an import, a bulk change or an undo was created or deleted, or its status has changed; list the jobs to
      see which. At most one event per second, and always one after the last change.
    - `ping`: every 5 seconds without other events, so that a broken connection is noticed.

    The stream ends only if its actor may no longer read it. A client that reconnects gets the current state of each
    import again. Each topic needs its own scope: `imports:read` (also for `jobs`), `products:read` or `webhooks`.
    """
    for parameter, scope in NEEDS_OF_PARAMETER.items():
        if query.get(parameter):
            require(scope)
    hub: StreamHub = current_app.extensions["streams"]
    task_ids = query.get("imports", [])
    rows = db.session.execute(select(ImportJob.task_id, ImportJob.id).where(ImportJob.task_id.in_(task_ids)))
    job_ids = {row.task_id: row.id for row in rows}
    topics = {*job_ids.values()}
    topics |= {topic for name, topic in CHANGE_TOPICS.items() if query.get(name)}
    subscription = EventSubscription(topics, hub.keep_alive_seconds)
    if not hub.subscribe(subscription, current_actor()):
        raise TOO_MANY_STREAMS.exception()
    # Read the states after subscribing, so that no change between the two is missed.
    try:
        db.session.rollback()
        for job in db.session.scalars(select(ImportJob).where(ImportJob.id.in_(job_ids.values()))):
            subscription.publish(job.id, job_event(job))
    except Exception:
        hub.unsubscribe(subscription)
        raise
    # An open stream must not keep a database connection.
    db.session.remove()
    ready = json.dumps({"missing": [str(task_id) for task_id in task_ids if task_id not in job_ids]})

    def chunks() -> Iterator[str]:
        yield f"retry: {sse.CLIENT_RETRY_MS}\nevent: ready\ndata: {ready}\n\n"
        for text in subscription:
            yield text or PING

    return sse.event_stream(chunks(), lambda: hub.unsubscribe(subscription))
