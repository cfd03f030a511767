"""The dialect is found from the file, and every dialect gives the rows that were written."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from importer.columns.product_file import FileOptions
from importer.errors import UnusableFile
from importer.files.cells import has_content
from importer.files.dialect import (
    COPY_QUOTE_FOR_NONE,
    QUOTES,
    SNIFFED_CHARACTERS,
    Dialect,
    find_delimiter,
    find_quote,
)
from importer.files.fast_path import Layout, read_clean_rows
from support.files import read_file

DELIMITERS = [",", ";", "\t", "|"]
delimiters = st.sampled_from(DELIMITERS)
cells = st.text(st.sampled_from("ab ,;\t|\"'\n\ré\\.\x01"), max_size=8)
tables = st.lists(st.tuples(cells, cells), min_size=1, max_size=8)


def write_quoted(rows: list[tuple[str, ...]], delimiter: str, quote: str, line_end: str = "\n") -> str:
    """Return a table as text with every field quoted."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quotechar=quote, quoting=csv.QUOTE_ALL, lineterminator=line_end).writerows(
        rows
    )
    return out.getvalue()


@given(tables, delimiters, st.sampled_from("\"'"), st.sampled_from(["\n", "\r\n"]), st.integers(16, 200), st.booleans())
def test_every_delimiter_and_quote_is_found(
    table: list[tuple[str, str]], delimiter: str, quote: str, line_end: str, block: int, use_fast_path: bool
) -> None:
    rows = [(f"s{number}", name, text) for number, (name, text) in enumerate(table)]
    content = write_quoted([("sku", "name", "description"), *rows], delimiter, quote, line_end).encode()
    read = read_file(content, block=block, use_fast_path=use_fast_path)
    assert (read.description["delimiter"], read.description["quote"]) == (delimiter, quote)
    assert (read.rows, read.rejects) == (rows, [])


@given(st.lists(st.tuples(*[st.text(st.sampled_from("ab \"'é\\.\x01,;"), max_size=6)] * 2), max_size=8), st.booleans())
def test_without_quoting_quotes_are_plain_characters(table: list[tuple[str, str]], use_fast_path: bool) -> None:
    rows = [('"a" b', '"c" d'), *table]
    content = "\n".join(["name\tsku\tdescription", *(f"{name}\ts\t{text}" for name, text in rows), ""])
    read = read_file(content.encode(), use_fast_path=use_fast_path)
    assume(read.description["quote"] == "")
    assert (read.rows, read.rejects) == ([(name, "s", text) for name, text in rows], [])


texts = st.text(st.sampled_from("ab ;'\n\r\\.\0é\x01"), max_size=60)


@given(texts, st.sampled_from([("'", "'"), (COPY_QUOTE_FOR_NONE, "")]), st.booleans())
def test_the_fast_path_reads_every_dialect_as_the_parser_does(text: str, quotes: tuple[str, str], at_end: bool) -> None:
    layout = Layout(3, 1, 0, None, 8, 8, ";", quotes[0])
    clean = read_clean_rows(text, layout, at_end=at_end)
    if clean is None:
        return
    rows = list(filter(has_content, Dialect(";", quotes[1]).reader(io.StringIO(text[: clean.length], newline=""))))
    payload = io.StringIO(clean.payload.decode(), newline="")
    assert list(csv.reader(payload, delimiter=";", quotechar=quotes[0], strict=True)) == rows
    assert len(rows) == clean.rows > 0
    assert all(len(row) == 3 and row[1] for row in rows)


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("quote", ["'", '"', ""])
def test_ordinary_files_take_the_fast_path_in_every_dialect(delimiter: str, quote: str) -> None:
    layout = Layout(2, 0, 1, None, 255, 500, delimiter, quote or COPY_QUOTE_FOR_NONE)
    text = f"A-1{delimiter}{quote}Lamp{quote}\nA-2{delimiter}Chair\n"
    clean = read_clean_rows(text, layout, at_end=True)
    assert clean is not None
    assert (clean.rows, clean.length) == (2, len(text))


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_fields_may_contain_other_delimiters(delimiter: str) -> None:
    others = "".join(other for other in DELIMITERS if other != delimiter)
    lines = [f"sku{delimiter}name", *(f"{number}{delimiter}a{others * 3}b" for number in range(30)), ""]
    read = read_file("\n".join(lines).encode())
    assert read.description["delimiter"] == delimiter
    assert read.rows[0] == ("0", f"a{others * 3}b")


TEXTS_AND_DELIMITERS = [
    ("Nr;Text, lang;Preis, netto\n1;a, b;1,50\n2;c;2\n3;d, e, f;2\n", ";"),
    ("Nr,Text;lang,Preis;netto\n1,a;b,2\n2,c,2\n3,d;e;f,2\n", ","),
    ("sku,name;x\na,b\n", ","),
    ("sku;name,x\na;b\n", ";"),
    ("a|b;c|d\n1|2;3|4\n", "|"),
    ("sku\na;b\nc,d\n", ","),
    ("sku\n", ","),
    ('"Artikel;nummer",name\n1,2\n', ","),
    ("\n\n  \nsku\tname\nx\ty\n", "\t"),
    ("Artikelnummer;Menge, Stück;Preis, EUR\n1;2;3\n", ";"),
]


@pytest.mark.parametrize(("text", "delimiter"), TEXTS_AND_DELIMITERS)
def test_the_most_plausible_delimiter_is_chosen(text: str, delimiter: str) -> None:
    options = FileOptions(mapping=None if "sku" in text or "Artikel" in text else {text.split(delimiter)[0]: "sku"})
    assert read_file(text.encode(), options).description["delimiter"] == delimiter


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
@pytest.mark.parametrize("separator_line", ["sep=;", "SEP=;", '"sep=;"'])
def test_the_separator_line_of_excel_is_not_the_header(
    separator_line: str, encoding: str, mark: str, line_end: str
) -> None:
    text = mark + line_end.join([separator_line, "sku;name", "a;1,5", ";x", ""])
    read = read_file(text.encode(encoding))
    assert (read.rows, read.reject_codes, read.description["delimiter"]) == ([("a", "1,5")], [(4, "missing_sku")], ";")


def test_a_separator_line_can_name_any_delimiter_and_a_given_one_overrides_it() -> None:
    assert read_file(b"sep=^\nsku^name\na^b\n").rows == [("a", "b")]
    assert read_file(b"sep=;\nsku,name\na,b;c\n", FileOptions(",")).rows == [("a", "b;c")]
    # Similar first lines are not separator lines.
    assert read_file(b"sep=x,sku\na,b\n").rows == [("b",)]


@pytest.mark.parametrize(
    ("name", "delimiter"),
    [
        (",", ","),
        ("comma", ","),
        (" Semicolon ", ";"),
        ("\t", "\t"),
        ("\\t", "\t"),
        ("TAB", "\t"),
        ("|", "|"),
        ("pipe", "|"),
    ],
)
def test_delimiters_can_be_given_as_characters_or_names(name: str, delimiter: str) -> None:
    assert find_delimiter(name) == delimiter


@pytest.mark.parametrize("name", ["", " ", "x", ",,", "space", '"', "\n", "\0", "é" * 50])
def test_an_unknown_delimiter_is_refused(name: str) -> None:
    with pytest.raises(UnusableFile, match=r"delimiter .* is unknown"):
        read_file(b"sku\na\n", FileOptions(name))


def test_the_message_shows_the_start_of_an_unknown_delimiter_or_quote() -> None:
    name = "\0x\n" + "é" * 50
    with pytest.raises(UnusableFile) as failure:
        find_delimiter(name)
    shown = "x" + "é" * 19
    assert str(failure.value).startswith(f"The delimiter `{shown}` is unknown. Use comma, semicolon, tab or pipe, or")
    with pytest.raises(UnusableFile) as failure:
        find_quote(name)
    assert str(failure.value) == f"The quote `{shown}` is unknown. Use one of {', '.join(QUOTES.values())}."


def test_a_wrong_delimiter_gives_a_sentence() -> None:
    with pytest.raises(
        UnusableFile, match=r"no column `sku`\. Its columns are: `sku;name`\. With the delimiter semicolon"
    ):
        read_file(b"sku;name\na;b\n", FileOptions("|"))


@pytest.mark.parametrize(("quote", "word"), QUOTES.items())
def test_quotes_can_be_given_as_characters_or_names(quote: str, word: str) -> None:
    assert (find_quote(f" {quote}"), find_quote(word.upper())) == (quote, quote)


@pytest.mark.parametrize("name", ["", " ", "x", '""', "\\", "\\none", "\0", "é" * 50])
def test_an_unknown_quote_is_refused(name: str) -> None:
    with pytest.raises(UnusableFile, match=r"quote .* is unknown"):
        read_file(b"sku\na\n", FileOptions(quote=name))


TABLE = r"""sku|name
1|"a" b
2|'c|d'
3|"e|f"
4|x
5|"g\"h"
6|'i\'j'
"""
# The rows of the table by quote, and the lines of the rejects.
EXPECTED_BY_QUOTE = {
    '"': ({"3": "e|f", "4": "x", "6": r"'i\'j'"}, [2, 3, 6]),
    "'": ({"1": '"a" b', "2": "c|d", "4": "x", "5": r'"g\"h"'}, [4, 7]),
    "none": ({"1": '"a" b', "4": "x", "5": r'"g\"h"', "6": r"'i\'j'"}, [3, 4]),
    r"\"": ({"3": "e|f", "4": "x", "5": 'g"h', "6": r"'i\'j'"}, [2, 3]),
    r"\'": ({"1": '"a" b', "2": "c|d", "4": "x", "5": r'"g\"h"', "6": "i'j"}, [4]),
}


@pytest.mark.parametrize("delimiter", [None, *DELIMITERS])
@pytest.mark.parametrize("quote", QUOTES)
def test_a_given_quote_overrides_the_detected_one(quote: str, delimiter: str | None) -> None:
    rows, bad = EXPECTED_BY_QUOTE[quote]
    content = TABLE.replace("|", delimiter or "|").encode()
    read = read_file(content, FileOptions(delimiter, quote))
    assert read.rows == [(sku, name.replace("|", delimiter or "|")) for sku, name in rows.items()]
    assert [line for line, _ in read.reject_codes] == bad
    assert (read.description["quote"], read.description["escaped"]) == (
        "" if quote == "none" else quote[-1],
        len(quote) == 2,
    )


def test_a_late_escape_is_read_correctly_with_a_given_quote() -> None:
    rows = [*((str(number), f"{number} cm") for number in range(9000)), ("x", '27" screen'), ("y", "")]
    lines = ['"sku","name"', *('"{}","{}"'.format(sku, name.replace('"', r"\"")) for sku, name in rows), ""]
    content = "\n".join(lines).encode()
    assert read_file(content).reject_codes == [(9002, "bad_quoting")]
    assert read_file(content, FileOptions(quote="double-escaped")).rows == rows


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("block", [16, 17, 18, 1 << 20])
def test_quotes_escaped_by_backslashes_are_detected(quote: str, block: int) -> None:
    lines = ["sku,name,description", "1,a \\Q b,c\\\\", "2,\\Q,x\\ny", "3,\\\\\\Q,z"]
    text = "\n".join(",".join(f"{quote}{cell}{quote}" for cell in line.split(",")) for line in lines)
    read = read_file(text.replace("\\Q", f"\\{quote}").encode(), block=block)
    assert read.rejects == []
    assert read.rows == [("1", f"a {quote} b", "c\\"), ("2", quote, "x\\ny"), ("3", f"\\{quote}", "z")]


@pytest.mark.parametrize("block", [4096, 4097, 4099])
def test_escaped_quotes_are_read_to_the_end_of_a_long_file(block: int) -> None:
    rows = [(f"{number}", 'a "b" \\ c') for number in range(8000)]
    # Some blocks end right after a backslash.
    text = "sku,name\n" + "".join(f'{number},"a \\"b\\" \\\\ c"\n' for number, _ in rows)
    assert len(text) > 2 * SNIFFED_CHARACTERS
    assert {text[end - 1] for end in range(block, len(text), block)} > {"\\"}
    assert read_file(text.encode(), block=block).rows == rows


def test_a_backslash_before_the_closing_quote_is_plain_if_quotes_are_doubled() -> None:
    read = read_file(b'"sku","name"\n"a","C:\\"\n"b","say ""x\\"""\n')
    assert read.rows == [("a", "C:\\"), ("b", 'say "x\\"')]


def test_apostrophes_that_make_no_sense_as_quotes_are_text() -> None:
    read = read_file(b"'nr';name\n'a'b;x\n'c'd;\"y;z\"\n", FileOptions(mapping={"'nr'": "sku"}))
    assert (read.description["quote"], read.rows) == ('"', [("'a'b", "x"), ("'c'd", "y;z")])


def test_misplaced_quotes_are_rejected_in_quoted_files() -> None:
    read = read_file(b'sku;name\na;\'b\'c\'\nd;"e"f"\n"g";"h"\n')
    assert (read.rows, read.reject_codes) == ([("a", "'b'c'"), ("g", "h")], [(3, "bad_quoting")])
    assert "put a semicolon after" in read.rejects[0].message


@pytest.mark.parametrize("quote", ["'", '"'])
def test_one_misplaced_quote_does_not_change_other_rows(quote: str) -> None:
    lines = ["'sku','name'", "'a','x \\' y'", "'b','bad'c'", "'d','z'", "'e','\\'w'", "'f','\\'v'", ""]
    read = read_file("\n".join(lines).replace("'", quote).encode())
    assert read.rows == [("a", f"x {quote} y"), ("d", "z"), ("e", f"{quote}w"), ("f", f"{quote}v")]
    assert read.reject_codes == [(3, "bad_quoting")]
