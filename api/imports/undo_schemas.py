"""The schemas of undos: what one would do, and what has become of the one of a job."""

from __future__ import annotations

from marshmallow import Schema

from api.response_fields import dictionary, integer, text, timestamp, uuid
from api.schemas import MessageSchema
from models import JOB_STATUSES, ORIGINS

EXAMPLE_PLAN = {
    "message": "Products: 1,412 would be removed; 586 would stay, because they were edited since.",
    "products": 1998,
    "removed": 1412,
    "changed_back": 0,
    "inserted_again": 0,
    "edited_since": 586,
    "sku_taken": 0,
    "already_gone": 0,
    "undo_until": "2026-12-06T14:30:00Z",
    "refusal": None,
}

ERROR_CODE = (
    "The kind of the failure in `error_message`, for programs. Null without a message, and for jobs of version"
    " 1.1 and earlier."
)
ERROR_DETAILS = (
    "What the sentence in `error_message` says beside the kind of the failure: names with numbers, texts or lists of"
    " texts, which depend on `error_code`. Null if `error_code` is null."
)


class LastUndoSchema(Schema):
    """The last undo of a job. The numbers of removed, restored and missing products are those of all its undos."""

    task_id = uuid("The id of the undo, which is a job of its own.")
    status = text("The state of the undo.", "completed", enum=list(JOB_STATUSES))
    progress = integer("Percent.", maximum=100)
    error_message = text("Why the undo failed.", nullable=True)
    error_code = text(ERROR_CODE, "interference", nullable=True)
    error_details = dictionary(
        ERROR_DETAILS,
        nullable=True,
        examples=[{"reason": "locked", "seconds": 10, "text": "", "job": "undo"}],
    )
    started_from = text("Where the undo was started.", "page", enum=list(ORIGINS))
    started_by = text("Who started the undo, as `started_by` of a job.", "Ada Lovelace")
    finished_at = timestamp("When the undo ended", nullable=True)
    removed_count = integer("Products that the job had created and that were removed.", examples=[183])
    restored_count = integer("Products that got back their previous values, or were inserted again.")
    gone_count = integer("Products that no longer existed.")
    left_alone_count = integer("Products that the last undo left alone, because they were edited since.", examples=[2])


class UndoPlanSchema(MessageSchema):
    """What an undo would do with each product that the job has written. All numbers add up to `products`."""

    message = text("One sentence that says what the undo would do.")
    products = integer("The number of products that the undo would look at.", examples=[1998])
    removed = integer("Products that would be removed, because the job created them.", examples=[1412])
    changed_back = integer("Products that would get back the values that they had before the job.")
    inserted_again = integer("Products that the job deleted and that would be inserted again as they were.")
    edited_since = integer("Products that would be left alone, because they were edited since.", examples=[586])
    sku_taken = integer("Deleted products that would not be inserted again, because another product has the SKU now.")
    already_gone = integer("Products that no longer exist.")
    undo_until = timestamp("The deadline for the undo", nullable=True)
    refusal = text(
        "The message of the error `undo_blocked` with which the undo is refused unless `force` is true; null if it is"
        " not refused.",
        nullable=True,
    )
