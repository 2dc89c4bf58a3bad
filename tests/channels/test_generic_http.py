"""A provider that is described by settings: its two tables, wrong descriptions, and its secrets."""

from __future__ import annotations

import hmac
from base64 import b64encode
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from angarium.channels import kit
from angarium.channels.generic_http import CHANNEL, judge, request
from angarium.core.ports import Accepted, Inbound, Raw, Receipt, Refused, Reply, Unreadable
from angarium.core.problems import Problem
from angarium.core.values import Content, MessageClass, Reason, ReceiptStatus
from angarium.messaging.masking import MASK, Masks
from angarium.protocols.answers import Answer
from angarium.simulators.faces import generic_http as face
from angarium.simulators.stage import Stage
from support.http_line import (
    CallbackCase,
    SendCase,
    line,
    run_fates,
    run_send_case,
    submission,
    tools,
    unsure,
)

SETTINGS = {**face.settings("https://api.example.com"), "inbound_text": "text", "inbound_from": "from"}
HOSTILE = 'a"}, {x\\ \n& =%00;#?/é😀 {to} {secret_1}'
FORM = {"body_kind": "form", "body": "to={to}\ntext={text}\nttl={ttl_s?}"}
GET = {
    "method": "GET",
    "body_kind": "none",
    "body": "",
    "path": "/send?key={secret_1}&to={to_digits}&text={text}&ttl={ttl_s?}",
}
WORDS = {"success_path": "status", "success_words": "ok, 0", "errors": "17 = no_credit"}
ASKED = {"kind": "sms", "to": "447700900100", "text": "Your order is ready", "ref": "att_0000000000007"}
TAKEN = {"state": "queued", "messages": [{"id": 42}]}


def refusal(code: int) -> dict[str, Any]:
    """The error document of the provider."""
    return {"error": {"code": code, "text": f"error {code}"}}


SEND_CASES = [
    SendCase("a text", Accepted(("42",)), request=ASKED, status=202, answer=TAKEN),
    SendCase(
        "with all there is",
        Accepted(("42",)),
        submission(ttl_s=60, callback_url="https://me.example/c", content=Content(text=HOSTILE)),
        request={**ASKED, "text": HOSTILE, "ttl": 60, "callback": "https://me.example/c"},
        status=202,
        answer=TAKEN,
    ),
    SendCase(
        "as a form",
        Accepted(("42",)),
        submission(content=Content(text=HOSTILE)),
        settings=FORM,
        request={"to": "+447700900100", "text": HOSTILE},
        status=202,
        answer=TAKEN,
    ),
    SendCase(
        "a registered template",
        Accepted(("42",)),
        submission(content=Content(text="Code 1", template="login", params={"code": "1"})),
        settings={"body": '{"to": "{to}", "t": ["{template}", "{params.code}", "{params.other?}"], "n": 1}'},
        request={"to": "+447700900100", "t": ["login", "1"], "n": 1},
        status=202,
        answer=TAKEN,
    ),
    SendCase(
        "success by a word",
        Accepted(),
        settings={**WORDS, "success_statuses": "200", "id_path": ""},
        answer={"status": "ok"},
    ),
    SendCase(
        "a word that is a code",
        Refused(Reason.NO_CREDIT, "17", "the provider refused it with 17"),
        settings={**WORDS, "success_statuses": "200"},
        answer={"status": 17},
    ),
    SendCase(
        "a code of the table",
        Refused(Reason.BAD_ADDRESS, "105", "error 105"),
        status=400,
        answer=refusal(105),
    ),
    SendCase(
        "a code of no table", Refused(Reason.REJECTED, "999", "error 999"), status=400, answer=refusal(999)
    ),
    SendCase(
        "too fast",
        Refused(Reason.THROTTLED, "429", "the provider asks to slow down", 7.0),
        status=429,
        answer=refusal(9),
        headers={"Retry-After": "7"},
    ),
    SendCase("a breakdown, whatever it says", unsure(refusal(105), 500), status=500, answer=refusal(105)),
    SendCase("no id where one should be", unsure({"messages": []}, 202), status=202, answer={"messages": []}),
    SendCase("not JSON", unsure(b"<html>", 202), status=202, answer=b"<html>"),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for asked in await run_send_case(CHANNEL, SETTINGS, case):
        assert asked.path == "/v1/messages?from=Shop%20%26%20Co"
        assert asked.headers["authorization"] == f"Bearer {face.KEY}"


async def test_a_value_in_an_address_stays_in_its_place() -> None:
    sent = submission(content=Content(text=HOSTILE))
    case = SendCase("by GET", Accepted(("42",)), sent, settings=GET, status=202, answer=TAKEN)
    (asked,) = await run_send_case(CHANNEL, SETTINGS, case)
    assert urlsplit(asked.path).path == "/send"
    query = parse_qsl(urlsplit(asked.path).query, strict_parsing=True)
    assert query == [("key", face.KEY), ("to", "447700900100"), ("text", HOSTILE)]


async def test_the_secret_is_in_no_outcome_and_is_masked_in_what_is_kept() -> None:
    settings = kit.decode_settings(
        CHANNEL,
        {
            **SETTINGS,
            **GET,
            "secret_2": "pass:word",
            "headers": "Authorization: Basic {basic}",
            "base_url": "http://127.0.0.1:1",
        },
    )
    async with tools("127.0.0.1") as given:
        outcome = await kit.deliver(given, CHANNEL, settings, submission())
    assert face.KEY not in str(outcome)
    made = request(settings, submission())
    masks = Masks([settings.secret_1, settings.secret_2])
    assert made.headers["Authorization"] == "Basic " + b64encode(f"{face.KEY}:pass:word".encode()).decode()
    assert face.KEY not in masks.text(made.url)[0]
    assert masks.text(made.headers["Authorization"])[0] == f"Basic {MASK}"


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("body", "{", "is not JSON"),
        ("body", '"{to}{text}"', "neither an object nor a list"),
        ("body", '{"a": "{to}{text}{wrong}"}', "{wrong} does not stand for anything"),
        ("body", '{"a": "{text}"}', "names {to}"),
        ("body", '{"a": "{to}"}', "names {text}"),
        ("body", "[" * 30 + '"{to}{text}"' + "]" * 30, "deeper than"),
        ("path", "/{nobody}", "{nobody} does not stand"),
        ("headers", "no sign", "line 1"),
        ("headers", "X-Text: {text}", "{text} does not stand"),
        ("success_statuses", "200, many", "'many' is neither"),
        ("success_statuses", "200-404", "from 200 to 299"),
        ("success_words", "ok", "where they stand"),
        ("errors", "# a remark\n105 = bad_adress", "'bad_adress' is no reason"),
        ("errors", "105 = budget", "'budget' is no reason"),
        ("statuses", "OK = done", "'done' is no status"),
        ("callback_check", "word", "a header and a secret"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_field(field: str, value: str, told: str) -> None:
    more = {"callback_header": ""} if field == "callback_check" else {}
    with pytest.raises(Problem) as problem:
        kit.decode_settings(CHANNEL, {**SETTINGS, field: value, **more})
    assert [one.field for one in problem.value.fields] == [field]
    assert told in problem.value.fields[0].problem


def test_what_it_cannot_carry() -> None:
    settings = kit.decode_settings(CHANNEL, {**SETTINGS, "text_max": 10})
    found = CHANNEL.lint(settings, Content(text="x" * 11, template="login"))
    assert [one.field for one in found] == ["text", "template"]


# ── callbacks ────────────────────────────────────────────────────────────────────────────────────────

DELIVERED = b'{"events":[{"id":42,"ref":"att_7","status":"DELIVRD"},{"id":43,"status":"EXPIRED"}]}'
FORM_STATUS = Raw(b"id=44&status=UNDELIV", query={"ref": "att_8"})
CALLBACK_CASES = [
    CallbackCase(
        "a batch",
        Raw(DELIVERED),
        [
            Receipt(ReceiptStatus.DELIVERED, "42", "att_7"),
            Receipt(ReceiptStatus.FAILED, "43", reason=Reason.EXPIRED, code="EXPIRED"),
        ],
    ),
    CallbackCase(
        "a form beside a query",
        FORM_STATUS,
        [Receipt(ReceiptStatus.FAILED, "44", "att_8", reason=Reason.UNDELIVERED, code="UNDELIV")],
    ),
    CallbackCase(
        "a query alone",
        Raw(b"", query={"id": "45", "status": "SEEN"}),
        [Receipt(ReceiptStatus.READ, "45")],
    ),
    CallbackCase(
        "an answer",
        Raw(b'{"events":[{"from":"447700900100","text":"STOP"}]}'),
        [Inbound("6af01ce72d2afab5947d3027e2c10982", "+447700900100", "", "STOP")],
    ),
    CallbackCase(
        "a word of no table",
        Raw(b'{"id":1,"status":"LOST"}'),
        [Unreadable("a status that is not in the table: LOST", '{"id":1,"status":"LOST"}')],
    ),
    CallbackCase(
        "a status of nobody",
        Raw(b'{"status":"SEEN"}'),
        [Unreadable("a status of no message", '{"status":"SEEN"}')],
    ),
    CallbackCase(
        "something else",
        Raw(b'{"hello":1}'),
        [Unreadable("nothing in it stands where the settings say", '{"hello":1}')],
    ),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


def test_the_error_of_a_receipt_is_looked_up() -> None:
    settings = kit.decode_settings(CHANNEL, {**SETTINGS, "receipt_error": "err"})
    (event,) = CHANNEL.parse(settings, Raw(b'{"id":1,"status":"UNDELIV","err":107}'))
    assert event == Receipt(ReceiptStatus.FAILED, "1", reason=Reason.BLOCKED_BY_USER, code="107")


def signed(algorithm: str, encoding: str) -> str:
    """The signature of `{}` as the settings have it."""
    made = hmac.new(face.SECRET.encode(), b"{}", algorithm).digest()
    return made.hex() if encoding == "hex" else b64encode(made).decode()


@pytest.mark.parametrize(
    ("changes", "given", "good"),
    [
        ({}, f"sha1={signed('sha1', 'base64')}", True),
        ({}, signed("sha1", "base64"), False),
        ({}, "", False),
        (
            {"signature_prefix": "", "signature_encoding": "hex", "signature_algorithm": "sha256"},
            signed("sha256", "hex"),
            True,
        ),
        ({"callback_check": "word"}, face.SECRET, True),
        ({"callback_check": "word"}, "é", False),
        ({"callback_check": "none"}, "", True),
        ({"callback_check": "none", "callback_networks": "203.0.113.0/24"}, "", False),
    ],
)  # fmt: skip
def test_what_is_believed(changes: dict[str, str], given: str, good: bool) -> None:
    settings = kit.decode_settings(CHANNEL, {**SETTINGS, **changes})
    assert CHANNEL.genuine(settings, Raw(b"{}", {"x-signature": given}, peer="198.51.100.7")) is good


def test_the_provider_hears_its_word() -> None:
    settings = kit.decode_settings(CHANNEL, {**SETTINGS, "callback_reply": "OK"})
    assert CHANNEL.reply(settings, Raw(b"{}")) == Reply(200, "OK")


def test_an_answer_cannot_bring_what_no_database_keeps() -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    answer = Answer(202, {}, b'{"messages":[{"id":"a\\u0000"}]}')
    assert judge(settings, answer) == Accepted(("a\ufffd",))


async def test_a_described_provider_takes_messages_and_tells_what_became_of_them() -> None:
    stage = Stage()
    made = face.GenericFace(stage)
    described = {name: value for name, value in SETTINGS.items() if name != "base_url"}
    async with line(stage, made, CHANNEL, described) as live:
        await run_fates(live, made, {"00": (["sent", "delivered"], ["sent", "delivered"])})
        assert live.heard.forged == 0
        assert made.ledger.entries[0].sender == "Shop & Co"
        refused = await live.send("+447700900100", message_class=MessageClass.OTP, content=Content(text=""))
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.CONTENT_REJECTED
