"""What WhatsApp has beyond its two tables: answers to press, people without a phone, the day's window, and
what is asked of Meta beside sending."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from angarium.channels import kit, meta_kit
from angarium.channels.whatsapp_cloud import CHANNEL, WINDOW_S, document
from angarium.core.clock import MICROS
from angarium.core.ports import (
    Accepted,
    Allowance,
    Profile,
    Raw,
    Receipt,
    Refused,
    Submission,
    TemplateNews,
    Tools,
    Unknown,
    Unreadable,
)
from angarium.core.values import (
    AddressKind,
    Button,
    ButtonKind,
    Content,
    Price,
    Reason,
    RegistrationStatus,
)
from support.http_line import provider, submission, tools
from support.still import SeededChance, StillClock

SETTINGS = {
    "phone_number_id": "1234567890",
    "access_token": "token",
    "app_secret": "app-secret",
    "verify_token": "our word",
    "business_account_id": "77",
}


def settings(**changes: Any) -> Any:
    """Of a line, with changes."""
    return kit.decode_settings(CHANNEL, {**SETTINGS, **changes})


def answers(*labels: str) -> tuple[Button, ...]:
    """Buttons that answer."""
    return tuple(Button(label, kind=ButtonKind.REPLY) for label in labels)


# ── answers to press ─────────────────────────────────────────────────────────────────────────────────


def test_up_to_three_answers_are_buttons() -> None:
    made = document(settings(), submission(content=Content(text="Come?", buttons=answers("Yes", "No"))))
    assert made["interactive"] == {
        "type": "button",
        "body": {"text": "Come?"},
        "action": {
            "buttons": [
                {"type": "reply", "reply": {"id": "Yes", "title": "Yes"}},
                {"type": "reply", "reply": {"id": "No", "title": "No"}},
            ]
        },
    }


def test_more_answers_are_a_list() -> None:
    made = document(settings(menu="Choose"), submission(content=Content("When?", buttons=answers(*"1234"))))
    rows = [{"id": each, "title": each} for each in "1234"]
    action = {"button": "Choose", "sections": [{"rows": rows}]}
    assert made["interactive"] == {"type": "list", "body": {"text": "When?"}, "action": action}


@pytest.mark.parametrize(
    ("buttons", "problems"),
    [
        (answers("Yes", "No", "Later"), []),
        (answers(*"1234567890"), []),
        (answers(*"1234567890x"), ["11 buttons, at most 10"]),
        (answers("x" * 21), ["21 characters, at most 20"]),
        (answers("x" * 24, "b", "c", "d"), []),
        (answers("x" * 25, "b", "c", "d"), ["25 characters, at most 24"]),
        ((*answers("Yes"), Button("Open", "https://a.example")), ["an address stands alone here"]),
        (
            (Button("a", "https://a.example"), Button("b", "https://b.example")),
            ["an address stands alone here"],
        ),
        (answers("Yes", "Yes"), ["two have one label"]),
    ],
)
def test_which_buttons_go_together(buttons: tuple[Button, ...], problems: list[str]) -> None:
    found = CHANNEL.lint(settings(), Content(text="x", buttons=buttons))
    assert [each.problem for each in found] == problems
    assert all(each.remedy for each in found)


# ── people who show no phone ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("+380501234567", AddressKind.PHONE),
        ("US.13491208655302741918", AddressKind.WHATSAPP_USER),
        ("US.ENT.11815799212886844830", AddressKind.WHATSAPP_USER),
        ("us.1", AddressKind.PHONE),
    ],
)
def test_which_kind_an_address_is(address: str, kind: AddressKind) -> None:
    assert CHANNEL.kind_at(address) is kind


def test_a_person_without_a_phone_is_written_to_by_their_id() -> None:
    made = document(settings(), submission(address="US.1234"))
    assert (made["recipient"], "to" in made) == ("US.1234", False)


def preference(**changes: Any) -> Raw:
    """A person says whether they want marketing; Meta's page of 21 May 2026."""
    said = {
        "wa_id": "16505551234",
        "detail": "User requested to stop marketing messages",
        "category": "marketing_messages",
        "value": "stop",
        "timestamp": 1731705721,
        **changes,
    }
    metadata = {"display_phone_number": "15550783881", "phone_number_id": "1234567890"}
    value = {
        "messaging_product": "whatsapp",
        "metadata": metadata,
        "contacts": [{"profile": {"name": "Pablo"}, "wa_id": said["wa_id"]}],
        "user_preferences": [said],
    }
    change = {"value": value, "field": "user_preferences"}
    return Raw(
        msgspec.json.encode(
            {"object": "whatsapp_business_account", "entry": [{"id": "77", "changes": [change]}]}
        )
    )


@pytest.mark.parametrize(("value", "allowed"), [("stop", False), ("resume", True)])
def test_marketing_is_turned_off_and_on(value: str, allowed: bool) -> None:
    (event,) = CHANNEL.parse(settings(), preference(value=value))
    at = 1731705721 * MICROS
    assert event == Allowance("+16505551234", allowed, f"{value}/1731705721", promotional_only=True, at=at)


@pytest.mark.parametrize("changes", [{"value": "maybe"}, {"category": "birthday_messages"}, {"wa_id": ""}])
def test_another_preference_is_parked(changes: dict[str, str]) -> None:
    (event,) = CHANNEL.parse(settings(), preference(**changes))
    assert isinstance(event, Unreadable)


# ── the window of a day ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("by", "heard_s", "content", "goes"),
    [
        ("angarium", None, Content(text="Hi"), False),
        ("angarium", WINDOW_S, Content(text="Hi"), False),
        ("angarium", WINDOW_S - 1, Content(text="Hi"), True),
        ("angarium", None, Content(template="t", template_language="en"), True),
        ("meta", None, Content(text="Hi"), True),
    ],
)
async def test_free_wording_waits_for_the_person(
    by: str, heard_s: float | None, content: Content, goes: bool
) -> None:
    clock = StillClock()
    heard_at = None if heard_s is None else clock.now() - int(heard_s * MICROS)
    asked: Submission = submission(content=content, heard_at=heard_at)
    async with (
        provider(200, {"messages": [{"id": "wamid.A"}]}, {}) as (url, asked_of),
        tools("127.0.0.1") as t,
    ):
        given = Tools(clock, SeededChance(), t.http)
        outcome = await kit.deliver(given, CHANNEL, settings(window_by=by, base_url=url), asked)
    assert len(asked_of) == goes
    assert (
        isinstance(outcome, Accepted)
        if goes
        else outcome
        == Refused(
            Reason.WINDOW_CLOSED, detail="this person has not written within 24 hours; only a template may go"
        )
    )


# ── what Meta is asked ───────────────────────────────────────────────────────────────────────────────

NUMBER = {
    "verified_name": "Shop",
    "display_phone_number": "+1 555-078-3881",
    "quality_rating": "GREEN",
    "messaging_limit_tier": "TIER_1K",
    "name_status": "APPROVED",
    "status": "CONNECTED",
}


async def test_who_we_are() -> None:
    async with provider(200, NUMBER, {}) as (url, asked), tools("127.0.0.1") as given:
        told = await meta_kit.ask_profile(given, settings(base_url=url))
    details = {"display_phone_number": "+1 555-078-3881", "name_status": "APPROVED"}
    assert told == Profile("Shop", "CONNECTED", "GREEN", "TIER_1K", details)
    assert asked[0].path.startswith("/v25.0/1234567890?fields=verified_name,")
    assert asked[0].headers["authorization"] == "Bearer token"


async def test_what_is_not_told_is_unknown() -> None:
    async with provider(400, {"error": {"code": 100}}, {}) as (url, _), tools("127.0.0.1") as given:
        assert await meta_kit.ask_profile(given, settings(base_url=url)) == Unknown(
            "the provider answered with HTTP 400"
        )
        assert isinstance(await meta_kit.ask_templates(given, settings(base_url=url)), Unknown)


async def test_templates_as_they_stand() -> None:
    kept = [
        {"id": "5", "name": "order_ready", "language": "fa", "status": "APPROVED", "category": "UTILITY"},
        {
            "id": "6",
            "name": "sale",
            "language": "en_US",
            "status": "REJECTED",
            "rejected_reason": "PROMOTIONAL",
        },
        {"id": "7", "name": "odd", "language": "en", "status": "MELTED"},
    ]
    async with provider(200, {"data": kept}, {}) as (url, _), tools("127.0.0.1") as given:
        told = await meta_kit.ask_templates(given, settings(base_url=url))
    one = TemplateNews(
        name="order_ready",
        language="fa",
        about="status",
        word="APPROVED",
        status=RegistrationStatus.APPROVED,
        category="UTILITY",
        account="77",
        external_id="5",
        registrar="Meta",
    )
    two = msgspec.structs.replace(
        one,
        name="sale",
        language="en_US",
        word="REJECTED",
        status=RegistrationStatus.REJECTED,
        reason="PROMOTIONAL",
        category="",
        external_id="6",
    )
    assert told == [one, two]


async def test_templates_want_an_account() -> None:
    async with tools() as given:
        told = await meta_kit.ask_templates(given, settings(business_account_id=""))
    assert told == Unknown("the line's settings have no business_account_id to ask about")


@pytest.mark.parametrize(
    ("status", "answer", "outcome"),
    [
        (200, {"success": True}, None),
        (
            400,
            {"error": {"code": 2200, "message": "Callback verification failed"}},
            Refused(Reason.CONFIG, "2200", "Callback verification failed"),
        ),
    ],
)
async def test_where_meta_posts(status: int, answer: Any, outcome: Refused | None) -> None:
    async with provider(status, answer, {}) as (url, asked), tools("127.0.0.1") as given:
        said = await meta_kit.attach(given, settings(base_url=url), "https://me.example/callbacks/1/x")
    assert said == outcome
    override = {"override_callback_uri": "https://me.example/callbacks/1/x", "verify_token": "our word"}
    assert asked[0].document == {"webhook_configuration": override}


# ── webhooks of WhatsApp, taken apart ────────────────────────────────────────────────────────────────

METADATA = {"display_phone_number": "15550001111", "phone_number_id": "1234567890"}


def batch(*values: dict[str, Any]) -> bytes:
    """A webhook of several changes."""
    changes = [
        {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": METADATA, **value}}
        for value in values
    ]
    return msgspec.json.encode(
        {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}
    )


STATUSES = [{"id": f"wamid.{name}", "status": "sent", "recipient_id": "447700900100"} for name in "ABC"]


def test_a_batch_is_taken_apart_and_says_the_same() -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    whole = Raw(batch({"statuses": STATUSES[:2]}, {"statuses": STATUSES[2:]}), {"x": "y"})
    pieces = CHANNEL.pieces(settings, whole)
    assert [piece.body for piece in pieces] == [batch({"statuses": [one]}) for one in STATUSES]
    assert all(piece.headers == {"x": "y"} for piece in pieces)
    apart = [event for piece in pieces for event in CHANNEL.parse(settings, piece)]
    assert apart == CHANNEL.parse(settings, whole)
    assert len(apart) == 3


@pytest.mark.parametrize("body", [b"", b"[]", b'{"entry": 1}', b'{"entry": [{"changes": [{"value": 1}]}]}'])
def test_what_is_no_batch_stays_whole(body: bytes) -> None:
    assert CHANNEL.pieces(None, Raw(body)) == [Raw(body)]


@pytest.mark.parametrize(
    ("pricing", "free"),
    [
        ({"billable": True, "pricing_model": "PMP", "category": "utility", "type": "regular"}, False),
        ({"billable": False, "pricing_model": "CBP", "category": "service"}, True),
        ({"pricing_model": "PMP", "category": "service", "type": "free_customer_service"}, True),
        ({"pricing_model": "PMP", "category": "referral_conversion", "type": "free_entry_point"}, True),
        ({"pricing_model": "PMP", "category": "marketing", "type": "regular"}, False),
        ({"pricing_model": "PMP", "category": "marketing"}, False),
    ],
)
def test_what_costs_nothing(pricing: dict[str, Any], free: bool) -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    (one,) = CHANNEL.parse(settings, Raw(batch({"statuses": [{**STATUSES[0], "pricing": pricing}]})))
    assert isinstance(one, Receipt)
    assert one.price == (Price(0, "") if free else None)
