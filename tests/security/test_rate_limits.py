"""How often somebody may ask: each workspace for itself, bad keys by address; no header buys a new count."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from angarium.accounts import api as keys
from angarium.accounts import limits as limiting
from angarium.accounts import pages
from angarium.accounts.limits import Limit, Limits, address_of
from angarium.assembly import application, assemble
from angarium.config import Settings, load
from angarium.core.clock import SystemClock
from angarium.core.problems import Problem
from angarium.storage.database import Database
from angarium.storage.ground import Ground
from angarium.web.app import make_app
from angarium.web.server import Server
from support.server import Client, ground_on, key_for, member, on_loopback

BAD_KEY = "ang_0000000000000_" + "0" * 64


class Watch(SystemClock):
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def monotonic(self) -> float:
        return self.at


def taken(limit: Limit, name: str, times: int) -> int:
    """How many of so many were let through."""
    through = 0
    for _ in range(times):
        try:
            limit.take(name)
        except Problem:
            continue
        through += 1
    return through


# ── counting ─────────────────────────────────────────────────────────────────────────────────────────


def test_so_many_at_once_and_then_at_an_even_pace() -> None:
    watch = Watch()
    limit = Limit(watch, "x", 10, 1.0)
    assert taken(limit, "a", 100) == 10
    assert taken(limit, "b", 5) == 5  # each for itself
    watch.at += 0.35
    assert taken(limit, "a", 100) == 3
    watch.at += 100
    assert taken(limit, "a", 100) == 10  # no more is saved up
    over_long = 0
    for _ in range(1_000):
        watch.at += 0.05
        over_long += taken(limit, "a", 3)
    assert over_long == pytest.approx(500, abs=1)


def test_what_is_told_to_who_asks_too_often() -> None:
    watch = Watch()
    limit = Limit(watch, "x", 6, 60.0)
    taken(limit, "a", 6)
    with pytest.raises(Problem) as caught:
        limit.take("a")
    assert (caught.value.status, caught.value.slug, caught.value.retry_after_s) == (
        429,
        "too-many-requests",
        10,
    )
    assert dict(caught.value.headers) == {b"ratelimit-policy": b'"x";q=6;w=60', b"ratelimit": b'"x";r=0;t=10'}
    watch.at += 10
    limit.take("a")  # the header was right


def test_without_a_limit_nobody_is_counted() -> None:
    assert taken(Limit(Watch(), "x", 0, 1.0), "a", 10_000) == 10_000


def test_names_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiting, "NAMES_MAX", 100)
    watch = Watch()
    limit = Limit(watch, "x", 2, 1.0)
    assert taken(limit, "busy", 2) == 2
    for number in range(1_000):
        limit.take(f"name {number}")
        assert len(limit._even) <= 100
    assert taken(limit, "busy", 1) == 0  # who is at the limit is not forgotten for others


ADDRESSES = [
    (("192.0.2.7", 1), "192.0.2.7"),
    (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::"),
    (("2001:db8:1:2:ffff::", 1), "2001:db8:1:2::"),
    (("::ffff:192.0.2.7", 1), "192.0.2.7"),
    (("fe80::1%eth0", 1), "fe80::"),
    (("unix", 0), "unix"),
    (None, ""),
]


def test_whose_address_it_is() -> None:
    assert [address_of({"client": client}) for client, _ in ADDRESSES] == [name for _, name in ADDRESSES]


# ── over HTTP ────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def limited(
    ground: Ground, requests_per_s: int = 0, failed_keys_per_min: int = 0, proxies: Sequence[str] = ()
) -> AsyncIterator[tuple[Watch, Client]]:
    """The routes of keys and the door, with limits that go by a watch."""
    watch = Watch()
    limits = Limits(watch, requests_per_s, failed_keys_per_min)
    handlers = [*keys.HANDLERS, *pages.HANDLERS]
    app = make_app(handlers, ground, ready={}, registry=CollectorRegistry(), limits=limits)
    server = Server(app, "127.0.0.1", 0, proxies)
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield watch, Client(session, f"http://127.0.0.1:{server.port}")
    finally:
        await server.stop()


async def statuses(client: Client, times: int, **headers: str) -> Counter[int]:
    """What comes of asking so many times."""
    heard = [await client.ask("GET", "/v1/keys", **headers) for _ in range(times)]
    return Counter(one.status for one in heard)


async def test_a_noisy_workspace_waits_and_no_other_notices(database: Database) -> None:
    ground = ground_on(database)
    async with limited(ground, requests_per_s=5) as (watch, nobody):
        noisy, quiet = await member(nobody, ground, "noisy"), await member(nobody, ground, "quiet")
        assert await statuses(noisy, 20) == {200: 5, 429: 15}
        answer = await noisy.ask("GET", "/v1/keys")
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["ratelimit-policy"] == '"workspace";q=5;w=1'
        assert answer.headers["ratelimit"] == '"workspace";r=0;t=1'
        assert answer.json["type"].endswith("/too-many-requests")
        another_key = nobody.with_key(await key_for(ground, noisy.workspace_id))
        assert await statuses(another_key, 3) == {429: 3}  # another key of theirs is no way round
        assert await statuses(quiet, 5) == {200: 5}
        watch.at += 0.4
        assert await statuses(noisy, 5) == {200: 2, 429: 3}


async def test_in_the_midst_of_noise_another_is_answered(database: Database) -> None:
    ground = ground_on(database)
    async with limited(ground, requests_per_s=5) as (_, nobody):
        noisy, quiet = await member(nobody, ground, "noisy"), await member(nobody, ground, "quiet")
        noise = asyncio.gather(*(statuses(noisy, 50) for _ in range(8)))
        assert await statuses(quiet, 5) == {200: 5}
        total = sum(await noise, Counter())
        assert total == {200: 5, 429: 395}


async def test_a_header_buys_no_fresh_count(database: Database) -> None:
    ground = ground_on(database)
    async with limited(ground, requests_per_s=4, failed_keys_per_min=3) as (_, nobody):
        mine, bad = await member(nobody, ground, "mine"), nobody.with_key(BAD_KEY)
        seen: Counter[int] = Counter()
        for number in range(10):
            forged = {"X_Forwarded_For": f"198.51.100.{number}", "Forwarded": f"for=198.51.100.{number}"}
            seen += await statuses(bad, 1, **forged, X_Real_IP=f"198.51.100.{number}")
        assert seen == {401: 3, 429: 7}
        assert await statuses(mine, 1) == {429: 1}  # never seen before, and from the same address
    async with limited(ground, failed_keys_per_min=3, proxies=["127.0.0.1"]) as (_, nobody):
        bad = nobody.with_key(BAD_KEY)
        assert await statuses(bad, 5, X_Forwarded_For="198.51.100.1") == {401: 3, 429: 2}
        assert await statuses(bad, 5, X_Forwarded_For="198.51.100.2") == {401: 3, 429: 2}
        # What the client has written stands in front of what the proxy adds, and is not looked at.
        assert await statuses(bad, 2, X_Forwarded_For="203.0.113.9, 198.51.100.1") == {429: 2}
        assert await statuses(bad, 2, X_Forwarded_For="203.0.113.9, 198.51.100.1, 127.0.0.1") == {429: 2}


async def test_bad_keys_are_counted_by_address_and_a_good_one_is_heard(database: Database) -> None:
    ground = ground_on(database)
    async with limited(ground, failed_keys_per_min=6) as (watch, nobody):
        mine, bad = await member(nobody, ground, "mine"), nobody.with_key(BAD_KEY)
        assert await statuses(mine, 1) == {200: 1}
        assert await statuses(bad, 10) == {401: 6, 429: 4}
        assert await statuses(mine, 20) == {200: 20}
        assert await statuses(nobody, 3) == {401: 3}  # who brings no key tries none
        form = {"data": f"key={BAD_KEY}&next=/", "Content_Type": "application/x-www-form-urlencoded"}
        door: dict[str, Any] = form | {"Sec_Fetch_Site": "same-origin", "Accept": "text/html"}
        answer = await nobody.ask("POST", "/enter", **door)
        assert (answer.status, answer.headers["retry-after"]) == (429, "10")
        watch.at += 10
        assert (await nobody.ask("POST", "/enter", **door)).status == 403
        assert await statuses(bad, 2) == {429: 2}  # the door and the API count together


async def test_the_settings_are_those_of_the_server(database_url: str, tmp_path: Path) -> None:
    key_file = str(tmp_path / "vault.key")
    settings = Settings(database=database_url, key_file=key_file, requests_per_s=3, failed_keys_per_min=2)
    house = assemble(settings)
    await house.open()
    try:
        async with on_loopback(application(house)) as nobody:
            mine = await member(nobody, house.ground, "mine")
            assert (await statuses(mine, 60))[429] > 0
            assert await statuses(nobody.with_key(BAD_KEY), 4) == {401: 2, 429: 2}
    finally:
        await house.close()


@pytest.mark.parametrize("given", ["*", "proxy.example", "127.0.0.1,*", "10.0.0.0/8,all"])
def test_nobody_believes_everybody(given: str) -> None:
    with pytest.raises(Problem) as caught:
        load(environment={"ANGARIUM_TRUSTED_PROXIES": given})
    (wrong,) = caught.value.fields
    assert wrong.field == "trusted_proxies"
    assert "X-Forwarded-For" in wrong.remedy
    assert load(environment={"ANGARIUM_TRUSTED_PROXIES": "10.0.0.0/8, ::1"}).trusted_proxies == (
        "10.0.0.0/8",
        "::1",
    )
