"""Servers with roles of their own: each does its part, and what is changed at one is known at the others."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from angarium.core import ids
from angarium.core.clock import SystemClock
from angarium.fabric.members import takes_leases
from angarium.messaging import reconcile
from support.databases import PostgresServer, postgres_server
from support.nodes import Node, nodes
from support.process import PHONE

__all__ = ["postgres_server"]


@pytest.fixture
async def url(postgres_server: PostgresServer) -> str:
    """A database that several servers may have."""
    return await postgres_server.empty_database()


@pytest.mark.turns(2, 0)
async def test_each_does_its_part_and_knows_what_was_changed_at_another(tmp_path: Path, url: str) -> None:
    async with nodes(tmp_path, url, ("api", "console"), ("worker",), ("api",)) as (front, worker, api):
        assert (await front.send()).status == 202
        await front.until(lambda: front.taken() == ["Hello 1"])
        assert await _owners(url) == {True}  # whoever does not work has no lease
        assert (await api.readiness()).json["roles"] == ["api"]
        await _others_are_named(front, worker, api)
        await _a_key_that_was_revoked_is_refused(front, api)
        await _a_changed_line_reaches_the_worker(front)
        await _what_another_left_in_the_journal_is_taken_up(front, url)
        await _they_tell_of_one_another(front, worker, api)
        assert await front.stop() == 0, front.said()


async def _owners(url: str) -> set[bool]:
    """Whether those take leases that have some."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT server FROM fabric_lease")
    await connection.close()
    return {takes_leases(row["server"]) for row in rows}


async def _others_are_named(front: Node, worker: Node, api: Node) -> None:
    refused = await worker.client.ask("GET", "/v1/messages")
    assert (refused.status, refused.json["type"].rpartition("/")[2]) == (421, "role-elsewhere")
    assert [(await one.client.ask("GET", "/enter")).status for one in (worker, api)] == [421, 421]
    assert (await front.client.ask("GET", "/enter")).status == 200
    assert (await api.client.ask("GET", "/v1/messages")).status == 200


async def _a_key_that_was_revoked_is_refused(front: Node, api: Node) -> None:
    made = (await front.client.ask("POST", "/v1/keys", {"name": "one", "scopes": ["messages:read"]})).json
    holder = api.client.with_key(made["key"])
    assert (await holder.ask("GET", "/v1/messages")).status == 200
    assert (await front.client.ask("DELETE", f"/v1/keys/{made['id']}")).status == 204

    async def refused() -> bool:
        return (await holder.ask("GET", "/v1/messages")).status == 401

    await api.until(refused)


async def _a_changed_line_reaches_the_worker(front: Node) -> None:
    line: dict[str, Any] = (await front.client.ask("GET", "/v1/lines")).json["items"][0]
    given: dict[str, Any] = {**front._line(), "name": line["name"]}
    given["settings"] = {**given["settings"], "source": "Anew"}
    changed = await front.client.ask("PUT", f"/v1/lines/{line['id']}", given)
    assert changed.status == 200, changed

    async def sends_anew() -> bool:
        heard = await front.client.ask(
            "POST",
            "/v1/messages",
            {"to": {"phone": PHONE.format(7)}, "class": "service", "channel": "smpp", "text": "Again"},
        )
        assert heard.status == 202, heard
        return any(entry["sender"] == "Anew" for entry in front.ledger())

    await front.until(sends_anew)


async def _what_another_left_in_the_journal_is_taken_up(front: Node, url: str) -> None:
    """As if a server with another number had died with it: it does not lie there for a minute."""
    connection = await asyncpg.connect(url)
    entry_id = ids.earliest(SystemClock().now()) | ids.NODE_MAX << ids.SEQUENCE_BITS
    columns = "workspace_id, line_id, body, headers, query, received_at, error"
    await connection.execute(
        f"INSERT INTO journal (id, state, {columns}) SELECT $1, 'new', {columns} FROM journal LIMIT 1",
        entry_id,
    )

    async def worked_through() -> bool:
        state: str = await connection.fetchval("SELECT state FROM journal WHERE id = $1", entry_id)
        return state != "new"

    began_at = SystemClock().monotonic()
    await front.until(worked_through)
    assert SystemClock().monotonic() - began_at < reconcile.LEFT_BEHIND_S
    await connection.close()


async def _they_tell_of_one_another(front: Node, worker: Node, api: Node) -> None:
    """Who owns the line, and that it is connected, is known where nobody owns it; also by the command."""

    async def told() -> bool:
        found = (await front.client.ask("GET", "/v1/servers")).json
        return len(found["servers"]) == 3 and found["lines"][0]["up"] and not found["troubles"]

    await front.until(told)
    lines = (await front.client.ask("GET", "/v1/lines")).json["items"]

    async def heard_here() -> bool:
        health = (await front.client.ask("GET", f"/v1/lines/{lines[0]['id']}/health")).json
        return (health["connected"], health["waits"]) == (True, "")

    await front.until(heard_here)
    status, said = await front.command("cluster", "status", "--json")
    found = msgspec.json.decode(said)
    assert status == 0
    assert {one["owner"] for one in found["lines"]} == {f"{socket.gethostname()}:{worker.port}"}
    assert 0 < found["lines"][0]["good_for_s"] <= 15
    assert {turn["name"] for turn in found["turns"]} >= {"notices", "tidy", "chronicle", "audit seals"}
    await api.stop()
    status, said = await front.command("cluster", "status")
    assert (status, "stopped" in said, "s ago" in said) == (0, True, True)
    await worker.kill()

    async def nobody_owns_it() -> bool:
        found = (await front.client.ask("GET", "/v1/servers")).json
        return {one["name"] for one in found["troubles"]} >= {"role", "away", "unowned"}

    await front.until(nobody_owns_it)


async def test_a_server_that_is_alone_must_do_everything(tmp_path: Path, url: str) -> None:
    async with Node(tmp_path, url) as node:
        status, said = await node.command("serve", "--roles", "api", ANGARIUM_FABRIC="local")
        assert status == 1
        assert "roles" in said
        assert "where there is one server, it must do everything" in said
        status, said = await node.command("serve", "--roles", "api,waiter")
        assert (status, "roles" in said) == (1, True)
