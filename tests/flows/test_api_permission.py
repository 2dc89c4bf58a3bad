"""Consents, suppressed addresses and the link to unsubscribe, over the API of the whole application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from angarium.assembly import House
from angarium.contacts import suppression_list
from angarium.core import ids
from angarium.messaging import unsubscribe
from angarium.messaging.unsubscribe import Left
from angarium.storage.database import Database
from support.server import Client, everything_in, member, whole_house

PHONE, OTHER = "+380501234567", "+380507654321"
LINE = {
    "name": "sms",
    "channel": "smpp",
    "settings": {"host": "127.0.0.1", "port": 2775, "system_id": "shop", "password": "s", "source": "Shop"},
    "classes": ["promotional", "service"],
    "registration": "approved",
}


@pytest.fixture
async def shop(database: Database, database_url: str, tmp_path: Any) -> AsyncIterator[tuple[House, Client]]:
    """Everything but the loops that send, with a line and a contact, and a client with every right."""
    async with whole_house(database_url, tmp_path) as (house, nobody):
        mine = await member(nobody, house.ground, "shop")
        assert (await mine.ask("POST", "/v1/lines", LINE)).status in (200, 201)
        await house.world.lines.reload([mine.workspace_id])
        yield house, mine


async def contact(mine: Client, phone: str = PHONE, **given: Any) -> str:
    """A contact; its id."""
    body = {"addresses": [{"kind": "phone", "value": phone}], **given}
    return str((await mine.ask("POST", "/v1/contacts", body)).json["id"])


async def send(mine: Client, message_class: str = "promotional", phone: str = PHONE) -> str:
    """A message; its id."""
    body = {"to": {"phone": phone}, "class": message_class, "text": "Sale", "channel": "smpp"}
    answer = await mine.ask("POST", "/v1/messages", body)
    assert answer.status == 202, answer
    return str(answer.json["id"])


async def state(mine: Client, message: str) -> tuple[str, str]:
    """Its state and reason."""
    told = (await mine.ask("GET", f"/v1/messages/{message}")).json
    return told["state"], told["reason"]


async def test_a_consent_is_written_down_listed_exported_and_withdrawn(shop: tuple[House, Client]) -> None:
    _, mine = shop
    who = await contact(mine)
    path = f"/v1/contacts/{who}/consents"
    given = {
        "purpose": "promotional",
        "state": "granted",
        "source": "checkout",
        "wording": "v3",
        "proof": {"ip": "203.0.113.7", "text": "=yes, please"},
        "given_at": "2026-01-02T03:04:05Z",
    }
    entry = (await mine.ask("POST", path, given)).json
    assert {name: entry[name] for name in given} == {**given, "given_at": "2026-01-02T03:04:05.000Z"}
    assert entry["contact"] == who
    assert entry["by"].startswith("key_")
    message = await send(mine)
    withdrawn = {"purpose": "promotional", "state": "withdrawn", "source": "call"}
    await mine.ask("POST", path, withdrawn)
    assert await state(mine, message) == ("refused", "opted_out")
    assert (await mine.ask("GET", f"/v1/contacts/{who}")).json["opted_out"] == ["promotional"]
    listed = (await mine.ask("GET", f"/v1/consents?contact={who}")).json["items"]
    assert [one["state"] for one in listed] == ["granted", "withdrawn"]
    assert (await mine.ask("GET", "/v1/consents?state=granted")).json["items"] == [entry]
    first = (await mine.ask("GET", "/v1/consents?limit=1")).json
    second = (await mine.ask("GET", f"/v1/consents?limit=1&cursor={first['next']}")).json
    assert [*first["items"], *second["items"]] == listed
    rows = (await mine.ask("GET", "/v1/consents/export")).body.decode().splitlines()
    assert rows[0].startswith("id,contact,purpose")
    assert len(rows) == 3
    assert "203.0.113.7" in rows[1]
    preview = {"to": {"contact": who}, "class": "promotional", "text": "Sale", "channel": "smpp"}
    (step,) = (await mine.ask("POST", "/v1/messages/preview", preview)).json["steps"]
    assert (step["goes"], step["rule"], step["set_at"]) == (False, "opt-out", f"/v1/contacts/{who}")
    checked = {check["rule"]: check["verdict"] for check in step["checks"]}
    assert checked["opt-out"] == "refuse"
    assert checked["quiet-hours"] == checked["caps"] == checked["suppression"] == "allow"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"purpose": "ads", "state": "granted", "source": "x"}, "purpose"),
        ({"purpose": "promotional", "state": "lifted", "source": "x"}, "state"),
        ({"purpose": "promotional", "state": "granted", "source": ""}, "source"),
        ({"purpose": "promotional", "state": "granted", "source": "x", "channel": "SMS!"}, "channel"),
        ({"purpose": "promotional", "state": "granted", "source": "x", "proof": {"a": "b" * 1_001}}, "proof"),
    ],
)
async def test_a_consent_that_cannot_be_names_its_field(
    shop: tuple[House, Client], given: dict[str, Any], field: str
) -> None:
    _, mine = shop
    who = await contact(mine)
    answer = await mine.ask("POST", f"/v1/contacts/{who}/consents", given)
    assert answer.status == 422
    assert any(name.startswith(field) for name in answer.fields), answer.fields
    assert (await mine.ask("GET", "/v1/consents")).json["items"] == []


async def test_an_address_is_put_on_the_list_and_taken_off(shop: tuple[House, Client]) -> None:
    _, mine = shop
    await contact(mine)
    promotional, service = await send(mine), await send(mine, "service")
    body = {"kind": "phone", "value": "00380 50 123 45 67", "reason": "regulator", "source": "register"}
    entry = (await mine.ask("POST", "/v1/suppressions", body)).json
    assert (entry["value"], entry["stops"], entry["line"]) == (PHONE, ["promotional"], None)
    assert await state(mine, promotional) == ("refused", "suppressed")
    assert (await state(mine, service))[0] == "queued"
    path = f"/v1/suppressions/{entry['id']}"
    assert (await mine.ask("GET", path)).json == entry
    again = (await mine.ask("POST", "/v1/suppressions", body | {"detail": "again"})).json
    assert again == entry | {"detail": "again"}
    assert (await mine.ask("GET", "/v1/suppressions?reason=regulator")).json["items"] == [again]
    assert (await mine.ask("GET", "/v1/suppressions?reason=complaint")).json["items"] == []
    asked = {"addresses": [{"kind": "phone", "value": PHONE}, {"kind": "phone", "value": OTHER}]}
    results = (await mine.ask("POST", "/v1/suppressions/check", asked)).json["results"]
    assert [one["suppressed"] for one in results] == [[again], []]
    for unsaid in ("", "?because=", "?because=%20", f"?because={'x' * 301}", "?because=a%0Ab"):
        refused = await mine.ask("DELETE", path + unsaid)
        assert (refused.status, list(refused.fields)) == (422, ["because"]), unsaid
    assert (await mine.ask("GET", path)).json == again
    assert (await mine.ask("DELETE", f"{path}?because=Off%20the%20register,%20letter%2012")).status == 204
    assert (await mine.ask("DELETE", f"{path}?because=again")).status == 404
    assert (await state(mine, await send(mine)))[0] == "queued"


async def test_why_an_entry_was_taken_off_is_kept_with_its_contact_until_that_is_erased(
    shop: tuple[House, Client],
) -> None:
    house, mine = shop
    who = await contact(mine)
    body = {"kind": "phone", "value": PHONE, "reason": "complaint"}
    entry = (await mine.ask("POST", "/v1/suppressions", body)).json
    said = "She asked for it in chat 4711"
    await mine.ask("DELETE", f"/v1/suppressions/{entry['id']}?because={said.replace(' ', '+')}")
    contact_id = ids.read("contact", who)

    async def remembered() -> list[suppression_list.Lifted]:
        return await house.ground.db.read(suppression_list.lifted, mine.workspace_id, [contact_id])

    async def noted() -> Any:
        (row,) = (await mine.ask("GET", "/v1/audit?action=suppression.removed")).json["items"]
        return row["details"]

    (told,) = await remembered()
    assert (told.reason, told.because, told.suppression) == ("complaint", said, entry["id"])
    assert told.by.startswith("key_")
    assert (await noted())["because"] == said
    assert (await mine.ask("POST", f"/v1/contacts/{who}/erase", {})).status == 200
    assert [(one.reason, one.because) for one in await remembered()] == [("complaint", "")]
    assert said not in repr(await noted())
    assert said not in repr(await everything_in(house.ground.db))


async def test_the_flag_of_an_address_shows_the_list(shop: tuple[House, Client]) -> None:
    _, mine = shop
    who = await contact(mine)
    body = {"kind": "phone", "value": PHONE, "reason": "operator_blacklist"}
    entry = (await mine.ask("POST", "/v1/suppressions", body)).json

    async def flagged() -> bool:
        shown = (await mine.ask("GET", f"/v1/contacts/{who}")).json
        return bool(shown["addresses"][0]["operator_blacklist"])

    assert await flagged()
    await contact(mine)  # written again without the flag
    assert await flagged()
    await mine.ask("DELETE", f"/v1/suppressions/{entry['id']}")
    assert not await flagged()
    await mine.ask(
        "POST",
        "/v1/contacts",
        {"addresses": [{"kind": "phone", "value": OTHER, "operator_blacklist": True}]},
    )
    listed = (await mine.ask("GET", "/v1/suppressions")).json["items"]
    assert [(one["value"], one["source"]) for one in listed] == [(OTHER, "contact")]


async def test_a_list_is_imported_and_a_newer_one_takes_its_place(shop: tuple[House, Client]) -> None:
    _, mine = shop
    await contact(mine)
    message = await send(mine)
    numbers = [f"+38050{number:07}" for number in range(5_000)]
    text = "\n".join(["380501234567;Anna", "not a number", *numbers]).encode()
    path = "/v1/suppressions/import?reason=operator_blacklist&source=mci&mode=replace"
    plain = {"Content_Type": "text/plain"}
    done = (await mine.ask("POST", path, data=text, **plain)).json
    assert (done["taken"], done["removed"], done["refused"]) == (5_001, 0, 1)
    assert done["wrong"] == [{"line": 2, "value": "not a number", "problem": "is not a phone number"}]
    assert await state(mine, message) == ("refused", "operator_blacklist")
    again = (await mine.ask("POST", path, data=text, **plain)).json
    assert (again["taken"], again["removed"]) == (5_001, 0)
    newer = (await mine.ask("POST", path, data=f"{OTHER}\r\n{numbers[0]}".encode(), **plain)).json
    assert (newer["taken"], newer["removed"]) == (2, 5_000)
    rows = (await mine.ask("GET", "/v1/suppressions/export")).body.decode().splitlines()
    assert len(rows) == 3
    assert (await state(mine, await send(mine)))[0] == "queued"
    assert (await state(mine, await send(mine, phone=OTHER)))[1] == "operator_blacklist"
    empty = (await mine.ask("POST", path, data=b"", **plain)).json
    assert (empty["taken"], empty["removed"]) == (0, 0)  # a list that did not arrive takes nothing away


# ── the link ─────────────────────────────────────────────────────────────────────────────────────────


async def link(house: House, mine: Client, message: str) -> str:
    """The path of a message's link."""
    left = Left(mine.workspace_id, ids.read("message", message))
    return f"/u/{unsubscribe.token(house.ground.vault, left)}"


async def test_looking_changes_nothing_and_pressing_unsubscribes_once(shop: tuple[House, Client]) -> None:
    house, mine = shop
    who = await contact(mine, locale="fa")
    first, second, service = await send(mine), await send(mine), await send(mine, "service")
    path = await link(house, mine, first)
    nobody = mine.with_key("", 0)
    for method in ("GET", "HEAD", "GET"):
        page = await nobody.ask(method, path)
        assert page.status in (200, 405)
    page = await nobody.ask("GET", path)
    assert page.headers["content-type"].startswith("text/html")
    assert 'dir="rtl"' in page.body.decode()
    assert (await state(mine, second))[0] == "queued"
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    for _ in range(2):
        done = await nobody.ask("POST", path, data=b"List-Unsubscribe=One-Click", **form)
        assert done.status == 200
    assert await state(mine, first) == await state(mine, second) == ("refused", "opted_out")
    assert (await state(mine, service))[0] == "queued"
    (entry,) = (await mine.ask("GET", f"/v1/consents?contact={who}")).json["items"]
    assert (entry["source"], entry["proof"]["by"]) == ("unsubscribe_link", "one_click")
    assert entry["proof"]["message"] == first


async def test_a_link_that_is_none_of_ours_says_so_and_is_counted(shop: tuple[House, Client]) -> None:
    house, mine = shop
    await contact(mine)
    good = await link(house, mine, await send(mine))
    nobody = mine.with_key("", 0)
    forged = good[:-6] + ("A" * 6 if not good.endswith("A" * 6) else "B" * 6)
    for path in (forged, "/u/x", f"{good}x"):
        for method in ("GET", "POST"):
            answer = await nobody.ask(method, path)
            assert answer.status == 404
            assert answer.headers["content-type"].startswith("text/html")
    statuses = {(await nobody.ask("POST", forged)).status for _ in range(70)}
    assert statuses == {404, 429}
    assert (await nobody.ask("POST", good)).status == 200  # a good one is heard all the same


def test_policies_about_people_name_what_is_wrong() -> None:
    from angarium.core.problems import Problem
    from angarium.messaging.policies import KINDS

    quiet = {"rules": [{"from": "21:00", "until": "09:00", "classes": ["otp"]}]}
    with pytest.raises(Problem) as raised:
        KINDS["quiet-hours"].read(msgspec.json.encode(quiet))
    assert "otp" in raised.value.fields[0].problem
