"""Telegram's Bot API: methods under `/bot{token}/`, updates posted or asked for.

Shapes follow core.telegram.org/bots/api (see channels/telegram_bot.py); python-telegram-bot reads them
in tests/peers. People write by `send_inbound`; who has blocked the bot answers 403, who never began a chat
400. There are no receipts: what the phone shows is known to the ledger alone.
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

NAME = "telegram"
TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"  # noqa: S105 - the simulator's own, worth nothing
SECRET = "telegram-demo-secret"  # noqa: S105 - as above
TEXT_MAX, CAPTION_MAX, DATA_MAX = 4_096, 1_024, 64
FILES = {"sendPhoto": "photo", "sendAudio": "audio", "sendVideo": "video", "sendDocument": "document"}
ME = {"id": 110201543, "is_bot": True, "first_name": "Demo Shop", "username": "demo_shop_bot"}
POLL_MAX_S = 50.0

REFUSALS = {
    "blocked": (403, "Forbidden: bot was blocked by the user"),
    "not_a_user": (400, "Bad Request: chat not found"),
    "undelivered": (403, "Forbidden: user is deactivated"),
}
ELSEWHERE = (Behaviour.TEMPLATE_PAUSED, Behaviour.WINDOW_CLOSED, Behaviour.EXPIRED)  # mean nothing here


class TelegramFace:
    """Lines connect with `base_url = url()`."""

    name = NAME
    posts = True  # updates, to whoever told where

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self._stage = stage
        self._ids, self._updates = count(1), count(1_000)
        self._waiting: list[dict[str, Any]] = []  # updates that were not taken yet
        self._news = asyncio.Event()
        self.answered: list[str] = []  # presses that were answered
        self.polled = False  # somebody asks for updates
        wire = Wire(means=_means, refusal=_refusal, callback=lambda _entry, _word: None)
        self._office = Office(
            stage, self.name, port, [web.route("*", f"/bot{TOKEN}/{{method}}", self._asked)], wire
        )
        self.ledger = self._office.ledger
        self.start, self.stop, self.heed = self._office.start, self._office.stop, self._office.heed
        self.url, self.waiting = self._office.url, self._office.waiting

    # ── people ──

    async def send_inbound(self, sender: str, text: str, *, context_ref: str = "") -> str:
        """A person writes; returns the id of it once somebody has taken it, or waits for it."""
        message: dict[str, Any] = {
            "message_id": next(self._ids),
            "date": int(time.time()),
            "chat": chat(sender),
            "from": {**chat(sender), "is_bot": False},
            "text": text,
        }
        if context_ref:
            replied = {"message_id": int(context_ref.rpartition("/")[2]), "date": 0, "chat": chat(sender)}
            message["reply_to_message"] = replied
        await self._tell({"message": message})
        return f"{sender}/{message['message_id']}"

    async def press(self, sender: str, ref: str, data: str) -> str:
        """A person presses a button under a message; the id of the press."""
        press = str(next(self._ids))
        under = {"message_id": int(ref.rpartition("/")[2]), "date": int(time.time()), "chat": chat(sender)}
        pressed = {
            "id": press,
            "from": {**chat(sender), "is_bot": False},
            "chat_instance": "1",
            "message": under,
        }
        await self._tell({"callback_query": {**pressed, "data": data}})
        return press

    async def switch(self, sender: str, status: str) -> None:
        """A person stops the bot ("kicked"), or begins again ("member")."""
        me = {"user": ME, "status": status} | ({"until_date": 0} if status == "kicked" else {})
        change = {
            "chat": chat(sender),
            "from": {**chat(sender), "is_bot": False},
            "date": int(time.time()),
            "old_chat_member": {"user": ME, "status": "member"},
            "new_chat_member": me,
        }
        await self._tell({"my_chat_member": change})

    async def _tell(self, what: dict[str, Any]) -> None:
        update = {"update_id": next(self._updates), **what}
        webhook = self._stage.webhooks.get(self.name) if self.posts else None
        if webhook is None:
            self._waiting.append(update)
            self._news.set()
            return
        headers = {"X-Telegram-Bot-Api-Secret-Token": webhook.secret}
        await self._office.post(Callback(webhook.url, msgspec.json.encode(update), headers))

    # ── the counter ──

    async def _asked(self, request: web.Request) -> web.StreamResponse:
        method, given = request.match_info["method"], await _given(request)
        match method:
            case "sendMessage" | "sendPhoto" | "sendAudio" | "sendVideo" | "sendDocument":
                return await self._send(request, method, given)
            case "getUpdates":
                return await self._hand_over(given)
            case "setWebhook":
                self._stage.webhooks[self.name] = Webhook(
                    str(given.get("url")), str(given.get("secret_token", ""))
                )
                return _done(True)
            case "deleteWebhook":
                self._stage.webhooks.pop(self.name, None)
                return _done(True)
            case "answerCallbackQuery":
                self.answered.append(str(given.get("callback_query_id")))
                return _done(True)
            case "getMe":
                return _done(ME)
            case _:
                return _error(404, "Not Found")

    async def _hand_over(self, given: dict[str, Any]) -> web.StreamResponse:
        if self.posts and self.name in self._stage.webhooks:
            return _error(409, "Conflict: can't use getUpdates method while webhook is active")
        self.polled = True
        offset = int(given.get("offset") or 0)
        self._waiting = [one for one in self._waiting if one["update_id"] >= offset]
        patience = min(float(given.get("timeout") or 0), POLL_MAX_S)
        if not self._waiting and patience:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), patience)
            except TimeoutError:
                return _done([])
        return _done(self._waiting[: int(given.get("limit") or 100)])

    async def _send(self, request: web.Request, method: str, given: dict[str, Any]) -> web.StreamResponse:
        wrong = _wrong(method, given)
        if wrong:
            self.ledger.refused[wrong] += 1
            return _error(400, wrong)
        keys = [key for row in (*_keyboard(given), *_asked(given)) for key in row]
        entry = Entry(
            face=self.name,
            ref=f"{given['chat_id']}/{next(self._ids)}",
            recipient=str(given["chat_id"]),
            text=str(given.get("text") or given.get("caption") or ""),
            at=time.time(),
            sender=str(ME["username"]),
            image_url=str(given.get("photo", "")),
            buttons=[{"label": key["text"], "url": key.get("url", "")} for key in keys],
            details={"method": method, "silent": bool(given.get("disable_notification"))},
        )
        admission = self._office.admit(entry, None)
        if admission.refused == Behaviour.THROTTLED:
            return _error(429, "Too Many Requests: retry after 1", {"retry_after": 1})
        if admission.refused:
            return _error(*REFUSALS[admission.refused])
        sent = {
            "message_id": int(entry.ref.rpartition("/")[2]),
            "date": int(entry.at),
            "chat": chat(entry.recipient),
        }
        return await self._office.answer(request, _done({**sent, "text": entry.text}), [admission])


def chat(person: str) -> dict[str, Any]:
    """A private chat."""
    return {"id": int(person), "type": "private", "first_name": "Demo"}


async def _given(request: web.Request) -> dict[str, Any]:
    """Parameters, as JSON or as a form, as Telegram takes both."""
    if request.content_type == "application/json":
        return await json_object(request)
    form = {name: str(value) for name, value in (await request.post()).items()}
    return {**dict(request.query), **form}


def _keyboard(given: dict[str, Any]) -> list[list[dict[str, str]]]:
    markup = given.get("reply_markup") or {}
    if isinstance(markup, str):
        markup = msgspec.json.decode(markup)
    rows: list[list[dict[str, str]]] = markup.get("inline_keyboard", [])
    return rows


def _asked(given: dict[str, Any]) -> list[list[dict[str, str]]]:
    """The rows of a keyboard in the place of the phone's own."""
    markup = given.get("reply_markup") or {}
    rows: list[list[dict[str, str]]] = markup.get("keyboard", []) if isinstance(markup, dict) else []
    return rows


def _wrong(method: str, given: dict[str, Any]) -> str:
    """What Telegram says of parameters that do not fit; "" when all are well."""
    if not str(given.get("chat_id", "")).removeprefix("-").isdigit():
        return "Bad Request: chat not found"
    for key in (key for row in _keyboard(given) for key in row):
        if len(key.get("callback_data", "").encode()) > DATA_MAX:
            return "Bad Request: BUTTON_DATA_INVALID"
        if "callback_data" not in key and not key.get("url", "").startswith(("http://", "https://", "tg://")):
            return "Bad Request: BUTTON_URL_INVALID"
    if method == "sendMessage":
        text = str(given.get("text", ""))
        return (
            "Bad Request: message text is empty"
            if not text
            else "Bad Request: message is too long"
            if len(text) > TEXT_MAX
            else ""
        )
    if len(str(given.get("caption", ""))) > CAPTION_MAX:
        return "Bad Request: message caption is too long"
    file = str(given.get(FILES[method], ""))
    return "" if file.startswith(("http://", "https://")) else "Bad Request: wrong HTTP URL specified"


def _means(behaviour: Behaviour, _entry: Entry) -> Behaviour:
    return Behaviour.DELIVERED if behaviour in ELSEWHERE else behaviour


def _refusal(behaviour: Behaviour, _entry: Entry) -> str:
    return behaviour.value if behaviour.value in REFUSALS else ""


def _done(result: object) -> web.Response:
    return json_response({"ok": True, "result": result})


def _error(code: int, description: str, parameters: dict[str, int] | None = None) -> web.Response:
    said: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    return json_response(said | ({"parameters": parameters} if parameters else {}), code)


OPERATOR = Operator(
    NAME,
    TelegramFace,
    lambda url: {"base_url": url, "token": TOKEN, "webhook_secret": SECRET},
    recipient="5550001",
    secret=SECRET,
    ends="sent",
)
