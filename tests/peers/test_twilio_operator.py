"""The simulated Twilio against Twilio's own SDK for Python: what it sends, lists, fetches and validates."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from angarium.simulators.behaviour import Faults, Script
from angarium.simulators.faces.twilio_sms import ACCOUNT_SID, AUTH_TOKEN, SENDER, TwilioFace
from angarium.simulators.stage import Stage


class Here(TwilioHttpClient):
    """The SDK's HTTP client, which takes everything to another host and changes nothing else."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base_url = base_url

    def request(self, method: str, url: str, *args: Any, **named: Any) -> Any:
        here = url.replace("https://api.twilio.com", self._base_url)
        return super().request(method, here, *args, **named)


async def test_the_sdk_is_answered_and_believes_our_callbacks() -> None:
    heard: asyncio.Queue[tuple[str, dict[str, str], str]] = asyncio.Queue()

    async def called(request: web.Request) -> web.Response:
        fields = {name: str(value) for name, value in (await request.post()).items()}
        heard.put_nowait((str(request.url), fields, request.headers["X-Twilio-Signature"]))
        return web.Response()

    app = web.Application()
    app.router.add_post("/status", called)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    callback = f"http://127.0.0.1:{runner.addresses[0][1]}/status?ref=att_1"
    face = TwilioFace(Stage(Script(faults={"*": Faults(receipt_delay_s=0.01)})))
    await face.start()
    try:
        client = Client(ACCOUNT_SID, AUTH_TOKEN, http_client=Here(face.url()))
        create = partial(client.messages.create, from_=SENDER, status_callback=callback)
        text = "سلام & hello"
        sent = await asyncio.to_thread(create, to="+447700900101", body=text, validity_period=60)
        assert (sent.status, sent.to) == ("queued", "+447700900101")
        assert (sent.body, sent.num_segments) == (text, "1")
        for expected in ("sent", "delivered"):
            url, fields, signature = await asyncio.wait_for(heard.get(), 10)
            assert (fields["MessageSid"], fields["MessageStatus"]) == (sent.sid, expected)
            assert RequestValidator(AUTH_TOKEN).validate(url, fields, signature)
            assert not RequestValidator("another").validate(url, fields, signature)
        fetched = await asyncio.to_thread(client.messages(sent.sid).fetch)
        assert fetched.status == "delivered"
        listed = await asyncio.to_thread(partial(client.messages.list, to="+447700900101"))
        assert [one.sid for one in listed] == [sent.sid]
        assert (await asyncio.to_thread(client.balance.fetch)).currency == "USD"
        with pytest.raises(TwilioRestException) as stopped:
            await asyncio.to_thread(create, to="+447700900103", body="x")
        assert (stopped.value.code, stopped.value.status) == (21610, 400)
        with pytest.raises(TwilioRestException) as wrong:
            await asyncio.to_thread(create, to="+1", body="x")
        assert wrong.value.code == 21211
    finally:
        await face.stop()
        await runner.cleanup()
