"""Files as suppliers really send them, each with the outcome that an import of it must have.

They come from public bug reports about importers. Each case stands for its whole kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# The name of a product, or its name, description and active.
Values = str | tuple[str, str, bool]


@dataclass(frozen=True)
class Outcome:
    """What an import into an empty catalogue leaves: products by SKU, and the lines of the rejected rows."""

    products: Mapping[str, Values]
    rejects: Sequence[int] = ()


@dataclass(frozen=True)
class FileCase:
    """A file, the options of its upload, and its outcome.

    If there is `either`, each of its outcomes is right. `notices` are codes that the job must show, `fails` are words
    of the sentence with which the whole file must fail, and `reject_rows` the original rows of rejects by line.
    """

    name: str
    data: bytes
    products: Mapping[str, Values] = field(default_factory=dict)
    rejects: Sequence[int] = ()
    notices: Sequence[str] = ()
    fails: str = ""
    form: Mapping[str, str] = field(default_factory=dict)
    reject_rows: Mapping[int, str] = field(default_factory=dict)
    either: Sequence[Outcome] = ()

    @property
    def filename(self) -> str:
        """The name of the file: that of the case, if it is one."""
        return self.name if "." in self.name else f"{self.name}.csv"

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """The outcomes that are right."""
        return self.either or [Outcome(self.products, self.rejects)]


def complete(values: Values) -> tuple[str, str, bool]:
    """Return the name, the description and `active` of a product that an import has created."""
    return (values, "", True) if isinstance(values, str) else values


BOM = b"\xef\xbb\xbf"
CASES = [
    # Line ends. In a file of CR LF a lone CR or LF is no row end: a value is never cut there.
    FileCase(
        "cr-in-value",
        data=b"sku,name\r\nA1,Red\rShirt\r\nA2,Blue\r\n",
        either=[Outcome(products={"A1": "Red\rShirt", "A2": "Blue"}), Outcome(products={"A2": "Blue"}, rejects=[2])],
    ),
    FileCase(
        "cr-in-value-first",
        data=b"name,sku\r\nRed\rShirt,A1\r\nBlue,A2\r\n",
        either=[Outcome(products={"A1": "Red\rShirt", "A2": "Blue"}), Outcome(products={"A2": "Blue"}, rejects=[2])],
    ),
    FileCase(
        "lf-in-value",
        data=b"sku,name\r\nA1,Red\nShirt\r\nA2,Blue\r\n",
        either=[Outcome(products={"A1": "Red\nShirt", "A2": "Blue"}), Outcome(products={"A2": "Blue"}, rejects=[2])],
    ),
    FileCase(
        "cr-and-crlf-joined",
        data=b"sku,name,active\rA1,Red,1\rA2,Blue,1\r\nA4,Grey,1\r\n",
        products={"A1": "Red", "A2": "Blue", "A4": "Grey"},
    ),
    FileCase(
        "crlf-header-above-lf-rows",
        data=b"sku,name\r\nA1,Red\nA2\nA3,Blue\nA4,Grey,x\nA5,Pink\n",
        products={"A1": "Red", "A3": "Blue", "A5": "Pink"},
        rejects=[3, 5],
        notices=["short_rows"],
    ),
    FileCase(
        "crlf-header-above-short-lf-rows",
        data=b"sku,name,description\r\nA1,Bolt\nA2,Nut\n",
        form={"short_rows": "accept"},
        products={"A1": "Bolt", "A2": "Nut"},
    ),
    FileCase(
        "cr-in-the-only-column",
        data=b"sku\r\nA1\rA2\r\nA3\r\n",
        products={"A1": "", "A2": "", "A3": ""},
        notices=["line_ends_differ"],
    ),
    # Blank rows and cells that Excel leaves over: rows of empty cells are no rows, and surplus cells that are all empty
    # harm nothing.
    FileCase(
        "surplus-empty-cells",
        data=b"sku;name;active\nA1;Bolt, M8, zinc;1;\nA2;Nut, M8, steel;1;\n",
        products={"A1": "Bolt, M8, zinc", "A2": "Nut, M8, steel"},
    ),
    FileCase(
        "rows-of-commas",
        data=b"sku,name,description,active,,,\n,,,,,,\nA2,Nut,,1,,,\n" + b",,,,,,\n" * 5000,
        products={"A2": "Nut"},
        rejects=[],
    ),
    FileCase(
        "blank-row-all-or-nothing", data=b"sku,name\nA1,Bolt\n,\n", form={"on_reject": "fail"}, products={"A1": "Bolt"}
    ),
    FileCase("surplus-with-content", data=b"sku,name\nA1,Bolt,x\nA2,Nut\n", products={"A2": "Nut"}, rejects=[2]),
    FileCase(
        "short-rows",
        data=b"sku,name,description,active\nA1,Bolt\nA3,Pin,d,1\n",
        products={"A3": ("Pin", "d", True)},
        rejects=[2],
        notices=["short_rows"],
    ),
    FileCase(
        "short-rows-taken",
        data=b"sku,name,description,active\nA1,Bolt\nA3,Pin,d,1\n",
        form={"short_rows": "accept"},
        products={"A1": ("Bolt", "", True), "A3": ("Pin", "d", True)},
    ),
    FileCase(
        "short-row-of-two-lines",
        data=b'sku,name,description\nA1,"Bolt,\nx"\nA3,Pin,d\n',
        form={"short_rows": "accept"},
        products={"A1": "Bolt,\nx", "A3": ("Pin", "d", True)},
    ),
    # The formulas with which Excel keeps digits as text.
    FileCase(
        "excel-text",
        data=b'sku,name\n="00123",Bolt\n"=""00124""",Nut\n00123,Bolt 2\n',
        products={"00123": "Bolt 2", "00124": "Nut"},
    ),
    FileCase("formula-is-text", data=b"sku,name\nA1,=SUM(A1)\nA2,=1+1\n", products={"A1": "=SUM(A1)", "A2": "=1+1"}),
    FileCase(
        "scientific-skus",
        data=b"sku,name\n6.93217E+12,Bolt\n6.93217E+12,Nut\n1E5,Pin\n",
        products={"6.93217E+12": "Nut", "1E5": "Pin"},
        notices=["skus_rewritten_by_spreadsheet"],
    ),
    # Quotes.
    FileCase(
        "space-before-quote",
        data=b'sku,name,active\nA1, "Bolt, M8",1\nA2, "Nut, M8",1\n',
        products={"A1": "Bolt, M8", "A2": "Nut, M8"},
    ),
    FileCase(
        "space-before-every-cell", data=b'"sku", "name", "active"\n"A1", "Bolt M8", "1"\n', products={"A1": "Bolt M8"}
    ),
    FileCase("quoted-sku-with-space", data=b'name, sku\nBolt, "A1"\n', products={"A1": "Bolt"}),
    FileCase("whole-lines-quoted", data=b'"sku,name,active"\n"A1,""Bolt, M8"",1"\n', products={"A1": "Bolt, M8"}),
    FileCase(
        "whole-lines-quoted-with-line-ends",
        data=b'"sku,name,active"\n"A1,""Bolt\nM8"",1"\n"A2,Nut\n\nM8,1"\n"A3,Pin,1\nA4,Cap,1"\n',
        products={"A1": "Bolt\nM8", "A2": "Nut\n\nM8"},
        rejects=[7],
        reject_rows={7: '"A3,Pin,1\nA4,Cap,1"'},
    ),
    FileCase(
        "whole-lines-quoted-with-backslashes",
        data=b'"sku,name,active"\n"A1,\\"Bolt, M8\\",1"\n"A2,Nut,1"\n',
        products={"A1": "Bolt, M8", "A2": "Nut"},
    ),
    FileCase(
        "whole-lines-quoted-and-escaped-within",
        data=b'"sku,name,active"\n"A1,""5\\"" tube, steel"",1"\n"A2,Nut,1"\n',
        products={"A1": '5" tube, steel', "A2": "Nut"},
    ),
    FileCase(
        "comma-in-the-only-name",
        data=b'"sku, or number"\nA1\nA2\n',
        form={"mapping": '{"sku, or number": "sku"}'},
        products={"A1": "", "A2": ""},
    ),
    FileCase(
        "rows-swallowed",
        data=b'sku,name,description\nA1,Nut,"open\nA2,Nut,b\nA3,Bolt,c"\nA4,d,e\n',
        products={"A1": ("Nut", "open\nA2,Nut,b\nA3,Bolt,c", True), "A4": ("d", "e", True)},
        notices=["rows_inside_a_value"],
    ),
    FileCase(
        "rows-swallowed-and-too-many-fields",
        data=b'sku,name,description\nA1,Nut,"open\nA2,Nut,b\nA3,Bolt,c",x\nA4,d,e\n',
        products={"A2": ("Nut", "b", True), "A4": ("d", "e", True)},
        rejects=[2, 4],
    ),
    FileCase(
        "reject-shown-as-it-was",
        data=b'sku,name,active\nA1,"Tube 5\\" long, steel",1\nA2,"C:\\parts\\",1\nA3,Nut,1\n',
        products={"A1": 'Tube 5" long, steel', "A3": "Nut"},
        rejects=[3],
        reject_rows={3: 'A2,"C:\\parts\\",1'},
    ),
    FileCase(
        "backslashes-outside-quotes",
        data=b'sku,name,description\nA1,"5\\" tube, steel",x\nA2,Nut,\\\\srv\\share\n',
        products={"A1": ('5" tube, steel', "x", True), "A2": ("Nut", "\\\\srv\\share", True)},
    ),
    # A quoted value over the limit of a row costs one row, and nothing inside it becomes a product.
    FileCase(
        "value-over-the-limit",
        data=b'sku;name;description;active\nA1;Bolt;"' + b"x;y;z;1\n" * 140000 + b'";1\nA2;Nut;;1\n',
        products={"A2": "Nut"},
        rejects=[2],
    ),
    # Headers.
    FileCase(
        "two-exports-in-one",
        data=BOM + b"sku,name\nA1,Bolt\n" + BOM + b"sku,name\nA2,Nut\n",
        products={"A1": "Bolt", "A2": "Nut"},
        notices=["repeated_header"],
    ),
    FileCase(
        "second-header-in-another-order",
        data=b"sku,name,description\nA1,Bolt,x\nsku,description,name\nA2,y,Nut\n",
        fails="line 3",
    ),
    FileCase(
        "product-named-like-columns",
        data=b"name,active,sku\nsku,1,name\nBolt,1,A1\n",
        products={"name": "sku", "A1": "Bolt"},
    ),
    FileCase(
        "title-above",
        data=b"Price list 2026\n\nsku,name\nA1,Bolt\n",
        products={"A1": "Bolt"},
        notices=["lines_above_header"],
    ),
    FileCase(
        "cells-above",
        data=b"Exported 2026-11-28,,\nBy: admin,,\nsku,name,active\nA1,Bolt,1\n",
        products={"A1": "Bolt"},
        notices=["lines_above_header"],
    ),
    FileCase("better-header-below", data=b"Item,,\nsku,name,active\nA1,Bolt,1\n", products={"A1": "Bolt"}),
    FileCase("comment-above", data=b"# sku, name and price list\nsku,name\nA1,Bolt\n", products={"A1": "Bolt"}),
    FileCase(
        "two-header-rows",
        data=b"SKU,Name,Active\nArtikelnummer,Bezeichnung,Aktiv\nA1,Bolt,1\n",
        products={"A1": "Bolt"},
        notices=["repeated_header"],
    ),
    # Invisible characters.
    FileCase("bom-before-a-sku", data=b"sku,name\n" + BOM + b"A1,Bolt\n", products={"A1": "Bolt"}),
    FileCase(
        "invisible-characters",
        data="sku,name\nAB-1,n1\nA\u200bB-1,n2\nAB-1\u200e,n3\nAB\u00ad-1,n4\n\u00e91,n5\ne\u03011,n6\n".encode(),
        products={"AB-1": "n4", "\u00e91": "n6"},
    ),
    FileCase("dos-end-of-file", data=b"sku\r\nA1\r\n\x1a", products={"A1": ""}, rejects=[]),
    FileCase("blank-lines-first", data=b"\n" * 65536 + b"sku;name\nA1;Bolt\n", products={"A1": "Bolt"}),
    # Values.
    FileCase(
        "numbers-for-active",
        data=b"sku,active\nA1,1.0\nA2,0.0\n",
        products={"A1": ("", "", True), "A2": ("", "", False)},
    ),
    FileCase(
        "status-that-is-none",
        data=b"sku,name,Status\nA1,Bolt,In stock\nA2,Nut,Out of stock\n",
        products={"A1": "Bolt", "A2": "Nut"},
        notices=["column_left_out"],
    ),
    # Other files.
    FileCase(
        "unicode-text-of-excel.txt",
        data="sku\tname\r\nA1\tCaf\u00e9\r\n".encode("utf-16"),
        products={"A1": "Caf\u00e9"},
    ),
    FileCase(
        "html.csv",
        data=b"<html><body><table>\n<tr><th>sku</th></tr><tr><td>A1</td></tr></table></body></html>\n",
        fails="HTML",
    ),
    FileCase("jsonl.csv", data=b'{"sku": "A1", "name": "Bolt"}\n', fails="JSON"),
    FileCase("circumflex", data=b"sku^name^active\nA1^Bolt^1\n", fails="delimiter"),
]
