"""The JSON edge of merges: make one contact of two, undo it, and look for those that may be one person."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.contacts import merge_flows as flows
from angarium.contacts.api import SHOWN_EXAMPLE, ContactShown
from angarium.contacts.api import shown as contact_shown
from angarium.contacts.merge_flows import Suggestion
from angarium.contacts.store import merges
from angarium.contacts.store.merges import Merge
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.problems import invalid
from angarium.messaging.store.belongings import BELONGINGS
from angarium.storage.database import Transaction

Why = Annotated[str, msgspec.Meta(max_length=200)]


class MergeInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two contacts: the one that stays, and the one that becomes part of it."""

    survivor: str
    merged: str
    why: Why = ""


class MergeQuery(edge.PageQuery, frozen=True, forbid_unknown_fields=True):
    """Which merges: a piece of all, or of those of one contact."""

    contact: str = ""


class ApartInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two contacts that are two people."""

    contacts: Annotated[tuple[str, ...], msgspec.Meta(min_length=2, max_length=2)]


class MergeShown(msgspec.Struct, frozen=True, kw_only=True):
    """A merge: who stayed, who became part of them, how many rows of each kind went over."""

    id: str
    survivor: str
    merged: str
    moved: dict[str, int]
    why: str
    merged_at: str
    merged_by: str
    undone_at: str | None
    undone_by: str


class MergedShown(MergeShown, frozen=True, kw_only=True):
    """A merge, and the contact that it made."""

    contact: ContactShown


class UndoneShown(MergeShown, frozen=True, kw_only=True):
    """A merge that was undone, and the two contacts; `elsewhere` are addresses that others have now."""

    contacts: list[ContactShown]
    elsewhere: list[str]


class HintShown(msgspec.Struct, frozen=True):
    """One part of a score, and why it is there; below zero it speaks against."""

    points: int
    why: str


class SuggestionShown(msgspec.Struct, frozen=True, kw_only=True):
    """Two contacts that may be one person."""

    score: int
    hints: list[HintShown]
    contacts: list[ContactShown]


MERGE, QUERY, APART, PAGE = Shape(MergeInput), Shape(MergeQuery), Shape(ApartInput), Shape(edge.PageQuery)
EXAMPLE = MergeInput("con_05a58xarj0000", "con_05a58xarj0001", "the same person, said at the counter")
MERGE_EXAMPLE = MergeShown(
    id="mrg_05a58xarj0002",
    survivor="con_05a58xarj0000",
    merged="con_05a58xarj0001",
    moved={"message": 12, "attempt": 14},
    why="the same person, said at the counter",
    merged_at="2026-11-23T08:30:00.000Z",
    merged_by="key_05a58xarj0003",
    undone_at=None,
    undone_by="",
)
MERGED_EXAMPLE = MergedShown(**msgspec.structs.asdict(MERGE_EXAMPLE), contact=SHOWN_EXAMPLE)
UNDONE_EXAMPLE = UndoneShown(
    **msgspec.structs.asdict(MERGE_EXAMPLE)
    | {"undone_at": "2026-11-24T08:30:00.000Z", "undone_by": "key_05a58xarj0003"},
    contacts=[SHOWN_EXAMPLE, SHOWN_EXAMPLE],
    elsewhere=[],
)
SUGGESTION_EXAMPLE = SuggestionShown(
    score=65,
    hints=[HintShown(40, "the same name"), HintShown(25, "mail addresses that begin with olena.shevchenko")],
    contacts=[SHOWN_EXAMPLE, SHOWN_EXAMPLE],
)


@route(
    "GET /v1/contact-merges",
    Operation(
        summary="List the merges of contacts",
        scope="contacts:read",
        asks=QUERY,
        gives=Page[MergeShown],
        answer_example=Page([MERGE_EXAMPLE]),
    ),
)
async def list_merges(request: Call) -> JsonAnswer:
    """In the order in which they were made."""
    query = QUERY.read_query(request.scope["query_string"])
    contact_id = _contact_id("contact", query.contact) if query.contact else 0
    after = edge.read_cursor(query.cursor)
    page = await edge.ground_of(request).db.read(
        merges.page, request.auth.workspace_id, contact_id, after, query.limit + 1
    )
    found, following = edge.cut(page, query, lambda one: one.id)
    return edge.answer(request, Page([shown(one) for one in found], following))


@route(
    "POST /v1/contact-merges",
    Operation(
        summary="Make one contact of two",
        detail="Addresses, fields, tags, objections and the whole history go over to the survivor. The old "
        "id and the old external_id lead to it. It can be undone.",
        scope="contacts:write",
        takes=MERGE,
        gives=MergedShown,
        status=201,
        once=True,
        problems=(409,),
        example=EXAMPLE,
        answer_example=MERGED_EXAMPLE,
    ),
)
async def merge_contacts(request: Call) -> JsonAnswer:
    """One contact where two were."""
    body = await edge.read_body(request)
    given, ground, caller = MERGE.read(body), edge.ground_of(request), request.auth
    survivor_id, merged_id = _contact_id("survivor", given.survivor), _contact_id("merged", given.merged)

    async def work(tx: Transaction) -> MergedShown:
        done, made = await flows.merge(
            tx,
            ground,
            caller.workspace_id,
            survivor_id,
            merged_id,
            list(BELONGINGS.values()),
            caller.actor,
            given.why,
        )
        return MergedShown(**_told(done), contact=contact_shown(made))

    return await edge.once(request, body, work)


@route(
    "GET /v1/contact-merges/{merge_id}",
    Operation(
        summary="Look at a merge",
        scope="contacts:read",
        gives=MergeShown,
        problems=(404,),
        answer_example=MERGE_EXAMPLE,
    ),
)
async def get_merge(request: Call) -> JsonAnswer:
    """One merge."""
    merge_id = edge.id_in_path(request, "merge")
    found = await edge.ground_of(request).db.read(flows.found, request.auth.workspace_id, merge_id)
    return edge.answer(request, shown(found))


@route(
    "POST /v1/contact-merges/{merge_id}/undo",
    Operation(
        summary="Undo a merge",
        detail="Both contacts are as they were before. What was changed since stays with the survivor, and "
        "so do the messages since; an objection made since goes to both.",
        scope="contacts:write",
        gives=UndoneShown,
        once=True,
        problems=(404, 409),
        answer_example=UNDONE_EXAMPLE,
    ),
)
async def undo_merge(request: Call) -> JsonAnswer:
    """Two contacts again."""
    body = await edge.read_body(request)
    ground, caller, merge_id = edge.ground_of(request), request.auth, edge.id_in_path(request, "merge")

    async def work(tx: Transaction) -> UndoneShown:
        undone = await flows.undo(tx, ground, caller.workspace_id, merge_id, BELONGINGS, caller.actor)
        apart = undone.parted
        return UndoneShown(
            **_told(undone.merge),
            contacts=[contact_shown(apart.survivor), contact_shown(apart.merged)],
            elsewhere=[one.value for one in apart.elsewhere],
        )

    return await edge.once(request, body, work)


@route(
    "GET /v1/contact-merges/suggestions",
    Operation(
        summary="Find contacts that may be one person",
        detail="Looks at as many contacts as `limit` says and shows the pairs that are likely enough, with "
        "the reasons of each score. A page may be empty while there is a `next`.",
        scope="contacts:read",
        asks=PAGE,
        gives=Page[SuggestionShown],
        answer_example=Page([SUGGESTION_EXAMPLE]),
    ),
)
async def suggest_merges(request: Call) -> JsonAnswer:
    """Pairs, the likeliest of the page first."""
    query = PAGE.read_query(request.scope["query_string"])
    after = edge.read_cursor(query.cursor)
    found, last = await edge.ground_of(request).db.read(
        flows.suggestions, request.auth.workspace_id, after, query.limit
    )
    following = edge.cursor_after(last) if last else None
    return edge.answer(request, Page([_suggested(one) for one in found], following))


@route(
    "POST /v1/contact-merges/apart",
    Operation(
        summary="Say that two contacts are two people",
        detail="They are suggested no more. A merge of them is still possible.",
        scope="contacts:write",
        takes=APART,
        status=204,
        problems=(404,),
        example=ApartInput(("con_05a58xarj0000", "con_05a58xarj0001")),
    ),
)
async def say_apart(request: Call) -> JsonAnswer:
    """Two people."""
    given, ground, caller = APART.read(await edge.read_body(request)), edge.ground_of(request), request.auth
    one_id, other_id = (_contact_id(f"contacts[{place}]", text) for place, text in enumerate(given.contacts))
    await ground.db.run(flows.say_apart, ground, caller.workspace_id, one_id, other_id, caller.actor)
    return edge.nothing(request)


def shown(one: Merge) -> MergeShown:
    """A merge for the outside."""
    return MergeShown(**_told(one))


def _told(one: Merge) -> dict[str, Any]:
    return {
        "id": ids.show("merge", one.id),
        "survivor": ids.show("contact", one.survivor_id),
        "merged": ids.show("contact", one.merged_id),
        "moved": {name: len(rows) for name, rows in one.moved.items()},
        "why": one.why,
        "merged_at": iso(one.merged_at),
        "merged_by": one.merged_by,
        "undone_at": iso(one.undone_at) if one.undone_at else None,
        "undone_by": one.undone_by,
    }


def _suggested(one: Suggestion) -> SuggestionShown:
    return SuggestionShown(
        score=one.likeness.score,
        hints=[HintShown(hint.points, hint.why) for hint in one.likeness.hints],
        contacts=[contact_shown(one.one), contact_shown(one.other)],
    )


def _contact_id(field: str, text: str) -> int:
    try:
        return ids.read("contact", text)
    except ValueError as error:
        raise invalid(field, str(error), value=text, remedy="the id of a contact") from None


HANDLERS = (list_merges, merge_contacts, suggest_merges, say_apart, get_merge, undo_merge)
