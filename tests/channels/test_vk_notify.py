"""VK and OK notifications through Devino: its two tables."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.channels import kit
from angarium.channels.vk_notify import CHANNEL
from angarium.core.ports import Accepted, Raw, Receipt, Refused, Unknown, Unreadable
from angarium.core.problems import Problem
from angarium.core.values import Button, Content, MessageClass, Price, Reason, ReceiptStatus
from support.http_line import CallbackCase, SendCase, provider, run_send_case, submission, tools, unsure

SETTINGS = {"api_key": "key", "service": "Базар"}
PLAIN = {"text_template": "plain", "text_variable": "text"}

ORDER = Content(text="Заказ 17 собран", template="order_ready", params={"number": "17"})


def wording(**changes: Any) -> dict[str, Any]:
    """The whole request for the usual submission."""
    usual = {
        "phone": "447700900100",
        "routes": ["VK"],
        "delivery_policy": "any",
        "callbackData": {"ref": "att_0000000000007"},
        "service": "Базар",
        "tmpl": "order_ready",
        "tmpl_data": {"number": "17"},
    }
    return {"messages": [{**usual, **changes}]}


def refused(code: str, description: str = "") -> dict[str, Any]:
    """An answer that refuses the one message."""
    return {"result": [{"code": code, "description": description}]}


TAKEN = {"result": [{"code": "OK", "messageId": "5001"}]}
TWICE = {"result": TAKEN["result"] * 2}

SEND_CASES = [
    SendCase(
        "a template by its name",
        Accepted(("5001",)),
        submission(content=ORDER, ttl_s=60, callback_url="https://me.example/cb"),
        request=wording(ttl=60, status_url="https://me.example/cb"),
        answer=TAKEN,
    ),
    SendCase(
        "a template by Devino's number",
        Accepted(("5001",)),
        submission(content=Content(template="16", params={"attr1": "100.50"})),
        request={
            "messages": [
                {
                    "phone": "447700900100",
                    "routes": ["VK"],
                    "delivery_policy": "any",
                    "callbackData": {"ref": "att_0000000000007"},
                    "templateId": 16,
                    "tmpl_data": {"attr1": "100.50"},
                }
            ]
        },
        answer=TAKEN,
    ),
    SendCase(
        "a plain text in the template for plain texts",
        Accepted(("5001",)),
        submission(),
        settings={**PLAIN, "routes": "OK,VK", "delivery_policy": "mobile_device_required"},
        request=wording(
            tmpl="plain",
            tmpl_data={"text": "Your order is ready"},
            routes=["OK", "VK"],
            delivery_policy="mobile_device_required",
        ),
        answer=TAKEN,
    ),
    SendCase(
        "a number for an id",
        Accepted(("5001",)),
        submission(content=ORDER),
        answer={"result": [{"code": "OK", "messageId": 5001}]},
    ),
    SendCase(
        "a plain text without such a template",
        Refused(Reason.UNSUPPORTED, detail="template: VK carries registered templates only"),
    ),
    SendCase(
        "advertising",
        Refused(
            Reason.UNSUPPORTED,
            detail="VK and OK notifications (Devino) does not carry promotional messages",
        ),
        submission(content=ORDER, message_class=MessageClass.PROMOTIONAL),
    ),
    SendCase(
        "not in VK",
        Refused(Reason.NOT_A_USER, "USER_NOT_FOUND", "no profile with this phone"),
        submission(content=ORDER),
        answer=refused("USER_NOT_FOUND", "no profile with this phone"),
    ),
    SendCase(
        "blocked",
        Refused(Reason.BLOCKED_BY_USER, "USER_BLOCKED", "Devino refused the message: USER_BLOCKED"),
        submission(content=ORDER),
        answer=refused("USER_BLOCKED"),
    ),
    SendCase(
        "a refusal that comes with 400",
        Refused(
            Reason.TEMPLATE_INVALID, "TEMPLATE_NOT_FOUND", "Devino refused the message: TEMPLATE_NOT_FOUND"
        ),
        submission(content=ORDER),
        status=400,
        answer=refused("TEMPLATE_NOT_FOUND"),
    ),
    SendCase(
        "a word nobody told us of",
        Refused(Reason.REJECTED, "MERCURY_RETROGRADE", "Devino refused the message: MERCURY_RETROGRADE"),
        submission(content=ORDER),
        answer=refused("MERCURY_RETROGRADE"),
    ),
    SendCase(
        "refused and yet an id",
        Unknown("QUEUED, and yet a message id: 5001"),
        submission(content=ORDER),
        answer={"result": [{"code": "QUEUED", "messageId": "5001"}]},
    ),
    SendCase(
        "taken and no id",
        unsure({"result": [{"code": "OK"}]}),
        submission(content=ORDER),
        answer={"result": [{"code": "OK"}]},
    ),
    SendCase("no result", unsure({"result": []}), submission(content=ORDER), answer={"result": []}),
    SendCase("two results for one", unsure(TWICE), submission(content=ORDER), answer=TWICE),
    SendCase("not JSON", unsure(b"OK"), submission(content=ORDER), answer=b"OK"),
    SendCase(
        "their trouble",
        unsure({"code": "X"}, 500),
        submission(content=ORDER),
        status=500,
        answer={"code": "X"},
    ),
    SendCase(
        "slow down",
        Refused(Reason.THROTTLED, "429", "the provider asks to slow down", retry_after_s=3),
        submission(content=ORDER),
        status=429,
        headers={"Retry-After": "3"},
        answer={},
    ),
    SendCase(
        "a wrong key",
        Refused(Reason.AUTH, "401", "the provider does not accept these credentials"),
        submission(content=ORDER),
        status=401,
        answer={},
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert request.path == "/vk/messages"
        assert request.headers["authorization"] == "Key key"


def told(status: str, rest: str = "") -> Raw:
    """A status as it is posted to status_url."""
    body = f'{{"messageId":"5001","status":"{status}","callbackData":{{"ref":"att_7"}}{rest}}}'
    return Raw(body.encode())


def receipt(status: ReceiptStatus, code: str, reason: Reason | None = None) -> Receipt:
    """What comes out of it."""
    return Receipt(status, ref="5001", client_ref="att_7", reason=reason, code=code)


CALLBACK_CASES = [
    CallbackCase("sent", told("sent"), [receipt(ReceiptStatus.SENT, "sent")]),
    CallbackCase("delivered", told("delivered"), [receipt(ReceiptStatus.DELIVERED, "delivered")]),
    CallbackCase("read", told("read"), [receipt(ReceiptStatus.READ, "read")]),
    CallbackCase(
        "not delivered",
        told("not delivered"),
        [receipt(ReceiptStatus.FAILED, "not delivered", Reason.UNDELIVERED)],
    ),
    CallbackCase(
        "however it is spelt",
        told("NOT_DELIVERED"),
        [receipt(ReceiptStatus.FAILED, "NOT_DELIVERED", Reason.UNDELIVERED)],
    ),
    CallbackCase(
        "with its why",
        told("undelivered", ',"error":"USER_BLOCKED"'),
        [receipt(ReceiptStatus.FAILED, "USER_BLOCKED", Reason.BLOCKED_BY_USER)],
    ),
    CallbackCase("expired", told("expired"), [receipt(ReceiptStatus.FAILED, "expired", Reason.EXPIRED)]),
    CallbackCase(
        "our reference as text, and nothing else",
        Raw(b'{"status":"sent","callbackData":"att_7"}'),
        [Receipt(ReceiptStatus.SENT, client_ref="att_7", code="sent")],
    ),
    CallbackCase(
        "a batch",
        Raw(b'[{"messageId":1,"status":"read"},{"messageId":2,"status":"lost"}]'),
        [
            Receipt(ReceiptStatus.READ, ref="1", code="read"),
            Unreadable("status 'lost' is not in our table", '{"messageId":2,"status":"lost"}'),
        ],
    ),
    CallbackCase(
        "nothing to match by",
        Raw(b'{"status":"sent","callbackData":{"other":1}}'),
        [
            Unreadable(
                "a status without messageId and without callbackData",
                '{"status":"sent","callbackData":{"other":1}}',
            )
        ],
    ),
    CallbackCase("not JSON", Raw(b"\xff"), [Unreadable("not a status", "\ufffd")]),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    assert CHANNEL.parse(settings, case.raw) == case.events


LINT = [
    (Content(text="x", template="t"), []),
    (Content(text="x" * 2048, template="t"), []),
    (Content(text="x" * 2049, template="t"), [("text", "2049 characters, at most 2048")]),
    (
        Content(text="x", template="t", image_url="https://a.example/x.png"),
        [("image_url", "no pictures here")],
    ),
    (
        Content(text="x", template="t", buttons=(Button("a", "https://a.example"),)),
        [("buttons", "1 buttons, at most 0")],
    ),
    (
        Content(),
        [("template", "VK carries registered templates only"), ("text", "is empty")],
    ),
]


@pytest.mark.parametrize(("content", "problems"), LINT)
def test_lint(content: Content, problems: list[tuple[str, str]]) -> None:
    found = CHANNEL.lint(kit.decode_settings(CHANNEL, SETTINGS), content)
    assert [(each.field, each.problem) for each in found] == problems
    assert all(each.remedy for each in found)


def test_a_line_with_a_template_for_plain_texts_takes_them() -> None:
    settings = kit.decode_settings(CHANNEL, {**SETTINGS, **PLAIN})
    assert CHANNEL.lint(settings, Content(text="x")) == ()


def test_a_template_for_plain_texts_needs_its_variable() -> None:
    with pytest.raises(Problem) as problem:
        kit.decode_settings(CHANNEL, {**SETTINGS, "text_template": "plain"})
    assert [each.field for each in problem.value.fields] == ["text_variable"]


# ── the balance ──────────────────────────────────────────────────────────────────────────────────────

NOWHERE = "an answer without result.account.balance"
BALANCES: list[tuple[int, Any, Price | Unknown]] = [
    (200, {"result": {"account": {"balance": 1000.8, "currencyId": 1}}}, Price(1_000_800_000, "RUB")),
    (200, {"result": {"account": {"balance": -0.000001}}}, Price(-1, "RUB")),
    (200, b'{"result": {"account": {"balance": 0.1234567}}}', Price(123_457, "RUB")),
    (200, b'{"result": {"account": {"balance": 1e40}}}', Unknown("1E+40 is no amount")),
    (200, {"result": {"account": {}}}, Unknown(NOWHERE)),
    (200, {"result": []}, Unknown(NOWHERE)),
    (200, b"<html>", Unknown(NOWHERE)),
    (401, {"code": "UNAUTHORIZED"}, Unknown("the provider answered with HTTP 401")),
    (503, b"", Unknown("the provider answered with HTTP 503")),
]


@pytest.mark.parametrize(("status", "answer", "said"), BALANCES)
async def test_the_balance_is_what_devino_says_of_the_account(
    status: int, answer: Any, said: Price | Unknown
) -> None:
    assert CHANNEL.balance is not None
    async with provider(status, answer, {}) as (url, asked), tools("127.0.0.1") as given:
        settings = kit.decode_settings(CHANNEL, {**SETTINGS, "base_url": url})
        assert await CHANNEL.balance(given, settings) == said
    (one,) = asked
    assert (one.path, one.headers["authorization"]) == ("/billing-api/companies/current/account", "Key key")
