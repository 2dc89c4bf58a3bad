"""A house with one of everything, in which strangers have written wherever a stranger can."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from angarium.accounts import people, session, setup
from angarium.accounts.roles import Role
from angarium.assembly import House
from angarium.core import ids
from angarium.core.ports import Accepted, Refused, Unknown
from angarium.core.values import Reason
from angarium.messaging import claiming, reconcile, send
from angarium.messaging.send import Ended
from support.fresh import NUMBER, Fresh, heard
from support.hostile import evil
from support.people import PASSWORD, Surfer, invited, joined, surfer_of
from support.registering import PNG
from support.running import until
from support.server import LINE, PDF, PRICE_LIST, PROVIDER, Client, key_for, member

PHONE = "+380441234567"
EMAIL = "a-very-long-mailbox-of-somebody@mail.shop.example"
SMS = {
    "name": "sms",
    "channel": "smpp",
    "settings": {"host": "127.0.0.1", "port": 9, "system_id": "s", "password": "p", "source": "Shop"},
    "classes": ["service", "otp", "transactional", "promotional"],
    "registration": "approved",
    "price": "0.04",
    "currency": "EUR",
}


@dataclass
class FullHouse:
    """The house, its owner at a browser, and ids by the names that they have in addresses."""

    house: House
    client: Client
    owner: Surfer
    has: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)  # of those on the way in, by their page
    tokens: dict[str, str] = field(default_factory=dict)  # of links, by the page they lead to

    @property
    def cookie(self) -> str:
        """The owner's session."""
        return f"{session.COOKIE}={self.owner.cookies[session.COOKIE]}"

    async def make(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Ask the API for something, which must come out."""
        sent = {"data": body} if isinstance(body, bytes) else {"body": body}
        made = await self.client.ask(method, path, **sent, **more)
        assert made.status < 300, (method, path, made)
        return made.json if made.body else None

    async def new(self, name: str, path: str, body: Any, **more: Any) -> str:
        """Make one, and remember its id."""
        self.has[name] = (await self.make("POST", path, body, **more))["id"]
        return self.has[name]

    async def hand_over(self, line: str, *outcomes: Any) -> None:
        """The next messages of a line are given to its provider, who answers so."""
        found = next(one for one in self.house.world.lines.of(self.client.workspace_id) if one.name == line)
        await reconcile.take_over(self.house.world, found, 1)
        attempts = (await claiming.claim(self.house.world, found, 1, len(outcomes))).attempts
        ended = [Ended(one, said, 0.0) for one, said in zip(attempts, outcomes, strict=True)]
        await send.record(self.house.world, ended)


async def furnish(fresh: Fresh) -> FullHouse:
    """Set a new server up, and fill it; nothing runs by itself any more afterwards."""
    owner, workspace_id = await _set_up(fresh)
    key = await key_for(fresh.house.ground, workspace_id)
    full = FullHouse(fresh.house, fresh.client.with_key(key, workspace_id), owner)
    await _phones(full, fresh)
    for loop in (fresh.house.campaigns, fresh.house.importer, fresh.house.engine):
        await loop.stop()
    for make in (_people, _lines, _content, _messages, _campaigns, _settings, _doors):
        await make(full)
    return full


async def _set_up(fresh: Fresh) -> tuple[Surfer, int]:
    owner = surfer_of(fresh.client)
    owner.usual["User-Agent"] = evil("browser", 190)
    proof = (await setup.link(fresh.house.ground, "")).partition("=")[2]
    said = {"name": evil("person", 90), "email": "olena@shop.example", "password": PASSWORD}
    place = {"workspace": evil("workspace", 64), "time_zone": "UTC"}
    page = await owner.post("/setup", {**said, **place, "proof": proof})
    assert page.status == 303, page.words
    assert (await owner.do("/setup/line")).status == 303
    from angarium.accounts import store as accounts

    (workspace,) = await fresh.house.ground.db.read(accounts.workspaces)
    return owner, workspace.id


# ── what rings on phones, and what their people write ───────────────────────────────────────────────


async def _phones(full: FullHouse, fresh: Fresh) -> None:
    """A text on a phone, and its answer."""
    world = full.house.world
    lines = ("sandbox-sms", "sandbox-viber", "sandbox-vk", "sandbox-whatsapp")
    await until(lambda: len(world.connected) >= len(lines))
    body = {"to": {"phone": NUMBER}, "class": "service", "line": "sandbox-viber", "text": evil("rung", 600)}
    full.has["message"] = (await full.make("POST", "/v1/messages", body))["id"]
    ledger = fresh.faces["gms"].ledger
    await until(lambda: bool(ledger.entries))
    body = {"to": {"phone": NUMBER}, "class": "service", "line": "sandbox-sms", "text": "Hi"}
    await full.make("POST", "/v1/messages", body)
    ledger = fresh.faces["smpp"].ledger
    await until(lambda: bool(ledger.entries and ledger.entries[0].seen()))
    page = await full.owner.do(f"/phones/{NUMBER}/answer", face="smpp", number="0", text=evil("answer", 300))
    assert page.status == 303, page.words
    await until(lambda: heard(fresh))
    full.has["recipient"] = NUMBER


# ── people, and files of them ────────────────────────────────────────────────────────────────────────


async def _people(full: FullHouse) -> None:
    field_of_ours = {"name": "city", "kind": "text", "label": evil("field", 60)}
    await full.new("field_id", "/v1/contact-fields", field_of_ours)
    choices = {"name": "level", "kind": "choice", "choices": [evil("choice", 60), "gold"]}
    await full.make("POST", "/v1/contact-fields", choices)
    addresses = [
        {"kind": "phone", "value": PHONE, "operator_blacklist": True, "verified": True},
        {"kind": "email", "value": EMAIL},
    ]
    person = {
        "external_id": evil("external", 100),
        "name": evil("name", 200),
        "tags": ["vip", evil("tag", 50)],
        "fields": {"city": evil("value", 200), "undefined": evil("undefined", 200)},
        "addresses": addresses,
    }
    contact = await full.new("contact_id", "/v1/contacts", person)
    said = {"purpose": "promotional", "state": "granted", "source": evil("source", 60)}
    await full.make("POST", f"/v1/contacts/{contact}/consents", {**said, "proof": {"ip": evil("proof", 300)}})
    for number in range(2):
        twin = {"external_id": f"t-{number}", "name": evil("twin", 150), "fields": {"city": "Kyiv"}}
        full.has[f"twin_{number}"] = (await full.make("POST", "/v1/contacts", twin))["id"]
    asker = {"external_id": "phoned", "name": "نرگس محمدی", "addresses": [{"kind": "phone", "value": NUMBER}]}
    full.has["asker"] = (await full.make("POST", "/v1/contacts", asker))["id"]
    either = {"any": [{"address": "phone"}, {"history": "sent", "days": 9}]}
    rules = {"all": [{"tag": evil("rule", 50)}, either]}
    await full.new("segment_id", "/v1/segments", {"name": evil("segment", 60), "rules": rules})
    rows = f"id;name;{evil('header', 60)}\nc1;{evil('cell', 90)};x\n;;\n".replace('"', "'")
    query = f"?file_name={quote(evil('file', 100))}"
    await full.new("import_id", f"/v1/imports{query}", rows.encode())
    await full.new("export_id", "/v1/exports", {"audience": {"tags": [evil("exported", 50)]}})


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────


async def _lines(full: FullHouse) -> None:
    await full.make("POST", "/v1/lines", SMS)
    line = await full.new("line_id", "/v1/lines", {**LINE, "requirement": "viber-sender"})
    one = await full.new("registration_id", f"/v1/lines/{line}/registrations", {})
    query = f"?document=letter&name={quote(evil('document', 60))}"
    await full.make("POST", f"/v1/lines/{line}/registrations/{one}/documents{query}", PDF)
    words = {"name": evil("pattern", 60), "text": evil("wording", 300)}
    pattern = {**words, "class": "service", "syntax": "braces"}
    await full.new("pattern_id", f"/v1/lines/{line}/patterns", pattern)
    tariff = await full.new("tariff_id", "/v1/tariffs", {"name": "tariff-of-one"})
    await full.new("price_list_id", f"/v1/tariffs/{tariff}/price-lists", PRICE_LIST)
    await full.house.world.lines.reload([full.client.workspace_id])
    full.has |= {"channel": "smpp"}


# ── words ────────────────────────────────────────────────────────────────────────────────────────────


async def _content(full: FullHouse) -> None:
    await full.new("media_id", f"/v1/media?file_name={quote(evil('picture', 60))}", PNG)
    plain = {
        name: evil(name, 200 if name == "subject" else 900).replace("{{ 7*7 }} {% raw %}", "")
        for name in ("part", "template", "subject", "mail")
    }
    await full.make("PUT", "/v1/parts/footer", {"source": plain["part"]})
    variants = [
        {"content": {"text": plain["template"]}},
        {"channel": "smtp", "content": {"subject": plain["subject"], "text": plain["mail"]}},
    ]
    template = await full.new("template_id", "/v1/templates", {"name": "words", "variants": variants})
    variants[0] = {"content": {"text": plain["template"] + " {{ contact.name }}"}}
    changed = {"name": "words", "variants": variants, "publish": True}
    await full.make("PUT", f"/v1/templates/{template}", changed)
    cascade = {"name": "quick", "steps": [{"channel": "viber_business"}, {"channel": "smpp"}]}
    await full.new("cascade_id", "/v1/cascades", cascade)
    full.has["part"] = "footer"
    offer = {
        "name": "offer",
        "class": "promotional",
        "variants": [{"content": {"text": "{{ contact.name }}: {{ what }}. STOP to unsubscribe"}}],
    }
    await full.make("POST", "/v1/templates", offer)


async def _messages(full: FullHouse) -> None:
    """Refused, in doubt, taken, waiting."""
    for text in ("told", "doubtful", "taken", "waiting"):
        body = {
            "to": {"phone": PHONE},
            "class": "service",
            "line": "viber",
            "text": evil(text, 700),
            "label": evil("label", 64),
            "reference": evil("reference", 128),
        }
        await full.new("message_id" if text == "told" else f"message_{text}", "/v1/messages", body)
    refused = Refused(Reason.REJECTED, code=evil("code", 100), detail=evil("detail", 400))
    doubt = Unknown(evil("doubt", 400))
    await full.hand_over("viber", refused, doubt, Accepted((evil("ref", 100),)))
    full.has["ref"] = evil("ref", 100)


async def _campaigns(full: FullHouse) -> None:
    """A draft; and one that has been told to everybody."""
    body = {
        "name": evil("campaign", 100),
        "audience": {"everybody": True},
        "template": "offer",
        "variables": {"what": evil("variable", 200)},
        "line": "sms",
    }
    await full.new("campaign_id", "/v1/campaigns", body)
    started = await full.new("started_id", "/v1/campaigns", body)
    await full.make("POST", f"/v1/campaigns/{started}/start", {})
    for _ in range(6):
        await full.house.campaigns.work()


# ── who works here, and what they may ───────────────────────────────────────────────────────────────


async def _settings(full: FullHouse) -> None:
    for shape in ("smpp", "twilio"):
        routes = [{"class": "service", "channel": "smpp"}]
        body = {"name": evil(f"{shape}-account", 100), "routes": routes}
        await full.new(f"{shape}_account_id", f"/v1/{shape}-accounts", body)
    await full.new("api_key_id", "/v1/keys", {"name": evil("key", 60), "scopes": ["messages:write"]})
    suppressed = {"kind": "phone", "value": "+380441234569", "reason": "regulator"}
    await full.new("suppression_id", "/v1/suppressions", {**suppressed, "detail": evil("suppressed", 200)})
    provider = {**PROVIDER, "name": evil("provider", 60)}
    await full.new("identity_provider_id", "/v1/identity-providers", provider)
    await full.make("PUT", "/v1/policies/quiet-hours", {"rules": [{"from": "21:00", "until": "08:00"}]})
    somebody = surfer_of(full.client)
    person_id = await joined(full.house, somebody, full.client.workspace_id, "agent@shop.example", Role.AGENT)
    await full.client.ask("GET", f"/v1/messages/{quote(evil('asked', 60), safe='')}")
    full.has |= {
        "person_id": ids.show("person", person_id),
        "workspace_id": ids.show("workspace", full.client.workspace_id),
        "kind": "quiet-hours",
        "group": "messages",
    }


async def _doors(full: FullHouse) -> None:
    """Whoever is invited, has forgotten a password, or has yet to show or to set up a second factor."""
    ground, workspace_id, club = full.house.ground, full.client.workspace_id, await _club(full)
    full.tokens["/invitation"] = await invited(full.house, workspace_id, "invited@shop.example")
    person = await people.known(ground, "agent@shop.example")
    full.tokens["/reset/new"] = await ground.db.run(people.reset_link, ground, person)
    for path, email, place in (
        ("/sign-in/factor", "factor@shop.example", workspace_id),
        ("/sign-in/enrol", "enrol@shop.example", club),
    ):
        inside = surfer_of(full.client)
        await joined(full.house, inside, workspace_id, email, Role.AGENT)
        if place == club:
            token = await invited(full.house, club, email, Role.AGENT)
            page = await inside.another().post("/invitation", {"link": token, "password": PASSWORD})
            assert page.location.startswith(path), page.words
        else:
            await inside.set_up_app()
        outside = inside.another()
        page = await outside.sign_in(email)
        full.cookies[path] = f"{session.COOKIE}={outside.cookies[session.COOKIE]}"


async def _club(full: FullHouse) -> int:
    """Another workspace, which wants a second factor of everybody; its id."""
    club = await member(full.client.with_key(""), full.house.ground, "club")
    put = await club.ask("PUT", "/v1/policies/sign-in", {"second_factor": "everybody"})
    assert put.status == 200, put
    return club.workspace_id
