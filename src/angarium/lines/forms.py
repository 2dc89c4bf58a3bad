"""The form of a line: made of the settings of its channel, and read back into the line it asks for. Pure.

A form sends text and leaves out the boxes that are not ticked. A secret is never put into a form: an empty
field keeps the one that is there.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

import msgspec
from msgspec import inspect

from angarium.core.isolating import isolated
from angarium.core.ports import Channel, secret_fields
from angarium.core.values import Json
from angarium.lines.store import Line

UNDER = "settings."  # before the names of the channel's own settings
CLEARED = "cleared"  # the boxes that take a secret away
DAYS = tuple(range(1, 8))  # Monday to Sunday


class Kind(StrEnum):
    """How a setting is asked for."""

    TEXT = "text"
    LONG = "long"
    NUMBER = "number"
    SWITCH = "switch"
    CHOICE = "choice"
    SECRET = "secret"  # noqa: S105  a kind of field, not one


class SettingField(msgspec.Struct, frozen=True, kw_only=True):
    """One setting of a channel as a field of a form."""

    name: str
    title: str
    hint: str
    kind: Kind
    required: bool
    usual: str = ""  # what it is when nothing is said
    choices: tuple[str, ...] = ()
    max_chars: int = 2_000
    told: tuple[tuple[str, str], ...] = ()  # what each choice comes to, where its name does not say it
    lines: int = 0  # of a long one that is written as code is
    value: str = ""
    is_set: bool = False  # a secret that is there

    @property
    def field(self) -> str:
        """Its name in the form, and in what is wrong with it."""
        return UNDER + self.name

    @property
    def on(self) -> bool:
        """Whether the box of a switch is ticked."""
        return self.value in ("true", "on")

    @property
    def may_hold_secrets(self) -> bool:
        """Whether somebody may write a secret into it that is not asked for as one."""
        return self.name == "headers"

    @property
    def options(self) -> list[tuple[str, str]]:
        """What can be chosen; the provider's own words."""
        return [(one, one) for one in self.choices]


def fields_of(channel: Channel, kept: Mapping[str, object] | None = None) -> list[SettingField]:
    """The settings of a channel in order; `kept` are those of a line."""
    told = inspect.type_info(channel.settings)
    assert isinstance(told, inspect.StructType)
    secrets = secret_fields(channel.settings)
    return [_field(one, one.encode_name in secrets, kept) for one in told.fields]


def _field(one: inspect.Field, secret: bool, kept: Mapping[str, object] | None) -> SettingField:
    plain, notes = _unwrapped(one.type)
    usual = "" if one.required or secret else _text(one.default)
    value = _text(kept.get(one.encode_name, "")) if kept is not None else usual
    return SettingField(
        name=one.encode_name,
        title=str(notes.get("title") or one.encode_name),
        hint=str(notes.get("description") or ""),
        kind=Kind.SECRET if secret else _asked_as(plain, notes, one.encode_name),
        required=one.required,
        usual=usual,
        choices=tuple(_text(value) for value in notes.get("choices") or _choices(one, plain)),
        told=tuple(notes.get("told", {}).items()),
        max_chars=getattr(plain, "max_length", None) or 2_000,
        lines=int(notes.get("lines", 0)),
        value="" if secret else value,
        is_set=secret and bool(value),
    )


def _unwrapped(kind: inspect.Type) -> tuple[inspect.Type, Mapping[str, Any]]:
    """The type under its notes, and under "or nothing"; and what the notes say of it."""
    notes: Mapping[str, Any] = {}
    while isinstance(kind, inspect.Metadata | inspect.UnionType):
        if isinstance(kind, inspect.Metadata):
            notes = {**(kind.extra_json_schema or {}), **(kind.extra or {}), **notes}
            kind = kind.type
        else:
            kind = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
    return kind, notes


def _choices(one: inspect.Field, plain: inspect.Type) -> tuple[object, ...]:
    """The values there are; first none, where nothing need be chosen."""
    values = tuple(getattr(plain, "values", ()))
    return (None, *values) if values and one.default is None else values


def _asked_as(plain: inspect.Type, notes: Mapping[str, Any], name: str) -> Kind:
    if "choices" in notes:
        return Kind.CHOICE
    return Kind.LONG if "lines" in notes else _kind(plain, name)


def _kind(plain: inspect.Type, name: str) -> Kind:
    match plain:
        case inspect.BoolType():
            return Kind.SWITCH
        case inspect.LiteralType():
            return Kind.CHOICE
        case inspect.IntType() | inspect.FloatType():
            return Kind.NUMBER
        case inspect.DictType() | inspect.ListType() | inspect.VarTupleType() | inspect.StructType():
            return Kind.LONG
        case _:
            return Kind.LONG if name.endswith("_ca") else Kind.TEXT


def _text(value: object) -> str:
    """A setting as a form shows it; what is no single value as JSON."""
    if value is None or value is msgspec.NODEFAULT:
        return ""
    if isinstance(value, bool):
        return "true" if value else ""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return msgspec.json.encode(value).decode() if value else ""


@cache
def translations() -> Mapping[str, Mapping[str, tuple[str, str]]]:
    """What settings are called in other languages, and what each is for: by language, then `smpp.host`."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    shared = resources.files("angarium.lines").joinpath("settings_words.toml")
    own = resources.files("angarium.channels").joinpath("words").iterdir()
    for kind, file in [("*", shared), *((one.name.removesuffix(".toml"), one) for one in own)]:
        words = msgspec.convert(tomllib.loads(file.read_text("utf-8")), dict[str, dict[str, tuple[str, str]]])
        for language, said in words.items():
            named = found.setdefault(language, {})
            named.update(
                {f"{kind}.{name}": (isolated(one[0]), isolated(one[1])) for name, one in said.items()}
            )
    return found


def said_in(language: str, channel: str, field: SettingField) -> SettingField:
    """A setting in a language; as its channel says it where nobody has translated that."""
    words = translations().get(language, {})
    found = words.get(f"{channel}.{field.name}") or words.get(f"*.{field.name}")
    return msgspec.structs.replace(field, title=found[0], hint=found[1]) if found else field


# ── back ─────────────────────────────────────────────────────────────────────────────────────────────


def settings_in(channel: Channel, form: Mapping[str, str], cleared: Sequence[str] = ()) -> Json:
    """The settings that a form says: an empty field says nothing, so that the usual value holds."""
    told = inspect.type_info(channel.settings)
    assert isinstance(told, inspect.StructType)
    secrets = secret_fields(channel.settings)
    found: Json = {}
    for one in told.fields:
        plain, _ = _unwrapped(one.type)
        text = form.get(UNDER + one.encode_name, "").strip()
        if one.encode_name in secrets and one.encode_name in cleared:
            found[one.encode_name] = ""
        elif isinstance(plain, inspect.BoolType):
            found[one.encode_name] = bool(text)
        elif text:
            found[one.encode_name] = _value(plain, text)
    return found


def _value(plain: inspect.Type, text: str) -> object:
    """What a text stands for; the text itself where it is nothing of the kind, and is refused as such."""
    if isinstance(plain, inspect.LiteralType):
        return next((value for value in plain.values if _text(value) == text), text)
    if isinstance(plain, inspect.DictType | inspect.ListType | inspect.VarTupleType | inspect.StructType):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text


def line_in(
    channel: Channel, form: Mapping[str, str], lists: Mapping[str, Sequence[str]], before: Line | None = None
) -> Json:
    """A line as a form describes it, as the API takes it. `lists`: what is ticked, by the boxes' name."""
    told: Json = {
        "name": form.get("name", "").strip(),
        "channel": channel.kind,
        "settings": settings_in(channel, form, lists.get(CLEARED, ())),
        "classes": list(lists.get("classes", ())),
        "patterned": list(lists.get("patterned", ())),
        "requirement": form.get("requirement", ""),
        "registration": "approved" if form.get("declared") else "",
        "enabled": bool(form.get("enabled")) if before is not None else True,
        "speed_per_s": _number(form.get("speed_per_s", "") or "0"),
        "window": _number(form.get("window", "") or "10"),
        "price": form.get("price", "").strip() or "0",
        "price_per": form.get("price_per", "") or channel.capabilities.priced_by,
        "currency": form.get("currency", "").strip().upper() or "EUR",
        "tariff": form.get("tariff", ""),
        "weight": _number(form.get("weight", "") or "1"),
        "only_to": _words(form.get("only_to", "")),
        "never_to": _words(form.get("never_to", "")),
    }
    hours = _hours(form, lists)
    return told | ({"hours": hours} if hours else {})


def _hours(form: Mapping[str, str], lists: Mapping[str, Sequence[str]]) -> Json:
    """The hours; none where nobody said from when until when."""
    from_, until = form.get("hours_from", "").strip(), form.get("hours_until", "").strip()
    if not from_ and not until:
        return {}
    days = [int(day) for day in lists.get("hours_days", ()) if day.isascii() and day.isdigit()]
    return {
        "from": from_ or "00:00",
        "until": until or "24:00",
        "days": days or list(DAYS),
        "zone": form.get("hours_zone", "").strip() or "contact",
        "classes": list(lists.get("hours_classes", ())) or ["promotional"],
    }


def _number(text: str) -> object:
    """A number as JSON has it; what is none stays text, and is refused as such."""
    try:
        value = float(text)
    except ValueError:
        return text
    if not math.isfinite(value):
        return text
    return int(value) if value == int(value) else value


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.replace(",", "\n").replace(";", "\n").splitlines() if word.strip()]


def as_form(line: Line, price: str) -> dict[str, str]:
    """The fields of a line's form but for its channel's own settings."""
    hours = line.hours
    return {
        "name": line.name,
        "requirement": line.requirement,
        "enabled": "on" if line.enabled else "",
        "speed_per_s": f"{line.speed_per_s:g}",
        "window": str(line.window_max),
        "price": price,
        "price_per": line.price_per,
        "currency": line.currency,
        "tariff": line.tariff,
        "weight": str(line.weight),
        "only_to": "\n".join(line.only_to),
        "never_to": "\n".join(line.never_to),
        "hours_from": hours.from_ if hours else "",
        "hours_until": hours.until if hours else "",
        "hours_zone": hours.zone if hours else "contact",
    }


def lists_of(line: Line) -> dict[str, list[str]]:
    """What is ticked in a line's form."""
    hours = line.hours
    return {
        "classes": sorted(line.classes),
        "patterned": sorted(line.patterned),
        "hours_days": [str(day) for day in (hours.days if hours else DAYS)],
        "hours_classes": list(hours.classes) if hours else ["promotional"],
    }
