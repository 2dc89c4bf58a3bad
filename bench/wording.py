"""How well content control tells advertising from service: precision and recall on labelled texts.

`texts/` has messages in six languages, written and labelled without sight of the lists. Half are hard:
service texts with prices, discounts and gifts in them; offers that ride on a service text or a greeting. A
part, chosen by a hash, was not looked at while the lists were tuned (but for three of its errors, which a
failing test showed in part; nothing was changed for them); its figures are the ones that count.

*Veiled* texts sell without a word that says so ("Why not start with our tasting flight at $35?"). Words do
not find most of them. They are told of apart, so that nobody believes otherwise.
"""

from __future__ import annotations

import csv
import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from angarium.content.promotional import LANGUAGES, detect

TEXTS = Path(__file__).parent / "texts"
HELD_BACK = 0.25  # share of the texts that nothing was tuned with; once looked at, a text counts no more


class Text(msgspec.Struct, frozen=True):
    """A labelled message."""

    language: str
    promotional: bool
    kind: str  # easy, hard, veiled
    text: str

    @property
    def held_back(self) -> bool:
        """Whether it is one of those that were never looked at."""
        digest = hashlib.sha256(self.text.encode()).digest()
        return digest[0] < 256 * HELD_BACK


class Score(msgspec.Struct, frozen=True):
    """How many of some texts were told right."""

    texts: int
    precision: float  # of those that are taken for advertising
    recall: float  # of those that are
    wrong: tuple[str, ...]  # what was taken for something else


class Measured(msgspec.Struct, frozen=True):
    """Everything that was found; by name of the part: `held back`, `en` …"""

    scores: dict[str, Score]
    us_a_text: float


def texts() -> Iterator[Text]:
    """Every labelled text."""
    for language in LANGUAGES:
        with (TEXTS / f"{language}.tsv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                yield Text(language, row["label"] == "promotional", row["kind"], row["text"])


def score(some: Sequence[Text]) -> Score:
    """How the detector does on some texts."""
    taken = [detect(one.text).is_likely for one in some]
    pairs = list(zip(some, taken, strict=True))
    right = sum(said and one.promotional for one, said in pairs)
    is_ = sum(one.promotional for one in some)
    wrong = tuple(one.text for one, said in pairs if said is not one.promotional)
    return Score(len(some), right / max(1, sum(taken)), right / max(1, is_), wrong)


def measure() -> Measured:
    """Precision and recall of all parts, and what a text costs."""
    every = list(texts())
    spoken = [one for one in every if one.kind != "veiled"]
    held = [one for one in spoken if one.held_back]
    scores = {
        "held back": score(held),
        "held back, hard": score([one for one in held if one.kind == "hard"]),
        "tuned with": score([one for one in spoken if not one.held_back]),
        "held back, veiled": score([one for one in every if one.kind == "veiled" and one.held_back]),
    }
    for language in LANGUAGES:
        scores[f"held back, {language}"] = score([one for one in held if one.language == language])
    begun = time.process_time()
    for one in every:
        detect(one.text)
    return Measured(scores, (time.process_time() - begun) / len(every) * 1e6)
