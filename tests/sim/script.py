"""What the shop does: orders with their keys, each repeated until it is answered; cancels; opt-outs."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from angarium.contacts import flows as contacts
from angarium.contacts.rules import ContactInput
from angarium.contacts.store import Contact
from angarium.core import ids
from angarium.core.problems import Problem
from angarium.messaging import accept, cancel
from angarium.messaging.accept import MessageInput, Order
from sim.checker import Checker, Rule
from sim.loop import VirtualClock
from sim.process import Process

Act = Callable[[Process], Coroutine[Any, Any, None]]

PEOPLE = 3
CLASSES = ("otp", "transactional", "service", "service", "promotional")
WAYS: tuple[tuple[str, ...], ...] = (
    ("smpp",),
    ("viber_business", "smpp"),
    ("vk_notify", "viber_business", "smpp"),
)
DEADLINES_S = (5.0, 20.0, 90.0, 300.0)
FILLER = " " + "." * 160  # a text of two parts


def phone(number: int) -> str:
    """Whose number it is."""
    return f"+38050123456{number}"


class Script:
    """One shop's day; `short` is a day of two orders."""

    def __init__(
        self, chance: random.Random, clock: VirtualClock, note: Callable[[str], None], short: bool
    ) -> None:
        self.attempted: dict[str, str] = {}  # reference -> text
        self.acked: dict[str, int] = {}  # reference -> message id
        self._chance = chance
        self._clock = clock
        self._note = note
        self._short = short

    def acts(self, workspace_id: int, people: Sequence[Contact], checker: Checker) -> list[Act]:
        """Everything that is to be done, in no order."""
        chance = self._chance
        if self._short:
            return [self._order(workspace_id, f"order{number}", checker) for number in range(2)]
        orders = [
            self._order(workspace_id, f"order{number}", checker) for number in range(chance.randint(3, 9))
        ]
        again = [order for order in orders if chance.random() < 0.1]  # an answer that did not arrive
        cancels = [self._cancel_of(workspace_id) for _ in range(chance.choice((0, 1, 3)))]
        opt_outs = [self._opt_out_of(workspace_id, people) for _ in range(chance.choice((0, 0, 1, 2)))]
        return [*orders, *again, *cancels, *opt_outs]

    def _order(self, workspace_id: int, key: str, checker: Checker) -> Act:
        """A request with its key; it is repeated as it was until it is answered."""
        asked = tuple(self._message(f"{key}.{place}") for place in range(self._chance.choice((1, 1, 2, 4))))
        order = Order(workspace_id, asked, True, key, key.encode())

        async def act(process: Process) -> None:
            self.attempted |= {one.reference: one.text for one in asked}
            answer = (await accept.accept(process.world, [order]))[0]
            if isinstance(answer, Problem):
                raise answer
            results = msgspec.json.decode(answer.body)["results"]
            for one, result in zip(asked, results, strict=True):
                message_id = ids.read("message", result["id"])
                if self.acked.setdefault(one.reference, message_id) != message_id:
                    checker.blame(Rule.UNEXPECTED, f"{one.reference} was answered with two ids")
            self._note(f"{key} accepted")

        return act

    def _message(self, reference: str) -> MessageInput:
        chance = self._chance
        message_class = chance.choice(CLASSES)
        way = ("smpp",) if message_class == "otp" else chance.choice(WAYS)
        described: dict[str, Any] = {
            "to": {"phone": phone(chance.randrange(PEOPLE))},
            "class": message_class,
            "text": reference if chance.random() < 0.7 else reference + FILLER,
            "reference": reference,
            "deadline_s": chance.choice(DEADLINES_S),
            "steps": [self._step(channel) for channel in way],
        }
        if chance.random() < 0.1:
            described["send_at"] = "2025-11-24T16:00:30Z"
        return msgspec.convert(described, MessageInput)

    def _step(self, channel: str) -> dict[str, Any]:
        chance = self._chance
        step: dict[str, Any] = {"channel": channel, "wait_s": chance.choice((3.0, 15.0, 60.0))}
        if chance.random() < 0.3:
            step["success"] = "accepted"
        elif channel == "vk_notify" and chance.random() < 0.5:
            step["success"] = "read"
        if chance.random() < 0.2:
            step["start_within_s"] = chance.choice((1.0, 10.0))
        return step

    def _cancel_of(self, workspace_id: int) -> Act:
        async def act(process: Process) -> None:
            if not self.acked:
                return
            reference = self._chance.choice(sorted(self.acked))
            world = process.world
            self._note(f"cancel {reference}")
            await world.ground.db.run(
                cancel.cancel, world, workspace_id, self.acked[reference], world.ground.clock.now()
            )

        return act

    def _opt_out_of(self, workspace_id: int, people: Sequence[Contact]) -> Act:
        async def act(process: Process) -> None:
            number = self._chance.randrange(PEOPLE)
            self._note(f"person {number} opts out")
            described = {
                "addresses": [{"kind": "phone", "value": phone(number)}],
                "opted_out": [self._chance.choice(("promotional", "service"))],
            }
            changed = msgspec.convert(described, ContactInput)
            await contacts.change(process.world.ground, workspace_id, people[number].id, changed)

        return act
