"""The Bird API's SMS: `POST /v1/sms/messages` under idempotency keys, and events signed by Standard Webhooks.

The shapes follow messagebird-sdk 0.106 (see channels/messagebird_sms.py). A request that comes again under
its key is answered as the first was, and nothing more is sent. A message cannot name where its events go:
that is `stage.webhooks["messagebird_sms"]`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec
from aiohttp import web

from angarium.protocols import gsm
from angarium.protocols.signatures import standard_signature
from angarium.simulators.faces import Operator, _sms
from angarium.simulators.http_face import Callback, Office, Wire, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "messagebird_sms"
API_KEY = "bk_eu1_demo"
WEBHOOK_SECRET = "whsec_YmlyZC1kZW1vLXdlYmhvb2stc2VjcmV0"  # noqa: S105 - the simulator's own, worth nothing
PARTS_MAX, METADATA_MAX = 12, 2_048
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # of ids, Crockford's base 32
ENCODINGS = {"gsm7": "GSM_7BIT", "ucs2": "UCS2"}

EVENTS = {"sent": "sms.sent", "delivered": "sms.delivered"}
FAILURES = {
    "blocked": ("sms.rejected", "recipient_opted_out", "The recipient is on a suppression list"),
    "not_a_user": ("sms.undelivered", "invalid_destination", "The number is unassigned"),
    "undelivered": ("sms.undelivered", "unreachable", "The handset is off"),
    "expired": ("sms.expired", "unreachable", "The carrier gave up"),
}
ERRORS = {
    "auth": (401, "auth_error", "E01003", "Unauthorized"),
    "throttled": (429, "rate_limit_error", "E01005", "RateLimited"),
    "to": (422, "validation_error", "E13001", "SMSInvalidRecipient"),
    "from": (422, "validation_error", "E13002", "SMSSenderNotConfigured"),
}
OTHERWISE = (422, "validation_error", "E01004", "ValidationFailed")


class BirdFace:
    """Lines connect with `base_url = url()`. `templates` are texts by slug: "Hi {{name}}"."""

    name = NAME

    def __init__(
        self,
        stage: Stage,
        port: int = 0,
        *,
        api_key: str = API_KEY,
        webhook_secret: str = WEBHOOK_SECRET,
        templates: dict[str, str] | None = None,
    ) -> None:
        self._stage, self._auth, self._secret = stage, f"Bearer {api_key}", webhook_secret
        self._templates = dict(templates or {})
        self._ids = count(time.time_ns())
        self._answers: dict[str, dict[str, Any]] = {}  # by idempotency key
        routes = [
            web.post("/v1/sms/messages", self._send),
            web.get("/v1/sms/messages", self._list),
            web.get("/v1/sms/messages/{id}", self._get),
        ]
        wire = Wire(means=_sms.means, refusal=lambda _behaviour, _entry: "", callback=self._callback)
        self._office = office = Office(stage, NAME, port, routes, wire)
        self.start, self.stop, self.heed = office.start, office.stop, office.heed
        self.waiting, self.url, self.ledger = office.waiting, office.url, office.ledger

    async def send_inbound(self, sender: str, text: str, recipient: str = "+15557654321") -> str:
        """A person writes; returns the id of what they wrote once the webhook was taken."""
        webhook, name = _sms.listener(self._stage, NAME), self._id("sms")
        data = self._data(name, recipient, sender, None) | {"text": text, "segments": _segments(text)}
        await self._office.post(self._signed(webhook.url, "sms.received", data))
        return name

    # ── the counter ──

    async def _send(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return _error("auth")
        key = request.headers.get("Idempotency-Key", "")
        if key in self._answers:
            return json_response(self._answers[key], 202)
        document = await json_object(request)
        wrong = self._wrong(document)
        if wrong:
            self.ledger.refused[wrong] += 1
            return _error(wrong)
        entry = self._entry(document)
        admission = self._office.admit(entry, None)
        if admission.refused:
            return _error("throttled")
        answer = self._message(entry)
        if key:
            self._answers[key] = answer
        return await self._office.answer(request, json_response(answer, 202), [admission])

    async def _get(self, request: web.Request) -> web.StreamResponse:
        entry = self._office.entry_at(request.match_info["id"])
        if request.headers.get("Authorization") != self._auth or entry is None:
            return _error("auth" if entry else "id")
        return json_response(self._message(entry))

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return _error("auth")
        wanted = request.query.get("to")
        found = [entry for entry in reversed(self.ledger.entries) if wanted in (None, entry.recipient)]
        cursors = {"next_cursor": None, "prev_cursor": None, "refresh_cursor": None}
        return json_response({"data": [self._message(entry) for entry in found], **cursors})

    def _wrong(self, document: dict[str, Any]) -> str:
        """The first field that is missing or out of bounds; "" when all are well."""
        text, template = document.get("text"), document.get("template")
        to, metadata = document.get("to"), document.get("metadata", {})
        named = isinstance(template, dict) and len({"id", "slug"} & template.keys()) == 1
        categories = ("transactional", "marketing", "authentication", "service")
        checks = {
            "to": isinstance(to, str) and to.startswith("+") and _sms.is_phone(to),
            "from": isinstance(document.get("from"), str) and document["from"],
            "text": named if text is None else isinstance(text, str) and text and not named,
            "category": "category" not in document if named else document.get("category") in categories,
            "metadata": isinstance(metadata, dict) and len(msgspec.json.encode(metadata)) <= METADATA_MAX,
        }
        wrong = next((name for name, well in checks.items() if not well), "")
        too_long = not wrong and len(gsm.segment(self._words(document)).parts) > PARTS_MAX
        return "text" if too_long else wrong

    def _words(self, document: dict[str, Any]) -> str:
        """What the phone shows."""
        template = document.get("template") or {}
        text = document.get("text") or self._templates.get(template.get("slug", ""), "template")
        for name, value in template.get("parameters", {}).items():
            text = text.replace("{{" + name + "}}", str(value))
        return gsm.smart(text) if document.get("options", {}).get("smart_encoding") else text

    def _entry(self, document: dict[str, Any]) -> Entry:
        text = self._words(document)
        cut = gsm.segment(text)
        return Entry(
            face=NAME,
            ref=self._id("sms"),
            recipient=document["to"],
            text=text,
            at=time.time(),
            sender=document["from"],
            client_ref=str((document.get("metadata") or {}).get("ref", "")),
            parts=len(cut.parts),
            encoding=cut.encoding,
            details={"category": document.get("category"), "metadata": document.get("metadata")},
        )

    def _id(self, prefix: str) -> str:
        number, digits = next(self._ids), ""
        for _ in range(26):
            number, place = divmod(number, 32)
            digits = ALPHABET[place] + digits
        return f"{prefix}_{digits}"

    def _message(self, entry: Entry) -> dict[str, Any]:
        known = [word for word, _ in entry.statuses if word in EVENTS or word in FAILURES]
        event = "sms.accepted" if not known else (EVENTS | {w: f[0] for w, f in FAILURES.items()})[known[-1]]
        nothing = dict.fromkeys(
            ("requested_language", "resolved_language", "template_id", "template_version_id"), None
        )
        return {
            "id": entry.ref,
            "direction": "outbound",
            "status": event.partition(".")[2],
            "to": entry.recipient,
            "from": entry.sender,
            "text": entry.text,
            "category": entry.details["category"],
            **nothing,
            "template_content_hash": None,
            "segments": _segments(entry.text),
            "metadata": entry.details["metadata"],
            "created_at": _when(),
        }

    # ── events ──

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        url = _sms.address(self._stage, NAME, entry)
        if not url or not (word in EVENTS or word in FAILURES):
            return None
        metadata = entry.details["metadata"] if entry.client_ref else None
        data = self._data(entry.ref, entry.recipient, entry.sender, metadata)
        if word in EVENTS:
            return self._signed(url, EVENTS[word], data | _cost(entry))
        event, code, description = FAILURES[word]
        error = {"code": code, "description": description, "carrier_error_code": None, "occurred_at": _when()}
        return self._signed(url, event, data | {"error": error})

    def _data(self, name: str, to: str, sender: str, metadata: object) -> dict[str, Any]:
        nothing = ("tags", "requested_language", "resolved_language", "template_id", "template_version_id")
        known = {"sms_id": name, "workspace_id": "ws_" + "0" * 26, "to": to, "from": sender}
        return {**known, "metadata": metadata, "template_content_hash": None, **dict.fromkeys(nothing)}

    def _signed(self, url: str, event: str, data: dict[str, Any]) -> Callback:
        body = msgspec.json.encode({"type": event, "timestamp": _when(), "data": data})
        name, at = self._id("evt"), str(int(time.time()))
        signature = standard_signature(self._secret, name, at, body)
        headers = {"webhook-id": name, "webhook-timestamp": at, "webhook-signature": signature}
        return Callback(url, body, headers)


def _when() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _segments(text: str) -> dict[str, Any]:
    cut = gsm.segment(text)
    return {"count": len(cut.parts), "encoding": ENCODINGS[cut.encoding], "characters": len(text)}


def _cost(entry: Entry) -> dict[str, Any]:
    total = f"{0.0079 * entry.parts:.5f}"
    cost = {"amount": total, "currency_code": "EUR", "transaction_amount": total, "passthrough_amount": None}
    return {"cost": cost}


def _error(wrong: str) -> web.Response:
    status, kind, code, name = ERRORS.get(wrong, OTHERWISE)
    error: dict[str, Any] = {"type": kind, "code": code, "name": name, "message": name, "param": wrong}
    if status == 422:
        error["details"] = [{"param": wrong, "message": "is missing or out of bounds"}]
    return json_response({"error": {**error, "request_id": "simulated"}}, status)


OPERATOR = Operator(
    NAME,
    BirdFace,
    lambda url: {
        "base_url": url,
        "api_key": API_KEY,
        "webhook_secret": WEBHOOK_SECRET,
        "sender": "+15557654321",
    },
    recipient="+380501234567",
)
