"""Which words of a text promote: discounts, offers, calls to buy, urgency, gifts, greetings with a code.

A text is cut into tokens and compared with lists of phrases, one file a language in `wordlists/`. What is
found is marked, so that a person sees why; the marks are weighed, and the sum decides:

    | strength | weighs | what it is                                                     |
    |----------|--------|----------------------------------------------------------------|
    | strong   | 4      | promotes by itself: "20% off", "buy now"                       |
    | medium   | 2      | promotes beside another: "discount", "treat yourself"          |
    | weak     | 0.75   | colours the rest, 2 at the most: "only", "new"                 |
    | service  | −1     | what service messages are about; takes from medium and weak    |
    |          |        | alone, 3 at the most                                           |
    | neutral  | –      | takes what it overlaps out of the count: "discount applied"    |
    | warning  | –      | takes everything out of the count: "swindlers write in our name" |

4 and more is *likely* advertising, 7 and more *certain*. A list is TOML: a table for each kind with `strong`,
`medium` and `weak`, and `words` for `service`, `neutral` and `warning`. An entry is words in a row:

    word    that word              {n}      a number            ~      up to six words of any kind
    word*   words that begin so    {money}  an amount of money  {code} a code such as SALE20
    %  #  :  +  =  №               themselves

Chinese is compared sign by sign. Case, diacritics, Persian and Arabic forms of a letter, traditional Chinese
signs of the lists, Latin letters hidden in a Cyrillic word and l e t t e r s set apart make no difference.

Pure but for reading the lists once. What it is worth on texts that it was not tuned with is printed by
`python -m bench --scenario wording`.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files

import msgspec

LANGUAGES = ("en", "fa", "ar", "uk", "ru", "zh")
WEIGHTS = {"strong": 4.0, "medium": 2.0, "weak": 0.75}
WEAK_MAX, SERVICE_MAX = 2.0, 3.0
LIKELY, CERTAIN = 4.0, 7.0
GAP = 6  # words that `~` may stand for; signs of Chinese count as half a word
TEXT_MAX = 20_000  # characters that are looked at
SPACED_MIN = 3  # single letters in a row that are taken for a word that was set apart

AND_MIN = 3  # letters, of which the first may be the "and"

TOKEN = re.compile(
    r"""(?P<sign>[\u3400-\u9fff])
      | (?P<number>\d+(?:[.,٬٫\u00a0\ ]?\d+)*)
      | (?P<word>[^\W\d_](?:[\u0300-\u036f\u064b-\u065f\u0670\u0640]|[^\W_])*)
      | (?P<symbol>[%٪％\#№:：+=$€£₴₽¥￥₸])""",
    re.VERBOSE,
)
DROPPED = re.compile("[\u064b-\u065f\u0670\u0640'’ʼ`´]")
CODE = re.compile(r"(?=.*[A-Z])[A-Z0-9]{4,20}")
ONE_FORM = str.maketrans(
    "يىكةأإآٱؤئۀەёґ٪％：￥優惠購買搶滿減贈禮過錯會員劵兌領時專屬獎單開業",
    "ییکهااااویههег%%:¥优惠购买抢满减赠礼过错会员券兑领时专属奖单开业",
)
LATIN_LIKE_CYRILLIC = str.maketrans("aceopxyikmhtbn", "асеорхуікмнтвп")
LISTS = files("angarium.content") / "wordlists"
_money = tomllib.loads((LISTS / "money.toml").read_text("utf-8"))
CURRENCIES, MULTIPLIERS = frozenset(_money["currencies"]), frozenset(_money["multipliers"])
DIGITS_LIKE_CYRILLIC = str.maketrans("0134", "оиеч")  # sk1dka, as those write it who fear a filter
DIGITS_LIKE_LATIN = str.maketrans("01345", "oieas")
OFF = re.compile(r"(?<![\w,.])[-−–]\s?\d{1,2}\s?[%٪％]")  # −30 %, which has no word
SHOUTING = re.compile(r"[🎁🎉🔥💥🛍🎊💸🤑⚡]|[!！]{2,}")

Item = tuple[str, str]  # what stands at a place of an entry: its kind, its text


class Mark(msgspec.Struct, frozen=True):
    """Words that count: characters `start` to `end` of the text."""

    start: int
    end: int
    kind: str  # offer, call, urgency, gift, novelty, greeting, service, neutral, warning, shouting
    strength: str  # strong, medium, weak; for service and neutral the same word again
    entry: str  # of the list


class Detection(msgspec.Struct, frozen=True):
    """What a text looks like."""

    score: float
    marks: tuple[Mark, ...]

    @property
    def is_likely(self) -> bool:
        """Whether it is advertising rather than not."""
        return self.score >= LIKELY

    @property
    def is_certain(self) -> bool:
        """Whether there is no doubt worth a person's time."""
        return self.score >= CERTAIN

    def words(self, text: str) -> tuple[str, ...]:
        """The words that speak for it, strongest first, as they stand in the text."""
        counted = [mark for mark in self.marks if mark.strength in WEIGHTS]
        counted.sort(key=lambda mark: (-WEIGHTS[mark.strength], mark.start))
        return tuple(dict.fromkeys(text[mark.start : mark.end] for mark in counted))


class Token(msgspec.Struct, frozen=True):
    """A word, number, sign or symbol of a text, in the one form in which it is compared."""

    form: str
    start: int
    end: int
    is_number: bool = False
    is_sign: bool = False
    is_code: bool = False
    bare: str = ""  # without the "and" that Arabic writes together with a word


class Entry(msgspec.Struct, frozen=True):
    """A phrase of a list."""

    items: tuple[Item, ...]
    kind: str
    strength: str
    text: str


def detect(text: str, also: Sequence[str] = (), never: Sequence[str] = ()) -> Detection:
    """What a text looks like. `also` are further strong entries of a workspace, `never` neutral ones."""
    tokens = tokenise(text[:TEXT_MAX])
    found = list(_found(tokens, lists(tuple(also), tuple(never))))
    found += [Mark(m.start(), m.end(), "shouting", "weak", m[0]) for m in SHOUTING.finditer(text[:TEXT_MAX])]
    found += [Mark(m.start(), m.end(), "offer", "strong", "-{n} %") for m in OFF.finditer(text[:TEXT_MAX])]
    marks = _counted(found)
    return Detection(_weighed(marks), tuple(sorted(marks, key=lambda mark: mark.start)))


# ── weighing ─────────────────────────────────────────────────────────────────────────────────────────


def _counted(found: Iterable[Mark]) -> list[Mark]:
    """The marks that count: of two that overlap the stronger, then the longer; none that is neutral here."""
    marks = list(found)
    if any(mark.kind == "warning" for mark in marks):  # it tells of what swindlers write
        return [mark for mark in marks if mark.kind == "warning"]
    neutral = [mark for mark in marks if mark.strength == "neutral"]
    kept: list[Mark] = []
    speaking = [mark for mark in marks if mark.strength in WEIGHTS and not _any_overlaps(neutral, mark)]
    for mark in sorted(speaking, key=lambda m: (-WEIGHTS[m.strength], m.start - m.end, m.start)):
        if not _any_overlaps(kept, mark):
            kept.append(mark)
    return [*kept, *neutral, *(mark for mark in marks if mark.strength == "service")]


def _any_overlaps(marks: Iterable[Mark], one: Mark) -> bool:
    return any(mark.start < one.end and one.start < mark.end for mark in marks)


def _weighed(marks: Iterable[Mark]) -> float:
    strong = medium = weak = service = 0.0
    greeted = False  # a greeting is one, however long
    for mark in marks:
        match mark.strength:
            case "strong":
                strong += WEIGHTS["strong"]
            case "medium":
                medium += 0.0 if mark.kind == "greeting" and greeted else WEIGHTS["medium"]
                greeted = greeted or mark.kind == "greeting"
            case "weak":
                weak += WEIGHTS["weak"]
            case "service":
                service += 1.0
    lesser = medium + min(weak, WEAK_MAX) - min(service, SERVICE_MAX)
    return strong + max(0.0, lesser)


# ── finding ──────────────────────────────────────────────────────────────────────────────────────────


class Lists:
    """Entries by what they begin with."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.by_word: dict[str, list[Entry]] = {}
        self.by_stem: dict[str, list[Entry]] = {}
        self.by_kind: dict[str, list[Entry]] = {}
        for entry in entries:
            kind, text = entry.items[0]
            index = {"word": self.by_word, "stem": self.by_stem}.get(kind, self.by_kind)
            index.setdefault(text or kind, []).append(entry)
        self.stem_lengths = sorted({len(stem) for stem in self.by_stem})

    def beginning_with(self, token: Token) -> Iterator[Entry]:
        """The entries that may begin with a token."""
        yield from self.by_word.get(token.form, ())
        if token.bare:
            yield from self.by_word.get(token.bare, ())
        for length in self.stem_lengths:
            if length > len(token.form):
                break
            yield from self.by_stem.get(token.form[:length], ())
        if token.is_number:
            yield from self.by_kind.get("n", ())
        if token.is_number or token.form in CURRENCIES:
            yield from self.by_kind.get("money", ())
        if token.is_code:
            yield from self.by_kind.get("code", ())


def _found(tokens: Sequence[Token], lists_: Lists) -> Iterator[Mark]:
    for place, token in enumerate(tokens):
        for entry in lists_.beginning_with(token):
            end = _match(tokens, place, entry.items)
            if end is not None:
                yield Mark(token.start, tokens[end - 1].end, entry.kind, entry.strength, entry.text)


def _match(tokens: Sequence[Token], place: int, items: Sequence[Item]) -> int | None:
    """The place after a phrase that begins at a place; None when it does not stand there."""
    for number, (kind, text) in enumerate(items):
        if kind == "gap":
            return _match_after_gap(tokens, place, items[number + 1 :])
        if place >= len(tokens):
            return None
        token = tokens[place]
        if kind == "money":
            after = _after_money(tokens, place)
            if after is None:
                return None
            place = after
            continue
        fits = (
            (kind == "word" and text in (token.form, token.bare))
            or (kind == "stem" and token.form.startswith(text))
            or (kind == "n" and token.is_number)
            or (kind == "code" and token.is_code)
        )
        if not fits:
            return None
        place += 1
    return place


def _match_after_gap(tokens: Sequence[Token], place: int, items: Sequence[Item]) -> int | None:
    width = 0.0
    while width <= GAP and place < len(tokens):
        end = _match(tokens, place, items)
        if end is not None:
            return end
        width += 0.5 if tokens[place].is_sign else 1.0
        place += 1
    return None


def _after_money(tokens: Sequence[Token], place: int) -> int | None:
    """The place after an amount: a number with a currency before it, or behind it."""
    before = tokens[place].form in CURRENCIES
    place += before
    if place >= len(tokens) or not tokens[place].is_number:
        return None
    place += 1
    if place < len(tokens) and tokens[place].form in MULTIPLIERS:
        place += 1
    if place < len(tokens) and tokens[place].form in CURRENCIES:
        return place + 1
    return place if before else None


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────


def tokenise(text: str) -> list[Token]:
    """The tokens of a text; letters that were set apart are one word."""
    tokens = [_token(match) for match in TOKEN.finditer(text)]
    return _joined([token for token in tokens if token.form])


def _token(match: re.Match[str]) -> Token:
    raw = match[0]
    if match["number"]:
        return Token(_digits(raw), match.start(), match.end(), is_number=True)
    if match["sign"] or match["symbol"]:
        return Token(raw.translate(ONE_FORM), match.start(), match.end(), is_sign=bool(match["sign"]))
    form = _form(raw)
    bare = form[1:] if form[0] == "و" and len(form) > AND_MIN else ""
    return Token(form, match.start(), match.end(), is_code=CODE.fullmatch(raw) is not None, bare=bare)


def _digits(number: str) -> str:
    """A number without its separators, in Latin digits."""
    return "".join(str(int(sign)) for sign in number if sign.isdecimal())


def _form(word: str) -> str:
    """A word in the one form in which it is compared."""
    plain = DROPPED.sub("", unicodedata.normalize("NFKC", word).casefold()).translate(ONE_FORM)
    has_cyrillic = any("Ѐ" <= letter <= "ӿ" for letter in plain)
    if any(sign.isdigit() for sign in plain):
        plain = plain.translate(DIGITS_LIKE_CYRILLIC if has_cyrillic else DIGITS_LIKE_LATIN)
    return plain.translate(LATIN_LIKE_CYRILLIC) if has_cyrillic else plain


def _joined(tokens: list[Token]) -> list[Token]:
    """Runs of single letters as the word that they spell."""
    joined: list[Token] = []
    run: list[Token] = []
    for token in [*tokens, Token("", 0, 0)]:
        if len(token.form) == 1 and token.form.isalpha() and not token.is_sign:
            run.append(token)
            continue
        if len(run) >= SPACED_MIN:
            joined.append(Token(_form("".join(one.form for one in run)), run[0].start, run[-1].end))
        else:
            joined += run
        run = []
        joined.append(token)
    return joined[:-1]


@lru_cache(maxsize=64)
def lists(also: tuple[str, ...] = (), never: tuple[str, ...] = ()) -> Lists:
    """All languages' lists, with a workspace's own entries."""
    own = [_entry("own", "strong", text) for text in also] + [_entry("neutral", "neutral", t) for t in never]
    return Lists([*_shipped(), *own])


@lru_cache(maxsize=1)
def _shipped() -> tuple[Entry, ...]:
    tables = [tomllib.loads((LISTS / f"{name}.toml").read_text("utf-8")) for name in LANGUAGES]
    return tuple(entry for table in tables for entry in _entries(table))


def _entries(table: Mapping[str, Mapping[str, Sequence[str]]]) -> Iterator[Entry]:
    for kind, by_strength in table.items():
        for strength, texts in by_strength.items():
            yield from (_entry(kind, kind if strength == "words" else strength, text) for text in texts)


def _entry(kind: str, strength: str, text: str) -> Entry:
    items = tuple(item for part in text.split() for item in _items(part))
    if not items or items[0][0] == "gap" or items[-1][0] == "gap":
        raise ValueError(f"not an entry: {text!r}")
    return Entry(items, kind, strength, text)


def _items(part: str) -> Iterator[Item]:
    """What one part of an entry stands for: a Chinese word is as many items as it has signs."""
    if part == "~":
        yield "gap", ""
    elif part in ("{n}", "{money}", "{code}"):
        yield part[1:-1], ""
    elif part.endswith("*"):
        yield "stem", _form(part[:-1])
    else:
        yield from (("word", one.form) for one in tokenise(part))
