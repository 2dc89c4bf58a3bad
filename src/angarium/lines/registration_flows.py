"""Register a line: tell, sign, hand in, submit; review by somebody else; approve, refuse, suspend, reinstate.

Every change of state goes through `_go`: the table allows it, the row is held, a fact says who and when, the
audit log notes it, and whoever sends on the line looks at it again before its next claim.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from angarium.accounts import audit
from angarium.core import ids
from angarium.core.clock import iso, micros
from angarium.core.problems import FieldProblem, Problem, all_invalid, invalid, not_found
from angarium.core.values import MessageClass
from angarium.lines import registration_rules as rules
from angarium.lines import requirements, store
from angarium.lines.registration_rules import DAY_S, Signature, State
from angarium.lines.requirements import Requirement
from angarium.lines.rules import TOPIC
from angarium.lines.store import Line, registrations
from angarium.lines.store.registrations import Document, Registration
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact
from angarium.storage.ground import Ground

OF_A_LINE_MAX = 200
NOTE_MAX = 1_000  # characters
MATURE_AT_ONCE = 200
CHANGED = "line.registration_changed"


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is told for a registration; whole, as often as it is sent."""

    classes: tuple[MessageClass, ...] = ()  # none: all that the line is for
    operator: str = ""
    fields: dict[str, str] = {}
    undertakings: dict[str, Signature] = {}
    external_id: str = ""


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What goes along with a change of state. Instants are microseconds."""

    note: str = ""
    reason: str = ""
    classes: tuple[MessageClass, ...] = ()  # that are approved; none: all that were asked for
    valid_from: int | None = None
    valid_until: int | None = None
    external_id: str = ""


class Whole(msgspec.Struct, frozen=True):
    """A registration with what was handed in, and what is missing."""

    registration: Registration
    requirement: Requirement
    documents: list[Document]
    missing: list[str]


# ── to have and to look at ───────────────────────────────────────────────────────────────────────────


async def create(
    tx: Transaction, ground: Ground, workspace_id: int, line_id: int, given: Told, actor: str
) -> Whole:
    """A new draft for a line."""
    line = await line_of(tx, workspace_id, line_id)
    need = requirements.of_key(line.requirement)
    before = await registrations.of_line(tx, workspace_id, line_id)
    if len(before) >= OF_A_LINE_MAX:
        raise invalid("line", "has too many registrations", remedy=f"at most {OF_A_LINE_MAX}; delete drafts")
    now = ground.clock.now()
    draft = _fresh(ground.ids.mint(), line, now)
    made = _told(line, need, draft, given)
    await registrations.save(tx, made)
    await tell(tx, made, "create", None, actor, Decision(), now)
    return _whole(made, need, [])


async def change(
    ground: Ground, workspace_id: int, line_id: int, registration_id: int, given: Told, actor: str
) -> Whole:
    """What is told of a draft, anew."""

    async def work(tx: Transaction) -> Whole:
        line, before = await opened(tx, workspace_id, line_id, registration_id)
        need, now = requirements.of_key(before.requirement), ground.clock.now()
        changed = msgspec.structs.replace(
            _told(line, need, before, given), version=before.version + 1, updated_at=now
        )
        await registrations.save(tx, changed)
        await tell(tx, changed, "change", before.state, actor, Decision(), now)
        return _whole(changed, need, await registrations.documents(tx, workspace_id, registration_id))

    return await ground.db.run(work)


async def get(ground: Ground, workspace_id: int, line_id: int, registration_id: int) -> Whole:
    """One registration; a Problem when the line has no such one."""
    return await ground.db.read(whole_of, workspace_id, line_id, registration_id)


async def whole_of(tx: Transaction, workspace_id: int, line_id: int, registration_id: int) -> Whole:
    """One registration, within a transaction; a Problem when the line has no such one."""
    found = await registrations.by_id(tx, workspace_id, registration_id)
    if found is None or found.line_id != line_id:
        raise _none(registration_id)
    handed_in = await registrations.documents(tx, workspace_id, registration_id)
    return _whole(found, requirements.of_key(found.requirement), handed_in)


async def of_line(ground: Ground, workspace_id: int, line_id: int) -> list[Whole]:
    """All registrations of a line, oldest first."""

    async def work(tx: Transaction) -> list[Whole]:
        await line_of(tx, workspace_id, line_id)
        found = await registrations.of_line(tx, workspace_id, line_id)
        return [await whole_of(tx, workspace_id, line_id, one.id) for one in found]

    return await ground.db.read(work)


async def delete(ground: Ground, workspace_id: int, line_id: int, registration_id: int, actor: str) -> None:
    """Delete a draft; anything else stays as evidence."""

    async def work(tx: Transaction) -> None:
        _, before = await opened(tx, workspace_id, line_id, registration_id)
        await registrations.remove(tx, workspace_id, registration_id)
        await tell(tx, before, "delete", before.state, actor, Decision(), ground.clock.now())

    await ground.db.run(work)


async def history(ground: Ground, workspace_id: int, line_id: int, registration_id: int) -> list[Fact]:
    """What has happened to a registration: who, when, from which state to which."""

    async def work(tx: Transaction) -> list[Fact]:
        await whole_of(tx, workspace_id, line_id, registration_id)
        found = await facts.of_subject(tx, workspace_id, registration_id)
        return [fact for fact in found if fact.kind == CHANGED]

    return await ground.db.read(work)


# ── states ───────────────────────────────────────────────────────────────────────────────────────────


async def decide(
    ground: Ground,
    workspace_id: int,
    line_id: int,
    registration_id: int,
    verb: str,
    given: Decision,
    actor: str,
) -> Whole:
    """Bring a registration to another state; a Problem when it cannot be, or not by this person."""

    async def work(tx: Transaction) -> Whole:
        line = await line_of(tx, workspace_id, line_id)
        before = await registrations.hold(tx, workspace_id, registration_id)
        if before is None or before.line_id != line_id:
            raise _none(registration_id)
        need, now = requirements.of_key(before.requirement), ground.clock.now()
        before = msgspec.structs.replace(
            before, state=rules.state_at(before.standing(), need.expiring_days, now)
        )
        handed_in = await registrations.documents(tx, workspace_id, registration_id)
        _check(_whole(before, need, handed_in), line, verb, given, actor, now)
        after = await _go(tx, before, need, verb, given, actor, now)
        return _whole(after, need, handed_in)

    whole = await ground.db.run(work)
    ground.fabric.wake(TOPIC)
    return whole


def _check(whole: Whole, line: Line, verb: str, given: Decision, actor: str, now: int) -> None:
    """A Problem when a verb cannot be done now, by this person, with what goes along."""
    before = whole.registration
    if rules.leads_to(verb, before.state) is None:
        can = ", ".join(rules.possible(before.state)) or "nothing"
        raise Problem(
            "registration-state",
            "The registration is in another state",
            status=409,
            detail=f"It is {before.state.value}; what can be done with it is: {can}.",
        )
    if verb in rules.ANOTHER_PERSON and actor == before.submitted_by:
        raise Problem(
            "same-person",
            "Somebody else has to do that",
            status=403,
            detail=f"{actor} has submitted this registration; another person has to {verb} it.",
        )
    if verb == "submit" and whole.missing:
        raise all_invalid(
            "The registration is not complete",
            tuple(
                FieldProblem(path, "is missing", _title(whole.requirement, path)) for path in whole.missing
            ),
        )
    if verb in rules.WITH_REASON and not given.reason.strip():
        raise invalid("reason", "is missing", remedy="say why, in words that its owner can act on")
    if verb == "approve":
        _check_approval(whole, line, given, now)


def _check_approval(whole: Whole, line: Line, given: Decision, now: int) -> None:
    more = [one for one in given.classes if one not in whole.registration.classes]
    if more:
        asked = ", ".join(sorted(whole.registration.classes))
        raise invalid("classes", "were not asked for", value=" ".join(more), remedy="some of " + asked)
    begins = max(now, given.valid_from or 0)
    if given.valid_until is not None and given.valid_until <= begins:
        problem = "has passed" if given.valid_until <= now else "is not after its beginning"
        remedy = f"later than {iso(begins)}, or leave it out"
        raise invalid("valid_until", problem, value=iso(given.valid_until), remedy=remedy)
    if line.requirement != whole.requirement.key:
        detail = f"The line is {line.requirement} now; this registration is for {whole.requirement.key}."
        raise Problem("registration-state", "The line is of another kind now", status=409, detail=detail)


async def _go(
    tx: Transaction,
    before: Registration,
    need: Requirement,
    verb: str,
    given: Decision,
    actor: str,
    now: int,
) -> Registration:
    """Do a verb that is possible: the row, the fact, the audit note, and the line looks anew."""
    state = rules.leads_to(verb, before.state)
    assert state is not None
    after = msgspec.structs.replace(
        before, state=state, reason=given.reason, version=before.version + 1, updated_at=now
    )
    if verb == "submit":
        after = msgspec.structs.replace(after, submitted_by=actor)
    elif verb == "approve":
        until = given.valid_until
        if until is None and need.valid_days:
            until = (given.valid_from or now) + micros(need.valid_days * DAY_S)
        after = msgspec.structs.replace(
            after,
            granted=frozenset(given.classes) or before.classes,
            valid_from=given.valid_from,
            valid_until=until,
            external_id=given.external_id or before.external_id,
        )
    elif verb == "declare":
        after = msgspec.structs.replace(after, valid_from=None, valid_until=None)
    elif verb in ("reopen", "withdraw"):
        after = msgspec.structs.replace(
            after, granted=frozenset(), valid_from=None, valid_until=None, declared=False, submitted_by=""
        )
    following = rules.next_at(after.state, after.valid_until, need.expiring_days)
    after = msgspec.structs.replace(after, next_at=following)
    await registrations.save(tx, after)
    await store.rules_changed(tx, after.workspace_id, after.line_id)
    await tell(tx, after, verb, before.state, actor, given, now)
    return after


async def mature(tx: Transaction, workspace_id: int, now: int) -> int:
    """Write down what the clock has changed: what is expiring, what has expired; how many there were."""
    found = await registrations.due(tx, workspace_id, now, MATURE_AT_ONCE)
    for one in found:
        need = requirements.of_key(one.requirement)
        state = rules.state_at(one.standing(), need.expiring_days, now)
        verb = "expire" if state is State.EXPIRED else "warn"
        await _go(tx, one, need, verb, Decision(reason=one.reason), audit.SYSTEM, now)
    return len(found)


# ── what an owner says of a line that needs no documents ─────────────────────────────────────────────


async def declare(tx: Transaction, ground: Ground, line: Line, wanted: str, actor: str) -> bool:
    """Follow what a description of a line says of its registration: "approved", "draft" or "refused"; "" says
    nothing. Whether anything was changed; a Problem when its kind of line demands more than a word."""
    if not wanted:
        return False
    now, need = ground.clock.now(), requirements.of_key(line.requirement)
    found = await registrations.of_line(tx, line.workspace_id, line.id)
    ours = [one for one in found if one.requirement == line.requirement]
    own = next((one for one in ours if one.declared), None)
    if wanted == "approved":
        reviewed = rules.granted([one.standing() for one in ours if not one.declared], now)
        return await _declare(tx, ground, line, need, own, line.classes - reviewed, actor)
    if wanted in ("draft", "refused") and own is not None and own.state in rules.GRANTED:
        taken_back = Decision(reason="Its owner took the declaration back.")
        await _go(tx, own, need, "retract", taken_back, actor, now)
        return True
    if wanted != line.registration and any(one.state in rules.GRANTED for one in ours):
        raise invalid(
            "registration",
            "was decided in a review",
            value=wanted,
            remedy=f"suspend it: POST {path_of(line)}/{{registration_id}}/suspend",
        )
    return False


async def _declare(
    tx: Transaction,
    ground: Ground,
    line: Line,
    need: Requirement,
    own: Registration | None,
    classes: frozenset[MessageClass],
    actor: str,
) -> bool:
    now = ground.clock.now()
    in_force = own is not None and own.state in rules.GRANTED
    if not classes or (in_force and own is not None and own.granted == classes):
        return False
    wrong = tuple(requirements.check_classes(need, sorted(classes)))
    if not need.declarable:
        remedy = f"create it as a draft, then POST {path_of(line)}: {need.title} demands documents"
        wrong = (*wrong, FieldProblem("registration", "cannot be declared", remedy, "approved"))
    if own is not None and own.state is State.SUSPENDED:
        shown = ids.show("registration", own.id)
        remedy = f"reinstate {shown}: POST {path_of(line)}/{shown}/reinstate"
        wrong = (*wrong, FieldProblem("registration", f"is suspended: {own.reason}", remedy, "approved"))
    if wrong:
        raise all_invalid("The line is not valid", wrong)
    before = own or msgspec.structs.replace(_fresh(ground.ids.mint(), line, now), declared=True)
    before = msgspec.structs.replace(before, classes=classes, granted=classes, submitted_by=actor)
    await _go(tx, before, need, "declare", Decision(note="declared by the owner of the line"), actor, now)
    return True


def check_kind(before: Line, requirement: str) -> None:
    """A Problem when a line may not become of another kind: a suspension is not to be left behind."""
    if requirement != before.requirement and any(
        one.state is State.SUSPENDED for one in before.registrations
    ):
        raise invalid(
            "requirement",
            "cannot be changed while a registration is suspended",
            value=requirement,
            remedy="have it reinstated, or create another line",
        )


# ── what the verbs share ─────────────────────────────────────────────────────────────────────────────


def path_of(line: Line) -> str:
    """Where a line's registrations are changed."""
    return f"/v1/lines/{ids.show('line', line.id)}/registrations"


def _whole(one: Registration, need: Requirement, handed_in: list[Document]) -> Whole:
    lacks = rules.missing(
        _needed(need), one.fields, one.undertakings, (document.need for document in handed_in)
    )
    return Whole(one, need, handed_in, lacks)


def _needed(need: Requirement) -> Iterable[tuple[str, str, str]]:
    """Everything that has to be there before it is submitted."""
    yield from (("fields", one.key, one.title) for one in need.fields if one.required)
    yield from (("undertakings", one.key, one.signed_by) for one in need.undertakings)
    yield from (("documents", one.key, one.title) for one in need.documents if one.required)


def _title(need: Requirement, path: str) -> str:
    return next(title for part, key, title in _needed(need) if f"{part}.{key}" == path)


def _fresh(registration_id: int, line: Line, now: int) -> Registration:
    return Registration(
        workspace_id=line.workspace_id,
        id=registration_id,
        line_id=line.id,
        requirement=line.requirement,
        operator="",
        classes=line.classes,
        granted=frozenset(),
        state=State.DRAFT,
        reason="",
        valid_from=None,
        valid_until=None,
        declared=False,
        fields={},
        undertakings={},
        external_id="",
        submitted_by="",
        next_at=None,
        version=1,
        created_at=now,
        updated_at=now,
    )


def _told(line: Line, need: Requirement, before: Registration, given: Told) -> Registration:
    """A registration with what is told now; a Problem that names everything that is wrong."""
    classes = frozenset(given.classes) or line.classes & frozenset(need.classes)
    wrong = [
        *requirements.check_classes(need, given.classes),
        *requirements.check_fields(need, given.fields),
        *requirements.check_signatures(need, given.undertakings),
        *requirements.check_operator(need, given.operator),
    ]
    if not classes:
        remedy = "some of " + ", ".join(need.classes)
        wrong.append(FieldProblem("classes", "are none", remedy))
    beside = sorted(classes - line.classes)
    if beside:
        remedy = "some of " + ", ".join(sorted(line.classes)) + ", or change the line first"
        wrong.append(FieldProblem("classes", "are not those of the line", remedy, " ".join(beside)))
    if wrong:
        raise all_invalid("The registration is not valid", tuple(wrong))
    return msgspec.structs.replace(
        before,
        classes=classes,
        operator=given.operator,
        fields=given.fields,
        undertakings=given.undertakings,
        external_id=given.external_id,
    )


async def line_of(tx: Transaction, workspace_id: int, line_id: int) -> Line:
    """A line; a Problem when there is none."""
    found = await store.by_id(tx, workspace_id, line_id)
    if found is None:
        raise not_found("line", ids.show("line", line_id))
    return found


async def opened(
    tx: Transaction, workspace_id: int, line_id: int, registration_id: int
) -> tuple[Line, Registration]:
    """A draft, held, and its line; a Problem when there is none, or it is no draft any more."""
    line = await line_of(tx, workspace_id, line_id)
    found = await registrations.hold(tx, workspace_id, registration_id)
    if found is None or found.line_id != line_id:
        raise _none(registration_id)
    if found.state not in rules.OPEN:
        raise Problem(
            "registration-state",
            "The registration is in another state",
            status=409,
            detail=f"It is {found.state.value}; only a draft can be changed. Withdraw or reopen it first.",
        )
    return line, found


def _none(registration_id: int) -> Problem:
    return not_found("registration", ids.show("registration", registration_id))


async def tell(
    tx: Transaction,
    one: Registration,
    verb: str,
    before: State | None,
    actor: str,
    given: Decision,
    now: int,
) -> None:
    """The fact, with who and why; the timeline of a registration is made of these."""
    said = {
        "line": ids.show("line", one.line_id),
        "verb": verb,
        "from": before.value if before else None,
        "to": one.state.value,
        "by": actor,
        "note": given.note,
        "reason": given.reason,
    }
    body = msgspec.json.encode(said)
    await facts.append(tx, [Fact(one.workspace_id, CHANGED, one.id, now, body)])
    subject = ids.show("registration", one.id)
    await audit.note(tx, one.workspace_id, actor, f"registration.{verb}", subject, said, now)
