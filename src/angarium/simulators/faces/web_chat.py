"""Visitors of a site in their browsers, as our own web chat sees them.

There is no provider: this plays the other end. A person who writes opens the chat as the site's user, signed
with the secret that the line has, and waits for answers from then on; what comes is marked as delivered, and
as read by whoever reads. `PUT /webhooks` tells where the line is: its callback address, beside which the chat
lies.
"""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import Any

import aiohttp

from angarium.protocols.signatures import hmac_sha256
from angarium.protocols.web_chat import USER
from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator
from angarium.simulators.http_face import Office, Wire
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "web_chat"
SECRET = "web-chat-demo-secret"  # noqa: S105 - the simulator's own, worth nothing
WAIT_S, AGAIN_S = 20, 0.5
SILENT = (Behaviour.SILENT, Behaviour.NOT_A_USER, Behaviour.BLOCKED, Behaviour.EXPIRED)  # never look again


class VisitorsFace:
    """Lines connect with `identity_secret`; nothing of theirs leads here."""

    name = NAME

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self._stage, self._ids = stage, count(time.time_ns() // 1_000_000)
        self._tokens: dict[str, str] = {}
        self._browsers: set[asyncio.Task[None]] = set()
        wire = Wire(lambda behaviour, _entry: behaviour, lambda *_: "", lambda *_: None)
        self._office = Office(stage, NAME, port, [], wire)
        self.ledger = self._office.ledger
        self.start, self.heed = self._office.start, self._office.heed
        self.url, self.waiting = self._office.url, self._office.waiting

    async def stop(self) -> None:
        """Close every browser."""
        for browser in self._browsers:
            browser.cancel()
        await asyncio.gather(*self._browsers, return_exceptions=True)
        await self._office.stop()

    async def send_inbound(self, sender: str, text: str, *, context_ref: str = "") -> str:
        """A person writes, in a browser that is open from then on."""
        del context_ref  # the ledger knows entries by their numbers; the last one is meant anyway
        said = {"id": str(next(self._ids)), "text": text}
        if sender not in self._tokens:
            user = sender.removeprefix(USER)
            known = {"user": user, "hash": hmac_sha256(SECRET, user.encode())}
            self._tokens[sender] = (await self._asked("POST", "session", sender, known))["token"]
            browser = asyncio.create_task(self._look(sender))
            self._browsers.add(browser)
            browser.add_done_callback(self._browsers.discard)
        shown = await self._asked("POST", "messages", sender, said)
        return str(shown["number"])

    async def _look(self, sender: str) -> None:
        """Wait for what comes, as a page does that is open."""
        seen = 0
        while True:
            try:
                found = await self._asked("GET", f"messages?after={seen}&wait={WAIT_S}", sender)
            except (OSError, aiohttp.ClientError):
                await asyncio.sleep(AGAIN_S)
                continue
            for one in found["items"]:
                seen = one["number"]
                if one["from"] == "us":
                    await self._came(sender, one)

    async def _came(self, sender: str, one: dict[str, Any]) -> None:
        keys = [{"label": key["label"], "url": key.get("url", "")} for key in one.get("buttons", [])]
        entry = Entry(
            NAME,
            str(one["number"]),
            sender,
            one.get("text", ""),
            time.time(),
            image_url=one.get("image_url", ""),
            buttons=keys,
        )
        self.ledger.took(entry)
        behaviour, faults = self._stage.behaviour(NAME, sender), self._stage.faults(NAME)
        if behaviour in SILENT:
            return
        await asyncio.sleep(faults.receipt_delay_s)
        await self._mark(entry, "delivered")
        if behaviour in (Behaviour.READ, Behaviour.DOUBLED):
            await asyncio.sleep(faults.read_delay_s)
            await self._mark(entry, "read")

    async def _mark(self, entry: Entry, word: str) -> None:
        self.ledger.reported(entry, word, time.time())
        await self._asked("POST", "marks", entry.recipient, {word: int(entry.ref)})

    async def _asked(self, method: str, path: str, sender: str, document: Any = None) -> Any:
        webhook = self._stage.webhooks.get(NAME)
        if webhook is None:
            raise ValueError("no line is connected")
        where = webhook.url.replace("/callbacks/", "/chat/", 1)
        token = self._tokens.get(sender, "")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with aiohttp.ClientSession() as session:
            asked = session.request(method, f"{where}/{path}", json=document, headers=headers)
            async with asked as answer:
                answer.raise_for_status()
                return None if answer.status == 204 else await answer.json()


OPERATOR = Operator(
    NAME,
    VisitorsFace,
    lambda _url: {"identity_secret": SECRET},
    recipient=f"{USER}5550001",
    secret=SECRET,
    begins=True,
)
