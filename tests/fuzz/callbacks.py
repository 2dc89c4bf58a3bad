"""What providers post to us and answer us: the callbacks, signatures and answers of every channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import msgspec

from angarium import channels
from angarium.channels import kit
from angarium.core.ports import (
    Accepted,
    Allowance,
    Channel,
    Event,
    Inbound,
    Raw,
    Receipt,
    Refused,
    TemplateNews,
    Unknown,
    Unreadable,
)
from angarium.protocols import signatures
from angarium.protocols.answers import Answer
from fuzz.harness import Target, simple
from fuzz.mutations import either, octets, tree
from support.http_line import encoded

HTTP_KINDS = (
    "africastalking_sms",
    "infobip_sms",
    "messagebird_sms",
    "sinch_sms",
    "twilio_sms",
    "viber_business",
    "vk_notify",
    "vonage_sms",
    "whatsapp_cloud",
)
SHARED = {"infobip_sms": "infobip_kit"}  # where answers are judged, when not in the channel's own file
SECRETS = ("current", "before")
NOW = 1_795_000_000_000_000


def check_events(events: Sequence[Event]) -> None:
    """What a parser says: something, in the words of the port, and nothing a database refuses."""
    assert events, "said nothing at all"
    for event in events:
        assert isinstance(event, Receipt | Inbound | Allowance | TemplateNews | Unreadable), event
        for value in msgspec.structs.astuple(event):
            if isinstance(value, str):
                assert "\0" not in value, event
                value.encode()  # half a surrogate pair cannot be stored


def _table(kind: str, name: str) -> Any:
    return getattr(import_module(f"channels.test_{kind}"), name)


def settings_of(kind: str) -> Any:
    """The settings of a channel's own tests."""
    return kit.decode_settings(channels.load()[kind], _table(kind, "SETTINGS"))


def try_callback(channel: Channel, settings: Any, data: bytes) -> None:
    """A callback is read as events, however wild; with a query and headers of the same stuff."""
    check_events(channel.parse(settings, Raw(data)))
    words = data[:200].decode("latin-1")
    wild = Raw(
        data, {"x-hub-signature-256": words}, {"ref": words, "hub.mode": words, "hub.verify_token": words}
    )
    check_events(channel.parse(settings, wild))
    channel.genuine(settings, wild)
    channel.challenge(settings, wild)
    channel.reply(settings, wild)


def try_answer(kind: str, data: bytes) -> None:
    """An answer of a provider is one of the three outcomes, or left to its status."""
    file = SHARED.get(kind, kind)
    judge: Callable[[Answer], Any] = import_module(f"angarium.channels.{file}").judge
    for status in (200, 202, 303, 400, 401, 408, 429, 500, 503):
        words = data[:60].decode("latin-1")
        answer = Answer(status, {"retry-after": words, "content-type": words}, data)
        outcome = judge(answer) or kit.by_status(answer)
        assert isinstance(outcome, Accepted | Refused | Unknown), outcome
        assert not isinstance(outcome, Accepted) or all(outcome.refs), "taken under no name"
        wait = kit.retry_after_s(answer, NOW)
        assert wait is None or 0 <= wait <= kit.RETRY_AFTER_MAX_S


def try_signature(data: bytes) -> None:
    """Nothing but the signature itself is taken for it, however it is written."""
    given, _, body = data.partition(b"\n")
    header = given.decode("latin-1")
    good = {signatures.hub_signature(secret, body) for secret in SECRETS}
    taken = signatures.hub_genuine(header, SECRETS, body)
    assert taken == (header in good), header
    assert not signatures.hub_genuine(header, ("", ""), body)


SIGNED = b'{"object":"whatsapp_business_account","entry":[]}'
JSON_WORDS = [b"message_id", b"status", b"ref", b"callbackData", b"\\u0000", b"\\ud800", b"1e400", b"-0"]


def _callbacks(kind: str) -> Target:
    channel, settings = channels.load()[kind], settings_of(kind)
    seeds = [case.raw.body for case in _table(kind, "CALLBACK_CASES")]
    if kind == "whatsapp_cloud":
        seeds += [raw.body for _, raw, _ in import_module("protocols.test_cloud_templates").NEWS]
    attempt = partial(try_callback, channel, settings)
    return Target(kind, simple(attempt), seeds, JSON_WORDS, either(tree, tree, octets), in_tests=800)


def _answers(kind: str) -> Target:
    seeds = [encoded(case.answer) for case in _table(kind, "SEND_CASES") if case.answer is not None]
    attempt = partial(try_answer, kind)
    return Target(
        f"{kind}-answers", simple(attempt), seeds, JSON_WORDS, either(tree, tree, octets), in_tests=400
    )


TARGETS = [
    *map(_callbacks, HTTP_KINDS),
    *map(_answers, HTTP_KINDS),
    Target(
        "signatures",
        simple(try_signature),
        [signatures.hub_signature(secret, SIGNED).encode() + b"\n" + SIGNED for secret in SECRETS],
        [b"sha256=", b"sha1=", b"\n", b"SHA256=", b" "],
        in_tests=3_000,
    ),
]
