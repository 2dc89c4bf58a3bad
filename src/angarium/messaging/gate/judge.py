"""All rules in their order: the first that does not allow decides. Pure.

Asked when a step is planned, and again at the last moment before the bytes leave. A rule is a function of the
facts and the time; a room that adds one adds its facts to `Facts`, its file here, and its line to `RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter

import msgspec

from angarium.core.values import MessageClass, Reason
from angarium.lines.registration_rules import SOME_TIME
from angarium.messaging.gate import (
    approval,
    budget,
    caps,
    hours,
    line,
    pattern,
    person,
    quiet,
    reachability,
    wording,
)
from angarium.messaging.gate.facts import NO_LINE, NOBODY, Facts, LineRules, Promotes
from angarium.messaging.gate.verdicts import ALLOW, Allow, Refuse, Verdict

Rule = tuple[str, Callable[[Facts, int], Verdict]]


def deadline(facts: Facts, now: int) -> Allow | Refuse:
    """What is too late is not sent."""
    if now < facts.expires_at:
        return ALLOW
    return Refuse(Reason.DEADLINE, "Its deadline passed before it could be sent.", "deadline", "deadline_s")


def approved(facts: Facts, _now: int) -> Verdict:
    """What others must approve goes when they have."""
    return approval.approved(facts.wording)


RULES: tuple[Rule, ...] = (
    ("deadline", deadline),
    (approval.RULE, approved),
    *person.RULES,
    ("wording", wording.promotes),
    *line.RULES,
    ("pattern", pattern.pattern),
    (reachability.NAME, reachability.in_vain),
    (quiet.NAME, quiet.quiet_hours),
    ("step-hours", hours.step_hours),
    ("line-hours", hours.line_hours),
    (caps.NAME, caps.caps),
    *budget.RULES,
)


# Whose message it is, what it says, and what a whole batch has in common.
OWN = frozenset({"contact_id", "message_id", "text", "policies"})
_shared = itemgetter(*(place for place, name in enumerate(Facts.__struct_fields__) if name not in OWN))


class Finding(msgspec.Struct, frozen=True):
    """What one rule says."""

    rule: str
    verdict: Verdict


def judge(facts: Facts, now: int) -> Verdict:
    """Whether a message may leave on this line now."""
    return _first(RULES, facts, now)


class Judge:
    """Judges a batch of one workspace, at one instant: what allows one allows all that are alike.

    Each is judged alone of whom a rule looks at more than they share: at the text, or at what the person had.
    """

    def __init__(self, now: int) -> None:
        self._now = now
        self._allowed: set[tuple[object, ...]] = set()

    def judge(self, facts: Facts) -> Verdict:
        """Whether a message may leave on its line now."""
        if facts.patterns is not None or facts.touches or facts.suppressed or facts.budgets:
            return judge(facts, self._now)
        like = _shared(msgspec.structs.astuple(facts))
        if like in self._allowed:
            return ALLOW
        verdict = judge(facts, self._now)
        if type(verdict) is Allow:
            self._allowed.add(like)
        return verdict


def judge_person(facts: Facts, now: int) -> Verdict:
    """Whether this person may be told it at all; of the line nothing but its channel matters."""
    return _first(person.RULES, facts, now)


def judge_wording(message_class: MessageClass, found: Promotes | None, now: int) -> Verdict:
    """Whether these words may be said in a message of this class, to whomever and on whichever line."""
    return wording.promotes(Facts(message_class, NOBODY, NO_LINE, 0, promotes=found), now)


def judge_line(message_class: MessageClass, rules: LineRules) -> Verdict:
    """Whether this line may carry a message of this class at all, whoever it is for."""
    return _first(line.RULES, Facts(message_class, NOBODY, rules, 0), SOME_TIME)


def explain(facts: Facts, now: int) -> list[Finding]:
    """What every rule says, in their order: for people who ask why, and what else is in the way."""
    return [Finding(name, rule(facts, now)) for name, rule in RULES]


def _first(rules: Iterable[Rule], facts: Facts, now: int) -> Verdict:
    for _, rule in rules:
        verdict = rule(facts, now)
        if type(verdict) is not Allow:
            return verdict
    return ALLOW
