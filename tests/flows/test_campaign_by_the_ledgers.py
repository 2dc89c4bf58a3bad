"""The report of a campaign over WhatsApp, Viber and SMS says of each step what its operator's ledger says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from angarium.campaigns import report
from angarium.campaigns.runner import CampaignRunner
from angarium.contacts import flows as contacts
from angarium.contacts.rules import ContactInput
from angarium.messaging import api as messages
from angarium.messaging.api import Desk
from angarium.simulators import http_face
from angarium.simulators.behaviour import Behaviour, Faults, Rule, Script
from angarium.simulators.ledger import Entry, Ledger
from angarium.simulators.smsc import Smsc
from angarium.simulators.stage import Stage, Webhook
from angarium.simulators.viber import API_KEY, ViberFace
from angarium.simulators.whatsapp import ACCESS_TOKEN, PHONE_NUMBER_ID, WhatsappFace
from angarium.storage.database import Database
from support.marketer import Marketer
from support.running import Running, running, until
from support.server import serving

MEMBERS = 220  # twenty of each fate
SPEED = 20.0  # of the shop's clock: a minute of waiting is over in three seconds
TTL_S = (
    8.0  # of the operators' clock, at the most; what is late comes later, and after the next step was taken
)
FATES = ("00", "01", "02", "03", "04", "05", "06", "09", "11", "12", "50")  # the last digits of phones
STEPS = [
    {"channel": "whatsapp_cloud", "success": "delivered", "wait_s": 60},
    {"channel": "viber_business", "success": "delivered", "wait_s": 60},
    {"channel": "smpp"},
]
# The last step has the deadline of the message for its time to live: nothing expires there while we look.
BY_SMS = {"02": "undelivered", "03": "undelivered", "04": "delivered", "05": "delivered"}
ENDS = frozenset({"expired", "undelivered", "not_a_user", "blocked", "window_closed"})
FAILED = {"whatsapp": ENDS - {"expired"}, "viber": ENDS, "smpp": ENDS}  # WhatsApp drops those without a word

pytestmark = pytest.mark.timeout(180)


def phone(number: int) -> str:
    """Of a member: its fate at every operator is in its last digits."""
    return f"+38050{number:05}{FATES[number % len(FATES)]}"


@asynccontextmanager
async def operators() -> AsyncIterator[tuple[WhatsappFace, ViberFace, Smsc]]:
    """Three of them, which do not dawdle."""
    rules = tuple(Rule(Behaviour(word), "smpp", digits) for digits, word in BY_SMS.items())
    stage = Stage(Script(rules, {"*": Faults(receipt_delay_s=0.01, read_delay_s=0.05)}))
    faces = WhatsappFace(stage), ViberFace(stage), Smsc(stage)
    for face in faces:
        await face.start()
    try:
        yield faces
    finally:
        for face in faces:
            await face.stop()


async def connect(shop: Running, faces: tuple[WhatsappFace, ViberFace, Smsc]) -> None:
    """A line to each."""
    whatsapp, viber, smsc = faces
    settings = {
        "phone_number_id": PHONE_NUMBER_ID,
        "access_token": ACCESS_TOKEN,
        "app_secret": "app-secret",
        "verify_token": "word",
        "base_url": whatsapp.url(),
    }
    line = await shop.line("wa", "whatsapp_cloud", ("service",), settings=settings, window=50)
    address = f"{shop.world.public_url}/callbacks/{line.id:x}/{line.callback_token}"
    whatsapp._stage.webhooks["whatsapp"] = Webhook(address, "app-secret")
    settings = {"api_key": API_KEY, "sender": "Shop", "base_url": f"{viber.url()}/v1/api"}
    await shop.line("viber", "viber_business", ("service",), settings=settings, window=50)
    await shop.sms_line(smsc)


async def tell_everybody(shop: Running) -> int:
    """A campaign to all members, begun."""
    marketer = Marketer(shop)
    people = [
        {"external_id": f"c{number}", "addresses": [{"kind": "phone", "value": phone(number)}]}
        for number in range(MEMBERS)
    ]
    given = [msgspec.convert(one, ContactInput) for one in people]
    assert len(await contacts.upsert(shop.ground, shop.workspace_id, given)) == MEMBERS
    await shop.template("ready", "{{ contact.external_id }} is ready")
    await shop.cascade("relay", STEPS)
    return await marketer.begin(template="ready", cascade="relay", line="", variables={})


def hold_what_is_late(patch: pytest.MonkeyPatch, faces: tuple[WhatsappFace, ViberFace, Smsc]) -> None:
    """What is late is not delivered before another operator has taken the next step: else it would depend on
    the load of the machine which of the two is first."""
    happen, fate = http_face.Office._happen, http_face.fate

    async def held(self: http_face.Office, entry: Entry, status: http_face.Status, *rest: Any) -> None:
        if status.after_s > TTL_S:
            ledgers = [face.ledger for face in faces]
            later = ledgers[ledgers.index(self.ledger) + 1 :]
            await until(lambda: any(of(entry) in map(of, one.entries) for one in later), 120.0)
        await happen(self, entry, status, *rest)

    patch.setattr(http_face.Office, "_happen", held)
    patch.setattr(http_face, "fate", lambda one, ttl_s, faults: fate(one, min(ttl_s, TTL_S), faults))


def of(entry: Entry) -> str:
    """Whose it is."""
    return "+" + entry.recipient.lstrip("+")


def by_phone(ledger: Ledger) -> dict[str, Entry]:
    """What an operator took, of each person once."""
    found = {of(entry): entry for entry in ledger.entries}
    assert len(found) == len(ledger.entries), "somebody has it twice"
    return found


def summed(own: dict[str, Entry], later: Iterable[dict[str, Entry]]) -> dict[str, int]:
    """What a step came to, by the ledgers of its operator and of those after it."""
    after = {one: entry for step in reversed([*later]) for one, entry in step.items()}
    words = {one: dict(entry.statuses) for one, entry in own.items()}
    arrived = {one: words[one]["delivered"] for one, entry in own.items() if entry.seen()}
    return {
        "tried": len(own),
        "delivered": len(arrived),
        "read": sum("read" in said for said in words.values()),
        "failed": sum(bool(FAILED[entry.face] & words[one].keys()) for one, entry in own.items()),
        "fell_back": sum(one in after for one in own),
        "late": sum(at > after[one].at for one, at in arrived.items() if one in after),
    }


async def test_each_step_is_what_its_operator_says(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with operators() as faces, running(database, speed=SPEED) as shop:
        hold_what_is_late(monkeypatch, faces)
        desk = Desk(shop.world, shop.engine)
        async with serving(shop.ground, messages.HANDLERS, services={"messages": desk}) as provider:
            shop.world.public_url = provider.url
            await connect(shop, faces)
            campaign_id = await tell_everybody(shop)
            await shop.engine.start()
            runner = CampaignRunner(shop.world, shop._workspaces)
            await runner.start()

            async def told() -> dict[str, Any]:
                now = shop.clock.now()
                return await shop.ground.db.read(
                    report.count, shop.world, shop.workspace_id, campaign_id, now
                )

            async def is_over() -> bool:
                at_rest = not any(face.waiting() for face in faces)
                found = await told()
                ended = found["state"] == "done" and not found["open"]
                return at_rest and ended and not any(shop.engine.backlogs().values())

            await until(is_over, 120.0)
            found = await told()
            await runner.stop()
    ledgers = [by_phone(face.ledger) for face in faces]
    steps = [{name: step[name] for name in summed({}, [])} for step in found["steps"]]
    assert [one["line"] for one in found["steps"]] == ["wa", "viber", "sms"]
    assert steps == [summed(own, ledgers[at + 1 :]) for at, own in enumerate(ledgers)]
    assert found["members"]["told"] == MEMBERS == len(ledgers[0])
    for name in ("delivered", "read", "failed", "fell_back", "late"):
        assert any(step[name] for step in steps), name
    everybody = {number for ledger in ledgers for number, entry in ledger.items() if entry.seen()}
    assert found["reached"] == len(everybody)
