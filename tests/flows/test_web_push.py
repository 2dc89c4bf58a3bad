"""A subscription that is gone: the address is remembered, and the push service is asked no more."""

from __future__ import annotations

import pytest

from angarium.core.values import MessageClass
from angarium.simulators.faces.web_push import OPERATOR, WebPushFace, address
from angarium.simulators.stage import Stage
from angarium.storage.database import Database
from support.running import running, until


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_browser_that_is_gone_is_remembered(database: Database) -> None:
    service, where = WebPushFace(Stage()), {"kind": "web_push", "value": address("demo-02")}
    await service.start()
    try:
        async with running(database) as shop:
            settings = OPERATOR.settings(service.url())
            await shop.line("line", "web_push", (MessageClass.SERVICE,), settings=settings)
            await shop.engine.start()
            message = await shop.send(**{"to": {"address": where}, "class": "service", "channel": "web_push"})
            await until(lambda: shop.is_in(message, "failed"))
            again = await shop.send(**{"to": {"address": where}, "class": "service", "channel": "web_push"})
            await until(lambda: shop.is_in(again, "failed"))
    finally:
        await service.stop()
    assert service.ledger.refused.total() == 1
