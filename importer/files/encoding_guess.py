"""Guesses the encoding of a text: the one in which its letters are most likely those of a language.

The score of a reading is the logarithm of a probability, so the scores of two encodings can be compared, and the
difference grows with the evidence. Each line is in one language; which languages a file has is unknown, too.
"""

from __future__ import annotations

import codecs
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from importer.files.encoding_names import codec_of
from importer.files.escapes import ESCAPE_HANDLER
from importer.files.languages import LANGUAGES, LOG_FREQUENT, find_script, letter_logs

# The guess is judged by at most this many bytes of different lines beyond ASCII, among the first ones.
JUDGED_BYTES, COUNTED_BYTES = 1 << 14, 1 << 17
# How common an encoding is, as a logarithm. Earlier candidates win ties.
CANDIDATES = {
    "cp1252": 0.0,
    "cp1250": -1.5,
    "cp1254": -2.0,
    "cp1251": -1.0,
    "cp1253": -1.5,
    "shift_jis": -1.0,
    "gb18030": -1.0,
    "big5": -1.0,
    "euc_kr": -1.0,
    "euc_jp": -3.0,
    "mac-roman": -3.0,
    "cp850": -3.0,
    "iso8859-2": -3.0,
    "koi8-r": -3.0,
    "cp852": -4.0,
    "cp866": -4.0,
    "mac-cyrillic": -5.0,
}
ONE_BYTE_CANDIDATES = tuple(
    name for name in CANDIDATES if name not in {"shift_jis", "gb18030", "big5", "euc_kr", "euc_jp"}
)
FALLBACK_ENCODING = "cp1252"
MAX_UNDECODABLE_SHARE = 0.1
# An encoding whose score is less than this below the best one may be the right one.
MIN_LEAD = 5.0
MAX_RIVALS = 4
# After this many lines, an encoding whose score is this far below the best one is given up.
FIRST_LINES, HOPELESS_LAG = 16, 40.0
# The score of a byte beyond ASCII at random, and how much better a text in a language must be.
LOG_NOISE = -math.log(128)
MIN_EVIDENCE = 0.0

ASCII_BYTES = bytes(range(0x80))
# A word with letters beyond ASCII, or a single character that is no letter.
WORD = re.compile(r"[^\W\d_²³¹¼½¾ªºµ]+")
TOKEN = re.compile(r"[^\W\d_²³¹¼½¾ªºµ]+|[^\x00-\x7f]")
LOG_UNDECODABLE, LOG_WRONG_PLACE, LOG_SYMBOL, LOG_RARE_SYMBOL = -16.0, -8.0, -4.0, -9.0
# A second letter beyond ASCII in a row is less likely in the Latin script.
LOG_LATIN_RUN = -1.0
# A word or a line in capitals, a word that begins with one, and a word of one letter.
LOG_CAPITALS, LOG_CAPITAL, LOG_LONE_LETTER = -3.0, -1.0, -3.0
# A capital letter within a word, or a small letter between capitals, if one of them is beyond ASCII.
CAPITAL_WITHIN = re.compile("[ab]B|bA|(?<=[AB]{2})b")
LATIN_RUN = re.compile("(?<=[\xc0-\u024f])[\xc0-\u024f]")
WIDE_SYMBOLS = "、。・「」（），：！？"
NO_BREAK_SPACE = "\xa0"
DIAMETER_SIGNS = "Øø"
# Where symbols stand in product texts: what is before and after them. `a` is a letter, `0` a digit, and ` ` the rest.
PLACES = {
    "°": (" 0a", " a"),
    "ºª": ("0a", " "),
    "€£": (" 0", " 0"),
    "½¼¾": (" 0", " 0"),
    "²³": ("a0", " "),
    "®™©": ("a0 ", " "),
    "–—": (" 0", " 0"),
    "’": ("a ", "a "),
    "“„‚‘«‹¿¡": (" ", "a0 "),
    "”»›…": ("a0 ", " "),
    "•·×±§": (" 0a", " 0a"),
    "µ": (" 0", "a"),
}
PLACES_OF = {symbol: places for symbols, places in PLACES.items() for symbol in symbols}


@dataclass(frozen=True)
class Guess:
    """The likeliest encoding, and others that may be the right one, the likeliest first.

    `is_plausible` is whether the text looks like a language in it at all.
    """

    name: str
    rivals: tuple[str, ...] = ()
    is_plausible: bool = False


def guess_encoding(sample: bytes, candidates: Iterable[str] = CANDIDATES) -> Guess:
    """Guess the encoding of a text that is not UTF-8, by its lines beyond ASCII."""
    return guess_encoding_of_lines(re.split(rb"[\r\n]+", sample), candidates)


def guess_encoding_of_lines(lines: Iterable[bytes], candidates: Iterable[str] = CANDIDATES) -> Guess:
    """Guess the encoding of lines that are not UTF-8. Lines that are ASCII do not count."""
    counts = _choose_lines(lines)
    readings: dict[str, dict[bytes, str]] = {}
    bad: set[bytes] = set()
    for name in candidates:
        reading = {line: _decode(line, name) for line in counts}
        undecodable = [line for line, text in reading.items() if _is_undecodable(text)]
        if sum(map(counts.__getitem__, undecodable)) <= MAX_UNDECODABLE_SHARE * counts.total():
            readings[name] = reading
            bad.update(undecodable)
    judged = [line for line in counts if line not in bad] or list(counts)
    if not readings:
        return Guess(FALLBACK_ENCODING)
    scores: dict[str, float] = {}
    # The first lines leave few candidates.
    for part in (judged[:FIRST_LINES], judged):
        names = [name for name in readings if not scores or scores[name] > max(scores.values()) - HOPELESS_LAG]
        scores = {name: CANDIDATES[name] + _score([readings[name][line] for line in part]) for name in names}
    ranked = sorted(scores, key=lambda name: -scores[name])
    best = ranked[0]
    different = {tuple(map(readings[best].__getitem__, judged)): best}
    for name in ranked:
        if scores[best] - scores[name] < MIN_LEAD:
            different.setdefault(tuple(map(readings[name].__getitem__, judged)), name)
    evidence = scores[best] - LOG_NOISE * len(b"".join(judged).translate(None, ASCII_BYTES))
    return Guess(best, tuple(different.values())[1 : MAX_RIVALS + 1], evidence > MIN_EVIDENCE)


def utf_8_lead(run: bytes, other: str) -> float:
    """Return how much likelier a text is in UTF-8 than in another encoding, as the logarithm of a factor."""
    return _score([run.decode()]) - _score([run.decode(other, ESCAPE_HANDLER)])


def _choose_lines(lines: Iterable[bytes]) -> Counter[bytes]:
    """Return the first different lines beyond ASCII, and how often they occur."""
    counts: Counter[bytes] = Counter()
    size, different_size = 0, 0
    for line in lines:
        if size >= COUNTED_BYTES or different_size >= JUDGED_BYTES:
            break
        if not line.isascii():
            line = line[:JUDGED_BYTES]
            size += len(line)
            different_size += len(line) if line not in counts else 0
            counts[line] += 1
    return counts


def _decode(line: bytes, name: str) -> str:
    # The last character of a line that was cut off may be incomplete.
    is_complete = len(line) < JUDGED_BYTES
    return codecs.getincrementaldecoder(codec_of(name))(ESCAPE_HANDLER).decode(line, is_complete)


def _is_undecodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _score(lines: Sequence[str]) -> float:
    """Return the logarithm of the probability of lines, apart from their ASCII characters."""
    common = 0.0
    by_language: list[list[float]] = []
    for line in lines:
        symbols, letters = _read_line(line)
        common += symbols
        if letters:
            columns = zip(*(letter_logs(letter) for letter in letters), strict=True)
            by_language.append([sum(column) for column in columns])
    return common + _mix(by_language)


def _mix(lines: Sequence[Sequence[float]]) -> float:
    """Return the score of lines of a file, each of them in one of the languages that the file seems to have."""
    weights = [1 / len(LANGUAGES)] * len(LANGUAGES)
    total = 0.0
    for _ in range(3):
        counts = [0.1] * len(LANGUAGES)
        total = 0.0
        for logs in lines:
            top = max(logs)
            parts = [weight * math.exp(max(log - top, -700)) for weight, log in zip(weights, logs, strict=True)]
            whole = sum(parts)
            total += top + math.log(whole)
            for number, part in enumerate(parts):
                counts[number] += part / whole
        weights = [count / sum(counts) for count in counts]
    return total


def _read_line(line: str) -> tuple[float, list[str]]:
    """Return the score of the symbols of a line and of the places of its letters, and its letters beyond ASCII."""
    score = 0.0
    letters: list[str] = []
    words: list[str] = []
    for token in TOKEN.finditer(line):
        text = token[0]
        if text.isascii():
            continue
        before, after = line[token.start() - 1 : token.start()], line[token.end() : token.end() + 1]
        if text in DIAMETER_SIGNS:
            score += LOG_SYMBOL
        elif WORD.fullmatch(text):
            score += _judge_word(text, before, after)
            words.append(text)
            letters += [letter for letter in text if letter > "\x7f"]
        else:
            score += _judge_symbol(text, before, after)
    capitals = sum(map(str.isupper, words))
    return score + LOG_CAPITALS * (1 if capitals == len(words) > 0 else capitals), letters


def _judge_word(word: str, before: str, after: str) -> float:
    """Return the score of the places of letters beyond ASCII in a word between these characters."""
    scripts = set(map(find_script, word))
    score = LOG_WRONG_PLACE if len(scripts) > 1 and not scripts <= {"Han", "Kana"} else 0.0
    if len(word) == 1:
        score += LOG_LONE_LETTER
    if not word.isupper():
        score += LOG_CAPITAL * word[0].isupper() + LOG_WRONG_PLACE * len(CAPITAL_WITHIN.findall(_outline(word)))
    score += LOG_LATIN_RUN * len(LATIN_RUN.findall(word))
    if "Latin" in scripts and ((before.isdigit() and word[0] > "\x7f") or (after.isdigit() and word[-1] > "\x7f")):
        score += LOG_SYMBOL
    return score


def _outline(word: str) -> str:
    """Return the case of each letter: `A` for capitals, with `B` for those beyond ASCII, `a` and `b` for the others."""
    return "".join(
        ("A" if letter.isupper() else "a") if letter.isascii() else ("B" if letter.isupper() else "b")
        for letter in word
    )


def _judge_symbol(symbol: str, before: str, after: str) -> float:
    """Return the score of a symbol between these characters."""
    if unicodedata.category(symbol).startswith("C"):
        return LOG_UNDECODABLE
    before, after = _kind(before), _kind(after)
    if (places := PLACES_OF.get(symbol)) is not None:
        return LOG_SYMBOL if before in places[0] and after in places[1] else LOG_WRONG_PLACE
    if symbol in WIDE_SYMBOLS or symbol == NO_BREAK_SPACE:
        return LOG_FREQUENT
    return LOG_RARE_SYMBOL + (LOG_WRONG_PLACE if before == after == "a" else 0.0)


def _kind(character: str) -> str:
    return "a" if character.isalpha() else "0" if character.isdigit() else " "
