"""Both databases, for every contract."""

from support.databases import database, database_url, postgres_server

__all__ = ["database", "database_url", "postgres_server"]
