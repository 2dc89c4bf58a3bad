"""Which variant is taken, what a content says, and how every mistake names its field, value and remedy."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from angarium.content.liquid import TemplateSyntax
from angarium.content.rules import NotRendered, Variant, check, pick, render, variables
from angarium.core.problems import FieldProblem
from angarium.core.values import Button, Content

VALUES: dict[str, Any] = {
    "contact": {
        "first_name": "سارا",
        "note": "<script>",
        "broken": "a\r\nBcc: x@y.example",
        "torn": "a\x00b",
    },
    "order": {"number": 7, "path": "a b", "link": "https://shop.example/o/7", "bad": "javascript:alert(1)"},
}

# Every place of the table in rules.py, the most specific first.
ORDER = [
    ("smpp", "zh-Hans-CN"),
    ("smpp", "zh-hans"),
    ("smpp", "zh"),
    ("smpp", "*"),
    ("sms", "zh-Hans-CN"),
    ("sms", "zh_Hans"),
    ("sms", "ZH"),
    ("sms", "*"),
    ("*", "zh-Hans-CN"),
    ("*", "zh-Hans"),
    ("*", "zh"),
    ("*", "*"),
]
VARIANTS = [Variant(Content(text=f"{channel} {locale}"), channel, locale) for channel, locale in ORDER]


@pytest.mark.parametrize("place", range(len(ORDER)))
def test_the_most_specific_variant_wins(place: int) -> None:
    left = VARIANTS[place:]
    assert pick(left, "smpp", "zh-Hans-CN", "sms") is VARIANTS[place]
    assert pick(left[::-1], "smpp", "zh_hans_cn", "sms") is VARIANTS[place]


PICKS = [
    ([("viber", "*"), ("*", "fa")], "smpp", "fa-IR", 1),
    ([("*", "fa-IR")], "smpp", "fa", None),  # a wider locale does not take a narrower wording
    ([("*", "fa"), ("*", "*")], "smpp", "uk", 1),
    ([("*", "fa")], "smpp", "uk", None),
    ([("*", "fa"), ("*", "*")], "smpp", "", 1),
    ([("*", "fa"), ("*", "fa")], "smpp", "fa", 0),  # of equals the first
    ([("sms", "*")], "smpp", "fa", None),  # a group counts only when it is named
    ([], "smpp", "fa", None),
]


@pytest.mark.parametrize(("held", "channel", "locale", "place"), PICKS)
def test_picks(held: list[tuple[str, str]], channel: str, locale: str, place: int | None) -> None:
    held_variants = [Variant(Content(text=str(number)), *one) for number, one in enumerate(held)]
    expected = None if place is None else held_variants[place]
    assert pick(held_variants, channel, locale) is expected


def test_every_field_is_rendered() -> None:
    content = Content(
        text="{{ contact.first_name }}\n{{ contact.note }}",
        subject="  Order {{ order.number }}\n",
        html="<b>{{ contact.note }}</b>",
        image_url="https://cdn.example/{{ order.number }}.png",
        buttons=(
            Button("No {{ order.number }}", "{{ order.link }}"),
            Button("Ask", "http://a.example/{{ 'a b' | url_encode }}"),
        ),
        template="order_shipped",
        template_language="fa",
        params={"name": "{{ contact.first_name }}", "number": "{{ order.number }}"},
    )
    assert render(content, VALUES) == Content(
        text="سارا\n<script>",
        subject="Order 7",
        html="<b>&lt;script&gt;</b>",
        image_url="https://cdn.example/7.png",
        buttons=(Button("No 7", "https://shop.example/o/7"), Button("Ask", "http://a.example/a+b")),
        template="order_shipped",
        template_language="fa",
        params={"name": "سارا", "number": "7"},
    )


def test_an_image_may_be_left_out() -> None:
    content = Content(text="x", image_url="{{ image | default: '' }}")
    assert render(content, {}).image_url == ""


def pressed(label: str, url: str) -> Content:
    return Content(text="a", buttons=(Button("Go", "https://a.example/"), Button(label, url)))


REFUSED: list[tuple[Content, str, str, str]] = [
    (
        Content(text="{{ contact.fist_name }}"),
        "text",
        "contact.fist_name is not known (line 1, column 4)",
        "first_name",
    ),
    (Content(text="{{ contact.torn }}"), "text", "U+0000", "take it out"),
    (Content(text="half {{ 'a' }}\ud83d"), "text", "U+D83D", "take it out"),
    (
        Content(text="a", subject="{{ contact.broken }}"),
        "subject",
        "a line end at character 2",
        "take it out",
    ),
    (Content(text="a", subject="a\u2028b"), "subject", "U+2028", "take it out"),
    (Content(html="{{ contact.torn }}"), "html", "U+0000", "take it out"),
    (Content(html="{{ nobody }}"), "html", "nobody is not known", "contact, order"),
    (Content(text="a", image_url="{{ order.bad }}"), "image_url", "not an http or https", "https://"),
    (pressed("b", "{{ order.bad }}"), "buttons[1].url", "not an http or https", "https://"),
    (pressed("b", "https://a.example/{{ order.path }}"), "buttons[1].url", "a space", "url_encode"),
    (pressed("{{ contact.broken }}", "https://a.example"), "buttons[1].label", "a line end", "take it"),
    (pressed("{{ '' }}", "https://a.example"), "buttons[1].label", "empty", "label"),
    (pressed("b", "{{ '' }}"), "buttons[1].url", "empty", "address"),
    (Content(text="a", params={"code": "{{ nobody }}"}), "params.code", "nobody", "known names"),
    (Content(text="{{ order }}"), "text", "print one of its fields", "correct"),
]


@pytest.mark.parametrize(("content", "field", "problem", "remedy"), REFUSED)
def test_what_does_not_fit_names_field_and_remedy(
    content: Content, field: str, problem: str, remedy: str
) -> None:
    with pytest.raises(NotRendered) as caught:
        render(content, VALUES)
    (found,) = caught.value.problems
    assert found.field == field
    assert problem in found.problem
    assert remedy in found.remedy
    assert f"{field}: {found.problem}" in str(caught.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    content = Content(text="{{ a }}", subject="{{ b }}", buttons=(Button("{{ c }}", "ftp://a"),))
    with pytest.raises(NotRendered) as caught:
        render(content, {})
    assert [each.field for each in caught.value.problems] == [
        "text",
        "subject",
        "buttons[0].label",
        "buttons[0].url",
    ]


URLS = [
    ("https://example.com", True),
    ("http://example.com:8080/a?b=c#d", True),
    ("HTTPS://EXAMPLE.COM/", True),
    ("https://пример.укр/замовлення", True),
    ("https://[2001:db8::1]/", True),
    ("javascript:alert(1)", False),
    ("data:text/html,x", False),
    ("ftp://example.com/", False),
    ("//example.com/", False),
    ("example.com", False),
    ("https://", False),
    ("https:///path", False),
    ("https://shop.example@evil.example/", False),
    ("https://user:secret@shop.example/", False),
    ("https://[::1", False),
    ("https://a.example:99999/", False),
    ("https://a.example:0/", False),
    ("https://a.example\\@evil.example/", False),
    ("https://a.example/\n/b", False),
    ("https://a.example/<b>", False),
    ("https://a.example/" + "x" * 2048, False),
]


@pytest.mark.parametrize(("url", "sound"), URLS)
def test_addresses(url: str, sound: bool) -> None:
    problems = check(Content(text="a", buttons=(Button("Go", url),)))
    assert [each.field for each in problems] == ([] if sound else ["buttons[0].url"])


CHECKS: list[tuple[Content, list[tuple[str, str]]]] = [
    (Content(text="Hi {{ anyone.at_all }}"), []),
    (Content(image_url="https://a.example/a.png"), []),
    (Content(template="registered"), []),
    (Content(), [("text", "is empty")]),
    (Content(text="a\n b {{ x"), [("text", "line 2, column 4")]),
    (Content(text="a", subject="{{ x | shout }}"), [("subject", "no filter 'shout'")]),
    (
        Content(text="{% if %}", buttons=(Button("{{", "{{ url"),), params={"a": "{% include 'x' %}"}),
        [("text", "line 1"), ("buttons[0].label", "}}"), ("buttons[0].url", "}}"), ("params.a", "include")],
    ),
    (Content(text="a\x07"), [("text", "U+0007")]),
    (Content(text="{{ 1 | divided_by: 0 }}"), [("text", "divide by 0")]),
]


@pytest.mark.parametrize(("content", "expected"), CHECKS)
def test_checks_before_any_values(content: Content, expected: list[tuple[str, str]]) -> None:
    problems = check(content)
    assert [each.field for each in problems] == [field for field, _ in expected]
    for each, (_, words) in zip(problems, expected, strict=True):
        assert words in each.problem
        assert each.remedy


def test_a_problem_quotes_where_it_is() -> None:
    (problem,) = check(Content(text="one\ntwo {{ x | shout }} three"))
    assert problem == FieldProblem(
        "text",
        "there is no filter 'shout' (line 2, column 12)",
        "correct the template",
        "wo {{ x | shout }} three",
    )


def test_variables_of_all_fields() -> None:
    content = Content(
        text="{{ a.b }}",
        subject="{{ c }}",
        html="{{ d }}",
        buttons=(Button("{{ e }}", "{{ f }}"),),
        params={"x": "{{ g }}"},
    )
    assert variables(content) == {"a.b", "c", "d", "e", "f", "g"}
    with pytest.raises(TemplateSyntax):
        variables(Content(text="{{"))


def test_variants_are_json() -> None:
    variant = Variant(Content(text="{{ a }}"), "smpp", "fa")
    assert msgspec.json.decode(msgspec.json.encode(variant), type=Variant) == variant
    assert msgspec.json.decode(b'{"content":{"text":"a"}}', type=Variant) == Variant(
        Content(text="a"), "*", "*"
    )
