"""An Instagram account."""

from __future__ import annotations

from angarium.simulators.faces import Operator
from angarium.simulators.faces._messenger import ACCESS_TOKEN, APP_SECRET, MessengerFace
from angarium.simulators.stage import Stage

NAME, ACCOUNT_ID = "instagram", "17841405822304914"


def face(stage: Stage, port: int = 0) -> MessengerFace:
    """Takes texts of 1000 bytes."""
    return MessengerFace(NAME, "instagram", ACCOUNT_ID, lambda text: len(text.encode()) > 1_000, stage, port)


OPERATOR = Operator(
    NAME,
    face,
    lambda url: {
        "base_url": url,
        "account_id": ACCOUNT_ID,
        "access_token": ACCESS_TOKEN,
        "app_secret": APP_SECRET,
        "verify_token": "word",
    },
    recipient="5550001",
    secret=APP_SECRET,
    begins=True,
    ends="sent",
)
