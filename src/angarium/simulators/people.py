"""The people behind the phones, as somebody plays them: a phone is off, a person is not on a channel, has
blocked a sender there, and says something. What is played comes before what the script says."""

from __future__ import annotations

import msgspec

LOOK_S = 0.2  # how often a message that waits for a phone looks whether it is on
SAID_MAX = 10_000  # of all people together; the oldest are forgotten


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How somebody's phone is, and where they are. `absent` and `blocked` name faces."""

    off: bool = False  # what comes waits until it is on, or expires
    absent: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()


class Said(msgspec.Struct, frozen=True):
    """Something a person wrote to a line."""

    face: str
    sender: str
    recipient: str
    text: str
    at: float


NOBODY_PLAYS = Person()


class People:
    """Everybody who is played, by their number or address."""

    def __init__(self) -> None:
        self.played: dict[str, Person] = {}
        self.said: list[Said] = []

    def of(self, recipient: str) -> Person:
        """How somebody is played, however their number is written."""
        return self.played.get(phone_key(recipient), NOBODY_PLAYS) if self.played else NOBODY_PLAYS

    def play(self, recipient: str, person: Person) -> None:
        """From now on they are so."""
        key = phone_key(recipient)
        if person == NOBODY_PLAYS:
            self.played.pop(key, None)
        else:
            self.played[key] = person

    def hear(self, said: Said) -> None:
        """Keep what somebody said, for their phone to show."""
        self.said.append(said)
        del self.said[:-SAID_MAX]

    def said_by(self, recipient: str) -> list[Said]:
        """What somebody said, oldest first."""
        key = phone_key(recipient)
        return [one for one in self.said if phone_key(one.sender) == key]


def phone_key(recipient: str) -> str:
    """`+98 912 …` and `98912…` are one phone; addresses are compared in small letters."""
    if "@" in recipient:
        return recipient.casefold()
    digits = "".join(character for character in recipient if character.isdecimal())
    return f"+{digits}" if digits else recipient.casefold()
