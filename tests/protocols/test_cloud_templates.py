"""What Meta tells of templates, as its pages show it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from angarium.channels import kit
from angarium.channels.whatsapp_cloud import CHANNEL
from angarium.core.ports import Raw, TemplateNews, Unreadable
from angarium.core.values import RegistrationStatus

SETTINGS = {
    "phone_number_id": "1234567890",
    "access_token": "token",
    "app_secret": "app-secret",
    "verify_token": "our word",
}


def news(field: str, **value: Any) -> Raw:
    """What is told of a template, in Meta's envelope (its pages of November 2025 to May 2026)."""
    named = {
        "message_template_id": 1689556908129835,
        "message_template_name": "order_confirmation",
        "message_template_language": "en-US",
    }
    changes = [{"value": {**named, **value}, "field": field}]
    entry = {"id": "102290129340398", "time": 1751247548, "changes": changes}
    return Raw(msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]}))


def told(about: Any, word: str, **more: Any) -> TemplateNews:
    """What comes out of it."""
    usual = TemplateNews(
        name="order_confirmation",
        language="en-US",
        about=about,
        word=word,
        account="102290129340398",
        external_id="1689556908129835",
        registrar="Meta",
        at=1751247548_000_000,
    )
    return replace(usual, **more)


STATE, CATEGORY = "message_template_status_update", "template_category_update"
BESIDE = "Your template has parameters placed next to each other."
REJECTION = {"reason": BESIDE, "recommendation": "Separate them."}
PAUSE = {"title": "FIRST_PAUSE", "description": "It has been paused for 3 hours."}
COMING = {"correct_category": "MARKETING", "new_category": "UTILITY", "category_update_timestamp": 1746169200}
LONG = news(STATE, event="APPROVED", message_template_name="x" * 513)
NEWS: list[tuple[str, Raw, TemplateNews]] = [
    (
        "approved",
        news(STATE, event="APPROVED", reason="NONE", message_template_category="UTILITY"),
        told("status", "APPROVED", status=RegistrationStatus.APPROVED, category="UTILITY"),
    ),
    (
        "rejected, with why",
        news(STATE, event="REJECTED", reason="INVALID_FORMAT", rejection_info=REJECTION),
        told(
            "status",
            "REJECTED",
            status=RegistrationStatus.REJECTED,
            reason=f"INVALID_FORMAT {BESIDE} Separate them.",
        ),
    ),
    (
        "to be deleted, for no reason",
        news(STATE, event="PENDING_DELETION", reason=None),
        told("status", "PENDING_DELETION", status=RegistrationStatus.DISABLED),
    ),
    (
        "locked, because it is paused",
        news(STATE, event="LOCKED", other_info=PAUSE),
        told("status", "LOCKED", status=RegistrationStatus.PAUSED, reason=PAUSE["description"]),
    ),
    ("locked for nothing that we know", news(STATE, event="LOCKED"), told("notice", "LOCKED")),
    ("at risk, and goes on", news(STATE, event="FLAGGED"), told("notice", "FLAGGED")),
    (
        "of another category",
        news(CATEGORY, previous_category="UTILITY", new_category="MARKETING"),
        told("category", "MARKETING", category="MARKETING"),
    ),
    (
        "soon of another category",
        news(CATEGORY, **COMING),
        told(
            "notice",
            "MARKETING",
            reason="Meta is going to take it from UTILITY to MARKETING at 2025-05-02T07:00:00.000Z.",
        ),
    ),
    (
        "of worse quality",
        news("message_template_quality_update", previous_quality_score="GREEN", new_quality_score="YELLOW"),
        told("quality", "YELLOW"),
    ),
]


@pytest.mark.parametrize(("raw", "event"), [case[1:] for case in NEWS], ids=[case[0] for case in NEWS])
def test_what_is_told_of_a_template(raw: Raw, event: TemplateNews) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), raw) == [event]


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (news(STATE, message_template_name=5), f"a notice about {STATE} of another shape"),
        (
            news(STATE, event="APPROVED", message_template_name="x" * 513),
            f"a notice about {STATE} with words not in our table",
        ),
        (news(STATE, event="LIMIT_EXCEEDED"), f"a notice about {STATE} with words not in our table"),
        (news(CATEGORY, new_category="GOSSIP"), f"a notice about {CATEGORY} with words not in our table"),
    ],
)
def test_what_is_not_understood_is_parked(raw: Raw, detail: str) -> None:
    (event,) = CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), raw)
    assert isinstance(event, Unreadable)
    assert event.detail == detail


def test_templates_of_another_account_are_parked_where_the_line_names_its_own() -> None:
    raw = news(STATE, event="APPROVED")
    for account, heard_as in (("102290129340398", TemplateNews), ("7", Unreadable)):
        settings = kit.decode_settings(CHANNEL, {**SETTINGS, "business_account_id": account})
        (event,) = CHANNEL.parse(settings, raw)
        assert isinstance(event, heard_as)
