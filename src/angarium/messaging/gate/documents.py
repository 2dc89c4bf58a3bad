"""The policies about people: consent, quiet hours, frequency caps, what is remembered of reaching them. Each
default means that there is no rule.

In all of them `countries` are ISO 3166 codes of the contact's country, or `*` for every one and for contacts
of whom none is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from angarium.contacts.consent import PURPOSES
from angarium.contacts.stopwords import OwnWords
from angarium.core.days import is_yearly_in_iran
from angarium.core.problems import invalid
from angarium.core.values import MessageClass
from angarium.core.window import WALL

RULES_MAX = 100
EVERYWHERE = "*"
COUNTRY = re.compile(r"[A-Z]{2}|\*")
YEARLY = re.compile(r"[0-9]{2}-[0-9]{2}")
LEAP_YEAR = "2000-"  # 29 February is a day of some years
WINDOW_MAX_H = 31 * 24
REPLY_MAX = 1_000  # characters

Countries = Annotated[tuple[str, ...], Meta(max_length=250)]
Classes = Annotated[tuple[MessageClass, ...], Meta(min_length=1, max_length=4)]


def _check_countries(countries: Iterable[str]) -> None:
    for one in countries:
        if not COUNTRY.fullmatch(one):
            raise invalid("countries", "is not a country", value=one, remedy="such as IR, or * for all")


class Need(StrEnum):
    """What must be there before a message of a class may go."""

    NOT_NEEDED = "not_needed"  # it goes to everybody, also to whoever opted out of it
    OPT_OUT = "opt_out"  # it goes until the person says no
    OPT_IN = "opt_in"  # it goes once the person has said yes


class ConsentRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What some classes need on some channels in some countries."""

    classes: Classes
    need: Need
    channels: Annotated[tuple[str, ...], Meta(max_length=100)] = ()  # empty: all
    countries: Countries = (EVERYWHERE,)

    def __post_init__(self) -> None:
        _check_countries(self.countries)
        if self.need is Need.NOT_NEEDED and MessageClass.PROMOTIONAL in self.classes:
            remedy = "opt_out or opt_in: whoever said no to advertising gets none"
            raise invalid("need", "cannot be that of promotional messages", value="not_needed", remedy=remedy)

    def fits(self, message_class: MessageClass, channel: str, country: str) -> bool:
        """Whether it speaks of such a message."""
        here = EVERYWHERE in self.countries or country in self.countries
        return message_class in self.classes and here and (not self.channels or channel in self.channels)


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a text that says STOP withdraws, and what is answered: reply texts by locale, "" for any other."""

    purposes: Annotated[tuple[str, ...], Meta(min_length=1, max_length=len(PURPOSES))] = ("promotional",)
    scope: Literal["all", "channel", "line"] = "all"
    words: OwnWords = OwnWords()
    stop_replies: dict[str, str] = {}
    start_replies: dict[str, str] = {}
    help_replies: dict[str, str] = {}

    def __post_init__(self) -> None:
        for one in self.purposes:
            if one not in PURPOSES:
                remedy = "one of " + ", ".join(PURPOSES)
                raise invalid("stop.purposes", "is not a class", value=one, remedy=remedy)
        for name in ("stop_replies", "start_replies", "help_replies"):
            for text in getattr(self, name).values():
                if not 0 < len(text) <= REPLY_MAX:
                    raise invalid(
                        f"stop.{name}", "is empty or too long", remedy=f"1 to {REPLY_MAX} characters"
                    )


class ConsentPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What each class needs: the first rule that fits; without one, an opt-out is enough."""

    rules: Annotated[tuple[ConsentRule, ...], Meta(max_length=RULES_MAX)] = ()
    stop: Stop = Stop()
    unsubscribe_scope: Literal["all", "channel"] = "all"  # of the link in a mail

    def need(self, message_class: MessageClass, channel: str, country: str) -> Need:
        """What a message needs."""
        fitting = (one.need for one in self.rules if one.fits(message_class, channel, country))
        return next(fitting, Need.OPT_OUT)


class Action(StrEnum):
    """What becomes of a message that falls into quiet hours."""

    HOLD = "hold"  # it goes when they end
    SKIP = "skip"  # its step is passed over; a message without another step is refused
    EXPIRE = "expire"  # it ends


class QuietRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Hours in which some classes are not sent, by the contact's clock; `until` may be on the next day."""

    from_: str = msgspec.field(name="from")
    until: str
    classes: Classes = (MessageClass.PROMOTIONAL,)
    countries: Countries = (EVERYWHERE,)
    days: Annotated[tuple[Annotated[int, Meta(ge=1, le=7)], ...], Meta(min_length=1, max_length=7)] = (
        1,
        2,
        3,
        4,
        5,
        6,
        7,
    )  # on which they begin; 1 is Monday
    # quiet all day: 03-21 of each year, jalali-01-01 of each year in Iran, or 2026-03-21
    holidays: Annotated[tuple[str, ...], Meta(max_length=400)] = ()
    action: Action = Action.HOLD

    def __post_init__(self) -> None:
        _check_countries(self.countries)
        if MessageClass.OTP in self.classes:
            remedy = "take otp out: somebody is waiting for the code"
            raise invalid("classes", "has otp, for which no hour is quiet", value="otp", remedy=remedy)
        for name, wall in (("from", self.from_), ("until", self.until)):
            if not WALL.fullmatch(wall):
                raise invalid(name, "is not a time of day", value=wall, remedy="such as 21:00")
        if self.from_ in ("24:00", self.until):
            remedy = "00:00 until 24:00 is all day"
            raise invalid("from", "is no beginning", value=self.from_, remedy=remedy)
        for one in self.holidays:
            if not is_day(one):
                raise invalid(
                    "holidays", "is not a day", value=one, remedy="03-21, jalali-01-01 or 2026-03-21"
                )


def is_day(text: str) -> bool:
    """Whether it is a day of one year or of every year."""
    if is_yearly_in_iran(text):
        return True
    try:
        date.fromisoformat(LEAP_YEAR + text if YEARLY.fullmatch(text) else text)
    except ValueError:
        return False
    return len(text) in (5, 10)


class QuietHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All hours in which something is not sent."""

    rules: Annotated[tuple[QuietRule, ...], Meta(max_length=RULES_MAX)] = ()


class Cap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """At most so many messages to one contact in a window."""

    most: Annotated[int, Meta(ge=1, le=1_000)]
    window: Annotated[int, Meta(ge=1, le=WINDOW_MAX_H)]
    unit: Literal["hours", "days"] = "days"
    counted: Literal["rolling", "calendar"] = "rolling"  # or whole days of the contact's calendar
    classes: Classes = (MessageClass.PROMOTIONAL,)
    channels: Annotated[tuple[str, ...], Meta(max_length=100)] = ()  # empty: all of them together
    over: Literal["hold", "refuse"] = "hold"

    def __post_init__(self) -> None:
        if MessageClass.OTP in self.classes:
            remedy = "take otp out: codes have limits of their own"
            raise invalid("classes", "has otp, which is not capped", value="otp", remedy=remedy)
        if self.counted == "calendar" and self.unit != "days":
            raise invalid("counted", "needs whole days", value="calendar", remedy="unit days, or rolling")
        if self.unit == "days" and self.window > WINDOW_MAX_H // 24:
            raise invalid("window", "is too long", value=str(self.window), remedy="at most 31 days")

    def covers(self, message_class: MessageClass, channel: str) -> bool:
        """Whether it counts a message of a class on a channel."""
        return message_class in self.classes and (not self.channels or channel in self.channels)


class Caps(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All caps; each holds by itself."""

    rules: Annotated[tuple[Cap, ...], Meta(max_length=RULES_MAX)] = ()


Days = Annotated[int, Meta(ge=0, le=365)]


class Reachability(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how long it is believed what is remembered of reaching somebody; 0 days or messages: never. A step
    that is known to be in vain is passed over, as long as another one is left."""

    enabled: bool = False
    not_a_user_days: Days = 30  # that a person is not on a channel
    blocked_days: Days = 30  # that a person has blocked a line
    silent_after: Annotated[int, Meta(ge=0, le=100)] = 0  # messages in a row that were not delivered
    silent_days: Days = 7  # how long the step is passed over then
    classes: Classes = (MessageClass.TRANSACTIONAL, MessageClass.SERVICE, MessageClass.PROMOTIONAL)


class PeoplePolicies(msgspec.Struct, frozen=True):
    """What the rules about people look at."""

    consent: ConsentPolicy = ConsentPolicy()
    quiet_hours: QuietHours = QuietHours()
    caps: Caps = Caps()
    reachability: Reachability = Reachability()
    zone: str = "UTC"  # the workspace's, for people of whom nobody knows where they are


NONE = PeoplePolicies()
