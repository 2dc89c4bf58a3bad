"""Mailgun: `messages.mime`, its webhooks and routes, signed over a time and a token.

Shapes and words follow the vendor's pages (see channels/mailgun_email.py). The mail is read by Python's own
parser. The last two characters before the @ decide (`anna.01@example.org`).
"""

from __future__ import annotations

import time
from base64 import b64encode
from email import message_from_bytes
from email.policy import default
from itertools import count
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from angarium.protocols.signatures import hmac_sha256
from angarium.simulators import mail as host
from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator, _mail, _sms
from angarium.simulators.http_face import FORM, Callback, Office, Wire, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "mailgun"
DOMAIN, SENDER = "mg.shop.example", "shop@mg.shop.example"
API_KEY, SIGNING_KEY = "mailgun-demo-key", "mailgun-demo-signing-key"
AUTH = "Basic " + b64encode(f"api:{API_KEY}".encode()).decode()
REFUSALS = {Behaviour.TEMPLATE_PAUSED: "message"}
SAID = {
    "auth": (401, "Forbidden"),
    "to": (400, "'to' parameter is not a valid address. please check documentation"),
    "from": (400, "'from' parameter is not a valid address. please check documentation"),
    "message": (400, "message parameter is missing"),
    Behaviour.THROTTLED.value: (429, f"Domain {DOMAIN} is not allowed to send: recipient limit exceeded"),
}
DELIVERED = {"code": 250, "message": "OK", "description": "", "attempt-no": 1, "tls": True}
FAILURES: dict[str, tuple[str, dict[str, Any]]] = {
    "not_a_user": ("bounce", {"code": 550, "message": "5.1.1 no such user", "description": ""}),
    "blocked": ("suppress-complaint", {"code": 607, "message": "", "description": "Not delivering"}),
    "undelivered": ("generic", {"code": 554, "message": "refused", "description": ""}),
    "expired": ("old", {"code": 602, "message": "Too old", "description": ""}),
}


class Mailgun:
    """Its counter; people may write to it."""

    name = NAME

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self._stage, self._ids = stage, count(time.time_ns())
        wire = Wire(means=self._means, refusal=_refusal, callback=self._callback)
        routes = [
            web.post(f"/v3/{DOMAIN}/messages.mime", self._send),
            web.get(f"/v3/domains/{DOMAIN}", self._domain),
            web.get(f"/v3/{DOMAIN}/events", self._events),
        ]
        self._office = office = Office(stage, NAME, port, routes, wire)
        self.start, self.stop, self.heed = office.start, office.stop, office.heed
        self.waiting, self.url, self.ledger = office.waiting, office.url, office.ledger

    async def send_inbound(self, sender: str, text: str, recipient: str = SENDER) -> str:
        """A person answers the last mail they got; returns the Message-ID once the webhook was taken."""
        webhook = _sms.listener(self._stage, NAME)
        mail = host.letter(self.ledger, sender, recipient, text)
        form = {"sender": sender, "recipient": recipient, "from": sender, "subject": mail["Subject"]}
        form |= {"body-plain": text, "stripped-text": text, "attachment-count": "0"}
        form |= {
            "message-headers": msgspec.json.encode(
                [[name, str(value)] for name, value in mail.items()]
            ).decode(),
            **self._sealed(webhook.secret),
        }
        await self._office.post(Callback(webhook.url, urlencode(form).encode(), FORM))
        return str(mail["Message-ID"]).strip("<>")

    async def _domain(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != AUTH:
            return self._said("auth")
        return json_response({"domain": {"name": DOMAIN, "state": "active", "type": "custom"}})

    async def _events(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != AUTH:
            return self._said("auth")
        entry = self._office.entry_at(request.query.get("message-id", ""))
        told = [("accepted", entry.at), *entry.statuses] if entry is not None else []
        items = [found for word, at in told if entry and (found := self._told(entry, word, at)) is not None]
        pages = dict.fromkeys(("next", "previous", "first", "last"), self._office.url() + "/v3/page")
        return json_response({"items": items, "paging": pages})

    async def _send(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != AUTH:
            return self._said("auth")
        form = await request.post()
        to, file = form.get("to"), form.get("message")
        if not isinstance(file, web.FileField):
            return self._said("message")
        if not isinstance(to, str) or to.count("@") != 1:
            return self._said("to")
        mail = message_from_bytes(file.file.read(), policy=default)
        if DOMAIN not in str(mail["From"]):
            return self._said("from")
        client_ref = str(form.get("v:client_ref", ""))
        entry = _mail.entry(NAME, mail, to, client_ref, {"tracking": str(form.get("o:tracking", ""))})
        admission = self._office.admit(entry, None)
        if admission.refused:
            return self._said(admission.refused)
        answer = json_response({"id": f"<{entry.ref}>", "message": "Queued. Thank you."})
        return await self._office.answer(request, answer, [admission])

    def _said(self, word: str) -> web.Response:
        self.ledger.refused[word] += word in ("auth", "to", "from", "message")
        status, message = SAID[word]
        return json_response({"message": message}, status)

    def _means(self, _behaviour: Behaviour, entry: Entry) -> Behaviour:
        return _mail.means(self._stage, NAME, entry)

    def _sealed(self, key: str) -> dict[str, str]:
        at, token = str(int(time.time())), f"{next(self._ids):050x}"
        return {"timestamp": at, "token": token, "signature": hmac_sha256(key, f"{at}{token}".encode())}

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        webhook, told = self._stage.webhooks.get(NAME), self._told(entry, word, time.time())
        if webhook is None or told is None:
            return None
        body = msgspec.json.encode({"signature": self._sealed(webhook.secret), "event-data": told})
        return Callback(webhook.url, body)

    def _told(self, entry: Entry, word: str, at: float) -> dict[str, Any] | None:
        """What an event says of a mail; None of what Mailgun has no event for."""
        if word not in ("accepted", "delivered") and word not in FAILURES:
            return None
        told: dict[str, Any] = {
            "event": word,
            "id": f"{next(self._ids):x}",
            "timestamp": at,
            "recipient": entry.recipient,
            "user-variables": {"client_ref": entry.client_ref} if entry.client_ref else {},
            "message": {
                "headers": {"message-id": entry.ref, "to": entry.recipient, "subject": entry.subject}
            },
        }
        if word == "delivered":
            told["delivery-status"] = DELIVERED
        if word in FAILURES:
            reason, status = FAILURES[word]
            told |= {"event": "failed", "severity": "permanent", "reason": reason, "delivery-status": status}
        return told


def _refusal(behaviour: Behaviour, _entry: Entry) -> str:
    return REFUSALS.get(behaviour, "")


OPERATOR = Operator(
    NAME,
    Mailgun,
    lambda url: {
        "base_url": url,
        "api_key": API_KEY,
        "domain": DOMAIN,
        "sender_address": SENDER,
        "signing_key": SIGNING_KEY,
    },
    recipient="anna.01@example.org",
    secret=SIGNING_KEY,
    content=_mail.content("mailgun_email"),
)
