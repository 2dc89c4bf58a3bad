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
    where: tuple[str, ...]  # "server", "database", or the operators or servers it can strike
    lasts_s: tuple[float, float]
    why: str
    settles_s: float = 0.0  # about so long everybody needs to be there again


WORKERS = ("worker-1", "worker-2", "worker-3")
APIS = ("api-1", "api-2")
SMS = ("smpp", "smpp-hex")
HTTP = ("viber", "vk", "whatsapp")
ANY = (*SMS, *HTTP, "smtp")

FAULTS = (
    Fault("kill", ("server",), (0.2, 2.0), "kill -9, and a new start after that time", RESTART_S),
    Fault("stop", ("server",), (0.2, 1.0), "SIGTERM, and a new start after that time", RESTART_S),
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
NAMES = tuple(fault.name for fault in FAULTS)

# Of a cluster. A lease lasts 15 s (fabric/): what is longer moves lines, and what is shorter must not.
LEASE_S = 15.0
MOVED_S = LEASE_S + 5.0
OF_A_CLUSTER = (
    Fault("kill_worker", WORKERS, (1.5, 8.0), "kill -9, and a new start after that time", MOVED_S),
    Fault("kill_api", APIS, (1.5, 8.0), "kill -9, and a new start after that time", RESTART_S),
    Fault("leave_and_join", WORKERS, (4.0, 10.0), "SIGTERM, and a new start after that time", RESTART_S),
    Fault("pause_owner", WORKERS, (18.0, 24.0), "SIGSTOP for longer than its lease, and SIGCONT", RESTART_S),
    Fault(
        "cut_database", WORKERS, (18.0, 24.0), "the way to PostgreSQL is dark, that to providers is not", 8.0
    ),
    Fault(
        "postgres_restart", ("postgres",), (0.1, 1.0), "stopped (SIGINT), and started after that time", 8.0
    ),
    Fault("postgres_stop", ("postgres",), (2.0, 8.0), "stopped at once (SIGQUIT), and started again", 8.0),
)
WITH_NATS = (
    Fault("cut_nats", WORKERS, (18.0, 24.0), "the ways to NATS are dark, that to providers is not", 8.0),
    Fault("kill_nats", ("leader",), (2.0, 8.0), "kill -9 of the server that leads, and a new start", 12.0),
    Fault(
        "wipe_nats", ("all",), (0.5, 2.0), "kill -9 of all three, their data deleted, a new start", MOVED_S
    ),
)


def faults_of(fabric: str) -> tuple[Fault, ...]:
    """What can be broken where servers work together by a fabric; "": of one server."""
    if not fabric:
        return FAULTS
    at_operators = tuple(fault for fault in FAULTS if fault.where[0] in ANY)
    return (*OF_A_CLUSTER, *(WITH_NATS if fabric == "nats" else ()), *at_operators)


def usual(fabric: str) -> tuple[str, ...]:
    """The names of what is broken when nothing is said: of a cluster, only what is its own."""
    return tuple(fault.name for fault in faults_of(fabric) if not fabric or fault.where[0] not in ANY)


class Injection(msgspec.Struct, frozen=True):
    """A fault with its time: seconds after the load began."""

    at_s: float
    name: str
    where: str
    lasts_s: float

    def __str__(self) -> str:
        return f"{self.at_s:7.1f} s  {self.name}, {self.where}, {self.lasts_s:g} s"


def plan(
    dice: Dice, seconds: float, names: Sequence[str], faults: Sequence[Fault] = FAULTS
) -> list[Injection]:
    """What is to be broken while the load lasts; the last fault ends before the load does."""
    found: list[Injection] = []
    chosen = [fault for fault in faults if fault.name in names]
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
        at_s += lasts_s + fault.settles_s + dice.between(*GAP_S, "gap", period)
    return found
