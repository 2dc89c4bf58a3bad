"""The form of a template: read, changed by its buttons, and back from what was saved."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import UNSET

from angarium.content import editing
from angarium.content.editing import Draft, DraftButton, DraftWording
from angarium.content.origins import Origin
from angarium.content.pages import mail_page, reads
from angarium.content.rules import Variant
from angarium.core.values import Button, ButtonKind, Content, Media

WHOLE = Variant(
    Content(
        text="{{ order }} is on its way",
        subject="Order {{ order }}",
        image_url="https://shop.example/a.png",
        buttons=(Button("Pay", "{{ link }}"), Button("Call", "tel:+380441234567", ButtonKind.CALL)),
        template="shipped",
        template_language="uk",
        params={"1": "{{ order }}", "2": "a=b"},
    ),
    "whatsapp_cloud",
    "uk",
)


@pytest.mark.parametrize(
    "variant",
    [
        WHOLE,
        Variant(Content(text="hello")),
        Variant(
            Content(text="words", html="<p>words</p>"),
            "smtp",
            "*",
            Origin(layout="frame", parts={"frame": 2}),
        ),
        Variant(Content(media=Media("media_1")), "viber_business"),
    ],
)
def test_a_wording_survives_its_form(variant: Variant) -> None:
    again = editing.variant_of(editing.of_variant(variant))
    assert (again.content.text or again.content.html) or again.content.media == variant.content.media
    for field in ("subject", "image_url", "buttons", "template", "template_language", "params", "media"):
        assert getattr(again.content, field) == getattr(variant.content, field)
    assert (again.channel, again.locale) == (variant.channel, variant.locale)


def test_what_was_written_comes_back_and_not_what_was_made_of_it() -> None:
    made = Variant(
        Content(text="made", html="<p>made</p>"), "smtp", "*", Origin(mjml="<mjml></mjml>", layout="l")
    )
    draft = editing.of_variant(made)
    assert (draft.text, draft.html, draft.layout) == ("", "<mjml></mjml>", "l")
    assert editing.variant_of(draft).origin == Origin(layout="l")


def test_fields_are_read_in_the_order_of_their_numbers() -> None:
    draft = editing.read(
        [
            ("v2.text", "second\r\nline"),
            ("v0.text", "first"),
            ("v0.channel", "smpp"),
            ("v0.b1.label", "B"),
            ("v0.b0.label", "A"),
            ("v0.b0.kind", "call"),
            ("v0.evil", "x"),
            ("wordings", "x"),
            ("name", "n"),
            ("class", "otp"),
        ]
    )
    assert [one.text for one in draft.wordings] == ["first", "second\nline"]
    assert [one.label for one in draft.wordings[0].buttons] == ["A", "B"]
    assert (draft.name, draft.message_class, draft.wordings[0].channel) == ("n", "otp", "smpp")


def test_buttons_without_anything_are_none_and_numbers_are_dialled() -> None:
    wording = DraftWording(
        text="x",
        buttons=[
            DraftButton(),
            DraftButton("call", "Call", "+380 (44) 123-45-67"),
            DraftButton("reply", "Yes", "https://left.over"),
            DraftButton("strange", "Go", "https://shop.example"),
        ],
    )
    assert editing.variant_of(wording).content.buttons == (
        Button("Call", "tel:+380441234567", ButtonKind.CALL),
        Button("Yes", "", ButtonKind.REPLY),
        Button("Go", "https://shop.example"),
    )


@pytest.mark.parametrize(
    ("what", "texts", "opened"),
    [
        ("add", ["a", "b", ""], 2),
        ("copy:0", ["a", "a", "b"], 1),
        ("remove:1", ["a"], 0),
        ("remove:0", ["b"], 0),
        ("look:1", ["a", "b"], 1),
        ("remove:7", ["a", "b"], None),
        ("remove:x", ["a", "b"], None),
        ("nonsense", ["a", "b"], None),
    ],
)
def test_buttons_of_the_form(what: str, texts: list[str], opened: int | None) -> None:
    draft = Draft(
        wordings=[DraftWording(text="a", buttons=[]), DraftWording(text="b", locale="fa", buttons=[])]
    )
    assert editing.pressed(draft, what) == opened
    assert [one.text for one in draft.wordings] == texts


def test_a_copy_is_another_wording() -> None:
    draft = Draft(wordings=[DraftWording(buttons=[DraftButton(label="A")])])
    editing.pressed(draft, "copy:0")
    draft.wordings[1].buttons[0].label = "B"
    assert draft.wordings[0].buttons[0].label == "A"
    editing.pressed(draft, "button:0")
    editing.pressed(draft, "unbutton:0:0")
    assert [one.label for one in draft.wordings[0].buttons] == [""]


def test_missing_values_get_examples_and_what_is_there_stays() -> None:
    draft = Draft(values='{"order": 7}')
    filled = msgspec.json.decode(editing.filled(draft, ["order.number", "contact.name", "pay_link"]))
    assert filled == {
        "order": {"number": "4512"},
        "contact": {"name": "Narges"},
        "pay_link": "https://shop.example/t/4512",
    }
    assert editing.values(Draft(values="[1]"))[1] is not None
    assert editing.values(Draft(values=" "))[1] is None


@pytest.mark.parametrize(
    ("source", "locale", "side"),
    [
        ("{{ contact.name }} عزیز", "", "rtl"),
        ("{{ contact.name }} dear", "fa", "ltr"),
        ("{{ order }}", "fa-IR", "rtl"),
        ("", "uk", "auto"),
    ],
)
def test_a_source_is_read_by_its_words(source: str, locale: str, side: str) -> None:
    assert reads(source, locale) == side


def test_a_mail_that_is_none_is_text_and_nothing_else() -> None:
    hostile = Variant(Content(text="<script>x</script> {{ name }}"))
    page = mail_page(hostile, {"name": "<b>"}, "")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;" in page
    assert "not known" in mail_page(hostile, {}, "")
    whole = Variant(Content(html="<html><body>{{ name }}</body></html>"), origin=UNSET)
    assert mail_page(whole, {"name": "<b>"}, "") == "<html><body>&lt;b&gt;</body></html>"
