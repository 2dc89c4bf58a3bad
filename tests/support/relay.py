"""A shop with lines on which we play the providers ourselves: the flows of the heart, on still time.

Nothing is mocked: the database is real, the flows are the real ones. Only the loops are replaced by the test,
which claims, answers and brings receipts when it wants to.
"""

from __future__ import annotations

from typing import Any

import msgspec

from angarium import channels
from angarium.accounts import flows as accounts
from angarium.contacts import flows as contacts
from angarium.contacts.rules import ContactInput
from angarium.contacts.store import Contact
from angarium.contacts.store import fields as _fields  # noqa: F401  so that its table is declared
from angarium.content import flows as templates
from angarium.content import review
from angarium.content.flows import Deed, TemplateInput
from angarium.content.rules import Variant
from angarium.core import ids
from angarium.core.ids import IdMint
from angarium.core.ports import (
    Accepted,
    Allowance,
    Event,
    Inbound,
    Outcome,
    Raw,
    Receipt,
    Refused,
    Tools,
    Unknown,
    Watermark,
)
from angarium.core.problems import Problem
from angarium.core.values import Content, MessageClass, Reason, ReceiptStatus
from angarium.doors.webchat import store as _web_chat  # noqa: F401  the same: whoever is erased goes from it
from angarium.lines import flows as lines
from angarium.lines import tariffs_flows as tariffs
from angarium.lines.at_hand import Lines
from angarium.lines.rules import LineInput
from angarium.lines.store import Line
from angarium.lines.tariffs_flows import ListInput, TariffInput
from angarium.lines.tariffs_store import PriceList, Tariff
from angarium.messaging import (
    accept,
    cascades,
    claiming,
    plan,
    policies,
    receive,
    reconcile,
    send,
    story,
    withdrawal,
)
from angarium.messaging.accept import MessageInput, Order
from angarium.messaging.answering import Answer
from angarium.messaging.cascades import CascadeInput
from angarium.messaging.case import PICKED, Case, wake
from angarium.messaging.receive import Read
from angarium.messaging.send import Ended
from angarium.messaging.shares import WHOLE, Share
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.world import World
from angarium.storage.database import Database, Transaction
from angarium.storage.ground import Ground
from angarium.storage.vault import Vault
from support import together
from support.still import SeededChance, StillClock

SETTINGS: dict[str, dict[str, Any]] = {
    "vk_notify": {
        "api_key": "k",
        "service": "shop",
        "text_template": "plain",
        "text_variable": "text",
    },
    "whatsapp_cloud": {
        "phone_number_id": "1234567890",
        "access_token": "token",
        "app_secret": "app-secret",
        "verify_token": "word",
    },
    "viber_business": {"api_key": "k", "sender": "Shop"},
    "smpp": {
        "host": "127.0.0.1",
        "port": 2775,
        "system_id": "shop",
        "password": "secret",
        "source": "Shop",
    },
    "smtp": {"host": "127.0.0.1", "port": 2525, "security": "none", "sender_address": "shop@example.com"},
}
SENDS = ("otp", "transactional", "service")


class Relay:
    """A workspace, its world, and the providers' part in it."""

    def __init__(self, database: Database, seed: int = 0, clock: Any = None) -> None:
        self.clock = clock or StillClock()
        chance = SeededChance(seed)
        self.ground = Ground(
            db=database,
            clock=self.clock,
            chance=chance,
            ids=IdMint(self.clock),
            vault=Vault([chance.secret(32)], chance),
            fabric=together.fabric_on(database, self.clock),
        )
        self.world = World(
            ground=self.ground,
            channels=channels.load(),
            lines=Lines(self.ground),
            tools=Tools(self.clock, chance, None),
            connect=lambda *_: (_ for _ in ()).throw(AssertionError("no network here")),
        )
        self.workspace_id = 0
        self.lines: dict[str, Line] = {}
        self._refs = 0

    async def open(self) -> Relay:
        """The workspace."""
        await together.begin(self.ground.fabric)
        PICKED.clear()  # the ids are those of the shop of the test before
        self.workspace_id = (await accounts.create_workspace(self.ground, "shop")).id
        return self

    # ── what the shop has ────────────────────────────────────────────────────────────────────────────

    async def line(self, name: str, channel: str, classes: tuple[str, ...] = SENDS, **given: Any) -> Line:
        """A line, approved unless it is said otherwise."""
        described = {
            "name": name,
            "channel": channel,
            "settings": SETTINGS.get(channel),
            "classes": classes,
            "registration": "approved",
            "price": "0.01",
            **given,
        }
        made = await lines.create(self.ground, self.workspace_id, msgspec.convert(described, LineInput))
        await self.world.lines.reload([self.workspace_id])
        self.lines[name] = made
        await self.restart(name, epoch=1)
        return made

    async def change_line(self, name: str, **given: Any) -> None:
        """A line as it is described now."""
        before = self.lines[name]
        described = {
            "name": name,
            "channel": before.channel,
            "settings": SETTINGS[before.channel],
            "classes": sorted(before.classes),
            "registration": before.registration,
            **given,
        }
        changed = await lines.change(
            self.ground, self.workspace_id, before.id, msgspec.convert(described, LineInput)
        )
        await self.world.lines.reload([self.workspace_id])
        self.lines[name] = changed

    async def tariff(self, name: str, rows: list[dict[str, Any]], **given: Any) -> Tariff:
        """A tariff whose prices hold from now on."""
        described = {"name": name, **given}
        asked = msgspec.convert(described, TariffInput)
        made = await self.ground.db.run(tariffs.new_tariff, self.ground, self.workspace_id, asked, "key_test")
        await self.prices(made, rows)
        return made

    async def prices(self, of: Tariff, rows: list[dict[str, Any]], **given: Any) -> PriceList:
        """A price list of a tariff, put in force."""
        asked = msgspec.convert({"rows": rows, **given}, ListInput)
        looked = await self.ground.db.run(
            tariffs.new_list, self.ground, self.workspace_id, of.id, asked, "key_test"
        )
        done = await tariffs.put_in_force(
            self.ground, self.workspace_id, of.id, looked.price_list.id, "key_test"
        )
        await self.world.lines.reload([self.workspace_id])
        return done

    async def policy(self, kind: str, **document: Any) -> None:
        """A policy as it is from now on."""
        given = msgspec.convert(document, policies.KINDS[kind].type)
        await policies.change(self.ground, self.world.policies, self.workspace_id, kind, given, "key_test")

    async def contact(self, **given: Any) -> Contact:
        """A contact, with a phone unless it is said otherwise."""
        described = {"addresses": [{"kind": "phone", "value": "+380501234567"}], **given}
        made = (
            await contacts.upsert(self.ground, self.workspace_id, [msgspec.convert(described, ContactInput)])
        )[0]
        assert isinstance(made, Contact), made
        return made

    async def template(self, name: str, text: str, message_class: str = "service") -> None:
        """A template with one wording for everybody, in force."""
        given = TemplateInput(name, (Variant(Content(text=text)),), MessageClass(message_class))

        async def work(tx: Transaction) -> None:
            deed = Deed("key_of_the_shop", self.clock.now())
            made = await templates.create(tx, self.ground, self.workspace_id, given, deed)
            await review.publish(tx, self.ground, made, None, review.Term(), deed)

        await self.ground.db.run(work)

    async def cascade(self, name: str, steps: list[dict[str, Any]]) -> None:
        """A cascade."""
        given = msgspec.convert({"name": name, "steps": steps}, CascadeInput)
        await self.ground.db.run(
            cascades.new_cascade, self.ground, self.world.channels, self.workspace_id, given
        )

    def accepted(self) -> Accepted:
        """The provider takes it, under a reference that `last_ref` tells."""
        self._refs += 1
        return Accepted((f"ref{self._refs}",))

    # ── what it asks for ─────────────────────────────────────────────────────────────────────────────

    async def order(
        self, *messages: dict[str, Any], key: str = "", body_hash: bytes = b"", batch: bool = False
    ) -> Any:
        """Offer messages; the answer's JSON, or the Problem."""
        asked = tuple(msgspec.convert(message, MessageInput) for message in messages)
        order = Order(self.workspace_id, asked, batch, key, body_hash)
        answer = (await accept.accept(self.world, [order]))[0]
        return msgspec.json.decode(answer.body) if isinstance(answer, Answer) else answer

    async def send(self, **given: Any) -> int:
        """Offer one message that must be accepted; its id."""
        described = {"to": {"phone": "+380501234567"}, "class": "service", "text": "Hello", **given}
        answer = await self.order(described)
        assert not isinstance(answer, Problem), answer
        return ids.read("message", answer["id"])

    # ── what happens to it ───────────────────────────────────────────────────────────────────────────

    async def claim(self, line: str, limit: int = 100, epoch: int = 1, share: Share = WHOLE) -> list[Attempt]:
        """What the sender of a line, or of a share of it, would hand over now."""
        return (await claiming.claim(self.world, self.lines[line], epoch, limit, share=share)).attempts

    async def answer(self, attempt: Attempt, outcome: Outcome) -> None:
        """How the submission of an attempt ended."""
        await send.record(self.world, [Ended(attempt, outcome, 0.0)])

    async def take(self, line: str, outcome: Outcome | None = None) -> Attempt:
        """Claim the one attempt that is due on a line and let the provider answer; Accepted by default."""
        (attempt,) = await self.claim(line)
        await self.answer(attempt, self.accepted() if outcome is None else outcome)
        return attempt

    def last_ref(self) -> str:
        """The reference that `take` gave last."""
        return f"ref{self._refs}"

    async def receipt(self, line: str, status: ReceiptStatus, ref: str = "", **given: Any) -> list[Case]:
        """What the provider says later; of the reference that was given last, unless it is said otherwise."""
        spoken = Receipt(status=status, ref=ref or ("" if given else self.last_ref()), **given)
        return await self._heard(line, spoken)

    async def hear(self, line: str, text: str, sender: str = "+380501234567", **given: Any) -> None:
        """A customer writes on a line."""
        self._refs += 1
        said = Inbound(f"in{self._refs}", sender, "Shop", text, **given)
        await self._heard(line, said)

    async def watermark(self, line: str, status: ReceiptStatus, until: int, **given: Any) -> list[Case]:
        """The provider says that all that went to a person until then has come to a status."""
        return await self._heard(line, Watermark(status, given.get("address", "+380501234567"), until))

    async def switch(
        self, line: str, allowed: bool, address: str = "+380501234567", **given: Any
    ) -> list[Case]:
        """A person allows a line to write, or forbids it."""
        self._refs += 1
        return await self._heard(line, Allowance(address, allowed, f"sw{self._refs}", **given))

    async def _heard(self, line: str, event: Event) -> list[Case]:
        entry = receive.entry(self.world, self.lines[line], Raw(b""))
        await receive.journal(self.world, [entry])
        read = Read(entry, self.lines[line], [event])
        now = self.clock.now()
        cases = await self.ground.db.run(receive._apply, self.world, self.workspace_id, [read], now)
        wake(self.world, cases)
        return cases

    async def wait(self, seconds: float) -> int:
        """Let time pass, and let the planner decide what is due; how many decisions it took."""
        self.clock.advance(seconds)
        await self.ground.db.run(withdrawal.look, self.world, self.workspace_id, self.clock.now())
        cases = await self.ground.db.run(plan.due, self.world, self.workspace_id, self.clock.now(), 1_000)
        return len(cases)

    async def restart(self, line: str, epoch: int, share: Share = WHOLE) -> int:
        """Another owner takes the line over, or a share of it; how many intents it found."""
        return await reconcile.take_over(self.world, self.lines[line], epoch, share)

    # ── what is to be seen ───────────────────────────────────────────────────────────────────────────

    async def told(self, message_id: int) -> dict[str, Any]:
        """The message as the API tells it."""
        return await self.ground.db.read(story.tell, self.world, self.workspace_id, message_id)

    async def state(self, message_id: int) -> tuple[str, str, bool]:
        """State, reason, and whether it has ended."""
        found = await self.told(message_id)
        return found["state"], found["reason"], found["finished"]

    async def attempts(self, message_id: int) -> list[tuple[str, str]]:
        """Line and state of each attempt."""
        return [(a["line"], a["state"]) for a in (await self.told(message_id))["attempts"]]


def refused(reason: Reason, **given: Any) -> Refused:
    """A refusal."""
    return Refused(reason, **given)


NO_ANSWER = Unknown("no answer within 10 s")
