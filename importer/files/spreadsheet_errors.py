"""The errors that spreadsheets show and export in place of a value, in English, German, French and Spanish."""

from __future__ import annotations

import re

ERRORS = frozenset(
    (
        *("#N/A", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!", "#FIELD!"),
        *("#BLOCKED!", "#CONNECT!", "#UNKNOWN!", "#GETTING_DATA", "#BUSY!", "#PYTHON!", "#EXTERNAL!"),
        *("#NV", "#BEZUG!", "#WERT!", "#ZAHL!", "#ÜBERLAUF!"),
        *("#VALEUR!", "#NOM?", "#NOMBRE!", "#NUL!", "#PROPAGATION!"),
        *("#¡REF!", "#¡DIV/0!", "#¡VALOR!", "#¿NOMBRE?", "#¡NUM!", "#¡NULO!"),
    )
)
# Finds text that may be an error. All errors begin with the same character, so the search is fast.
MAY_BE_ERROR = re.compile("#(?:" + "|".join(re.escape(error[1:]) for error in sorted(ERRORS)) + ")")


def may_have_error(text: str) -> bool:
    """Return whether a text of many values contains an error, as a value or as a part of one."""
    return "#" in text and MAY_BE_ERROR.search(text) is not None
