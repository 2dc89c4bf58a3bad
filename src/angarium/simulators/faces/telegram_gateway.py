"""Telegram's Gateway: `sendVerificationMessage`, and reports that are signed with the hash of the token.

Shapes follow core.telegram.org/gateway/api (see channels/telegram_gateway.py).
"""

from __future__ import annotations

import time
from itertools import count
from typing import Any

import msgspec
from aiohttp import web

from angarium.protocols.signatures import gateway_signature
from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator
from angarium.simulators.http_face import Callback, Office, Wire, e164, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "telegram-gateway"
TOKEN = "AAEAAAEAtelegram-gateway-demo"  # noqa: S105 - the simulator's own, worth nothing
COST = 0.01
TTL_S = (30, 3_600)
PAYLOAD_MAX, CALLBACK_URL_MAX = 128, 256  # bytes
WORDS = {"sent": "sent", "delivered": "delivered", "read": "read", "expired": "expired"}
REFUSALS = {"not_a_user": "PHONE_NUMBER_NOT_AVAILABLE", "throttled": "FLOOD_WAIT_1"}
ELSEWHERE = (Behaviour.TEMPLATE_PAUSED, Behaviour.WINDOW_CLOSED)  # mean nothing here
UNHEARD = (Behaviour.BLOCKED, Behaviour.UNDELIVERED)  # no word is documented for it but the end of its time


class TelegramGateway:
    """Its counter."""

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self._ids = count(time.time_ns() // 1_000_000)
        wire = Wire(means=_means, refusal=_refusal, callback=_callback)
        self.office = Office(stage, NAME, port, [web.post("/sendVerificationMessage", self._send)], wire)

    async def _send(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _error("ACCESS_TOKEN_INVALID")
        asked = await json_object(request)
        wrong = _wrong(asked)
        if wrong:
            self.office.ledger.refused[wrong] += 1
            return _error(wrong)
        entry = Entry(
            face=NAME,
            ref=str(next(self._ids)),
            recipient=e164(asked["phone_number"]),
            text=asked["code"],
            at=time.time(),
            sender=str(asked.get("sender_username", "")),
            client_ref=str(asked.get("payload", "")),
            details={"callback_url": asked.get("callback_url", ""), "ttl": asked.get("ttl")},
        )
        admission = self.office.admit(entry, asked.get("ttl"))
        if admission.refused:
            return _error(REFUSALS[admission.refused])
        result = {**_status(entry, "sent"), "remaining_balance": 12.5}
        return await self.office.answer(request, json_response({"ok": True, "result": result}), [admission])


def make(stage: Stage, port: int = 0) -> Office:
    """The operator as the folder has it."""
    return TelegramGateway(stage, port).office


def _wrong(asked: dict[str, Any]) -> str:
    """What the Gateway says of parameters that do not fit; "" when all are well."""
    phone, code, ttl = str(asked.get("phone_number", "")), asked.get("code"), asked.get("ttl")
    if not (phone.removeprefix("+").isdigit() and 8 <= len(phone) <= 16):
        return "PHONE_NUMBER_INVALID"
    if not (isinstance(code, str) and code.isdigit() and 4 <= len(code) <= 8):
        return "CODE_INVALID"
    if ttl is not None and not (isinstance(ttl, int) and TTL_S[0] <= ttl <= TTL_S[1]):
        return "TTL_INVALID"
    if len(str(asked.get("payload", "")).encode()) > PAYLOAD_MAX:
        return "PAYLOAD_INVALID"
    url = str(asked.get("callback_url", ""))
    return "" if len(url.encode()) <= CALLBACK_URL_MAX else "CALLBACK_URL_INVALID"


def _status(entry: Entry, word: str) -> dict[str, Any]:
    refunded = {"is_refunded": True} if word == "expired" and entry.details["ttl"] else {}
    return {
        "request_id": entry.ref,
        "phone_number": entry.recipient,
        "request_cost": COST,
        "delivery_status": {"status": word, "updated_at": int(time.time())},
        "payload": entry.client_ref,
        **refunded,
    }


def _callback(entry: Entry, word: str) -> Callback | None:
    url = str(entry.details["callback_url"])
    if not url or word not in WORDS:
        return None
    body, timestamp = msgspec.json.encode(_status(entry, WORDS[word])), str(int(time.time()))
    signed = {
        "X-Request-Timestamp": timestamp,
        "X-Request-Signature": gateway_signature(TOKEN, timestamp, body),
    }
    return Callback(url, body, signed)


def _means(behaviour: Behaviour, _entry: Entry) -> Behaviour:
    if behaviour in UNHEARD:
        return Behaviour.EXPIRED
    return Behaviour.DELIVERED if behaviour in ELSEWHERE else behaviour


def _refusal(behaviour: Behaviour, _entry: Entry) -> str:
    return behaviour.value if behaviour.value in REFUSALS else ""


def _error(word: str) -> web.Response:
    return json_response({"ok": False, "error": word})


OPERATOR = Operator(
    NAME,
    make,
    lambda url: {"base_url": url, "token": TOKEN},
    recipient="+380501234501",
    content={"text": "Your code is 48215"},
)
