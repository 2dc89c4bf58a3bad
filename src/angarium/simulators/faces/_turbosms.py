"""TurboSMS: `message/send.json` and `message/status.json`, for SMS and for Viber.

Codes and words follow protocols/turbosms.py's sources. States are posted as JSON, signed with the secret that
`PUT /webhooks` tells.
"""

from __future__ import annotations

import time
from hashlib import sha1
from itertools import count
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from angarium.simulators.behaviour import Behaviour
from angarium.simulators.http_face import Callback, Office, Wire, e164, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

TOKEN, WEBHOOK_WORD = "turbosms-demo-token", "turbosms-demo-word"
TEXT_MAX = {"sms": 1_000, "viber": 1_000}
CAPTION_MAX, TTL_S = 30, (60, 86_400)
STATES = {
    "sent": "Sent",
    "delivered": "Delivered",
    "read": "Read",
    "undelivered": "Undelivered",
    "not_a_user": "Rejected",
    "expired": "Expired",
}
WORDS = {
    0: "OK",
    200: "REQUIRED_MESSAGE_SENDER",
    201: "REQUIRED_MESSAGE_TEXT",
    301: "INVALID_TOKEN",
    305: "INVALID_PHONE",
    404: "NOT_ALLOWED_NUMBER_STOPLIST",
    405: "NOT_ALLOWED_RECIPIENTS_LIMIT",
    408: "NOT_ALLOWED_MESSAGE_BUTTON_TEXT_LENGTH",
    409: "NOT_ALLOWED_MESSAGE_TTL",
    410: "NOT_ALLOWED_MESSAGE_TRANSACTION_CONTENT",
    413: "NOT_ALLOWED_MESSAGE_TEXT_LENGTH",
}


class TurboSms:
    """Its counter, for one of both."""

    def __init__(self, stage: Stage, port: int, kind: str) -> None:
        self._stage, self._kind, self._name = stage, kind, f"turbosms-{kind}"
        self._ids = count(time.time_ns())
        wire = Wire(means=self._means, refusal=self._refusal, callback=self._callback)
        routes = [web.post("/message/send.json", self._send), web.post("/message/status.json", self._status)]
        self.office = Office(stage, self._name, port, routes, wire)

    async def _send(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _said(301)
        asked = await json_object(request)
        recipients, part = asked.get("recipients"), asked.get(self._kind)
        if not isinstance(recipients, list) or len(recipients) != 1:
            return _said(405)
        phone, part = str(recipients[0]), part if isinstance(part, dict) else {}
        wrong = _wrong(self._kind, phone, part)
        if wrong:
            self.office.ledger.refused[str(wrong)] += 1
            return _said(0, [_one(phone, wrong)])
        entry = Entry(
            face=self._name,
            ref=str(UUID(int=next(self._ids))),
            recipient=e164(phone),
            text=part["text"],
            at=time.time(),
            sender=part["sender"],
            image_url=part.get("image_url", ""),
            buttons=[{"label": part["caption"], "url": part["action"]}] if "caption" in part else [],
            details={"is_transactional": part.get("is_transactional", 0)},
        )
        admission = self.office.admit(entry, part.get("ttl"))
        if admission.refused == Behaviour.THROTTLED:
            return web.Response(status=429)
        if admission.refused:
            return _said(0, [_one(phone, int(admission.refused))])
        return await self.office.answer(request, _said(0, [_one(phone, 0, entry.ref)]), [admission])

    async def _status(self, request: web.Request) -> web.Response:
        refs = (await json_object(request)).get("messages", [])
        found = [self.office.entry_at(str(ref)) for ref in refs]
        return _said(0, [_state(entry) for entry in found if entry])

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        webhook = self._stage.webhooks.get(self._name)
        if webhook is None or word not in STATES:
            return None
        event_id = f"{entry.ref}/{word}"
        data = {"message_id": entry.ref, "status": STATES[word], "recipient": entry.recipient[1:]}
        event = {
            "id": event_id,
            "signature": sha1(f"{webhook.secret}{event_id}".encode(), usedforsecurity=False).hexdigest(),
            "type": f"{self._kind}_status",
            "try": 1,
            "data": data,
        }
        return Callback(webhook.url, msgspec.json.encode(event))

    def _means(self, behaviour: Behaviour, _entry: Entry) -> Behaviour:
        nothing_here = {Behaviour.TEMPLATE_PAUSED, Behaviour.WINDOW_CLOSED}
        if self._kind == "sms":
            nothing_here.add(Behaviour.READ)
        return Behaviour.DELIVERED if behaviour in nothing_here else behaviour

    def _refusal(self, behaviour: Behaviour, _entry: Entry) -> str:
        if behaviour is Behaviour.NOT_A_USER and self._kind == "sms":
            return "305"
        return "404" if behaviour is Behaviour.BLOCKED else ""


def _wrong(kind: str, phone: str, part: dict[str, Any]) -> int:
    """The code for what is wrong with one message; 0 when all is well."""
    text, ttl_s = part.get("text"), part.get("ttl", TTL_S[0])
    if not (phone.isascii() and phone.isdigit() and 10 <= len(phone) <= 15):
        return 305
    if not part.get("sender"):
        return 200
    if not isinstance(text, str) or not text:
        return 201
    if len(text) > TEXT_MAX[kind]:
        return 413
    if len(part.get("caption", "")) > CAPTION_MAX:
        return 408
    if not isinstance(ttl_s, int) or not TTL_S[0] <= ttl_s <= TTL_S[1]:
        return 409
    return 410 if part.get("is_transactional") and {"caption", "image_url"} & part.keys() else 0


def _one(phone: str, code: int, ref: str | None = None) -> dict[str, Any]:
    return {"phone": phone, "response_code": code, "message_id": ref, "response_status": WORDS[code]}


def _said(code: int, result: object = None) -> web.Response:
    return json_response({"response_code": code, "response_status": WORDS[code], "response_result": result})


def _state(entry: Entry) -> dict[str, Any]:
    known = [STATES[word] for word, _ in entry.statuses if word in STATES]
    return {"message_id": entry.ref, "response_code": 0, "status": known[-1] if known else "Queued"}
