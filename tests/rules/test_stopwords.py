"""STOP, START and HELP in six languages, as people write them; and what only sounds like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.contacts.stopwords import ANSWER_MAX, LOCALES, TEXT_MAX, OwnWords, Wish, _data, asked, fold

STOP, START, HELP = Wish.STOP, Wish.START, Wish.HELP

GMAIL = "On Mon, Nov 30, 2026 at 10:12 AM The Shop of All Teas <shop@tea.example>\nwrote:\n\n> Sale!\n> Now\n"
YAHOO = (
    " On Monday, November 30, 2026 at 10:12:11 AM GMT+2, The Shop <shop@tea.example> wrote:  \n \n Sale!\n"
)
HEAD = "From: The Shop <shop@tea.example>\nSent: Monday, November 30, 2026\nTo: Anna\nSubject: Sale\n\nSale!"
ANSWERED = [  # as the programs of mail quote what is answered
    f"STOP\n\n{GMAIL}",
    f"STOP\n{GMAIL}",
    "Stop\n\nOn Mon, 30 Nov 2026,\nThe Shop of All Teas\n<shop@tea.example> wrote:\n> Sale!",
    "STOP\n\nOn Mon, The Shop wrote:\n" + "> what was told, at length\n" * 200,  # longer than `TEXT_MAX`
    f"STOP\n\n{YAHOO}",  # without a `>` before any line
    f"STOP\n{YAHOO}",
    f"STOP\n\nSent from Yahoo Mail on Android\n\n{YAHOO}",
    f"STOP\n\n{YAHOO.replace('GMT+2, ', chr(10))}",
    f"STOP\n\n{YAHOO}\nReply STOP to unsubscribe",
    f"STOP\n\n{HEAD}",
    f"STOP\n\n________________________________\n{HEAD}",
    f"STOP\r\n\r\n-----Original Message-----\r\n{HEAD}",
    "STOP\n\n-------- Original message --------\nSale!",
    "STOP\n\n*From:* Shop <shop@tea.example>\n*Sent:* Monday\n*To:* Anna",
    "STOP\n\nSent from my iPhone",
    "STOP\n\n[attachment: image001.png (image/png)]\n[attachment: logo.gif (image/gif)]",
    "STOP\n\nSent from my iPhone\n\n> On 30 Nov 2026, The Shop <shop@tea.example> wrote:\n> \n> Sale!",
    f"{GMAIL}\nSTOP",  # written below
    f"{GMAIL}\nSTOP\n\nSent from my iPhone",
    f"Sent from my iPhone\n\n{GMAIL}\nSTOP",
    f"{GMAIL}\nSTOP\n-- \nAnna, sales",
    f"{GMAIL}STOP",  # and not even an empty line between
    f"STOP\n\n{GMAIL}\nSTOP",
    "> > On Mon, Nov 30, 2026 at 10:12 AM The Shop of All Teas <shop@tea.example>\nwrote:\n\nSTOP",  # torn
    "On Mon, 30 Nov 2026 at 10:12, The Shop wrote:\n" + "> what was told, at length\n" * 200 + "\nSTOP",
    f"STOP\n\nGet Outlook for iOS\n________________________________\n{HEAD}",
]

SAID: list[tuple[str, Wish, str]] = [  # the text, what it asks for, in which language
    ("STOP", STOP, "en"),
    ("stop", STOP, "en"),
    (" Stop. ", STOP, "en"),
    ("STOP!!!", STOP, "en"),
    ("“stop”", STOP, "en"),
    ("ＳＴＯＰ", STOP, "en"),
    ("s\u0301top", STOP, "en"),
    ("stop 🛑", STOP, "en"),
    ("Stop stop STOP", STOP, "en"),
    ("please stop", STOP, "en"),
    ("Opt-out", STOP, "en"),
    ("UNSUBSCRIBE", STOP, "en"),
    ("STOP\n\nOn Mon, 3 Nov 2025, The Shop wrote:\n> Sale! Don't miss it\n> Buy now", STOP, "en"),
    ("stop\n-- \nAnna, sales, +1 555 0100", STOP, "en"),
    *((text, STOP, "en") for text in ANSWERED),
    (
        "لغو\n\nدر تاریخ دوشنبه ۳۰ نوامبر ۲۰۲۶، ۱۰:۱۲ فروشگاه <s@shop.example>\u200f\nنوشت:\n\n> حراج",
        STOP,
        "fa",
    ),
    ("لغو\n\nارسال شده از iPhone من", STOP, "fa"),
    ("Відписатися\n\nНадіслано з iPhone", STOP, "uk"),
    ("Отписаться\n\nОт: Магазин <s@shop.example>\nОтправлено: понедельник\nКому: Анна", STOP, "ru"),
    ("退订\n\n发自我的 iPhone\n\n> 促销", STOP, "zh"),
    ("START", START, "en"),
    ("unstop", START, "en"),
    ("Help?", HELP, "en"),
    ("لغو", STOP, "fa"),
    ("لغو11", STOP, "fa"),
    ("لغو ۱۱", STOP, "fa"),  # Persian digits
    ("لغو١١", STOP, "fa"),  # Arabic ones
    ("لـغـو", STOP, "fa"),  # stretched
    ("لغو اشتراك", STOP, "fa"),  # an Arabic kaf
    ("لغو\u200cاشتراک", STOP, "fa"),  # a half space, as Persian keyboards write it
    ("انصراف", STOP, "fa"),
    ("عضويت", START, "fa"),  # an Arabic ya
    ("راهنما", HELP, "fa"),
    ("إيقاف", STOP, "ar"),
    ("ايقاف", STOP, "ar"),  # without its hamza
    ("إِيقَاف", STOP, "ar"),  # with vowel marks
    ("الغاء الاشتراك", STOP, "ar"),
    ("إلغاء 5", STOP, "ar"),
    ("ابدأ", START, "ar"),
    ("مساعدة", HELP, "ar"),
    ("СТОП", STOP, "uk"),
    ("«Відписатися»", STOP, "uk"),
    ("не надсилайте!", STOP, "uk"),
    ("Підписатися", START, "uk"),
    ("допомога", HELP, "uk"),
    ("Отписаться", STOP, "ru"),
    ("НЕ ПРИСЫЛАЙТЕ", STOP, "ru"),
    ("подписаться", START, "ru"),
    ("помощь", HELP, "ru"),
    ("退订", STOP, "zh"),
    ("退訂。", STOP, "zh"),
    ("TD", STOP, "zh"),
    ("ｔｄ", STOP, "zh"),
    ("取消订阅", STOP, "zh"),
    ("恢复", START, "zh"),
    ("帮助", HELP, "zh"),
]

NOT_SAID = [
    "",
    "   ",
    "🙏",
    "?",
    "don't stop the delivery",
    "Where does the bus stop?",
    "stop by at 5",
    "stop 11",  # a number follows only where it is the custom
    "non-stop",
    "stopping",
    "I cannot start my car",
    "не останавливайте доставку",
    "стоп-кран",
    "когда отписаться можно?",
    "چرا سفارش من لغو شد؟",  # why was my order cancelled?
    "لغو سفارش",  # cancel the order
    "لغو1234567",  # no code has so many digits
    "لا تتوقف",
    "我的退订单在哪里",
    "td-100",
    "11",
    "yes",
    "\n> stop",  # the shop's own words, quoted
    "Order 7 please\n\nOn Mon the shop wrote:\n> reply STOP to unsubscribe",
    "stop " * 3 + "the car",
    "STOP" + " " * TEXT_MAX,
    "STOP\n\nI want to buy an iPhone",
    "Sent from my iPhone",  # nothing else was written
    f"Where is it?\n\n{GMAIL}",
    f"Do not\nstop\n\n{HEAD}",
    "stop\nSize: 5\nColour: red\nName: Anna",  # an order, and no head of a mail
    f"Where is order 7?\n\n{GMAIL}\nSTOP",  # the word is not all that was written
    f"STOP\n\n{GMAIL}\nsending it to the old address, I have moved",
    "Where is my order:\n> order 7\n\nSTOP",  # that is no sentence of a program
    f"{GMAIL}\nSTOP by tomorrow",
    "> what was told\n\nWhere is it?\n\n> and at length\n\nSTOP",
    GMAIL,  # nothing was written
    "> Buy two and get three, and if this is nothing to you, you may reply with\nSTOP\n> at any time",  # torn
    f"Where is it?\n\n________________________________\n{HEAD}\n\nSTOP",  # of whom is not sure
    "x" * TEXT_MAX + "\n> stop",
    YAHOO,
    f"{YAHOO}\nSTOP",  # the shop's, or the person's: nothing says where the quoted mail ends
    f"Where is it?\n\n{YAHOO}\nSTOP",
    f"-----Original Message-----\n{HEAD}\n\nTo unsubscribe reply with\nSTOP",
    "STOP\n\nOn 30.11.2026 I asked shop@tea.example:\nwhere is my order?",  # no sentence of a program
]


@pytest.mark.parametrize(("text", "wish", "locale"), SAID)
def test_what_is_asked_for(text: str, wish: Wish, locale: str) -> None:
    found = asked(text)
    assert found is not None
    assert (found.wish, found.locale) == (wish, locale)


@pytest.mark.parametrize("text", NOT_SAID)
def test_what_is_not(text: str) -> None:
    assert asked(text) is None


def test_every_word_of_the_data_is_heard_and_none_says_two_things() -> None:
    for locale in LOCALES:
        for wish in Wish:
            words = _data()[locale][wish.value]
            assert words
            for word in words:
                found = asked(word)
                assert found is not None, word
                assert found.wish is wish, word


def test_a_workspace_adds_words_and_ignores_some() -> None:
    own = OwnWords(stop=("11", "Basta!"), start=("venga",), ignore=("cancel",))
    for text, wish in (("۱۱", STOP), ("basta", STOP), ("VENGA", START), ("stop", STOP)):
        found = asked(text, own)
        assert found is not None
        assert found.wish is wish
    assert asked("cancel") is not None
    assert asked("Cancel", own) is None


@given(st.text(max_size=200))
def test_folding_is_done_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.timeout(30)  # where work grows with the square of the length, the first takes more than a minute
@pytest.mark.parametrize("piece", ["@", "<a@", ":\n", "<a@b:\n", "> \n", "From: a@b\n"])
def test_a_long_mail_of_a_stranger_keeps_nobody_waiting(piece: str) -> None:
    room = ANSWER_MAX // len(piece) - 10
    asked(f"STOP\n<{piece * room}:\nwritten at 12:00 by the shop")


@given(st.text(max_size=400))
def test_no_text_breaks_it(text: str) -> None:
    asked(text)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz ", min_size=1, max_size=40))
def test_what_contains_a_word_and_more_asks_for_nothing(text: str) -> None:
    rest = " ".join(text.split())
    if rest and set(rest.split()) - {"stop", "please", "all"}:
        found = asked(f"stop {rest}")
        assert found is None or found.word == f"stop {rest}"
