"""From what an author writes to what is kept: parts, layouts, MJML, inlined CSS, a text; Liquid as it was."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.content.composition import LIQUID, compose, text_of
from angarium.content.origins import Origin, Part
from angarium.content.rules import check, render
from angarium.core.values import Content

FOOTER = Part(
    "footer",
    3,
    "<mj-section><mj-column><mj-text>Shop {{ city }}"
    '{% if link %}<a href="{{ link }}">Unsubscribe</a>{% endif %}</mj-text></mj-column></mj-section>',
)
BRAND = Part(
    "brand",
    1,
    "<mjml><mj-head><mj-title>{{ title }}</mj-title><mj-style>.x{color:red}</mj-style></mj-head>"
    '<mj-body>{{ content }}{% render "footer" %}</mj-body></mjml>',
)
ROWS = (
    "{% for i in items %}<mj-section><mj-column>"
    "<mj-text><p class='x'>{{ i.name | upcase }} &amp; {{ i.price }}</p></mj-text>"
    "<mj-button href='{{ i.url }}'>Pay {{ i.price }}</mj-button>"
    "</mj-column></mj-section>{% endfor %}"
)
PARTS = {part.name: part for part in (FOOTER, BRAND)}
ITEMS = [
    {"name": "tea", "price": "5 €", "url": "https://a.example/1"},
    {"name": "<b>", "price": "7", "url": "https://a.example/2"},
]
VALUES = {"items": ITEMS, "city": "Kyiv", "title": "T", "link": "https://a.example/out"}


def test_a_letter_of_parts_is_whole_html_and_a_text() -> None:
    made = compose(Content(subject="{{ title }}"), Origin(mjml=ROWS, layout="brand"), PARTS)
    assert made.problems == ()
    assert made.origin.parts == {"brand": 1, "footer": 3}
    assert check(made.content) == ()
    said = render(made.content, VALUES)
    assert said.html.count("</html>") == 1
    assert re.search(r'<p [^>]*style="[^"]*color: red', said.html)
    assert "TEA &amp; 5 €" in said.html
    assert "&lt;B&gt;" in said.html
    assert 'href="https://a.example/2"' in said.html
    assert "liquid-" not in said.html
    assert "Pay 5 € (https://a.example/1)" in said.text
    assert "Unsubscribe (https://a.example/out)" in said.text


def test_nothing_is_asked_of_others_when_a_mail_is_opened() -> None:
    made = compose(Content(), Origin(mjml=ROWS, layout="brand"), PARTS)
    assert re.findall(r"https?://[^\s\"'<]+", made.content.html) == ["http://www.w3.org/1999/xhtml"]


def test_rows_of_a_table_are_many_and_the_table_is_one() -> None:
    rows = "{% for i in items %}<tr><td>{{ i.name }}</td></tr>{% endfor %}"
    source = f"<style>td{{color:red}}</style><table>{rows}</table>"
    made = compose(Content(html=source), Origin(), {})
    said = render(made.content, VALUES).html
    assert (said.count("<tbody>"), said.count("</tbody>"), said.count("<tr>")) == (1, 1, 2)
    assert 'style="color: red;"' in said


def test_what_a_version_says_is_of_the_parts_as_they_were() -> None:
    before = compose(Content(text='Hi{% render "sign" %}'), Origin(), {"sign": Part("sign", 1, ", Anna")})
    after = compose(Content(), before.origin, {"sign": Part("sign", 2, ", Maria")})
    assert (before.content.text, after.content.text) == ("Hi, Anna", "Hi, Maria")
    assert (before.origin.parts, after.origin.parts) == ({"sign": 1}, {"sign": 2})


def test_a_part_is_told_names() -> None:
    parts = {"pay": Part("pay", 1, "{{ label }}: {{ url }}")}
    made = compose(Content(text='{% render "pay", label: "Pay now", url: bill.link %}'), Origin(), parts)
    assert render(made.content, {"bill": {"link": "https://a.example"}}).text == "Pay now: https://a.example"


LONG = "x" * 60_000
METADATA = "http://169.254.169.254/"
UNFIT = [  # what is written, parts, the field that is wrong and what is said of it
    (Origin(text='{% render "nope" %}'), {}, "text", "not there"),
    (Origin(text='{% render "a" %}'), {"a": '{% render "a" %}'}, "text", "deep"),
    (Origin(text='{% render "a" %}'), {"a": LONG + '{% render "b" %}', "b": LONG}, "text", "comes to"),
    (Origin(text='{% render "a", 5 %}'), {"a": "x"}, "text", "no name and value"),
    (Origin(html="<p>x</p>", layout="a"), {"a": "<div></div>"}, "html", "without one place"),
    (Origin(html="<p>x</p>", layout="a"), {"a": "{{ content }}{{ content }}"}, "html", "without one place"),
    (Origin(mjml="hello"), {}, "mjml", "not MJML"),
    (Origin(mjml="<mjml><mj-body><mj-text>a</mj-body></mjml>"), {}, "mjml", "not MJML"),
    (Origin(mjml="<mjml><mj-body><mj-surprise/></mj-body></mjml>"), {}, "mjml", "does not know"),
    (Origin(mjml='<mjml><mj-body><mj-include path="/etc/passwd"/></mj-body></mjml>'), {}, "mjml", "include"),
    (Origin(mjml=f'<mjml><mj-body><mj-include path="{METADATA}"/></mj-body></mjml>'), {}, "mjml", "include"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "parts", "field", "said"), UNFIT)
def test_what_cannot_be_composed_says_so(
    written: Origin, parts: dict[str, str], field: str, said: str
) -> None:
    made = compose(Content(), written, {name: Part(name, 1, source) for name, source in parts.items()})
    (problem,) = made.problems
    assert problem.field == field
    assert said in problem.problem
    assert problem.remedy


READ = [  # HTML, its text
    ("<p>One</p><p>Two</p>", "One\n\nTwo"),
    ("One<br>Two", "One\nTwo"),
    ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
    ('<a href="https://a.example">Pay</a>', "Pay (https://a.example)"),
    ('<a href="https://a.example">https://a.example</a>', "https://a.example"),
    ('<img alt="Logo" src="x.png">Hi', "[Logo]Hi"),
    ("<style>p{}</style><script>x</script><title>t</title>Hi", "Hi"),
    ('<div style="display: none">preheader</div>Hi', "Hi"),
    ("a &amp; b&nbsp;c", "a & b c"),
    (
        "<table><tr><td>Tea</td><td>5 €</td></tr><tr><td>Sum</td><td>5 €</td></tr></table>",
        "Tea 5 €\nSum 5 €",
    ),
    ("{% if a %}<b>{{ a }}</b>{% endif %}", "{% if a %}{{ a }}{% endif %}"),
    ('<a href="{{ url }}">{{ name }}</a>', "{{ name }} ({{ url }})"),
    ("<p>{% if a < b %}x{% endif %}</p>", "{% if a < b %}x{% endif %}"),
]


@pytest.mark.parametrize(("html", "text"), READ)
def test_html_is_read(html: str, text: str) -> None:
    assert text_of(html) == text


TAGS = ["<p>", "</p>", "<b>", "</b>", "<td>", "<table>", "<tr>", "<style>p{color:red}</style>"]
TEXTS = [
    "{{ a }}",
    "{% if a %}",
    "{% endif %}",
    "{% for i in a %}",
    "{% endfor %}",
    "x",
    "&lt;",
    "liquid-0-away",
]
pieces = st.sampled_from([*TAGS, *TEXTS])


@given(st.lists(pieces, max_size=25).map("".join))
def test_no_liquid_is_lost_or_made(source: str) -> None:
    made = compose(Content(html=source), Origin(), {})
    if not made.problems:
        assert sorted(LIQUID.findall(made.content.html)) == sorted(LIQUID.findall(source))
