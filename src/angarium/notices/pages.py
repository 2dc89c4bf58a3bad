"""The HTML edge of notices: the list, the bell of every page with its newest ten, which kinds are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, ground_of, route
from angarium.accounts.pages import HtmlAnswer, fields_of, form_of, in_place, redirect
from angarium.accounts.session import local_path
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.problems import invalid
from angarium.notices import flows, rules
from angarium.notices.api import NEWEST, check_kind
from angarium.notices.rules import GROUPS, KINDS, Weight
from angarium.notices.store import Shown, Wanted

PAGE = 25
MENU = 10  # of the bell
TABS = ("", "unread", "person")
ICONS = {
    "lines": "plug-connected",
    "templates": "template",
    "campaigns": "speakerphone",
    "contacts": "users",
    "messages": "send",
}
OWN_ICONS = {"budget_warning": "wallet", "budget_spent": "wallet", "balance_low": "wallet"}


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which notices to list."""

    only: Literal["", "unread", "person"] = ""
    kind: Annotated[str, msgspec.Meta(max_length=100)] = ""
    cursor: str = ""
    done: Annotated[str, msgspec.Meta(max_length=20)] = ""


class Row(msgspec.Struct, frozen=True):
    """A notice on a page: what it says, with all that may fill the gaps of its words."""

    id: str
    kind: str
    tone: str
    icon: str
    path: str
    says: dict[str, Any]
    count: int
    counted: bool
    at: int
    read: bool
    settled: bool
    needs: bool  # a person


LIST = Shape(ListQuery)
GAPS = {
    "name": "",
    "count": 0,
    "created": 0,
    "changed": 0,
    "failed": 0,
    "rows": 0,
    "per_cent": 0,
    "budget": "",
}


def row_of(one: Shown) -> Row:
    """A notice as pages show it."""
    told, kind = one.notice, KINDS[one.notice.kind]
    return Row(
        ids.show("notice", told.id),
        kind.name,
        kind.tone,
        OWN_ICONS.get(kind.name, ICONS[kind.group]),
        rules.leads_to(kind.name, told.says),
        {**GAPS, **told.says, "count": told.count},
        told.count,
        kind.counted,
        told.at,
        one.read,
        told.settled_at is not None,
        kind.weight is Weight.PERSON and told.settled_at is None,
    )


@route("GET /notices", Operation(summary="Notices", scope="messages:read", asks=LIST, page=True))
async def list_notices(request: Call) -> Sent:
    """The newest ones that fit, and which kinds are wanted."""
    query = LIST.read_query(request.scope["query_string"])
    check_kind(query.kind)
    wanted = Wanted(query.only, edge.read_cursor(query.cursor) or NEWEST)
    found = await flows.page(ground_of(request), request.auth, wanted, query.kind, PAGE + 1)
    shown, asked = found[:PAGE], _asked(query)
    older = edge.cursor_after(shown[-1].notice.id) if len(found) > PAGE else ""
    muted = await flows.muted(ground_of(request), request.auth)
    kinds = rules.kinds_for(request.auth.scopes)
    facts = {
        "query": query,
        "rows": [row_of(one) for one in shown],
        "tabs": [(_address({**asked, "only": only}), only, only == query.only) for only in TABS],
        "kinds": kinds,
        "groups": [(group, of) for group in GROUPS if (of := _of_group(kinds, group))],
        "people": {name for name in kinds if KINDS[name].weight is Weight.PERSON},
        "muted": muted,
        "again": _address(asked | ({"cursor": query.cursor} if query.cursor else {})),
        "newest": _address(asked) if query.cursor else "",
        "older": _address(asked | {"cursor": older}) if older else "",
    }
    return HtmlAnswer("notices/notices.html", facts)


def _asked(query: ListQuery) -> dict[str, str]:
    return {name: value for name, value in (("only", query.only), ("kind", query.kind)) if value}


def _of_group(kinds: list[str], group: str) -> list[str]:
    return [name for name in kinds if KINDS[name].group == group]


def _address(asked: Mapping[str, str]) -> str:
    said = {name: value for name, value in asked.items() if value}
    return "/notices" + (f"?{urlencode(said)}" if said else "")


@route("GET /notices/bell", Operation(summary="The bell", scope="messages:read", page=True))
async def bell(request: Call) -> Sent:
    """How many are unread: a piece of every page."""
    return HtmlAnswer("notices/bell.html", {"unread": await flows.unread(ground_of(request), request.auth)})


@route("GET /notices/newest", Operation(summary="The newest notices", scope="messages:read", page=True))
async def newest(request: Call) -> Sent:
    """The newest ten, under the bell."""
    return await _menu(request)


async def _menu(request: Call) -> Sent:
    found = await flows.page(ground_of(request), request.auth, Wanted(), "", MENU)
    unread = await flows.unread(ground_of(request), request.auth)
    return HtmlAnswer("notices/menu.html", {"rows": [row_of(one) for one in found], "unread": unread})


@route("POST /notices/read", Operation(summary="Mark notices as read", scope="messages:read", page=True))
async def mark_read(request: Call) -> Sent:
    """Those that are named, and all up to one; the bell shows what is left."""
    these = [_id("id", text) for text in fields_of(request, "id")]
    until = form_of(request).get("until", "")
    await flows.read(ground_of(request), request.auth, these, _id("until", until) if until else None)
    if in_place(request):
        return await _menu(request)
    return redirect(local_path(form_of(request).get("next", "/notices")))


def _id(field: str, text: str) -> int:
    try:
        return ids.read("notice", text)
    except ValueError as error:
        raise invalid(field, str(error), value=text) from None


@route("POST /notices/kinds", Operation(summary="Choose kinds of notices", scope="messages:read", page=True))
async def choose_kinds(request: Call) -> Sent:
    """The kinds that are ticked are wanted, and no others."""
    ticked = set(fields_of(request, "kind"))
    muted = [name for name in rules.kinds_for(request.auth.scopes) if name not in ticked]
    await flows.mute(ground_of(request), request.auth, muted)
    return redirect("/notices?done=kinds")


HANDLERS = (list_notices, bell, newest, mark_read, choose_kinds)
