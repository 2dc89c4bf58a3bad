"""The HTML edge for those who connect systems: the API's reference, callback addresses, the last requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import msgspec

from angarium.accounts.actors import names
from angarium.accounts.edge import Call, Operation, Sent, ground_of, route, text_in_path
from angarium.accounts.lately import Lately, everywhere
from angarium.accounts.pages import HtmlAnswer
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.problems import not_found
from angarium.messaging.pages import names_in
from angarium.settings import reference
from angarium.settings.forms import Word, world_of
from angarium.settings.reference import Group
from angarium.settings.who import WORDS


class ReferenceQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is looked for."""

    q: Word = ""


class RequestsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which requests: all, or those that were refused or failed."""

    only: Literal["", "problems"] = ""


REFERENCE, REQUESTS = Shape(ReferenceQuery), Shape(RequestsQuery)


def _groups(request: Call) -> tuple[Group, ...]:
    state = request.scope["litestar_app"].state
    return reference.groups(cast("Mapping[str, Any]", state.openapi), _base(request))


def _base(request: Call) -> str:
    """How this server is reached, as far as it knows; else as the browser reached it."""
    known: str = request.scope["litestar_app"].state.get("public_url", "")
    host = dict(request.scope["headers"]).get(b"host", b"localhost").decode("latin-1")
    return known.rstrip("/") or f"{request.scope['scheme']}://{host}"


@route("GET /developers", Operation(summary="For developers", scope="setup:read", page=True))
async def developers(request: Call) -> Sent:
    """Where to begin."""
    return HtmlAnswer("settings/developers.html", {"base": _base(request)})


@route(
    "GET /developers/reference",
    Operation(summary="API reference", scope="setup:read", asks=REFERENCE, page=True),
)
async def api_reference(request: Call) -> Sent:
    """Everything that can be asked, or what fits."""
    query = REFERENCE.read_query(request.scope["query_string"])
    found = reference.fitting(_groups(request), query.q)
    return HtmlAnswer("settings/reference.html", {"groups": found, "q": query.q})


@route(
    "GET /developers/reference/{group}",
    Operation(summary="API reference of one noun", scope="setup:read", page=True),
)
async def api_group(request: Call) -> Sent:
    """All about one noun, with examples."""
    name, every = text_in_path(request, "group"), _groups(request)
    found = next((one for one in every if one.name == name), None)
    if found is None:
        raise not_found("part of the API", name, remedy="GET /developers/reference lists them")
    return HtmlAnswer(
        "settings/reference_group.html", {"group": found, "groups": [one.name for one in every]}
    )


@route("GET /developers/callbacks", Operation(summary="Callback addresses", scope="setup:read", page=True))
async def callbacks(request: Call) -> Sent:
    """Where providers post what became of messages, line by line."""
    world, workspace_id = world_of(request), request.auth.workspace_id
    called = names_in(world, workspace_id)
    lines = [line for line in world.lines.of(workspace_id) if world.channels[line.channel].connect is None]
    facts = {
        "lines": [
            {
                "id": ids.show("line", line.id),
                "name": line.name,
                "channel": line.channel,
                "called": called.channel(line.channel),
                "address": _base(request) + line.callback_path,
            }
            for line in lines
        ],
        "has_public_url": bool(request.scope["litestar_app"].state.get("public_url", "")),
    }
    return HtmlAnswer("settings/callbacks.html", facts)


@route(
    "GET /developers/requests",
    Operation(summary="The last requests of the API", scope="setup:write", asks=REQUESTS, page=True),
)
async def requests(request: Call) -> Sent:
    """What was asked of the servers lately, and how it ended."""
    query = REQUESTS.read_query(request.scope["query_string"])
    state, ground = request.scope["litestar_app"].state, ground_of(request)
    lately: Lately = state.lately
    others = state.get("other_servers", lambda: 0)()
    known = await ground_of(request).db.read(names, request.auth.workspace_id)
    asked = await everywhere(ground, lately, request.auth.workspace_id, others)
    found = [one for one in asked if not query.only or one.status >= 400]
    facts = {
        "requests": [
            {
                "at": one.at,
                "method": one.method,
                "path": one.path,
                "status": one.status,
                "took_ms": round(one.took_s * 1_000, 1),
                "who": known.get(one.actor, one.actor),
                "by_words": WORDS.get(one.actor, ""),
                "problem": one.problem,
            }
            for one in found
        ],
        "only": query.only,
    }
    return HtmlAnswer("settings/requests.html", facts)


HANDLERS = (developers, api_reference, api_group, callbacks, requests)
