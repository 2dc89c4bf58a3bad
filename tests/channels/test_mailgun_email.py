"""E-mail through Mailgun: its two tables, with payloads of the vendor's pages and such as were caught."""

from __future__ import annotations

import json
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from angarium.channels import kit
from angarium.channels.mailgun_email import CHANNEL, profile
from angarium.core.clock import MICROS
from angarium.core.ports import (
    Accepted,
    Allowance,
    Event,
    Inbound,
    Profile,
    Raw,
    Receipt,
    Refused,
    Unreadable,
)
from angarium.core.problems import Problem
from angarium.core.values import Content, Reason, ReceiptStatus
from angarium.protocols import multipart
from angarium.protocols.multipart import Part
from angarium.protocols.signatures import hmac_sha256
from support.http_line import CallbackCase, SendCase, provider, run_send_case, submission, tools, unsure
from support.still import StillClock

SETTINGS: dict[str, Any] = {
    "api_key": "key-1",
    "domain": "mg.shop.example",
    "sender_address": "shop@mg.shop.example",
    "sender_name": "Магазин",
    "signing_key": "sign-1",
}
REF = "att_0000000000007@mg.shop.example"
TAKEN = {"id": f"<{REF}>", "message": "Queued. Thank you."}
WORDS = Content(
    subject="Order 1234", text="Your order is ready", params={"unsubscribe_url": "https://shop.example/u/1"}
)


def mail(**changes: Any) -> Any:
    return submission(address="anna@example.org", content=WORDS, **changes)


def refused(status: int, message: str, reason: Reason) -> SendCase:
    outcome = Refused(reason, str(status), message)
    return SendCase(message[:60], outcome, mail(), status=status, answer={"message": message})


NOT_ALLOWED = "Domain mg.shop.example is not allowed to send: "
SEND_CASES = [
    SendCase("an order", Accepted((REF,)), mail(), answer=TAKEN),
    SendCase(
        "an address that would break out",
        Refused(Reason.BAD_ADDRESS, detail="recipient: has characters before the @ that may not stand there"),
        submission(address="a,b@example.org", content=WORDS),
    ),
    refused(400, "'to' parameter is not a valid address. please check documentation", Reason.BAD_ADDRESS),
    refused(400, "to parameter is not a valid address. please check documentation", Reason.BAD_ADDRESS),
    refused(
        400, "'from' parameter is not a valid address. please check documentation", Reason.SENDER_INVALID
    ),
    refused(400, "message parameter is missing", Reason.CONFIG),
    refused(401, "Forbidden", Reason.AUTH),
    refused(402, "Payment required", Reason.NO_CREDIT),
    refused(
        403,
        f"{NOT_ALLOWED}Sandbox subdomains are for test purposes only. Please add your own domain or add the "
        "address to authorized recipients in Account Settings.",
        Reason.CONFIG,
    ),
    refused(403, f"{NOT_ALLOWED}Please activate your Mailgun account.", Reason.AUTH),
    refused(
        403, f"{NOT_ALLOWED}The domain is unverified and requires DNS configuration.", Reason.SENDER_INVALID
    ),
    refused(404, "Domain not found: mg.shop.example", Reason.CONFIG),
    refused(413, "Request entity", Reason.TOO_LONG),
    refused(420, f"{NOT_ALLOWED}recipient limit exceeded, try again later", Reason.THROTTLED),
    refused(418, "New", Reason.REJECTED),
    SendCase(
        "slow down",
        Refused(Reason.THROTTLED, "429", "Too many requests", retry_after_s=3.0),
        mail(),
        status=429,
        answer={"message": "Too many requests"},
        headers={"Retry-After": "3"},
    ),
    SendCase("their trouble", unsure(TAKEN, 500), mail(), status=500, answer=TAKEN),
    SendCase(
        "no id", unsure({"id": "", "message": "Queued"}), mail(), answer={"id": "", "message": "Queued"}
    ),
    SendCase("not JSON", unsure(b"Mailgun Magnificent API"), mail(), answer=b"Mailgun Magnificent API"),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert request.path == "/v3/mg.shop.example/messages.mime"
        assert request.headers["authorization"] == "Basic YXBpOmtleS0x"
        sent = message_from_bytes(request.document.pop("message"), policy=default)
        assert request.document == {
            "to": "anna@example.org",
            "v:client_ref": "att_0000000000007",
            "o:tracking": "no",
        }
        assert (sent["from"], sent["subject"]) == ("Магазин <shop@mg.shop.example>", "Order 1234")
        assert sent["message-id"] == f"<{REF}>"
        assert sent["list-unsubscribe"] == "<https://shop.example/u/1>"
        assert sent["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
        assert sent.get_content().strip() == "Your order is ready"


async def test_it_waits_until_the_time_that_is_named() -> None:
    """As quoted in mailgun-java's thread 50, with HTTP 420."""
    words = f"{NOT_ALLOWED}recipient limit exceeded, try again after Mon, 24 Nov 2025 16:00:31 UTC"
    async with provider(420, {"message": words}, {}) as (url, _), tools("127.0.0.1") as given:
        settings = kit.decode_settings(CHANNEL, {**SETTINGS, "base_url": url})
        outcome = await kit.deliver(replace(given, clock=StillClock()), CHANNEL, settings, mail())
    assert outcome == Refused(Reason.THROTTLED, "420", words, retry_after_s=31.0)


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "https://api.mailgun.net/v3/x"),
        ({"region": "eu"}, "https://api.eu.mailgun.net/v3/x"),
        ({"region": "eu", "base_url": "http://127.0.0.1:1"}, "http://127.0.0.1:1/v3/x"),
    ],
)
def test_where_it_is_asked(changes: dict[str, str], url: str) -> None:
    assert kit.decode_settings(CHANNEL, {**SETTINGS, **changes}).url("x") == url


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────

AT = 1_534_108_637_153_125
SIGNATURE = {"timestamp": "1534108637", "token": "651869375b9df3c98fc15c4889b102119add1235c38fc92824"}
ABOUT = {
    "timestamp": 1534108637.153125,
    "recipient": "anna@example.org",
    "user-variables": {"client_ref": "att_0000000000007"},
    "message": {"headers": {"message-id": REF, "to": "anna@example.org"}, "attachments": [], "size": 809},
}


def webhook(event: str, **more: Any) -> Raw:
    told = {"event": event, **ABOUT, **{name.replace("_", "-"): value for name, value in more.items()}}
    signed = {**SIGNATURE, "signature": "0" * 64}
    return Raw(json.dumps({"signature": signed, "event-data": told}).encode())


def receipt(status: ReceiptStatus, reason: Reason | None = None, code: str = "") -> Event:
    return Receipt(status, REF, "att_0000000000007", "anna@example.org", reason, code, AT)


def failed(reason: str, code: int, message: str, severity: str = "permanent", **more: Any) -> Raw:
    status = {"code": code, "message": message, "description": "", "attempt-no": 1, **more}
    return webhook("failed", severity=severity, reason=reason, delivery_status=status)


FAILED = [
    # reason, code, what the server said → what we make of it
    (
        "bounce",
        550,
        "5.1.1 The email account that you tried to reach does not exist.",
        Reason.BAD_ADDRESS,
        "5.1.1",
    ),
    ("bounce", 550, "no such user", Reason.BAD_ADDRESS, "bounce"),
    ("bounce", 554, "refused", Reason.UNDELIVERED, "bounce"),
    ("bounce", 552, "5.2.2 over quota", Reason.UNREACHABLE, "5.2.2"),
    ("bounce", 550, "5.7.26 unauthenticated", Reason.SENDER_INVALID, "5.7.26"),
    ("suppress-bounce", 605, "", Reason.SUPPRESSED, "suppress-bounce"),
    ("suppress-complaint", 607, "", Reason.SUPPRESSED, "suppress-complaint"),
    ("suppress-unsubscribe", 606, "", Reason.SUPPRESSED, "suppress-unsubscribe"),
    ("old", 602, "Too old", Reason.EXPIRED, "old"),
    ("generic", 498, "No MX for nomx.example.com", Reason.UNDELIVERED, "generic"),
    ("a new word", 599, "", Reason.UNDELIVERED, "a new word"),
]
HEADERS = [
    ["X-Mailgun-Incoming", "Yes"],
    ["From", '"Anna" <anna@example.org>'],
    ["Date", "Wed, 11 Oct 2017 18:31:04 -0700"],
    ["Message-Id", "<CAEPk3R+4Zr@mail.example.org>"],
    ["In-Reply-To", f"<{REF}>"],
    ["Subject", "Re: Order"],
    ["To", '"Shop" <shop@mg.shop.example>'],
    ["Content-Type", 'multipart/mixed; boundary="089e0825ccf874a0bb055b4f7e23"'],
]
FORM = {
    **SIGNATURE,
    "signature": "0" * 64,
    "recipient": "shop@mg.shop.example",
    "sender": "anna@example.org",
    "body-plain": "متشکرم\n\n> Your order",
    "stripped-text": "متشکرم",
}
URLENCODED = {"content-type": "application/x-www-form-urlencoded"}
ANSWER = Inbound(
    ref="CAEPk3R+4Zr@mail.example.org",
    sender="anna@example.org",
    recipient="shop@mg.shop.example",
    text="متشکرم",
    at=1_507_771_864 * MICROS,
    context_ref=REF,
)
MIME = (
    b"From: anna@example.org\r\nMessage-ID: <m@x>\r\nSubject: S\r\n"
    b"Content-Type: text/plain; charset=koi8-r\r\n\r\n\xf0\r\n"
)
FROM_KOI8 = Inbound("m@x", "anna@example.org", "shop@mg.shop.example", "S\n\nП")


def form(**more: str) -> Raw:
    return Raw(urlencode({**FORM, **more}).encode(), URLENCODED)


def parts(*more: Part) -> Raw:
    kind, body = multipart.write([*(Part(name, value.encode()) for name, value in FORM.items()), *more])
    return Raw(body, {"content-type": kind})


STORED, NEW = webhook("stored"), webhook("list_member_uploaded")
CALLBACK_CASES = [
    CallbackCase("accepted", webhook("accepted"), [receipt(ReceiptStatus.ACCEPTED)]),
    CallbackCase(
        "delivered",
        webhook("delivered", delivery_status={"tls": True, "code": 250, "message": "OK", "description": ""}),
        [receipt(ReceiptStatus.DELIVERED)],
    ),
    *(
        CallbackCase(f"{why}: {said}", failed(why, code, said), [receipt(ReceiptStatus.FAILED, reason, told)])
        for why, code, said, reason, told in FAILED
    ),
    CallbackCase(
        "it will be tried again",
        failed("greylisted", 450, "Recipient address rejected: Greylisted", "temporary"),
        [receipt(ReceiptStatus.ACCEPTED, None, "greylisted")],
    ),
    CallbackCase(
        "complained",
        webhook("complained"),
        [receipt(ReceiptStatus.FAILED, Reason.OPTED_OUT, "complained")],
    ),
    CallbackCase(
        "rejected, of nobody",
        webhook(
            "rejected", recipient="", reject={"reason": "Sandbox subdomains are for test purposes only."}
        ),
        [Receipt(ReceiptStatus.FAILED, REF, "att_0000000000007", "", Reason.REJECTED, "rejected", AT)],
    ),
    CallbackCase(
        "unsubscribed",
        webhook("unsubscribed"),
        [Allowance("anna@example.org", False, SIGNATURE["token"], promotional_only=True, at=AT)],
    ),
    CallbackCase("opened: our own links count", webhook("opened"), []),
    CallbackCase("clicked", webhook("clicked", url="https://shop.example"), []),
    CallbackCase(
        "stored",
        STORED,
        [Unreadable("a mail is stored at Mailgun and was not forwarded", STORED.body.decode())],
    ),
    CallbackCase("new", NEW, [Unreadable("list_member_uploaded is not in our table", NEW.body.decode())]),
    CallbackCase("an answer, taken apart", form(**{"message-headers": json.dumps(HEADERS)}), [ANSWER]),
    CallbackCase(
        "an answer with a file",
        parts(
            Part("message-headers", json.dumps(HEADERS).encode()),
            Part("attachment-count", b"1"),
            Part("attachment-1", b"\x00", "a.pdf"),
        ),
        [
            msgspec.structs.replace(ANSWER, text=f"{ANSWER.text}\n\n[attachments: 1]"),
            Unreadable("1 attachments not taken over", ""),
        ],
    ),
    CallbackCase(
        "a machine answered",
        form(**{"message-headers": json.dumps([*HEADERS, ["Auto-Submitted", "auto-replied"]])}),
        [],
    ),
    CallbackCase("as it was, in a form of parts", parts(Part("body-mime", MIME)), [FROM_KOI8]),
    CallbackCase("as it was", Raw(urlencode({**FORM, "body-mime": MIME}).encode(), URLENCODED), [FROM_KOI8]),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_parsing(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


def sealed(raw: Raw, at: int, key: str = "sign-1") -> Raw:
    """The webhook or form as Mailgun signs it at a time, in seconds."""
    token = SIGNATURE["token"]
    signed = {"timestamp": str(at), "token": token, "signature": hmac_sha256(key, f"{at}{token}".encode())}
    if raw.headers == URLENCODED:
        return Raw(urlencode({**FORM, **signed}).encode(), URLENCODED)
    return Raw(json.dumps({**json.loads(raw.body), "signature": signed}).encode())


NOW = StillClock().now() // MICROS


@pytest.mark.parametrize("raw", [webhook("delivered"), form()], ids=["webhook", "form"])
@pytest.mark.parametrize(
    ("at", "key", "believed"),
    [
        (NOW, "sign-1", True),
        (NOW - 899, "sign-1", True),
        (NOW + 899, "sign-1", True),
        (NOW - 901, "sign-1", False),
        (NOW + 901, "sign-1", False),
        (NOW, "another", False),
    ],
)
async def test_only_what_was_signed_lately_is_believed(raw: Raw, at: int, key: str, believed: bool) -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    async with tools() as given:
        still = replace(given, clock=StillClock())
        assert await CHANNEL.believes(still, settings, sealed(raw, at, key)) is believed


@pytest.mark.parametrize("body", [b"", b"{}", b'{"signature": {}}', b"timestamp=1&token=2", b"\xff"])
async def test_what_is_not_signed_is_not_believed(body: bytes) -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    async with tools() as given:
        assert await CHANNEL.believes(given, settings, Raw(body)) is False


async def test_the_domain_tells_whether_it_may_send() -> None:
    answer = {"domain": {"name": "mg.shop.example", "state": "active", "type": "custom"}}
    async with provider(200, answer, {}) as (url, asked), tools("127.0.0.1") as given:
        told = await profile(given, kit.decode_settings(CHANNEL, {**SETTINGS, "base_url": url}))
    assert told == Profile("mg.shop.example", "active", details={"type": "custom"})
    assert asked[0].path == "/v3/domains/mg.shop.example"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sender_address", "shop"),
        ("sender_name", "a\r\nBcc: b"),
        ("domain", "mg.shop.example/../x"),
        ("base_url", "ftp://a.example"),
    ],
)
def test_wrong_settings_are_named(field: str, value: str) -> None:
    with pytest.raises(Problem) as caught:
        kit.decode_settings(CHANNEL, {**SETTINGS, field: value})
    assert [found.field for found in caught.value.fields] == [field]
