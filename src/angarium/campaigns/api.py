"""The JSON edge of campaigns: write one, start it, pause it, let it go on, stop it; its members."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.campaigns import flows
from angarium.campaigns.flows import TOPIC, Deed
from angarium.campaigns.people import NOT_REACHED, Outcome
from angarium.campaigns.schedule import Schedule
from angarium.campaigns.store import campaigns as store
from angarium.campaigns.store.campaigns import Campaign
from angarium.campaigns.wanted import CampaignInput
from angarium.contacts.audience import Audience
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.messaging import halts
from angarium.messaging.api import Desk
from angarium.messaging.world import World
from angarium.storage.database import Transaction

CAMPAIGN = Shape(CampaignInput)
NEWEST = (1 << 63) - 1


class CampaignShown(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign, and how far it has come. `next` says what can be done with it."""

    id: str
    state: str
    reason: str
    version: int
    members: int
    told: int
    left_out: int
    waiting: int
    created_by: str
    created_at: str
    updated_at: str
    started_by: str
    started_at: str | None
    ended_at: str | None
    next: list[str]
    wanted: CampaignInput


NEXT = {
    "draft": ["change", "forecast", "test", "start", "submit", "delete", "copy"],
    "in_review": ["forecast", "test", "approve", "refuse", "copy"],
    "scheduled": ["pause", "stop", "copy"],
    "building": ["pause", "stop", "copy"],
    "running": ["pause", "stop", "copy"],
    "paused": ["resume", "stop", "copy"],
    "done": ["resend", "copy"],
    "stopped": ["resend", "copy"],
}
EXAMPLE = CampaignInput(
    name="Spring sale",
    audience=Audience(segment="seg_05a58xarj0000"),
    template="spring-sale",
    cascade="vk-viber-sms",
    schedule=Schedule(local_at="2026-12-01T10:00", per_hour=20_000),
)
SHOWN_EXAMPLE = CampaignShown(
    id="cmp_05a58xarj0000",
    state="running",
    reason="",
    version=1,
    members=120_000,
    told=41_500,
    left_out=312,
    waiting=78_188,
    created_by="key_05a58xarj0000",
    created_at="2026-11-28T08:30:00.000Z",
    updated_at="2026-12-01T07:58:00.000Z",
    started_by="key_05a58xarj0000",
    started_at="2026-11-28T08:31:00.000Z",
    ended_at=None,
    next=NEXT["running"],
    wanted=EXAMPLE,
)


@route(
    "GET /v1/campaigns",
    Operation(
        summary="List the campaigns",
        scope="messages:read",
        asks=edge.PAGE,
        gives=Page[CampaignShown],
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_campaigns(request: Call) -> JsonAnswer:
    """Campaigns, newest first."""
    query = edge.PAGE.read_query(request.scope["query_string"])
    before = edge.read_cursor(query.cursor) or NEWEST
    db, workspace_id = edge.ground_of(request).db, request.auth.workspace_id
    found = await db.read(store.page, workspace_id, before, query.limit + 1)
    items, following = edge.cut(found, query, lambda one: one.id)
    return edge.answer(request, Page([shown(one) for one in items], following))


@route(
    "POST /v1/campaigns",
    Operation(
        summary="Write a campaign",
        detail="A draft: nobody is told before it is started. `audience` names exactly one of a segment, "
        "tags, contacts or everybody. Instead of it, `of_campaign` names members of another campaign, and "
        "`of_import` whom the rows of an imported file meant, each with the variables of its row. "
        "Exactly one of `cascade`, `channel` and `line` says how it is sent.",
        scope="messages:write",
        takes=CAMPAIGN,
        gives=CampaignShown,
        status=201,
        once=True,
        example=EXAMPLE,
        answer_example=msgspec.structs.replace(SHOWN_EXAMPLE, state="draft", next=NEXT["draft"]),
    ),
)
async def create_campaign(request: Call) -> JsonAnswer:
    """A new draft."""
    body = await edge.read_body(request)
    given, world, deed = CAMPAIGN.read(body), world_of(request), deed_of(request)

    async def work(tx: Transaction) -> CampaignShown:
        return shown(await flows.create(tx, world, request.auth.workspace_id, given, deed))

    return await edge.once(request, body, work)


@route(
    "GET /v1/campaigns/{campaign_id}",
    Operation(
        summary="Look at a campaign",
        scope="messages:read",
        gives=CampaignShown,
        problems=(404,),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def get_campaign(request: Call) -> JsonAnswer:
    """One campaign."""
    campaign_id = edge.id_in_path(request, "campaign")
    db = edge.ground_of(request).db
    return edge.answer(request, shown(await db.read(flows.existing, request.auth.workspace_id, campaign_id)))


class ChangeQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version that was changed."""

    based_on: Annotated[int, msgspec.Meta(ge=1)] | None = None


CHANGE = Shape(ChangeQuery)


@route(
    "PUT /v1/campaigns/{campaign_id}",
    Operation(
        summary="Change a campaign",
        detail="A draft. What has been started is not changed any more: copy it, and change the copy. With "
        "`based_on`, the `version` that was changed, it is refused (409 `version-conflict`) when somebody "
        "has saved it meanwhile.",
        scope="messages:write",
        asks=CHANGE,
        takes=CAMPAIGN,
        gives=CampaignShown,
        problems=(404, 409),
        example=EXAMPLE,
        answer_example=msgspec.structs.replace(SHOWN_EXAMPLE, state="draft", next=NEXT["draft"]),
    ),
)
async def change_campaign(request: Call) -> JsonAnswer:
    """The draft as it is described now."""
    campaign_id = edge.id_in_path(request, "campaign")
    based_on = CHANGE.read_query(request.scope["query_string"]).based_on
    given, deed = CAMPAIGN.read(await edge.read_body(request)), deed_of(request)
    db, workspace_id = edge.ground_of(request).db, request.auth.workspace_id

    async def work(tx: Transaction) -> Campaign:
        return await flows.change(tx, workspace_id, campaign_id, given, deed, based_on=based_on)

    return edge.answer(request, shown(await db.run(work)))


@route(
    "DELETE /v1/campaigns/{campaign_id}",
    Operation(
        summary="Delete a campaign that was never started",
        scope="messages:write",
        status=204,
        problems=(404, 409),
    ),
)
async def delete_campaign(request: Call) -> JsonAnswer:
    """No draft any more."""
    campaign_id, db = edge.id_in_path(request, "campaign"), edge.ground_of(request).db
    await db.run(flows.delete, request.auth.workspace_id, campaign_id, deed_of(request))
    return edge.nothing(request)


class StartInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many people it goes to, typed by whoever starts it, where the policy `campaigns` asks for it.

    `hash` is that of the forecast that was read.
    """

    confirm: int | None = None
    hash: str = ""


START = Shape(StartInput)


@route(
    "POST /v1/campaigns/{campaign_id}/start",
    Operation(
        summary="Start a campaign",
        detail="Once, whoever asks: 409 when it has been started before. Its audience is frozen as members "
        "when its hour comes, a little before the first of them is due. 409 `confirmation-needed` or "
        "`campaign-unapproved` where the policy `campaigns` asks for more. With the `hash` of the forecast "
        "it is refused when it is no longer what was read.",
        scope="messages:write",
        takes=START,
        example=StartInput(120_000),
        gives=CampaignShown,
        status=202,
        problems=(404, 409),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def start_campaign(request: Call) -> JsonAnswer:
    """It goes, as far as it may."""
    given = START.read(await edge.read_body(request) or b"{}")
    return await moved(request, lambda tx, *at: flows.start(tx, world_of(request), *at), given)


@route(
    "POST /v1/campaigns/{campaign_id}/pause",
    Operation(
        summary="Pause a campaign",
        detail="Nobody more is told. What is queued waits, and so does what would follow by another channel; "
        "what has been handed to a provider is on its way.",
        scope="messages:write",
        gives=CampaignShown,
        problems=(404, 409),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def pause_campaign(request: Call) -> JsonAnswer:
    """Nobody more is told."""
    return await moved(request, flows.pause)


@route(
    "POST /v1/campaigns/{campaign_id}/resume",
    Operation(
        summary="Let a paused campaign go on",
        scope="messages:write",
        gives=CampaignShown,
        problems=(404, 409),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def resume_campaign(request: Call) -> JsonAnswer:
    """It goes on where it was."""
    answer = await moved(request, lambda tx, *at: flows.resume(tx, world_of(request), *at))
    halts.wake(world_of(request), request.auth.workspace_id)
    return answer


@route(
    "POST /v1/campaigns/{campaign_id}/stop",
    Operation(
        summary="Stop a campaign for good",
        detail="Who waits is left out, and what has not gone out is cancelled, in the background.",
        scope="messages:write",
        gives=CampaignShown,
        problems=(404, 409),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def stop_campaign(request: Call) -> JsonAnswer:
    """It ends."""
    return await moved(request, flows.stop)


@route(
    "POST /v1/campaigns/{campaign_id}/copy",
    Operation(
        summary="Copy a campaign",
        scope="messages:write",
        gives=CampaignShown,
        status=201,
        once=True,
        problems=(404,),
        answer_example=msgspec.structs.replace(SHOWN_EXAMPLE, state="draft", next=NEXT["draft"]),
    ),
)
async def copy_campaign(request: Call) -> JsonAnswer:
    """A new draft like it."""
    campaign_id, world, deed = edge.id_in_path(request, "campaign"), world_of(request), deed_of(request)

    async def work(tx: Transaction) -> CampaignShown:
        return shown(await flows.copy(tx, world, request.auth.workspace_id, campaign_id, deed))

    return await edge.once(request, await edge.read_body(request), work)


class ResendInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom another campaign is for, by what became of their messages."""

    states: tuple[Outcome, ...] = NOT_REACHED


RESEND = Shape(ResendInput)


@route(
    "POST /v1/campaigns/{campaign_id}/resend",
    Operation(
        summary="Write a campaign to those whom another did not reach",
        detail="A draft with the same words and way. Without `states`: whose messages failed, expired or "
        "were cancelled. `unknown` may have got it; it is meant only when it is named. So are the `stopped`: "
        "members who had not been told when the campaign was stopped.",
        scope="messages:write",
        takes=RESEND,
        gives=CampaignShown,
        status=201,
        once=True,
        problems=(404,),
        example=ResendInput(),
        answer_example=msgspec.structs.replace(SHOWN_EXAMPLE, state="draft", next=NEXT["draft"]),
    ),
)
async def resend_campaign(request: Call) -> JsonAnswer:
    """A new draft."""
    campaign_id, world, deed = edge.id_in_path(request, "campaign"), world_of(request), deed_of(request)
    body = await edge.read_body(request)
    given = RESEND.read(body or b"{}")

    async def work(tx: Transaction) -> CampaignShown:
        workspace_id = request.auth.workspace_id
        return shown(await flows.resend(tx, world, workspace_id, campaign_id, given.states, deed))

    return await edge.once(request, body, work)


# ── what they share ──────────────────────────────────────────────────────────────────────────────────


async def moved(
    request: Call,
    deed: Callable[[Transaction, int, int, Deed], Awaitable[Campaign]],
    read: StartInput | None = None,
) -> JsonAnswer:
    """Do something to a campaign, and tell what it is then."""
    return edge.answer(request, shown(await done(request, deed, read)))


async def done(
    request: Call,
    deed: Callable[[Transaction, int, int, Deed], Awaitable[Campaign]],
    read: StartInput | None = None,
) -> Campaign:
    """Do something to the campaign of an address, and let the runner know."""
    campaign_id, ground = edge.id_in_path(request, "campaign"), edge.ground_of(request)
    given = deed_of(request)
    if read is not None:
        given = msgspec.structs.replace(given, confirmed=read.confirm, seen=read.hash)
    one = await ground.db.run(deed, request.auth.workspace_id, campaign_id, given)
    ground.fabric.wake(TOPIC)
    return one


def deed_of(request: Call) -> Deed:
    """Who asks, and when."""
    return Deed(request.auth.actor, edge.ground_of(request).clock.now(), request.auth.reach)


def world_of(request: Call) -> World:
    """What the flows of messages work with."""
    return desk_of(request).world


def desk_of(request: Call) -> Desk:
    """Where messages are offered."""
    desk: Desk = request.scope["litestar_app"].state.messages
    return desk


def shown(one: Campaign) -> CampaignShown:
    """A campaign as the API tells it."""
    return CampaignShown(
        id=ids.show("campaign", one.id),
        state=one.state.value,
        reason=one.reason,
        version=one.version,
        members=one.members,
        told=one.told,
        left_out=one.left_out,
        waiting=one.waiting,
        created_by=one.created_by,
        created_at=iso(one.created_at),
        updated_at=iso(one.updated_at),
        started_by=one.started_by,
        started_at=iso(one.started_at) if one.started_at is not None else None,
        ended_at=iso(one.ended_at) if one.ended_at is not None else None,
        next=NEXT[one.state.value],
        wanted=flows.wanted(one),
    )


HANDLERS = [
    list_campaigns,
    create_campaign,
    get_campaign,
    change_campaign,
    delete_campaign,
    start_campaign,
    pause_campaign,
    resume_campaign,
    stop_campaign,
    copy_campaign,
    resend_campaign,
]
