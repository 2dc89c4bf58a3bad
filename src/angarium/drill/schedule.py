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


FAULTS = (Fault("kill", ("server",), (0.2, 1.0), "kill -9 of the server, and a new start after that time"),)
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
