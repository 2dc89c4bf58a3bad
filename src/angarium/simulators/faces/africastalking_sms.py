"""Africa's Talking: `POST /version1/messaging` as a form, `GET /version1/user`, reports as forms.

The shapes follow africastalking-python and the vendor's pages (see channels/africastalking_sms.py). As with
the real one, reports go to one address alone: `stage.webhooks["africastalking_sms"]`.
"""

from __future__ import annotations

import time
from itertools import count
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from angarium.protocols import gsm
from angarium.simulators.faces import Operator, _sms
from angarium.simulators.http_face import Admission, Callback, Office, Wire, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "africastalking_sms"
USERNAME, API_KEY = "demo", "africastalking-demo-key"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
COST = 0.8

STATUSES: dict[str, tuple[str, str]] = {
    "sent": ("Submitted", ""),
    "delivered": ("Success", ""),
    "not_a_user": ("Failed", "UserDoesNotExist"),
    "undelivered": ("Failed", "UserIsInactive"),
    "expired": ("Expired", ""),
}


class AfricasTalkingFace:
    """Lines connect with `base_url = url()`."""

    name = NAME

    def __init__(
        self, stage: Stage, port: int = 0, *, username: str = USERNAME, api_key: str = API_KEY
    ) -> None:
        self._stage, self._username, self._key = stage, username, api_key
        self._ids = count(time.time_ns())
        routes = [web.post("/version1/messaging", self._send), web.get("/version1/user", self._user)]
        wire = Wire(means=_sms.means, refusal=_sms.refusal, callback=self._callback)
        self._office = office = Office(stage, NAME, port, routes, wire)
        self.start, self.stop, self.heed = office.start, office.stop, office.heed
        self.waiting, self.url, self.ledger = office.waiting, office.url, office.ledger

    async def send_inbound(self, sender: str, text: str, recipient: str = "21512") -> str:
        """A person writes; returns the id of what they wrote once the callback was taken."""
        webhook, name = _sms.listener(self._stage, NAME), f"{next(self._ids):032x}"
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        fields = {"linkId": name, "text": text, "to": recipient, "id": name, "date": when, "from": sender}
        await self._office.post(Callback(webhook.url, urlencode(fields).encode(), FORM))
        return name

    # ── the counter ──

    async def _send(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        if request.headers.get("apiKey") != self._key or form.get("username") != self._username:
            return web.Response(status=401, text="The supplied authentication is invalid")
        for name in ("to", "message"):
            if not form.get(name):
                self.ledger.refused[name] += 1
                return web.Response(status=400, text=f"Request is missing required form field '{name}'.")
        results = [self._take(number.strip(), form) for number in form["to"].split(",")]
        recipients = [told for told, _ in results]
        admissions = [admission for _, admission in results if admission is not None]
        if any(admission.refused == "throttled" for admission in admissions):
            return web.Response(status=429, text="Too many requests")
        taken = [told for told in recipients if told["statusCode"] < 200]
        message = f"Sent to {len(taken)}/{len(recipients)} Total Cost: KES {COST * len(taken):.4f}"
        answer = json_response({"SMSMessageData": {"Message": message, "Recipients": recipients}}, 201)
        return await self._office.answer(request, answer, admissions)

    async def _user(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("apiKey") != self._key or request.query.get("username") != self._username:
            return web.Response(status=401, text="The supplied authentication is invalid")
        return json_response({"UserData": {"balance": "KES 1785.5000"}})

    def _take(self, number: str, form: dict[str, str]) -> tuple[dict[str, Any], Admission | None]:
        """One person: their element of the answer, and what became of it."""
        if not (number.startswith("+") and _sms.is_phone(number)):
            return _told(403, "InvalidPhoneNumber", number, "None"), None
        cut = gsm.segment(form["message"])
        entry = Entry(
            face=NAME,
            ref=f"ATXid_{next(self._ids):032x}",
            recipient=number,
            text=form["message"],
            at=time.time(),
            sender=form.get("from", "AFRICASTKNG"),
            parts=len(cut.parts),
            encoding=cut.encoding,
            details={"form": form},
        )
        admission = self._office.admit(entry, None)
        if admission.refused:
            return _told(406, "UserInBlacklist", number, "None"), admission
        return _told(101, "Success", number, entry.ref), admission

    # ── reports ──

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        url = _sms.address(self._stage, NAME, entry)
        if not url or word not in STATUSES:
            return None
        status, failure = STATUSES[word]
        fields = {"id": entry.ref, "status": status, "phoneNumber": entry.recipient, "networkCode": "63902"}
        fields |= {"failureReason": failure} if failure else {}
        return Callback(url, urlencode({**fields, "retryCount": "0"}).encode(), FORM)


def _told(code: int, status: str, number: str, ref: str) -> dict[str, Any]:
    cost = f"KES {COST:.4f}" if code < 200 else "0"
    return {"statusCode": code, "number": number, "status": status, "cost": cost, "messageId": ref}


OPERATOR = Operator(
    NAME,
    AfricasTalkingFace,
    lambda url: {"base_url": url, "username": USERNAME, "api_key": API_KEY, "sender": "Shop"},
    recipient="+254711000100",
)
