"""People who look on: each has the list of messages open, hears what changes, and asks for the list anew."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import msgspec
import uvloop

from bench.talk import questions, say, told

PAGE = "/messages"
HEARD = "X-Angarium-Heard"  # as frontend/src/live.js says of which change it was told
OWNER = {"name": "Owner", "password": "correct horse battery staple"}


class Viewers(msgspec.Struct, frozen=True):
    """Where they look, by which invitation the first of them comes in, and how many they are."""

    port: int
    link: str
    count: int


class Looked(msgspec.Struct, frozen=True):
    """What they saw."""

    pages: int
    page_p50_ms: float


class Crowd:
    """All of them."""

    def __init__(self, given: Viewers) -> None:
        self._url = f"http://127.0.0.1:{given.port}"
        self._given = given
        self._took_s: list[float] = []

    async def look(self) -> None:
        """Until they are sent away; the first word is said when all are there."""
        jar, limits = aiohttp.CookieJar(unsafe=True), aiohttp.ClientTimeout(total=None)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(cookie_jar=jar, timeout=limits, connector=connector) as session:
            form, headers = {**OWNER, "link": self._given.link}, {"Sec-Fetch-Site": "same-origin"}
            async with session.post(f"{self._url}/invitation", data=form, headers=headers) as entered:
                entered.raise_for_status()
            there = [asyncio.Event() for _ in range(self._given.count)]
            all_of_them = [asyncio.create_task(self._one(session, one)) for one in there]
            for one in there:
                await one.wait()
            say(self._given.count)
            async for _ in questions():
                say(self._looked())
            for task in all_of_them:
                task.cancel()
            await asyncio.gather(*all_of_them, return_exceptions=True)

    async def _one(self, session: aiohttp.ClientSession, there: asyncio.Event) -> None:
        """One page that is open."""
        async with session.get(f"{self._url}/live?of=message") as stream:
            stream.raise_for_status()
            there.set()
            heard = b""
            async for line in stream.content:
                field, _, value = line.strip().partition(b": ")
                if field == b"id":
                    heard = value
                elif field == b"data":
                    await self._again(session, heard.decode())

    async def _again(self, session: aiohttp.ClientSession, heard: str) -> None:
        began_at = time.monotonic()
        headers = {"HX-Request": "true", HEARD: heard}
        async with session.get(f"{self._url}{PAGE}", headers=headers) as answer:
            await answer.read()
            answer.raise_for_status()
        self._took_s.append(time.monotonic() - began_at)

    def _looked(self) -> Looked:
        took = sorted(self._took_s) or [0.0]
        return Looked(len(self._took_s), took[len(took) // 2] * 1_000)


async def main() -> None:
    """Come in, listen, look."""
    await Crowd(told(Viewers)).look()


if __name__ == "__main__":
    uvloop.run(main())
