"""The JSON edge of what comes before a campaign starts: a forecast, a test on one's own phones, a review."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, route
from angarium.campaigns import flows, forecast, people
from angarium.campaigns.api import SHOWN_EXAMPLE, CampaignShown, StartInput, desk_of, moved, world_of
from angarium.campaigns.wanted import templates_of
from angarium.contacts.flows import Recipient
from angarium.content.surroundings import Look
from angarium.core.decoding import Shape
from angarium.core.problems import Problem, invalid
from angarium.messaging.accept import MessageInput, Order
from angarium.messaging.answering import Answer

TEST_MAX = 10  # people to whom a test goes


class TestInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """To whom a test goes: one's own phones, mostly."""

    to: Annotated[tuple[Recipient, ...], msgspec.Meta(min_length=1, max_length=TEST_MAX)]
    arm: Annotated[int, msgspec.Meta(ge=0)] = 0  # which wording of an experiment


class RefuseInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a campaign is sent back."""

    why: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]


TEST, REFUSE = Shape(TestInput), Shape(RefuseInput)
FORECAST_EXAMPLE = {
    "hash": "0f9c5d0b5b1d4b6f9d8f3a1c2e4b6a70",
    "members": 120_000,
    "sample": 1_000,
    "estimated": True,
    "class": "promotional",
    "goes": 117_600,
    "left_out": {"opted_out": 2_280, "no_address": 120},
    "steps": [
        {
            "step": 1,
            "channel": "viber_business",
            "line": "",
            "begin": 117_600,
            "able": 117_600,
            "cost": [{"amount": "2352", "currency": "EUR"}],
        }
    ],
    "parts": {"least": 1, "mean": 1.0, "most": 1},
    "cost": {
        "least": [{"amount": "2352", "currency": "EUR"}],
        "most": [{"amount": "5880", "currency": "EUR"}],
    },
    "messages": [],
    "lines_away": [],
    "budgets_short": [
        {
            "budget": "adverts",
            "left": "1500",
            "need": "5880",
            "currency": "EUR",
            "until": "2026-12-31T23:00:00.000Z",
            "then": "refuse",
        }
    ],
    "findings": [],
}


@route(
    "POST /v1/campaigns/{campaign_id}/forecast",
    Operation(
        summary="Foretell a campaign",
        detail="How many would be told, by which step, in how many parts, at what cost, who would be left "
        "out and why, and some messages as they would be; by the rules of this moment. Of more than 1,000 "
        "people it is estimated from as many. `findings` are those of the template; `lines_away` are steps "
        "that would wait for a line to come back, `budgets_short` budgets that would be spent before its "
        "end. A 422 names what is in the way of its start.",
        scope="messages:read",
        gives=Any,
        problems=(404,),
        answer_example=FORECAST_EXAMPLE,
    ),
)
async def forecast_campaign(request: Call) -> JsonAnswer:
    """Nothing is written, nobody is told."""
    campaign_id, world = edge.id_in_path(request, "campaign"), world_of(request)
    look: Look = request.scope["litestar_app"].state.surroundings
    found = await forecast.forecast(world, look, request.auth.workspace_id, campaign_id)
    return edge.answer(request, found)


@route(
    "POST /v1/campaigns/{campaign_id}/test",
    Operation(
        summary="Send a campaign to oneself",
        detail="To at most ten people, as messages by themselves, with the words, variables and way of the "
        "campaign; where each person has variables of its own, with those of the first one. They are in no "
        "report of it. The rules hold for them too.",
        scope="messages:write",
        takes=TEST,
        gives=Any,
        status=202,
        problems=(404, 422),
        example=TestInput((Recipient(phone="+380501234567"),)),
        answer_example={"accepted": 1, "rejected": 0, "results": [{"index": 0, "id": "msg_05a581yz00002"}]},
    ),
)
async def test_campaign(request: Call) -> JsonAnswer:
    """The same words by the same way."""
    given = TEST.read(await edge.read_body(request))
    answer = await tried(request, given)
    return JsonAnswer(answer.status, answer.body)


async def tried(request: Call, given: TestInput) -> Answer:
    """Send the campaign of an address to a few people; a Problem when none of it was taken."""
    campaign_id, workspace_id = edge.id_in_path(request, "campaign"), request.auth.workspace_id
    ground = edge.ground_of(request)
    one = await ground.db.read(flows.existing, workspace_id, campaign_id)
    wanted = flows.wanted(one)
    own = await ground.db.run(people.example, workspace_id, wanted.whom, ground.clock.now())
    wordings = list(templates_of(wanted).values())
    if given.arm >= len(wordings):
        raise invalid("arm", "there is no such arm", value=str(given.arm), remedy=f"0 to {len(wordings) - 1}")
    messages = tuple(
        MessageInput(
            to=person,
            template=wordings[given.arm],
            variables=wanted.variables | own,
            cascade=wanted.cascade,
            channel=wanted.channel,
            line=wanted.line,
            label="test",
            reference=flows.label(one.id),
        )
        for person in given.to
    )
    order = Order(workspace_id, messages, batch=True, reach=request.auth.reach)
    answer = await desk_of(request).offer(order)
    if isinstance(answer, Problem):
        raise answer
    return answer


@route(
    "POST /v1/campaigns/{campaign_id}/submit",
    Operation(
        summary="Ask for the approval of a campaign",
        detail="It is not changed any more until somebody has decided.",
        scope="messages:write",
        gives=CampaignShown,
        problems=(404, 409),
        answer_example=msgspec.structs.replace(SHOWN_EXAMPLE, state="in_review"),
    ),
)
async def submit_campaign(request: Call) -> JsonAnswer:
    """It waits for somebody else."""
    return await moved(request, lambda tx, *at: flows.submit(tx, world_of(request), *at))


class ApproveInput(StartInput, frozen=True, forbid_unknown_fields=True):
    """The same of whoever approves it."""


APPROVE = Shape(ApproveInput)


@route(
    "POST /v1/campaigns/{campaign_id}/approve",
    Operation(
        summary="Approve a campaign that somebody else has written",
        detail="It starts. Whoever wrote it, changed it or asked for its review does not approve it. With "
        "the `hash` of the forecast it is refused when it is no longer what was read.",
        scope="campaigns:decide",
        takes=APPROVE,
        gives=CampaignShown,
        status=202,
        problems=(404, 409),
        example=ApproveInput(120_000),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def approve_campaign(request: Call) -> JsonAnswer:
    """It goes, as far as it may."""
    given = APPROVE.read(await edge.read_body(request) or b"{}")
    return await moved(request, lambda tx, *at: flows.approve(tx, world_of(request), *at), given)


@route(
    "POST /v1/campaigns/{campaign_id}/refuse",
    Operation(
        summary="Send a campaign back with a reason",
        detail="It is a draft again. Its author takes it back in the same way.",
        scope="messages:read",
        takes=REFUSE,
        gives=CampaignShown,
        problems=(404, 409),
        example=RefuseInput("The offer ends before the campaign does."),
        answer_example=msgspec.structs.replace(SHOWN_EXAMPLE, state="draft"),
    ),
)
async def refuse_campaign(request: Call) -> JsonAnswer:
    """It can be changed."""
    given = REFUSE.read(await edge.read_body(request))
    return await moved(request, lambda tx, w, c, deed: flows.refuse(tx, w, c, given.why, deed))


HANDLERS = [forecast_campaign, test_campaign, submit_campaign, approve_campaign, refuse_campaign]
