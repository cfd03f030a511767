"""The limit of an import that deactivates or deletes the products which its file does not have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

# What an import does to the products that its file does not have, by the option `missing`.
PARTICIPLES = {"deactivate": "deactivated", "delete": "deleted"}

EXCEEDED_MESSAGE = (
    "The import would {action} {products} in the catalogue ({share}%), because the file does not have"
    " {them}. The limit is {limit}%, so nothing was written. If the file is complete, retry with"
    " missing_limit={needed_limit}. Otherwise upload the complete file, or retry with missing=keep."
)


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

    def explain_excess(self) -> str:
        """Return why the import must not write anything, with the numbers and what to do."""
        return EXCEEDED_MESSAGE.format(
            action=self.action,
            products="the only product"
            if self.catalogue == 1
            else f"{self.found:,} of the {self.catalogue:,} products",
            them="it" if self.found == 1 else "them",
            share=f"{100 * self.found / self.catalogue:.4g}",
            limit=f"{100 * self.limit:.4g}",
            needed_limit=f"{self.needed_limit:g}",
        )

    def limit_details(self) -> dict[str, Any]:
        """Return the numbers of the limit, and whether it is exceeded, as details of a notice."""
        return {
            "action": self.action,
            "limit_check": "exceeded" if self.exceed_limit else "kept",
            "catalogue": self.catalogue,
            "limit": self.limit,
            "needed_limit": self.needed_limit,
        }

    def to_json(self) -> dict[str, Any]:
        """Return the part of a preview that is about missing products."""
        return {"missing": self.found, "missing_action": self.action, "catalogue": self.catalogue}
