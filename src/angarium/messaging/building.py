"""A cascade as a form has it, what each of its steps costs, and what all of it comes to. Pure.

Steps stand in the order in which the form holds them; each has a key of its own, so that they can be moved:
`step=a`, `a.way=channel:vk_notify`, `a.wait=5`, `a.unit=m`. What somebody typed is kept as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from angarium.core.values import Window
from angarium.messaging.cascade import Step
from angarium.messaging.steps import STEPS_MAX

UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0}
KEYS = "abcdefghijklmnopqrstuvwxyz"
FIELDS = ("way", "success", "wait", "unit", "start", "from", "until")
REASONS_MAX = 12  # transitions of a step that a form holds


class DraftStep(msgspec.Struct):
    """A step as it is typed."""

    key: str
    way: str = ""  # channel:KIND or line:NAME
    success: str = ""
    wait: str = "5"
    unit: str = "m"
    start: str = ""  # minutes; empty: until the deadline
    from_: str = ""  # hours of the day, by the contact's own clock
    until: str = ""
    days: list[str] = []
    on: list[tuple[str, str]] = []  # reason, action


class DraftCascade(msgspec.Struct):
    """A cascade as it is typed, and for whom it is tried."""

    name: str = ""
    steps: list[DraftStep] = []
    contact: str = ""
    template: str = ""
    text: str = ""
    message_class: str = "service"


class Cost(msgspec.Struct, frozen=True):
    """What a step costs on the line that would be taken first, and how often it succeeds there."""

    micros: int = 0
    currency: str = ""
    on_delivery: bool = False  # charged for what was delivered only
    success: float | None = None  # share of what was accepted; None: too little is known
    known: bool = False  # whether there is a line at all


class Sum(msgspec.Struct, frozen=True):
    """What a way through the cascade comes to, one entry for each step at which it may end."""

    paths: list[int | None]
    expected: int | None
    currency: str


# ── the form ─────────────────────────────────────────────────────────────────────────────────────────


def read(fields: Sequence[tuple[str, str]]) -> DraftCascade:
    """What the fields of a form say."""
    draft = DraftCascade(steps=[])
    by_key: dict[str, DraftStep] = {}
    reasons: dict[str, list[str]] = {}
    for name, text in fields:
        key, dot, field = name.partition(".")
        if name == "step" and text in KEYS and text and text not in by_key and len(by_key) < STEPS_MAX + 5:
            by_key[text] = DraftStep(text, days=[], on=[])
        elif dot and key in by_key:
            _read_field(by_key[key], field, text, reasons.setdefault(key, []))
        elif name in ("name", "contact", "template", "text"):
            setattr(draft, name, text)
        elif name == "class":
            draft.message_class = text
    draft.steps = list(by_key.values())
    return draft


def _read_field(step: DraftStep, field: str, text: str, reasons: list[str]) -> None:
    if field in FIELDS:
        setattr(step, "from_" if field == "from" else field, text)
    elif field == "days":
        step.days.append(text)
    elif field == "reason":
        reasons.append(text)
    elif field == "action" and reasons and len(step.on) < REASONS_MAX:
        step.on.append((reasons[-1], text))


def of_steps(name: str, steps: Sequence[Step]) -> DraftCascade:
    """A cascade that is there, to be changed."""
    return DraftCascade(name, [_of_step(KEYS[place], step) for place, step in enumerate(steps)])


def _of_step(key: str, step: Step) -> DraftStep:
    unit = next(unit for unit in ("h", "m", "s") if step.wait_s % UNITS[unit] == 0 or unit == "s")
    hours = step.hours
    return DraftStep(
        key=key,
        way=f"line:{step.line}" if step.line else f"channel:{step.channel}",
        success=step.success,
        wait=f"{step.wait_s / UNITS[unit]:g}",
        unit=unit,
        start="" if step.start_within_s is None else f"{step.start_within_s / 60:g}",
        from_=hours.from_ if hours else "",
        until=hours.until if hours else "",
        days=[str(day) for day in hours.days] if hours else [],
        on=list(step.on.items()),
    )


def steps_of(draft: DraftCascade) -> tuple[Step, ...]:
    """The steps as they are saved; numbers that are none become what is refused with its reason."""
    return tuple(_step(one) for one in draft.steps)


def _step(one: DraftStep) -> Step:
    kind, _, name = one.way.partition(":")
    start = one.start.strip()
    return Step(
        channel=name if kind == "channel" else "",
        line=name if kind == "line" else "",
        success=one.success,
        wait_s=_number(one.wait) * UNITS.get(one.unit, 60.0),
        start_within_s=_number(start) * 60 if start else None,
        on={reason: action for reason, action in one.on if reason and action},
        hours=_hours(one),
    )


def _number(text: str) -> float:
    try:
        found = float(text.strip().replace(",", ".").replace("٫", "."))
    except ValueError:
        return 0.0
    return found if 0 <= found < 1e9 else 0.0  # neither nan nor inf


def _hours(one: DraftStep) -> Window | None:
    if not one.from_.strip() and not one.until.strip():
        return None
    days = tuple(sorted({int(day) for day in one.days if day in "1234567" and day}))
    return Window(one.from_.strip() or "00:00", one.until.strip() or "24:00", days or (1, 2, 3, 4, 5, 6, 7))


def pressed(draft: DraftCascade, what: str) -> None:
    """Change the steps by what a button says: `add:channel:smpp`, `remove:a`, `up:a`, `down:a`."""
    verb, _, rest = what.partition(":")
    if verb == "add" and len(draft.steps) < STEPS_MAX:
        taken = {one.key for one in draft.steps}
        key = next(one for one in KEYS if one not in taken)
        draft.steps.append(DraftStep(key, way=rest, days=[], on=[]))
        return
    place = next((place for place, one in enumerate(draft.steps) if one.key == rest), None)
    if place is None:
        return
    if verb == "remove":
        del draft.steps[place]
    elif verb == "reason" and len(draft.steps[place].on) < REASONS_MAX:
        draft.steps[place].on.append(("", ""))
    elif verb in ("up", "down"):
        other = place - 1 if verb == "up" else place + 1
        if 0 <= other < len(draft.steps):
            draft.steps[place], draft.steps[other] = draft.steps[other], draft.steps[place]


# ── what it comes to ─────────────────────────────────────────────────────────────────────────────────


def total(costs: Sequence[Cost]) -> Sum:
    """What it costs to end at each step, and what a message costs on average as things went lately.

    A step that did not succeed is paid for where acceptance is charged. Steps are left as often as what was
    accepted on their lines was not delivered in the last day.
    """
    currencies = {one.currency for one in costs if one.known}
    if len(currencies) != 1:
        return Sum([None] * len(costs), None, "")
    paths: list[int | None] = []
    before, reached, expected = 0, 1.0, 0.0
    sure = True
    for place, one in enumerate(costs):
        paths.append(before + one.micros if one.known else None)
        before += 0 if one.on_delivery else one.micros
        share = one.success
        expected += reached * one.micros * ((share or 0.0) if one.on_delivery else 1.0)
        sure = sure and one.known and (share is not None or (place == len(costs) - 1 and not one.on_delivery))
        reached *= 1.0 - (share or 0.0)
    return Sum(paths, round(expected) if sure else None, next(iter(currencies)))


def wrong_by_step(fields: Sequence[tuple[str, str]]) -> Mapping[int, list[str]]:
    """Sentences about `steps[1].wait_s` by the place of their step."""
    found: dict[int, list[str]] = {}
    for field, sentence in fields:
        head = field.removeprefix("steps[").partition("]")[0]
        if field.startswith("steps[") and head.isdigit():
            found.setdefault(int(head), []).append(sentence)
    return found
