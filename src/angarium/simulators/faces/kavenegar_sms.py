"""Kavenegar: `sms/send`, `verify/lookup`, `sms/status` and `account/info` under `/v1/{key}/`.

Shapes and codes follow the vendor's page (see channels/kavenegar_sms.py). A number that is not a mobile's is
refused with 411. Whoever blocked advertising ends with status 14 by `sms/send` and is reached by a lookup, as
the page says. What is posted to the console's address has the fields that `sms/status` answers with, as a
form.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import count
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator, _sms
from angarium.simulators.http_face import FORM, Callback, Office, Wire, e164, form_of, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "kavenegar"
API_KEY = "6B6176656E65676172"
LINE = "10004346"
UNSIGNED = "none"  # its address is set in the console, and what it posts is not signed
TEXT_MAX, TOKEN_MAX = 900, 100
SPACES = {"token": 0, "token2": 0, "token3": 0, "token10": 5, "token20": 8}
COST = 120

STATUSES = {"sent": 5, "delivered": 10, "undelivered": 11, "expired": 11, "blocked": 14}
QUEUED = 1
TEXTS = {
    1: "در صف ارسال",
    5: "ارسال به مخابرات",
    10: "رسیده به گیرنده",
    11: "نرسیده به گیرنده",
    14: "بلاک شده",
}
SAID = {
    200: "تایید شد",
    403: "کد شناسائی API-Key معتبر نمی‌باشد",
    406: "پارامترهای اجباری خالی ارسال شده اند",
    411: "دریافت کننده نامعتبر است",
    412: "ارسال کننده نامعتبر است",
    413: "پیام خالی است و یا طول پیام بیش از حد مجاز می‌باشد",
    424: "الگوی مورد نظر پیدا نشد",
    431: "ساختار کد صحیح نمی‌باشد",
    451: "فراخوانی بیش از حد در بازه زمانی مشخص IP محدود شده",
}
REFUSALS = {Behaviour.NOT_A_USER: "411", Behaviour.TEMPLATE_PAUSED: "424"}


class Kavenegar:
    """Its counter; `templates` are texts by name: `{"code": "Code %token"}`."""

    def __init__(self, stage: Stage, port: int = 0, *, templates: Mapping[str, str] | None = None) -> None:
        self._stage, self._templates = stage, dict(templates or {})
        self._ids = count(time.time_ns() // 1_000_000)
        self._by_localid: dict[str, dict[str, Any]] = {}
        wire = Wire(means=_means, refusal=_refusal, callback=self._callback)
        routes = [
            web.post(f"/v1/{{key}}/{method}.json", handler)
            for method, handler in (
                ("sms/send", self._send),
                ("verify/lookup", self._lookup),
                ("sms/status", self._status),
            )
        ]
        self.office = Office(
            stage, NAME, port, [*routes, web.route("*", "/v1/{key}/account/info.json", _info)], wire
        )
        self.office.send_inbound = self.send_inbound

    async def send_inbound(self, sender: str, text: str, recipient: str = LINE) -> str:
        """A person writes to the line; returns the id of what they wrote."""
        number = str(next(self._ids))
        said = {"messageid": number, "from": sender.replace("+98", "0", 1), "to": recipient, "message": text}
        body = urlencode({**said, "date": int(time.time())}).encode()
        await self.office.post(Callback(_sms.listener(self._stage, NAME).url, body, FORM))
        return number

    async def _send(self, request: web.Request) -> web.StreamResponse:
        form = await form_of(request)
        known = self._by_localid.get(form.get("localid", ""))
        if known is not None:
            return _said(200, [known])
        wrong = _wrong_text(form)
        return await self._take(request, form, form.get("message", ""), wrong)

    async def _lookup(self, request: web.Request) -> web.StreamResponse:
        form = await form_of(request)
        tokens = {name: form[name] for name in SPACES if name in form}
        text = self._templates.get(form.get("template", ""), " ".join(tokens.values()))
        for name, value in sorted(tokens.items(), reverse=True):  # %token10 before %token
            text = text.replace(f"%{name}%", value).replace(f"%{name}", value)
        return await self._take(request, form, text, _wrong_lookup(form, tokens))

    async def _take(
        self, request: web.Request, form: dict[str, str], text: str, wrong: int
    ) -> web.StreamResponse:
        wrong = 403 if request.match_info["key"] != API_KEY else wrong
        if wrong:
            self.office.ledger.refused[str(wrong)] += 1
            return _said(wrong)
        entry = Entry(
            face=NAME,
            ref=str(next(self._ids)),
            recipient=_international(form["receptor"]),
            text=text,
            at=time.time(),
            sender=form.get("sender", LINE),
            client_ref=form.get("localid", ""),
            details={"template": form.get("template", "")},
        )
        admission = self.office.admit(entry, None)
        if admission.refused:
            return _said(451 if admission.refused == Behaviour.THROTTLED else int(admission.refused))
        record = _record(entry)
        if entry.client_ref:
            self._by_localid[entry.client_ref] = record
        return await self.office.answer(request, _said(200, [record]), [admission])

    async def _status(self, request: web.Request) -> web.StreamResponse:
        refs = (await form_of(request)).get("messageid", "").split(",")
        return _said(200, [self._state(ref) for ref in refs[:500]])

    def _state(self, ref: str) -> dict[str, Any]:
        entry = self.office.entry_at(ref)
        known = [STATUSES[word] for word, _ in entry.statuses if word in STATUSES] if entry else [100]
        status = known[-1] if known else QUEUED
        return {
            "messageid": int(ref) if ref.isdigit() else 0,
            "status": status,
            "statustext": TEXTS.get(status, ""),
        }

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        webhook = self._stage.webhooks.get(NAME)
        if webhook is None or word not in STATUSES:
            return None
        body = urlencode({"messageid": entry.ref, "status": STATUSES[word]}).encode()
        return Callback(webhook.url, body, FORM)


def _record(entry: Entry) -> dict[str, Any]:
    return {
        "messageid": int(entry.ref),
        "message": entry.text,
        "status": QUEUED,
        "statustext": TEXTS[QUEUED],
        "sender": entry.sender,
        "receptor": entry.recipient,
        "date": int(entry.at),
        "cost": COST,
    }


def _said(code: int, entries: list[dict[str, Any]] | None = None) -> web.Response:
    return json_response({"return": {"status": code, "message": SAID[code]}, "entries": entries}, code)


async def _info(request: web.Request) -> web.Response:
    if request.match_info["key"] != API_KEY:
        return _said(403)
    entries = {"remaincredit": 1_500_000, "expiredate": 13_548_889, "type": "master"}
    return json_response({"return": {"status": 200, "message": SAID[200]}, "entries": entries})


def _means(behaviour: Behaviour, entry: Entry) -> Behaviour:
    lookup = bool(entry.details["template"])
    if behaviour in (Behaviour.READ, Behaviour.WINDOW_CLOSED) or (
        behaviour in (Behaviour.BLOCKED, Behaviour.TEMPLATE_PAUSED)
        and lookup == (behaviour is Behaviour.BLOCKED)
    ):
        return Behaviour.DELIVERED
    return behaviour


def _refusal(behaviour: Behaviour, _entry: Entry) -> str:
    return REFUSALS.get(behaviour, "")


def _international(receptor: str) -> str:
    """A phone in any of the four forms that the vendor's page names."""
    bare = receptor.removeprefix("+").removeprefix("00")
    if len(bare) == 11 and bare.startswith("09"):
        bare = bare[1:]
    return e164(f"98{bare}" if len(bare) == 10 and bare.startswith("9") else bare)


def _wrong_number(form: dict[str, str]) -> int:
    bare = form.get("receptor", "").removeprefix("+")
    return 0 if bare.isascii() and bare.isdigit() and 10 <= len(bare) <= 17 else 411


def _wrong_text(form: dict[str, str]) -> int:
    """The code for what is wrong with a plain text; 0 when all is well."""
    if _wrong_number(form):
        return 411
    if form.get("sender", LINE) != LINE:
        return 412
    return 0 if 1 <= len(form.get("message", "")) <= TEXT_MAX else 413


def _wrong_lookup(form: dict[str, str], tokens: dict[str, str]) -> int:
    if _wrong_number(form):
        return 411
    if not form.get("template") or not tokens.get("token"):
        return 406
    fit = all(len(value) <= TOKEN_MAX and value.count(" ") <= SPACES[name] for name, value in tokens.items())
    return 0 if fit else 431


OPERATOR = Operator(
    NAME,
    lambda stage, port=0, templates=None: Kavenegar(stage, port, templates=templates).office,
    lambda url: {"base_url": url, "api_key": API_KEY, "sender": LINE},
    recipient="+989121234501",
    secret=UNSIGNED,
)
