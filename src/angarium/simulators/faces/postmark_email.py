"""Postmark: `POST /email`, and its webhooks with the basic authentication of the line.

Shapes and codes follow the vendor's pages (see channels/postmark_email.py). The last two characters before
the @ decide (`anna.01@example.org`).
"""

from __future__ import annotations

import time
from base64 import b64encode
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator, _mail
from angarium.simulators.http_face import Callback, Office, Wire, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "postmark"
SERVER = "00000000-0000-0000-0000-000000000001"
USERNAME, PASSWORD = "angarium", "postmark-demo"
SENDER = "shop@shop.example"
STREAMS = ("outbound", "broadcast")
BOUNCES = {
    "undelivered": ("SoftBounce", 4096),
    "expired": ("SoftBounce", 4096),
    "not_a_user": ("HardBounce", 1),
}
REFUSALS = {Behaviour.BLOCKED: "406", Behaviour.TEMPLATE_PAUSED: "300"}
SAID = {
    10: "No Account or Server API tokens were supplied in the HTTP headers.",
    300: "Invalid email request",
    400: "The 'From' address you supplied is not a Sender Signature on your account.",
    406: "You tried to send to a recipient that has been marked as inactive.",
    429: "Rate limit exceeded",
}


class Postmark:
    """Its counter."""

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self._stage = stage
        self._ids = count(time.time_ns())
        wire = Wire(
            means=self._means, refusal=lambda did, _entry: REFUSALS.get(did, ""), callback=self._callback
        )
        routes = [web.post("/email", self._send), web.get("/messages/outbound", self._search)]
        self.office = Office(stage, NAME, port, routes, wire)

    async def _search(self, request: web.Request) -> web.Response:
        """Mails by a field of their metadata, the newest first."""
        if request.headers.get("X-Postmark-Server-Token") != SERVER:
            return _said(10)
        wanted, count = request.query.get("metadata_client_ref"), int(request.query["count"])
        entries = [one for one in reversed(self.office.ledger.entries) if wanted in (None, one.client_ref)]
        start = int(request.query["offset"])
        found = [_kept(one) for one in entries[start : start + count]]
        return json_response({"TotalCount": len(entries), "Messages": found})

    async def _send(self, request: web.Request) -> web.StreamResponse:
        asked = await json_object(request)
        wrong = 10 if request.headers.get("X-Postmark-Server-Token") != SERVER else _wrong(asked)
        if wrong:
            self.office.ledger.refused[str(wrong)] += 1
            return _said(wrong)
        entry = Entry(
            face=NAME,
            ref=str(UUID(int=next(self._ids))),
            recipient=asked["To"],
            text=asked.get("TextBody", ""),
            html=asked.get("HtmlBody", ""),
            subject=asked["Subject"],
            at=time.time(),
            sender=asked["From"],
            client_ref=asked.get("Metadata", {}).get("client_ref", ""),
            details={"stream": asked.get("MessageStream", "outbound")},
        )
        admission = self.office.admit(entry, None)
        if admission.refused:
            return _said(429 if admission.refused == Behaviour.THROTTLED else int(admission.refused))
        taken = {"To": entry.recipient, "SubmittedAt": _now(), "MessageID": entry.ref}
        answer = json_response({**taken, "ErrorCode": 0, "Message": "OK"})
        return await self.office.answer(request, answer, [admission])

    def _means(self, _behaviour: Behaviour, entry: Entry) -> Behaviour:
        return _mail.means(self._stage, NAME, entry)

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        webhook = self._stage.webhooks.get(NAME)
        if webhook is None or (word != "delivered" and word not in BOUNCES):
            return None
        told: dict[str, Any] = {
            "MessageID": entry.ref,
            "ServerID": 23,
            "MessageStream": entry.details["stream"],
            "Metadata": {"client_ref": entry.client_ref},
        }
        if word == "delivered":
            told |= {"RecordType": "Delivery", "Recipient": entry.recipient, "DeliveredAt": _now()}
        else:
            kind, code = BOUNCES[word]
            told |= {"RecordType": "Bounce", "Type": kind, "TypeCode": code, "Email": entry.recipient}
            told |= {"ID": 42, "BouncedAt": _now(), "Details": word}
        pair = b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        return Callback(webhook.url, msgspec.json.encode(told), {"Authorization": f"Basic {pair}"})


def _kept(entry: Entry) -> dict[str, Any]:
    return {
        "MessageID": entry.ref,
        "MessageStream": entry.details["stream"],
        "To": [{"Email": entry.recipient, "Name": None}],
        "Recipients": [entry.recipient],
        "From": entry.sender,
        "Subject": entry.subject,
        "Status": "Sent",
        "Metadata": {"client_ref": entry.client_ref},
    }


def _wrong(asked: dict[str, Any]) -> int:
    """The code of what is wrong; nought when all is well."""
    words = [asked.get(name, "") for name in ("From", "To", "Subject", "TextBody", "HtmlBody")]
    if not all(isinstance(word, str) for word in words) or not (
        asked.get("TextBody") or asked.get("HtmlBody")
    ):
        return 300
    if SENDER not in words[0]:
        return 400
    fits = words[1].count("@") == 1 and bool(words[2]) and asked.get("MessageStream") in STREAMS
    return 0 if fits else 300


def _said(code: int) -> web.Response:
    return json_response({"ErrorCode": code, "Message": SAID[code]}, {10: 401, 429: 429}.get(code, 422))


def _now() -> str:
    return datetime.now(UTC).isoformat()


OPERATOR = Operator(
    NAME,
    lambda stage, port=0: Postmark(stage, port).office,
    lambda url: {
        "base_url": url,
        "server_token": SERVER,
        "sender_address": SENDER,
        "webhook_username": USERNAME,
        "webhook_password": PASSWORD,
    },
    recipient="anna.01@example.org",
    secret=PASSWORD,
    content=_mail.content("postmark_email"),
)
