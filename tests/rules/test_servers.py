"""What is wrong with servers, lines and turns, by what the servers say of themselves."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.core.clock import MICROS
from angarium.core.fabric import Backlog, Holding
from angarium.fabric.holding import AFTER_S, TTL_S
from angarium.servers.rules import (
    FORGOTTEN_S,
    TAKEN_S,
    Follower,
    Lane,
    LineKnown,
    LineSaid,
    Owned,
    Said,
    Server,
    Turn,
    Whole,
    known_lately,
    lost_by,
    owner_of,
    troubles,
    turn_of,
    without_since_s,
)

NOW = 1_000_000 * MICROS
ALL = ("api", "worker", "console")


def server(name: str = "a", *, ago_s: float = 1.0, **given: Any) -> Server:
    """One that was seen so long ago."""
    seen_at = NOW - int(ago_s * MICROS)
    said = given.pop("said", Said(at=seen_at))
    usual = {"roles": ALL, "version": "1.0", "revision": "0053", "started_at": 0, "beat_s": 2}
    return Server(
        **{"id": ord(name), "name": name, "node": 0, **usual, "seen_at": seen_at, "said": said} | given
    )


def whole(*servers: Server, **given: Any) -> Whole:
    """All of it, well but for what is given."""
    usual: dict[str, Any] = {"lines": (), "turns": (), "followers": (), "schema": "0053", "least": "0053"}
    return Whole(NOW, "postgres", servers, **{**usual, "waits": {}, **given})


def line(**given: Any) -> LineKnown:
    """One that works."""
    usual = {"owner": Owned(server(), 5, 9.0), "said": LineSaid(up=True), "since_s": None, "lanes": {}}
    return LineKnown(**{"id": 7, "name": "sms", "wanted": True, **usual, **given})


CASES = {
    "nothing": (whole(server()), []),
    "nobody": (whole(), ["No server is there"]),
    "stopped": (whole(server(stopped_at=NOW)), ["No server is there"]),
    "a role": (whole(server(roles=("api", "worker"))), ["No server has the role console"]),
    "away": (whole(server(), server("b", ago_s=42)), ["b was not seen for 42 s"]),
    "away, and come again": (
        whole(server(started_at=NOW - 5 * MICROS), server("b"), server("a", id=1, ago_s=42)),
        [],
    ),
    "away, come again, and stopped since": (
        whole(server(started_at=NOW - 5 * MICROS, stopped_at=NOW), server("b"), server("a", id=1, ago_s=42)),
        [],
    ),
    "away, and its namesake is older": (
        whole(server(started_at=NOW - 99 * MICROS), server("a", id=1, ago_s=42)),
        ["a was not seen for 42 s"],
    ),
    "fabrics that do not meet": (
        whole(server(said=Said(fabric="nats")), server("b", said=Said(fabric="postgres")), server("c")),
        ["Servers do not meet, and each sends on every line: their fabric is nats, postgres"],
    ),
    "apart from NATS": (
        whole(server(said=Said(apart=True)), turns=(Turn("notices", None),)),
        ["a cannot work with NATS, and sends nothing meanwhile"],
    ),
    "apart from NATS, with a line": (
        whole(server(said=Said(apart=True)), server("b", roles=("api",)), lines=(line(owner=None),)),
        ["a cannot work with NATS, and sends nothing meanwhile"],
    ),
    "a NATS without a leader": (
        whole(*(server(name, said=Said(apart=True, leaderless=True)) for name in "abc")),
        ["NATS has no leader, and nothing is sent meanwhile"],
    ),
    "one away from a NATS without a leader": (
        whole(server(said=Said(apart=True)), server("b", said=Said(apart=True, leaderless=True))),
        [
            "NATS has no leader, and nothing is sent meanwhile",
            "a cannot work with NATS, and sends nothing meanwhile",
        ],
    ),
    "who follows in turns that nobody has": (
        whole(server(said=Said(apart=True)), followers=(Follower("notices", 31.0),)),
        ["a cannot work with NATS, and sends nothing meanwhile"],
    ),
    "one of two apart": (
        whole(server(said=Said(apart=True)), server("b"), turns=(Turn("notices", None),)),
        ["a cannot work with NATS, and sends nothing meanwhile", "It is nobody's turn: notices"],
    ),
    "its clock": (whole(server(said=Said(at=NOW - 31 * MICROS))), ["The clock of a is off by 30 s"]),
    "a full log": (
        whole(server(), log=Backlog(7, 85, 100)),
        ["The log of what providers sent is 85 % full"],
    ),
    "a log with room": (whole(server(), log=Backlog(7, 79, 100)), []),
    "a log without a bound": (whole(server(), log=Backlog(7, 10**12)), []),
    "its loops": (
        whole(server(said=Said(died=("line sms", "tidy")))),
        ["Loops of a broke, and were started again: line sms, tidy"],
    ),
    "too old": (
        whole(server(revision="0052"), schema="0053"),
        ["a runs version 1.0, which is too old for the database"],
    ),
    "an upgrade": (
        whole(server(), server("b", version="1.1", revision="0054"), schema="0054"),
        ["Servers run different versions: 1.0 (0053), 1.1 (0054)"],
    ),
    "no owner": (whole(server(), lines=(line(owner=None),)), ["The line sms has no owner"]),
    "no owner any more": (
        whole(server(), lines=(line(owner=None, since_s=12.0),)),
        ["The line sms has no owner since 12 s"],
    ),
    "switched off": (whole(server(), lines=(line(owner=None, wanted=False),)), []),
    "not connected": (
        whole(server(), lines=(line(said=LineSaid(up=False, why="the bind was refused")),)),
        ["The line sms is not connected, at a: the bind was refused"],
    ),
    "late": (
        whole(server(), lines=(line(lanes={"otp": Lane(3, 61.0), "service": Lane(9, 59.0)}),)),
        ["On the line sms class otp is due since 61 s"],
    ),
    "a turn": (whole(server(), turns=(Turn("notices", None),)), ["It is nobody's turn: notices"]),
    "a turn that is being taken": (whole(server(), turns=(Turn("notices", None, being_taken=True),)), []),
    "a follower": (
        whole(server(), followers=(Follower("activity", 31.0), Follower("notices", 29.0))),
        ["activity is 31 s behind what happened"],
    ),
    "much to write": (
        whole(server(), waits={"outcomes": 2_001, "journal": 2_000}),
        ["2001 wait to be written: outcomes"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_said(name: str) -> None:
    given, words = CASES[name]
    found = troubles(given)
    assert [one.words for one in found] == words
    assert all(one.remedy.endswith(".") for one in found)


def holding(name: str, epoch: int, for_s: float | None, **given: Any) -> Server:
    """A server that says it holds line 7."""
    return server(name, said=Said(at=NOW, holds=(Holding("line/7", epoch, for_s),)), **given)


@pytest.mark.parametrize(
    ("servers", "owner"),
    [
        ([], None),
        ([server()], None),
        ([holding("a", 5, 10.0)], ("a", 5, 9.0)),
        ([holding("a", 5, None)], ("a", 5, None)),
        ([holding("a", 5, 10.0), holding("b", 6, 4.0)], ("b", 6, 3.0)),
        ([holding("a", 5, 10.0), holding("b", 6, 0.5)], ("a", 5, 9.0)),
        ([holding("a", 5, 10.0, ago_s=7.0)], None),
        ([holding("a", 5, 10.0, stopped_at=NOW)], None),
    ],
)
def test_who_owns_a_line(servers: list[Server], owner: tuple[str, int, float | None] | None) -> None:
    found = owner_of("line/7", servers, NOW)
    assert (found and (found.server.name, found.epoch, found.for_s)) == owner


def test_since_when_nobody_has_it() -> None:
    assert without_since_s("line/7", [server()], NOW) is None
    assert without_since_s("line/7", [holding("a", 5, 10.0, ago_s=30.0)], NOW) == 20.0
    stopped = holding("b", 6, 10.0, stopped_at=NOW - 3 * MICROS)
    assert without_since_s("line/7", [holding("a", 5, 10.0, ago_s=30.0), stopped], NOW) == 3.0


def test_nobody_has_had_it_since_the_last_who_had_it_has_not() -> None:
    """One stopped long ago, another took it over, and lost it when NATS went away."""
    long_ago = holding("b", 5, 10.0, stopped_at=NOW - 300 * MICROS)
    assert without_since_s("line/7", [long_ago, server()], NOW) == 300.0
    had, turn = Holding("line/7", 6, 9.0), Holding("turn/tidy", 6, 9.0)
    lost = lost_by(Said(holds=(had, turn)), (), NOW - 4 * MICROS)
    assert lost == {"line/7": NOW - 4 * MICROS}
    lost = lost_by(Said(lost=lost), (), NOW)  # and still has not
    assert without_since_s("line/7", [long_ago, server(said=Said(at=NOW - MICROS, lost=lost))], NOW) == 4.0
    assert lost_by(Said(lost=lost), (had,), NOW) == {}  # it has it again
    assert lost_by(Said(lost=lost), (), NOW + int(FORGOTTEN_S * MICROS)) == {}


def test_a_line_that_was_never_lost_is_not_said_to_be() -> None:
    had = Holding("line/7", 6, 9.0)
    assert lost_by(Said(holds=(had,)), (Holding("line/7", 6, 8.0),), NOW) == {}


def taking(name: str = "a", age_s: float = 99.0, **given: Any) -> Server:
    """A server that tells the time rightly, is there for so long, and would do what is done in turns."""
    said = Said(at=NOW - MICROS, turns=("notices",), **given.pop("said", {}))
    return server(name, started_at=NOW - int(age_s * MICROS), said=said, **given)


TURNS = {
    "just started": ([taking(age_s=3.0)], True),
    "all just started": ([taking(age_s=3.0), taking("b", 9.0)], True),
    "started long ago": ([taking(age_s=TAKEN_S)], False),
    "one of them started long ago": ([taking(age_s=3.0), taking("b")], False),
    "beside one that takes no turns": ([taking(age_s=3.0), server("b")], True),
    "handed over": ([taking(), taking("b", stopped_at=NOW - 3 * MICROS)], True),
    "handed over long ago": ([taking(), taking("b", stopped_at=NOW - int(TAKEN_S * MICROS))], False),
    "its last owner was killed": ([taking(), taking("b", ago_s=9.0)], False),
    "somebody has it": (
        [taking(age_s=3.0, said={"holds": (Holding("turn/notices", 5, 9.0),)})],
        False,
    ),
}


@pytest.mark.parametrize("name", TURNS)
def test_a_turn_is_being_taken_before_it_can_be_nobodys(name: str) -> None:
    servers, expected = TURNS[name]
    assert turn_of("notices", servers, NOW).being_taken is expected


def test_a_clock_that_is_wrong_does_not_hide_that_a_turn_is_nobodys() -> None:
    ahead = 3_600 * MICROS
    said = Said(at=NOW - MICROS + ahead, turns=("notices",))
    assert not turn_of("notices", [server(said=said, started_at=NOW + ahead - 99 * MICROS)], NOW).being_taken
    assert turn_of("notices", [server(said=said, started_at=NOW + ahead - 3 * MICROS)], NOW).being_taken


def test_what_was_somebodys_is_waited_for_until_it_can_be_taken() -> None:
    """Of one that was killed: its lease ends, and is left to whoever is preferred."""
    assert TAKEN_S >= TTL_S + AFTER_S


def test_who_was_not_seen_for_ten_minutes_is_not_told_of() -> None:
    there, silent, stopped = server(), server("b", ago_s=599), server("c", ago_s=9, stopped_at=NOW)
    long_ago = server("d", ago_s=FORGOTTEN_S), server("e", ago_s=FORGOTTEN_S, stopped_at=NOW - 600 * MICROS)
    assert known_lately((there, silent, stopped, *long_ago), NOW) == (there, silent, stopped)
    alone = server("f", ago_s=FORGOTTEN_S, beat_s=1_000)  # it is not expected earlier
    assert known_lately((alone,), NOW) == (alone,)
