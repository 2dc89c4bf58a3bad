"""Mail, the GSM alphabet and templates: texts that strangers, customers and marketers write."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from random import Random

from angarium.channels import mail_kit
from angarium.content.liquid import OUTPUT_MAX, RenderError, TemplateSyntax, compile_template
from angarium.core.ports import Raw
from angarium.messaging import links
from angarium.protocols import dsn, gsm, mime, smpp_text
from angarium.protocols.dsn import MimeError
from angarium.protocols.smpp_pdu import Message
from angarium.protocols.smpp_text import TextError
from fuzz.callbacks import check_events
from fuzz.harness import Target, simple
from fuzz.mutations import either, lines, octets
from protocols.test_dsn import BARE, VERP, recipient, report
from rules.test_liquid import PRINTS, VALUES

# ── mail ─────────────────────────────────────────────────────────────────────────────────────────────

LETTER = b"""From: =?utf-8?B?2LPYp9ix2KfZiA==?= <anna@example.org>
To: shop@mail.example
Subject: =?iso-8859-1?Q?Re=3A_Order?=
Message-ID: <1@example.org>
In-Reply-To: <att_1@mail.example>
Date: Tue, 19 Nov 2024 07:06:40 +0000
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="b"

--b
Content-Type: text/plain; charset=windows-1251
Content-Transfer-Encoding: quoted-printable

=CF=F0=E8=E2=E5=F2
--b
Content-Type: text/html; charset=utf-8

<html><head><title>x</title></head><body><p>Hi &amp; &#x1F600;<!-- x --></p></body></html>
--b
Content-Type: application/pdf; name="bill.pdf"
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename*=utf-8''bill.pdf

JVBERi0=
--b--
"""
COMPLAINT = b"""To: fbl@mail.example
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="c"

--c
Content-Type: message/feedback-report

Feedback-Type: abuse
Original-Mail-From: <b+att_0123456789abc@bounces.mail.example>
Arrival-Date: Tue, 19 Nov 2024 07:06:40 +0000

--c
Content-Type: message/rfc822

Message-ID: <att_1@mail.example>

--c--
"""
MAILS = [
    report(BARE),
    report(recipient("failed", "5.1.1", "smtp; 550 5.1.1 No such user")),
    report(BARE, returned_type="message/rfc822"),
    LETTER,
    COMPLAINT,
    b"Return-Path: <>\r\nSubject: Delivery failure\r\n\r\nUser unknown: anna@example.org (5.1.1)\r\n",
    b"From: a@b.example\r\nAuto-Submitted: auto-replied\r\n\r\nAway",
]
MAIL_WORDS = [
    *(b"Content-Type: ", b"multipart/mixed; boundary=", b"message/rfc822", b"message/delivery-status"),
    *(
        b"Content-Transfer-Encoding: base64",
        b"uuencode",
        b"quoted-printable",
        b"=?utf-8?B?",
        b"?=",
        b"=?x?q?",
    ),
    *(b'boundary="', b"--b", b"--b--", b"\r\n\r\n", b"\n\n", b"charset=utf-7", b"charset=punycode", b"\0"),
    *(b"Date: Tue, 99 Foo 99999 25:61:61 +9999", b"filename*0*=", b"filename*1*=''", b"&#x110000;", b"<!--"),
    *(b"Final-Recipient: rfc822; ", b"Action: failed", b"Status: 5.", b"X-Failed-Recipients: "),
]


def try_mail(data: bytes) -> None:
    """A mail is read or refused with MimeError; the channel makes events of either."""
    try:
        found = dsn.read(data, VERP, "<>")
    except MimeError:
        found = None
    if not isinstance(found, dsn.AutoReply):
        check_events(mail_kit.events(Raw(data, {"rcpt-to": VERP, "mail-from": "<>"})))
    events = mail_kit.events(Raw(data))
    if events:  # nothing is said of a machine's answer
        check_events(events)


def try_address(data: bytes) -> None:
    """An address is refused, or stands on a line without ending it; so does a domain."""
    value = data.decode("utf-8", "surrogateescape")
    for check in (mime.address, mime.domain_name):
        try:
            good = check(value)
        except MimeError:
            continue
        assert good.isascii(), good
        assert not set(good) & set("\r\n\0 <>"), good


# ── the GSM alphabet ─────────────────────────────────────────────────────────────────────────────────

TEXTS = [
    "Hello {€}",
    "سلام دنیا",
    "Привіт",
    "👩‍👩‍👧‍👦🇺🇦" * 20,
    "a" * 161,
    "ا" * 200,
    "[" * 80,
    "\x1b\x1b",
    "“”–…",
]
UDH = [b"\x05\x00\x03\x07\x02\x01Hel", b"\x06\x08\x04\x00\x07\x02\x02lo", b"\x03\x24\x01\x01x"]


def try_gsm(data: bytes) -> None:
    """Any text is cut or refused, and its parts put together are the text again; any octets are read."""
    text = data.decode("utf-8", "replace")
    for bits in (8, 16):
        try:
            cut = gsm.segment(text, reference_bits=bits)
        except gsm.TooLong:
            continue
        assert "".join(part.text for part in cut.parts) == text
        assert all(len(smpp_text.octets(part.text, cut.encoding)) <= 160 for part in cut.parts)
    gsm.smart(text)
    gsm.decode_gsm7(data)
    gsm.decode_ucs2(data)
    for coding in (data[0], 0x00, 0x08, 0x0A, 0x0E, 0xF5) if data else ():
        for esm_class in (0, 0x40):
            try:
                smpp_text.read_piece(
                    Message(esm_class=esm_class, data_coding=coding, short_message=data), "gsm7"
                )
            except TextError:
                continue


# ── templates ────────────────────────────────────────────────────────────────────────────────────────

LIQUID_WORDS = [
    word.encode()
    for word in (
        *(
            "{{ ",
            " }}",
            "{% ",
            " %}",
            "{%- ",
            " -%}",
            "| ",
            "contact.first_name",
            "order.items",
            "tags",
            "typed",
        ),
        *(
            "for i in (1..999999999)",
            "for i in order.items",
            "endfor",
            "if ",
            "elsif ",
            "else",
            "endif",
            "unless",
        ),
        *(
            "endunless",
            "assign x = ",
            "capture x",
            "endcapture",
            "case ",
            "when ",
            "endcase",
            "raw",
            "endraw",
        ),
        *(
            "comment",
            "endcomment",
            "cycle 'a','b'",
            "increment x",
            "decrement x",
            "tablerow i in tags cols:2",
        ),
        *(
            "endtablerow",
            "liquid",
            "echo ",
            "break",
            "continue",
            "doc",
            "enddoc",
            "limit:1e9",
            "offset:continue",
        ),
        *("append: x", "replace: '', typed", "join: typed", "split: ''", "times: 1e308", "divided_by: 0"),
        *("modulo: 0", "truncate: -1", "truncatewords: 0", "slice: -5, 3", "date: '%s%Q'", "sort: 'name'"),
        *(
            "map: 'x'",
            "where: 'a', 'b'",
            "sum",
            "uniq",
            "concat: tags",
            "first",
            "size",
            "round: 400",
            "json",
        ),
        *(
            "(1..10)",
            "9" * 400,
            "1e400",
            "'",
            '"',
            "nil",
            "true",
            "contains",
            "and",
            "or",
            "==",
            "[",
            "]",
            "default: ",
        ),
        *(
            "strip_html",
            "newline_to_br",
            "url_decode",
            "base64_decode",
            "escape_once",
            "forloop.parentloop.index",
        ),
    )
]
SNIPPETS = [word for word in LIQUID_WORDS if len(word) > 2]


def statements(roll: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    """A tag or an output made of two or three words, put in, perhaps around what is there."""
    inner = b" ".join(roll.choice(SNIPPETS) for _ in range(roll.randint(1, 3)))
    made = roll.choice((b"{{ typed | %s }}", b"{{ %s }}", b"{%% %s %%}")) % inner
    at = roll.randrange(len(data) + 1)
    if roll.random() < 0.2:
        return (
            b"{% for i in (1..60) %}" * roll.choice((1, 2, 3, 25))
            + data
            + b"{% endfor %}" * roll.choice((1, 2, 3))
        )
    return data[:at] + made + data[at:]


def try_template(data: bytes) -> None:
    """A template is refused or rendered within its bounds, as text and as HTML."""
    source = data.decode("utf-8", "replace")
    for html in (False, True):
        try:
            text = compile_template(source, html=html).render(VALUES)
        except (TemplateSyntax, RenderError):
            continue
        assert len(text.encode("utf-8", "surrogatepass")) <= OUTPUT_MAX


# ── links that are counted ───────────────────────────────────────────────────────────────────────────

NAMES = links.Tokens(b"k" * 32)
LINKED = [
    "See https://a.example/x?y=1&z=2#t, or (https://b.example/x_(y)).",
    '<a href="https://a.example/?a=1&amp;b=2">x</a><img src=https://c.example/1.png>',
    "<!--[if mso]><v:rect HREF='https://a.example/x'><![endif]--></body></html>",
    "点击https://a.example/x。谢谢 https://магазин.укр/осінь «https://a.example/سفارش»",
    "mailto:a@b.example tel:+380 javascript:alert(1) https://user:pass@a.example:99999/",
]
LINK_WORDS = [
    *(b"https://", b"HTTP://", b"<a ", b" href", b" = ", b'"', b"'", b">", b"<!--", b"&#x68;ttps://"),
    *("查看".encode(), "،".encode(), "\u200c".encode(), b"[::1]", b"@", b")))", b"%0d%0a", b"&amp;"),
    b"\r\nSet-Cookie: a=b",
]


def try_links(data: bytes) -> None:
    """Links are put in their place: nothing but addresses is changed, and each can stand in a header."""
    text = data.decode("utf-8", "replace")
    NAMES.read(text)
    for put_in in (links.in_text, links.in_html):
        numbers = count()
        tracked = links.Tracking(
            "https://go.example",
            True,
            True,
            lambda numbers=numbers: next(numbers),  # type: ignore[misc]
            NAMES,
            ("https://go.example/l/",),
        )
        said = put_in(text, tracked)
        for url, token in tracked.tokens.items():
            where = links.location(url)
            assert where[:4].lower() == b"http", where
            assert not set(where) & set(b"\r\n\0 "), where
            said = said.replace(f"https://go.example/l/{token}", url)
        if put_in is links.in_text:
            assert said == text


TARGETS = [
    Target(
        "links",
        simple(try_links),
        [text.encode() for text in LINKED],
        LINK_WORDS,
        in_tests=400,
    ),
    Target(
        "mail",
        simple(try_mail),
        MAILS,
        MAIL_WORDS,
        either(lines, lines, octets),
        (200_000, 500),
        longest=20_000,
        in_tests=80,
    ),
    Target(
        "addresses",
        simple(try_address),
        [b"anna@example.org", "o'x.y+z@почта.рф".encode(), b"a@[127.0.0.1]", b'"a b"@x.example'],
        [b"@", b".", b"\r\nBcc: x@y", b"\0", b"xn--", b"<", b">", "。".encode(), b"-" * 70],
        in_tests=2_000,
    ),
    Target(
        "gsm",
        simple(try_gsm),
        [text.encode() for text in TEXTS] + UDH,
        [t.encode() for t in TEXTS],
        in_tests=300,
    ),
    Target(
        "templates",
        simple(try_template),
        [source.encode() for source, _ in PRINTS],
        LIQUID_WORDS,
        either(statements, statements, octets),
        (3_000_000, 500),
        in_tests=150,
    ),
]
