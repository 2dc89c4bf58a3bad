"""Infobip's SMS API of the third version: `/sms/3/messages`, reports in batches, `/account/1/balance`.

The shapes follow Infobip's OpenAPI (see channels/infobip_sms.py). A message whose name was used before is
refused, as theirs is; whoever is on a blocklist is refused in the answer, the rest fail by report.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec
from aiohttp import web

from angarium.protocols import gsm
from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator, _sms
from angarium.simulators.http_face import Callback, Office, Wire, e164, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "infobip_sms"
API_KEY = "infobip-demo-key"
PARTS_MAX, TTL_MAX_S = 25, 172_800
SECONDS = {"SECONDS": 1, "MINUTES": 60, "HOURS": 3_600}
PRICE = {"pricePerMessage": 0.01, "currency": "EUR"}

Word = tuple[int, str, int, str]  # of a status: group id, group, id, name
ACCEPTED: Word = (1, "PENDING", 26, "PENDING_ACCEPTED")
REFUSED: dict[str, Word] = {
    "blocked": (5, "REJECTED", 14, "REJECTED_DESTINATION_BLOCKLISTED"),
    "duplicate": (5, "REJECTED", 23, "REJECTED_DUPLICATE_MESSAGE_ID"),
    "too long": (5, "REJECTED", 25, "REJECTED_MESSAGE_TOO_LONG"),
    "destination": (5, "REJECTED", 52, "REJECTED_DESTINATION"),
}
UNDELIVERED: Word = (2, "UNDELIVERABLE", 9, "UNDELIVERABLE_NOT_DELIVERED")
NO_ERROR = (0, "NO_ERROR")
REPORTS: dict[str, tuple[Word, tuple[int, str]]] = {
    "sent": ((1, "PENDING", 7, "PENDING_ENROUTE"), NO_ERROR),
    "delivered": ((3, "DELIVERED", 5, "DELIVERED_TO_HANDSET"), NO_ERROR),
    "not_a_user": (UNDELIVERED, (1, "EC_UNKNOWN_SUBSCRIBER")),
    "undelivered": (UNDELIVERED, (27, "EC_ABSENT_SUBSCRIBER")),
    "expired": ((4, "EXPIRED", 15, "EXPIRED_EXPIRED"), (4098, "EC_VP_EXPIRED")),
}


class _Destination(msgspec.Struct):
    to: str
    messageId: str = ""  # noqa: N815 - Infobip's spelling


class _Content(msgspec.Struct):
    text: str
    transliteration: str = ""


class _Period(msgspec.Struct):
    amount: int
    timeUnit: str = "MINUTES"  # noqa: N815 - Infobip's spelling


class _Dlt(msgspec.Struct):
    principalEntityId: str  # noqa: N815 - Infobip's spelling
    contentTemplateId: str = ""  # noqa: N815 - Infobip's spelling
    telemarketerId: str = ""  # noqa: N815 - Infobip's spelling


class _Regional(msgspec.Struct):
    indiaDlt: _Dlt | None = None  # noqa: N815 - Infobip's spelling


class _Options(msgspec.Struct):
    validityPeriod: _Period | None = None  # noqa: N815 - Infobip's spelling
    regional: _Regional | None = None


class _Delivery(msgspec.Struct):
    url: str = ""
    intermediateReport: bool = False  # noqa: N815 - Infobip's spelling


class _Webhooks(msgspec.Struct):
    delivery: _Delivery | None = None
    callbackData: str = ""  # noqa: N815 - Infobip's spelling
    contentType: str = "application/json"  # noqa: N815 - Infobip's spelling


class _Message(msgspec.Struct):
    """What the OpenAPI asks of a message, as far as it is looked at here."""

    sender: str
    destinations: list[_Destination]
    content: _Content
    options: _Options | None = None
    webhooks: _Webhooks | None = None


class InfobipFace:
    """Lines connect with `base_url = url()`."""

    name = NAME

    def __init__(self, stage: Stage, port: int = 0, *, api_key: str = API_KEY) -> None:
        self._stage, self._auth = stage, f"App {api_key}"
        self._ids = count(time.time_ns())
        self._named: set[str] = set()
        routes = [web.post("/sms/3/messages", self._send), web.get("/account/1/balance", self._balance)]
        wire = Wire(means=_sms.means, refusal=_sms.refusal, callback=self._callback)
        self._office = office = Office(stage, NAME, port, routes, wire)
        self.start, self.stop, self.heed = office.start, office.stop, office.heed
        self.waiting, self.url, self.ledger = office.waiting, office.url, office.ledger

    async def send_inbound(self, sender: str, text: str, recipient: str = "385921004026") -> str:
        """A person writes; returns the id of what they wrote once the webhook was taken."""
        webhook = _sms.listener(self._stage, NAME)
        heard = {"messageId": str(next(self._ids)), "from": sender.removeprefix("+"), "to": recipient}
        heard |= {"text": text, "cleanText": text, "keyword": "", "receivedAt": _when(), "callbackData": ""}
        result = {**heard, "smsCount": 1, "price": {"pricePerMessage": 0, "currency": "EUR"}}
        batch = {"results": [result], "messageCount": 1, "pendingMessageCount": 0}
        await self._office.post(Callback(webhook.url, msgspec.json.encode(batch)))
        return heard["messageId"]

    # ── the counter ──

    async def _send(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return _error(
                401, "The request lacks valid authentication credentials for the requested resource."
            )
        messages = (await json_object(request)).get("messages")
        wrong = _wrong(messages)
        if wrong:
            self.ledger.refused[wrong] += 1
            return _error(400, "Request cannot be processed.", wrong)
        assert isinstance(messages, list), "it is well"
        entry = self._entry(messages[0])
        refused = self._at_once(entry)
        if refused:
            return json_response(_answer(entry, REFUSED[refused]))
        admission = self._office.admit(entry, _ttl_s(messages[0]))
        if admission.refused == Behaviour.THROTTLED:
            return _error(429, "Too many requests.")
        self._named.add(entry.ref)
        if admission.refused:
            return json_response(_answer(entry, REFUSED[admission.refused]))
        return await self._office.answer(request, json_response(_answer(entry, ACCEPTED)), [admission])

    async def _balance(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return _error(
                401, "The request lacks valid authentication credentials for the requested resource."
            )
        return json_response({"balance": 47.79134, "currency": "EUR"})

    def _at_once(self, entry: Entry) -> str:
        """Why a message is refused whoever it is for; "" when it is not."""
        if entry.ref in self._named:
            return "duplicate"
        if entry.parts > PARTS_MAX:
            return "too long"
        return "" if _sms.is_phone(entry.recipient) else "destination"

    def _entry(self, message: dict[str, Any]) -> Entry:
        (destination,), webhooks = message["destinations"], message.get("webhooks", {})
        cut = gsm.segment(message["content"]["text"])
        return Entry(
            face=NAME,
            ref=destination.get("messageId") or str(next(self._ids)),
            recipient=e164(destination["to"]),
            text=message["content"]["text"],
            at=time.time(),
            sender=message["sender"],
            client_ref=webhooks.get("callbackData", ""),
            parts=len(cut.parts),
            encoding=cut.encoding,
            details={
                "callback_url": webhooks.get("delivery", {}).get("url", ""),
                "intermediate": webhooks.get("delivery", {}).get("intermediateReport", False),
                "options": message.get("options", {}),
            },
        )

    # ── reports ──

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        url = _sms.address(self._stage, NAME, entry)
        if not url or word not in REPORTS or (word == "sent" and not entry.details["intermediate"]):
            return None
        status, (error, said) = REPORTS[word]
        report = {
            "bulkId": f"bulk-{entry.ref}",
            "price": PRICE,
            "status": _word(status),
            "error": {"groupId": 0, "groupName": "OK", "id": error, "name": said, "permanent": False},
            "messageId": entry.ref,
            "to": entry.recipient.removeprefix("+"),
            "sender": entry.sender,
            "sentAt": _when(),
            "doneAt": _when(),
            "messageCount": entry.parts,
            "callbackData": entry.client_ref,
        }
        return Callback(url, msgspec.json.encode({"results": [report]}))


def _when() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "+0000")


def _word(word: Word) -> dict[str, Any]:
    group, group_name, code, name = word
    return {"groupId": group, "groupName": group_name, "id": code, "name": name, "description": name.title()}


def _answer(entry: Entry, word: Word) -> dict[str, Any]:
    one = {"messageId": entry.ref, "status": _word(word), "destination": entry.recipient.removeprefix("+")}
    return {"bulkId": f"bulk-{entry.ref}", "messages": [{**one, "details": {"messageCount": entry.parts}}]}


def _error(status: int, description: str, wrong: str = "") -> web.Response:
    violations = [{"property": wrong, "violation": "is missing or out of bounds"}] if wrong else []
    told = {"errorCode": f"E{status}", "description": description, "action": "Check the request."}
    return json_response({**told, "violations": violations, "resources": []}, status)


def _ttl_s(message: dict[str, Any]) -> float:
    period = message.get("options", {}).get("validityPeriod", {})
    return min(float(period.get("amount", 0) * SECONDS[period.get("timeUnit", "MINUTES")]), TTL_MAX_S)


def _wrong(messages: object) -> str:
    """The first property that is missing or out of bounds; "" when all are well. One message a call here."""
    try:
        (message,) = msgspec.convert(messages, type=list[_Message])
    except (msgspec.ValidationError, ValueError) as error:
        return str(error).rpartition("`$")[2].strip("`.") or "messages"
    checks = {
        "messages[0].sender": message.sender,
        "messages[0].destinations": len(message.destinations) == 1,
        "messages[0].content.text": message.content.text,
    }
    return next((name for name, well in checks.items() if not well), "")


OPERATOR = Operator(
    NAME,
    InfobipFace,
    lambda url: {"base_url": url, "api_key": API_KEY, "sender": "Shop"},
    recipient="+380501234567",
)
