"""What a column of a file may be: by the words at its head, in six languages, and by the look of its cells.

Pure. A guess is only that: it fills the form in which a person says what each column is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal, cast

import msgspec

from angarium.contacts.fields import TAKEN
from angarium.contacts.imports import cells
from angarium.contacts.phones import BadPhone, normalise
from angarium.contacts.rules import EMAIL, OPT_OUTS
from angarium.core.clock import is_zone
from angarium.core.numerals import western
from angarium.core.values import AddressKind

Target = Literal[
    "external_id",
    "name",
    "locale",
    "time_zone",
    "address",
    "tags",
    "field",
    "variable",
    "opted_out",
    "opt_out",
    "operator_blacklist",
    "ignore",
]
Kind = Literal["", "text", "number", "date", "date_time", "money", "choice", "yes_no"]

ABOVE_MAX = 50  # rows over a table
MOST = 0.7  # of the cells that are not empty must look like it
OURS = "angarium_"  # columns that our own file of errors adds
NAME_OF_FIELD_MAX = 64
SAME = str.maketrans(
    {"ي": "ی", "ك": "ک", "ى": "ی", "ё": "е", "’": "'", "`": "'", "ʼ": "'", "\u200c": " ", "_": " "}
)
TARGET_OF = {
    word.strip().translate(SAME): tuple(known.partition(".")[::2])
    for known, words in cells.WORDS["heads"].items()
    for word in words.split(",")
}
PHONEISH = re.compile(r"\+?[\d\s()./\-]{7,24}")
PARTED = re.compile(r"[;,|/]")


KINDS = frozenset(kind.value for kind in AddressKind)
ONCE = frozenset({"external_id", "locale", "time_zone", "opted_out", "opt_out", "operator_blacklist"})


class Guess(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a column may be: where it goes, and by what it was told."""

    to: Target
    kind: str = ""  # of an address, or of a field
    name: str = ""  # of a field
    message_class: str = ""  # of an opt-out
    by: Literal["head", "look", "nothing"] = "nothing"


def plain(head: str) -> str:
    """The words at the head of a column without what differs from file to file."""
    words = re.sub(r"[^\w']+", " ", head.translate(SAME).casefold().translate(SAME)).strip()
    return re.sub(r"\s+", " ", words)


def rows_above(rows: Sequence[Sequence[str]]) -> int:
    """How many rows of a file stand over the heads of its table: a title, whose it is, of which day. They
    fill a third of what rows of the table do, or less, and name no column and nobody."""
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    width, above = max(filled, default=0), 0
    for place, row in enumerate(rows[: ABOVE_MAX + 1]):
        if filled[place] * 3 > width or any(_is_of_table(cell) for cell in row):
            return above if is_head(row, rows[place + 1 :]) else 0
        if filled[place]:
            above = place + 1
    return 0


def _is_of_table(cell: str) -> bool:
    bare = western(cell).strip()
    return plain(cell) in TARGET_OF or is_email(bare) or is_phoneish(bare)


def is_head(row: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a row names columns: by words that are known, else because it looks like no row below it."""
    named = [cell for cell in row if cell.strip()]
    if not named:
        return False
    if any(plain(cell) in TARGET_OF for cell in named):
        return True
    if len(set(named)) < len(named) or any(_is_value(cell) for cell in named):
        return False
    return any(_is_value(cell) for other in below for cell in other)


def _is_value(cell: str) -> bool:
    bare = western(cell).strip()
    return any(look(bare) for look in (is_email, is_phoneish, is_date, is_number))


def guesses(heads: Sequence[str], rows: Sequence[Sequence[str]], country: str | None = None) -> list[Guess]:
    """What each column may be. One that nothing is known of becomes a field of its own name."""
    columns = [
        [row[at].strip() for row in rows if at < len(row) and row[at].strip()] for at in range(len(heads))
    ]
    found = [
        _by_head(head, column) or _by_look(column, country)
        for head, column in zip(heads, columns, strict=True)
    ]
    done = [
        guess or Guess("field", field_kind(column), field_name(head, at))
        for at, (guess, head, column) in enumerate(zip(found, heads, columns, strict=True))
    ]
    return _once(done, heads, columns)


def _once(done: list[Guess], heads: Sequence[str], columns: Sequence[Sequence[str]]) -> list[Guess]:
    """Of what a contact has once, such as its external id, the first column is it."""
    seen: set[tuple[Target, str]] = set()
    result = []
    names: set[str] = set()
    for at, guess in enumerate(done):
        again = guess.to in ONCE and (guess.to, guess.message_class) in seen
        one = Guess("field", field_kind(columns[at]), field_name(heads[at], at)) if again else guess
        if one.to == "field" and one.name in names:
            one = msgspec.structs.replace(one, name=f"column_{at + 1}")
        seen.add((one.to, one.message_class))
        names.add(one.name)
        result.append(one)
    return result


def _by_head(head: str, column: Sequence[str]) -> Guess | None:
    words = plain(head)
    if not words:
        return None
    if head.startswith(OURS):
        return Guess("ignore", by="head")
    if head in KINDS:  # as our own export writes them
        return Guess("address", kind=head, by="head")
    known = TARGET_OF.get(words) or TARGET_OF.get(re.sub(r" ?\d+$", "", words))
    if known is None:
        return None
    to, which = cast("tuple[Target, str]", known)
    if to == "opt_out":
        return Guess(to, message_class=which, by="head")
    if to == "field":
        # A head that can be a name is one: `town` does not become `city`.
        name = field_name(head, 0) if head.isascii() else which
        return Guess(to, field_kind(column), name, by="head")
    return Guess(to, kind=which, by="head")


def _by_look(column: Sequence[str], country: str | None) -> Guess | None:
    looks: tuple[tuple[Callable[[str], bool], Guess], ...] = (
        (is_email, Guess("address", kind=AddressKind.EMAIL.value, by="look")),
        (lambda cell: is_phone(cell, country), Guess("address", kind=AddressKind.PHONE.value, by="look")),
        (is_zone, Guess("time_zone", by="look")),
        (lambda cell: cell in OPT_OUTS, Guess("opted_out", by="look")),
        (_is_language, Guess("locale", by="look")),
    )
    for look, guess in looks:
        if mostly(column, look):
            return guess
    if field_kind(column) == "text" and _are_tags(column):
        return Guess("tags", by="look")
    return None


def mostly(column: Sequence[str], look: Callable[[str], bool]) -> bool:
    """Whether most cells of a column look like it."""
    return bool(column) and sum(map(look, column)) >= MOST * len(column)


def is_email(cell: str) -> bool:
    """An e-mail address with a dot in its domain."""
    return EMAIL.fullmatch(cell) is not None and "." in cell.rpartition("@")[2]


def is_phoneish(cell: str) -> bool:
    """Digits as phones are written."""
    return PHONEISH.fullmatch(cell) is not None and sum(map(str.isdigit, cell)) >= 9 and not is_date(cell)


@cache
def is_phone(cell: str, country: str | None) -> bool:
    """A number in use, as it stands, with a plus, or as it is dialled in the country."""
    bare = western(cell).strip()
    tries = [(bare, country)] if country or bare.startswith(("+", "00")) else []
    tries.append(("+" + bare.lstrip("+"), None))
    for text, region in tries:
        try:
            normalise(text, region)
        except BadPhone:
            continue
        return True
    return False


def needs_plus(column: Sequence[str]) -> bool:
    """Whether most numbers are digits that are valid with a plus before them, as spreadsheets leave them."""
    return mostly(column, lambda cell: western(cell).isdigit() and is_phone(cell, None))


def is_number(cell: str) -> bool:
    """A number with a point or a comma."""
    return any(_is(cells.number, cell, sign) for sign in (".", ","))


def is_date(cell: str) -> bool:
    """A date in any order."""
    return any(_is(cells.day, cell, order, "gregorian") for order in ("ymd", "dmy", "mdy")) or _is(
        cells.day, cell, "ymd", "jalali"
    )


def _is(read: Callable[..., object], *given: object) -> bool:
    try:
        read(*given)
    except cells.BadCell:
        return False
    return True


def _is_language(cell: str) -> bool:
    return cells.locale(cell).partition("-")[0] in cells.LANGUAGES


def _are_tags(column: Sequence[str]) -> bool:
    """Short words, several in many cells, the same again and again."""
    parts = [part.strip() for cell in column for part in PARTED.split(cell)]
    several = sum(1 for cell in column if PARTED.search(cell))
    short = all(0 < len(part) <= 24 and part.count(" ") <= 2 for part in parts)
    return short and several * 5 >= len(column) > 2 and len(set(parts)) * 2 <= len(parts)


def field_kind(column: Sequence[str]) -> Kind:
    """What kind of field the cells fit."""
    if mostly(column, is_date) and all(map(is_date, column)):
        return "date"
    leading_zero = any(len(cell) > 1 and cell[0] == "0" and cell.isdigit() for cell in column)
    if column and all(map(is_number, column)) and not leading_zero:
        return "number"
    return "text"


def field_name(head: str, at: int) -> str:
    """A name for the field of a column."""
    words = re.sub(r"[^A-Za-z0-9]+", "_", head.strip()).strip("_").lower()[:NAME_OF_FIELD_MAX]
    readable = words and sum(map(str.isalnum, words)) * 2 >= sum(map(str.isalnum, head))
    if not readable:
        return f"column_{at + 1}"
    return f"_{words}"[:NAME_OF_FIELD_MAX] if words[0].isdigit() or words in TAKEN else words


def date_order(column: Sequence[str]) -> tuple[cells.Order, cells.Calendar] | None:
    """The order and calendar in which every date of a column is one; None when none is."""
    year_first = all(re.match(r"\d{4}", western(cell)) for cell in column)
    orders: tuple[cells.Order, ...] = ("ymd",) if year_first else ("dmy", "mdy", "ymd")
    years = [int(found[0]) for cell in column if (found := re.findall(r"\d{4}", western(cell)))]
    calendar: cells.Calendar = (
        "jalali" if years and all(1200 <= year < 1500 for year in years) else "gregorian"
    )
    for order in orders:
        if column and all(_is(cells.day, cell, order, calendar) for cell in column):
            return order, calendar
    return None
