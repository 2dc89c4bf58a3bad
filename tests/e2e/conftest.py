"""PostgreSQL, for the servers that run on it."""

from support.databases import postgres_server

__all__ = ["postgres_server"]
