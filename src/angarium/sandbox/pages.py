"""The phones behind simulated operators: what came to each; their people, who answer, switch off, leave.

There are such pages only where the settings name a sandbox. Whoever may read messages sees the phones;
whoever may write them plays the people.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, cast
from urllib.parse import quote, urlencode

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer, form_of, problem_told, redirect, wrong_of
from angarium.core.clock import MICROS
from angarium.core.decoding import Shape
from angarium.core.problems import Problem, invalid, not_found
from angarium.sandbox.operators import Came, Operators, Phone, Said

PAGE = 24  # phones on a page
TEXT_MAX = 1_600
KEY = re.compile(r"\+[0-9]{5,15}|[^@\s/]{1,64}@[^@\s/]{1,190}")
LINK = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)\]،؛؟。，]")
SCHEMES = ("https://", "http://", "mailto:", "tel:")
CHANNELS = {  # the kind of line that each operator is for
    "smpp": "smpp",
    "smpp-hex": "smpp",
    "viber": "viber_business",
    "gms": "gms_viber",
    "vk": "vk_notify",
    "whatsapp": "whatsapp_cloud",
    "telegram": "telegram_bot",
    "smtp": "smtp",
}
TITLES = {
    "smpp": "SMS",
    "smpp-hex": "SMS 2",
    "viber": "Viber",
    "gms": "Viber",
    "vk": "VK",
    "whatsapp": "WhatsApp",
    "telegram": "Telegram",
}
Text = Annotated[str, msgspec.Meta(max_length=300)]


class GalleryQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which phones; `number` is one that somebody wants to see whether anything has come to it or not."""

    q: Text = ""
    face: Text = ""
    page: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1
    number: Text = ""


class PhoneQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has just been done."""

    done: Text = ""


class Bubble(msgspec.Struct, frozen=True):
    """Something on the screen of a phone."""

    own: bool  # its person wrote it
    face: str
    channel: str
    title: str
    sender: str
    subject: str
    pieces: list[tuple[str, str]]  # text, and the address where it is a link
    buttons: list[tuple[str, str]]
    picture: str
    at: int
    state: str
    shown: bool  # whether the phone shows it already
    find: str  # the address of the message's page
    number: int
    can_answer: bool


GALLERY, PHONE = Shape(GalleryQuery), Shape(PhoneQuery)


def operators_of(request: Call) -> Operators:
    """The simulated operators of this server."""
    return cast("Operators", request.scope["litestar_app"].state.operators)


# ── all of them ──────────────────────────────────────────────────────────────────────────────────────


@route("GET /phones", Operation(summary="Phones", scope="messages:read", asks=GALLERY, page=True))
async def list_phones(request: Call) -> Sent:
    """The phones to which something came, the last one first."""
    query = GALLERY.read_query(request.scope["query_string"])
    if query.number.strip():
        return redirect(f"/phones/{quote(_key(query.number), safe='+@')}")
    found = await operators_of(request).gallery(query.q, query.face, (query.page - 1) * PAGE, PAGE)
    asked = {name: value for name, value in {"q": query.q, "face": query.face}.items() if value}
    more = found.total > query.page * PAGE
    facts = {
        "query": query,
        "phones": [_card(phone) for phone in found.phones],
        "total": found.total,
        "faces": [(face, title_of(face)) for face in found.faces],
        "newest": "/phones?" + urlencode(asked) if query.page > 1 else "",
        "older": "/phones?" + urlencode({**asked, "page": query.page + 1}) if more else "",
        "here_now": "/phones?" + urlencode({**asked, "page": query.page}),
    }
    return HtmlAnswer("sandbox/phones.html", facts)


def _card(phone: Phone) -> dict[str, Any]:
    return {
        "key": phone.key,
        "path": f"/phones/{quote(phone.key, safe='+@')}",
        "off": phone.person.off,
        "habit": phone.habit,
        "count": phone.count,
        "bubbles": bubbles(phone),
    }


def title_of(face: str) -> str:
    """What people call an operator; its own name when nobody has said."""
    return TITLES.get(face, "E-mail" if face == "smtp" else face)


# ── one ──────────────────────────────────────────────────────────────────────────────────────────────


@route("GET /phones/{recipient}", Operation(summary="A phone", scope="messages:read", asks=PHONE, page=True))
async def show_phone(request: Call) -> Sent:
    """What came to it, and what its person can do."""
    return await _page(request, None)


async def _page(request: Call, problem: Problem | None) -> HtmlAnswer:
    asked = request.scope["method"] == "GET"
    query = PHONE.read_query(request.scope["query_string"]) if asked else PhoneQuery()
    phone = await operators_of(request).phone(_recipient(request))
    mail = "@" in phone.key
    facts = {
        "phone": phone,
        "path": f"/phones/{quote(phone.key, safe='+@')}",
        "bubbles": bubbles(phone),
        "places": [
            {
                "face": face,
                "title": title_of(face),
                "channel": CHANNELS.get(face, face),
                "absent": face in phone.person.absent,
                "blocked": face in phone.person.blocked,
            }
            for face in phone.all_faces
            if (face == "smtp") is mail
        ],
        "mail": mail,
        "typed": form_of(request).get("text", "") if problem else "",
        "problem": problem_told(problem),
        "wrong": wrong_of(problem),
        "done": query.done,
    }
    return HtmlAnswer("sandbox/phone.html", facts, status=problem.status if problem else 200)


def bubbles(phone: Phone) -> list[Bubble]:
    """What came and what was said, in the order of time; a person can answer the last of each sender."""
    last = {(one.face, one.sender): one.number for one in phone.messages}
    came = [_came(one, phone, last[one.face, one.sender] == one.number) for one in phone.messages]
    return sorted([*came, *map(_said, phone.said)], key=lambda bubble: bubble.at)


def _came(one: Came, phone: Phone, is_last: bool) -> Bubble:
    return Bubble(
        own=False,
        face=one.face,
        channel=CHANNELS.get(one.face, one.face),
        title=title_of(one.face),
        sender=one.sender,
        subject=one.subject,
        pieces=pieces_of(one.text),
        buttons=[(_label(button.label, button.url), _safe(button.url)) for button in one.buttons],
        picture=one.image_url.rpartition("/")[2],
        at=round(one.at * MICROS),
        state=one.state,
        shown=one.seen,
        find="/find?" + urlencode({"ref": one.ref}),
        number=one.number,
        can_answer=is_last and one.seen and one.face in phone.heard_on,
    )


def _said(one: Said) -> Bubble:
    return Bubble(
        own=True,
        face=one.face,
        channel=CHANNELS.get(one.face, one.face),
        title=title_of(one.face),
        sender="",
        subject="",
        pieces=[(one.text, "")],
        buttons=[],
        picture="",
        at=round(one.at * MICROS),
        state="said",
        shown=True,
        find="",
        number=-1,
        can_answer=False,
    )


def pieces_of(text: str) -> list[tuple[str, str]]:
    """A text cut where links begin and end: words, and the address they lead to or nothing."""
    found, end = [], 0
    for link in LINK.finditer(text):
        found += [(text[end : link.start()], ""), (link.group(), link.group())]
        end = link.end()
    return [piece for piece in [*found, (text[end:], "")] if piece[0]]


def _label(label: str, url: str) -> str:
    return label or url


def _safe(url: str) -> str:
    """The address of a button, where tapping it can do no harm."""
    return url if url.lower().startswith(SCHEMES) else ""


# ── what its person does ─────────────────────────────────────────────────────────────────────────────


@route("POST /phones/{recipient}/answer", Operation(summary="Answer", scope="messages:write", page=True))
async def answer(request: Call) -> Sent:
    """Its person answers a message, over the protocol of its operator."""
    form, operators = form_of(request), operators_of(request)
    try:
        phone = await operators.phone(_recipient(request))
        text = form.get("text", "").strip()
        if not text or len(text) > TEXT_MAX:
            remedy = f"a few words, at most {TEXT_MAX} characters"
            raise invalid("text", "is empty or too long", remedy=remedy)
        meant = (form.get("face", ""), form.get("number", ""))
        came = next((one for one in phone.messages if (one.face, str(one.number)) == meant), None)
        if came is None or came.face not in phone.heard_on:
            raise not_found("message", " ".join(meant), remedy="answer one that is on the phone")
        await operators.write(phone.key, came, text)
    except Problem as problem:
        return await _page(request, problem)
    return redirect(f"/phones/{quote(phone.key, safe='+@')}?done=answered")


@route("POST /phones/{recipient}/play", Operation(summary="Play", scope="messages:write", page=True))
async def play(request: Call) -> Sent:
    """Its phone is switched on or off; a channel or a sender is left, or joined again."""
    form, operators = form_of(request), operators_of(request)
    phone = await operators.phone(_recipient(request))
    face, before = form.get("face", ""), phone.person
    if form.get("what") == "power":
        after = msgspec.structs.replace(before, off=not before.off)
    elif form.get("what") == "absent" and face in phone.all_faces:
        after = msgspec.structs.replace(before, absent=_turned(before.absent, face))
    elif form.get("what") == "blocked" and face in phone.all_faces:
        after = msgspec.structs.replace(before, blocked=_turned(before.blocked, face))
    else:
        raise invalid("what", "is nothing that can be played", remedy="power, absent or blocked")
    await operators.play(phone.key, after)
    return redirect(f"/phones/{quote(phone.key, safe='+@')}")


def _turned(faces: tuple[str, ...], face: str) -> tuple[str, ...]:
    """Without a face that is among them, else with it."""
    return tuple(one for one in faces if one != face) if face in faces else (*faces, face)


def _recipient(request: Call) -> str:
    return _key(edge.text_in_path(request, "recipient"))


def _key(text: str) -> str:
    """A number as operators know it, or an address; a Problem for anything else."""
    plain = text.strip().casefold()
    key = plain if "@" in plain else "+" + "".join(str(int(c)) for c in plain if c.isdecimal())
    if not KEY.fullmatch(key):
        raise not_found("phone", text, remedy="a number such as +380501234567, or a mail address")
    return key


HANDLERS = (list_phones, show_phone, answer, play)
