"""Telegram, by a bot: to people who have begun a chat with it.

Sources: core.telegram.org/bots/api (version 10.0 of May 2026); tdlib/telegram-bot-api, Client.cpp and
Query.cpp (the words of errors); nyaruka/courier handlers/telegram (limits of files).

Quirks:
- A bot cannot begin: a person presses Start first. What stands behind the link (`t.me/bot?start=word`) comes
  as the payload of their first message, which is how a chat finds its contact.
- No receipt of any kind: what was accepted is all that is ever known. A step that waits for more waits in
  vain.
- The token stands in the address of every request.
- Updates are posted to us (`attach`), or asked for (`receive`: polling), never both: Telegram refuses (409).
- A pressed button shows a clock on the phone until it is answered; we answer it with nothing.
- Groups are not people: what is said in them is parked.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from angarium.channels import kit, telegram_kit
from angarium.core.ports import (
    LINKS,
    Accepted,
    Capabilities,
    Carries,
    Channel,
    Outcome,
    Raw,
    Refused,
    Reply,
    Submission,
    Tools,
    Unknown,
)
from angarium.core.problems import FieldProblem
from angarium.core.values import (
    WITHOUT_URL,
    AddressKind,
    Content,
    MessageClass,
    Reason,
)
from angarium.protocols import telegram
from angarium.protocols.answers import Answer

TEXT_MAX, CAPTION_MAX = 4_096, 1_024  # characters
BUTTONS_MAX = 100
DATA_MAX = telegram.DATA_MAX
POLL_S = 25  # how long Telegram holds a question open
UPDATES = ("message", "callback_query", "my_chat_member")

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One bot."""

    token: Annotated[
        kit.Secret,
        Meta(
            title="Token",
            description="From @BotFather, such as 110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw.",
            pattern=r"^[0-9]{1,20}:[A-Za-z0-9_-]{1,100}$",
        ),
    ]
    webhook_secret: Annotated[
        kit.Secret,
        Meta(
            title="Secret of updates",
            description="Any word of your own: A-Z, a-z, 0-9, _ and -. Telegram repeats it with each update.",
            pattern=r"^[A-Za-z0-9_-]{1,256}$",
        ),
    ]
    receive: Annotated[
        Literal["webhook", "polling"],
        Meta(
            title="How updates come",
            description="webhook: Telegram posts them, to a public address. polling: we ask; works anywhere.",
        ),
    ] = "webhook"
    silent: Annotated[
        bool, Meta(title="Without a sound", description="Promotional messages make no sound on the phone.")
    ] = True
    base_url: Annotated[
        kit.WebAddress,
        Meta(
            title="Address of the API",
            description="Without a slash at its end; of your own Bot API server, if you run one.",
        ),
    ] = "https://api.telegram.org"


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to a method of the bot; an advertisement makes no sound, if the line says so."""
    return await telegram_kit.send(tools, settings, submission, silent=is_silent(settings, submission))


def is_silent(settings: Settings, submission: Submission) -> bool:
    """Whether the phone makes no sound."""
    return settings.silent and submission.message_class is MessageClass.PROMOTIONAL


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """4096 characters, 1024 beside a file; buttons of 64 bytes; no templates by name."""
    return telegram_kit.lint(CAPABILITIES, content)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether the update comes with our word; never where we ask for updates ourselves."""
    given = raw.headers.get("x-telegram-bot-api-secret-token", "").encode(errors="replace")
    return settings.receive == "webhook" and hmac.compare_digest(given, settings.webhook_secret.encode())


def reply(_settings: Settings, raw: Raw) -> Reply:
    """A pressed button is answered in the same breath: the answer to an update may call a method."""
    update = kit.read_json(raw.body, telegram.Update)
    if update is None or update.callback_query is None:
        return Reply()
    answer = {"method": "answerCallbackQuery", "callback_query_id": update.callback_query.id}
    return Reply(200, msgspec.json.encode(answer).decode(), "application/json")


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────


async def listen(tools: Tools, settings: Settings, hear: Callable[[Raw], Awaitable[None]]) -> None:
    """Ask for updates, on a line that asks."""
    if settings.receive == "polling":
        await telegram_kit.listen(tools, settings, hear, UPDATES)


async def attach(tools: Tools, settings: Settings, url: str) -> Refused | Unknown | None:
    """Have updates posted to the line's address."""
    if settings.receive != "webhook":
        return Refused(
            Reason.CONFIG, detail="this line asks for updates itself; set receive to webhook first"
        )
    asked = {"url": url, "secret_token": settings.webhook_secret, "allowed_updates": UPDATES}
    outcome = await kit.exchange(tools, telegram_kit.url(settings, "setWebhook"), asked, {}, _agreed)
    return None if isinstance(outcome, Accepted) else outcome


def _agreed(answer: Answer) -> Outcome | None:
    told = kit.read_json(answer.body, telegram.Answered)
    return Accepted() if told is not None and told.ok else telegram_kit.judge(answer)


MEGABYTE = 1_000_000
CAPABILITIES = Capabilities(
    receipts=frozenset(),
    classes=frozenset(MessageClass),
    two_way=True,
    buttons_max=BUTTONS_MAX,
    buttons=LINKS | WITHOUT_URL,
    images=True,
    media=(  # by their address: "5 MB max size for photos and 20 MB max for other types of content"
        Carries(frozenset({"image/jpeg", "image/png", "image/webp"}), 5 * MEGABYTE),
        Carries(frozenset({"audio/mpeg", "audio/mp4", "video/mp4"}), 20 * MEGABYTE),
        Carries(
            frozenset({"application/pdf", "application/zip"}), 20 * MEGABYTE
        ),  # the others by upload only
    ),
    text_max=telegram_kit.TEXT_MAX,
)

CHANNEL = Channel(
    kind="telegram_bot",
    title="Telegram (bot)",
    known_as="Телеграм Телеграмм تلگرام تيليجرام 电报",
    address_kind=AddressKind.TELEGRAM,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=telegram_kit.parse,
    measure=telegram_kit.measure,
    send=send,
    lint=lint,
    genuine=genuine,
    reply=reply,
    profile=telegram_kit.ask_profile,
    attach=attach,
    listen=listen,
)
