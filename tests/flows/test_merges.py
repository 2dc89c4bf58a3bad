"""Two contacts become one and two again: their history, what is queued, their old names, over the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from angarium.assembly import House
from angarium.contacts import flows as contacts
from angarium.contacts import merge_flows, store
from angarium.contacts.rules import AddressInput, ContactInput
from angarium.contacts.store import Contact
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.values import AddressKind
from angarium.messaging.store.belongings import BELONGINGS
from angarium.storage.database import Database
from support.relay import Relay
from support.server import Client, everything_in, member, whole_house

PHONES = ("+380501234567", "+989123456789", "+380671234567")
ONE: dict[str, Any] = {
    "external_id": "crm-1",
    "addresses": [{"kind": "phone", "value": PHONES[0]}],
    "fields": {"city": "Київ"},
    "tags": ["regular"],
}
OTHER: dict[str, Any] = {
    "external_id": "web-9",
    "name": "Олена Шевченко",
    "addresses": [
        {"kind": "phone", "value": PHONES[1], "verified": True, "verified_how": "code"},
        {"kind": "vk", "value": "7"},
    ],
    "fields": {"city": "Львів", "size": 38},
    "tags": ["web"],
    "opted_out": ["promotional"],
}


@pytest.fixture
async def shop(database: Database, database_url: str, tmp_path: Any) -> AsyncIterator[tuple[House, Client]]:
    """Everything but the loops that send, and a client with every right."""
    async with whole_house(database_url, tmp_path) as (house, nobody):
        yield house, await member(nobody, house.ground, "shop")


async def two(mine: Client) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two contacts."""
    made = [(await mine.ask("POST", "/v1/contacts", body)).json for body in (ONE, OTHER)]
    return made[0], made[1]


async def merge(mine: Client, survivor: dict[str, Any], merged: dict[str, Any]) -> dict[str, Any]:
    """Merge them; what was answered."""
    body = {"survivor": survivor["id"], "merged": merged["id"], "why": "said at the counter"}
    answer = await mine.ask("POST", "/v1/contact-merges", body)
    assert answer.status == 201, answer
    return answer.json  # type: ignore[no-any-return]


async def test_there_and_back(shop: tuple[House, Client]) -> None:
    house, mine = shop
    one, other = await two(mine)
    before = await everything_in(house.ground.db)
    done = await merge(mine, one, other)
    stayed = done["contact"]
    assert stayed["id"] == one["id"]
    assert stayed["fields"] == {"city": "Київ", "size": 38}
    assert stayed["opted_out"] == ["promotional"]
    assert [a["value"] for a in stayed["addresses"]] == [PHONES[0], PHONES[1], "7"]
    for path in (f"/v1/contacts/{one['id']}", f"/v1/contacts/{other['id']}"):
        assert (await mine.ask("GET", path)).json == stayed, path
    assert [c["id"] for c in (await mine.ask("GET", "/v1/contacts")).json["items"]] == [one["id"]]
    assert (await mine.ask("GET", f"/v1/contacts?phone=%2B{PHONES[1][1:]}")).json["items"] == [stayed]

    shown = (await mine.ask("GET", f"/v1/contact-merges/{done['id']}")).json
    assert shown == {name: value for name, value in done.items() if name != "contact"}
    for asked in ("", f"?contact={one['id']}", f"?contact={other['id']}"):
        assert (await mine.ask("GET", f"/v1/contact-merges{asked}")).json["items"] == [shown], asked

    undone = (await mine.ask("POST", f"/v1/contact-merges/{done['id']}/undo")).json
    assert undone["contacts"] == [one, other]
    assert undone["undone_at"] is not None
    assert undone["elsewhere"] == []
    for path, expected in ((one["id"], one), (other["id"], other)):
        assert (await mine.ask("GET", f"/v1/contacts/{path}")).json == expected
    after = await everything_in(house.ground.db)
    journals = ("contact_merge", "fact", "audit", "consent", "withdrawal")
    changed = {name for name in before if before[name] != after[name]}
    assert {name for name in changed if not name.startswith(journals)} <= {"audit_head"}
    again = await mine.ask("POST", f"/v1/contact-merges/{done['id']}/undo")
    assert (again.status, again.json["type"].rpartition("/")[2]) == (409, "merge-undone")
    assert (await merge(mine, one, other))["contact"]["tags"] == ["regular", "web"]  # and once more


async def test_it_is_done_once(shop: tuple[House, Client]) -> None:
    house, mine = shop
    one, other = await two(mine)
    body, key = {"survivor": one["id"], "merged": other["id"]}, {"Idempotency_Key": "k"}
    merged = [await mine.ask("POST", "/v1/contact-merges", body, **key) for _ in range(2)]
    assert merged[0].body == merged[1].body
    path, key = f"/v1/contact-merges/{merged[0].json['id']}/undo", {"Idempotency_Key": "u"}
    undone = [await mine.ask("POST", path, **key) for _ in range(2)]
    assert undone[0].body == undone[1].body
    assert [heard.status for heard in (*merged, *undone)] == [201, 201, 200, 200]
    assert len((await everything_in(house.ground.db))["contact_merge"]) == 1


async def test_what_cannot_be_merged_or_undone(shop: tuple[House, Client]) -> None:
    house, mine = shop
    one, other = await two(mine)
    third = (await mine.ask("POST", "/v1/contacts", {"external_id": "c"})).json
    stranger = await member(mine, house.ground, "other shop")
    nobody = ids.show("contact", 1)
    for client, body, status, field in (
        (mine, {"survivor": one["id"], "merged": nobody}, 422, "merged"),
        (mine, {"survivor": nobody, "merged": one["id"]}, 422, "survivor"),
        (mine, {"survivor": "con_x", "merged": one["id"]}, 422, "survivor"),
        (mine, {"survivor": one["id"], "merged": one["id"]}, 409, ""),
        (stranger, {"survivor": one["id"], "merged": other["id"]}, 422, "survivor"),
    ):
        answer = await client.ask("POST", "/v1/contact-merges", body)
        assert (answer.status, next(iter(answer.fields), "")) == (status, field), (body, answer)
    first = await merge(mine, one, other)
    second = await merge(mine, third, one)
    assert second["contact"]["id"] == third["id"]
    assert (await mine.ask("GET", f"/v1/contacts/{other['id']}")).json["id"] == third["id"]
    assert (
        await mine.ask("POST", "/v1/contact-merges", {"survivor": third["id"], "merged": other["id"]})
    ).status == 409
    early = await mine.ask("POST", f"/v1/contact-merges/{first['id']}/undo")
    assert (early.status, second["id"] in early.json["detail"]) == (409, True), early
    for method, body in (("PUT", ONE), ("DELETE", None)):
        answer = await mine.ask(method, f"/v1/contacts/{other['id']}", body)
        assert (answer.status, third["id"] in answer.json["detail"]) == (409, True), answer
    for merge_id in (second["id"], first["id"]):
        assert (await stranger.ask("POST", f"/v1/contact-merges/{merge_id}/undo")).status == 404
        assert (await stranger.ask("GET", f"/v1/contact-merges/{merge_id}")).status == 404
        assert (await mine.ask("POST", f"/v1/contact-merges/{merge_id}/undo")).status == 200
    assert (await mine.ask("GET", f"/v1/contacts/{other['id']}")).json == other


async def test_a_system_that_knows_the_old_name_adds_to_the_one_that_stays(
    shop: tuple[House, Client],
) -> None:
    _, mine = shop
    one, other = await two(mine)
    await merge(mine, one, other)
    sent = {"external_id": "web-9", "fields": {"size": 40}, "tags": ["new"], "addresses": []}
    told = (await mine.ask("POST", "/v1/contacts", sent)).json
    assert told.get("id") == one["id"], told
    assert told["external_id"] == "crm-1"
    assert told["fields"] == {"city": "Київ", "size": 40}
    assert told["tags"] == ["regular", "web", "new"]
    assert told["opted_out"] == ["promotional"]
    assert [(a["value"], a["verified"]) for a in told["addresses"]] == [
        (PHONES[0], False),
        (PHONES[1], True),
        ("7", False),
    ]


async def test_an_address_that_has_moved_on_stays_there(shop: tuple[House, Client]) -> None:
    _, mine = shop
    one, other = await two(mine)
    done = await merge(mine, one, other)
    third = {"external_id": "c", "addresses": [{"kind": "vk", "value": "7"}]}
    assert (await mine.ask("POST", "/v1/contacts", third)).status == 200
    undone = (await mine.ask("POST", f"/v1/contact-merges/{done['id']}/undo")).json
    assert undone["elsewhere"] == ["7"]
    assert [[a["value"] for a in c["addresses"]] for c in undone["contacts"]] == [[PHONES[0]], [PHONES[1]]]


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────


async def both(relay: Relay) -> tuple[Contact, Contact]:
    """Two contacts of a shop with a line."""
    await relay.line("sms", "smpp", price="0.02")
    one = await relay.contact(external_id="a")
    other = await relay.contact(external_id="b", addresses=[{"kind": "phone", "value": PHONES[1]}])
    return one, other


async def join(relay: Relay, one: Contact, other: Contact) -> int:
    """Merge two contacts; the id of the merge."""
    args = (relay.ground, relay.workspace_id, one.id, other.id, list(BELONGINGS.values()), "cli", "")
    done, _ = await relay.ground.db.run(merge_flows.merge, *args)
    return done.id


async def part(relay: Relay, merge_id: int) -> None:
    """Undo a merge."""
    args = (relay.ground, relay.workspace_id, merge_id, BELONGINGS, "cli")
    await relay.ground.db.run(merge_flows.undo, *args)


async def whose(relay: Relay, *message_ids: int) -> list[int]:
    """The contacts of messages."""
    return [ids.read("contact", (await relay.told(one))["contact"]) for one in message_ids]


async def test_the_history_goes_over_and_comes_back(relay: Relay) -> None:
    one, other = await both(relay)
    first = await relay.send(channel="smpp")
    second = await relay.send(to={"phone": PHONES[1]}, channel="smpp")
    assert await whose(relay, first, second) == [one.id, other.id]
    merge_id = await join(relay, one, other)
    later = await relay.send(to={"contact": ids.show("contact", other.id)}, channel="smpp")
    named = await relay.send(to={"external_id": "b"}, channel="smpp")
    assert await whose(relay, first, second, later, named) == [one.id] * 4
    await part(relay, merge_id)
    assert await whose(relay, first, second, later, named) == [one.id, other.id, one.id, one.id]


async def test_what_is_queued_goes_to_the_address_it_was_meant_for(relay: Relay) -> None:
    one, other = await both(relay)
    queued = await relay.send(to={"phone": PHONES[1]}, channel="smpp")
    later = iso(relay.clock.now() + 3_600_000_000)
    planned = await relay.send(to={"phone": PHONES[1]}, channel="smpp", send_at=later)
    await join(relay, one, other)
    await relay.wait(3_601)
    sent = {attempt.message_id: attempt.address for attempt in await relay.claim("sms")}
    assert sent == {queued: PHONES[1], planned: PHONES[1]}


async def test_an_objection_of_either_stops_what_is_queued_for_the_other(relay: Relay) -> None:
    one, other = await both(relay)
    queued = await relay.send(to={"phone": PHONES[0]}, channel="smpp")
    given = ContactInput(
        external_id="b", opted_out=("service",), addresses=(AddressInput(AddressKind.PHONE, PHONES[1]),)
    )
    await contacts.upsert(relay.ground, relay.workspace_id, [given])
    await join(relay, one, other)
    assert await relay.claim("sms") == []
    assert await relay.state(queued) == ("refused", "opted_out", True)


async def test_the_address_that_is_named_is_the_one_that_is_written_to(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.02")
    phones = [{"kind": "phone", "value": PHONES[0], "preferred": True}, {"kind": "phone", "value": PHONES[1]}]
    person = await relay.contact(external_id="a", addresses=phones)
    by_name = await relay.send(to={"external_id": "a"}, channel="smpp")
    by_phone = await relay.send(to={"phone": PHONES[1]}, channel="smpp")
    by_kind = await relay.send(to={"address": {"kind": "phone", "value": PHONES[1]}}, channel="smpp")
    assert await whose(relay, by_name, by_phone, by_kind) == [person.id] * 3
    sent = {attempt.message_id: attempt.address for attempt in await relay.claim("sms")}
    assert sent == {by_name: PHONES[0], by_phone: PHONES[1], by_kind: PHONES[1]}


async def test_a_named_address_that_is_gone_is_not_replaced_by_another(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.02")
    phones = [{"kind": "phone", "value": PHONES[0]}, {"kind": "phone", "value": PHONES[1]}]
    await relay.contact(external_id="a", addresses=phones)
    later = iso(relay.clock.now() + 3_600_000_000)
    message_id = await relay.send(to={"phone": PHONES[1]}, channel="smpp", send_at=later)
    await relay.contact(external_id="a", addresses=phones[:1])
    await relay.wait(3_601)
    assert await relay.claim("sms") == []
    assert (await relay.state(message_id))[1:] == ("no_address", True)


async def test_anybody_can_be_written_to_by_any_kind_of_address(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.02")
    stranger = await relay.order(
        {"to": {"address": {"kind": "vk", "value": "77"}}, "class": "service", "text": "x", "channel": "smpp"}
    )
    assert stranger["reason"] == "no_address"
    made = await relay.ground.db.read(store.ids_by_address, relay.workspace_id, AddressKind.VK, ["77"])
    assert made == {"77": ids.read("contact", stranger["contact"])}


# ── suggestions ──────────────────────────────────────────────────────────────────────────────────────


async def test_those_that_may_be_one_are_suggested_until_somebody_says_no(shop: tuple[House, Client]) -> None:
    _, mine = shop
    people = [
        {"name": "Олена Шевченко", "addresses": [{"kind": "email", "value": "olena.shevchenko@gmail.com"}]},
        {"name": "олена  шевченко", "addresses": [{"kind": "email", "value": "Olena.Shevchenko@ukr.net"}]},
        {"name": "Karl Koch", "addresses": [{"kind": "phone", "value": "+380441234567"}]},
        {"name": "Koch Karl", "addresses": [{"kind": "phone", "value": "+380441234568"}]},
        {"name": "Олена Шевченко", "addresses": [{"kind": "phone", "value": "+989123456789"}]},
    ]
    made = [(await mine.ask("POST", "/v1/contacts", body)).json for body in people]

    async def pairs(limit: int) -> list[tuple[int, int, int]]:
        seen, following, places = [], "", {one["id"]: place for place, one in enumerate(made)}
        while following is not None:
            answer = await mine.ask("GET", f"/v1/contact-merges/suggestions?limit={limit}&cursor={following}")
            for item in answer.json["items"]:
                assert sum(hint["points"] for hint in item["hints"]) == item["score"]
                seen.append((*(places[c["id"]] for c in item["contacts"]), item["score"]))
            following = answer.json["next"]
        return seen

    assert await pairs(100) == [(0, 1, 65), (2, 3, 65)]
    assert sorted(await pairs(1)) == sorted(await pairs(100))
    body = {"contacts": [made[3]["id"], made[2]["id"]]}
    assert (await mine.ask("POST", "/v1/contact-merges/apart", body)).status == 204
    assert await pairs(100) == [(0, 1, 65)]
    wrong = await mine.ask("POST", "/v1/contact-merges/apart", {"contacts": [made[3]["id"], "con_x"]})
    assert (wrong.status, list(wrong.fields)) == (422, ["contacts[1]"])
