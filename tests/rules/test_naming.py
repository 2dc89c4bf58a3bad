"""What languages and countries are called, and what stays as it is."""

from __future__ import annotations

import pytest

from angarium.web.languages import LANGUAGES
from angarium.web.naming import country_named, language_named


@pytest.mark.parametrize(
    ("reader", "tag", "name"),
    [
        ("en", "uk-UA", "Ukrainian (Ukraine)"),
        ("en", "uk_ua", "Ukrainian (Ukraine)"),
        ("en", "fa", "Persian"),
        ("fa", "fa-IR", "فارسی (ایران)"),
        ("en", "zh-Hant-TW", "Chinese (Traditional, Taiwan)"),
        ("en", "en-XQ", "English (XQ)"),
        ("en", "xx-strange", "xx-strange"),
        ("en", "*", "*"),
        ("en", "", ""),
    ],
)
def test_language(reader: str, tag: str, name: str) -> None:
    assert language_named(LANGUAGES[reader], tag) == name


@pytest.mark.parametrize(
    ("reader", "code", "name"), [("en", "UA", "Ukraine"), ("ru", "ir", "Иран"), ("en", "", "")]
)
def test_country(reader: str, code: str, name: str) -> None:
    assert country_named(LANGUAGES[reader], code) == name
