"""What a person says of a file: how it reads, where each column goes, what happens to doubles. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Mapping_
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from angarium.contacts import fields
from angarium.contacts.fields import FieldDefinition, FieldKind
from angarium.contacts.imports import columns
from angarium.contacts.imports.cells import Calendar, Decimals, Order
from angarium.contacts.imports.columns import ABOVE_MAX, Target
from angarium.contacts.imports.sniffing import DELIMITERS, ENCODINGS, QUOTES, Dialect
from angarium.contacts.rules import NOT_IN_A_NAME, OPT_OUTS, TAG_MAX
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import AddressKind

COLUMNS_MAX = 500
FIELD_KINDS = ("", *(kind.value for kind in FieldKind))
FIELD_NAME_MAX = 64
ERRORS_MAX = 100_000
WORD_MAX, NOTE_MAX = 80, 1_000  # characters of how a consent is known
CHANNEL = re.compile(r"[a-z][a-z0-9_]{0,39}")
# What a template sees under these names is no variable (messaging/way.py).
VARIABLES_TAKEN = frozenset({"contact", "unsubscribe_url"})


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Where one column goes. It is named by its head, or by its position from 1."""

    column: str | int
    to: Target
    # address: phone, email …; field, variable: text, number, date, date_time, money, choice, yes_no
    kind: str = ""
    name: str = ""  # of the field, or of the variable
    define: bool = False  # let the field be defined when the import is started, if it is not yet
    choices: tuple[str, ...] = ()  # of a field that is to be defined as a choice, or of a variable
    currency: str = ""  # of a money field or variable
    message_class: Annotated[str, Meta(max_length=20)] = ""  # opt_out: the class that yes refuses
    order: Order = "ymd"  # of dates
    calendar: Calendar = "gregorian"
    decimals: Decimals = "."
    split: str = ""  # what stands between several values in a cell; empty: the cell is one value


class Agreed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What everybody in a file has agreed to, and how it is known. Who has refused any of it stays so."""

    purpose: Literal["otp", "transactional", "service", "promotional", "all"] = "promotional"
    channel: str = ""  # empty: every one
    source: str
    wording: str = ""  # version of the text
    note: str = ""  # what would be shown if somebody asked


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """How a file becomes contacts."""

    columns: tuple[Column, ...] = ()
    encoding: str = ""  # empty: as it was sniffed, if that was certain
    delimiter: str = ""
    quote: str | None = None
    escape: str | None = None
    above: Annotated[int, Meta(ge=0, le=ABOVE_MAX)] | None = None  # rows over the table, such as a title
    header: bool | None = None  # whether the first row of the table names the columns
    sheet: str = ""  # of a workbook; empty: the first
    country: str = ""  # ISO 3166: where numbers without a country code are dialled
    plus: bool = False  # digits that are a number with a plus before them are that number
    match_by: tuple[
        str, ...
    ] = ()  # external_id and kinds of address, surest first; empty: whatever is mapped
    duplicates: Literal["update", "skip", "fail"] = "update"
    taken: Literal["fail", "move", "leave"] = "fail"  # an address that belongs to somebody else
    empty: Literal["keep", "clear"] = "keep"  # what an empty cell says of a contact that is there
    tags: Literal["add", "replace"] = "add"
    add_tags: tuple[str, ...] = ()  # given to every contact of the file
    errors_max: Annotated[int, Meta(ge=1, le=1_000_000)] = ERRORS_MAX  # then the import pauses
    # Remember whom the rows meant, for a campaign; so it is with variables, which are of the row alone.
    listed: bool = msgspec.field(name="list", default=False)
    agreed: Agreed | None = None


def keeps_list(mapping: Mapping) -> bool:
    """Whether an import remembers whom its rows meant, and their variables."""
    return mapping.listed or any(column.to == "variable" for column in mapping.columns)


def known_by(mapping: Mapping) -> tuple[str, ...]:
    """What tells who a row means, surest first."""
    if mapping.match_by:
        return mapping.match_by
    mapped = [one.kind for one in mapping.columns if one.to == "address"]
    return tuple(dict.fromkeys(("external_id", *mapped)))


class Look(msgspec.Struct, frozen=True):
    """What was seen of a file: what a mapping is checked against."""

    format: Literal["text", "workbook"]
    encoding: str  # the likeliest; empty for a workbook
    encoding_is_certain: bool
    dialect: Dialect
    header: bool
    sheets: tuple[str, ...]
    heads: tuple[str, ...]  # as they stand, or "" where there is no header
    examples: tuple[tuple[str, ...], ...]  # the first rows
    above: int = 0  # rows of the file over those of the table


class Reading(msgspec.Struct, frozen=True):
    """How the file is read, every choice made."""

    format: Literal["text", "workbook"]
    encoding: str
    dialect: Dialect
    header: bool
    sheet: str
    above: int = 0  # rows that are passed over


def reading(look: Look, mapping: Mapping) -> Reading:
    """What was said, else what was sniffed."""
    form = Dialect(
        mapping.delimiter or look.dialect.delimiter,
        look.dialect.quote if mapping.quote is None else mapping.quote,
        look.dialect.escape if mapping.escape is None else mapping.escape,
    )
    header = look.header if mapping.header is None else mapping.header
    above = look.above if mapping.above is None else mapping.above
    return Reading(look.format, mapping.encoding or look.encoding, form, header, mapping.sheet, above)


def guessed(look: Look, country: str = "") -> Mapping:
    """The mapping that the heads and cells suggest."""
    rows = look.examples
    made: list[Column] = []
    plus = False
    for at, guess in enumerate(columns.guesses(look.heads, rows, country or None)):
        cells = [row[at].strip() for row in rows if at < len(row) and row[at].strip()]
        dates = columns.date_order(cells) if guess.kind == "date" else None
        tags = guess.to in ("tags", "opted_out")
        plus = plus or (guess.kind == "phone" and not country and columns.needs_plus(cells))
        made.append(
            Column(
                column=_named(look.heads, at),
                to=guess.to,
                kind=guess.kind,
                name=guess.name,
                message_class=guess.message_class,
                order=dates[0] if dates else "ymd",
                calendar=dates[1] if dates else "gregorian",
                decimals="," if guess.kind == "number" and _commas(cells) else ".",
                split=_splitter(cells, ";") if tags or guess.to == "address" else "",
            )
        )
    return Mapping(columns=tuple(made), country=country, plus=plus)


def as_defined(mapping: Mapping, defined: Mapping_[str, FieldDefinition]) -> Mapping:
    """The mapping with fields as they are defined; a head that is the label of a field means that field."""
    labels = {one.label: one for one in defined.values() if one.label}
    made = []
    for column in mapping.columns:
        there = (labels.get(str(column.column)) or defined.get(column.name)) if column.to == "field" else None
        changes = {"name": there.name, "kind": there.kind.value} if there else {}
        made.append(msgspec.structs.replace(column, **changes))
    return msgspec.structs.replace(mapping, columns=tuple(made))


def _named(heads: Sequence[str], at: int) -> str | int:
    head = heads[at] if at < len(heads) else ""
    return head if head and list(heads).count(head) == 1 else at + 1


def _commas(cells: Sequence[str]) -> bool:
    """Whether a comma stands before the fraction: as three digits follow a comma that groups."""
    return any(re.search(r",\d{1,2}$|,\d{4,}$", cell) for cell in cells) and not any(
        "." in cell for cell in cells
    )


def _splitter(cells: Sequence[str], otherwise: str) -> str:
    counts = {sign: sum(sign in cell for cell in cells) for sign in (";", "|", ",")}
    best = max(counts, key=lambda sign: counts[sign])
    return best if counts[best] else otherwise


# ── is it good ───────────────────────────────────────────────────────────────────────────────────────


def check(
    look: Look, mapping: Mapping, regions: frozenset[str], defined: Mapping_[str, FieldDefinition]
) -> tuple[FieldProblem, ...]:
    """Everything that is wrong with a mapping of this file.

    `regions`: the countries that numbers are known of. `defined`: the fields that the workspace has defined.
    """
    found: list[FieldProblem] = []

    def must(holds: bool, field: str, problem: str, value: object, remedy: str) -> None:
        if not holds:
            found.append(FieldProblem(field, problem, remedy, shown(value)))

    chosen = mapping.encoding in ("", *ENCODINGS)
    must(chosen, "encoding", "is not one that is known", mapping.encoding, "one of " + ", ".join(ENCODINGS))
    if look.format == "text" and not mapping.encoding:
        must(
            look.encoding_is_certain, "encoding", "is not certain", look.encoding, "name it; see `encodings`"
        )
    must(mapping.delimiter in ("", *DELIMITERS), "delimiter", "is not one", mapping.delimiter, ", ; tab or |")
    quoted = mapping.quote is None or mapping.quote in QUOTES
    must(quoted, "quote", "is not one", mapping.quote, "\", ' or an empty text")
    must(mapping.escape in (None, "", "\\"), "escape", "is not one", mapping.escape, "\\ or an empty text")
    sheet = not mapping.sheet or mapping.sheet in look.sheets
    must(sheet, "sheet", "is not in the workbook", mapping.sheet, "one of " + ", ".join(look.sheets))
    known = not mapping.country or mapping.country in regions
    must(known, "country", "is not a country", mapping.country, "two capital letters, such as IR")
    odd = next(
        (tag for tag in mapping.add_tags if not tag or len(tag) > TAG_MAX or NOT_IN_A_NAME.search(tag)), None
    )
    must(odd is None, "add_tags", "one is not a tag", odd, f"1 to {TAG_MAX} characters in one line")
    names = ("external_id", *(kind.value for kind in AddressKind))
    strange = next((name for name in mapping.match_by if name not in names), None)
    must(strange is None, "match_by", "nobody is known by it", strange, "external_id or a kind of address")
    must(
        len(mapping.columns) <= COLUMNS_MAX,
        "columns",
        "are too many",
        len(mapping.columns),
        f"at most {COLUMNS_MAX}",
    )
    found += _check_columns(look, mapping, defined)
    found += _check_agreed(mapping.agreed) if mapping.agreed else ()
    return tuple(found)


def _check_agreed(agreed: Agreed) -> Iterator[FieldProblem]:
    for name, text, least, most in (
        ("source", agreed.source, 1, WORD_MAX),
        ("wording", agreed.wording, 0, WORD_MAX),
        ("note", agreed.note, 0, NOTE_MAX),
    ):
        if not least <= len(text) <= most or NOT_IN_A_NAME.search(text):
            remedy = f"{least} to {most} characters in one line"
            yield FieldProblem(f"agreed.{name}", "is missing or too long", remedy, shown(text))
    if agreed.channel and not CHANNEL.fullmatch(agreed.channel):
        yield FieldProblem("agreed.channel", "is no channel", "such as smpp", shown(agreed.channel))


def _check_columns(
    look: Look, mapping: Mapping, defined: Mapping_[str, FieldDefinition]
) -> list[FieldProblem]:
    found: list[FieldProblem] = []
    seen: dict[object, int] = {}
    for index, column in enumerate(mapping.columns[:COLUMNS_MAX]):
        at = position(look.heads, column.column)
        if at is None:
            heads = shown(", ".join(head for head in look.heads if head))
            found.append(
                FieldProblem(
                    f"columns[{index}].column", "is not in the file", f"one of {heads}", shown(column.column)
                )
            )
            continue
        problem = _column_problem(column, defined)
        if problem is not None:
            found.append(msgspec.structs.replace(problem, field=f"columns[{index}].{problem.field}"))
        goal = _goal(column)
        for key in (("at", at), goal):
            if key is not None and key in seen:
                remedy = f"take one of columns[{seen[key]}] and columns[{index}] out"
                found.append(
                    FieldProblem(f"columns[{index}]", "is there already", remedy, shown(column.column))
                )
        seen.update(dict.fromkeys([key for key in (("at", at), goal) if key is not None], index))
    identified = any(column.to in ("external_id", "address") for column in mapping.columns)
    if not identified:
        remedy = "map a column to external_id, or to an address"
        found.append(FieldProblem("columns", "name nobody", remedy))
    return found


def _goal(column: Column) -> tuple[str, str] | None:
    """What can be said by one column only."""
    if column.to in ("ignore", "name", "tags", "address"):
        return None
    return column.to, column.name if column.to in ("field", "variable") else column.message_class


def _column_problem(column: Column, defined: Mapping_[str, FieldDefinition]) -> FieldProblem | None:
    kinds = [kind.value for kind in AddressKind]
    if column.to == "address" and column.kind not in kinds:
        return FieldProblem(
            "kind", "is not a kind of address", "one of " + ", ".join(kinds), shown(column.kind)
        )
    if column.to == "opt_out" and column.message_class not in OPT_OUTS:
        return FieldProblem(
            "message_class", "is not a class", "one of " + ", ".join(OPT_OUTS), column.message_class
        )
    if len(column.split) > 1:
        return FieldProblem("split", "is not one character", "such as ;", shown(column.split))
    if column.to == "variable":
        return _variable_problem(column)
    return _field_problem(column, defined) if column.to == "field" else None


def _variable_problem(column: Column) -> FieldProblem | None:
    if column.kind not in FIELD_KINDS:
        return _no_kind(column)
    wrong = fields.check(definition_of(column), VARIABLES_TAKEN)
    return wrong[0] if wrong else None


def _no_kind(column: Column) -> FieldProblem:
    remedy = "one of " + ", ".join(kind for kind in FIELD_KINDS if kind)
    return FieldProblem("kind", "is not a kind of field", remedy, shown(column.kind))


def _field_problem(column: Column, defined: Mapping_[str, FieldDefinition]) -> FieldProblem | None:
    if column.kind not in FIELD_KINDS:
        return _no_kind(column)
    there = defined.get(column.name)
    if there is not None and column.kind not in ("", there.kind.value):
        return FieldProblem("kind", f"is not how {column.name} is defined", there.kind.value, column.kind)
    named = 0 < len(column.name) <= FIELD_NAME_MAX and not NOT_IN_A_NAME.search(column.name)
    if not named or column.name in fields.TAKEN:
        return FieldProblem(
            "name", "is not the name of a field", "Latin letters, digits and _", shown(column.name)
        )
    wrong = fields.check(definition_of(column)) if column.define and there is None else ()
    return wrong[0] if wrong else None


def definition_of(column: Column, label: str = "") -> FieldDefinition:
    """The definition of a field that a column asks for; a variable is of the same kinds."""
    kind = FieldKind(column.kind or "text")
    return FieldDefinition(column.name, kind, label[: fields.LABEL_MAX], column.choices, column.currency)


def position(heads: Sequence[str], named: str | int) -> int | None:
    """Where a column stands, from 0; None when it is not there, or when two have this head."""
    if isinstance(named, int):
        return named - 1 if 1 <= named <= max(len(heads), 1) else None
    places = [at for at, head in enumerate(heads) if head == named]
    return places[0] if len(places) == 1 else None
