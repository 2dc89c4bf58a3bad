"""Twilio's Programmable Messaging: `Messages.json` (create, fetch, list), `Balance.json`, signed callbacks.

The shapes follow twilio-oai and Twilio's pages (see channels/twilio_sms.py). Whoever wrote STOP (`blocked`)
is refused at once with 21610; an unknown handset and the rest fail later, by status callback. A person who
reads an SMS is not reported.
"""

from __future__ import annotations

import time
from base64 import b64encode
from email.utils import formatdate
from itertools import count
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from angarium.protocols import gsm
from angarium.protocols.signatures import twilio_signature
from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator, _sms
from angarium.simulators.http_face import Callback, Office, Wire, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "twilio_sms"
ACCOUNT_SID = "AC" + "0" * 31 + "1"
AUTH_TOKEN = "twilio-demo-token"  # noqa: S105 - the simulator's own, worth nothing
SENDER = "+15005550006"
BODY_MAX, TTL_S = 1_600, (1, 36_000)
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}

STATUSES = {"sent": "sent", "delivered": "delivered"}
FAILURES = {
    "not_a_user": ("undelivered", 30006, "Landline or unreachable carrier"),
    "undelivered": ("undelivered", 30008, "Unknown error"),
    "expired": ("failed", 30036, "Validity Period Expired"),
}
ERRORS = {
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    21211: (400, "Invalid 'To' Phone Number"),
    21602: (400, "Message body is required"),
    21603: (400, "A 'From' or 'MessagingServiceSid' parameter is required to send a message"),
    21609: (400, "Invalid 'StatusCallback'"),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    21620: (400, "Invalid media URL(s)"),
    21656: (400, "The ContentVariables Parameter is invalid"),
    21624: (400, "Invalid validity period value"),
}


class TwilioFace:
    """Lines connect with `base_url = url()`. `templates` are texts by Content SID: "Hi {{1}}"."""

    name = NAME

    def __init__(
        self,
        stage: Stage,
        port: int = 0,
        *,
        account_sid: str = ACCOUNT_SID,
        auth_token: str = AUTH_TOKEN,
        templates: dict[str, str] | None = None,
    ) -> None:
        self._stage, self._account, self._token = stage, account_sid, auth_token
        self._auth = "Basic " + b64encode(f"{account_sid}:{auth_token}".encode()).decode()
        self._templates = dict(templates or {})
        self._ids = count(time.time_ns())
        root = f"/2010-04-01/Accounts/{account_sid}"
        routes = [
            web.post(f"{root}/Messages.json", self._create),
            web.get(f"{root}/Messages.json", self._list),
            web.get(f"{root}/Messages/{{sid}}.json", self._fetch),
            web.get(f"{root}/Balance.json", self._balance),
        ]
        wire = Wire(means=_sms.means, refusal=_sms.refusal, callback=self._callback)
        self._office = office = Office(stage, NAME, port, routes, wire)
        self.start, self.stop, self.heed = office.start, office.stop, office.heed
        self.waiting, self.url, self.ledger = office.waiting, office.url, office.ledger

    async def send_inbound(self, sender: str, text: str, recipient: str = SENDER) -> str:
        """A person writes; returns the SID of what they wrote once the webhook was taken."""
        webhook = _sms.listener(self._stage, NAME)
        sid = self._sid()
        fields = {"SmsMessageSid": sid, "NumMedia": "0", "SmsSid": sid, "SmsStatus": "received"}
        fields |= {"Body": text, "To": recipient, "NumSegments": "1", "MessageSid": sid}
        fields |= {"AccountSid": self._account, "From": sender, "ApiVersion": "2010-04-01"}
        await self._office.post(self._signed(webhook.url, fields))
        return sid

    # ── the counter ──

    async def _create(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return _error(20003)
        form = {name: str(value) for name, value in (await request.post()).items()}
        wrong = _wrong(form)
        if wrong:
            self.ledger.refused[str(wrong)] += 1
            return _error(wrong)
        entry = self._entry(form)
        admission = self._office.admit(entry, float(form.get("ValidityPeriod", 0)))
        if admission.refused == Behaviour.THROTTLED:
            return _error(20429)
        if admission.refused:
            return _error(21610)
        return await self._office.answer(request, json_response(self._resource(entry), 201), [admission])

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return _error(20003)
        entry = self._office.entry_at(request.match_info["sid"])
        return _error(20404) if entry is None else json_response(self._resource(entry))

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return _error(20003)
        wanted = request.query.get("To")
        entries = [entry for entry in self.ledger.entries if wanted in (None, entry.recipient)]
        first = f"/2010-04-01/Accounts/{self._account}/Messages.json?PageSize={len(entries)}&Page=0"
        page = {"page": 0, "page_size": len(entries), "start": 0, "end": max(len(entries) - 1, 0)}
        links = {"first_page_uri": first, "uri": first, "next_page_uri": None, "previous_page_uri": None}
        resources = [self._resource(entry) for entry in reversed(entries)]
        return json_response({**page, **links, "messages": resources})

    async def _balance(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return _error(20003)
        return json_response({"account_sid": self._account, "balance": "0.05", "currency": "USD"})

    def _entry(self, form: dict[str, str]) -> Entry:
        text = form.get("Body", "") or self._words(form)
        if form.get("SmartEncoded") == "true":
            text = gsm.smart(text)
        cut = gsm.segment(text)
        return Entry(
            face=NAME,
            ref=self._sid(),
            recipient=form["To"],
            text=text,
            at=time.time(),
            sender=form.get("From") or form["MessagingServiceSid"],
            image_url=form.get("MediaUrl", ""),
            parts=len(cut.parts),
            encoding=cut.encoding,
            details={"callback_url": form.get("StatusCallback", ""), "form": form},
        )

    def _words(self, form: dict[str, str]) -> str:
        """The text of a content template, with its variables put in."""
        text = self._templates.get(form.get("ContentSid", ""), form.get("ContentSid", ""))
        variables = msgspec.json.decode(form.get("ContentVariables", "{}"), type=dict[str, str])
        for name, value in variables.items():
            text = text.replace("{{" + name + "}}", value)
        return text

    def _sid(self) -> str:
        return f"SM{next(self._ids):032x}"

    def _resource(self, entry: Entry) -> dict[str, Any]:
        form, root = entry.details["form"], f"/2010-04-01/Accounts/{self._account}/Messages/{entry.ref}"
        known = [word for word, _ in entry.statuses if word in STATUSES or word in FAILURES]
        status, code, message = _spoken(known[-1]) if known else ("queued", None, None)
        service = form.get("MessagingServiceSid")
        when = formatdate(entry.at, usegmt=False)
        return {
            "account_sid": self._account,
            "api_version": "2010-04-01",
            "body": entry.text,
            "date_created": when,
            "date_sent": when,
            "date_updated": when,
            "direction": "outbound-api",
            "error_code": code,
            "error_message": message,
            "from": form.get("From"),
            "messaging_service_sid": service,
            "num_media": "1" if entry.image_url else "0",
            "num_segments": "0" if service else str(entry.parts),
            "price": None,
            "price_unit": None,
            "sid": entry.ref,
            "status": "accepted" if service and not known else status,
            "subresource_uris": {"media": f"{root}/Media.json"},
            "to": entry.recipient,
            "uri": f"{root}.json",
        }

    # ── callbacks ──

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        url = _sms.address(self._stage, NAME, entry)
        if not url or not (word in STATUSES or word in FAILURES):
            return None
        status, code, _ = _spoken(word)
        fields = {"SmsSid": entry.ref, "SmsStatus": status, "MessageStatus": status, "To": entry.recipient}
        fields |= {"MessageSid": entry.ref, "AccountSid": self._account, "From": entry.sender}
        fields |= {"ApiVersion": "2010-04-01", **({"ErrorCode": str(code)} if code else {})}
        return self._signed(url, fields)

    def _signed(self, url: str, fields: dict[str, str]) -> Callback:
        body = urlencode(fields).encode()
        return Callback(url, body, {**FORM, "X-Twilio-Signature": twilio_signature(self._token, url, body)})


def _spoken(word: str) -> tuple[str, int | None, str | None]:
    """A status in Twilio's words, with the error of one that failed."""
    return FAILURES[word] if word in FAILURES else (STATUSES[word], None, None)


def _error(code: int) -> web.Response:
    status, message = ERRORS[code]
    more = f"https://www.twilio.com/docs/errors/{code}"
    return json_response({"code": code, "message": message, "more_info": more, "status": status}, status)


def _wrong(form: dict[str, str]) -> int:
    """The error of the first field that is missing or out of bounds; 0 when all are well."""
    recipient, body, ttl = form.get("To", ""), form.get("Body", ""), form.get("ValidityPeriod", "60")
    media, callback = form.get("MediaUrl", "http://"), form.get("StatusCallback", "http://")
    checks = {
        21211: recipient.startswith("+") and _sms.is_phone(recipient),
        21603: form.get("From") or form.get("MessagingServiceSid"),
        21602: body or form.get("MediaUrl") or form.get("ContentSid"),
        21617: len(body) <= BODY_MAX,
        21620: media.startswith(("http://", "https://")),
        21656: _is_object(form.get("ContentVariables", "{}")),
        21624: ttl.isascii() and ttl.isdigit() and TTL_S[0] <= int(ttl[:9]) <= TTL_S[1],
        21609: callback.startswith(("http://", "https://")),
    }
    return next((code for code, well in checks.items() if not well), 0)


def _is_object(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=dict[str, str])
    except ValueError:
        return False
    return True


OPERATOR = Operator(
    NAME,
    TwilioFace,
    lambda url: {
        "base_url": url,
        "account_sid": ACCOUNT_SID,
        "auth_token": AUTH_TOKEN,
        "sender": SENDER,
    },
    recipient="+380501234567",
)
