"""The life of a version of a template as a table; which version is in force at an instant. Pure.

What a version says never changes once it is written: a change is another version. What changes is its state,
by the table below and by nothing else. A published version takes over at an instant and may end at one; which
version is in force is asked with `now`, so that no timer lives anywhere:

- Of the published versions that have begun and not ended, the one that began last is in force; of two that
  began together, the newer one.
- One that has no end replaces for good what began before it. One that has an end stands in for a while, and
  what was there before goes on behind it.

The diagram in docs/explanation/templates.md is printed from this table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

FOREVER = (1 << 63) - 1


class VersionState(StrEnum):
    """What has become of a version."""

    DRAFT = "draft"  # can be saved again, which makes the next version
    IN_REVIEW = "in_review"  # locked: the template cannot be changed until it is decided on
    CHANGES_REQUESTED = "changes_requested"  # unlocked again, with comments
    APPROVED = "approved"  # may be published
    PUBLISHED = "published"  # in force, or will be at its instant
    REFUSED = "refused"  # for good; its words go on as a new draft
    SUPERSEDED = "superseded"  # a draft that was saved again
    RETIRED = "retired"  # was taken out, replaced, or has ended


class Action(StrEnum):
    """What is done to a version."""

    SAVE = "save"  # of the version that comes after it
    SUBMIT = "submit"
    WITHDRAW = "withdraw"
    REQUEST_CHANGES = "request_changes"
    APPROVE = "approve"
    REFUSE = "refuse"
    PUBLISH = "publish"
    UNSCHEDULE = "unschedule"
    RETIRE = "retire"


S, A = VersionState, Action

TRANSITIONS: dict[VersionState, dict[Action, VersionState]] = {
    # PUBLISH without approval: where no policy asks for one, or in an emergency that is reviewed later
    S.DRAFT: {A.SAVE: S.SUPERSEDED, A.SUBMIT: S.IN_REVIEW, A.PUBLISH: S.PUBLISHED},
    S.IN_REVIEW: {
        A.APPROVE: S.APPROVED,  # once enough have; until then it stays
        A.REFUSE: S.REFUSED,
        A.REQUEST_CHANGES: S.CHANGES_REQUESTED,
        A.WITHDRAW: S.DRAFT,
        A.PUBLISH: S.PUBLISHED,  # in an emergency only
    },
    S.CHANGES_REQUESTED: {A.SAVE: S.SUPERSEDED, A.SUBMIT: S.IN_REVIEW, A.PUBLISH: S.PUBLISHED},
    S.APPROVED: {A.PUBLISH: S.PUBLISHED, A.RETIRE: S.RETIRED},
    S.PUBLISHED: {
        A.UNSCHEDULE: S.DRAFT,  # before its instant; what approvals it had, it has still
        A.RETIRE: S.RETIRED,
        A.APPROVE: S.PUBLISHED,  # the later review of an emergency
        A.REFUSE: S.RETIRED,  # the same, to the contrary
    },
    S.REFUSED: {},
    S.SUPERSEDED: {},
    S.RETIRED: {},
}

OPEN = frozenset({S.DRAFT, S.IN_REVIEW, S.CHANGES_REQUESTED})  # a template has at most one such version


class Term(msgspec.Struct, frozen=True):
    """What decides when a version is in force."""

    number: int
    state: VersionState
    effective_from: int | None = None
    effective_until: int | None = None

    @property
    def begins(self) -> int:
        """When it takes over; never, when it is not published."""
        published = self.state is S.PUBLISHED and self.effective_from is not None
        return self.effective_from if published and self.effective_from is not None else FOREVER

    @property
    def ends(self) -> int:
        """When it ends by itself."""
        return FOREVER if self.effective_until is None else self.effective_until


class Period(msgspec.Struct, frozen=True):
    """From an instant until another (None: for good) this version is in force; None is nobody."""

    begins: int
    ends: int | None
    number: int | None


def after(state: VersionState, action: Action) -> VersionState | None:
    """The state that an action leads to; None where it is not possible."""
    return TRANSITIONS[state].get(action)


def in_force(terms: Iterable[Term], now: int) -> Term | None:
    """The version that is in force at an instant."""
    running = [term for term in terms if term.begins <= now < term.ends]
    return max(running, key=lambda term: (term.begins, term.number), default=None)


def is_over(term: Term, terms: Iterable[Term], now: int) -> bool:
    """Whether a published version can never be in force again."""
    if term.begins == FOREVER:
        return False
    if term.ends <= now:
        return True
    mine = (term.begins, term.number)
    return any(
        other.begins <= now and other.ends == FOREVER and (other.begins, other.number) > mine
        for other in terms
    )


def state_at(term: Term, terms: Iterable[Term], now: int) -> VersionState:
    """The state as it is to be shown: a published version that is over is a retired one."""
    return S.RETIRED if is_over(term, terms, now) else term.state


def periods(terms: Sequence[Term], now: int) -> list[Period]:
    """Who is in force from now on, in order; the last period has no end."""
    marks = {now} | {
        mark
        for term in terms
        if term.begins != FOREVER
        for mark in (term.begins, term.ends)
        if now < mark < FOREVER
    }
    found: list[Period] = []
    for mark in sorted(marks):
        term = in_force(terms, mark)
        number = term.number if term else None
        if found and found[-1].number == number:
            continue
        if found:
            found[-1] = msgspec.structs.replace(found[-1], ends=mark)
        found.append(Period(mark, None, number))
    return found


def gap(planned: Sequence[Period]) -> Period | None:
    """The first period between two versions in which none is in force."""
    return next((period for period in planned[1:-1] if period.number is None), None)


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    for state, actions in TRANSITIONS.items():
        lines += [
            f"    {state.value} --> {following.value}: {action.value}"
            for action, following in actions.items()
        ]
    return "\n".join(lines)
