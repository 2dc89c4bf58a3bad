"""The HTML edge of what nobody knows: the list with its evidence, whether one is sure, and what was decided.

A decision cannot be undone, so a form leads to a page that says what it will do, and only that page decides.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer, form_of
from angarium.contacts import store as contacts
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.problems import invalid
from angarium.core.values import MessageClass
from angarium.messaging import unknowns
from angarium.messaging.case import wake
from angarium.messaging.pages import names_in
from angarium.messaging.store import messages as message_store
from angarium.messaging.store.unknowns import Wanted
from angarium.messaging.unknowns import Order, Ruling
from angarium.messaging.unknowns_api import wanted_by, who, world_of
from angarium.messaging.world import World
from angarium.storage.database import Transaction

PAGE = 40  # a form brings a field for each, and the edge takes 50
DECIDE = "messages:decide"
AGES_S = {"hour": 3600.0, "day": 86_400.0}
PICK = "pick."

Document = dict[str, Any]
Text = Annotated[str, msgspec.Meta(max_length=300)]


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which of them to list, oldest first."""

    line: Text = ""
    message_class: Text = msgspec.field(name="class", default="")
    age: Text = ""
    cursor: Text = ""


class Row(msgspec.Struct, frozen=True):
    """One of them in the list."""

    message: Document
    name: str
    address: str
    since: datetime
    age: timedelta


LIST = Shape(ListQuery)


@route(
    "GET /unknowns",
    Operation(summary="What nobody knows", scope="messages:read", asks=LIST, page=True),
)
async def list_unknowns(request: Call) -> Sent:
    """Those that fit, each with what is known of it."""
    query = LIST.read_query(request.scope["query_string"])
    if query.age and query.age not in AGES_S:
        raise invalid("age", "is not one", value=query.age, remedy="one of " + ", ".join(AGES_S))
    world, workspace_id = world_of(request), request.auth.workspace_id
    wanted = wanted_by(world, workspace_id, query.line, query.message_class, AGES_S.get(query.age, 0.0))
    after = edge.read_cursor(query.cursor)
    rows, following = await world.ground.db.read(_rows, world, workspace_id, wanted, after)
    asked = {
        field: value for field, value in msgspec.to_builtins(query).items() if value and field != "cursor"
    }
    facts = {
        "query": query,
        "rows": rows,
        "filtered": bool(asked),
        "first": _address(asked) if query.cursor else "",
        "more": _address({**asked, "cursor": edge.cursor_after(following)}) if following else "",
        "named_lines": [(name, name) for name in sorted(line.name for line in world.lines.of(workspace_id))],
        "classes": [one.value for one in MessageClass],
        "ages": list(AGES_S),
        "rulings": [one.value for one in Ruling],
        "may_decide": DECIDE in request.auth.scopes,
        "names": names_in(world, workspace_id),
        "at": datetime.fromisoformat,
    }
    return HtmlAnswer("messaging/unknowns.html", facts)


def _address(asked: dict[str, str]) -> str:
    return "/unknowns" + (f"?{urlencode(asked)}" if asked else "")


async def _rows(
    tx: Transaction, world: World, workspace_id: int, wanted: Wanted, after: int
) -> tuple[list[Row], int | None]:
    found, following = await unknowns.listing(tx, world, workspace_id, wanted, after, PAGE)
    return await _with_people(tx, workspace_id, found), following


async def _with_people(tx: Transaction, workspace_id: int, found: list[Document]) -> list[Row]:
    contact_ids = [ids.read("contact", one["contact"]) for one in found]
    people = await contacts.by_ids(tx, workspace_id, set(contact_ids))
    return [
        Row(
            one,
            person.name if (person := people.get(contact_id)) else "",
            one["attempts"][-1]["address"] if one["attempts"] else "",
            datetime.fromisoformat(one["since"]),
            timedelta(seconds=one["age_s"]),
        )
        for one, contact_id in zip(found, contact_ids, strict=True)
    ]


# ── deciding ─────────────────────────────────────────────────────────────────────────────────────────


@route("POST /unknowns/sure", Operation(summary="Whether one is sure", scope=DECIDE, page=True))
async def ask_again(request: Call) -> Sent:
    """What the decision will do, for which messages; nothing is decided yet."""
    form = form_of(request)
    ruling, chosen = _ruling(form), _chosen(form)
    world, workspace_id = world_of(request), request.auth.workspace_id
    rows = await world.ground.db.read(_chosen_rows, world, workspace_id, chosen)
    return HtmlAnswer("messaging/unknowns_sure.html", {"ruling": ruling.value, "rows": rows})


async def _chosen_rows(tx: Transaction, world: World, workspace_id: int, message_ids: list[int]) -> list[Row]:
    found = await message_store.by_ids(tx, workspace_id, message_ids)
    told = await unknowns.told(tx, world, workspace_id, sorted(found, key=lambda one: one.id))
    return await _with_people(tx, workspace_id, told)


@route("POST /unknowns/decide", Operation(summary="What was decided", scope=DECIDE, page=True))
async def decide(request: Call) -> Sent:
    """Carry it out, and say what became of each. The same form sent twice is one decision."""
    form = form_of(request)
    ruling, chosen = _ruling(form), _chosen(form)
    reason = form.get("reason", "").strip()[:500]
    if not reason:
        raise invalid("reason", "is missing", remedy="say why: it stands in the timeline of each message")
    world, workspace_id = world_of(request), request.auth.workspace_id

    async def work(tx: Transaction) -> Any:
        by = await who(tx, request, form.get("by", "").strip()[:100])
        orders = [Order(one, ruling, reason, by) for one in chosen]
        now = world.ground.clock.now()
        return await unknowns.decide(tx, world, workspace_id, orders, now, request.auth.reach)

    ruled, cases = await world.ground.db.run(work)
    wake(world, cases)
    results = [
        {"id": ids.show("message", one.message_id), "outline": one.outline, "problem": one.problem}
        for one in ruled
    ]
    facts = {"ruling": ruling.value, "results": results, "done": sum(one.problem is None for one in ruled)}
    return HtmlAnswer("messaging/unknowns_done.html", facts)


def _ruling(form: dict[str, str]) -> Ruling:
    text = form.get("decision", "")
    if text not in set(Ruling):
        raise invalid("decision", "is not one", value=text, remedy="one of " + ", ".join(Ruling))
    return Ruling(text)


def _chosen(form: dict[str, str]) -> list[int]:
    """The messages that a form names: those picked, or all that the page had shown."""
    named = form.get("shown", "").split() if form.get("all") else []
    named += [field.removeprefix(PICK) for field in form if field.startswith(PICK)]
    chosen = []
    for text in dict.fromkeys(named):
        try:
            chosen.append(ids.read("message", text))
        except ValueError as error:
            raise invalid("message", str(error), value=text) from None
    if not chosen:
        raise invalid("message", "none was chosen", remedy="go back and choose at least one")
    return chosen


HANDLERS = (list_unknowns, ask_again, decide)
