"""What promotes: by phrase in six languages, in disguise, beside service messages; and how well in all."""

from __future__ import annotations

import pytest
from bench import wording
from hypothesis import given
from hypothesis import strategies as st

from angarium.content.phrases import LANGUAGES, own, shipped
from angarium.content.promotional import SIGNS, WEIGHTS, detect

TELLS = [  # text, whether it promotes, a word that is marked
    ("20% off everything this weekend!", True, "20% off"),
    ("Your order 5521 is on its way.", False, ""),
    ("Your discount of 5 EUR was applied to invoice 12.", False, ""),
    ("Gift card balance: 20 EUR.", False, ""),
    ("Happy New Year from all of us!", False, ""),
    ("Happy New Year! Use code NY2027 at checkout.", True, "NY2027"),
    ("Скидка 30% только сегодня!", True, "Скидка 30%"),
    ("Заказ 552 оплачен. Скидка 300 руб учтена.", False, ""),
    ("С к и д к а 30% на всё", True, "С к и д к а 30%"),
    ("Cкидка 30%: промокод", True, "Cкидка 30%"),  # the first letter is Latin
    ("Знижка 20% на все! Тільки сьогодні", True, "Знижка 20%"),
    ("Замовлення 60318 відправлено, оплата 420 грн.", False, ""),
    ("تخفیف ۳۰٪ فقط امروز", True, "تخفیف ۳۰٪"),
    ("سفارش شما به شماره ۱۲۳۴ ارسال شد", False, ""),
    ("خصم ٥٠٪ على جميع المنتجات", True, "خصم ٥٠٪"),
    ("تم خصم مبلغ 500 ريال من حسابك", False, ""),
    ("全场8折，限时抢购！", True, "8折"),
    ("您的订单已发货，快递单号SF123", False, ""),
    ("全場優惠，立即購買", True, "立即購買"),  # traditional signs
    ("−30% until Sunday", True, "−30%"),
    ("Fraudsters write in our name: you have won a prize. Do not open it.", False, ""),
    ("Your code is 471100", False, ""),
    ("The free gift you chose is on its way.", False, ""),  # it is done
    ("Invoice 7 was paid. Treat yourself: a deal for your next order", True, "deal"),  # by sentence
    ("全場８折起", True, "８折"),  # full width
    ("ﺧﺼﻢ ٥٠٪ على كل شيء", True, "ﺧﺼﻢ ٥٠٪"),  # presentation forms
    ("②０％ off everything", True, "②０％ off"),
    ("Ваша скидка не одобрена: справка просрочена, к оплате 4200 ₽.", False, ""),
    ("Order 60318, 12:30, ref 771203: half price today only, buy now!", True, "half price"),  # padded
    ("Beware of fakes! Original watches, 50% off today only.", True, "50% off"),  # not swindlers' words
    ("Ски\u200bдка 30%: купите сегодня", True, "Ски\u200bдка 30%"),  # a sign of no width in it
    ("ليزر كامل الجسم بـ٢٩٩ ريال بدل ٩٠٠، احجزي اليوم", True, "٢٩٩ ريال"),  # written together
    ("Two nights for the price of one all November", True, "for the price of one"),
    ("三人同行一人免单，周日前有效", True, "一人免单"),
    ("618大促开抢，全场五折", True, "618大促"),  # a festival beside its words
    ("年中618狂欢，满300减50", True, "年中618"),
    ("双11狂欢开抢", True, "双11狂欢"),
    ("11.11 大促，快来", True, "11.11 大促"),
    ("Your order 618 is on its way. Follow it: https://shop.example/t/618", False, ""),  # and a number
    ("您的订单618已发货，请注意查收。", False, ""),
    ("Room 618 is ready from 11.11, your PIN is 1111.", False, ""),
    (
        "Invoice 11.11 is paid: http://a.example/618?sale=50%25&code=SALE50",
        False,
        "",
    ),  # what links are made of
    ("Your parcel is ready: www.buy-now.example/discount/50-off", False, ""),
    ("Замовлення 552 оплачено: sale.ua/znyzhka/30 дякуємо", False, ""),
    ("您的包裹已到，查看http://shop.example/buy/618，谢谢", False, ""),
    ("20% off: shop.example/t", True, "20% off"),
    ("https://a.example/t. Buy now,20% off", True, "Buy now"),  # where a link ends
    ("全场五折：https://a.example/t，立即购买", True, "立即购买"),
    ("", False, ""),
]


@pytest.mark.parametrize(("text", "promotes", "word"), TELLS)
def test_it_tells_what_promotes_and_by_which_words(text: str, promotes: bool, word: str) -> None:
    found = detect(text)
    assert found.is_likely is promotes
    assert word in " ".join(found.words(text))


def test_a_workspace_has_its_own_words() -> None:
    text = "The Blue Hour begins at nine."
    assert not detect(text).is_likely
    assert detect(text, also=("blue hour",)).is_likely
    ready = "Your order 7 is ready. Please bring your passport to pick it up."
    assert detect(ready, also=("passport",)).is_likely  # though "bring your passport" is neutral for others
    assert not detect(ready, also=("passport",), never=("your passport",)).is_likely
    assert not detect("Book your table at the Sale Room.", never=("book your", "sale")).is_likely


def test_each_kind_of_phrases_has_its_weight() -> None:
    kinds = {entry.kind for entry in shipped()}
    weak = {kind for kind in kinds if kind not in WEIGHTS.points}  # what was learned to be worth nothing
    assert kinds >= {"cut", "host", "come", "duty", "told", "state", "offer.strong", "neutral"}
    assert weak <= {
        "neutral",
        "safe",
        "offer.weak",
        "gift.medium",
        "gift.weak",
        "novelty.weak",
        "lend",
        "earn",
    }
    assert all(kind in kinds or kind in SIGNS for kind in WEIGHTS.points)


@pytest.mark.parametrize("entry", ["", "~", "~ word", "word ~"])
def test_an_entry_that_can_mean_nothing_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="not an entry"):
        own((entry,), ())


HOSTILE = ["discount ", "优惠", "sale with code ", "ﷺ", "回1", "you bought ", "$1 ", "a ", "? ", "буп "]


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_worst_texts_are_read_to_their_bound(piece: str) -> None:
    text = piece * (20_000 // len(piece)) + piece * 10_000
    found = detect(text)
    assert all(mark.end <= 20_000 for mark in found.marks)


@given(st.text(max_size=300))
def test_marks_stand_in_the_text(text: str) -> None:
    found = detect(text)
    assert found == detect(text)
    assert all(0 <= mark.start < mark.end <= len(text) for mark in found.marks)


# ── on texts that people wrote ───────────────────────────────────────────────────────────────────────


def test_the_texts_are_many_and_half_of_them_are_hard() -> None:
    texts = [one for one in wording.texts() if one.kind != "veiled"]
    assert len(texts) >= 600
    assert {one.language for one in texts} == set(LANGUAGES)
    assert sum(one.kind == "hard" for one in texts) * 2 >= len(texts)
    assert 0.45 <= sum(one.promotional for one in texts) / len(texts) <= 0.55
    assert 0.2 <= sum(one.held_back for one in texts) / len(texts) <= 0.3


FLOORS = {"held back": (0.93, 0.98), "held back, without a trade": (0.91, 0.98), "tuned with": (0.95, 0.98)}


def test_it_is_as_good_as_it_was() -> None:
    scores = wording.measure().scores
    for part, (precision, recall) in FLOORS.items():
        got = (scores[part].precision, scores[part].recall)  # not the texts: nobody is to see those held back
        assert got[0] >= precision, part
        assert got[1] >= recall, part


def test_each_language_has_a_list() -> None:
    for language in LANGUAGES:
        texts = [one for one in wording.texts() if one.language == language and one.promotional]
        assert sum(detect(one.text).is_likely for one in texts if one.kind == "easy") >= 25
