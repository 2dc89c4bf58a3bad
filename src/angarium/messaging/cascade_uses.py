"""Where a cascade is used: by what rooms above make of it, and by systems that name it in messages.

Rooms above are asked through `Users`, which assembly hands over as the service `cascade_uses`. Templates and
policies name no cascade, and there is none that goes without saying.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import msgspec

from angarium.accounts.edge import Call
from angarium.core.clock import micros
from angarium.core.problems import Problem, shown
from angarium.messaging.store import cascades, uses
from angarium.messaging.store.uses import Calls
from angarium.storage.database import Transaction

LATELY_S = 30 * 86_400.0
NAMED_MAX = 5  # that a refusal names


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Something that names a cascade. `holds`: it would fail without it."""

    kind: str  # "campaign"
    id: str  # as it is shown
    name: str
    path: str  # its page
    state: str
    holds: bool


Users = Callable[[Transaction, int, str], Awaitable[Sequence[User]]]  # workspace and name of a cascade


class Used(msgspec.Struct, frozen=True):
    """Who names a cascade, and how much messages of systems take it."""

    users: list[User]
    lately: Calls

    @property
    def holding(self) -> list[User]:
        """Those that would fail without it."""
        return [one for one in self.users if one.holds]


async def of(
    tx: Transaction, workspace_id: int, cascade: cascades.Cascade, asked: Sequence[Users], now: int
) -> Used:
    """Where a cascade is used."""
    found = [one for users in asked for one in await users(tx, workspace_id, cascade.name)]
    versions = await cascades.versions_of(tx, workspace_id, cascade.id)
    return Used(found, await uses.of_cascade(tx, workspace_id, versions, now - micros(LATELY_S)))


def refuse_deletion(used: Used, *, may_see: bool, even_if_called: bool) -> None:
    """A Problem that names what keeps a cascade from being deleted; `may_see`: who asks may see campaigns.

    What systems did lately is a reason to stop and look; who has looked goes on with `even_if_called`.
    """
    holding = used.holding
    if holding:
        named = [f"{shown(one.name)} ({one.state})" for one in holding[:NAMED_MAX]]
        names = ", ".join([*named, "…"] if len(holding) > NAMED_MAX else named)
        detail = f"It is used by {names}. Give them another cascade, or end them, first."
        if not may_see:
            number = len(holding)
            detail = f"Campaigns that you may not see use it: {number}. They want another cascade first."
        raise Problem("in-use", "The cascade is used", status=409, detail=detail)
    if (count := used.lately.count) and not even_if_called:
        detail = (
            f"Systems named it in {count} of the newest messages, within 30 days; what they send "
            "with its name would be refused. Look whether they still do; then delete it with "
            "even_if_called=true."
        )
        raise Problem("in-use", "The cascade is used", status=409, detail=detail)


def asked_by(request: Call) -> Sequence[Users]:
    """The rooms above that are asked."""
    return cast("Sequence[Users]", request.scope["litestar_app"].state.get("cascade_uses", ()))


def may_see(request: Call) -> bool:
    """Whether whoever asks may see campaigns."""
    return "messages:read" in request.auth.scopes
