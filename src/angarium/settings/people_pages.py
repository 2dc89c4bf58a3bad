"""The HTML edge of people: who is here as what, invitations, links that set a password, sessions."""

from __future__ import annotations

from typing import Any

from angarium.accounts import people, reach, roles, session
from angarium.accounts.edge import Call, Operation, Sent, ground_of, id_in_path, route
from angarium.accounts.entering import Letter, Reception
from angarium.accounts.pages import HtmlAnswer, form_of, redirect
from angarium.accounts.people import Somebody
from angarium.accounts.people_api import link_to
from angarium.accounts.roles import Role
from angarium.accounts.store import people as store
from angarium.accounts.store import sessions as session_store
from angarium.accounts.store.people import Invitation, Member
from angarium.core import ids
from angarium.core.problems import Problem, invalid
from angarium.core.values import MessageClass
from angarium.settings.forms import DONE, as_told, done, form_facts, lines_of, reach_in, world_of
from angarium.storage.database import Transaction

PEOPLE = "/settings/people"
HERE_TO_STAY = {403, 409, 422}  # what a form is shown again for


@route("GET /settings/people", Operation(summary="People", scope="people:read", asks=DONE, page=True))
async def list_people(request: Call) -> Sent:
    """Everybody, and the invitations that wait."""
    workspace_id = request.auth.workspace_id

    async def look(tx: Transaction) -> tuple[list[Somebody], list[Invitation]]:
        return await people.here(tx, workspace_id), await store.invitations(tx, workspace_id)

    here, invited = await ground_of(request).db.read(look)
    line_names = {one["id"]: one["name"] for one in lines_of(request)}
    facts = {
        "people": [_shown(one, line_names) | {"me": one.person.id == request.auth.person_id} for one in here],
        "invitations": [
            {
                "id": ids.show("invitation", one.id),
                "email": one.email,
                "ends_at": one.ends_at,
                "over": one.ends_at <= ground_of(request).clock.now(),
                **_place(one, line_names),
            }
            for one in invited
        ],
        "done": done(request),
    }
    return HtmlAnswer("settings/people.html", facts)


def _shown(one: Somebody, line_names: dict[str, str]) -> dict[str, Any]:
    return {
        "id": ids.show("person", one.person.id),
        "name": one.person.name or one.person.email,
        "email": one.person.email,
        "second_factor": one.person.totp is not None,
        "disabled": one.person.disabled_at is not None,
        "joined_at": one.member.created_at,
        "elsewhere": one.places > 1,
        **_place(one.member, line_names),
    }


def _place(one: Member | Invitation, line_names: dict[str, str]) -> dict[str, Any]:
    shown = reach.shown_lines(one.reach)
    return {
        "role": one.role.value,
        "classes": [each.value for each in reach.shown_classes(one.reach) or []],
        "lines": shown or [],
        "line_names": [line_names.get(each, each) for each in shown or []],
    }


# ── inviting ─────────────────────────────────────────────────────────────────────────────────────────


@route("GET /settings/people/new", Operation(summary="Invite somebody", scope="people:write", page=True))
async def new_person(request: Call) -> Sent:
    """A form."""
    return await _invite_form(request, {}, None)


async def _invite_form(request: Call, typed: dict[str, str], problem: Problem | None) -> HtmlAnswer:
    facts = {
        **form_facts(typed, problem),
        "roles": await _roles_to_give(request),
        "lines": lines_of(request),
        "mail_lines": _mail_lines(request),
    }
    return HtmlAnswer("settings/invite.html", facts, status=problem.status if problem else 200)


async def _roles_to_give(request: Call) -> list[str]:
    """The roles that whoever looks may give."""
    own = await ground_of(request).db.read(people.own_role, request.auth)
    return [role.value for role in Role if roles.may_give(own, role)]


def _mail_lines(request: Call) -> list[str]:
    found = world_of(request).lines.of(request.auth.workspace_id)
    return [
        line.name for line in found if line.channel == "smtp" and MessageClass.TRANSACTIONAL in line.classes
    ]


@route("POST /settings/people", Operation(summary="Invite", scope="people:write", page=True))
async def invite(request: Call) -> Sent:
    """A place for somebody, and the link to it, which is shown now and never again."""
    form, ground, caller = form_of(request), ground_of(request), request.auth

    async def work(tx: Transaction) -> tuple[Invitation, str]:
        await people.require_may_give(tx, caller, role, reach=extent)
        return await people.invite(
            tx, ground, caller.workspace_id, form.get("email", "")[:320], role, extent, caller.actor
        )

    try:
        role, extent = _role(form), await reach_in(request)
        new, token = await ground.db.run(work)
    except Problem as problem:
        if problem.status not in HERE_TO_STAY:
            raise
        return await _invite_form(request, form, problem)
    facts = {
        "title_words": "settings_people.invited",
        "link": link_to(request, "/invitation", token),
        "email": new.email,
        "sent": await _sent(request, form.get("send_over", ""), new, token),
        "lasts": "settings_people.link_week",
    }
    return HtmlAnswer("settings/link.html", facts)


def _role(form: dict[str, str]) -> Role:
    try:
        return Role(form.get("role", ""))
    except ValueError:
        remedy = ", ".join(role.value for role in Role)
        raise invalid("role", "is no role", value=form.get("role", ""), remedy=remedy) from None


async def _sent(request: Call, line: str, new: Invitation, token: str) -> str:
    """ "sent", "" when nobody asked for it, or why it could not be sent."""
    reception: Reception = request.scope["litestar_app"].state.reception
    if not line or reception.post is None:
        return ""
    try:
        await reception.post(Letter(new.workspace_id, line[:100], new.email, "invitation", token))
    except Problem as problem:
        return problem.detail or problem.title
    return "sent"


@route(
    "POST /settings/invitations/{invitation_id}/withdraw",
    Operation(summary="Take an invitation back", scope="people:write", page=True),
)
async def withdraw(request: Call) -> Sent:
    """Its link is good no more."""
    ground, caller = ground_of(request), request.auth
    invitation_id = id_in_path(request, "invitation")
    await ground.db.run(people.withdraw, caller.workspace_id, invitation_id, caller.actor, ground.clock.now())
    return redirect(f"{PEOPLE}?done=withdrawn")


# ── one person ───────────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /settings/people/{person_id}",
    Operation(summary="A person", scope="people:read", asks=DONE, page=True),
)
async def get_person(request: Call) -> Sent:
    """What somebody is here, and where they have signed in."""
    return await _person_page(request, done(request), None)


async def _person_page(request: Call, said: str, problem: Problem | None) -> HtmlAnswer:
    person_id, workspace_id = id_in_path(request, "person"), request.auth.workspace_id

    async def look(tx: Transaction) -> tuple[Somebody, list[session_store.Session]]:
        found = await people.somebody(tx, workspace_id, person_id)
        return found, await session_store.of_person(tx, person_id)

    found, sessions = await ground_of(request).db.read(look)
    line_names = {one["id"]: one["name"] for one in lines_of(request)}
    typed = _shown(found, line_names)
    facts = {
        "person": typed | {"me": person_id == request.auth.person_id},
        "sessions": [
            {
                "device": session.device_name(one.device),
                "address": one.address,
                "seen_at": one.seen_at,
                "method": one.method,
            }
            for one in sessions
            if one.place_id == workspace_id
        ],
        "roles": sorted({*await _roles_to_give(request), typed["role"]}, key=[*Role].index),
        "lines": lines_of(request),
        "problem": as_told(problem),
        "done": said,
    }
    return HtmlAnswer("settings/person.html", facts, status=problem.status if problem else 200)


@route(
    "POST /settings/people/{person_id}",
    Operation(summary="Give a person another role", scope="people:write", page=True),
)
async def change_person(request: Call) -> Sent:
    """Somebody in another role; it counts from their next request."""
    person_id, ground = id_in_path(request, "person"), ground_of(request)
    try:
        role, extent = _role(form_of(request)), await reach_in(request)
        await ground.db.run(people.change, request.auth, person_id, role, extent, ground.clock.now())
    except Problem as problem:
        if problem.status not in HERE_TO_STAY:
            raise
        return await _person_page(request, "", problem)
    return redirect(f"{PEOPLE}/{ids.show('person', person_id)}?done=role")


@route(
    "POST /settings/people/{person_id}/let-go",
    Operation(summary="Let a person go", scope="people:write", page=True),
)
async def let_person_go(request: Call) -> Sent:
    """Somebody is here no more."""
    return await _deed(request, people.let_go, f"{PEOPLE}?done=let_go")


@route(
    "POST /settings/people/{person_id}/factors",
    Operation(summary="Take a person's second factors away", scope="people:write", page=True),
)
async def drop_factors(request: Call) -> Sent:
    """They have none any more."""
    return await _deed(request, people.drop_factors, f"{PEOPLE}/{_shown_id(request)}?done=factors")


@route(
    "POST /settings/people/{person_id}/sessions",
    Operation(summary="End a person's sessions", scope="people:write", page=True),
)
async def end_sessions(request: Call) -> Sent:
    """None any more; they may sign in again."""
    return await _deed(request, people.end_sessions, f"{PEOPLE}/{_shown_id(request)}?done=sessions")


def _shown_id(request: Call) -> str:
    return ids.show("person", id_in_path(request, "person"))


async def _deed(request: Call, deed: Any, onward: str) -> Sent:
    person_id, ground = id_in_path(request, "person"), ground_of(request)
    try:
        await ground.db.run(deed, request.auth, person_id, ground.clock.now())
    except Problem as problem:
        if problem.status not in HERE_TO_STAY:
            raise
        return await _person_page(request, "", problem)
    return redirect(onward)


@route(
    "POST /settings/people/{person_id}/reset",
    Operation(summary="Make a link by which a person sets a password", scope="people:write", page=True),
)
async def reset_person(request: Call) -> Sent:
    """A link to be handed on, shown now and never again."""
    person_id, ground, caller = id_in_path(request, "person"), ground_of(request), request.auth
    try:
        person, token = await ground.db.run(_reset, ground, caller, person_id)
    except Problem as problem:
        if problem.status not in HERE_TO_STAY:
            raise
        return await _person_page(request, "", problem)
    facts = {
        "title_words": "settings_people.reset_made",
        "link": link_to(request, "/reset/new", token),
        "email": person.email,
        "sent": "",
        "lasts": "settings_people.link_hour",
    }
    return HtmlAnswer("settings/link.html", facts)


async def _reset(tx: Transaction, ground: Any, caller: Any, person_id: int) -> tuple[store.Person, str]:
    return await people.reset_for(tx, ground, caller, person_id)


HANDLERS = (
    list_people,
    new_person,
    invite,
    withdraw,
    get_person,
    change_person,
    let_person_go,
    drop_factors,
    end_sessions,
    reset_person,
)
