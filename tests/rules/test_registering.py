"""What providers say of their templates, put to the wordings that ask for them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from angarium.channels import load
from angarium.content import approval, registering
from angarium.content.lifecycle import VersionState
from angarium.content.rules import Variant
from angarium.content.store.provider_templates import Told
from angarium.content.store.registrations import Registration
from angarium.content.store.versions import Version
from angarium.core.values import Content

ASKING = Variant(Content(template="ready", template_language="en_US"), channel="whatsapp_cloud", locale="en")


def told(**given: Any) -> Told:
    """Approved, a minute ago by both clocks."""
    usual = Told(
        channel="whatsapp_cloud",
        name="ready",
        language="en-us",
        account="1",
        about="status",
        id=1,
        line_id=7,
        word="APPROVED",
        status="approved",
        reason="",
        category="UTILITY",
        external_id="9",
        registrar="Meta",
        said_at=100,
        heard_at=100,
    )
    return msgspec.structs.replace(usual, **given)


REJECTED = told(word="REJECTED", status="rejected", reason="SCAM")
PENDING = told(word="PENDING", status="pending")


@pytest.mark.parametrize(
    ("known", "said", "news"),
    [
        (None, told(), True),
        (told(), told(), False),
        (told(), told(said_at=200), False),  # it is approved still
        (told(), msgspec.structs.replace(REJECTED, said_at=200), True),
        (told(), msgspec.structs.replace(REJECTED, said_at=50), False),  # it came late
        (PENDING, told(), True),  # within the same second
        (told(), PENDING, False),
        (told(), msgspec.structs.replace(PENDING, said_at=200), True),
        (REJECTED, msgspec.structs.replace(REJECTED, reason="PROMOTIONAL"), True),
    ],
)
def test_only_what_is_new_counts(known: Told | None, said: Told, news: bool) -> None:
    assert registering.is_news(known, said) is news


@pytest.mark.parametrize(
    ("variant", "found"),
    [
        (ASKING, True),
        (msgspec.structs.replace(ASKING, channel="vk_notify"), False),
        (msgspec.structs.replace(ASKING, content=Content(template="ready", template_language="en")), False),
        (
            msgspec.structs.replace(ASKING, content=Content(template="x", template_language="en_US")),
            False,
        ),
        (msgspec.structs.replace(ASKING, content=Content(text="ready")), False),
    ],
)
def test_a_wording_asks_by_name_and_language(variant: Variant, found: bool) -> None:
    assert registering.asks_for(variant, told()) is found


def version(*variants: Variant) -> Version:
    """A draft."""
    return Version(1, 2, 1, VersionState.DRAFT, variants, "", "hash", "key_a", ("key_a",), 0)


def noted(status: str, at: int) -> Registration:
    """What a person wrote down of the very words."""
    words = approval.wording_hash(ASKING)
    return Registration("whatsapp_cloud", "en", words, "Meta", "", "", status, "", "key_a", at)


@pytest.mark.parametrize(
    ("by_hand", "said", "status", "actor"),
    [
        ([], [told()], "approved", "provider"),
        ([], [], None, ""),
        ([noted("pending", 50)], [told()], "approved", "provider"),
        ([noted("rejected", 150)], [told()], "rejected", "key_a"),
        ([], [told(), told(account="2", status="paused", heard_at=50)], "paused", "provider"),
        ([], [told(about="quality", word="RED", status="")], None, ""),
    ],
)
def test_what_was_learnt_last_counts(
    by_hand: list[Registration], said: list[Told], status: str | None, actor: str
) -> None:
    found = registering.joined(by_hand, said, [version(ASKING)], load())
    assert [(one.status, one.actor) for one in found] == ([(status, actor)] if status else [])


def test_of_several_wordings_each_is_answered_and_the_category_is_the_newest() -> None:
    content = msgspec.structs.replace(ASKING.content, params={"a": "b"})
    other = msgspec.structs.replace(ASKING, locale="*", content=content)
    said = [told(), told(about="category", word="MARKETING", status="", category="MARKETING")]
    found = registering.joined([], said, [version(ASKING, other)], load())
    assert {(one.locale, one.category) for one in found} == {("en", "MARKETING"), ("*", "MARKETING")}
