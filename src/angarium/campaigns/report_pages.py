"""The HTML edge of a campaign that was started: how far it is, what it came to, who got what, its files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer, form_of, in_place, redirect
from angarium.campaigns import flows, obstacles, recipients
from angarium.campaigns.api import world_of
from angarium.campaigns.build import CONTROL_GROUP
from angarium.campaigns.check_pages import BEFORE
from angarium.campaigns.launch import GONE, MERGED
from angarium.campaigns.obstacles import LineAway
from angarium.campaigns.pages import (
    campaign_of,
    draft_path,
    facts_of,
    names_in,
    path_of,
    reports_of,
    typed_in,
)
from angarium.campaigns.people import NOT_REACHED, STOPPED
from angarium.campaigns.recipients import SOURCE, About, Wanted
from angarium.campaigns.report_api import RECIPIENT_FILE
from angarium.campaigns.states import UNDER_WAY, CampaignState
from angarium.campaigns.store.campaigns import Campaign
from angarium.campaigns.wording_pages import channel_names, way_of
from angarium.contacts.exports import api as exports_api
from angarium.contacts.exports import flows as exports
from angarium.contacts.exports import store as export_store
from angarium.contacts.exports.store import Export
from angarium.core import ids
from angarium.core.clock import MICROS
from angarium.core.decoding import Shape
from angarium.core.values import Reason, amount_text
from angarium.messaging import savings
from angarium.messaging.states import MessageState
from angarium.messaging.timeline import MESSAGE_TONES
from angarium.messaging.world import World
from angarium.storage.database import Transaction

PAGE = 50  # recipients on a page
HOUR = timedelta(hours=1)
CHART_HOURS_MAX = 24 * 31
OWN_REASONS = (CONTROL_GROUP, GONE, MERGED, STOPPED)  # of members who have no message
REASONS = (*OWN_REASONS, *(reason.value for reason in Reason))
WENT = ("queued", "sent", "delivered", "read")  # a reason of these says why nothing follows, no failure
HEAT = 5  # shades of the table of hours
S = CampaignState
Text = Annotated[str, msgspec.Meta(max_length=300)]
Document = dict[str, Any]
STATE_TONES = {
    **{state.value: tone for state, tone in MESSAGE_TONES.items()},
    "waiting": "quiet",
    "left_out": "doubt",
}
LOOKS_EVERY_S = 10  # a campaign that moves, too, as what is told of a change may be lost
# A report that was watched to the end is drawn anew as a whole: what does not follow, such as the hours and
# what comes next, is of another moment than what does. The page is not left: whoever has just followed a link
# of it would be brought back.
WHOLE = ((b"hx-retarget", b"#report"), (b"hx-reselect", b"#report"))


# ── what it has come to ──────────────────────────────────────────────────────────────────────────────


@route(
    "GET /campaigns/{campaign_id}",
    Operation(summary="A campaign", scope="messages:read", page=True, alike=True),
)
async def show_campaign(request: Call) -> Sent:
    """What it has come to; of a draft, where it goes on."""
    one = await campaign_of(request)
    done = typed_in(request).get("done", "")
    if one.state is S.DRAFT and "messages:write" in request.auth.scopes and not done:
        return redirect(draft_path(one))
    if one.state in BEFORE:
        return redirect(path_of(one, f"/check?{urlencode({'done': done})}"))
    workspace_id = request.auth.workspace_id
    shown = await reports_of(request).shown(workspace_id, one.id)
    report = shown.document
    given, world = flows.wanted(one), world_of(request)
    waits = not one.cleared or report["members"]["waiting"] > 0  # by what the ledger says, or by the count
    stopping = one.state is S.STOPPED and waits  # they are being left out, and nobody tells of it
    moving = one.state in UNDER_WAY or one.state is S.PAUSED or report["open"] > 0 or stopping
    facts = facts_of(one) | {
        "report": report,
        "done": done,
        "names": await world.ground.db.read(names_in, workspace_id, given),
        "hops": await world.ground.db.read(way_of, world, workspace_id, given),
        "called": channel_names(world, workspace_id),
        "lines_away_now": await world.ground.db.read(_lines_away, world, one) if moving else [],
        "tones": STATE_TONES,
        "went": WENT,
        "not_reached": any(report["by_state"].get(state) for state in (*NOT_REACHED, "unknown")),
        "untold": report["left_out"].get(STOPPED, 0),
        "moving": moving,
        "again_s": ceil(shown.older_for_s) or (1 if stopping else LOOKS_EVERY_S),
        "counted_at": datetime.fromisoformat(report["as_of"]),
        "time_of": datetime.fromisoformat,
        "heat": heat(report["hours"]),
        "chart": chart(report["hours"]),
    }
    headers = WHOLE if in_place(request) and not moving else ()
    return HtmlAnswer("campaigns/campaign.html", facts, headers=headers)


async def _lines_away(tx: Transaction, world: World, one: Campaign) -> list[LineAway]:
    kept = flows.frozen(one)
    await world.versions.load(tx, one.workspace_id, {kept.cascade_version_id}, set())
    return obstacles.lines_away(world, one.workspace_id, kept, world.ground.clock.now())


class Cell(msgspec.Struct, frozen=True):
    """An hour of the week: how much was delivered in it, and how much of the most that is."""

    count: int
    shade: int


def heat(hours: Sequence[Mapping[str, Any]]) -> list[list[Cell]]:
    """Seven days, Monday first, of twenty-four hours each, by the clocks of the report; none when nothing was
    delivered."""
    counts: Counter[tuple[int, int]] = Counter()
    for told in hours:
        at = datetime.fromisoformat(told["hour"])
        counts[at.weekday(), at.hour] += told["delivered"]
    most = max(counts.values(), default=0)
    if not most:
        return []
    return [[_cell(counts[day, hour], most) for hour in range(24)] for day in range(7)]


def _cell(count: int, most: int) -> Cell:
    return Cell(count, -(-count * HEAT // most))


def chart(hours: Sequence[Mapping[str, Any]]) -> Document:
    """What was delivered and read in each hour from the one before the first to the one after the last, as
    the chart of the pages wants it, but for its words. Of more hours than a chart shows, those alone in which
    something happened."""
    counts = {datetime.fromisoformat(told["hour"]): (told["delivered"], told["read"]) for told in hours}
    times = sorted(counts)
    if times and (span := (times[-1] - times[0]) // HOUR) < CHART_HOURS_MAX:
        times = [times[0] + place * HOUR for place in range(-1, span + 2)]
    told = [counts.get(at, (0, 0)) for at in times]
    return {
        "x": [int(at.timestamp()) for at in times],
        "delivered": [delivered for delivered, _ in told],
        "read": [read for _, read in told],
        "times": times,
    }


@route(
    "GET /campaigns/{campaign_id}/instead",
    Operation(summary="What it had cost by SMS alone", scope="messages:read", page=True),
)
async def show_instead(request: Call) -> Sent:
    """A piece of the report, which takes its time."""
    one, workspace_id = await campaign_of(request), request.auth.workspace_id
    reports = reports_of(request)
    told = await reports.instead(workspace_id, one.id)
    report = await reports.of(workspace_id, one.id)
    costs = {each["currency"]: _micros(each) for each in report["cost"]}
    other = {told["cost"]["currency"]: _micros(told["cost"])}
    facts = {"told": told, "saved": savings.compare(costs, other), "amount": amount_text}
    return HtmlAnswer("campaigns/instead.html", facts)


def _micros(told: Mapping[str, str]) -> int:
    return int(Decimal(told["amount"]) * MICROS)


# ── who got what ─────────────────────────────────────────────────────────────────────────────────────


class RecipientsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which recipients to list, and the file that was asked for."""

    state: Text = ""
    reason: Text = ""
    cursor: Text = ""
    export_id: Text = ""


RECIPIENTS = Shape(RecipientsQuery)


@route(
    "GET /campaigns/{campaign_id}/recipients",
    Operation(summary="Recipients", scope="messages:read", asks=RECIPIENTS, page=True),
)
async def list_recipients(request: Call) -> Sent:
    """Members with what became of their messages."""
    query = RECIPIENTS.read_query(request.scope["query_string"])
    one, world, workspace_id = await campaign_of(request), world_of(request), request.auth.workspace_id
    if one.state in BEFORE:
        return redirect(path_of(one))
    after, wanted = edge.read_cursor(query.cursor), Wanted(query.state, query.reason)
    found = await world.ground.db.read(recipients.page, world, workspace_id, one.id, wanted, after, PAGE)
    asked = {"state": query.state, "reason": query.reason}
    asked = {name: value for name, value in asked.items() if value}
    base = path_of(one, "/recipients")
    following = {**asked, "cursor": edge.cursor_after(found.after)} if found.after is not None else None
    facts = facts_of(one) | {
        "query": query,
        "rows": found.recipients,
        "filtered": bool(asked),
        "states": [*[state.value for state in MessageState], "waiting", "left_out"],
        "reasons": REASONS,
        "tones": STATE_TONES,
        "called": channel_names(world, workspace_id),
        "newest": f"{base}?{urlencode(asked)}" if query.cursor else "",
        "older": f"{base}?{urlencode(following)}" if following else "",
        "file": await _file(request, query.export_id),
        "has_arms": flows.wanted(one).experiment is not None,
        "time_of": datetime.fromisoformat,
        "done": "",
    }
    return HtmlAnswer("campaigns/recipients.html", facts)


async def _file(request: Call, text: str) -> Export | None:
    """The export of an address, while it is there."""
    try:
        export_id = ids.read("export", text) if text else 0
    except ValueError:
        return None
    db = edge.ground_of(request).db
    return await db.read(export_store.jobs.get, request.auth.workspace_id, export_id) if export_id else None


@route(
    "POST /campaigns/{campaign_id}/export",
    Operation(summary="Ask for a file of recipients", scope="messages:read", page=True),
)
async def ask_for_file(request: Call) -> Sent:
    """A file is being written; the page shows how far it is."""
    one, form, caller = await campaign_of(request), form_of(request), request.auth
    asked = {
        "format": form.get("format", "xlsx"),
        "state": form.get("state", ""),
        "reason": form.get("reason", ""),
    }
    right_to_left = bool(form.get("right_to_left"))
    given, desk = RECIPIENT_FILE.read(msgspec.json.encode(asked)), exports_api.exports_of(request)
    about = msgspec.json.encode(About(one.id, Wanted(given.state, given.reason))).decode()
    wanted = exports.Wanted(format=given.format, right_to_left=right_to_left)
    made = await exports.ask_of(desk, caller.workspace_id, caller.actor, SOURCE, about, wanted, one.name)

    async def work(tx: Transaction) -> None:
        await export_store.insert(tx, caller.workspace_id, made)
        await exports.note(tx, caller.workspace_id, made, made.created_at)

    await desk.ground.db.run(work)
    desk.ground.fabric.wake(exports.TOPIC)
    kept = {name: value for name, value in asked.items() if value and name != "format"}
    kept["export_id"] = ids.show("export", made.id)
    return redirect(path_of(one, f"/recipients?{urlencode(kept)}"))


HANDLERS = (show_campaign, show_instead, list_recipients, ask_for_file)
