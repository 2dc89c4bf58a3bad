"""What a customer's text asks for: to be left alone (STOP), to be written to again (START), or HELP. Pure.

Rules:
- The whole text must be such a word. One that merely contains it ("don't stop the delivery") asks for
  nothing: to take a customer's question for an opt-out would silence what they wait for.
- Text and words are folded before they are compared: capitals, marks over letters, the letter forms of
  Arabic and Persian keyboards, digits of any script, punctuation and emoji make no difference.
- Of an answered mail only the person's own words count: not the quoted mail, nor the signature (`quoted.py`).
- The words are data (`stopwords.toml`), and a workspace adds its own or ignores some of ours.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files

import msgspec

from angarium.contacts.quoted import own_words

LOCALES = ("en", "fa", "ar", "uk", "ru", "zh")
TEXT_MAX = 2_000  # characters of a person's own words; what is longer says more than one word
ANSWER_MAX = (
    100_000  # of an answered mail with them, that are looked at; a mail's text is no longer (`mime.py`)
)
FOLDED_MAX = 64  # characters of the longest word
# Letters that two keyboards write differently. NFKD takes the hamza and madda off their letters as marks.
LETTERS = str.maketrans(
    {"ي": "ی", "ى": "ی", "ك": "ک", "ة": "ه", "ۀ": "ه", "ە": "ه", "ـ": "", "ı": "i", "\u200c": " "}
)
MARKS = frozenset({"Mn", "Mc", "Me", "Cf", "Sk"})
CODED = re.compile(r"(.*[^0-9 ]) ?[0-9]{1,6}")


class Wish(StrEnum):
    """What a text asks for."""

    STOP = "stop"
    START = "start"
    HELP = "help"


class Asked(msgspec.Struct, frozen=True):
    """A text that asks for something: what, in which language, and the word that said so, folded."""

    wish: Wish
    locale: str  # empty for a word of the workspace's own
    word: str


class OwnWords(msgspec.Struct, frozen=True):
    """What a workspace adds to the words, and which of them it does not take for wishes."""

    stop: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    help: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


NONE = OwnWords()


def asked(text: str, own: OwnWords = NONE) -> Asked | None:
    """What a text asks for; None when it asks for nothing."""
    words, quoted = own_words(text[:ANSWER_MAX], _sent_from())
    if len(words) > TEXT_MAX or (
        len(text) > TEXT_MAX and not quoted
    ):  # the mail that is answered may be long
        return None
    folded = _once(fold(words))
    if not folded or len(folded) > FOLDED_MAX:
        return None
    coded = CODED.fullmatch(folded)
    if coded is not None and coded[1] in _coded():
        folded = coded[1]
    return _words(own).get(folded)


def fold(text: str) -> str:
    """A text without what makes no difference: one space between words, none around."""
    letters = []
    small = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    for character in small.translate(LETTERS):
        kind = unicodedata.category(character)
        if kind in MARKS:
            continue
        if kind == "Nd":
            letters.append(str(unicodedata.decimal(character)))
        else:
            letters.append(character if kind[0] in "LN" else " ")
    return " ".join("".join(letters).split())


def _once(folded: str) -> str:
    """`stop stop stop` is said once."""
    words = folded.split(" ")
    return words[0] if len(set(words)) == 1 else folded


# ── the words ────────────────────────────────────────────────────────────────────────────────────────


@cache
def _data() -> Mapping[str, Mapping[str, list[str]]]:
    return tomllib.loads(files(__package__).joinpath("stopwords.toml").read_text(encoding="utf-8"))


@cache
def _coded() -> frozenset[str]:
    """Words that a number may follow."""
    return frozenset(fold(word) for lists in _data().values() for word in lists.get("coded", ()))


@cache
def _sent_from() -> tuple[str, ...]:
    """How programs of phones begin the line that they put below a mail."""
    return tuple(word.casefold() for lists in _data().values() for word in lists["sent_from"])


@lru_cache(maxsize=256)
def _words(own: OwnWords) -> Mapping[str, Asked]:
    """Every word by its folded form. Of two languages the first has it; STOP goes before all."""
    found: dict[str, Asked] = {}
    for wish in (Wish.START, Wish.HELP, Wish.STOP):
        for locale in reversed(LOCALES):
            _add(found, wish, locale, _data()[locale][wish.value])
    for word in own.ignore:
        found.pop(fold(word), None)
    for wish, words in ((Wish.START, own.start), (Wish.HELP, own.help), (Wish.STOP, own.stop)):
        _add(found, wish, "", words)
    return found


def _add(found: dict[str, Asked], wish: Wish, locale: str, words: Iterable[str]) -> None:
    for word in words:
        folded = fold(word)
        if folded:
            found[folded] = Asked(wish, locale, folded)
