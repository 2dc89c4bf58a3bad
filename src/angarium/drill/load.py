"""What the client asks for: message number n of a seed, whoever asks, is the same. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from angarium.drill.dice import Dice

Document = dict[str, Any]

PEOPLE = 2_000  # in each workspace: few enough that one person has several messages under way
NAME = re.compile(r"\bd[0-9]{7}\b")  # the client's own name of a message, in its text and its reference
LABEL = "drill"
DEADLINE_S = 90.0

# What becomes of a message is decided by its recipient's last digits (docs/reference/simulators.md). Most
# have digits that mean nothing. "Slow down" and lost answers are faults here, and not a person's habit.
ORDINARY = "50"
FATES = {
    ORDINARY: 80,
    "00": 5,  # read
    "02": 3,  # not a user
    "03": 2,  # blocked
    "04": 1,  # expires at the provider
    "05": 1,  # comes after its time
    "06": 3,  # silence
    "09": 3,  # receipts twice and out of order
    "12": 2,  # accepted, then failed
}


class Kind(msgspec.Struct, frozen=True):
    """One sort of message that a workspace sends."""

    name: str
    share: int  # of a hundred messages
    workspace: str
    message_class: str
    channels: tuple[str, ...]
    batched: bool
    words: str


KINDS = (
    Kind("code", 30, "bank", "otp", ("smpp",), False, "your code is {number:06}"),
    Kind("payment", 16, "bank", "transactional", ("whatsapp_cloud", "smpp"), True, "paid {number} EUR"),
    Kind("parcel", 20, "shop", "service", ("vk_notify", "viber_business", "smpp"), True, "on its way"),
    Kind("offer", 28, "shop", "promotional", ("viber_business", "smpp"), True, "-{number}% until Friday"),
    Kind("letter", 2, "post", "service", ("smtp",), False, "your statement {number}"),
    Kind("news", 4, "post", "promotional", ("smtp",), True, "what is new"),
)
WAIT_S = {"whatsapp_cloud": 5.0, "vk_notify": 4.0, "viber_business": 5.0, "smpp": 10.0, "smtp": 10.0}
AT_MOST_ONCE = frozenset({"promotional"})
BY_NAME = {kind.name: kind for kind in KINDS}


def name_of(number: int) -> str:
    """The client's own name of its message."""
    return f"d{number:07}"


def name_in(text: str) -> str:
    """The client's name in a text; "" when there is none."""
    found = NAME.search(text)
    return found[0] if found else ""


def kind_of(dice: Dice, number: int) -> Kind:
    """Which sort message `number` is."""
    return dice.weighted({kind: float(kind.share) for kind in KINDS}, "kind", number)


def message(dice: Dice, number: int, kind: Kind) -> Document:
    """Message `number` as the API takes it."""
    name, by_mail = name_of(number), kind.channels == ("smtp",)
    words = kind.words.format(number=dice.below(100, "words", number))
    text = f"{name} {kind.workspace}: {words}"
    mail = {"content": {"subject": kind.name, "text": text}}
    return {
        "to": _recipient(dice, dice.below(PEOPLE, "person", number), by_mail=by_mail),
        "class": kind.message_class,
        **({"variants": [mail]} if by_mail else {"text": text}),
        "steps": [{"channel": channel, "wait_s": WAIT_S[channel]} for channel in kind.channels],
        "deadline_s": DEADLINE_S,
        "label": LABEL,
        "reference": name,
    }


def _recipient(dice: Dice, person: int, *, by_mail: bool) -> Document:
    fate = dice.weighted({fate: float(weight) for fate, weight in FATES.items()}, "fate", person)
    if by_mail:
        return {"email": f"person{person}.{fate}@drill.example"}
    return {"phone": f"+98912{person:05}{fate}"}
