"""The exam of every channel in the folder: what its file, its page, its tests and functions must be."""

from __future__ import annotations

import json
import os
import re
from calendar import month_name
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass
from importlib import import_module
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angarium import channels
from angarium.channels import kit
from angarium.core.ports import Channel, Event, Raw, Receipt, secret_fields
from angarium.core.problems import Problem
from angarium.core.values import Button, Content, ReceiptStatus

ROOT = Path(__file__).parents[2]
TIMES = 4 if os.environ.get("ANGARIUM_TEST_DATABASES") == "all" else 1  # as many examples, of each channel
CHANNELS = channels.load()
SECTIONS = ("Credentials", "Capabilities", "Limits", "Quirks", "Errors", "Source and date")
MONTH = re.compile(r"\b(" + "|".join(month_name[1:]) + r") 20\d\d\b")
SECRET_NAMES = re.compile(r"secret|password|token|(^|_)key($|_)")

SCRIPTS = {
    "Latin": "Your order is ready",
    "Persian": "سفارش شما آماده است",
    "Arabic": "طلبك جاهز",
    "Ukrainian": "Ваше замовлення готове",
    "Russian": "Ваш заказ готов",
    "Chinese": "您的订单已准备好",
    "emoji": "👩‍👩‍👧‍👦🇺🇦",
}

every_channel = pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS.keys())


def tables_of(channel: Channel) -> ModuleType:
    """The test module of a channel; it must have both tables."""
    return import_module(f"channels.test_{channel.kind}")


def some_settings(channel: Channel) -> Any:
    """The settings of the channel's own tests, if they are named SETTINGS; else the first that are valid."""
    with suppress(ImportError, AttributeError, TypeError, Problem):
        return kit.decode_settings(channel, tables_of(channel).SETTINGS)
    candidates = ("1", "a", "a@a.example", "https://a.example", 1, True)
    required = [field for field in msgspec.structs.fields(channel.settings) if field.required]
    fitting = [[value for value in candidates if fits(value, field.type)] for field in required]
    for values in product(*fitting):
        chosen = {field.encode_name: value for field, value in zip(required, values, strict=True)}
        with suppress(Problem):
            return kit.decode_settings(channel, chosen)
    raise AssertionError(f"give the exam a value that {channel.kind} takes")


def fits(value: object, kind: Any) -> bool:
    try:
        msgspec.convert(value, type=kind, strict=False)
    except msgspec.ValidationError:
        return False
    return True


# ── the three files ──────────────────────────────────────────────────────────────────────────────────


def test_the_folder_is_not_empty() -> None:
    assert {"viber_business", "vk_notify", "whatsapp_cloud"} <= CHANNELS.keys()


@every_channel
def test_a_channel_is_named_as_its_file(channel: Channel) -> None:
    assert import_module(f"angarium.channels.{channel.kind}").CHANNEL is channel
    assert CHANNELS[channel.kind] is channel
    assert channel.title.strip()


@every_channel
def test_a_channel_has_its_page(channel: Channel) -> None:
    page = (ROOT / "docs" / "channels" / f"{channel.kind}.md").read_text()
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert [heading for heading in headings if heading in SECTIONS] == list(SECTIONS)
    for field in msgspec.structs.fields(channel.settings):
        assert f"`{field.encode_name}`" in page, "every setting is on the page"
    said = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert re.search(r"^1\. .+?^2\. ", said["Credentials"], re.MULTILINE | re.DOTALL), "step by step"
    assert re.search(r"^\|[-| ]+\|$", said["Errors"], re.MULTILINE), "a table of errors"
    assert MONTH.search(said["Source and date"]), "when the facts were read: the month and the year"
    assert all(len(said[section].strip()) > 20 for section in SECTIONS)


@every_channel
def test_a_channel_has_its_tables(channel: Channel) -> None:
    tests = tables_of(channel)
    assert len(tests.SEND_CASES) > 0
    assert len(tests.CALLBACK_CASES) > 0


# ── its settings ─────────────────────────────────────────────────────────────────────────────────────


@every_channel
def test_every_setting_is_explained(channel: Channel) -> None:
    for field in msgspec.inspect.type_info(channel.settings).fields:
        words = getattr(field.type, "extra_json_schema", None) or {}
        assert words.get("title"), field.name
        assert words.get("description"), field.name


@every_channel
def test_what_sounds_like_a_secret_is_marked(channel: Channel) -> None:
    names = {field.encode_name for field in msgspec.structs.fields(channel.settings)}
    assert {name for name in names if SECRET_NAMES.search(name)} <= secret_fields(channel.settings)


@every_channel
def test_every_wrong_setting_is_named(channel: Channel) -> None:
    names = [field.encode_name for field in msgspec.structs.fields(channel.settings)]
    wrong = {name: [{"nested": "hunter2"}] for name in names} | {"no_such_setting": "hunter2"}
    with pytest.raises(Problem) as problem:
        kit.decode_settings(channel, wrong)
    told = {field.field: field for field in problem.value.fields}
    assert told.keys() == wrong.keys()
    for name in secret_fields(channel.settings) | {"no_such_setting"}:
        assert "hunter2" not in told[name].value
    assert all(field.problem and (field.remedy or field.value) for field in told.values())


@every_channel
def test_a_setting_that_is_missing_is_named(channel: Channel) -> None:
    required = {field.encode_name for field in msgspec.structs.fields(channel.settings) if field.required}
    if not required:
        assert kit.decode_settings(channel, {}) == channel.settings()
        return
    with pytest.raises(Problem) as problem:
        kit.decode_settings(channel, {})
    assert {field.field for field in problem.value.fields} == required


# ── what it carries ──────────────────────────────────────────────────────────────────────────────────


@every_channel
@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_any_script_is_measured(channel: Channel, text: str) -> None:
    measure = channel.measure(some_settings(channel), Content(text=text))
    assert measure.parts == 1
    assert measure.units > 0
    assert measure.encoding


@every_channel
def test_what_it_cannot_carry_is_refused_by_name(channel: Channel) -> None:
    able = channel.capabilities
    button = Button("Open", "https://a.example")
    beyond = {"buttons": Content(text="x", buttons=(button,) * (able.buttons_max + 1))}
    if able.text_max is not None:
        beyond["text"] = Content(text="x" * (able.text_max + 1))
    if not able.images:
        beyond["image_url"] = Content(text="x", image_url="https://a.example/x.png")
    if not able.html:
        beyond["html"] = Content(text="x", html="<p>x</p>")
    for field, content in beyond.items():
        found = {problem.field: problem for problem in channel.lint(some_settings(channel), content)}
        assert field in found, f"{channel.kind} took {field} it cannot carry"
        assert found[field].problem
        assert found[field].remedy


@every_channel
def test_its_capabilities_make_sense(channel: Channel) -> None:
    able = channel.capabilities
    assert able.classes
    assert able.priced_by in ("message", "part")
    if able.native_ttl_s is not None:
        assert 0 < able.native_ttl_s[0] < able.native_ttl_s[1]
    if ReceiptStatus.READ in able.receipts:
        assert ReceiptStatus.DELIVERED in able.receipts


# ── what it hears ────────────────────────────────────────────────────────────────────────────────────


def raws(found: Any) -> Iterator[Raw]:
    """Every Raw anywhere in a table, however its cases are written."""
    if isinstance(found, Raw):
        yield found
    elif isinstance(found, list | tuple):
        for each in found:
            yield from raws(each)
    elif isinstance(found, dict):
        yield from raws(list(found.values()))
    elif is_dataclass(found):
        yield from raws([getattr(found, field.name) for field in fields(found)])
    elif isinstance(found, msgspec.Struct):
        yield from raws([getattr(found, name) for name in found.__struct_fields__])


def examined(channel: Channel, raw: Raw) -> list[Event]:
    """What a channel hears: always something, twice the same, and fit for a database."""
    given_settings = some_settings(channel)
    heard = channel.parse(given_settings, raw)
    assert heard == channel.parse(given_settings, raw)
    assert all(isinstance(event, Event) for event in heard)
    assert not any("\x00" in text for text in texts(msgspec.to_builtins(heard)))
    assert msgspec.json.encode(heard)
    return heard


def texts(found: Any) -> Iterator[str]:
    """Every text anywhere in what was heard."""
    if isinstance(found, str):
        yield found
    for inner in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        yield from texts(inner)


@every_channel
@given(body=st.binary(max_size=200))
@settings(max_examples=12 * TIMES)
@pytest.mark.parts(2)
def test_any_bytes_are_heard_without_harm(channel: Channel, body: bytes) -> None:
    examined(channel, Raw(body))


@every_channel
@given(data=st.data())
@settings(max_examples=25 * TIMES)
@pytest.mark.parts(2)
def test_a_damaged_callback_is_heard_without_harm(channel: Channel, data: st.DataObject) -> None:
    captured = list(raws(tables_of(channel).CALLBACK_CASES))
    raw = data.draw(st.sampled_from(captured))
    start = data.draw(st.integers(0, len(raw.body)))
    end = data.draw(st.integers(start, min(start + 8, len(raw.body))))
    body = raw.body[:start] + data.draw(st.binary(max_size=8)) + raw.body[end:]
    examined(channel, msgspec.structs.replace(raw, body=body))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=4,
)


def planted(document: Any, path: list[Any], value: Any) -> Any:
    """The document with another value at a path."""
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = planted(document[path[0]], path[1:], value)
    return copy


def paths(document: Any) -> Iterator[list[Any]]:
    """Every path in a JSON document."""
    yield []
    inside = dict(enumerate(document)) if isinstance(document, list) else document
    for name, inner in inside.items() if isinstance(inside, dict) else ():
        yield from ([name, *rest] for rest in paths(inner))


def documents(channel: Channel) -> list[tuple[Raw, Any]]:
    """The captured callbacks that are JSON; an empty object for a channel that has none."""
    found = []
    for raw in raws(tables_of(channel).CALLBACK_CASES):
        with suppress(ValueError):
            found.append((raw, json.loads(raw.body)))
    return found or [(Raw(b"{}"), {})]


@every_channel
@given(data=st.data())
@settings(max_examples=40 * TIMES)
@pytest.mark.parts(2)
def test_a_callback_of_another_shape_is_heard_without_harm(channel: Channel, data: st.DataObject) -> None:
    raw, document = data.draw(st.sampled_from(documents(channel)))
    path = data.draw(st.sampled_from(list(paths(document))))
    body = json.dumps(planted(document, path, data.draw(JSON))).encode()
    examined(channel, msgspec.structs.replace(raw, body=body))


@every_channel
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"message_id":' + b"9" * 5_000 + b',"status":1}',
        b"\x00" * 100,
        b"\xff\xfe" * 100,
    ],
    ids=[
        "empty",
        "null",
        "empty array",
        "empty object",
        "deep array",
        "deep object",
        "huge number",
        "NULs",
        "not UTF-8",
    ],
)
def test_what_means_nothing_is_kept_as_unreadable(channel: Channel, body: bytes) -> None:
    heard = examined(channel, Raw(body))
    assert heard
    assert not any(isinstance(event, Receipt) for event in heard)


@every_channel
def test_a_challenge_is_answered_only_when_there_is_one(channel: Channel) -> None:
    assert channel.challenge(some_settings(channel), Raw(b"{}")) is None
