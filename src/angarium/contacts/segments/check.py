"""What is wrong with rules, each problem with its place in the tree: `rules.all[2].value`. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from angarium.contacts.comparable import fold
from angarium.contacts.consent import PURPOSES
from angarium.contacts.fields import FieldDefinition, FieldKind
from angarium.contacts.segments.rules import (
    BESIDE,
    BRANCHES,
    DAYS_MAX,
    DEPTH_MAX,
    OPERATORS,
    RULES_MAX,
    SUBJECTS,
    TEXT_MAX,
    TIMES_MAX,
    TIMES_WITHIN_MAX,
    WRITTEN,
    Operator,
    Rule,
    subjects,
    walk,
)
from angarium.contacts.segments.values import Misfit, days, looked_at, values_of
from angarium.core import ids
from angarium.core.clock import is_zone
from angarium.core.problems import FieldProblem, shown

PROBLEMS_MAX = 20  # told at once
DEFAULTS = dict(zip(Rule.__struct_fields__, Rule.__struct_defaults__, strict=True))  # all have one
Wrong = Iterator[FieldProblem]
Defined = Mapping[str, FieldDefinition]


def check(rules: Rule, defined: Defined, segments: Collection[str] = ()) -> tuple[FieldProblem, ...]:
    """Everything that is wrong with a tree of rules. `segments` are the ids that a rule may name."""
    found: list[FieldProblem] = []
    for number, (place, rule, depth) in enumerate(walk(rules), start=1):
        if number > RULES_MAX:
            found.append(FieldProblem("rules", "are too many", f"at most {RULES_MAX}, branches counted"))
            break
        if depth > DEPTH_MAX:
            found.append(FieldProblem(place, "lies too deep", f"at most {DEPTH_MAX} branches in one another"))
            break
        found.extend(_wrong(rule, place, defined, segments))
    return tuple(found[:PROBLEMS_MAX])


def _wrong(rule: Rule, place: str, defined: Defined, segments: Collection[str]) -> Wrong:
    named = subjects(rule)
    if len(named) != 1:
        remedy = "one of " + ", ".join((*BRANCHES, *SUBJECTS))
        yield FieldProblem(
            place, "asks nothing" if not named else "asks several things", remedy, shown(", ".join(named))
        )
        return
    (subject,) = named
    yield from _beside(rule, place, subject)
    match subject:
        case "all" | "any":
            if not (rule.all or rule.any):
                yield FieldProblem(f"{place}.{subject}", "is empty", "at least one rule")
        case "field" | "property":
            yield from _comparison(rule, place, defined)
        case "tag":
            yield from _words(f"{place}.tag", rule.tag)
        case "address":
            yield from _beginnings(rule, place)
        case "opted_out" | "opted_in":
            yield from _said(getattr(rule, subject), f"{place}.{subject}")
        case "history":
            yield from _history(rule, place)
        case "segment":
            if rule.segment not in segments:
                remedy = "the id of a segment that does not use this one"
                yield FieldProblem(f"{place}.segment", "cannot be used here", remedy, shown(rule.segment))


def _beside(rule: Rule, place: str, subject: str) -> Wrong:
    """What stands beside a subject that it does not go with."""
    allowed = {"not_" if subject == "not" else subject, *BESIDE.get(subject, ())}
    for name in Rule.__struct_fields__:
        if name not in allowed and getattr(rule, name) != DEFAULTS[name]:
            written = WRITTEN.get(name, name)
            yield FieldProblem(f"{place}.{written}", f"does not go with {subject}", "leave it out")


def _said(purpose: str, place: str) -> Wrong:
    if purpose not in PURPOSES:
        yield FieldProblem(place, "is no class", "one of " + ", ".join(PURPOSES), shown(purpose))


def _beginnings(rule: Rule, place: str) -> Wrong:
    for number, begin in enumerate(rule.starts_with):
        yield from _words(f"{place}.starts_with[{number}]", begin)


def _words(place: str, text: str | None) -> Wrong:
    if not text or not fold(text):
        yield FieldProblem(place, "is empty", f"1 to {TEXT_MAX} characters")
    elif len(text) > TEXT_MAX:
        yield FieldProblem(place, "is too long", f"at most {TEXT_MAX} characters", shown(text))


def _comparison(rule: Rule, place: str, defined: Defined) -> Wrong:
    if rule.field is not None:
        yield from _words(f"{place}.field", rule.field)
    if rule.is_ is None:
        yield FieldProblem(f"{place}.is", "is missing", "one of " + ", ".join(OPERATORS))
        return
    if rule.zone and not is_zone(rule.zone):
        yield FieldProblem(f"{place}.zone", "is not a time zone", "such as Asia/Tehran", shown(rule.zone))
    definition = looked_at(rule, defined)
    kind = definition.kind
    if kind not in OPERATORS[rule.is_].kinds:
        fitting = [one.value for one, meaning in OPERATORS.items() if kind in meaning.kinds]
        yield FieldProblem(
            f"{place}.is", f"does not go with {kind}", "one of " + ", ".join(fitting), rule.is_.value
        )
        return
    if rule.zone and (kind is not FieldKind.DATE or rule.is_ not in TODAY):
        yield FieldProblem(f"{place}.zone", f"does not go with {rule.is_} of {kind}", "leave it out")
    try:
        values_of(definition, rule.is_, rule.value)
    except Misfit as misfit:
        problem = "is missing" if rule.value is None else misfit.problem
        yield FieldProblem(
            f"{place}.value", problem, misfit.remedy, "" if rule.value is None else shown(rule.value)
        )


TODAY = (Operator.IN_LAST_DAYS, Operator.IN_NEXT_DAYS, Operator.ANNIVERSARY_IN_NEXT_DAYS)


def _history(rule: Rule, place: str) -> Wrong:
    for name in ("channel", "label"):
        if getattr(rule, name):
            yield from _words(f"{place}.{name}", getattr(rule, name))
    if rule.template:
        try:
            ids.read("template", rule.template)
        except ValueError:
            yield FieldProblem(
                f"{place}.template", "is not the id of a template", "such as tpl_…", shown(rule.template)
            )
    if rule.days is not None:
        try:
            days(rule.days)
        except Misfit:
            yield FieldProblem(f"{place}.days", "is out of range", f"0 to {DAYS_MAX}", shown(rule.days))
    most = TIMES_MAX if rule.days is None else TIMES_WITHIN_MAX
    if not 1 <= rule.times <= most:
        yield FieldProblem(f"{place}.times", "is out of range", f"1 to {most}", shown(rule.times))
    if rule.never and rule.times > 1:
        yield FieldProblem(f"{place}.times", "does not go with never", "put the rule under not")
