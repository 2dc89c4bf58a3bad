"""Web push: its tables, the encryption to the octet, and a browser that reads what was sent to it."""

from __future__ import annotations

import time

import msgspec
import pytest

from angarium.channels import kit
from angarium.channels.web_push import CHANNEL, judge, payload
from angarium.contacts.rules import BadAddress, clean_address
from angarium.core.ports import Accepted, Profile, Raw, Refused, Unreadable
from angarium.core.problems import Problem
from angarium.core.values import AddressKind, Button, Content, MessageClass, Reason
from angarium.protocols import webpush
from angarium.protocols.answers import Answer
from angarium.simulators.faces import web_push as face
from angarium.simulators.stage import Stage
from support.http_line import CallbackCase, SendCase, line, submission, tools

SETTINGS = {"vapid_private_key": face.SITE_KEY, "contact": "mailto:ops@shop.example", "title": "Shop"}
TO = face.address("demo-1")
ONE = webpush.Subscription("https://push.example/push/x", face.KEYS)
RFC_SALT = "DGv6ra1nlYgDCS1FRnbzlw"
RFC_BODY = (  # RFC 8291 §5
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
    "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)  # fmt: skip
WATERMELON = b"When I grow up, I want to be a watermelon"

SEND_CASES = [
    SendCase("created", Accepted(("/m/1",)), status=201, headers={"location": "/m/1"}),
    SendCase("taken", Accepted(), status=202),
    SendCase("not there", Refused(Reason.BAD_ADDRESS, "404", "the subscription is gone"), status=404),
    SendCase("gone", Refused(Reason.BAD_ADDRESS, "410", "the subscription is gone"), status=410),
    SendCase(
        "too large",
        Refused(Reason.TOO_LONG, "413", "the push service takes no message of this size"),
        status=413,
    ),
]
CALLBACK_CASES = [CallbackCase("anything", Raw(b"{}"), [Unreadable("push services tell nothing", "{}")])]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
def test_what_answers_mean(case: SendCase) -> None:
    assert judge(Answer(case.status, case.headers, b"")) == case.outcome


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


@pytest.mark.parametrize("status", [400, 403, 429, 500])
def test_the_rest_is_told_by_the_status(status: int) -> None:
    assert judge(Answer(status, {}, b"")) is None


def test_the_example_of_rfc_8291_to_the_octet() -> None:
    own, salt = webpush.private_key(face.SITE_KEY), webpush.unpacked(RFC_SALT)
    body = webpush.encrypted(WATERMELON, ONE, salt, own)
    assert webpush.packed(body) == RFC_BODY
    assert webpush.decrypted(body, face.BROWSER, webpush.unpacked(face.AUTH)) == WATERMELON


def test_only_the_browser_can_read_it_and_only_whole() -> None:
    body, auth = webpush.unpacked(RFC_BODY), webpush.unpacked(face.AUTH)
    assert webpush.decrypted(body, webpush.private_key(face.SITE_KEY), auth) is None
    assert webpush.decrypted(body, face.BROWSER, bytes(16)) is None
    for broken in (b"", body[:50], body[:-1], body[:-1] + bytes([body[-1] ^ 1])):
        assert webpush.decrypted(broken, face.BROWSER, auth) is None


def test_the_largest_message_is_one_record() -> None:
    assert len(webpush.encrypted(bytes(webpush.PLAIN_MAX), ONE, bytes(16))) == webpush.RECORD
    with pytest.raises(ValueError, match="at most 3993"):
        webpush.encrypted(bytes(webpush.PLAIN_MAX + 1), ONE, bytes(16))


def test_a_token_holds_for_its_audience_and_its_time() -> None:
    key, now = webpush.private_key(face.SITE_KEY), int(time.time())
    header = webpush.vapid(key, "https://push.example:8443/a?b", "mailto:a@b.example", now + 100)
    there = "https://push.example:8443"
    assert webpush.vouched(header, there, now) == face.SITE
    assert webpush.vouched(header, "https://push.example", now) == ""
    assert webpush.vouched(header, there, now + 101) == ""
    assert webpush.vouched(header, there, now - 86_400) == ""
    other = webpush.packed(webpush.public_octets(face.BROWSER))
    assert webpush.vouched(header.replace(face.SITE, other), there, now) == ""
    assert webpush.vouched("Bearer x", there, now) == ""


@pytest.mark.parametrize(
    "value",
    [
        "https://push.example/push/x",
        "{}",
        TO.replace("https:", "ftp:"),
        TO.replace("push.example", "me:pw@push.example"),
        TO.replace(face.AUTH, "short"),
        TO.replace(face.KEYS.p256dh, face.KEYS.p256dh[:-4]),
        TO.replace(face.KEYS.p256dh, webpush.packed(b"\x04" + bytes(64))),
        TO.replace("demo-1", "x" * 2_000),
        "[" * 4_000,
    ],
)
def test_what_is_no_subscription(value: str) -> None:
    with pytest.raises(BadAddress):
        clean_address(AddressKind.WEB_PUSH, value)


def test_a_subscription_is_kept_in_one_form() -> None:
    as_given = msgspec.json.format(TO.replace("{", '{"expirationTime": null, ', 1), indent=2)
    assert clean_address(AddressKind.WEB_PUSH, as_given) == TO


def test_a_key_that_is_none_is_named() -> None:
    with pytest.raises(Problem) as problem:
        kit.decode_settings(CHANNEL, {**SETTINGS, "vapid_private_key": "short"})
    assert [(one.field, one.value) for one in problem.value.fields] == [("vapid_private_key", "")]


def test_what_does_not_fit() -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    assert CHANNEL.lint(settings, Content(text="x", subject="y")) == ()
    long, empty = Content(text="я" * 2_000), Content(template="x")
    assert [one.field for one in CHANNEL.lint(settings, long)] == ["text"]
    assert [one.field for one in CHANNEL.lint(settings, empty)] == ["text", "template"]


def test_the_notice() -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    assert payload(settings, Content(text="Hi")) == b'{"title":"Shop","body":"Hi"}'


async def test_the_public_key_is_told() -> None:
    async with tools() as given:
        assert CHANNEL.profile is not None
        told = await CHANNEL.profile(given, kit.decode_settings(CHANNEL, SETTINGS))
    assert told == Profile("Shop", details={"applicationServerKey": face.SITE})


async def test_a_browser_shows_what_was_sent_to_it() -> None:
    stage = Stage()
    service = face.WebPushFace(stage)
    words = Content(
        text="سفارش آماده است",
        subject="Order",
        image_url="https://shop.example/a.png",
        buttons=(Button("Open", "https://shop.example/o"),),
    )
    async with line(stage, service, CHANNEL, {**SETTINGS, "topic": "orders"}) as live:
        taken = await live.send(TO, content=words, message_class=MessageClass.OTP, ttl_s=60)
        (entry,) = service.ledger.entries
        assert taken == Accepted((entry.ref,))
        assert (entry.text, entry.subject) == (words.text, "Order")
        assert entry.image_url == words.image_url
        assert entry.details == {
            "url": "https://shop.example/o",
            "ttl_s": 60,
            "urgency": "high",
            "topic": "orders",
            "read": True,
            "browser": "demo-1",
        }
        gone = await live.send(face.address("demo-02"))
        nobody = await live.send("+447700900100")
    assert gone == Refused(Reason.BAD_ADDRESS, "410", "the subscription is gone")
    assert isinstance(nobody, Refused)
    assert nobody.reason is Reason.BAD_ADDRESS


async def test_a_line_with_another_key_is_refused() -> None:
    stage = Stage()
    other = {**SETTINGS, "vapid_private_key": face.BROWSER_KEY}
    async with line(stage, face.WebPushFace(stage), CHANNEL, other) as live:
        refused = await live.send(TO)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.AUTH
    assert submission().address not in refused.detail
