"""Mail as bytes: held against Python's own email package, which shares no code with it."""

from __future__ import annotations

import time
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angarium.protocols import mime
from angarium.protocols.mime import Mail, MimeError, build

AT = 1_732_000_000_000_000
TEXTS = {
    "persian": "سفارش شما ارسال شد؛ کد پیگیری ۱۲۳۴ است.",
    "arabic": "تم شحن طلبك، رقم التتبع ١٢٣٤.",
    "hebrew": "ההזמנה שלך נשלחה",
    "ukrainian": "Ваше замовлення їде до вас",
    "russian": "Ваш заказ отправлен — код 1234",
    "chinese": "您的订单已发货，跟踪号为 1234。",
    "hindi": "आपका ऑर्डर भेज दिया गया है",
    "thai": "คำสั่งซื้อของคุณถูกส่งแล้ว",
    "emoji": "Shipped 🚚 by 👩🏽‍🚀 to 🇺🇦",
    "mixed": "Order سفارش 1234 (DHL) ارسال شد",
    "english": "Your order is on its way",
}


def mail(**changes: object) -> Mail:
    facts: dict[str, object] = {
        "message_id": "att_0123456789abc@mail.example",
        "sender": "shop@mail.example",
        "recipient": "anna@example.org",
        "subject": "Order 1234",
        "at": AT,
        "text": "Your order is on its way.",
    }
    return Mail(**(facts | changes))  # type: ignore[arg-type]


def parsed(built: bytes) -> EmailMessage:
    message = message_from_bytes(built, policy=default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert not part.defects
    return message


def from_field(built: bytes) -> str:
    """The sender in letters. Not by the default policy: before Python 3.13 it puts spaces between words."""
    return str(make_header(decode_header(message_from_bytes(built)["From"])))


def lines(part: EmailMessage) -> str:
    return part.get_content().replace("\r\n", "\n").rstrip("\n") + "\n"


def held_to_the_wire(built: bytes) -> None:
    assert built.isascii()
    assert b"\r\n" in built
    assert built.endswith(b"\r\n")
    assert b"\n" not in built.replace(b"\r\n", b"")
    assert b"\r" not in built.replace(b"\r\n", b"")
    assert all(len(line) <= mime.BODY_LINE_MAX for line in built.split(b"\r\n"))


@pytest.mark.parametrize("script", TEXTS)
def test_every_script_survives_in_subject_name_and_both_parts(script: str) -> None:
    words = TEXTS[script]
    html = f'<p dir="auto">{words}</p>\n' * 30
    built = build(mail(subject=words * 3, sender_name=words, text=f"{words}\n" * 30, html=html))
    held_to_the_wire(built)
    assert max(len(line) for line in built.split(b"\r\n\r\n")[0].split(b"\r\n")) <= 76
    message = parsed(built)
    assert message["subject"] == words * 3
    assert from_field(built) == f"{words} <shop@mail.example>"
    assert message.get_content_type() == "multipart/alternative"
    plain, rich = message.iter_parts()
    assert lines(plain) == f"{words}\n" * 30
    assert lines(rich) == html


def test_the_head_says_who_when_and_which() -> None:
    message = parsed(build(mail(sender_name="Acme")))
    assert message["message-id"] == "<att_0123456789abc@mail.example>"
    assert message["from"] == "Acme <shop@mail.example>"
    assert message["to"] == "anna@example.org"
    assert message["date"].datetime.isoformat() == "2024-11-19T07:06:40+00:00"
    assert message["mime-version"] == "1.0"
    assert message["list-unsubscribe"] is None


def test_the_same_mail_is_the_same_bytes() -> None:
    both = mail(html="<p>Hello</p>")
    assert build(both) == build(both)


def test_one_part_is_not_wrapped() -> None:
    assert parsed(build(mail())).get_content_type() == "text/plain"
    assert parsed(build(mail(text="", html="<p>Hello</p>"))).get_content_type() == "text/html"
    with pytest.raises(MimeError):
        build(mail(text="", html=""))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Plain words.", "7bit"),
        ("x" * 998, "7bit"),
        ("x" * 999, "quoted-printable"),
        ("a nul \0 byte", "quoted-printable"),
        ("--=_ looks like a boundary", "quoted-printable"),
        ("Prix : 12 € pour votre commande de la semaine passée", "quoted-printable"),
        (TEXTS["persian"], "base64"),
    ],
)
def test_the_encoding_fits_the_text(text: str, encoding: str) -> None:
    built = build(mail(text=text))
    held_to_the_wire(built)
    message = parsed(built)
    assert message["content-transfer-encoding"] == encoding
    assert message.get_content().rstrip("\r\n") == text


@pytest.mark.parametrize(
    "name", ["Acme, Inc.", 'The "Shop"', "back\\slash", "=?utf-8?B?eA==?=", "Zoë", "a  b", "x@y.example"]
)
def test_names_that_need_quoting(name: str) -> None:
    (sender,) = parsed(build(mail(sender_name=name)))["from"].addresses
    assert (sender.display_name, sender.addr_spec) == (name, "shop@mail.example")


@pytest.mark.parametrize(
    "subject",
    ["", "x" * 300, "word " * 60 + "end", "=?utf-8?Q?not_a_word?=", " leading", "trailing ", "two  spaces"],
)
def test_subjects_that_need_folding_or_words(subject: str) -> None:
    built = build(mail(subject=subject))
    held_to_the_wire(built)
    assert all(len(line) <= 76 for line in built.split(b"\r\n\r\n")[0].split(b"\r\n"))
    assert parsed(built)["subject"] == subject


@pytest.mark.parametrize(
    "wrong", ["\r\nBcc: eve@example.org", "\n", "\r", "\0", "\x1b", "\x85", "\u2028", "\ud800"]
)
@pytest.mark.parametrize(
    "field", ["subject", "sender_name", "sender", "recipient", "message_id", "list_unsubscribe"]
)
def test_no_field_can_be_broken_out_of(field: str, wrong: str) -> None:
    value = f"a{wrong}b@example.org"
    with pytest.raises(MimeError) as caught:
        build(mail(**{field: (f"https://{value}",) if field == "list_unsubscribe" else value}))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("given_address", "written"),
    [
        ("anna@example.org", "anna@example.org"),
        ("anna+tag.02@sub.example.org", "anna+tag.02@sub.example.org"),
        ("o'neill@example.org", "o'neill@example.org"),
        ("anna@почта.рф", "anna@xn--80a1acny.xn--p1ai"),
        ("root@localhost", "root@localhost"),
    ],
)
def test_addresses_that_are_taken(given_address: str, written: str) -> None:
    assert mime.address(given_address) == written


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "anna",
        "@example.org",
        "anna@",
        "anna@@example.org",
        "anna@example..org",
        ".anna@example.org",
        "an na@example.org",
        "<anna@example.org>",
        "anna@example.org>, <eve@example.org",
        '"an na"@example.org',
        "anna@exa mple.org",
        "anna@-example.org",
        "anna@[127.0.0.1]",
        "аня@example.org",
        "a" * 65 + "@example.org",
        "anna@" + "a" * 250 + ".org",
        "anna@" + "я" * 70 + ".рф",
    ],
)
def test_addresses_that_are_refused(wrong: str) -> None:
    with pytest.raises(MimeError):
        mime.address(wrong)


def test_list_unsubscribe_with_one_click() -> None:
    links = ("https://angarium.example/u/abc?x=1", "mailto:u@mail.example?subject=stop")
    message = parsed(build(mail(list_unsubscribe=links, one_click=True)))
    assert message["list-unsubscribe"] == f"<{links[0]}>, <{links[1]}>"
    assert message["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "https://a.example/>, <https://b.example", "https://a b"]
)
def test_links_that_are_refused(link: str) -> None:
    with pytest.raises(MimeError):
        build(mail(list_unsubscribe=(link,)))


letters = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029"), max_size=200
)
bodies = st.text(st.characters(exclude_categories=["Cs"]), max_size=2_000)


@settings(max_examples=200, deadline=None)
@given(subject=letters, name=letters, text=bodies, html=bodies)
def test_whatever_is_written_is_read_back(subject: str, name: str, text: str, html: str) -> None:
    built = build(mail(subject=subject, sender_name=name, text=text + ".", html=html + "."))
    held_to_the_wire(built)
    message = message_from_bytes(built)
    assert mime.field(message, "Subject") == " ".join(subject.split())
    assert mime.field(message, "From").endswith("shop@mail.example>" if name else "shop@mail.example")
    plain, rich = message.get_payload()
    for part, written in ((plain, text), (rich, html)):
        data = part.get_payload(decode=True)
        assert data.decode("utf-8").removesuffix("\r\n") == mime.LINE_END.sub("\r\n", written + ".")


HEAD = {
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
}
anything = st.text(st.characters(), max_size=60) | st.text('ab@.<>\r\n\0: ,"\\=?', max_size=60)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["subject", "sender_name", "sender", "recipient", "message_id", "link"]), anything)
def test_whatever_a_field_is_given_the_head_holds_what_we_wrote(field: str, value: str) -> None:
    given_link = {"list_unsubscribe": (f"https://a.example/{value}",)} if field == "link" else {field: value}
    try:
        built = build(mail(**given_link))
    except MimeError:
        return
    held_to_the_wire(built)
    message = message_from_bytes(built)
    assert set(message.keys()) == HEAD | ({"List-Unsubscribe"} if field == "link" else set())
    assert len(message.keys()) == len(set(message.keys()))
    assert message.get_payload() == "Your order is on its way.\r\n"


def test_building_is_quick() -> None:
    one = mail(subject=TEXTS["persian"], text=TEXTS["persian"] * 5, html="<p>Your order</p>\n" * 100)
    started = time.perf_counter()
    for _ in range(500):
        build(one)
    assert (time.perf_counter() - started) / 500 < 0.001  # EmailMessage: 0.0025


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_person_s_plain_text_is_preferred_to_html() -> None:
    message = EmailMessage()
    message.set_content("Thank you!\n")
    message.add_alternative("<p>Thank <b>you</b>!</p>", subtype="html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="рахунок.pdf")
    read = mime.parse(message.as_bytes())
    assert mime.readable(read) == "Thank you!"
    assert mime.attachments(read) == ["рахунок.pdf (application/pdf)"]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>سلام</p><p>خوبم</p>", "سلام\n\nخوبم"),
        ("<!-- <p>no</p> -->yes<!--[if mso]><p>no</p><![endif]-->", "yes"),
        ('<a href="https://a.example">a</a> &#1571;', "a أ"),
        ("a &#" + "9" * 5_000 + ";", "a &#" + "9" * 5_000 + ";"),
        ("a<br>b", "a\nb"),
        ("<head><title>no</title><style>p{}</style></head><body>yes</body>", "yes"),
        ("<head><title>no</title><body>yes", "yes"),
        ("<script>alert(1)</script>ok", "ok"),
        ("1 &lt; 2 &amp; 3", "1 < 2 & 3"),
    ],
)
def test_html_becomes_text(html: str, text: str) -> None:
    assert mime.readable(mime.parse(build(mail(text="", html=html)))) == text


@pytest.mark.parametrize(
    ("charset", "words"),
    [
        ("windows-1251", "Дякую"),
        ("koi8-u", "Дякую"),
        ("gb18030", "谢谢"),
        ("windows-1256", "شكرا"),
        ("utf-8", "ممنون"),
    ],
)
def test_old_character_sets_are_read(charset: str, words: str) -> None:
    body = f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode() + words.encode(charset)
    assert mime.readable(mime.parse(body)) == words


@pytest.mark.parametrize(
    "charset", ["punycode", "rot13", "zlib", "no-such", "unicode_escape", "\udcff", "a\0b"]
)
def test_odd_character_sets_are_read_as_utf_8(charset: str) -> None:
    assert mime.letters("سلام".encode(), charset) == "سلام"


HOSTILE = {
    "too large": b"Subject: x\r\n\r\n" + b"x" * mime.SIZE_MAX,
    "a head without end": b"X: " + b"y" * (mime.HEAD_MAX + 1),
    "too many parts": b"Subject: x\r\n\r\n"
    + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" * 200,
    "a long content type": b"Content-Type: text/plain; " + b'a="' * 1_000 + b"\r\n\r\nx",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_honest_mail_is_like_is_refused(name: str) -> None:
    with pytest.raises(MimeError):
        mime.parse(HOSTILE[name])


def nested(depth: int) -> bytes:
    levels = (
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(depth)
    )
    return b"".join(levels) + b"\r\nbottom\r\n" + b"x" * 200_000


BOUNDED = {
    "as deep as it may be": nested(mime.PART_FIELDS_MAX),
    "html of open comments": b"Content-Type: text/html\r\n\r\n" + b"<!--" * 50_000,
    "html of open tags": b"Content-Type: text/html\r\n\r\n" + b"<a" * 100_000,
    "html of open brackets": b"Content-Type: text/html\r\n\r\n" + b"<![" * 100_000,
    "html of entities": b"Content-Type: text/html\r\n\r\n" + b"&" * 300_000,
    "a million empty lines": b"Subject: x\r\n\r\n" + b"\r\n" * 1_000_000,
    "words without end": b"Subject: " + b"=?utf-8?B?" * 5_000 + b"\r\n\r\nx",
}


@pytest.mark.parametrize("name", BOUNDED)
def test_hostile_mail_takes_bounded_time(name: str) -> None:
    started = time.perf_counter()
    message = mime.parse(BOUNDED[name])
    mime.readable(message)
    mime.field(message, "Subject")
    mime.attachments(message)
    assert time.perf_counter() - started < 2
