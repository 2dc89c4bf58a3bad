"""Files over the API, sent and fetched as a person does, with a runner that works when it is told to."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

from angarium.assembly import House
from support.server import Client


@dataclass
class Desk:
    """A house, and a client with every right."""

    house: House
    mine: Client

    async def send(self, data: bytes, name: str = "people.csv", **said: str) -> dict[str, Any]:
        """Send a file; what the server says of it."""
        query = "&".join(f"{key}={value}" for key, value in {"file_name": name, **said}.items())
        sent = await self.mine.ask("POST", f"/v1/imports?{query}", data=data)
        assert sent.status == 201, sent.body
        found: dict[str, Any] = sent.json
        return found

    async def do(self, one: dict[str, Any], verb: str, status: int = 202) -> dict[str, Any]:
        """Say a verb, and let the runner work to the end."""
        said = await self.mine.ask("POST", f"/v1/imports/{one['id']}/{verb}")
        assert said.status == status, said.body
        await self.house.importer.work()
        return await self.look(one)

    async def say(self, one: dict[str, Any], **mapping: Any) -> dict[str, Any]:
        """Say what the file is."""
        said = await self.mine.ask("PUT", f"/v1/imports/{one['id']}/mapping", mapping)
        assert said.status == 200, said.body
        found: dict[str, Any] = said.json
        return found

    async def look(self, one: dict[str, Any]) -> dict[str, Any]:
        """How it stands."""
        found: dict[str, Any] = (await self.mine.ask("GET", f"/v1/imports/{one['id']}")).json
        return found

    async def told(self) -> list[tuple[str, str | None]]:
        """The notices for us: their kinds, and the name of what each is about."""
        await self.house.teller.work()
        found = (await self.mine.ask("GET", "/v1/notices")).json["items"]
        return [(one["kind"], one["says"].get("name")) for one in found]

    async def contacts(self) -> dict[str, dict[str, Any]]:
        """Everybody, by external id."""
        found = (await self.mine.ask("GET", "/v1/contacts?limit=1000")).json["items"]
        return {one["external_id"]: one for one in found}

    async def errors(self, one: dict[str, Any]) -> list[dict[str, str]]:
        """The rows in error, by column."""
        heard = await self.mine.ask("GET", f"/v1/imports/{one['id']}/errors")
        assert heard.headers["content-type"] == "text/csv; charset=utf-8"
        return list(csv.DictReader(io.StringIO(heard.body.decode("utf-8-sig"), newline="")))


def counted(one: dict[str, Any]) -> tuple[int, int, int, int]:
    """Created, changed, skipped, failed."""
    made, changed, skipped, failed = (
        one["progress"][name] for name in ("created", "changed", "skipped", "failed")
    )
    return made, changed, skipped, failed
