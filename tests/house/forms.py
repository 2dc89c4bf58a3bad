"""What a sentence of a catalogue looks like: its gaps, its plural forms, where it is still English."""

from __future__ import annotations

import re
from collections.abc import Iterator

from angarium.web.languages import Language, Sentence
from angarium.web.voice import COUNT, GAP

# What is written alike everywhere: brands, formats, units, and what machines read.
ALIKE = re.compile(
    r"\b(Angarium|API|BCP|CSV|Ctrl|DLR|Esc|GSM-7|HTML|HTTP|ID|IP|JSON|MMS|OIDC|OpenAPI|OTP|Python|RCS|SHA-256|SMPP|SMS|"
    r"SMTP|Telegram|UCS-2|URL|UTC|Viber|VK|WhatsApp|XLSX|angarium|ang_|curl|kB|MB|ms)\b"
)
COUNTS = range(1_000)  # the plural forms of all languages here show themselves below a hundred (CLDR)
SAID_OTHERWISE = {"zero", "one", "two"}  # forms that may name their number in a word: "one message"


def forms(sentence: Sentence) -> dict[str, str]:
    """A sentence by its plural forms; one without has the form ""."""
    return {"": sentence} if isinstance(sentence, str) else sentence


def gaps(sentence: Sentence) -> set[str]:
    """The names of what is filled in."""
    return {gap for form in forms(sentence).values() for gap in GAP.findall(form)}


def categories(language: Language) -> set[str]:
    """The plural forms that whole numbers take, and the one that stands for all else."""
    return {language.locale.plural_form(count) for count in COUNTS} | {"other"}


def forms_wrong(own: dict[str, str], language: Language) -> Iterator[str]:
    """What is wrong with the plural forms of a sentence in a language."""
    if own.keys() != categories(language):
        yield f"has the forms {sorted(own)}, the language has {sorted(categories(language))}"
    whole = gaps(own)
    for category, form in own.items():
        lacking = whole - set(GAP.findall(form)) - ({COUNT} if category in SAID_OTHERWISE else set())
        if lacking:
            yield f"lacks {sorted(lacking)} in the form {category}"


def is_words(form: str) -> bool:
    """Whether there is something to translate in it."""
    return any(letter.isalpha() for letter in ALIKE.sub("", GAP.sub("", form)))
