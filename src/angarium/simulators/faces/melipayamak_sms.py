"""Melipayamak's REST: `SendSMS`, `BaseServiceNumber` and `GetDeliveries2` under `/api/SendSMS/`.

Fields follow the vendor's SDK and page (see channels/melipayamak_sms.py). Whoever blocked advertising is
refused with 35 by `SendSMS`, and reached by `BaseServiceNumber`. Nothing is posted to anybody.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import count

from aiohttp import web

from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator
from angarium.simulators.http_face import Office, Wire, e164, form_of, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "melipayamak"
USERNAME, PASSWORD = "angarium", "melipayamak-demo-key"
LINE = "50001234"

DELIVERIES = {"sent": 8, "delivered": 1, "undelivered": 2, "expired": 2}
REFUSALS = {Behaviour.NOT_A_USER: "18", Behaviour.BLOCKED: "35", Behaviour.TEMPLATE_PAUSED: "-4"}
THROTTLED = 6


class Melipayamak:
    """Its counter; `templates` are texts by number: `{"48151": "Code {0}"}`."""

    def __init__(self, stage: Stage, port: int = 0, *, templates: Mapping[str, str] | None = None) -> None:
        self._templates = dict(templates or {})
        self._ids = count(time.time_ns())
        wire = Wire(
            means=_means,
            refusal=lambda behaviour, _entry: REFUSALS.get(behaviour, ""),
            callback=lambda _entry, _word: None,
        )
        routes = [
            web.post("/api/SendSMS/SendSMS", self._send),
            web.post("/api/SendSMS/BaseServiceNumber", self._patterned),
            web.post("/api/SendSMS/GetDeliveries2", self._deliveries),
        ]
        self.office = Office(stage, NAME, port, routes, wire)

    async def _send(self, request: web.Request) -> web.StreamResponse:
        form = await form_of(request)
        wrong = 5 if form.get("from") != LINE else 17 if not form.get("text") else 1
        return await self._take(request, form, form.get("text", ""), wrong)

    async def _patterned(self, request: web.Request) -> web.StreamResponse:
        form = await form_of(request)
        values, body_id = form.get("text", "").split(";"), form.get("bodyId", "")
        text = self._templates.get(body_id, " ".join(values))
        for place, value in enumerate(values):
            text = text.replace(f"{{{place}}}", value)
        return await self._take(request, form, text, 1 if body_id.isdigit() else -4)

    async def _take(
        self, request: web.Request, form: dict[str, str], text: str, wrong: int
    ) -> web.StreamResponse:
        number = form.get("to", "")
        if (form.get("username"), form.get("password")) != (USERNAME, PASSWORD):
            wrong = 0
        elif wrong == 1 and not (number.isascii() and number.isdigit() and 10 <= len(number) <= 17):
            wrong = 18
        if wrong != 1:
            self.office.ledger.refused[str(wrong)] += 1
            return _refused(wrong)
        entry = Entry(
            face=NAME,
            ref=str(next(self._ids)),
            recipient=e164(_international(number)),
            text=text,
            at=time.time(),
            sender=form.get("from", ""),
            details={"body_id": form.get("bodyId", "")},
        )
        admission = self.office.admit(entry, None)
        if admission.refused:
            return _refused(THROTTLED if admission.refused == Behaviour.THROTTLED else int(admission.refused))
        return await self.office.answer(request, _said(entry.ref), [admission])

    async def _deliveries(self, request: web.Request) -> web.Response:
        form = await form_of(request)
        if (form.get("username"), form.get("password")) != (USERNAME, PASSWORD):
            return _refused(0)
        entry = self.office.entry_at(form.get("recId", ""))
        known = [DELIVERIES[word] for word, _ in entry.statuses if word in DELIVERIES] if entry else []
        return _said(str(known[-1] if known else 100))


def _international(number: str) -> str:
    return number[2:] if number.startswith("00") else "98" + number.removeprefix("0")


def _said(value: str) -> web.Response:
    return json_response({"Value": value, "RetStatus": 1, "StrRetStatus": "Ok"})


def _refused(code: int) -> web.Response:
    if code < 0:  # of templates: where the id would stand
        return _said(str(code))
    return json_response({"Value": "", "RetStatus": code, "StrRetStatus": "InvalidData"})


def _means(behaviour: Behaviour, entry: Entry) -> Behaviour:
    reached = {Behaviour.READ, Behaviour.WINDOW_CLOSED}
    reached.add(Behaviour.BLOCKED if entry.details["body_id"] else Behaviour.TEMPLATE_PAUSED)
    return Behaviour.DELIVERED if behaviour in reached else behaviour


OPERATOR = Operator(
    NAME,
    lambda stage, port=0, templates=None: Melipayamak(stage, port, templates=templates).office,
    lambda url: {
        "base_url": f"{url}/api/SendSMS",
        "username": USERNAME,
        "password": PASSWORD,
        "sender": LINE,
    },
    recipient="+989121234501",
    ends="sent",
)
