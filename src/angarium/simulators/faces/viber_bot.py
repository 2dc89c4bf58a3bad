"""Viber's bots: `send_message`, `set_webhook`, `get_account_info`, and events that are signed with the token.

Shapes follow developers.viber.com/docs/api/rest-bot-api (see channels/viber_bot.py). Every answer is a 200.
"""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import Any

import msgspec
from aiohttp import web

from angarium.protocols.signatures import hmac_sha256
from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator
from angarium.simulators.http_face import Callback, Office, Wire, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage, Webhook

NAME = "viber-bot"
TOKEN = "445da6az1s345z78-dazcczb2542zv51a-e0vc5fva17480im9"  # noqa: S105 - the simulator's own, worth nothing
TEXT_MAX, CAPTION_MAX, NAME_MAX, ROWS_MAX = 7_000, 768, 28, 24
TYPES = ("text", "picture", "video", "file")
ACTIONS = ("reply", "open-url", "location-picker", "share-phone", "none")
TRY_S = 5.0  # how long a new address may take to answer

OK = (0, "ok")
INVALID_URL, INVALID_TOKEN = (1, "invalidUrl"), (2, "invalidAuthToken")
BAD_DATA, MISSING_DATA = (3, "badData"), (4, "missingData")
REFUSALS = {
    "not_a_user": (5, "receiverNotRegistered"),
    "blocked": (6, "receiverNotSubscribed"),
    "throttled": (12, "tooManyRequests"),
}
EVENTS = {"delivered": "delivered", "read": "seen", "undelivered": "failed"}
SILENT = (Behaviour.EXPIRED, Behaviour.LATE)  # nothing is told of a time to live
ELSEWHERE = (Behaviour.TEMPLATE_PAUSED, Behaviour.WINDOW_CLOSED)  # mean nothing here


class ViberBotFace:
    """Lines connect with `base_url = url()`."""

    name = NAME

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self._stage = stage
        self._tokens = count(4_912_661_846_655_238_145)
        wire = Wire(means=_means, refusal=_refusal, callback=self._callback)
        routes = [web.post("/{method}", self._asked)]
        self._office = Office(stage, NAME, port, routes, wire)
        self.ledger = self._office.ledger
        self.start, self.stop, self.heed = self._office.start, self._office.stop, self._office.heed
        self.url, self.waiting = self._office.url, self._office.waiting

    # ── people ──

    async def send_inbound(self, sender: str, text: str, *, context_ref: str = "") -> str:
        """A person writes; returns its token once somebody has taken it. No message of ours is named."""
        message = {"type": "text", "text": text}
        return await self._tell("message", sender={"id": sender, "name": "Demo"}, message=message)

    async def switch(self, sender: str, event: str) -> str:
        """A person subscribes ("subscribed"), or leaves ("unsubscribed")."""
        who: dict[str, Any] = {"user": {"id": sender, "name": "Demo"}}
        return await self._tell(event, **(who if event == "subscribed" else {"user_id": sender}))

    async def begin(self, sender: str, context: str) -> str:
        """A person opens the chat by a link."""
        user = {"id": sender, "name": "Demo"}
        return await self._tell(
            "conversation_started", type="open", context=context, user=user, subscribed=False
        )

    async def _tell(self, event: str, **more: Any) -> str:
        token = next(self._tokens)
        callback = self._event(event, token, **more)
        if callback is not None:
            await self._office.post(callback)
        return str(token)

    def _event(self, event: str, token: int, **more: Any) -> Callback | None:
        webhook = self._stage.webhooks.get(NAME)
        if webhook is None:
            return None
        told = {"event": event, "timestamp": int(time.time() * 1000), "message_token": token, **more}
        body = msgspec.json.encode(told)
        signature = hmac_sha256(webhook.secret or TOKEN, body)
        return Callback(webhook.url, body, {"X-Viber-Content-Signature": signature})

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        event = EVENTS.get(word)
        if event is None:
            return None
        why = {"desc": "the message could not be delivered"} if event == "failed" else {}
        return self._event(event, int(entry.ref), user_id=entry.recipient, **why)

    # ── the counter ──

    async def _asked(self, request: web.Request) -> web.StreamResponse:
        given = await json_object(request)
        if (request.headers.get("X-Viber-Auth-Token") or given.get("auth_token")) != TOKEN:
            return _say(INVALID_TOKEN)
        match request.match_info["method"]:
            case "send_message":
                return await self._send(request, given)
            case "set_webhook":
                return await self._point(given)
            case "get_account_info":
                webhook = self._stage.webhooks.get(NAME)
                return _say(
                    OK,
                    id="pa:75346594275468546724",
                    name="Demo Shop",
                    uri="demoshop",
                    country="UK",
                    webhook=webhook.url if webhook else "",
                    subscribers_count=35,
                )
            case _:
                return web.Response(status=404)

    async def _point(self, given: dict[str, Any]) -> web.StreamResponse:
        """The address is tried, and kept only when it answers."""
        url = str(given.get("url", ""))
        if not url:
            self._stage.webhooks.pop(NAME, None)
            return _say(OK, event_types=[])
        if not url.startswith(("http://", "https://")):
            return _say(INVALID_URL)
        before = self._stage.webhooks.get(NAME)
        self._stage.webhooks[NAME] = Webhook(url, TOKEN)
        try:
            await asyncio.wait_for(self._tell("webhook"), TRY_S)
        except TimeoutError:
            self._stage.webhooks.pop(NAME)
            if before is not None:
                self._stage.webhooks[NAME] = before
            return _say(INVALID_URL)
        return _say(OK, event_types=given.get("event_types", []))

    async def _send(self, request: web.Request, given: dict[str, Any]) -> web.StreamResponse:
        wrong = _wrong(given)
        if wrong:
            self.ledger.refused[wrong[1]] += 1
            return _say(wrong)
        keys = (given.get("keyboard") or {}).get("Buttons", [])
        entry = Entry(
            face=NAME,
            ref=str(next(self._tokens)),
            recipient=given["receiver"],
            text=str(given.get("text") or ""),
            at=time.time(),
            sender=given["sender"]["name"],
            image_url=str(given["media"]) if given["type"] == "picture" else "",
            buttons=[
                {"label": key["Text"], "url": key["ActionBody"] if key["ActionType"] == "open-url" else ""}
                for key in keys
            ],
            details={"type": given["type"], "media": given.get("media", "")},
        )
        admission = self._office.admit(entry, None)
        if admission.refused:
            return _say(REFUSALS[admission.refused])
        return await self._office.answer(request, _say(OK, message_token=int(entry.ref)), [admission])


def _wrong(given: dict[str, Any]) -> tuple[int, str] | None:
    """What Viber says of parameters that do not fit; None when all are well."""
    sender = given.get("sender")
    name = sender.get("name") if isinstance(sender, dict) else None
    if not isinstance(given.get("receiver"), str) or not name or "type" not in given:
        return MISSING_DATA
    kind, text = given["type"], str(given.get("text") or "")
    if kind not in TYPES or len(name) > NAME_MAX:
        return BAD_DATA
    if kind == "text" and not text:
        return MISSING_DATA
    if len(text) > (TEXT_MAX if kind == "text" else CAPTION_MAX):
        return BAD_DATA
    if kind != "text" and not str(given.get("media", "")).startswith(("http://", "https://")):
        return MISSING_DATA
    if kind in ("video", "file") and not given.get("size"):
        return MISSING_DATA
    if kind == "file" and not given.get("file_name"):
        return MISSING_DATA
    return _wrong_keys((given.get("keyboard") or {}).get("Buttons", []))


def _wrong_keys(keys: list[dict[str, Any]]) -> tuple[int, str] | None:
    if len(keys) > ROWS_MAX:
        return BAD_DATA
    fits = all(key.get("ActionBody") and key.get("ActionType", "reply") in ACTIONS for key in keys)
    return None if fits else BAD_DATA


def _means(behaviour: Behaviour, _entry: Entry) -> Behaviour:
    if behaviour in SILENT:
        return Behaviour.SILENT
    return Behaviour.DELIVERED if behaviour in ELSEWHERE else behaviour


def _refusal(behaviour: Behaviour, _entry: Entry) -> str:
    return behaviour.value if behaviour.value in REFUSALS else ""


def _say(status: tuple[int, str], **more: Any) -> web.Response:
    return json_response({"status": status[0], "status_message": status[1], **more})


OPERATOR = Operator(
    NAME,
    ViberBotFace,
    lambda url: {"base_url": url, "token": TOKEN, "sender_name": "Demo Shop"},
    recipient="demo01234567890A0000001==",
    secret=TOKEN,
)
