"""What people do with files: bring one, look, find where it is used, delete it; and put them beside words.

A file never changes. Brought again, the same bytes are the same file. A deleted one is gone for whoever makes
wording; its address goes on for a week, for messages that are under way with it and phones that show them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from angarium.accounts import audit
from angarium.content import fetching
from angarium.content.rules import Variant
from angarium.content.store import media as store
from angarium.content.store.media import Kept, Place
from angarium.core import ids
from angarium.core.clock import micros
from angarium.core.problems import FieldProblem, Problem, all_invalid, invalid, not_found, shown
from angarium.core.values import Media
from angarium.protocols import files
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground
from angarium.storage.shelf import Shelf

COUNT_MAX = 10_000  # files of a workspace
USES_SHOWN = 50
AT_ONCE = 100  # files that are forgotten in one transaction
GOES_ON_S = 7 * 86_400.0  # the address of a deleted one: as long as the longest deadline of a message


@dataclass(frozen=True)
class MediaRoom:
    """What files need: the ground, the folder where they lie, and how much one workspace may keep."""

    ground: Ground
    shelf: Shelf
    workspace_max_bytes: int
    public_url: str = ""


async def bring(
    room: MediaRoom,
    workspace_id: int,
    actor: str,
    name: str,
    pieces: AsyncIterator[bytes],
    share: float = 1.0,
) -> Kept:
    """Put a file on the shelf; a Problem when it is too large, too much, or of no kind that is taken.

    Its row is not written yet: see `add`. `share`: of what the workspace may keep, for those who may not fill
    all of it.
    """
    ground = room.ground
    count, size_bytes = await ground.db.read(store.sums, workspace_id)
    if count >= COUNT_MAX * share or size_bytes >= room.workspace_max_bytes * share:
        detail = f"There are {count} files of {size_bytes} bytes. Delete what is not used."
        raise Problem("too-much-media", "The workspace keeps too many files", status=409, detail=detail)
    media_id = ground.ids.mint()
    try:
        size, digest = await room.shelf.keep(media_id, pieces)
        kind = _kind(room.shelf.head(media_id, files.HEAD_BYTES))
    except BaseException:
        room.shelf.remove(media_id)
        raise
    named = fetching.Named(workspace_id, media_id)
    return Kept(
        id=media_id,
        name=files.clean_name(name or "file", kind),
        type=files.TYPES[kind],
        size_bytes=size,
        sha256=digest,
        token=fetching.token(named, ground.chance.secret(fetching.SECRET_BYTES)),
        actor=actor,
        created_at=ground.clock.now(),
    )


def _kind(head: bytes) -> str:
    kind = files.kind_of(head)
    if not kind:
        remedy = "one of " + ", ".join(files.TYPES)
        raise invalid("body", "is not of a kind that is taken", value=head[:8].hex(" "), remedy=remedy)
    return kind


async def add(tx: Transaction, workspace_id: int, brought: Kept) -> Kept:
    """Write down a file that was brought; the one that is there already, when it has the same bytes."""
    there = await store.same(tx, workspace_id, brought.sha256)
    if there is not None:
        return there
    await store.add(tx, workspace_id, brought)
    await _note(tx, workspace_id, brought, "added", brought.actor, brought.created_at)
    return brought


async def get(tx: Transaction, workspace_id: int, media_id: int) -> Kept:
    """One file; a Problem when there is none."""
    found = await store.by_id(tx, workspace_id, media_id)
    if found is None or found.deleted_at is not None:
        raise not_found("media", ids.show("media", media_id))
    return found


async def fetched(tx: Transaction, token: str) -> Kept | None:
    """What lies at an address; None when it is none of ours. Whoever calls it compares the whole of it."""
    named = fetching.read(token)
    return None if named is None else await store.by_id(tx, named.workspace_id, named.media_id)


async def octets(shelf: Shelf, one: Media) -> bytes | None:
    """What is in a file that stands beside words; None when it lies there no more."""
    media_id = _read(one.id)
    if media_id is None:
        return None
    try:
        return await asyncio.to_thread(shelf.path(media_id).read_bytes)
    except FileNotFoundError:
        return None


async def uses(tx: Transaction, workspace_id: int, one: Kept) -> list[Place]:
    """Where a file is used, as far as is worth telling."""
    return await store.uses(tx, workspace_id, one, ids.show("media", one.id), USES_SHOWN)


async def delete(
    tx: Transaction, workspace_id: int, media_id: int, actor: str, now: int, *, at_once: bool
) -> Kept:
    """Delete a file that no template uses; `at_once` its address too. A Problem names where it is used."""
    one = await get(tx, workspace_id, media_id)
    used = await uses(tx, workspace_id, one)
    if used:
        where = ", ".join(f"{place.name} ({place.state}, version {place.version})" for place in used)
        detail = f"It is used in {where}. Change or delete these first."
        raise Problem("media-in-use", "The file is used", status=409, detail=detail)
    if at_once:
        await store.remove(tx, workspace_id, media_id)
    else:
        await store.forsake(tx, workspace_id, media_id, now)
    await _note(tx, workspace_id, one, "deleted", actor, now)
    return one


async def forget(tx: Transaction, workspace_id: int, actor: str, before: int, now: int) -> int:
    """Delete what somebody brought before an instant and no template uses; how many."""
    gone = 0
    for media_id in await store.older(tx, workspace_id, actor, before, AT_ONCE):
        with suppress(Problem):  # it is used, and stays for as long as it is
            await delete(tx, workspace_id, media_id, actor, now, at_once=False)
            gone += 1
    return gone


async def of_strangers(tx: Transaction, workspace_id: int, urls: Iterable[str]) -> list[Kept]:
    """The files at these addresses that visitors brought, and nobody of the house."""
    tokens = {url.rpartition(fetching.PATH + "/")[2] for url in urls}
    named = {one.media_id for token in tokens if (one := fetching.read(token)) is not None}
    there = await store.named(tx, workspace_id, named) if named else {}
    by_line = f"{ids.PREFIXES['line']}_"
    return [one for one in there.values() if one.token in tokens and one.actor.startswith(by_line)]


async def tidy(tx: Transaction, workspace_id: int, now: int) -> list[int]:
    """Forget files that were deleted long enough ago; those that are left."""
    for media_id in await store.forsaken(tx, workspace_id, now - micros(GOES_ON_S)):
        await store.remove(tx, workspace_id, media_id)
    return await store.ids_of(tx, workspace_id)


async def _note(tx: Transaction, workspace_id: int, one: Kept, what: str, actor: str, now: int) -> None:
    details = {"name": one.name, "type": one.type, "size_bytes": one.size_bytes, "sha256": one.sha256}
    await audit.note(tx, workspace_id, actor, f"media.{what}", ids.show("media", one.id), details, now)


# ── beside words ─────────────────────────────────────────────────────────────────────────────────────


async def attached(tx: Transaction, workspace_id: int, variants: Sequence[Variant]) -> tuple[Variant, ...]:
    """Wordings with all that is known of the files they name; a Problem names those that are not there."""
    return with_files(variants, await known(tx, workspace_id, named_in(variants)))


def named_in(variants: Iterable[Variant]) -> set[str]:
    """The files that wordings name, as they name them."""
    return {one.content.media.id for one in variants if one.content.media is not None}


async def known(tx: Transaction, workspace_id: int, names: set[str]) -> dict[str, Media]:
    """What is known of files, by the names that are those of any; takes no query for no name."""
    wanted = {media_id: text for text in names if (media_id := _read(text)) is not None}
    there = await store.named(tx, workspace_id, wanted) if wanted else {}
    return {wanted[media_id]: told(one) for media_id, one in there.items()}


def with_files(variants: Sequence[Variant], files_known: Mapping[str, Media]) -> tuple[Variant, ...]:
    """Wordings with what is known of their files; a Problem names those of which nothing is."""
    wrong = tuple(
        FieldProblem(
            f"variants[{place}].content.media.id",
            "there is no such file",
            "bring it with POST /v1/media, or GET /v1/media for those that are there",
            shown(one.content.media.id),
        )
        for place, one in enumerate(variants)
        if one.content.media is not None and one.content.media.id not in files_known
    )
    if wrong:
        raise all_invalid("The wording is not valid", wrong)
    return tuple(_with(one, files_known) for one in variants)


def _with(variant: Variant, files_known: Mapping[str, Media]) -> Variant:
    content = variant.content
    if content.media is None:
        return variant
    return msgspec.structs.replace(
        variant, content=msgspec.structs.replace(content, media=files_known[content.media.id])
    )


def _read(text: str) -> int | None:
    try:
        return ids.read("media", text)
    except ValueError:
        return None


def told(one: Kept) -> Media:
    """A file as it stands beside words."""
    return Media(ids.show("media", one.id), one.type, one.size_bytes, one.name, one.token)
