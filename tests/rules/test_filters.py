"""Filters that know the reader, in the six languages and more: what they print, what they refuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.content.filters import READER, Reader
from angarium.content.liquid import RenderError, compile_template

VALUES = {
    "price": {"micros": 1_250_500_000, "currency": "EUR"},
    "whole": {"micros": 12_000_000, "currency": "UAH"},
    "day": "2026-11-08",
    "at": "2026-11-23T16:05:00Z",
    "late": "2026-12-31T22:30:00Z",
    "n": 1,
    "code": "۰۹۱۲ ٣٤",
}

PRINTED = [  # locale, source, what is read in Kyiv
    ("en", "{{ price | money }}", "€1,250.50"),
    ("en-GB", "{{ 12.5 | money: 'GBP' }}", "£12.50"),
    ("uk", "{{ whole | money }}", "12 ₴"),
    ("ru-KZ", "{{ price | money }}", "1 250,50 €"),
    ("fa", "{{ 1250000 | money: 'IRT' }}", "۱٬۲۵۰٬۰۰۰ تومان"),
    ("ar-EG", "{{ 1234.5 | number }}", "١٬٢٣٤٫٥"),
    ("zh-Hans-CN", "{{ day | day }}", "2026年11月8日"),
    ("en", "{{ 1234567.5 | number }}", "1,234,567.5"),
    ("uk", "{{ 1234567.5 | number: 0 }}", "1 234 568"),
    ("uk", "{{ 3 | number: 2 }}", "3,00"),
    ("fa", "{{ 1234 | number }}", "۱٬۲۳۴"),
    ("ru", "{{ 0.125 | percent }}", "12 %"),
    ("en", "{{ 0.125 | percent: 1 }}", "12.5%"),
    ("uk", "{{ day | day }}", "8 листопада 2026 р."),
    ("ru", "{{ day | day: 'short' }}", "08.11.2026"),
    ("fa", "{{ day | jalali }}", "۱۷ آبان ۱۴۰۵"),
    ("fa", "{{ day | jalali: '%Y/%m/%d' }}", "۱۴۰۵/۰۸/۱۷"),
    ("en", "{{ day | jalali }}", "17 Aban 1405"),
    ("uk", "{{ at | clock }}", "18:05"),
    ("en", "{{ at | clock }}", "6:05 PM"),
    ("uk", "{{ at | clock: zone: 'Asia/Tehran' }}", "19:35"),
    ("fa", "{{ at | clock }}", "۱۸:۰۵"),
    ("en-GB", "{{ at | moment: 'short' }}", "23/11/2026, 18:05"),
    ("en", "{{ late | day }}", "January 1, 2027"),
    ("xx-YY", "{{ day | day }}", "November 8, 2026"),
    ("en", "{{ code | latin_digits }}", "0912 34"),
]


@pytest.mark.parametrize(("locale", "source", "printed"), PRINTED)
def test_it_is_printed_as_the_reader_writes_it(locale: str, source: str, printed: str) -> None:
    assert compile_template(source).render({**VALUES, READER: Reader(locale, "Europe/Kyiv")}) == printed


PLURALS = [  # locale, forms, the words for 0, 1, 2, 5, 11, 21, 102
    (
        "ru",
        "one: 'товар', few: 'товара', many: 'товаров'",
        "товаров товар товара товаров товаров товар товара",
    ),
    ("uk", "one: 'день', few: 'дні', many: 'днів'", "днів день дні днів днів день дні"),
    ("en", "one: 'item', other: 'items', zero: 'nothing'", "nothing item items items items items items"),
    ("ar", "zero: 'ز', one: 'و', two: 'ث', few: 'ق', many: 'ك', other: 'غ'", "ز و ث ق ك ك غ"),
    ("fa", "one: 'کالا', other: 'کالا'", "کالا کالا کالا کالا کالا کالا کالا"),
    ("zh", "other: '件'", "件 件 件 件 件 件 件"),
]


@pytest.mark.parametrize(("locale", "forms", "words"), PLURALS)
def test_the_form_of_a_word_goes_with_its_number(locale: str, forms: str, words: str) -> None:
    template = compile_template("{{ n | plural: " + forms + " }}")
    said = [template.render({"n": n, READER: Reader(locale)}) for n in (0, 1, 2, 5, 11, 21, 102)]
    assert said == words.split()


REFUSED = [  # source, what is said
    ("{{ 5 | money }}", "currency"),
    ("{{ 'x' | money: 'EUR' }}", "needs a number"),
    ("{{ true | number }}", "needs a number"),
    ("{{ 5 | number: 20 }}", "decimals"),
    ("{{ 'soon' | day }}", "ISO 8601"),
    ("{{ day | day: 'huge' }}", "short, medium, long, full"),
    ("{{ at | clock: zone: 'Mars/Base' }}", "Mars/Base"),
    ("{{ 5 | plural: one: 'a' }}", "'other'"),
    ("{{ '1e400' | number }}", "below"),
    ("{{ nothing | money: 'EUR' }}", "nothing is not known"),
]


@pytest.mark.parametrize(("source", "said"), REFUSED)
def test_what_cannot_be_printed_says_why(source: str, said: str) -> None:
    with pytest.raises(RenderError, match=said):
        compile_template(source).render({**VALUES, READER: Reader("en")})


@given(
    st.decimals(-(10**12), 10**12, places=2), st.sampled_from(["en", "uk", "fr", "de", "fa", "ar-EG", "zh"])
)
def test_no_number_costs_an_sms_its_alphabet(value: object, locale: str) -> None:
    text = compile_template("{{ n | number }} {{ n | money: 'EUR' }}").render(
        {"n": str(value), READER: Reader(locale)}
    )
    assert "\u00a0" not in text
    assert "\u202f" not in text


def test_the_reader_is_nothing_a_template_can_see() -> None:
    with pytest.raises(RenderError) as raised:
        compile_template("{{ who }}").render({"name": "x", READER: Reader("en")})
    assert raised.value.known == ("name",)  # type: ignore[attr-defined]
