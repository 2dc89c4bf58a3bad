"""The HTML edge of the last look before a campaign starts: forecast, test, approval, start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime

import msgspec

from angarium.accounts import edge
from angarium.accounts import flows as accounts
from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer, form_of, redirect
from angarium.campaigns import confirmation, draft_form, flows, forecast, people
from angarium.campaigns.api import StartInput, done, world_of
from angarium.campaigns.before_api import REFUSE, TEST, TEST_MAX, tried
from angarium.campaigns.flows import Deed
from angarium.campaigns.pages import (
    Document,
    campaign_of,
    facts_of,
    names_in,
    path_of,
    problem_shown,
    typed_in,
)
from angarium.campaigns.states import CampaignState
from angarium.campaigns.store.campaigns import Campaign
from angarium.campaigns.wanted import CampaignInput, lacks
from angarium.campaigns.wording_pages import channel_names, look_of, way_of
from angarium.contacts import named
from angarium.content.preview import Block, blocks
from angarium.core.problems import FieldProblem, Problem
from angarium.core.values import Content
from angarium.messaging.world import World
from angarium.storage.database import Transaction

BEFORE = (CampaignState.DRAFT, CampaignState.IN_REVIEW)
SPACES = dict.fromkeys(map(ord, " ,.٬  ’'"))  # that stand between thousands


class Asked(msgspec.Struct, frozen=True):
    """What is asked of whoever starts it: its size, typed; the approval of somebody else."""

    members: int | None
    approval: bool


@route(
    "GET /campaigns/{campaign_id}/check",
    Operation(summary="Check a campaign", scope="messages:read", page=True),
)
async def check(request: Call) -> Sent:
    """The last page of a draft, and that of one which waits for approval."""
    one = await campaign_of(request)
    if one.state not in BEFORE:
        return redirect(path_of(one))
    return await _check_page(request, one, {"done": typed_in(request).get("done", "")})


async def _check_page(request: Call, one: Campaign, facts: Document, status: int = 200) -> HtmlAnswer:
    world, workspace_id, given = world_of(request), request.auth.workspace_id, flows.wanted(one)
    db = world.ground.db
    around: Document = {
        "names": await db.read(names_in, workspace_id, given),
        "hops": await db.read(way_of, world, workspace_id, given),
        "missing": [wrong.field for wrong in lacks(given)],
        "own_words": request.auth.actor in one.written_by.split(),
        "problem": None,
        "wrong": {},
        "typed": {},
        "tests": None,
        "done": "",
    }
    return HtmlAnswer("campaigns/check.html", facts_of(one) | around | facts, status=status)


@route(
    "GET /campaigns/{campaign_id}/forecast",
    Operation(summary="What a campaign would come to", scope="messages:read", page=True),
)
async def foretell(request: Call) -> Sent:
    """The forecast, and what is asked of whoever starts it; a piece of the page."""
    one, world, workspace_id = await campaign_of(request), world_of(request), request.auth.workspace_id
    given, ground = flows.wanted(one), world.ground
    facts = facts_of(one) | {
        "problem": None,
        "told": None,
        "samples": [],
        "findings": [],
        "asked": Asked(None, approval=False),
        "own_words": request.auth.actor in one.written_by.split(),
        "called": channel_names(world, request.auth.workspace_id),
        "confirm": typed_in(request).get("confirm", ""),
        "time_of": datetime.fromisoformat,
    }
    try:
        told = await forecast.forecast(world, look_of(request), workspace_id, one.id)
        facts["told"], facts["samples"] = told, [_sample(world, message) for message in told["messages"]]
        by = {step["channel"] for step in told["steps"]}
        facts["findings"] = together(told["findings"], by)
        facts["asked"] = await ground.db.run(_asked, world, workspace_id, given, ground.clock.now())
    except Problem as problem:
        facts["problem"] = in_the_way(problem, given)
    return HtmlAnswer("campaigns/forecast.html", facts)


def in_the_way(problem: Problem, given: CampaignInput) -> Document | None:
    """What is in the way of a start; bounds of time are said in the units of the page where they are set."""
    problem.fields = draft_form.in_units(problem.fields, draft_form.schedule_form(given))
    return problem_shown(problem)


class Found(msgspec.Struct):
    """A finding in the words, in which of their locales it is, and by which other channels the same is so."""

    template: str
    level: str
    problem: str
    remedy: str
    locales: list[str] = []
    channels: list[str] = []


def together(findings: Sequence[Document], by: Collection[str]) -> list[Found]:
    """Findings of the channels that the way goes `by`, each once for all the locales that it is about, and
    what is said of a locale once for all channels."""
    found: dict[tuple[str, ...], Found] = {}
    for one in findings:
        channel, locale = one.get("channel", ""), one.get("locale", "")
        if channel and channel not in by:
            continue
        told = (one["template"], one["level"], one["problem"], one.get("remedy", ""))
        alike = (one["template"], one["kind"], locale) if channel and locale else told
        first = alike not in found
        of_all = found.setdefault(alike, Found(*told))
        if locale and locale not in of_all.locales:
            of_all.locales.append(locale)
        if not first and channel and channel not in of_all.channels:
            of_all.channels.append(channel)
    return list(found.values())


def _sample(world: World, message: Document) -> tuple[Document, list[Block]]:
    """A message that was foretold, with the pieces in which its channel shows it."""
    content = msgspec.convert(message["content"], Content)
    return message, list(blocks(content, world.channels[message["channel"]], None))


async def _asked(tx: Transaction, world: World, workspace_id: int, given: CampaignInput, now: int) -> Asked:
    kept = await flows.freeze(tx, world, workspace_id, given, now)
    needs = await confirmation.needed(tx, world, workspace_id, given, kept, None, now)
    members = await people.count(tx, workspace_id, kept.people) if needs else None
    approval = kept.message_class in world.policies.of(workspace_id).campaigns.approve
    return Asked(members, approval)


# ── a test ───────────────────────────────────────────────────────────────────────────────────────────


@route(
    "POST /campaigns/{campaign_id}/test",
    Operation(summary="Send a campaign to oneself", scope="messages:write", page=True),
)
async def test(request: Call) -> Sent:
    """To the phones and mailboxes that were typed, and what became of each."""
    one, form = await campaign_of(request), form_of(request)
    lines = [line.strip() for line in form.get("to", "").replace(",", "\n").splitlines() if line.strip()]
    few = lines[: TEST_MAX + 1]  # one more than it takes, so that it says so; each is looked up
    meant = await edge.ground_of(request).db.read(_meant, request.auth.workspace_id, few)
    document = {"to": meant, "arm": draft_form.number(form.get("arm") or "0")}
    facts: Document = {"typed": dict(form)}
    try:
        answer = await tried(request, TEST.read(msgspec.json.encode(document)))
    except Problem as problem:
        wrong = {"to": _said(problem)}
        return await _check_page(request, one, facts | {"wrong": wrong}, problem.status)
    results = msgspec.json.decode(answer.body)["results"]
    facts["tests"] = [(*meant[one["index"]].values(), one.get("id", ""), _refusal(one)) for one in results]
    return await _check_page(request, one, facts)


class Refusal(msgspec.Struct, frozen=True):
    """A problem as the API tells it: what is said of it here."""

    title: str
    detail: str = ""
    fields: tuple[FieldProblem, ...] = msgspec.field(name="errors", default=())


async def _meant(tx: Transaction, workspace_id: int, lines: Sequence[str]) -> list[dict[str, str]]:
    """Mailboxes, and phones as they are dialled here."""
    zone = (await accounts.workspace(tx, workspace_id)).time_zone
    return [
        {"email": text} if "@" in text else {"phone": await named.phone(tx, workspace_id, text, zone)}
        for text in lines
    ]


def _refusal(result: Document) -> str:
    """Why one of them was not sent a test, without the name that its address has in the API."""
    problem = result.get("problem")
    return _said(msgspec.convert(problem, Refusal)) if problem else ""


def _said(problem: Problem | Refusal) -> str:
    if not problem.fields:
        return problem.detail or problem.title
    first = problem.fields[0]
    return f"{first.problem}: {first.remedy}" if first.remedy else first.problem


# ── the start ────────────────────────────────────────────────────────────────────────────────────────

Doing = Callable[[Transaction, int, int, Deed], Awaitable[Campaign]]


WithWorld = Callable[[Transaction, World, int, int, Deed], Awaitable[Campaign]]


def _in_world(request: Call, flow: WithWorld) -> Doing:
    """What is done to a campaign, by a flow that needs the lines as well."""
    world = world_of(request)

    async def deed(tx: Transaction, workspace_id: int, campaign_id: int, by: Deed) -> Campaign:
        return await flow(tx, world, workspace_id, campaign_id, by)

    return deed


async def _moved(request: Call, deed: Doing, said: str, read: StartInput | None = None) -> Sent:
    """Do it, and go to what it is then; or the page again with what is in the way."""
    try:
        one = await done(request, deed, read)
    except Problem as problem:
        if problem.status == 404:
            raise
        one = await campaign_of(request)
        stopped_by = in_the_way(problem, flows.wanted(one))
        facts: Document = {"problem": stopped_by, "typed": dict(form_of(request))}
        return await _check_page(request, one, facts, problem.status)
    return redirect(path_of(one, f"?done={said}"))


def _read(request: Call) -> StartInput:
    """What somebody has read, and how many people they have typed, in the digits and with the commas of any
    language."""
    form = form_of(request)
    text = form.get("confirm", "").translate(SPACES)
    return StartInput(int(text) if text.isdecimal() and len(text) < 12 else None, form.get("hash", ""))


@route(
    "POST /campaigns/{campaign_id}/start",
    Operation(summary="Start a campaign", scope="messages:write", page=True),
)
async def start(request: Call) -> Sent:
    """It goes, as far as it may."""
    return await _moved(request, _in_world(request, flows.start), "started", _read(request))


@route(
    "POST /campaigns/{campaign_id}/submit",
    Operation(summary="Ask for the approval of a campaign", scope="messages:write", page=True),
)
async def submit(request: Call) -> Sent:
    """It waits for somebody else."""
    return await _moved(request, _in_world(request, flows.submit), "submitted")


@route(
    "POST /campaigns/{campaign_id}/approve",
    Operation(summary="Approve a campaign", scope="campaigns:decide", page=True),
)
async def approve(request: Call) -> Sent:
    """It goes, as far as it may."""
    return await _moved(request, _in_world(request, flows.approve), "started", _read(request))


@route(
    "POST /campaigns/{campaign_id}/refuse",
    Operation(summary="Send a campaign back", scope="messages:read", page=True),
)
async def refuse(request: Call) -> Sent:
    """It can be changed again."""
    why = form_of(request).get("why", "").strip()
    try:
        REFUSE.read(msgspec.json.encode({"why": why}))
    except Problem as problem:
        facts: Document = {"wrong": {"why": _said(problem)}, "typed": dict(form_of(request))}
        return await _check_page(request, await campaign_of(request), facts, problem.status)

    async def deed(tx: Transaction, workspace_id: int, campaign_id: int, by: Deed) -> Campaign:
        return await flows.refuse(tx, workspace_id, campaign_id, why, by)

    return await _moved(request, deed, "refused")


HANDLERS = (check, foretell, test, start, submit, approve, refuse)
