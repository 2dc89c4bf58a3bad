"""A row of cells as what is to be known of a contact, or as what is wrong with it. Pure.

`Reader` is made once for a file; it has worked out where everything goes. What a contact must be is asked
of `contacts/rules.py`, as it is of a contact that comes by the API.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

import msgspec

from angarium.contacts import rules
from angarium.contacts.fields import FieldDefinition
from angarium.contacts.imports import cells
from angarium.contacts.imports.cells import BadCell
from angarium.contacts.imports.doubles import Doubles
from angarium.contacts.imports.layout import CELLS_KEPT, Convert, Layout
from angarium.contacts.imports.mapping import Mapping, keeps_list
from angarium.contacts.newcomers import Newcomers, Place
from angarium.contacts.phones import NO_COUNTRY, REMEDY, SCIENTIFIC, BadPhone, normalise
from angarium.contacts.places import place
from angarium.contacts.rules import AddressInput, ContactInput
from angarium.core.numerals import western
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import Address, AddressKind

BETWEEN = "\x1f"  # of the cells of a row that is kept as one text
DEFUSED = re.compile(r"'+[=+\-@\t\r]")
UNREADABLE = "\ufffd"
BLOCK_DIGITS = 4  # numbers that differ in the last digits alone were given out together, in one place
PLACES_MAX = 100_000
VARIABLES_MAX = 16_384  # characters of the variables of a row

# A file whose numbers are all written as they are dialled at home is read once its country is said.
COUNTRY = "say of which country the phones of the file are, or write it with its country code"


class Draft(msgspec.Struct, frozen=True, array_like=True, tag="draft", gc=False):
    """What a row says of a contact. None: it says nothing of it; an empty text takes away what is there."""

    row: int
    again: bool  # a row before it named the same person
    external_id: str | None
    name: str | None
    locale: str | None
    time_zone: str | None
    place: Place  # of somebody new
    fields: dict[str, Any]  # None takes a field away
    tags: tuple[str, ...] | None
    opted_out: tuple[str, ...]  # refused from now on; a file takes no refusal back
    addresses: tuple[tuple[str, str, bool], ...]  # kind, value, whether the operators shield it
    cleared: tuple[str, ...]  # kinds of address that are taken away first
    raw: str  # the cells
    alone: bool = False  # no row before it named anything that it names
    variables: str = ""  # of the row, for the list that the import keeps: JSON, or empty


class CellProblem(msgspec.Struct, frozen=True, array_like=True):
    """What is wrong with a cell, or with the row when it names no column."""

    column: str
    value: str
    problem: str
    remedy: str


class Failed(msgspec.Struct, frozen=True, array_like=True, tag="failed"):
    """A row that is not taken."""

    row: int
    problems: tuple[CellProblem, ...]
    raw: str


class Skipped(msgspec.Struct, frozen=True, array_like=True, tag="skipped"):
    """A row that names somebody whom a row before named."""

    row: int


Read = Draft | Failed | Skipped


class Unsaid(msgspec.Struct, frozen=True, array_like=True):
    """What a draft has where its row says nothing: nothing, or that what is there is to go."""

    name: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    fields: dict[str, None] = {}
    tags: tuple[str, ...] | None = None
    cleared: tuple[str, ...] = ()


class Rest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the rows of newcomers say besides what is written of them, a column each: with it they are drafts
    again, for those who turn out to be there."""

    rows: list[int]
    raws: list[str]
    addresses: list[tuple[str, list[str | None]]]
    unsaid: Unsaid

    def drafts(self, new: Newcomers, variables: Sequence[str]) -> list[Draft]:
        """What each row says."""
        external_ids, names, _, _, _, _, locales, zones, *guesses, countries, fields, tags = new.contacts
        kinds = [kind for kind, _ in self.addresses]
        addresses = list(zip(*(values for _, values in self.addresses), strict=True)) or [()] * len(new)
        places = zip(countries, locales, zones, *map(partial(map, bool), guesses), strict=True)
        return [
            Draft(
                row,
                False,
                external_id,
                name or self.unsaid.name,
                self.unsaid.locale if place[3] else place[1],
                self.unsaid.time_zone if place[4] else place[2],
                place,
                {**self.unsaid.fields, **msgspec.json.decode(said)},
                tuple(msgspec.json.decode(tagged)) or self.unsaid.tags,
                (),
                tuple([(kind, value, False) for kind, value in zip(kinds, own, strict=True) if value]),
                self.unsaid.cleared,
                raw,
                True,
                of_the_row,
            )
            for row, external_id, name, place, said, tagged, own, raw, of_the_row in zip(
                *(self.rows, external_ids, names, places, fields, tags, addresses, self.raws),
                variables or [""] * len(new),
                strict=True,
            )
        ]


class Reader:
    """Reads rows under a mapping."""

    def __init__(
        self,
        mapping: Mapping,
        heads: Sequence[str],
        defined: Sequence[FieldDefinition] = (),
        rows_expected: int = 0,
    ) -> None:
        self._mapping = mapping
        self._heads = heads
        self.layout = layout = Layout(mapping, heads, defined)
        self._fields, self._variables = _remembering(layout.fields), _remembering(layout.variables)
        self._places: dict[tuple[str, ...], Place] = {}
        self.add_tags = mapping.add_tags
        self._keeps_list = keeps_list(mapping)
        self.unsaid = Unsaid() if mapping.empty == "keep" else cleared(layout)
        keys = len(layout.addresses) + ("external_id" in layout.single)
        self.doubles = Doubles(keys * rows_expected)

    def read(self, row: int, given: Sequence[str]) -> Read | None:
        """A row; None when nothing stands in it."""
        row_cells = [cell.strip() for cell in given]
        raw = BETWEEN.join(row_cells)
        if not raw.strip(BETWEEN):
            return None
        if "'" in raw:
            row_cells = [undefused(cell) if cell[:1] == "'" else cell for cell in row_cells]
        wrong: list[CellProblem] = []
        if len(row_cells) > self.layout.width and any(row_cells[self.layout.width :]):
            over = row_cells[self.layout.width]
            remedy = "put a cell that holds the delimiter in quotes"
            wrong.append(CellProblem("", shown(over), "has more cells than there are columns", remedy))
        row_cells = row_cells[: self.layout.width]
        row_cells += [""] * (self.layout.nowhere + 1 - len(row_cells))
        if UNREADABLE in raw:
            at = next((at for at, cell in enumerate(row_cells) if UNREADABLE in cell), 0)
            self._report(
                wrong, at, row_cells, "cannot be read in this encoding", "name another, or mend the cell"
            )
        given_contact = self._contact(row_cells, wrong)
        variables = self._of_the_row(row_cells, wrong) if self.layout.variables else ""
        addresses, problems = rules.check(given_contact)
        if wrong or problems:
            places = self._places_of(row_cells) if problems else {}
            wrong += [self._told(problem, places, row_cells) for problem in problems]
            return Failed(row, tuple(wrong), raw)
        return self._drafted(row, given_contact, addresses, raw, variables)

    # ── from cells to a contact ──────────────────────────────────────────────────────────────────────

    def _contact(self, row: list[str], wrong: list[CellProblem]) -> ContactInput:
        """What the cells say."""
        addresses: list[AddressInput] = []
        shielded = bool(row[self.layout.shielded]) and self._yes(row, self.layout.shielded, wrong)
        for at, kind, split in self.layout.addresses:
            text = row[at]
            if text:
                addresses += [
                    AddressInput(kind, self.address(kind, one), shielded and kind is AddressKind.PHONE)
                    for one in split(text)
                ]
        locale = row[self.layout.locale]
        return ContactInput(
            external_id=row[self.layout.external_id] or None,
            name=" ".join([row[at] for at in self.layout.names if row[at]]),
            locale=cells.locale(locale) if locale else "",
            time_zone=row[self.layout.time_zone],
            fields=self._filled(self._fields, row, wrong),
            tags=self._tagged(row),
            opted_out=self._refused(row, wrong) if self.layout.refusals else (),
            addresses=tuple(addresses),
        )

    def _places_of(self, row: list[str]) -> dict[str, int]:
        """Which column said each part of a contact."""
        places = dict(self.layout.single)
        if self.layout.names:
            places["name"] = self.layout.names[0]
        if self.layout.tags:
            places["tags"] = self.layout.tags[0][0]
        said = [at for at, _, split in self.layout.addresses if row[at] for _ in split(row[at])]
        return places | {f"addresses[{index}].value": at for index, at in enumerate(said)}

    def _of_the_row(self, row: list[str], wrong: list[CellProblem]) -> str:
        """Its variables; those whose cells are empty are not there."""
        found = self._filled(self._variables, row, wrong)
        text = msgspec.json.encode(found).decode() if found else ""
        if len(text) > VARIABLES_MAX:
            remedy = f"at most {VARIABLES_MAX} characters"
            wrong.append(
                CellProblem("", f"{len(text)} characters", "has variables that are too large", remedy)
            )
        return text

    def _filled(
        self, columns: Sequence[tuple[int, str, Convert]], row: list[str], wrong: list[CellProblem]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for at, name, convert in columns:
            text = row[at]
            if text:
                try:
                    found[name] = convert(text)
                except BadCell as bad:
                    self._report(wrong, at, row, bad.problem, bad.remedy)
        return found

    def _tagged(self, row: list[str]) -> tuple[str, ...]:
        found = [tag for at, split in self.layout.tags if row[at] for tag in split(row[at])]
        return tuple(dict.fromkeys((*found, *self.add_tags)))

    def _refused(self, row: list[str], wrong: list[CellProblem]) -> tuple[str, ...]:
        found: list[str] = []
        for at, column, split in self.layout.refusals:
            if not row[at]:
                continue
            if column.to == "opted_out":
                found += [word.lower() for word in split(row[at])]
            elif self._yes(row, at, wrong):
                found.append(column.message_class)
        return tuple(dict.fromkeys(found))

    def _yes(self, row: list[str], at: int, wrong: list[CellProblem]) -> bool:
        try:
            return bool(row[at]) and cells.yes_no(row[at])
        except BadCell as bad:
            self._report(wrong, at, row, bad.problem, bad.remedy)
            return False

    def address(self, kind: AddressKind, text: str) -> str:
        """An address as the rules take it; a phone with its country, where the mapping says which."""
        if kind is not AddressKind.PHONE or text[:1] == "+":
            return text
        digits = _exact(text)
        try:
            return normalise(digits, self._mapping.country or None)
        except BadPhone:
            whole = western(digits)
            return f"+{whole}" if self._mapping.plus and whole.isdecimal() and whole[0] != "0" else digits

    # ── doubles, and what is left unsaid ─────────────────────────────────────────────────────────────

    def _drafted(
        self, row: int, given: ContactInput, addresses: tuple[Address, ...], raw: str, variables: str
    ) -> Read:
        person = self.doubles.person(given.external_id, [a.kind + " " + a.value for a in addresses], row)
        listed = False
        if person.row != row and self._mapping.duplicates != "update":
            listed = self._keeps_list and self._mapping.duplicates == "skip"  # what it says is for the list
            if self._mapping.duplicates == "skip" and not listed:
                return Skipped(row)
            if self._mapping.duplicates == "fail":
                problem = CellProblem(
                    "", "", f"is the same person as in row {person.row}", "keep one of the rows"
                )
                return Failed(row, (problem,), raw)
        if person.others and self._mapping.taken != "move" and not listed:
            if self._mapping.taken == "fail":
                return Failed(
                    row, tuple(self._shared(addresses[at], other) for at, other in person.others), raw
                )
            left = dict(person.others)
            addresses = tuple(one for at, one in enumerate(addresses) if at not in left)
        unsaid = self.unsaid
        return Draft(
            row,
            person.row != row,
            given.external_id,
            given.name or unsaid.name,
            given.locale or unsaid.locale,
            given.time_zone or unsaid.time_zone,
            self._placed(given, addresses),
            {**unsaid.fields, **given.fields},
            given.tags or unsaid.tags,
            given.opted_out or (),
            tuple([(str(one.kind), one.value, one.operator_blacklist) for one in addresses]),
            unsaid.cleared,
            raw,
            person.row == row and not person.others,
            variables,
        )

    def _shared(self, address: Address, other: int) -> CellProblem:
        remedy = "take it out of one of the rows, or let it move or be left out"
        return CellProblem(
            "", shown(address.value), f"is an address of the person in row {other} too", remedy
        )

    def _placed(self, given: ContactInput, addresses: tuple[Address, ...]) -> Place:
        """Where somebody new is: asked once for each block of numbers."""
        blocks = [one.value[:-BLOCK_DIGITS] for one in addresses if one.kind is AddressKind.PHONE]
        key = (given.locale, given.time_zone, *blocks)
        found = self._places.get(key)
        if found is None:
            if len(self._places) >= PLACES_MAX:
                self._places.clear()
            found = self._places[key] = self.place(given.locale, given.time_zone, addresses)
        return found

    def place(self, locale: str, time_zone: str, addresses: Sequence[Address]) -> Place:
        """Where somebody is, by what is said and by their phones."""
        found: Place = msgspec.structs.astuple(place(locale, time_zone, addresses))
        return found

    # ── what is wrong ────────────────────────────────────────────────────────────────────────────────

    def _report(self, wrong: list[CellProblem], at: int, row: list[str], problem: str, remedy: str) -> None:
        wrong.append(CellProblem(self._head(at), shown(row[at]), problem, remedy))

    def _told(self, problem: FieldProblem, places: dict[str, int], row: list[str]) -> CellProblem:
        """A problem of a contact as one of the cell that it came from."""
        at = places.get(problem.field)
        if at is None:
            return CellProblem(problem.field, problem.value, problem.problem, problem.remedy)
        remedy = COUNTRY if problem.problem == NO_COUNTRY and problem.remedy == REMEDY else problem.remedy
        return CellProblem(self._head(at), shown(row[at]), problem.problem, remedy)

    def _head(self, at: int) -> str:
        return (self._heads[at] if at < len(self._heads) else "") or f"column {at + 1}"


def _remembering(columns: Sequence[tuple[int, str, Convert]]) -> list[tuple[int, str, Convert]]:
    """The same text again is not worked out again."""
    return [(at, name, lru_cache(CELLS_KEPT)(convert)) for at, name, convert in columns]


def cleared(layout: Layout) -> Unsaid:
    """Whatever is mapped and has an empty cell is taken away."""
    return Unsaid(
        "" if layout.names else None,
        "" if "locale" in layout.single else None,
        "" if "time_zone" in layout.single else None,
        {name: None for _, name, _ in layout.fields},
        () if layout.tags else None,
        layout.kinds,
    )


def undefused(cell: str) -> str:
    """The cell before our export put an apostrophe in front of what a spreadsheet takes for a formula."""
    return cell[1:] if DEFUSED.match(cell) else cell


def _exact(text: str) -> str:
    """A number in scientific notation that has all its digits, as those digits."""
    bare = western(text).strip().replace(",", ".")
    if SCIENTIFIC.fullmatch(bare) is None:
        return text
    sign, _, exponent = Decimal(bare).as_tuple()
    return text if sign or not isinstance(exponent, int) or exponent > 0 else str(int(Decimal(bare)))
