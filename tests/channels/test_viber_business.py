"""Viber through Decision Telecom: its two tables."""

from __future__ import annotations

import pytest

from angarium.channels import kit
from angarium.channels.viber_business import CHANNEL
from angarium.core.ports import Accepted, Raw, Receipt, Refused, Unknown, Unreadable
from angarium.core.values import Button, Content, MessageClass, Reason, ReceiptStatus
from support.http_line import CallbackCase, SendCase, run_send_case, submission, unsure

SETTINGS = {"api_key": "key", "sender": "Bazaar"}
AUTH = "Basic a2V5"  # base64("key")

RICH = Content(
    text="Новинки весни",
    image_url="https://shop.example/spring.jpg",
    buttons=(Button("Дивитися", "https://shop.example/spring"),),
)


def error(name: str, status: int, code: int = 0, message: str = "") -> dict[str, object]:
    """The provider's error document."""
    return {"name": name, "message": message, "code": code, "status": status}


INVALID = "Empty parameter or parameter validation error"

SEND_CASES = [
    SendCase(
        "a service text is transactional",
        Accepted(("429",)),
        submission(ttl_s=60, callback_url="https://me.example/cb/s3cret"),
        request={
            "source_addr": "Bazaar",
            "destination_addr": "447700900100",
            "message_type": 106,
            "text": "Your order is ready",
            "source_type": 2,
            "validity_period": 60,
            "callback_url": "https://me.example/cb/s3cret?ref=att_0000000000007",
        },
        answer={"message_id": 429},
    ),
    SendCase(
        "the id may be text, as in the SDK's tests",
        Accepted(("429",)),
        answer={"message_id": "429"},
    ),
    SendCase(
        "a promotional text has a kind of its own",
        Accepted(("1",)),
        submission(message_class=MessageClass.PROMOTIONAL),
        request={
            "source_addr": "Bazaar",
            "destination_addr": "447700900100",
            "message_type": 225,
            "text": "Your order is ready",
            "source_type": 1,
        },
        answer={"message_id": 1},
    ),
    SendCase(
        "text, picture and button",
        Accepted(("1",)),
        submission(message_class=MessageClass.PROMOTIONAL, content=RICH),
        request={
            "source_addr": "Bazaar",
            "destination_addr": "447700900100",
            "message_type": 108,
            "text": "Новинки весни",
            "source_type": 1,
            "image": "https://shop.example/spring.jpg",
            "button_caption": "Дивитися",
            "button_action": "https://shop.example/spring",
        },
        answer={"message_id": 1},
    ),
    SendCase(
        "a button in a service message needs the contract's word",
        Refused(
            Reason.UNSUPPORTED,
            detail="a picture or a button makes it promotional; "
            "switch on rich_service if your contract allows it",
        ),
        submission(content=RICH),
    ),
    SendCase(
        "and has it",
        Accepted(("1",)),
        submission(content=RICH),
        settings={"rich_service": True},
        answer={"message_id": 1},
    ),
    SendCase(
        "an error with HTTP 200 is an error",
        Refused(Reason.SENDER_INVALID, "400 source_addr", f"Invalid Parameter: source_addr: {INVALID}"),
        answer=error("Invalid Parameter: source_addr", 400, 1, INVALID),
    ),
    SendCase(
        "a bad number",
        Refused(
            Reason.BAD_ADDRESS, "400 destination_addr", f"Invalid Parameter: destination_addr: {INVALID}"
        ),
        status=400,
        answer=error("Invalid Parameter: destination_addr", 400, 1, INVALID),
    ),
    SendCase(
        "another parameter is our fault",
        Refused(Reason.CONFIG, "400 validity_period", f"Invalid Parameter: validity_period: {INVALID}"),
        answer=error("Invalid Parameter: validity_period", 400, 1, INVALID),
    ),
    SendCase(
        "no money",
        Refused(Reason.NO_CREDIT, "402", "Topup balance is required: User balance is empty"),
        status=402,
        answer=error("Topup balance is required", 402, 3, "User balance is empty"),
    ),
    SendCase(
        "a wrong key has the same code as a rate limit, and another status",
        Refused(Reason.AUTH, "401", "Unauthorized: "),
        status=401,
        answer=error("Unauthorized", 401),
    ),
    SendCase(
        "slow down, with a time",
        Refused(Reason.THROTTLED, "429", "Too Many Requests: Rate limit exceeded", retry_after_s=7),
        status=429,
        headers={"Retry-After": "7"},
        answer=error("Too Many Requests", 429, 0, "Rate limit exceeded"),
    ),
    SendCase(
        "slow down, without",
        Refused(Reason.THROTTLED, "429", "Too Many Requests: Rate limit exceeded"),
        answer=error("Too Many Requests", 429, 0, "Rate limit exceeded"),
    ),
    SendCase(
        "their trouble may come after they took it",
        Unknown("Internal server error: boom (the message may have been taken before it failed)"),
        answer=error("Internal server error", 500, 2, "boom"),
    ),
    SendCase(
        "a status nobody told us of is refused with its name",
        Refused(Reason.REJECTED, "418", "Teapot: "),
        answer=error("Teapot", 418),
    ),
    SendCase(
        "nonsense",
        unsure(b"<html>ok</html>"),
        answer=b"<html>ok</html>",
    ),
    SendCase(
        "no id",
        unsure({"message_id": ""}),
        answer={"message_id": ""},
    ),
    SendCase(
        "a class the lint cannot see, and a template it can",
        Refused(Reason.UNSUPPORTED, detail="template: templates have no names here"),
        submission(content=Content(text="x", template="ready")),
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert request.path == "/send-viber"
        assert request.headers["authorization"] == AUTH


OUR_REF = {"ref": "att_0000000000007"}


def report(body: bytes) -> Raw:
    """A status callback at the address we gave."""
    return Raw(body, query=OUR_REF)


def receipt(status: ReceiptStatus, code: str, reason: Reason | None = None) -> Receipt:
    """What comes out of it."""
    return Receipt(status, ref="429", client_ref="att_0000000000007", reason=reason, code=code)


CALLBACK_CASES = [
    CallbackCase("sent", report(b'{"message_id":429,"status":0}'), [receipt(ReceiptStatus.SENT, "0")]),
    CallbackCase(
        "delivered", report(b'{"message_id":429,"status":1}'), [receipt(ReceiptStatus.DELIVERED, "1")]
    ),
    CallbackCase(
        "text for numbers",
        report(b'{"message_id":"429","status":"1"}'),
        [receipt(ReceiptStatus.DELIVERED, "1")],
    ),
    CallbackCase(
        "error",
        report(b'{"message_id":429,"status":2}'),
        [receipt(ReceiptStatus.FAILED, "2", Reason.UNDELIVERED)],
    ),
    CallbackCase(
        "rejected",
        report(b'{"message_id":429,"status":3}'),
        [receipt(ReceiptStatus.FAILED, "3", Reason.REJECTED)],
    ),
    CallbackCase(
        "undelivered",
        report(b'{"message_id":429,"status":4}'),
        [receipt(ReceiptStatus.FAILED, "4", Reason.UNDELIVERED)],
    ),
    CallbackCase(
        "pending says nothing new",
        report(b'{"message_id":429,"status":5}'),
        [receipt(ReceiptStatus.ACCEPTED, "5")],
    ),
    CallbackCase(
        "nor does unknown",
        report(b'{"message_id":429,"status":20}'),
        [receipt(ReceiptStatus.ACCEPTED, "20")],
    ),
    CallbackCase(
        "a batch",
        Raw(b'[{"message_id":1,"status":1},{"message_id":2,"status":77}, 3]'),
        [
            Receipt(ReceiptStatus.DELIVERED, ref="1", code="1"),
            Unreadable("status 77 is not in our table", '{"message_id":2,"status":77}'),
            Unreadable("not a status report", "3"),
        ],
    ),
    CallbackCase(
        "our reference alone is enough",
        report(b'{"status":1}'),
        [Receipt(ReceiptStatus.DELIVERED, client_ref="att_0000000000007", code="1")],
    ),
    CallbackCase(
        "nothing to match by",
        Raw(b'{"status":1}'),
        [Unreadable("a report without message_id and without our reference", '{"status":1}')],
    ),
    CallbackCase("not JSON", Raw(b"ok"), [Unreadable("not a status report", "ok")]),
    CallbackCase("empty", Raw(b""), [Unreadable("not a status report", "")]),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    assert CHANNEL.parse(settings, case.raw) == case.events


LINT = [
    (Content(text="x" * 1000), []),
    (Content(text="x" * 1001), [("text", "1001 characters, at most 1000")]),
    (Content(), [("text", "is empty")]),
    (Content(text="x", buttons=(Button("x" * 30, "https://a.example"),)), []),
    (
        Content(text="x", buttons=(Button("x" * 31, "https://a.example"),)),
        [("buttons.0.label", "31 characters, at most 30")],
    ),
    (
        Content(text="x", buttons=(Button("a", "https://a.example"), Button("b", "https://b.example"))),
        [("buttons", "2 buttons, at most 1")],
    ),
    (Content(text="x", template="t"), [("template", "templates have no names here")]),
    (
        Content(text="x", html="<p>", subject="s"),
        [("html", "no HTML here"), ("subject", "no subject here")],
    ),
]


@pytest.mark.parametrize(("content", "problems"), LINT)
def test_lint(content: Content, problems: list[tuple[str, str]]) -> None:
    found = CHANNEL.lint(None, content)
    assert [(each.field, each.problem) for each in found] == problems
    assert all(each.remedy for each in found)


def test_a_text_is_one_part_of_characters() -> None:
    measure = CHANNEL.measure(None, Content(text="سلام 👋"))
    assert (measure.parts, measure.units, measure.units_left) == (1, 6, 994)
