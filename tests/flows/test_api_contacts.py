"""Contacts over the API: who is who, one or a thousand at once, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import msgspec
import pytest

from angarium.contacts.api import HANDLERS, ContactShown
from angarium.contacts.store import listing
from angarium.core.values import AddressKind
from angarium.simulators.faces import web_push
from angarium.storage.database import Database
from angarium.storage.ground import Ground
from support.server import Client, everything_in, ground_on, member, serving

SAID = ("preferred", "verified", "verified_at", "verified_how")
PHONE = {"kind": "phone", "value": "+380441234567", "operator_blacklist": False}
OTHER_PHONE = {"kind": "phone", "value": "+380441234568", "operator_blacklist": False}
EMAIL = {"kind": "email", "value": "olena@example.com", "operator_blacklist": False}
CONTACT: dict[str, Any] = {
    "external_id": "c-1",
    "name": "Олена",
    "locale": "uk",
    "time_zone": "Europe/Kyiv",
    "fields": {"city": "Київ", "points": 12, "nested": {"a": [1, None]}},
    "tags": ["regular"],
    "opted_out": ["promotional"],
    "addresses": [EMAIL, PHONE],
}


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[tuple[Ground, Client]]:
    """The routes of contacts; a client with every right."""
    ground = ground_on(database)
    async with serving(ground, HANDLERS) as nobody:
        yield ground, await member(nobody, ground, "shop")


def told(contact: dict[str, Any]) -> dict[str, Any]:
    """A contact without what we made of it ourselves."""
    made = ("id", "created_at", "updated_at", "locale_is_guess", "time_zone_is_guess", "country")
    known = ("used_first", "added_at", *SAID)
    addresses = [
        {name: value for name, value in one.items() if name not in known} for one in contact["addresses"]
    ]
    return {name: value for name, value in contact.items() if name not in made} | {"addresses": addresses}


async def test_there_and_back(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    made = await mine.ask("POST", "/v1/contacts", CONTACT)
    assert made.status == 200
    contact = made.json
    path = f"/v1/contacts/{contact['id']}"
    assert told(contact) == CONTACT
    assert contact["created_at"] == contact["updated_at"]
    assert msgspec.json.encode(msgspec.json.decode(made.body, type=ContactShown)) == made.body
    assert (await mine.ask("GET", path)).json == contact
    assert (await mine.ask("GET", "/v1/contacts")).json == {"items": [contact], "next": None}

    different = CONTACT | {"external_id": "c-2", "name": "Olena", "tags": [], "addresses": [OTHER_PHONE]}
    changed = (await mine.ask("PUT", path, different)).json
    assert told(changed) == different
    assert (changed["id"], changed["created_at"]) == (contact["id"], contact["created_at"])
    assert (await mine.ask("GET", path)).json == changed
    bare = (await mine.ask("PUT", path, {"external_id": "c-2"})).json
    assert told(bare) == {
        "external_id": "c-2",
        "name": "",
        "locale": "en",
        "time_zone": "UTC",
        "fields": {},
        "tags": [],
        "opted_out": ["promotional"],  # as it was: only what says so takes a refusal back
        "addresses": [],
    }
    assert (await mine.ask("PUT", path, {"external_id": "c-2", "opted_out": []})).json["opted_out"] == []
    assert (await mine.ask("DELETE", path)).status == 204
    assert (await mine.ask("GET", path)).status == 404
    assert (await mine.ask("DELETE", path)).status == 404
    assert (await mine.ask("PUT", path, CONTACT)).status == 404
    assert (await mine.ask("GET", "/v1/contacts")).json["items"] == []


async def test_addresses_take_one_form(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    written = [
        {"kind": "phone", "value": "00380 (44) 123-45-67"},
        {"kind": "email", "value": "Olena@EXAMPLE.com"},
    ]
    contact = (await mine.ask("POST", "/v1/contacts", {"addresses": written})).json
    kept = [address["value"] for address in contact["addresses"]]
    assert kept == ["+380441234567", "Olena@example.com"]
    assert contact["time_zone"] == "Europe/Kyiv"  # guessed from the number


async def test_what_is_a_guess_says_so_and_follows_the_phone(shop: tuple[Ground, Client]) -> None:
    _, mine = shop

    async def place(**given: Any) -> list[Any]:
        answer = await mine.ask("POST", "/v1/contacts", {"external_id": "c-1", **given})
        names = ("country", "locale", "locale_is_guess", "time_zone", "time_zone_is_guess")
        return [answer.json[name] for name in names]

    assert await place() == ["", "en", True, "UTC", True]
    assert await place(addresses=[PHONE]) == ["UA", "uk-UA", True, "Europe/Kyiv", True]
    iranian = PHONE | {"value": "+989123456789"}
    assert await place(addresses=[iranian]) == ["IR", "fa-IR", True, "Asia/Tehran", True]
    assert await place(addresses=[iranian], locale="de") == ["IR", "de", False, "Asia/Tehran", True]
    said = {"locale": "de", "time_zone": "Europe/Berlin"}
    assert await place(addresses=[PHONE], **said) == ["UA", "de", False, "Europe/Berlin", False]


async def test_a_guess_goes_with_the_phone_that_somebody_else_takes(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    names = ("country", "locale", "time_zone", "addresses")
    for take in ("POST", "PUT"):
        first = (await mine.ask("POST", "/v1/contacts", at(PHONE, external_id="first"))).json
        second = (await mine.ask("POST", "/v1/contacts", at(EMAIL, external_id="second"))).json
        path = f"/v1/contacts/{second['id']}" if take == "PUT" else "/v1/contacts"
        assert (await mine.ask(take, path, at(PHONE, external_id="second"))).status == 200
        robbed = (await mine.ask("GET", f"/v1/contacts/{first['id']}")).json
        assert [robbed[name] for name in names] == ["", "en", "UTC", []]
        assert robbed["updated_at"] > first["updated_at"]


async def test_what_is_known_of_an_address_stays_until_it_is_said_otherwise(
    shop: tuple[Ground, Client],
) -> None:
    _, mine = shop

    async def known(*addresses: dict[str, Any], external_id: str = "c-1") -> list[list[Any]]:
        body = at(*addresses, external_id=external_id)
        answer = (await mine.ask("POST", "/v1/contacts", body)).json
        names = ("value", "used_first", "verified", "verified_at", "verified_how")
        return [[one[name] for name in names] for one in answer["addresses"]]

    when = "2026-11-23T08:30:00.000Z"
    verified = PHONE | {"verified": True, "verified_at": when, "verified_how": "code"}
    assert await known(verified) == [[PHONE_NUMBER, True, True, when, "code"]]
    assert await known(OTHER_PHONE, PHONE) == [
        [OTHER_NUMBER, False, False, None, ""],
        [PHONE_NUMBER, True, True, when, "code"],
    ]
    assert await known(OTHER_PHONE | {"preferred": True}, PHONE) == [
        [OTHER_NUMBER, True, False, None, ""],
        [PHONE_NUMBER, False, True, when, "code"],
    ]
    assert await known(PHONE, external_id="c-2") == [[PHONE_NUMBER, True, False, None, ""]]
    assert await known(PHONE | {"verified": False}) == [[PHONE_NUMBER, True, False, None, ""]]
    ((_, _, is_verified, at_once, how),) = await known(PHONE | {"verified": True})
    assert (is_verified, how) == (True, "")
    assert at_once is not None


async def test_every_kind_of_address_is_a_contact(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    values = {
        "phone": PHONE_NUMBER,
        "email": MAILBOX,
        "whatsapp_user": "UA.1349",
        "web_push": web_push.address("anna"),
    }
    for kind in AddressKind:
        address = {"kind": kind.value, "value": values.get(kind.value, f"id-{kind.value}")}
        made = await mine.ask("POST", "/v1/contacts", {"addresses": [address]})
        assert made.status == 200, (kind, made)
        assert [one["kind"] for one in made.json["addresses"]] == [kind.value]
    found = (await mine.ask("GET", "/v1/contacts")).json["items"]
    assert len(found) == len(AddressKind)


# ── who is who ───────────────────────────────────────────────────────────────────────────────────────

A, B = {"external_id": "a"}, {"external_id": "b"}


def at(*addresses: dict[str, Any], **given: Any) -> dict[str, Any]:
    """A contact with these addresses."""
    return {"addresses": list(addresses), **given}


PHONE_NUMBER, OTHER_NUMBER, MAILBOX = PHONE["value"], OTHER_PHONE["value"], EMAIL["value"]
WHO: list[tuple[str, list[dict[str, Any]], list[tuple[str | None, list[Any]]]]] = [
    # what is sent one after the other; the contacts there are in the end: external_id, addresses
    ("the same external_id is the same", [A, A | {"name": "x"}], [("a", [])]),
    ("the same phone is the same", [at(PHONE), at(PHONE, EMAIL)], [(None, [PHONE_NUMBER, MAILBOX])]),
    ("their order is kept", [at(PHONE, EMAIL), at(EMAIL, PHONE)], [(None, [MAILBOX, PHONE_NUMBER])]),
    ("what is left out is gone", [at(PHONE, EMAIL), at(EMAIL)], [(None, [MAILBOX])]),
    ("an external_id is learnt", [at(PHONE), at(PHONE, **A)], [("a", [PHONE_NUMBER])]),
    ("an external_id is kept", [at(PHONE, **A), at(PHONE)], [("a", [PHONE_NUMBER])]),
    ("two external_ids are two", [at(PHONE, **A), at(PHONE, **B)], [("a", []), ("b", [PHONE_NUMBER])]),
    (
        "an address moves to whoever claims it last",
        [at(PHONE, **A), at(OTHER_PHONE, **B), at(PHONE, OTHER_PHONE, **A)],
        [("a", [PHONE_NUMBER, OTHER_NUMBER]), ("b", [])],
    ),
    (
        "the external_id is surer than the phone",
        [at(PHONE, **A), at(EMAIL, **B), at(PHONE, **B)],
        [("a", []), ("b", [PHONE_NUMBER])],
    ),
    (
        "one without any is another",
        [at(PHONE, **A), at(EMAIL)],
        [("a", [PHONE_NUMBER]), (None, [MAILBOX])],
    ),
]


async def test_who_is_who_one_by_one(shop: tuple[Ground, Client]) -> None:
    ground, _ = shop
    for name, sent, there in WHO:
        mine = await member(shop[1], ground, f"one by one: {name}")
        for body in sent:
            assert (await mine.ask("POST", "/v1/contacts", body)).status == 200, name
        assert await contacts_of(mine) == there, name


async def test_who_is_who_in_one_batch(shop: tuple[Ground, Client]) -> None:
    ground, _ = shop
    for name, sent, there in WHO:
        mine = await member(shop[1], ground, f"in one batch: {name}")
        answer = await mine.ask("POST", "/v1/contacts/batch", {"contacts": sent})
        assert (answer.status, answer.json["accepted"]) == (200, len(sent)), (name, answer)
        assert await contacts_of(mine) == there, name


async def contacts_of(client: Client) -> list[tuple[str | None, list[str]]]:
    """The contacts of a workspace, oldest first."""
    found = (await client.ask("GET", "/v1/contacts")).json["items"]
    return [(one["external_id"], [address["value"] for address in one["addresses"]]) for one in found]


async def test_an_external_id_belongs_to_one(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    await mine.ask("POST", "/v1/contacts", at(PHONE, **A))
    other = (await mine.ask("POST", "/v1/contacts", at(EMAIL, **B))).json
    answer = await mine.ask("PUT", f"/v1/contacts/{other['id']}", A)
    assert (answer.status, answer.fields["external_id"]["value"]) == (422, "a")
    assert (await mine.ask("GET", f"/v1/contacts/{other['id']}")).json == other


# ── many ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_batch_tells_of_each_item(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    sent = [
        CONTACT,
        {"name": 5},
        {"addresses": []},
        at({"kind": "phone", "value": "12"}, **B),
        at(OTHER_PHONE),
    ]
    answer = await mine.ask("POST", "/v1/contacts/batch", {"contacts": sent})
    assert (answer.status, answer.json["accepted"], answer.json["rejected"]) == (200, 2, 3)
    results = answer.json["results"]
    assert [result["index"] for result in results] == [0, 1, 2, 3, 4]
    assert ["id" in result for result in results] == [True, False, False, False, True]
    fields = [
        error["field"] for result in results if "problem" in result for error in result["problem"]["errors"]
    ]
    assert fields == ["contacts[1].name", "contacts[2].addresses", "contacts[3].addresses[0].value"]
    found = (await mine.ask("GET", "/v1/contacts")).json["items"]
    assert [one["id"] for one in found] == [results[0]["id"], results[4]["id"]]


async def test_a_thousand_at_once_and_page_by_page(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    sent = [
        {"external_id": f"c-{n}", "addresses": [PHONE | {"value": f"+38044{n:07}"}]} for n in range(1_000)
    ]
    answer = await mine.ask("POST", "/v1/contacts/batch", {"contacts": sent})
    assert answer.json["accepted"] == 1_000, answer.json["results"][:3]
    seen, following = [], ""
    while following is not None:
        page = (await mine.ask("GET", f"/v1/contacts?limit=300&cursor={following}")).json
        seen += [contact["external_id"] for contact in page["items"]]
        following = page["next"]
    assert seen == [one["external_id"] for one in sent]
    too_many = await mine.ask("POST", "/v1/contacts/batch", {"contacts": [*sent, A]})
    assert "length at least 1, at most 1000" in too_many.fields["contacts"]["remedy"]


LOOK_UPS = [
    ("external_id=c-1", 1),
    ("external_id=c-2", 0),
    ("phone=%2B380441234567", 1),
    ("phone=00380%2044%20123%2045%2067", 1),
    ("phone=%2B380441234568", 0),
    ("email=olena@EXAMPLE.com", 1),
    ("email=nobody@example.com", 0),
    ("external_id=c-1&phone=%2B380441234567&email=olena@example.com", 1),
    ("external_id=c-1&email=nobody@example.com", 0),
]
WRONG_QUERIES = [
    ("phone=call-me", "phone"),
    ("email=olena", "email"),
    ("name=x", "name"),
    ("limit=1001", "limit"),
    ("limit=ten", "limit"),
    ("cursor=?", "cursor"),
    ("external_id=%00", "external_id"),
]


async def test_one_is_looked_up_exactly(shop: tuple[Ground, Client]) -> None:
    _, mine = shop
    contact = (await mine.ask("POST", "/v1/contacts", CONTACT)).json
    for query, count in LOOK_UPS:
        found = (await mine.ask("GET", f"/v1/contacts?{query}")).json
        assert found == {"items": [contact][:count], "next": None}, query
    for query, field in WRONG_QUERIES:
        answer = await mine.ask("GET", f"/v1/contacts?{query}")
        assert (answer.status, list(answer.fields)) == (422, [field]), (query, answer)


SOUGHT: tuple[tuple[str, list[str]], ...] = (
    ("search=олена", ["олена"]),  # an id of theirs, whole, before any name
    ("search=олена  ш", ["a"]),
    ("search=Оле", ["a", "b"]),
    ("search=О", ["a", "b"]),
    ("search=ол", ["a", "b"]),
    ("search=кол", []),
    ("search=k", ["олена"]),
    ("search=Шевченко", ["a"]),  # its last word
    ("search=ков", ["b"]),
    ("search=к", ["b"]),
    ("search=евченко", []),  # how it begins, and not what is in it
    ("search=ш&tag=vip&kind=phone", ["a"]),
    ("search=ш&tag=new", []),
    ("search=%2B38 044 123 45 67", ["a"]),
    ("search=044 123-45-67", ["a"]),  # as it is dialled at home
    ("search=۰۴۴۱۲۳۴۵۶۷", ["a"]),
    ("search=441234567", ["a"]),
    ("search=0441234568", []),
    ("search=1234567", []),  # without the code of its town
    ("search=olena@EXAMPLE.com", ["b"]),
    ("search=7", ["олена"]),
    ("search=%25", []),
    ("search= ", []),
    ("tag=vip", ["a", "b"]),
    ("tag=new", ["b"]),
    ("tag=v", []),
    ('tag="vip"', ["d"]),
    ("kind=phone", ["a"]),
    ("kind=vk", ["олена"]),
    ("kind=telegram", []),
    ("search=оле&tag=vip&kind=email", ["b"]),
    ("search=علي‌پور", ["e"]),  # a surname with a half space, or of two words
    ("search=علی پ", ["e"]),
    ("search=پور", ["e"]),
    ("search=علی", ["e"]),  # the part before the half space
    ("search=علیپور", ["e"]),  # as one word
    ("search=علی پور", ["e"]),
    ("search=آرش علیپور", ["e"]),
    ("search=گلمحمدی", ["g", "h"]),  # and the other way round
    ("search=گل‌محمدی", ["g", "h"]),
    ("search=گل محم", ["g", "h"]),
    ("search=محمدی", ["g"]),
    ("search=علیرضا", []),
    ("search=Van den B", ["i"]),
    ("search=denberg", ["i"]),  # of the last two words
    ("search=janvanden", ["i"]),
    ("search=den", ["i"]),
    ("search=anv", []),
    ("search=ارش", ["e"]),  # without madda, as it is mostly typed
    ("search=رضائي", ["f"]),
    ("search=احمد رضایی", ["f"]),
    ("tag=vip&kind=vk", []),
)


async def test_those_that_fit_are_listed(
    shop: tuple[Ground, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    ground, mine = shop
    people = [
        {"external_id": "a", "name": "Олена Шевченко", "tags": ["vip"], "addresses": [PHONE]},
        {"external_id": "b", "name": "ОЛЕНА Коваль", "tags": ["vip", "new"], "addresses": [EMAIL]},
        {"external_id": "олена", "name": "Karl", "tags": ["vi"], "addresses": [{"kind": "vk", "value": "7"}]},
        {"external_id": "d", "name": "", "tags": ['"vip"']},
        {"external_id": "e", "name": "آرش علی\u200cپور"},
        {"external_id": "f", "name": "أحمد رضایی"},
        {"external_id": "g", "name": "مریم گل محمدی"},
        {"external_id": "h", "name": "گلمحمدی"},
        {"external_id": "i", "name": "Jan van den Berg"},
    ]
    for one in people:
        assert (await mine.ask("POST", "/v1/contacts", one)).status == 200
    await (await member(mine, ground, "neighbour")).ask("POST", "/v1/contacts", people[0])
    for many, (query, expected) in product(
        (listing.MANY, 0), SOUGHT
    ):  # 0: along the contacts, as among very many
        monkeypatch.setattr(listing, "MANY", many)
        found = await mine.ask("GET", f"/v1/contacts?{query}")
        assert [one["external_id"] for one in found.json["items"]] == expected, (query, found)
        if len(expected) == 2:
            first = (await mine.ask("GET", f"/v1/contacts?{query}&limit=1")).json
            rest = (await mine.ask("GET", f"/v1/contacts?{query}&limit=1&cursor={first['next']}")).json
            seen = [one["external_id"] for one in (*first["items"], *rest["items"])]
            assert (seen, rest["next"]) == (expected, None)
    assert (await mine.ask("GET", "/v1/contacts?kind=fax")).status == 422


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────

WRONG: list[tuple[dict[str, Any], str, str]] = [
    # what is different, field, value
    ({"external_id": ""}, "external_id", ""),
    ({"external_id": "x" * 129}, "external_id", "x" * 80),
    ({"external_id": 5}, "external_id", "5"),
    ({"name": "x" * 201}, "name", "x" * 80),
    ({"locale": "Klingon!"}, "locale", "Klingon!"),
    ({"time_zone": "Kyiv"}, "time_zone", "Kyiv"),
    ({"time_zone": "../../etc/passwd"}, "time_zone", "../../etc/passwd"),
    ({"opted_out": ["spam"]}, "opted_out", "spam"),
    ({"tags": ["x"] * 101}, "tags", "101"),
    ({"tags": "x"}, "tags", "x"),
    ({"fields": {"a": "x" * 17_000}}, "fields", "17008 bytes"),
    ({"fields": []}, "fields", "[]"),
    ({"external_id": None, "addresses": []}, "addresses", ""),
    ({"addresses": [{"kind": "fax", "value": "1"}]}, "addresses[0].kind", "fax"),
    ({"addresses": [{"kind": "phone"}]}, "addresses[0].value", ""),
    ({"addresses": [PHONE, {"kind": "phone", "value": "12"}]}, "addresses[1].value", "12"),
    ({"addresses": [{"kind": "email", "value": "a b@c"}]}, "addresses[0].value", "a b@c"),
    ({"addresses": [{"kind": "vk", "value": "два"}]}, "addresses[0].value", "два"),
    ({"age": 5}, "age", ""),
]


async def test_what_is_wrong_is_named(shop: tuple[Ground, Client]) -> None:
    ground, mine = shop
    contact = (await mine.ask("POST", "/v1/contacts", CONTACT)).json
    before = await everything_in(ground.db)
    for method, path in (("POST", "/v1/contacts"), ("PUT", f"/v1/contacts/{contact['id']}")):
        for different, field, value in WRONG:
            answer = await mine.ask(method, path, CONTACT | different)
            assert (answer.status, list(answer.fields)) == (422, [field]), (different, answer)
            error = answer.fields[field]
            assert error.get("value", "") == value, (different, error)
            assert error["remedy"], (different, error)
    assert await everything_in(ground.db) == before
