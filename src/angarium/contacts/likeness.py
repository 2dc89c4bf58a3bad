"""Whether two contacts may be one person: a score that is a sum, each part of which says why. Pure.

Addresses cannot be the same, for each belongs to one contact. What is left are names, dates of birth, the
part of a mail address before its @, numbers that are the same but for a slip, and ids that are the same but
for how they are written. Only hints are added up here: people decide.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from unicodedata import combining, normalize

import msgspec

from angarium.core.values import Address, AddressKind

SURE_ENOUGH = 60  # the score from which on two contacts are shown to somebody
SAME_DIGITS = 9  # of the end of two numbers that are taken to be one, written for two countries
BEGINS = 3  # letters of a name by which those who may have it are found
LOCAL_MIN = 5  # characters before the @ that tell something
ID_MIN = 4  # letters and digits of an id that tell something
# Mailboxes of an office and no person (RFC 2142, and what is usual).
OFFICES = frozenset(
    (
        "info",
        "office",
        "sales",
        "support",
        "admin",
        "contact",
        "hello",
        "orders",
        "billing",
        "accounts",
        "noreply",
    )
)
# Where people have their mail: whoever has one name here may have the same at another of these.
MAIL_HOUSES = (
    *(
        "gmail.com",
        "yahoo.com",
        "hotmail.com",
        "outlook.com",
        "icloud.com",
        "proton.me",
        "live.com",
        "me.com",
    ),
    *(
        "ukr.net",
        "i.ua",
        "meta.ua",
        "mail.ru",
        "yandex.ru",
        "ya.ru",
        "bk.ru",
        "list.ru",
        "inbox.ru",
        "rambler.ru",
    ),
    *("qq.com", "163.com", "126.com", "chmail.ir", "mail.com", "gmx.net", "gmx.de", "web.de"),
)
BIRTH = re.compile("birth|born|dob", re.IGNORECASE)
# One letter, written in two ways by Arabic and Persian keyboards; and those that people write without what
# stands above or below them: alef with madda or hamza, and the seats of hamza (migration 0062 has them too).
SAME_LETTERS = str.maketrans("يىكةёʼ’\u200cآأإٱئؤ", "ییکهе'' اااایو")
APART = re.compile(r"[^a-z0-9]")


class Traits(msgspec.Struct, frozen=True):
    """What is looked at of one contact; `dates` are its fields that hold a date, by name."""

    name: str
    external_id: str
    addresses: Sequence[Address]
    dates: Mapping[str, str]


class Hint(msgspec.Struct, frozen=True):
    """One reason for two contacts to be one person, or against it.

    `name` and `about` are the same as `why`, for whoever says it in another language.
    """

    points: int
    why: str
    name: str
    about: tuple[str, ...] = ()


class Likeness(msgspec.Struct, frozen=True):
    """How likely two contacts are one person, out of 100, and why."""

    score: int
    hints: tuple[Hint, ...]


def as_sought(name: str) -> str:
    """A name in the form in which names are compared and looked for: one case, one writing of each letter."""
    if name.isascii():  # the same, without what is of other scripts
        return " ".join(name.lower().split())
    return " ".join(normalize("NFKC", name).casefold().translate(SAME_LETTERS).split())


def last_begins(sought: str) -> str:
    """The first letters of a name's last word, mostly the surname; empty where it has only one."""
    return sought[sought.rfind(" ") + 1 :][:BEGINS] if " " in sought else ""


def middle_begins(sought: str) -> str:
    """The first letters of the word before the last, where it is not the first either: what a surname of two
    parts begins with, or a name that stands between a surname and a patronymic."""
    words = sought.rsplit(" ", 2)
    return words[1][:BEGINS] if len(words) == 3 else ""


def as_sought_each(names: Sequence[str]) -> list[str]:
    """`as_sought` of each name; they are written in one way as one text, where no letter changes beside a
    line feed."""
    whole = "\n".join(names)
    if whole.isascii():
        lines = whole.lower().split("\n")
    else:
        whole = normalize("NFKC", whole).casefold()
        for sign, same in SAME_LETTERS.items():  # quicker than to translate: mostly there is none
            whole = whole.replace(chr(sign), chr(same))
        lines = whole.split("\n")
    if len(lines) != len(names):  # one has a line feed, or there are none
        return list(map(as_sought, names))
    return [" ".join(line.split()) for line in lines]


def likeness(one: Traits, other: Traits) -> Likeness:
    """How likely these are one person."""
    hints = [
        hint
        for hint in (
            _names(one.name, other.name),
            _dates(one.dates, other.dates),
            _mailboxes(_values(one, AddressKind.EMAIL), _values(other, AddressKind.EMAIL)),
            _phones(_values(one, AddressKind.PHONE), _values(other, AddressKind.PHONE)),
            _ids(one.external_id, other.external_id),
        )
        if hint is not None
    ]
    return Likeness(max(0, min(100, sum(hint.points for hint in hints))), tuple(hints))


def _values(one: Traits, kind: AddressKind) -> list[str]:
    return [address.value for address in one.addresses if address.kind is kind]


def _names(one: str, other: str) -> Hint | None:
    mine, theirs = as_sought(one), as_sought(other)
    if not mine or not theirs:
        return None
    words, other_words = _bare(mine).split(), _bare(theirs).split()
    if sorted(words) == sorted(other_words):
        if len(words) > 1:
            if words == other_words:
                return Hint(40, "the same name", "same_name")
            return Hint(40, "the same name, its words turned round", "turned_name")
        return Hint(20, "the same name, of one word", "same_word")
    shared = set(words) & set(other_words)
    if len(shared) > 1:
        return Hint(
            25,
            f"names that share {' and '.join(sorted(shared))}",
            "shared_words",
            (" ".join(sorted(shared)),),
        )
    return None if shared else Hint(-20, "different names", "different_names")


def _bare(name: str) -> str:
    """A name without accents."""
    return "".join(sign for sign in normalize("NFD", name) if not combining(sign))


def _dates(one: Mapping[str, str], other: Mapping[str, str]) -> Hint | None:
    both = [name for name in one if one[name] and other.get(name)]
    differing = [name for name in both if one[name] != other[name]]
    if differing:
        return Hint(-30, f"different {differing[0]}", "different_date", (differing[0],))
    return Hint(35, f"the same {both[0]}", "same_date", (both[0],)) if both else None


def _mailboxes(one: Collection[str], other: Collection[str]) -> Hint | None:
    shared = {_mailbox(value) for value in one} & {_mailbox(value) for value in other} - {""}
    if not shared:
        return None
    return Hint(25, f"mail addresses that begin with {min(shared)}", "same_mailbox", (min(shared),))


def _mailbox(value: str) -> str:
    """What comes before the @, without a tag; empty when it names nobody."""
    local = value.rpartition("@")[0].partition("+")[0].lower()
    return "" if len(local) < LOCAL_MIN or local in OFFICES else local


def _phones(one: Collection[str], other: Collection[str]) -> Hint | None:
    for mine in one:
        for theirs in other:
            if mine[-SAME_DIGITS:] == theirs[-SAME_DIGITS:]:
                return Hint(35, f"phones that end alike: {mine} and {theirs}", "phones_end", (mine, theirs))
    for mine in one:
        for theirs in other:
            if _slip(mine, theirs):
                return Hint(
                    25,
                    f"phones that a slip of the hand makes one: {mine} and {theirs}",
                    "phones_slip",
                    (mine, theirs),
                )
    return None


def _slip(one: str, other: str) -> bool:
    """One digit is another, or two that stand side by side have changed places."""
    if len(one) != len(other):
        return False
    apart = [place for place in range(len(one)) if one[place] != other[place]]
    if len(apart) == 1:
        return True
    return (
        len(apart) == 2
        and apart[1] == apart[0] + 1
        and one[apart[0]] == other[apart[1]]
        and one[apart[1]] == other[apart[0]]
    )


def _ids(one: str, other: str) -> Hint | None:
    mine, theirs = _bare_id(one), _bare_id(other)
    same = bool(mine) and (mine == theirs or mine.lstrip("0") == theirs.lstrip("0"))
    if not same:
        return None
    return Hint(25, f"ids that are written differently: {one} and {other}", "same_id", (one, other))


def _bare_id(text: str) -> str:
    """An id without what people put around it; empty when little is left."""
    bare = APART.sub("", text.lower())
    digits = re.sub(r"^[a-z]+", "", bare)
    found = digits if digits.isdigit() else bare
    return found if len(found) >= ID_MIN else ""


# ── whom to look at ──────────────────────────────────────────────────────────────────────────────────


def dates_of_birth(fields: Mapping[str, object]) -> dict[str, str]:
    """The fields that hold a date of birth, by their names."""
    return {name: value for name, value in fields.items() if isinstance(value, str) and BIRTH.search(name)}


def near(address: Address) -> list[str]:
    """The addresses of this kind that the same person may have under another contact, all of them known
    beforehand, so that an index finds them: numbers a slip away, the same name at another mail house."""
    if address.kind is AddressKind.PHONE:
        return _slips(address.value)
    if address.kind is AddressKind.EMAIL and _mailbox(address.value):
        local, _, house = address.value.rpartition("@")
        return [f"{local}@{other}" for other in MAIL_HOUSES if other != house]
    return []


def _slips(phone: str) -> list[str]:
    """Every number that is one slip away; the country is not mistaken, nor is the first digit after it."""
    found = set()
    for place in range(4, len(phone)):
        found |= {f"{phone[:place]}{digit}{phone[place + 1 :]}" for digit in "0123456789"}
        found.add(f"{phone[: place - 1]}{phone[place]}{phone[place - 1]}{phone[place + 1 :]}")
    return sorted(found - {phone})
