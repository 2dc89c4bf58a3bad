"""SMSC: `sys/send.php`, `sys/status.php` and `sys/balance.php`, with `fmt=3`.

Codes and states follow the vendor's tables (see channels/smsc_ru_sms.py). States are posted as a form, signed
with the secret that `PUT /webhooks` tells.
"""

from __future__ import annotations

import time
from hashlib import md5, sha1
from itertools import count
from urllib.parse import urlencode

from aiohttp import web

from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator
from angarium.simulators.http_face import FORM, Callback, Office, Wire, e164, form_of, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "smsc"
API_KEY, WEBHOOK_WORD = "smsc-demo-key", "smsc-demo-word"
SENDER = "SHOP"
TEXT_MAX = 1_000
COST = "1.44"

STATES = {
    "sent": ("0", "0"),
    "delivered": ("1", "0"),
    "expired": ("3", "0"),
    "undelivered": ("20", "6"),
    "blocked": ("23", "252"),
}
SAID = {
    1: "parameters error",
    2: "authorise error",
    6: "message is denied",
    7: "invalid number",
    9: "duplicate request, wait a minute",
}


class Smsc:
    """Its counter."""

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self._stage = stage
        self._ids = count(int(time.time()))
        wire = Wire(
            means=_means,
            refusal=lambda behaviour, _entry: "7" if behaviour is Behaviour.NOT_A_USER else "",
            callback=self._callback,
        )
        routes = [
            web.post("/sys/send.php", self._send),
            web.post("/sys/status.php", self._status),
            web.post("/sys/balance.php", _balance),
        ]
        self.office = Office(stage, NAME, port, routes, wire)

    async def _send(self, request: web.Request) -> web.StreamResponse:
        form = await form_of(request)
        wrong = _wrong(form)
        if wrong:
            self.office.ledger.refused[str(wrong)] += 1
            return _refused(wrong)
        entry = Entry(
            face=NAME,
            ref=form.get("id") or str(next(self._ids)),
            client_ref=form.get("id", ""),
            recipient=e164(form["phones"]),
            text=form["mes"],
            at=time.time(),
            sender=form.get("sender", ""),
        )
        hours, _, minutes = form.get("valid", "").partition(":")
        ttl_s = int(hours) * 3_600 + int(minutes) * 60 if minutes else None
        admission = self.office.admit(entry, ttl_s)
        if admission.refused:
            return _refused(9 if admission.refused == Behaviour.THROTTLED else int(admission.refused))
        name = entry.ref if entry.client_ref else int(entry.ref)
        answer = json_response({"id": name, "cnt": 1, "cost": COST})
        return await self.office.answer(request, answer, [admission])

    async def _status(self, request: web.Request) -> web.Response:
        form = await form_of(request)
        entry = self.office.entry_at(form.get("id", ""))
        if form.get("apikey") != API_KEY:
            return _refused(2)
        if entry is None:
            return json_response({"status": -3, "last_date": "", "last_timestamp": 0})
        known = [STATES[word] for word, _ in entry.statuses if word in STATES]
        status, err = known[-1] if known else ("-1", "0")
        return json_response({"status": int(status), "err": int(err), "last_timestamp": int(time.time())})

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        webhook = self._stage.webhooks.get(NAME)
        if webhook is None or word not in STATES:
            return None
        status, err = STATES[word]
        phone = entry.recipient.removeprefix("+")
        signed = f"{entry.ref}:{phone}:{status}:{webhook.secret}".encode()
        fields = {
            "id": entry.ref,
            "phone": phone,
            "status": status,
            "err": err,
            "ts": int(time.time()),
            "md5": md5(signed, usedforsecurity=False).hexdigest(),
            "sha1": sha1(signed, usedforsecurity=False).hexdigest(),
        }
        return Callback(webhook.url, urlencode(fields).encode(), FORM)


async def _balance(request: web.Request) -> web.Response:
    if (await form_of(request)).get("apikey") != API_KEY:
        return _refused(2)
    return json_response({"balance": "1000.00"})


def _refused(code: int) -> web.Response:
    return json_response({"error": SAID[code], "error_code": code})


def _means(behaviour: Behaviour, _entry: Entry) -> Behaviour:
    nothing_here = (Behaviour.READ, Behaviour.TEMPLATE_PAUSED, Behaviour.WINDOW_CLOSED)
    return Behaviour.DELIVERED if behaviour in nothing_here else behaviour


def _wrong(form: dict[str, str]) -> int:
    """The code for what is wrong; 0 when all is well."""
    phone = form.get("phones", "").removeprefix("+")
    if form.get("apikey") != API_KEY:
        return 2
    if form.get("fmt") != "3" or not 1 <= len(form.get("mes", "")) <= TEXT_MAX:
        return 1
    if form.get("sender") != SENDER:
        return 6
    return 0 if phone.isascii() and phone.isdigit() and 10 <= len(phone) <= 15 else 7


OPERATOR = Operator(
    NAME,
    lambda stage, port=0: Smsc(stage, port).office,
    lambda url: {"base_url": url, "api_key": API_KEY, "sender": SENDER, "callback_secret": WEBHOOK_WORD},
    recipient="+380501234501",
    secret=WEBHOOK_WORD,
)
