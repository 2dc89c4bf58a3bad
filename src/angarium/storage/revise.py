"""Write a revision: `python -m angarium.storage.revise "add the column x"`."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import sys
import tempfile

import angarium
from angarium.storage.migrate import migrate, revisions
from angarium.storage.migrations.runner import on_connection, write_revision


def load_tables() -> None:
    """Import every module that declares tables: each room's store, and the storage room itself."""
    for module in pkgutil.walk_packages(angarium.__path__, "angarium."):
        parts = set(module.name.split("."))
        if {"store", "facts", "idempotency", "instance"} & parts or module.name.endswith("_store"):
            importlib.import_module(module.name)


async def autogenerate(message: str) -> None:
    """Compare the declared tables with what the revisions make, and write the difference as the next one."""
    load_tables()
    number = f"{int((revisions() or ['0'])[-1]) + 1:04}"
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/schema.db"
        await migrate(url)
        await on_connection(url, write_revision, number, message)


if __name__ == "__main__":
    asyncio.run(autogenerate(" ".join(sys.argv[1:])))
