"""The fabric that a server is to have, by its name in the settings."""

from __future__ import annotations

from angarium.core.clock import Chance, Clock
from angarium.core.fabric import Backlog, Fabric
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


async def look_at_log(place: Place, name: str, clock: Clock) -> Backlog | None:
    """What waits in a log, asked where servers meet, without being one; None where it is in the database.
    Problem when it cannot be asked."""
    if place.kind != "nats":
        return None
    from angarium.fabric.nats_link import LOOK_S, Link  # noqa: PLC0415  as above
    from angarium.fabric.nats_log import NatsLog  # noqa: PLC0415  as above

    link = Link(place.nats)
    await link.open(place.name, LOOK_S)
    try:
        return await NatsLog(link, clock, place.nats.prefix, name).waiting()
    finally:
        await link.close()
