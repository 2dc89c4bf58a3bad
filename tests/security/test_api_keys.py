"""An API key: 256 bits, seen once, kept as a hash, never in an address, gone a second after it is revoked."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from angarium.accounts import flows, rules, store
from angarium.assembly import House
from angarium.core import ids
from angarium.core.clock import micros
from angarium.core.problems import Problem
from angarium.storage.database import Trouble, unavailable
from house.tree import PACKAGE, modules, none_of, short
from support.rest import at_rest
from support.server import KEY, Client, everything_in, key_for, member, operations, whole_house

BITS_MIN = 128


@pytest.fixture
async def shop(house: tuple[House, Client]) -> tuple[House, Client]:
    """A workspace, and a client with a key that may do everything."""
    made, nobody = house
    return made, await member(nobody, made.ground, "shop")


def secret_of(key: str) -> str:
    """The part of a key that nobody may know."""
    return key.rpartition("_")[2]


async def test_a_key_cannot_be_guessed(shop: tuple[House, Client]) -> None:
    _, mine = shop
    keys = [(await mine.ask("POST", "/v1/keys", KEY)).json["key"] for _ in range(20)]
    assert all(key.startswith("ang_") for key in keys)
    assert all(len(secret_of(key)) * 4 >= BITS_MIN for key in keys)
    bits = [int(secret_of(key), 16) for key in keys]
    assert all(60 <= one.bit_count() <= 196 for one in bits)  # 256 fair coins: 128 ± 8
    assert len({secret_of(key)[:8] for key in keys}) == 20


async def test_nothing_of_a_key_is_kept(
    shop: tuple[House, Client], database_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made, mine = shop
    new = (await mine.ask("POST", "/v1/keys", KEY, Idempotency_Key="make-a-key")).json
    assert (await mine.ask("POST", "/v1/keys", KEY, Idempotency_Key="make-a-key")).json["key"] == new["key"]
    other = mine.with_key(new["key"])
    assert (await other.ask("POST", "/v1/messages", {"text": new["key"]})).status == 422
    assert (await other.ask("GET", "/v1/lines", Authorization=f"Bearer {new['key']}x")).status == 401
    assert (await mine.ask("DELETE", f"/v1/keys/{new['id']}")).status == 204
    assert await at_rest(
        made.ground.db, database_url, [b"make-a-key"]
    )  # so it does look where things are kept
    sought = [secret_of(key).encode() for key in (new["key"], mine.key)]
    sought += [bytes.fromhex(one.decode()) for one in sought]
    assert await at_rest(made.ground.db, database_url, sought) == []
    logged = "".join(capfd.readouterr())
    assert not any(secret_of(key) in logged for key in (new["key"], mine.key))
    assert secret_of(new["key"]) not in repr((await mine.ask("GET", "/v1/keys")).json)


async def test_a_key_in_an_address_is_refused_in_words(shop: tuple[House, Client]) -> None:
    made, mine = shop
    before = await everything_in(made.ground.db)
    tried = 0
    for method, path, _ in await operations(mine):
        if "{" in path:
            continue
        for written in (mine.key, mine.key.replace("_", "%5f"), mine.key.upper()):
            answer = await mine.ask(method, f"{path}?access_token={written}", {})
            assert answer.status == 400, (method, path, answer)
            assert answer.json["type"].endswith("/key-in-address")
            assert "revoke it" in answer.json["detail"]
            assert secret_of(mine.key) not in answer.body.decode().lower()
            tried += 1
    for path in (f"/v1/lines/{mine.key}", f"/callbacks/1/{mine.key}", f"/messages/{mine.key}"):
        answer = await mine.ask("GET", path)
        assert answer.status == 400, path
        assert secret_of(mine.key) not in answer.body.decode()
    assert tried > 60
    assert await everything_in(made.ground.db) == before


async def test_what_only_looks_like_a_key_may_be_asked_for(shop: tuple[House, Client]) -> None:
    _, mine = shop
    for asked in ("reference=ang_7", "label=clang", f"reference=ang_{'0' * 13}_{'0' * 63}"):
        assert (await mine.ask("GET", f"/v1/messages?{asked}")).status == 200, asked


@pytest.fixture
async def second(
    shop: tuple[House, Client], database_url: str, tmp_path: Path
) -> AsyncIterator[tuple[House, Client]]:
    """Another process on the same database."""
    async with whole_house(database_url, tmp_path) as made:
        yield made


async def test_a_revoked_key_is_refused_everywhere_within_a_second(
    shop: tuple[House, Client], second: tuple[House, Client]
) -> None:
    made, mine = shop
    new = (await mine.ask("POST", "/v1/keys", KEY | {"scopes": ["setup:read"]})).json
    here, there = mine.with_key(new["key"]), second[1].with_key(new["key"])
    assert [(await one.ask("GET", "/v1/lines")).status for one in (here, there)] == [200, 200]
    assert (await mine.ask("DELETE", f"/v1/keys/{new['id']}")).status == 204
    began = made.ground.clock.monotonic()
    await asyncio.gather(until_refused(here), until_refused(there))
    # Believed for a second at most. The rest is the time of one look on a machine that is busy.
    assert flows.BELIEVED_S == 1.0
    assert made.ground.clock.monotonic() - began < flows.BELIEVED_S + 1.0


async def until_refused(client: Client) -> None:
    """Ask until the key is no longer good, without a rest."""
    while (await client.ask("GET", "/v1/lines")).status == 200:
        pass


async def test_two_keys_live_while_one_takes_over(shop: tuple[House, Client]) -> None:
    _, mine = shop
    old, new = [(await mine.ask("POST", "/v1/keys", KEY | {"name": name})).json for name in ("old", "new")]
    for key in (old, new):
        assert (await mine.with_key(key["key"]).ask("GET", "/v1/keys")).status == 403  # known, and may not
    used = {key["name"]: key["last_used_at"] for key in (await mine.ask("GET", "/v1/keys")).json["items"]}
    assert used["old"] is not None
    assert used["new"] is not None
    assert (await mine.ask("DELETE", f"/v1/keys/{old['id']}")).status == 204
    assert (await mine.with_key(new["key"]).ask("GET", "/v1/keys")).status == 403


async def test_when_a_key_was_last_used_is_noted_now_and_then(shop: tuple[House, Client]) -> None:
    made, mine = shop
    workspace_id = mine.workspace_id
    key = await key_for(made.ground, workspace_id)
    now = made.ground.clock.now()

    async def noted() -> int | None:
        return (await made.ground.db.read(store.keys, workspace_id))[-1].last_used_at

    assert await noted() is None
    await flows.Gate(made.ground).caller(key)
    first = await noted()
    assert first is not None
    assert first >= now
    await flows.Gate(made.ground).caller(key)
    assert await noted() == first
    long_ago = now - micros(flows.USE_NOTED_S)
    key_id = (await made.ground.db.read(store.keys, workspace_id))[-1].id
    await made.ground.db.run(store.note_use, workspace_id, key_id, long_ago)
    await flows.Gate(made.ground).caller(key)
    assert (await noted() or 0) > long_ago


async def test_who_only_reads_needs_no_database_that_writes(
    shop: tuple[House, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, mine = shop
    key = await key_for(made.ground, mine.workspace_id)

    async def full(*_work: object) -> None:
        raise unavailable(Trouble.FULL)

    monkeypatch.setattr(made.ground.db, "run", full)
    assert (await flows.Gate(made.ground).caller(key)).workspace_id == mine.workspace_id
    with pytest.raises(Problem, match="not good"):
        await flows.Gate(made.ground).caller(key + "x")


async def test_an_expired_key_is_refused_and_shown_as_it_is(shop: tuple[House, Client]) -> None:
    made, mine = shop
    soon = made.ground.clock.now() + micros(0.05)
    key = await flows.create_key(made.ground, mine.workspace_id, "short", frozenset(["setup:read"]), soon)
    await until_refused(mine.with_key(key))
    shown = {one["name"]: one["expires_at"] for one in (await mine.ask("GET", "/v1/keys")).json["items"]}
    assert shown["short"] is not None
    with pytest.raises(Problem):
        await flows.create_key(made.ground, mine.workspace_id, "x", frozenset(["setup:read"]), soon)


# ── comparing ────────────────────────────────────────────────────────────────────────────────────────

SECRETS = ("secret", "token", "signature", "digest", "password", "mac", "expected")
COMPARED: dict[str, str] = {  # module: what is compared there with == and is no secret
    "messaging/store/cascades.py": "the digest of a cascade's steps names a version",
    "channels/generic_http.py": "whether callbacks are checked by a signature at all",
    "doors/smpp/admission.py": "the digest of a part that the client has sent itself",
    "content/liquid.py": "a token of the language of templates",
    "storage/idempotency.py": "the hash of a body that the caller has sent itself",
    "accounts/entering.py": "the name of a way to sign in",
    "accounts/sso_api.py": "sealed secrets, which are no secrets, and the mask that is shown instead",
    "lines/patterns_near.py": "a token of a text",
}


def plain_comparisons(tree: ast.Module) -> Iterator[int]:
    """Lines where something that is named like a secret is compared with == or !=."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            sides = [ast.unparse(side).lower() for side in (node.left, *node.comparators)]
            if any(word in side.split("(")[0].split("_")[-1] for side in sides for word in SECRETS):
                yield node.lineno


@pytest.mark.xdist_group("house")  # for which all is parsed
def test_secrets_are_compared_in_constant_time() -> None:
    found = (
        f"{short(path)}:{line}"
        for path, tree in modules(PACKAGE)
        if path.relative_to(PACKAGE).as_posix() not in COMPARED and "simulators" not in path.parts
        for line in plain_comparisons(tree)
    )
    none_of(found, "Compare with hmac.compare_digest:")


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("token == expected", True),
        ("a.callback_token != given", True),
        ("hmac.compare_digest(token, expected)", False),
        ("state == 'done'", False),
    ],
)
def test_what_a_plain_comparison_is(source: str, seen: bool) -> None:
    assert bool(list(plain_comparisons(ast.parse(source)))) is seen


def test_the_hash_of_a_key_tells_nothing_of_it() -> None:
    key = rules.compose(1, bytes(range(32)))
    assert len(rules.digest(key)) == 32
    assert ids.read("workspace", "ws_0000000000001") == rules.workspace_of(key)
