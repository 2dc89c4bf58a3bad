"""Segments over the API: saved, counted, gone through, explained, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import bindparam, delete

from angarium.contacts import api, audience, segments_api
from angarium.contacts.activity import Event, Happened, Topic
from angarium.contacts.audience import Audience, Settled
from angarium.contacts.consent import Choices
from angarium.contacts.store import activity, consents, index, suppressions
from angarium.contacts.store import contact as contact_table
from angarium.contacts.store.members import Member
from angarium.core import ids
from angarium.core.problems import Problem
from angarium.core.values import AddressKind, MessageClass
from angarium.storage.bulk import Statement, among
from angarium.storage.database import Database, Transaction
from angarium.storage.ground import Ground
from support.server import Client, everything_in, ground_on, member, serving

Shop = tuple[Ground, Client]
DAY = 86_400_000_000
KYIV = {"field": "city", "is": "is", "value": "Київ"}

DROP = Statement(
    delete(contact_table).where(
        contact_table.c.workspace_id == bindparam("workspace_id"), among(contact_table.c.id, "ids")
    )
)  # as a version did that forgot the rest


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    """The routes of contacts and segments; a client with every right."""
    ground = ground_on(database)
    async with serving(ground, [*api.HANDLERS, *segments_api.HANDLERS]) as nobody:
        yield ground, await member(nobody, ground, "shop")


async def people(mine: Client, count: int = 7) -> list[str]:
    """Contacts, each second one of Kyiv and each third one a regular; their ids in order."""
    given = [
        {
            "external_id": f"c-{number}",
            "name": f"Name {number}",
            "fields": {"city": "Київ" if number % 2 else "Львів", "points": number},
            "tags": ["regular"] if number % 3 == 0 else [],
            "addresses": [{"kind": "phone", "value": f"+38044123450{number}"}],
        }
        for number in range(count)
    ]
    made = await mine.ask("POST", "/v1/contacts/batch", {"contacts": given})
    assert made.json["rejected"] == 0, made
    return [one["id"] for one in made.json["results"]]


async def made(mine: Client, rules: Any, name: str = "mine") -> dict[str, Any]:
    """A new segment."""
    answer = await mine.ask("POST", "/v1/segments", {"name": name, "rules": rules})
    assert answer.status == 201, answer
    return dict(answer.json)


async def test_there_and_back(shop: Shop) -> None:
    ground, mine = shop
    segment = await made(mine, KYIV)
    assert (segment["version"], segment["rules"], segment["used_by"]) == (1, KYIV, [])
    assert segment["written_by"].startswith("key_")
    path = f"/v1/segments/{segment['id']}"
    assert (await mine.ask("GET", path)).json == segment
    assert (await mine.ask("GET", "/v1/segments")).json == {"items": [segment], "next": None}

    renamed = (await mine.ask("PUT", path, {"name": "of Kyiv", "rules": KYIV})).json
    assert (renamed["version"], renamed["name"]) == (1, "of Kyiv")
    other = {"not": KYIV}
    changed = (await mine.ask("PUT", path, {"name": "of Kyiv", "rules": other})).json
    assert (changed["version"], changed["rules"]) == (2, other)

    taken = await mine.ask("POST", "/v1/segments", {"name": "of Kyiv", "rules": KYIV})
    assert (taken.status, list(taken.fields)) == (422, ["name"])
    assert (await mine.ask("DELETE", path)).status == 204
    for method in ("GET", "DELETE"):
        assert (await mine.ask(method, path)).status == 404
    assert (await mine.ask("PUT", path, {"name": "x", "rules": KYIV})).status == 404
    audited = [row for row in (await everything_in(ground.db))["audit"] if "segment." in repr(row)]
    assert len(audited) == 4


async def test_a_count_tells_of_each_rule(shop: Shop) -> None:
    _, mine = shop
    known = await people(mine)
    rules = {"all": [KYIV, {"not": {"tag": "Regular"}}, {"field": "points", "is": "at_least", "value": 2}]}
    counted = (await mine.ask("POST", "/v1/segments/count", {"rules": rules})).json
    assert counted["count"] == 1
    assert {one["rule"]: one["count"] for one in counted["rules"]} == {
        "rules": 1,
        "rules.all[0]": 3,
        "rules.all[1]": 4,
        "rules.all[1].not": 3,
        "rules.all[2]": 5,
    }
    assert [one["id"] for one in counted["sample"]] == [known[5]]
    nobody = (await mine.ask("POST", "/v1/segments/count", {"rules": {"tag": "nobody"}})).json
    assert (nobody["count"], nobody["sample"]) == (0, [])


async def test_members_come_once_whatever_is_changed_meanwhile(shop: Shop) -> None:
    _, mine = shop
    known = await people(mine)
    segment = await made(mine, {"not": {"field": "points", "is": "is", "value": 100}})
    path = f"/v1/segments/{segment['id']}/members?limit=2"
    page = (await mine.ask("GET", path)).json
    seen = [one["id"] for one in page["items"]]
    assert seen == known[:2]
    # The rules change, one who is still to come goes, another who has come is written anew.
    changed = {"name": "mine", "rules": {"tag": "nobody"}}
    assert (await mine.ask("PUT", f"/v1/segments/{segment['id']}", changed)).json["version"] == 2
    assert (await mine.ask("DELETE", f"/v1/contacts/{known[3]}")).status == 204
    again = {"external_id": "c-0", "fields": {"points": 5}}
    assert (await mine.ask("PUT", f"/v1/contacts/{known[0]}", again)).status == 200
    while page["next"]:
        page = (await mine.ask("GET", f"{path}&cursor={page['next']}")).json
        seen += [one["id"] for one in page["items"]]
    assert seen == [*known[:3], *known[4:]]
    for cursor in ("x", "AAAA", page["next"] or "MTIz"):
        wrong = await mine.ask("GET", f"{path}&cursor={cursor}")
        assert (wrong.status, list(wrong.fields)) == (422, ["cursor"])


async def test_one_is_explained(shop: Shop) -> None:
    ground, mine = shop
    known = await people(mine)
    named = await made(mine, KYIV, "of Kyiv")
    history = {"history": "read", "class": "promotional", "days": 30}
    segment = await made(mine, {"all": [{"segment": named["id"]}, {"any": [history, {"tag": "regular"}]}]})
    path = f"/v1/segments/{segment['id']}/explain"
    told = (await mine.ask("GET", f"{path}?contact={known[1]}")).json
    assert (told["member"], told["contact"], told["segment"]) == (False, known[1], segment["id"])
    flat = {one["place"]: (one["holds"], one["found"]) for one in flattened(told["rules"])}
    assert flat == {
        "rules": (False, None),
        "rules.all[0]": (True, None),
        "rules.all[0].segment": (True, "Київ"),
        "rules.all[1]": (False, None),
        "rules.all[1].any[0]": (False, {"times": 0}),
        "rules.all[1].any[1]": (False, []),
    }
    read = Happened(
        Event.READ,
        ids.read("contact", known[1]),
        Topic(MessageClass.PROMOTIONAL),
        "smpp",
        ground.clock.now() - DAY,
    )
    await ground.db.run(activity.tell, mine.workspace_id, [read])
    assert (await mine.ask("GET", f"{path}?contact={known[1]}")).json["member"] is True
    assert members(await mine.ask("GET", f"/v1/segments/{segment['id']}/members")) == [known[1], known[3]]
    for contact, status in (("con_0000000000001", 404), ("x", 422)):
        assert (await mine.ask("GET", f"{path}?contact={contact}")).status == status


def flattened(judged: dict[str, Any]) -> list[dict[str, Any]]:
    """A rule and all below it."""
    return [judged, *(one for part in judged["rules"] for one in flattened(part))]


def members(answer: Any) -> list[str]:
    """The ids of a page."""
    return [one["id"] for one in answer.json["items"]]


async def test_a_segment_that_is_named_stays(shop: Shop) -> None:
    _, mine = shop
    named = await made(mine, KYIV, "of Kyiv")
    user = await made(mine, {"not": {"segment": named["id"]}}, "elsewhere")
    assert (await mine.ask("GET", f"/v1/segments/{named['id']}")).json["used_by"] == [user["id"]]
    refused = await mine.ask("DELETE", f"/v1/segments/{named['id']}")
    assert (refused.status, refused.json["type"].rpartition("/")[2]) == (409, "in-use")
    assert "elsewhere" in refused.json["detail"]
    # Neither a ring nor a chain: what names another is named by none.
    for segment_id, other in (
        (named["id"], user["id"]),
        (named["id"], named["id"]),
        (user["id"], user["id"]),
    ):
        wrong = {"name": "x", "rules": {"all": [{"tag": "a"}, {"segment": other}]}}
        answer = await mine.ask("PUT", f"/v1/segments/{segment_id}", wrong)
        assert (answer.status, list(answer.fields)) == (422, ["rules.all[1].segment"])
    assert (await mine.ask("DELETE", f"/v1/segments/{user['id']}")).status == 204
    assert (await mine.ask("DELETE", f"/v1/segments/{named['id']}")).status == 204


async def test_contacts_are_listed_by_segment(shop: Shop) -> None:
    _, mine = shop
    known = await people(mine)
    segment = await made(mine, KYIV)
    page = await mine.ask("GET", f"/v1/contacts?segment={segment['id']}&limit=2")
    assert members(page) == [known[1], known[3]]
    rest = await mine.ask("GET", f"/v1/contacts?segment={segment['id']}&limit=2&cursor={page.json['next']}")
    assert (members(rest), rest.json["next"]) == ([known[5]], None)
    for asked, expected in (
        (f"segment={segment['id']}&tag=regular", [3]),
        (f"segment={segment['id']}&kind=email", []),
        (f"segment={segment['id']}&field=points&value=5", [5]),
        ("field=city&value=%D0%9B%D1%8C%D0%B2%D1%96%D0%B2&tag=regular&kind=phone", [0, 6]),
        ("field=nowhere&value=5", []),
    ):
        found = await mine.ask("GET", f"/v1/contacts?{asked}")
        assert members(found) == [known[number] for number in expected], asked
    for asked, field in (
        (f"segment={segment['id']}&search=Name", "search"),
        ("field=points", "value"),
        (f"field={'x' * 300}&value=1", "field"),
        (f"field=city&tag={'x' * 300}&value=1", "tag"),
    ):
        refused = await mine.ask("GET", f"/v1/contacts?{asked}")
        assert (refused.status, list(refused.fields)) == (422, [field]), asked
    wrong = await mine.ask("GET", "/v1/contacts?segment=seg_0000000000001")
    assert (wrong.status, list(wrong.fields)) == (404, ["segment"])


async def test_an_address_that_moves_leaves_the_one_who_had_it(shop: Shop) -> None:
    _, mine = shop
    known = await people(mine, 2)
    claims = {"external_id": "c-1", "addresses": [{"kind": "phone", "value": "+380441234500"}]}
    assert (await mine.ask("POST", "/v1/contacts", claims)).status == 200
    segment = await made(mine, {"address": "phone"})
    assert members(await mine.ask("GET", f"/v1/segments/{segment['id']}/members")) == [known[1]]


async def test_an_audience_is_gone_through_in_batches(shop: Shop) -> None:
    ground, mine = shop
    known = [ids.read("contact", one) for one in await people(mine)]
    segment = await made(mine, KYIV)

    async def everyone(given: Audience) -> list[list[int]]:
        settled = await ground.db.read(audience.settle, mine.workspace_id, given, ground.clock.now())
        kept = msgspec.json.decode(msgspec.json.encode(settled), type=Settled)
        found = [one async for one in audience.pieces(ground, mine.workspace_id, kept, size=3)]
        assert [one.done for one in found] == [False] * (len(found) - 1) + [True]
        ids_ = [[member.contact_id for member in one.members] for one in found]
        assert await ground.db.read(audience.count, mine.workspace_id, kept) == sum(map(len, ids_))
        for one in found:  # whoever was killed goes on from where it had come
            rest = [each async for each in audience.pieces(ground, mine.workspace_id, kept, one.after, 3)]
            assert [each.members for each in rest if each.members] == [
                each.members for each in found if each.members and each.after > one.after
            ]
        return ids_

    shown = [ids.show("contact", one) for one in known]
    assert await everyone(Audience(segment=segment["id"])) == [[known[1]], [known[3], known[5]], []]
    assert await everyone(Audience(tags=("regular",))) == [[known[0]], [known[3]], [known[6]], []]
    assert await everyone(Audience(tags=("other", "nobody"))) == [[]]
    assert await everyone(Audience(everybody=True)) == [known[0:3], known[3:6], known[6:], []]
    named = Audience(contacts=(shown[5], shown[2], shown[2], "con_0000000000001", shown[4]))
    assert await everyone(named) == [[known[2], known[4]], [known[5]]]
    assert (await mine.ask("DELETE", f"/v1/segments/{segment['id']}")).status == 204


async def test_members_come_with_the_address_of_each_kind_that_is_used_first(shop: Shop) -> None:
    ground, mine = shop
    given = [
        {
            "external_id": "two-numbers",
            "locale": "fa-IR",
            "time_zone": "Asia/Tehran",
            "addresses": [
                {"kind": "phone", "value": "+989121234567"},
                {"kind": "phone", "value": "+989121234568", "preferred": True},
                {"kind": "phone", "value": "+989121234569"},
                {"kind": "email", "value": "One@example.com"},
                {"kind": "vk", "value": "17"},
            ],
        },
        {"external_id": "nothing"},
    ]
    made = await mine.ask("POST", "/v1/contacts/batch", {"contacts": given})
    both, bare = (ids.read("contact", one["id"]) for one in made.json["results"])
    settled = Settled(ground.clock.now())
    (found, end) = [one async for one in audience.pieces(ground, mine.workspace_id, settled)]
    addresses = {"phone": "+989121234568", "email": "One@example.com", "vk": "17"}
    assert found.members == [
        Member(both, "fa-IR", "Asia/Tehran", "IR", addresses),
        Member(bare, "en", "UTC", "", {}),
    ]
    assert end == audience.Piece([], bare, done=True)
    elsewhere = [one async for one in audience.pieces(ground, mine.workspace_id + 1, settled)]
    assert elsewhere == [audience.Piece([], 0, done=True)]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (Audience(), "audience"),
        (Audience(everybody=True, tags=("a",)), "audience"),
        (Audience(segment="seg_0000000000001"), "audience.segment"),
        (Audience(contacts=("con_0000000000001", "x")), "audience.contacts[1]"),
    ],
)
async def test_an_audience_that_cannot_be_is_refused(shop: Shop, given: Audience, field: str) -> None:
    ground, mine = shop
    with pytest.raises(Problem) as refused:
        await ground.db.read(audience.settle, mine.workspace_id, given, 0)
    assert [one.field for one in refused.value.fields] == [field]


async def test_what_is_deleted_is_nowhere(shop: Shop) -> None:
    ground, mine = shop
    known = await people(mine, 2)
    contact_id = ids.read("contact", known[0])
    topic = Topic(MessageClass.SERVICE, "spring", 7)
    told = [Happened(event, contact_id, topic, "smpp", DAY) for event in Event]
    await ground.db.run(activity.tell, mine.workspace_id, told)
    many = {"external_id": "c-0", "fields": {f"field_{number}": "x" for number in range(40)}}
    assert (await mine.ask("PUT", f"/v1/contacts/{known[0]}", many)).status == 200
    assert (await mine.ask("DELETE", f"/v1/contacts/{known[0]}")).status == 204
    tables = ("contact_index", "contact_value", "contact_activity", "contact_mention")
    rows = await everything_in(ground.db)
    assert not [row for table in tables for row in rows[table] if contact_id in row]


async def test_who_is_not_there_any_more_goes_when_it_is_made_anew(shop: Shop) -> None:
    ground, mine = shop
    known = await people(mine)
    gone = [ids.read("contact", one) for one in (known[0], known[-1])]

    async def lose(tx: Transaction) -> None:
        await tx.execute(DROP, workspace_id=mine.workspace_id, ids=gone)

    await ground.db.run(lose)
    assert (await mine.ask("POST", "/v1/segments/rebuild")).status == 202
    while await ground.db.read(segments_api.reindex.is_due, mine.workspace_id):
        await ground.db.run(segments_api.reindex.step, mine.workspace_id)
    rows = (await everything_in(ground.db))["contact_index"]
    assert len(rows) == len(known) - 2
    assert not [row for row in rows if set(gone) & set(row)]


async def test_what_was_there_before_is_written_anew(shop: Shop) -> None:
    ground, mine = shop
    known = await people(mine)
    before = await everything_in(ground.db)
    assert (await mine.ask("POST", "/v1/segments/rebuild")).status == 202

    async def turn(tx: Transaction) -> int:
        await index.remove(tx, mine.workspace_id, [ids.read("contact", known[2])])
        return await segments_api.reindex.step(tx, mine.workspace_id)

    assert await ground.db.run(turn) == len(known)
    assert await ground.db.read(segments_api.reindex.is_due, mine.workspace_id)
    assert await ground.db.run(segments_api.reindex.step, mine.workspace_id) == 0
    assert not await ground.db.read(segments_api.reindex.is_due, mine.workspace_id)
    after = await everything_in(ground.db)
    assert after["contact_index"] == before["contact_index"]


async def test_what_was_refused_last_counts_at_once(shop: Shop) -> None:
    ground, mine = shop
    known = await people(mine, 3)
    contact_id = ids.read("contact", known[1])

    async def who(rules: dict[str, str]) -> list[str]:
        found = (await mine.ask("POST", "/v1/segments/count", {"rules": rules})).json
        return [one["id"] for one in found["sample"]]

    async def said(withdrawn: set[str], granted: set[str]) -> None:
        chosen = {contact_id: Choices(frozenset(withdrawn), frozenset(granted))}
        await ground.db.run(consents.choose, mine.workspace_id, chosen)

    await said({"all"}, {"promotional@smpp"})
    assert await who({"opted_out": "promotional"}) == [known[1]]
    assert await who({"opted_out": "promotional", "channel": "smpp"}) == []
    assert await who({"opted_in": "promotional", "channel": "smpp"}) == [known[1]]
    assert await who({"opted_out": "otp"}) == []
    # Written anew, a contact keeps what it said; so does one whose rows are made anew.
    again = {"external_id": "c-1", "name": "other"}
    assert (await mine.ask("PUT", f"/v1/contacts/{known[1]}", again)).status == 200
    await ground.db.run(segments_api.reindex.begin, mine.workspace_id, "key_test", ground.clock.now())
    await ground.db.run(segments_api.reindex.step, mine.workspace_id)
    assert await who({"opted_out": "all"}) == [known[1]]
    await said(set(), set())
    assert await who({"opted_out": "all"}) == []


async def test_an_operators_blacklist_is_seen(shop: Shop) -> None:
    ground, mine = shop
    known = await people(mine, 2)
    rules = {"rules": {"address": "phone", "blacklisted": True}}
    for listed, found in ((True, [known[1]]), (False, [])):
        phones = ["+380441234501"]
        await ground.db.run(suppressions.flag, mine.workspace_id, AddressKind.PHONE, phones, listed=listed)
        counted = (await mine.ask("POST", "/v1/segments/count", rules)).json
        assert [one["id"] for one in counted["sample"]] == found
