"""rejects.csv is valid CSV, and no uncorrected row of it is imported."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from importer.columns import reject_file
from importer.columns.product_file import FileOptions, open_product_file
from importer.columns.reject_file import UNSPLITTABLE_CODES, encode_reject_file, encode_rejects, split_rejects
from importer.errors import UnusableFile
from importer.files.dialect import Dialect
from importer.files.rows import Reject

# Rows for files with one to three columns. Many are invalid.
bad_rows = st.sampled_from(
    [
        *["a,b,c", "a,b", "a", ",b,c", '"",b,c', " ,x", '"a"x,b', 'a,"open', "\0,b", "a,b,c,d", "'a',b,c"],
        *[f"{'s' * 256},n,d", f"s,{'n' * 501},d", 'a,"two\nlines",c', ',"two\r\nlines",c', ',"say ""hi""",c', ",'b',c"],
        *[",\\,c", ',"\\",c', ',b\\"c,"d', ";|,\t,c", "x,maybe,yes", "\ufeff,é,🙂", ", b ,sep=;", "s,n," + "d" * 90],
    ]
)
headers = st.sampled_from(
    ["sku", "sku,name", "name,sku,description", "sku,active,x", "'sku',name,z", "Artikelnummer,line,code,message"]
)
delimiters = st.sampled_from([",", ";", "\t", "|"])


def read(content: bytes, delimiter: str | None = None) -> tuple[int, list[Reject], list[str], Dialect]:
    """Read a file. Return the number of valid rows, the rejects, the column names and the dialect."""
    with tempfile.NamedTemporaryFile() as temporary:
        temporary.write(content)
        temporary.flush()
        with open_product_file(
            Path(temporary.name), FileOptions(delimiter), max_record=50_000, max_unpacked_bytes=1 << 30
        ) as file:
            rejects: list[Reject] = []
            valid_rows = 0
            for chunk in file.read_chunks(5):
                valid_rows += file.validator.encode_rows(chunk)[1]
                rejects += chunk.rejects
            description = file.describe()
            names = [column["name"] for column in description["columns"]]
            return valid_rows, sorted(rejects), names, Dialect(description["delimiter"], description["quote"])


@given(headers, st.lists(bad_rows, max_size=12), delimiters, st.integers(1, 4))
@example("sku", ["a,b,c"], ",", 1)
@example("sku,line,code,message", ["a", "a,1,missing_sku,x", ",1,missing_sku,x"], ",", 2)
def test_an_unchanged_reject_file_is_rejected_row_by_row(
    header: str, rows: list[str], delimiter: str, batch: int
) -> None:
    content = "\n".join([header, *rows, ""]).replace(",", delimiter).encode()
    _, rejects, names, dialect = read(content, delimiter)
    batches = [rejects[start : start + batch] for start in range(0, len(rejects), batch)]
    file = b"".join(encode_reject_file(names, dialect, batches, byte_order_mark=True))

    table = list(
        csv.reader(io.StringIO(file.decode("utf-8-sig"), newline=""), delimiter=dialect.delimiter, strict=True)
    )
    assert len(table) == 1 + len(rejects)
    assert table[0][-3:] == ["line", "code", "message"]
    assert [row[-3:] for row in table[1:]] == [[str(reject.line), reject.code, reject.message] for reject in rejects]

    good, again, names, _ = read(file)
    assert (good, names) == (0, table[0])
    expected = ["wrong_field_count" if reject.code in UNSPLITTABLE_CODES else reject.code for reject in rejects]
    assert [reject.code for reject in again] == expected

    # The file does not grow when it is rejected repeatedly.
    once_more = b"".join(encode_reject_file(names, dialect, [again]))
    assert once_more.splitlines()[0] == file.removeprefix(b"\xef\xbb\xbf").splitlines()[0]


@pytest.mark.parametrize("header", [["'sku'", "name"], ["sku", "'name"]])
def test_an_apostrophe_in_the_header_does_not_become_the_quote(header: list[str]) -> None:
    reject = Reject(2, "missing_sku", "The row has no SKU.", ",it's")
    file = b"".join(encode_reject_file(header, Dialect(",", '"'), [[reject]]))
    assert file.splitlines()[0] == ",".join(f'"{name}"' for name in [*header, "line", "code", "message"]).encode()


def test_a_byte_order_mark_is_written_on_request() -> None:
    plain, marked = (
        b"".join(encode_reject_file(["sku"], Dialect(",", '"'), [], byte_order_mark=wanted)) for wanted in (False, True)
    )
    assert plain == b"sku,line,code,message\r\n"
    assert marked == b"\xef\xbb\xbf" + plain


def test_a_corrected_reject_file_is_imported() -> None:
    _, rejects, names, dialect = read(b"Artikelnummer;Name;x\n;Lampe;1\nA-1;Lampe; gro\xdf;1\n")
    file = b"".join(encode_reject_file(names, dialect, [rejects])).decode()
    assert file.splitlines()[0] == "Artikelnummer;Name;x;line;code;message"
    corrected = file.replace("\r\n;Lampe", "\r\nA-2;Lampe").replace("Lampe; groß", '"Lampe; groß"')
    good, again, _, _ = read(corrected.encode())
    assert (good, again) == (2, [])


def test_a_row_keeps_its_cells_or_fills_one_cell_if_it_cannot_be_split() -> None:
    _, rejects, names, dialect = read(b'sku\tname\tprice\n\t"a ""b"""\t1,50\n"x"y\tz\t2\n')
    assert [reject.row for reject in rejects] == ['\t"a ""b"""\t1,50', '"x"y\tz\t2']
    rows = list(
        csv.reader(io.StringIO(b"".join(encode_reject_file(names, dialect, [rejects])).decode()), delimiter="\t")
    )
    assert rows[1][:3] == ["", 'a "b"', "1,50"]
    assert rows[2][:1] == ['"x"y\tz\t2']
    assert [len(row) for row in rows] == [6, 6, 4]


@given(
    st.lists(st.text("ab,;\"' \n\r", max_size=12), min_size=1, max_size=6),
    st.sampled_from([Dialect(), Dialect(quote="'"), Dialect(quote=""), Dialect(";"), Dialect(escaped=True)]),
    st.integers(1, 3),
)
@example(['a,b" c" d,e', '"a",b,c', '"a,"",b",c,d', 'a," b",c', "a,b,'c'"], Dialect(), 3)
def test_rows_are_written_as_they_are_only_if_their_cells_stay_the_same(
    texts: list[str], dialect: Dialect, width: int
) -> None:
    rejects = [Reject(line, "invalid_active", 'Not "maybe".', text) for line, text in enumerate(texts, 2)]
    file = b"".join(encode_reject_file(["sku"] * width, dialect, [rejects])).decode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reject_file._RejectLines, "_can_keep", lambda *_: False)
        joined = b"".join(encode_reject_file(["sku"] * width, dialect, [rejects])).decode()
    first, second = (
        list(csv.reader(io.StringIO(text, newline=""), delimiter=dialect.delimiter)) for text in (file, joined)
    )
    assert first == second


def test_an_unusual_delimiter_gets_a_separator_line() -> None:
    _, rejects, names, dialect = read(b"sep=^\nsku^name\n^a\n")
    file = b"".join(encode_reject_file(names, dialect, [rejects]))
    assert file.startswith(b"sep=^\r\nsku^name^line^code^message\r\n^a^3^missing_sku^")
    assert [reject.code for reject in read(file)[1]] == ["missing_sku"]


def test_the_columns_of_the_reject_file_are_never_mapped() -> None:
    # In any other file, `code` is a name for the SKU.
    assert read(b"code,name\na,b\n")[0] == 1
    with pytest.raises(UnusableFile, match="no column `sku`"):
        read(b"column,name,line,code,message\na,b,2,missing_sku,x\n")


def test_a_stored_row_that_cannot_be_split_does_not_break_the_file() -> None:
    rejects = [
        Reject(2, "missing_sku", '"",a', '"",a'),
        Reject(3, "missing_sku", "", '"b"c,d'),
        Reject(4, "bad_quoting", "", '"e"f,g'),
        Reject(5, "missing_sku", "", ""),
    ]
    file = b"".join(encode_reject_file(["sku", "name"], Dialect(), [rejects])).decode()
    rows = [row[:-3] for row in csv.reader(io.StringIO(file))]
    assert rows == [["sku", "name"], ["", "a"], ['"b"c,d'], ['"e"f,g'], []]


def test_a_row_with_an_open_quote_takes_in_no_other_row() -> None:
    texts = ['"a\nb', 'x",1', "b,c"]
    rejects = [Reject(line, "wrong_field_count", "", text) for line, text in enumerate(texts, 2)]
    assert list(split_rejects(rejects, Dialect())) == [['"a\nb'], ['x"', "1"], ["b", "c"]]


def test_every_character_is_encoded_for_copy() -> None:
    rejects = [Reject(2, "a", "b\\", "\\N\t\r\n\\."), Reject(30, "c", "d", "", "A\tB", "")]
    first, second = b"7\t2\ta\tb\\\\\t\\\\N\\t\\r\\n\\\\.\t\\N\t\\N\n", b"7\t30\tc\td\t\tA\\tB\t\n"
    assert encode_rejects(7, rejects) == first + second
    assert encode_rejects(7, []) == b""


def test_the_last_row_of_a_file_says_which_rejects_it_lacks() -> None:
    batches = [[Reject(2, "missing_sku", "No SKU.", ",x")] * 2, [Reject(9, "missing_sku", "No SKU.", ",y")]]
    counts: list[int] = []

    def explain(written: int) -> str:
        counts.append(written)
        return "There are more."

    content = b"".join(encode_reject_file(["sku", "name"], Dialect(), batches, explain_missing=explain))
    rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
    assert counts == [3]
    assert [row[:3] for row in rows[1:-1]] == [["", "x", "2"], ["", "x", "2"], ["", "y", "9"]]
    assert rows[-1] == ["", "", "", "more_rejects", "There are more."]
