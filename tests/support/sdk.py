"""What tests with other people's SDKs share: their hosts are the simulator, and what it posts is heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
import requests
from aiohttp import web

from angarium.core.ports import Raw
from angarium.simulators.behaviour import Faults, Script
from angarium.simulators.stage import Face, Stage, Webhook

T = TypeVar("T")
PATIENCE_S = 10.0


class Ear:
    """A server to which a simulator posts; it answers 200 to everything."""

    def __init__(self) -> None:
        self.url = ""
        self._heard: asyncio.Queue[Raw] = asyncio.Queue()

    async def hear(self) -> Raw:
        """The next that was posted."""
        return await asyncio.wait_for(self._heard.get(), PATIENCE_S)

    async def called(self, request: web.Request) -> web.Response:
        names = {name.lower(): value for name, value in request.headers.items()}
        raw = Raw(await request.read(), names, dict(request.query), url=str(request.url))
        self._heard.put_nowait(raw)
        return web.Response()


@asynccontextmanager
async def operator(make: Callable[[Stage], Face], secret: str = "") -> AsyncIterator[tuple[Any, Ear]]:
    """A simulated operator that runs, and the ear to which it posts."""
    ear = Ear()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", ear.called)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ear.url = f"http://127.0.0.1:{runner.addresses[0][1]}/callback"
    stage = Stage(Script(faults={"*": Faults(receipt_delay_s=0.01)}))
    face = make(stage)
    stage.webhooks[face.name] = Webhook(ear.url, secret)
    await face.start()
    try:
        yield face, ear
    finally:
        await face.stop()
        await runner.cleanup()


def moved(monkeypatch: pytest.MonkeyPatch, host: str, url: str) -> None:
    """What an SDK asks of this host by `requests` is asked at another address; nothing else is changed."""
    send = requests.adapters.HTTPAdapter.send

    def sent(self: Any, request: requests.PreparedRequest, *args: Any, **named: Any) -> requests.Response:
        assert request.url is not None
        request.url = request.url.replace(host, url, 1)
        return send(self, request, *args, **named)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", sent)


async def ask(call: Callable[..., T], *args: Any, **named: Any) -> T:
    """What an SDK that waits answers, without making the simulator wait."""
    return await asyncio.to_thread(call, *args, **named)
