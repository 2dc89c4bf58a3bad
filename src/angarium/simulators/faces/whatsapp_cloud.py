"""Meta's Cloud API: `simulators/whatsapp.py`."""

from __future__ import annotations

from angarium.simulators.faces import Operator
from angarium.simulators.whatsapp import ACCESS_TOKEN, NAME, PHONE_NUMBER_ID, WhatsappFace

APP_SECRET = "app-secret"  # noqa: S105 - the simulator's own, worth nothing

OPERATOR = Operator(
    NAME,
    WhatsappFace,
    lambda url: {
        "base_url": url,
        "phone_number_id": PHONE_NUMBER_ID,
        "access_token": ACCESS_TOKEN,
        "app_secret": APP_SECRET,
        "verify_token": "word",
    },
    recipient="+380501234567",
    secret=APP_SECRET,
)
