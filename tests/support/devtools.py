"""A Chromium that is driven over its DevTools protocol: pages, their scripts, and a virtual authenticator."""

from __future__ import annotations

import asyncio
import re
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

WITHIN_S = 60.0
LISTENING = re.compile(rb"DevTools listening on (ws://\S+)")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "about:blank",
)


class Tab:
    """One page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, session_id: str) -> None:
        self._socket = socket
        self._session_id = session_id
        self._numbers = count(1)
        self._arrived = False  # at a page that has not loaded yet
        self._loads = 0  # pages that have loaded, without the empty one that a browser begins with

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol; what it returns."""
        number = next(self._numbers)
        asked = {"id": number, "method": method, "params": params}
        if self._session_id:
            asked["sessionId"] = self._session_id
        await self._socket.send_str(msgspec.json.encode(asked).decode())
        while True:
            heard = await self._heard()
            if heard.get("id") == number and heard.get("sessionId", "") == self._session_id:
                assert "error" not in heard, heard
                return dict(heard["result"])

    async def _heard(self) -> dict[str, Any]:
        async with asyncio.timeout(WITHIN_S):
            heard: dict[str, Any] = msgspec.json.decode((await self._socket.receive()).data)
        match heard.get("method"):
            case "Page.frameNavigated" if "parentId" not in heard["params"]["frame"]:
                self._arrived = True
            case "Page.loadEventFired" if self._arrived:
                self._arrived = False
                self._loads += 1
        return heard

    async def open(self, url: str) -> None:
        """Go to an address, and wait until it has loaded."""
        before = self._loads
        await self.send("Page.navigate", url=url)
        await self._loaded(before)

    async def act(self, script: str) -> None:
        """Run a script that leads to another page, and wait until that has loaded."""
        before = self._loads
        await self.send("Runtime.evaluate", expression=script, userGesture=True)
        await self._loaded(before)

    async def _loaded(self, before: int) -> None:
        while self._loads == before:
            await self._heard()

    async def see(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def words(self) -> str:
        """All text that is shown."""
        return str(await self.see("document.body.innerText.replace(/\\s+/g, ' ')"))

    async def fill(self, **fields: str) -> None:
        """Write into fields by their names."""
        for name, value in fields.items():
            text = msgspec.json.encode(value).decode()
            await self.see(f"document.querySelector('[name={name}]:not([type=hidden])').value = {text}")

    async def submit(self, selector: str) -> None:
        """Click the button of a form, and wait for the page that follows."""
        await self.act(f"document.querySelector({msgspec.json.encode(selector).decode()}).click()")


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Tab]:
    """A page of a browser of its own."""
    process = await asyncio.create_subprocess_exec(
        "chromium", f"--user-data-dir={folder}/profile", *OPTIONS, stdout=DEVNULL, stderr=PIPE
    )
    assert process.stderr is not None
    hearing: asyncio.Task[bytes] | None = None
    try:
        async with aiohttp.ClientSession() as session:
            address = await _address(process.stderr)
            hearing = asyncio.create_task(process.stderr.read())  # else it stands still when the pipe is full
            async with session.ws_connect(address, max_msg_size=0) as socket:
                browser = Tab(socket, "")
                target = (await browser.send("Target.createTarget", url="about:blank"))["targetId"]
                attached = await browser.send("Target.attachToTarget", targetId=target, flatten=True)
                tab = Tab(socket, attached["sessionId"])
                await tab.send("Page.enable")
                yield tab
    finally:
        process.kill()
        if hearing is not None:
            hearing.cancel()
        await process.wait()


async def _address(said: asyncio.StreamReader) -> str:
    """Where the browser listens; it says so, after whatever else it has to say."""
    async with asyncio.timeout(WITHIN_S):
        async for line in said:
            if found := LISTENING.match(line):
                return found[1].decode()
    raise AssertionError("Chromium ended before it listened")


async def authenticator(tab: Tab, *, verifies: bool = True) -> str:
    """A virtual authenticator in the machine, which keeps passkeys and sees who it is; its id."""
    await tab.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": verifies,
        "isUserVerified": verifies,
        "automaticPresenceSimulation": True,
    }
    return str((await tab.send("WebAuthn.addVirtualAuthenticator", options=options))["authenticatorId"])
