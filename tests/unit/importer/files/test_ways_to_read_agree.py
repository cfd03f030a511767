"""Files of any tokens give the same rows, rejects and notices on the fast path, on the slow path and in any blocks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from importer.columns.product_file import FileOptions
from support.reading import Way, read_as

HEADERS = [
    "sku,name",
    "name,sku",
    "sku",
    "name,active,sku",
    "sku,name,description",
    '"sku","name"',
    '"sku,name,active"',
    "sku,name,",
    "sku,name,colour",
    "sku,name,formula_guard",
    '"sku, or number"',
]
# What suppliers' files contain, well-formed or not.
TOKENS = [
    *['"', '""', '"""', "\\", '\\"', "'", ",", ",", "\n", "\n", "\r\n", "\r", " ", "\ufeff", "\0", "\x1a"],
    *["A1", "B2", "C3", "sku", "1", "no", "x", "é", "1E+5", "#N/A", "\u200b", "\x1c"],
    *['="00123"', '"=""00123"""', "sku,name\n", "sku,1,name", "A1,Bolt\n", "A1,Bolt,1\n", ",,", ",\n", "\n\n"],
    *['"A3,""Bolt\nx"",1"\n', '"A4,Bolt\nx,1"\n', '"A5,\\"5\\", x\\",1"\n', '"A6,""5\\"" x"",1"\n'],
    *['"A1,Bolt,1"\n', '"A1,""Bolt"",1"\n', '"a\nb"', '"a\r\nb"', ', "x"', '"a\nB2,Nut,1\nb"', "\\.", "x" * 30],
]
BLOCKS = [1, 2, 7, 64, 1 << 20]


@st.composite
def files(draw: st.DrawFn) -> tuple[str, FileOptions]:
    """Return the text of a file, and options."""
    delimiter = draw(st.sampled_from(",,,;\t|"))
    header = draw(st.sampled_from(HEADERS))
    line_end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    tokens = draw(st.lists(st.sampled_from(TOKENS), max_size=25))
    if draw(st.booleans()):
        # Files mostly have one kind of line end.
        tokens = [token if token in {"\r", "\n"} else token.replace("\n", line_end) for token in tokens]
    text = (header + line_end + "".join(tokens)).replace(",", delimiter)
    options = FileOptions(
        delimiter=draw(st.sampled_from([None, delimiter])),
        quote=draw(st.sampled_from([None, None, None, '"', "none", '\\"', "'"])),
        accept_short_rows=draw(st.booleans()),
    )
    return text, options


ways = st.builds(
    Way,
    block=st.sampled_from(BLOCKS),
    fast_path_misses=st.sampled_from([0, 8, 1 << 30]),
    batch_lines=st.sampled_from([1, 2, 16]),
    chunk_rows=st.sampled_from([1, 3, 1000]),
)


@given(files(), st.lists(ways, min_size=3, max_size=3), st.sampled_from([40, 500]))
def test_all_ways_to_read_a_file_agree(file: tuple[str, FileOptions], others: list[Way], max_record: int) -> None:
    text, options = file
    content = text.encode()
    expected = read_as(content, options, Way(), max_record=max_record)
    for way in [Way(fast_path_misses=8), *others]:
        assert read_as(content, options, way, max_record=max_record) == expected, way
