"""Look at the server as any client would: whether everything has ended, and what it says of each message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Self

from angarium.client import Api
from angarium.core.clock import Clock
from angarium.drill.books import Shown, Told, Try
from angarium.drill.load import LABEL

PAGE = 1_000
AT_ONCE = 16

Document = dict[str, Any]


class Lookout:
    """A key for each workspace. An async context manager."""

    def __init__(self, url: str, keys: dict[str, str], clock: Clock) -> None:
        self._apis = {workspace: Api(url, key, clock) for workspace, key in keys.items()}
        self._stack = AsyncExitStack()
        self._workspaces: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        for api in self._apis.values():
            await self._stack.enter_async_context(api)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def left(self) -> int:
        """How many messages have not ended."""
        reports = [
            await api.surely("GET", f"/v1/messages/report?label={LABEL}") for api in self._apis.values()
        ]
        return sum(report["total"] - report["finished"] for report in reports)

    async def every_message(self) -> list[Shown]:
        """All of them, as lists show them."""
        return [message async for message in self._every_message()]

    async def _every_message(self) -> AsyncIterator[Shown]:
        for workspace, api in self._apis.items():
            cursor: str | None = ""
            while cursor is not None:
                page = await api.surely("GET", f"/v1/messages?label={LABEL}&limit={PAGE}&cursor={cursor}")
                for item in page["items"]:
                    self._workspaces[item["id"]] = workspace
                    yield shown(item)
                cursor = page["next"]

    async def tell(self, messages: Iterable[Shown]) -> dict[str, Told]:
        """Some of them whole, by the client's name."""
        queue, found = list(messages), {}

        async def some() -> None:
            while queue:
                message = queue.pop()
                api = self._apis[self._workspaces[message.message]]
                found[message.name] = told(await api.surely("GET", f"/v1/messages/{message.message}"))

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))
        return found


def shown(item: Document) -> Shown:
    """A message as lists show it."""
    return Shown(
        name=item["reference"],
        message=item["id"],
        state=item["state"],
        reason=item["reason"],
        finished=item["finished"],
        waits_until=item["waits_until"],
    )


def told(document: Document) -> Told:
    """A message whole."""
    events: Sequence[Document] = document["timeline"]
    decisions = [decision for event in events for decision in event.get("decisions", ())]
    waits = [decision["why"] for decision in decisions[-1:] if decision["do"] == "wait"]
    return Told(
        name=document["reference"],
        attempts=tuple(
            Try(one["step"], one["line"], one["state"], one["ended_at"]) for one in document["attempts"]
        ),
        unanswered=sum(event["event"] == "unanswered" for event in events),
        waits_for="" if document["finished"] else "".join(waits),
    )
