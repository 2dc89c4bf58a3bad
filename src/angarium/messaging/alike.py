"""Plan a batch of new messages: of those that are alike the first is planned, and the others as it was.

Most of a batch shares its class, its steps and its lines. What a person reads, and where, is each one's own;
the rest of a plan follows from few things, and those are what messages are compared by. A plan is taken over
only where nothing else has a say: its first step goes out, on a line that takes any text, to somebody of whom
nothing is known but consent, place and blacklist, where no budget counts it and no lot is drawn. Whatever
differs in any of that is planned by itself, as a single message is.
"""

from __future__ import annotations

import msgspec

from angarium.core.ports import Channel
from angarium.core.values import Address, Content, Json, MessageClass
from angarium.lines.requirements import requirements
from angarium.lines.store import Line
from angarium.messaging import plan
from angarium.messaging.cascade import Step
from angarium.messaging.case import Case, Unworded, seal_content
from angarium.messaging.pricing import quote
from angarium.messaging.routing import By
from angarium.messaging.states import MessageState
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.way import line_facts, lines_of, operator_of, place_of, promotes, word
from angarium.messaging.world import World


class _Course(msgspec.Struct, frozen=True):
    """Where the first step of a batch's messages leads."""

    lines: list[Line]
    channel: Channel
    by_place: bool  # something of a line depends on the number


class _Found(msgspec.Struct, frozen=True):
    """Whom a message goes to, what is said, and what its plan follows from."""

    address: Address
    content: Content
    key: tuple[object, ...]


class _Plan(msgspec.Struct, frozen=True):
    """What was planned for the first of those that are alike."""

    attempt: Attempt
    state: MessageState
    decide_at: int | None
    decisions: list[Json]


class Alike:
    """Plans the messages of one transaction, which are all new, at one instant."""

    def __init__(self, world: World, now: int) -> None:
        self._world = world
        self._now = now
        # by identity of the steps, which are held: else others might have it
        self._courses: dict[tuple[int, int, MessageClass], tuple[tuple[Step, ...], _Course | None]] = {}
        self._plans: dict[tuple[object, ...], _Plan] = {}

    def plan(self, case: Case) -> None:
        """Plan its first step: what `plan.drive` does, for one of many."""
        found = self._found(case)
        planned = None if found is None else self._plans.get(found.key)
        if found is not None and planned is not None:
            self._follow(case, planned, found)
            return
        plan.drive(self._world, case, self._now)
        if found is not None and (made := _taken_over(case)) is not None:
            self._plans[found.key] = made

    def _follow(self, case: Case, planned: _Plan, found: _Found) -> None:
        message = case.message
        message.state, message.decide_at = planned.state, planned.decide_at
        attempt: Attempt = planned.attempt.__copy__()  # type: ignore[attr-defined]  # the stubs forgot it
        attempt.id = self._world.ground.ids.mint()
        attempt.message_id, attempt.contact_id = message.id, message.contact_id
        attempt.address = found.address.value
        attempt.content = seal_content(self._world, message, attempt.id, found.content)
        case.attempts.append(attempt)
        case.created.append(attempt)
        case.decisions += planned.decisions

    def _found(self, case: Case) -> _Found | None:
        """What the plan of a message follows from; None where more has a say in it."""
        message, contact, known = case.message, case.contact, case.permissions
        course = self._course(case)
        if course is None or contact is None or case.purse is not None:
            return None
        channel, lines, world = course.channel, course.lines, self._world
        address = place_of(contact, channel, message.to_address)
        if address is None or known.is_about(contact.id, address.kind, address.value):
            return None
        content = word(case, channel, contact, world.public_url)
        if isinstance(content, Unworded) or channel.lint(world.settings(lines[0]), content):
            return None
        if promotes(world, case, case.unlinked.get(channel.kind, content)) is not None:
            return None
        parts = tuple([channel.measure(world.settings(line), content).parts for line in lines])
        standing, place = contact.standing(), self._place(course, case, address.value, parts)
        shared = (id(case.steps), message.message_class, message.template_version_id, message.expires_at)
        return _Found(address, content, (*shared, standing, parts, place))

    def _place(self, course: _Course, case: Case, number: str, parts: tuple[int, ...]) -> tuple[object, ...]:
        """What lines make of a number: its operator, its price, and whether they are for it."""
        if not course.by_place:
            return ()
        world, message_class = self._world, case.message.message_class
        prices = [
            quote(world, line, message_class, number, count, self._now)
            for line, count in zip(course.lines, parts, strict=True)
        ]
        return tuple(
            [
                (operator_of(line, number), price, line_facts(world, line, price.micros, number).elsewhere)
                for line, price in zip(course.lines, prices, strict=True)
            ]
        )

    def _course(self, case: Case) -> _Course | None:
        message = case.message
        key = (message.workspace_id, id(case.steps), message.message_class)
        if key not in self._courses:
            found = self._looked_up(message.workspace_id, case.steps, message.message_class)
            self._courses[key] = case.steps, found
        return self._courses[key][1]

    def _looked_up(
        self, workspace_id: int, steps: tuple[Step, ...], message_class: MessageClass
    ) -> _Course | None:
        """The lines of the first step; None where they look at the text, or where a lot is drawn."""
        world = self._world
        lines = lines_of(world, workspace_id, steps[0])
        way = world.policies.of(workspace_id).routing.way(message_class)
        if not lines or (way is By.WEIGHTED and len(lines) > 1):
            return None
        if any(world.lines.patterns(line, message_class) is not None for line in lines):
            return None
        by_place = any(
            line.tariff or line.only_to or line.never_to or requirements()[line.requirement].operators
            for line in lines
        )
        return _Course(lines, world.channels[lines[0].channel], by_place)


def _taken_over(case: Case) -> _Plan | None:
    """What others may take over of a message that was planned; None where more came of it than one way."""
    message = case.message
    if len(case.created) != 1 or len(case.decisions) != 2 or message.skips or message.finished_at is not None:
        return None
    attempt: Attempt = case.created[0].__copy__()  # type: ignore[attr-defined]  # the stubs forgot it
    return _Plan(attempt, message.state, message.decide_at, list(case.decisions))
