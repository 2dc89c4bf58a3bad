"""The same request twice is done once and answered twice: on every route that promises it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from angarium.assembly import House
from angarium.storage.database import Database
from support.server import (
    CAMPAIGN,
    CASCADE,
    CONTACT,
    KEY,
    LINE,
    MADE_BY_POST,
    MESSAGE,
    PATTERN,
    SEGMENT,
    SMPP_ACCOUNT,
    SUPPRESSION,
    TEMPLATE,
    TWILIO_ACCOUNT,
    Client,
    everything_in,
    furnish,
    member,
    whole_house,
)

DECISIONS = {"decision": "sent", "reason": "its log has it", "messages": ["msg_05a581yz00002"]}
DRAFT = {"variants": TEMPLATE["variants"]}
CHECK = {"addresses": [{"kind": "phone", "value": "+380441234569"}]}
AGREED = {"purpose": "promotional", "state": "granted", "source": "counter"}
BODIES: dict[str, Any] = {path: body for path, body in MADE_BY_POST.values() if "?" not in path} | {
    "/v1/contacts/{contact_id}/consents": AGREED,
    "/v1/lines/{line_id}/patterns": PATTERN | {"name": "one"},
    "/v1/suppressions/check": CHECK,
    "/v1/templates/lint": DRAFT,
    "/v1/templates/preview": DRAFT,
    "/v1/templates/{template_id}/preview": {},
    "/v1/templates/{template_id}/retire": {},
    "/v1/contacts/batch": {"contacts": [CONTACT, {"external_id": "c-2"}]},
    "/v1/messages/batch": {"messages": [MESSAGE]},
    "/v1/messages/preview": MESSAGE,
    "/v1/campaigns/{campaign_id}/copy": None,
    "/v1/campaigns/{campaign_id}/exports": {"format": "csv"},
    "/v1/campaigns/{campaign_id}/resend": {},
    "/v1/messages/{message_id}/cancel": None,
    "/v1/unknowns/decide": DECISIONS,
}
OTHER = {  # path: the same request with another thing in it
    "/v1/lines": LINE | {"name": "other"},
    "/v1/templates": TEMPLATE | {"name": "other"},
    "/v1/lines/{line_id}/registrations": {"classes": ["service"]},
    "/v1/lines/{line_id}/patterns": PATTERN | {"name": "other"},
    "/v1/segments": SEGMENT | {"name": "other"},
    "/v1/suppressions": SUPPRESSION | {"detail": "other"},
    "/v1/suppressions/check": {"addresses": [{"kind": "phone", "value": "+380441234570"}]},
    "/v1/contacts/{contact_id}/consents": AGREED | {"state": "withdrawn"},
    "/v1/templates/lint": DRAFT | {"class": "otp"},
    "/v1/templates/preview": DRAFT | {"class": "otp"},
    "/v1/templates/{template_id}/preview": {"locale": "uk"},
    "/v1/templates/{template_id}/retire": {"note": "other"},
    "/v1/cascades": CASCADE | {"name": "other"},
    "/v1/contacts": CONTACT | {"external_id": "other"},
    "/v1/contact-fields": {"name": "other", "kind": "text"},
    "/v1/tariffs": {"name": "other"},
    "/v1/tariffs/{tariff_id}/price-lists": {"csv": "price\n0.02\n"},
    "/v1/keys": KEY | {"name": "other"},
    "/v1/smpp-accounts": SMPP_ACCOUNT | {"name": "other"},
    "/v1/twilio-accounts": TWILIO_ACCOUNT | {"name": "other"},
    "/v1/imports": {"another": "file"},
    "/v1/exports": {"audience": {"tags": ["gold"]}},
    "/v1/campaigns": CAMPAIGN | {"name": "other"},
    "/v1/contacts/batch": {"contacts": [{"external_id": "other"}]},
    "/v1/messages": MESSAGE | {"text": "other"},
    "/v1/messages/batch": {"messages": [MESSAGE | {"text": "other"}]},
    "/v1/messages/preview": MESSAGE | {"text": "other"},
    "/v1/campaigns/{campaign_id}/copy": {"name": "other"},
    "/v1/campaigns/{campaign_id}/exports": {"format": "xlsx"},
    "/v1/campaigns/{campaign_id}/resend": {"states": ["failed"]},
    "/v1/messages/{message_id}/cancel": {"text": "other"},
    "/v1/unknowns/decide": DECISIONS | {"decision": "not_sent"},
}
ELSEWHERE = {  # what wants things that are not made here
    "/v1/contact-merges": "test_merges.py",
    "/v1/contact-merges/{merge_id}/undo": "test_merges.py",
    "/v1/identity-providers": "wants a provider that answers: test_sso.py",
    "/v1/invitations": "wants a person who invites: test_people_api.py",
    "/v1/keys/{api_key_id}/rotate": "test_reach.py",
    "/v1/people/{person_id}/reset": "wants a person: test_people_api.py",
    "/v1/twilio-accounts/{twilio_account_id}/token": "the same as for a new account, which is here",
    "/v1/media": "the same bytes are the same file, key or no key: test_media.py",
    "/v1/reviews": "wants a message that waits for a person",
    "/v1/unknowns/{message_id}/decide": "test_api_unknowns.py",
    **{
        f"/v1/templates/{{template_id}}/{verb}": "wants a version in that state: test_template_life.py"
        for verb in (
            "approve",
            "publish",
            "refuse",
            "request-changes",
            "roll-back",
            "submit",
            "unschedule",
            "withdraw",
        )
    },
}
SET_UP = [path for path in OTHER if "message" not in path and "{" not in path]


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[House, Client]]:
    """The whole API, on a database of its own."""
    async with whole_house(database_url, tmp_path) as made:
        yield made


async def promising(client: Client) -> list[str]:
    """The paths of every operation that heeds an Idempotency-Key."""
    paths = (await client.ask("GET", "/openapi.json")).json["paths"]
    return [
        path
        for path, methods in paths.items()
        for told in methods.values()
        if any(parameter["name"] == "Idempotency-Key" for parameter in told["parameters"])
    ]


async def test_every_post_is_done_once(house: tuple[House, Client]) -> None:
    made, nobody = house
    assert set(await promising(nobody)) - ELSEWHERE.keys() == set(BODIES) == set(OTHER)
    bare, furnished = [await member(nobody, made.ground, name) for name in ("bare", "furnished")]
    ids = await furnish(furnished, made)
    for path, body in sorted(BODIES.items()):
        client = furnished if "message" in path or "{" in path else bare
        where = re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], path)
        first = await client.ask("POST", where, body, Idempotency_Key=path)
        assert first.status in (200, 201, 202), first
        before = await everything_in(made.ground.db)
        again = await client.ask("POST", where, body, Idempotency_Key=path)
        assert (again.status, again.body) == (first.status, first.body), path
        other = await client.ask("POST", where, OTHER[path], Idempotency_Key=path)
        assert other.json["type"].endswith("/idempotency-mismatch"), path
        assert other.status == 422
        assert await everything_in(made.ground.db) == before, path


async def test_many_at_once_make_one(house: tuple[House, Client]) -> None:
    made, nobody = house
    mine = await member(nobody, made.ground, "mine")
    for path in SET_UP:
        asked = [mine.ask("POST", path, BODIES[path], Idempotency_Key="k" + path) for _ in range(8)]
        answers = await asyncio.gather(*asked)
        assert len({(answer.status, answer.body) for answer in answers}) == 1, path
        assert answers[0].status in (200, 201, 202), answers[0]
        replayed = [answer for answer in answers if "idempotent-replayed" in answer.headers]
        assert len(replayed) == 7, path
    rows = await everything_in(made.ground.db)
    counted = {name: len(rows[name]) for name in ("line", "template", "cascade", "contact")}
    assert counted == {"line": 1, "template": 1, "cascade": 1, "contact": 2}


async def test_many_at_once_with_keys_of_their_own_take_a_name_once(house: tuple[House, Client]) -> None:
    made, nobody = house
    mine = await member(nobody, made.ground, "mine")
    for path in ("/v1/lines", "/v1/templates", "/v1/cascades"):
        asked = [mine.ask("POST", path, BODIES[path], Idempotency_Key=f"{path}{n}") for n in range(10)]
        answers = await asyncio.gather(*asked, mine.ask("POST", path, BODIES[path]))
        assert sorted(answer.status for answer in answers) == [201] + [422] * 10, path
        assert all("name" in answer.fields for answer in answers if answer.status == 422)


async def test_many_at_once_with_keys_of_their_own_are_one_contact(house: tuple[House, Client]) -> None:
    made, nobody = house
    mine = await member(nobody, made.ground, "mine")
    asked = [mine.ask("POST", "/v1/contacts", CONTACT, Idempotency_Key=str(n)) for n in range(10)]
    answers = await asyncio.gather(*asked)
    assert {answer.status for answer in answers} <= {200, 409}  # 409: asked to try again
    assert len({answer.json["id"] for answer in answers if answer.status == 200}) == 1
    assert len((await everything_in(made.ground.db))["contact"]) == 1


async def test_without_a_key_it_is_done_twice(house: tuple[House, Client]) -> None:
    made, nobody = house
    mine = await member(nobody, made.ground, "mine")
    first, second = [await mine.ask("POST", "/v1/keys", KEY) for _ in range(2)]
    assert first.json["id"] != second.json["id"]


async def test_what_was_wrong_burns_no_key(house: tuple[House, Client]) -> None:
    made, nobody = house
    mine = await member(nobody, made.ground, "mine")
    for path, wrong in (
        ("/v1/lines", LINE | {"price": "free"}),
        ("/v1/templates", TEMPLATE | {"variants": []}),
        ("/v1/cascades", CASCADE | {"steps": [{"channel": "fax"}]}),
        ("/v1/contacts", {"addresses": [{"kind": "phone", "value": "x"}]}),
        ("/v1/keys", KEY | {"scopes": []}),
    ):
        assert (await mine.ask("POST", path, wrong, Idempotency_Key=path)).status == 422, path
        good = await mine.ask("POST", path, BODIES[path], Idempotency_Key=path)
        assert good.status in (200, 201), good
    taken = await mine.ask("POST", "/v1/lines", LINE, Idempotency_Key="taken")
    assert taken.fields["name"]["problem"] == "a line of this name exists"
    assert (await mine.ask("POST", "/v1/lines", OTHER["/v1/lines"], Idempotency_Key="taken")).status == 201


async def test_a_key_is_of_one_workspace_and_one_address(house: tuple[House, Client]) -> None:
    made, nobody = house
    mine, theirs = await member(nobody, made.ground, "mine"), await member(nobody, made.ground, "theirs")
    first = await mine.ask("POST", "/v1/contacts", CONTACT, Idempotency_Key="k")
    second = await theirs.ask("POST", "/v1/contacts", CONTACT, Idempotency_Key="k")
    assert (first.status, second.status) == (200, 200)
    assert first.json["id"] != second.json["id"]
    elsewhere = await mine.ask("POST", "/v1/templates", CONTACT, Idempotency_Key="k")
    assert elsewhere.status == 422


async def test_what_a_key_looks_like(house: tuple[House, Client]) -> None:
    made, nobody = house
    mine = await member(nobody, made.ground, "mine")
    for key in ("a", '"quoted"', "x" * 255):
        assert (await mine.ask("POST", "/v1/contacts", CONTACT, Idempotency_Key=key)).status == 200, key
    for key in ("", "a b", "é", '"', "x" * 256):
        answer = await mine.ask("POST", "/v1/contacts", CONTACT, Idempotency_Key=key)
        assert (answer.status, list(answer.fields)) == (422, ["Idempotency-Key"]), key
    unquoted = await mine.ask("POST", "/v1/contacts", CONTACT, Idempotency_Key="quoted")
    assert "idempotent-replayed" in unquoted.headers


async def test_an_answer_outlives_the_process(database_url: str, tmp_path: Path) -> None:
    async with whole_house(database_url, tmp_path) as (made, nobody):
        mine = await member(nobody, made.ground, "mine")
        first = {path: await mine.ask("POST", path, BODIES[path], Idempotency_Key=path) for path in SET_UP}
    async with whole_house(database_url, tmp_path) as (_, nobody):
        mine = nobody.with_key(mine.key)
        for path, before in first.items():
            again = await mine.ask("POST", path, BODIES[path], Idempotency_Key=path)
            assert (again.status, again.body) == (before.status, before.body), path
            assert again.headers["idempotent-replayed"] == "true"


async def test_the_secret_of_a_key_is_nowhere_in_the_database(house: tuple[House, Client]) -> None:
    made, nobody = house
    mine = await member(nobody, made.ground, "mine")
    new = await mine.ask("POST", "/v1/keys", KEY, Idempotency_Key="k")
    secret = new.json["key"].rpartition("_")[2]
    assert len(secret) == 64
    assert not holds(await everything_in(made.ground.db), secret)
    again = await mine.ask("POST", "/v1/keys", KEY, Idempotency_Key="k")
    assert again.json["key"] == new.json["key"]


def holds(rows: dict[str, list[tuple[Any, ...]]], word: str) -> bool:
    """Whether a word stands in any cell, as text or as bytes."""
    return any(
        word in cell if isinstance(cell, str) else isinstance(cell, bytes) and word.encode() in cell
        for table in rows.values()
        for row in table
        for cell in row
    )


def test_where_a_word_would_be_found() -> None:
    assert holds({"a": [(1, "x word y")]}, "word")
    assert holds({"a": [(None, b"x word y")]}, "word")
    assert not holds({"a": [(1, "w", b"ord")]}, "word")


async def test_the_database_is_ours(database: Database) -> None:
    """`everything_in` sees every table, so that what these tests compare is the whole."""
    assert {"line", "contact", "idempotency", "message", "fact"} <= (await everything_in(database)).keys()
