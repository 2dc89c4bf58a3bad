"""Which lines could carry a step, best first, each with the reason for its place. Pure.

Rules, in the order in which they are asked:
1. A line that may not carry the message is not taken: switched off, not approved, not for the class or the
   destination, tried for this step already.
2. A line that can be counted on comes before one that is not connected or rests.
3. A line that is to be avoided (the one on which a code went unanswered) comes after the others.
4. Among what is left the workspace's policy decides: the cheapest, the healthiest, by weight, or an order.
5. What is equal still goes by price, and then to the older line.

By weight the choice is made by the message's own id: rendezvous hashing (Thaler and Ravishankar, 1998) with
the weights of Schindelhauer and Schomaker (2005). So it needs no memory, the same message chooses the same
line wherever it is asked, and when a line falls out only its own share moves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated

import msgspec

from angarium.core.values import MessageClass, amount_text
from angarium.messaging.cascade import Step
from angarium.messaging.gate.facts import LineRules
from angarium.messaging.gate.judge import judge_line
from angarium.messaging.gate.verdicts import Refuse

SPAN = 1 << 64


class By(StrEnum):
    """What decides among lines that could carry a message."""

    CHEAPEST = "cheapest"
    HEALTHIEST = "healthiest"  # the share of the last hour that was taken, in whole per cent
    WEIGHTED = "weighted"  # each line's share of the traffic is its weight
    FIXED = "fixed"  # the order that the policy names; others after it


class Routing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a workspace chooses among the lines of a channel; a class may have its own way."""

    by: By = By.CHEAPEST
    of_class: dict[MessageClass, By] = {}
    order: Annotated[tuple[str, ...], msgspec.Meta(max_length=200)] = ()  # names of lines, for `fixed`

    def way(self, message_class: MessageClass) -> By:
        """What decides for a class."""
        return self.of_class.get(message_class, self.by)


class LineFacts(msgspec.Struct, frozen=True, gc=False):
    """A line as the choice sees it."""

    line_id: int
    channel: str
    rules: LineRules
    healthy: bool
    price_micros: int  # of this message on this line
    weight: int = 1
    taken: int | None = None  # per mille of the last hour; None: not enough was sent
    elsewhere: str = ""  # why it is not for the destination


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A line's place in the choice: `fit` lines can be used, in order; the others say why not."""

    line_id: int
    name: str
    fit: bool
    why: str


Place = tuple[float, ...]  # the smaller the better


def candidates(
    lines: Iterable[LineFacts],
    step: Step,
    message_class: MessageClass,
    avoid: Collection[int] = (),
    exclude: Collection[int] = (),
    by: By = By.CHEAPEST,
    named: Sequence[str] = (),
    key: int = 0,
) -> list[Candidate]:
    """The lines of a step, best first. `named`: the order of the policy; `key`: the id of the message."""
    place_of = _places(by, named, key)
    fit: list[tuple[tuple[object, ...], LineFacts]] = []
    unfit: list[Candidate] = []
    for line in lines:
        if (line.rules.name != step.line) if step.line else (line.channel != step.channel):
            continue
        why_not = _why_not(line, message_class, exclude)
        if why_not:
            unfit.append(Candidate(line.line_id, line.rules.name, False, why_not))
            continue
        place = (not line.healthy, line.line_id in avoid, place_of(line), line.price_micros, line.line_id)
        fit.append((place, line))
    fit.sort(key=lambda item: item[0])
    order = [line for _, line in fit]
    return [
        Candidate(line.line_id, line.rules.name, True, _why(line, order, avoid, by, number))
        for number, line in enumerate(order)
    ] + unfit


def _places(by: By, named: Sequence[str], key: int) -> Callable[[LineFacts], Place]:
    match by:
        case By.HEALTHIEST:
            return lambda line: (-_per_cent(line),)
        case By.WEIGHTED:
            return lambda line: (_draw(key, line.line_id, line.weight),)
        case By.FIXED:
            places = {name: number for number, name in enumerate(named)}
            return lambda line: (places.get(line.rules.name, len(places)),)
        case _:
            return lambda _line: ()


def _per_cent(line: LineFacts) -> int:
    """A line of which too little is known counts as well: else it would never be tried."""
    return 100 if line.taken is None else line.taken // 10


def _draw(key: int, line_id: int, weight: int) -> float:
    """The lot of a line for a message: of two lines each is the smaller as often as its weight says."""
    if weight <= 0:
        return math.inf
    digest = blake2b(b"%d/%d" % (key, line_id), digest_size=8).digest()
    return -math.log((int.from_bytes(digest) + 1) / (SPAN + 1)) / weight


def _why_not(line: LineFacts, message_class: MessageClass, exclude: Collection[int]) -> str:
    judgement = judge_line(message_class, line.rules)
    if isinstance(judgement, Refuse):
        return judgement.detail
    if line.elsewhere:
        return line.elsewhere
    return "It has been tried for this step already." if line.line_id in exclude else ""


def _why(line: LineFacts, order: Sequence[LineFacts], avoid: Collection[int], by: By, number: int) -> str:
    if line.line_id in avoid:
        return "Already tried; used again only because there is no other."
    if not line.healthy:
        return "Not connected now; used only because there is no other."
    alone = number or len(order) == 1
    told = [
        "Connected",
        f"{line.price_micros / 1_000_000:.4f} a message" if alone else _chosen(line, order, by),
    ]
    if line.taken is not None:
        told.append(f"{line.taken / 10:g} % of the last hour taken")
    return f"{'; '.join(told)}."


def _chosen(line: LineFacts, order: Sequence[LineFacts], by: By) -> str:
    """Why the first of several was put first."""
    price, second = amount_text(line.price_micros), order[1]
    others = f"of {len(order)}"
    match by:
        case By.HEALTHIEST:
            return f"the healthiest {others}, {price} a message"
        case By.WEIGHTED:
            weights = sum(one.weight for one in order)
            return f"drawn by weight {line.weight} of {weights}, {price} a message"
        case By.FIXED:
            return f"the first {others} in the order of the policy, {price} a message"
        case _:
            return f"the cheapest {others}: {price} against {amount_text(second.price_micros)}"
