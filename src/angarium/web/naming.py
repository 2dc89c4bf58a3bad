"""Languages and countries by their names, as the readers of a language call them (CLDR, by Babel).

Systems tell them by codes (`uk-UA`, `UA`); whoever looks is told what they mean, with the code as a title.
"""

from __future__ import annotations

import re
from functools import lru_cache

from angarium.web.languages import Language

PIECES = re.compile(r"[-_]")
SCRIPT_CHARS = 4  # zh-Hant-TW: a script has four letters, a country two or three digits
KEPT = 512


@lru_cache(maxsize=KEPT)
def language_named(language: Language, tag: str) -> str:
    """uk-UA -> Ukrainian (Ukraine); what nobody has a name for stays as it is."""
    code, *rest = PIECES.split(tag)
    locale = language.locale
    name = locale.languages.get(code.lower())
    if name is None:
        return tag
    known = [
        locale.scripts.get(one.title(), one)
        if len(one) == SCRIPT_CHARS
        else locale.territories.get(one.upper(), one)
        for one in rest
        if one
    ]
    return f"{name} ({', '.join(known)})" if known else name


def country_named(language: Language, code: str) -> str:
    """UA -> Ukraine; what nobody has a name for stays as it is."""
    return str(language.locale.territories.get(code.upper(), code))
