"""A shop on still time with the Twilio door before it, a client, and a server of the client's own."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry

from angarium.accounts import flows as accounts
from angarium.accounts.flows import Caller as Actor
from angarium.accounts.rules import SCOPES
from angarium.core import ids
from angarium.core.ports import Tools
from angarium.doors.twilio import api, flows, following, posting, rules, store
from angarium.doors.twilio.desk import TwilioDesk
from angarium.doors.twilio.rules import TwilioAccountInput
from angarium.protocols.http import Http
from angarium.storage.database import Database
from angarium.web.app import make_app
from support.relay import Relay
from support.server import Client, on_loopback

PHONE = "+380501234567"
SERVICE_SID = "MG" + "a" * 32


@dataclass
class Heard:
    """A callback as the client's server had it."""

    path: str
    posted: bytes
    signature: str

    @property
    def form(self) -> dict[str, str]:
        """Its fields."""
        return dict(parse_qsl(self.posted.decode(), keep_blank_values=True))


@dataclass
class Caller:
    """A client of an account; `place` is the account in its addresses, its own unless said otherwise."""

    client: Client
    sid: str
    token: str
    place: str = ""
    account_id: str = ""

    async def ask(
        self, method: str, path: str, form: dict[str, str] | None = None, query: dict[str, Any] | None = None
    ) -> tuple[int, Any]:
        """A request below the account; status, and the document of the answer."""
        where = f"/2010-04-01/Accounts/{self.place or self.sid}/{path}"
        return await self.ask_at(method, where + (f"?{urlencode(query)}" if query else ""), form)

    async def ask_at(self, method: str, where: str, form: dict[str, str] | None = None) -> tuple[int, Any]:
        """A request anywhere."""
        basic = b64encode(f"{self.sid}:{self.token}".encode()).decode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}
        data = urlencode(form).encode() if form is not None else None
        heard = await self.client.ask(method, where, data=data, Authorization=f"Basic {basic}", **kind)
        return heard.status, heard.json if heard.body else None

    async def send(self, **given: str) -> tuple[int, Any]:
        """Ask for a message."""
        form = {"To": PHONE, "From": "Shop", "Body": "Hello", **given}
        return await self.ask("POST", "Messages.json", form)

    async def change(self, made: dict[str, Any], **given: str) -> tuple[int, Any]:
        """Change one."""
        return await self.ask("POST", f"Messages/{made['sid']}.json", given)

    async def get(self, made: dict[str, Any]) -> Any:
        """One as it is now."""
        status, shown = await self.ask("GET", f"Messages/{made['sid']}.json")
        assert status == 200, shown
        return shown

    async def list(self, **query: Any) -> Any:
        """A page of them."""
        status, listed = await self.ask("GET", "Messages.json", query=query)
        assert status == 200, listed
        return listed

    @staticmethod
    def message_id(made: dict[str, Any]) -> int:
        """Our id of it."""
        found = rules.read_message_sid(made["sid"])
        assert found is not None
        return found[1]


@dataclass
class Place:
    """Everything together."""

    relay: Relay
    client: Client
    shop_url: str
    caller: Caller = field(init=False)
    heard: list[Heard] = field(default_factory=list)
    answers: int = 200

    async def account(self, name: str = "shop", scopes: Sequence[str] = (), **given: Any) -> Caller:
        """An account, and a client with its SID and token."""
        described = {
            "name": name,
            "routes": [
                {"source": "Ad*", "class": "promotional", "line": "sms"},
                {"source": "Shop", "class": "service", "line": "sms"},
            ],
            "services": [{"sid": SERVICE_SID, "class": "otp", "line": "sms"}],
            "inbound_url": f"{self.shop_url}/inbound",
            "inbound_lines": ["sms"] if name == "shop" else [],
            **given,
        }
        ground, workspace_id = self.relay.ground, self.relay.workspace_id
        if scopes:
            secret = await accounts.create_key(ground, workspace_id, name, frozenset(scopes))
            described["key"] = ids.show("api_key", (await accounts.Gate(ground).caller(secret)).key_id)
        asked = msgspec.convert(described, TwilioAccountInput)
        token, actor = flows.new_token(ground), Actor(workspace_id, 0, frozenset(SCOPES))
        made = await ground.db.run(flows.create, self.relay.world, actor, asked, token)
        sid = rules.account_sid(workspace_id, made.id)
        return Caller(self.client, sid, token, "", ids.show("api_key", made.key_id))

    async def revoke(self, caller: Caller) -> None:
        """Its key is good no more, and a second has passed."""
        key_id = ids.read("api_key", caller.account_id)
        await accounts.revoke_key(self.relay.ground, self.relay.workspace_id, key_id)
        self.relay.clock.advance(2)

    async def tell(self) -> int:
        """What the door does by itself: follow the log, post what is due; how many posts."""
        db, workspace_id = self.relay.ground.db, self.relay.workspace_id
        known = await db.read(store.accounts.all, workspace_id)
        while await db.run(following.follow, self.relay.world, workspace_id, known):
            pass
        return sum([await posting.post_due(self.relay.world, one) for one in known])

    async def hear(self, request: web.Request) -> web.Response:
        """The client's own server."""
        signature = request.headers.get("X-Twilio-Signature", "")
        self.heard.append(Heard(request.path, await request.read(), signature))
        return web.Response(status=self.answers)


@asynccontextmanager
async def twilio_place(database: Database, allow: Sequence[str] = ("127.0.0.0/8",)) -> AsyncIterator[Place]:
    """A shop with a line `sms`, an account, and a server that hears its callbacks."""
    relay = await Relay(database).open()
    await relay.line("sms", "smpp", ("otp", "service", "promotional"))
    http = Http(allow)
    await http.start()
    relay.world.tools = Tools(relay.clock, relay.ground.chance, http)
    desk = TwilioDesk(relay.world)
    app = make_app(
        api.HANDLERS, relay.ground, ready={}, registry=CollectorRegistry(), services={"twilio": desk}
    )
    heard = web.Application()
    try:
        async with on_loopback(app) as client:
            place = Place(relay, client, "")
            heard.router.add_post("/{name}", place.hear)
            runner = web.AppRunner(heard)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            place.shop_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            place.caller = await place.account()
            try:
                yield place
            finally:
                await runner.cleanup()
    finally:
        await http.stop()
