"""The web chat's channel: what is kept for a visitor, and what is read of what the door wrote down."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from angarium.channels import kit
from angarium.channels.web_chat import CHANNEL
from angarium.core.ports import Accepted, Inbound, Outcome, Raw, Receipt, Refused, Submission, Unreadable
from angarium.core.problems import Problem
from angarium.core.values import Button, ButtonKind, Content, Media, MessageClass, Reason, ReceiptStatus
from angarium.protocols.web_chat import File, Key, Words, words_of
from support.http_line import CallbackCase, submission, tools, unsure

SETTINGS = {"origins": "https://shop.example", "identity_secret": "0123456789abcdef"}
TO, REF = "user:42", "att_0000000000007"
PDF = Media("media_1", "application/pdf", 9, "bill.pdf", url="https://me.example/m/1")
PNG = Media("media_2", "image/png", 9, "a.png", url="https://me.example/m/2")
LINK, YES = Button("Open", "https://shop.example"), Button("Yes", kind=ButtonKind.REPLY)
AWAY = Problem("unavailable", "Not now", status=503, detail="The database is away.")

SEND_CASES: list[tuple[Content, Words]] = [
    (Content("Hello"), Words("Hello")),
    (Content("Look", image_url="https://shop.example/a.png"), Words("Look", "https://shop.example/a.png")),
    (Content(media=PNG), Words("", "https://me.example/m/2")),
    (Content("Bill", media=PDF), Words("Bill", file=File(PDF.url, "bill.pdf", "application/pdf", 9))),
    (
        Content("?", buttons=(LINK, YES)),
        Words("?", buttons=(Key("Open", "https://shop.example"), Key("Yes"))),
    ),
]


@pytest.mark.parametrize(("content", "words"), SEND_CASES)
def test_what_a_visitor_sees(content: Content, words: Words) -> None:
    assert CHANNEL.lint(kit.decode_settings(CHANNEL, SETTINGS), content) == ()
    assert words_of(content) == words


async def sent(one: Submission, failing: Problem | None = None) -> tuple[Outcome, list[Submission]]:
    """What comes out of a submission, and what was kept of it."""
    found: list[Submission] = []

    async def keep(submitted: Submission) -> None:
        if failing is not None:
            raise failing
        found.append(submitted)

    async with tools() as given:
        settings = kit.decode_settings(CHANNEL, SETTINGS)
        return await kit.deliver(replace(given, keep=keep), CHANNEL, settings, one), found


async def test_it_is_taken_once_it_is_kept() -> None:
    one = submission(address=TO)
    assert await sent(one) == (Accepted((REF,)), [one])
    outcome, _ = await sent(one, AWAY)
    assert type(outcome) is type(unsure({}))
    code, kept = await sent(submission(address=TO, message_class=MessageClass.OTP))
    assert (isinstance(code, Refused), kept) == (True, [])
    async with tools() as given:
        nobody = await kit.deliver(given, CHANNEL, kit.decode_settings(CHANNEL, SETTINGS), one)
    assert isinstance(nobody, Refused)


def happened(event: str, **more: object) -> Raw:
    """What the door writes down."""
    return Raw(msgspec.json.encode({"event": event, "visitor": TO, "at": 7, **more}))


CALLBACK_CASES = [
    CallbackCase(
        "a text",
        happened("message", ref="user:42/1", text="Hello", name="Anna", context_ref=REF),
        [Inbound("user:42/1", TO, "", "Hello", at=7, context_ref=REF, name="Anna")],
    ),
    CallbackCase(
        "a pressed button",
        happened("message", ref="user:42/2", text="Yes", payload="Yes"),
        [Inbound("user:42/2", TO, "", "Yes", at=7, payload="Yes")],
    ),
    CallbackCase(
        "marks",
        happened("marks", delivered=["a", "b"], read=["a"]),
        [
            Receipt(ReceiptStatus.DELIVERED, "a", address=TO, at=7),
            Receipt(ReceiptStatus.DELIVERED, "b", address=TO, at=7),
            Receipt(ReceiptStatus.READ, "a", address=TO, at=7),
        ],
    ),
    CallbackCase(
        "nobody came in time",
        happened("expired", expired=["a"]),
        [Receipt(ReceiptStatus.FAILED, "a", address=TO, reason=Reason.EXPIRED, at=7)],
    ),
    CallbackCase("nonsense", Raw(b"{"), [Unreadable("not of the web chat's door", "{")]),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_hearing(case: CallbackCase) -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    assert CHANNEL.parse(settings, case.raw) == case.events
    assert not CHANNEL.genuine(settings, case.raw), "the address of the line is public"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"origins": "shop.example"}, "origins"),
        ({"origins": "https://shop.example/page"}, "origins"),
        ({"origins": ", ".join(f"https://s{n}.example" for n in range(21))}, "origins"),
        ({"identity_secret": "short"}, "identity_secret"),
        ({"anonymous": "false"}, "anonymous"),
    ],
)
def test_settings_that_cannot_be(given: dict[str, str], field: str) -> None:
    with pytest.raises(Problem) as problem:
        kit.decode_settings(CHANNEL, given)
    assert [one.field for one in problem.value.fields] == [field]
