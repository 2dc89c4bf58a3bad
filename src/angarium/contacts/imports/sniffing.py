"""What a text file is: its encoding, its delimiter and quotes, and whether its first row names the columns.

Pure: bytes in, guesses out. Rules:

1. A byte-order mark decides. Else zero bytes beside ASCII say UTF-16, and what reads as UTF-8 is UTF-8:
   text in a single-byte encoding hardly ever does.
2. Between the single-byte encodings words decide. Read in a wrong one, a word mixes scripts or cases as
   no writing does: Arabic read as cp1251 has capitals inside words, Cyrillic read as cp1256 has French
   letters in Arabic ones. The score of an encoding is the share of its words that are clean.
3. Where two are near one another, or none is convincing, it is said to be uncertain, and a person chooses
   by a preview. cp1256 has no Persian ی, ک, nor digits of Persian: such files are UTF-16 ("Unicode text"
   of Excel).
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import msgspec
from charset_normalizer import from_bytes

SAMPLE_BYTES = 262_144  # what is looked at of a file
SECOND_OPINION_BYTES = 65_536
ROWS_SHOWN = 10
ROWS_COUNTED = 200  # rows by which a delimiter is chosen
CERTAIN = 0.8  # a score above it convinces, if no other comes near
NEAR = 0.6  # a score of this share of the best is near it
WIDE_ZEROS = 0.04  # of the bytes at even or odd places, in UTF-16: its delimiters and digits

UTF_8 = "utf-8"
BOMS = (
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What a caller may name. The first are told apart by themselves.
ENCODINGS = (UTF_8, "utf-16-le", "utf-16-be", "cp1251", "cp1256", "gb18030", "cp1252", "koi8-u", "big5")
DELIMITERS = (",", ";", "\t", "|")
QUOTES = ('"', "'", "")  # none: a quote is a character as any other

WORD = re.compile(r"[^\W\d_]+", re.UNICODE)
CYRILLIC = re.compile(r"(?:[А-ЯЁІЇЄҐЎ]?[а-яёіїєґў]+|[А-ЯЁІЇЄҐЎ]+)(?:[’'-][А-ЯЁІЇЄҐЎ]?[а-яёіїєґў]+)*")
ARABIC = re.compile("[\u0621-\u064a\u067e\u0686\u0698\u06a9\u06af\u06cc\u06d2\u06ba]{2,}")
HAN = re.compile("[\u4e00-\u9fff]+")
LATIN = re.compile("[A-ZÀ-ÖØ-Þ]?[a-zß-öø-ÿ]+|[A-ZÀ-ÖØ-Þ]+")
CLEAN = {"cp1251": CYRILLIC, "cp1256": ARABIC, "gb18030": HAN}
# Half of what is written in a language are a few letters; rare ones show that it was read wrongly.
COMMON = {
    "cp1251": frozenset("оаеинітсрвлкмОАЕИНІТСРВЛКМ"),
    "cp1256": frozenset("اليمنورتبةدسعهك"),
    "gb18030": frozenset(),
}
NEVER = frozenset("\ufffd")


class Guess(msgspec.Struct, frozen=True):
    """An encoding a file may be in; `score` is from 0 to 1, 1 is certain."""

    encoding: str
    score: float


class Dialect(msgspec.Struct, frozen=True):
    """How a text file puts cells in rows."""

    delimiter: str = ","
    quote: str = '"'
    escape: str = ""  # what stands before a quote inside a cell; empty: the quote is doubled

    def read(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """The rows of a text; csv.Error for one that cannot be a row, after which the next can be had."""
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quotechar=self.quote or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            escapechar=self.escape or None,
            doublequote=not self.escape,
        )


# ── the encoding ─────────────────────────────────────────────────────────────────────────────────────


def encodings(sample: bytes, *, utf_8: bool) -> tuple[Guess, ...]:
    """Encodings a file may be in, the likeliest first.

    `sample`: pieces of it, the beginning first. `utf_8`: whether all of it reads as UTF-8.
    """
    for mark, encoding in BOMS:
        if sample.startswith(mark):
            return (Guess(encoding, 1.0),)
    wide = _wide(sample)
    if wide:
        return (Guess(wide, 1.0),)
    if utf_8:
        return (Guess(UTF_8, 1.0),)
    found = [Guess(encoding, score) for encoding in CLEAN if (score := _score(sample, encoding)) > 0]
    found.sort(key=lambda guess: -guess.score)
    if found and found[0].score >= CERTAIN:
        return tuple(guess for guess in found if guess.score >= NEAR * found[0].score)
    return _with_second_opinion(sample, found)


def certain(guesses: Sequence[Guess]) -> bool:
    """Whether nobody needs to be asked."""
    return len(guesses) == 1 and guesses[0].score >= CERTAIN


def _wide(sample: bytes) -> str:
    """UTF-16 without a mark: zeros stand at one parity only."""
    even, odd = sample[::2], sample[1::2]
    if not odd:
        return ""
    zeros = even.count(0) / len(even), odd.count(0) / len(odd)
    if max(zeros) < WIDE_ZEROS or min(zeros) > max(zeros) / 8:
        return ""
    return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"


def _score(sample: bytes, encoding: str) -> float:
    """The share of the words with letters beyond ASCII that are clean in an encoding, weighed by habit."""
    text = decoded(sample, encoding)
    if text is None:
        return 0.0
    words = [word for word in WORD.findall(text) if not word.isascii()]
    letters = "".join(words)
    strange = sum(
        1
        for sign in text
        if not sign.isascii() and not sign.isalnum() and sign not in "«»“”„’–—№،؛؟\u200c\u200f\u200e\xa0"
    )
    if not letters:
        return 0.0
    clean = sum(len(word) for word in words if CLEAN[encoding].fullmatch(word)) / (len(letters) + strange)
    common = COMMON[encoding]
    usual = sum(map(Counter(letters).__getitem__, common)) / len(letters) if common else 0.5
    return round(clean * min(1.0, 0.5 + usual), 3)


def decoded(sample: bytes, encoding: str) -> str | None:
    """Pieces of a file as text, cut off where a character was; None when they cannot be read so."""
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    try:
        return decoder.decode(sample)
    except UnicodeDecodeError:
        return None


def _with_second_opinion(sample: bytes, found: list[Guess]) -> tuple[Guess, ...]:
    """What charset-normalizer would say too, where our own heuristics are not convinced."""
    best = from_bytes(sample[:SECOND_OPINION_BYTES], cp_isolation=list(ENCODINGS)).best()
    named = codecs.lookup(best.encoding).name if best is not None else ""
    known = {codecs.lookup(name).name: name for name in ENCODINGS}
    others = {guess.encoding for guess in found}
    if named in known and known[named] not in others:
        found.append(Guess(known[named], 0.5))
    if not found:  # damaged UTF-8, most likely: its bad rows are told of one by one
        found = [Guess(UTF_8, 0.3), Guess("cp1251", 0.1), Guess("cp1256", 0.1)]
    return tuple(sorted(found, key=lambda guess: -guess.score))


# ── rows and cells ───────────────────────────────────────────────────────────────────────────────────


def dialect(text: str) -> Dialect:
    """The delimiter and quotes of a text, by the rows that they make."""
    lines = text.splitlines(keepends=True)
    if len(lines) > 1:
        lines = lines[:-1] if not text.endswith(("\n", "\r")) else lines
    escape = "\\" if '\\"' in text and '""' not in text.replace('""', "", 1) else ""
    candidates = [Dialect(delimiter, '"', escape) for delimiter in DELIMITERS]
    return max(candidates, key=lambda one: _evenness(lines, one))


def _evenness(lines: Iterable[str], candidate: Dialect) -> tuple[float, int]:
    """How evenly a dialect cuts the rows, then into how many cells; one cell a row is no cutting at all."""
    widths = [len(row) for row in islice(rows(lines, candidate), ROWS_COUNTED) if row]
    if not widths:
        return 0.0, 0
    width, count = Counter(widths).most_common(1)[0]
    return (count / len(widths), width) if width > 1 else (0.0, 0)


def rows(lines: Iterable[str], form: Dialect) -> Iterable[list[str]]:
    """The rows of a text; what cannot be a row, such as a cell without an end, is left out."""
    reader = form.read(lines)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue
