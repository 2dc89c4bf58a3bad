"""A template as a form has it: read from fields, changed by buttons, made of a version and back. Pure.

A wording is the fields `v0.channel`, `v0.text`, `v0.b0.label` and so on, in the order of their numbers. What
somebody typed is kept as it is, however wrong: only `variants` tells what cannot be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from angarium.content import rules
from angarium.content.liquid import TemplateSyntax
from angarium.content.origins import Origin
from angarium.content.rules import ANY, Variant
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import WITHOUT_URL, Button, ButtonKind, Content, Json, Media, MessageClass

WORDINGS_MAX = 60  # that a form can hold: of more, the API is the better tool
BUTTONS_MAX = 10
FIELD = re.compile(r"v(\d{1,3})\.(?:b(\d{1,2})\.)?([a-z_]+)")
PLAIN = (
    "channel",
    "locale",
    "text",
    "subject",
    "html",
    "layout",
    "picture",
    "media",
    "template",
    "template_language",
    "params",
)
VALUES = '{\n  "contact": {"name": "Narges"}\n}'
EXAMPLES = (  # what a variable is likely to be, by a piece of its name
    ("email", "narges@example.com"),
    ("url", "https://shop.example/t/4512"),
    ("link", "https://shop.example/t/4512"),
    ("phone", "+989121234567"),
    ("date", "2026-12-01"),
    ("day", "2026-12-01"),
    ("time", "2026-12-01T10:00:00Z"),
    ("code", "48151"),
    ("amount", "125.50"),
    ("price", "125.50"),
    ("total", "125.50"),
    ("sum", "125.50"),
    ("count", "2"),
    ("number", "4512"),
    ("order", "4512"),
    ("id", "4512"),
    ("name", "Narges"),
    ("city", "Tehran"),
)


class DraftButton(msgspec.Struct):
    """A button as it is typed."""

    kind: str = "link"
    label: str = ""
    url: str = ""


class DraftWording(msgspec.Struct):
    """A wording as it is typed: sources of fields, names of files and parts."""

    channel: str = ANY
    locale: str = ANY
    text: str = ""
    subject: str = ""
    html: str = ""
    layout: str = ""
    picture: str = ""
    media: str = ""
    template: str = ""
    template_language: str = ""
    params: str = ""  # a line `name = value` for each
    buttons: list[DraftButton] = []


class Draft(msgspec.Struct):
    """A template as it is typed."""

    name: str = ""
    message_class: str = MessageClass.SERVICE.value
    default_locale: str = ""
    note: str = ""
    based_on: str = ""  # the number of the version that was opened
    sample: str = "usual"  # the name of the test data
    values: str = VALUES  # of the test data, as JSON
    contact: str = ""  # whoever it is shown for
    wordings: list[DraftWording] = []


# ── from a form ──────────────────────────────────────────────────────────────────────────────────────


def read(fields: Sequence[tuple[str, str]]) -> Draft:
    """What the fields of a form say."""
    draft = Draft(values="")
    by_place: dict[int, DraftWording] = {}
    buttons: dict[int, dict[int, DraftButton]] = {}
    for name, given in fields:
        text = given.replace("\r\n", "\n")
        found = FIELD.fullmatch(name)
        if found is None:
            _set_plain(draft, name, text)
            continue
        wording = by_place.setdefault(int(found[1]), DraftWording(buttons=[]))
        if found[2] is None:
            if found[3] in PLAIN:
                setattr(wording, found[3], text)
        elif found[3] in ("kind", "label", "url"):
            button = buttons.setdefault(int(found[1]), {}).setdefault(int(found[2]), DraftButton())
            setattr(button, found[3], text)
    for place, own in buttons.items():
        by_place[place].buttons = [own[number] for number in sorted(own)][:BUTTONS_MAX]
    draft.wordings = [by_place[place] for place in sorted(by_place)][:WORDINGS_MAX]
    return draft


def _set_plain(draft: Draft, name: str, text: str) -> None:
    known = {"class": "message_class"}
    field = known.get(name, name)
    if field in Draft.__struct_fields__ and field != "wordings":
        setattr(draft, field, text)


# ── from a version ───────────────────────────────────────────────────────────────────────────────────


def of_version(name: str, message_class: str, default_locale: str, variants: Sequence[Variant]) -> Draft:
    """A version to be changed: every wording by its sources."""
    return Draft(
        name=name,
        message_class=message_class,
        default_locale=default_locale,
        wordings=[of_variant(one) for one in variants],
    )


def of_variant(variant: Variant) -> DraftWording:
    """A wording by what it was written as."""
    content, origin = variant.content, variant.origin
    written = isinstance(origin, Origin)
    return DraftWording(
        channel=variant.channel,
        locale=variant.locale,
        text=origin.text if isinstance(origin, Origin) else content.text,
        subject=content.subject,
        html=(origin.mjml or origin.html) if isinstance(origin, Origin) else content.html,
        layout=origin.layout if isinstance(origin, Origin) and written else "",
        picture=content.image_url,
        media=content.media.id if content.media else "",
        template=content.template,
        template_language=content.template_language,
        params="\n".join(f"{name} = {source}" for name, source in content.params.items()),
        buttons=[DraftButton(one.kind.value, one.label, one.url) for one in content.buttons],
    )


# ── to variants ──────────────────────────────────────────────────────────────────────────────────────


def variants(draft: Draft) -> tuple[Variant, ...]:
    """The wordings as they are saved, before parts and files are looked up."""
    return tuple(variant_of(one) for one in draft.wordings)


def variant_of(one: DraftWording) -> Variant:
    """One wording; a button without label and address is none."""
    content = Content(
        text=one.text,
        subject=one.subject.strip(),
        html=one.html if one.html.strip() else "",
        image_url=one.picture.strip(),
        buttons=tuple(
            _button(button) for button in one.buttons if button.label.strip() or button.url.strip()
        ),
        template=one.template.strip(),
        template_language=one.template_language.strip(),
        params=dict(_params(one.params)),
        media=Media(one.media.strip()) if one.media.strip() else None,
    )
    origin = Origin(layout=one.layout) if one.layout and content.html else UNSET
    return Variant(content, one.channel.strip() or ANY, one.locale.strip() or ANY, origin)


def _button(one: DraftButton) -> Button:
    kind = ButtonKind(one.kind) if one.kind in set(ButtonKind) else ButtonKind.LINK
    url = "" if kind in WITHOUT_URL else one.url.strip()
    if kind is ButtonKind.CALL and url and not url.startswith(("tel:", "{")):
        url = f"tel:{re.sub(r'[ ()-]', '', url)}"
    return Button(one.label.strip(), url, kind)


def _params(text: str) -> Iterator[tuple[str, str]]:
    for line in text.split("\n"):
        name, equals, value = line.partition("=")
        if name.strip() and equals:
            yield name.strip(), value.strip()


def class_of(draft: Draft) -> MessageClass:
    """The class that was chosen; service where it is none."""
    return (
        MessageClass(draft.message_class)
        if draft.message_class in set(MessageClass)
        else MessageClass.SERVICE
    )


# ── test data ────────────────────────────────────────────────────────────────────────────────────────


def values(draft: Draft) -> tuple[Json, FieldProblem | None]:
    """The test data; and what is wrong with it as JSON."""
    if not draft.values.strip():
        return {}, None
    try:
        return msgspec.json.decode(draft.values.encode("utf-8", "replace"), type=Json), None
    except msgspec.DecodeError as error:
        remedy = 'an object such as {"order": "4512"}'
        return {}, FieldProblem("values", f"is not JSON: {error}", remedy, shown(draft.values))


def filled(draft: Draft, names: Sequence[str]) -> str:
    """The test data with an example for each of these names (`order.number`), as JSON."""
    there, _ = values(draft)
    return written(with_examples(there, names))


def written(given: Json) -> str:
    """Test data as it stands in the form."""
    return msgspec.json.format(msgspec.json.encode(given), indent=2).decode()


def examples(found: Sequence[Variant]) -> Json:
    """An example for every name that wordings use."""
    return with_examples({}, sorted(frozenset().union(*map(variables, found)) - {"unsubscribe_url"}))


def with_examples(given: Json, names: Sequence[str]) -> Json:
    """Values with an example for each of these names that has none."""
    whole: dict[str, Any] = dict(given)
    for name in names:
        within = whole
        *path, last = name.split(".")
        for step in path:
            inner = within.get(step)
            within[step] = dict(inner) if isinstance(inner, Mapping) else {}
            within = within[step]
        within.setdefault(last, example(last))
    return whole


def example(name: str) -> str:
    """What a variable of this name is likely to be."""
    lower = name.lower()
    return next((likely for piece, likely in EXAMPLES if piece in lower), name)


def variables(variant: Variant) -> frozenset[str]:
    """The names that a wording uses; none while it cannot be read."""
    try:
        return rules.variables(variant.content)
    except TemplateSyntax:
        return frozenset()


# ── the buttons of the form ──────────────────────────────────────────────────────────────────────────


def pressed(draft: Draft, what: str) -> int | None:
    """Change the wordings by what a button says: `add`, `copy:1`, `remove:1`, `button:1`, `unbutton:1:0`.

    The place of the wording that is to be looked at next; None when it said nothing of the kind.
    """
    verb, *rest = what.split(":")
    places = [int(text) for text in rest if text.isascii() and text.isdigit()]
    if verb == "add" and len(draft.wordings) < WORDINGS_MAX:
        draft.wordings.append(DraftWording(*_free(draft), buttons=[]))
        return len(draft.wordings) - 1
    if not places or places[0] >= len(draft.wordings):
        return None
    return _pressed_at(draft, verb, places)


def _pressed_at(draft: Draft, verb: str, places: list[int]) -> int | None:
    place = places[0]
    wording = draft.wordings[place]
    if verb == "look":  # it is drawn anew: what its channel can do is another thing
        return place
    if verb == "copy" and len(draft.wordings) < WORDINGS_MAX:
        draft.wordings.insert(place + 1, msgspec.json.decode(msgspec.json.encode(wording), type=DraftWording))
        return place + 1
    if verb == "remove":
        del draft.wordings[place]
        return max(place - 1, 0)
    if verb == "button" and len(wording.buttons) < BUTTONS_MAX:
        wording.buttons.append(DraftButton())
        return place
    if verb == "unbutton" and len(places) == 2 and places[1] < len(wording.buttons):
        del wording.buttons[places[1]]
        return place
    return None


def _free(draft: Draft) -> tuple[str, str]:
    """A channel and a locale that have no wording yet: any, or the locale of the first left open."""
    taken = {(one.channel, one.locale) for one in draft.wordings}
    return (ANY, ANY) if (ANY, ANY) not in taken else (draft.wordings[-1].channel, "")
