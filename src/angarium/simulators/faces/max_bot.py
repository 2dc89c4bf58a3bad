"""MAX's Bot API: `/messages`, `/uploads`, `/updates`, `/subscriptions`, and updates that are posted.

Shapes follow the OpenAPI document of dev.max.ru (see channels/max_bot.py). People write by `send_inbound`;
who has stopped the bot answers 403, who never began 404. A film or a paper that was put up is not ready at
once.
"""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import Any

import msgspec
from aiohttp import web

from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator
from angarium.simulators.http_face import Callback, Office, Wire, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage, Webhook

NAME = "max"
TOKEN, SECRET = "max-demo-token", "max-demo-secret"  # worth nothing
TEXT_MAX, LABEL_MAX, ROWS_MAX, IN_ROW_MAX = 4_000, 128, 30, 7
ME = {"user_id": 206631906, "first_name": "Demo Shop", "username": "demo_shop_bot", "is_bot": True}
POLL_MAX_S = 90.0
UPLOADS = ("image", "video", "audio", "file")
ALONE = ("audio", "file")  # at most a text beside them
EARLY = 1  # how often a file that was put up is said not to be ready

REFUSALS = {
    "blocked": (403, "chat.denied", "error.dialog.suspended"),
    "not_a_user": (404, "chat.not.found", "dialog.not.found"),
    "undelivered": (404, "user.not.found", "user.not.found"),
}
ELSEWHERE = (Behaviour.TEMPLATE_PAUSED, Behaviour.WINDOW_CLOSED, Behaviour.EXPIRED)  # mean nothing here


class MaxFace:
    """Lines connect with `base_url = url()`."""

    name = NAME

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self._stage, self._ids = stage, count(1)
        self._waiting: list[dict[str, Any]] = []  # updates that are asked for
        self._news, self.polled = asyncio.Event(), asyncio.Event()
        self.files: dict[str, bytes] = {}  # by token, as they were put up
        self._early: dict[str, int] = {}
        routes = [
            web.post("/messages", self._send),
            web.post("/uploads", self._offer),
            web.post("/put/{token}", self._take),
            web.post("/subscriptions", self._point),
            web.get("/updates", self._hand_over),
            web.get("/me", self._me),
        ]
        wire = Wire(means=_means, refusal=_refusal, callback=lambda _entry, _word: None)
        self._office = Office(stage, NAME, port, routes, wire)
        self.ledger = self._office.ledger
        self.start, self.stop, self.heed = self._office.start, self._office.stop, self._office.heed
        self.url, self.waiting = self._office.url, self._office.waiting

    # ── people ──

    async def send_inbound(self, sender: str, text: str, *, context_ref: str = "", **more: Any) -> str:
        """A person writes; returns the id of it once somebody has taken it, or waits for it."""
        mid = f"mid.{next(self._ids):032x}"
        message: dict[str, Any] = {
            "sender": person(sender),
            "recipient": {"chat_id": 900, "chat_type": "dialog", "user_id": ME["user_id"]},
            "timestamp": _now(),
            "body": {"mid": mid, "seq": 1, "text": text, "attachments": None, **more},
        }
        if context_ref:
            said = {"mid": context_ref, "seq": 1, "text": "", "attachments": None}
            message["link"] = {"type": "reply", "message": said}
        await self._tell("message_created", message=message, user_locale="ru")
        return mid

    async def press(self, sender: str, ref: str, payload: str) -> None:
        """A person presses a button under a message."""
        body = {"mid": ref, "seq": 1, "text": "", "attachments": None}
        under = {"recipient": {"chat_id": 900, "chat_type": "dialog"}, "timestamp": _now(), "body": body}
        pressed = {"timestamp": _now(), "callback_id": f"cb.{next(self._ids)}", "user": person(sender)}
        await self._tell("message_callback", callback={**pressed, "payload": payload}, message=under)

    async def begin(self, sender: str, payload: str | None = None) -> None:
        """A person begins, maybe by a link."""
        await self._tell("bot_started", chat_id=900, user=person(sender), payload=payload, user_locale="ru")

    async def leave(self, sender: str) -> None:
        """A person stops the bot."""
        await self._tell("bot_stopped", chat_id=900, user=person(sender), user_locale="ru")

    async def _tell(self, kind: str, **more: Any) -> None:
        update = {"update_type": kind, "timestamp": _now(), **more}
        webhook = self._stage.webhooks.get(NAME)
        if webhook is None:
            self._waiting.append(update)
            self._news.set()
            return
        headers = {"X-Max-Bot-Api-Secret": webhook.secret}
        await self._office.post(Callback(webhook.url, msgspec.json.encode(update), headers))

    # ── the counter ──

    def _stranger(self, request: web.Request) -> web.Response | None:
        if "access_token" in request.query:
            words = "Query parameter access_token is deprecated, use Authorization header"
            return _error(403, "deprecated.token", words)
        known = request.headers.get("Authorization") == TOKEN
        return None if known else _error(401, "verify.token", "Invalid access_token")

    async def _me(self, request: web.Request) -> web.StreamResponse:
        return self._stranger(request) or json_response(
            {**ME, "last_activity_time": _now(), "name": "Demo Shop"}
        )

    async def _point(self, request: web.Request) -> web.StreamResponse:
        given = await json_object(request)
        if (stranger := self._stranger(request)) is not None:
            return stranger
        if not str(given.get("url", "")).startswith(("https://", "http://127.0.0.1")):
            return json_response({"success": False, "message": "url must start with https://"})
        self._stage.webhooks[NAME] = Webhook(given["url"], str(given.get("secret", "")))
        return json_response({"success": True})

    async def _hand_over(self, request: web.Request) -> web.StreamResponse:
        if (stranger := self._stranger(request)) is not None:
            return stranger
        end = len(self._waiting)
        since = int(request.query.get("marker", max(end - 1, 0)))  # without one: the last alone
        self.polled.set()
        if since >= end:
            self._news.clear()
            patience = min(float(request.query.get("timeout", "30")), POLL_MAX_S)
            try:
                await asyncio.wait_for(self._news.wait(), patience)
            except TimeoutError:
                return json_response({"updates": [], "marker": since})
        return json_response({"updates": self._waiting[since:], "marker": len(self._waiting)})

    async def _offer(self, request: web.Request) -> web.StreamResponse:
        if (stranger := self._stranger(request)) is not None:
            return stranger
        kind = request.query.get("type", "")
        if kind not in UPLOADS:
            return _error(400, "proto.payload", "Unknown upload type")
        token = f"{kind}-{next(self._ids)}"
        place = {"url": f"{self._office.url()}/put/{token}"}
        return json_response({**place, "token": token} if kind in ("audio", "video") else place)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        token, form = request.match_info["token"], await request.post()
        file = form.get("data")
        if not isinstance(file, web.FileField):
            return _error(400, "proto.payload", "No data")
        self.files[token], self._early[token] = file.file.read(), EARLY
        if token.startswith(("audio", "video")):
            return web.Response(text="<retval>1</retval>", content_type="text/xml")
        return json_response({"fileId": 1, "token": token})

    async def _send(self, request: web.Request) -> web.StreamResponse:
        if (stranger := self._stranger(request)) is not None:
            return stranger
        given, person_id = await json_object(request), request.query.get("user_id", "")
        wrong = self._wrong(given, person_id)
        if wrong:
            self.ledger.refused[wrong[1]] += 1
            return _error(*wrong)
        attached = given.get("attachments") or []
        payloads = {one["type"]: one["payload"] for one in attached}
        keys = [key for row in payloads.get("inline_keyboard", {}).get("buttons", []) for key in row]
        entry = Entry(
            face=NAME,
            ref=f"mid.{next(self._ids):032x}",
            recipient=person_id,
            text=given.get("text") or "",
            at=time.time(),
            sender=str(ME["username"]),
            image_url=payloads.get("image", {}).get("url", ""),
            buttons=[{"label": key["text"], "url": key.get("url", "")} for key in keys],
            details={"silent": given.get("notify") is False, "format": given.get("format", "")},
        )
        admission = self._office.admit(entry, None)
        if admission.refused == Behaviour.THROTTLED:
            return _error(429, "too.many.requests", "Too many requests")
        if admission.refused:
            return _error(*REFUSALS[admission.refused])
        body = {"mid": entry.ref, "seq": 1, "text": entry.text, "attachments": attached}
        place = {"chat_id": 900, "chat_type": "dialog", "user_id": int(person_id)}
        sent = {"message": {"sender": ME, "recipient": place, "timestamp": _now(), "body": body}}
        return await self._office.answer(request, json_response(sent), [admission])

    def _wrong(self, given: dict[str, Any], person_id: str) -> tuple[int, str, str] | None:
        """What MAX says of parameters that do not fit; None when all are well."""
        text, attached = given.get("text") or "", given.get("attachments") or []
        if not person_id.isdigit():
            return 400, "proto.payload", "Unknown recipient"
        if len(text) > TEXT_MAX or not (text or attached):
            return 400, "proto.payload", "text: must be 1 to 4000 characters"
        kinds = [one.get("type") for one in attached]
        if len(kinds) > 1 and any(kind in ALONE for kind in kinds):
            return 400, "proto.payload", "Must be the only attachment in message"
        for one in attached:
            token = one.get("payload", {}).get("token")
            if one["type"] in UPLOADS[1:]:
                if token not in self.files:
                    return 400, "proto.payload", f"Missing `token` in {one['type']} attachment"
                if self._early[token]:
                    self._early[token] -= 1
                    words = "Key: errors.process.attachment.file.not.processed"
                    return 400, "attachment.not.ready", words
            if one["type"] == "inline_keyboard" and _wrong_keys(one["payload"]["buttons"]):
                return 400, "proto.payload", "buttons: invalid"
        return None


def _wrong_keys(rows: list[list[dict[str, Any]]]) -> bool:
    if not 1 <= len(rows) <= ROWS_MAX or any(len(row) > IN_ROW_MAX for row in rows):
        return True
    keys = [key for row in rows for key in row]
    needs = {"callback": "payload", "link": "url"}
    return any(
        not 1 <= len(key.get("text", "")) <= LABEL_MAX or not key.get(needs.get(key["type"], "text"))
        for key in keys
    )


def person(number: str) -> dict[str, Any]:
    """Somebody."""
    return {
        "user_id": int(number),
        "first_name": "Demo",
        "last_name": None,
        "username": None,
        "is_bot": False,
        "last_activity_time": _now(),
        "name": "Demo",
    }


def _now() -> int:
    return int(time.time() * 1_000)


def _means(behaviour: Behaviour, _entry: Entry) -> Behaviour:
    return Behaviour.DELIVERED if behaviour in ELSEWHERE else behaviour


def _refusal(behaviour: Behaviour, _entry: Entry) -> str:
    return behaviour.value if behaviour.value in REFUSALS else ""


def _error(status: int, code: str, message: str) -> web.Response:
    return json_response({"code": code, "message": message}, status)


OPERATOR = Operator(
    NAME,
    MaxFace,
    lambda url: {"base_url": url, "token": TOKEN, "webhook_secret": SECRET},
    recipient="5550001",
    secret=SECRET,
    ends="sent",
)
