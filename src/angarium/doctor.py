"""`angarium doctor`: look at settings, key, database, keys and lines, and say what to do."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from angarium.accounts import store as accounts
from angarium.accounts.store import Workspace
from angarium.assembly import make_ground
from angarium.config import Settings, place, strangers
from angarium.core.clock import SystemClock, iso
from angarium.core.problems import Problem
from angarium.fabric.opening import look_at_log
from angarium.lines import flows as lines
from angarium.lines.store import Line
from angarium.messaging import incoming
from angarium.messaging.store import held
from angarium.servers.rules import FULL_PERCENT, filled
from angarium.storage import instance, opening, row_security
from angarium.storage.ground import Ground
from angarium.storage.migrate import newer, pending, revisions
from angarium.storage.vault import NotOpened, keys_of


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at. `level` is good, advice or bad; `remedy` is a sentence or a command."""

    level: str
    what: str
    remedy: str = ""


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Every finding, as it is found; stops where nothing further can be looked at."""
    files = _files(settings)
    for finding in (*_strangers(), *files):
        yield finding
    path = opening.sqlite_path(settings.database)
    if path is not None:
        if (absent := _absent(settings, path)) is not None:
            yield absent  # to look further would make one
            return
        try:
            yield await _whole(settings, path)
        except Problem as problem:
            yield Finding("bad", f"{problem.title}.", problem.detail)
            return
    if settings.fabric == "nats":
        async for finding in _nats(settings):
            yield finding
    try:
        await opening.check_ours(settings.database, settings.key_file)
        lacking = await pending(settings.database)
    except Exception as error:  # whatever keeps a database from opening is the finding
        yield _shut(error)
        return
    if lacking:
        yield Finding("bad", f"The database lacks revisions {', '.join(lacking)}.", "Run: angarium migrate")
        return
    yield await _schema(settings)
    if (locked_out := await _without_key(settings)) is not None:
        if locked_out not in files:
            yield locked_out
        return
    async for finding in _inside(settings):
        yield finding


async def _schema(settings: Settings) -> Finding:
    """Of a database that lacks nothing: while an upgrade lasts, or after one was taken back, it is newer."""
    ahead = await newer(settings.database)
    if not ahead:
        return Finding("good", "The database opens and is up to date.")
    what = f"The database is of a newer version ({ahead}); this one ({revisions()[-1]}) may run on it."
    return Finding("advice", what, "Go on with the upgrade, unless this version was put back on purpose.")


def _strangers() -> list[Finding]:
    """Variables that somebody may have meant to set something with."""
    found = []
    for name, nearest in strangers():
        remedy = (
            f"Did you mean {nearest}?" if nearest else "docs/reference/settings.md has all that there are."
        )
        found.append(
            Finding("advice", f"The variable {name} does nothing: there is no such setting.", remedy)
        )
    return found


async def _inside(settings: Settings) -> AsyncIterator[Finding]:
    ground = make_ground(settings)
    await ground.db.start()
    try:
        if ground.db.dialect == "postgresql":
            async for finding in _rows_apart(ground):
                yield finding
        async for finding in _contents(ground):
            yield finding
    finally:
        await ground.db.stop()


async def _without_key(settings: Settings) -> Finding | None:
    """What keeps the secrets of a database shut. To look must not make a key file: where another belongs to
    the database, the new one would only be in the way of its copy."""
    key, there = Path(settings.key_file), _is_there(settings.key_file)
    if there:
        try:
            keys_of(key)
        except Problem as problem:
            return Finding("bad", f"{problem.title}.", problem.detail)
        return None
    return _gone(key) if await opening.was_begun_on(settings.database) else None


def _is_there(file: str) -> bool:
    return Path(file).exists()


def _gone(key: Path) -> Finding:
    remedy = "Put back the copy that you kept, or mend the setting `key_file`."
    return Finding("bad", f"There is no key file {key}, and one was used before.", remedy)


def _shut(error: Exception) -> Finding:
    if isinstance(error, Problem) and error.slug != "storage-unavailable":
        return Finding("bad", f"{error.title}.", error.detail)
    why = error.detail if isinstance(error, Problem) else str(error)
    return Finding("bad", f"The database does not open: {why}", "Check the setting `database`.")


async def _nats(settings: Settings) -> AsyncIterator[Finding]:
    """Whether NATS works, who of it is away, and how much waits there for the database."""
    try:
        looked = await look_at_log(place(settings), incoming.NAME, SystemClock())
    except Problem as problem:
        yield Finding("bad", f"{problem.title}.", problem.detail)
        return
    assert looked is not None
    found, away = looked
    for heard in away:
        remedy = "Start it, or mend nats_servers: NATS works while more than half of its servers are there."
        yield Finding("advice", f"A server of NATS is away: {heard}.", remedy)
    percent = filled(found)
    most = f", {percent} % of what may" if found.max_bytes else ", without a bound"
    what = f"NATS answers. In its log {found.entries:,} pieces wait for the database{most}."
    full = "Look at the database; when the log is full, providers must come again."
    yield Finding("advice", what, full) if percent >= FULL_PERCENT else Finding("good", what)


def _absent(settings: Settings, path: Path) -> Finding | None:
    """What is to be said where there is no file; None where there is one."""
    try:
        opening.check_there(settings.database, settings.key_file)
    except Problem as problem:
        return Finding("bad", f"{problem.title}.", problem.detail)
    if path.exists():
        return None
    return Finding("advice", f"There is no database {path} yet.", "It is made on the first start.")


async def _whole(settings: Settings, path: Path) -> Finding:
    """Look through every page; unlike a start, which looks for a bounded time."""
    with opening.nobody_else(settings.database, settings.key_file) as alone:
        clock = SystemClock()
        flaws = await asyncio.to_thread(opening.flaws_of, path, clock, math.inf) if alone else []
        flaws = flaws or await asyncio.to_thread(opening.look_through, path)
    if flaws:
        return Finding("bad", f"The database {path} is damaged: {'; '.join(flaws)}", "Run: angarium restore")
    return Finding("good", f"The database {path} is whole.")


def _files(settings: Settings) -> list[Finding]:
    found = []
    key = Path(settings.key_file)
    if not key.exists() and opening.read_mark(opening.mark_file(settings.key_file)) is None:
        found.append(Finding("advice", f"There is no key file {key} yet.", "It is made on the first start."))
    elif not key.exists():
        found.append(_gone(key))
    elif (exposed := opening.exposed(settings.key_file)) is not None:
        what = f"Others can read the key file {key} (mode {exposed.mode})."
        found.append(Finding("bad", what, exposed.remedy))
    else:
        found.append(Finding("good", f"The key file {key} is there and private. Keep a copy elsewhere."))
    path = opening.sqlite_path(settings.database)
    if path is not None and path.exists() and path.stat().st_mode & 0o007:
        found.append(Finding("advice", f"Others can read the database {path}.", f"Run: chmod o= {path}*"))
    if not settings.public_url:
        remedy = "Set `public_url` if you use channels whose providers post receipts (Viber, VK, WhatsApp)."
        found.append(Finding("advice", "Providers cannot reach this server: no public_url.", remedy))
    return found


async def _rows_apart(ground: Ground) -> AsyncIterator[Finding]:
    """Whether PostgreSQL keeps the rows of workspaces apart by itself."""
    role = await ground.db.read(row_security.passing_by)
    if role:
        what = f"The role {role} passes by the policies on rows: PostgreSQL does not keep workspaces apart."
        yield Finding("advice", what, f"Run as its administrator: ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS")
    tables = await ground.db.read(row_security.unguarded)
    if tables:
        what = f"Tables without the policy that keeps workspaces apart: {', '.join(tables)}."
        yield Finding("bad", what, "Restore the database with its policies: pg_restore without --no-policies")
    elif not role:
        yield Finding("good", "PostgreSQL keeps the rows of workspaces apart.")


async def _contents(ground: Ground) -> AsyncIterator[Finding]:
    workspaces = await ground.db.read(accounts.workspaces)
    restored = await ground.db.read(instance.known)
    if restored is not None:
        try:
            opening.opened(ground.vault, restored)
        except Problem as problem:
            yield Finding("bad", f"{problem.title}.", problem.detail)
    if restored is not None and restored.restored_at is not None:
        shares = [one for space in workspaces for one in await ground.db.read(held.summary, space.id)]
        count = sum(share.messages for share in shares)
        shown = iso(restored.copied_at or restored.restored_at)
        what = f"The database was restored to {shown}; {count} messages are held."
        yield Finding("advice" if count else "good", what, "Run: angarium held" if count else "")
    if not workspaces:
        yield Finding("bad", "There is no workspace.", "Run: angarium keys create --workspace main --new")
    for workspace in workspaces:
        live = [key for key in await ground.db.read(accounts.keys, workspace.id) if key.revoked_at is None]
        if live:
            yield Finding("good", f"Workspace {workspace.name}: {len(live)} live API keys.")
        else:
            remedy = f"Run: angarium keys create --workspace {workspace.name}"
            yield Finding("advice", f"Workspace {workspace.name} has no API key.", remedy)
        async for finding in _lines(ground, workspace):
            yield finding


async def _lines(ground: Ground, workspace: Workspace) -> AsyncIterator[Finding]:
    found = await lines.everything(ground, workspace.id)
    if not found:
        yield Finding("advice", f"Workspace {workspace.name} has no line.", "Create one: POST /v1/lines")
    for line in found:
        yield _line(ground, line)


def _line(ground: Ground, line: Line) -> Finding:
    name = f"Line {line.name} ({line.channel})"
    try:
        lines.opened_settings(ground, line)
    except NotOpened as error:
        return Finding(
            "bad", f"{name}: secrets do not open: {error}", "Restore the key file, or set them anew."
        )
    except Problem as problem:
        fields = ", ".join(field.field for field in problem.fields)
        return Finding("bad", f"{name}: settings are not valid: {fields}", "Correct them: PUT /v1/lines/…")
    if not line.enabled:
        return Finding("advice", f"{name} is switched off.", "Switch it on, or delete it.")
    if not line.approved:
        remedy = "Approve it for its classes."
        return Finding("advice", f"{name} is {line.registration}: nothing leaves on it.", remedy)
    return Finding("good", f"{name} may send {', '.join(sorted(line.classes))}.")
