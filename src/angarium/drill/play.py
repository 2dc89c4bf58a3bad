"""A drill from the first process to the verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from angarium.core.clock import MICROS, Clock, SystemClock
from angarium.core.problems import Problem
from angarium.drill import load, schedule
from angarium.drill.books import Books, Seen, Shown, Taken, client_lines, written_by
from angarium.drill.dice import Dice
from angarium.drill.doubles import Doubt
from angarium.drill.faults import Nemesis
from angarium.drill.looking import Lookout
from angarium.drill.options import Options
from angarium.drill.schedule import Injection
from angarium.drill.stage import CLIENT_LEDGER, FACES, Stage
from angarium.drill.verdict import Verdict, judge

LOOK_EVERY_S = 0.5
SEEN = "seen.json"  # what the drill did and what it saw of the server, beside the ledgers of the others
QUIET_S = 2.0  # for the last callbacks, which are answered before they are applied


async def run(options: Options, console: Console) -> Verdict:
    """Play it; Problem when something of it cannot be started."""
    clock = SystemClock()
    alone_on_postgresql = not options.fabric and options.database != "sqlite"
    names = [
        name for name in options.faults if not (alone_on_postgresql and name in schedule.NOT_ON_POSTGRESQL)
    ]
    faults = schedule.faults_of(options.fabric)
    injections = schedule.plan(Dice(options.seed), options.seconds, names, faults)
    _announce(options, injections, console)
    stage = Stage(options, clock)
    try:
        await stage.set_up()
        return await _play(stage, injections, console)
    finally:
        await stage.strike()


async def _play(stage: Stage, injections: list[Injection], console: Console) -> Verdict:
    nemesis = Nemesis(stage, lambda words: console.print(words, highlight=False))
    watch = asyncio.ensure_future(nemesis.watch())
    try:
        client = await stage.start_client()
        await nemesis.work_through(injections)
        await client.wait()
        console.print("The load has ended. Waiting until every message has.")
        async with Lookout(stage.servers.url, stage.keys, stage.clock) as lookout:
            seen = await _look(stage, nemesis, lookout)
        (stage.folder / SEEN).write_bytes(msgspec.json.encode(seen))
        return judge(books_of(stage.folder, seen))
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def _look(stage: Stage, nemesis: Nemesis, lookout: Lookout) -> Seen:
    """What there is to be seen of the servers when all is over."""
    drain_s, silent_at = await _drain(stage, lookout, stage.clock)
    seen = Seen(silent_at, drain_s, nemesis.broken, await lookout.every_message())
    seen.told = await lookout.tell(_worth_telling(books_of(stage.folder, seen)))
    seen.asked = {name: getattr(stage.options, name) for name in ("seed", "rate", "seconds")}
    seen.asked["database"] = stage.database.partition(":")[0]
    if stage.options.fabric:
        seen.asked["fabric"] = stage.options.fabric
    return seen


def judge_again(folder: Path) -> Verdict:
    """The verdict on what an earlier drill left in a folder."""
    try:
        seen = msgspec.json.decode((folder / SEEN).read_bytes(), type=Seen)
    except (OSError, msgspec.DecodeError) as error:
        raise Problem("drill", f"{folder} holds no whole drill", detail=str(error)) from None
    return judge(books_of(folder, seen))


def _announce(options: Options, injections: Sequence[Injection], console: Console) -> None:
    console.print(
        f"{options.seconds:g} s of load at {options.rate:g} messages a second, seed {options.seed}; "
        f"{len(injections)} faults:",
        highlight=False,
    )
    for injection in injections:
        console.print(str(injection), highlight=False)


async def _drain(stage: Stage, lookout: Lookout, clock: Clock) -> tuple[float, float]:
    """Wait until every message has ended and the operators have nothing more to say; how long, and when."""
    began = clock.monotonic()
    deadline = began + stage.options.drain_s
    while clock.monotonic() < deadline and await lookout.left():
        await clock.sleep(LOOK_EVERY_S)
    took_s = clock.monotonic() - began
    while clock.monotonic() < deadline and await stage.operators_wait():
        await clock.sleep(LOOK_EVERY_S)
    silent_at = clock.now() / MICROS
    await clock.sleep(QUIET_S)
    return round(took_s, 1), silent_at


def books_of(folder: Path, seen: Seen) -> Books:
    """What the client and the operators wrote, from their files, beside what was seen of the server."""
    written = [written_by(folder / "ledgers" / f"{face}.jsonl", face, load.name_in) for face in FACES]
    return Books(
        client=list(client_lines(folder / CLIENT_LEDGER)),
        taken=[taken for one in written for taken in one.taken],
        cuts=[cut for one in written for cut in one.cuts],
        seen=seen,
        sessions=[session for one in written for session in one.sessions],
    )


def _worth_telling(books: Books) -> list[Shown]:
    """Messages that have not ended or are unknown, and those of which an answer may be missing."""
    taken: dict[str, list[Taken]] = {}
    for entry in books.taken:
        taken.setdefault(entry.name, []).append(entry)
    doubt = Doubt(books.seen.broken, books.cuts, taken)
    left = {one.name for broken in books.seen.broken for one in broken.open}
    return [
        message
        for message in books.seen.shown
        if not message.finished
        or message.state == "unknown"
        or message.reason == "no_answer"
        or message.name in left
        or len(taken.get(message.name, ())) > 1
        or any(doubt.holds(entry) for entry in taken.get(message.name, ()))
    ]
