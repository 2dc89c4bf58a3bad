"""How all servers are doing, from what each says of itself, and what is wrong, with its remedy. Pure.

Instants are those of the database's clock, but for those in `Said`, which are by the server's own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from angarium.core.clock import MICROS
from angarium.core.fabric import Backlog, Holding

MISSED = 3  # beats, after which a server is not there
FORGOTTEN_S = 600.0  # since one that is not there was seen: then nobody asks for it any more
CLOCK_OFF_S = 2.0
# Since servers have come, or one has gone in order, for which nobody may have a turn: a lease of one that was
# killed before ends first, and is then left to whoever is preferred for it (`fabric/holding.py`).
TAKEN_S = 20.0
LATE_S = 60.0  # something that is due for so long on a line that works
MANY_WAIT = 2_000  # to be written
BEHIND_S = 30.0  # whoever follows the facts
FULL_PERCENT = 80  # of the log
LINE = "line/"  # what the keys of leases of lines begin with
ALONE = "local"  # the fabric of one server
PARTS = ("api", "worker", "console")


class LineSaid(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line as its owner sees it: whether it is connected and well, and why its queue waits."""

    up: bool
    state: str = ""
    why: str = ""
    until: int | None = None
    retries_only: bool = False


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a server says of itself, again and again."""

    at: int = 0
    holds: tuple[Holding, ...] = ()
    lost: dict[str, int] = {}  # lines that it had lately and has not, by key: since when, by its own clock
    lines: dict[int, LineSaid] = {}  # of those that it owns
    turns: tuple[str, ...] = ()  # what it does when it is its turn
    died: tuple[str, ...] = ()  # loops that broke lately and were started again
    waits: dict[str, int] = {}  # what waits to be written, by what it is
    log: Backlog | None = None  # what waits in the log of all servers, as far as it knows
    fabric: str = ""  # how it meets the others; empty: its version does not say
    apart: bool = False  # it cannot work with NATS, by which the servers meet
    leaderless: bool = False  # because that has no leader


class Server(msgspec.Struct, frozen=True):
    """One run of a server. `revision`: the newest migration that it knows."""

    id: int
    name: str
    node: int
    roles: tuple[str, ...]
    version: str
    revision: str
    started_at: int
    beat_s: int
    seen_at: int
    stopped_at: int | None = None
    said: Said = Said()

    def is_there(self, now: int) -> bool:
        """Whether it runs, as far as can be told."""
        return self.stopped_at is None and now - self.seen_at < MISSED * self.beat_s * MICROS

    def unseen_s(self, now: int) -> float:
        """How long it was not seen."""
        return max(0, now - self.seen_at) / MICROS

    def age_s(self, now: int) -> float:
        """For how long it is there, whatever its own clock says."""
        off = self.said.at - self.seen_at if self.said.at else 0
        return (now - self.started_at + off) / MICROS


class Owned(msgspec.Struct, frozen=True):
    """Who has a lease, and for how long it is surely good; None: for as long as that server runs."""

    server: Server
    epoch: int
    for_s: float | None


class Lane(msgspec.Struct, frozen=True):
    """What waits on a line in one class: how many are due, and for how long the oldest is."""

    due: int
    oldest_s: float


class LineKnown(msgspec.Struct, frozen=True):
    """A line, and how it is. `since_s`: for how long nobody has had it, where that is known."""

    id: int
    name: str
    wanted: bool  # switched on, and approved for something
    owner: Owned | None
    said: LineSaid | None
    since_s: float | None
    lanes: dict[str, Lane]


class Turn(msgspec.Struct, frozen=True):
    """Something that one server does at a time. `being_taken`: nobody has it, and it is too early to miss
    somebody."""

    name: str
    owner: Owned | None
    being_taken: bool = False


class Follower(msgspec.Struct, frozen=True):
    """Somebody who reads on in the log of facts, and how long the oldest that it has not read is there."""

    name: str
    behind_s: float


class Whole(msgspec.Struct, frozen=True):
    """All of it. `schema`: the newest migration of the database; `least`: what a version must know of it."""

    now: int
    fabric: str
    servers: tuple[Server, ...]
    lines: tuple[LineKnown, ...]
    turns: tuple[Turn, ...]
    followers: tuple[Follower, ...]
    schema: str
    least: str
    waits: dict[str, int]  # what waits to be written, by what it is
    log: Backlog | None = None  # what waits in the log of all servers, where they have one


class Trouble(msgspec.Struct, frozen=True):
    """Something that is wrong: its name for programs, and in words, with what to do."""

    name: str
    words: str
    remedy: str


def owner_of(key: str, servers: Iterable[Server], now: int) -> Owned | None:
    """Who has a lease by what servers say; of several the newest owner."""
    found = [
        Owned(one, held.epoch, None if held.for_s is None else held.for_s - one.unseen_s(now))
        for one in servers
        if one.is_there(now)
        for held in one.said.holds
        if held.key == key
    ]
    good = [one for one in found if one.for_s is None or one.for_s > 0]
    return max(good, key=lambda one: one.epoch, default=None)


def lost_by(before: Said, holds: Collection[Holding], now: int) -> dict[str, int]:
    """The lines that a server has not any more, and since when: by what it said last and what it has now."""
    had = {one.key: now for one in before.holds if one.key.startswith(LINE)}
    has = {one.key for one in holds}
    since = now - int(FORGOTTEN_S * MICROS)
    return {key: at for key, at in (before.lost | had).items() if key not in has and at > since}


def without_since_s(key: str, servers: Iterable[Server], now: int) -> float | None:
    """How long nobody has had a lease, of the last who is known to have had it; None: nobody is known."""
    ends = []
    for one in servers:
        ends += [
            one.stopped_at or one.seen_at + int((held.for_s or 0.0) * MICROS)
            for held in one.said.holds
            if held.key == key
        ]
        if key in one.said.lost:  # its clock may be off
            ends.append(one.said.lost[key] + one.seen_at - one.said.at)
    return max(0, now - max(ends)) / MICROS if ends else None


def troubles(whole: Whole) -> list[Trouble]:
    """What is wrong, what is worst first."""
    there = [one for one in whole.servers if one.is_there(whole.now)]
    if not there:
        return [Trouble("nobody", "No server is there", "Start one: angarium serve.")]
    workers = [one for one in there if "worker" in one.roles]
    stuck = bool(workers) and all(one.said.apart for one in workers)  # then that is what is wrong
    return [
        *_of_servers(whole, there),
        *(trouble for line in whole.lines if line.wanted for trouble in _of_line(line, stuck=stuck)),
        *_of_versions(whole, there),
        *(_of_turns(whole) if workers and not stuck else ()),
        *(() if stuck else _of_followers(whole)),  # who follow when it is their turn
        *_of_lag(whole),
    ]


def _of_servers(whole: Whole, there: Sequence[Server]) -> Iterable[Trouble]:
    for part in PARTS:
        if not any(part in one.roles for one in there):
            remedy = f"Start one: angarium serve --roles {part}."
            yield Trouble("role", f"No server has the role {part}", remedy)
    fabrics = sorted({one.said.fabric for one in there if one.said.fabric})
    if len(fabrics) > 1:  # each takes the lines for its own
        words = f"Servers do not meet, and each sends on every line: their fabric is {', '.join(fabrics)}"
        yield Trouble("fabrics", words, FABRICS)
    yield from _of_those_apart(there)
    for one in whole.servers:
        if one.stopped_at is None and not one.is_there(whole.now) and not _has_come_again(one, whole.servers):
            yield Trouble("away", f"{one.name} was not seen for {one.unseen_s(whole.now):.0f} s", AWAY)
    for one in there:
        off_s = abs(one.said.at - one.seen_at) / MICROS
        if one.said.at and off_s > CLOCK_OFF_S:
            yield Trouble("clock", f"The clock of {one.name} is off by {off_s:.0f} s", CLOCK)
        if one.said.died:
            words = f"Loops of {one.name} broke, and were started again: {', '.join(one.said.died)}"
            yield Trouble("loops", words, "Its log has why.")


def _of_those_apart(there: Sequence[Server]) -> Iterable[Trouble]:
    """What all say who cannot work with NATS because most of it is away is said once, for all of them."""
    if any(one.said.apart and one.said.leaderless for one in there):
        yield Trouble("leaderless", LEADERLESS, START_THEM)
    for one in there:
        if one.said.apart and not one.said.leaderless:
            yield Trouble("apart", f"{one.name} cannot work with NATS, and sends nothing meanwhile", APART)


def _has_come_again(gone: Server, servers: Iterable[Server]) -> bool:
    """Whether one of its name was started since: after a crash nobody has to look for it any more."""
    return any(one.name == gone.name and one.started_at > gone.seen_at for one in servers)


def _of_versions(whole: Whole, there: Sequence[Server]) -> Iterable[Trouble]:
    for one in there:
        if one.revision < whole.least:
            words = f"{one.name} runs version {one.version}, which is too old for the database"
            yield Trouble("too_old", words, "Install the newer version there.")
    versions = sorted({f"{one.version} ({one.revision})" for one in there})
    if len(versions) > 1:
        yield Trouble("versions", f"Servers run different versions: {', '.join(versions)}", VERSIONS)


def _of_line(line: LineKnown, *, stuck: bool) -> Iterable[Trouble]:
    if line.owner is None and stuck:
        return
    if line.owner is None:
        words = f"The line {line.name} has no owner"
        if line.since_s is not None:
            words = f"The line {line.name} has no owner since {line.since_s:.0f} s"
        yield Trouble("unowned", words, UNOWNED)
    elif line.said is not None and not line.said.up:
        why = line.said.why or line.said.state
        words = f"The line {line.name} is not connected, at {line.owner.server.name}: {why}"
        yield Trouble("line_down", words, "See its page.")
    else:
        for name, lane in line.lanes.items():
            if lane.oldest_s > LATE_S:
                words = f"On the line {line.name} class {name} is due since {lane.oldest_s:.0f} s"
                yield Trouble("late", words, LATE)


def _of_turns(whole: Whole) -> Iterable[Trouble]:
    for one in whole.turns:
        if one.owner is None and not one.being_taken:
            yield Trouble("turn", f"It is nobody's turn: {one.name}", UNOWNED)


def _of_followers(whole: Whole) -> Iterable[Trouble]:
    for one in whole.followers:
        if one.behind_s > BEHIND_S:
            yield Trouble("behind", f"{one.name} is {one.behind_s:.0f} s behind what happened", BEHIND)


def _of_lag(whole: Whole) -> Iterable[Trouble]:
    for name, count in whole.waits.items():
        if count > MANY_WAIT:
            yield Trouble("waits", f"{count} wait to be written: {name}", WAITS)
    percent = filled(whole.log)
    if percent >= FULL_PERCENT:
        yield Trouble("log", f"The log of what providers sent is {percent} % full", WAITS)


AWAY = "If it was stopped for good, this goes away in ten minutes. Else look at its log and its machine."
FABRICS = "Stop all but those of one kind, and give all the same setting fabric."
APART = (
    "Look whether more than half of the servers of NATS run, and at nats_servers; "
    "angarium doctor says what is heard there."
)
LEADERLESS = "NATS has no leader, and nothing is sent meanwhile"
START_THEM = (
    "More than half of the servers of NATS must run: start those that are away. angarium doctor names them."
)
ALONE_NOW = "NATS does not answer this server, and it sends nothing meanwhile"
CLOCK = "Have its clock set by NTP: hours and deadlines go by it."
VERSIONS = "That is well while an upgrade lasts. Go on until all run the newest."
UNOWNED = "A server with the role worker takes it within seconds. If none does, their logs have why."
LATE = "The line is slower than what is asked of it, or its provider is. See its page."
BEHIND = "It catches up when there is less to do. If it does not, the log of whose turn it is has why."
WAITS = "They are written as soon as the database takes them."


def warning(*, apart: bool, leaderless: bool) -> str:
    """What a probe of one server is told, with what to do; "" when it works with the others."""
    if not apart:
        return ""
    return f"{LEADERLESS}. {START_THEM}" if leaderless else f"{ALONE_NOW}. {APART}"


def filled(log: Backlog | None) -> int:
    """How full a log is, in per cent; 0 where it has no bound."""
    return 100 * log.bytes // log.max_bytes if log and log.max_bytes else 0


def log_of(servers: Iterable[Server], now: int) -> Backlog | None:
    """The log, as who was seen last tells of it."""
    told = [(one.seen_at, one.said.log) for one in servers if one.is_there(now) and one.said.log]
    return max(told, key=lambda one: one[0])[1] if told else None


def turns_wanted(servers: Collection[Server], now: int) -> list[str]:
    """What is to be done in turns, by what the servers say that would do it."""
    return sorted({turn for one in servers if one.is_there(now) for turn in one.said.turns})


def turn_of(name: str, servers: Collection[Server], now: int) -> Turn:
    """Who has a turn, of all who are there or were."""
    owner = owner_of(f"turn/{name}", servers, now)
    return Turn(name, owner, owner is None and _is_being_taken(name, servers, now))


def _is_being_taken(name: str, servers: Iterable[Server], now: int) -> bool:
    """Whether all who take it have just come, or one of them has just gone in order."""
    takers = [one for one in servers if name in one.said.turns]
    if any(one.stopped_at is not None and now - one.stopped_at < TAKEN_S * MICROS for one in takers):
        return True
    return all(one.age_s(now) < TAKEN_S for one in takers if one.is_there(now))


def known_lately(servers: Iterable[Server], now: int) -> tuple[Server, ...]:
    """Those that are there, or were seen within ten minutes: nobody looks for a run that ended before."""
    return tuple([one for one in servers if one.is_there(now) or one.unseen_s(now) < FORGOTTEN_S])


def lines_said(servers: Iterable[Server], now: int) -> Mapping[int, LineSaid]:
    """Lines as their owners see them."""
    return {line: said for one in servers if one.is_there(now) for line, said in one.said.lines.items()}
