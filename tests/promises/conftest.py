"""A shop whose server starts quickly, and an operator that outlives it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.process import Shop

PRICE = "0.01"  # of each message that the operator takes


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """Nothing of it runs yet."""
    async with Shop(tmp_path, classes=["otp", "service", "promotional"], window=10, price=PRICE) as made:
        yield made
