"""One process, many operators: the faces, and an address on which people watch and tests steer.

    GET  /                      the page of phones
    GET  /faces                 {name: url}
    GET  /ledger                {name: totals}
    GET  /ledger/{face}         entries; ?recipient=&offset=&limit=
    GET  /script, PUT /script   what happens to whom
    PUT  /webhooks/{face}       {url, secret}: where a face posts its callbacks
    POST /inbound/{face}        {sender, recipient, text}: a person writes
    GET  /gallery               phones as JSON; ?q=&face=&offset=&limit=
    GET  /gallery/{recipient}   one of them, whole
    PUT  /people/{recipient}    {off, absent, blocked}: how somebody is played
    POST /reviews/{face}        {name, language, event, reason}: the operator decides on a template

It listens on 127.0.0.1 and answers only to that name, so that no page on the web can steer it by DNS.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from angarium.simulators.behaviour import Script
from angarium.simulators.faces import Operator, operators
from angarium.simulators.handset import GLANCE, Handset, Phone, Wanted, told
from angarium.simulators.people import Person, Said, phone_key
from angarium.simulators.stage import Face, Stage, Webhook

FACES: dict[str, str | Operator] = {  # those by their name are imported when asked for
    "smpp": "angarium.simulators.smsc:Smsc",
    "smpp-hex": "angarium.simulators.smsc:smsc_hex",
    "smtp": "angarium.simulators.mail:MailHost",
    **{operator.name: operator for operator in operators().values()},
}
BODY_MAX = 4 * 1024 * 1024  # a script with a rule for every phone
ENTRIES = 100  # of a ledger, when no limit is named
ENTRIES_MAX = 10_000
HEARD_WITHIN_S = 5.0  # a line takes what a person writes
LOCAL_NAMES = {"127.0.0.1", "localhost", "::1"}

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Review(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is decided on a template, in the operator's words."""

    name: str
    language: str
    event: str
    reason: str = "NONE"
    explained: dict[str, str] = {}


class Inbound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person writes to a line."""

    sender: str
    recipient: str
    text: str
    system_id: str = ""  # over SMPP: the account whose bind hears it
    context_ref: str = ""  # the message that is answered, where the operator tells


def make_face(
    name: str, stage: Stage, port: int, templates: Mapping[str, str], accounts: Mapping[str, str]
) -> Face:
    """A face by its name. For faces that know such: the registered wordings, and who may bind."""
    named = FACES[name]
    if isinstance(named, str):
        module, _, maker = named.partition(":")
        made = getattr(import_module(module), maker)
    else:
        made = named.make
    known = inspect.signature(made).parameters
    given = {"templates": templates, "accounts": accounts}
    face: Face = made(stage, port, **{word: value for word, value in given.items() if word in known})
    return face


class Hub:
    """The faces and their admin server."""

    def __init__(
        self, stage: Stage, faces: Mapping[str, Face], port: int = 0, timeline_url: str = ""
    ) -> None:
        self._stage, self._faces, self._port = stage, dict(faces), port
        self._handset = Handset({name: face.ledger for name, face in faces.items()}, timeline_url)
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Start every face, then the admin server."""
        for face in self._faces.values():
            await face.start()
        app = web.Application(client_max_size=BODY_MAX, middlewares=[only_here])
        app.add_routes([*self._routes(), *self._handset.routes()])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop the admin server, then every face."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        for face in self._faces.values():
            await face.stop()
            face.ledger.close()

    def url(self) -> str:
        """The admin server."""
        return f"http://127.0.0.1:{self._port}"

    def faces(self) -> dict[str, str]:
        """Where each face listens."""
        return {name: face.url() for name, face in self._faces.items()}

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.get("/faces", self._show_faces),
            web.get("/ledger", self._totals),
            web.get("/ledger/{face}", self._entries),
            web.get("/script", self._show_script),
            web.put("/script", self._take_script),
            web.put("/webhooks/{face}", self._take_webhook),
            web.post("/inbound/{face}", self._inbound),
            web.post("/reviews/{face}", self._review),
            web.get("/gallery", self._gallery),
            web.get("/gallery/{recipient}", self._phone),
            web.put("/people/{recipient}", self._play),
        ]

    async def _show_faces(self, _request: web.Request) -> web.Response:
        return answer(self.faces())

    async def _totals(self, _request: web.Request) -> web.Response:
        return answer({name: totals(face) for name, face in self._faces.items()})

    async def _entries(self, request: web.Request) -> web.Response:
        entries, recipient = self._face(request).ledger.entries, request.query.get("recipient")
        found = entries if recipient is None else [entry for entry in entries if entry.recipient == recipient]
        offset, limit = number(request, "offset", 0), min(number(request, "limit", ENTRIES), ENTRIES_MAX)
        return answer({"total": len(found), "entries": found[offset : offset + limit]})

    async def _show_script(self, _request: web.Request) -> web.Response:
        return answer(self._stage.script)

    async def _take_script(self, request: web.Request) -> web.Response:
        self._stage.script = await document(request, Script)
        for face in self._faces.values():
            await face.heed()
        return answer(self._stage.script)

    async def _take_webhook(self, request: web.Request) -> web.Response:
        name, webhook = self._face(request).name, await document(request, Webhook)
        self._stage.webhooks[name] = webhook
        return answer({"url": webhook.url})

    async def _inbound(self, request: web.Request) -> web.Response:
        face = self._face(request)
        send: Callable[..., Awaitable[object]] | None = getattr(face, "send_inbound", None)
        if send is None:
            raise problem(web.HTTPNotImplemented, f"nobody can write to {face.name}")
        inbound = await document(request, Inbound)
        given = msgspec.structs.asdict(inbound)
        asked = inspect.signature(send).parameters  # some operators know one line only: no recipient
        try:
            async with asyncio.timeout(HEARD_WITHIN_S):
                sent = await send(**{name: value for name, value in given.items() if name in asked})
        except ValueError as error:
            raise problem(web.HTTPConflict, str(error)) from error
        except TimeoutError:
            raise problem(web.HTTPGatewayTimeout, "nobody takes it: is the line connected?") from None
        self._stage.people.hear(Said(face.name, inbound.sender, inbound.recipient, inbound.text, time.time()))
        return answer({"id": sent if isinstance(sent, str) else ""})

    async def _gallery(self, request: web.Request) -> web.Response:
        """Phones, the last one rung first, each with its last messages."""
        wanted = Wanted(request.query.get("q", "").strip(), request.query.get("face", ""))
        found = [phone for phone in self._handset.gallery.phones() if wanted.matches(phone)]
        offset, limit = number(request, "offset", 0), min(number(request, "limit", ENTRIES), ENTRIES)
        some = [told(phone, self._stage.people, GLANCE) for phone in found[offset : offset + limit]]
        return answer({"total": len(found), "faces": list(self._faces), "phones": some})

    async def _phone(self, request: web.Request) -> web.Response:
        """One phone; of a number to which nothing has come, an empty one."""
        recipient = request.match_info["recipient"]
        phone = self._handset.gallery.phone(recipient) or Phone(phone_key(recipient))
        told_of = told(phone, self._stage.people)
        return answer({**told_of, "all_faces": list(self._faces), "heard_on": self._heard_on()})

    def _heard_on(self) -> list[str]:
        """The faces on which a person can write, and somebody listens."""
        listening = set(self._stage.webhooks) | {"smpp", "smpp-hex"}
        return [
            name
            for name, face in self._faces.items()
            if hasattr(face, "send_inbound") and (name in listening or getattr(face, "polled", False))
        ]

    async def _play(self, request: web.Request) -> web.Response:
        """From now on somebody is so."""
        person = await document(request, Person)
        unknown = sorted({*person.absent, *person.blocked} - self._faces.keys())
        if unknown:
            raise problem(web.HTTPBadRequest, f"no such faces: {', '.join(unknown)}")
        self._stage.people.play(request.match_info["recipient"], person)
        return answer(person)

    async def _review(self, request: web.Request) -> web.Response:
        face, given = self._face(request), await document(request, Review)
        review: Callable[..., Awaitable[None]] | None = getattr(face, "review", None)
        if review is None:
            raise problem(web.HTTPNotImplemented, f"{face.name} keeps no templates")
        try:
            await review(**msgspec.structs.asdict(given))
        except KeyError:
            raise problem(web.HTTPNotFound, "no such template was handed in") from None
        except ValueError as error:
            raise problem(web.HTTPConflict, str(error)) from error
        return answer({"told": given.event})

    def _face(self, request: web.Request) -> Face:
        face = self._faces.get(request.match_info["face"])
        if face is None:
            raise problem(web.HTTPNotFound, f"no such face; there are {', '.join(self._faces)}")
        return face


def totals(face: Face) -> dict[str, Any]:
    """The sums of a face, what it turned away, and how much is still to happen."""
    sums = msgspec.structs.asdict(face.ledger.totals())
    return {**sums, "refused": dict(face.ledger.refused), "waiting": face.waiting()}


@web.middleware
async def only_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what a page on the web could make a browser send: another host name, a form."""
    if urlsplit(f"//{request.host}").hostname not in LOCAL_NAMES:
        raise problem(web.HTTPForbidden, "this address answers to 127.0.0.1 and localhost only")
    if request.method not in ("GET", "HEAD") and request.content_type != "application/json":
        raise problem(web.HTTPUnsupportedMediaType, "send JSON, with Content-Type: application/json")
    return await handler(request)


async def document(request: web.Request, kind: type[T]) -> T:
    """The body as a struct; 400 with the place and the fault when it does not fit."""
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except (ValueError, RecursionError) as error:
        raise problem(web.HTTPBadRequest, str(error)) from error


def number(request: web.Request, name: str, otherwise: int) -> int:
    """A number from the query."""
    text = request.query.get(name, str(otherwise))
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise problem(web.HTTPBadRequest, f"{name} is not a number: {text[:40]!r}")
    return int(text)


def answer(value: object) -> web.Response:
    """JSON."""
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def problem(kind: type[web.HTTPException], detail: str) -> web.HTTPException:
    """An HTTP error that says in JSON what is wrong."""
    return kind(text=msgspec.json.encode({"error": detail}).decode(), content_type="application/json")
