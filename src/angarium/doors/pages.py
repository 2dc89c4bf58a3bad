"""The HTML edge of the doors: which clients come by which, make an account for one, take it away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from angarium.accounts.edge import Call, Operation, Sent, ground_of, id_in_path, route
from angarium.accounts.entering import Reception
from angarium.accounts.pages import HtmlAnswer, fields_of, form_of, problem_told, redirect, wrong_of
from angarium.accounts.reach import require_classes, require_every_line
from angarium.channels import load
from angarium.core import ids
from angarium.core.called import names_of
from angarium.core.decoding import Shape
from angarium.core.problems import Problem, invalid
from angarium.core.values import MessageClass
from angarium.doors.routes import WAYS, Route
from angarium.doors.smpp import flows as smpp
from angarium.doors.smpp import store as smpp_store
from angarium.doors.smpp.door import ACCOUNTS_TOPIC, SmppDoor
from angarium.doors.smpp.rules import SmppAccountInput
from angarium.doors.twilio import flows as twilio
from angarium.doors.twilio import rules as twilio_rules
from angarium.doors.twilio import store as twilio_store
from angarium.doors.twilio.door import ACCOUNTS_TOPIC as TWILIO_TOPIC
from angarium.doors.twilio.rules import Service, TwilioAccountInput
from angarium.messaging import cascades
from angarium.messaging.api import Desk
from angarium.messaging.world import World
from angarium.storage.database import Conflict, Transaction

CLIENTS = "/developers/clients"
SHOWN_AGAIN = {403, 409, 422}  # statuses of problems that a form tells of


class DoneQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was done a moment ago."""

    done: str = ""


DONE = Shape(DoneQuery)


def _world(request: Call) -> World:
    return cast("Desk", request.scope["litestar_app"].state.messages).world


def _door(request: Call) -> SmppDoor | None:
    return cast("SmppDoor | None", request.scope["litestar_app"].state.get("smpp_door"))


@route(
    f"GET {CLIENTS}", Operation(summary="Clients of other shapes", scope="setup:read", asks=DONE, page=True)
)
async def list_clients(request: Call) -> Sent:
    """The accounts of each door, and who is bound."""
    workspace_id, door = request.auth.workspace_id, _door(request)

    async def look(tx: Transaction) -> tuple[Any, Any, Any]:
        waiting = await smpp_store.letters_waiting(tx, workspace_id)
        by_smpp = await smpp_store.accounts.all(tx, workspace_id)
        return by_smpp, waiting, await twilio_store.accounts.all(tx, workspace_id)

    by_smpp, waiting, by_twilio = await ground_of(request).db.read(look)
    facts = {
        "smpp": [
            {
                "id": ids.show("smpp_account", one.id),
                "name": one.name,
                "system_id": one.system_id,
                "enabled": one.enabled,
                "routes": one.settings.routes,
                "bound": door.binds_of(one.id) if door else [],
                "waiting": waiting.get(one.id, 0),
            }
            for one in by_smpp
        ],
        "twilio": [
            {
                "id": ids.show("twilio_account", one.id),
                "name": one.name,
                "sid": twilio_rules.account_sid(workspace_id, one.id),
                "enabled": one.enabled,
                "routes": [*one.settings.routes, *one.settings.services],
            }
            for one in by_twilio
        ],
        "channels": names_of(load()),
        "port": door.port if door else 0,
        "done": DONE.read_query(request.scope["query_string"]).done,
    }
    return HtmlAnswer("doors/clients.html", facts)


async def _form(
    request: Call, template: str, typed: Mapping[str, str] | None = None, problem: Problem | None = None
) -> HtmlAnswer:
    """A form, as it was typed if it was; what is wrong with a route stands at the way."""
    world, workspace_id = _world(request), request.auth.workspace_id
    known = await cascades.everything(world.ground, world.channels, workspace_id)
    wrong = {name.removeprefix("routes[0]."): said for name, said in wrong_of(problem).items()}
    for name in (*WAYS, "routes[0]"):
        if name in wrong:
            wrong["way"] = wrong[name]
    facts = {
        "typed": defaultdict(str, typed or {}),
        "chosen": fields_of(request, "inbound_lines") if typed is not None else [],
        "problem": problem_told(problem),
        "wrong": defaultdict(str, wrong),
        "cascades": [one.cascade.name for one in known],
        "lines": [line.name for line in world.lines.of(workspace_id)],
        "channels": sorted({line.channel for line in world.lines.of(workspace_id)}),
        "classes": [one.value for one in MessageClass],
    }
    return HtmlAnswer(template, facts, status=problem.status if problem else 200)


def _way(form: Mapping[str, str]) -> dict[str, Any]:
    """Class and way of a form: `line:sms`, `cascade:viber-sms`, `channel:smpp`."""
    kind, _, name = form.get("way", "").partition(":")
    if kind not in WAYS or not name:
        raise invalid("way", "is missing", remedy="one of " + ", ".join(WAYS))
    try:
        return {"message_class": MessageClass(form.get("class", "")), kind: name}
    except ValueError:
        remedy = "one of " + ", ".join(MessageClass)
        raise invalid("class", "is not one", value=form.get("class", ""), remedy=remedy) from None


def _number(form: Mapping[str, str], name: str, usual: int) -> int:
    text = form.get(name, "").strip()
    if not text:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise invalid(name, "is not a number", value=text, remedy="a whole number")
    return int(text)


def _bounded(request: Call, message_class: MessageClass) -> None:
    require_every_line(request.auth.reach, "an account of a door")
    require_classes(request.auth.reach, [message_class])


# ── SMPP ─────────────────────────────────────────────────────────────────────────────────────────────


@route(
    f"GET {CLIENTS}/smpp/new",
    Operation(summary="A new SMPP account", scope="setup:write", careful=True, page=True),
)
async def new_smpp(request: Call) -> Sent:
    """A form."""
    return await _form(request, "doors/smpp_new.html")


@route(
    f"POST {CLIENTS}/smpp",
    Operation(summary="Make an SMPP account", scope="setup:write", careful=True, page=True),
)
async def make_smpp(request: Call) -> Sent:
    """A new account; its password is shown now and never again."""
    form, world, caller = form_of(request), _world(request), request.auth
    passwords = cast("Reception", request.scope["litestar_app"].state.reception).passwords
    try:
        way = _way(form)
        _bounded(request, way["message_class"])
        given = SmppAccountInput(
            name=form.get("name", ""),
            routes=(Route(source=form.get("source", "").strip() or "*", **way),),
            inbound_lines=tuple(fields_of(request, "inbound_lines")),
            window=_number(form, "window", 100),
            speed_per_s=_number(form, "speed_per_s", 0),
            networks=tuple(one.strip() for one in form.get("networks", "").split(",") if one.strip()),
        )
        prepared = await smpp.prepare(world, passwords, caller.workspace_id, given, new=True)
        made = await world.ground.db.run(
            smpp.create, world.ground, caller.workspace_id, prepared, caller.actor
        )
    except Conflict:
        return await _form(request, "doors/smpp_new.html", form, smpp.taken(""))
    except Problem as problem:
        if problem.status not in SHOWN_AGAIN:
            raise
        return await _form(request, "doors/smpp_new.html", form, problem)
    world.ground.fabric.wake(ACCOUNTS_TOPIC)
    door = _door(request)
    secrets = [("clients.system_id", made.system_id), ("clients.password", prepared.made)]
    port = door.port if door else 0
    return HtmlAnswer(
        "doors/made.html", {"name": made.name, "secrets": secrets, "port": port, "shape": "smpp"}
    )


@route(
    f"POST {CLIENTS}/smpp/{{smpp_account_id}}/delete",
    Operation(summary="Delete an SMPP account", scope="setup:write", page=True),
)
async def delete_smpp(request: Call) -> Sent:
    """Who is bound with it is cut off."""
    ground, account_id = ground_of(request), id_in_path(request, "smpp_account")
    require_every_line(request.auth.reach, "an account of a door")
    await smpp.delete(ground, request.auth.workspace_id, account_id, request.auth.actor)
    ground.fabric.wake(ACCOUNTS_TOPIC)
    return redirect(f"{CLIENTS}?done=deleted")


# ── Twilio ───────────────────────────────────────────────────────────────────────────────────────────


@route(
    f"GET {CLIENTS}/twilio/new",
    Operation(summary="A new Twilio account", scope="setup:write", careful=True, page=True),
)
async def new_twilio(request: Call) -> Sent:
    """A form."""
    return await _form(request, "doors/twilio_new.html")


@route(
    f"POST {CLIENTS}/twilio",
    Operation(summary="Make a Twilio account", scope="setup:write", careful=True, page=True),
)
async def make_twilio(request: Call) -> Sent:
    """A new account; its token is shown now and never again."""
    form, world, caller = form_of(request), _world(request), request.auth
    token = twilio.new_token(world.ground)
    try:
        way = _way(form)
        _bounded(request, way["message_class"])
        service = form.get("service_sid", "").strip()
        given = TwilioAccountInput(
            name=form.get("name", ""),
            routes=(Route(source=form.get("source", "").strip() or "*", **way),),
            services=(Service(sid=service, **way),) if service else (),
            status_callback=form.get("status_callback", "").strip(),
            inbound_url=form.get("inbound_url", "").strip(),
            inbound_lines=tuple(fields_of(request, "inbound_lines")),
        )
        made = await world.ground.db.run(twilio.create, world, caller, given, token)
    except Problem as problem:
        if problem.status not in SHOWN_AGAIN:
            raise
        return await _form(request, "doors/twilio_new.html", form, problem)
    world.ground.fabric.wake(TWILIO_TOPIC)
    sid = twilio_rules.account_sid(made.workspace_id, made.id)
    secrets = [("clients.account_sid", sid), ("clients.auth_token", token)]
    return HtmlAnswer(
        "doors/made.html", {"name": made.name, "secrets": secrets, "port": 0, "shape": "twilio"}
    )


@route(
    f"POST {CLIENTS}/twilio/{{twilio_account_id}}/delete",
    Operation(summary="Delete a Twilio account", scope="setup:write", page=True),
)
async def delete_twilio(request: Call) -> Sent:
    """Its client is refused within a second."""
    ground, account_id = ground_of(request), id_in_path(request, "twilio_account")
    require_every_line(request.auth.reach, "an account of a door")
    await ground.db.run(twilio.delete, ground, request.auth, account_id)
    ground.fabric.wake(TWILIO_TOPIC)
    return redirect(f"{CLIENTS}?done=deleted")


HANDLERS = (list_clients, new_smpp, make_smpp, delete_smpp, new_twilio, make_twilio, delete_twilio)
