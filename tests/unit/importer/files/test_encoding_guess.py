"""The encoding of a file is the one in which its letters are those of a language. What is doubtful gets a notice."""

from __future__ import annotations

from typing import Any

import pytest

from importer.columns.product_file import FileOptions
from importer.files.encoding_guess import CANDIDATES, ONE_BYTE_CANDIDATES, guess_encoding, utf_8_lead
from importer.files.encoding_names import codec_of, find_encoding, is_one_byte
from importer.files.mixed_encoding import LOOK_AHEAD_BYTES
from importer.shown_encodings import SHOWN_NAMES
from support.encoding_texts import LANGUAGES
from support.files import ReadResult, read_file

PAIRS = [(language, name) for language, texts in LANGUAGES.items() for name in texts.encodings]
# Shares of right guesses, and of right guesses that are called uncertain. They may get better only.
MIN_RIGHT_SHARES = {1: 0.88, 3: 0.97}
MAX_UNCERTAIN_SHARES = {1: 0.3, 3: 0.1}


def encode(row: str, name: str) -> bytes:
    """Encode a row. Characters that the encoding lacks are replaced or left out, as an export does."""
    try:
        return row.encode(codec_of(name))
    except UnicodeEncodeError:
        return row.replace("’", "'").encode(codec_of(name), "ignore")


def read_notice(read: ReadResult) -> dict[str, Any]:
    """Return the notice about the encoding, the only one."""
    assert [notice["code"] for notice in read.notices] == ["encoding_uncertain"]
    return read.notices[0]


@pytest.mark.parametrize(("language", "name"), PAIRS)
def test_ten_rows_tell_the_encoding_of_every_language(language: str, name: str) -> None:
    rows = [b"A-%d,%b,9.50" % (number, encode(row, name)) for number, row in enumerate(LANGUAGES[language].rows)]
    sample = b"\n".join(rows)
    guess = guess_encoding(sample)
    assert sample.decode(codec_of(guess.name)) == sample.decode(codec_of(name))
    assert guess.is_plausible


@pytest.mark.thorough("3")
@pytest.mark.parametrize("size", MIN_RIGHT_SHARES)
def test_a_wrong_guess_by_few_rows_is_never_called_certain(size: int) -> None:
    total = right = uncertain = 0
    wrong: list[tuple[str, str, str]] = []
    for language, name in PAIRS:
        rows = LANGUAGES[language].rows
        for start in range(len(rows)):
            chosen = [rows[(start + step) % len(rows)] for step in range(size)]
            sample = b"\n".join(encode(row, name) for row in chosen)
            if sample.isascii():
                continue
            guess = guess_encoding(sample)
            is_right = sample.decode(codec_of(guess.name), "replace") == sample.decode(codec_of(name))
            total += 1
            right += is_right
            uncertain += is_right and bool(guess.rivals)
            if not is_right and not guess.rivals:
                wrong.append((name, guess.name, chosen[0]))
    assert not wrong
    assert right / total >= MIN_RIGHT_SHARES[size]
    assert uncertain / total <= MAX_UNCERTAIN_SHARES[size]


@pytest.mark.parametrize("name", ["cp1252", "mac-roman", "cp850", "koi8-r", "iso8859-2", "shift_jis"])
@pytest.mark.parametrize("block", [16, 1 << 20])
def test_long_texts_are_read_without_a_notice(name: str, block: int) -> None:
    texts = next(texts for texts in LANGUAGES.values() if name in {find_encoding(each) for each in texts.encodings})
    rows = [row.replace(",", "").replace("Ø ", "") for row in texts.rows]
    content = b"sku,name\n" + b"".join(b"%d,%b\n" % (number, encode(row, name)) for number, row in enumerate(rows))
    read = read_file(content, block=block)
    assert (read.description["encoding"], read.notices, read.rejects) == (name, [], [])
    assert [row[1] for row in read.rows] == [encode(row, name).decode(codec_of(name)) for row in rows]


# Many rows in small blocks take long, and larger blocks cover them.
@pytest.mark.parametrize(
    ("before", "block"),
    [(before, block) for before in (0, 3, 30_000) for block in (16, 4096, 1 << 20) if before <= 3 or block >= 4096],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_few_letters_are_shown_in_each_reading(block: int, line_end: str, before: int) -> None:
    rows = ["sku,name", *["a,plain"] * before, "1,lumière", "2,plain", "3,Müller", "4,lumière"]
    read = read_file((line_end.join(rows) + line_end).encode("cp1252"), block=block)
    assert [row[1] for row in read.rows[before:]] == ["lumière", "plain", "Müller", "lumière"]
    notice = read_notice(read)
    assert (notice["count"], notice["lines"]) == (2, [before + 2, before + 5])
    assert notice["message"] == (
        "2 rows were read as Windows-1252 (Western European), because too few letters tell the encoding of the file."
        " Compare their readings and choose the right one."
    )
    readings = {"cp1252": "1,lumière", "cp1250": "1,lumičre"}
    assert notice["samples"][0] == {"text": "1,lumière", "line": before + 2, "readings": readings}
    fix = {
        "code": "use_encoding",
        "label": "Windows-1250 (Central European): lumičre",
        "details": {"encoding": "cp1250", "word": "lumičre"},
        "options": {"encoding": "cp1250"},
    }
    assert (notice["fix"], notice["fixes"]) == (fix, [fix])


def test_a_choice_between_several_encodings_has_a_button_for_each() -> None:
    content = "sku,name\n1,Świeca\n".encode("iso8859-2")
    notice = read_notice(read_file(content))
    assert notice["fix"] is None
    assert len(notice["fixes"]) > 1
    for fix in notice["fixes"]:
        name = fix["options"]["encoding"]
        word = content.decode(codec_of(name)).split(",")[-1].strip()
        assert fix["label"] == f"{SHOWN_NAMES[name]}: {word}"
        read = read_file(content, FileOptions(encoding=name))
        assert (read.rows, read.notices) == ([("1", word)], [])


def test_samples_show_the_part_of_a_long_line_that_depends_on_the_encoding() -> None:
    content = f"sku,name\n1,{'Müller ' * 50}lumière {'x' * 500}\n".encode("cp1252")
    sample = read_notice(read_file(content))["samples"][0]
    assert "lumière" in sample["text"]
    assert "lumičre" in sample["readings"]["cp1250"]
    assert len(sample["text"]) <= 200


def test_a_file_beyond_the_look_ahead_has_at_least_the_rows_that_were_seen() -> None:
    row = b"1,lumi\xe8re\n"
    content = b"sku,name\n" + row * (LOOK_AHEAD_BYTES // len(row) + 9)
    notice = read_notice(read_file(content))
    assert notice["message"].startswith(f"At least {LOOK_AHEAD_BYTES // len(row):,} rows")
    assert notice["lines"] == list(range(2, 22))
    assert len(notice["samples"]) == 5


def test_a_given_encoding_gets_no_notice() -> None:
    content = "sku,name\n1,lumière\n".encode("cp1252")
    assert read_file(content, FileOptions(encoding="cp1250")).notices == []


def test_all_candidates_have_names_for_people() -> None:
    assert all(find_encoding(name) == name and name in SHOWN_NAMES for name in CANDIDATES)
    assert all(map(is_one_byte, ONE_BYTE_CANDIDATES))
    assert not any(is_one_byte(name) for name in set(CANDIDATES) - set(ONE_BYTE_CANDIDATES))
    assert not is_one_byte("utf-16")
    assert not is_one_byte("cp037")


def test_letters_that_were_encoded_twice_are_likelier_in_utf_8() -> None:
    for text in ("ü", "Größe", "é", "ñ", "ó", "ą", "à la"):
        assert utf_8_lead(text.encode(), "cp1252") > 3
    # A capital letter before a closing quotation mark, which happens to be a sequence in UTF-8.
    assert utf_8_lead("É»".encode("cp1252"), "cp1252") < 0
    assert utf_8_lead("Кі".encode("cp1251"), "cp1251") < 0
