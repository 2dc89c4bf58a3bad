"""VK and OK notifications as Devino offers them: `POST /vk/messages`, up to 1000 messages a call.

The request's shape follows docs.devino.online; the words of refusals and the body of a status callback are
not published there, so they are this simulator's own (see channels/vk_notify.py). The phone shows the text of
a template the face was given, with its variables filled in, else the variables themselves.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import count
from typing import Any

import msgspec
from aiohttp import web

from angarium.simulators.behaviour import Behaviour
from angarium.simulators.http_face import (
    Admission,
    Callback,
    Office,
    Wire,
    e164,
    json_object,
    json_response,
)
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "vk"
API_KEY = "vk-demo-key"
MESSAGES_MAX = 1_000
TTL_S = (15, 86_400)
TEXT_MAX = 2_048
POLICIES = ("any", "mobile_device_required", "verified_phone_number")

REFUSALS = {
    Behaviour.NOT_A_USER: "USER_NOT_FOUND",
    Behaviour.BLOCKED: "USER_BLOCKED",
    Behaviour.TEMPLATE_PAUSED: "TEMPLATE_NOT_FOUND",
}
ACCOUNT = "/billing-api/companies/current/account"
THROTTLED = "LIMIT_EXCEEDED"

STATUSES = {
    "sent": "sent",
    "delivered": "delivered",
    "read": "read",
    "undelivered": "not delivered",
    "expired": "expired",
}


class VkFace:
    """Lines connect with `base_url = url()`. `templates` are texts by name: `{"code": "Code {code}"}`."""

    name = NAME

    def __init__(
        self,
        stage: Stage,
        port: int = 0,
        *,
        api_key: str = API_KEY,
        templates: Mapping[str, str] | None = None,
    ) -> None:
        self._stage = stage
        self._auth = f"Key {api_key}"
        self._templates = dict(templates or {})
        self._ids = count(time.time_ns() // 1_000_000)
        wire = Wire(means=_means, refusal=_refusal, callback=self._callback)
        routes = [web.post("/vk/messages", self._send), web.get(ACCOUNT, self._account)]
        self._office = Office(stage, NAME, port, routes, wire)
        self.balance = 1_000.0  # of the company
        self.balance_asked = 0
        self.ledger = self._office.ledger

    async def start(self) -> None:
        """Listen."""
        await self._office.start()

    async def heed(self) -> None:
        """Open or close the door."""
        await self._office.heed()

    def waiting(self) -> int:
        """What is still to happen."""
        return self._office.waiting()

    async def stop(self) -> None:
        """Close everything."""
        await self._office.stop()

    def url(self) -> str:
        """Where it listens."""
        return self._office.url()

    async def _account(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return json_response({"code": "UNAUTHORIZED"}, 401)
        self.balance_asked += 1
        account = {"companyId": 111, "accountType": "PREPAID", "balance": self.balance, "credit": 0}
        return json_response({"result": {"account": {**account, "currencyId": 1, "isBlocked": False}}})

    async def _send(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return json_response({"code": "UNAUTHORIZED"}, 401)
        messages = (await json_object(request)).get("messages")
        if not isinstance(messages, list) or not 1 <= len(messages) <= MESSAGES_MAX:
            return json_response({"code": "BAD_REQUEST", "description": "messages: 1 to 1000"}, 400)
        taken = [self._take(message) for message in messages]
        admissions = [admission for _, admission in taken]
        if all(admission.refused == Behaviour.THROTTLED for admission in admissions):
            return json_response({"code": THROTTLED}, 429)
        results = [result for result, _ in taken]
        return await self._office.answer(request, json_response({"result": results}), admissions)

    def _take(self, message: Any) -> tuple[dict[str, str], Admission]:
        """One message of a call: its element of `result`, and what became of it."""
        wrong = _wrong(message)
        if wrong:
            self.ledger.refused[wrong] += 1
            return {"code": wrong}, Admission(refused=wrong)
        entry = self._entry(message)
        if len(entry.text) > TEXT_MAX:
            return {"code": "INVALID_TEMPLATE_DATA"}, Admission(refused="INVALID_TEMPLATE_DATA")
        admission = self._office.admit(entry, message.get("ttl"))
        if admission.refused:
            return {
                "code": THROTTLED if admission.refused == Behaviour.THROTTLED else admission.refused
            }, admission
        return {"code": "OK", "messageId": entry.ref}, admission

    def _entry(self, message: dict[str, Any]) -> Entry:
        template = str(message.get("tmpl") or message.get("templateId"))
        callback_data = message.get("callbackData")
        echoed = callback_data if isinstance(callback_data, dict) else {}
        return Entry(
            face=NAME,
            ref=str(next(self._ids)),
            recipient=e164(message["phone"]),
            text=self._shown(template, message["tmpl_data"]),
            at=time.time(),
            sender=message.get("service", ""),
            client_ref=str(next(iter(echoed.values()), "")),
            details={
                "template": template,
                "variables": message["tmpl_data"],
                "routes": message.get("routes", ["VK"]),
                "callback_data": callback_data,
                "status_url": message.get("status_url", ""),
            },
        )

    def _shown(self, template: str, variables: dict[str, Any]) -> str:
        text = self._templates.get(template)
        if text is None:
            return " ".join(str(value) for value in variables.values())
        for name, value in variables.items():
            text = text.replace("{" + name + "}", str(value))
        return text

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        webhook = self._stage.webhooks.get(NAME)
        url = entry.details["status_url"] or (webhook.url if webhook else "")
        if not url or word not in STATUSES:
            return None
        status = {
            "messageId": entry.ref,
            "status": STATUSES[word],
            "callbackData": entry.details["callback_data"],
        }
        return Callback(url, msgspec.json.encode(status))


def _means(behaviour: Behaviour, _entry: Entry) -> Behaviour:
    return Behaviour.DELIVERED if behaviour is Behaviour.WINDOW_CLOSED else behaviour


def _refusal(behaviour: Behaviour, _entry: Entry) -> str:
    return REFUSALS.get(behaviour, "")


def _wrong(message: Any) -> str:
    """The word for what is wrong with one message; "" when all is well."""
    if not isinstance(message, dict):
        return "BAD_REQUEST"
    phone = str(message.get("phone", ""))
    if not (phone.isascii() and phone.isdigit() and 10 <= len(phone) <= 15):
        return "INVALID_PHONE"
    named = (
        isinstance(message.get("service"), str) and isinstance(message.get("tmpl"), str) and message["tmpl"]
    )
    if not named and not isinstance(message.get("templateId"), int):
        return "TEMPLATE_NOT_FOUND"
    if not isinstance(message.get("tmpl_data"), dict):
        return "INVALID_TEMPLATE_DATA"
    routes = message.get("routes", ["VK"])
    if not isinstance(routes, list) or not routes or not all(route in ("VK", "OK") for route in routes):
        return "INVALID_ROUTES"
    if message.get("delivery_policy", "any") not in POLICIES:
        return "INVALID_DELIVERY_POLICY"
    ttl_s = message.get("ttl", TTL_S[0])
    return "" if isinstance(ttl_s, int) and TTL_S[0] <= ttl_s <= TTL_S[1] else "INVALID_TTL"
