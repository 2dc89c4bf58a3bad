"""A provider of nobody in particular: a JSON request with a bearer's key, statuses signed with HMAC-SHA1.

It stands for whatever is described in the settings of a `generic_http` line; the settings below describe it.
"""

from __future__ import annotations

import hmac
import time
from base64 import b64encode
from itertools import count
from typing import Any

import msgspec
from aiohttp import web

from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator, _sms
from angarium.simulators.http_face import Callback, Office, Wire, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "generic"
KEY = "generic-demo-key"
SECRET = "generic-demo-secret"  # noqa: S105 - the simulator's own, worth nothing
WORDS = {
    "sent": "ENROUTE",
    "delivered": "DELIVRD",
    "read": "SEEN",
    "undelivered": "UNDELIV",
    "expired": "EXPIRED",
}
REFUSALS = {Behaviour.NOT_A_USER: "105", Behaviour.BLOCKED: "107"}


class GenericFace(Office):
    """`POST /v1/messages`; a status is posted to the address that came with the message."""

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self._ids = count(time.time_ns() // 1_000_000_000)
        wire = Wire(
            means=_means, refusal=lambda behaviour, _: REFUSALS.get(behaviour, ""), callback=_callback
        )
        super().__init__(stage, NAME, port, [web.post("/v1/messages", self._taken)], wire)

        self._stage = stage
        self.send_inbound = self._write

    async def _write(self, sender: str, text: str, recipient: str = "380440000000") -> str:
        """A person writes; returns the id of what they wrote."""
        webhook, number = _sms.listener(self._stage, NAME), next(self._ids)
        said = {"id": number, "from": sender.removeprefix("+"), "to": recipient, "text": text}
        await self.post(_signed(webhook.url, said))
        return str(number)

    async def _taken(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return json_response({"error": {"code": 1, "text": "bad key"}}, 401)
        asked = await json_object(request)
        to, text = asked.get("to"), asked.get("text")
        if not isinstance(to, str) or not to.isdigit():
            return self._refused("105")
        if not isinstance(text, str) or not text or asked.get("kind") != "sms":
            return self._refused("110")
        if "ttl" in asked and not isinstance(asked["ttl"], int):
            return self._refused("111")
        entry = Entry(
            face=NAME,
            ref=str(next(self._ids)),
            recipient=f"+{to}",
            text=text,
            at=time.time(),
            sender=str(request.query.get("from", "")),
            client_ref=str(asked.get("ref", "")),
            details={"callback_url": asked.get("callback", "")},
        )
        admission = self.admit(entry, asked.get("ttl"))
        if admission.refused:
            throttled = admission.refused == Behaviour.THROTTLED
            return (
                json_response({"error": {"code": 9}}, 429) if throttled else self._refused(admission.refused)
            )
        answer = {"state": "queued", "messages": [{"id": int(entry.ref)}]}
        return await self.answer(request, json_response(answer, 202), [admission])

    def _refused(self, code: str) -> web.Response:
        self.ledger.refused[code] += 1
        return json_response({"error": {"code": int(code), "text": f"error {code}"}}, 400)


def _means(behaviour: Behaviour, _entry: Entry) -> Behaviour:
    elsewhere = (Behaviour.WINDOW_CLOSED, Behaviour.TEMPLATE_PAUSED)
    return Behaviour.DELIVERED if behaviour in elsewhere else behaviour


def _callback(entry: Entry, word: str) -> Callback | None:
    url = entry.details["callback_url"]
    if not url:
        return None
    told: dict[str, Any] = {
        "id": int(entry.ref),
        "ref": entry.client_ref,
        "status": WORDS.get(word, "FAILED"),
    }
    return _signed(url, told)


def _signed(url: str, told: dict[str, Any]) -> Callback:
    body = msgspec.json.encode({"events": [told]})
    made = b64encode(hmac.new(SECRET.encode(), body, "sha1").digest()).decode()
    return Callback(url, body, {"X-Signature": f"sha1={made}"})


def settings(url: str) -> dict[str, Any]:
    """How this provider is described."""
    return {
        "base_url": url,
        "path": "/v1/messages?from={sender}",
        "headers": "Authorization: Bearer {secret_1}",
        "body": '{"kind": "sms", "to": "{to_digits}", "text": "{text}", "ref": "{ref}", '
        '"ttl": "{ttl_s:number?}", "callback": "{callback_url?}"}',
        "secret_1": KEY,
        "sender": "Shop & Co",
        "success_statuses": "202",
        "id_path": "messages[0].id",
        "error_path": "error.code",
        "detail_path": "error.text",
        "errors": "1 = auth\n105 = bad_address\n107 = blocked_by_user\n110 = content_rejected",
        "callback_events": "events",
        "receipt_id": "id",
        "receipt_ref": "ref",
        "receipt_status": "status",
        "statuses": "ENROUTE = sent\nDELIVRD = delivered\nSEEN = read\nUNDELIV = failed\nEXPIRED = expired",
        "inbound_from": "from",
        "inbound_to": "to",
        "inbound_text": "text",
        "inbound_id": "id",
        "callback_check": "signature",
        "callback_header": "X-Signature",
        "callback_secret": SECRET,
        "signature_algorithm": "sha1",
        "signature_encoding": "base64",
        "signature_prefix": "sha1=",
    }


OPERATOR = Operator(NAME, GenericFace, settings, recipient="+380501234567", secret=SECRET)
