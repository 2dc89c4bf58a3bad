"""The JSON edge of API keys: list, make, revoke. A key's secret is shown once, when it is made."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from angarium.accounts import edge, flows, reach, store
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.accounts.store import ApiKey
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.problems import not_found
from angarium.core.values import MessageClass
from angarium.storage.database import Transaction

OVERLAP_MAX_S = 90 * 86_400.0


class KeyInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to be made."""

    name: str
    scopes: tuple[str, ...]
    expires_at: datetime | None = None
    classes: tuple[MessageClass, ...] | None = None  # null: every class
    lines: tuple[str, ...] | None = None  # ids; null: every line


class KeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret, which nobody can see again."""

    id: str
    name: str
    scopes: list[str]
    classes: list[MessageClass] | None  # null: every class
    lines: list[str] | None  # null: every line
    created_at: str
    created_by: str  # key_…, per_… or cli; empty: nobody knows any more
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None  # to five minutes


class KeyMade(KeyShown, frozen=True, kw_only=True):
    """A new key; `key` is shown now and never again."""

    key: str


class RotateInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long the old key is good beside the new one."""

    overlap_s: Annotated[float, msgspec.Meta(ge=0, le=OVERLAP_MAX_S)] = 86_400.0


KEY, ROTATE = Shape(KeyInput), Shape(RotateInput)
EXAMPLE = KeyInput("shop", ("messages:write", "messages:read"))
SHOWN_EXAMPLE = KeyShown(
    id="key_05a58xarj0000",
    name="shop",
    scopes=["messages:read", "messages:write"],
    classes=None,
    lines=None,
    created_at="2026-11-23T08:30:00.000Z",
    created_by="per_05a58xarj0000",
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
        careful=True,
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
    extent = reach.given(given.classes, given.lines)
    await edge.require_lines(request, extent)
    flows.check_gift(caller, scopes, extent)
    new, key = flows.new_key(
        ground, caller.workspace_id, given.name, scopes, expires_at, extent, caller.actor
    )

    async def work(tx: Transaction) -> KeyMade:
        await flows.keep_key(tx, caller.workspace_id, new, key)
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


@route(
    "POST /v1/keys/{api_key_id}/rotate",
    Operation(
        careful=True,
        summary="Replace an API key by a new one",
        detail="The new one may do the same. Both are good for `overlap_s` seconds; then the old one ends.",
        scope="setup:write",
        takes=ROTATE,
        gives=KeyMade,
        status=201,
        once=True,
        problems=(404,),
        example=RotateInput(),
        answer_example=MADE_EXAMPLE,
    ),
)
async def rotate_key(request: Call) -> JsonAnswer:
    """A key in the place of another."""
    body = await edge.read_body(request)
    given, ground, caller = ROTATE.read(body), edge.ground_of(request), request.auth
    key_id = edge.id_in_path(request, "api_key")

    async def work(tx: Transaction) -> KeyMade:
        new, key = await flows.rotate_key(tx, ground, caller, key_id, given.overlap_s)
        return KeyMade(**msgspec.structs.asdict(_shown(new)), key=key)

    return await edge.once(request, body, work, sealed=True)


def _shown(key: ApiKey) -> KeyShown:
    return KeyShown(
        id=ids.show("api_key", key.id),
        name=key.name,
        scopes=sorted(key.scopes),
        classes=reach.shown_classes(key.reach),
        lines=reach.shown_lines(key.reach),
        created_by=key.created_by,
        created_at=iso(key.created_at),
        expires_at=None if key.expires_at is None else iso(key.expires_at),
        revoked_at=None if key.revoked_at is None else iso(key.revoked_at),
        last_used_at=None if key.last_used_at is None else iso(key.last_used_at),
    )


HANDLERS = (list_keys, make_key, revoke_key, rotate_key)
