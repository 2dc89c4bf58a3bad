"""The Twilio door over its own socket: what is asked for, refused, told and taken away, in Twilio's words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from angarium.core.clock import iso
from angarium.core.values import Reason, ReceiptStatus
from angarium.doors.routes import Route
from angarium.doors.twilio import asking, rules
from angarium.messaging.case import open_content
from angarium.protocols.signatures import twilio_signature
from angarium.storage.database import Database
from support.relay import Relay
from support.relay import refused as no
from support.twilio_door import PHONE, Caller, Place, twilio_place


@pytest.fixture
async def place(database: Database) -> AsyncIterator[Place]:
    """A shop on still time, with a door and an account."""
    async with twilio_place(database) as made:
        yield made


@pytest.fixture
def caller(place: Place) -> Caller:
    """A client of the account."""
    return place.caller


@pytest.fixture
def relay(place: Place) -> Relay:
    """The shop behind it."""
    return place.relay


async def test_a_message_is_shown_as_twilio_shows_it(relay: Relay, caller: Caller) -> None:
    status, made = await caller.send(Body="Привіт")
    assert status == 201
    assert (made["status"], made["to"], made["from"], made["body"]) == ("queued", PHONE, "Shop", "Привіт")
    assert (made["direction"], made["num_media"], made["api_version"]) == ("outbound-api", "0", "2010-04-01")
    assert made["sid"].startswith("SM")
    assert (len(made["sid"]), len(made["account_sid"])) == (34, 34)
    assert made["date_created"].endswith("+0000")
    assert made["date_sent"] is None
    await relay.take("sms")
    assert (await caller.get(made))["status"] == "sent"
    await relay.receipt("sms", ReceiptStatus.DELIVERED)
    shown = await caller.get(made)
    assert (shown["status"], shown["error_code"], shown["price"]) == ("delivered", None, "-0.01")


REFUSED: list[tuple[dict[str, Any], int, int]] = [
    ({"To": ""}, 400, 21604),
    ({"To": "12"}, 400, 21211),
    ({"Body": ""}, 400, 21602),
    ({"Body": "x" * 1601}, 400, 21617),
    ({"From": ""}, 400, 21603),
    ({"From": "Nobody"}, 400, 21606),
    ({"MessagingServiceSid": "MG" + "f" * 32}, 400, 21701),
    ({"StatusCallback": "ftp://x"}, 400, 21609),
    ({"MediaUrl": "https://x.example/a.png"}, 400, 21621),  # SMPP carries no pictures
    ({"MediaUrl": "a.png"}, 400, 21620),
    ({"ContentSid": "HX" + "0" * 32}, 400, 20422),
    ({"ValidityPeriod": "0"}, 400, 20422),
    ({"ScheduleType": "fixed"}, 400, 35111),
    ({"SendAt": "2001-01-01T00:00:00Z"}, 400, 35115),
]


async def test_what_cannot_be_asked_for_says_so_and_leaves_nothing(caller: Caller) -> None:
    for given, status, code in REFUSED:
        answer = await caller.send(**given)
        assert (answer[0], answer[1]["code"]) == (status, code), given
        assert answer[1]["status"] == status
        assert answer[1]["more_info"].endswith(str(code))
    assert (await caller.list())["messages"] == []


async def test_who_has_said_no_is_told_of_at_once(relay: Relay, caller: Caller) -> None:
    await relay.contact(addresses=[{"kind": "phone", "value": PHONE}], opted_out=["all"])
    status, answer = await caller.send(From="Ad")
    assert (status, answer["code"]) == (400, 21610)


async def test_who_calls_is_known_by_sid_and_token(place: Place, caller: Caller) -> None:
    for sid, token in (
        (caller.sid, "0" * 32),
        ("AC" + "0" * 32, caller.token),
        ("nobody", caller.token),
    ):
        status, answer = await Caller(caller.client, sid, token, caller.sid).send()
        assert (status, answer["code"]) == (401, 20003)
    other = await place.account("other")
    status, answer = await Caller(caller.client, other.sid, other.token, caller.sid).send()
    assert (status, answer["code"]) == (401, 20003)
    _, made = await caller.send()
    status, answer = await other.ask("GET", f"Messages/{made['sid']}.json")
    assert (status, answer["code"]) == (404, 20404)
    own_name = rules.message_sid(rules.read_account_sid(other.sid)[1], rules.read_message_sid(made["sid"])[1])  # type: ignore[index]
    status, answer = await other.ask("GET", f"Messages/{own_name}.json")
    assert (status, answer["code"]) == (404, 20404)


async def test_the_key_behind_it_bounds_it(place: Place) -> None:
    looking = await place.account("looking", scopes=("messages:read",))
    status, answer = await looking.send()
    assert (status, answer["code"]) == (403, 20003)
    assert (await looking.list())["messages"] == []
    await place.revoke(looking)
    assert (await looking.ask("GET", "Messages.json"))[0] == 401


async def test_a_service_names_class_and_way(relay: Relay, caller: Caller) -> None:
    status, made = await caller.send(From="", MessagingServiceSid="MG" + "a" * 32, Body="Your code is 1234")
    assert (status, made["messaging_service_sid"]) == (201, "MG" + "a" * 32)
    assert "1234" not in made["body"]
    assert (await relay.attempts(caller.message_id(made))) == [("sms", "queued")]


async def test_lists_go_page_by_page_and_are_filtered(caller: Caller) -> None:
    sids = [(await caller.send(To=f"+38050123{n:04}"))[1]["sid"] for n in range(5)]
    await caller.send(From="Ad-1")
    first = await caller.list(PageSize=4)
    assert (len(first["messages"]), first["page"], first["end"]) == (4, 0, 3)
    _, second = await caller.ask_at("GET", first["next_page_uri"])
    assert [one["sid"] for one in first["messages"][1:] + second["messages"]] == sids[::-1]
    assert (second["page"], second["next_page_uri"]) == (1, None)
    assert [one["sid"] for one in (await caller.list(To="+380501230002"))["messages"]] == [sids[2]]
    assert (await caller.list(To="+380501239999"))["messages"] == []
    assert [one["from"] for one in (await caller.list(From="Ad-1"))["messages"]] == ["Ad-1"]
    day = first["messages"][0]["date_created"]
    assert len((await caller.list(**{"DateSent>": "2020-01-01"}))["messages"]) == 6
    assert (await caller.list(**{"DateSent<": "2020-01-01"}))["messages"] == [], day
    status, answer = await caller.ask("GET", "Messages.json", query={"DateSent": "yesterday"})
    assert (status, answer["code"]) == (400, 20001)


async def test_it_is_cancelled_while_it_waits(relay: Relay, caller: Caller) -> None:
    at = iso(relay.clock.now() + 3_600_000_000)
    _, made = await caller.send(SendAt=at, ScheduleType="fixed")
    assert made["status"] == "scheduled"
    status, shown = await caller.change(made, Status="canceled")
    assert (status, shown["status"]) == (200, "canceled")
    status, answer = await caller.change(made, Status="canceled")
    assert (status, answer["code"]) == (400, 30409)


async def test_its_words_are_taken_away_and_it_is_deleted(relay: Relay, caller: Caller) -> None:
    _, made = await caller.send(Body="secret words")
    status, answer = await caller.change(made, Body="")
    assert (status, answer["code"]) == (400, 20009)
    await relay.take("sms")
    await relay.receipt("sms", ReceiptStatus.DELIVERED)
    status, shown = await caller.change(made, Body="")
    assert (status, shown["body"]) == (200, "")
    assert "secret words" not in str(await relay.told(caller.message_id(made)))
    assert (await caller.ask("DELETE", f"Messages/{made['sid']}.json"))[0] == 204
    assert (await caller.ask("GET", f"Messages/{made['sid']}.json"))[1]["code"] == 20404
    assert (await relay.state(caller.message_id(made)))[0] == "delivered"


async def test_what_fails_has_twilios_number(relay: Relay, caller: Caller) -> None:
    _, refused_one = await caller.send(To="+380501230001")
    await relay.take("sms", no(Reason.BAD_ADDRESS))
    _, lost = await caller.send(To="+380501230002")
    await relay.take("sms")
    await relay.receipt("sms", ReceiptStatus.FAILED, reason=Reason.UNREACHABLE, ref=relay.last_ref())
    shown = [await caller.get(one) for one in (refused_one, lost)]
    assert [(one["status"], one["error_code"]) for one in shown] == [
        ("failed", 30005),
        ("undelivered", 30003),
    ]


# ── what is told ─────────────────────────────────────────────────────────────────────────────────────


async def test_callbacks_are_signed_retried_and_never_doubled(
    place: Place, relay: Relay, caller: Caller
) -> None:
    _, made = await caller.send(StatusCallback=f"{place.shop_url}/status?x=1")
    await relay.take("sms")
    place.answers = 503
    assert await place.tell() == 1
    assert await place.tell() == 0  # not yet due again
    place.answers = 204
    relay.clock.advance(10)
    assert await place.tell() == 1
    await relay.receipt("sms", ReceiptStatus.DELIVERED)
    assert await place.tell() == 1
    assert await place.tell() == 0
    assert [one.form["MessageStatus"] for one in place.heard] == ["sent", "sent", "delivered"]
    for one in place.heard:
        assert one.form["MessageSid"] == made["sid"]
        assert one.form["AccountSid"] == caller.sid
        assert one.signature == twilio_signature(caller.token, f"{place.shop_url}/status?x=1", one.posted)


async def test_what_customers_write_is_told(place: Place, relay: Relay, caller: Caller) -> None:
    await relay.hear("sms", "Де моє замовлення?", sender=PHONE)
    assert await place.tell() == 1
    [one] = place.heard
    assert one.form["Body"] == "Де моє замовлення?"
    assert (one.form["From"], one.form["To"], one.form["SmsStatus"]) == (PHONE, "Shop", "received")
    assert one.signature == twilio_signature(caller.token, f"{place.shop_url}/inbound", one.posted)
    status, shown = await caller.ask("GET", f"Messages/{one.form['MessageSid']}.json")
    assert (status, shown["direction"], shown["body"]) == (200, "inbound", "Де моє замовлення?")


async def test_nothing_is_posted_to_private_places(database: Database) -> None:
    async with twilio_place(database, allow=()) as place:
        await place.caller.send(StatusCallback=f"{place.shop_url}/status")
        await place.relay.take("sms")
        assert await place.tell() == 1
        assert place.heard == []


# ── names ────────────────────────────────────────────────────────────────────────────────────────────


def test_sids_lead_back_to_what_they_name() -> None:
    assert rules.read_account_sid(rules.account_sid(5, 7)) == (5, 7)
    assert rules.read_message_sid(rules.message_sid(5, 7)) == (5, 7)
    for wrong in ("", "AC", "AC" + "g" * 32, "AC" + "f" * 32, "SM" + "0" * 31):
        assert rules.read_account_sid(wrong) is None
        assert rules.read_message_sid(wrong) is None


# ── files ────────────────────────────────────────────────────────────────────────────────────────────

PICTURE = "https://pictures.example/parcel.png?size=2"


async def test_a_picture_goes_with_a_message_and_is_shown_below_it(place: Place) -> None:
    relay = place.relay
    await relay.line("viber", "viber_business")
    caller = await place.account("pictures", routes=[{"source": "Shop", "class": "service", "line": "viber"}])
    status, made = await caller.send(Body="Your {{ parcel }}", MediaUrl=PICTURE)
    assert (status, made["num_media"], made["body"]) == (201, "1", "Your {{ parcel }}")
    (attempt,) = await relay.claim("viber")
    content = open_content(relay.world, attempt)
    assert (content.text, content.image_url) == ("Your {{ parcel }}", PICTURE)

    below = f"Messages/{made['sid']}/Media"
    status, listed = await caller.ask("GET", f"{below}.json")
    (one,) = listed["media_list"]
    assert (status, one["parent_sid"], one["content_type"]) == (200, made["sid"], "image/png")
    assert made["subresource_uris"]["media"].endswith(f"{below}.json")
    assert await caller.ask_at("GET", one["uri"]) == (200, one)
    assert (await caller.ask_at("GET", one["uri"].removesuffix(".json")))[0] == 307
    assert (await caller.ask("GET", f"{below}/ME{'0' * 32}.json"))[0] == 404


async def test_a_picture_may_go_alone_and_a_message_without_one_has_no_files(
    place: Place, caller: Caller
) -> None:
    _, plain = await caller.send()
    assert (await caller.ask("GET", f"Messages/{plain['sid']}/Media.json"))[1]["media_list"] == []
    await place.relay.line("viber", "viber_business")
    pictures = await place.account("pictures", routes=[{"source": "Shop", "line": "viber"}])
    status, made = await pictures.send(Body="", MediaUrl=PICTURE)
    assert (status, made["num_media"], made["body"]) == (201, "1", "")
    strange = await caller.ask("GET", f"Messages/{made['sid']}/Media.json")
    assert strange[0] == 404  # of another account


async def test_more_files_than_one_are_too_many() -> None:
    form = {"To": [PHONE], "From": ["Shop"], "Body": ["Hello"], "MediaUrl": [PICTURE, PICTURE]}
    with pytest.raises(asking.Refusal) as caught:
        asking.read_message(form, rules.AccountSettings(routes=(Route(line="sms"),)), 0)
    assert caught.value.code == 21623


async def test_what_a_customer_sends_with_a_file_is_told_and_shown(place: Place, caller: Caller) -> None:
    await place.relay.hear("sms", "Look", sender=PHONE, media_url="https://files.example/photo.jpg")
    assert await place.tell() == 1
    form = place.heard[-1].form
    told = (form["NumMedia"], form["MediaUrl0"], form["MediaContentType0"])
    assert told == ("1", "https://files.example/photo.jpg", "image/jpeg")
    status, listed = await caller.ask("GET", f"Messages/{form['MessageSid']}/Media.json")
    assert (status, listed["media_list"][0]["content_type"]) == (200, "image/jpeg")
