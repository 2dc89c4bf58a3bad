"""The edge of media: bring files, list them, delete them; and their public addresses."""

from __future__ import annotations

import hmac
from typing import Annotated, Literal, cast

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.content import fetching
from angarium.content.media import flows
from angarium.content.media.flows import MediaRoom
from angarium.content.media.serving import MediaAnswer
from angarium.content.store import media as store
from angarium.content.store.media import Kept, Place
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.problems import not_found
from angarium.core.values import MediaKind
from angarium.protocols import files
from angarium.storage.database import Transaction

NEWEST = (1 << 63) - 1
TYPES_OF = {"": "", "image": "image/", "audio": "audio/", "video": "video/", "document": "application/"}


class BringQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file is called."""

    file_name: Annotated[str, msgspec.Meta(max_length=300)] = ""


class MediaQuery(edge.PageQuery, frozen=True, forbid_unknown_fields=True):
    """Which files."""

    kind: Literal["", "image", "audio", "video", "document"] = ""


class DeleteQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether its address ends at once, too: what is under way with it goes without it."""

    at_once: bool = False


class MediaShown(msgspec.Struct, frozen=True, kw_only=True):
    """A file. `url` is its public address; without a `public_url`, its path on this server."""

    id: str
    name: str
    kind: MediaKind
    type: str
    size_bytes: int
    sha256: str
    url: str
    by: str
    created_at: str


class MediaTold(MediaShown, frozen=True, kw_only=True):
    """A file, and the versions of templates and parts that use it."""

    used_in: list[Place]


BRING, LIST, DELETE = Shape(BringQuery), Shape(MediaQuery), Shape(DeleteQuery)
SHOWN_EXAMPLE = MediaShown(
    id="media_05a58xarj0000",
    name="parcel.jpeg",
    kind=MediaKind.IMAGE,
    type="image/jpeg",
    size_bytes=81_234,
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    url="https://angarium.example/m/AAAAAAAAAAEC1iDDTKAAAGr8_p0Z0C3cS3D8n1kqKxo",
    by="key_05a58xarj0000",
    created_at="2026-11-28T08:30:00.000Z",
)
TOLD_EXAMPLE = MediaTold(**msgspec.structs.asdict(SHOWN_EXAMPLE), used_in=[Place("sent", 3, "published")])


def room_of(request: Call) -> MediaRoom:
    """What files need."""
    return cast("MediaRoom", request.scope["litestar_app"].state.media)


@route(
    "POST /v1/media",
    Operation(
        summary="Bring a file",
        detail="The body is the file itself. What it is its first bytes tell: "
        + ", ".join(files.TYPES)
        + ". The same bytes brought again are the same file.",
        scope="templates:write",
        asks=BRING,
        gives=MediaShown,
        once=True,
        status=201,
        problems=(400, 408, 409, 413),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def bring_media(request: Call) -> JsonAnswer:
    """A file on our shelf, with its row; of what is there already nothing is kept twice."""
    query = BRING.read_query(request.scope["query_string"])
    room, caller = room_of(request), request.auth
    pieces = edge.pieces(request, room.shelf.most_bytes)
    brought = await flows.bring(room, caller.workspace_id, caller.actor, query.file_name, pieces)
    kept = False

    async def work(tx: Transaction) -> MediaShown:
        nonlocal kept
        one = await flows.add(tx, caller.workspace_id, brought)
        kept = one.id == brought.id
        return shown(room, one)

    try:
        return await edge.once(request, f"{brought.sha256} {query}".encode(), work)
    finally:
        if not kept:
            room.shelf.remove(brought.id)


@route(
    "GET /v1/media",
    Operation(
        summary="List the files, the newest first",
        scope="setup:read",
        asks=LIST,
        gives=Page[MediaShown],
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_media(request: Call) -> JsonAnswer:
    """The files of a kind."""
    query, room = LIST.read_query(request.scope["query_string"]), room_of(request)
    before = edge.read_cursor(query.cursor) or NEWEST
    found = await room.ground.db.read(
        store.page, request.auth.workspace_id, TYPES_OF[query.kind], before, query.limit + 1
    )
    piece, following = edge.cut(found, query, lambda one: one.id)
    return edge.answer(request, Page([shown(room, one) for one in piece], following))


@route(
    "GET /v1/media/{media_id}",
    Operation(
        summary="Look at a file",
        detail="What it is, its address, and where it is used.",
        scope="setup:read",
        gives=MediaTold,
        problems=(404,),
        answer_example=TOLD_EXAMPLE,
    ),
)
async def get_media(request: Call) -> JsonAnswer:
    """One file."""
    media_id, room = edge.id_in_path(request, "media"), room_of(request)

    async def work(tx: Transaction) -> MediaTold:
        one = await flows.get(tx, request.auth.workspace_id, media_id)
        used = await flows.uses(tx, request.auth.workspace_id, one)
        return MediaTold(**msgspec.structs.asdict(shown(room, one)), used_in=used)

    return edge.answer(request, await room.ground.db.read(work))


@route(
    "DELETE /v1/media/{media_id}",
    Operation(
        summary="Delete a file",
        detail="One that a template or a part uses stays: the answer names them. Its address goes on for "
        "seven days, for messages that are under way with it; `at_once` ends that too.",
        scope="templates:write",
        asks=DELETE,
        status=204,
        problems=(404, 409),
    ),
)
async def delete_media(request: Call) -> JsonAnswer:
    """No such file any more."""
    media_id, room, caller = edge.id_in_path(request, "media"), room_of(request), request.auth
    query = DELETE.read_query(request.scope["query_string"])
    now = room.ground.clock.now()

    async def work(tx: Transaction) -> None:
        await flows.delete(tx, caller.workspace_id, media_id, caller.actor, now, at_once=query.at_once)

    await room.ground.db.run(work)
    if query.at_once:
        room.shelf.remove(media_id)
    return edge.nothing(request)


def shown(room: MediaRoom, one: Kept) -> MediaShown:
    """A file for the outside."""
    return MediaShown(
        id=ids.show("media", one.id),
        name=one.name,
        kind=flows.told(one).kind,
        type=one.type,
        size_bytes=one.size_bytes,
        sha256=one.sha256,
        url=fetching.url(room.public_url, one.token),
        by=one.actor,
        created_at=iso(one.created_at),
    )


# ── the public address ───────────────────────────────────────────────────────────────────────────────

SERVED = Operation(
    summary="A file of a message",
    detail="What providers and phones fetch: by its own type, whole or in a range, to be kept for a week.",
    scope=None,
    problems=(404,),
)


@route(f"GET {fetching.PATH}/{{token}}", SERVED)
async def serve(request: Call) -> MediaAnswer:
    """The file of an address."""
    return await _served(request)


@route(
    f"HEAD {fetching.PATH}/{{token}}", msgspec.structs.replace(SERVED, summary="What a file of a message is")
)
async def serve_head(request: Call) -> MediaAnswer:
    """The same without the file."""
    return await _served(request)


async def _served(request: Call) -> MediaAnswer:
    """Whoever does not know the address learns nothing."""
    token, room = edge.text_in_path(request, "token"), room_of(request)
    one = await room.ground.db.read(flows.fetched, token)
    expected = one.token if one else "no such file"
    if not hmac.compare_digest(token.encode(), expected.encode()) or not room.shelf.has(one.id if one else 0):
        raise not_found("file", f"{fetching.PATH}/…")
    assert one is not None
    return MediaAnswer(room.shelf.path(one.id), one, flows.told(one).kind)


HANDLERS = (bring_media, list_media, get_media, delete_media, serve, serve_head)
