"""The simulation itself is tested: bugs are planted in the engine, and it must find each and name its rule.

First the great four that the promises stand on, then what it has found before: there the plant undoes the
remedy. The seed that finds a plant is played once more without it, and all is well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import pytest
from sqlalchemy import bindparam, select

from angarium.core.clock import MICROS
from angarium.core.ports import Connection, Outcome, Raw, Refused, Unknown
from angarium.core.values import Reason
from angarium.lines.store import Line
from angarium.messaging import evidence, plan, receipts, receive, reconcile, send
from angarium.messaging.cascade import WaitUntil
from angarium.messaging.case import Case
from angarium.messaging.gate import judge
from angarium.messaging.receipts import Applied
from angarium.messaging.sender import Sender
from angarium.messaging.states import AttemptState
from angarium.messaging.store import owners, queue
from angarium.messaging.store.attempts import Attempt, read
from angarium.messaging.store.tables import attempt
from angarium.messaging.workers import Engine
from angarium.messaging.world import World
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction
from sim.checker import Rule
from sim.process import Faults
from sim.world import Simulation

WITHIN = 300  # seeds


class Plant(NamedTuple):
    """A bug, the rule that it breaks, a seed that is known to find it, and what must go wrong for that.

    Without `faults` each seed has its own. A bug that shows in one kind of trouble only, and there seldom,
    is looked for in worlds that all have it.
    """

    rule: Rule
    plant: Callable[[pytest.MonkeyPatch], None]
    seed: int
    faults: Faults | None = None


def without_intent(patch: pytest.MonkeyPatch) -> None:
    """What is due is read and sent; that it was is written with the outcome, if there is one."""
    due = Statement(
        select(*attempt.columns).where(
            attempt.c.workspace_id == bindparam("workspace_id"),
            attempt.c.line_id == bindparam("line_id"),
            attempt.c.state == "queued",
            attempt.c.due_at <= bindparam("now"),
        )
    )

    async def claim(
        tx: Transaction, workspace_id: int, line_id: int, _epoch: int, now: int, *_: object
    ) -> list[Attempt]:
        rows = await tx.rows(due, workspace_id=workspace_id, line_id=line_id, now=now)
        return [read(row) for row in rows]

    patch.setattr(queue, "claim", claim)


def acknowledged_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    """A provider is answered while its receipt is on its way to the journal."""

    async def heard(self: Engine, line: Line, raw: Raw) -> None:
        entry = receive.entry(self._world, line, raw)
        self.journal.put(entry).add_done_callback(
            lambda done: done.cancelled() or done.exception() or self.applier.put(entry)
        )

    patch.setattr(Engine, "heard", heard)


def without_fence(patch: pytest.MonkeyPatch) -> None:
    """Whoever believes that it owns a line may claim on it."""

    async def must_own(
        tx: Transaction, workspace_id: int, line_id: int, _epoch: int, share: int = 0
    ) -> owners.Newest | None:
        row = await tx.row(owners._epoch, workspace_id=workspace_id, line_id=line_id, share=share)
        return None if row is None or row[1] is None else owners.Newest(*row[1:])

    patch.setattr(owners, "must_own", must_own)


def states_go_back(patch: pytest.MonkeyPatch) -> None:
    """Whatever a receipt says is the state."""
    patch.setattr(receipts, "apply", lambda _state, next_state: Applied(next_state))


def without_time(patch: pytest.MonkeyPatch) -> None:
    """A message waits to be woken, and has no time of its own."""
    wait = plan._wait

    def forgotten(case: Any, run: Any, decision: WaitUntil, now: int) -> None:
        wait(case, run, decision, now)
        case.message.decide_at = None

    patch.setattr(plan, "_wait", forgotten)


def handed_over_late(patch: pytest.MonkeyPatch) -> None:
    """What is due is claimed and handed over, whatever the time."""
    hand_over = Sender._hand_over
    patch.setattr(judge, "RULES", tuple(rule for rule in judge.RULES if rule[0] != "deadline"))

    def late(self: Sender, connection: Connection, claimed: Sequence[Attempt]) -> None:
        hand_over(self, connection, [msgspec.structs.replace(one, expires_at=1 << 62) for one in claimed])

    patch.setattr(Sender, "_hand_over", late)


def callbacks_left_behind(patch: pytest.MonkeyPatch) -> None:
    """What a fallen server journalled waits for the next start."""
    patch.setattr(reconcile, "LEFT_BEHIND_S", 1e6)


def claims_at_one_instant(patch: pytest.MonkeyPatch) -> None:
    """Two claims of one second say the same instant: what is looked for of one is found of the other."""
    patch.setattr(Sender, "_instant", lambda self: self._world.ground.clock.now() // MICROS * MICROS)


def refused_by_silence(patch: pytest.MonkeyPatch) -> None:
    """A server that stood still and heard nothing counts a try of what another has settled."""
    settle = send.settle

    def counted(world: World, case: Case, attempt: Attempt, outcome: Outcome, roll: float, now: int) -> None:
        if isinstance(outcome, Unknown) and attempt.state is AttemptState.UNKNOWN:
            outcome = Refused(Reason.TEMPORARY)
        settle(world, case, attempt, outcome, roll, now)

    patch.setattr(send, "settle", counted)
    patch.setattr(evidence, "counts", lambda *_: True)


PLANTS = {
    "bytes before a durable intent": Plant(Rule.INTENT, without_intent, 0),
    "recorded after it was acknowledged": Plant(Rule.HEARD, acknowledged_before_the_commit, 20),
    "the fence is forgotten": Plant(Rule.OWNER, without_fence, 17, Faults(pair=True, deaf=0.5)),
    "a state may go back": Plant(Rule.BACK, states_go_back, 0),
    "a message waits without a time": Plant(Rule.TIMED, without_time, 0),
    "what has expired is handed over": Plant(Rule.EXPIRY, handed_over_late, 155, Faults(pair=True)),
    "what is unknown is refused by silence": Plant(
        Rule.HONEST, refused_by_silence, 10, Faults(pair=True, lossy=True)
    ),
    "callbacks are left behind": Plant(Rule.HEARD, callbacks_left_behind, 151),
    "two claims at one instant": Plant(
        Rule.INTENT, claims_at_one_instant, 8, Faults(troubled=True, often=10.0)
    ),
}


@pytest.mark.parametrize("name", PLANTS)
@pytest.mark.timeout(300)
def test_a_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rule, plant, known, faults = PLANTS[name]
    with monkeypatch.context() as patch:
        plant(patch)
        seeds = chain([known], range(WITHIN))
        found = next((seed for seed in seeds if rule in broken(seed, faults)), None)
    assert found is not None, f"{name}: nothing was wrong in {WITHIN} seeds"
    assert Simulation(found, faults=faults).play() == []


def broken(seed: int, faults: Faults | None) -> set[Rule]:
    """The rules that did not hold in a world."""
    return {wrong.rule for wrong in Simulation(seed, faults=faults).play()}
