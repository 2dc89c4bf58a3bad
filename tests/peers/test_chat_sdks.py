"""Simulated messengers against SDKs for Python, each named: what these send, and read of what is posted.

Viber's is its own; WhatsApp, VK, Messenger, Instagram and Telegram's Gateway have none of their operators for
Python, so well-kept ones of others stand here. Telegram's is in test_telegram.py, MAX's in test_npm_sdks.py.
Bale's page sends its users to Telegram's libraries.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import pytest
from fbmessenger import BaseMessenger, MessengerClient
from telegram import Bot
from telegram.error import Forbidden
from telegram.request import HTTPXRequest
from telegram_gateway_verification import (
    RequestStatus,
    TelegramGatewayAPIError,
    TelegramGatewayClient,
    verify_callback_signature,
)
from viberbot import Api, BotConfiguration
from viberbot.api.messages import PictureMessage, TextMessage
from vk_api import ApiError, VkApi
from vk_api.bot_longpoll import VkBotEventType, VkBotLongPoll

from angarium.core.ports import Raw
from angarium.simulators import whatsapp
from angarium.simulators.faces import (
    _messenger,
    bale_bot,
    instagram,
    messenger,
    telegram_gateway,
    viber_bot,
    vk_community,
    whatsapp_cloud,
)
from support.sdk import ask, moved, operator

TEXT = "سلام & hello"


async def test_vibers_sdk_sends_and_reads_events(monkeypatch: pytest.MonkeyPatch) -> None:
    async with operator(viber_bot.ViberBotFace, viber_bot.TOKEN) as (face, ear):
        moved(monkeypatch, "https://chatapi.viber.com/pa", face.url())
        sdk = Api(BotConfiguration(auth_token=viber_bot.TOKEN, name="Demo Shop", avatar=""))
        to = "demo01234567890A0000000"  # of somebody who reads
        picture = PictureMessage(media="https://shop.example/a.png", text="Look")
        first, second = await ask(sdk.send_messages, to, [TextMessage(text=TEXT), picture])
        assert [entry.ref for entry in face.ledger.entries] == [str(first), str(second)]
        for event in ("delivered", "delivered", "seen", "seen"):
            raw = await ear.hear()
            assert sdk.verify_signature(raw.body, raw.headers["x-viber-content-signature"])
            assert not sdk.verify_signature(raw.body + b" ", raw.headers["x-viber-content-signature"])
            told = sdk.parse_request(raw.body)
            assert (told.event_type, told.user_id, told.message_token in (first, second)) == (event, to, True)
        await face.send_inbound(to, "Hello")
        heard = sdk.parse_request((await ear.hear()).body)
        assert (heard.sender.id, heard.message.text) == (to, "Hello")
        await face.begin(to, "spring")
        assert sdk.parse_request((await ear.hear()).body).context == "spring"
        await face.switch(to, "unsubscribed")
        assert sdk.parse_request((await ear.hear()).body).user_id == to
        assert (await ask(sdk.get_account_info))["name"] == "Demo Shop"
        with pytest.raises(Exception, match="receiverNotSubscribed"):
            await ask(sdk.send_messages, "nobody0003", TextMessage(text="x"))


async def test_pywa_sends_and_reads_webhooks() -> None:
    from pywa import WhatsApp, types  # takes a second: only the process does whose test it is
    from pywa.errors import ReEngagementMessage
    from pywa.types import templates

    async with operator(whatsapp.WhatsappFace, whatsapp_cloud.APP_SECRET) as (face, ear):
        sdk = WhatsApp(
            whatsapp.PHONE_NUMBER_ID, whatsapp.ACCESS_TOKEN, server=None, app_secret=whatsapp_cloud.APP_SECRET
        )
        sdk.api._session.base_url = f"{face.url()}/v25.0"
        heard: list[Any] = []
        sdk.on_message_status(lambda _sdk, status: heard.append(status))
        sdk.on_message(lambda _sdk, message: heard.append(message))

        async def hear() -> Any:
            raw = await ear.hear()
            signature = raw.headers["x-hub-signature-256"]
            assert sdk.webhook_update_validator(raw.body, signature) is None
            assert sdk.webhook_update_validator(raw.body + b" ", signature) is not None
            assert await ask(sdk.webhook_update_handler, raw.body) == ("ok", 200)
            return heard[-1]

        await face.send_inbound("+447700900100", "Hello")
        message = await hear()
        assert (message.from_user.wa_id, message.text) == ("447700900100", "Hello")
        buttons = [types.Button("Yes", "yes"), types.Button("No", "no")]
        sent = await ask(partial(sdk.send_message, "447700900100", TEXT, buttons=buttons, tracker="att_1"))
        for status in ("sent", "delivered", "read"):
            told = await hear()
            assert (told.id, told.status, told.tracker) == (sent.id, status, "att_1")
        template = partial(
            sdk.send_template, "447700900101", "order_ready", templates.TemplateLanguage.ENGLISH, []
        )
        assert (await ask(template)).id == face.ledger.entries[-1].ref
        closed = await ask(sdk.send_message, "447700900111", TEXT)
        while (told := await hear()).id != closed.id:
            assert told.pricing.category == "utility"
        assert isinstance(told.error, ReEngagementMessage)
        with pytest.raises(Exception, match=r"[Pp]arameter"):
            await ask(sdk.send_message, "447700900100", "x" * 5_000)
        sdk.api._session.close()


async def test_vk_api_sends_and_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    async with operator(vk_community.VkCommunityFace) as (face, ear):
        del face._stage.webhooks[face.name], ear
        moved(monkeypatch, "https://api.vk.ru", face.url())
        sdk = VkApi(token=vk_community.TOKEN, api_version="5.199")
        send = partial(sdk.method, "messages.send")
        asked = {"peer_id": 5550000, "random_id": 7, "message": TEXT}
        first = await ask(send, asked)
        assert (await ask(send, asked), len(face.ledger.entries)) == (first, 1)
        poll = await ask(VkBotLongPoll, sdk, vk_community.GROUP_ID, 1)
        await face.send_inbound("5550000", "Hello", context_ref=str(first))
        await face.switch("5550000", allowed=False)
        events = await ask(poll.check)
        said, denied = (one for one in events if isinstance(one.type, VkBotEventType))
        assert (said.type, said.message.text, said.from_user) == (VkBotEventType.MESSAGE_NEW, "Hello", True)
        assert (denied.type, denied.obj.user_id) == (VkBotEventType.MESSAGE_DENY, 5550000)
        with pytest.raises(ApiError) as refused:
            await ask(send, {**asked, "peer_id": 5550002, "random_id": 8})
        assert refused.value.code == 901
        poll.session.close()
        sdk.http.close()


class Listening(BaseMessenger):
    """The SDK's reader of webhooks, which has a method for each kind of event."""

    def __init__(self) -> None:
        super().__init__("token")
        self.heard: list[tuple[str, dict[str, Any]]] = []

    def message(self, message: dict[str, Any]) -> None:
        self.heard.append(("message", message))

    def delivery(self, message: dict[str, Any]) -> None:
        self.heard.append(("delivery", message))

    def read(self, message: dict[str, Any]) -> None:
        self.heard.append(("read", message))

    def account_linking(self, message: dict[str, Any]) -> None:
        raise AssertionError(message)

    postback = optin = account_linking


@pytest.mark.parametrize(
    ("make", "kinds"),
    [(messenger.face, ["message", "delivery", "read"]), (instagram.face, ["message", "read"])],
    ids=["messenger", "instagram"],
)
async def test_fbmessenger_sends_and_reads_webhooks(
    monkeypatch: pytest.MonkeyPatch, make: Any, kinds: list[str]
) -> None:
    async with operator(make, _messenger.APP_SECRET) as (face, ear):
        moved(monkeypatch, "https://graph.facebook.com", face.url())
        sdk = MessengerClient(_messenger.ACCESS_TOKEN, api_version=25.0)
        closed = await ask(sdk.send, {"text": TEXT}, "5550000")
        assert (closed["error"]["code"], len(face.ledger.entries)) == (10, 0)
        reader = Listening()
        await face.send_inbound("5550000", "Hello")
        reader.handle(_json(await ear.hear()))
        sent = await ask(sdk.send, {"text": TEXT}, "5550000")
        assert sent == {"recipient_id": "5550000", "message_id": face.ledger.entries[0].ref}
        for _ in kinds[1:]:
            reader.handle(_json(await ear.hear()))
        assert [kind for kind, _ in reader.heard] == kinds
        assert all(one["sender"]["id"] == "5550000" for _, one in reader.heard)
        sdk.session.close()


async def test_the_gateways_client_sends_and_believes_reports() -> None:
    async with operator(telegram_gateway.make) as (face, ear):
        sdk = TelegramGatewayClient(telegram_gateway.TOKEN, base_url=face.url())
        send = partial(sdk.send_verification_message, code="48215", ttl=60, payload="att_1")
        sent = await ask(send, phone_number="+447700900100")
        assert (sent.phone_number, sent.request_cost) == ("+447700900100", telegram_gateway.COST)
        with pytest.raises(TelegramGatewayAPIError, match="PHONE_NUMBER_NOT_AVAILABLE"):
            await ask(send, phone_number="+447700900102")
        asked = {"phone_number": "+447700900100", "code": "48215", "callback_url": ear.url}  # it wants https
        await ask(partial(sdk.session.post, f"{face.url()}/sendVerificationMessage", json=asked))
        for status in ("sent", "delivered", "read"):
            raw = await ear.hear()
            believes = partial(
                verify_callback_signature,
                api_token=telegram_gateway.TOKEN,
                timestamp_header=raw.headers["x-request-timestamp"],
                signature_header=raw.headers["x-request-signature"],
            )
            assert believes(raw_body=raw.body)
            assert not believes(raw_body=raw.body + b" ")
            told = RequestStatus.from_dict(_json(raw))
            assert told.delivery_status is not None
            assert told.delivery_status.status == status
        sdk.session.close()


async def test_telegrams_library_speaks_to_bale() -> None:
    async with operator(bale_bot.BaleFace) as (face, _ear):
        one, other = (HTTPXRequest(httpx_kwargs={"trust_env": False}) for _ in range(2))
        async with Bot(
            bale_bot.TOKEN, base_url=f"{face.url()}/bot", request=one, get_updates_request=other
        ) as bot:
            sent = await bot.send_message(5550001, TEXT)
            assert (sent.chat.id, str(sent.message_id)) == (
                5550001,
                face.ledger.entries[0].ref.rpartition("/")[2],
            )
            await face.send_inbound("5550001", "Hello")
            [update] = await bot.get_updates(timeout=1)
            assert update.message is not None
            assert update.message.text == "Hello"
            with pytest.raises(Forbidden):
                await bot.send_message(5550003, "x")


def _json(raw: Raw) -> dict[str, Any]:
    return msgspec.json.decode(raw.body, type=dict)
