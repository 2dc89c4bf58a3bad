"""S13: a template reads nothing but its values, escapes what customers typed, and costs little or is refused.

What a rendering may cost is counted in steps, characters and items, so that a slow machine refuses the same
as a quick one; a step takes about a microsecond.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.content.liquid import (
    ITERATIONS_MAX,
    OUTPUT_MAX,
    RenderError,
    TemplateSyntax,
    compile_template,
)
from fuzz.watch import Watch, alarmed

LINES_MAX = 700_000  # of Python, for the costliest that is not refused: some 50 ms where nothing is traced
COMPILE_LINES_MAX = 6_000_000  # of the longest source

VALUES: dict[str, Any] = {
    "typed": "<script>alert(1)</script>",
    "long": "<b>x & y</b> " * 2_000,
    "words": "a " * 20_000,
    "many": list(range(1_000)),
    "rows": [{"name": f"n{n}", "v": n} for n in range(1_000)],
    "order": {"number": 7},
    "nothing": [],
}


# ── what customers typed ─────────────────────────────────────────────────────────────────────────────

CORPUS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</textarea><svg/onload=alert(1)>",
    "javascript:alert(1)//<b>",
    "<!--><script>1</script>",
    "&lt;script&gt;<i>",
    "\u2028<b>\u2029",
    "{{ order.number }}{% raw %}<b>",
    "<scr\x00ipt>",
]
WAYS = [
    "{{ typed }}",
    "{% echo typed %}",
    "{{ typed | append: typed }}",
    "{{ typed | upcase | downcase }}",
    "{{ typed | default: 'x' }}",
    "{{ nobody | default: typed }}",
    "{% assign a = typed %}{{ a }}",
    "{% capture a %}{{ typed }}{% endcapture %}{{ a }}",
    "{% for one in list %}{{ one }}{% endfor %}",
    "{{ list }}",
    "{{ list | join: ' ' }}",
    "{{ list | first }}",
    "{{ typed | split: ' ' }}",
    "{{ typed | replace: 'q', 'q' | strip | truncate: 500 }}",
    "{% cycle typed, typed %}",
    "{% liquid\necho typed\n%}",
    "{% if typed contains 's' %}{{ typed }}{% else %}{{ typed }}{% endif %}",
    "{% tablerow one in list %}{{ one }}{% endtablerow %}",
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("typed", CORPUS)
def test_what_a_customer_typed_is_never_markup(way: str, typed: str) -> None:
    """However it reaches the page: no tag and no quote of theirs is left."""
    text = compile_template(f"<p title='{way}'>", html=True).render({"typed": typed, "list": [typed]})
    inside = text.removeprefix("<p title='").removesuffix("'>")
    for ours in ('<tr class="row1">', '<td class="col1">', "</td>", "</tr>"):
        inside = inside.replace(ours, "")
    assert not set(inside) & set("<>\"'"), inside


@given(st.text(), st.sampled_from(WAYS))
@pytest.mark.turns(2, 1)
def test_nor_is_anything_else(typed: str, way: str) -> None:
    plain = compile_template(way, html=True).render({"typed": typed.lower(), "list": []})
    for ours in ('<tr class="row1">', "</tr>"):
        plain = plain.replace(ours, "")
    assert not set(plain) & set("<>\"'")


@pytest.mark.parametrize(
    "source",
    [
        "{{ typed.__class__.__mro__ }}",
        "{{ typed['__class__'] }}",
        "{{ self }}",
        "{{ request.application }}",
        "{% include '/etc/passwd' %}",
        "{% render 'x' %}",
        "{{ now }}",
        "{{ typed | safe }}",
        "{{ typed | attr: 'x' }}",
        "{{ typed.upper }}",
        "{{ rows.append }}",
    ],
)
def test_nothing_but_the_values_is_read(source: str) -> None:
    with pytest.raises((TemplateSyntax, RenderError)):
        compile_template(source).render(VALUES)


def test_a_value_is_no_template() -> None:
    assert compile_template("{{ a }}").render({"a": "{{ b }}{% raw %}", "b": 1}) == "{{ b }}{% raw %}"


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────


def turns(count: int, body: str) -> str:
    return f"{{% for i in (1..{count}) %}}{body}{{% endfor %}}"


LOOPS = turns(60, turns(60, turns(60, "{{ i }}")))
COSTLY = [  # a template, and the limit that its problem names
    (turns(10**9, "x"), f"loops run more than {ITERATIONS_MAX} times"),
    (turns(9_000, turns(2, "")), f"loops run more than {ITERATIONS_MAX} times"),
    (LOOPS, "more than 30000 steps"),
    (turns(20, turns(20, turns(20, "{% capture a %}x{{ order.number }}{% endcapture %}{{ a }}"))), "steps"),
    (turns(3_000, "{{ 0.1 | plus: 0.2 | times: 3 | round: 2 | append: 'x' }}"), "steps"),
    (turns(3_000, "{% if " + " and ".join(["1 == 1"] * 30) + " %}x{% endif %}"), "steps"),
    (turns(9_000, "0123456789012345"), f"{OUTPUT_MAX} bytes"),
    (turns(200, "{% assign a = long | strip_html %}"), "too much to do"),
    (turns(200, "{% assign a = long | escape | escape_once %}"), "too much to do"),
    (turns(200, "{% assign a = long | url_encode | url_decode %}"), "too much to do"),
    (turns(200, "{% assign a = words | truncatewords: 10000 %}"), "too much to do"),
    (turns(200, "{% assign a = words | split: ' ' %}"), "list has more than"),
    (turns(1_000, "{% assign a = rows | sort_natural: 'name' | map: 'v' | uniq %}"), "too much to do"),
    (
        "{% assign a = 'aaaaaaaaaa' %}" + "{% assign a = a | append: a | append: a %}" * 15,
        "longer than",
    ),
    ("{% assign a = 'a' %}" + "{% assign a = a | replace: 'a', 'aaaaaaaaaa' %}" * 9, "too much to do"),
    ("{{ 999999999999999999 | times: 999999999999999999 }}", "larger than"),
    ("{% for a in many %}{% for b in many %}{{ b }}{% endfor %}{% endfor %}", "steps|times"),
]


@pytest.mark.parametrize(("source", "limit"), COSTLY)
@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parts(2)
def test_what_costs_too_much_is_refused_by_its_limit(source: str, limit: str, html: bool) -> None:
    watch = Watch()
    with alarmed(), watch.over(LINES_MAX), pytest.raises(RenderError, match=limit):
        compile_template(source, html=html).render(VALUES)


AFFORDABLE = [
    turns(9_000, "x"),
    turns(80, turns(80, "{{ i }}")),
    turns(9_000, "{% increment x %}"),
    turns(2_900, "{{ '2026-01-01' | date: '%A %d %B %Y' }}"),
    "{{ order.number | plus: 1 }}" * 3_400,
    "{{ long | strip_newlines | escape | truncate: 500 }}",
    "{{ rows | map: 'name' | join: ', ' }}",
]


@pytest.mark.parametrize("source", AFFORDABLE)
@pytest.mark.parts(2)
def test_what_is_not_refused_is_cheap(source: str) -> None:
    template, watch = compile_template(source, html=True), Watch()
    with alarmed(), watch.over(LINES_MAX):
        assert template.render(VALUES)


HOSTILE_SOURCES = [
    "{{" * 50_000,
    "{% comment %}" + "{{" * 40_000 + "{% endcomment %}",
    "{%" * 50_000,
    "{{" + " " * 90_000 + "}}",
    "{% if" + " " * 90_000 + "%}",
    "{%" + " " * 90_000 + "%}",
    "{% raw %}" * 10_000,
    "{% doc %}" * 10_000,
    "{% if true %}" * 7_000,
    "{% if " + " and ".join(["1 == 1"] * 9_000) + " %}x{% endif %}",
    "{{ a" + ".a" * 40_000 + " }}",
    "{{ a" + "[a" * 30_000 + " }}",
    "{{ '" + "x" * 90_000,
    "{{ a" + " | upcase" * 10_000 + " }}",
    "{% case a %}" + "{% when 1 %}" * 8_000 + "{% endcase %}",
    "x" * 100_001,
]


@pytest.mark.parametrize("source", HOSTILE_SOURCES, ids=range(len(HOSTILE_SOURCES)))
@pytest.mark.parts(2)
def test_no_source_holds_up_the_one_that_saves_it(source: str) -> None:
    watch = Watch()
    with alarmed(), watch.over(COMPILE_LINES_MAX):
        assert len(_said(source)) < 1_000


def _said(source: str) -> str:
    """What is said against a template; nothing when it is rendered."""
    try:
        compile_template(source).render(VALUES)
    except (TemplateSyntax, RenderError) as error:
        return str(error)
    return ""


def test_a_template_that_is_stopped_leaves_no_mark_on_the_next() -> None:
    template = compile_template("{% for i in (1..n) %}{{ i }}{% endfor %}")
    with pytest.raises(RenderError):
        template.render({"n": 10_001})
    assert template.render({"n": 3}) == "123"
