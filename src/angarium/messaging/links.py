"""Links that are counted: found in rendered words, and put in their place by short ones of our own. Pure.

    | where                    | what is replaced                                                    |
    |--------------------------|---------------------------------------------------------------------|
    | a text                   | http and https addresses, as phones find them                        |
    | HTML                     | the `href` of anything but a style sheet or the base                 |
    | a button                 | the address of one that opens a page, and of no other                |
    | never                    | what unsubscribes, what is ours already, wording that a provider has |

A token is 64 bits as 11 letters and digits: an SMS is paid by the character, and some phones end a link
before a dash. The same address in the same message has one token, over all steps of its cascade. A code is
never tracked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2s
from html import unescape
from typing import Annotated, Any
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from angarium.content.rules import URL_MAX, url_trouble
from angarium.core.problems import invalid
from angarium.core.values import Button, ButtonKind, Content, MessageClass

PATH, PIXEL_PATH = "/l/", "/o/"
PIXEL = ""  # what the token of an opening stands for, where others stand for an address
URLS_KEPT = 4_096
RUN_MAX = 2 * URL_MAX  # characters without a blank in which an address is looked for
LINKS_MAX = 50  # of one message; those beyond stay as they are
TOKEN_LENGTH = 11
HALF_BYTES, HALF_BITS, HALF_MASK = 4, 32, 0xFFFF_FFFF
ROUNDS = 6
ID_MAX = (1 << 63) - 1
KEYS_KEPT = 16
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PAIRS = [first + second for first in DIGITS for second in DIGITS]  # two digits at a time: half the work
VALUES = {digit: value for value, digit in enumerate(DIGITS)}
TOKEN = re.compile(r"([0-9A-Za-z]{11})(?![0-9A-Za-z])")
MADE = re.compile(rf"({PATH}|{PIXEL_PATH}){TOKEN.pattern}")
BASE_URL = re.compile(r"https://[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?(?::[0-9]{1,5})?")

IN_TEXT = re.compile(r"(?i)(?<![a-z0-9_@])https?://[^\s<>\"“”«»`{}|\\^]+")
# Up to the next tag; what is quoted may have anything in it. Each piece is taken whole (`++`), so that there
# is one way to read them. Not all together (`*+`): before Python 3.11.5 that found nothing (gh-106052).
HREF = re.compile(
    r"(?is)<(?!link\b|base\b)[a-z](?:[^<>\"'\s]++|\"[^\"]*+\"|'[^']*+'|\s++(?!href\s*+=))*"
    r"\s++href\s*+=\s*+(?:\"([^\"]*)\"|'([^']*)'|([^\s<>\"']+))"
)
BODY_END = "</body>"
SENTENCE_ENDS = ".,;:!?'*…"
BRACKETS = {")": "(", "]": "["}
# Where words are not parted by blanks nobody can tell where an address ends.
UNPARTED = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR", "YI ")
LETTERS = {"Ll", "Lu", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd", "Cf"}
IN_ADDRESS = "%/:?#[]@!$&'()*+,;=-._~"  # RFC 3986 §2.2, §2.3; and what is encoded already

Classes = Annotated[tuple[MessageClass, ...], msgspec.Meta(max_length=4)]


class LinkPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is counted of messages that do not say it themselves, and where counted links lead by."""

    track_clicks: Classes = ()  # of messages of these classes
    track_opens: Classes = ()  # the same, of mails
    base_url: str = ""  # the workspace's own short domain; else the server's public address
    keep_days: Annotated[int, msgspec.Meta(ge=1, le=3_650)] = 365  # as long as links work

    def __post_init__(self) -> None:
        for name in ("track_clicks", "track_opens"):
            if MessageClass.OTP in getattr(self, name):
                remedy = "take otp out: whoever gets a code must see where a link leads"
                raise invalid(name, "has otp, which is never tracked", value="otp", remedy=remedy)
        if self.base_url and not BASE_URL.fullmatch(self.base_url):
            remedy = "https and a host, such as https://go.shop.example"
            problem = "is not an address that links can begin with"
            raise invalid("base_url", problem, value=self.base_url, remedy=remedy)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is counted of messages that do not ask for it."""
        return not self.track_clicks and not self.track_opens


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────


class Tokens:
    """Names of links that nobody can guess who has not the key, and that tell nothing of what they name.

    An id of a link, 64 bits, is put through a permutation of all such numbers (a Feistel network of six
    rounds with a keyed hash; Luby and Rackoff 1988, Patarin 2004), so that it is found again without an
    index of random numbers, in which each link of a million would write a page of its own.
    """

    def __init__(self, key: bytes) -> None:
        self._rounds = [
            blake2s(digest_size=HALF_BYTES, key=key, person=b"link %d" % number) for number in range(ROUNDS)
        ]

    def name(self, link_id: int) -> str:
        """What stands in an address."""
        left, right = link_id >> HALF_BITS, link_id & HALF_MASK
        for one in self._rounds:
            left, right = right, left ^ _mixed(one, right)
        rest, pairs = left << HALF_BITS | right, []
        for _ in range(TOKEN_LENGTH // 2):
            rest, pair = divmod(rest, len(PAIRS))
            pairs.append(PAIRS[pair])
        return DIGITS[rest] + "".join(reversed(pairs))

    def read(self, text: str) -> int | None:
        """The id that it stands for; None when it is no name of ours. What a phone took for a part of the
        link because it stood behind it, as a bracket, does not matter."""
        found = TOKEN.match(text)
        if found is None:
            return None
        value = 0
        for digit in found[1]:
            value = value * 62 + VALUES[digit]
        left, right = value >> HALF_BITS, value & HALF_MASK
        if left > HALF_MASK:
            return None
        for one in reversed(self._rounds):
            left, right = right ^ _mixed(one, left), left
        link_id = left << HALF_BITS | right
        return link_id if link_id <= ID_MAX else None


def made_in(content: str, names: Tokens, since: int, until: int) -> set[bool]:
    """What was put into words that were sent, of what was made between two ids: pictures (True) and links.
    An address of somebody else's may look like one of ours, but no such id is in it."""
    return {
        path == PIXEL_PATH
        for path, name in MADE.findall(content)
        if since <= (names.read(name) or 0) <= until
    }


def _mixed(by: Any, half: int) -> int:
    mixing = by.copy()
    mixing.update(half.to_bytes(HALF_BYTES, "big"))
    return int.from_bytes(mixing.digest(), "big")


@lru_cache(maxsize=KEYS_KEPT)
def tokens(key: bytes) -> Tokens:
    """The names of links under a key."""
    return Tokens(key)


# ── what is counted ──────────────────────────────────────────────────────────────────────────────────


class Tracking(msgspec.Struct):
    """What is counted of one message, and the tokens of its links; `new` are not written yet."""

    base: str
    clicks: bool
    opens: bool
    mint: Callable[[], int]  # ids of links
    names: Tokens
    untouched: tuple[str, ...] = ()  # how addresses begin that stay as they are
    tokens: dict[str, str] = {}  # by address
    new: dict[str, int] = {}  # ids, the same

    def link(self, url: str) -> str:
        """The short link for an address; the address itself when it stays as it is."""
        known = self.tokens.get(url)
        if known is None:
            if len(self.tokens) >= LINKS_MAX or not self._may_be_ours(url):
                return url
            known = self._mint(url)
        return f"{self.base}{PATH}{known}"

    def pixel(self) -> str:
        """The address of the picture that tells of an opening."""
        known = self.tokens.get(PIXEL)
        return f"{self.base}{PIXEL_PATH}{self._mint(PIXEL) if known is None else known}.gif"

    def _mint(self, url: str) -> str:
        made = self.new[url] = self.mint()
        token = self.tokens[url] = self.names.name(made)
        return token

    def _may_be_ours(self, url: str) -> bool:
        return _is_sound(url) and not url.startswith(self.untouched)


@lru_cache(maxsize=URLS_KEPT)
def _is_sound(url: str) -> bool:
    """Whether it is an address; most are the same for all who are told something."""
    return url_trouble(url) is None


def tracking(
    policy: LinkPolicy,
    asked: bool | None,
    message_class: MessageClass,
    public_url: str,
    unsubscribe: str,
    mint: Callable[[], int],
    names: Tokens,
) -> Tracking | None:
    """What is counted of a message; None when nothing is. `asked`: what the message itself says.

    `unsubscribe`: how the addresses begin by which people leave.
    """
    base = policy.base_url or public_url
    if asked is False or not base or message_class is MessageClass.OTP:
        return None
    clicks = bool(asked) or message_class in policy.track_clicks
    opens = bool(asked) or message_class in policy.track_opens
    if not clicks and not opens:
        return None
    own = [f"{base}{PATH}", *([f"{public_url}{unsubscribe}"] if public_url else [])]
    return Tracking(base, clicks, opens, mint, names, tuple(own))


# ── putting them in ──────────────────────────────────────────────────────────────────────────────────


def put_in(content: Content, tracked: Tracking) -> Content:
    """The same words with links that are counted, and the picture of an opening in HTML."""
    if content.template:
        return content
    text, html, buttons = content.text, content.html, content.buttons
    if tracked.clicks:
        text, html = in_text(text, tracked), in_html(html, tracked)
        buttons = tuple(_button(one, tracked) for one in buttons)
    if tracked.opens and html:
        html = _with_pixel(html, tracked)
    if (text, html, buttons) == (content.text, content.html, content.buttons):
        return content
    return msgspec.structs.replace(content, text=text, html=html, buttons=buttons)


def in_text(text: str, tracked: Tracking) -> str:
    """A text with links that are counted."""
    if "://" not in text:
        return text
    return IN_TEXT.sub(lambda found: _in_place(found[0], tracked), text)


def _in_place(run: str, tracked: Tracking) -> str:
    length = _length(run) if len(run) <= RUN_MAX else 0
    return tracked.link(run[:length]) + run[length:] if length else run


def _length(run: str) -> int:
    """How much of a run of signs is its address; 0 when nobody can tell."""
    if run.isascii():
        return len(_trimmed(run))
    for place, sign in enumerate(run):
        if sign.isascii():
            continue
        kind = unicodedata.category(sign)
        if kind.startswith("P"):
            return len(_trimmed(run[:place]))
        if kind not in LETTERS or unicodedata.name(sign, "").startswith(UNPARTED):
            return 0
    return len(_trimmed(run))


def _trimmed(url: str) -> str:
    """Without the signs that end a sentence, and brackets that were opened before it."""
    while url:
        last = url[-1]
        opening = BRACKETS.get(last)
        unbalanced = opening is not None and url.count(last) > url.count(opening)
        if last not in SENTENCE_ENDS and not unbalanced:
            break
        url = url[:-1]
    return url


def in_html(html: str, tracked: Tracking) -> str:
    """HTML whose links are counted."""
    if "://" not in html:
        return html
    pieces: list[str] = []
    place = 0
    for found in HREF.finditer(html):
        group = found.lastindex or 1
        url = unescape(found[group]).strip()
        short = tracked.link(url)
        if short != url:
            pieces += [html[place : found.start(group)], short]
            place = found.end(group)
    return "".join([*pieces, html[place:]]) if pieces else html


def _button(button: Button, tracked: Tracking) -> Button:
    if button.kind is not ButtonKind.LINK:
        return button
    return msgspec.structs.replace(button, url=tracked.link(button.url))


def _with_pixel(html: str, tracked: Tracking) -> str:
    picture = f'<img src="{tracked.pixel()}" width="1" height="1" alt="" style="border:0">'
    place = html.lower().rfind(BODY_END)
    return html + picture if place < 0 else html[:place] + picture + html[place:]


# ── leading on ───────────────────────────────────────────────────────────────────────────────────────


def location(url: str) -> bytes:
    """An address as a header names it: in ASCII, its host by IDNA, the rest encoded (RFC 3987 §3.1)."""
    if url.isascii():
        return url.encode()
    parts = urlsplit(url)
    try:
        host = parts.netloc.encode("idna").decode()
    except UnicodeError:
        host = quote(parts.netloc, safe=IN_ADDRESS)
    rest = [quote(piece, safe=IN_ADDRESS) for piece in (parts.path, parts.query, parts.fragment)]
    return urlunsplit((parts.scheme, host, *rest)).encode("ascii")
