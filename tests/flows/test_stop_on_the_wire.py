"""STOP from a phone and one click in a mail, over real SMPP, SMTP and HTTP: the ledgers have the verdict."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from angarium.core import ids
from angarium.core.clock import to_datetime
from angarium.messaging import pages, unsubscribe_pages
from angarium.messaging.api import Desk
from angarium.simulators.mail import MailHost
from angarium.simulators.smsc import Smsc
from angarium.simulators.stage import Stage
from angarium.storage.database import Database
from support.running import Running, a_smsc, phone, running, until
from support.server import serving

SPEED = 10.0  # of the shop's clock
WORDS = ["STOP", "لغو۱۱", "إيقاف", "ВІДПИСАТИСЯ", "Не присылайте!", "退订"]
KEPT, BLACKLISTED = len(WORDS), len(WORDS) + 1  # who says nothing, and whom the operator's list has


def opens_soon(shop: Running) -> dict[str, Any]:
    """Hours of advertising that begin with the next minute but one: until then it waits."""
    opens = to_datetime(shop.clock.now()) + timedelta(minutes=2)
    closes = opens + timedelta(hours=10)
    return {"from": f"{opens:%H:%M}", "until": f"{closes:%H:%M}", "zone": "UTC"}


async def offer(shop: Running, number: int, message_class: str, **given: Any) -> int:
    """A message to one person; its id."""
    told = {"phone": phone(number)}
    text = f"{message_class} for {number}"
    described = {"to": told, "class": message_class, "text": text, "channel": "smpp", **given}
    answer = await shop.order(described)
    return ids.read("message", answer["id"])


async def test_a_phone_says_stop_and_what_was_queued_never_leaves(database: Database) -> None:
    async with a_smsc(Smsc(Stage())) as smsc, running(database, SPEED) as shop:
        await shop.sms_line(smsc, hours=opens_soon(shop))
        await shop.engine.start()
        await until(lambda: shop.line_state("sms").startswith("bound"))
        await shop.contact(
            external_id="listed",
            addresses=[{"kind": "phone", "value": phone(BLACKLISTED), "operator_blacklist": True}],
        )
        queued = [await offer(shop, number, "promotional") for number in range(KEPT + 1)]
        for number, word in enumerate(WORDS):
            await smsc.send_inbound(phone(number), "Shop", word)
        await smsc.send_inbound(phone(KEPT), "Shop", "please don't stop the delivery")
        for message in queued[:KEPT]:
            await until(lambda message=message: _is(shop, message, "refused", "opted_out"))
        assert await shop.state(queued[KEPT]) == ("scheduled", "", False)
        listed = await offer(shop, BLACKLISTED, "promotional")
        assert await shop.state(listed) == ("refused", "operator_blacklist", True)
        for number in range(BLACKLISTED + 1):
            await offer(shop, number, "service")
        await until(lambda: len(smsc.ledger.entries) == BLACKLISTED + 2)  # hours have opened
        await shop.after(60)
        taken = sorted(entry.text for entry in smsc.ledger.entries)
        services = [f"service for {number}" for number in range(BLACKLISTED + 1)]
        assert taken == sorted([*services, f"promotional for {KEPT}"])


async def _is(shop: Running, message: int, state: str, reason: str) -> bool:
    return await shop.state(message) == (state, reason, True)


async def test_one_click_in_a_mail_stops_the_next_one(database: Database) -> None:
    mail = MailHost(Stage())
    await mail.start()
    try:
        async with running(database) as shop:
            shop.world.public_url = "https://shop.example"
            settings = {
                "host": "127.0.0.1",
                "port": int(mail.url().rpartition(":")[2]),
                "security": "none",
                "sender_address": "shop@shop.example",
            }
            classes = ("promotional", "service")
            await shop.line("mail", "smtp", classes, settings=settings)
            await shop.engine.start()
            variants = [{"content": {"subject": "News", "text": "Leave: {{ unsubscribe_url }}"}}]
            said = {"to": {"email": "anna@example.org"}, "channel": "smtp", "variants": variants}
            answers = [await shop.order({**said, "class": one}) for one in classes]
            assert [answer["state"] for answer in answers] == ["queued", "queued"]
            await until(lambda: len(mail.ledger.entries) == 2)
            heads = {entry.details["list_unsubscribe"]: entry for entry in mail.ledger.entries}
            link = next(head for head in heads if head).strip("<>")
            assert set(heads) == {f"<{link}>", ""}  # a service message has no such button
            assert heads[f"<{link}>"].details["list_unsubscribe_post"] == "List-Unsubscribe=One-Click"
            assert heads[f"<{link}>"].text == f"Leave: {link}"
            path = link.removeprefix("https://shop.example")
            handlers = [*unsubscribe_pages.HANDLERS, *pages.HANDLERS]
            services = {"messages": Desk(shop.world, shop.engine)}
            async with serving(shop.ground, handlers, services=services) as browser:
                assert (await browser.ask("GET", path)).status == 200  # a scanner follows the link
                form = "application/x-www-form-urlencoded"
                pressed = await browser.ask(
                    "POST", path, data=b"List-Unsubscribe=One-Click", Content_Type=form
                )
                assert pressed.status == 200
            later = await shop.order({**said, "class": "promotional"})
            assert later["reason"] == "opted_out"
            await shop.order({**said, "class": "service"})
            await until(lambda: len(mail.ledger.entries) == 3)
            assert [entry.details["list_unsubscribe"] for entry in mail.ledger.entries[2:]] == [""]
    finally:
        await mail.stop()
