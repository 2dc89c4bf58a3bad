"""The JSON edge of what a campaign has come to: its report, and who got what."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, Streamed, route
from angarium.campaigns import flows, recipients
from angarium.campaigns.api import world_of
from angarium.campaigns.recipients import SOURCE, About, RecipientShown, Wanted
from angarium.campaigns.report import Reports
from angarium.contacts.exports import api as exports_api
from angarium.contacts.exports import flows as exports
from angarium.contacts.exports.api import SHOWN_EXAMPLE as EXPORT_EXAMPLE
from angarium.contacts.exports.api import ExportShown
from angarium.core.decoding import Shape
from angarium.protocols import files


class RecipientQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which recipients: those in a state (of the member, or of its message), for a reason."""

    state: str = ""
    reason: str = ""
    cursor: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class FileQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which recipients go into a file."""

    state: str = ""
    reason: str = ""


RECIPIENTS, FILE = Shape(RecipientQuery), Shape(FileQuery)
REPORT_EXAMPLE = {
    "id": "cmp_05a58xarj0000",
    "as_of": "2026-12-01T08:00:00.000Z",
    "state": "running",
    "members": {"total": 120_000, "told": 41_500, "left_out": 312, "waiting": 78_188},
    "left_out": {"opted_out": 300, "no_address": 12},
    "erased": 0,
    "by_state": {"delivered": 39_000, "sent": 2_000, "failed": 500},
    "reasons": {"failed": {"unreachable": 500}},
    "opened": 0,
    "clicked": 5_120,
    "counted": {"read": False, "opened": False, "clicked": True},
    "reached": 39_000,
    "open": 2_000,
    "unknown": 0,
    "cost": [{"amount": "1245", "currency": "EUR"}],
    "spared": {
        "steps": 1200,
        "reasons": {"not_a_user": 1200},
        "wait_s_at_most": 144000.0,
        "cost_at_most": [{"amount": "24", "currency": "EUR"}],
    },
    "forecast": None,
    "steps": [],
    "hours": [{"hour": "2026-12-01T07:00:00.000Z", "delivered": 39_000, "read": 0}],
    "experiment": None,
    "pace": {"per_s": 5.6, "told_by": "2026-12-01T11:54:33.000Z", "ends_at": None},
}
RECIPIENT_EXAMPLE = RecipientShown(
    contact="con_05a58xarj0000",
    external_id="C1",
    name="Олена Шевченко",
    state="delivered",
    reason="",
    detail="",
    message="msg_05a581yz00002",
    arm="",
    channel="smpp",
    line="sms",
    address="+380501234567",
    parts=1,
    tried=1,
    accepted_at="2026-12-01T07:58:00.000Z",
    delivered_at="2026-12-01T07:58:04.000Z",
    read_at="",
    opened_at="",
    clicked_at="2026-12-01T08:10:31.000Z",
    cost="0.03",
    currency="EUR",
    variables={"amount": 120.5},
)


@route(
    "GET /v1/campaigns/{campaign_id}/report",
    Operation(
        summary="What a campaign has come to",
        detail="Members, states, reasons, what each step did on each line, cost, delivered and read by hour, "
        "and how long it will still take. Of a large campaign a count is shown for a while: `as_of` says of "
        "when it is. People who were erased since stay counted, in what was sent and in what it cost, but in "
        "`left_out` and in the arms of an experiment; they are no recipients any more, and `erased` says how "
        "many they are (null of a campaign that was let go of before this was counted). `counted` says which "
        "figures are known at all: where no channel tells what was read, or no link is tracked, a 0 is not "
        "none, and such a rate of an experiment is null (`counted` is null of one let go of before that).",
        scope="messages:read",
        gives=Any,
        problems=(404,),
        answer_example=REPORT_EXAMPLE,
    ),
)
async def report_campaign(request: Call) -> JsonAnswer:
    """The numbers."""
    campaign_id = edge.id_in_path(request, "campaign")
    return edge.answer(request, await _reports(request).of(request.auth.workspace_id, campaign_id))


@route(
    "GET /v1/campaigns/{campaign_id}/report/instead",
    Operation(
        summary="What a campaign had cost by SMS alone",
        detail="Of more than 2,000 messages it is estimated from the newest.",
        scope="messages:read",
        gives=Any,
        problems=(404,),
        answer_example={
            "channel": "smpp",
            "messages": 41_000,
            "estimated": True,
            "cost": {"amount": "1890", "currency": "EUR"},
            "price_known": True,
            "lines": ["sms-main"],
            "tariffs": ["sms-2026"],
        },
    ),
)
async def report_instead(request: Call) -> JsonAnswer:
    """The same messages, by the cheapest SMS line."""
    campaign_id, workspace_id = edge.id_in_path(request, "campaign"), request.auth.workspace_id
    await edge.ground_of(request).db.read(flows.existing, workspace_id, campaign_id)
    return edge.answer(request, await _reports(request).instead(workspace_id, campaign_id))


@route(
    "GET /v1/campaigns/{campaign_id}/recipients",
    Operation(
        summary="Who got what in a campaign",
        detail="In the order of contacts. `variables` are a member's own, from the row of a file. "
        "With a filter a page may be short, or empty, though others follow: go on while there is a `next`.",
        scope="messages:read",
        asks=RECIPIENTS,
        gives=Page[RecipientShown],
        problems=(404,),
        answer_example=Page([RECIPIENT_EXAMPLE]),
    ),
)
async def list_recipients(request: Call) -> JsonAnswer:
    """Members with what became of their messages."""
    campaign_id, workspace_id = edge.id_in_path(request, "campaign"), request.auth.workspace_id
    query, world = RECIPIENTS.read_query(request.scope["query_string"]), world_of(request)
    after, db = edge.read_cursor(query.cursor), edge.ground_of(request).db
    await db.read(flows.existing, workspace_id, campaign_id)
    wanted = Wanted(query.state, query.reason)
    found = await db.read(recipients.page, world, workspace_id, campaign_id, wanted, after, query.limit)
    following = None if found.after is None else edge.cursor_after(found.after)
    return edge.answer(request, Page(found.recipients, following))


@route(
    "GET /v1/campaigns/{campaign_id}/recipients.csv",
    Operation(
        summary="Who got what in a campaign, as CSV",
        detail="With a column `variables.…` for each variable of the campaign's file.",
        scope="messages:read",
        asks=FILE,
        gives=str,
        problems=(404,),
        answer_example="contact,external_id,name,state\r\n",
    ),
)
async def export_recipients(request: Call) -> Streamed:
    """A row for each member."""
    campaign_id, workspace_id = edge.id_in_path(request, "campaign"), request.auth.workspace_id
    query, world = FILE.read_query(request.scope["query_string"]), world_of(request)
    one = await edge.ground_of(request).db.read(flows.existing, workspace_id, campaign_id)
    rows = recipients.as_csv(world, workspace_id, campaign_id, Wanted(query.state, query.reason))
    return Streamed(rows, "text/csv; charset=utf-8", files.name_of(one.name, "csv"))


class RecipientFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of recipients."""

    format: Literal["csv", "xlsx"] = "xlsx"
    right_to_left: bool = False  # sheets of XLSX begin at the right
    state: str = ""
    reason: str = ""


RECIPIENT_FILE = Shape(RecipientFile)


@route(
    "POST /v1/campaigns/{campaign_id}/exports",
    Operation(
        summary="Ask for a file of who got what in a campaign",
        detail="As XLSX, in which phones stay phones in every program, or as CSV. It is fetched like any "
        "other export: `GET /v1/exports/{export_id}/file`.",
        scope="messages:read",
        takes=RECIPIENT_FILE,
        gives=ExportShown,
        status=202,
        once=True,
        problems=(404, 409),
        example=RecipientFile(),
        answer_example=msgspec.structs.replace(
            EXPORT_EXAMPLE, wanted={"format": "xlsx", "source": "recipients"}
        ),
    ),
)
async def ask_for_recipients(request: Call) -> JsonAnswer:
    """The export, being written."""
    campaign_id, caller = edge.id_in_path(request, "campaign"), request.auth
    body = await edge.read_body(request)
    given, desk = RECIPIENT_FILE.read(body or b"{}"), exports_api.exports_of(request)
    campaign = await edge.ground_of(request).db.read(flows.existing, caller.workspace_id, campaign_id)
    about = msgspec.json.encode(About(campaign_id, Wanted(given.state, given.reason))).decode()
    wanted = exports.Wanted(format=given.format, right_to_left=given.right_to_left)
    asked = (caller.workspace_id, caller.actor, SOURCE, about, wanted, campaign.name)
    one = await exports.ask_of(desk, *asked)
    return await exports_api.begun(request, body, one)


def _reports(request: Call) -> Reports:
    reports: Reports = request.scope["litestar_app"].state.campaign_reports
    return reports


HANDLERS = [report_campaign, report_instead, list_recipients, export_recipients, ask_for_recipients]
