"""Which lines could carry a step, best first, each with the reason for its place. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from angarium.core.values import MessageClass
from angarium.messaging.cascade import Step
from angarium.messaging.gate.facts import LineRules
from angarium.messaging.gate.judge import judge_line
from angarium.messaging.gate.verdicts import Refuse


class LineFacts(msgspec.Struct, frozen=True):
    """A line as the choice sees it."""

    line_id: int
    channel: str
    rules: LineRules
    healthy: bool
    price_micros: int  # of this message on this line


class Candidate(msgspec.Struct, frozen=True):
    """A line's place in the choice: `fit` lines can be used, in order; the others say why not."""

    line_id: int
    name: str
    fit: bool
    why: str


def candidates(
    lines: Iterable[LineFacts],
    step: Step,
    message_class: MessageClass,
    avoid: Collection[int] = (),
    exclude: Collection[int] = (),
) -> list[Candidate]:
    """The lines of a step: healthy before ailing, not avoided before avoided, then by price."""
    fit: list[tuple[tuple[bool, bool, int, int], Candidate]] = []
    unfit: list[Candidate] = []
    for line in lines:
        if (line.rules.name != step.line) if step.line else (line.channel != step.channel):
            continue
        why_not = _why_not(line, message_class, exclude)
        if why_not:
            unfit.append(Candidate(line.line_id, line.rules.name, False, why_not))
            continue
        place = (not line.healthy, line.line_id in avoid, line.price_micros, line.line_id)
        fit.append((place, Candidate(line.line_id, line.rules.name, True, _why(line, avoid))))
    fit.sort(key=lambda item: item[0])
    return [candidate for _, candidate in fit] + unfit


def _why_not(line: LineFacts, message_class: MessageClass, exclude: Collection[int]) -> str:
    judgement = judge_line(message_class, line.rules)
    if isinstance(judgement, Refuse):
        return judgement.detail
    return "It has been tried for this step already." if line.line_id in exclude else ""


def _why(line: LineFacts, avoid: Collection[int]) -> str:
    if line.line_id in avoid:
        return "Already tried; used again only because there is no other."
    if not line.healthy:
        return "Not connected now; used only because there is no other."
    return f"Connected; {line.price_micros / 1_000_000:.4f} a message."
