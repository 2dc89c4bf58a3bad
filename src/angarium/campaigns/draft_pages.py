"""The HTML edge of drafts: for whom, which words by which way, when and how fast. Each page is saved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer, fields_of, form_of, redirect
from angarium.campaigns import draft_form, flows
from angarium.campaigns.api import deed_of, world_of
from angarium.campaigns.draft_form import Form
from angarium.campaigns.pages import (
    Document,
    campaign_of,
    draft_path,
    facts_of,
    names_in,
    path_of,
    problem_shown,
    typed_in,
)
from angarium.campaigns.sizing import size
from angarium.campaigns.states import EDITABLE
from angarium.campaigns.store.campaigns import Campaign
from angarium.campaigns.wanted import CampaignInput, lacks
from angarium.campaigns.wording_pages import choices, looked
from angarium.contacts.imports import store as imports
from angarium.contacts.imports.mapping import keeps_list
from angarium.contacts.segments import store as segments
from angarium.core import ids
from angarium.core.problems import Problem, invalid
from angarium.storage.database import Transaction

FILES_LOOKED_AT = 50  # newest imports among which lists are looked for
NEWEST = (1 << 63) - 1
UNSAID = CampaignInput(name="")
Showing = Callable[[Call, Campaign | None, Document], Awaitable[HtmlAnswer]]


# ── for whom ─────────────────────────────────────────────────────────────────────────────────────────


@route("GET /campaigns/new", Operation(summary="A new campaign", scope="messages:write", page=True))
async def new_campaign(request: Call) -> Sent:
    """The first page of a draft that is not there yet; a segment may be chosen by the address."""
    asked = typed_in(request)
    whom = "segment" if asked.get("segment") else "file" if asked.get("import") else ""
    chosen = {"segment": asked.get("segment", ""), "file": asked.get("import", ""), "whom": whom}
    return await _whom_page(request, None, {"typed": draft_form.whom_form(UNSAID) | chosen})


@route("POST /campaigns/new", Operation(summary="A new campaign", scope="messages:write", page=True))
async def create_campaign(request: Call) -> Sent:
    """A draft, and on to its words."""
    form, world, workspace_id = form_of(request), world_of(request), request.auth.workspace_id
    try:
        given = draft_form.with_whom(UNSAID, form)
        one = await edge.ground_of(request).db.run(
            lambda tx: flows.create(tx, world, workspace_id, given, deed_of(request), unfinished=True)
        )
    except Problem as problem:
        return await _refused(request, None, problem, _whom_page, {"typed": _filled(UNSAID, form)})
    return redirect(_onward(form, one, "/words"))


@route(
    "GET /campaigns/{campaign_id}/audience",
    Operation(summary="For whom a campaign is", scope="messages:write", page=True),
)
async def audience(request: Call) -> Sent:
    """The first page of a draft."""
    one = await campaign_of(request)
    return await _draft_page(request, one, _whom_page, {"typed": draft_form.whom_form(flows.wanted(one))})


@route(
    "POST /campaigns/{campaign_id}/audience",
    Operation(summary="Say for whom a campaign is", scope="messages:write", page=True),
)
async def set_audience(request: Call) -> Sent:
    """Saved, and on to its words."""
    one, form = await campaign_of(request), form_of(request)
    facts = {"typed": _filled(flows.wanted(one), form)}
    return await _saved(
        request,
        one,
        lambda given: draft_form.with_whom(given, form),
        _whom_page,
        facts,
        "/words",
        draft_form.whom_mark,
    )


def _filled(given: CampaignInput, form: Form) -> dict[str, str]:
    return draft_form.whom_form(given) | dict(form)


async def _whom_page(request: Call, one: Campaign | None, facts: Document) -> HtmlAnswer:
    db, workspace_id = edge.ground_of(request).db, request.auth.workspace_id
    given = flows.wanted(one) if one else UNSAID
    found = await db.read(_to_choose_from, workspace_id, given)
    return _page("campaigns/audience.html", one, {"seen": draft_form.whom_mark(given)} | facts | found)


async def _to_choose_from(tx: Transaction, workspace_id: int, given: CampaignInput) -> Document:
    there = await segments.all_of(tx, workspace_id)
    files = await imports.jobs.page(tx, workspace_id, NEWEST, FILES_LOOKED_AT)
    return {
        "segments": [(ids.show("segment", one.id), one.name) for one in there],
        "files": [
            (
                ids.show("import", one.id),
                one.name,
                [column.name for column in one.mapping.columns if column.to == "variable"],
            )
            for one in files
            if one.state == "done" and keeps_list(one.mapping)
        ],
        "names": await names_in(tx, workspace_id, given),
    }


@route("GET /campaigns/count", Operation(summary="How many", scope="messages:read", page=True))
async def count(request: Call) -> Sent:
    """How many a form means, while somebody fills it in; a piece of its page."""
    db, workspace_id, asked = edge.ground_of(request).db, request.auth.workspace_id, typed_in(request)
    given = UNSAID
    if asked.get("whom") == "kept" and asked.get("of"):
        given = flows.wanted(await db.read(flows.existing, workspace_id, _campaign_id(asked["of"])))
    facts: Document = {"meant": None, "wrong": None}
    try:
        given = draft_form.with_whom(given, asked)
        if all(one.field != "audience" for one in lacks(given)):
            facts["meant"] = await db.run(size, workspace_id, given.whom, edge.ground_of(request).clock.now())
    except Problem as problem:
        facts["wrong"] = problem_shown(problem)
    return HtmlAnswer("campaigns/count.html", facts)


def _campaign_id(text: str) -> int:
    try:
        return ids.read("campaign", text)
    except ValueError as error:
        raise invalid("of", str(error), value=text) from None


# ── which words, by which way ────────────────────────────────────────────────────────────────────────


@route(
    "GET /campaigns/{campaign_id}/words",
    Operation(summary="What a campaign says", scope="messages:write", page=True),
)
async def words(request: Call) -> Sent:
    """The second page of a draft."""
    one = await campaign_of(request)
    given = flows.wanted(one)
    facts = {"typed": draft_form.words_form(given), "arms": draft_form.arms_form(given)}
    return await _draft_page(request, one, _words_page, facts)


@route(
    "POST /campaigns/{campaign_id}/words",
    Operation(summary="Say what a campaign says", scope="messages:write", page=True),
)
async def set_words(request: Call) -> Sent:
    """Saved, and on to its hours."""
    one, form = await campaign_of(request), form_of(request)

    def fields(name: str) -> Sequence[str]:
        return fields_of(request, name)

    facts = {
        "typed": draft_form.words_form(flows.wanted(one)) | dict(form),
        "arms": draft_form.arms_typed(fields),
    }

    if form.get("go") == "look":  # what a browser had kept of it, to be drawn with all its rows
        return await _draft_page(request, one, _words_page, facts)

    def change(given: CampaignInput) -> CampaignInput:
        return draft_form.with_words(given, form, fields)

    return await _saved(request, one, change, _words_page, facts, "/schedule", draft_form.words_mark)


async def _words_page(request: Call, one: Campaign | None, facts: Document) -> HtmlAnswer:
    assert one is not None
    given = flows.wanted(one)
    around = await choices(request) | await looked(request, given, facts["typed"], facts["arms"])
    return _page("campaigns/words.html", one, {"seen": draft_form.words_mark(given)} | around | facts)


# ── when, and how fast ───────────────────────────────────────────────────────────────────────────────


@route(
    "GET /campaigns/{campaign_id}/schedule",
    Operation(summary="When a campaign goes", scope="messages:write", page=True),
)
async def schedule(request: Call) -> Sent:
    """The third page of a draft."""
    one = await campaign_of(request)
    given = flows.wanted(one)
    facts = {"typed": draft_form.schedule_form(given), "ticked": draft_form.days_form(given)}
    return await _draft_page(request, one, _schedule_page, facts)


@route(
    "POST /campaigns/{campaign_id}/schedule",
    Operation(summary="Say when a campaign goes", scope="messages:write", page=True),
)
async def set_schedule(request: Call) -> Sent:
    """Saved, and on to the check."""
    one, form = await campaign_of(request), form_of(request)

    def fields(name: str) -> Sequence[str]:
        return fields_of(request, name)

    before = draft_form.schedule_form(flows.wanted(one)) | {"hours": ""}
    facts = {"typed": before | dict(form), "ticked": fields("day")}

    def change(given: CampaignInput) -> CampaignInput:
        return draft_form.with_schedule(given, form, fields)

    return await _saved(request, one, change, _schedule_page, facts, "/check", draft_form.schedule_mark)


async def _schedule_page(_request: Call, one: Campaign | None, facts: Document) -> HtmlAnswer:
    assert one is not None
    return _page(
        "campaigns/schedule.html", one, {"seen": draft_form.schedule_mark(flows.wanted(one))} | facts
    )


# ── what they share ──────────────────────────────────────────────────────────────────────────────────


async def _draft_page(request: Call, one: Campaign, page: Showing, facts: Document) -> Sent:
    """A page of a draft; of what is none any more, its own page, which says why nothing is changed."""
    if one.state not in EDITABLE:
        return redirect(path_of(one, "?done=locked"))
    return await page(request, one, facts)


async def _saved(
    request: Call,
    one: Campaign,
    change: Callable[[CampaignInput], CampaignInput],
    page: Showing,
    facts: Document,
    following: str,
    mark: Callable[[CampaignInput], str],
) -> Sent:
    """Save what a page of a draft says, and go on; or show the page again with what is wrong, or because it
    has been saved by somebody else since it was drawn."""
    form, workspace_id, before = form_of(request), request.auth.workspace_id, flows.wanted(one)
    if one.state in EDITABLE and form.get("seen", mark(before)) != mark(before):
        detail = "What you have typed is still here. Save again to put it in the place of what was saved."
        problem = Problem("version-conflict", "This page has been saved meanwhile", status=409, detail=detail)
        return await _refused(request, one, problem, page, facts)
    try:
        given = change(before)
        await edge.ground_of(request).db.run(
            lambda tx: flows.change(tx, workspace_id, one.id, given, deed_of(request), unfinished=True)
        )
    except Problem as problem:
        if problem.slug == "campaign-state":
            return redirect(path_of(one, "?done=locked"))
        return await _refused(request, one, problem, page, facts)
    return redirect(_onward(form, one, following))


def _onward(form: Mapping[str, str], one: Campaign, following: str) -> str:
    """Where a page leads: on, back to the check it was come from, or to the list."""
    match form.get("go", ""):
        case "later":
            return "/campaigns?done=saved"
        case "check":
            return path_of(one, "/check")
        case _:
            return path_of(one, following)


async def _refused(
    request: Call, one: Campaign | None, problem: Problem, page: Showing, facts: Document
) -> HtmlAnswer:
    problem.fields = draft_form.in_units(problem.fields, form_of(request))
    wrong = draft_form.wrong_of(problem.fields)
    answer = await page(request, one, {**facts, "problem": problem_shown(problem), "wrong": wrong})
    answer.status = problem.status
    return answer


def _page(template: str, one: Campaign | None, facts: Mapping[str, Any]) -> HtmlAnswer:
    around: Document = {"problem": None, "wrong": {}, "id": "", "one": None, "done": ""}
    return HtmlAnswer(template, around | (facts_of(one) if one else {}) | dict(facts))


@route(
    "GET /campaigns/{campaign_id}/draft",
    Operation(summary="Go on with a draft", scope="messages:write", page=True),
)
async def go_on(request: Call) -> Sent:
    """The first page of which something is still to be said."""
    return redirect(draft_path(await campaign_of(request)))


HANDLERS = (
    new_campaign,
    create_campaign,
    audience,
    set_audience,
    count,
    words,
    set_words,
    schedule,
    set_schedule,
    go_on,
)
