"""What the faces of SMS providers over HTTP share."""

from __future__ import annotations

from angarium.simulators.behaviour import Behaviour
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage, Webhook

ELSEWHERE = (Behaviour.TEMPLATE_PAUSED, Behaviour.WINDOW_CLOSED)  # mean nothing to an SMS


def means(behaviour: Behaviour, _entry: Entry) -> Behaviour:
    """What a behaviour comes to: an SMS has no window, and is never told to have been read."""
    return Behaviour.DELIVERED if behaviour in ELSEWHERE else behaviour


def refusal(behaviour: Behaviour, _entry: Entry) -> str:
    """The one thing that providers refuse at once: whoever wrote STOP."""
    return "blocked" if behaviour is Behaviour.BLOCKED else ""


def is_phone(text: object) -> bool:
    """Whether it is a number with its country, with or without +."""
    digits = str(text).removeprefix("+")
    return digits.isascii() and digits.isdigit() and 8 <= len(digits) <= 15


def listener(stage: Stage, name: str) -> Webhook:
    """Who hears what people write; ValueError when nobody has connected the face."""
    webhook = stage.webhooks.get(name)
    if webhook is None:
        raise ValueError(f"stage.webhooks has no {name!r}: there is nobody to write to")
    return webhook


def address(stage: Stage, name: str, entry: Entry) -> str:
    """Where what became of a message is posted: as it said itself, else as the face was told; or ""."""
    webhook = stage.webhooks.get(name)
    return str(entry.details.get("callback_url") or (webhook.url if webhook else ""))
