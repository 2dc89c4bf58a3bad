"""SMS through SMSC: its two tables, and its signatures."""

from __future__ import annotations

from hashlib import md5
from typing import Any

import pytest

from angarium.channels import kit
from angarium.channels.smsc_ru_sms import CHANNEL, ERRORS, STATUSES, WHY, valid
from angarium.core.ports import Accepted, Raw, Receipt, Refused, Unknown, Unreadable
from angarium.core.problems import Problem
from angarium.core.values import Content, Price, Reason, ReceiptStatus
from support.http_line import CallbackCase, SendCase, provider, run_send_case, submission, tools, unsure

SETTINGS = {"api_key": "key", "sender": "SHOP"}
TEXT = {
    "phones": "+447700900100",
    "mes": "Your order is ready",
    "fmt": "3",
    "charset": "utf-8",
    "cost": "2",
    "sender": "SHOP",
    "id": "att_0000000000007",
}
TAKEN = {"id": 12345, "cnt": 1}

SEND_CASES = [
    SendCase("with a key", Accepted(("12345",)), request={**TEXT, "apikey": "key"}, answer=TAKEN),
    SendCase(
        "with login and password, for two hours",
        Accepted(("12345",)),
        submission(ttl_s=7_201),
        {"api_key": "", "login": "shop", "password": "secret"},
        {
            **TEXT,
            "login": "shop",
            "psw": "secret",
            "valid": "02:01",
        },
        answer=TAKEN,
    ),
    SendCase(
        "what it costs",
        Accepted(("12345",), Price(2_880_000, "RUB")),
        answer={"id": 12345, "cnt": 2, "cost": "2.88"},
    ),
    SendCase("a cost that is no number", Accepted(("12345",)), answer={**TAKEN, "cost": "free"}),
    SendCase(
        "an error beside an id",
        Refused(Reason.NO_CREDIT, "3", "x"),
        answer={"error": "x", "error_code": 3, "id": 1},
    ),
    SendCase("no id", unsure({"id": 0}), answer={"id": 0}),
    SendCase("not JSON", unsure(b"OK - 1 SMS"), answer=b"OK - 1 SMS"),
    SendCase("their trouble", unsure(TAKEN, 500), status=500, answer=TAKEN),
    SendCase(
        "a code nobody told us of",
        Refused(Reason.REJECTED, "77", "SMSC refused it with code 77"),
        answer={"error_code": 77},
    ),
    *(
        SendCase(
            f"code {code}", Refused(reason, str(code), "текст"), answer={"error": "текст", "error_code": code}
        )
        for code, reason in ERRORS.items()
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert request.path == "/sys/send.php"


def state(word: str, err: str = "0") -> Raw:
    """A state as it is posted."""
    return Raw(
        f"id=12345&phone=447700900100&status={word}&time=28.11.2026+12%3A00%3A00&ts=1795867200&err={err}".encode()
    )


def receipt(status: ReceiptStatus, reason: Reason | None, code: str) -> Receipt:
    """What comes out of it."""
    return Receipt(status, "12345", "", "+447700900100", reason, code, 1_795_867_200_000_000)


CALLBACK_CASES = [
    *(
        CallbackCase(f"state {word}", state(word), [receipt(status, reason, word)])
        for word, (status, reason) in STATUSES.items()
    ),
    *(
        CallbackCase(f"error {err}", state("20", err), [receipt(ReceiptStatus.FAILED, reason, f"20/{err}")])
        for err, reason in WHY.items()
    ),
    CallbackCase(
        "an error that says no more than the state",
        state("22", "245"),
        [receipt(ReceiptStatus.FAILED, Reason.BAD_ADDRESS, "22/245")],
    ),
    CallbackCase(
        "an error of what was delivered is none",
        state("1", "200"),
        [receipt(ReceiptStatus.DELIVERED, None, "1/200")],
    ),
    CallbackCase("without an id", Raw(b"status=1"), [Unreadable("a status without id", "status=1")]),
    CallbackCase(
        "a message they do not know",
        Raw(b"id=1&status=-3"),
        [Unreadable("status '-3' is not in our table", "id=1&status=-3")],
    ),
    CallbackCase(
        "what a person wrote",
        Raw(b"phone=447700900100&mes=stop"),
        [Unreadable("status '' is not in our table", "phone=447700900100&mes=stop")],
    ),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


SIGNED = md5(b"12345:447700900100:1:word", usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("body", "good"),
    [
        (f"id=12345&phone=447700900100&status=1&md5={SIGNED}", True),
        (f"id=12345&phone=447700900100&status=1&md5={SIGNED.upper()}", True),
        (f"id=12346&phone=447700900100&status=1&md5={SIGNED}", False),
        (f"id=12345&phone=447700900100&status=1&md5={SIGNED}&sha1=00", False),
        ("id=12345&phone=447700900100&status=1", False),
        ("phone=447700900100&mes=stop", True),  # parked
    ],
)
def test_who_signs(body: str, good: bool) -> None:
    settings = kit.decode_settings(CHANNEL, {**SETTINGS, "callback_secret": "word"})
    assert CHANNEL.genuine(settings, Raw(body.encode())) is good


def test_without_a_secret_nothing_is_signed() -> None:
    assert CHANNEL.genuine(kit.decode_settings(CHANNEL, SETTINGS), state("1"))


def test_one_way_to_log_in() -> None:
    with pytest.raises(Problem) as problem:
        kit.decode_settings(CHANNEL, {"sender": "SHOP", "login": "shop"})
    assert [field.field for field in problem.value.fields] == ["api_key"]


@pytest.mark.parametrize(
    ("ttl_s", "written"), [(60, "00:01"), (61, "00:02"), (86_400, "24:00"), (90_000, "24:00")]
)
def test_times_to_live(ttl_s: int, written: str) -> None:
    assert valid(ttl_s) == written


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ({"balance": "100.01"}, Price(100_010_000, "RUB")),
        ({"error": "x", "error_code": 2}, Unknown("an answer without a balance")),
    ],
)
async def test_the_balance(answer: Any, left: Price | Unknown) -> None:
    async with provider(200, answer, {}) as (url, asked), tools("127.0.0.1") as given:
        assert CHANNEL.balance is not None
        assert (
            await CHANNEL.balance(given, kit.decode_settings(CHANNEL, {**SETTINGS, "base_url": url})) == left
        )
    assert [(each.path, each.document) for each in asked] == [
        ("/sys/balance.php", {"apikey": "key", "fmt": "3"})
    ]


def test_templates_have_no_names() -> None:
    assert [each.field for each in CHANNEL.lint(None, Content(text="x", template="t"))] == ["template"]
