"""Numbers and ids of which a provider says that there are none: noted for a line, for a time, disproved."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.contacts.store import suppressions
from angarium.contacts.suppression import BadAddresses, Note, Why, note_of
from angarium.core.values import AddressKind, Reason
from support.relay import Relay, refused

PHONE, CHAT = "+380501234567", "4711"
DAY_S = 86_400.0
UNKNOWN = refused(Reason.BAD_ADDRESS, code="1")
BOT: dict[str, Any] = {
    "settings": {"token": "1:" + "a" * 35, "webhook_secret": "secret", "receive": "webhook"}
}


async def listed(relay: Relay) -> list[tuple[str, str, str, bool]]:
    """Line, evidence, source, and whether it is in force, of each entry."""
    found = await relay.ground.db.read(suppressions.page, relay.workspace_id, suppressions.Filter(), 0, 100)
    names = {line.id: name for name, line in relay.lines.items()}
    assert {one.why for one in found} <= {Why.HARD_BOUNCE}
    now = relay.clock.now()
    return [
        (names.get(one.line_id, ""), one.detail, one.source, not one.expires_at or now < one.expires_at)
        for one in found
    ]


async def heard_twice(relay: Relay, apart_s: float = DAY_S) -> None:
    """A number is said not to be there, and again."""
    await relay.contact(external_id="c1")
    for _ in range(2):
        await relay.send(line="sms")
        await relay.take("sms", UNKNOWN)
        relay.clock.advance(apart_s)


async def test_a_number_that_is_said_not_to_be_there_twice_is_left_alone_on_that_line(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await relay.contact(external_id="c1")
    await relay.send(line="sms")
    await relay.take("sms", UNKNOWN)
    assert await listed(relay) == [("sms", "smpp 1", "receipt", False)]
    await relay.send(line="sms")
    await relay.take("sms", UNKNOWN)  # a network may be wrong for an hour
    assert await listed(relay) == [("sms", "smpp 1", "receipt", False)]
    relay.clock.advance(DAY_S)
    await relay.send(line="sms")
    await relay.take("sms", UNKNOWN)
    assert await listed(relay) == [("sms", "smpp 1", "receipt", True)]

    assert await relay.state(await relay.send(line="sms")) == ("failed", "bad_address", True)
    assert (await relay.state(await relay.send(line="sms", **{"class": "otp"})))[0] == "queued"
    await relay.line("other", "smpp")
    assert await relay.attempts(await relay.send(channel="smpp")) == [("other", "queued")]
    relay.clock.advance(30 * DAY_S)  # by then somebody else may have it
    assert (await relay.state(await relay.send(line="sms")))[0] == "queued"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_who_writes_is_there(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await heard_twice(relay)
    assert (await relay.state(await relay.send(line="sms")))[1] == "bad_address"
    await relay.hear("sms", "I am here")
    assert await listed(relay) == []
    assert (await relay.state(await relay.send(line="sms")))[0] == "queued"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_chat_that_a_bot_does_not_know_is_known_when_it_is_started(relay: Relay) -> None:
    await relay.line("bot", "telegram_bot", **BOT)
    await relay.contact(external_id="c1", addresses=[{"kind": "telegram", "value": CHAT}])
    to = {"address": {"kind": "telegram", "value": CHAT}}
    await relay.send(to=to, line="bot")
    await relay.take("bot", refused(Reason.BAD_ADDRESS, code="400"))
    assert await listed(relay) == [("bot", "telegram_bot 400", "receipt", True)]
    assert (await relay.state(await relay.send(to=to, line="bot")))[1] == "bad_address"
    await relay.switch("bot", True, address=CHAT)
    assert await listed(relay) == []
    assert (await relay.state(await relay.send(to=to, line="bot")))[0] == "queued"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_policy_may_note_nothing(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await relay.policy("bad-addresses", number_days=0)
    await heard_twice(relay)
    assert await listed(relay) == []


USUAL = BadAddresses()
MONTH, YEAR = 30 * DAY_S, 365 * DAY_S


@pytest.mark.parametrize(
    ("kind", "reason", "code", "policy", "note"),
    [
        (AddressKind.PHONE, Reason.BAD_ADDRESS, "1", USUAL, Note(Why.HARD_BOUNCE, False, MONTH, True)),
        (AddressKind.PHONE, Reason.BAD_ADDRESS, "", USUAL, None),  # ours: it cannot be written
        (AddressKind.PHONE, Reason.NOT_A_USER, "1", USUAL, None),  # of this messenger: cascades remember it
        (AddressKind.PHONE, Reason.UNREACHABLE, "1", USUAL, None),
        (AddressKind.PHONE, Reason.BAD_ADDRESS, "1", BadAddresses(number_days=0), None),
        (AddressKind.TELEGRAM, Reason.BAD_ADDRESS, "403", USUAL, Note(Why.HARD_BOUNCE, False, YEAR)),
        (AddressKind.TELEGRAM, Reason.BAD_ADDRESS, "403", BadAddresses(id_days=0), None),
        (AddressKind.TELEGRAM, Reason.BLOCKED_BY_USER, "403", USUAL, None),
        (AddressKind.EMAIL, Reason.BAD_ADDRESS, "", BadAddresses(0, 0), Note(Why.HARD_BOUNCE)),
        (AddressKind.EMAIL, Reason.OPTED_OUT, "abuse", USUAL, Note(Why.COMPLAINT)),
        (AddressKind.WEB_PUSH, Reason.BAD_ADDRESS, "410", USUAL, Note(Why.HARD_BOUNCE)),
        (
            AddressKind.PHONE,
            Reason.OPERATOR_BLACKLIST,
            "14",
            USUAL,
            Note(Why.OPERATOR_BLACKLIST, believed_s=180 * DAY_S),
        ),
    ],
)
def test_what_is_noted(
    kind: AddressKind, reason: Reason, code: str, policy: BadAddresses, note: Note | None
) -> None:
    assert note_of(kind, reason, code, policy) == note
