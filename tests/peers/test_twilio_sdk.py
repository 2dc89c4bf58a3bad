"""Twilio's official SDK for Python at our door, unmodified but for its base URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from angarium.core.values import ReceiptStatus
from angarium.storage.database import open_database
from support.databases import create_schema
from support.twilio_door import PHONE, Place, twilio_place

pytestmark = pytest.mark.peers("python:twilio")


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """A shop with the door."""
    database = open_database(f"sqlite:///{tmp_path / 'shop.db'}")
    await database.start()
    await create_schema(database)
    try:
        async with twilio_place(database) as made:
            yield made
    finally:
        await database.stop()


def sdk(place: Place, token: str = "") -> Any:
    """The client; only where it asks is ours."""
    from twilio.rest import Client

    client = Client(place.caller.sid, token or place.caller.token)
    client.api.base_url = place.client.url
    return client


async def test_it_sends_fetches_lists_cancels_and_deletes(place: Place) -> None:
    client, relay = sdk(place), place.relay
    messages = client.messages

    def send(number: int) -> Any:
        return messages.create(to=f"+38050123{number:04}", from_="Shop", body=f"No {number}: سلام")

    made = [await asyncio.to_thread(send, number) for number in range(3)]
    assert {one.status for one in made} == {"queued"}
    assert (made[0].body, made[0].to, made[0].from_) == ("No 0: سلام", "+380501230000", "Shop")
    assert made[0].date_created.tzinfo is not None
    await relay.claim("sms")
    fetched = await asyncio.to_thread(messages(made[0].sid).fetch)
    assert (fetched.sid, fetched.status) == (made[0].sid, "sending")
    listed = await asyncio.to_thread(lambda: messages.list(page_size=2))  # over two pages
    assert [one.sid for one in listed] == [one.sid for one in reversed(made)]
    only = await asyncio.to_thread(lambda: messages.list(to="+380501230001", limit=5))
    assert [one.sid for one in only] == [made[1].sid]
    since = await asyncio.to_thread(lambda: messages.list(date_sent_after=datetime(2020, 1, 1, tzinfo=UTC)))
    assert len(since) == 3
    at = datetime.fromtimestamp(relay.clock.now() / 1e6, UTC) + timedelta(hours=1)
    later = await asyncio.to_thread(
        lambda: messages.create(
            to=PHONE,
            messaging_service_sid="MG" + "a" * 32,
            body="Your code is 1234",
            schedule_type="fixed",
            send_at=at,
        )
    )
    assert later.status == "scheduled"
    cancelled = await asyncio.to_thread(lambda: messages(later.sid).update(status="canceled"))
    assert cancelled.status == "canceled"
    assert await asyncio.to_thread(messages(later.sid).delete)


async def test_it_sends_a_picture_and_finds_it_below_its_message(place: Place) -> None:
    await place.relay.line("viber", "viber_business")
    place.caller = await place.account("pictures", routes=[{"source": "Shop", "line": "viber"}])
    client, url = sdk(place), "https://pictures.example/parcel.png"
    made = await asyncio.to_thread(
        lambda: client.messages.create(to=PHONE, from_="Shop", body="Parcel", media_url=[url])
    )
    assert made.num_media == "1"
    [file] = await asyncio.to_thread(client.messages(made.sid).media.list)
    assert (file.parent_sid, file.content_type) == (made.sid, "image/png")
    fetched = await asyncio.to_thread(client.messages(made.sid).media(file.sid).fetch)
    assert fetched.sid == file.sid


async def test_its_errors_are_told_as_it_expects(place: Place) -> None:
    from twilio.base.exceptions import TwilioRestException

    async def code(client: Any, **given: Any) -> tuple[int, int]:
        asked = {"to": PHONE, "from_": "Shop", "body": "Hello", **given}
        with pytest.raises(TwilioRestException) as raised:
            await asyncio.to_thread(lambda: client.messages.create(**asked))
        return raised.value.status, raised.value.code

    client = sdk(place)
    assert await code(client, to="12") == (400, 21211)
    assert await code(client, body="x" * 1601) == (400, 21617)
    assert await code(sdk(place, "0" * 32)) == (401, 20003)
    await place.relay.contact(addresses=[{"kind": "phone", "value": PHONE}], opted_out=["all"])
    assert await code(client, from_="Ad") == (400, 21610)


async def test_its_own_validator_believes_our_callbacks(place: Place) -> None:
    from twilio.request_validator import RequestValidator

    url = f"{place.shop_url}/status?order=7"
    send = {"to": PHONE, "from_": "Shop", "body": "Hello", "status_callback": url}
    made = await asyncio.to_thread(lambda: sdk(place).messages.create(**send))
    await place.relay.take("sms")
    await place.tell()
    await place.relay.receipt("sms", ReceiptStatus.DELIVERED)
    await place.relay.hear("sms", "شکریه", sender=PHONE)
    await place.tell()
    told = [
        (one.form.get("MessageStatus", one.form["SmsStatus"]), one.form["MessageSid"]) for one in place.heard
    ]
    assert told[:2] == [("sent", made.sid), ("delivered", made.sid)]
    assert told[2][0] == "received"
    believes, doubts = RequestValidator(place.caller.token), RequestValidator("0" * 32)
    for one, address in zip(place.heard, (url, url, f"{place.shop_url}/inbound"), strict=True):
        assert believes.validate(address, one.form, one.signature)
        assert not doubts.validate(address, one.form, one.signature)
        assert not believes.validate(address, {**one.form, "To": "+1"}, one.signature)
