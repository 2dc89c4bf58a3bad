"""The HTML edge of what templates share: files beside words, and parts that stand in many of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from angarium.accounts import actors, edge
from angarium.accounts.edge import Call, Operation, Sent, ground_of, id_in_path, route, text_in_path
from angarium.accounts.pages import HtmlAnswer, form_of, problem_told, redirect
from angarium.content import fetching, parts
from angarium.content.media import flows as media
from angarium.content.media.api import NEWEST, TYPES_OF, room_of, shown
from angarium.content.store import media as media_store
from angarium.content.store import parts as part_store
from angarium.core.decoding import Shape
from angarium.core.problems import Problem
from angarium.protocols import files
from angarium.storage.database import Transaction

PAGE = 48  # files on a page
VERSIONS_SHOWN = 20
WRITE = "templates:write"
Text = Annotated[str, msgspec.Meta(max_length=100)]


class MediaQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which files."""

    kind: Literal["", "image", "audio", "video", "document"] = ""
    cursor: Text = ""
    done: Text = ""


class DoneQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has just been done."""

    done: Text = ""


MEDIA, DONE = Shape(MediaQuery), Shape(DoneQuery)


# ── files ────────────────────────────────────────────────────────────────────────────────────────────


@route("GET /media", Operation(summary="Media", scope="setup:read", asks=MEDIA, page=True))
async def list_media(request: Call) -> Sent:
    """The files, the newest first; and a form that brings one."""
    query, room = MEDIA.read_query(request.scope["query_string"]), room_of(request)
    before = edge.read_cursor(query.cursor) or NEWEST
    found = await ground_of(request).db.read(
        media_store.page, request.auth.workspace_id, TYPES_OF[query.kind], before, PAGE + 1
    )
    wanted = f"kind={query.kind}&" if query.kind else ""
    facts = {
        "query": query,
        "files": [(shown(room, one), f"{fetching.PATH}/{one.token}") for one in found[:PAGE]],
        "newest": f"/media?kind={query.kind}" if query.cursor else "",
        "older": f"/media?{wanted}cursor={edge.cursor_after(found[PAGE - 1].id)}"
        if len(found) > PAGE
        else "",
        "takes": sorted(set(files.TYPES.values())),
        "most_bytes": room.shelf.most_bytes,
    }
    return HtmlAnswer("content/media.html", facts)


@route("GET /media/{media_id}", Operation(summary="A file", scope="setup:read", page=True))
async def show_media(request: Call) -> Sent:
    """What it is, and where it is used."""
    return await _file(request)


async def _file(request: Call, problem: Problem | None = None) -> HtmlAnswer:
    room, workspace_id = room_of(request), request.auth.workspace_id

    async def look(tx: Transaction) -> dict[str, Any]:
        one = await media.get(tx, workspace_id, id_in_path(request, "media"))
        used = await media.uses(tx, workspace_id, one)
        names = await actors.names(tx, workspace_id)
        file, path = shown(room, one), f"{fetching.PATH}/{one.token}"
        return {"file": file, "path": path, "at": one.created_at, "used": used, "names": names}

    facts = await ground_of(request).db.read(look)
    status = problem.status if problem else 200
    return HtmlAnswer("content/file.html", {**facts, "problem": problem_told(problem)}, status=status)


@route("POST /media/{media_id}/delete", Operation(summary="Delete a file", scope=WRITE, page=True))
async def delete_media(request: Call) -> Sent:
    """One that no template uses."""
    media_id, caller, ground = id_in_path(request, "media"), request.auth, ground_of(request)
    now = ground.clock.now()

    async def work(tx: Transaction) -> None:
        await media.delete(tx, caller.workspace_id, media_id, caller.actor, now, at_once=False)

    try:
        await ground.db.run(work)
    except Problem as problem:
        return await _file(request, problem)
    return redirect("/media?done=deleted")


# ── parts ────────────────────────────────────────────────────────────────────────────────────────────


@route("GET /parts", Operation(summary="Parts", scope="setup:read", asks=DONE, page=True))
async def list_parts(request: Call) -> Sent:
    """Layouts and partials that templates share."""
    query = DONE.read_query(request.scope["query_string"])
    found = await ground_of(request).db.read(part_store.all_of, request.auth.workspace_id)
    return HtmlAnswer("content/parts.html", {"parts": found, "done": query.done})


@route("GET /parts/new", Operation(summary="A new part", scope=WRITE, page=True))
async def new_part(request: Call) -> Sent:
    """An empty form."""
    return await _part(request, "")


@route("GET /parts/{part}", Operation(summary="A part", scope="setup:read", page=True))
async def show_part(request: Call) -> Sent:
    """What it says, its versions, and the templates that it is in."""
    return await _part(request, text_in_path(request, "part"))


async def _part(
    request: Call, name: str, typed: dict[str, str] | None = None, problem: Problem | None = None
) -> HtmlAnswer:
    workspace_id = request.auth.workspace_id

    async def look(tx: Transaction) -> dict[str, Any]:
        past = await parts.past(tx, workspace_id, name) if name else []
        used = await parts.uses(tx, workspace_id, name) if name else []
        source = past[-1].part.source if past else ""
        return {"past": list(reversed(past))[:VERSIONS_SHOWN], "used": used, "source": source}

    facts = await ground_of(request).db.read(look)
    names = await ground_of(request).db.read(actors.names, workspace_id)
    shown_as = {"part_name": name, "name": name, "names": names, **facts, **(typed or {})}
    status = 422 if problem else 200
    return HtmlAnswer("content/part.html", {**shown_as, "problem": problem_told(problem)}, status=status)


@route("POST /parts/new", Operation(summary="Make a part", scope=WRITE, page=True))
async def make_part(request: Call) -> Sent:
    """Its first version, or the next of one that is there."""
    return await _put(request, form_of(request).get("name", "").strip(), "")


@route("POST /parts/{part}", Operation(summary="Save a part", scope=WRITE, page=True))
async def save_part(request: Call) -> Sent:
    """Its next version: in templates that are saved from now on."""
    name = text_in_path(request, "part")
    return await _put(request, name, name)


async def _put(request: Call, name: str, there: str) -> Sent:
    source = form_of(request).get("source", "").replace("\r\n", "\n")
    ground, caller = ground_of(request), request.auth
    try:
        await ground.db.run(parts.put, caller.workspace_id, name, source, caller.actor, ground.clock.now())
    except Problem as problem:
        return await _part(request, there, {"name": name, "source": source}, problem)
    return redirect("/parts?done=saved")


@route("POST /parts/{part}/delete", Operation(summary="Delete a part", scope=WRITE, page=True))
async def delete_part(request: Call) -> Sent:
    """Templates that have it keep what they say."""
    name, ground, caller = text_in_path(request, "part"), ground_of(request), request.auth
    await ground.db.run(parts.delete, caller.workspace_id, name, caller.actor, ground.clock.now())
    return redirect("/parts?done=deleted")


HANDLERS = (
    list_media,
    show_media,
    delete_media,
    list_parts,
    new_part,
    show_part,
    make_part,
    save_part,
    delete_part,
)
