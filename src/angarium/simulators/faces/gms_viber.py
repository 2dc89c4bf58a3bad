"""GMS (Hyber), its JSON API v2: `POST /{client_id}` for the channel `viber` alone.

Shapes follow the vendor's chapters 2, 6 and 8 (see channels/gms_viber.py); codes of errors but 36024 are this
simulator's own.
"""

from __future__ import annotations

import time
from base64 import b64encode
from itertools import count
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator, _sms
from angarium.simulators.http_face import Callback, Office, Wire, e164, json_object, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "gms"
CLIENT_ID, LOGIN, PASSWORD = "2157", "angarium", "gms-demo-key"
TEXT_MAX, CAPTION_MAX, URL_MAX, TTL_S = 1_000, 30, 256, (40, 86_400)
BAD_PHONE = 36024

STATES = {
    "sent": (1, 12, 12011),
    "delivered": (2, 23, 23011),
    "expired": (3, 26, 26011),
    "undelivered": (3, 36, 36011),
    "not_a_user": (3, 36, 36021),
    "blocked": (3, 36, 36022),
}


class Gms:
    """Its counter."""

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self._auth = "Basic " + b64encode(f"{LOGIN}:{PASSWORD}".encode()).decode()
        self._ids = count(time.time_ns())
        wire = Wire(means=_means, refusal=lambda _behaviour, _entry: "", callback=self._callback)
        self.office = Office(stage, NAME, port, [web.post(f"/{CLIENT_ID}", self._send)], wire)
        self.office.send_inbound, self._stage = self.send_inbound, stage

    async def send_inbound(self, sender: str, text: str, *, context_ref: str = "") -> str:
        """A person answers on a two-way service (chapter 6); it has no id of its own."""
        said = {"phone": sender, "time": time.strftime("%Y-%m-%d %H:%M:%S"), "channel": "viber"}
        ours = self.office.entry_at(context_ref)
        if ours is not None:
            said |= {"message_id": ours.ref, "extra_id": ours.client_ref, "text_to_subscriber": ours.text}
        body = msgspec.json.encode({**said, "text_from_subscriber": text})
        await self.office.post(Callback(_sms.listener(self._stage, NAME).url, body))
        return ""

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        webhook = self._stage.webhooks.get(NAME)
        url = entry.details["callback_url"] or (webhook.url if webhook else "")
        if not url or word not in STATES:
            return None
        status, substatus, detailed = STATES[word]
        report = {
            "number": int(entry.recipient.removeprefix("+")),
            "time": int(time.time() * 1_000),
            "status": status,
            "substatus": substatus,
            "hyber_status": detailed,
            "message_id": entry.ref,
            "extra_id": entry.client_ref,
            "sent_via": "viber",
        }
        return Callback(url, msgspec.json.encode(report))

    async def _send(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != self._auth:
            return web.Response(status=401)
        asked = await json_object(request)
        wrong, said = _wrong(asked)
        if wrong:
            self.office.ledger.refused[str(wrong)] += 1
            return json_response({"error_code": wrong, "error_text": said}, 400)
        viber = asked["channel_options"]["viber"]
        entry = Entry(
            face=NAME,
            ref=str(UUID(int=next(self._ids))),
            recipient=e164(asked["phone_number"]),
            text=viber["text"],
            at=time.time(),
            sender=viber.get("alpha_name", ""),
            client_ref=asked.get("extra_id", ""),
            image_url=viber.get("img", ""),
            buttons=[{"label": viber["caption"], "url": viber["action"]}] if "caption" in viber else [],
            details={"callback_url": asked.get("callback_url", "")},
        )
        ttl_s = None if viber["ttl"] == TTL_S[1] else viber["ttl"]  # a demo is watched, a day is not
        admission = self.office.admit(entry, ttl_s)
        if admission.refused:
            return json_response({"error_code": 36100, "error_text": "Too many requests"}, 429)
        return await self.office.answer(request, json_response({"message_id": entry.ref}), [admission])


def _means(behaviour: Behaviour, _entry: Entry) -> Behaviour:
    nothing_here = (Behaviour.READ, Behaviour.TEMPLATE_PAUSED, Behaviour.WINDOW_CLOSED)
    return Behaviour.DELIVERED if behaviour in nothing_here else behaviour


def _wrong(asked: dict[str, Any]) -> tuple[int, str]:
    """The code and words for what is wrong; nought when all is well."""
    phone, options = asked.get("phone_number"), asked.get("channel_options")
    viber = options.get("viber") if isinstance(options, dict) else None
    if not isinstance(phone, int) or not 10**9 < phone < 10**15:
        return BAD_PHONE, "Phone number incorrect"
    if asked.get("channels") != ["viber"] or not isinstance(viber, dict):
        return 36101, "Channels incorrect"
    ttl_s = viber.get("ttl")
    if not isinstance(ttl_s, int) or not TTL_S[0] <= ttl_s <= TTL_S[1]:
        return 36102, "TTL incorrect"
    if not 1 <= len(str(viber.get("text", ""))) <= TEXT_MAX or len(viber.get("caption", "")) > CAPTION_MAX:
        return 36103, "Text incorrect"
    long = any(len(viber.get(name, "")) > URL_MAX for name in ("img", "action"))
    return (36104, "URL incorrect") if long else (0, "")


OPERATOR = Operator(
    NAME,
    lambda stage, port=0: Gms(stage, port).office,
    lambda url: {"base_url": url, "client_id": CLIENT_ID, "login": LOGIN, "password": PASSWORD},
    recipient="+380501234501",
)
