"""A Facebook Page."""

from __future__ import annotations

from angarium.simulators.faces import Operator
from angarium.simulators.faces._messenger import ACCESS_TOKEN, APP_SECRET, MessengerFace
from angarium.simulators.stage import Stage

NAME, PAGE_ID = "messenger", "208539839216571"


def face(stage: Stage, port: int = 0) -> MessengerFace:
    """Takes texts of 2000 characters."""
    return MessengerFace(NAME, "page", PAGE_ID, lambda text: len(text) > 2_000, stage, port)


OPERATOR = Operator(
    NAME,
    face,
    lambda url: {
        "base_url": url,
        "page_id": PAGE_ID,
        "access_token": ACCESS_TOKEN,
        "app_secret": APP_SECRET,
        "verify_token": "word",
        "late": "ACCOUNT_UPDATE",
    },
    recipient="5550001",
    secret=APP_SECRET,
)
