"""WhatsApp's Cloud API: its two tables, and its webhook."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from angarium.channels import kit
from angarium.channels.whatsapp_cloud import CHANNEL, ERRORS
from angarium.core.ports import Accepted, Charged, Inbound, Raw, Receipt, Refused, Reply, Unreadable
from angarium.core.values import Button, Content, MessageClass, Price, Reason, ReceiptStatus
from angarium.protocols.signatures import hub_signature
from support.http_line import CallbackCase, SendCase, run_send_case, submission, unsure

SETTINGS = {
    "phone_number_id": "1234567890",
    "access_token": "token",
    "app_secret": "app-secret",
    "verify_token": "our word",
}

TAKEN = {
    "messaging_product": "whatsapp",
    "contacts": [{"input": "447700900100", "wa_id": "447700900100"}],
    "messages": [{"id": "wamid.A", "message_status": "accepted"}],
}


def refusal(code: int, message: str) -> dict[str, Any]:
    """Meta's error document."""
    return {"error": {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "x"}}


def asked(kind: str, part: dict[str, Any]) -> dict[str, Any]:
    """The whole request for the usual submission."""
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "447700900100",
        "biz_opaque_callback_data": "att_0000000000007",
        "type": kind,
        kind: part,
    }


def template(name: str, language: str, *components: dict[str, Any]) -> dict[str, Any]:
    """The whole request for a template."""
    spoken = {"policy": "deterministic", "code": language}
    return asked("template", {"name": name, "language": spoken, "components": list(components)})


PICTURE = "https://shop.example/a.png"
READY = Content("علی، سفارش 17 آماده است", template="order_ready", template_language="fa")
INVOICE = Content(template="invoice", template_language="en", image_url=PICTURE)
PAY = Content("Pay", image_url=PICTURE, buttons=(Button("Pay now", "https://pay.example/17"),))
WRONG, STRANGE_CODE = refusal(131000, "Something went wrong"), refusal(999999, "")

SEND_CASES = [
    SendCase(
        "a text",
        Accepted(("wamid.A",)),
        request=asked("text", {"body": "Your order is ready", "preview_url": False}),
        answer=TAKEN,
    ),
    SendCase(
        "a text with a link",
        Accepted(("wamid.A",)),
        submission(content=Content(text="https://shop.example/17")),
        request=asked("text", {"body": "https://shop.example/17", "preview_url": True}),
        answer=TAKEN,
    ),
    SendCase(
        "a template, positional",
        Accepted(("wamid.A",)),
        submission(content=replace(READY, params={"name": "علی", "number": "17"})),
        request=template(
            "order_ready",
            "fa",
            {"type": "body", "parameters": [{"type": "text", "text": "علی"}, {"type": "text", "text": "17"}]},
        ),
        answer=TAKEN,
    ),
    SendCase(
        "a template, named, with a picture and the end of a button's URL",
        Accepted(("wamid.A",)),
        submission(content=replace(INVOICE, params={"amount": "10 €", "button_0": "i/17"})),
        settings={"template_variables": "named"},
        request=template(
            "invoice",
            "en",
            {"type": "header", "parameters": [{"type": "image", "image": {"link": PICTURE}}]},
            {"type": "body", "parameters": [{"type": "text", "parameter_name": "amount", "text": "10 €"}]},
            {
                "type": "button",
                "sub_type": "url",
                "index": "0",
                "parameters": [{"type": "text", "text": "i/17"}],
            },
        ),
        answer=TAKEN,
    ),
    SendCase(
        "a template without variables",
        Accepted(("wamid.A",)),
        submission(content=Content(template="hello", template_language="uk")),
        request=template("hello", "uk"),
        answer=TAKEN,
    ),
    SendCase(
        "a picture with words",
        Accepted(("wamid.A",)),
        submission(content=Content(text="Look", image_url=PICTURE)),
        request=asked("image", {"link": PICTURE, "caption": "Look"}),
        answer=TAKEN,
    ),
    SendCase(
        "a picture alone",
        Accepted(("wamid.A",)),
        submission(content=Content(image_url=PICTURE)),
        request=asked("image", {"link": PICTURE}),
        answer=TAKEN,
    ),
    SendCase(
        "text, picture and button",
        Accepted(("wamid.A",)),
        submission(content=PAY),
        request=asked(
            "interactive",
            {
                "type": "cta_url",
                "header": {"type": "image", "image": {"link": PICTURE}},
                "body": {"text": "Pay"},
                "action": {
                    "name": "cta_url",
                    "parameters": {"display_text": "Pay now", "url": "https://pay.example/17"},
                },
            },
        ),
        answer=TAKEN,
    ),
    SendCase(
        "too many to one person: 403 that is no matter of rights",
        Refused(Reason.THROTTLED, "131056", "pair rate limit hit", retry_after_s=6.0),
        status=403,
        answer=refusal(131056, "pair rate limit hit"),
    ),
    SendCase(
        "too fast",
        Refused(Reason.THROTTLED, "130429", "(#130429) Rate limit hit", retry_after_s=2),
        status=429,
        headers={"Retry-After": "2"},
        answer=refusal(130429, "(#130429) Rate limit hit"),
    ),
    SendCase(
        "a token that ran out",
        Refused(Reason.AUTH, "190", "Session has expired"),
        status=401,
        answer=refusal(190, "Session has expired"),
    ),
    SendCase(
        "a paused template",
        Refused(Reason.TEMPLATE_INVALID, "132015", "Template is paused"),
        status=400,
        answer=refusal(132015, "Template is paused"),
    ),
    SendCase(
        "a code nobody told us of",
        Refused(Reason.REJECTED, "999999", "Meta refused it with code 999999"),
        status=400,
        answer=STRANGE_CODE,
    ),
    SendCase("such a code with 500", unsure(STRANGE_CODE, 500), status=500, answer=STRANGE_CODE),
    SendCase("something went wrong: it may have been taken", unsure(WRONG, 500), status=500, answer=WRONG),
    SendCase(
        "something went wrong, and Meta blames the request",
        Refused(Reason.TEMPORARY, "131000", "Something went wrong"),
        status=400,
        answer=WRONG,
    ),
    SendCase(
        "turned away at the door",
        Refused(Reason.TEMPORARY, "131016", "Service unavailable"),
        status=503,
        answer=refusal(131016, "Service unavailable"),
    ),
    SendCase("no id", unsure({"messages": []}), answer={"messages": []}),
    SendCase("a page from something in between", unsure(b"<html>", 502), status=502, answer=b"<html>"),
    SendCase(
        "a template without its language",
        Refused(Reason.UNSUPPORTED, detail="template_language: is required"),
        submission(content=Content(template="hello")),
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert request.path == "/v25.0/1234567890/messages"
        assert request.headers["authorization"] == "Bearer token"


@pytest.mark.parametrize(
    ("reason", "codes"),
    [
        (Reason.NOT_A_USER, [131026]),
        (Reason.WINDOW_CLOSED, [131047]),
        (Reason.OPTED_OUT, [131050]),
        (Reason.REJECTED, [131049, 130472, 130497]),
        (Reason.THROTTLED, [4, 80007, 130429, 131048, 131056, 133016]),
        (Reason.TEMPLATE_INVALID, [132000, 132001, 132007, 132012, 132015, 132016]),
        (Reason.MEDIA_INVALID, [131052, 131053]),
        (Reason.UNSUPPORTED, [131051, 131062, 131063]),
        (Reason.AUTH, [0, 10, 190, 200, 299, 131005]),
        (Reason.SENDER_INVALID, [368, 131031, 131037]),
        (Reason.NO_CREDIT, [131042]),
        (Reason.CONFIG, [100, 131008, 131009, 131030, 131045, 131064]),
        (Reason.TEMPORARY, [1, 2, 131000, 131016, 131057]),
    ],
)
def test_what_the_numbers_mean(reason: Reason, codes: list[int]) -> None:
    assert {ERRORS[code] for code in codes} == {reason}


# ── callbacks: payloads as nyaruka/courier captured them, with our own references ────────────────────

METADATA = {"display_phone_number": "+250788123200", "phone_number_id": "1234567890"}


def webhook(value: dict[str, Any], field: str = "messages", metadata: dict[str, str] | None = None) -> Raw:
    """One change, in Meta's envelope."""
    held = {"messaging_product": "whatsapp", "metadata": METADATA if metadata is None else metadata, **value}
    change = {"value": held, "field": field}
    document = {
        "object": "whatsapp_business_account",
        "entry": [{"id": "8856996819413533", "changes": [change]}],
    }
    return Raw(msgspec.json.encode(document))


def status(word: str, **more: Any) -> dict[str, Any]:
    """A status as it stands in `statuses`."""
    told = {
        "id": "wamid.A",
        "recipient_id": "447700900100",
        "status": word,
        "timestamp": "1454119029",
        "type": "message",
        "biz_opaque_callback_data": "att_7",
        "conversation": {"id": "CONVERSATION_ID", "origin": {"type": "utility"}},
        "pricing": {"pricing_model": "PMP", "billable": True, "category": "utility"},
    }
    return {**told, **more}


UTILITY = Charged("utility, PMP", (MessageClass.SERVICE, MessageClass.TRANSACTIONAL))


def receipt(what: ReceiptStatus, code: str, reason: Reason | None = None, at: int | None = 0) -> Receipt:
    """What comes out of it."""
    usual = {"reason": reason, "code": code, "at": 1454119029_000_000 if at == 0 else at, "charged": UTILITY}
    return Receipt(what, "wamid.A", "att_7", "+447700900100", **usual)


def message(kind: str, **more: Any) -> dict[str, Any]:
    """A message as it stands in `messages`."""
    return {"from": "5678", "id": "external_id", "timestamp": "1454119029", "type": kind, **more}


def heard(text: str, **more: Any) -> Inbound:
    """What comes out of it."""
    usual = Inbound("external_id", "+5678", "+250788123200", text, at=1454119029_000_000)
    return replace(usual, **more)


def parked(detail: str, piece: object) -> Unreadable:
    """A piece that was not understood."""
    return Unreadable(detail, msgspec.json.encode(piece).decode())


GRAPH = "https://graph.facebook.com/v25.0/"
GROUP = message("text", text={"body": "Hi"}, group_id="5")
FREE = status("sent", pricing={"billable": False})
STRANGE = message("hologram", hologram={"id": "1"})
ACCOUNT_ERROR = {"code": 0, "title": "We were unable to authenticate the app user"}
SENT = receipt(ReceiptStatus.SENT, "sent")
OTHER_NUMBER = {"display_phone_number": "1", "phone_number_id": "999"}


def reply(kind: str, **chosen: str) -> dict[str, Any]:
    """An interactive reply."""
    return message("interactive", interactive={"type": kind, kind: chosen})


INBOUNDS: list[tuple[str, dict[str, Any], Inbound]] = [
    ("text", message("text", text={"body": "Hello World"}), heard("Hello World")),
    (
        "a template's button",
        message("button", button={"payload": "No-Button-Payload", "text": "No"}, context={"id": "wamid.A"}),
        heard("No", context_ref="wamid.A", payload="No-Button-Payload"),
    ),
    ("a reply button", reply("button_reply", id="x", title="Yes"), heard("Yes", payload="x")),
    ("a list", reply("list_reply", id="x", title="Second"), heard("Second", payload="x")),
    ("a form", reply("nfm_reply", name="flow", body="Sent", response_json="{}"), heard("Sent", payload="{}")),
    (
        "a picture with words",
        message("image", image={"id": "id_image", "mime_type": "image/jpeg", "caption": "My phone"}),
        heard("My phone", media_url=GRAPH + "id_image"),
    ),
    ("a voice", message("voice", voice={"id": "id_voice"}), heard("[voice]", media_url=GRAPH + "id_voice")),
    (
        "a paper",
        message("document", document={"id": "id_doc", "filename": "passport.pdf"}),
        heard("[document] passport.pdf", media_url=GRAPH + "id_doc"),
    ),
    (
        "media whose id is a trap",
        message("audio", audio={"id": "../../me?fields=access_token"}),
        heard("[audio]"),
    ),
    (
        "a place",
        message("location", location={"latitude": 50.45, "longitude": 30.5, "name": "Майдан"}),
        heard("[location] 50.45 30.5 Майдан"),
    ),
    (
        "a reaction",
        message("reaction", reaction={"message_id": "wamid.A", "emoji": "👍"}),
        heard("👍", context_ref="wamid.A"),
    ),
    ("contacts", message("contacts", contacts=[{"name": {}}]), heard("[contacts]")),
    (
        "what WhatsApp itself could not",
        message("unsupported", errors=[{"code": 131051, "title": "Unsupported message type"}]),
        heard("[unsupported]"),
    ),
    (
        "a person without a phone",
        {**message("text", text={"body": "Hi"}), "from": "", "from_user_id": "US.1234"},
        heard("Hi", sender="US.1234"),
    ),
    (
        "a time in milliseconds",
        {**message("text", text={"body": "Hi"}), "timestamp": "1454119029000"},
        heard("Hi"),
    ),
    ("no time", {**message("text", text={"body": "Hi"}), "timestamp": "yesterday"}, heard("Hi", at=None)),
    ("a NUL", message("text", text={"body": "a\x00b"}), heard("a\ufffdb")),
]

CALLBACK_CASES = [
    CallbackCase("sent", webhook({"statuses": [status("sent")]}), [SENT]),
    CallbackCase("free", webhook({"statuses": [FREE]}), [replace(SENT, price=Price(0, ""), charged=None)]),
    CallbackCase(
        "delivered",
        webhook({"statuses": [status("delivered")]}),
        [receipt(ReceiptStatus.DELIVERED, "delivered")],
    ),
    CallbackCase(
        "read, its time in milliseconds",
        webhook({"statuses": [status("read", timestamp=1454119029123)]}),
        [receipt(ReceiptStatus.READ, "read", at=1454119029_123_000)],
    ),
    CallbackCase(
        "failed",
        webhook(
            {"statuses": [status("failed", errors=[{"code": 131026, "title": "Message undeliverable"}])]}
        ),
        [receipt(ReceiptStatus.FAILED, "131026", Reason.NOT_A_USER)],
    ),
    CallbackCase(
        "failed for a reason nobody told us of",
        webhook({"statuses": [status("failed", errors=[{"code": 999999}])]}),
        [receipt(ReceiptStatus.FAILED, "999999", Reason.UNDELIVERED)],
    ),
    CallbackCase(
        "failed without a reason",
        webhook({"statuses": [status("failed")]}),
        [receipt(ReceiptStatus.FAILED, "failed", Reason.UNDELIVERED)],
    ),
    CallbackCase(
        "a word nobody told us of",
        webhook({"statuses": [status("in_orbit")]}),
        [parked("status 'in_orbit' is not in our table", status("in_orbit"))],
    ),
    *(CallbackCase(name, webhook({"messages": [heard_as]}), [event]) for name, heard_as, event in INBOUNDS),
    CallbackCase("a group", webhook({"messages": [GROUP]}), [parked("a message in a group", GROUP)]),
    CallbackCase(
        "a new type",
        webhook({"messages": [STRANGE]}),
        [parked("a message of type 'hologram'", STRANGE)],
    ),
    CallbackCase(
        "an error of the account",
        webhook({"errors": [ACCOUNT_ERROR]}),
        [parked("an error of the account", ACCOUNT_ERROR)],
    ),
    CallbackCase(
        "a batch, each on its own",
        webhook({"statuses": [status("sent"), 5], "messages": [message("text", text={"body": "Hi"})]}),
        [receipt(ReceiptStatus.SENT, "sent"), parked("a status of another shape", 5), heard("Hi")],
    ),
    CallbackCase("not JSON", Raw(b"{"), [Unreadable("not a WhatsApp webhook", "{")]),
    CallbackCase(
        "another product",
        Raw(b'{"object":"page","entry":[]}'),
        [Unreadable("not a WhatsApp webhook", '{"object":"page","entry":[]}')],
    ),
    CallbackCase(
        "nothing in it",
        Raw(b'{"object":"whatsapp_business_account","entry":[]}'),
        [Unreadable("a webhook without changes", '{"object":"whatsapp_business_account","entry":[]}')],
    ),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_callbacks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (webhook({}, field="account_update"), "a notice about account_update"),
        (webhook({"statuses": [FREE]}, metadata=OTHER_NUMBER), "for the number '999', not this line's"),
        (webhook({}), "a change without statuses, messages or errors"),
        (webhook({"statuses": 5}), "a change of another shape"),
    ],
)
def test_what_is_not_for_this_line_is_parked_by_name(raw: Raw, detail: str) -> None:
    (event,) = CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), raw)
    assert isinstance(event, Unreadable)
    assert event.detail == detail


# ── the webhook's address ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ({"hub.mode": "subscribe", "hub.verify_token": "our word", "hub.challenge": "77"}, Reply(200, "77")),
        (
            {"hub.mode": "subscribe", "hub.verify_token": "другое", "hub.challenge": "77"},
            Reply(403, "the verify token does not fit"),
        ),
        ({"hub.mode": "subscribe", "hub.challenge": "77"}, Reply(403, "the verify token does not fit")),
        ({"hub.mode": "unsubscribe", "hub.verify_token": "our word"}, None),
        ({}, None),
    ],
)
def test_the_challenge(query: dict[str, str], answer: Reply | None) -> None:
    assert CHANNEL.challenge(kit.decode_settings(CHANNEL, SETTINGS), Raw(b"", query=query)) == answer


@pytest.mark.parametrize(
    ("secret", "good"), [("app-secret", True), ("the one before", True), ("another", False), ("", False)]
)
def test_only_meta_is_genuine(secret: str, good: bool) -> None:
    settings = kit.decode_settings(CHANNEL, {**SETTINGS, "app_secret_before": "the one before"})
    body = b'{"object":"whatsapp_business_account"}'
    signed = Raw(body, headers={"x-hub-signature-256": hub_signature(secret, body)})
    assert CHANNEL.genuine(settings, signed) is good
    assert not CHANNEL.genuine(settings, Raw(body + b" ", headers=signed.headers))
    assert not CHANNEL.genuine(settings, Raw(body))


LINT = [
    (Content(text="x" * 4096), []),
    (Content(text="x" * 4097), [("text", "4097 characters, at most 4096")]),
    (Content(), [("text", "is empty")]),
    (Content(image_url="https://a.example/x.png"), []),
    (
        Content(text="x" * 1025, image_url="https://a.example/x.png"),
        [("text", "1025 characters, at most 1024")],
    ),
    (Content(text="x", buttons=(Button("x" * 20, "https://a.example"),)), []),
    (
        Content(text="x", buttons=(Button("x" * 21, "https://a.example"),)),
        [("buttons.0.label", "21 characters, at most 20")],
    ),
    (Content(buttons=(Button("a", "https://a.example"),)), [("text", "is empty")]),
    (
        Content(template="t", template_language="en", text="x", buttons=(Button("a", "https://a.example"),)),
        [("buttons", "not beside a template")],
    ),
]


@pytest.mark.parametrize(("content", "problems"), LINT)
def test_lint(content: Content, problems: list[tuple[str, str]]) -> None:
    found = CHANNEL.lint(None, content)
    assert [(each.field, each.problem) for each in found] == problems
    assert all(each.remedy for each in found)
