"""As what Meta charges for a message, by the category that a status tells."""

from __future__ import annotations

import pytest

from angarium.channels.whatsapp_cloud import CHANNEL
from angarium.core.ports import Charged, Receipt
from angarium.core.values import MessageClass
from channels.test_whatsapp_cloud import SETTINGS, status, webhook


@pytest.mark.parametrize(
    ("category", "words", "classes"),
    [
        ("marketing", "marketing", (MessageClass.PROMOTIONAL,)),
        ("MARKETING_LITE", "marketing_lite", (MessageClass.PROMOTIONAL,)),
        ("utility", "utility", (MessageClass.SERVICE, MessageClass.TRANSACTIONAL)),
        ("authentication", "authentication", (MessageClass.OTP,)),
        ("authentication-international", "authentication_international", (MessageClass.OTP,)),
        ("referral_conversion", "referral_conversion", ()),
        ("x" * 500, "x" * 80, ()),
    ],
)
def test_a_category_says_by_which_prices_it_goes(
    category: str, words: str, classes: tuple[MessageClass, ...]
) -> None:
    told = status("delivered", pricing={"category": category, "type": "regular"})
    settings = CHANNEL.settings(**SETTINGS)
    [receipt] = CHANNEL.parse(settings, webhook({"statuses": [told]}))
    assert isinstance(receipt, Receipt)
    assert receipt.charged is not None
    assert receipt.charged == Charged(f"{words}, regular"[:80], classes)
    assert receipt.price is None
