"""PostgreSQL, for the servers that run on it."""

from support.databases import postgres_server
from support.nats_servers import nats_server

__all__ = ["nats_server", "postgres_server"]
