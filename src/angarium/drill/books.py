"""The ledgers that are compared: the client's, the operators', and the record of what was broken when.

Each is a file of JSON lines that its writer appends to as it goes, so that it survives any of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec


class Attempted(msgspec.Struct, frozen=True, tag="attempted"):
    """The client is about to ask for a message."""

    name: str
    kind: str
    at: float  # when it was due: seconds since 1970, as all times here


class Acked(msgspec.Struct, frozen=True, tag="acked"):
    """The server promised it."""

    name: str
    message: str  # the server's id
    at: float
    tries: int


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The server said no."""

    name: str
    problem: str
    at: float


class Open(msgspec.Struct, frozen=True):
    """An intent that a dead server left in its database."""

    name: str
    channel: str


class Broken(msgspec.Struct, frozen=True):
    """A fault as it was injected."""

    name: str
    where: str
    began_at: float
    ended_at: float
    ready_at: float = 0.0  # when a server that was restarted said so
    status: int | None = None  # with which it ended, when it was asked to
    open: tuple[Open, ...] = ()  # what it had submitted, and written down no answer to


class Cut(msgspec.Struct, frozen=True):
    """A link broke; `session` names the one, where it is known."""

    face: str
    at: float
    session: int = 0


class Session(msgspec.Struct, frozen=True):
    """Somebody was bound at an operator: from when until when they could submit on a line."""

    face: str
    number: int
    account: str
    bound_at: float
    unbound_at: float | None = None  # None: to the end


class Shown(msgspec.Struct, frozen=True):
    """A message as the public API shows it."""

    name: str
    message: str
    state: str
    reason: str
    finished: bool
    waits_until: str | None


class Try(msgspec.Struct, frozen=True):
    """An attempt of a told message."""

    step: int
    line: str
    state: str
    ended_at: str | None


class Told(msgspec.Struct, frozen=True):
    """A message as the public API tells it whole."""

    name: str
    attempts: tuple[Try, ...]
    unanswered: int  # events of the timeline that say so
    waits_for: str  # why nothing happens now, "" when it has ended


class Taken(msgspec.Struct):
    """One message as an operator took it, from what it wrote down."""

    face: str
    ref: str
    name: str  # the client's, "" when its text has none
    at: float
    answered_at: float | None = None
    statuses: list[tuple[str, float]] = []  # what became of it, and when
    session: int = 0  # over which it came, where there are sessions


CLIENT_LINES = msgspec.json.Decoder(Attempted | Acked | Refused)


def client_lines(path: Path) -> Iterator[Attempted | Acked | Refused]:
    """What the client wrote."""
    for line in whole_lines(path):
        yield CLIENT_LINES.decode(line)


class Seen(msgspec.Struct):
    """What the drill did, and what it saw of the server when all was over."""

    at: float  # when the operators had nothing more to say, or we no more patience
    drain_s: float
    broken: list[Broken]
    shown: list[Shown]
    told: dict[str, Told] = {}  # those of which more than the state is to be known
    asked: dict[str, str | float] = {}  # seed, rate, seconds, database


class Books(msgspec.Struct):
    """Everything that is compared."""

    client: Sequence[Attempted | Acked | Refused]
    taken: Sequence[Taken]
    cuts: Sequence[Cut]
    seen: Seen
    sessions: Sequence[Session] = ()


class Written(msgspec.Struct):
    """What operators wrote."""

    taken: list[Taken] = []
    cuts: list[Cut] = []
    sessions: list[Session] = []


def written_by(path: Path, face: str, name_of: Callable[[str], str]) -> Written:
    """What one operator wrote; `name_of` finds the client's name in a text, "" when there is none.

    A mail that is sent again keeps its Message-ID: what is written about it later belongs to the later copy.
    A session that ended without a word counts as a cut: what was answered about then may not have been heard.
    """
    found = Written()
    by_ref: dict[str, Taken] = {}
    by_number: dict[int, Session] = {}
    for line in whole_lines(path):
        said = msgspec.json.decode(line)
        if "recipient" in said:
            shown = f"{said.get('subject', '')} {said['text']}"
            session = said.get("session", 0)
            taken = Taken(face, said["ref"], name_of(shown), said["at"], session=session)
            by_ref[said["ref"]] = taken
            found.taken.append(taken)
        elif "cut" in said:
            found.cuts.append(Cut(face, said["cut"]))
        elif "bound" in said:
            by_number[said["session"]] = Session(face, said["session"], said["account"], said["bound"])
        elif "unbound" in said:
            over = msgspec.structs.replace(by_number[said["session"]], unbound_at=said["unbound"])
            by_number[said["session"]] = over
            if not said["orderly"]:
                found.cuts.append(Cut(face, said["unbound"], said["session"]))
        elif "answered" in said:
            by_ref[said["ref"]].answered_at = said["answered"]
        else:
            by_ref[said["ref"]].statuses.append((said["status"], said["at"]))
    found.sessions = list(by_number.values())
    return found


def whole_lines(path: Path) -> list[bytes]:
    """The lines that were written to their end; the last may not have been."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []
