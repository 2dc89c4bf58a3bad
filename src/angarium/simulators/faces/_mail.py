"""What the operators that carry mail share: a mail as a person sees it, and what becomes of it."""

from __future__ import annotations

import time
from email.message import EmailMessage
from typing import Any

from angarium.simulators import mail as host
from angarium.simulators.behaviour import Behaviour
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage


def entry(face: str, mail: EmailMessage, recipient: str, client_ref: str, details: dict[str, Any]) -> Entry:
    """A mail for the ledger, by Python's own email package."""
    plain, rich = mail.get_body(("plain",)), mail.get_body(("html",))
    return Entry(
        face=face,
        ref=str(mail["Message-ID"] or "").strip().strip("<>"),
        recipient=recipient,
        text=host.words(plain),
        html=host.words(rich),
        subject=str(mail["Subject"] or ""),
        sender=host.sender(mail),
        client_ref=client_ref,
        at=time.time(),
        details={
            "list_unsubscribe": str(mail["List-Unsubscribe"] or ""),
            "list_unsubscribe_post": str(mail["List-Unsubscribe-Post"] or ""),
            **details,
        },
    )


def means(stage: Stage, face: str, about: Entry) -> Behaviour:
    """What decides is before the @; there is no reading of mail that anybody tells, and no window."""
    behaviour = stage.behaviour(face, about.recipient.rpartition("@")[0])
    nothing_here = (Behaviour.READ, Behaviour.WINDOW_CLOSED)
    return Behaviour.DELIVERED if behaviour in nothing_here else behaviour


def content(kind: str) -> dict[str, Any]:
    """A mail as `POST /v1/messages` takes it."""
    words = {"subject": "Order 1234", "text": "Your order is ready"}
    return {"text": "", "variants": [{"channel": kind, "content": words}]}
