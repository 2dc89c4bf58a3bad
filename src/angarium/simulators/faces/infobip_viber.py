"""Infobip's Viber: `/viber/2/messages`, delivery reports and reports of what was seen.

The shapes follow the tests of the vendor's SDK (see channels/infobip_viber.py); the errors of who is not on
Viber or has blocked the sender are this simulator's own.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec
from aiohttp import web

from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator, _sms
from angarium.simulators.http_face import Callback, Office, Wire, e164, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "infobip_viber"
API_KEY, SENDER = "infobip-demo-key", "Shop"
TEXT_MAX, CAPTION_MAX, TTL_S = 1_000, 30, (30, 1_209_600)
PRICE = {"pricePerMessage": 0.015, "currency": "EUR"}
LABELS = ("PROMOTIONAL", "TRANSACTIONAL")

Word = tuple[int, str, int, str]  # of a status: group id, group, id, name
ENROUTE: Word = (1, "PENDING", 7, "PENDING_ENROUTE")
UNDELIVERED: Word = (2, "UNDELIVERABLE", 9, "UNDELIVERABLE_NOT_DELIVERED")
STATES: dict[str, tuple[Word, tuple[int, str]]] = {
    "sent": (ENROUTE, (0, "NO_ERROR")),
    "delivered": ((3, "DELIVERED", 5, "DELIVERED_TO_HANDSET"), (0, "NO_ERROR")),
    "expired": ((4, "EXPIRED", 15, "EXPIRED_EXPIRED"), (0, "NO_ERROR")),
    "undelivered": (UNDELIVERED, (9999, "EC_UNDELIVERED")),
    "not_a_user": (UNDELIVERED, (9998, "EC_NOT_VIBER_USER")),
    "blocked": (UNDELIVERED, (9997, "EC_USER_BLOCKED")),
}


class InfobipViber:
    """Its counter."""

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self._ids = count(time.time_ns())
        wire = Wire(means=_means, refusal=lambda _behaviour, _entry: "", callback=_callback)
        routes = [web.post("/viber/2/messages", self._send)]
        self.office = Office(stage, NAME, port, routes, wire)
        self.office.send_inbound, self._stage = self.send_inbound, stage

    async def send_inbound(self, sender: str, text: str, *, context_ref: str = "") -> str:
        """A person writes to a two-way sender; returns the id of what they wrote."""
        said = {
            "messageId": str(next(self._ids)),
            "sender": sender.removeprefix("+"),
            "to": SENDER,
            "integrationType": "VIBER",
            "price": PRICE,
            "receivedAt": _now(),
            "pairedMessageId": context_ref or None,
            "message": {"type": "TEXT", "text": text},
        }
        body = msgspec.json.encode({"results": [said], "messageCount": 1, "pendingMessageCount": 0})
        await self.office.post(Callback(_sms.listener(self._stage, NAME).url, body))
        return str(said["messageId"])

    async def _send(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"App {API_KEY}":
            return _error(401, "E401")
        asked = (await json_object(request)).get("messages")
        wrong = _wrong(asked)
        if wrong:
            self.office.ledger.refused[wrong] += 1
            return _error(400, "E400", wrong)
        entry = self._entry(asked[0])  # type: ignore[index]  # it is well
        admission = self.office.admit(entry, entry.details["ttl_s"])
        if admission.refused:
            return _error(429, "E429")
        told = {"messageId": entry.ref, "status": _status(ENROUTE), "destination": entry.recipient[1:]}
        answer = json_response({"bulkId": str(next(self._ids)), "messages": [told]})
        return await self.office.answer(request, answer, [admission])

    def _entry(self, message: dict[str, Any]) -> Entry:
        content, webhooks = message["content"], message.get("webhooks", {})
        button, to = content.get("button"), message["destinations"][0]
        period = message.get("options", {}).get("validityPeriod")
        return Entry(
            face=NAME,
            ref=to.get("messageId") or str(next(self._ids)),
            recipient=e164(to["to"]),
            text=content.get("text", ""),
            at=time.time(),
            sender=message["sender"],
            client_ref=webhooks.get("callbackData", ""),
            image_url=content.get("mediaUrl", ""),
            buttons=[{"label": button["title"], "url": button["action"]}] if button else [],
            details={
                "label": message.get("options", {}).get("label", ""),
                "ttl_s": period["amount"] if period else None,
                "callback_url": webhooks.get("delivery", {}).get("url", ""),
                "seen_url": webhooks.get("seen", {}).get("url", ""),
            },
        )


def _callback(entry: Entry, word: str) -> Callback | None:
    url = entry.details["seen_url" if word == "read" else "callback_url"]
    if not url or word not in (*STATES, "read"):
        return None
    phone = entry.recipient.removeprefix("+")
    told: dict[str, Any]
    if word == "read":
        told = {"messageId": entry.ref, "from": entry.sender, "to": phone, "sentAt": _now(), "seenAt": _now()}
    else:
        status, (code, name) = STATES[word]
        told = {
            "messageId": entry.ref,
            "to": phone,
            "sender": entry.sender,
            "sentAt": _now(),
            "doneAt": _now(),
            "messageCount": 1,
            "price": PRICE,
            "status": _status(status),
            "error": {"groupId": 0, "groupName": "OK", "id": code, "name": name, "permanent": False},
            "callbackData": entry.client_ref,
        }
    return Callback(url, msgspec.json.encode({"results": [told]}))


def _status(word: Word) -> dict[str, Any]:
    group, group_name, code, name = word
    return {"groupId": group, "groupName": group_name, "id": code, "name": name, "description": name}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _error(status: int, code: str, wrong: str = "") -> web.Response:
    violations = [{"property": wrong, "violation": "is not valid"}] if wrong else []
    told = {"errorCode": code, "description": "Request cannot be processed.", "action": "Check the request."}
    return json_response({**told, "violations": violations, "resources": []}, status)


def _means(behaviour: Behaviour, _entry: Entry) -> Behaviour:
    nothing_here = (Behaviour.TEMPLATE_PAUSED, Behaviour.WINDOW_CLOSED)
    return Behaviour.DELIVERED if behaviour in nothing_here else behaviour


def _wrong(messages: Any) -> str:
    """The first property that is missing or out of bounds; "" when all are well."""
    if not isinstance(messages, list) or len(messages) != 1 or not isinstance(messages[0], dict):
        return "messages"
    message = messages[0]
    destinations, content = message.get("destinations") or [{}], message.get("content", {})
    phone = str(destinations[0].get("to", ""))
    if message.get("sender") != SENDER:
        return "messages[0].sender"
    if not (phone.isascii() and phone.isdigit() and 10 <= len(phone) <= 15):
        return "messages[0].destinations[0].to"
    long = len(content.get("text", "")) > TEXT_MAX
    if content.get("type") not in ("TEXT", "IMAGE") or not content.get("text") or long:
        return "messages[0].content.text"
    if len(content.get("button", {}).get("title", "")) > CAPTION_MAX:
        return "messages[0].content.button.title"
    options = message.get("options", {})
    amount = options.get("validityPeriod", {}).get("amount", TTL_S[0])
    if not TTL_S[0] <= amount <= TTL_S[1]:
        return "messages[0].options.validityPeriod.amount"
    return "" if options.get("label", LABELS[0]) in LABELS else "messages[0].options.label"


OPERATOR = Operator(
    NAME,
    lambda stage, port=0: InfobipViber(stage, port).office,
    lambda url: {"base_url": url, "api_key": API_KEY, "sender": SENDER},
    recipient="+380501234501",
)
