"""The JSON edge of notices: list them, count what is unread, mark them as read, choose the kinds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import LIST_MAX, Call, JsonAnswer, Operation, Page, route
from angarium.accounts.flows import SELF
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.problems import FieldProblem, all_invalid, invalid, shown
from angarium.notices import flows, rules
from angarium.notices.rules import KINDS, Weight
from angarium.notices.store import Shown, Wanted

NEWEST = 1 << 62
Word = Annotated[str, msgspec.Meta(max_length=100)]


class NoticesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which notices. `only`: those that are not read, or those that need a person still."""

    only: Literal["", "unread", "person"] = ""
    kind: Word = ""
    cursor: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=LIST_MAX)] = 50


class NoticeShown(msgspec.Struct, frozen=True, kw_only=True):
    """A notice. Its id is another one whenever it calls again."""

    id: str
    kind: str
    weight: Weight
    count: int  # how often it happened on this day; of what is counted, how many there are
    first_at: str
    at: str  # when it happened last
    path: str  # in the console
    says: dict[str, Any]  # names, reasons and numbers
    read: bool
    settled_at: str | None  # when it needed nobody any more


class UnreadShown(msgspec.Struct, frozen=True):
    """How many are unread; where there are more than are counted, `more` is true."""

    unread: int
    more: bool


class ReadInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has been read: these, and all up to one."""

    ids: Annotated[tuple[Word, ...], msgspec.Meta(max_length=LIST_MAX)] = ()
    until: Word = ""


class KindShown(msgspec.Struct, frozen=True):
    """A kind of notice that the caller is told of, unless it is muted."""

    kind: str
    group: str
    weight: Weight
    muted: bool


class MutedInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The kinds that are not wanted; all others are."""

    muted: Annotated[tuple[Word, ...], msgspec.Meta(max_length=LIST_MAX)]


QUERY, READ, MUTED = Shape(NoticesQuery), Shape(ReadInput), Shape(MutedInput)
EXAMPLE = NoticeShown(
    id="ntc_05a58xarj0000",
    kind="campaign_paused",
    weight=Weight.PERSON,
    count=1,
    first_at="2026-11-23T08:30:00.000Z",
    at="2026-11-23T08:30:00.000Z",
    path="/campaigns/cmp_05a58xarj0000",
    says={"name": "Autumn", "reason": "failing", "subject": "cmp_05a58xarj0000"},
    read=False,
    settled_at=None,
)


@route(
    "GET /v1/notices",
    Operation(
        summary="List notices",
        detail=(
            "The newest first: what the caller's scopes let them know of, but for what they did themselves "
            "and the kinds that they muted (unless `kind` names one)."
        ),
        scope=SELF,
        asks=QUERY,
        gives=Page[NoticeShown],
        answer_example=Page([EXAMPLE]),
    ),
)
async def list_notices(request: Call) -> JsonAnswer:
    """Those that fit."""
    query = QUERY.read_query(request.scope["query_string"])
    check_kind(query.kind)
    wanted = Wanted(query.only, edge.read_cursor(query.cursor) or NEWEST)
    ground = edge.ground_of(request)
    found = await flows.page(ground, request.auth, wanted, query.kind, query.limit + 1)
    cursor = None
    if len(found) > query.limit:
        cursor = edge.cursor_after(found[query.limit - 1].notice.id)
    return edge.answer(request, Page([_shown(one) for one in found[: query.limit]], cursor))


def _shown(one: Shown) -> NoticeShown:
    told = one.notice
    return NoticeShown(
        id=ids.show("notice", told.id),
        kind=told.kind,
        weight=KINDS[told.kind].weight,
        count=told.count,
        first_at=iso(told.first_at),
        at=iso(told.at),
        path=rules.leads_to(told.kind, told.says),
        says=dict(told.says),
        read=one.read,
        settled_at=None if told.settled_at is None else iso(told.settled_at),
    )


def check_kind(kind: str) -> None:
    """A Problem when there is no such kind."""
    if kind and kind not in KINDS:
        raise invalid("kind", "is not a kind", value=kind, remedy="GET /v1/notices/kinds lists them")


@route(
    "GET /v1/notices/unread",
    Operation(
        summary="Count unread notices",
        detail=f"Up to {flows.UNREAD_MAX}. What is settled, or older than thirty days, counts as read.",
        scope=SELF,
        gives=UnreadShown,
        answer_example=UnreadShown(3, False),
    ),
)
async def count_unread(request: Call) -> JsonAnswer:
    """How many there are."""
    return edge.answer(request, await _unread(request))


async def _unread(request: Call) -> UnreadShown:
    found = await flows.unread(edge.ground_of(request), request.auth)
    return UnreadShown(min(found, flows.UNREAD_MAX), found > flows.UNREAD_MAX)


@route(
    "POST /v1/notices/read",
    Operation(
        summary="Mark notices as read",
        detail=(
            "For the caller alone: a person, or the key. To mark all, send the id of the newest one that was "
            "seen as `until`. Ids that no notice has any more are passed over."
        ),
        scope=SELF,
        takes=READ,
        gives=UnreadShown,
        example=ReadInput(ids=("ntc_05a58xarj0000",)),
        answer_example=UnreadShown(2, False),
    ),
)
async def mark_read(request: Call) -> JsonAnswer:
    """Mark them."""
    given = READ.read(await edge.read_body(request))
    wrong: list[FieldProblem] = []
    these = [_id(text, f"ids[{place}]", wrong) for place, text in enumerate(given.ids)]
    until = _id(given.until, "until", wrong) if given.until else None
    if wrong:
        raise all_invalid("The request is not valid", tuple(wrong))
    await flows.read(edge.ground_of(request), request.auth, these, until)
    return edge.answer(request, await _unread(request))


def _id(text: str, field: str, wrong: list[FieldProblem]) -> int:
    try:
        return ids.read("notice", text)
    except ValueError as error:
        wrong.append(FieldProblem(field, str(error), "the id of a notice", shown(text)))
        return 0


@route(
    "GET /v1/notices/kinds",
    Operation(
        summary="List the kinds of notices that the caller is told of",
        scope=SELF,
        gives=Page[KindShown],
        answer_example=Page([KindShown("campaign_paused", "campaigns", Weight.PERSON, False)]),
    ),
)
async def list_kinds(request: Call) -> JsonAnswer:
    """All of them, muted or not."""
    return edge.answer(request, await _kinds(request))


async def _kinds(request: Call) -> Page[KindShown]:
    muted = await flows.muted(edge.ground_of(request), request.auth)
    kinds = [KINDS[name] for name in rules.kinds_for(request.auth.scopes)]
    return Page([KindShown(one.name, one.group, one.weight, one.name in muted) for one in kinds])


@route(
    "PUT /v1/notices/kinds",
    Operation(
        summary="Choose the kinds of notices",
        detail="For the caller alone. Those that are named are muted, and no others.",
        scope=SELF,
        takes=MUTED,
        gives=Page[KindShown],
        example=MutedInput(muted=("import_done",)),
        answer_example=Page([KindShown("import_done", "contacts", Weight.KNOW, True)]),
    ),
)
async def choose_kinds(request: Call) -> JsonAnswer:
    """Mute these."""
    given = MUTED.read(await edge.read_body(request))
    for place, kind in enumerate(given.muted):
        if kind not in KINDS:
            remedy = "GET /v1/notices/kinds lists them"
            raise invalid(f"muted[{place}]", "is not a kind", value=kind, remedy=remedy)
    await flows.mute(edge.ground_of(request), request.auth, given.muted)
    return edge.answer(request, await _kinds(request))


HANDLERS = (list_notices, count_unread, mark_read, list_kinds, choose_kinds)
