"""The server as a process: begins, stands by where another is on duty, ends when asked or when it must."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal

import structlog

from angarium.accounts import setup
from angarium.accounts import store as accounts
from angarium.assembly import House, application, assemble, begin_on
from angarium.config import Settings, called, processors, strangers
from angarium.content import promotional
from angarium.core.clock import SystemClock, iso
from angarium.core.problems import Problem
from angarium.core.service import Service
from angarium.core.turns import InTurn
from angarium.messaging.store import held
from angarium.storage import instance, opening
from angarium.storage.database import ADVICE, Trouble
from angarium.storage.duty import LOOK_S, Duty
from angarium.storage.ground import Ground
from angarium.storage.migrate import newer, revisions
from angarium.web.server import Server
from angarium.web.standing_by import WHY, StandingBy

log = structlog.get_logger()

COLLECT_AFTER = (100_000, 20, 100)  # new objects, then young and middle collections, before the next
DESCRIPTORS_MAX = 65_536  # as the units of systemd have it
STOP_WITHIN_S = 30.0  # for what is under way when the process is asked to stop
Asked = asyncio.Future[None]  # done on SIGTERM, SIGINT, or SIGHUP: the terminal is gone
AFTER_BROKEN = "Look at the disk, then start again. If it is damaged: docs/howto/back-up-and-restore.md"


async def serve(settings: Settings) -> None:
    """Run everything in this process until SIGTERM, SIGINT or SIGHUP; then let what is under way finish.

    They are heard from the first moment: who asks while the server starts gets the same orderly end.
    """
    asked, alone = _signalled(), settings.database.startswith("sqlite:")
    _tell_what_is_set_up_wrongly(settings)
    _allow_many_connections()
    with opening.held(settings.database, settings.key_file, alone=alone):
        if settings.fabric != "local":
            await _serve_together(settings, asked)
        elif alone:
            await _begin(settings)
            await _serve(settings, asked)
        else:
            await _serve_in_turn(settings, asked)


async def _begin(settings: Settings) -> None:
    """See to the database, and say what an upgrade has done to it, or left of it to the other servers."""
    lacked = await begin_on(settings, look=True)
    if lacked:
        log.info("the database was migrated", first=lacked[0], last=lacked[-1])
    if ahead := await newer(settings.database):
        known = revisions()[-1]
        log.info("the database is newer than this version, and compatible", revision=ahead, known=known)


def _tell_what_is_set_up_wrongly(settings: Settings) -> None:
    """What the doctor would find, and does not keep a server from starting."""
    for name, nearest in strangers():
        log.warning(
            "there is no such setting: the variable does nothing", variable=name, nearest=nearest or "none"
        )
    if (found := opening.exposed(settings.key_file)) is not None:
        file = settings.key_file
        log.warning("others can read the key file", file=file, mode=found.mode, remedy=found.remedy)


def _allow_many_connections() -> None:
    """Take as many descriptors as the system lets us have. A shell begins with 1,024, and each connection is
    one: a thousand that only stand there would be all that are heard."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MAX)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


async def _serve_together(settings: Settings, asked: Asked) -> None:
    """Run beside others: whoever comes first brings the database up to date, the others wait for it."""
    duty = Duty(settings.database, SystemClock(), called(settings))
    try:
        while not await duty.take():
            await SystemClock().sleep(LOOK_S)
        await _begin(settings)
    finally:
        await duty.leave()
    await _serve(settings, asked)


async def _serve_in_turn(settings: Settings, asked: Asked) -> None:
    """Run where others may: one at a time is on duty. Problem when another took it over from this one."""
    duty = Duty(settings.database, SystemClock(), called(settings))
    try:
        if await duty.take() or await _stood_by(settings, asked, duty):
            await _begin(settings)
            await _serve(settings, asked, duty)
    finally:
        await duty.leave()


async def _stood_by(settings: Settings, asked: Asked, duty: Duty) -> bool:
    """Wait for the duty; False when asked to stop meanwhile."""
    told, clock = StandingBy(), SystemClock()
    server = Server(told, settings.host, settings.port)
    await server.start()
    log.info("standing by", url=f"http://{settings.host}:{server.port}", why=WHY)
    try:
        while not asked.done():
            await clock.sleep(LOOK_S)
            try:
                if await duty.take():
                    log.info("on duty")
                    return True
                told.on_duty, told.trouble = await duty.holder(), ""
            except Problem as problem:
                if not told.trouble:  # once, and not every second of an outage
                    log.warning("cannot ask for the duty", problem=problem.detail)
                told.trouble = problem.detail
        return False
    finally:
        await server.stop()


async def _serve(settings: Settings, asked: Asked, duty: Duty | None = None) -> None:
    house = assemble(settings)
    await house.open()
    porter = settings.porter == "on" or (settings.porter == "auto" and processors() > 1)
    server = Server(application(house), settings.host, settings.port, settings.trusted_proxies, porter=porter)
    others = _others(house)
    try:
        await _tell_what_is_held(house.ground)
        await house.presence.start()
        await house.crier.start()
        await house.answering.start()
        await house.engine.start()
        for service in others:
            await service.start()
        if "worker" in settings.roles:
            await house.web_chat.start()
        await server.start()
        _collect_seldom()
        await _tell_how_to_begin(house, server.port)
        where = f"http://{settings.host}:{server.port}"
        log.info("serving", url=where, database=house.ground.db.dialect, roles=",".join(settings.roles))
        _read_ahead()
        broken = await _asked_to_stop(house, asked, duty)
        if broken is not None:
            log.critical("the server ends at once", why=f"{broken}: {ADVICE[broken]}", remedy=AFTER_BROKEN)
            await server.stop()
            os._exit(os.EX_IOERR)  # the loops are not heard out: nothing could write down what they heard
    finally:
        await house.web_chat.stop()  # whose streams would never end by themselves
        await server.stop()
        for service in reversed(others):
            await service.stop()
        await _hear_out(house)
        await house.answering.stop()
        await house.crier.stop()
        await house.presence.stop()
        await house.close()
        log.info("stopped")


def _others(house: House) -> list[Service]:
    """What runs beside the engine; what must not run twice takes turns with other servers."""
    if "worker" not in house.settings.roles:
        return []
    found: list[Service] = [house.importer, house.exporter, house.campaigns]
    turns: dict[str, Service] = {
        "audit seals": house.notary,
        "media": house.tidier,
        "notices": house.teller,
        "twilio": house.twilio_door,
    }
    if house.smpp_door is not None:  # one account's clients are served by one server
        turns["smpp"] = house.smpp_door
    if house.settings.fabric == "local":  # there is nobody to take turns with
        return [*found, *turns.values()]
    ground, house.presence.turns = house.ground, ("chronicle", "tidy", *turns)
    return [*found, *(InTurn(ground.fabric, ground.clock, name, one) for name, one in turns.items())]


async def _tell_how_to_begin(house: House, port: int) -> None:
    """While nobody is here, where whoever runs the server makes themselves its owner."""
    if await house.ground.db.read(setup.is_new):
        where = house.settings.public_url.rstrip("/") or f"http://{house.settings.host}:{port}"
        log.info("nobody has set this server up yet", open=await setup.link(house.ground, where))


async def _tell_what_is_held(ground: Ground) -> None:
    found = await ground.db.read(instance.known)
    if found is None or found.restored_at is None:
        return
    workspaces = await ground.db.read(accounts.workspaces)
    shares = [one for workspace in workspaces for one in await ground.db.read(held.summary, workspace.id)]
    count = sum(share.messages for share in shares)
    if count:
        shown = iso(found.copied_at or found.restored_at)
        log.warning("restored from a backup", to=shown, held=count, remedy="angarium held")


async def _hear_out(house: House) -> None:
    """Let what is under way finish; what the database does not take in time is found at the next start."""
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            await house.engine.stop()
    except TimeoutError:
        backlogs = house.engine.backlogs()
        log.warning("not everything could be written down; the next start finds it", **backlogs)


def _collect_seldom() -> None:
    """Let the collector of cycles look at what is new, and seldom: by default it takes a quarter of the time.

    A batch makes tens of thousands of objects, which go when it ends without being looked for.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _read_ahead() -> None:
    """Have the first message find what all need, which would else keep it, and those behind it, waiting."""
    asyncio.get_running_loop().run_in_executor(None, promotional.read_lists)


async def _asked_to_stop(house: House, asked: Asked, duty: Duty | None) -> Trouble | None:
    """Return when asked to stop, or why the process must end at once; Problem when another took over, or the
    database has become too new."""
    ground = house.ground
    broken = asyncio.ensure_future(ground.db.broken())
    lost = asyncio.ensure_future(duty.lost() if duty else ground.fabric.gone())
    outdated = asyncio.ensure_future(house.presence.outdated())
    await asyncio.wait((asked, broken, lost, outdated), return_when=asyncio.FIRST_COMPLETED)
    try:
        if broken.done():
            return broken.result()
        if outdated.done():
            outdated.result()
        if lost.done() and not asked.done():
            lost.result()
            raise Problem("taken-over", "Another server has taken over", detail=WHY)
        return None
    finally:
        for waiting in (broken, lost, outdated):
            waiting.cancel()


def _signalled() -> Asked:
    asked: Asked = asyncio.get_running_loop().create_future()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue  # as nohup has it: it is to outlive its terminal
        asyncio.get_running_loop().add_signal_handler(number, _once, asked)
    return asked


def _once(asked: asyncio.Future[None]) -> None:
    if not asked.done():
        asked.set_result(None)
