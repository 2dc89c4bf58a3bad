"""The HTML edge of campaigns: the list, and what is done to one that is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Annotated, Any, cast
from urllib.parse import parse_qsl, urlencode

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer, form_of, redirect
from angarium.campaigns import draft_form, flows
from angarium.campaigns.api import deed_of, done, world_of
from angarium.campaigns.finding import NEWEST, Sought, find
from angarium.campaigns.people import NOT_REACHED, Outcome
from angarium.campaigns.report import Outline, Reports
from angarium.campaigns.states import CampaignState, may_become
from angarium.campaigns.store import campaigns as store
from angarium.campaigns.store.campaigns import Campaign
from angarium.campaigns.wanted import CampaignInput, lacks
from angarium.contacts.imports import store as imports
from angarium.contacts.segments import store as segments
from angarium.core import ids
from angarium.core.clock import MICROS, to_datetime
from angarium.core.decoding import Shape
from angarium.core.problems import Problem, invalid
from angarium.messaging import halts
from angarium.storage.database import Transaction

PAGE = 25  # campaigns on a page of the list
MARK_MAX = 30  # characters behind the name of a draft that is made of another
FIELDS_MAX = 300  # of a form in an address
COUNTED_AT_ONCE = 50_000  # messages of which the list waits for the count
S = CampaignState
TONES = {
    S.DRAFT: "quiet",
    S.IN_REVIEW: "doubt",
    S.SCHEDULED: "on",
    S.BUILDING: "on",
    S.RUNNING: "on",
    S.PAUSED: "doubt",
    S.DONE: "good",
    S.STOPPED: "quiet",
}
NOTHING: Mapping[str, str] = {}
MOVES_AFTER = 10 * 60 * MICROS  # its end: receipts come for a while

Text = Annotated[str, msgspec.Meta(max_length=300)]
Document = dict[str, Any]


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which campaigns to list. `counted`: wait for every count."""

    text: Text = ""
    state: Text = ""
    cursor: Text = ""
    counted: bool = False
    done: Text = ""


class Row(msgspec.Struct, frozen=True):
    """One campaign in the list."""

    id: str
    one: Campaign
    given: CampaignInput
    tone: str
    outline: Outline | None


LIST = Shape(ListQuery)


def reports_of(request: Call) -> Reports:
    """Counts of campaigns."""
    return cast("Reports", request.scope["litestar_app"].state.campaign_reports)


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /campaigns", Operation(summary="Campaigns", scope="messages:read", asks=LIST, page=True, alike=True)
)
async def list_campaigns(request: Call) -> Sent:
    """The newest campaigns that fit."""
    query = LIST.read_query(request.scope["query_string"])
    if query.state and query.state not in set(S):
        raise invalid("state", "is not a state", value=query.state, remedy=", ".join(S))
    db, workspace_id = edge.ground_of(request).db, request.auth.workspace_id
    sought = Sought(query.text, (query.state,) if query.state else ())
    before = edge.read_cursor(query.cursor) or NEWEST
    found, following = await db.read(find, workspace_id, sought, before, PAGE)
    most = inf if query.counted else COUNTED_AT_ONCE
    outlines = await reports_of(request).outlines(workspace_id, found, most)
    rows = [_row(one, outlines.get(one.id)) for one in found]
    asked = {"text": query.text, "state": query.state}
    asked = {name: value for name, value in asked.items() if value}
    here = asked | ({"cursor": query.cursor} if query.cursor else {})
    facts = {
        "query": query,
        "rows": rows,
        "names": await db.read(segments_named, workspace_id, [row.given for row in rows]),
        "at": to_datetime,
        "states": [state.value for state in S],
        "filtered": bool(asked),
        "counting": any(row.outline is None and row.one.told for row in rows),
        "moving": any(_moves(one, world_of(request).ground.clock.now()) for one in found),
        "again": _address(here | {"counted": "true"}),
        "newest": _address(asked) if query.cursor else "",
        "older": _address(asked | {"cursor": edge.cursor_after(following)}) if following else "",
    }
    return HtmlAnswer("campaigns/campaigns.html", facts)


def _address(asked: Mapping[str, str]) -> str:
    return "/campaigns" + (f"?{urlencode(asked)}" if asked else "")


def _moves(one: Campaign, now: int) -> bool:
    """Whether its figures may change though nothing is told: they are of a while ago (`report.SHOWN_S`)."""
    return one.state is S.RUNNING or (one.ended_at is not None and now - one.ended_at < MOVES_AFTER)


def _row(one: Campaign, outline: Outline | None) -> Row:
    return Row(ids.show("campaign", one.id), one, flows.wanted(one), TONES[one.state], outline)


async def segments_named(
    tx: Transaction, workspace_id: int, given: Sequence[CampaignInput]
) -> dict[str, str]:
    """What the segments that some are for are called, by their ids."""
    if not any(one.audience and one.audience.segment for one in given):
        return {}
    return {ids.show("segment", one.id): one.name for one in await segments.all_of(tx, workspace_id)}


# ── one that is there ────────────────────────────────────────────────────────────────────────────────


async def names_in(tx: Transaction, workspace_id: int, given: CampaignInput) -> dict[str, str]:
    """What the segment, the file or the campaign that one is for is called, by its id."""
    names = await segments_named(tx, workspace_id, [given])
    if given.of_import is not None:
        file = await imports.jobs.get(tx, workspace_id, ids.read("import", given.of_import.file))
        names |= {given.of_import.file: file.name} if file else {}
    if given.of_campaign is not None:
        named = given.of_campaign.campaign
        before = await store.by_id(tx, workspace_id, ids.read("campaign", named))
        names |= {named: before.name} if before else {}
    return names


async def campaign_of(request: Call) -> Campaign:
    """The campaign of an address; a Problem when there is none."""
    campaign_id = edge.id_in_path(request, "campaign")
    return await edge.ground_of(request).db.read(flows.existing, request.auth.workspace_id, campaign_id)


def path_of(one: Campaign, where: str = "") -> str:
    """The address of a campaign, or of a page of it."""
    return f"/campaigns/{ids.show('campaign', one.id)}{where}"


def draft_path(one: Campaign) -> str:
    """Where a draft goes on: the first page of which something is still to be said."""
    missing = [wrong.field for wrong in lacks(flows.wanted(one))]
    if "audience" in missing:
        return path_of(one, "/audience")
    return path_of(one, "/words" if missing else "/check")


def facts_of(one: Campaign) -> Document:
    """What every page of a campaign tells of it."""
    goes_on = {
        "pause": may_become(one.state, S.PAUSED),
        "resume": one.state is S.PAUSED,
        "stop": may_become(one.state, S.STOPPED),
        "resend": one.state in (S.DONE, S.STOPPED),
        "delete": one.state is S.DRAFT,
    }
    return {
        "id": ids.show("campaign", one.id),
        "one": one,
        "given": flows.wanted(one),
        "tone": TONES[one.state],
        "may": goes_on,
        "at": to_datetime,
    }


@route("POST /campaigns/{campaign_id}/pause", Operation(summary="Pause", scope="messages:write", page=True))
async def pause(request: Call) -> Sent:
    """Nobody more is told."""
    return redirect(path_of(await done(request, flows.pause)))


@route("POST /campaigns/{campaign_id}/resume", Operation(summary="Go on", scope="messages:write", page=True))
async def resume(request: Call) -> Sent:
    """It goes on where it was."""
    world = world_of(request)
    one = await done(request, lambda tx, *at: flows.resume(tx, world, *at))
    halts.wake(world, request.auth.workspace_id)
    return redirect(path_of(one))


@route("POST /campaigns/{campaign_id}/stop", Operation(summary="Stop", scope="messages:write", page=True))
async def stop(request: Call) -> Sent:
    """It ends."""
    return redirect(path_of(await done(request, flows.stop)))


@route("POST /campaigns/{campaign_id}/copy", Operation(summary="Copy", scope="messages:write", page=True))
async def copy(request: Call) -> Sent:
    """A new draft like it."""
    world, mark = world_of(request), _mark_in(request) or "copy"
    made = await done(request, lambda tx, w, c, deed: flows.copy(tx, world, w, c, deed, mark))
    return redirect(path_of(made, "/audience?done=copied"))


@route("POST /campaigns/{campaign_id}/resend", Operation(summary="Again", scope="messages:write", page=True))
async def resend(request: Call) -> Sent:
    """A new draft for those who were not reached; with those of whom nobody knows, and those who were not
    told before it was stopped, where that is ticked."""
    world, mark = world_of(request), _mark_in(request) or "again"
    form, more = form_of(request), tuple[Outcome, ...](("unknown", "stopped"))
    states = (*NOT_REACHED, *(name for name in more if form.get(name)))
    made = await done(request, lambda tx, w, c, deed: flows.resend(tx, world, w, c, states, deed, mark))
    return redirect(path_of(made, "/audience?done=copied"))


def _mark_in(request: Call) -> str:
    """What a button of a page calls the new draft, in the language of the page."""
    return form_of(request).get("mark", "").strip()[:MARK_MAX]


@route("POST /campaigns/{campaign_id}/delete", Operation(summary="Delete", scope="messages:write", page=True))
async def delete(request: Call) -> Sent:
    """No draft any more."""
    campaign_id, db = edge.id_in_path(request, "campaign"), edge.ground_of(request).db
    await db.run(flows.delete, request.auth.workspace_id, campaign_id, deed_of(request))
    return redirect("/campaigns?done=deleted")


def pairs_in(request: Call) -> list[tuple[str, str]]:
    """The fields of a form that a script sends in an address, to be answered with a part of its page."""
    text = request.scope["query_string"].decode("latin-1")
    try:
        found = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise invalid("query", "has too many names", remedy=f"at most {FIELDS_MAX}") from None
    if any("\0" in name or "\0" in value for name, value in found):
        raise invalid("query", "holds U+0000", remedy="leave it out")
    return found


def typed_in(request: Call) -> dict[str, str]:
    """The same by their names."""
    return dict(pairs_in(request))


def problem_shown(problem: Problem | None) -> Document | None:
    """A problem as `problem_of` of the pages' pieces shows it: its fields are called as the pages call them,
    and told once, where the API repeats them in its sentence."""
    if problem is None:
        return None
    errors = [
        msgspec.to_builtins(one) | {"labels": draft_form.labels_of(one.field)} for one in problem.fields
    ]
    told = {"detail": "", "slug": problem.slug, **problem.document(), "errors": errors}
    return told | {"detail": ""} if problem.slug == "invalid" and errors else told


HANDLERS = (list_campaigns, pause, resume, stop, copy, resend, delete)
