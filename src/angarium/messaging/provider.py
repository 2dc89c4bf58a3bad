"""What a line asks of its provider beside sending: to post to us, who we are there, which templates it keeps.

Each goes over the network, so none is asked within a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from angarium.accounts import audit
from angarium.content import registering
from angarium.core import ids
from angarium.core.ports import AskProfile, AskTemplates, Attach, Profile, Refused, TemplateNews, Unknown
from angarium.core.problems import Problem, invalid
from angarium.core.values import RegistrationStatus
from angarium.lines.store import Line
from angarium.messaging.world import World
from angarium.storage.database import Transaction


async def attach(world: World, line: Line, actor: str) -> str:
    """Tell the provider where to post; the address. A Problem when it does not agree."""
    asked: Attach = _able(world, line, "attach", "{channel} takes no address by its interface")
    url = world.callback_url(line)
    if not url:
        raise Problem("public-url-wanted", "The provider has to reach us, and has no address to", status=409)
    said = await asked(world.tools, world.settings(line), url)
    if said is not None:
        raise _not_done(said)
    await world.ground.db.run(_note, line, "line.attached", {"address": world.public_url}, actor, _now(world))
    return url


async def profile(world: World, line: Line) -> Profile:
    """What the provider says of the sender behind a line. A Problem when it says nothing."""
    asked: AskProfile = _able(world, line, "profile", "{channel} tells nothing of a sender")
    said = await asked(world.tools, world.settings(line))
    if isinstance(said, Unknown):
        raise _not_done(said)
    return said


async def fetch_templates(world: World, line: Line, actor: str) -> list[TemplateNews]:
    """Hear of every template that the provider keeps, as it stands now. A Problem when it says nothing."""
    asked: AskTemplates = _able(world, line, "templates", "{channel} tells of no templates when it is asked")
    said = await asked(world.tools, world.settings(line))
    if isinstance(said, Unknown):
        raise _not_done(said)
    await world.ground.db.run(_hear, world, line, said, actor, _now(world))
    return said


def approved(news: Iterable[TemplateNews]) -> int:
    """How many templates the provider has approved."""
    return sum(one.status is RegistrationStatus.APPROVED for one in news)


def able(world: World, line: Line) -> frozenset[str]:
    """What can be asked of the provider of a line."""
    channel = world.channels.get(line.channel)
    return frozenset(what for what in ("attach", "profile", "templates") if getattr(channel, what, None))


async def _hear(
    tx: Transaction, world: World, line: Line, news: list[TemplateNews], actor: str, now: int
) -> None:
    if news:
        await registering.hear(tx, world.ground, line.workspace_id, line.channel, line.id, news, now)
    await _note(tx, line, "line.templates_fetched", {"templates": str(len(news))}, actor, now)


async def _note(
    tx: Transaction, line: Line, action: str, details: dict[str, str], actor: str, now: int
) -> None:
    subject = ids.show("line", line.id)
    await audit.note(tx, line.workspace_id, actor, action, subject, details, now)


def _able(world: World, line: Line, what: str, lacks: str) -> Any:
    channel = world.channels.get(line.channel)
    found = getattr(channel, what, None)
    if found is None:
        told = lacks.format(channel=channel.title if channel else line.channel)
        raise invalid("line_id", told, value=line.name, remedy="see docs/channels")
    return found


def _not_done(said: Refused | Unknown) -> Problem:
    return Problem("provider-did-not", "The provider did not do it", detail=said.detail, status=502)


def _now(world: World) -> int:
    return world.ground.clock.now()
