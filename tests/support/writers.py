"""A shop in which one writes, another edits, and two decide about wording."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from angarium.assembly import House
from support.server import Client, Heard, key_for, member, whole_house

WRITER = ("setup:read", "setup:write", "messages:write", "messages:read")
DECIDER = ("setup:read", "templates:decide")
TEXT = "Order {{ order }} is on its way."


@dataclass
class Shop:
    """A shop in which one writes, another edits, and two decide."""

    house: House
    owner: Client
    writer: Client
    editor: Client
    decider: Client
    second: Client

    async def policy(self, *rules: dict[str, Any], **more: Any) -> None:
        """What must be approved."""
        answer = await self.owner.ask("PUT", "/v1/policies/approvals", {"rules": list(rules), **more})
        assert answer.status == 200, answer

    async def write(self, text: str = TEXT, who: Client | None = None, **given: Any) -> dict[str, Any]:
        """A new template with a sample."""
        body = {"name": "shipped", "variants": [{"content": {"text": text}}], **given}
        made = await (who or self.writer).ask("POST", "/v1/templates", body)
        assert made.status == 201, made
        path = f"/v1/templates/{made.json['id']}"
        sample = {"values": {"order": "4512"}}
        assert (await self.writer.ask("PUT", f"{path}/samples/usual", sample)).status == 200
        return made.json | {"path": path}

    async def save(self, path: str, text: str, who: Client | None = None, **given: Any) -> Heard:
        """The next version."""
        body = {"name": "shipped", "variants": [{"content": {"text": text}}], **given}
        return await (who or self.writer).ask("PUT", path, body)

    async def submitted(self, text: str = TEXT) -> str:
        """A template that waits to be decided on; its path."""
        path = (await self.write(text))["path"]
        assert (await self.writer.ask("POST", f"{path}/submit", {})).status == 200
        return str(path)

    async def published(self, text: str = TEXT) -> str:
        """A template that was approved and is in force; its path."""
        path = await self.submitted(text)
        assert (await self.decider.ask("POST", f"{path}/approve", {})).status == 200
        assert (await self.writer.ask("POST", f"{path}/publish", {})).status == 200
        return path

    async def shown(self, path: str) -> dict[str, Any]:
        """A template as it is now."""
        return dict((await self.writer.ask("GET", path)).json)

    async def version(self, path: str, number: int) -> dict[str, Any]:
        """One version with its history."""
        return dict((await self.writer.ask("GET", f"{path}/versions/{number}")).json)


@asynccontextmanager
async def a_shop(database_url: str, folder: Path, name: str = "shop", **settings: Any) -> AsyncIterator[Shop]:
    """The whole house, and everybody's keys."""
    async with whole_house(database_url, folder, **settings) as (house, nobody):
        owner = await member(nobody, house.ground, name)

        async def somebody(*scopes: str) -> Client:
            return owner.with_key(
                await key_for(house.ground, owner.workspace_id, *scopes), owner.workspace_id
            )

        everything = (*WRITER, *DECIDER)
        yield Shop(
            house,
            owner,
            await somebody(*WRITER),
            await somebody(*everything),
            await somebody(*everything),
            await somebody(*DECIDER),
        )
