"""Keep the patterns of lines: one by one or many at once, and try a text against them.

Who says that the operator has approved a pattern, or changes one that counts, needs the right to decide about
lines: else whoever writes texts could also write what they have to fit.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Callable, Collection, Sequence
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from angarium.accounts import audit
from angarium.accounts.rules import SCOPES
from angarium.core import ids
from angarium.core.problems import FieldProblem, Problem, all_invalid, invalid, not_found, shown
from angarium.core.values import MessageClass
from angarium.lines import store
from angarium.lines.patterns_index import Index
from angarium.lines.patterns_near import Near
from angarium.lines.patterns_rules import Limit, NoPattern, Pattern, Syntax, made
from angarium.lines.rules import TOPIC
from angarium.lines.store import patterns
from angarium.lines.store.patterns import PatternState, Registered
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact
from angarium.storage.ground import Ground

OF_A_LINE_MAX = 5_000
AT_ONCE_MAX = 2_000
IMPORT_MAX_BYTES = 4_000_000
NAME = re.compile(r"[^\x00-\x1f]{1,100}")
EXTERNAL_ID_MAX = 100
REASON_MAX = 1_000
DECIDE = "lines:decide"
S = PatternState

TRANSITIONS: dict[PatternState, frozenset[PatternState]] = {
    S.DRAFT: frozenset({S.SUBMITTED, S.APPROVED, S.REFUSED}),  # registered elsewhere, and told here
    S.SUBMITTED: frozenset({S.DRAFT, S.APPROVED, S.REFUSED}),
    S.APPROVED: frozenset({S.DRAFT, S.SUBMITTED, S.REFUSED, S.EXPIRED}),
    S.REFUSED: frozenset({S.DRAFT, S.SUBMITTED, S.APPROVED}),
    S.EXPIRED: frozenset({S.DRAFT, S.SUBMITTED}),
}


class PatternInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A pattern as a person or a system describes it."""

    name: str
    class_: MessageClass = msgspec.field(name="class")
    syntax: str
    text: str
    limits: dict[str, Limit] = {}
    external_id: str = ""
    state: PatternState = PatternState.DRAFT
    reason: str = ""


class WrongRow(msgspec.Struct, frozen=True):
    """A row of an import that was left out. `row`: from 1, without the heading."""

    row: int
    errors: tuple[FieldProblem, ...]


class Imported(msgspec.Struct, frozen=True):
    """What came of an import."""

    created: int
    changed: int
    same: int
    wrong: list[WrongRow]
    dry_run: bool


class Tried(msgspec.Struct, frozen=True):
    """What a text comes to: the pattern that it fits, else the nearest one."""

    fits: Pattern | None
    near: Near | None


@cache
def syntaxes() -> dict[str, Syntax]:
    """How operators write places, by key."""
    text = resources.files("angarium.lines").joinpath("patterns.toml").read_text("utf-8")
    found: list[Any] = tomllib.loads(text)["syntax"]
    return {one["key"]: msgspec.convert(one, Syntax) for one in found}


# ── one ──────────────────────────────────────────────────────────────────────────────────────────────


async def create(
    tx: Transaction,
    ground: Ground,
    workspace_id: int,
    line_id: int,
    given: PatternInput,
    actor: str,
    scopes: Collection[str],
) -> Registered:
    """A new pattern; its Conflict means `taken`."""
    await _line(tx, workspace_id, line_id)
    if await patterns.count(tx, workspace_id, line_id) >= OF_A_LINE_MAX:
        raise _too_many()
    one = _made(ground, workspace_id, line_id, given, None, actor, scopes)
    await _save(tx, workspace_id, line_id, [one], "create", actor, one.updated_at)
    return one


async def change(
    ground: Ground,
    workspace_id: int,
    line_id: int,
    pattern_id: int,
    given: PatternInput,
    actor: str,
    scopes: Collection[str],
) -> Registered:
    """A pattern as it is described now; its Conflict means `taken`."""

    async def work(tx: Transaction) -> Registered:
        before = await _one(tx, workspace_id, line_id, pattern_id)
        one = _made(ground, workspace_id, line_id, given, before, actor, scopes)
        await _save(tx, workspace_id, line_id, [one], "change", actor, one.updated_at)
        return one

    changed = await ground.db.run(work)
    ground.fabric.wake(TOPIC)
    return changed


async def delete(ground: Ground, workspace_id: int, line_id: int, pattern_id: int, actor: str) -> None:
    """Delete a pattern; what fitted it alone does not go any more."""

    async def work(tx: Transaction) -> None:
        one = await _one(tx, workspace_id, line_id, pattern_id)
        await patterns.remove(tx, workspace_id, pattern_id)
        await _tell(tx, workspace_id, line_id, [one], "delete", actor, ground.clock.now())

    await ground.db.run(work)
    ground.fabric.wake(TOPIC)


async def get(ground: Ground, workspace_id: int, line_id: int, pattern_id: int) -> Registered:
    """One pattern; a Problem when the line has no such one."""
    return await ground.db.read(_one, workspace_id, line_id, pattern_id)


async def of_line(
    ground: Ground, workspace_id: int, line_id: int, state: str = "", message_class: str = ""
) -> list[Registered]:
    """The patterns of a line, oldest first."""

    async def work(tx: Transaction) -> list[Registered]:
        await _line(tx, workspace_id, line_id)
        return await patterns.of_line(tx, workspace_id, line_id)

    return [
        one
        for one in await ground.db.read(work)
        if state in ("", one.state) and message_class in ("", one.message_class)
    ]


async def tried(
    ground: Ground, workspace_id: int, line_id: int, message_class: MessageClass, text: str
) -> Tried:
    """What a text comes to against the approved patterns of a line, whether or not it demands one."""

    async def work(tx: Transaction) -> list[Registered]:
        await _line(tx, workspace_id, line_id)
        return await patterns.approved(tx, workspace_id, line_id)

    index = indexed(await ground.db.read(work)).get(message_class, Index(()))
    found = index.match(text)
    return Tried(found, None if found else index.nearest(text))


def indexed(found: Sequence[Registered]) -> dict[MessageClass, Index]:
    """Approved patterns made ready, by class."""
    by_class: dict[MessageClass, list[Pattern]] = {}
    for one in found:
        by_class.setdefault(one.message_class, []).append(compiled(one))
    return {message_class: Index(some) for message_class, some in by_class.items()}


def compiled(one: Registered) -> Pattern:
    """A pattern made ready."""
    return made(syntaxes()[one.syntax], one.text, one.limits, one.id, one.name, one.external_id)


# ── many ─────────────────────────────────────────────────────────────────────────────────────────────


async def bring_in(
    ground: Ground,
    workspace_id: int,
    line_id: int,
    rows: Sequence[PatternInput | Problem],
    actor: str,
    scopes: Collection[str],
    *,
    dry_run: bool,
) -> Imported:
    """Create patterns, or change those of the same name; rows that are wrong are told and spoil no other."""

    async def work(tx: Transaction) -> Imported:
        await _line(tx, workspace_id, line_id)
        known = {one.name: one for one in await patterns.of_line(tx, workspace_id, line_id)}
        sorted_out = _sort_out(ground, workspace_id, line_id, rows, known, actor, scopes)
        written, answer = sorted_out
        if len(known.keys() | {one.name for one in written}) > OF_A_LINE_MAX:
            raise _too_many()
        if not dry_run and written:
            now = ground.clock.now()
            await _save(tx, workspace_id, line_id, written, "import", actor, now)
        return msgspec.structs.replace(answer, dry_run=dry_run)

    done = await ground.db.run(work)
    ground.fabric.wake(TOPIC)
    return done


def _sort_out(
    ground: Ground,
    workspace_id: int,
    line_id: int,
    rows: Sequence[PatternInput | Problem],
    known: dict[str, Registered],
    actor: str,
    scopes: Collection[str],
) -> tuple[list[Registered], Imported]:
    written: dict[str, Registered] = {}
    wrong, same = [], 0
    for number, row in enumerate(rows, 1):
        if isinstance(row, Problem):
            wrong.append(WrongRow(number, row.fields))
        elif row.name in written:
            told = FieldProblem("name", "stands in an earlier row", "one row for each name", shown(row.name))
            wrong.append(WrongRow(number, (told,)))
        else:
            before = known.get(row.name)
            if before is not None and _as_given(before) == row:
                same += 1
                continue
            try:
                written[row.name] = _made(ground, workspace_id, line_id, row, before, actor, scopes)
            except Problem as problem:
                told = FieldProblem("state", problem.detail, f"a key with {DECIDE}", row.state.value)
                wrong.append(WrongRow(number, problem.fields or (told,)))
    created = sum(name not in known for name in written)
    return list(written.values()), Imported(created, len(written) - created, same, wrong, dry_run=False)


def read_csv(body: bytes, read: Callable[[bytes], PatternInput]) -> list[PatternInput | Problem]:
    """The rows of a CSV file with a heading: UTF-8, comma or semicolon. `read`: a row as JSON."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise invalid("body", f"is not UTF-8: byte {error.start}", remedy="save the file as UTF-8") from None
    heading = text.partition("\n")[0]
    delimiter = ";" if heading.count(";") > heading.count(",") else ","
    try:
        found = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise invalid("body", f"is not CSV: {error}", remedy="quotes around what holds a delimiter") from None
    names = [name.strip() for name in found[0]] if found else []
    fields = {field.encode_name for field in msgspec.structs.fields(PatternInput)}
    strange = [name for name in names if name not in fields]
    if strange or "name" not in names:
        remedy = "a heading of some of " + ", ".join(sorted(fields))
        raise invalid("body", "has another heading", value=", ".join(strange or names), remedy=remedy)
    if len(found) > AT_ONCE_MAX + 1:
        raise invalid("body", "has too many rows", value=len(found), remedy=f"at most {AT_ONCE_MAX} at once")
    return [_row(names, row, read) for row in found[1:] if any(cell.strip() for cell in row)]


def _row(
    names: Sequence[str], row: Sequence[str], read: Callable[[bytes], PatternInput]
) -> PatternInput | Problem:
    if len(row) != len(names):
        return invalid("row", f"has {len(row)} cells", remedy=f"{len(names)}, as the heading")
    cells: dict[str, Any] = {name: cell for name, cell in zip(names, row, strict=True) if cell}
    try:
        if "limits" in cells:
            cells["limits"] = msgspec.json.decode(cells["limits"])
        return read(msgspec.json.encode(cells))
    except msgspec.DecodeError:
        return invalid("limits", "is not JSON", value=cells["limits"], remedy='such as {"0": {"chars": 20}}')
    except Problem as problem:
        return problem


# ── what the verbs share ─────────────────────────────────────────────────────────────────────────────


def taken(name: str) -> Problem:
    """Another pattern of this line has this name."""
    return invalid("name", "a pattern of this name exists", value=name, remedy="choose another name")


def _too_many() -> Problem:
    return invalid("patterns", "are too many", remedy=f"at most {OF_A_LINE_MAX} on a line; delete some")


def _as_given(one: Registered) -> PatternInput:
    return PatternInput(
        name=one.name,
        class_=one.message_class,
        syntax=one.syntax,
        text=one.text,
        limits=one.limits,
        external_id=one.external_id,
        state=one.state,
        reason=one.reason,
    )


def _made(
    ground: Ground,
    workspace_id: int,
    line_id: int,
    given: PatternInput,
    before: Registered | None,
    actor: str,
    scopes: Collection[str],
) -> Registered:
    """A pattern as it will be kept; a Problem names all that is wrong, or the right that is missing."""
    wrong = tuple(_wrong(given, before))
    if wrong:
        raise all_invalid("The pattern is not valid", wrong)
    counts = given.state is S.APPROVED or (before is not None and before.state is S.APPROVED)
    if counts and DECIDE not in scopes:
        raise Problem(
            "scope-missing",
            "This key may not do that",
            status=403,
            detail=f"A pattern that counts is decided about with the scope {DECIDE} ({SCOPES[DECIDE]}).",
        )
    now = ground.clock.now()
    return Registered(
        workspace_id=workspace_id,
        id=before.id if before else ground.ids.mint(),
        line_id=line_id,
        name=given.name,
        message_class=given.class_,
        syntax=given.syntax,
        text=given.text,
        limits=given.limits,
        external_id=given.external_id,
        state=given.state,
        reason=given.reason,
        changed_by=actor,
        version=before.version + 1 if before else 1,
        created_at=before.created_at if before else now,
        updated_at=now,
    )


def _wrong(given: PatternInput, before: Registered | None) -> list[FieldProblem]:
    found = []
    if not NAME.fullmatch(given.name):
        found.append(FieldProblem("name", "is not a name", "1 to 100 characters", shown(given.name)))
    if len(given.external_id) > EXTERNAL_ID_MAX:
        remedy = f"at most {EXTERNAL_ID_MAX} characters"
        found.append(FieldProblem("external_id", "is too long", remedy, shown(given.external_id)))
    if given.syntax not in syntaxes():
        remedy = "one of " + ", ".join(syntaxes())
        found.append(FieldProblem("syntax", "is not a syntax", remedy, shown(given.syntax)))
    else:
        try:
            made(syntaxes()[given.syntax], given.text, given.limits)
        except NoPattern as error:
            remedy = f"words, and places as in {syntaxes()[given.syntax].title}"
            found.append(FieldProblem("text", str(error), remedy, shown(given.text)))
    start = before.state if before else S.DRAFT
    if given.state is not start and given.state not in TRANSITIONS[start]:
        remedy = "one of " + ", ".join(sorted({start, *TRANSITIONS[start]}))
        found.append(FieldProblem("state", f"does not follow {start.value}", remedy, given.state.value))
    if given.state is S.REFUSED and not given.reason.strip():
        found.append(FieldProblem("reason", "is missing", "what the operator said"))
    if len(given.reason) > REASON_MAX:
        found.append(FieldProblem("reason", "is too long", f"at most {REASON_MAX} characters"))
    return found


async def _line(tx: Transaction, workspace_id: int, line_id: int) -> None:
    if await store.rules_version(tx, workspace_id, line_id) is None:
        raise not_found("line", ids.show("line", line_id))


async def _one(tx: Transaction, workspace_id: int, line_id: int, pattern_id: int) -> Registered:
    found = await patterns.by_id(tx, workspace_id, pattern_id)
    if found is None or found.line_id != line_id:
        raise not_found("pattern", ids.show("pattern", pattern_id))
    return found


async def _save(
    tx: Transaction,
    workspace_id: int,
    line_id: int,
    some: Sequence[Registered],
    verb: str,
    actor: str,
    now: int,
) -> None:
    await patterns.save(tx, some)
    await _tell(tx, workspace_id, line_id, some, verb, actor, now)


async def _tell(
    tx: Transaction,
    workspace_id: int,
    line_id: int,
    some: Sequence[Registered],
    verb: str,
    actor: str,
    now: int,
) -> None:
    """The line looks at its patterns again; one fact for all that was done at once."""
    await store.rules_changed(tx, workspace_id, line_id, patterns=True)
    said = {
        "verb": verb,
        "by": actor,
        "count": len(some),
        "patterns": [
            {"id": ids.show("pattern", one.id), "name": one.name, "state": one.state.value}
            for one in some[:50]
        ],
    }
    body = msgspec.json.encode(said)
    await facts.append(tx, [Fact(workspace_id, "line.patterns_changed", line_id, now, body)])
    await audit.note(tx, workspace_id, actor, f"pattern.{verb}", ids.show("line", line_id), said, now)
