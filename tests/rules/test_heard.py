"""What is said in English below the console, as it is heard in another language."""

from __future__ import annotations

import re

import pytest
from markupsafe import Markup

from angarium.content.promotional import WEIGHTS, Mark
from angarium.web.languages import LANGUAGES
from angarium.web.sentences import HEARD_MAX, catalogue, union
from angarium.web.voice import Voice, plain
from support.sentences import COMPOSED

ROOMS = [
    *("accounts", "campaigns", "contacts", "content", "insight", "lines"),
    *("messaging", "sandbox", "settings", "web"),
]
VOICES = {code: Voice(ROOMS, language) for code, language in LANGUAGES.items()}
LOOKS_MAX = 2_000  # each of them walks over a text once for each sentence
QUOTED = re.compile(r"<bdi[^>]*>.*?</bdi>|<time.*?</time>")
MARKED = re.compile(r"<[^>]+>|[\u2066-\u2069]")
ENGLISH_RUN = re.compile(r"[A-Za-z]{2,}(?:[ ,]+[A-Za-z]{2,}){2,}")


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
@pytest.mark.parametrize("text", COMPOSED)
def test_nothing_english_is_left(text: str, code: str) -> None:
    heard = VOICES[code].heard(text)
    assert heard != text
    assert not ENGLISH_RUN.search(QUOTED.sub("", heard)), heard


@pytest.mark.parametrize(
    ("code", "text", "wanted"),
    [
        ("en", "is too long", "is too long"),
        ("ru", "is too long", "слишком длинно"),
        ("fa", "at most 100 characters", "حداکثر ۱۰۰ نویسه"),
        ("ru", "is too long: at most 64", "слишком длинно: не больше 64"),
        ("zh", "name: is too long; tags: are too many", "name：过长；tags：过多"),
        ("uk", "2 parts, at most 1", "частин 2, дозволено 1"),
        ("ru", "3 contacts with the locale fa", "3 контакта с языком fa"),
        ("ru", "5 contacts with the locale fa", "5 контактов с языком fa"),
        (
            "uk",
            "The contact has had 3 otp or service messages within one day, as many as the cap allows.",
            "Контакт уже отримав стільки, скільки дозволяє ліміт: повідомлень класу "
            "«{} або сервісний» — 3 (за період: день).".format(VOICES["uk"].say("class.otp")),
        ),
        ("ar", "The line main is switched off.", "الخط main متوقف."),
        ("ru", "The contact opted out of all messages.", "Контакт отказался от всех сообщений."),
        (
            "ru",
            "Its deadline was 2026-11-28T10:00:00Z. Send a new message.",
            "Срок был 28 нояб. 2026 г., 10:00:00. Отправьте новое сообщение.",
        ),
        (
            "ru",
            "Connected; the cheapest of 2: 0.04 against 0.05.",
            "Подключена; самая дешёвая из 2: 0,04 против 0,05.",
        ),
        (
            "ru",
            "step 1 failed: unreachable; another line",
            "шаг 1 не удалось: телефон или ящик недоступен; другая линия",
        ),
        (
            "ru",
            "It is running, started by per_1. Make a copy of it, and change that.",
            "Её состояние: Идёт; начал per_1. Сделайте копию и измените её.",
        ),
        (
            "fa",
            "1,234 was typed. It goes to 12,345 people (more than 1,000). Send `confirm`: 12345 to start it.",
            "۱٬۲۳۴ نوشته شد. به ۱۲٬۳۴۵ نفر می‌رود (بیش از ۱٬۰۰۰). برای آغاز ۱۲٬۳۴۵ را بنویسید.",
        ),
        ("ru", "nobody ever said this", "nobody ever said this"),
        ("ru", "is too long and nobody ever said this", "is too long and nobody ever said this"),
        ("ru", "", ""),
    ],
)
def test_what_is_heard(code: str, text: str, wanted: str) -> None:
    assert MARKED.sub("", VOICES[code].heard(text)).replace("\u00a0", " ").replace("\u202f", " ") == wanted


def test_what_strangers_write_stays_text() -> None:
    heard = VOICES["ru"].heard("The line <b>x</b> & {line} is switched off.")
    assert heard == Markup("Линия <bdi>&lt;b&gt;x&lt;/b&gt; &amp; {line}</bdi> выключена.")


def test_what_is_a_page_already_is_not_heard_again() -> None:
    page = Markup("<b>is too long</b>")
    assert VOICES["ru"].heard(page) is page


@pytest.mark.parametrize(
    "text",
    [
        "is too long; " * 400,
        "a: " * 900 + "is empty",
        "{0} is not known (line 1, column 1)" * 90,
        "; that ends it" * 140,
        " from to until of " * 130,
        "x" * (HEARD_MAX + 1),
    ],
)
def test_a_hostile_text_is_heard_in_few_looks(text: str) -> None:
    known = catalogue()
    known.hear.cache_clear()
    VOICES["fa"].heard(text)
    assert known.hear.cache_info().misses <= LOOKS_MAX


def test_two_rooms_do_not_say_the_same() -> None:
    with pytest.raises(ValueError, match="two rooms"):
        union([{"a": {}}, {"a": {}}])


def test_a_text_is_looked_at_once() -> None:
    known = catalogue()
    known.hear.cache_clear()
    known.hear("is too long: at most 64")
    before = known.hear.cache_info().misses
    known.hear("is too long: at most 64")
    assert known.hear.cache_info().misses == before


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_is_said_plainly_is_escaped_no_more(code: str) -> None:
    said = plain(VOICES[code].heard("SMS (Africa's Talking)"))
    assert "Africa's Talking" in said


@pytest.mark.parametrize("code", VOICES)
def test_who_is_behind_is_named_as_the_page_of_servers_names_them(code: str) -> None:
    said = VOICES[code].heard("activity is 32 s behind what happened")
    assert ("activity" in said) == (code == "en")


PROMOTING = sorted({Mark(0, 1, kind, 1, "").said for kind, points in WEIGHTS.points.items() if points > 0})


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("kind", [*PROMOTING, "own"])
def test_why_some_words_promote_is_said_in_each_language(kind: str, code: str) -> None:
    voice = VOICES[code]
    assert voice.has(f"promotes.{kind.replace(' ', '_')}")
    said = plain(voice.heard(f"-20 % promotes ({kind})"))
    assert code == "en" or not re.search("[A-Za-z]", said), said
