"""The HTML edge of messages: the list, one message with its timeline, and the way from a reference."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection
from datetime import datetime, tzinfo
from typing import Annotated, Any, cast
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec

from angarium.accounts import edge
from angarium.accounts import flows as accounts
from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import Hit, HtmlAnswer, redirect
from angarium.contacts import store as contacts
from angarium.contacts.store import Contact
from angarium.content.store import versions
from angarium.content.store.versions import Named
from angarium.core import ids
from angarium.core.called import names_of
from angarium.core.clock import from_datetime, to_datetime
from angarium.core.days import begins, ends
from angarium.core.decoding import Shape
from angarium.core.problems import Problem, invalid, shown
from angarium.core.values import MessageClass
from angarium.messaging import exchanges, story
from angarium.messaging.api import NEWEST, Desk, waited_for
from angarium.messaging.case import CODE_MASK, open_content
from angarium.messaging.exchanges import Told
from angarium.messaging.exchanges_api import LINES
from angarium.messaging.masking import visible, written
from angarium.messaging.states import AttemptState, MessageState
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import messages as message_store
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.messages import EVER, Filter, Message
from angarium.messaging.store.uses import CAMPAIGNS
from angarium.messaging.story import Story
from angarium.messaging.surroundings import sought
from angarium.messaging.timeline import ATTEMPT_TONES, DOUBT, MESSAGE_TONES, Names, timeline
from angarium.messaging.waiting import For
from angarium.messaging.world import World
from angarium.storage.database import Transaction

PAGE = 50  # messages on a page of the list
GLANCE_MAX = 200  # characters of a message's words in the list

Document = dict[str, Any]
Text = Annotated[str, msgspec.Meta(max_length=300)]


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which messages to list, newest first; `contact` is what somebody typed who looks for one, `since` and
    `until` are whole days of the workspace."""

    state: Text = ""
    message_class: Text = msgspec.field(name="class", default="")
    label: Text = ""
    contact: Text = ""
    waiting: Text = ""
    since: Text = ""
    until: Text = ""
    cursor: Text = ""


class FindQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider calls a part of a message."""

    ref: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]


class Hop(msgspec.Struct, frozen=True):
    """One attempt in the list."""

    kind: str
    channel: str
    state: str
    tone: str


class Row(msgspec.Struct, frozen=True):
    """One message in the list."""

    message: Document
    tone: str
    created_at: datetime
    name: str
    address: str
    words: str
    hops: list[Hop]


LIST, FIND = Shape(ListQuery), Shape(FindQuery)


def _world(request: Call) -> World:
    return cast("Desk", request.scope["litestar_app"].state.messages).world


def names_in(world: World, workspace_id: int) -> Names:
    """What channels and lines are called."""
    kinds = {line.name: line.channel for line in world.lines.of(workspace_id)}
    return Names(names_of(world.channels, set(kinds.values())), kinds)


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /messages", Operation(summary="Messages", scope="messages:read", asks=LIST, page=True, alike=True)
)
async def list_messages(request: Call) -> Sent:
    """The newest messages that fit."""
    query = LIST.read_query(request.scope["query_string"])
    _check(query)
    if _is_id("message", query.contact.strip()):
        return redirect(f"/messages/{query.contact.strip()}")
    world, workspace_id = _world(request), request.auth.workspace_id
    before = edge.read_cursor(query.cursor) or NEWEST
    rows, following = await world.ground.db.read(_listed, world, workspace_id, query, before)
    labels = {row.message["label"] for row in rows}
    asked = {field: value for field, value in msgspec.to_builtins(query).items() if value}
    asked.pop("cursor", None)
    older = {**asked, "cursor": edge.cursor_after(following)} if following else None
    facts = {
        "query": query,
        "rows": rows,
        "campaigns": await campaigns_among(request, labels),
        "filtered": bool(asked),
        "again": _address({**asked, "cursor": query.cursor} if query.cursor else asked),
        "newest": _address(asked) if query.cursor else "",
        "older": _address(older) if older else "",
        "states": [state.value for state in MessageState],
        "classes": [one.value for one in MessageClass],
        "waits": [one.value for one in For if one is not For.DECISION],
        "line": next(
            (line.name for line in world.lines.of(workspace_id) if line.enabled and line.approved), ""
        ),
        "server": _server(request),
        "workspace": shlex.quote(request.user.workspace),
    }
    return HtmlAnswer("messaging/messages.html", facts)


async def campaigns_among(request: Call, labels: Collection[str]) -> dict[str, str]:
    """What the campaigns are called whose ids are among these labels."""
    ours = {label for label in labels if (label or "").startswith(CAMPAIGNS)}
    called: Callable[..., Any] | None = request.scope["litestar_app"].state.get("campaign_names")
    if called is None or not ours:
        return {}
    return dict(await _world(request).ground.db.read(called, request.auth.workspace_id, ours))


def _check(query: ListQuery) -> None:
    if query.state and query.state not in set(MessageState):
        raise invalid("state", "is not a state", value=query.state, remedy=", ".join(MessageState))
    if query.message_class and query.message_class not in set(MessageClass):
        raise invalid("class", "is not a class", value=query.message_class, remedy=", ".join(MessageClass))


def _span(query: ListQuery, zone: tzinfo) -> tuple[int, int]:
    """From which instant on, and before which."""
    for field, text in (("since", query.since), ("until", query.until)):
        if text.strip() and begins(text, zone) is None:
            raise invalid(field, "is not a day", value=text, remedy="YYYY-MM-DD")
    since, until = begins(query.since, zone), ends(query.until, zone)
    return (
        0 if since is None else from_datetime(since),
        EVER if until is None else from_datetime(until),
    )


def _address(asked: dict[str, str]) -> str:
    return "/messages" + (f"?{urlencode(asked)}" if asked else "")


def _server(request: Call) -> str:
    """Where the person reached us, for the commands that are shown."""
    host = dict(request.scope["headers"]).get(b"host", b"127.0.0.1:8080").decode("latin-1")
    return f"{request.scope['scheme']}://{host}"


async def _listed(
    tx: Transaction, world: World, workspace_id: int, query: ListQuery, before: int
) -> tuple[list[Row], int | None]:
    contact_id = await sought(tx, workspace_id, query.contact.strip()) if query.contact.strip() else 0
    if contact_id is None:
        return [], None
    zone = ZoneInfo((await accounts.workspace(tx, workspace_id)).time_zone)
    since, until = _span(query, zone)
    wanted = Filter(query.state, query.message_class, query.label, "", contact_id, since, until)
    found = await story.listing(tx, world, workspace_id, wanted, before, PAGE, waited_for(query.waiting))
    contact_ids = [ids.read("contact", one["contact"]) for one in found.messages]
    people = await contacts.by_ids(tx, workspace_id, set(contact_ids))
    names = names_in(world, workspace_id)
    return [
        _row(world, names, one, people.get(contact_id), tried)
        for one, contact_id, tried in zip(found.messages, contact_ids, found.attempts, strict=True)
    ], found.following


def _is_id(noun: str, text: str) -> bool:
    try:
        ids.read(noun, text)
    except ValueError:
        return False
    return True


def _row(world: World, names: Names, outline: Document, person: Contact | None, tried: list[Attempt]) -> Row:
    addresses = [attempt.address for attempt in tried]
    if person is not None and not addresses:
        addresses = [address.value for address in person.addresses[:1]]
    return Row(
        outline,
        MESSAGE_TONES[MessageState(outline["state"])],
        datetime.fromisoformat(outline["created_at"]),
        person.name if person else "",
        addresses[-1] if addresses else "",
        _glance(world, tried[-1]) if tried else "",
        [_hop(names, attempt, last=attempt is tried[-1]) for attempt in tried],
    )


def _glance(world: World, attempt: Attempt) -> str:
    if attempt.message_class is MessageClass.OTP:
        return CODE_MASK
    return open_content(world, attempt).text[:GLANCE_MAX]


def _hop(names: Names, attempt: Attempt, *, last: bool) -> Hop:
    """An attempt that was taken, but did not keep the next one from being tried, has not done its work."""
    fell_short = attempt.state is AttemptState.ACCEPTED and not last
    tone = DOUBT if fell_short else ATTEMPT_TONES[attempt.state]
    return Hop(attempt.channel, names.channel(attempt.channel), attempt.state.value, tone)


# ── one message ──────────────────────────────────────────────────────────────────────────────────────


@route("GET /messages/{message_id}", Operation(summary="A message", scope="messages:read", page=True))
async def show_message(request: Call) -> Sent:
    """One message: what became of it, by which steps, and why."""
    world, workspace_id = _world(request), request.auth.workspace_id
    message_id = edge.id_in_path(request, "message")
    found, contact, refs, template = await world.ground.db.read(_whole, world, workspace_id, message_id)
    told, names = found.told, names_in(world, workspace_id)
    wire = await _wire(request, message_id)
    facts = {
        "message": told,
        "wait": _called(found.wait, names),
        "created_at": datetime.fromisoformat(told["created_at"]),
        "contact": contact,
        "template": template,
        "template_id": ids.show("template", template.template_id) if template else "",
        "campaigns": await campaigns_among(request, [told["label"]]),
        "timeline": timeline(told, names),
        "attempts": told["attempts"],
        "tones": {state.value: tone for state, tone in ATTEMPT_TONES.items()},
        "refs": refs,
        "names": names,
        "line_names": {ids.show("line", line.id): line.name for line in world.lines.of(workspace_id)},
        "at": datetime.fromisoformat,
        **wire,
    }
    return HtmlAnswer("messaging/message.html", facts)


def _called(said: Any, names: Names) -> Any:
    """A sentence in which channels stand by their kinds, with their names; and its figures as figures."""
    if not isinstance(said, tuple):
        return said
    name, values = said
    named = {gap: _called(one, names) for gap, one in values.items()}
    named |= {gap: float(one.replace(",", "")) for gap, one in named.items() if gap in ("ahead", "speed")}
    return name, named | ({"channel": names.channel(named["channel"])} if "channel" in named else {})


async def _wire(request: Call, message_id: int) -> Document:
    """What was said to providers about a message, by attempt, for those who may see lines as well."""
    if LINES not in request.auth.scopes:
        return {"said": None}
    world, workspace_id = _world(request), request.auth.workspace_id
    found = await world.ground.db.read(exchanges.look, world, workspace_id, message_id)
    said: dict[str, list[Told]] = {}
    for one in found.told:
        said.setdefault(ids.show("attempt", one.attempt_id), []).append(one)
    return {
        "said": said,
        "lent": {ids.show("attempt", one) for one in found.lent},
        "off": {ids.show("line", line.id): line.name for line in found.off.values()},
        "moment": to_datetime,
        "text_of": lambda side: visible(written(side)),
        "visible": visible,
    }


async def _whole(
    tx: Transaction, world: World, workspace_id: int, message_id: int
) -> tuple[Story, Contact | None, dict[str, list[str]], Named | None]:
    """A message told, its contact if that is still there, what providers call its attempts, and the version
    whose words it has."""
    found = await story.whole(tx, world, workspace_id, message_id)
    told = found.told
    contact_id = ids.read("contact", told["contact"])
    people = await contacts.by_ids(tx, workspace_id, [contact_id])
    attempt_ids = [ids.read("attempt", attempt["id"]) for attempt in told["attempts"]]
    parts = await attempt_store.parts_of(tx, workspace_id, attempt_ids) if attempt_ids else {}
    refs = {ids.show("attempt", one): [part.ref for part in of_one] for one, of_one in parts.items()}
    (version_id,) = (await message_store.template_versions(tx, workspace_id, [message_id])).values()
    of_template = await versions.names(tx, workspace_id, [version_id] if version_id else [])
    return found, people.get(contact_id), refs, of_template.get(version_id)


# ── from a reference ─────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /find", Operation(summary="The message of a reference", scope="messages:read", asks=FIND, page=True)
)
async def find_message(request: Call) -> Sent:
    """On to the message that a provider calls so. A plus in the address is a plus: references hold base64."""
    ref = FIND.read_query(request.scope["query_string"].replace(b"+", b"%2B")).ref
    db = _world(request).ground.db
    line_ids = [line.id for line in _world(request).lines.of(request.auth.workspace_id)]
    found = await db.read(attempt_store.message_with_ref, request.auth.workspace_id, line_ids, ref)
    if found is None:
        raise Problem(
            "not-found",
            "No message is called so",
            status=404,
            detail=f"No provider calls a message of this workspace {shown(ref)!r}. If it was handed over a "
            "moment ago, the answer may still be on its way: try again.",
        )
    return redirect(f"/messages/{ids.show('message', found)}")


# ── from the command bar ─────────────────────────────────────────────────────────────────────────────


async def seek(tx: Transaction, workspace_id: int, text: str, few: int) -> list[Hit]:
    """The message of an id, or the newest to the contact of an address or an id."""
    if _is_id("message", text):
        found = await message_store.by_ids(tx, workspace_id, [ids.read("message", text)])
    else:
        contact_id = await sought(tx, workspace_id, text)
        if not contact_id:
            return []
        found = await message_store.page(tx, workspace_id, Filter(contact_id=contact_id), NEWEST, few)
    return [_hit(one) for one in found]


def _hit(one: Message) -> Hit:
    shown_id = ids.show("message", one.id)
    return Hit(
        f"/messages/{shown_id}", one.label or shown_id, to_datetime(one.created_at).strftime("%Y-%m-%d %H:%M")
    )


HANDLERS = (list_messages, show_message, find_message)
