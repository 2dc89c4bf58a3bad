"""SMS.ir, version 1: `send/bulk`, `send/verify`, `send/live` and `receive/live`.

Shapes and codes follow the vendor's SDKs (see channels/smsir_sms.py). Nothing is posted to anybody.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import count
from typing import Any

from aiohttp import web

from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator
from angarium.simulators.http_face import Office, Wire, e164, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "smsir"
API_KEY = "smsir-demo-key"
LINE = 30004505000027
PACK = "86d96b0e-fd89-4c19-b303-c0b4d3874063"
VALUE_MAX, PAGE_MAX = 25, 100

STATES = {"sent": 3, "delivered": 1, "undelivered": 2, "expired": 2, "blocked": 7}
SAID = {
    10: "کلید وب سرویس نامعتبر است",
    20: "تعداد درخواست بیشتر از حد مجاز است",
    101: "شماره خط نامعتبر میباشد",
    103: "درخواست شما دارای متن (های) خالی است",
    104: "درخواست شما دارای موبایل (های) نادرست است",
    113: "قالب یافت نشد",
}
HTTP = {10: 401, 20: 429}
REFUSALS = {Behaviour.NOT_A_USER: "104", Behaviour.TEMPLATE_PAUSED: "113"}


class SmsIr:
    """Its counter; `templates` are texts by number: `{"200000": "Code #CODE#"}`."""

    def __init__(self, stage: Stage, port: int = 0, *, templates: Mapping[str, str] | None = None) -> None:
        self._templates = dict(templates or {})
        self._ids = count(time.time_ns() // 1_000_000_000)
        wire = Wire(
            means=_means,
            refusal=lambda behaviour, _entry: REFUSALS.get(behaviour, ""),
            callback=lambda _entry, _word: None,
        )
        routes = [
            web.post("/v1/send/bulk{slash:/?}", self._bulk),
            web.post("/v1/send/verify{slash:/?}", self._verify),
            web.get("/v1/send/live{slash:/?}", self._live),
            web.get("/v1/receive/live{slash:/?}", self._heard),
        ]
        self.office = Office(stage, NAME, port, routes, wire)
        self.office.send_inbound = self.send_inbound
        self._said: list[dict[str, Any]] = []  # by people, today

    async def send_inbound(self, sender: str, text: str) -> str:
        """A person writes to the line; whoever asks for today's answers finds it."""
        said = {"messageText": text, "mobile": int(sender.removeprefix("+")), "number": LINE}
        said |= {"receiveReturnId": next(self._ids), "receivedDateTime": int(time.time())}
        self._said.append(said)
        return str(said["receiveReturnId"])

    async def _heard(self, request: web.Request) -> web.Response:
        number, size = int(request.query.get("pageNumber", "1")), int(request.query.get("pageSize", PAGE_MAX))
        return _said(self._said[::-1][(number - 1) * size : number * size])

    async def _bulk(self, request: web.Request) -> web.StreamResponse:
        asked = await _asked(request)
        mobiles, text = asked.get("mobiles"), asked.get("messageText")
        wrong = 0
        if asked.get("lineNumber") != LINE:
            wrong = 101
        elif not isinstance(text, str) or not text:
            wrong = 103
        elif not isinstance(mobiles, list) or len(mobiles) != 1:
            wrong = 104
        return await self._take(request, (mobiles or [""])[0], str(text), wrong, bulk=True)

    async def _verify(self, request: web.Request) -> web.StreamResponse:
        asked = await _asked(request)
        given = asked.get("parameters")
        values = {each["name"]: each["value"] for each in given} if isinstance(given, list) else {}
        template = str(asked.get("templateId", ""))
        text = self._templates.get(template, " ".join(values.values()))
        for name, value in values.items():
            text = text.replace(f"#{name}#", value)
        fit = template.isdigit() and values and all(len(value) <= VALUE_MAX for value in values.values())
        return await self._take(request, asked.get("mobile", ""), text, 0 if fit else 113, bulk=False)

    async def _take(
        self, request: web.Request, mobile: object, text: str, wrong: int, *, bulk: bool
    ) -> web.StreamResponse:
        number = str(mobile)
        if request.headers.get("X-API-KEY") != API_KEY:
            wrong = 10
        elif not wrong and not (number.isascii() and number.isdigit() and 10 <= len(number) <= 15):
            wrong = 104
        if wrong:
            self.office.ledger.refused[str(wrong)] += 1
            return _refused(wrong)
        entry = Entry(
            face=NAME,
            ref=str(next(self._ids)),
            recipient=e164(f"98{number}" if len(number) == 10 else number),
            text=text,
            at=time.time(),
            details={"verify": not bulk},
        )
        admission = self.office.admit(entry, None)
        if admission.refused:
            return _refused(20 if admission.refused == Behaviour.THROTTLED else int(admission.refused))
        told: dict[str, Any] = {"messageId": int(entry.ref), "cost": 1.0}
        if bulk:
            told = {"packId": PACK, "messageIds": [int(entry.ref)], "cost": 1.0}
        return await self.office.answer(request, _said(told), [admission])

    async def _live(self, request: web.Request) -> web.Response:
        if request.headers.get("X-API-KEY") != API_KEY:
            return _refused(10)
        page, size = int(request.query["pageNumber"]), min(int(request.query["pageSize"]), PAGE_MAX)
        newest = self.office.ledger.entries[::-1][(page - 1) * size : page * size]
        return _said([_report(entry) for entry in newest])


async def _asked(request: web.Request) -> dict[str, Any]:
    """What is asked; the vendor's SDKs write its names with a capital or without."""
    return {name[:1].lower() + name[1:]: value for name, value in (await json_object(request)).items()}


def _report(entry: Entry) -> dict[str, Any]:
    known = [(STATES[word], at) for word, at in entry.statuses if word in STATES]
    state, at = known[-1] if known else (None, None)
    return {
        "messageId": int(entry.ref),
        "lineNumber": LINE,
        "mobile": int(entry.recipient.removeprefix("+")),
        "messageText": entry.text,
        "sendDateTime": int(entry.at),
        "deliveryState": state,
        "deliveryDateTime": None if at is None else int(at),
        "cost": 1.0,
    }


def _said(data: object) -> web.Response:
    return json_response({"status": 1, "message": "موفق", "data": data})


def _refused(code: int) -> web.Response:
    return json_response({"status": code, "message": SAID[code], "data": None}, HTTP.get(code, 400))


def _means(behaviour: Behaviour, entry: Entry) -> Behaviour:
    reached = {Behaviour.READ, Behaviour.WINDOW_CLOSED}
    reached.add(Behaviour.BLOCKED if entry.details["verify"] else Behaviour.TEMPLATE_PAUSED)
    return Behaviour.DELIVERED if behaviour in reached else behaviour


OPERATOR = Operator(
    NAME,
    lambda stage, port=0, templates=None: SmsIr(stage, port, templates=templates).office,
    lambda url: {"base_url": f"{url}/v1", "api_key": API_KEY, "line": str(LINE), "look_every_s": 1},
    recipient="+989121234501",
)
