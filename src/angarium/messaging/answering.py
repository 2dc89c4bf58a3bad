"""What a caller is told at once of messages that were accepted, or could not be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.problems import Problem
from angarium.messaging.case import Case


class Answer(msgspec.Struct, frozen=True):
    """What to answer: status and JSON."""

    status: int
    body: bytes


def answer(made: Sequence[Case | Problem], *, batch: bool) -> Answer | Problem:
    """The answer to a request for one message, or to one for many."""
    if not batch:
        one = made[0]
        return one if isinstance(one, Problem) else Answer(202, msgspec.json.encode(receipt(one)))
    results = [_item(index, one) for index, one in enumerate(made)]
    accepted = sum(isinstance(one, Case) for one in made)
    document = {"accepted": accepted, "rejected": len(made) - accepted, "results": results}
    return Answer(202 if accepted else 422, msgspec.json.encode(document))


def _item(index: int, one: Case | Problem) -> dict[str, Any]:
    if isinstance(one, Problem):
        return {"index": index, "problem": one.document()}
    return {"index": index, **receipt(one)}


def receipt(case: Case) -> dict[str, Any]:
    """What a caller is told at once of a message that was accepted."""
    message = case.message
    return {
        "id": ids.show("message", message.id),
        "state": message.state.value,
        "reason": message.reason,
        "class": message.message_class.value,
        "contact": ids.show("contact", message.contact_id),
        "reference": message.reference,
        "created_at": iso(message.created_at),
        "expires_at": iso(message.expires_at),
    }
