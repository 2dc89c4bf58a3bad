"""The fabric that a server is to have, by its name in the settings."""

from __future__ import annotations

from angarium.core.clock import Chance, Clock
from angarium.core.fabric import Fabric
from angarium.fabric.local import LocalFabric
from angarium.fabric.postgres import PostgresFabric
from angarium.storage.database import Database

SERVER_BYTES = 7  # of the number of one run of a server: none is like another, and a column holds it


def open_fabric(
    kind: str, url: str, name: str, database: Database, clock: Clock, chance: Chance, *, leases: bool = True
) -> Fabric:
    """How this server works together with others; `name` is what people know it by. Without `leases` it
    takes none: it is there only to be heard, and to hear."""
    if kind == "local":
        return LocalFabric(clock, database)
    number = 1 + int.from_bytes(chance.secret(SERVER_BYTES), "big")
    return PostgresFabric(url, database, clock, number if leases else -number, name)
