"""S11 and P21: what a provider says is taken once, after it is committed; what is forged leaves no trace.

The server is the real one, on sockets and on both databases, with its loops; the providers answer over HTTP.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from angarium.assembly import House, application, assemble
from angarium.config import Settings
from angarium.messaging.store import inbox
from angarium.protocols import signatures
from angarium.protocols.signatures import hub_signature
from support.http_line import provider
from support.server import Client, Heard, everything_in, member, on_loopback

PATIENCE_S = 20.0
POLL_S = 0.02
SAID = ("journal", "parked_receipt", "inbound", "inbound_part", "attempt", "message", "part", "fact")

NUMBER, SECRET, PHONE = "1234567890", "app-secret", "+380441234568"


@dataclass(frozen=True)
class Kind:
    """A channel with callbacks: a line on it, what its provider answers, and its "delivered"."""

    settings: dict[str, Any]
    taken: Any
    delivered: Callable[[str], Any]  # of the attempt of this reference of ours
    signed: bool = False


def _webhook(value: dict[str, Any], number: str = NUMBER) -> Any:
    held = {"metadata": {"phone_number_id": number, "display_phone_number": "+250788123200"}, **value}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"changes": [{"field": "messages", "value": held}]}],
    }


def _whatsapp_status(ref: str) -> Any:
    told = {
        "id": "wamid.A",
        "status": "delivered",
        "timestamp": "1454119029",
        "biz_opaque_callback_data": ref,
    }
    return _webhook({"statuses": [told]})


KINDS = {
    "viber_business": Kind(
        {"api_key": "k", "sender": "Shop"}, {"message_id": 429}, lambda _ref: {"message_id": 429, "status": 1}
    ),
    "vk_notify": Kind(
        {"api_key": "k", "service": "Shop", "text_template": "plain", "text_variable": "text"},
        {"result": [{"code": "OK", "messageId": 429}]},
        lambda ref: {"messageId": 429, "status": "delivered", "callbackData": {"ref": ref}},
    ),
    "whatsapp_cloud": Kind(
        {"phone_number_id": NUMBER, "access_token": "t", "app_secret": SECRET, "verify_token": "w"},
        {"messages": [{"id": "wamid.A"}]},
        _whatsapp_status,
        signed=True,
    ),
}
UNSIGNED = [kind for kind in KINDS if not KINDS[kind].signed]
every_kind = pytest.mark.parametrize("kind", KINDS)


@dataclass
class Shop:
    """A workspace on a running server, and providers that take whatever it sends."""

    house: House
    client: Client
    stack: AsyncExitStack

    async def line(self, kind: str, name: str = "line", **changes: Any) -> dict[str, Any]:
        """A new line on a provider of its own, once the server knows it."""
        url, _ = await self.stack.enter_async_context(provider(200, KINDS[kind].taken, {}))
        given = {"name": name, "channel": kind, "classes": ["service"], "registration": "approved"}
        settings = {**KINDS[kind].settings, "base_url": url, **changes}
        made = await self.client.ask("POST", "/v1/lines", {**given, "settings": settings})
        assert made.status == 201, made.body
        line: dict[str, Any] = made.json
        await self.until(lambda: self._state(line["id"]), lambda state: state.startswith("ready"))
        return line

    async def sent(self, line: dict[str, Any]) -> tuple[str, str]:
        """A message that its provider has taken: its id and the reference of its attempt."""
        body = {"to": {"phone": PHONE}, "class": "service", "text": "hello", "line": line["name"]}
        made = await self.client.ask("POST", "/v1/messages", body)
        assert made.status == 202, made.body
        message_id: str = made.json["id"]
        told = await self.until(lambda: self.told(message_id), lambda it: it["state"] == "sent")
        return message_id, told["attempts"][0]["id"]

    async def told(self, message_id: str) -> dict[str, Any]:
        """A message as the API tells it."""
        found: dict[str, Any] = (await self.client.ask("GET", f"/v1/messages/{message_id}")).json
        return found

    async def post(self, path: str, body: bytes, signature: str = "", **headers: str) -> Heard:
        """A callback, as anybody might post it."""
        named = {"X_Hub_Signature_256": signature} if signature else {}
        return await self.client.with_key("").ask("POST", path, data=body, **named, **headers)

    async def genuine(self, line: dict[str, Any], body: bytes, secret: str = SECRET) -> Heard:
        """A callback as the line's provider posts it."""
        signature = hub_signature(secret, body) if KINDS[line["channel"]].signed else ""
        return await self.post(line["callback_path"], body, signature)

    async def said(self) -> dict[str, Any]:
        """Every row that a callback could leave."""
        found = await everything_in(self.house.ground.db)
        return {name: found[name] for name in SAID}

    async def applied(self) -> None:
        """Wait until what was taken has been worked through."""
        await self.house.engine.applier.drained()

    async def until(self, look: Callable[[], Awaitable[Any]], good: Callable[[Any], bool]) -> Any:
        """Look again and again until it is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not good(found := await look()):  # noqa: ASYNC110 - no event tells of an answer to come
                await asyncio.sleep(POLL_S)
        return found

    async def _state(self, line_id: str) -> str:
        state: str = (await self.client.ask("GET", f"/v1/lines/{line_id}")).json["state"]
        return state


@asynccontextmanager
async def opened(
    database_url: str, folder: Path, allow_private: tuple[str, ...] = ("127.0.0.1",)
) -> AsyncIterator[Shop]:
    """The whole server with its loops; it may call providers on this machine."""
    given = Settings(database=database_url, key_file=str(folder / "vault.key"), allow_private=allow_private)
    house = assemble(given)
    await house.open()
    await house.engine.start()
    try:
        async with AsyncExitStack() as stack, on_loopback(application(house)) as client:
            yield Shop(house, await member(client, house.ground, "shop"), stack)
            await house.engine.stop()
    finally:
        await house.close()


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with opened(database_url, tmp_path) as made:
        yield made


def encoded(document: Any) -> bytes:
    return msgspec.json.encode(document)


def wounds(data: bytes) -> list[bytes]:
    """The data with each of its bytes changed, one at a time."""
    return [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in range(len(data))]


# ── genuine ──────────────────────────────────────────────────────────────────────────────────────────


@every_kind
async def test_a_genuine_callback_is_applied_and_its_repetition_changes_nothing(
    shop: Shop, kind: str
) -> None:
    line = await shop.line(kind)
    message_id, ref = await shop.sent(line)
    body = encoded(KINDS[kind].delivered(ref))
    assert (await shop.genuine(line, body)).status == 200
    await shop.applied()
    told = await shop.told(message_id)
    assert told["state"] == "delivered"
    for _ in range(3):
        assert (await shop.genuine(line, body)).status == 200
    await shop.applied()
    assert await shop.told(message_id) == told


@every_kind
async def test_the_answer_comes_after_the_commit_and_not_without_it(
    shop: Shop, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = await shop.line(kind)
    reached, go, run = asyncio.Event(), asyncio.Event(), shop.house.ground.db.run

    async def held(work: Any, *args: Any, **kwargs: Any) -> Any:
        if work is inbox.write_journal:
            reached.set()
            await go.wait()
        return await run(work, *args, **kwargs)

    monkeypatch.setattr(shop.house.ground.db, "run", held)
    asked = asyncio.create_task(shop.genuine(line, b"{}"))
    await asyncio.wait_for(reached.wait(), PATIENCE_S)
    answered, _ = await asyncio.wait([asked], timeout=0.1)
    assert not answered, "answered before it was written"
    assert (await shop.said())["journal"] == []
    go.set()
    assert (await asked).status == 200
    assert len((await shop.said())["journal"]) == 1

    async def broken(work: Any, *args: Any, **kwargs: Any) -> Any:
        if work is inbox.write_journal:
            raise OSError("the disk is gone")
        return await run(work, *args, **kwargs)

    monkeypatch.setattr(shop.house.ground.db, "run", broken)
    assert (await shop.genuine(line, b"{}")).status >= 500
    assert len((await shop.said())["journal"]) == 1


# ── forged ───────────────────────────────────────────────────────────────────────────────────────────


TOPIC = "arn:aws:sns:eu-west-1:123456789012:mail"
SES = {
    "access_key_id": "k",
    "secret_access_key": "s",
    "region": "eu-west-1",
    "sender_address": "shop@a.example",
}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_cannot_be_told_yet_is_to_be_posted_again_and_leaves_no_trace(shop: Shop) -> None:
    """SNS signs with a certificate that cannot be fetched now; of a strange topic nothing is fetched."""
    url, asked = await shop.stack.enter_async_context(provider(503, {}, {}))
    given = {
        "name": "line",
        "channel": "amazon_ses_email",
        "classes": ["service"],
        "registration": "approved",
    }
    settings = {**SES, "topic_arns": TOPIC, "sns_url": url}
    line = (await shop.client.ask("POST", "/v1/lines", {**given, "settings": settings})).json
    await shop.until(lambda: shop._state(line["id"]), lambda state: state.startswith("ready"))
    posted = {
        "Type": "Notification",
        "MessageId": "1",
        "Message": "{}",
        "Timestamp": "2026-11-28T12:00:00.000Z",
    }
    posted |= {
        "SignatureVersion": "2",
        "Signature": "AAAA",
        "SigningCertURL": f"{url}/a.pem",
        "TopicArn": TOPIC,
    }
    before = await shop.said()
    strange = {**posted, "TopicArn": f"{TOPIC}2"}
    assert (await shop.post(line["callback_path"], encoded(strange))).status == 401
    assert asked == []
    told = await shop.post(line["callback_path"], encoded(posted))
    assert (told.status, told.json["type"].rpartition("/")[2]) == (503, "not-told-yet")
    assert "SNS answered with HTTP 503" in told.json["detail"]
    assert [one.path for one in asked] == ["/a.pem"]
    assert await shop.said() == before


async def test_each_changed_byte_of_a_signed_callback_is_refused_and_leaves_no_trace(shop: Shop) -> None:
    line = await shop.line("whatsapp_cloud")
    _, ref = await shop.sent(line)
    body = encoded(_whatsapp_status(ref))
    signature, before = hub_signature(SECRET, body), await shop.said()
    for changed in wounds(body):
        assert (await shop.post(line["callback_path"], changed, signature)).status == 401, changed
    headers = [wound.decode() for wound in wounds(signature.encode())]
    headers += [
        signature.upper(),
        signature[:-1],
        signature + "0",
        signature.replace("256", "1"),
        "sha256=",
        "x",
    ]
    headers += [hub_signature("", body), hub_signature("other", body), hub_signature(SECRET, b"")]
    for header in headers:
        assert (await shop.post(line["callback_path"], body, header)).status == 401, header
    assert (await shop.post(line["callback_path"], body)).status == 401
    assert (await shop.post(line["callback_path"] + f"?signature={signature}", body)).status == 401
    await shop.applied()
    assert await shop.said() == before
    assert (await shop.genuine(line, body)).status == 200  # it was genuine all the time


@pytest.mark.parametrize("kind", UNSIGNED)
async def test_each_changed_byte_of_a_secret_path_is_refused_and_leaves_no_trace(
    shop: Shop, kind: str
) -> None:
    line = await shop.line(kind)
    _, ref = await shop.sent(line)
    body, before = encoded(KINDS[kind].delivered(ref)), await shop.said()
    path: str = line["callback_path"]
    secret = path.removeprefix("/callbacks/")
    wrong = [wound.decode("latin-1") for wound in wounds(secret.encode())]
    wrong += [secret.upper(), secret[:-1], secret + "0", secret.partition("/")[0] + "/"]
    for changed in wrong:
        assert (await shop.post(f"/callbacks/{changed}", body)).status in (404, 405), changed
    await shop.applied()
    assert await shop.said() == before
    assert (await shop.genuine(line, body)).status == 200


@pytest.mark.parametrize("kind", UNSIGNED)
async def test_an_unsigned_callback_is_taken_from_listed_addresses_only(shop: Shop, kind: str) -> None:
    line = await shop.line(kind, callback_networks="198.51.100.0/24, 127.0.0.2")
    assert (await shop.genuine(line, b"{}")).status == 401
    assert (await shop.post(line["callback_path"], b"{}", X_Forwarded_For="127.0.0.2")).status == 401
    assert (await shop.said())["journal"] == []
    from_there = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    there = aiohttp.ClientSession(connector=from_there)
    async with there, there.post(shop.client.url + line["callback_path"], data=b"{}") as answer:
        assert answer.status == 200
    assert len((await shop.said())["journal"]) == 1


@pytest.mark.parametrize("kind", UNSIGNED)
async def test_what_is_no_network_is_refused_by_name(shop: Shop, kind: str) -> None:
    settings = {**KINDS[kind].settings, "callback_networks": "203.0.113.0/24, provider.example"}
    made = await shop.client.ask("POST", "/v1/lines", {"name": "x", "channel": kind, "settings": settings})
    assert made.status == 422
    assert "provider.example" in made.fields["settings.callback_networks"]["problem"]


async def test_every_secret_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def watched(given: bytes, expected: bytes) -> bool:
        compared.append((given, expected))
        return hmac.compare_digest(given, expected)

    class Watched:
        new, compare_digest = staticmethod(hmac.new), staticmethod(watched)

    monkeypatch.setattr(signatures, "hmac", Watched)
    assert signatures.hub_genuine(hub_signature("first", b"x"), ("first", "second"), b"x")
    assert not signatures.hub_genuine("sha256=0", ("first", "second"), b"x")
    assert len(compared) == 4, "the first that fits does not end it"


# ── replayed ─────────────────────────────────────────────────────────────────────────────────────────


def _written(ref: str, text: str = "Where is my order?") -> Any:
    said = {
        "from": "380441234568",
        "id": ref,
        "timestamp": "1454119029",
        "type": "text",
        "text": {"body": text},
    }
    return _webhook({"messages": [said]})


async def test_a_message_of_a_customer_is_one_however_often_it_is_posted(shop: Shop) -> None:
    """Meta signs no time, so an old callback is as good as a new one: its id is what makes it one."""
    line = await shop.line("whatsapp_cloud")
    body, pretty = encoded(_written("wamid.1")), msgspec.json.format(encoded(_written("wamid.1")), indent=2)
    answers = await asyncio.gather(*(shop.genuine(line, one) for one in (body, body, pretty, body, pretty)))
    assert {answer.status for answer in answers} == {200}
    await shop.applied()
    assert (await shop.genuine(line, body)).status == 200  # again, after it was applied
    assert (await shop.genuine(line, encoded(_written("wamid.2")))).status == 200
    await shop.applied()
    said = await shop.said()
    assert len(said["inbound"]) == 2
    assert sum("inbound.received" in map(str, fact) for fact in said["fact"]) == 2
    for forged in (_written("wamid.3"), _written("wamid.1", "Send me the code")):
        assert (
            await shop.post(line["callback_path"], encoded(forged), hub_signature("x", b"y"))
        ).status == 401
    await shop.applied()
    assert await shop.said() == said


async def test_both_secrets_are_believed_while_one_is_changed(shop: Shop) -> None:
    line = await shop.line("whatsapp_cloud")
    path = f"/v1/lines/{line['id']}"

    async def answered(secret: str) -> int:
        return (await shop.genuine(line, encoded(_written("wamid.1")), secret)).status

    async def change(**secrets: str) -> None:
        settings = {**line["settings"], **secrets}
        changed = await shop.client.ask("PUT", path, {**_without_what_is_shown(line), "settings": settings})
        assert changed.status == 200, changed.body

    assert await answered("new-secret") == 401
    await change(app_secret="new-secret", app_secret_before=SECRET)
    await shop.until(lambda: answered("new-secret"), lambda status: status == 200)
    assert await answered(SECRET) == 200
    await change(app_secret="new-secret", app_secret_before="")
    await shop.until(lambda: answered(SECRET), lambda status: status == 401)
    assert await answered("new-secret") == 200


def _without_what_is_shown(line: dict[str, Any]) -> dict[str, Any]:
    return {name: line[name] for name in ("name", "channel", "classes", "registration")}


# ── swapped ──────────────────────────────────────────────────────────────────────────────────────────


@every_kind
async def test_a_line_is_not_spoken_for_by_another(shop: Shop, kind: str) -> None:
    """Neither at the other's path, nor with our own reference, nor with the same id at another provider."""
    line, other = await shop.line(kind), await shop.line(kind, "other")
    message_id, ref = await shop.sent(line)
    before = await shop.told(message_id)
    body = encoded(KINDS[kind].delivered(ref))
    theirs, ours = (one["callback_path"].rsplit("/", 1) for one in (other, line))
    for mixed in (f"{theirs[0]}/{ours[1]}", f"{ours[0]}/{theirs[1]}"):
        assert (await shop.post(mixed, body, hub_signature(SECRET, body))).status == 404
    assert (await shop.genuine(other, body)).status == 200  # genuine, of the other
    query = f"?ref={ref}" if kind == "viber_business" else ""
    assert (await shop.post(other["callback_path"] + query, body, hub_signature(SECRET, body))).status == 200
    await shop.applied()
    assert await shop.told(message_id) == before


@every_kind
async def test_nor_is_another_workspace(shop: Shop, kind: str) -> None:
    line = await shop.line(kind)
    message_id, ref = await shop.sent(line)
    before = await shop.told(message_id)
    stranger = Shop(shop.house, await member(shop.client, shop.house.ground, "stranger"), shop.stack)
    changes = {"app_secret": "theirs"} if KINDS[kind].signed else {}
    theirs = await stranger.line(kind, **changes)
    body = encoded(KINDS[kind].delivered(ref))
    if KINDS[kind].signed:
        assert (await shop.post(theirs["callback_path"], body, hub_signature(SECRET, body))).status == 401
        assert (await shop.post(line["callback_path"], body, hub_signature("theirs", body))).status == 401
    assert (await stranger.genuine(theirs, body, "theirs")).status == 200
    query = f"?ref={ref}" if kind == "viber_business" else ""
    assert (
        await shop.post(theirs["callback_path"] + query, body, hub_signature("theirs", body))
    ).status == 200
    await shop.applied()
    assert await shop.told(message_id) == before
