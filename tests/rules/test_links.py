"""Links that are counted: what is found, what stays, and what a token is."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.problems import Problem
from angarium.core.values import Button, ButtonKind, Content, MessageClass
from angarium.messaging import links
from angarium.messaging.links import LinkPolicy, Tokens, Tracking, in_html, in_text, put_in

NAMES = Tokens(b"k" * 32)
BASE, PUBLIC = "https://go.shop.example", "https://server.example"
PROMO, SERVICE, OTP = MessageClass.PROMOTIONAL, MessageClass.SERVICE, MessageClass.OTP
LEAVE = f"{PUBLIC}/u/AbCd"


def tracked(**given: bool) -> Tracking:
    """What is counted of a message; its links are 1, 2, 3 …"""
    numbers = count(1)
    policy = LinkPolicy(base_url=BASE)
    made = links.tracking(policy, True, PROMO, PUBLIC, "/u/", lambda: next(numbers), NAMES)
    assert made is not None
    for name, value in given.items():
        setattr(made, name, value)
    return made


def short(number: int) -> str:
    """The n-th link."""
    return f"{BASE}/l/{NAMES.name(number)}"


ONE, TWO = short(1), short(2)
TEXTS = [  # a text, and what becomes of it
    ("", ""),
    ("no link", "no link"),
    ("see https://a.example/x", f"see {ONE}"),
    ("HTTPS://A.example/X now", f"{ONE} now"),
    ("http://a.example", ONE),
    ("https://a.example/x, https://b.example/?a=1&b=2#c.", f"{ONE}, {TWO}."),
    ("https://a.example/x and https://a.example/x", f"{ONE} and {ONE}"),
    ("(https://a.example/x)", f"({ONE})"),
    ("https://a.example/x_(y)", ONE),
    ("https://a.example/x!?…", f"{ONE}!?…"),
    ("*https://a.example/x*", f"*{ONE}*"),
    ("«https://a.example/x»", f"«{ONE}»"),
    ("سفارش: https://a.example/x، ممنون", f"سفارش: {ONE}، ممنون"),
    ("https://a.example/سفارش/۷ ممنون", f"{ONE} ممنون"),
    ("https://магазин.укр/осінь", ONE),
    ("点击https://a.example/x。谢谢", f"点击{ONE}。谢谢"),
    ("https://a.example/x查看", "https://a.example/x查看"),  # nobody can tell where it ends
    ("https://a.example/x🎁", "https://a.example/x🎁"),
    ("mailto:a@b.example tel:+380 javascript:alert(1)", "mailto:a@b.example tel:+380 javascript:alert(1)"),
    ("a.example/x", "a.example/x"),
    ("xhttps://a.example", "xhttps://a.example"),
    ("https://user:pass@a.example/", "https://user:pass@a.example/"),
    ("https://", "https://"),
    ("https:///x", "https:///x"),
    (f"leave: {LEAVE}", f"leave: {LEAVE}"),
    (f"again {short(9)}", f"again {short(9)}"),
    ("https://a.example/" + "x" * 2_048, "https://a.example/" + "x" * 2_048),
]


@pytest.mark.parametrize(("text", "said"), TEXTS)
def test_links_of_a_text(text: str, said: str) -> None:
    assert in_text(text, tracked()) == said


HTML = [  # HTML, and what becomes of it
    ('<a href="https://a.example/x">x</a>', f'<a href="{ONE}">x</a>'),
    ("<A class=b HREF='https://a.example/x'>x</A>", f"<A class=b HREF='{ONE}'>x</A>"),
    ("<a href=https://a.example/x>x</a>", f"<a href={ONE}>x</a>"),
    ('<a title="a > b" href="https://a.example/?a=1&amp;b=2">x</a>', f'<a title="a > b" href="{ONE}">x</a>'),
    ('<area shape="rect" href=" https://a.example/x ">', f'<area shape="rect" href="{ONE}">'),
    ('<!--[if mso]><v:rect href="https://a.example/x">', f'<!--[if mso]><v:rect href="{ONE}">'),
    ('<a href="https://a.example/x">1</a><a href="https://a.example/x">2</a>',
     f'<a href="{ONE}">1</a><a href="{ONE}">2</a>'),
    ('<link rel="stylesheet" href="https://a.example/x.css">',) * 2,
    ('<base href="https://a.example/">',) * 2,
    ('<a href="mailto:a@b.example">x</a>https://a.example',) * 2,
    ('<a href="tel:+380441234567">https://a.example</a>',) * 2,
    ('<a href="javascript:location=\'https://a.example\'">x</a>',) * 2,
    ('<a href="data:text/html,https://a.example">x</a>',) * 2,
    ('<a href="#top">x</a><img src="https://a.example/1.png">',) * 2,
    (f'<a href="{LEAVE}">leave</a>',) * 2,
    ('<a data-href="https://a.example">x</a>',) * 2,
    ('<a href="https://a.example',) * 2,
]  # fmt: skip


@pytest.mark.parametrize(("html", "said"), HTML)
def test_links_of_html(html: str, said: str) -> None:
    assert in_html(html, tracked()) == said


def test_a_button_that_opens_a_page_and_no_other() -> None:
    buttons = (
        Button("Pay", "https://a.example/x"),
        Button("Chat", "https://wa.me/380", ButtonKind.CHAT),
        Button("Call", "tel:+380441234567", ButtonKind.CALL),
        Button("Yes", kind=ButtonKind.REPLY),
    )
    said = put_in(Content("Pay: https://a.example/x", buttons=buttons), tracked())
    assert said.text == f"Pay: {ONE}"
    assert said.buttons == (Button("Pay", ONE), *buttons[1:])


def test_wording_that_a_provider_has_stays() -> None:
    content = Content("see https://a.example/x", template="order", params={"link": "https://a.example/x"})
    assert put_in(content, tracked()) is content


OPENS = [  # clicks, opens, HTML before and after
    (True, True, '<body><a href="https://a.example">x</a></BODY>', f'<body><a href="{ONE}">x</a>{{}}</BODY>'),
    (False, True, '<a href="https://a.example">x</a>', '<a href="https://a.example">x</a>{}'),
    (True, False, "<p>x</p>", "<p>x</p>"),
    (True, True, "", ""),
]


@pytest.mark.parametrize(("clicks", "opens", "before", "after"), OPENS)
def test_the_picture_of_an_opening_stands_in_html_alone(
    clicks: bool, opens: bool, before: str, after: str
) -> None:
    made = tracked(clicks=clicks, opens=opens)
    said = put_in(Content("text", html=before), made)
    token = made.tokens.get("")
    picture = f'<img src="{BASE}/o/{token}.gif" width="1" height="1" alt="" style="border:0">'
    assert said.html == after.replace("{}", picture)
    assert (token is not None) == ("{}" in after)


def test_one_address_has_one_token_over_all_steps_and_only_so_many_are_counted() -> None:
    made = tracked()
    made.tokens["https://a.example/0"] = NAMES.name(77)  # went out with an earlier step
    assert in_text("https://a.example/0", made) == short(77)
    assert made.new == {}
    many = " ".join(f"https://a.example/{n}" for n in range(60))
    said = in_text(many, made).split()
    assert sum(one.startswith(BASE) for one in said) == links.LINKS_MAX
    assert said[-1] == "https://a.example/59"


WISHES = [  # asked for, class, clicks and opens of the policy, what is counted
    (None, PROMO, (), (), None),
    (None, PROMO, (PROMO,), (), (True, False)),
    (None, PROMO, (), (PROMO,), (False, True)),
    (None, SERVICE, (PROMO,), (PROMO,), None),
    (True, SERVICE, (), (), (True, True)),
    (False, PROMO, (PROMO,), (PROMO,), None),
    (True, OTP, (), (), None),
]


@pytest.mark.parametrize(("asked", "of", "clicks", "opens", "counted"), WISHES)
def test_what_is_counted(
    asked: bool | None,
    of: MessageClass,
    clicks: tuple[MessageClass, ...],
    opens: tuple[MessageClass, ...],
    counted: tuple[bool, bool] | None,
) -> None:
    policy = LinkPolicy(clicks, opens, BASE)
    made = links.tracking(policy, asked, of, PUBLIC, "/u/", int, NAMES)
    assert (made and (made.clicks, made.opens)) == counted
    nowhere = links.tracking(LinkPolicy(clicks, opens), asked, of, "", "/u/", int, NAMES)
    assert nowhere is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"track_clicks": (PROMO, OTP)}, "track_clicks"),
        ({"track_opens": (OTP,)}, "track_opens"),
        ({"base_url": "http://go.shop.example"}, "base_url"),
        ({"base_url": "https://go.shop.example/"}, "base_url"),
        ({"base_url": "https://go.shop.example/x?y"}, "base_url"),
        ({"base_url": "https://a@b.example"}, "base_url"),
        ({"base_url": "javascript:alert(1)"}, "base_url"),
    ],
)
def test_a_policy_that_cannot_be(given: dict[str, object], field: str) -> None:
    with pytest.raises(Problem) as refused:
        LinkPolicy(**given)  # type: ignore[arg-type]
    assert refused.value.fields[0].field == field


@given(st.integers(0, 2**63 - 1))
def test_a_token_is_read_as_it_is_shown(link_id: int) -> None:
    text = NAMES.name(link_id)
    assert (len(text), text.isalnum(), text.isascii()) == (11, True, True)
    assert NAMES.read(text) == link_id
    assert NAMES.read(f"{text}).") == NAMES.read(f"{text}.gif") == NAMES.read(f"{text}را") == link_id
    assert Tokens(b"o" * 32).read(text) != link_id


def test_tokens_of_links_made_one_after_the_other_have_nothing_in_common() -> None:
    """A bit of the id changes each bit of the token in half of all cases."""
    changed = [0] * 64
    for link_id in range(2_000):
        one, other = (value_of(NAMES.name(each)) for each in (link_id, link_id + (1 << 40)))
        for bit in range(64):
            changed[bit] += (one ^ other) >> bit & 1
    assert all(850 < count < 1_150 for count in changed), changed


def value_of(token: str) -> int:
    """The 64 bits of a token."""
    value = 0
    for sign in token:
        value = value * 62 + links.VALUES[sign]
    return value


@pytest.mark.parametrize(
    "text", ["", "short", "a" * 12, "-" * 11, "zzzzzzzzzzz", "０" * 11, "a" * 100_000, "%00aaaaaaaaaa"]
)
def test_what_is_no_token(text: str) -> None:
    assert NAMES.read(text) is None


LOCATIONS = [
    ("https://a.example/x?y=1#z", b"https://a.example/x?y=1#z"),
    ("https://a.example/%D9%85", b"https://a.example/%D9%85"),
    ("https://магазин.укр/осінь?q=я", b"https://xn--80aairftm.xn--j1amh/%D0%BE%D1%81%D1%96%D0%BD%D1%8C?q=%D1%8F"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "header"), LOCATIONS)
def test_where_it_leads(url: str, header: bytes) -> None:
    assert links.location(url) == header


@given(st.text(alphabet=st.sampled_from("https://a.exmpl<>\"'=&) href查ش\n"), max_size=80))
def test_whatever_is_written_nothing_but_addresses_is_changed(text: str) -> None:
    made = tracked()
    said = in_html(in_text(text, made), made)
    for url, token in made.tokens.items():
        said = said.replace(f"{BASE}/l/{token}", url)
    assert said.split() == text.split() or "&" in text
