"""The fabric that a server is to have, by its name in the settings."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from angarium.core.clock import Chance, Clock
from angarium.core.fabric import Backlog, Fabric
from angarium.core.problems import Problem
from angarium.fabric.local import LocalFabric
from angarium.fabric.place import Place
from angarium.fabric.postgres import PostgresFabric
from angarium.storage.database import Database

SERVER_BYTES = 7  # of the number of one run of a server: none is like another, and a column holds it


def open_fabric(
    place: Place, database: Database, clock: Clock, chance: Chance, *, leases: bool = True
) -> Fabric:
    """How this server works together with others. Without `leases` it takes none: it is there only to be
    heard, and to hear."""
    if place.kind == "local":
        return LocalFabric(clock, database)
    number = 1 + int.from_bytes(chance.secret(SERVER_BYTES), "big")
    server = number if leases else -number
    if place.kind == "postgres":
        return PostgresFabric(place.ledger, database, clock, server, place.name)
    from angarium.fabric.nats import NatsFabric  # noqa: PLC0415  a client is loaded where it is used

    return NatsFabric(place.nats, place.ledger, clock, server, place.name)


async def look_at_log(place: Place, name: str, clock: Clock) -> tuple[Backlog, list[str]] | None:
    """What waits in a log, asked where servers meet, without being one, and what those addresses said that
    let nobody in; None where it is in the database. Problem when it cannot be asked."""
    if place.kind != "nats":
        return None
    from angarium.fabric.nats_link import LOOK_S, Link  # noqa: PLC0415  as above
    from angarium.fabric.nats_log import NatsLog  # noqa: PLC0415  as above

    said = await Link(place.nats).look_round(place.name, LOOK_S)
    answering = tuple(address for address, heard in said.items() if not heard)
    link = Link(msgspec.structs.replace(place.nats, servers=answering))
    await link.open(place.name, LOOK_S)
    try:
        if not await link.has_leader():
            raise Problem("nats-away", "NATS does nothing: it has no leader", detail=_without_leader(said))
        found = await NatsLog(link, clock, place.nats.prefix, name).waiting()
    finally:
        await link.close()
    return found, [heard for heard in said.values() if heard]


def _without_leader(said: Mapping[str, str]) -> str:
    """Who is away, and what that means."""
    heard = "; ".join(why or f"{address}: answers" for address, why in said.items())
    return f"{heard}. More than half of its servers must be there: start those that are away."
