"""The page of servers: who is there, who owns which line, what is wrong; a name is text and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from angarium.accounts import flows
from angarium.accounts.rules import SCOPES
from angarium.core.fabric import Holding
from angarium.fabric.local import LocalFabric
from angarium.servers import api, pages, store
from angarium.servers.rules import LineSaid, Said, Server
from angarium.settings import handlers as settings_pages
from angarium.storage.database import Transaction
from support.browsing import browsing, lines
from support.relay import Relay
from support.server import whole_house
from support.together import database_in

PAGES = (*settings_pages.HANDLERS, *pages.HANDLERS, *api.HANDLERS)
HOSTILE = "<img src=x onerror=alert(1)>"


class Here:
    """The presence of the server that answers."""

    id = 1


async def key_of(relay: Relay, *scopes: str) -> str:
    """A key to enter with."""
    return await flows.create_key(relay.ground, relay.workspace_id, "one", frozenset(scopes))


async def join(relay: Relay, name: str, **given: Any) -> None:
    """One server more, which owns every line of the relay's."""
    at = relay.clock.now()
    known = {line.id: LineSaid(up=True, state="connected") for line in relay.lines.values()}
    holds = tuple([Holding(f"line/{line_id}", 7, 9.0) for line_id in known])
    usual: dict[str, Any] = {"roles": ("api", "worker", "console"), "version": "1.0", "revision": "0054"}
    one = Server(
        **{
            "id": 1,
            "name": name,
            "node": 0,
            **usual,
            "started_at": at,
            "beat_s": 2,
            "seen_at": at,
            "said": Said(at=at, holds=holds, lines=known),
            **given,
        }
    )

    async def write(tx: Transaction) -> None:
        await store.join(tx, one)
        await store.say(tx, one.id, one.said)

    await relay.ground.db.run(write)


async def test_the_page_tells_who_is_there_and_what_is_wrong(relay: Relay) -> None:
    await lines(relay)
    await relay.world.lines.reload([relay.workspace_id])
    await join(relay, "relay-1:8080")
    await join(relay, HOSTILE, id=2, said=Said())
    services = {"presence": Here(), "fabric_kind": "postgres"}
    async with browsing(relay, *PAGES, services=services) as browser:
        key = await key_of(relay, *SCOPES)
        browser.keep(await browser.post("/enter", {"key": key, "next": "/"}))
        page = await browser.get("/settings/servers")
        assert page.status == 200
        assert "relay-1:8080" in page.text
        assert HOSTILE not in page.text
        for line in relay.lines.values():
            assert line.name in page.text
        told = msgspec.json.decode((await browser.get("/v1/servers", Authorization=f"Bearer {key}")).text)
        assert {one["owner"] for one in told["lines"]} == {"relay-1:8080"}
        # PostgreSQL's clock goes on meanwhile
        assert all(0 < one["good_for_s"] <= 9.0 for one in told["lines"])


async def test_who_stopped_in_order_leaves_the_page_at_once_and_who_vanished_stays(relay: Relay) -> None:
    await join(relay, "relay-1:8080")
    await join(relay, "vanished", id=2, beat_s=0)
    await join(relay, "ended", id=3)
    await relay.ground.db.run(store.stop, 3, relay.clock.now())
    services = {"presence": Here(), "fabric_kind": "postgres"}
    async with browsing(relay, *PAGES, services=services) as browser:
        key = await key_of(relay, *SCOPES)
        browser.keep(await browser.post("/enter", {"key": key, "next": "/"}))
        page = (await browser.get("/settings/servers")).text
        assert "relay-1:8080" in page
        assert "vanished" in page
        assert "ended" not in page
        told = msgspec.json.decode((await browser.get("/v1/servers", Authorization=f"Bearer {key}")).text)
        assert {one["name"] for one in told["servers"] if one["stopped_at"]} == {"ended"}


async def test_a_probe_is_told_that_nats_has_no_leader_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database_in(tmp_path) as url, whole_house(url, tmp_path, fabric="local") as (_, nobody):
        assert (await nobody.ask("GET", "/health/ready")).json["warnings"] == {}
        monkeypatch.setattr(LocalFabric, "apart", True)
        told = (await nobody.ask("GET", "/health/ready")).json["warnings"]["fabric"]
        assert "NATS does not answer" in told
        assert "nats_servers" in told
        monkeypatch.setattr(LocalFabric, "leaderless", True)
        ready = await nobody.ask("GET", "/health/ready")
        assert ready.status == 200  # messages are accepted
        told = ready.json["warnings"]["fabric"]
        assert "NATS has no leader" in told
        assert "start those that are away" in told


async def test_it_is_for_who_may_see_servers(relay: Relay) -> None:
    await join(relay, "relay-1:8080")
    services = {"presence": Here(), "fabric_kind": "local"}
    async with browsing(relay, *PAGES, services=services) as browser:
        browser.keep(await browser.post("/enter", {"key": await key_of(relay, "messages:read"), "next": "/"}))
        assert (await browser.get("/settings/servers")).status == 403
