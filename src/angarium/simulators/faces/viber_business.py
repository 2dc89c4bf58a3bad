"""Decision Telecom's Viber: `simulators/viber.py`."""

from __future__ import annotations

from angarium.simulators.faces import Operator
from angarium.simulators.viber import API_KEY, NAME, ViberFace

OPERATOR = Operator(
    NAME,
    ViberFace,
    lambda url: {"base_url": f"{url}/v1/api", "api_key": API_KEY, "sender": "Shop"},
    recipient="+380501234567",
)
