"""The audit log: chained without gaps at any load, verified, exported; what each change leaves in it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from angarium.accounts import audit, flows, notary
from angarium.accounts import store as accounts
from angarium.accounts.notary import Verdict
from angarium.accounts.store.audit import Head
from angarium.assembly import House
from angarium.core import ids
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction
from support.server import CASCADE, KEY, LINE, MADE_BY_POST, TEMPLATE, Client, furnish, member
from support.server import whole_house as everything

MINUTE = 60_000_000


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[House, Client]]:
    """The whole API, and a client without a key."""
    async with everything(database_url, tmp_path) as made:
        yield made


@pytest.fixture
async def shop(house: tuple[House, Client]) -> tuple[House, Client]:
    """The whole API, and a client with every right in a new workspace."""
    made, nobody = house
    return made, await member(nobody, made.ground, "shop")


async def rows(mine: Client, query: str = "") -> list[dict[str, Any]]:
    """The log as the API tells it, the oldest first."""
    answer = await mine.ask("GET", f"/v1/audit?limit=1000{query}")
    assert answer.status == 200, answer
    return list(reversed(answer.json["items"]))


async def verified(house: House, anchor: Head | None = None) -> Verdict:
    """What verifying the only workspace's log finds."""
    (workspace,) = await house.ground.db.read(accounts.workspaces)
    return await notary.verify(house.ground, workspace, anchor)


async def noted(
    house: House, workspace_id: int, subject: str = "lin_x", action: str = "line.changed"
) -> None:
    """One more row."""
    now = house.ground.clock.now()
    await house.ground.db.run(audit.note, workspace_id, "key_x", action, subject, {"name": "Olena"}, now)


async def run(house: House, statement: str) -> None:
    """Do to the database what somebody does who may."""

    async def work(tx: Transaction) -> int:
        return await tx.execute(Statement(text(statement)))

    await house.ground.db.run(work)


# ── what is written ──────────────────────────────────────────────────────────────────────────────────


async def test_every_change_of_the_setup_is_noted(shop: tuple[House, Client]) -> None:
    made, mine = shop
    has = await furnish(mine, made)
    paths = {
        "line_id": (
            "/v1/lines",
            LINE | {"speed_per_s": 50.0, "settings": {"api_key": "k-2", "sender": "Shop"}},
        ),
        "template_id": ("/v1/templates", {"name": "sent", "variants": TEMPLATE["variants"]}),
        "cascade_id": ("/v1/cascades", CASCADE | {"name": "quicker"}),
    }
    for name, (path, body) in paths.items():
        assert (await mine.ask("PUT", f"{path}/{has[name]}", body)).status == 200
    for name in ("cascade_id", "template_id", "line_id", "contact_id", "api_key_id"):
        path = MADE_BY_POST[name][0]
        assert (await mine.ask("DELETE", f"{path}/{has[name]}")).status == 204
    told = [(one["action"], one["subject"]) for one in await rows(mine)]
    wanted = {has[name] for name in (*paths, "contact_id", "api_key_id")}
    aside = {"contact.merged", "pattern.create"}  # of furnishing
    assert [one for one in told[2:] if one[1] in wanted and one[0] not in aside] == [
        ("line.created", has["line_id"]),
        ("template.created", has["template_id"]),
        ("cascade.created", has["cascade_id"]),
        ("key.created", has["api_key_id"]),
        ("line.changed", has["line_id"]),
        ("template.changed", has["template_id"]),
        ("cascade.changed", has["cascade_id"]),
        ("cascade.deleted", has["cascade_id"]),
        ("template.deleted", has["template_id"]),
        ("line.deleted", has["line_id"]),
        ("contact.deleted", has["contact_id"]),
        ("key.revoked", has["api_key_id"]),
    ]
    assert told[:2] == [("workspace.created", has["workspace_id"]), ("key.created", told[1][1])]
    actors = {one["actor"] for one in await rows(mine) if one["subject"] in wanted}
    assert actors == {told[1][1]}  # the key that asked
    (changed,) = await rows(mine, "&action=line.changed")
    assert changed["details"] == {"speed_per_s": [0.0, 50.0], "secrets": ["api_key"]}
    everything_said = json.dumps(await rows(mine))
    assert "k-marker" not in everything_said
    assert "k-2" not in everything_said
    assert (await verified(made)).broken == ""


async def test_lending_stands_in_the_log_of_who_decided(house: tuple[House, Client]) -> None:
    made, nobody = house
    owner, guest = await member(nobody, made.ground, "owner"), await member(nobody, made.ground, "guest")
    line = (await owner.ask("POST", "/v1/lines", LINE)).json["id"]
    to = f"/v1/lines/{line}/guests/{ids.show('workspace', guest.workspace_id)}"
    assert (await owner.ask("PUT", to)).status == 200
    assert (await guest.ask("PUT", f"/v1/lent-lines/{line}")).status == 200
    assert (await owner.ask("DELETE", to)).status == 204
    lent = [one["action"] for one in await rows(owner, f"&subject={line}")]
    assert lent == ["line.created", "line.loan_offered", "line.loan_ended"]
    assert [one["action"] for one in await rows(guest, f"&subject={line}")] == ["line.loan_taken"]


async def test_what_is_undone_is_not_noted(shop: tuple[House, Client]) -> None:
    made, mine = shop
    before = await rows(mine)
    await mine.ask("POST", "/v1/lines", LINE)
    assert (await mine.ask("POST", "/v1/lines", LINE)).status == 422  # the name is taken
    assert (await mine.ask("DELETE", "/v1/lines/lin_0000000000001")).status == 404
    again = {"Idempotency_Key": "one"}
    for _ in range(2):
        assert (await mine.ask("POST", "/v1/keys", KEY, **again)).status == 201
    noted = [one["action"] for one in await rows(mine)][len(before) :]
    assert noted == ["registration.declare", "line.created", "key.created"]
    assert (await verified(made)).broken == ""


async def test_many_at_once_leave_no_gap(shop: tuple[House, Client]) -> None:
    made, mine = shop
    before = len(await rows(mine))
    await asyncio.gather(*(noted(made, mine.workspace_id, f"lin_{number}") for number in range(60)))
    told = await rows(mine)
    assert [one["number"] for one in told] == list(range(1, before + 61))
    assert {one["subject"] for one in told[before:]} == {f"lin_{number}" for number in range(60)}
    assert await verified(made) == await verified(made, Head(before + 60, bytes.fromhex(told[-1]["hash"])))


async def test_the_list_is_filtered_and_cut(shop: tuple[House, Client]) -> None:
    made, mine = shop
    for number in range(5):
        await noted(made, mine.workspace_id, f"lin_{number}")
    first = (await mine.ask("GET", "/v1/audit?limit=3&actor=key_x")).json
    rest = (await mine.ask("GET", f"/v1/audit?limit=3&actor=key_x&cursor={first['next']}")).json
    assert [one["subject"] for one in first["items"] + rest["items"]] == [f"lin_{n}" for n in (4, 3, 2, 1, 0)]
    assert rest["next"] is None
    assert [one["subject"] for one in await rows(mine, "&subject=lin_2")] == ["lin_2"]
    at = (await rows(mine, "&subject=lin_2"))[0]["at"]
    assert len(await rows(mine, f"&created_from={at}&created_until=2999-01-01T00:00:00Z")) >= 3
    assert await rows(mine, "&created_until=2020-01-01T00:00:00Z") == []
    wrong = await mine.ask("GET", "/v1/audit?created_from=yesterday")
    assert (wrong.status, list(wrong.fields)) == (422, ["created_from"])
    key = await flows.create_key(made.ground, mine.workspace_id, "narrow", frozenset({"setup:write"}))
    assert (await mine.with_key(key).ask("GET", "/v1/audit")).status == 403


async def test_details_are_bounded(shop: tuple[House, Client]) -> None:
    made, mine = shop
    now = made.ground.clock.now()
    large = {"long": "ж" * 5_000, "short": 1}
    await made.ground.db.run(audit.note, mine.workspace_id, "key_x", "x.y", "con_1", large, now)
    many = {f"field {number}": "x" * 1_900 for number in range(100)}
    await made.ground.db.run(audit.note, mine.workspace_id, "key_x", "x.y", "con_2", many, now)
    (one,), (other,) = await rows(mine, "&subject=con_1"), await rows(mine, "&subject=con_2")
    hashed = hashlib.sha256(msgspec.json.encode("ж" * 5_000)).hexdigest()
    assert one["details"] == {"long": {"bytes": 10_002, "sha256": hashed}, "short": 1}
    assert set(other["details"]) == {"bytes", "sha256"}
    assert (await verified(made)).broken == ""


async def test_anybody_can_compute_the_hashes(shop: tuple[House, Client]) -> None:
    """With what the API gives and the standard library alone; docs/explanation/audit.md says how."""
    made, mine = shop
    await noted(made, mine.workspace_id, 'quote " slash \\ line \n tab \t bell \x07 del \x7f é 漢')
    before = "00" * 32
    for one in await rows(mine):
        told = [
            "angarium audit 1",
            ids.show("workspace", mine.workspace_id),
            str(one["number"]),
            str(one["at_micros"]),
            *(one[name] for name in ("actor", "action", "subject", "details_hash")),
            before,
        ]
        written = json.dumps(told, separators=(",", ":"), ensure_ascii=False)
        before = hashlib.sha256(written.encode()).hexdigest()
        assert before == one["hash"]


# ── what verifying finds ─────────────────────────────────────────────────────────────────────────────


async def forge(house: House, workspace_id: int, number: int) -> None:
    """Change a row and make every hash after it anew, as somebody can who has the whole database."""
    before = b""
    for entry in [one async for one in notary.entries(house.ground, workspace_id)]:
        forged = msgspec.structs.replace(entry, actor="nobody") if entry.number == number else entry
        if entry.number >= number:
            hashed = audit.hash_of(workspace_id, forged, before).hex()
            blob = f"X'{hashed}'" if house.ground.db.dialect == "sqlite" else f"decode('{hashed}', 'hex')"
            await run(
                house,
                f"UPDATE audit SET actor='{forged.actor}', hash={blob} "
                f"WHERE workspace_id={workspace_id} AND number={entry.number}",
            )
            before = bytes.fromhex(hashed)
        else:
            before = entry.hash


Deed = Callable[[House, int], Awaitable[None]]
CHANGES: dict[str, tuple[str, str]] = {
    # what somebody does: the statement, what verifying says
    "an actor": ("UPDATE audit SET actor='key_y' WHERE number=3", "row 3 is not what was written"),
    "a time": ("UPDATE audit SET at=at+1 WHERE number=3", "row 3 is not what was written"),
    "details": (
        "UPDATE audit SET details='{}' WHERE number=3",
        "the details of row 3 are not what was written",
    ),
    "a row": ("DELETE FROM audit WHERE number=3", "row 3 is missing"),
    "the first row": ("DELETE FROM audit WHERE number=1", "row 1 is missing"),
    "the last row": ("DELETE FROM audit WHERE number=6", "row 6 is missing: row 6 was sealed"),
    "all rows": ("DELETE FROM audit", "row 1 is missing: row 6 was sealed"),
    "another place": ("UPDATE audit SET number=7 WHERE number=3", "row 3 is missing"),
    "a seal's row": ("UPDATE audit_seal SET number=5", "the seal of row 5 is not ours"),
    "a seal": ("UPDATE audit_seal SET seal='v1.00000000.AAAA'", "the seal of row 6 is not ours"),
}


async def sealed_rows(made: House, mine: Client) -> None:
    """Six rows, sealed."""
    for number in range(4):
        await noted(made, mine.workspace_id, f"lin_{number}")
    assert await notary.seal_everything(made.ground, None) == 1
    assert await notary.seal_everything(made.ground, None) == 0
    assert await verified(made) == msgspec.structs.replace(await verified(made), rows=6, sealed=6, broken="")


@pytest.mark.parametrize("what", CHANGES)
async def test_what_is_changed_is_found_and_named(shop: tuple[House, Client], what: str) -> None:
    made, mine = shop
    await sealed_rows(made, mine)
    statement, said = CHANGES[what]
    await run(made, statement)
    assert (await verified(made)).broken.startswith(said)


async def test_a_chain_that_was_made_anew_does_not_fit_its_seal(shop: tuple[House, Client]) -> None:
    made, mine = shop
    await sealed_rows(made, mine)
    await forge(made, mine.workspace_id, 4)
    assert (await verified(made)).broken == "row 6 is not the one that was sealed"


async def test_seals_that_are_gone_are_made_late_or_lacking(
    shop: tuple[House, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, mine = shop
    await sealed_rows(made, mine)
    await forge(made, mine.workspace_id, 4)
    await run(made, "DELETE FROM audit_seal")
    now = made.ground.clock.now()
    monkeypatch.setattr(type(made.ground.clock), "now", lambda _clock: now + 60 * MINUTE)
    (lacking,) = (await verified(made)).remarks
    assert lacking == "row 1 and what follows have no seal yet"
    await notary.seal_everything(made.ground, None)
    (late,) = (await verified(made)).remarks
    assert late.startswith("rows 1 to 6: sealed late, at 20")


async def test_what_is_kept_beside_the_key_knows_the_end(shop: tuple[House, Client], tmp_path: Path) -> None:
    made, mine = shop
    file = notary.anchors_beside(str(tmp_path / "vault.key"))
    await noted(made, mine.workspace_id)
    await notary.seal_everything(made.ground, file)
    anchor = notary.read_anchors(file)[mine.workspace_id]
    assert anchor.number == 3
    assert (await verified(made, anchor)).good
    await run(made, "DELETE FROM audit_seal")
    await run(made, "DELETE FROM audit WHERE number=3")  # the tail with its seals: whole, but for the file
    assert (await verified(made)).good
    assert (await verified(made, anchor)).broken == "row 3 is missing: the file beside the key knows row 3"
    await noted(made, mine.workspace_id, "lin_forged")
    await noted(made, mine.workspace_id, "lin_forged")
    said = "row 3 is not the one that is kept beside the key"
    assert (await verified(made, anchor)).broken == said
    assert await notary.seal_everything(made.ground, file) == 0  # it seals nothing that contradicts the file
    assert notary.read_anchors(file)[mine.workspace_id] == anchor


async def test_an_older_hash_never_takes_the_place_of_a_newer(tmp_path: Path) -> None:
    file = tmp_path / "key.audit"
    notary.write_anchors(file, {1: Head(7, b"\x07" * 32), 2: Head(1, b"\x01" * 32)})
    notary.write_anchors(file, {1: Head(5, b"\x05" * 32)})
    assert notary.read_anchors(file) == {1: Head(7, b"\x07" * 32), 2: Head(1, b"\x01" * 32)}
    notary.write_anchors(file, {1: Head(5, b"\x05" * 32)}, back=True)
    assert notary.read_anchors(file)[1].number == 5


async def test_a_log_is_not_another_workspaces(house: tuple[House, Client]) -> None:
    made, nobody = house
    ours, theirs = await member(nobody, made.ground, "ours"), await member(nobody, made.ground, "theirs")
    await run(made, f"DELETE FROM audit WHERE workspace_id={theirs.workspace_id}")
    moved = f"UPDATE audit SET workspace_id={theirs.workspace_id} WHERE workspace_id={ours.workspace_id}"
    await run(made, moved)
    workspace = next(
        one for one in await made.ground.db.read(accounts.workspaces) if one.id == theirs.workspace_id
    )
    assert "row 1 is not what was written" in (await notary.verify(made.ground, workspace)).broken


# ── a person is erased ───────────────────────────────────────────────────────────────────────────────


async def test_details_can_be_erased_and_the_chain_stays_whole(shop: tuple[House, Client]) -> None:
    made, mine = shop
    for number in range(3):
        await noted(made, mine.workspace_id, f"con_{number}", "contact.changed")
    await notary.seal_everything(made.ground, None)

    async def erase(tx: Transaction) -> int:
        count = await audit.erase_details(tx, mine.workspace_id, ["con_1"])
        now = made.ground.clock.now()
        await audit.note(tx, mine.workspace_id, "per_x", "contact.erased", "con_1", {}, now)
        return count

    assert await made.ground.db.run(erase) == 1
    found = await verified(made)
    assert (found.broken, found.erased, found.remarks) == ("", 1, ())
    gone, erased = await rows(mine, "&subject=con_1")
    assert (gone["details"], gone["salt"], gone["action"]) == (None, None, "contact.changed")
    assert erased["action"] == "contact.erased"
    kept = (await rows(mine, "&subject=con_2"))[0]
    assert kept["details"] == {"name": "Olena"}
    salted = bytes.fromhex(kept["salt"]) + b'{"name":"Olena"}'
    assert kept["details_hash"] == hashlib.sha256(salted).hexdigest()
    assert gone["details_hash"] != kept["details_hash"]  # the same words, and nobody can tell


async def test_details_that_are_gone_without_an_erasure_are_told(shop: tuple[House, Client]) -> None:
    made, mine = shop
    await noted(made, mine.workspace_id, "con_1")
    await run(made, "UPDATE audit SET details=NULL, salt=NULL WHERE number=3")
    found = await verified(made)
    assert found.remarks == ("row 3: details of con_1 are gone, and no erasure tells why",)
