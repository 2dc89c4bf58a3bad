"""Mails written as HTML: their words as lines, and whose words they are, as programs of mail mark them."""

from __future__ import annotations

import pytest

from angarium.contacts.stopwords import Wish, asked
from angarium.protocols.mail_markup import words_of

GMAIL = (
    '<div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">On Mon, Nov 30, 2026 '
    'at 10:12 AM The Shop &lt;<a href="mailto:s@tea.example">s@tea.example</a>&gt; wrote:<br></div>'
    '<blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid #ccc"><div>Sale! '
    "Reply STOP to unsubscribe.</div></blockquote></div>"
)
THUNDERBIRD = (
    '<div class="moz-cite-prefix">The Shop schrieb am 30.11.26 um 10:12<br></div>'
    '<blockquote type="cite" cite="mid:1@tea.example"><p>Sale!</p></blockquote>'
)
APPLE = (
    "<div><br><blockquote type='cite'><div>On 30 Nov 2026, at 10:12, The Shop &lt;s@tea.example&gt; "
    "wrote:</div><br><div>Sale!</div></blockquote></div>"
)
OUTLOOK = (
    '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in"><p class="MsoNormal">'
    "<b>From:</b> The Shop<br><b>Sent:</b> Monday<br><b>To:</b> Anna<br><b>Subject:</b> Sale</p></div>"
    "<p>Sale!</p>"
)
OUTLOOK_WEB = (
    '<hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg" dir="ltr"><b>From:</b> '
    "The Shop<br><b>Sent:</b> Monday</div><div>Sale!</div>"
)
YAHOO = '<div class="yahoo_quoted"><div>On Monday, The Shop wrote:</div><div>Sale!</div></div>'
YANDEX = (
    "<div>30.11.2026, 10:12, &quot;The Shop&quot; &lt;s@tea.example&gt;:</div>"
    "<blockquote><div>Sale!</div></blockquote>"
)
QUOTES = (GMAIL, THUNDERBIRD, APPLE, OUTLOOK, OUTLOOK_WEB, YAHOO, YANDEX)
BELOW = (GMAIL, THUNDERBIRD, APPLE, YANDEX)  # those that say where the answered mail ends
INDENTED = '<blockquote style="margin:0 0 0 40px;border:none;padding:0px"><div>{}</div></blockquote>'


@pytest.mark.parametrize("quote", QUOTES)
def test_a_wish_above_what_is_quoted_is_heard(quote: str) -> None:
    found = asked(words_of(f"<html><body><div dir='ltr'>STOP</div><br>{quote}</body></html>"))
    assert found is not None
    assert found.wish is Wish.STOP


@pytest.mark.parametrize("quote", BELOW)
def test_and_below_it(quote: str) -> None:
    found = asked(words_of(f"<html><body>{quote}<div>STOP</div></body></html>"))
    assert found is not None
    assert found.wish is Wish.STOP


@pytest.mark.parametrize("quote", QUOTES)
def test_a_question_is_none(quote: str) -> None:
    for above, below in (("Where is it?", ""), ("Where is it?", "STOP"), ("", "STOP by at 5"), ("", "")):
        assert asked(words_of(f"<div>{above}</div>{quote}<div>{below}</div>")) is None


@pytest.mark.parametrize("quote", BELOW)
def test_nor_is_a_word_with_a_question_below(quote: str) -> None:
    assert asked(words_of(f"<div>STOP</div>{quote}<div>sending it to the old address</div>")) is None


def test_what_is_indented_is_the_writer_s_own() -> None:
    assert asked(words_of("STOP" + INDENTED.format("the delivery of order 7"))) is None
    assert words_of("STOP" + INDENTED.format("it")).split() == ["STOP", "it"]


def test_what_is_quoted_has_its_mark_and_no_more_empty_lines_than_one() -> None:
    told = words_of("<p>One</p><blockquote><p>Two</p><br><br><p>Three</p></blockquote><p>Four</p>")
    assert told.strip() == "One\n\n> Two\n>\n> Three\n\nFour"
