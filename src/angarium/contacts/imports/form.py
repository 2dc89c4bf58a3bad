"""What a file is, as somebody says it in a form: a row for each column, and what holds for the whole."""

from __future__ import annotations

from collections.abc import Mapping as Fields
from typing import Any, Literal, cast

import msgspec

from angarium.contacts.consent import PURPOSES
from angarium.contacts.draft import tags_in
from angarium.contacts.fields import FieldDefinition, FieldKind
from angarium.contacts.imports.columns import ABOVE_MAX
from angarium.contacts.imports.mapping import Agreed, Column, Look, Mapping, position
from angarium.contacts.rules import OPT_OUTS
from angarium.core.numerals import western
from angarium.core.values import AddressKind

EXAMPLES = 3  # cells of a column that are shown
SPLIT = ";"
TABS = {"tab": "\t"}  # what a form cannot send as it is
# Where a column may go, beside addresses, fields and refusals of a class.
PLAIN = ("ignore", "external_id", "name", "locale", "time_zone", "tags", "opted_out", "operator_blacklist")
ORDERS = ("ymd", "dmy", "mdy", "jalali")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A column of the file in the form, and where it goes: `address.phone`, `field`, `opt_out.all`."""

    at: int
    head: str
    examples: tuple[str, ...]
    to: str
    kind: str = ""
    name: str = ""
    choices: str = ""
    currency: str = ""
    order: str = "ymd"
    decimals: str = "."
    split: str = ""
    define: bool = False


def rows(look: Look, mapping: Mapping) -> list[Row]:
    """The rows of the form, as the mapping has them; a column that it does not name goes nowhere."""
    width = max([len(look.heads), *map(len, look.examples)], default=0)
    said = {position(look.heads, one.column): one for one in mapping.columns}
    return [_row(look, at, said.get(at)) for at in range(width)]


def _row(look: Look, at: int, said: Column | None) -> Row:
    cells = (row[at].strip() for row in look.examples if at < len(row))
    examples = tuple(dict.fromkeys(cell for cell in cells if cell))[:EXAMPLES]
    head = look.heads[at] if at < len(look.heads) else ""
    if said is None:
        return Row(at=at, head=head, examples=examples, to="ignore")
    within = {"address": said.kind, "opt_out": said.message_class}.get(said.to)
    return Row(
        at=at,
        head=head,
        examples=examples,
        to=f"{said.to}.{within}" if within else said.to,
        kind=said.kind if said.to in ("field", "variable") else "",
        name=said.name,
        choices=", ".join(said.choices),
        currency=said.currency,
        order="jalali" if said.calendar == "jalali" else said.order,
        decimals=said.decimals,
        split=said.split,
        define=said.define,
    )


def targets() -> list[str]:
    """All that a column may be said to be."""
    addresses = [f"address.{kind.value}" for kind in AddressKind]
    return [*PLAIN, *addresses, "field", "variable", *(f"opt_out.{name}" for name in OPT_OUTS)]


def said_in(
    form: Fields[str, str], look: Look, before: Mapping, defined: Fields[str, FieldDefinition]
) -> Mapping:
    """The mapping that a form means. Where a number of its columns is no row of the file, it is left out."""
    columns = [
        _column(form, at, look, defined) for at in range(len(rows(look, before))) if f"to-{at}" in form
    ]
    country = form.get("country", "")
    match = form.get("match_by", "")
    return msgspec.structs.replace(
        before,
        columns=tuple(columns),
        encoding=form.get("encoding", before.encoding),
        delimiter=_sign(form.get("delimiter", before.delimiter)),
        above=_rows_above(form, before.above),
        header={"yes": True, "no": False}.get(form.get("header", ""), before.header),
        sheet=form.get("sheet", before.sheet),
        country=country,
        plus="plus" in form and not country,
        match_by=(match,) if match else (),
        duplicates=_one_of(form, "duplicates", ("update", "skip", "fail")),
        taken=_one_of(form, "taken", ("fail", "move", "leave")),
        empty=_one_of(form, "empty", ("keep", "clear")),
        tags=_one_of(form, "tags", ("add", "replace")),
        add_tags=tags_in(form.get("add_tags", "")),
        listed="listed" in form,
        agreed=_agreed(form),
    )


def _agreed(form: Fields[str, str]) -> Agreed | None:
    """What everybody in the file has agreed to, if somebody says that they have."""
    purpose = form.get("agreed", "")
    if purpose not in PURPOSES:
        return None
    said = {name: form.get(f"agreed-{name}", "").strip() for name in ("channel", "source", "wording", "note")}
    return Agreed(purpose=cast("Any", purpose), **said)


def read_otherwise(form: Fields[str, str], look: Look, before: Mapping) -> Mapping:
    """The mapping when only how the file reads has changed: its columns are guessed anew, and of another
    sheet what stands over them."""
    sheet, first = form.get("sheet", ""), look.sheets[0] if look.sheets else ""
    is_same = (sheet or first) == (before.sheet or first)
    return Mapping(
        encoding=form.get("encoding", ""),
        delimiter=_sign(form.get("delimiter", "")),
        above=_rows_above(form, before.above) if is_same else None,
        header={"yes": True, "no": False}.get(form.get("header", "")),
        sheet=sheet,
        country=form.get("country", before.country),
    )


def _rows_above(form: Fields[str, str], before: int | None) -> int | None:
    text = western(form.get("above", "")).strip()
    return min(int(text), ABOVE_MAX) if text.isascii() and text.isdigit() else before


def _sign(text: str) -> str:
    return TABS.get(text, text)


def _one_of(form: Fields[str, str], name: str, words: tuple[str, ...]) -> Any:
    """A word of the form if it is one of these, else the first, which is the default of a mapping."""
    return form[name] if form.get(name) in words else words[0]


def _column(form: Fields[str, str], at: int, look: Look, defined: Fields[str, FieldDefinition]) -> Column:
    to, _, within = form[f"to-{at}"].partition(".")
    named = form.get(f"name-{at}", "").strip()
    kind, order = form.get(f"kind-{at}", ""), form.get(f"order-{at}", "ymd")
    there = defined.get(named) if to == "field" else None
    if there is not None:
        kind = there.kind.value
    return Column(
        column=_named(look, at),
        to=cast("Any", to),
        kind=within if to == "address" else kind if to in ("field", "variable") else "",
        name=named if to in ("field", "variable") else "",
        define=to == "field" and there is None and f"define-{at}" in form,
        choices=tags_in(form.get(f"choices-{at}", "")) if kind == FieldKind.CHOICE and there is None else (),
        currency=form.get(f"currency-{at}", "").strip().upper()
        if kind == FieldKind.MONEY and there is None
        else "",
        message_class=within if to == "opt_out" else "",
        order=cast('Literal["ymd", "dmy", "mdy"]', order if order in ("ymd", "dmy", "mdy") else "ymd"),
        calendar="jalali" if order == "jalali" else "gregorian",
        decimals="," if form.get(f"decimals-{at}") == "," else ".",
        split=form.get(f"split-{at}", "")[:1],
    )


def _named(look: Look, at: int) -> str | int:
    """By its head where that tells it from the others, else by its position."""
    head = look.heads[at] if at < len(look.heads) else ""
    return head if head and list(look.heads).count(head) == 1 else at + 1
