"""A file of the workspace by each channel: how it is asked for, and what is refused before it is."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.channels import kit, smtp, viber_business, whatsapp_cloud
from angarium.core.ports import Channel
from angarium.core.values import Button, Content, Media, MessageClass
from support.http_line import submission

URL = "https://angarium.example/m/1"
MEGABYTE = 1_000_000
PAY = (Button("Pay", "https://pay.example/1"),)
SETTINGS: dict[str, dict[str, Any]] = {
    "whatsapp_cloud": {
        "phone_number_id": "1",
        "access_token": "a",
        "app_secret": "b",
        "verify_token": "c",
    },
    "viber_business": {"api_key": "k", "sender": "Shop"},
    "smtp": {"host": "127.0.0.1", "sender_address": "shop@example.com"},
}


def media(kind: str, size_bytes: int = 1_000) -> Media:
    """A file of this type."""
    return Media("media_1", kind, size_bytes, "bill.pdf", url=URL)


def settings(channel: Channel) -> Any:
    return kit.decode_settings(channel, SETTINGS[channel.kind])


PNG, PDF = media("image/png"), media("application/pdf")
LINK = {"link": URL}
WHATSAPP = [
    (Content("Hi", media=PNG), {"type": "image", "image": {**LINK, "caption": "Hi"}}),
    (Content(media=PNG), {"type": "image", "image": LINK}),
    (Content("Hi", media=media("video/mp4")), {"type": "video", "video": {**LINK, "caption": "Hi"}}),
    (Content(media=media("audio/ogg")), {"type": "audio", "audio": LINK}),
    (
        Content("Hi", media=PDF),
        {"type": "document", "document": {**LINK, "filename": "bill.pdf", "caption": "Hi"}},
    ),
]


@pytest.mark.parametrize(("content", "asked"), WHATSAPP)
def test_whatsapp_is_asked_for_each_kind_by_its_name(content: Content, asked: dict[str, Any]) -> None:
    document = whatsapp_cloud.document(settings(whatsapp_cloud.CHANNEL), submission(content=content))
    assert {name: document[name] for name in asked} == asked


def test_a_document_is_the_head_of_a_button_or_a_template() -> None:
    head = {"type": "document", "document": {**LINK, "filename": "bill.pdf"}}
    given = settings(whatsapp_cloud.CHANNEL)
    pressed = whatsapp_cloud.document(given, submission(content=Content("Hi", media=PDF, buttons=PAY)))
    assert pressed["interactive"]["header"] == head
    named = Content("Hi", media=PDF, template="bill", template_language="uk")
    sent = whatsapp_cloud.document(given, submission(content=named))
    assert sent["template"]["components"] == [{"type": "header", "parameters": [head]}]


def test_viber_is_asked_for_a_picture() -> None:
    sent = submission(content=Content("Hi", media=PNG), message_class=MessageClass.PROMOTIONAL)
    document = viber_business.document(settings(viber_business.CHANNEL), sent)
    assert (document["message_type"], document["image"]) == (108, URL)


def test_a_mail_shows_a_picture_by_its_address() -> None:
    sent = submission(content=Content("Hi", "Subject", media=PNG), address="a@example.com")
    assert URL.encode() in smtp.envelope(settings(smtp.CHANNEL), sent, 0).mail


LINTED: list[tuple[Channel, Content, list[str]]] = [
    (whatsapp_cloud.CHANNEL, Content("Hi", media=media("image/png", 5 * MEGABYTE)), []),
    (whatsapp_cloud.CHANNEL, Content("Hi", media=media("image/png", 5 * MEGABYTE + 1)), ["media"]),
    (whatsapp_cloud.CHANNEL, Content("Hi", media=media("image/gif")), ["media"]),
    (whatsapp_cloud.CHANNEL, Content("Hi", media=media("audio/ogg")), ["media"]),
    (whatsapp_cloud.CHANNEL, Content(media=media("audio/ogg")), []),
    (whatsapp_cloud.CHANNEL, Content("x" * 1_025, media=PDF), ["text"]),
    (viber_business.CHANNEL, Content("Hi", media=PNG), []),
    (viber_business.CHANNEL, Content("Hi", media=PDF), ["media"]),
    (smtp.CHANNEL, Content("Hi", "Subject", media=PNG), []),
    (smtp.CHANNEL, Content("Hi", "Subject", media=PDF), ["media"]),
]


@pytest.mark.parametrize(("channel", "content", "fields"), LINTED)
def test_what_a_channel_cannot_carry_is_said_before_it_is_sent(
    channel: Channel, content: Content, fields: list[str]
) -> None:
    assert [one.field for one in channel.lint(settings(channel), content)] == fields
