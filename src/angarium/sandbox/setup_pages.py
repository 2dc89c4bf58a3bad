"""The way of a new server from its first line to its first message on a phone; over simulated operators."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, cast
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from angarium.accounts.edge import Call, Operation, Sent, ground_of, route
from angarium.accounts.pages import HtmlAnswer, form_of, problem_told, redirect, wrong_of
from angarium.contacts.flows import Recipient
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.problems import Problem, invalid
from angarium.core.values import MessageClass
from angarium.lines import flows as line_flows
from angarium.lines.rules import LineInput
from angarium.lines.store import Line
from angarium.messaging import cascades, story
from angarium.messaging.accept import MessageInput, Order
from angarium.messaging.api import Desk
from angarium.messaging.cascades import CascadeInput
from angarium.messaging.pages import names_in
from angarium.messaging.recording import FIRST_MESSAGE
from angarium.messaging.states import MessageState
from angarium.messaging.timeline import MESSAGE_TONES, timeline
from angarium.sandbox import lines
from angarium.sandbox.operators import Operators
from angarium.sandbox.pages import bubbles
from angarium.storage.database import Transaction

NUMBER = "+380501234567"  # of nobody: its digits make every operator deliver
TEXT_MAX = 700
LINE, CASCADE = Shape(LineInput), Shape(CascadeInput)


class PhoneQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first message, and the phone that it goes to."""

    message: Annotated[str, msgspec.Meta(max_length=60)] = ""
    number: Annotated[str, msgspec.Meta(max_length=40)] = NUMBER


QUERY = Shape(PhoneQuery)


def _desk(request: Call) -> Desk:
    return cast("Desk", request.scope["litestar_app"].state.messages)


def _operators(request: Call) -> Operators | None:
    return cast("Operators | None", request.scope["litestar_app"].state.get("operators"))


# ── a line ───────────────────────────────────────────────────────────────────────────────────────────


@route("GET /setup/line", Operation(summary="The first line", scope="setup:read", page=True))
async def first_line(request: Call) -> Sent:
    """Simulated operators, or one's own."""
    found = await line_flows.everything(ground_of(request), request.auth.workspace_id)
    facts = {"has_sandbox": _operators(request) is not None, "lines": [line.name for line in found]}
    return HtmlAnswer("sandbox/setup_line.html", facts)


@route("POST /setup/line", Operation(summary="Connect the sandbox", scope="setup:write", page=True))
async def connect_sandbox(request: Call) -> Sent:
    """A line to each simulated operator, and a cascade over them; what is there already stays."""
    operators, ground, caller = _operators(request), ground_of(request), request.auth
    if operators is None:
        detail = "Set sandbox_url, and start again."
        raise Problem("sandbox-away", "There is no sandbox", status=409, detail=detail)
    faces = await operators.faces()
    known = {line.name: line for line in await line_flows.everything(ground, caller.workspace_id)}
    for face, document in lines.documents(faces).items():
        made = known.get(document["name"])
        if made is None:
            given = LINE.read(msgspec.json.encode(document))
            made = await line_flows.create(ground, caller.workspace_id, given, caller.actor)
        if face in ("gms", "vk", "whatsapp"):
            secret = lines.WHATSAPP_SECRET if face == "whatsapp" else ""
            await operators.call_back(face, _own_address(request, made), secret)
    await _cascade(request, faces)
    return redirect("/setup/message")


def _own_address(request: Call, line: Line) -> str:
    """Where a simulated operator of this machine reaches us."""
    public = _desk(request).world.callback_url(line)
    if public:
        return public
    host = dict(request.scope["headers"]).get(b"host", b"127.0.0.1").decode("latin-1")
    port = urlsplit(f"//{host}").port or 80
    return f"http://127.0.0.1:{port}{line.callback_path}"


async def _cascade(request: Call, faces: dict[str, str]) -> None:
    world, caller = _desk(request).world, request.auth
    given = CASCADE.read(msgspec.json.encode(lines.cascade(faces)))
    known = await cascades.everything(world.ground, world.channels, caller.workspace_id)
    if not given.steps or given.name in {one.cascade.name for one in known}:
        return

    async def work(tx: Transaction) -> None:
        await cascades.new_cascade(tx, world.ground, world.channels, caller.workspace_id, given, caller.actor)

    await world.ground.db.run(work)


# ── a message ────────────────────────────────────────────────────────────────────────────────────────


@route("GET /setup/message", Operation(summary="The first message", scope="messages:write", page=True))
async def write(request: Call) -> Sent:
    """Its words, and the phone it goes to."""
    return HtmlAnswer("sandbox/setup_message.html", _facts({}, None))


def _facts(typed: dict[str, str], problem: Problem | None) -> dict[str, Any]:
    return {
        "typed": typed,
        "phone": NUMBER,
        "problem": problem_told(problem),
        "wrong": wrong_of(problem),
    }


@route("POST /setup/message", Operation(summary="Send the first message", scope="messages:write", page=True))
async def send(request: Call) -> Sent:
    """It is accepted, and goes its way: VK, Viber, SMS."""
    form, caller = form_of(request), request.auth
    text, number = form.get("text", "").strip(), form.get("to", "").strip()
    try:
        if not text or len(text) > TEXT_MAX:
            raise invalid("text", "is empty or too long", remedy=f"at most {TEXT_MAX} characters")
        message = MessageInput(
            to=Recipient(phone=number),
            message_class=MessageClass.SERVICE,
            text=text,
            cascade=lines.CASCADE,
            label=FIRST_MESSAGE,
            track=False,
        )
        order = Order(caller.workspace_id, (message,), batch=False, reach=caller.reach)
        answer = await _desk(request).offer(order)
    except Problem as problem:
        return HtmlAnswer("sandbox/setup_message.html", _facts(form, problem), status=problem.status)
    made = msgspec.json.decode(answer.body)["id"]
    return redirect("/setup/phone?" + urlencode({"message": made, "number": number}))


# ── a phone ──────────────────────────────────────────────────────────────────────────────────────────


@route("GET /setup/phone", Operation(summary="The first phone", scope="messages:read", asks=QUERY, page=True))
async def ring(request: Call) -> Sent:
    """The phone, on which the first message rings; and what became of it."""
    query = QUERY.read_query(request.scope["query_string"])
    operators = _operators(request)
    if operators is None:
        return redirect("/home")
    world, workspace_id = _desk(request).world, request.auth.workspace_id
    told = await world.ground.db.read(story.tell, world, workspace_id, _message(query.message))
    phone = await operators.phone(query.number)
    facts = {
        "message": told,
        "tone_of": MESSAGE_TONES[MessageState(told["state"])],
        "timeline": timeline(told, names_in(world, workspace_id)),
        "created_at": datetime.fromisoformat(told["created_at"]),
        "phone": query.number,
        "bubbles": bubbles(phone),
        "path": f"/phones/{quote(phone.key, safe='+@')}",
        "here_now": "/setup/phone?" + urlencode({"message": query.message, "number": query.number}),
    }
    return HtmlAnswer("sandbox/setup_phone.html", facts)


def _message(text: str) -> int:
    try:
        return ids.read("message", text)
    except ValueError:
        raise invalid("message", "is no message", value=text, remedy="send one first") from None


HANDLERS = (first_line, connect_sandbox, write, send, ring)
