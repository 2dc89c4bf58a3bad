"""Make the messages of many people ready where nothing is written: as rows, which only have to be written.

What a person is told, and by which way, follows from what the database holds, so a process that only reads
can find it out beside the server, whose one writer is then spared it. What it finds is true of the instant at
which it looked. The people must still be there when it is written down; all else that may have changed since
(consent, lists, caps, the line) is judged once more before bytes leave (`claiming.py`), as of any message
that has waited.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import msgspec

from angarium.contacts.store import members
from angarium.core.clock import Clock
from angarium.core.ids import IdMint
from angarium.core.values import MessageClass
from angarium.messaging import telling
from angarium.messaging.case import Case, lines_due
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import messages as message_store
from angarium.messaging.straight import Straight
from angarium.messaging.telling import Answer, NotTold, Person, Telling, Told
from angarium.messaging.world import World
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact

IDS_EACH = 2  # that are minted for a person: a message and an attempt

Rows = list[tuple[Any, ...]]


class Asked(msgspec.Struct, frozen=True, array_like=True, tag="telling"):
    """Many people who are told one thing, to be made ready."""

    workspace_id: int
    telling: Telling
    people: list[Person]
    ids: list[int]  # `IDS_EACH` for each of them, minted by who will write them
    now: int
    connected: Mapping[int, bool]  # line -> whether it is, where anybody says
    taken: Mapping[int, int]  # line -> per mille of the last hour that was taken


class Made(msgspec.Struct, frozen=True, array_like=True):
    """New messages as the rows that are to be written."""

    messages: Rows
    attempts: Rows
    facts: list[tuple[str, int, int, bytes, int]]  # kind, subject, when, its own, and which of `common`
    common: list[bytes]  # what they say alike
    line_ids: list[int]  # on which something is due


class Composed(msgspec.Struct, frozen=True, array_like=True):
    """What became of each person, in their order, and the messages of those who are told something."""

    answers: list[tuple[int, str, str]]  # the id of a message; 0 with a reason and a detail
    made: Made


class Outdated(Exception):
    """Something has changed since it was made ready; nothing of it is to be written."""


class GivenIds(IdMint):
    """Ids that somebody else has minted."""

    def __init__(self, clock: Clock, ids: Sequence[int]) -> None:
        super().__init__(clock)
        self._left = deque(ids)

    def mint(self) -> int:
        """The next one; IndexError when there is none left."""
        return self._left.popleft()

    def mint_many(self, count: int) -> list[int]:
        """The next ones."""
        return [self.mint() for _ in range(count)]


class Question(Protocol):
    """What somebody asks who keeps nothing in a database."""

    @property
    def workspace_id(self) -> int:
        """Of whom it is."""

    @property
    def ids(self) -> list[int]:
        """That were minted for what comes of it."""

    @property
    def connected(self) -> Mapping[int, bool]:
        """Line -> whether it is, where anybody says."""

    @property
    def taken(self) -> Mapping[int, int]:
        """Line -> per mille of the last hour that was taken."""


async def look_anew(world: World, question: Question) -> None:
    """Have all at hand that is in force now, and what the question tells beside."""
    await world.lines.reload([question.workspace_id])
    await world.policies.reload([question.workspace_id])
    world.suppressing.clear()
    world.connected, world.taken = dict(question.connected), dict(question.taken)
    world.ground = replace(world.ground, ids=GivenIds(world.ground.clock, question.ids))


async def compose(tx: Transaction, world: World, asked: Asked) -> Composed | None:
    """What would become of each person, as rows. None where more has a say than can be read: a budget, links
    that are counted, somebody who is gone; or where it is a code, whose words are sealed where it is written.

    The ids of `world` are those that were given.
    """
    if asked.telling.message_class is MessageClass.OTP:
        return None
    considered = await telling.consider(
        tx, world, asked.workspace_id, asked.telling, asked.people, asked.now, hold=False
    )
    cases = [one for one in considered if isinstance(one, Case) and is_plain(one)]
    if len(cases) < len(considered):
        return None
    return Composed(
        [_told(telling.answer(case)) for case in cases], made([one for one in cases if telling.goes(one)])
    )


def made(cases: Sequence[Case]) -> Made:
    """New messages whose first step is planned, as their rows."""
    told = [fact for case in cases for fact in case.facts()]
    alike = dict.fromkeys(_octets(fact.common) for fact in told)
    numbers = {said: number for number, said in enumerate(alike)}
    return Made(
        message_store.rows([case.message for case in cases]),
        attempt_store.rows([attempt for case in cases for attempt in case.created]),
        [
            (fact.kind, fact.subject_id, fact.at, _octets(fact.own), numbers[_octets(fact.common)])
            for fact in told
        ],
        list(numbers),
        sorted(lines_due(cases)),
    )


def is_plain(case: Case) -> bool:
    """Whether a message is no more than its rows: no budget counts it, and none of its links is counted."""
    return case.purse is None and case.tracking is None


async def write(
    tx: Transaction,
    straight: Straight,
    workspace_id: int,
    people: Sequence[int],
    composed: Composed,
    now: int,
) -> list[Answer]:
    """Write what was made ready for these contacts; raises Outdated when one of them is gone."""
    if await members.count_of(tx, workspace_id, people) < len(people):
        raise Outdated
    await write_rows(tx, straight, workspace_id, composed.made, now)
    return [Told(id_) if id_ else NotTold(reason, detail) for id_, reason, detail in composed.answers]


async def write_rows(tx: Transaction, straight: Straight, workspace_id: int, made: Made, now: int) -> None:
    """Write new messages by their rows."""
    await message_store.insert_rows(tx, made.messages)
    if straight.may_take(made.line_ids):
        new = [attempt_store.read(row) for row in made.attempts]
        async with straight.claiming(tx, workspace_id, new, now):
            await attempt_store.insert(tx, new)
    else:
        await attempt_store.insert_rows(tx, made.attempts)
        straight.leave(made.line_ids)
    told = [
        Fact(workspace_id, kind, subject_id, at, own, made.common[number])
        for kind, subject_id, at, own, number in made.facts
    ]
    await facts.append(tx, told)


def connected(world: World, workspace_id: int) -> dict[int, bool]:
    """Of the lines of a workspace whether they are connected, where anybody says: what is in no database."""
    known = {line.id: world.is_up(line.id) for line in world.lines.of(workspace_id)}
    return {line_id: is_up for line_id, is_up in known.items() if is_up is not None}


def _told(answer: Answer) -> tuple[int, str, str]:
    match answer:
        case Told(message_id):
            return message_id, "", ""
        case NotTold(reason, detail):
            return 0, reason, detail
        case _:
            raise AssertionError(answer)  # of a Case


def _octets(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else body
