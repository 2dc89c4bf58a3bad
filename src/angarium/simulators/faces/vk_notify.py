"""Devino's VK notifications: `simulators/vk.py`."""

from __future__ import annotations

from angarium.simulators.faces import Operator
from angarium.simulators.vk import API_KEY, NAME, VkFace

OPERATOR = Operator(
    NAME,
    VkFace,
    lambda url: {
        "base_url": url,
        "api_key": API_KEY,
        "service": "shop",
        "text_template": "plain",
        "text_variable": "text",
    },
    recipient="+380501234567",
)
