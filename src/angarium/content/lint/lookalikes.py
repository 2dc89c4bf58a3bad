"""Letters that look alike: of two alphabets in one word, or of one host in the clothes of another.

The pairs are those of Unicode's confusables (UTS #39) that stand in the fonts of every phone; the whole list
would call every Greek word a fraud.
"""

from __future__ import annotations

import unicodedata

# Cyrillic and Greek letters, and digits, by the Latin letter that they look like.
LATIN_OF = str.maketrans(
    {
        **dict(zip("асеорхуіјѕԁһԛԝӏ", "aceopxyijsdhqwl", strict=True)),
        **dict(zip("АВСЕНІЈКМОРЅТХУ", "ABCEHIJKMOPSTXY", strict=True)),
        **dict(zip("αοορινυ", "aoopivu", strict=True)),
        **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True)),
    }
)
ALIKE = frozenset(chr(code) for code in LATIN_OF)
# Beside those, what stands for a letter in a host.
IN_HOSTS = str.maketrans({"0": "o", "1": "l", "3": "e", "5": "s", "ı": "i", "ł": "l"})
SCRIPTS = ("LATIN", "CYRILLIC", "GREEK")


def script(letter: str) -> str:
    """The alphabet of a letter, of those that lend one another their looks; "" for any other character."""
    name = unicodedata.name(letter, "")
    return next((one for one in SCRIPTS if name.startswith(one)), "")


def strangers(word: str) -> list[int]:
    """The places of letters that are in the word of another alphabet and look as if they were of its own.

    "SMSки" is a word of two alphabets that everybody can see to be one: nothing in it is disguised.
    """
    by_script: dict[str, list[int]] = {}
    for place, letter in enumerate(word):
        if found := script(letter):
            by_script.setdefault(found, []).append(place)
    if len(by_script) < 2:
        return []
    fewest = min(by_script.values(), key=len)
    disguised = all(word[place] in ALIKE or word[place] in "aceopxyijsABCEHIKMOPTXY" for place in fewest)
    return fewest if disguised else []


def skeleton(host: str) -> str:
    """A host as the eye takes it in."""
    plain = unicodedata.normalize("NFKD", host.lower())
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return bare.translate(LATIN_OF).translate(IN_HOSTS).replace("rn", "m").replace("vv", "w")
