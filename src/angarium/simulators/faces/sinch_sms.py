"""Sinch's XMS: `POST /xms/v1/{service_plan_id}/batches`, a report for each person and state.

The shapes follow sinch-sdk-python and Sinch's pages (see channels/sinch_sms.py). A batch may have several
people in it, as with Sinch; they share its id. Nobody is refused at once.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec
from aiohttp import web

from angarium.protocols import gsm
from angarium.protocols.signatures import sinch_signature
from angarium.simulators.faces import Operator, _sms
from angarium.simulators.http_face import Callback, Office, Wire, e164, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "sinch_sms"
SERVICE_PLAN_ID = "sinch-demo-plan"
API_TOKEN = "sinch-demo-token"  # noqa: S105 - the simulator's own, worth nothing
WEBHOOK_SECRET = "sinch-demo-webhook-secret"  # noqa: S105 - likewise
TEXT_MAX, RECIPIENTS_MAX, REFERENCE_MAX = 2_000, 1_000, 2_048
PER_RECIPIENT = ("per_recipient", "per_recipient_final")
REPORTS = ("none", "summary", "full", *PER_RECIPIENT)

STATUSES = {
    "sent": ("Dispatched", 401),
    "delivered": ("Delivered", 0),
    "not_a_user": ("Aborted", 402),
    "blocked": ("Rejected", 408),
    "undelivered": ("Failed", 404),
    "expired": ("Expired", 406),
}


class SinchFace:
    """Lines connect with `base_url = url()`."""

    name = NAME

    def __init__(
        self,
        stage: Stage,
        port: int = 0,
        *,
        service_plan_id: str = SERVICE_PLAN_ID,
        api_token: str = API_TOKEN,
        webhook_secret: str = WEBHOOK_SECRET,
    ) -> None:
        self._stage, self._plan, self._secret = stage, service_plan_id, webhook_secret
        self._auth = f"Bearer {api_token}"
        self._ids = count(time.time_ns())
        batches = f"/xms/v1/{service_plan_id}/batches"
        routes = [web.post(batches, self._send), web.get(batches, self._list)]
        wire = Wire(means=_sms.means, refusal=lambda _behaviour, _entry: "", callback=self._callback)
        self._office = office = Office(stage, NAME, port, routes, wire)
        self.start, self.stop, self.heed = office.start, office.stop, office.heed
        self.waiting, self.url, self.ledger = office.waiting, office.url, office.ledger

    async def send_inbound(self, sender: str, text: str, recipient: str = "447700900001") -> str:
        """A person writes; returns the id of what they wrote once the webhook was taken."""
        webhook, name = _sms.listener(self._stage, NAME), self._id()
        heard = {
            "type": "mo_text",
            "id": name,
            "from": sender.removeprefix("+"),
            "to": recipient.removeprefix("+"),
            "body": text,
            "received_at": _when(),
        }
        await self._office.post(self._signed(webhook.url, heard))
        return name

    # ── the counter ──

    async def _send(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return web.Response(status=401)
        document = await json_object(request)
        code, wrong = _wrong(document)
        if code:
            self.ledger.refused[code] += 1
            return json_response({"code": code, "text": wrong}, 400)
        batch, until = self._id(), document.get("expire_at")
        ttl_s = datetime.fromisoformat(until).timestamp() - time.time() if until else None
        admissions = [self._office.admit(self._entry(document, to, batch), ttl_s) for to in document["to"]]
        if all(admission.refused for admission in admissions):
            return json_response({"code": "too_many_requests", "text": "Too many requests."}, 429)
        taken = {"id": batch, "canceled": False, "created_at": _when(), "modified_at": _when()}
        answer = json_response({**document, **taken}, 201)
        return await self._office.answer(request, answer, admissions)

    async def _list(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != self._auth:
            return web.Response(status=401)
        since = datetime.fromisoformat(request.query.get("start_date", _when())).timestamp()
        name = request.query.get("client_reference", "")
        found = [one for one in self.ledger.entries if one.client_ref == name and one.at >= since]
        batches = [{"id": one.ref, "body": one.text, "client_reference": name} for one in found]
        return json_response({"count": len(batches), "page": 0, "page_size": 30, "batches": batches})

    def _entry(self, document: dict[str, Any], to: str, batch: str) -> Entry:
        cut = gsm.segment(document["body"])
        return Entry(
            face=NAME,
            ref=batch,
            recipient=e164(to),
            text=document["body"],
            at=time.time(),
            sender=document["from"],
            client_ref=document.get("client_reference", ""),
            parts=len(cut.parts),
            encoding=cut.encoding,
            details={
                "callback_url": document.get("callback_url", ""),
                "report": document.get("delivery_report", "none"),
            },
        )

    def _id(self) -> str:
        return f"01{next(self._ids):024X}"

    # ── webhooks ──

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        url, report = _sms.address(self._stage, NAME, entry), entry.details["report"]
        final = report == "per_recipient_final" and word == "sent"
        if not url or word not in STATUSES or report not in PER_RECIPIENT or final:
            return None
        status, code = STATUSES[word]
        told = {
            "type": "recipient_delivery_report_sms",
            "batch_id": entry.ref,
            "recipient": entry.recipient.removeprefix("+"),
            "code": code,
            "status": status,
            "at": _when(),
            "operator_status_at": _when(),
        }
        if entry.client_ref:
            told["client_reference"] = entry.client_ref
        return self._signed(url, told)

    def _signed(self, url: str, document: dict[str, Any]) -> Callback:
        body, nonce, at = msgspec.json.encode(document), self._id(), str(int(time.time()))
        headers = {
            "X-Sinch-Webhook-Signature": sinch_signature(self._secret, body, nonce, at),
            "X-Sinch-Webhook-Signature-Nonce": nonce,
            "X-Sinch-Webhook-Signature-Timestamp": at,
            "X-Sinch-Webhook-Signature-Algorithm": "HmacSHA256",
        }
        return Callback(url, body, headers)


def _when() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _wrong(document: dict[str, Any]) -> tuple[str, str]:
    """The code and the words of what is wrong; ("", "") when all is well."""
    people, body, sender = document.get("to"), document.get("body"), document.get("from")
    if not isinstance(people, list) or not 1 <= len(people) <= RECIPIENTS_MAX:
        return "syntax_constraint_violation", "to: size must be between 1 and 1000"
    if not all(isinstance(one, str) and _sms.is_phone(one) for one in people):
        return "syntax_invalid_parameter_format", "to: The parameter contains an illegal MSISDN"
    until = document.get("expire_at", _when())
    checks = {
        "from": isinstance(sender, str) and 1 <= len(sender) <= 16,
        "body": isinstance(body, str) and 1 <= len(body) <= TEXT_MAX,
        "type": document.get("type", "mt_text") == "mt_text",
        "delivery_report": document.get("delivery_report", "none") in REPORTS,
        "client_reference": len(str(document.get("client_reference", ""))) <= REFERENCE_MAX,
        "expire_at": isinstance(until, str) and _is_instant(until),
    }
    bad = next((name for name, well in checks.items() if not well), "")
    return ("syntax_constraint_violation", f"{bad}: is missing or out of bounds") if bad else ("", "")


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


OPERATOR = Operator(
    NAME,
    SinchFace,
    lambda url: {
        "base_url": url,
        "service_plan_id": SERVICE_PLAN_ID,
        "api_token": API_TOKEN,
        "webhook_secret": WEBHOOK_SECRET,
        "sender": "Shop",
    },
    recipient="+380501234567",
)
