"""The words of the pages: each room says everything in each language, with the same gaps and plural forms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pytest

from angarium.web.languages import LANGUAGES, Language, Sentence, catalogue, words_of
from angarium.web.voice import COUNT, GAP
from house.tree import PACKAGE, none_of

# Rooms that are not in all languages yet. It only ever gets shorter.
UNFINISHED: set[str] = set()

ROOMS = sorted(path.parents[1].name for path in PACKAGE.glob("*/templates/words.en.toml"))
OTHERS = [language for language in LANGUAGES.values() if language.code != "en"]

# What is written alike everywhere: brands, formats, units, and what machines read.
ALIKE = re.compile(
    r"\b(Angarium|API|BCP|CSV|Ctrl|DLR|Esc|GSM-7|HTML|HTTP|ID|IP|JSON|MMS|OIDC|OpenAPI|OTP|Python|RCS|SHA-256|SMPP|SMS|"
    r"SMTP|Telegram|UCS-2|URL|UTC|Viber|VK|WhatsApp|XLSX|angarium|ang_|curl|kB|MB|ms)\b"
)
ALIKE_NAMES = {"direction", "enter.command", "language"}
COUNTS = range(1_000)  # the plural forms of all languages here show themselves below a hundred (CLDR)
SAID_OTHERWISE = {"zero", "one", "two"}  # forms that may name their number in a word: "one message"


def _forms(sentence: Sentence) -> dict[str, str]:
    return {"": sentence} if isinstance(sentence, str) else sentence


def _gaps(sentence: Sentence) -> set[str]:
    return {gap for form in _forms(sentence).values() for gap in GAP.findall(form)}


def _categories(language: Language) -> set[str]:
    """The plural forms that whole numbers take, and the one that stands for all else."""
    return {language.locale.plural_form(count) for count in COUNTS} | {"other"}


def _faults(room: str, language: Language) -> Iterator[str]:
    english, own = words_of(room, "en"), words_of(room, language.code)
    yield from (f"{name}: is missing" for name in english.keys() - own.keys())
    yield from (f"{name}: English has no such words" for name in own.keys() - english.keys())
    for name in english.keys() & own.keys():
        yield from (f"{name}: {fault}" for fault in _unlike(name, english[name], own[name], language))


def _unlike(name: str, english: Sentence, own: Sentence, language: Language) -> Iterator[str]:
    if _gaps(english) != _gaps(own):
        yield f"has the gaps {sorted(_gaps(own))}, English has {sorted(_gaps(english))}"
    if isinstance(english, dict) != isinstance(own, dict):
        yield "has plural forms in one of both languages only"
    if isinstance(own, dict):
        yield from _forms_wrong(own, language)
    if name not in ALIKE_NAMES:
        same = [form for form in _forms(own).values() if form in _forms(english).values() and _is_words(form)]
        yield from (f"is English: {form!r}" for form in same)


def _forms_wrong(own: dict[str, str], language: Language) -> Iterator[str]:
    if own.keys() != _categories(language):
        yield f"has the forms {sorted(own)}, the language has {sorted(_categories(language))}"
    whole = _gaps(own)
    for category, form in own.items():
        lacking = whole - set(GAP.findall(form)) - ({COUNT} if category in SAID_OTHERWISE else set())
        if lacking:
            yield f"lacks {sorted(lacking)} in the form {category}"


def _is_words(form: str) -> bool:
    return any(letter.isalpha() for letter in ALIKE.sub("", GAP.sub("", form)))


@pytest.mark.parametrize("language", OTHERS, ids=lambda language: language.code)
def test_each_room_says_everything_in(language: Language) -> None:
    none_of(
        (
            f"{room}/templates/words.{language.code}.toml: {fault}"
            for room in ROOMS
            if room not in UNFINISHED
            for fault in _faults(room, language)
        ),
        "Say it in this language too, with the same gaps:",
    )


def test_plural_forms_of_english_are_whole() -> None:
    english = LANGUAGES["en"]
    none_of(
        (
            f"{room}: {name} {fault}"
            for room in ROOMS
            for name, sentence in words_of(room, "en").items()
            if isinstance(sentence, dict)
            for fault in _forms_wrong(sentence, english)
        ),
        "Give English one and other:",
    )


def test_rooms_that_are_finished_are_not_called_unfinished() -> None:
    done = [room for room in UNFINISHED if not any(fault for one in OTHERS for fault in _faults(room, one))]
    none_of(
        [*done, *(UNFINISHED - set(ROOMS))],
        "These are in all languages, or are no rooms: take them out of UNFINISHED:",
    )


def test_no_two_rooms_say_something_by_one_name() -> None:
    assert catalogue(ROOMS, LANGUAGES["en"])  # a ValueError names the room and the words


def test_there_are_words_of_no_other_language() -> None:
    found = (path.name for path in PACKAGE.glob("*/templates/words.*.toml"))
    none_of({name for name in found if name.split(".")[1] not in LANGUAGES}, "No language of the console:")


@pytest.mark.parametrize(
    ("code", "english", "own", "told"),
    [
        ("ru", "Messages", "Messages", "is English"),
        ("ru", "{n} SMS", "{n} SMS", ""),
        ("ru", "{who} left", "ушёл", "has the gaps"),
        ("ru", "{who} left", "{who} ушёл", ""),
        ("ru", {"one": "{count} day", "other": "{count} days"}, "{count} дн.", "in one of both"),
        (
            "ru",
            {"one": "{count} day", "other": "{count} days"},
            {"one": "{count} день", "other": "{count} дня"},
            "has the forms",
        ),
        (
            "ru",
            {"one": "{count} day", "other": "{count} days"},
            {"one": "день", "few": "{count} дня", "many": "дней", "other": "{count} дня"},
            "lacks ['count'] in the form many",
        ),
        (
            "ru",
            {"one": "{count} day", "other": "{count} days"},
            {"one": "день", "few": "{count} дня", "many": "{count} дней", "other": "{count} дня"},
            "",
        ),
        ("zh", {"one": "{count} day", "other": "{count} days"}, {"other": "{count} 天"}, ""),
    ],
)
def test_what_is_a_fault(code: str, english: Sentence, own: Sentence, told: str) -> None:
    found: Iterable[str] = _unlike("x", english, own, LANGUAGES[code])
    assert (told in " | ".join(found)) if told else not list(found)
