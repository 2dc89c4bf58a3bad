"""python-telegram-bot, unmodified, speaks to the simulated Telegram and reads what it says."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.error import BadRequest, Forbidden, RetryAfter
from telegram.request import HTTPXRequest

from angarium.simulators.behaviour import Behaviour, Rule, Script
from angarium.simulators.faces.telegram_bot import TOKEN, TelegramFace
from angarium.simulators.stage import Stage

TO, BLOCKED, STRANGER, BUSY = 5550001, 5550002, 5550003, 5550004


@pytest.fixture
async def face() -> AsyncIterator[TelegramFace]:
    """A simulated Telegram, with somebody who blocked the bot, a stranger, and a crowd."""
    said = {BLOCKED: Behaviour.BLOCKED, STRANGER: Behaviour.NOT_A_USER, BUSY: Behaviour.THROTTLED}
    rules = tuple(Rule(how, suffix=str(to)) for to, how in said.items())
    made = TelegramFace(Stage(Script(rules=rules)), 0)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def bot(face: TelegramFace) -> AsyncIterator[Bot]:
    """The client, but for its address as it is for the real one."""
    one, other = (HTTPXRequest(httpx_kwargs={"trust_env": False}) for _ in range(2))
    made = Bot(TOKEN, base_url=f"{face.url()}/bot", request=one, get_updates_request=other)
    async with made:
        yield made


async def test_it_sends(bot: Bot, face: TelegramFace) -> None:
    keys = InlineKeyboardMarkup(
        [
            [InlineKeyboardButton("Open", url="https://shop.example")],
            [InlineKeyboardButton("Later", callback_data="later")],
        ]
    )
    sent = await bot.send_message(TO, "Your order is ready", reply_markup=keys)
    photo = await bot.send_photo(TO, "https://shop.example/a.png", caption="Look")
    assert (sent.chat.id, photo.message_id) == (TO, sent.message_id + 1)
    first, second = face.ledger.entries
    assert (first.recipient, first.text, first.buttons[0]["url"]) == (
        str(TO),
        "Your order is ready",
        "https://shop.example",
    )
    assert (second.text, second.image_url) == ("Look", "https://shop.example/a.png")
    assert (await bot.get_me()).username == "demo_shop_bot"


@pytest.mark.parametrize(
    ("to", "error", "words"),
    [
        (BLOCKED, Forbidden, "bot was blocked by the user"),
        (STRANGER, BadRequest, "Chat not found"),
        (BUSY, RetryAfter, "Retry in 0:00:01"),
    ],
)
async def test_it_understands_refusals(
    monkeypatch: pytest.MonkeyPatch, bot: Bot, to: int, error: type[Exception], words: str
) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")  # the client warns of what will be otherwise in another version
    with pytest.raises(error, match=words):
        await bot.send_message(to, "x")


async def test_it_reads_updates(bot: Bot, face: TelegramFace) -> None:
    await face.send_inbound(str(TO), "Hello")
    await face.press(str(TO), f"{TO}/1", "later")
    await face.switch(str(TO), "kicked")
    message, press, switch = await bot.get_updates(timeout=1)
    assert message.message is not None
    assert (message.message.text, message.message.chat.id) == ("Hello", TO)
    assert press.callback_query is not None
    assert press.callback_query.data == "later"
    await press.callback_query.answer()
    assert face.answered == [press.callback_query.id]
    assert switch.my_chat_member is not None
    assert switch.my_chat_member.new_chat_member.status == "kicked"
    assert await bot.get_updates(offset=switch.update_id + 1) == ()
    assert await bot.set_webhook("https://me.example/callbacks", secret_token="our-word")
    assert face._stage.webhooks["telegram"].secret == "our-word"
