"""Where servers meet: apart from what speaks to it, so that whoever has no NATS need not load that."""

from __future__ import annotations

import msgspec

LOG_MAX_BYTES = 1 << 30


class Nats(msgspec.Struct, frozen=True):
    """Where NATS is, and how to be let in."""

    servers: tuple[str, ...]
    prefix: str = "angarium"  # of the names of all that is kept there and said there
    user: str = ""
    password: str = ""
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    log_max_bytes: int = LOG_MAX_BYTES  # that may wait in one log; NATS keeps so much free for it


class Place(msgspec.Struct, frozen=True):
    """How a server meets the others: `kind` is one of local, postgres and nats."""

    kind: str
    ledger: str  # the database's URL
    name: str  # what people know the server by
    nats: Nats
