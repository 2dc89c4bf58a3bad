"""The JSON edge of API keys: list, make, revoke. A key's secret is shown once, when it is made."""

from __future__ import annotations

from datetime import datetime

import msgspec

from angarium.accounts import edge, flows, store
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.accounts.store import ApiKey
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.problems import not_found
from angarium.storage.database import Transaction


class KeyInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to be made."""

    name: str
    scopes: tuple[str, ...]
    expires_at: datetime | None = None


class KeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret, which nobody can see again."""

    id: str
    name: str
    scopes: list[str]
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None  # to five minutes


class KeyMade(KeyShown, frozen=True, kw_only=True):
    """A new key; `key` is shown now and never again."""

    key: str


KEY = Shape(KeyInput)
EXAMPLE = KeyInput("shop", ("messages:write", "messages:read"))
SHOWN_EXAMPLE = KeyShown(
    id="key_05a58xarj0000",
    name="shop",
    scopes=["messages:read", "messages:write"],
    created_at="2026-11-23T08:30:00.000Z",
    expires_at=None,
    revoked_at=None,
    last_used_at="2026-11-23T08:42:47.618Z",
)
MADE_EXAMPLE = KeyMade(
    **msgspec.structs.asdict(SHOWN_EXAMPLE) | {"last_used_at": None}, key="ang_05a58xarj0000_…"
)


@route(
    "GET /v1/keys",
    Operation(
        summary="List the API keys",
        scope="setup:write",
        asks=edge.PAGE,
        gives=Page[KeyShown],
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_keys(request: Call) -> JsonAnswer:
    """Every key, live or not."""
    query = edge.PAGE.read_query(request.scope["query_string"])
    found = await edge.ground_of(request).db.read(store.keys, request.auth.workspace_id)
    keys, following = edge.piece(found, query, lambda key: key.id)
    return edge.answer(request, Page([_shown(key) for key in keys], following))


@route(
    "POST /v1/keys",
    Operation(
        summary="Make an API key",
        detail="Its secret is in this answer and never shown again. A key can give no scope that it has not.",
        scope="setup:write",
        takes=KEY,
        gives=KeyMade,
        status=201,
        once=True,
        example=EXAMPLE,
        answer_example=MADE_EXAMPLE,
    ),
)
async def make_key(request: Call) -> JsonAnswer:
    """A new key."""
    body = await edge.read_body(request)
    given, ground, caller = KEY.read(body), edge.ground_of(request), request.auth
    scopes, expires_at = frozenset(given.scopes), edge.instant("expires_at", given.expires_at)
    flows.check_gift(caller, scopes)
    new, key = flows.new_key(ground, caller.workspace_id, given.name, scopes, expires_at)

    async def work(tx: Transaction) -> KeyMade:
        await flows.keep_key(tx, caller.workspace_id, new, key, caller.actor)
        return KeyMade(**msgspec.structs.asdict(_shown(new)), key=key)

    return await edge.once(request, body, work, sealed=True)


@route(
    "DELETE /v1/keys/{api_key_id}",
    Operation(
        summary="Revoke an API key",
        detail="It fails within a second, on every machine.",
        scope="setup:write",
        status=204,
        problems=(404,),
    ),
)
async def revoke_key(request: Call) -> JsonAnswer:
    """No key any more."""
    ground, key_id = edge.ground_of(request), edge.id_in_path(request, "api_key")
    if not await flows.revoke_key(ground, request.auth.workspace_id, key_id, request.auth.actor):
        raise not_found("api key", ids.show("api_key", key_id), remedy="GET /v1/keys lists the live ones")
    return edge.nothing(request)


def _shown(key: ApiKey) -> KeyShown:
    return KeyShown(
        id=ids.show("api_key", key.id),
        name=key.name,
        scopes=sorted(key.scopes),
        created_at=iso(key.created_at),
        expires_at=None if key.expires_at is None else iso(key.expires_at),
        revoked_at=None if key.revoked_at is None else iso(key.revoked_at),
        last_used_at=None if key.last_used_at is None else iso(key.last_used_at),
    )


HANDLERS = (list_keys, make_key, revoke_key)
