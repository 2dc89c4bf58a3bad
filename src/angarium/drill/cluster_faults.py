"""Break servers that work together: each fault of `schedule.OF_A_CLUSTER`, done and undone."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

import msgspec

from angarium.core.clock import MICROS
from angarium.core.problems import Problem
from angarium.drill import store
from angarium.drill.books import Broken, Open
from angarium.drill.cluster import Cluster
from angarium.drill.nats import NAMES as NATS
from angarium.drill.nats import Nats
from angarium.drill.schedule import Injection
from angarium.drill.stage import Stage

APART_S = 1.5  # between two looks: what was under way at a server that lives has been answered by then


async def kill(stage: Stage, injection: Injection) -> Broken:
    """kill -9 of a server, which comes back."""
    broken = _begun(stage, injection)
    await stage.servers.kill(injection.where)
    return await _back(stage, injection, broken)


async def leave_and_join(stage: Stage, injection: Injection) -> Broken:
    """SIGTERM, with the status it ends with; and it comes back."""
    broken = _begun(stage, injection)
    status = await stage.servers.stop(injection.where)
    return await _back(stage, injection, msgspec.structs.replace(broken, status=status))


async def _back(stage: Stage, injection: Injection, broken: Broken) -> Broken:
    left = await _left(stage)
    await stage.clock.sleep(max(0.0, injection.lasts_s - APART_S))
    ended_at, ready_at = _now(stage), 0.0
    with suppress(Problem):  # a machine may be so busy that it takes minutes: the others go on meanwhile
        await stage.servers.again(injection.where)
        ready_at = _now(stage)
    return msgspec.structs.replace(broken, ended_at=ended_at, ready_at=ready_at, open=left)


async def pause(stage: Stage, injection: Injection) -> Broken:
    """SIGSTOP and SIGCONT."""
    broken = _begun(stage, injection)
    server = stage.processes.running(injection.where)
    server.send_signal(signal.SIGSTOP)
    left = await _left(stage)
    await stage.clock.sleep(injection.lasts_s - APART_S)
    server.send_signal(signal.SIGCONT)
    return msgspec.structs.replace(broken, ended_at=_now(stage), open=left)


async def cut_database(stage: Stage, injection: Injection) -> Broken:
    """A server hears nothing of PostgreSQL any more, and its providers as ever."""
    return await _in_the_dark(stage, injection, "database")


async def cut_nats(stage: Stage, injection: Injection) -> Broken:
    """A server hears nothing of NATS any more, and its providers as ever."""
    return await _in_the_dark(stage, injection, "nats")


async def _in_the_dark(stage: Stage, injection: Injection, what: str) -> Broken:
    broken, node = _begun(stage, injection), _cluster(stage).nodes[injection.where]
    await node.cut_off(what)
    left = await _left(stage)
    await stage.clock.sleep(injection.lasts_s - APART_S)
    await node.reconnect(what)
    return msgspec.structs.replace(broken, ended_at=_now(stage), open=left)


async def postgres_restart(stage: Stage, injection: Injection) -> Broken:
    """Its fast shutdown: connections are ended, everything is written down."""
    return await _postgres(stage, injection, signal.SIGINT)


async def postgres_stop(stage: Stage, injection: Injection) -> Broken:
    """Its immediate shutdown: as after a crash, its log is replayed at the start."""
    return await _postgres(stage, injection, signal.SIGQUIT)


async def _postgres(stage: Stage, injection: Injection, how: signal.Signals) -> Broken:
    broken, postgres = _begun(stage, injection), _cluster(stage).postgres
    await postgres.stop(how)
    await stage.clock.sleep(injection.lasts_s)
    await postgres.start()
    return msgspec.structs.replace(broken, ended_at=_now(stage))


async def kill_nats(stage: Stage, injection: Injection) -> Broken:
    """kill -9 of the one that leads."""
    nats = _nats(stage)
    leader = await nats.leader()
    broken = msgspec.structs.replace(_begun(stage, injection), where=leader)
    await nats.kill(leader)
    await stage.clock.sleep(injection.lasts_s)
    await nats.start(leader)
    await nats.until_well(leader)
    return msgspec.structs.replace(broken, ended_at=_now(stage))


async def wipe_nats(stage: Stage, injection: Injection) -> Broken:
    """kill -9 of all three, whose disks are empty when they come back."""
    broken, nats = _begun(stage, injection), _nats(stage)
    await asyncio.gather(*(nats.kill(name, wipe=True) for name in NATS))
    await stage.clock.sleep(injection.lasts_s)
    await nats.open()
    return msgspec.structs.replace(broken, ended_at=_now(stage))


async def _left(stage: Stage) -> tuple[Open, ...]:
    """What a server has under way that will not hear of it: it is still under way at a second look."""
    before = await store.open_attempts(stage.database)
    await stage.clock.sleep(APART_S)
    after = set(await store.open_attempts(stage.database))
    return tuple(one for one in before if one in after)


def _begun(stage: Stage, injection: Injection) -> Broken:
    return Broken(injection.name, injection.where, _now(stage), 0.0)


def _now(stage: Stage) -> float:
    return stage.clock.now() / MICROS


def _cluster(stage: Stage) -> Cluster:
    assert isinstance(stage.servers, Cluster)
    return stage.servers


def _nats(stage: Stage) -> Nats:
    nats = _cluster(stage).nats
    assert nats is not None
    return nats


OF_A_CLUSTER = {
    "kill_worker": kill,
    "kill_api": kill,
    "leave_and_join": leave_and_join,
    "pause_owner": pause,
    "cut_database": cut_database,
    "cut_nats": cut_nats,
    "postgres_restart": postgres_restart,
    "postgres_stop": postgres_stop,
    "kill_nats": kill_nats,
    "wipe_nats": wipe_nats,
}
