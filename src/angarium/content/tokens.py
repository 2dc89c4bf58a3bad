"""A text as the words, numbers, signs and symbols in which it is compared.

Case, diacritics, Persian and Arabic forms of a letter, traditional Chinese signs, full-width signs and ①,
Latin letters hidden in a Cyrillic word, signs of no width inside a word and l e t t e r s set apart make
no difference. A link is one word that means nothing: a host is called "shop" by whoever owns it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import msgspec

WORD_MAX = 40  # letters of a word that is remembered
SPACED_MIN = 3  # single letters in a row that are taken for a word that was set apart
AND_MIN = 3  # letters, of which the first may be the "and"
KNOWN_MAX = 20_000  # signs, words that are remembered

TOKEN = re.compile(
    r"""(?P<sign>[\u3400-\u9fff])
      | (?P<number>\d+(?:[.,٬٫\u00a0\ ]?\d+)*)
      | (?P<word>[\u0621-\u064a\u0671-\u06d3](?:[\u0621-\u065f\u0670-\u06d3])*
        | [^\W\d_\u3400-\u9fff](?:[\u0300-\u036f] | [^\W_\u3400-\u9fff]
          | \u200c(?=[a-zа-яёіїєґ]) | ['’ʼ](?=[а-яёіїєґ]))*)
      | (?P<symbol>[%٪#№:+=$€£₴₽¥₸])""",
    re.VERBOSE,
)
REST = r"(?: :\d{1,5} )? (?: [/?#] [\w./?#%&=+~:@!$*,;()-]* (?<![.,:;!?)(]) )?"  # of a link, behind its host
# What stands before it is looked at behind its beginning: the engine finds a letter quicker than a place.
SCHEME = re.compile(rf"(?xia) https?:// (?<![\w@.-]http://) (?<![\w@.-]https://) [\w.-]+ {REST}")
# A host without a scheme is one by its last label; by one that is a word, too ("call.me"), before a path.
HOST = re.compile(
    rf"""(?xia)(?<![\w@.-])
    (?: www\.[\w.-]+
      | (?:[a-z0-9-]+\.){{1,4}}
        (?: (?:com|net|org|info|biz|edu|gov|io|ua|ru|su|ir|cn|hk|tw|kz|uz|ge|az|md|tr|ae|sa|eg|iq|jo|kw|qa
               |om|bh|ly|gl|de|fr|uk|us|eu|pl|app|dev|page|link|online|site|shop|store|example)(?![\w-])
          | (?:me|co|to|by|in|is|it|at|am|be|id|do|cc|gd)(?=/) )
    ) {REST}""",
)
HOST_LIKE = re.compile(r"\.[A-Za-z]{2}")
NO_WORD = "\ua66e"  # a letter that no word has
DROPPED = re.compile("[\u0300-\u036f\u064b-\u065f\u0670\u0640\u200c'’ʼ`´]")
CODE = re.compile(r"(?=.*[A-Z])[A-Z0-9]{4,20}")
ONE_FORM = str.maketrans(
    "يىكةأإآٱؤئۀەёґ٪％：￥優惠購買搶滿減贈禮過錯會員劵兌領時專屬獎單開業",
    "ییکهااااویههег%%:¥优惠购买抢满减赠礼过错会员券兑领时专属奖单开业",
)
LATIN_LIKE_CYRILLIC = str.maketrans("aceopxyikmhtbn", "асеорхуікмнтвп")
DIGITS_LIKE_CYRILLIC = str.maketrans("0134", "оиеч")  # sk1dka, as those write it who fear a filter
DIGITS_LIKE_LATIN = str.maketrans("01345", "oieas")
ZWNJ = "\u200c"  # parts words of Persian; inside others it is dropped


class Forms(dict[int, str]):
    """The one form of each sign, found when it is first met: small, and in one way of writing it."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        form = sign if sign in "№…" else unicodedata.normalize("NFKC", sign).lower().translate(ONE_FORM)
        if unicodedata.category(sign) == "Cf" and sign != ZWNJ:
            form = ""  # of no width
        if len(self) < KNOWN_MAX:
            self[code] = form
        return form


FORMS = Forms()


class Token(msgspec.Struct, gc=False):
    """A word, number, sign or symbol of a text, in the one form in which it is compared."""

    form: str
    start: int
    end: int
    is_number: bool = False
    is_sign: bool = False
    is_code: bool = False
    bare: str = ""  # without the "and" that Arabic writes together with a word


def unlinked(text: str) -> str:
    """A text of the same length in which each link is one word that no list has."""
    if "://" in text:
        text = SCHEME.sub(_no_word, text)
    return HOST.sub(_no_word, text) if HOST_LIKE.search(text) else text


def _no_word(link: re.Match[str]) -> str:
    return f"_{NO_WORD * (len(link[0]) - 2)}_"  # parted from what is written beside it


def tokenise(text: str) -> list[Token]:
    """The tokens of a text; letters that were set apart are one word."""
    return joined(separate(text))


def separate(text: str) -> list[Token]:
    """The tokens of a text, each letter that was set apart for itself."""
    signs = plain(text)
    places: list[int] | None = None  # in the text, when its signs are not as many as those of its plain form
    if len(signs) != len(text):
        places = [place for place, sign in enumerate(text) for _ in sign.translate(FORMS)]
    return [token_of(match, text, places) for match in TOKEN.finditer(signs)]


def plain(text: str) -> str:
    """A text with each sign in its one form."""
    return text.lower() if text.isascii() else text.translate(FORMS)


def token_of(match: re.Match[str], text: str, places: list[int] | None = None) -> Token:
    """The token of a match in the plain form of a text; `places` in the text, where they are not the same."""
    raw, (start, end) = match[0], match.span()
    if places is not None:
        start, end = places[start], places[end - 1] + 1
    kind = match.lastgroup
    if kind == "word":
        if raw.isascii():
            word = raw if raw.isalpha() else raw.translate(DIGITS_LIKE_LATIN)
            is_code = "A" <= text[start] <= "Z" and CODE.fullmatch(text, start, end) is not None
            return Token(word, start, end, False, False, is_code)
        word = _foreign(raw) if len(raw) <= WORD_MAX else _mended(raw)
        if word[:1] == "و" and len(word) > AND_MIN:
            return Token(word, start, end, bare=word[1:])
        return Token(word, start, end)
    if kind == "number":
        return Token(digits(raw), start, end, True)
    return Token(raw, start, end, False, kind == "sign")


def digits(number: str) -> str:
    """A number without its separators, in Latin digits."""
    if number.isascii() and number.isdecimal():
        return number
    return "".join(str(int(sign)) for sign in number if sign.isdecimal())


def form(word: str) -> str:
    """A word of a list in the one form in which it is compared."""
    return _word(word.translate(FORMS))


def _word(plain: str) -> str:
    """A word in small letters in the one form in which it is compared."""
    if plain.isascii():
        return plain if plain.isalpha() else plain.translate(DIGITS_LIKE_LATIN)
    return _foreign(plain) if len(plain) <= WORD_MAX else _mended(plain)


def _mended(word: str) -> str:
    plain = DROPPED.sub("", unicodedata.normalize("NFKC", word).translate(ONE_FORM))
    has_cyrillic = any("Ѐ" <= letter <= "ӿ" for letter in plain)
    if any(sign.isdigit() for sign in plain):
        plain = plain.translate(DIGITS_LIKE_CYRILLIC if has_cyrillic else DIGITS_LIKE_LATIN)
    return plain.translate(LATIN_LIKE_CYRILLIC) if has_cyrillic else plain


_foreign = lru_cache(maxsize=KNOWN_MAX)(_mended)  # a few thousand words are most of all traffic


def joined(tokens: list[Token]) -> list[Token]:
    """Runs of single letters as the word that they spell; no token that is empty."""
    if len([token for token in tokens if len(token.form) <= 1]) < SPACED_MIN:
        return [token for token in tokens if token.form]
    joined: list[Token] = []
    run: list[Token] = []
    for token in [*(token for token in tokens if token.form), Token("", 0, 0)]:
        if len(token.form) == 1 and token.form.isalpha() and not token.is_sign:
            run.append(token)
            continue
        if len(run) >= SPACED_MIN:
            joined.append(Token(form("".join(one.form for one in run)), run[0].start, run[-1].end))
        else:
            joined += run
        run = []
        joined.append(token)
    return joined[:-1]
