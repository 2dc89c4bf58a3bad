"""What the simulated Messenger and Instagram share: the Send API, signed webhooks, the window of a day.

Shapes follow Meta's pages (see protocols/messenger.py). A person who wrote within a day can be written to;
else only with a tag. On a Page delivered and read are watermarks; an account tells which message was seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec
from aiohttp import web

from angarium.protocols.signatures import hub_signature
from angarium.simulators.behaviour import Behaviour
from angarium.simulators.http_face import Callback, Office, Wire, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

ACCESS_TOKEN = "messenger-demo-token"  # noqa: S105 - the simulator's own, worth nothing
APP_SECRET = "app-secret"  # noqa: S105 - as above
DAY_S = 86_400.0
TAGS = ("HUMAN_AGENT", "ACCOUNT_UPDATE", "POST_PURCHASE_UPDATE", "CONFIRMED_EVENT_UPDATE")

REFUSALS = {
    "blocked": (551, 1545041, "This person isn't available right now."),
    "not_a_user": (100, 2018001, "No matching user found"),
}


class MessengerFace:
    """Lines connect with `base_url = url()`."""

    def __init__(
        self, name: str, thing: str, account: str, longest: Callable[[str], bool], stage: Stage, port: int
    ) -> None:
        self.name, self._thing, self._account, self._too_long = name, thing, account, longest
        self._stage, self._ids = stage, count(1)
        self.heard_at: dict[str, float] = {}  # when each person wrote last
        wire = Wire(means=_means, refusal=_refusal, callback=self._callback)
        route = web.post("/{version}/{account}/messages", self._send)
        self._office = Office(stage, name, port, [route], wire)
        self.ledger = self._office.ledger
        self.start, self.stop, self.heed = self._office.start, self._office.stop, self._office.heed
        self.url, self.waiting = self._office.url, self._office.waiting

    # ── people ──

    async def send_inbound(self, sender: str, text: str, *, context_ref: str = "") -> str:
        """A person writes; returns the id of it once the webhook was taken."""
        mid = f"m_in{next(self._ids)}"
        replied = {"reply_to": {"mid": context_ref}} if context_ref else {}
        await self.tell(sender, {"message": {"mid": mid, "text": text, **replied}})
        return mid

    async def tell(self, sender: str, what: dict[str, Any]) -> None:
        """Something a person did; returns once the webhook was taken."""
        self.heard_at[sender] = time.time()
        callback = self._posted(sender, what)
        if callback is None:
            raise ValueError(f"stage.webhooks has no {self.name!r}: there is nobody to write to")
        await self._office.post(callback)

    # ── the counter ──

    async def _send(self, request: web.Request) -> web.StreamResponse:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if ACCESS_TOKEN not in (bearer, request.query.get("access_token")):
            return _error(401, 190, 0, "Invalid OAuth access token - Cannot parse access token")
        if request.match_info["account"] not in (self._account, "me"):
            return _error(400, 100, 33, "Unsupported post request. Object does not exist")
        given = await json_object(request)
        person, message = str(given.get("recipient", {}).get("id", "")), given.get("message", {})
        shown = _shown(message)
        if not person or shown is None or self._too_long(shown[0]):
            return _error(400, 100, 0, "(#100) Invalid parameter")
        tagged = given.get("messaging_type") == "MESSAGE_TAG" or "tag" in given
        is_open = time.time() - self.heard_at.get(person, 0.0) < DAY_S
        if not is_open and not (tagged and given.get("tag") in TAGS):
            subcode = 2018278 if self._thing == "page" else 2534022
            return _error(400, 10, subcode, "(#10) This message is sent outside of allowed window.")
        entry = Entry(
            face=self.name,
            ref=f"m_{next(self._ids)}",
            recipient=person,
            text=shown[0],
            at=time.time(),
            sender=self._account,
            image_url=shown[1],
            buttons=shown[2],
            details={"tag": given.get("tag", ""), "type": given.get("messaging_type", "")},
        )
        admission = self._office.admit(entry, None)
        if admission.refused == Behaviour.THROTTLED:
            return _error(400, 613, 0, "(#613) Calls to this api have exceeded the rate limit.")
        if admission.refused:
            return _error(400, *REFUSALS[admission.refused])
        answer = json_response({"recipient_id": person, "message_id": entry.ref})
        return await self._office.answer(request, answer, [admission])

    # ── the webhook ──

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        now_ms = int(time.time() * 1_000)
        if self._thing == "instagram":
            return self._posted(entry.recipient, {"read": {"mid": entry.ref}}) if word == "read" else None
        if word not in ("delivered", "read"):
            return None
        mids = {"mids": [entry.ref]} if word == "delivered" else {}
        name = "delivery" if word == "delivered" else "read"
        return self._posted(entry.recipient, {name: {**mids, "watermark": now_ms}})

    def _posted(self, person: str, what: dict[str, Any]) -> Callback | None:
        webhook = self._stage.webhooks.get(self.name)
        if webhook is None:
            return None
        now_ms = int(time.time() * 1_000)
        item = {"sender": {"id": person}, "recipient": {"id": self._account}, "timestamp": now_ms, **what}
        entry = {"id": self._account, "time": now_ms, "messaging": [item]}
        body = msgspec.json.encode({"object": self._thing, "entry": [entry]})
        return Callback(webhook.url, body, {"X-Hub-Signature-256": hub_signature(webhook.secret, body)})


def _shown(message: dict[str, Any]) -> tuple[str, str, list[dict[str, str]]] | None:
    """What the phone shows: text, the address of a file, buttons; None where it is nothing."""
    if message.get("text"):
        quick = [{"label": one["title"], "url": ""} for one in message.get("quick_replies", [])]
        return str(message["text"]), "", quick
    attached = message.get("attachment", {})
    payload = attached.get("payload", {})
    if attached.get("type") == "template":
        buttons = [{"label": one["title"], "url": one.get("url", "")} for one in payload.get("buttons", [])]
        fit = 1 <= len(buttons) <= 3 and 1 <= len(payload.get("text", "")) <= 640
        return (payload["text"], "", buttons) if fit else None
    url = str(payload.get("url", ""))
    return ("", url, []) if url.startswith(("http://", "https://")) and "text" not in message else None


def _means(behaviour: Behaviour, _entry: Entry) -> Behaviour:
    elsewhere = (Behaviour.TEMPLATE_PAUSED, Behaviour.WINDOW_CLOSED)
    return Behaviour.DELIVERED if behaviour in elsewhere else behaviour


def _refusal(behaviour: Behaviour, _entry: Entry) -> str:
    return behaviour.value if behaviour.value in REFUSALS else ""


def _error(status: int, code: int, subcode: int, message: str) -> web.Response:
    error: dict[str, Any] = {
        "message": message,
        "type": "OAuthException",
        "code": code,
        "fbtrace_id": "simulated",
    }
    if subcode:
        error["error_subcode"] = subcode
    return json_response({"error": error}, status)
