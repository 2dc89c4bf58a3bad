"""Wording for every channel on one that cannot carry all of it: nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.content.fitting import fitted
from angarium.core.ports import Capabilities, Carries
from angarium.core.values import Button, ButtonKind, Content, Media, MessageClass

LINK = Button("Track", "https://a.example/7")
CALL = Button("Call", "tel:+380441234567", ButtonKind.CALL)
CHAT = Button("Chat", "https://wa.me/380", ButtonKind.CHAT)
YES, NO = (Button(word, kind=ButtonKind.REPLY) for word in ("Yes", "No"))
EVERY = frozenset(ButtonKind)
PICTURE = Media("media_1", "image/png", 1_000, url="https://a.example/m/1")
LARGE = Media("media_1", "image/png", 1_001, url="https://a.example/m/1")
FILM = Media("media_1", "video/mp4", 10, url="https://a.example/m/1")
SMS = Capabilities(frozenset(), frozenset(MessageClass))
VIBER = Capabilities(
    frozenset(),
    frozenset(MessageClass),
    buttons_max=1,
    images=True,
    media=(Carries(frozenset({"image/png"}), 1_000),),
)
MAIL = Capabilities(
    frozenset(), frozenset(MessageClass), buttons_max=10, buttons=EVERY, images=True, html=True
)

FITTED = [  # channel, content, the text and the number of buttons that are left, what changed
    (SMS, Content("Hello"), "Hello", 0, ()),
    (SMS, Content("Hello", buttons=(LINK,)), "Hello\nTrack: https://a.example/7", 0, ("buttons",)),
    (SMS, Content("Hi", buttons=(CHAT,)), "Hi\nChat: https://wa.me/380", 0, ("buttons",)),
    (SMS, Content("Come?", buttons=(YES, NO)), "Come?\n1. Yes\n2. No", 0, ("buttons",)),
    (SMS, Content("Come", buttons=(LINK, YES)), "Come\nTrack: https://a.example/7\n1. Yes", 0, ("buttons",)),
    (SMS, Content("Look", image_url="https://a.example/1"), "Look\nhttps://a.example/1", 0, ("image_url",)),
    (SMS, Content("Look", media=PICTURE), "Look\nhttps://a.example/m/1", 0, ("media",)),
    (VIBER, Content("Look", media=PICTURE), "Look", 0, ()),
    (VIBER, Content("Look", media=LARGE), "Look\nhttps://a.example/m/1", 0, ("media",)),
    (VIBER, Content("Look", media=FILM), "Look\nhttps://a.example/m/1", 0, ("media",)),
    (SMS, Content("Hi", subject="Order 7"), "Order 7\nHi", 0, ("subject",)),
    (SMS, Content(html="<p>Hi <b>you</b></p>", subject="S"), "S\nHi you", 0, ("html", "subject")),
    (SMS, Content("Hi", html="<p>Other</p>"), "Hi", 0, ("html",)),
    (SMS, Content("x", template="order", buttons=(LINK,)), "x", 1, ()),
    (VIBER, Content("Hello", buttons=(LINK,)), "Hello", 1, ()),
    (VIBER, Content("Hello", buttons=(LINK, CHAT)), "Hello\nChat: https://wa.me/380", 1, ("buttons",)),
    (VIBER, Content("Hello", buttons=(CALL, LINK)), "Hello\nCall: +380441234567", 1, ("buttons",)),
    (MAIL, Content("Hi", subject="S", html="<p>Hi</p>", buttons=(LINK, CALL, YES)), "Hi", 3, ()),
]  # fmt: skip


@pytest.mark.parametrize(("channel", "content", "text", "buttons", "changed"), FITTED)
def test_it_fits(
    channel: Capabilities, content: Content, text: str, buttons: int, changed: tuple[str, ...]
) -> None:
    found = fitted(content, channel)
    assert (found.content.text, len(found.content.buttons), found.changed) == (text, buttons, changed)


labels = st.text("abcdefghij", min_size=1, max_size=8)
buttons = st.one_of(
    st.builds(Button, labels, labels.map(lambda word: f"https://{word}.example")),
    st.builds(Button, labels, st.just("tel:+1234567"), st.just(ButtonKind.CALL)),
    st.builds(Button, labels, st.just(""), st.just(ButtonKind.REPLY)),
)


@given(
    st.lists(buttons, max_size=5).map(tuple),
    st.integers(0, 5),
    st.frozensets(st.sampled_from(ButtonKind)),
)
def test_every_button_is_pressed_or_read(
    given_: tuple[Button, ...], most: int, kinds: frozenset[ButtonKind]
) -> None:
    channel = Capabilities(frozenset(), frozenset(), buttons_max=most, buttons=kinds)
    found = fitted(Content("Text", buttons=given_), channel).content
    assert len(found.buttons) <= most
    assert {button.kind for button in found.buttons} <= kinds
    for button in given_:
        assert button in found.buttons or button.label in found.text
        assert button in found.buttons or button.url.removeprefix("tel:") in found.text
