"""TurboSMS, its Viber."""

from __future__ import annotations

from angarium.simulators.faces import Operator
from angarium.simulators.faces._turbosms import TOKEN, WEBHOOK_WORD, TurboSms

OPERATOR = Operator(
    "turbosms-viber",
    lambda stage, port=0: TurboSms(stage, port, "viber").office,
    lambda url: {"base_url": url, "token": TOKEN, "sender": "Shop", "webhook_secret": WEBHOOK_WORD},
    recipient="+380501234501",
    secret=WEBHOOK_WORD,
)
