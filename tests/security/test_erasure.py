"""A person who is erased is nowhere: planted by every way in, sought in every cell, in every writing.

What is sealed is opened and looked through as well. A neighbour, who came by the same ways, is not touched.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from angarium.assembly import House
from angarium.core import ids
from angarium.core.ports import Accepted, Exchange, Refused, Said, Unknown
from angarium.core.values import Reason
from angarium.messaging import claiming, reconcile, send
from angarium.messaging.resealing import CELLS
from angarium.messaging.send import Ended
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.traces import TRACES
from angarium.protocols.signatures import hub_signature
from angarium.storage import facts_common
from angarium.storage.backup import write_anew
from angarium.storage.schema import metadata
from support.rest import in_files
from support.server import Client, everything_in, member

SECRET, NUMBER_ID = "app-secret", "1234567890"
LINE = {
    "name": "whatsapp",
    "channel": "whatsapp_cloud",
    "settings": {
        "phone_number_id": NUMBER_ID,
        "access_token": "token",
        "app_secret": SECRET,
        "verify_token": "our word",
    },
    "classes": ["otp", "service"],
    "registration": "approved",
}


class Being:
    """Somebody to plant: whatever names them, said in words that stand nowhere else."""

    def __init__(self, mark: str, digits: str) -> None:
        self.mark = mark
        self.phones = (f"+38050{digits}11", f"+38050{digits}22")
        self.words = {
            "name": f"Зоряна {mark}",
            "external_id": f"crm-{mark}-1",
            "old_external_id": f"web-{mark}-2",
            "mail": f"{mark.lower()}@pomitka.example",
            "vk": f"vk-{mark}",
            "field": f"поле {mark}",
            "tag": f"tag-{mark}",
            "why": f"why-{mark}",
            "text": f"text for {mark}",
            "variable": f"variable {mark}",
            "code": f"{mark}7001",
            "reference": f"ref-{mark}",
            "inbound": f"від мене {mark}",
            "detail": f"no such person as {mark}",
            "key": f"key-{self.phones[0]}",
        }

    def sought(self) -> list[bytes]:
        """The mark and the phones in every writing that there is."""
        plain = [self.mark, self.mark.lower(), *(phone[1:] for phone in self.phones)]
        return [one for each in plain for one in written(each)]


def written(word: str) -> Iterator[bytes]:
    """A word as it may stand somewhere: UTF-8, UTF-16, hexadecimal, base64, escaped in JSON."""
    for plain in (word.encode(), word.encode("utf-16-le"), word.encode("utf-16-be")):
        yield plain
        yield plain.hex().encode()
        yield plain.hex().upper().encode()
        for shift in range(3):
            whole = (shift + len(plain)) // 3 * 4
            yield b64encode(bytes(shift) + plain)[4 if shift else 0 : whole]
    yield "".join(f"\\u{ord(sign):04x}" for sign in word).encode()


PERSON, NEIGHBOUR = Being("ZQXPERSON", "77133"), Being("ZQXNEIGHBOUR", "88244")


# ── every way in ─────────────────────────────────────────────────────────────────────────────────────


def described(being: Being) -> dict[str, Any]:
    """The contact that stays."""
    word = being.words
    return {
        "external_id": word["external_id"],
        "name": word["name"],
        "fields": {"note": word["field"]},
        "tags": [word["tag"]],
        "opted_out": ["promotional"],
        "addresses": [{"kind": "phone", "value": being.phones[0]}, {"kind": "email", "value": word["mail"]}],
    }


async def plant(house: House, mine: Client, being: Being, number: int) -> tuple[str, Attempt]:
    """Somebody comes in by every way there is; the id of their contact, and an attempt that is under way."""
    word = being.words
    key = f"contact-{number}"
    contact = (await mine.ask("POST", "/v1/contacts", described(being), Idempotency_Key=key)).json
    await bring(house, mine, being)
    await enlist(house, mine, being)
    phone, vk = {"kind": "phone", "value": being.phones[1]}, {"kind": "vk", "value": word["vk"]}
    other = {"external_id": word["old_external_id"], "name": word["name"], "addresses": [phone, vk]}
    made = await mine.ask("POST", "/v1/contacts/batch", {"contacts": [other]})
    merge = {"survivor": contact["id"], "merged": made.json["results"][0]["id"], "why": word["why"]}
    under_way = await messages(house, mine, being)
    done = (await mine.ask("POST", "/v1/contact-merges", merge, Idempotency_Key=word["key"])).json
    assert (await mine.ask("POST", f"/v1/contact-merges/{done['id']}/undo")).status == 200
    assert (await mine.ask("POST", "/v1/contact-merges", merge)).status == 201
    await say(house, mine, being)
    return str(contact["id"]), under_way


async def bring(house: House, mine: Client, being: Being) -> None:
    """They come in a file, once as they are and once in a row that is not taken."""
    word = being.words
    rows = [
        ("id", "name", "phone", "email"),
        (word["external_id"], word["name"], f"{being.phones[0][:6]} {being.phones[0][6:]}", word["mail"]),
        (word["external_id"], word["name"], "12", word["mail"]),
    ]
    data = "\n".join(",".join(row) for row in rows).encode()
    path = f"/v1/imports?file_name={being.phones[0][1:]}.csv"
    sent = (await mine.ask("POST", path, data=data)).json
    assert (await mine.ask("POST", f"/v1/imports/{sent['id']}/start")).status == 202
    await house.importer.work()
    done = (await mine.ask("GET", f"/v1/imports/{sent['id']}")).json
    assert (done["state"], done["progress"]["failed"]) == ("done", 1), done


async def enlist(house: House, mine: Client, being: Being) -> None:
    """They are on the list of a file, and members of a campaign of it, with words of their own."""
    data = f"id,word\n{being.words['external_id']},{being.words['variable']}\n".encode()
    sent = (await mine.ask("POST", "/v1/imports", data=data)).json
    columns = [{"column": 1, "to": "external_id"}, {"column": 2, "to": "variable", "name": "what"}]
    said = await mine.ask("PUT", f"/v1/imports/{sent['id']}/mapping", {"columns": columns})
    assert said.status == 200, said
    assert (await mine.ask("POST", f"/v1/imports/{sent['id']}/start")).status == 202
    await house.importer.work()
    asked = {"name": "List", "of_import": {"import": sent["id"]}, "template": "hello", "line": LINE["name"]}
    made = (await mine.ask("POST", "/v1/campaigns", asked)).json
    assert (await mine.ask("POST", f"/v1/campaigns/{made['id']}/start")).status == 202
    await house.campaigns.move_on(mine.workspace_id, ids.read("campaign", made["id"]))  # nobody is told yet


async def messages(house: House, mine: Client, being: Being) -> Attempt:
    """Messages in every state: taken, refused with words about the person, unanswered, waiting; the attempt
    of one that is on its way."""
    word, phones = being.words, being.phones
    usual = {"class": "service", "channel": "whatsapp_cloud", "reference": word["reference"]}
    told = [
        usual | {"to": {"phone": phones[0]}, "text": word["text"]},
        usual | {"to": {"phone": phones[0]}, "template": "hello", "variables": {"what": word["variable"]}},
        usual | {"to": {"external_id": word["external_id"]}, "text": f"{word['text']} {word['mail']}"},
        usual | {"to": {"phone": phones[0]}, "text": word["code"], "class": "otp"},
        usual | {"to": {"phone": phones[1]}, "text": word["text"]},
        *[usual | {"to": {"phone": phones[0]}, "text": word["text"]}] * facts_common.HOLDERS_MIN,
    ]
    for number, one in enumerate(told):
        key = f"m{number}-{len(being.mark)}"
        sent = await mine.ask("POST", "/v1/messages", one, Idempotency_Key=key)
        assert sent.status == 202, sent
    (line,) = house.world.lines.of(mine.workspace_id)
    await reconcile.take_over(house.world, line, 1)
    claimed = sorted((await claiming.claim(house.world, line, 1, 100)).attempts, key=lambda one: one.id)
    refs = [f"wamid.{b64encode(one.address.encode()).decode()}.{one.id}" for one in claimed]
    outcomes = [
        Accepted((refs[0],)),
        Refused(Reason.BAD_ADDRESS, being.mark, word["detail"]),
        Unknown(f"no answer about {being.mark}"),
        Accepted((refs[3],)),
    ]
    tape = Tape(being)
    await send.record(house.world, [Ended(*pair, 0.0, tape) for pair in zip(claimed, outcomes, strict=False)])
    refused = Refused(Reason.REJECTED, being.mark, word["detail"])  # all in the same words
    await send.record(house.world, [Ended(one, refused, 0.0) for one in claimed[5:]])
    assert (await mine.ask("POST", "/v1/messages", told[0])).status == 202  # nobody sends it
    await hear(house, mine, statuses=[receipt(being, refs[0]), receipt(being, refs[3])])
    early = receipt(being, f"wamid.early-{being.mark}") | {"recipient_id": phones[1][1:]}
    await hear(house, mine, statuses=[early])  # parked until the one that is on its way is answered
    return claimed[4]


class Tape:
    """What was said to the provider about somebody, and answered."""

    def __init__(self, being: Being) -> None:
        self._being = being

    def exchanges(self) -> list[Exchange]:
        body = msgspec.json.encode([*self._being.words.values(), *self._being.phones])
        return [Exchange("http", Said("POST", body=body), Said("HTTP 400", body=body), 1.0, 1.5)]


def receipt(being: Being, ref: str) -> dict[str, Any]:
    """What the provider says of a message."""
    told = {"id": ref, "status": "delivered", "timestamp": "1795422600"}
    return told | {"recipient_id": being.phones[0][1:], "biz_opaque_callback_data": f"x-{being.mark}"}


async def say(house: House, mine: Client, being: Being) -> None:
    """They write to us."""
    told = {"from": being.phones[0][1:], "id": f"wamid.in-{being.mark}", "timestamp": "1795422600"}
    spoken = told | {"type": "text", "text": {"body": being.words["inbound"]}}
    await hear(house, mine, messages=[spoken])


async def hear(house: House, mine: Client, **value: Any) -> None:
    """A callback comes in as Meta sends it, and is worked through."""
    (line,) = house.world.lines.of(mine.workspace_id)
    number = {"display_phone_number": "1", "phone_number_id": NUMBER_ID}
    about = {"messaging_product": "whatsapp", "metadata": number} | value
    entry = {"id": "1", "changes": [{"field": "messages", "value": about}]}
    body = msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})
    path = f"/callbacks/{line.id:x}/{line.callback_token}"
    signed = {"X_Hub_Signature_256": hub_signature(SECRET, body)}
    heard = await mine.with_key("").ask("POST", path, data=body, **signed)
    assert heard.status == 200, heard
    await house.engine.applier.drained()


Planted = tuple[House, Client, str, str, Attempt]


@pytest.fixture
async def planted(house: tuple[House, Client]) -> Planted:
    """The person and their neighbour; an attempt to the person that is under way."""
    made, nobody = house
    mine = await member(nobody, made.ground, "shop")
    assert (await mine.ask("POST", "/v1/lines", LINE)).status == 201
    template = {"name": "hello", "variants": [{"content": {"text": "Hello {{ what }}"}}]}
    assert (await mine.ask("POST", "/v1/templates", template)).status == 201
    await made.world.lines.reload([mine.workspace_id])
    person, under_way = await plant(made, mine, PERSON, 1)
    neighbour, _ = await plant(made, mine, NEIGHBOUR, 2)
    return made, mine, person, neighbour, under_way


# ── every cell ───────────────────────────────────────────────────────────────────────────────────────


async def traces(house: House, being: Being) -> dict[str, set[str]]:
    """The cells that tell of somebody, by table: what is in clear, and what is sealed and opened here."""
    sought, found = being.sought(), dict[str, set[str]]()
    rows = await everything_in(house.ground.db)
    for name, table in metadata.tables.items():
        columns = [column.name for column in table.c]
        for row in rows.get(name, []):
            told = dict(zip(columns, row, strict=False))
            for column, cell in told.items():
                plain = cell if isinstance(cell, bytes) else str(cell).encode()
                said = [plain, *opened(house, name, told, column)]
                if any(one in each for one in sought for each in said):
                    found.setdefault(name, set()).add(column)
    return found


def opened(house: House, table: str, row: dict[str, Any], column: str) -> Iterator[bytes]:
    """What is sealed in a cell."""
    for cells in CELLS:
        if cells.place == (table, column) and row[column][:3] == b"v1.":
            place = cells.cell(row["workspace_id"], row["id"])
            yield house.ground.vault.open(row[column].decode(), place)


PLANTED_IN = {  # where they are before: a search that finds nothing anywhere proves nothing
    "address": {"value"},
    "attempt": {"address", "content", "code", "detail"},
    "campaign_member": {"variables"},
    "contact": {"external_id", "name", "fields", "tags"},
    "contact_import": {"seen", "name"},
    "import_error": {"raw"},
    "import_member": {"variables"},
    "contact_merge": {"before", "old_external_id", "why"},
    "exchange": {"body"},
    "fact": {"body"},
    "fact_common": {"body"},
    "idempotency": {"key", "response"},
    "inbound": {"text", "sender", "ref"},
    "journal": {"body"},
    "message": {"words", "reference", "to_address"},
    "parked_receipt": {"ref", "body", "address"},
    "part": {"ref"},
}


@pytest.mark.turns(3, 0)
async def test_a_person_who_is_erased_is_nowhere(planted: Planted) -> None:
    house, mine, person, neighbour, _ = planted
    before, theirs = await traces(house, PERSON), await traces(house, NEIGHBOUR)
    for table, columns in PLANTED_IN.items():
        assert columns <= before.get(table, set()), (table, before.get(table))
        assert before[table] == theirs[table]
    rows = await everything_in(house.ground.db)

    seen = (await mine.ask("GET", f"/v1/contacts/{person}/erase")).json
    assert await everything_in(house.ground.db) == rows  # to look at it changes nothing
    erased = await mine.ask("POST", f"/v1/contacts/{person}/erase")
    assert erased.status == 200, erased
    gone = erased.json["gone"]
    counted = ("address", "contact_merge", "message", "attempt", "inbound")
    assert [gone[name] for name in counted] == [seen["gone"][name] for name in counted]
    assert erased.json["messages_that_stay_counted"] == seen["messages_that_stay_counted"] == 9
    assert await traces(house, PERSON) == {}
    assert await traces(house, NEIGHBOUR) == theirs
    objections = (await everything_in(house.ground.db))["suppression"]  # outlive the person, by hashes alone
    assert len(objections) == gone["address"]
    assert {row[6] for row in objections} == {""}
    for path in (f"/v1/contacts/{person}", f"/v1/contacts/{person}/erase", f"/v1/contacts/{person}/export"):
        assert (await mine.ask("GET", path)).status == 404, path
    assert (await mine.ask("POST", f"/v1/contacts/{person}/erase")).status == 404
    assert (await mine.ask("GET", f"/v1/contacts/{neighbour}")).status == 200
    after = await everything_in(house.ground.db)
    for table in ("message", "attempt", "cost"):  # what was counted, and what it cost, stays
        assert len(after[table]) == len(rows[table]), table
    assert len(after["fact"]) > len(rows["fact"])
    assert [row[13:15] for row in after["message"]] == [row[13:15] for row in rows["message"]]


@pytest.mark.turns(3, 2)
async def test_a_repetition_does_not_make_the_person_again(planted: Planted) -> None:
    house, mine, person, _, _ = planted
    await mine.ask("POST", f"/v1/contacts/{person}/erase")
    again = await mine.ask("POST", "/v1/contacts", described(PERSON), Idempotency_Key="contact-1")
    assert (again.status, again.json["title"]) == (410, "The person has been erased")
    assert await traces(house, PERSON) == {}


@pytest.mark.turns(3, 1)
async def test_what_comes_later_is_not_written_down(planted: Planted) -> None:
    house, mine, person, _, under_way = planted
    await mine.ask("POST", f"/v1/contacts/{person}/erase")
    outcome = Refused(Reason.BAD_ADDRESS, PERSON.mark, f"nobody at {PERSON.phones[0]}")
    await send.record(house.world, [Ended(under_way, outcome, 0.0, Tape(PERSON))])
    own = {"biz_opaque_callback_data": ids.show("attempt", under_way.id)}
    await hear(house, mine, statuses=[receipt(PERSON, f"wamid.late-{PERSON.mark}") | own])
    assert await traces(house, PERSON) == {}
    # What names none of our attempts waits for one, sealed or parked, and goes with time (reconcile.py).
    await hear(house, mine, statuses=[receipt(PERSON, f"wamid.lost-{PERSON.mark}")])
    assert set(await traces(house, PERSON)) == {"journal", "parked_receipt"}


@pytest.mark.turns(3, 2)
async def test_nothing_is_left_in_the_file_once_it_is_written_anew(planted: Planted, tmp_path: Path) -> None:
    house, mine, person, _, _ = planted
    if house.ground.db.dialect == "postgresql":
        await nothing_is_left_in_a_dump(house, mine, person)
        return
    assert await in_files(tmp_path, PERSON.sought())
    await mine.ask("POST", f"/v1/contacts/{person}/erase")
    await house.ground.db.stop()
    write_anew(tmp_path / "angarium.db")
    assert await in_files(tmp_path, PERSON.sought()) == []
    assert await in_files(tmp_path, NEIGHBOUR.sought())


async def nothing_is_left_in_a_dump(house: House, mine: Client, person: str) -> None:
    """PostgreSQL keeps what is gone until it is vacuumed, and then in free space: a dump has rows alone."""
    await mine.ask("POST", f"/v1/contacts/{person}/erase")
    dumped = repr(await everything_in(house.ground.db)).encode()
    assert not [one for one in PERSON.sought() if one in dumped]


@pytest.mark.turns(3, 1)
async def test_a_person_may_have_everything_that_is_kept(planted: Planted) -> None:
    _, mine, person, neighbour, _ = planted
    heard = await mine.ask("GET", f"/v1/contacts/{person}/export")
    assert heard.status == 200
    told = heard.json
    assert told["contact"]["id"] == person
    assert len(told["was_also"]) == 1
    assert len(told["messages"]) == 9
    assert {one["contact"] for one in told["messages"]} == {person}
    assert [one["text"] for one in told["inbound"]] == [PERSON.words["inbound"]]
    assert len(told["kept"]["contact_merge"]) == 2
    everything = heard.body.decode()
    secret = PERSON.words["code"]
    for name in (
        "name",
        "external_id",
        "mail",
        "vk",
        "field",
        "tag",
        "text",
        "variable",
        "reference",
        "inbound",
    ):
        assert PERSON.words[name] in everything, name
    assert secret not in everything  # a code is nobody's to see, not even theirs
    assert NEIGHBOUR.mark not in everything
    assert neighbour not in everything


def test_every_table_says_what_it_keeps_of_a_person() -> None:
    tables = {table.name for table in metadata.sorted_tables if not table.info.get("only_in_tests")}
    unsaid = sorted(tables - TRACES.keys())
    assert not unsaid, (
        f"What becomes of a person in these when they are erased? messaging/store/traces.py: {unsaid}"
    )
    assert not TRACES.keys() - tables
    for name, trace in TRACES.items():
        for rows in trace if isinstance(trace, tuple) else ():
            assert rows.table == name
