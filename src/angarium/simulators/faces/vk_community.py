"""VK's API as a community sees it: `/method/messages.send`, events posted or asked for.

Shapes follow VKCOM/vk-api-schema (see channels/vk_community.py): errors come with HTTP 200, the same
`random_id` is one message, and every posted event is posted until it is answered with `ok`.
"""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import Any

import msgspec
from aiohttp import web

from angarium.simulators.behaviour import Behaviour
from angarium.simulators.faces import Operator
from angarium.simulators.http_face import Callback, Office, Wire, json_response
from angarium.simulators.ledger import Entry
from angarium.simulators.stage import Stage

NAME = "vk_community"
TOKEN, SECRET, CONFIRMATION = "vk1.a.demo", "vk-demo-secret", "4f1d2a"  # worth nothing
GROUP_ID = 211234567
TEXT_MAX = 4_096
REFUSALS = {
    "not_a_user": (901, "Can't send messages for users without permission"),
    "blocked": (902, "Can't send messages to this user due to their privacy settings"),
    "undelivered": (18, "User was deleted or banned"),
}
ELSEWHERE = (Behaviour.TEMPLATE_PAUSED, Behaviour.WINDOW_CLOSED, Behaviour.EXPIRED)  # mean nothing here


class VkCommunityFace:
    """Lines connect with `base_url = url()`."""

    name = NAME

    def __init__(self, stage: Stage, port: int = 0) -> None:
        self._stage, self._ids = stage, count(1)
        self._taken: dict[tuple[str, str], Entry] = {}  # by recipient and random_id
        self._events: list[dict[str, Any]] = []
        self.files: list[bytes] = []  # as they were put up; a message names one by its place
        self._news, self.polled = asyncio.Event(), asyncio.Event()  # something came; somebody asks
        routes = [
            web.post("/method/messages.send", self._send),
            web.post("/method/groups.getById", self._group),
            web.post("/method/groups.getLongPollServer", self._server),
            web.get("/poll", self._poll),
            web.post("/method/photos.getMessagesUploadServer", self._place),
            web.post("/method/photos.saveMessagesPhoto", self._save_picture),
            web.post("/method/docs.getMessagesUploadServer", self._place),
            web.post("/method/docs.save", self._save_paper),
            web.post("/put/{field}", self._put),
        ]
        wire = Wire(means=_means, refusal=_refusal, callback=self._callback)
        self._office = Office(stage, NAME, port, routes, wire)
        self.ledger = self._office.ledger
        self.start, self.stop, self.heed = self._office.start, self._office.stop, self._office.heed
        self.url, self.waiting = self._office.url, self._office.waiting

    # ── people ──

    async def send_inbound(self, sender: str, text: str, *, context_ref: str = "") -> str:
        """A person writes; returns the id of it once somebody has taken it, or waits for it."""
        number = next(self._ids)
        message: dict[str, Any] = {
            "id": number,
            "date": int(time.time()),
            "peer_id": int(sender),
            "from_id": int(sender),
            "text": text,
            "attachments": [],
        }
        if context_ref:
            message["reply_message"] = {"id": int(context_ref)}
        await self._tell(_event("message_new", {"message": message}))
        return f"{sender}/{number}"

    async def switch(self, sender: str, allowed: bool) -> None:
        """A person lets the community write, or forbids it."""
        await self._tell(_event("message_allow" if allowed else "message_deny", {"user_id": int(sender)}))

    async def _tell(self, event: dict[str, Any]) -> None:
        callback = self._posted(event)
        if callback is not None:
            await self._office.post(callback)
            return
        self._events.append(event)
        self._news.set()

    def _posted(self, event: dict[str, Any]) -> Callback | None:
        webhook = self._stage.webhooks.get(NAME)
        if webhook is None:
            return None
        return Callback(webhook.url, msgspec.json.encode({**event, "secret": webhook.secret}))

    # ── the counter ──

    async def _send(self, request: web.Request) -> web.StreamResponse:
        given = {name: str(value) for name, value in (await request.post()).items()}
        if given.get("access_token") != TOKEN:
            return _error(5, "User authorization failed: invalid access_token")
        text, peer = given.get("message", ""), given.get("peer_id", "")
        if not peer.isdigit() or not given.get("random_id", "").isdigit():
            return _error(100, "One of the parameters specified was missing or invalid")
        attached = given.get("attachment", "")
        if not text and not attached:
            return _error(100, "One of the parameters specified was missing or invalid: message is empty")
        if len(text) > TEXT_MAX:
            return _error(914, "Message is too long")
        same = self._taken.get((peer, given["random_id"]))
        if same is not None:
            return json_response({"response": int(same.ref)})
        keyboard = msgspec.json.decode(given.get("keyboard", "{}"))
        actions = [key["action"] for row in keyboard.get("buttons", []) for key in row]
        entry = Entry(
            face=NAME,
            ref=str(next(self._ids)),
            recipient=peer,
            text=text,
            at=time.time(),
            sender=str(GROUP_ID),
            details={"attachment": attached} if attached else {},
            buttons=[{"label": one["label"], "url": one.get("link", "")} for one in actions],
        )
        admission = self._office.admit(entry, None)
        if admission.refused == Behaviour.THROTTLED:
            return _error(6, "Too many requests per second")
        if admission.refused:
            return _error(*REFUSALS[admission.refused])
        self._taken[peer, given["random_id"]] = entry
        return await self._office.answer(request, json_response({"response": int(entry.ref)}), [admission])

    async def _place(self, request: web.Request) -> web.StreamResponse:
        if str((await request.post()).get("access_token")) != TOKEN:
            return _error(5, "User authorization failed: invalid access_token")
        field = "photo" if "photos" in request.path else "file"
        return json_response({"response": {"upload_url": f"{self._office.url()}/put/{field}?act=do"}})

    async def _put(self, request: web.Request) -> web.StreamResponse:
        field = request.match_info["field"]
        file = (await request.post()).get(field)
        if not isinstance(file, web.FileField):
            empty = {"server": 1, "photo": "[]", "hash": ""} if field == "photo" else {"error": "no_file"}
            return json_response(empty)
        self.files.append(file.file.read())
        number = len(self.files)
        if field == "photo":
            told = f'[{{"photo":"{number}"}}]'
            return json_response({"server": 1, "photo": told, "hash": f"h{number}"})
        return json_response({"file": f"doc|{number}"})

    async def _save_picture(self, request: web.Request) -> web.StreamResponse:
        given = await request.post()
        hashed = str(given.get("hash", ""))
        if not hashed.startswith("h") or str(given.get("server")) != "1":
            return _error(121, "Invalid hash")
        saved = {"id": int(hashed[1:]), "owner_id": -GROUP_ID, "album_id": -3, "access_key": "k"}
        return json_response({"response": [saved]})

    async def _save_paper(self, request: web.Request) -> web.StreamResponse:
        given = await request.post()
        kind, _, number = str(given.get("file", "")).partition("|")
        if kind != "doc":
            return _error(105, "Couldn't save file")
        doc = {"id": int(number), "owner_id": 1, "title": str(given.get("title", "")), "ext": "pdf"}
        return json_response({"response": {"type": "doc", "doc": doc}})

    async def _group(self, _request: web.Request) -> web.StreamResponse:
        known = {"id": GROUP_ID, "name": "Demo Shop", "screen_name": "demo_shop", "type": "group"}
        return json_response({"response": {"groups": [known], "profiles": []}})

    async def _server(self, request: web.Request) -> web.StreamResponse:
        if str((await request.post()).get("access_token")) != TOKEN:
            return _error(5, "User authorization failed: invalid access_token")
        server = {"server": f"{self._office.url()}/poll", "key": "demo", "ts": str(len(self._events))}
        return json_response({"response": server})

    async def _poll(self, request: web.Request) -> web.StreamResponse:
        since = int(request.query["ts"])
        self.polled.set()
        if since >= len(self._events):
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), float(request.query["wait"]))
            except TimeoutError:
                return json_response({"ts": str(since), "updates": []})
        return json_response({"ts": str(len(self._events)), "updates": self._events[since:]})

    def _callback(self, entry: Entry, word: str) -> Callback | None:
        if word != "read":
            return None
        person = int(entry.recipient)
        seen = {"from_id": person, "peer_id": person, "read_message_id": int(entry.ref)}
        return self._posted(_event("message_read", seen))


def _event(kind: str, what: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": kind,
        "group_id": GROUP_ID,
        "event_id": f"{kind}{time.time_ns()}",
        "v": "5.199",
        "object": what,
    }


def _means(behaviour: Behaviour, _entry: Entry) -> Behaviour:
    return Behaviour.DELIVERED if behaviour in ELSEWHERE else behaviour


def _refusal(behaviour: Behaviour, _entry: Entry) -> str:
    return behaviour.value if behaviour.value in REFUSALS else ""


def _error(code: int, message: str) -> web.Response:
    return json_response({"error": {"error_code": code, "error_msg": message, "request_params": []}})


OPERATOR = Operator(
    NAME,
    VkCommunityFace,
    lambda url: {
        "base_url": url,
        "group_id": str(GROUP_ID),
        "access_token": TOKEN,
        "callback_secret": SECRET,
        "confirmation": CONFIRMATION,
    },
    recipient="5550001",
    secret=SECRET,
    ends="sent",
)
