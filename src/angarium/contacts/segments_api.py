"""The JSON edge of segments: save them, count rules while they are being made, see who is in and why."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.contacts import api, audience, reindex
from angarium.contacts import store as contacts
from angarium.contacts.activity import Event
from angarium.contacts.api import ContactShown
from angarium.contacts.audience import Settled
from angarium.contacts.segments import flows, rules
from angarium.contacts.segments.flows import SegmentInput
from angarium.contacts.segments.plain import Judged
from angarium.contacts.segments.rules import Rule
from angarium.contacts.segments.store import Segment
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.problems import invalid
from angarium.core.values import MessageClass
from angarium.storage.database import Transaction

SEGMENT = Shape(SegmentInput)


class CountInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rules that need not be saved."""

    rules: Rule


class ExplainQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of whom it is asked."""

    contact: str = ""


COUNT = Shape(CountInput)
EXPLAIN = Shape(ExplainQuery)


class SegmentShown(msgspec.Struct, frozen=True, kw_only=True):
    """A segment, the segments that name it, and who wrote its rules."""

    id: str
    name: str
    version: int
    rules: Rule
    used_by: list[str]
    written_by: str
    created_at: str
    updated_at: str


class RuleCount(msgspec.Struct, frozen=True):
    """How many contacts meet a rule by itself."""

    rule: str
    count: int


class CountShown(msgspec.Struct, frozen=True):
    """How many contacts meet rules, how many meet each of them, and the first who meet them all."""

    count: int
    rules: list[RuleCount]
    sample: list[ContactShown]


class Rebuilding(msgspec.Struct, frozen=True):
    """It has begun."""

    rebuilding: bool


class Explained(msgspec.Struct, frozen=True):
    """Whether a contact is in a segment, and of each rule whether it holds and what was found."""

    segment: str
    contact: str
    member: bool
    rules: Any


EXAMPLE = SegmentInput(
    "Kyiv, read something lately",
    Rule(
        all=(
            Rule(field="city", is_=rules.Operator.IS, value="Київ"),
            Rule(history=Event.READ, days=90),
            Rule(history=Event.SENT, message_class=MessageClass.PROMOTIONAL, days=7, never=True),
        )
    ),
)
SHOWN_EXAMPLE = SegmentShown(
    id="seg_05a58xarj0000",
    name=EXAMPLE.name,
    version=1,
    rules=EXAMPLE.rules,
    used_by=[],
    written_by="key_05a58xarj0000",
    created_at="2026-11-23T08:30:00.000Z",
    updated_at="2026-11-23T08:30:00.000Z",
)
EXPLAINED = (
    "`rules` is a tree: `all`, `any` and `not` are its branches, and each leaf names one of field, property, "
    "tag, address, opted_out, history or segment. See docs/reference/segments.md."
)


@route(
    "GET /v1/segments",
    Operation(
        summary="List the segments",
        scope="contacts:read",
        asks=edge.PAGE,
        gives=Page[SegmentShown],
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_segments(request: Call) -> JsonAnswer:
    """Every segment, oldest first."""
    query = edge.PAGE.read_query(request.scope["query_string"])
    there = await flows.everything(edge.ground_of(request), request.auth.workspace_id)
    found, following = edge.piece(there, query, lambda one: one.id)
    return edge.answer(request, Page([shown(one, there) for one in found], following))


@route(
    "POST /v1/segments",
    Operation(
        summary="Create a segment",
        detail=EXPLAINED,
        scope="contacts:write",
        takes=SEGMENT,
        gives=SegmentShown,
        status=201,
        once=True,
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def create_segment(request: Call) -> JsonAnswer:
    """A new segment."""
    body = await edge.read_body(request)
    given, ground = SEGMENT.read(body), edge.ground_of(request)

    async def work(tx: Transaction) -> SegmentShown:
        new = await flows.create(tx, ground, request.auth.workspace_id, given, request.auth.actor)
        return shown(new, [])

    return await edge.once(request, body, work, taken=flows.taken(given.name))


@route(
    "POST /v1/segments/count",
    Operation(
        summary="Count rules that are not saved",
        detail="How many contacts meet them all, how many meet each by itself, and the first ten members.",
        scope="contacts:read",
        takes=COUNT,
        gives=CountShown,
        example=CountInput(EXAMPLE.rules),
        answer_example=CountShown(0, [RuleCount("rules", 0), RuleCount("rules.all[0]", 12_000)], []),
    ),
)
async def count_segment(request: Call) -> JsonAnswer:
    """For a builder that counts while a person clicks."""
    given = COUNT.read(await edge.read_body(request))
    found = await flows.count(edge.ground_of(request), request.auth.workspace_id, given.rules)
    each = [RuleCount(place, count) for place, count in found.each]
    return edge.answer(request, CountShown(found.total, each, [api.shown(one) for one in found.sample]))


@route(
    "POST /v1/segments/rebuild",
    Operation(
        summary="Make anew what segments look at",
        detail="From the contacts and the log of what happened, in the background. Until it is through, "
        "segments find fewer contacts than there are. For a database that was changed by other means.",
        scope="contacts:write",
        status=202,
        gives=Rebuilding,
        answer_example=Rebuilding(True),
    ),
)
async def rebuild_segments(request: Call) -> JsonAnswer:
    """The rows of contacts, and what has happened to them."""
    ground, workspace_id = edge.ground_of(request), request.auth.workspace_id
    await ground.db.run(reindex.begin, workspace_id, request.auth.actor, ground.clock.now())
    return edge.answer(request, Rebuilding(True))


@route(
    "GET /v1/segments/{segment_id}",
    Operation(
        summary="Look at a segment",
        scope="contacts:read",
        gives=SegmentShown,
        problems=(404,),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def get_segment(request: Call) -> JsonAnswer:
    """One segment."""
    segment_id, workspace_id = edge.id_in_path(request, "segment"), request.auth.workspace_id
    ground = edge.ground_of(request)
    found = await flows.get(ground, workspace_id, segment_id)
    return edge.answer(request, shown(found, await flows.everything(ground, workspace_id)))


@route(
    "PUT /v1/segments/{segment_id}",
    Operation(
        summary="Change a segment",
        detail="Other rules make a new version; what goes through its members keeps the one it began with. "
        + EXPLAINED,
        scope="contacts:write",
        takes=SEGMENT,
        gives=SegmentShown,
        problems=(404,),
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def change_segment(request: Call) -> JsonAnswer:
    """The segment as it is described now."""
    segment_id, workspace_id = edge.id_in_path(request, "segment"), request.auth.workspace_id
    given, ground = SEGMENT.read(await edge.read_body(request)), edge.ground_of(request)
    changed = await flows.change(ground, workspace_id, segment_id, given, request.auth.actor)
    return edge.answer(request, shown(changed, await flows.everything(ground, workspace_id)))


@route(
    "DELETE /v1/segments/{segment_id}",
    Operation(
        summary="Delete a segment",
        detail="Refused while another segment names it.",
        scope="contacts:write",
        status=204,
        problems=(404, 409),
    ),
)
async def delete_segment(request: Call) -> JsonAnswer:
    """No segment any more."""
    segment_id = edge.id_in_path(request, "segment")
    await flows.delete(edge.ground_of(request), request.auth.workspace_id, segment_id, request.auth.actor)
    return edge.nothing(request)


@route(
    "GET /v1/segments/{segment_id}/members",
    Operation(
        summary="Go through the members of a segment",
        detail="All pages are of the version and the moment of the first one. Nobody comes twice.",
        scope="contacts:read",
        asks=edge.PAGE,
        gives=Page[ContactShown],
        problems=(404,),
        answer_example=Page([api.SHOWN_EXAMPLE]),
    ),
)
async def list_members(request: Call) -> JsonAnswer:
    """Contacts in the order in which they were created."""
    query = edge.PAGE.read_query(request.scope["query_string"])
    segment_id, workspace_id = edge.id_in_path(request, "segment"), request.auth.workspace_id
    ground = edge.ground_of(request)
    found = await flows.get(ground, workspace_id, segment_id)
    settled, after = Settled(ground.clock.now(), segment_id, found.version), 0
    if query.cursor:
        settled, after = _read_cursor(query.cursor, segment_id)
    members, following = await ground.db.read(_members, workspace_id, settled, after, query.limit)
    return edge.answer(request, Page([api.shown(one) for one in members], following))


@route(
    "GET /v1/segments/{segment_id}/explain",
    Operation(
        summary="Explain why a contact is in a segment, or is not",
        detail="Every rule of the tree with whether it holds, and what the contact has there.",
        scope="contacts:read",
        asks=EXPLAIN,
        gives=Explained,
        problems=(404,),
        answer_example=Explained(
            "seg_05a58xarj0000",
            "con_05a58xarj0000",
            True,
            Judged("rules", True, rules=(Judged("rules.all[0]", True, "Київ"),)),
        ),
    ),
)
async def explain_member(request: Call) -> JsonAnswer:
    """One contact, asked rule by rule."""
    segment_id, workspace_id = edge.id_in_path(request, "segment"), request.auth.workspace_id
    query, ground = EXPLAIN.read_query(request.scope["query_string"]), edge.ground_of(request)
    await flows.get(ground, workspace_id, segment_id)
    try:
        contact_id = ids.read("contact", query.contact)
    except ValueError as error:
        raise invalid("contact", str(error), value=query.contact, remedy="such as con_…") from None
    found, judged = await flows.explain(ground, workspace_id, segment_id, contact_id)
    shown_id = ids.show("segment", found.id)
    return edge.answer(request, Explained(shown_id, query.contact, judged.holds, judged))


async def _members(
    tx: Transaction, workspace_id: int, settled: Settled, after: int, limit: int
) -> tuple[list[contacts.Contact], str | None]:
    found = await audience.page(tx, workspace_id, settled, after, limit + 1)
    known = await contacts.by_ids(tx, workspace_id, found[:limit])
    following = _cursor(settled, found[limit - 1]) if len(found) > limit else None
    return [known[one] for one in found[:limit] if one in known], following


def _cursor(settled: Settled, after: int) -> str:
    place = msgspec.json.encode((settled.at, settled.version, after))
    return urlsafe_b64encode(place).decode().rstrip("=")


def _read_cursor(text: str, segment_id: int) -> tuple[Settled, int]:
    try:
        place = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        at, version, after = msgspec.json.decode(place, type=tuple[int, int, int])
        if not (0 <= at < 1 << 62 and 0 < version < 1 << 31 and 0 <= after < 1 << 63):
            raise ValueError(text)
    except (ValueError, msgspec.DecodeError):
        remedy = "the `next` of the page before, as it was"
        raise invalid("cursor", "is not a cursor", value=text, remedy=remedy) from None
    return Settled(at, segment_id, version), after


def shown(one: Segment, there: list[Segment]) -> SegmentShown:
    """A segment for the outside."""
    return SegmentShown(
        id=ids.show("segment", one.id),
        name=one.name,
        version=one.version,
        rules=one.rules,
        used_by=[ids.show("segment", user.id) for user in flows.users_of(one.id, there)],
        written_by=one.written_by,
        created_at=iso(one.created_at),
        updated_at=iso(one.updated_at),
    )


HANDLERS = (
    list_segments,
    create_segment,
    count_segment,
    rebuild_segments,
    get_segment,
    change_segment,
    delete_segment,
    list_members,
    explain_member,
)
