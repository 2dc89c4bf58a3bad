"""Policy documents as forms: made from the structs of their kinds, and read back. Pure.

A field of a form is named by its path in the document, `rules.0.classes`. What a form sends is put together
as a document and read by the same decoder as the API's, so both take the same and say the same of what is
wrong. Lists of rules grow and shrink by buttons of the form itself, `add` and `drop`, which change nothing
but the form.

Money (`core.values.MONEY`) is a decimal number in a form, in whatever digits somebody writes; `DECIMALS` says
which sign stands before fractions in the language of the form, and the other one is understood where it can
mean nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import inspect

from angarium.contacts.imports import cells
from angarium.core.problems import FieldProblem
from angarium.core.values import MONEY, amount_text

FIELDS_MAX = 900
MICROS = 1_000_000
AMOUNT = re.compile(r"[0-9]+(\.[0-9]+)?")
STEP = re.compile(r"[^.\[\]]+")
DECIMALS = "decimals"
WEEK = [str(day) for day in range(1, 8)]

Sent = Mapping[str, Sequence[str]]  # all values of each name of a form


class Field(msgspec.Struct, frozen=True):
    """One field as a form shows it. `kind`: check, number, money, text, lines, choice, choices, group, list,
    map."""

    path: str
    name: str  # its words are policy_field.<inside>_<name> or policy_field.<name>
    kind: str
    value: Any = None
    options: tuple[str, ...] = ()
    optional: bool = False
    inside: str = ""  # the name of the group it stands in
    parts: tuple[Field, ...] = ()  # of a group; of a list and a map the groups of their rows
    currency: str = ""  # of money, where it is known


def fields_of(document: Any) -> tuple[Field, ...]:
    """The fields of a document, filled."""
    return _struct(inspect.type_info(type(document)), msgspec.to_builtins(_whole(document)), "")


def offering(fields: Iterable[Field], known: Mapping[str, Sequence[str]]) -> tuple[Field, ...]:
    """The same fields; lists of words of which there are only some, by the name of the field, as choices."""
    return tuple(_offering(one, known) for one in fields)


def _offering(one: Field, known: Mapping[str, Sequence[str]]) -> Field:
    if one.kind != "lines" or one.name not in known:
        return msgspec.structs.replace(one, parts=offering(one.parts, known))
    chosen = one.value.splitlines()
    options = [*known[one.name], *(word for word in chosen if word not in known[one.name])]
    return msgspec.structs.replace(one, kind="choices", value=chosen, options=tuple(options))


def _whole(value: Any) -> Any:
    """A document with all its fields, also those that are as they go without saying."""
    if isinstance(value, msgspec.Struct):
        return {
            field.encode_name: _whole(getattr(value, field.name)) for field in msgspec.structs.fields(value)
        }
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_whole(one) for one in value]
    return value


def _struct(kind: Any, values: Mapping[str, Any], path: str, inside: str = "") -> tuple[Field, ...]:
    found = (
        _field(field.type, values.get(field.encode_name), _under(path, field.encode_name), field.encode_name)
        for field in kind.fields
    )
    currency = str(values.get("currency") or "")
    return tuple(
        msgspec.structs.replace(one, inside=inside, currency=currency if one.kind == "money" else "")
        for one in found
    )


def _under(path: str, step: object) -> str:
    return f"{path}.{step}" if path else str(step)


def _plain(kind: Any) -> tuple[Any, bool]:
    """What a type is besides None, and whether it may be None."""
    if isinstance(kind, inspect.Metadata):
        return _plain(kind.type)
    if isinstance(kind, inspect.UnionType):
        (one,) = (_plain(each)[0] for each in kind.types if not isinstance(each, inspect.NoneType))
        return one, True
    return kind, False


def _is_money(kind: Any) -> bool:
    return isinstance(kind, inspect.Metadata) and kind.extra == MONEY


def _options(kind: Any) -> tuple[str, ...]:
    """The words that a type allows; none when it allows more than words."""
    if isinstance(kind, inspect.EnumType):
        return tuple(str(one.value) for one in kind.cls)
    return tuple(map(str, kind.values)) if isinstance(kind, inspect.LiteralType) else ()


def _items(kind: Any) -> Any:
    return _plain(kind.item_type)[0]


def _field(kind: Any, value: Any, path: str, name: str) -> Field:
    is_money, (kind, optional) = _is_money(kind), _plain(kind)
    if is_money:
        shown = amount_text(value) if isinstance(value, int) else str(value or "")
        return Field(path, name, "money", shown, optional=optional)
    options = _options(kind)
    if options:
        return Field(path, name, "choice", value if value is not None else "", options, optional)
    match kind:
        case inspect.BoolType():
            return Field(path, name, "check", bool(value))
        case inspect.IntType() | inspect.FloatType():
            return Field(path, name, "number", value, optional=optional)
        case inspect.StructType():
            return Field(path, name, "group", parts=_struct(kind, value or {}, path, name))
        case inspect.VarTupleType() | inspect.ListType():
            return _sequence(_items(kind), value or [], path, name)
        case inspect.DictType():
            return _map(kind, value or {}, path, name)
    return Field(path, name, "text", "" if value is None else str(value), optional=optional)


def _sequence(item: Any, values: Sequence[Any], path: str, name: str) -> Field:
    if isinstance(item, inspect.StructType):
        rows = tuple(
            Field(_under(path, at), name, "group", parts=_struct(item, one, _under(path, at)))
            for at, one in enumerate(values)
        )
        return Field(path, name, "list", parts=rows)
    options = _options(item) or (tuple(WEEK) if isinstance(item, inspect.IntType) else ())
    if options:
        return Field(path, name, "choices", [str(one) for one in values], options)
    return Field(path, name, "lines", "\n".join(map(str, values)))


def _map(kind: Any, values: Mapping[str, Any], path: str, name: str) -> Field:
    """By words there are a field for each; by any text rows of a key and what stands under it."""
    key, under = _plain(kind.key_type)[0], kind.value_type
    if options := _options(key):
        parts = tuple(
            msgspec.structs.replace(_field(under, values.get(one), _under(path, one), one), optional=True)
            for one in options
        )
        return Field(path, name, "group", parts=parts)
    rows = tuple(
        Field(
            _under(path, at),
            name,
            "group",
            parts=(
                Field(f"{path}.{at}.key", f"{name}_key", "text", one),
                _under_key(_field(under, value, f"{path}.{at}.value", f"{name}_value"), one),
            ),
        )
        for at, (one, value) in enumerate(values.items())
    )
    return Field(path, name, "map", parts=rows)


def _under_key(field: Field, key: str) -> Field:
    """What stands under a key; money under its currency."""
    return msgspec.structs.replace(field, currency=key) if field.kind == "money" else field


def suggesting(fields: Iterable[Field], words: Mapping[str, str]) -> tuple[Field, ...]:
    """The same fields; those of these names that are empty, with what somebody most likely writes there."""
    return tuple(
        msgspec.structs.replace(
            one, value=one.value or words.get(one.name, one.value), parts=suggesting(one.parts, words)
        )
        for one in fields
    )


# ── what a form sends ────────────────────────────────────────────────────────────────────────────────


def read(document_type: type[Any], sent: Sent) -> dict[str, Any]:
    """The document that a form describes, to be read by the decoder of its kind."""
    found: dict[str, Any] = _read_struct(inspect.type_info(document_type), sent, "")
    return found


def _read_struct(kind: Any, sent: Sent, path: str) -> dict[str, Any]:
    told = {}
    for field in kind.fields:
        value = _read(field.type, sent, _under(path, field.encode_name))
        if value is not None:
            told[field.encode_name] = value
    return told


def _read(kind: Any, sent: Sent, path: str) -> Any:
    is_money, (kind, optional) = _is_money(kind), _plain(kind)
    given = sent.get(path, ())
    text = given[0].strip() if given else ""
    if is_money:
        return _money(text, sent, in_micros=isinstance(kind, inspect.IntType)) if text else None
    match kind:
        case inspect.BoolType():
            return bool(given)
        case inspect.IntType() | inspect.FloatType():
            return _number(text) if text else None
        case inspect.StructType():
            return _read_struct(kind, sent, path)
        case inspect.VarTupleType() | inspect.ListType():
            return _read_sequence(_items(kind), sent, path)
        case inspect.DictType():
            return _read_map(kind, sent, path)
    return None if not text and (optional or _options(kind)) else text


def _money(text: str, sent: Sent, *, in_micros: bool) -> Any:
    """An amount as the document keeps it; what is none stays text, and the decoder says so."""
    own: cells.Decimals = "," if sent.get(DECIMALS) == [","] else "."
    for decimals in (own, *_other(own)):
        try:
            amount = cells.exact(text, decimals)
        except cells.BadCell:
            continue
        if in_micros and amount * MICROS == int(amount * MICROS):
            return int(amount * MICROS)
        return text if in_micros else f"{amount:f}"
    return text


def _other(decimals: cells.Decimals) -> tuple[cells.Decimals, ...]:
    return (".",) if decimals == "," else (",",)


def _number(text: str) -> Any:
    """A number as JSON has it; what is none stays text, and the decoder says so."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _read_sequence(item: Any, sent: Sent, path: str) -> list[Any]:
    if isinstance(item, inspect.StructType):
        return [_read_struct(item, sent, _under(path, at)) for at in _rows(sent, path)]
    if _options(item):
        return list(sent.get(path, ()))
    if isinstance(item, inspect.IntType):
        return [_number(one) for one in sent.get(path, ())]
    lines = "\n".join(sent.get(path, ())).splitlines()
    return [line.strip() for line in lines if line.strip()]


def _read_map(kind: Any, sent: Sent, path: str) -> dict[str, Any]:
    key, under = _plain(kind.key_type)[0], kind.value_type
    if options := _options(key):
        pairs = [(one, _read(under, sent, _under(path, one))) for one in options]
    else:
        pairs = [
            ((sent.get(f"{path}.{at}.key") or [""])[0].strip(), _read(under, sent, f"{path}.{at}.value"))
            for at in _rows(sent, path)
        ]
    return {name: value for name, value in pairs if value is not None}


def _rows(sent: Sent, path: str) -> list[int]:
    """The numbers of the rows that a form has under a list, in order."""
    begin = f"{path}."
    found = {name[len(begin) :].partition(".")[0] for name in sent if name.startswith(begin)}
    return sorted(int(one) for one in found if one.isdigit() and len(one) < 5)


def resized(document_type: type[Any], told: dict[str, Any], add: str, drop: str) -> tuple[Field, ...]:
    """The fields of what a form describes, right or wrong, with a row more or a row less."""
    kind = inspect.type_info(document_type)
    if add and isinstance(rows := _at(told, add), list):
        rows.append(_row_of(kind, add))
    elif add and isinstance(rows, dict):
        rows.setdefault("", None)
    path, _, number = drop.rpartition(".")
    rows = _at(told, path) if path else None
    if isinstance(rows, list) and number.isdigit() and int(number) < len(rows):
        del rows[int(number)]
    elif isinstance(rows, dict) and number.isdigit() and int(number) < len(rows):
        del rows[list(rows)[int(number)]]
    return _struct(kind, told, "")


def _at(told: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(told, dict):
            told = told.get(step)
        elif isinstance(told, list) and step.isdigit() and int(step) < len(told):
            told = told[int(step)]
        else:
            return None
    return told


def _row_of(kind: Any, path: str) -> dict[str, Any]:
    """A new row with what goes without saying in it."""
    for step in path.split("."):
        if isinstance(kind, inspect.StructType):
            kind = _plain(next(one.type for one in kind.fields if one.encode_name == step))[0]
        if isinstance(kind, (inspect.VarTupleType, inspect.ListType)):
            kind = _items(kind)
    filled = {}
    for field in kind.fields if isinstance(kind, inspect.StructType) else ():
        if field.default is not msgspec.NODEFAULT:
            filled[field.encode_name] = msgspec.to_builtins(_whole(field.default))
    return filled


def placed(errors: Iterable[FieldProblem], fields: Iterable[Field]) -> dict[str, str]:
    """What is wrong, by the paths of fields. What a document says of one of its rules names the field alone:
    it is found by its name and its value."""
    leaves, found = list(_leaves(fields)), {}
    rows = [row for one in leaves if one.kind == "map" for row in one.parts]
    # the decoder names no key: it is the row whose amount is none
    under = {f"{row.path.rpartition('.')[0]}.*": row.parts[1].path for row in rows if _is_none(row.parts[1])}
    for error in errors:
        path, words = path_of(error.field), ": ".join(filter(None, (error.problem, error.remedy)))
        name = path.rpartition(".")[2]
        path = under.get(path, path)
        same = [one.path for one in leaves if one.name == name and _holds(one.value, error.value)]
        for place in [path] if any(one.path == path for one in leaves) else same:
            found[place] = words
    return found


def plainly(errors: Iterable[FieldProblem], fields: Iterable[Field]) -> tuple[FieldProblem, ...]:
    """The same; what the decoder says of an amount that is none, in words for people."""
    money = {one.path for one in _leaves(fields) if one.kind == "money"}
    return tuple(
        msgspec.structs.replace(error, problem="is no amount of money", remedy="such as 250 or 99.50")
        if placed([error], fields).keys() & money
        else error
        for error in errors
    )


def _is_none(field: Field) -> bool:
    """Whether money is no amount."""
    return field.kind == "money" and AMOUNT.fullmatch(field.value) is None


def _leaves(fields: Iterable[Field]) -> Iterator[Field]:
    for one in fields:
        yield one
        yield from _leaves(one.parts)


def _holds(value: Any, text: str) -> bool:
    return text in value if isinstance(value, list) else text in str(value).split("\n")


def path_of(field: str) -> str:
    """`rules[0].from`, as a problem names a field, as a form does: `rules.0.from`."""
    return ".".join(STEP.findall(field))
