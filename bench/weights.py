"""How much each kind of promotional wording counts, learned from the labelled texts that may be tuned with.

A logistic regression on how often each kind of phrases counts in the run of sentences that promotes most
(see `angarium.content.promotional`): first on whole texts, then on the run that the weights so far choose. A
kind speaks for advertising or against it, never both, so that a person can follow it. Held-back texts are
not looked at.

    python -m bench.weights            what the weights are worth on texts they were not learned from
    python -m bench.weights --write    writes them to `wordlists/weights.toml`

Learning takes seconds and comes out the same each time.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from angarium.content import phrases
from angarium.content.promotional import Kinds, kinds, marked, run
from bench.wording import Text, texts

FOR_TOLD = "offer call urgency gift novelty greeting cut cheaper bundle host price amount ask along earn code"
FOR = frozenset(
    [*FOR_TOLD.split(), "lend", "scarce", "until", "come", "reach", "off", "shouting"]
)  # tables and signs that speak for advertising
UNWEIGHED = ("own", "never", "neutral")
POINTS = 10.0  # to a unit of the logarithm of the odds
AGAINST_MAX = 3.0  # what speaks against takes no more; or whoever adds an order number could say anything
VEILED = 0.5  # how much a veiled text counts beside another
DECAY, PACE = 5.0, 0.2  # of kinds
ROUNDS = 15  # over all texts, of each of the two steps
SEED = 7  # of the order of the texts
PARTS = 5  # that are left out in turn
CERTAIN = 3.5  # above likely: 97 of 100 in what was learned from

HEAD = """# How much each kind of phrases counts, in points; learned by `python -m bench.weights --write` from
# bench/texts. To count a kind more or less, change its figure: the sum of a run of sentences is compared with
# `likely` and `certain`. What speaks against takes no more than `against_max` from what speaks for.
"""


class Case(msgspec.Struct, frozen=True):
    """A labelled text as what counts in it."""

    counted: list[Kinds]
    promotional: bool
    kind: str
    group: str  # what is left out together: a trade, or a part of the texts without one


class Learned(msgspec.Struct):
    """Weights of kinds, and where a text begins; in logarithms of odds."""

    weights: dict[str, float]
    begin: float = -1.0

    def of(self, case: Case) -> float:
        """The logarithm of the odds that a text promotes."""
        return self.begin + run(case.counted, self.weights, AGAINST_MAX)[0]


def cases(some: Sequence[Text]) -> list[Case]:
    """What counts in some texts."""
    return [
        Case(kinds(*marked(one.text)), one.promotional, one.kind, one.trade or f"part {place % PARTS}")
        for place, one in enumerate(some)
    ]


def learn(some: Sequence[Case]) -> Learned:
    """Weights from texts; AdaGrad, one text at a time."""
    learned = Learned({})
    chance = random.Random(SEED)
    for whole in (True, False):
        seen: dict[str, float] = {}
        begun = 1e-8
        order = list(range(len(some)))
        for _ in range(ROUNDS):
            chance.shuffle(order)
            for place in order:
                counts, odds = _seen(some[place], learned, whole)
                wrong = 1 / (1 + math.exp(-max(-30.0, min(30.0, odds)))) - some[place].promotional
                wrong *= VEILED if some[place].kind == "veiled" else 1.0
                begun += wrong * wrong
                learned.begin -= PACE * wrong / math.sqrt(begun)
                for kind, number in counts.items():
                    weight = learned.weights.get(kind, 0.0)
                    slope = wrong * number + DECAY * weight / len(some)
                    seen[kind] = seen.get(kind, 1e-8) + slope * slope
                    weight -= PACE * slope / math.sqrt(seen[kind])
                    learned.weights[kind] = _on_its_side(kind, weight)
    return learned


def _on_its_side(kind: str, weight: float) -> float:
    return max(0.0, weight) if speaks_for(kind) else min(0.0, weight)


def _seen(case: Case, learned: Learned, whole: bool) -> tuple[Mapping[str, int], float]:
    """What a step of learning looks at: the counts, without those that a bound hides, and the odds."""
    total, begin, end = run(case.counted, learned.weights, AGAINST_MAX)
    if whole:
        begin, end = 0, len(case.counted)
    counts: dict[str, int] = {}
    for some in case.counted[begin:end]:
        for kind, number in some.items():
            if kind not in UNWEIGHED:
                counts[kind] = counts.get(kind, 0) + number
    parts = {kind: learned.weights.get(kind, 0.0) * number for kind, number in counts.items()}
    if whole:
        return counts, learned.begin + sum(parts.values())
    if sum(part for part in parts.values() if part < 0) < -AGAINST_MAX:
        counts = {kind: number for kind, number in counts.items() if parts[kind] >= 0}
    return counts, learned.begin + total


def speaks_for(kind: str) -> bool:
    """Whether a kind speaks for advertising."""
    return kind.partition(".")[0] in FOR


def left_out(some: Sequence[Case]) -> list[float]:
    """The odds of each text by weights learned from all but its group; no group is larger than a part."""
    names = sorted({one.group for one in some})
    place = {name: number % PARTS for number, name in enumerate(names)}
    odds = [0.0] * len(some)
    for part in range(PARTS):
        learned = learn([one for one in some if place[one.group] != part])
        for number, one in enumerate(some):
            if place[one.group] == part:
                odds[number] = learned.of(one)
    return odds


def written(learned: Learned) -> str:
    """The weights as they are kept."""
    points = {kind: round(POINTS * weight) for kind, weight in learned.weights.items()}
    likely = round(-POINTS * learned.begin)
    lines = [HEAD, "[verdict]", f"likely = {likely}", f"certain = {likely + round(POINTS * CERTAIN)}"]
    lines.append(f"against_max = {round(POINTS * AGAINST_MAX)}")
    for title, sign in (("for", 1), ("against", -1)):
        some = sorted((-sign * value, kind) for kind, value in points.items() if sign * value > 0)
        lines += ["", f"[{title}]", *(f'"{kind}" = {-value}' for value, kind in some)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Tells what the weights are worth, or writes them."""
    parser = argparse.ArgumentParser(prog="bench.weights")
    parser.add_argument("--write", action="store_true")
    write = parser.parse_args().write
    some = cases([one for one in texts() if not one.held_back])
    if write:
        Path(str(phrases.LISTS / "weights.toml")).write_text(written(learn(some)), "utf-8")
        return
    odds = left_out(some)
    for name, chosen in (("with a trade", False), ("without", True)):
        both = zip(some, odds, strict=True)
        print(f"{name}: {_told([pair for pair in both if pair[0].group.startswith('part') is chosen])}")


def _told(pairs: Sequence[tuple[Case, float]]) -> str:
    plain = [(one.promotional, value) for one, value in pairs if one.kind != "veiled"]
    veiled = [value > 0 for one, value in pairs if one.kind == "veiled"]
    all_ = sum(promotional for promotional, _ in plain)
    told = [f"{len(plain)} texts"]
    for bound in (-1.0, -0.5, 0.0, 0.5, 1.0):
        taken = [promotional for promotional, value in plain if value > bound]
        right = sum(taken)
        told.append(
            f"{bound:+.1f}: {right / max(1, len(taken)):.3f} precise, {right / max(1, all_):.3f} found"
        )
    return "; ".join(told) + f"; veiled {sum(veiled)} of {len(veiled)}"


if __name__ == "__main__":
    main()
