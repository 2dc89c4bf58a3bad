"""What every flow stands on; made once, in assembly, and handed down."""

from __future__ import annotations

from dataclasses import dataclass

from angarium.core.clock import Chance, Clock
from angarium.core.fabric import Fabric
from angarium.core.ids import IdMint
from angarium.storage.database import Database
from angarium.storage.vault import Vault


@dataclass(frozen=True)
class Ground:
    """The database, time, chance, identity, the keeper of secrets and the fabric."""

    db: Database
    clock: Clock
    chance: Chance
    ids: IdMint
    vault: Vault
    fabric: Fabric
