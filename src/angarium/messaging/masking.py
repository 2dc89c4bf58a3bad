"""What was said on the wire, without its secrets and within bounds: how it may be kept, and shown. Pure.

Secrets are found by their value, wherever they stand and however they are written there: as they are,
percent-encoded, escaped for JSON, HTML, mail or Python, in hexadecimal, and within base64 at any place of its
three octets, broken over lines or not. Besides, what stands under a name that says "secret" is masked
whatever it is: headers, parameters of a form or a query, members of JSON, elements of XML.

A text is looked through before it is cut, and as far beyond the cut as the longest way to write the longest
secret: no half of one is left at the end. What is derived from a secret and is not the secret, such as a
signature, is masked by its name alone.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator

import msgspec

from angarium.core.clock import micros
from angarium.core.ports import Exchange, Said
from angarium.core.values import Content

MASK = "••••••"
SIDE_MAX = 8_192  # characters of a body, or of the text that a protocol packs up
HEAD_MAX = 2_000
FIELD_MAX = 1_000
FIELDS_MAX = 64
LONGEST_FORM = 24  # characters that one character of a secret may take, with what breaks lines
BASE64_MIN = 3  # characters of base64 that depend on a secret alone; fewer stand everywhere
HEX_MIN = 3  # octets
CODE_MIN = 3  # characters of a word in the text of a code
WHOLE_MAX = 300  # characters of such a text that is looked for as a whole, besides its words

NAMED = r"pass(?:word|wd|phrase)?|secret|token|api[-_]?key|credential|authori[sz]ation|signature|session_?id"
SECRET_NAME = re.compile(rf"cookie|^auth|{NAMED}|-key$", re.IGNORECASE)
SCHEMES = {"basic", "bearer", "digest", "key", "apikey", "token"}  # of Authorization: no secrets themselves
UNDER_A_NAME = (
    re.compile(  # a member of JSON
        rf'"[^"\\]{{0,40}}(?:{NAMED})[^"\\]{{0,40}}"\s{{0,9}}:\s{{0,9}}("(?:[^"\\]|\\.)*"?|[\w.+-]+)',
        re.IGNORECASE | re.DOTALL,
    ),
    re.compile(  # a parameter
        rf"(?:^|[?&;\s])[\w.\[\]-]{{0,40}}(?:{NAMED})[\w.\[\]-]{{0,40}}=([^&;\s\"'<>]+)", re.IGNORECASE
    ),
    re.compile(  # an element of XML
        rf"<[\w:.-]{{0,40}}(?:{NAMED})[\w:.-]{{0,40}}(?:\s[^<>]{{0,200}})?>([^<]+)", re.IGNORECASE
    ),
)
FOLD = r"(?:=?\r?\n[ \t]?)?"  # how a long line may be broken
OF_BASE64 = re.compile(r"[A-Za-z0-9+/_=-]")
WITH_DIGITS = re.compile(r"\w*\d\w*")
DIGITS_APART = re.compile(r"\d(?:[\s.·–-]?\d){2,}")
CAPITALS = re.compile(r"\b[A-Z]{4,}\b")
# What does not show itself, or turns around what stands beside it.
HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)

Spans = list[tuple[int, int]]


class Side(msgspec.Struct, frozen=True, omit_defaults=True):
    """One side of an exchange, or a callback, as it is kept and shown."""

    head: str
    fields: list[tuple[str, str]] = []
    words: str = ""
    body: str = ""
    hex: bool = False  # the body is octets in hexadecimal
    size: int = 0  # octets of the whole body
    cut: bool = False  # there was more
    code: bool = False  # the words of a code, which are not kept, were in it


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """An exchange as it is kept. `at` in microseconds; `took_ms` from the asking to the answer."""

    protocol: str
    at: int
    took_ms: float | None
    asked: Side
    answered: Side | None
    trouble: str = ""


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────


class Masks:
    """Finds some secrets in texts, and puts a mask in their place."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.secrets = frozenset(form for one in secrets for form in (one, one.strip()) if form)
        self._spelt = [re.compile(form, re.IGNORECASE) for one in self.secrets for form in _spelt(one)]
        self._packed = [re.compile(form) for one in self.secrets for form in _in_base64(one)]
        self._margin = max((len(one) for one in self.secrets), default=0) * LONGEST_FORM + 4

    def and_also(self, secrets: Iterable[str]) -> Masks:
        """These secrets and others."""
        return Masks([*self.secrets, *secrets])

    def text(self, text: str, most: int = SIDE_MAX) -> tuple[str, bool]:
        """A text without them, of at most so many characters; and whether there was more of it."""
        whole = text.encode("utf-8", "backslashreplace").decode()  # halves of surrogate pairs
        window = whole[: most + self._margin]
        masked = _without(window, self._spans(window), most)
        return masked[:most], len(whole) > most or len(masked) > most

    def octets(self, body: bytes, *, binary: bool) -> tuple[str, bool]:
        """A body as text without them, or in hexadecimal; and whether there was more of it."""
        most = SIDE_MAX + self._margin
        text = body[:most].hex() if binary else body[: most * 4].decode("utf-8", "backslashreplace")
        return self.text(text)

    def field(self, name: str, value: str) -> str:
        """The value of a field; of one that is a secret by its name, its scheme at most."""
        if SECRET_NAME.search(name):
            scheme, apart, _ = value.partition(" ")
            return f"{scheme} {MASK}" if apart and scheme.lower() in SCHEMES else MASK
        return self.text(value, FIELD_MAX)[0]

    def _spans(self, text: str) -> Spans:
        found: Spans = [one.span(1) for named in UNDER_A_NAME for one in named.finditer(text)]
        found += [one.span() for spelt in self._spelt for one in spelt.finditer(text)]
        for packed in self._packed:
            found += _runs(text, packed)
        return sorted(found)


def _without(text: str, spans: Spans, most: int) -> str:
    """A text with a mask in the place of some of its pieces, up to a character of it as it was."""
    pieces, at = [], 0
    for start, end in spans:
        if start >= most:
            break
        if end <= at:
            continue
        if start >= at:
            pieces += [text[at:start], MASK]
        at = end
    return "".join(pieces) + text[at : max(at, most)]


def _runs(text: str, packed: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """The whole runs of base64 in which a pattern is found: their ends hold bits of a secret too."""
    done = 0
    for one in packed.finditer(text):
        start, end = one.span()
        if start < done:
            continue
        while start > done and OF_BASE64.match(text, start - 1):
            start -= 1
        while end < len(text) and OF_BASE64.match(text, end):
            end += 1
        done = end
        yield start, end


# ── how a secret may be written ──────────────────────────────────────────────────────────────────────

SHORT = {
    " ": r"\+",
    '"': r'\\{1,7}"|&quot;',
    "\\": r"\\{2,8}",
    "/": r"\\{1,7}/",
    "\n": r"\\{1,7}n",
    "\r": r"\\{1,7}r",
    "\t": r"\\{1,7}t",
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "'": "&apos;",
}


def _spelt(secret: str) -> Iterator[str]:
    """Patterns of a secret written character by character, and octet by octet in hexadecimal."""
    yield FOLD.join(_character(one) for one in secret)
    if len(secret.encode("utf-8", "replace")) < HEX_MIN:
        return
    for coding in ("utf-8", "utf-16-be", "utf-16-le"):
        yield r"[\s:]?".join(f"{octet:02x}" for octet in secret.encode(coding, "replace"))


def _character(one: str) -> str:
    number = ord(one)
    forms = [re.escape(one), f"&#0{{0,4}}{number};", f"&#x0{{0,4}}{number:x};"]
    for octets in {one.encode("utf-8", "replace"), one.encode("latin-1", "replace")}:
        begins = ("%", "%25", "=", r"\\x", r"\\udc")
        forms += ["".join(f"{begin}{octet:02x}" for octet in octets) for begin in begins]
    units = one.encode("utf-16-be", "replace")
    forms.append("".join(rf"\\{{1,7}}u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)))
    forms += [SHORT[one]] if one in SHORT else []
    return f"(?:{'|'.join(forms)})"


def _in_base64(secret: str) -> Iterator[str]:
    """Patterns of that part of its base64 which depends on a secret alone, for each place of an octet."""
    for octets in {secret.encode("utf-8", "replace"), secret.encode("latin-1", "replace")}:
        for before in range(3):
            packed = b64encode(bytes(before) + octets).decode()
            own = packed[-(-before * 8 // 6) : (before + len(octets)) * 8 // 6]
            if len(own) >= BASE64_MIN:
                yield r"(?:\r?\n[ \t]?)?".join(_of_base64(one) for one in own)


def _of_base64(one: str) -> str:
    return {"+": r"(?:\+|-|%2[Bb])", "/": r"(?:\\?/|_|%2[Ff])"}.get(one, one)


def code_words(content: Content) -> set[str]:
    """What in the words of a code may be the code itself, and these words as a whole."""
    buttons = [text for button in content.buttons for text in (button.label, button.url)]
    texts = [content.subject, content.text, content.html, *content.params.values(), *buttons]
    said = "\n".join(texts)
    found = {*WITH_DIGITS.findall(said), *CAPITALS.findall(said)}
    for apart in DIGITS_APART.findall(said):
        found.add("".join(one for one in apart if one.isdecimal()))
    found |= {"".join(str(int(one)) if one.isdecimal() else one for one in word) for word in found}
    found |= {text.strip() for text in texts if len(text) <= WHOLE_MAX}
    return {word for word in found if len(word) >= CODE_MIN}


# ── what is kept ─────────────────────────────────────────────────────────────────────────────────────


def kept(exchange: Exchange, masks: Masks, now: int, now_s: float, code: Content | None) -> Kept:
    """An exchange as it is kept. `now_s`: the monotonic clock at `now`. `code`: the words of a code, none of
    which is kept."""
    masks = masks if code is None else masks.and_also(code_words(code))
    took_s = None if exchange.answered_at is None else exchange.answered_at - exchange.asked_at
    return Kept(
        exchange.protocol,
        now - micros(max(0.0, now_s - exchange.asked_at)),
        None if took_s is None else round(took_s * 1_000, 3),
        side(exchange.asked, masks) if code is None else _silent(exchange.asked, masks),
        None if exchange.answered is None else side(exchange.answered, masks),
        masks.text(exchange.trouble, FIELD_MAX)[0],
    )


def side(said: Said, masks: Masks) -> Side:
    """One side, or a callback, without secrets."""
    words, more_words = masks.text(said.words)
    body, more = masks.octets(said.body, binary=said.binary)
    head, _ = masks.text(said.head, HEAD_MAX)
    return Side(head, _fields(said, masks), words, body, said.binary, len(said.body), cut=more or more_words)


def _silent(said: Said, masks: Masks) -> Side:
    """The side that carries the words of a code: what is said about them, and nothing that may hold them."""
    head, apart, _ = said.head.partition("?")
    shown, _ = masks.text(head, HEAD_MAX)
    return Side(f"{shown}?{MASK}" if apart else shown, _fields(said, masks), size=len(said.body), code=True)


def _fields(said: Said, masks: Masks) -> list[tuple[str, str]]:
    return [
        (masks.text(name, FIELD_MAX)[0], masks.field(name, value)) for name, value in said.fields[:FIELDS_MAX]
    ]


def written(one: Side) -> str:
    """A side as one text, to be read and copied: its head, its fields, its words, its body."""
    lines = [one.head, *(f"{name}: {value}" for name, value in one.fields)]
    lines += [f'"{one.words}"'] if one.words else []
    lines += ["", one.body] if one.body else []
    return "\n".join(lines)


def visible(text: str) -> str:
    r"""A text with what hides in it written out: `\u202e` for the sign that turns what follows around."""
    return HIDDEN.sub(lambda one: f"\\u{ord(one[0]):04x}", text)
