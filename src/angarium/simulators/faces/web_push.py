"""A push service and the browser behind it: what it keeps is what the browser made of the octets.

Checks follow RFC 8030 and RFC 8292 §4.2: the token is signed by the key with which the browser subscribed.
"""

from __future__ import annotations

import time
from itertools import count

import msgspec
from aiohttp import web

from angarium.protocols import webpush
from angarium.simulators.behaviour import BY_LAST_DIGITS, Behaviour
from angarium.simulators.faces import Operator
from angarium.simulators.http_face import Office, Wire
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "web_push"
SITE_KEY = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"  # examples of RFC 8291: nobody's
BROWSER_KEY = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
ORIGIN = "https://push.example"
BROWSER = webpush.private_key(BROWSER_KEY)
SITE = webpush.packed(webpush.public_octets(webpush.private_key(SITE_KEY)))
KEYS = webpush.Keys(webpush.packed(webpush.public_octets(BROWSER)), AUTH)


GONE = (Behaviour.NOT_A_USER, Behaviour.BLOCKED)


def address(name: str) -> str:
    """The subscription of a browser, as a contact has it."""
    return webpush.kept(webpush.Subscription(f"{ORIGIN}/push/{name}", KEYS))


class WebPushFace(Office):
    """`POST /push/{browser}`; a browser whose name ends in 02 or 03 is gone."""

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self._ids = count(1)
        wire = Wire(
            means=_means,
            refusal=lambda behaviour, _: "gone" if behaviour in GONE else "",
            callback=lambda _entry, _word: None,
        )
        super().__init__(stage, NAME, port, [web.post("/push/{browser}", self._pushed)], wire)

    async def _pushed(self, request: web.Request) -> web.StreamResponse:
        ttl, body = request.headers.get("TTL", ""), await request.read()
        if not ttl.isdigit() or request.headers.get("Content-Encoding") != "aes128gcm":
            return web.Response(status=400)
        if webpush.vouched(request.headers.get("Authorization", ""), ORIGIN, time.time()) != SITE:
            return web.Response(status=403)
        if len(body) > webpush.RECORD:
            return web.Response(status=413)
        plain = webpush.decrypted(body, BROWSER, webpush.unpacked(AUTH))
        shown = msgspec.json.decode(plain) if plain is not None else {}
        entry = Entry(
            face=NAME,
            ref=f"{self.url()}/message/{next(self._ids)}",
            recipient=address(request.match_info["browser"]),
            text=shown.get("body", ""),
            at=time.time(),
            subject=shown.get("title", ""),
            image_url=shown.get("icon", ""),
            details={
                "url": shown.get("url", ""),
                "ttl_s": int(ttl),
                "urgency": request.headers.get("Urgency", ""),
                "topic": request.headers.get("Topic", ""),
                "read": plain is not None,
                "browser": request.match_info["browser"],
            },
        )
        admission = self.admit(entry, float(ttl))
        if admission.refused == Behaviour.THROTTLED:
            return web.Response(status=429, headers={"Retry-After": "1"})
        if admission.refused:
            return web.Response(status=410)
        answer = web.Response(status=201, body=b"", headers={"Location": entry.ref})
        return await self.answer(request, answer, [admission])


def _means(behaviour: Behaviour, entry: Entry) -> Behaviour:
    """By the end of the browser's name, where phones have their last digits."""
    told = BY_LAST_DIGITS.get(entry.details["browser"][-2:], behaviour)
    return told if told in (*GONE, Behaviour.THROTTLED) else Behaviour.DELIVERED


OPERATOR = Operator(
    NAME,
    WebPushFace,
    lambda url: {
        "base_url": url,
        "vapid_private_key": SITE_KEY,
        "contact": "mailto:ops@shop.example",
        "title": "Demo Shop",
    },
    recipient=address("demo-1"),
    ends="sent",
)
