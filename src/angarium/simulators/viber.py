"""Viber Business Messages as Decision Telecom offers them: `/v1/api/send-viber` and `/v1/api/receive-viber`.

The shapes follow the vendor's page and SDK (see channels/viber_business.py). Parameter errors come with HTTP
200, as in the SDK's own tests; the others with their status. "Not on Viber" is a quick undelivered. A person
who reads is not reported: this API has no word for it. The callback has the shape of the status answer.
"""

from __future__ import annotations

import time
from base64 import b64encode
from itertools import count
from typing import Any

import msgspec
from aiohttp import web

from angarium.simulators.behaviour import Behaviour
from angarium.simulators.http_face import Callback, Office, Wire, e164, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "viber"
API_KEY = "viber-demo-key"
MESSAGE_TYPES = (106, 108, 206, 208, 225)
TEXT_MAX, CAPTION_MAX, SENDER_MAX = 1_000, 30, 20

STATUSES = {"sent": 0, "delivered": 1, "blocked": 3, "undelivered": 4, "not_a_user": 4, "expired": 4}
PENDING = 5

ERRORS = {
    401: ("Unauthorized", "Your request was made with invalid credentials.", 0),
    429: ("Too Many Requests", "Rate limit exceeded", 0),
}

ELSEWHERE = (Behaviour.TEMPLATE_PAUSED, Behaviour.WINDOW_CLOSED)  # mean nothing on Viber


class ViberFace:
    """Lines connect with `base_url = url() + "/v1/api"`."""

    name = NAME

    def __init__(self, stage: Stage, port: int = 0, *, api_key: str = API_KEY) -> None:
        self._stage = stage
        self._auth = "Basic " + b64encode(api_key.encode()).decode()
        self._ids = count(time.time_ns() // 1_000_000)
        routes = [
            web.post("/v1/api/send-viber", self._send),
            web.post("/v1/api/receive-viber", self._status),
        ]
        wire = Wire(means=_means, refusal=lambda _behaviour, _entry: "", callback=self._callback)
        self._office = Office(stage, NAME, port, routes, wire)
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

    async def _send(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return self._error(401)
        document = await json_object(request)
        wrong = _wrong_parameter(document)
        if wrong:
            self.ledger.refused[wrong] += 1
            name, message = f"Invalid Parameter: {wrong}", "Empty parameter or parameter validation error"
            return json_response({"name": name, "message": message, "code": 1, "status": 400})
        entry = self._entry(document)
        admission = self._office.admit(entry, document.get("validity_period"))
        if admission.refused:
            return self._error(429)
        return await self._office.answer(request, json_response({"message_id": int(entry.ref)}), [admission])

    async def _status(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return self._error(401)
        ref = str((await json_object(request)).get("message_id", ""))
        entry = self._office.entry_at(ref)
        if entry is None:
            name, message = "Invalid Parameter: message_id", "Empty parameter or parameter validation error"
            return json_response({"name": name, "message": message, "code": 1, "status": 400})
        known = [STATUSES[word] for word, _ in entry.statuses if word in STATUSES]
        return json_response({"message_id": int(ref), "status": known[-1] if known else PENDING})

    def _entry(self, document: dict[str, Any]) -> Entry:
        caption, action = document.get("button_caption", ""), document.get("button_action", "")
        return Entry(
            face=NAME,
            ref=str(next(self._ids)),
            recipient=e164(document["destination_addr"]),
            text=document["text"],
            at=time.time(),
            sender=document["source_addr"],
            image_url=document.get("image", ""),
            buttons=[{"label": caption, "url": action}] if caption else [],
            details={
                "message_type": document["message_type"],
                "source_type": document["source_type"],
                "callback_url": document.get("callback_url", ""),
            },
        )

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        webhook = self._stage.webhooks.get(NAME)
        url = entry.details["callback_url"] or (webhook.url if webhook else "")
        if not url or word not in STATUSES:
            return None
        report = {"message_id": int(entry.ref), "status": STATUSES[word]}
        return Callback(url, msgspec.json.encode(report))

    def _error(self, status: int) -> web.Response:
        name, message, code = ERRORS[status]
        return json_response({"name": name, "message": message, "code": code, "status": status}, status)


def _means(behaviour: Behaviour, _entry: Entry) -> Behaviour:
    return Behaviour.DELIVERED if behaviour in ELSEWHERE else behaviour


def _wrong_parameter(document: dict[str, Any]) -> str:
    """The first parameter that is missing or out of bounds; "" when all are well."""
    recipient = str(document.get("destination_addr", ""))
    texts = {
        "source_addr": SENDER_MAX,
        "text": TEXT_MAX,
        "image": 2_000,
        "button_caption": CAPTION_MAX,
        "button_action": 2_000,
        "callback_url": 2_000,
    }
    for name, most in texts.items():
        value = document.get(name, "")
        needed = name in ("source_addr", "text")
        if not isinstance(value, str) or len(value) > most or (needed and not value):
            return name
    if not (recipient.isascii() and recipient.isdigit() and 8 <= len(recipient) <= 15):
        return "destination_addr"
    if document.get("message_type") not in MESSAGE_TYPES:
        return "message_type"
    if document.get("source_type") not in (1, 2):
        return "source_type"
    validity = document.get("validity_period", 1)
    return "" if isinstance(validity, int) and validity > 0 else "validity_period"
