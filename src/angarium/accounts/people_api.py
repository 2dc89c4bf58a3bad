"""The JSON edge of people: who is here as what, invitations, links, sessions."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from angarium.accounts import edge, people, reach
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.accounts.entering import Letter, Post, Reception
from angarium.accounts.flows import Caller
from angarium.accounts.people import Somebody
from angarium.accounts.reach import Reach
from angarium.accounts.roles import Role
from angarium.accounts.store import people as store
from angarium.accounts.store import sessions as session_store
from angarium.accounts.store.people import Invitation, Member
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.problems import Problem, invalid
from angarium.core.values import MessageClass
from angarium.storage.database import Transaction

Classes = tuple[MessageClass, ...] | None
Lines = tuple[str, ...] | None


class InviteInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to invite, as what, and how far."""

    email: Annotated[str, msgspec.Meta(min_length=3, max_length=320)]
    role: Role
    classes: Classes = None  # null: every class
    lines: Lines = None  # ids; null: every line
    send_over: Annotated[str, msgspec.Meta(max_length=100)] = ""  # name of a line that carries mail


class RoleInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody is to be from now on."""

    role: Role
    classes: Classes = None
    lines: Lines = None


class PersonShown(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody, and what they are here."""

    id: str
    email: str
    name: str
    role: Role
    classes: list[MessageClass] | None
    lines: list[str] | None
    second_factor: bool  # whether they have an app that shows codes
    disabled: bool
    joined_at: str
    invited_by: str


class InvitationShown(msgspec.Struct, frozen=True, kw_only=True):
    """A place that waits for somebody."""

    id: str
    email: str
    role: Role
    classes: list[MessageClass] | None
    lines: list[str] | None
    created_at: str
    created_by: str
    ends_at: str


class InvitationMade(InvitationShown, frozen=True, kw_only=True):
    """A new invitation; `link` is shown now and never again."""

    link: str
    sent: str = ""  # "sent" over the line that was named, or why it was not


class LinkMade(msgspec.Struct, frozen=True):
    """A link that sets a password, once, within the hour."""

    link: str


class SessionShown(msgspec.Struct, frozen=True, kw_only=True):
    """A browser in which somebody looks at this workspace."""

    id: str
    device: str
    address: str
    method: str
    factors: int
    created_at: str
    seen_at: str


INVITE, ROLE = Shape(InviteInput), Shape(RoleInput)
PERSON_EXAMPLE = PersonShown(
    id="per_05a58xarj0000",
    email="olena@shop.example",
    name="Olena",
    role=Role.MARKETER,
    classes=[MessageClass.PROMOTIONAL],
    lines=None,
    second_factor=True,
    disabled=False,
    joined_at="2026-11-23T08:30:00.000Z",
    invited_by="per_05a58xarj0001",
)
INVITATION_EXAMPLE = InvitationShown(
    id="inv_05a58xarj0000",
    email="olena@shop.example",
    role=Role.MARKETER,
    classes=[MessageClass.PROMOTIONAL],
    lines=None,
    created_at="2026-11-23T08:30:00.000Z",
    created_by="per_05a58xarj0001",
    ends_at="2026-11-30T08:30:00.000Z",
)
MADE_EXAMPLE = InvitationMade(
    **msgspec.structs.asdict(INVITATION_EXAMPLE), link="https://angarium.example/invitation?token=inv_…"
)
SESSION_EXAMPLE = SessionShown(
    id="ses_05a58xarj0000",
    device="Mozilla/5.0 (X11; Linux x86_64) …",
    address="192.0.2.7",
    method="password",
    factors=2,
    created_at="2026-11-23T08:30:00.000Z",
    seen_at="2026-11-23T09:30:00.000Z",
)


# ── people ───────────────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /v1/people",
    Operation(
        summary="List the people",
        scope="people:read",
        asks=edge.PAGE,
        gives=Page[PersonShown],
        answer_example=Page([PERSON_EXAMPLE]),
    ),
)
async def list_people(request: Call) -> JsonAnswer:
    """Everybody who belongs to the workspace."""
    query = edge.PAGE.read_query(request.scope["query_string"])
    found = await edge.ground_of(request).db.read(people.here, request.auth.workspace_id)
    items, following = edge.piece(found, query, lambda one: one.person.id)
    return edge.answer(request, Page([shown(one) for one in items], following))


@route(
    "GET /v1/people/{person_id}",
    Operation(
        summary="Look at a person",
        scope="people:read",
        gives=PersonShown,
        problems=(404,),
        answer_example=PERSON_EXAMPLE,
    ),
)
async def get_person(request: Call) -> JsonAnswer:
    """Somebody."""
    person_id = edge.id_in_path(request, "person")
    found = await edge.ground_of(request).db.read(people.somebody, request.auth.workspace_id, person_id)
    return edge.answer(request, shown(found))


@route(
    "PUT /v1/people/{person_id}",
    Operation(
        summary="Give a person another role",
        detail="It counts from their next request. Only owners touch owners, and the last one stays one.",
        scope="people:write",
        takes=ROLE,
        gives=PersonShown,
        problems=(404, 409),
        example=RoleInput(Role.MARKETER, (MessageClass.PROMOTIONAL,)),
        answer_example=PERSON_EXAMPLE,
    ),
)
async def change_person(request: Call) -> JsonAnswer:
    """Somebody in another role."""
    person_id, ground = edge.id_in_path(request, "person"), edge.ground_of(request)
    given = ROLE.read(await edge.read_body(request))
    extent = reach.given(given.classes, given.lines)
    await edge.require_lines(request, extent)
    now = ground.clock.now()
    changed = await ground.db.run(people.change, request.auth, person_id, given.role, extent, now)
    return edge.answer(request, shown(changed))


@route(
    "DELETE /v1/people/{person_id}",
    Operation(
        summary="Let a person go",
        detail="Their sessions here end at once. What they did stays in the audit log.",
        scope="people:write",
        status=204,
        problems=(404, 409),
    ),
)
async def let_person_go(request: Call) -> JsonAnswer:
    """Somebody is here no more."""
    person_id, ground = edge.id_in_path(request, "person"), edge.ground_of(request)
    await ground.db.run(people.let_go, request.auth, person_id, ground.clock.now())
    return edge.nothing(request)


@route(
    "POST /v1/people/{person_id}/reset",
    Operation(
        summary="Make a link by which a person sets a password",
        detail="To be handed to them; good once, for an hour. 409 for members of other workspaces.",
        scope="people:write",
        gives=LinkMade,
        status=201,
        once=True,
        problems=(404, 409),
        answer_example=LinkMade("https://angarium.example/reset/new?token=rst_…"),
    ),
)
async def reset_person(request: Call) -> JsonAnswer:
    """A link."""
    body, ground = await edge.read_body(request), edge.ground_of(request)
    person_id, caller = edge.id_in_path(request, "person"), request.auth

    async def work(tx: Transaction) -> LinkMade:
        _, token = await people.reset_for(tx, ground, caller, person_id)
        return LinkMade(link_to(request, "/reset/new", token))

    return await edge.once(request, body, work, sealed=True)


@route(
    "DELETE /v1/people/{person_id}/second-factor",
    Operation(
        summary="Take a person's second factors away",
        detail="For whoever has lost them. 409 for whoever belongs to other workspaces too.",
        scope="people:write",
        status=204,
        problems=(404, 409),
    ),
)
async def drop_factors(request: Call) -> JsonAnswer:
    """They have none any more."""
    person_id, ground = edge.id_in_path(request, "person"), edge.ground_of(request)
    await ground.db.run(people.drop_factors, request.auth, person_id, ground.clock.now())
    return edge.nothing(request)


@route(
    "GET /v1/people/{person_id}/sessions",
    Operation(
        summary="List a person's sessions",
        detail="Those in which they look at this workspace.",
        scope="people:read",
        gives=Page[SessionShown],
        problems=(404,),
        answer_example=Page([SESSION_EXAMPLE]),
    ),
)
async def list_sessions(request: Call) -> JsonAnswer:
    """The browsers in which they have signed in."""
    person_id, workspace_id = edge.id_in_path(request, "person"), request.auth.workspace_id

    async def look(tx: Transaction) -> list[session_store.Session]:
        await people.somebody(tx, workspace_id, person_id)
        return await session_store.of_person(tx, person_id)

    found = await edge.ground_of(request).db.read(look)
    here = [_shown_session(one) for one in found if one.place_id == workspace_id]
    return edge.answer(request, Page(here))


@route(
    "DELETE /v1/people/{person_id}/sessions",
    Operation(
        summary="End a person's sessions",
        detail="Those in which they look at this workspace; they may sign in again.",
        scope="people:write",
        status=204,
        problems=(404,),
    ),
)
async def end_sessions(request: Call) -> JsonAnswer:
    """None any more."""
    person_id, ground = edge.id_in_path(request, "person"), edge.ground_of(request)
    await ground.db.run(people.end_sessions, request.auth, person_id, ground.clock.now())
    return edge.nothing(request)


# ── invitations ──────────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /v1/invitations",
    Operation(
        summary="List the invitations that nobody has accepted",
        scope="people:read",
        asks=edge.PAGE,
        gives=Page[InvitationShown],
        answer_example=Page([INVITATION_EXAMPLE]),
    ),
)
async def list_invitations(request: Call) -> JsonAnswer:
    """Those that wait, also those whose time is up."""
    query = edge.PAGE.read_query(request.scope["query_string"])
    found = await edge.ground_of(request).db.read(store.invitations, request.auth.workspace_id)
    items, following = edge.piece(found, query, lambda one: one.id)
    return edge.answer(request, Page([_shown_invitation(one) for one in items], following))


@route(
    "POST /v1/invitations",
    Operation(
        summary="Invite somebody",
        detail="The answer has the link, good once, for seven days; `send_over` also sends it by mail.",
        scope="people:write",
        takes=INVITE,
        gives=InvitationMade,
        status=201,
        once=True,
        example=InviteInput("olena@shop.example", Role.MARKETER, (MessageClass.PROMOTIONAL,)),
        answer_example=MADE_EXAMPLE,
    ),
)
async def invite(request: Call) -> JsonAnswer:
    """A place for somebody."""
    body, caller = await edge.read_body(request), request.auth
    given = INVITE.read(body)
    extent = reach.given(given.classes, given.lines)
    await edge.require_lines(request, extent)
    made: list[Letter] = []

    async def work(tx: Transaction) -> InvitationMade:
        made.clear()
        new, token = await _invited(tx, request, caller, given, extent)
        made.append(Letter(caller.workspace_id, given.send_over, new.email, "invitation", token))
        told = msgspec.structs.asdict(_shown_invitation(new))
        return InvitationMade(**told, link=link_to(request, "/invitation", token))

    reception: Reception = request.scope["litestar_app"].state.reception
    if given.send_over and reception.post is None:
        raise invalid("send_over", "cannot be done here", value=given.send_over)
    answer = await edge.once(request, body, work, sealed=True)
    if made and given.send_over and reception.post is not None:
        told = msgspec.json.decode(answer.body) | {"sent": await _posted(reception.post, made[0])}
        answer.body = msgspec.json.encode(told)
    return answer


async def _posted(post: Post, letter: Letter) -> str:
    """Send a letter; the invitation is there also when it cannot be sent."""
    try:
        await post(letter)
    except Problem as problem:
        return problem.detail or problem.title
    return "sent"


async def _invited(
    tx: Transaction, request: Call, caller: Caller, given: InviteInput, extent: Reach
) -> tuple[Invitation, str]:
    await people.require_may_give(tx, caller, given.role, reach=extent)
    ground = edge.ground_of(request)
    return await people.invite(tx, ground, caller.workspace_id, given.email, given.role, extent, caller.actor)


@route(
    "DELETE /v1/invitations/{invitation_id}",
    Operation(summary="Take an invitation back", scope="people:write", status=204, problems=(404,)),
)
async def withdraw(request: Call) -> JsonAnswer:
    """Its link is good no more."""
    invitation_id, ground = edge.id_in_path(request, "invitation"), edge.ground_of(request)
    caller, now = request.auth, ground.clock.now()
    await ground.db.run(people.withdraw, caller.workspace_id, invitation_id, caller.actor, now)
    return edge.nothing(request)


# ── as they are shown ────────────────────────────────────────────────────────────────────────────────


def link_to(request: Call, path: str, token: str) -> str:
    """A link with a token, whole if it is known how this server is reached."""
    base: str = request.scope["litestar_app"].state.get("public_url", "")
    return f"{base.rstrip('/')}{path}?token={token}"


def shown(one: Somebody) -> PersonShown:
    """Somebody for the outside."""
    person, member = one.person, one.member
    return PersonShown(
        id=ids.show("person", person.id),
        email=person.email,
        name=person.name,
        second_factor=person.totp is not None,
        disabled=person.disabled_at is not None,
        joined_at=iso(member.created_at),
        invited_by=member.created_by,
        **_place(member),
    )


def _shown_invitation(one: Invitation) -> InvitationShown:
    return InvitationShown(
        id=ids.show("invitation", one.id),
        email=one.email,
        created_at=iso(one.created_at),
        created_by=one.created_by,
        ends_at=iso(one.ends_at),
        **_place(one),
    )


def _place(one: Member | Invitation) -> dict[str, Any]:
    classes, lines = reach.shown_classes(one.reach), reach.shown_lines(one.reach)
    return {"role": one.role, "classes": classes, "lines": lines}


def _shown_session(one: session_store.Session) -> SessionShown:
    return SessionShown(
        id=ids.show("session", one.id),
        device=one.device,
        address=one.address,
        method=one.method,
        factors=one.factors,
        created_at=iso(one.created_at),
        seen_at=iso(one.seen_at),
    )


HANDLERS = (
    list_people,
    get_person,
    change_person,
    let_person_go,
    reset_person,
    drop_factors,
    list_sessions,
    end_sessions,
    list_invitations,
    invite,
    withdraw,
)
