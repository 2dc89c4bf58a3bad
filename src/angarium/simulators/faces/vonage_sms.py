"""Vonage's Messages API: `POST /v1/messages` by SMS, statuses and inbound signed with a token.

The shapes follow vonage-python-sdk and Vonage's pages (see channels/vonage_sms.py). A request is believed
when its token names our application: the key that signs it is the customer's, and is not known here. Whoever
wrote STOP is told of by a status (1240): nothing is refused at once for its recipient.
"""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from itertools import count
from typing import Any

import msgspec
from aiohttp import web
from joserfc.jwk import RSAKey

from angarium.protocols import gsm
from angarium.protocols.signatures import jwt_signed
from angarium.simulators.faces import Operator, _sms
from angarium.simulators.http_face import Callback, Office, Wire, e164, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "vonage_sms"
APPLICATION_ID = "78d335fa-323d-0114-9c3d-d6f0d48968cf"
SIGNATURE_SECRET = "vonage-demo-signature-secret-of-32"  # noqa: S105 - the simulator's own, worth nothing
TEXT_MAX, TTL_S = 1_000, (20, 604_800)
ERRORS = "https://developer.vonage.com/api-errors/messages"

STATUSES = {"sent": "submitted", "delivered": "delivered"}
FAILURES = {
    "blocked": (1240, "Illegal Number", "The user has sent a STOP opt-out message."),
    "not_a_user": (1190, "Absent Subscriber Permanent", "`to` is no longer active."),
    "undelivered": (1180, "Absent Subscriber Temporary", "`to` was temporarily unavailable."),
    "expired": (1360, "TTL was activated", "No charge will be issued."),
}


class VonageFace:
    """Lines connect with `base_url = url()`."""

    name = NAME

    def __init__(
        self,
        stage: Stage,
        port: int = 0,
        *,
        application_id: str = APPLICATION_ID,
        signature_secret: str = SIGNATURE_SECRET,
    ) -> None:
        self._stage, self._application, self._secret = stage, application_id, signature_secret
        self._ids = count(time.time_ns())
        wire = Wire(means=_sms.means, refusal=lambda _behaviour, _entry: "", callback=self._callback)
        self._office = office = Office(stage, NAME, port, [web.post("/v1/messages", self._send)], wire)
        self.start, self.stop, self.heed = office.start, office.stop, office.heed
        self.waiting, self.url, self.ledger = office.waiting, office.url, office.ledger

    async def send_inbound(self, sender: str, text: str, recipient: str = "447700900001") -> str:
        """A person writes; returns the id of what they wrote once the webhook was taken."""
        webhook, uuid = _sms.listener(self._stage, NAME), self._uuid()
        heard = {
            "channel": "sms",
            "message_uuid": uuid,
            "to": recipient.removeprefix("+"),
            "from": sender.removeprefix("+"),
            "timestamp": _when(),
            "text": text,
            "sms": {"num_messages": "1", "keyword": text.partition(" ")[0].upper()},
            "message_type": "text",
        }
        await self._office.post(self._signed(webhook.url, heard))
        return uuid

    # ── the counter ──

    async def _send(self, request: web.Request) -> web.StreamResponse:
        if _application(request.headers.get("Authorization", "")) != self._application:
            return _error(401, "https://developer.nexmo.com/api-errors/#unauthorized", "Unauthorized")
        document = await json_object(request)
        wrong = _wrong(document)
        if wrong:
            self.ledger.refused[wrong] += 1
            return _error(422, f"{ERRORS}#1150", "Invalid params", wrong)
        entry = self._entry(document)
        admission = self._office.admit(entry, document.get("ttl"))
        if admission.refused:
            return _error(429, f"{ERRORS}#1000", "Throttled")
        answer = json_response({"message_uuid": entry.ref}, 202)
        return await self._office.answer(request, answer, [admission])

    def _entry(self, document: dict[str, Any]) -> Entry:
        cut = gsm.segment(document["text"])
        return Entry(
            face=NAME,
            ref=self._uuid(),
            recipient=e164(document["to"]),
            text=document["text"],
            at=time.time(),
            sender=document["from"],
            client_ref=document.get("client_ref", ""),
            parts=len(cut.parts),
            encoding=cut.encoding,
            details={"callback_url": document.get("webhook_url", ""), "sms": document.get("sms", {})},
        )

    def _uuid(self) -> str:
        digits = f"{next(self._ids):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    # ── webhooks ──

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        url = _sms.address(self._stage, NAME, entry)
        if not url or not (word in STATUSES or word in FAILURES):
            return None
        status: dict[str, Any] = {
            "channel": "sms",
            "message_uuid": entry.ref,
            "to": entry.recipient.removeprefix("+"),
            "from": entry.sender,
            "timestamp": _when(),
            "status": STATUSES.get(word, "rejected"),
        }
        if entry.client_ref:
            status["client_ref"] = entry.client_ref
        if word in FAILURES:
            code, title, detail = FAILURES[word]
            error = {"type": f"{ERRORS}#{code}", "title": title, "detail": detail, "instance": entry.ref}
            status["error"] = error
        if word == "sent":
            status["usage"] = {"currency": "EUR", "price": "0.0333"}
            status["sms"] = {"num_messages": str(entry.parts)}
        return self._signed(url, status)

    def _signed(self, url: str, document: dict[str, Any]) -> Callback:
        body = msgspec.json.encode(document)
        claims = {
            "iat": int(time.time()),
            "jti": self._uuid(),
            "iss": "Vonage",
            "payload_hash": sha256(body).hexdigest(),
            "api_key": "a1b2c3d4",
            "application_id": self._application,
        }
        return Callback(url, body, {"Authorization": f"Bearer {jwt_signed(self._secret, claims)}"})


def _application(header: str) -> str:
    """The application that a token names; "" when it is none."""
    claims = header.removeprefix("Bearer ").split(".")[1:2]
    try:
        read = msgspec.json.decode(urlsafe_b64decode(claims[0] + "==")) if claims else {}
    except ValueError:
        return ""
    return str(read.get("application_id", "")) if isinstance(read, dict) else ""


def _when() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error(status: int, kind: str, title: str, parameter: str = "") -> web.Response:
    told: dict[str, Any] = {"type": kind, "title": title, "detail": f"{title}.", "instance": "simulated"}
    if parameter:
        told["invalid_parameters"] = [{"name": parameter, "reason": "invalid value"}]
    return json_response(told, status)


def _wrong(document: dict[str, Any]) -> str:
    """The first parameter that is missing or out of bounds; "" when all are well."""
    text, sender, ttl = document.get("text"), document.get("from"), document.get("ttl", TTL_S[0])
    ref, url = document.get("client_ref", ""), document.get("webhook_url", "http")
    checks = {
        "channel": document.get("channel") == "sms",
        "message_type": document.get("message_type") == "text",
        "to": isinstance(document.get("to"), str) and _sms.is_phone(document["to"]),
        "from": isinstance(sender, str) and 1 <= len(sender) <= 15,
        "text": isinstance(text, str) and 1 <= len(text) <= TEXT_MAX,
        "ttl": isinstance(ttl, int) and TTL_S[0] <= ttl <= TTL_S[1],
        "client_ref": isinstance(ref, str) and len(ref) <= 100,
        "webhook_url": isinstance(url, str) and url.startswith("http"),
        "webhook_version": document.get("webhook_version", "v1") in ("v0.1", "v1"),
    }
    return next((name for name, well in checks.items() if not well), "")


@cache
def _key() -> str:
    """A private key for lines to it: any will do (see above)."""
    return RSAKey.generate_key(2048).as_pem(private=True).decode()


OPERATOR = Operator(
    NAME,
    VonageFace,
    lambda url: {
        "base_url": url,
        "application_id": APPLICATION_ID,
        "private_key": _key(),
        "signature_secret": SIGNATURE_SECRET,
        "sender": "Shop",
    },
    recipient="+380501234567",
)
