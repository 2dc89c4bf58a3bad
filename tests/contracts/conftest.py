"""Both databases, for every contract."""

from support.databases import database, database_url, postgres_server
from support.nats_servers import nats_server

__all__ = ["database", "database_url", "nats_server", "postgres_server"]
