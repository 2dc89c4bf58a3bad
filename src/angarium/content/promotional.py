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
    | done     | –      | what has happened already; takes what stands before it in its  |
    |          |        | sentence, and its clause, out: "… has been used", "you bought" |
    | warning  | –      | takes everything out of the count: "swindlers write in our name" |

Medium, weak and service are weighed sentence by sentence, so that a receipt takes nothing from the offer that
follows it. The one strong phrase of a sentence with two words of service is medium there.

4 and more is *likely* advertising, 7 and more *certain*. A list is TOML: a table for each kind with `strong`,
`medium` and `weak`, and `words` for `service`, `neutral`, `done` and `warning`. An entry is words in a row:

    word    that word              {n}      a number            ~      up to six words of any kind
    word*   words that begin so    {money}  an amount of money  {code} a code such as SALE20
    %  #  :  +  =  №               themselves

Chinese is compared sign by sign. Case, diacritics, Persian and Arabic forms of a letter, traditional Chinese
signs of the lists, full-width signs and ①, Latin letters hidden in a Cyrillic word and l e t t e r s set
apart make no difference.

Pure but for reading the lists once. What it is worth on texts that it was not tuned with is printed by
`python -m bench --scenario wording`.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files

import msgspec

LANGUAGES = ("en", "fa", "ar", "uk", "ru", "zh")
WEIGHTS = {"strong": 4.0, "medium": 2.0, "weak": 0.75}
WEAK_MAX, SERVICE_MAX = 2.0, 3.0
SERVICE_DOUBTS = 2  # words of service that make the one strong phrase of their sentence a medium one
LIKELY, CERTAIN = 4.0, 7.0
GAP = 6  # words that `~` may stand for; signs of Chinese count as half a word
TEXT_MAX = 20_000  # characters that are looked at
WORD_MAX = 40  # letters of a word that is remembered
SPACED_MIN = 3  # single letters in a row that are taken for a word that was set apart

AND_MIN = 3  # letters, of which the first may be the "and"

TOKEN = re.compile(
    r"""(?P<sign>[\u3400-\u9fff])
      | (?P<number>\d+(?:[.,٬٫\u00a0\ ]?\d+)*)
      | (?P<word>[^\W\d_\u3400-\u9fff](?:[\u0300-\u036f\u064b-\u065f\u0670\u0640]
          | [^\W_\u3400-\u9fff] | ['’ʼ](?=[а-яёіїєґ]))*)
      | (?P<symbol>[%٪#№:+=$€£₴₽¥₸])""",
    re.VERBOSE,
)
DROPPED = re.compile("[\u0300-\u036f\u064b-\u065f\u0670\u0640'’ʼ`´]")
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
KNOWN_MAX = 20_000  # signs, words that are remembered


class Forms(dict[int, str]):
    """The one form of each sign, found when it is first met: small, and in one way of writing it."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        form = sign if sign in "№…" else unicodedata.normalize("NFKC", sign).lower().translate(ONE_FORM)
        if len(self) < KNOWN_MAX:
            self[code] = form
        return form


FORMS = Forms()
SENTENCE_END = re.compile(r"[.!?؟;؛…]+(?=\s|$)|[。!?;][”』】]?|\n+|】")
CLAUSE_END = re.compile("[,،，–—!！]")
CLAUSE_MAX = 200  # characters
OFF = re.compile(r"(?<![\w,.])[-−–]\s?\d{1,2}\s?[%٪％]")  # −30 %, which has no word
SHOUTING = re.compile(r"[🎁🎉🔥💥🛍🎊💸🤑⚡]|[!！]{2,}")

Item = tuple[str, str]  # what stands at a place of an entry: its kind, its text


class Mark(msgspec.Struct, frozen=True, gc=False):
    """Words that count: characters `start` to `end` of the text."""

    start: int
    end: int
    kind: str  # a table of the lists, or own, never, shouting
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


class Token(msgspec.Struct, gc=False):
    """A word, number, sign or symbol of a text, in the one form in which it is compared."""

    form: str
    start: int
    end: int
    is_number: bool = False
    is_sign: bool = False
    is_code: bool = False
    bare: str = ""  # without the "and" that Arabic writes together with a word


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A phrase of a list."""

    items: tuple[Item, ...]
    kind: str
    strength: str
    text: str

    @property
    def second(self) -> str:
        """The word that stands second in it; "" when that is no word."""
        return self.items[1][1] if len(self.items) > 1 and self.items[1][0] == "word" else ""


def detect(text: str, also: Sequence[str] = (), never: Sequence[str] = ()) -> Detection:
    """What a text looks like. `also` are further strong entries of a workspace, `never` neutral ones."""
    text = text[:TEXT_MAX]
    tokens = tokenise(text)
    found = _found(tokens, lists(tuple(also), tuple(never)))
    found += [Mark(m.start(), m.end(), "shouting", "weak", m[0]) for m in SHOUTING.finditer(text)]
    found += [Mark(m.start(), m.end(), "offer", "strong", "-{n} %") for m in OFF.finditer(text)]
    ends = [m.end() for m in SENTENCE_END.finditer(text)]
    marks = _counted(found, text, ends)
    return Detection(_weighed(marks, ends), tuple(sorted(marks, key=lambda mark: mark.start)))


# ── weighing ─────────────────────────────────────────────────────────────────────────────────────────


def _counted(found: list[Mark], text: str, ends: list[int]) -> list[Mark]:
    """The marks that count: of two that overlap the stronger, then the longer; none that is neutral here."""
    if any(mark.kind == "warning" for mark in found):  # it tells of what swindlers write
        return [mark for mark in found if mark.kind == "warning"]
    taken = bytearray(len(text))  # 1 where a character counts already, or must not
    kept: list[Mark] = []
    for mark in sorted(found, key=_precedence):
        begin, end = _clause(mark, text, ends) if mark.strength == "done" else (mark.start, mark.end)
        if mark.strength in WEIGHTS and taken.find(1, begin, end) >= 0:
            continue
        kept.append(mark)
        if mark.strength != "service":
            taken[begin:end] = b"\1" * (end - begin)
    return kept


def _precedence(mark: Mark) -> tuple[int, float, int, int]:
    """Whose word counts before another's: a workspace's own, what takes out of the count, then the rest."""
    order = {"never": 0, "own": 1, "neutral": 2, "done": 2}.get(mark.kind, 3)
    return order, -WEIGHTS.get(mark.strength, 0.0), mark.start - mark.end, mark.start


def _clause(mark: Mark, text: str, ends: list[int]) -> tuple[int, int]:
    """From the beginning of a mark's sentence to the end of its clause."""
    number = bisect_right(ends, mark.start)
    begin, end = ends[number - 1] if number else 0, ends[number] if number < len(ends) else len(text)
    stop = CLAUSE_END.search(text, mark.end, min(end, mark.end + CLAUSE_MAX))
    return begin, max(mark.end, stop.start() if stop else min(end, mark.end + CLAUSE_MAX))


def _weighed(marks: Iterable[Mark], ends: list[int]) -> float:
    by_sentence: dict[int, list[Mark]] = {}
    for mark in marks:
        by_sentence.setdefault(bisect_right(ends, mark.start), []).append(mark)
    total = weak = 0.0
    greeted = False  # a greeting is one, however long
    for some in by_sentence.values():
        count = {strength: sum(mark.strength == strength for mark in some) for strength in ("strong", "weak")}
        medium = [mark for mark in some if mark.strength == "medium"]
        greetings = sum(mark.kind == "greeting" for mark in medium)
        mediums = len(medium) - greetings + (greetings > 0 and not greeted)
        greeted = greeted or greetings > 0
        service = min(SERVICE_MAX, len({mark.start for mark in some if mark.strength == "service"}))
        own = any(mark.kind == "own" for mark in some)  # a workspace knows what it means
        if (
            count["strong"] == 1 and service >= SERVICE_DOUBTS and not own
        ):  # "the discount was not approved, total due …"
            count["strong"], mediums = 0, mediums + 1
        colour = min(WEIGHTS["weak"] * count["weak"], WEAK_MAX - weak)
        weak += colour
        lesser = WEIGHTS["medium"] * mediums + colour - service
        total += WEIGHTS["strong"] * count["strong"] + max(0.0, lesser)
    return total


# ── finding ──────────────────────────────────────────────────────────────────────────────────────────


Rest = tuple[Entry, Sequence[Item], str]  # an entry, what of it is not compared yet, a word that it needs


class Heads:
    """Entries that begin alike: those whose second word is known by it, and the others."""

    def __init__(self) -> None:
        self.by_second: dict[str, list[Rest]] = {}
        self.others: list[Rest] = []

    @classmethod
    def together(cls, some: Sequence[Heads]) -> Heads:
        """What begins in one of several ways."""
        if len(some) == 1:
            return some[0]
        all_ = cls()
        for one in some:
            all_.others += one.others
            for second, rests in one.by_second.items():
                all_.by_second.setdefault(second, []).extend(rests)
        return all_

    def add(self, entry: Entry) -> None:
        """One more."""
        items = entry.items
        needs = next((text for kind, text in items[2:] if kind == "word"), "")
        if entry.second:
            self.by_second.setdefault(entry.second, []).append((entry, items[2:], needs))
        else:
            self.others.append((entry, items[1:], needs))


class Lists:
    """Entries by what they begin with."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.by_word: dict[str, Heads] = {}
        self.by_stem: dict[str, Heads] = {}
        self.by_kind: dict[str, Heads] = {}
        for entry in {(one.items, one.kind, one.strength): one for one in entries}.values():
            kind, text = entry.items[0]
            index = {"word": self.by_word, "stem": self.by_stem}.get(kind, self.by_kind)
            index.setdefault(text or kind, Heads()).add(entry)
        self.stem_lengths = sorted({len(stem) for stem in self.by_stem})
        self.known: dict[str, tuple[Heads, ...]] = {}

    def beginning_with(self, token: Token) -> tuple[Heads, ...]:
        """The entries that may begin with a token."""
        heads = self.known.get(token.form)
        if heads is None:
            heads = self._look_up(token.form)
        if token.bare and token.bare in self.by_word:
            heads = (*heads, self.by_word[token.bare])
        if token.is_number and "n" in self.by_kind:
            heads = (*heads, self.by_kind["n"])
        if (token.is_number or token.form in CURRENCIES) and "money" in self.by_kind:
            heads = (*heads, self.by_kind["money"])
        if token.is_code and "code" in self.by_kind:
            heads = (*heads, self.by_kind["code"])
        return heads

    def _look_up(self, form: str) -> tuple[Heads, ...]:
        stems = [form[:length] for length in self.stem_lengths if length <= len(form)]
        found = [self.by_word.get(form), *(self.by_stem.get(stem) for stem in stems)]
        heads = [one for one in found if one is not None]
        known = (Heads.together(heads),) if heads else ()
        if len(self.known) < KNOWN_MAX and len(form) <= WORD_MAX:
            self.known[form] = known
        return known


def _found(tokens: Sequence[Token], lists_: Lists) -> list[Mark]:
    forms = {token.form for token in tokens} | {token.bare for token in tokens} | {""}
    found: list[Mark] = []
    money = lists_.by_kind.get("money")
    for place, token in enumerate(tokens):
        for head in lists_.beginning_with(token):
            after = _after_money(tokens, place) if head is money else place + 1
            if after is None:
                continue
            for entry, rest, needs in head.others:
                if needs in forms:
                    _note(found, tokens, place, _match(tokens, after, rest) if rest else after, entry)
            if after == len(tokens) or not head.by_second:
                continue
            behind = tokens[after]
            for form in (behind.form, behind.bare) if behind.bare else (behind.form,):
                for entry, rest, needs in head.by_second.get(form, ()):
                    if needs in forms:
                        end = _match(tokens, after + 1, rest) if rest else after + 1
                        _note(found, tokens, place, end, entry)
    return found


def _note(found: list[Mark], tokens: Sequence[Token], place: int, end: int | None, entry: Entry) -> None:
    if end is not None:
        found.append(Mark(tokens[place].start, tokens[end - 1].end, entry.kind, entry.strength, entry.text))


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
    plain = text.lower() if text.isascii() else text.translate(FORMS)
    places: list[int] | None = None  # in the text, when its signs are not as many as those of its plain form
    if len(plain) != len(text):
        places = [place for place, sign in enumerate(text) for _ in sign.translate(FORMS)]
    tokens = [_token(match, text, places) for match in TOKEN.finditer(plain)]
    return _joined([token for token in tokens if token.form])


def _token(match: re.Match[str], text: str, places: list[int] | None) -> Token:
    raw, (start, end) = match[0], match.span()
    if places is not None:
        start, end = places[start], places[end - 1] + 1
    kind = match.lastgroup
    if kind == "word":
        form = _word(raw)
        bare = form[1:] if form[:1] == "و" and len(form) > AND_MIN else ""
        is_code = raw.isascii() and CODE.fullmatch(text, start, end) is not None
        return Token(form, start, end, is_code=is_code, bare=bare)
    if kind == "number":
        return Token(raw if raw.isdecimal() and raw.isascii() else _digits(raw), start, end, is_number=True)
    return Token(raw, start, end, is_sign=kind == "sign")


def _digits(number: str) -> str:
    """A number without its separators, in Latin digits."""
    return "".join(str(int(sign)) for sign in number if sign.isdecimal())


def _form(word: str) -> str:
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
    own = [_entry("own", "strong", text) for text in also] + [
        _entry("never", "neutral", text) for text in never
    ]
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
