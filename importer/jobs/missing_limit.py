"""The limit of an import that deactivates or deletes the products which its file does not have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from importer.errors import FailureKind, ImportFailure

# What an import does to the products that its file does not have, by the option `missing`.
PARTICIPLES = {"deactivate": "deactivated", "delete": "deleted"}


def _describe_excess(
    action: str, count: int, catalogue: int, percent: float, limit_percent: float, needed_limit: float
) -> str:
    products = "the only product" if catalogue == 1 else f"{count:,} of the {catalogue:,} products"
    return (
        f"The import would {action} {products} in the catalogue ({percent:.4g}%), because the file does not have"
        f" {'it' if count == 1 else 'them'}. The limit is {limit_percent:.4g}%, so nothing was written. If the file is"
        f" complete, retry with missing_limit={needed_limit:g}. Otherwise upload the complete file, or retry with"
        " missing=keep."
    )


LIMIT_EXCEEDED = FailureKind("missing_limit_exceeded", _describe_excess)


@dataclass(frozen=True)
class MissingProducts:
    """The products that an import would remove: `found` of the `catalogue`. `limit` is the largest allowed share.

    `action` is deactivate or delete.
    """

    action: str
    found: int
    catalogue: int
    limit: float

    @property
    def exceed_limit(self) -> bool:
        """Whether the import would remove more than its limit allows."""
        # As a binary fraction, 0.29 is a little less than what the client gave.
        return self.found > Fraction(str(self.limit)) * self.catalogue

    @property
    def needed_limit(self) -> float:
        """The smallest limit in whole percents that allows the import."""
        return math.ceil(100 * Fraction(self.found, max(1, self.catalogue))) / 100

    def excess(self) -> ImportFailure:
        """Return why the import must not write anything, with the numbers and what to do."""
        return ImportFailure(
            LIMIT_EXCEEDED,
            action=self.action,
            count=self.found,
            catalogue=self.catalogue,
            percent=100 * self.found / self.catalogue,
            limit_percent=100 * self.limit,
            needed_limit=self.needed_limit,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the part of a preview that is about missing products."""
        return {"missing": self.found, "missing_action": self.action, "catalogue": self.catalogue}
