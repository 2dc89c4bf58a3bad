"""What is said in English below the console is known to it, and said in each language: web/sentences.py.

Every text in the rooms that reads like a sentence is one of `said.toml`, or it stands here with the reason
why nobody reads it on a page.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from angarium.web import sentences
from angarium.web.languages import LANGUAGES, Language
from house.forms import forms, forms_wrong, gaps, is_words
from house.spoken import Sentence, heard, sentences_in, words_in
from house.tree import PACKAGE, modules, none_of, parsed
from support.sentences import COMPOSED

ROOMS = (
    *("accounts", "campaigns", "contacts", "content", "core", "doors", "insight"),
    *("lines", "messaging", "notices", "sandbox", "settings", "web"),
    "channels/kit.py",  # a single channel brings what it can: it stands beside what its provider says
    *("protocols/smpp_link.py", "protocols/smpp_numbers.py"),
)
CATALOGUE = sentences.catalogue()
ALIKE_KEYS = {"angarium people list", "null"}
OTHERS = [language for language in LANGUAGES.values() if language.code != "en"]

# Files in which no sentence is for a page.
ELSEWHERE = {
    "accounts/session.py": "names of browsers, and cookies",
    "doors/smpp/admission.py": "what an event is called",
    "doors/smpp/bind.py": "logged, where an error of SMPP is the answer",
    "doors/smpp/reading.py": "logged, where an error of SMPP is the answer",
    "doors/smpp/receipts.py": "the text of a receipt",
    "doors/twilio/asking.py": "Twilio's own sentences, to its clients",
    "doors/twilio/desk.py": "logged",
    "doors/webchat/room.py": "for the pages of visitors' sites",
    "doors/webchat/rules.py": "for the pages of visitors' sites",
    "contacts/segments/reference.py": "printed into docs/reference/segments.md",
    "contacts/segments/store/sql.py": "SQL",
    "content/phrases.py": "read at the start, from files of ours",
    "core/ids.py": "one ValueError of a programmer; the others are in the catalogue",
    "messaging/store/owners.py": "logged where another server took over",
    "messaging/store/tables.py": "SQL",
    "messaging/story.py": "the same story for the command line",
    "notices/rules.py": "names of events, and a table of the docs",
    "settings/reference.py": "examples of code",
    "web/openapi.py": "the description of the API, which is English",
    "web/health.py": "for probes of machines",
    "web/sentences.py": "for whoever writes said.toml",
}
# The JSON edge of a room: examples and descriptions; its problems are made in the flows, which are looked at.
EDGES = ("api.py",)

# Single texts that no page shows, by their beginnings: what only a programmer can get, SQL, markup, docs.
NOT_SAID = {
    "accounts/audit.py": ("angarium audit 1",),
    "accounts/oidc.py": ("openid email profile", "Basic "),
    "accounts/passwords.py": ("nobody has this password",),
    "accounts/rules.py": ("not an Angarium API key",),
    "doors/smpp/door.py": (  # why a bind was turned away: in the log alone, the client learns a status
        "see above",
        "not understood",
        "too many wrong passwords from there",
        "too many passwords are compared already",
        "no such account, or it is off",
        "wrong password",
        "the account was changed meanwhile",
        "not from its networks",
        "not as ",
        "it has its ",
        "The server cannot start",  # where it is started
        "smpp_tls_certificate, ",
    ),
    "web/porter.py": ("the porter ended with status \x01",),  # in the log
    "messaging/composer.py": ("it ended, or did not answer",),  # in the log
    "contacts/consent.py": ("is not a scope",),
    "contacts/draft.py": ("by hand",),
    "contacts/merge_flows.py": ("merge undone",),
    "contacts/reindex.py": ("contact index",),
    "contacts/segments/rules.py": ("29 February comes on",),
    "content/composition.py": ("{% assign", "head attributes"),
    "content/lint/characters.py": ("the ",),  # the name of a character in Unicode, which is English
    "content/lint/findings.py": ("| finding |",),
    "content/pages.py": ("<",),
    "core/batches.py": ("a batch failed",),  # for the log
    "core/decoding.py": (  # how msgspec begins its own sentences
        "Expected ",
        "Invalid enum",
        "Invalid RFC3339",
        "JSON is malformed",
        "Object ",
        " like ",
    ),
    "core/kept.py": ("Object contains unknown",),  # how msgspec begins a sentence of its own
    "core/ports.py": ("channel ",),
    "doors/twilio/flows.py": ("The account is not good",),
    "doors/twilio/rules.py": (  # what Twilio says of its codes of errors
        "Attempt to send", "Message blocked", "Message filtered", "Message price", "Unknown destination",
        "Unknown error", "Unreachable destination", "Validity Period", "The 'From' number has",
    ),
    "lines/rehearsal_pages.py": ("HTTP ",),  # the head of an answer, as the wire has it
    "lines/requirements.py": (  # printed into docs/reference/registrations.md
        "- `", "; if any", "any without a kind", "approval holds", "classes that it", "declared by its owner",
        "no: papers", "registered at", "usual duration", "without end", "\x01 days unless", "\x01; read ",
    ),
    "lines/tariffs.py": ("from ",),  # a row of a price list, as it is written
    "lines/tariffs_csv.py": ("line ",),  # places in a file, where others name a field
    "messaging/links.py": ("<img",),
    "messaging/workers.py": ("\x01 callbacks", "\x01 of \x01 lines", "\x01 loops"),
    "web/app.py": ("\x01 has no operation",),
    "web/assets.py": ("static/build has no",),
    "web/languages.py": ("\x01: the words",),
    "web/look.py": ("\x01=\x01; Path=",),
}  # fmt: skip


def _files() -> Iterator[Path]:
    for path, _ in modules(*(PACKAGE / room for room in ROOMS)):
        name = path.relative_to(PACKAGE).as_posix()
        if name not in ELSEWHERE and not path.name.endswith(EDGES):
            yield path


def _unknown() -> Iterator[tuple[str, Sentence]]:
    """Every sentence of the code that the console would not know, with its file."""
    for path in _files():
        for one in sentences_in(parsed(path)):
            if not heard(one.text, CATALOGUE):
                yield path.relative_to(PACKAGE).as_posix(), one


def _is_not_said(name: str, one: Sentence) -> bool:
    return one.text.startswith(NOT_SAID.get(name, ()))


def test_each_sentence_of_the_code_is_known() -> None:
    none_of(
        (f"{name}:{one.line}: {one.text!r}" for name, one in _unknown() if not _is_not_said(name, one)),
        "Put them into said.toml of their room, in each language, or into NOT_SAID with the reason:",
    )


def test_what_is_not_said_is_there() -> None:
    there = {(name, one.text) for name, one in _unknown()}
    none_of(
        (
            f"{name}: {begin!r}"
            for name, beginnings in NOT_SAID.items()
            for begin in beginnings
            if not any(file == name and text.startswith(begin) for file, text in there)
        ),
        "Nothing begins so, or it is known by now: take it out of NOT_SAID:",
    )


def test_each_sentence_of_the_catalogue_is_said_somewhere() -> None:
    used = {key for text in COMPOSED for key in heard(text, CATALOGUE)}
    for _, tree in modules(PACKAGE):
        used |= {text for text in words_in(tree) if text in CATALOGUE.said}
        used |= {key for one in sentences_in(tree) for key in heard(one.text, CATALOGUE)}
    unsaid = CATALOGUE.said.keys() - used
    none_of(unsaid, "Nobody says this (what is put together stands in support/sentences.py):")


@pytest.mark.parametrize("language", OTHERS, ids=lambda language: language.code)
def test_each_sentence_is_said_in(language: Language) -> None:
    none_of(
        (f"{key!r} {fault}" for key, own in CATALOGUE.said.items() for fault in _faults(key, own, language)),
        "Say it in this language too, with the same gaps:",
    )


def _faults(key: str, said: dict[str, sentences.Sentence], language: Language) -> Iterator[str]:
    own = said.get(language.code)
    if own is None:
        yield "is missing"
        return
    wanted = {name for name, _ in sentences.GAP.findall(key)}
    if gaps(own) != wanted:
        yield f"has the gaps {sorted(gaps(own))}, English has {sorted(wanted)}"
    if isinstance(own, dict):
        yield from forms_wrong(own, language)
    english = sentences.GAP.sub(r"{\1}", key)
    if key not in ALIKE_KEYS and any(form == english and is_words(form) for form in forms(own).values()):
        yield "is English"


def test_there_are_sentences_of_no_other_language() -> None:
    codes = {one.code for one in OTHERS}
    none_of(
        {f"{key!r}: {code}" for key, own in CATALOGUE.said.items() for code in own if code not in codes},
        "No language of the console:",
    )


def test_gaps_do_not_stand_side_by_side() -> None:
    none_of((key for key in CATALOGUE.said if "}{" in key), "Nobody can tell where one ends:")
