"""The application on a real socket, a ground to stand on, and a client that speaks HTTP to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from prometheus_client import CollectorRegistry
from sqlalchemy import Table, select

from angarium.accounts import people
from angarium.accounts.flows import create_key, create_workspace
from angarium.accounts.reach import WHOLE
from angarium.accounts.roles import Role
from angarium.accounts.rules import SCOPES
from angarium.accounts.store import people as people_store
from angarium.accounts.store import workspaces
from angarium.assembly import House, application, assemble
from angarium.config import Settings
from angarium.core import ids
from angarium.core.clock import SystemChance, SystemClock
from angarium.core.ids import IdMint
from angarium.storage.bulk import Statement
from angarium.storage.database import Database, Transaction
from angarium.storage.ground import Ground
from angarium.storage.schema import metadata
from angarium.storage.vault import Vault
from angarium.web.app import make_app
from angarium.web.server import Server
from support.together import fabric_on, settings_on

PATIENCE_S = 20.0


@dataclass(frozen=True)
class Heard:
    """What the server answered."""

    status: int
    body: bytes
    headers: dict[str, str]  # names in lower case

    @property
    def json(self) -> Any:
        """The body, which must be JSON."""
        return msgspec.json.decode(self.body)

    @property
    def fields(self) -> dict[str, dict[str, str]]:
        """The errors of a problem, by field."""
        return {error["field"]: error for error in self.json.get("errors", [])}


@dataclass
class Client:
    """Somebody with a key, or without."""

    session: aiohttp.ClientSession
    url: str
    key: str = ""
    workspace_id: int = 0
    heard: list[Heard] = field(default_factory=list)
    usual: dict[str, str] = field(default_factory=dict)  # headers of every request

    async def ask(
        self, method: str, path: str, body: Any = None, *, data: Any = None, **headers: str
    ) -> Heard:
        """Send a request. `body` is sent as JSON, `data` as it is; `Idempotency_Key=` is a header."""
        named = self.usual | {name.replace("_", "-"): value for name, value in headers.items()}
        if self.key:
            named.setdefault("Authorization", f"Bearer {self.key}")
        if body is not None:
            data = msgspec.json.encode(body)
        if data is not None:
            named.setdefault("Content-Type", "application/json")
        async with asyncio.timeout(PATIENCE_S):
            async with self.session.request(
                method, self.url + path, data=data, headers=named, allow_redirects=False
            ) as response:
                names = {name.lower(): value for name, value in response.headers.items()}
                heard = Heard(response.status, await response.read(), names)
        self.heard.append(heard)
        return heard

    def with_key(self, key: str, workspace_id: int = 0) -> Client:
        """The same client with another key, or with none."""
        return Client(self.session, self.url, key, workspace_id, self.heard)


def ground_on(database: Database) -> Ground:
    """A ground on this database, with a vault of its own."""
    clock, chance = SystemClock(), SystemChance()
    vault = Vault([b"0123456789abcdef0123456789abcdef"], chance)
    return Ground(database, clock, chance, IdMint(clock), vault, fabric_on(database, clock))


async def key_for(ground: Ground, workspace_id: int, *scopes: str) -> str:
    """A key with these scopes; all of them when none is named."""
    return await create_key(ground, workspace_id, "test", frozenset(scopes or SCOPES))


@asynccontextmanager
async def whole_house(
    database_url: str, folder: Path, **settings: Any
) -> AsyncIterator[tuple[House, Client]]:
    """Everything that assembly puts together, on loopback, but for the loops that send."""
    given = settings_on(database_url) | settings
    house = assemble(Settings(database=database_url, key_file=str(folder / "vault.key"), **given))
    await house.open()
    try:
        async with on_loopback(application(house)) as client:
            yield house, client
    finally:
        await house.close()


@asynccontextmanager
async def serving(ground: Ground, handlers: Sequence[Any], **settings: Any) -> AsyncIterator[Client]:
    """The application on loopback; a client without a key."""
    settings = {"ready": {}, "registry": CollectorRegistry(), **settings}
    async with on_loopback(make_app(handlers, ground, **settings)) as client:
        yield client


@asynccontextmanager
async def on_loopback(app: Any) -> AsyncIterator[Client]:
    """An application on a free port; a client without a key."""
    server = Server(app, "127.0.0.1", 0)
    await server.start()
    try:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            yield Client(session, f"http://127.0.0.1:{server.port}")
    finally:
        await server.stop()


async def member(client: Client, ground: Ground, name: str) -> Client:
    """A client with every right in a new workspace of this name."""
    workspace = await create_workspace(ground, name)
    return client.with_key(await key_for(ground, workspace.id), workspace.id)


# ── what a workspace has ─────────────────────────────────────────────────────────────────────────────

LINE = {
    "name": "viber",
    "channel": "viber_business",
    "settings": {"api_key": "k-marker", "sender": "Shop"},
    "classes": ["service"],
    "registration": "approved",
}
TEMPLATE = {"name": "shipped", "variants": [{"content": {"text": "{{ order }} is on its way"}}]}
CASCADE = {"name": "quick", "steps": [{"channel": "viber_business"}]}
CONTACT = {"external_id": "c-1", "addresses": [{"kind": "phone", "value": "+380441234567"}]}
FIELD = {"name": "bonus", "kind": "money"}
SEGMENT = {"name": "regulars", "rules": {"tag": "regular"}}
PROVIDER = {
    "name": "Company",
    "issuer": "https://login.company.example",
    "client_id": "angarium",
    "client_secret": "s-marker",
}
KEY = {"name": "shop", "scopes": ["messages:write"]}
MESSAGE = {"to": {"phone": "+380441234568"}, "class": "service", "text": "hello", "channel": "viber_business"}

SUPPRESSION = {"kind": "phone", "value": "+380441234569", "reason": "regulator"}
TARIFF = {"name": "tariff-of-one"}
PRICE_LIST = {"csv": "price\n0.01\n"}
CAMPAIGN = {"name": "Sale", "audience": {"everybody": True}, "template": "order-shipped", "cascade": "sms"}
PDF = b"%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj\n%%EOF\n"
PATTERN = {"name": "shipped", "class": "service", "syntax": "braces", "text": "{0} is on its way"}

SMPP_ACCOUNT = {"name": "client", "routes": [{"class": "service", "channel": "viber_business"}]}

TWILIO_ACCOUNT = {"name": "client", "routes": [{"class": "service", "channel": "viber_business"}]}

MADE_BY_POST: dict[
    str, tuple[str, Any]
] = {  # the name of an id in an address: where such things are made, and of what
    "line_id": ("/v1/lines", LINE),
    "registration_id": ("/v1/lines/{line_id}/registrations", {}),
    "document_id": ("/v1/lines/{line_id}/registrations/{registration_id}/documents?document=letter", PDF),
    "pattern_id": ("/v1/lines/{line_id}/patterns", PATTERN),
    "tariff_id": ("/v1/tariffs", TARIFF),
    "price_list_id": ("/v1/tariffs/{tariff_id}/price-lists", PRICE_LIST),
    "template_id": ("/v1/templates", TEMPLATE),
    "cascade_id": ("/v1/cascades", CASCADE),
    "contact_id": ("/v1/contacts", CONTACT),
    "field_id": ("/v1/contact-fields", FIELD),
    "export_id": ("/v1/exports", {"audience": {"tags": ["vip"]}}),
    "import_id": ("/v1/imports", {"id": "c-1"}),  # a file of one cell, as far as the server knows
    "segment_id": ("/v1/segments", SEGMENT),
    "campaign_id": ("/v1/campaigns", CAMPAIGN),
    "api_key_id": ("/v1/keys", KEY),
    "message_id": ("/v1/messages", MESSAGE),
    "suppression_id": ("/v1/suppressions", SUPPRESSION),
    "media_id": ("/v1/media?file_name=letter.pdf", PDF),
    "smpp_account_id": ("/v1/smpp-accounts", SMPP_ACCOUNT),
    "twilio_account_id": ("/v1/twilio-accounts", TWILIO_ACCOUNT),
}


NOTED = {"last_used_at"}  # columns that asking alone changes
# Tables in which each COMMIT leaves something, whatever it was for, or a server while it is there.
MARKS = {"commit_mark", "fabric_member", "fabric_lease", "fabric_topic", "fabric_told"}


async def furnish(client: Client, house: House) -> dict[str, str]:
    """Make one thing of each kind in the client's workspace; their ids by their names in addresses."""
    found = {"workspace_id": ids.show("workspace", client.workspace_id)}
    for name, (path, body) in MADE_BY_POST.items():
        if name == "message_id":  # nobody watches the lines here
            known = await house.ground.db.read(workspaces)
            await house.world.lines.reload([workspace.id for workspace in known])
        sent = {"data": body} if isinstance(body, bytes) else {"body": body}
        made = await client.ask("POST", path.format(**found), **sent)
        assert made.status in (200, 201, 202), made
        found[name] = made.json["id"]
    found["merge_id"] = await _merged(client, found["contact_id"])
    found |= await _people(client, house)
    return found


async def _people(client: Client, house: House) -> dict[str, str]:
    """Somebody who is here, and somebody who is invited."""
    ground, workspace_id = house.ground, client.workspace_id
    asked = {"email": f"invited-{workspace_id}@shop.example", "role": "agent"}
    invited = await client.ask("POST", "/v1/invitations", asked)

    async def join(tx: Transaction) -> int:
        email = f"person-{workspace_id}@shop.example"
        person = people.new_person(ground, email, "Somebody", None)
        _, token = await people.invite(tx, ground, workspace_id, email, Role.AGENT, WHOLE, "cli")
        await people_store.add_person(tx, person)
        await people.accept(tx, ground, token, person)
        return person.id

    person_id = await ground.db.run(join)
    provider = await client.ask("POST", "/v1/identity-providers", PROVIDER)
    return {
        "identity_provider_id": provider.json["id"],
        "person_id": ids.show("person", person_id),
        "invitation_id": invited.json["id"],
    }


async def _merged(client: Client, contact_id: str) -> str:
    """Merge another contact into this one; the id of the merge."""
    other = await client.ask("POST", "/v1/contacts", {"external_id": "c-2"})
    body = {"survivor": contact_id, "merged": other.json["id"]}
    return str((await client.ask("POST", "/v1/contact-merges", body)).json["id"])


async def operations(client: Client) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of every route that the server tells of."""
    paths = (await client.ask("GET", "/openapi.json")).json["paths"]
    return [
        (method.upper(), path, told) for path, methods in paths.items() for method, told in methods.items()
    ]


async def everything_in(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, but for what is noted of who looked, and that something was committed."""
    return await database.read(_rows)


@cache  # to compile one takes a millisecond, and there are a hundred tables
def _whole(table: Table) -> Statement:
    return Statement(select(*(column for column in table.c if column.name not in NOTED)))


async def _rows(tx: Transaction) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table.name: sorted((tuple(row) for row in await tx.rows(_whole(table))), key=repr)
        for table in metadata.sorted_tables
        if not table.info.get("only_in_tests") and table.name not in MARKS
    }
