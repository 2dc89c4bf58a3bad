"""The simulated operator of the demo and the tests, its SMPP face alone, in a process of its own."""

from __future__ import annotations

from typing import Any

import msgspec
import uvloop

from angarium.simulators.behaviour import Behaviour, Faults, Rule, Script
from angarium.simulators.smsc import Knobs, Smsc
from angarium.simulators.stage import Stage
from bench.codes import TEXT
from bench.talk import questions, say, told
from bench.traffic import line_name, number_of

ACCOUNT = ("angarium", "secret")
RECEIPT_DELAY_S = 0.05  # from the answer to the receipt


class Operator(msgspec.Struct, frozen=True):
    """How the operator is set up."""

    port: int  # 0 takes a free one
    window: int  # receipts without an answer
    lines: int = 0  # each with an account of its own; 0: there is one


class Count(msgspec.Struct):
    """What the operator has seen: its ledger."""

    received: int
    doubled: int = 0
    delivered: int = 0  # receipts that said so and were answered


class Seen(msgspec.Struct):
    """When each code, or each message of a load, reached the operator, and how much reached it in all."""

    received: int
    codes: list[tuple[int, float]] = []  # number, second


def seen(smsc: Smsc) -> Seen:
    """The codes in the ledger."""
    entries = smsc.ledger.entries
    codes = [(int(one.text.removeprefix(TEXT)), one.at) for one in list(entries) if one.text.startswith(TEXT)]
    return Seen(len(entries), codes)


def arrivals(smsc: Smsc) -> Seen:
    """The messages of a load in the ledger."""
    entries = smsc.ledger.entries
    return Seen(len(entries), [(number_of(one.text), one.at) for one in list(entries)])


def answer(smsc: Smsc, knobs: Knobs, question: str) -> Any:
    """What the leader wants to know; a number asks for the ledger when so many are expected."""
    match question:
        case "codes":
            return seen(smsc)
        case "arrivals":
            return arrivals(smsc)
        case "binds":
            return len(smsc.binds)
        case _:
            return count(smsc, knobs, int(question))


def count(smsc: Smsc, knobs: Knobs, expected: int) -> Count:
    """The ledger; its sums are made once all is in and every receipt is answered, for they take a while."""
    received = len(smsc.ledger.entries)
    unanswered = sum(len(smsc.mailbox(name)) for name in smsc.accounts) + sum(
        knobs.window - bind.room() for bind in smsc.binds
    )
    if received < expected or unanswered:
        return Count(received)
    totals = smsc.ledger.totals()
    return Count(received, totals.doubled, totals.by_status.get("delivered", 0))


async def main() -> None:
    """Play until the leader has no more questions."""
    given = told(Operator)
    everybody = Rule(Behaviour.DELIVERED)  # also phones whose last digits mean something else
    script = Script(rules=(everybody,), faults={"*": Faults(receipt_delay_s=RECEIPT_DELAY_S)})
    knobs = Knobs(window=given.window)
    accounts = {line_name(number): ACCOUNT[1] for number in range(given.lines)} or dict([ACCOUNT])
    smsc = Smsc(Stage(script), given.port, accounts, knobs)
    await smsc.start()
    say({"port": int(smsc.url().rpartition(":")[2])})
    async for question in questions():
        say(answer(smsc, knobs, question))
    await smsc.stop()


if __name__ == "__main__":
    uvloop.run(main())
