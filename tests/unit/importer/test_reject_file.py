"""rejects.csv: the rows set aside as a file that is valid CSV, and of which nothing slips in until it is corrected."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from importer.columns.reject_file import WHOLE_ROWS, as_file, copy_lines
from importer.errors import UnusableFile
from importer.files.csv_file import FileOptions, open_file
from importer.files.dialect import Dialect
from importer.files.rows import Reject

# Rows of which many cannot be taken, for files of one to three columns.
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
    """Reads a file: how many rows are good, the rejects, the header and the dialect."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        with open_file(
            Path(file.name), FileOptions(delimiter), max_record=50_000, max_unpacked_bytes=1 << 30
        ) as opened:
            rejects: list[Reject] = []
            good = 0
            for records in opened.chunks(5):
                good += opened.columns.copy_rows(records)[1]
                rejects += records.rejects
            found = opened.describe()
            names = [column["name"] for column in found["columns"]]
            return good, sorted(rejects), names, Dialect(found["delimiter"], found["quote"])


@given(headers, st.lists(bad_rows, max_size=12), delimiters, st.integers(1, 4))
@example("sku", ["a,b,c"], ",", 1)
@example("sku,line,code,message", ["a", "a,1,missing_sku,x", ",1,missing_sku,x"], ",", 2)
def test_uploaded_again_as_it_is_every_row_is_rejected_again(
    header: str, rows: list[str], delimiter: str, batch: int
) -> None:
    content = "\n".join([header, *rows, ""]).replace(",", delimiter).encode()
    _, rejects, names, dialect = read(content, delimiter)
    batches = [rejects[start : start + batch] for start in range(0, len(rejects), batch)]
    file = b"".join(as_file(names, dialect, batches, mark=True))

    table = list(
        csv.reader(io.StringIO(file.decode("utf-8-sig"), newline=""), delimiter=dialect.delimiter, strict=True)
    )
    assert len(table) == 1 + len(rejects)
    assert table[0][-3:] == ["line", "code", "message"]
    assert [row[-3:] for row in table[1:]] == [[str(reject.line), reject.code, reject.message] for reject in rejects]

    good, again, names, _ = read(file)
    assert (good, names) == (0, table[0])
    expected = ["wrong_field_count" if reject.code in WHOLE_ROWS else reject.code for reject in rejects]
    assert [reject.code for reject in again] == expected

    # Again and again: the file does not grow.
    once_more = b"".join(as_file(names, dialect, [again]))
    assert once_more.splitlines()[0] == file.removeprefix(b"\xef\xbb\xbf").splitlines()[0]


def test_a_corrected_file_goes_in() -> None:
    _, rejects, names, dialect = read(b"Artikelnummer;Name;x\n;Lampe;1\nA-1;Lampe; gro\xdf;1\n")
    file = b"".join(as_file(names, dialect, [rejects])).decode()
    assert file.splitlines()[0] == "Artikelnummer;Name;x;line;code;message"
    corrected = file.replace("\r\n;Lampe", "\r\nA-2;Lampe").replace("Lampe; groß", '"Lampe; groß"')
    good, again, _, _ = read(corrected.encode())
    assert (good, again) == (2, [])


def test_a_row_is_shown_as_it_was_and_in_one_cell_where_it_cannot_be_split() -> None:
    _, rejects, names, dialect = read(b'sku\tname\tprice\n\t"a ""b"""\t1,50\n"x"y\tz\t2\n')
    assert [reject.row for reject in rejects] == ['\t"a ""b"""\t1,50', '"x"y\tz\t2']
    rows = list(csv.reader(io.StringIO(b"".join(as_file(names, dialect, [rejects])).decode()), delimiter="\t"))
    assert rows[1][:3] == ["", 'a "b"', "1,50"]
    assert rows[2][:1] == ['"x"y\tz\t2']
    assert [len(row) for row in rows] == [6, 6, 4]


def test_a_delimiter_that_is_not_looked_for_is_named_in_the_first_line() -> None:
    _, rejects, names, dialect = read(b"sep=^\nsku^name\n^a\n")
    file = b"".join(as_file(names, dialect, [rejects]))
    assert file.startswith(b"sep=^\r\nsku^name^line^code^message\r\n^a^3^missing_sku^")
    assert [reject.code for reject in read(file)[1]] == ["missing_sku"]


def test_without_its_mapping_no_other_column_is_taken_for_the_sku() -> None:
    # `code` would be a name for the SKU anywhere else.
    assert read(b"code,name\na,b\n")[0] == 1
    with pytest.raises(UnusableFile, match="no column `sku`"):
        read(b"column,name,line,code,message\na,b,2,missing_sku,x\n")


def test_copy_takes_every_character() -> None:
    rejects = [Reject(2, "a", "b\\", "\\N\t\r\n\\."), Reject(30, "c", "d", "")]
    assert copy_lines(7, rejects) == b"7\t2\ta\tb\\\\\t\\\\N\\t\\r\\n\\\\.\n7\t30\tc\td\t\n"
    assert copy_lines(7, []) == b""
