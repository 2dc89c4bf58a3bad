"""Bale, by a bot: to people in Iran who have begun a chat with it. Its methods are Telegram's.

Sources: docs.bale.ai (November 2026: the address of methods, the form of answers, how updates are asked for).
What is not told there is taken to be as at Telegram (`telegram_kit`), which Bale's interface is made after;
the words of errors are Bale's own.

Quirks:
- A bot cannot begin: a person starts it first.
- No receipt of any kind, and no word of a person who stopped the bot.
- Updates are asked for: nothing is documented by which one that is posted could be believed.
- The token stands in the address of every request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from angarium.channels import kit, telegram_kit
from angarium.core.ports import LINKS, Capabilities, Carries, Channel, Outcome, Raw, Submission, Tools
from angarium.core.problems import FieldProblem
from angarium.core.values import WITHOUT_URL, AddressKind, Content, MessageClass

BUTTONS_MAX = 100
UPDATES = ("message", "callback_query")

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One bot."""

    token: Annotated[
        kit.Secret,
        Meta(
            title="Token",
            description="From @botfather in Bale.",
            pattern=r"^[0-9]{1,20}:[A-Za-z0-9_-]{1,100}$",
        ),
    ]
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Without a slash at its end.")
    ] = "https://tapi.bale.ai"


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to a method of the bot."""
    return await telegram_kit.send(tools, settings, submission)


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """4096 characters, 1024 beside a file; buttons of 64 bytes; no templates by name."""
    return telegram_kit.lint(CAPABILITIES, content)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def genuine(_settings: Settings, _raw: Raw) -> bool:
    """Nothing that is posted can be believed."""
    return False


async def listen(tools: Tools, settings: Settings, hear: Callable[[Raw], Awaitable[None]]) -> None:
    """Ask for updates, always."""
    await telegram_kit.listen(tools, settings, hear, UPDATES)


MEGABYTE = 1_000_000
CAPABILITIES = Capabilities(
    receipts=frozenset(),
    classes=frozenset(MessageClass),
    two_way=True,
    buttons_max=BUTTONS_MAX,
    buttons=LINKS | WITHOUT_URL,
    images=True,
    media=(  # by their address, as at Telegram
        Carries(frozenset({"image/jpeg", "image/png"}), 5 * MEGABYTE),
        Carries(frozenset({"audio/mpeg", "video/mp4", "application/pdf"}), 20 * MEGABYTE),
    ),
    text_max=telegram_kit.TEXT_MAX,
)

CHANNEL = Channel(
    kind="bale_bot",
    title="Bale (bot)",
    known_as="بله بازو",
    address_kind=AddressKind.BALE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=telegram_kit.parse,
    measure=telegram_kit.measure,
    send=send,
    lint=lint,
    genuine=genuine,
    profile=telegram_kit.ask_profile,
    listen=listen,
)
