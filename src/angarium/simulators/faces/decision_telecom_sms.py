"""Decision Telecom's SMS: `/v1/api/send-sms` and `/v1/api/status`.

Shapes follow the vendor's page (see channels/decision_telecom_sms.py); errors are those of its Viber. Nothing
is posted to anybody.
"""

from __future__ import annotations

import time
from base64 import b64encode
from itertools import count
from typing import Any

from aiohttp import web

from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator
from angarium.simulators.http_face import Office, Wire, e164, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "decision-telecom"
API_KEY = "decision-demo-key"
SENDER_MAX, MINUTES = 11, (1, 4_320)
STATES = {"sent": "ENROUTE", "delivered": "DELIVRD", "expired": "EXPIRED", "undelivered": "UNDELIV"}
REFUSED = (Behaviour.NOT_A_USER, Behaviour.BLOCKED)


class DecisionTelecom:
    """Its counter."""

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self._auth = "Basic " + b64encode(API_KEY.encode()).decode()
        self._ids = count(time.time_ns() // 1_000_000)
        wire = Wire(
            means=_means,
            refusal=lambda behaviour, _entry: "phone" if behaviour in REFUSED else "",
            callback=lambda _entry, _word: None,
        )
        routes = [web.post("/v1/api/send-sms", self._send), web.get("/v1/api/status", self._status)]
        self.office = Office(stage, NAME, port, routes, wire)

    async def _send(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return _error("Unauthorized", 401)
        asked = await json_object(request)
        wrong = _wrong(asked)
        if wrong:
            self.office.ledger.refused[wrong] += 1
            return _error(f"Invalid Parameter: {wrong}", 400)
        entry = Entry(
            face=NAME,
            ref=str(next(self._ids)),
            recipient=e164(asked["phone"]),
            text=asked["text"],
            at=time.time(),
            sender=asked["sender"],
        )
        admission = self.office.admit(entry, asked.get("validity_period", 0) * 60 or None)
        if admission.refused == Behaviour.THROTTLED:
            return _error("Too Many Requests", 429)
        if admission.refused:
            return _error(f"Invalid Parameter: {admission.refused}", 400)
        part = {"message_id": int(entry.ref), "phone": asked["phone"], "part_count": 1, "concat_part": 1}
        answer = json_response({"message_data": [{**part, "status": "ACCEPTD"}]})
        return await self.office.answer(request, answer, [admission])

    async def _status(self, request: web.Request) -> web.Response:
        entry = self.office.entry_at(request.query.get("message_id", ""))
        if request.headers.get("Authorization") != self._auth or entry is None:
            return _error("Invalid Parameter: message_id", 400)
        known = [STATES[word] for word, _ in entry.statuses if word in STATES]
        return json_response({"message_id": int(entry.ref), "status": known[-1] if known else "ACCEPTD"})


def _error(name: str, status: int) -> web.Response:
    document = {"name": name, "message": "", "code": 0, "status": status}
    return json_response(document, 200 if status == 400 else status)


def _means(behaviour: Behaviour, _entry: Entry) -> Behaviour:
    nothing_here = (Behaviour.READ, Behaviour.TEMPLATE_PAUSED, Behaviour.WINDOW_CLOSED)
    return Behaviour.DELIVERED if behaviour in nothing_here else behaviour


def _wrong(asked: dict[str, Any]) -> str:
    """The first parameter that is missing or out of bounds; "" when all are well."""
    phone, minutes = asked.get("phone"), asked.get("validity_period", MINUTES[0])
    if not isinstance(phone, int) or not 10**9 < phone < 10**15:
        return "phone"
    if not 1 <= len(str(asked.get("sender", ""))) <= SENDER_MAX:
        return "sender"
    if not isinstance(asked.get("text"), str) or not asked["text"]:
        return "text"
    return "" if isinstance(minutes, int) and MINUTES[0] <= minutes <= MINUTES[1] else "validity_period"


OPERATOR = Operator(
    NAME,
    lambda stage, port=0: DecisionTelecom(stage, port).office,
    lambda url: {"base_url": f"{url}/v1/api", "api_key": API_KEY, "sender": "Shop"},
    recipient="+380501234501",
    ends="sent",
)
