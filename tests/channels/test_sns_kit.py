"""Callbacks by way of SNS, of a line of amazon_ses_email: which are believed, and whom we ask for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web

from angarium.channels import kit
from angarium.channels.amazon_ses_email import CHANNEL
from angarium.core.ports import Raw, Tools, Unknown
from angarium.protocols import sns
from angarium.simulators.faces.amazon_ses_email import TOPIC, Seal
from channels.test_amazon_ses_email import SETTINGS
from support.http_line import tools
from support.still import StillClock

SEAL = Seal()
CONFIRM = {"token": "t"}


@asynccontextmanager
async def topic(status: int = 200, pem: bytes = SEAL.pem) -> AsyncIterator[tuple[str, list[str], Tools, Any]]:
    """SNS: where it is, what it was asked, and a line to it."""
    asked: list[str] = []

    async def answering(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        return web.Response(status=status, body=pem)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answering)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with tools("127.0.0.1") as given:
        yield url, asked, given, kit.decode_settings(CHANNEL, {**SETTINGS, "sns_url": url})
    await runner.cleanup()


def message(url: str, **changes: Any) -> sns.Message:
    usual = sns.Message("Notification", "{}", "1", TOPIC, "2018-03-26T17:58:59.675Z", "", "1", f"{url}/a.pem")
    made = msgspec.structs.replace(usual, **changes)
    return msgspec.structs.replace(made, signature=SEAL.signature(made)) if not made.signature else made


def raw(one: sns.Message) -> Raw:
    return Raw(msgspec.json.encode({k: v for k, v in msgspec.to_builtins(one).items() if v is not None}))


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [None, "Amazon SES Email Event Notification"])
async def test_what_sns_signed_is_believed_and_its_certificate_is_fetched_once(
    version: str, subject: str | None
) -> None:
    async with topic() as (url, asked, given, settings):
        for number in "12":
            one = message(url, signature_version=version, subject=subject, message_id=number)
            assert await CHANNEL.believes(given, settings, raw(one)) is True
    assert asked == ["/a.pem"]


@pytest.mark.parametrize(
    "change",
    [
        {"message": "other"},
        {"timestamp": "2019-03-26T17:58:59.675Z"},
        {"subject": "added"},
        {"signature": "no base 64"},
        {"signature": "AAAA"},
        {"signature_version": "3"},
        {"signature_version": "2"},
        {"type": "UnsubscribeConfirmation"},
    ],
    ids=str,
)
async def test_what_was_changed_is_not(change: dict[str, Any]) -> None:
    async with topic() as (url, _, given, settings):
        forged = msgspec.structs.replace(message(url), **change)
        assert await CHANNEL.believes(given, settings, raw(forged)) is False


@pytest.mark.parametrize(
    "change",
    [
        {"topic_arn": "arn:aws:sns:eu-west-1:999999999999:mail"},
        {"type": "Invitation"},
        {"signing_cert_url": "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem"},
        {"signing_cert_url": "http://sns.eu-west-1.amazonaws.com/a.pem"},
        {"signing_cert_url": "https://sns.us-east-1.amazonaws.com/a.pem"},
        {"signing_cert_url": "https://sns.eu-west-1.amazonaws.com@evil.example/a.pem"},
        {"signing_cert_url": "https://sns.eu-west-1.amazonaws.com/?Action=x&y=.pem"},
        {"type": "SubscriptionConfirmation", "token": "t", "subscribe_url": "https://evil.example/?Action=x"},
        {"type": "SubscriptionConfirmation", "token": "t"},
        {
            "type": "SubscriptionConfirmation",
            "token": "t",
            "subscribe_url": "https://sns.eu-west-1.amazonaws.com/?Action=DeleteTopic",
        },
        {
            "type": "SubscriptionConfirmation",
            "token": "t",
            "subscribe_url": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:x",
        },
    ],
    ids=str,
)
async def test_strangers_make_us_ask_nobody(change: dict[str, Any]) -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    forged = message("https://sns.eu-west-1.amazonaws.com", **change)
    nothing = Tools(StillClock(), None, None)  # type: ignore[arg-type]  # nothing may be asked
    assert await CHANNEL.believes(nothing, settings, raw(forged)) is False


async def test_a_subscription_is_confirmed_where_it_was_asked_for() -> None:
    async with topic() as (url, asked, given, settings):
        query = f"/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=t"
        one = message(url, type="SubscriptionConfirmation", token="t", subscribe_url=url + query)
        assert await CHANNEL.believes(given, settings, raw(one)) is True
    assert asked == ["/a.pem", query]


@pytest.mark.parametrize(
    ("status", "pem", "why"),
    [
        (503, b"", "SNS answered with HTTP 503"),
        (200, b"no certificate", "what SNS names as its certificate is none"),
        (200, b"x" * 30_000, "the answer is larger than 20000 bytes"),
    ],
)
async def test_without_a_certificate_it_cannot_be_told(status: int, pem: bytes, why: str) -> None:
    async with topic(status, pem) as (url, _, given, settings):
        told = await CHANNEL.believes(given, settings, raw(message(url)))
    assert isinstance(told, Unknown)
    assert told.detail.endswith(why)
