"""The words of the pages: each room says everything in each language, with the same gaps and plural forms."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

import pytest

from angarium.contacts.consent import State
from angarium.lines.registration_rules import TRANSITIONS
from angarium.lines.store import Loan
from angarium.lines.tariffs_store import ListState
from angarium.web.languages import LANGUAGES, Language, Sentence, catalogue, words_of
from house.forms import forms, forms_wrong, gaps, is_words
from house.tree import PACKAGE, modules, none_of

# Rooms that are not in all languages yet. It only ever gets shorter.
UNFINISHED: set[str] = set()

ROOMS = sorted(path.parents[1].name for path in PACKAGE.glob("*/templates/words.en.toml"))
OTHERS = [language for language in LANGUAGES.values() if language.code != "en"]

DEED = re.compile(r"[a-z_]+\.[a-z_]+")
ALIKE_NAMES = {"direction", "enter.command", "language"}


def _faults(room: str, language: Language) -> Iterator[str]:
    english, own = words_of(room, "en"), words_of(room, language.code)
    yield from (f"{name}: is missing" for name in english.keys() - own.keys())
    yield from (f"{name}: English has no such words" for name in own.keys() - english.keys())
    for name in english.keys() & own.keys():
        yield from (f"{name}: {fault}" for fault in _unlike(name, english[name], own[name], language))


def _unlike(name: str, english: Sentence, own: Sentence, language: Language) -> Iterator[str]:
    if gaps(english) != gaps(own):
        yield f"has the gaps {sorted(gaps(own))}, English has {sorted(gaps(english))}"
    if isinstance(english, dict) != isinstance(own, dict):
        yield "has plural forms in one of both languages only"
    if isinstance(own, dict):
        yield from forms_wrong(own, language)
    if name not in ALIKE_NAMES:
        same = [form for form in forms(own).values() if form in forms(english).values() and is_words(form)]
        yield from (f"is English: {form!r}" for form in same)


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
            for fault in forms_wrong(sentence, english)
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


def _noted() -> Iterator[str]:
    """What is written into audit logs, as far as it is said where it is noted."""
    for _, tree in modules(PACKAGE):
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("note"):
                said = [one.value for one in call.args if isinstance(one, ast.Constant)]
                yield from (one for one in said if isinstance(one, str) and DEED.fullmatch(one))


def test_what_is_noted_in_the_audit_log_has_words() -> None:
    words = words_of("settings", "en")
    verbs = {*TRANSITIONS, *(f"loan_{one}" for one in Loan), *(f"prices_{one}" for one in ListState), *State}
    parts = [one.partition(".") for one in _noted()]
    assert len(parts) > 50
    none_of(
        {
            name
            for name in [f"audit_of.{what}" for what, _, _ in parts]
            + [f"audit_deed.{done}" for _, _, done in parts]
            + [f"audit_deed.{verb}" for verb in verbs]
            if name not in words
        },
        "The page of the audit log shows a code for these:",
    )


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


def test_what_is_not_there_has_one_sign() -> None:
    """An en dash: the other dash beside it, in the next table, looks like something else."""
    pages = PACKAGE.glob("*/templates/*.html")
    assert [f"{page.parent.parent.name}/{page.name}" for page in pages if "\u2014" in page.read_text()] == []
