"""When what is broken: from a seed, and printed before it begins. Pure.

A quarter of the periods are quiet (Jepsen's habit): what heals only in peace is seen to heal, and what breaks
in peace is not blamed on a fault. Every fault comes once before any comes again.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from angarium.drill.dice import Dice

QUIET_SHARE = 0.25
FIRST_AT_S = 2.0
RESTART_S = 3.0  # a server needs about so long to be there again
GAP_S = (2.0, 5.0)  # between two faults
QUIET_S = (6.0, 12.0)


class Fault(msgspec.Struct, frozen=True):
    """One way to break something."""

    name: str
    where: tuple[str, ...]  # "server", "database", or the operators it can strike
    lasts_s: tuple[float, float]
    why: str


SMS = ("smpp", "smpp-hex")
HTTP = ("viber", "vk", "whatsapp")
ANY = (*SMS, *HTTP, "smtp")

FAULTS = (
    Fault("kill", ("server",), (0.2, 2.0), "kill -9, and a new start after that time"),
    Fault("stop", ("server",), (0.2, 1.0), "SIGTERM, and a new start after that time"),
    Fault("pause", ("server",), (1.0, 9.0), "SIGSTOP, and SIGCONT after that time: answers come late"),
    Fault("disk_full", ("server",), (3.0, 8.0), "its files cannot grow (RLIMIT_FSIZE); SQLite only"),
    Fault("database", ("database",), (3.0, 9.0), "SQLite: locked; PostgreSQL: its connections are ended"),
    Fault("outage", ANY, (4.0, 15.0), "nobody listens, and every connection is cut"),
    Fault("cuts", ANY, (4.0, 8.0), "answers are slow, and the connection is cut with its window full"),
    Fault("lost_answers", ANY, (3.0, 8.0), "taken, and every fifth is never answered"),
    Fault("late_answers", ANY, (3.0, 8.0), "every fifth answer comes when the line has given it up"),
    Fault("slow_answers", ANY, (4.0, 8.0), "two seconds for each answer"),
    Fault("early_receipts", ANY, (4.0, 8.0), "receipts before the answer to the submission"),
    Fault("mixed_receipts", ANY, (4.0, 8.0), "every receipt twice, and out of order"),
    Fault("stray_receipts", (*SMS, "whatsapp"), (4.0, 8.0), "receipts for messages that were never ours"),
    Fault("throttling", ANY, (4.0, 8.0), "slow down: RTHROTTLED, 429, 451 above five a second"),
    Fault("garbage", ANY, (3.0, 6.0), "taken, and every tenth answer is nonsense"),
    Fault("errors", HTTP, (3.0, 8.0), "taken, and every third answer is 500"),
    Fault("slow_bodies", HTTP, (4.0, 8.0), "the body of an answer trickles for three seconds"),
)
NOT_ON_POSTGRESQL = {"disk_full"}
RESTARTING = {"kill", "stop"}
NAMES = tuple(fault.name for fault in FAULTS)


class Injection(msgspec.Struct, frozen=True):
    """A fault with its time: seconds after the load began."""

    at_s: float
    name: str
    where: str
    lasts_s: float

    def __str__(self) -> str:
        return f"{self.at_s:7.1f} s  {self.name}, {self.where}, {self.lasts_s:g} s"


def plan(dice: Dice, seconds: float, names: Sequence[str]) -> list[Injection]:
    """What is to be broken while the load lasts; the last fault ends before the load does."""
    found: list[Injection] = []
    chosen = [fault for fault in FAULTS if fault.name in names]
    deck: list[Fault] = []
    at_s, period = FIRST_AT_S, 0
    while chosen:
        period += 1
        if period > 1 and dice.roll("quiet", period) < QUIET_SHARE:
            at_s += dice.between(*QUIET_S, "how long quiet", period)
        deck = deck or dice.shuffled(chosen, "deck", period)
        fault = deck.pop()
        name, lasts_s = fault.name, round(dice.between(*fault.lasts_s, "lasts", period), 1)
        if at_s + lasts_s > seconds:
            break
        where = fault.where[dice.below(len(fault.where), "where", period)]
        found.append(Injection(round(at_s, 1), name, where, lasts_s))
        at_s += lasts_s + (RESTART_S if name in RESTARTING else 0.0) + dice.between(*GAP_S, "gap", period)
    return found
