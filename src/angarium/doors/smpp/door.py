"""The SMPP door as a service: it listens, lets clients in, takes what they submit, delivers their letters."""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec
import structlog

from angarium.accounts.limits import MINUTE_S, Limit
from angarium.accounts.passwords import Passwords
from angarium.core.batches import Batcher
from angarium.core.clock import Clock
from angarium.core.problems import Problem
from angarium.core.service import Supervisor
from angarium.doors.smpp import admission, chores, following, rules, store
from angarium.doors.smpp.admission import Answer, Asked
from angarium.doors.smpp.bind import Bind
from angarium.doors.smpp.mailbox import AT_ONCE, Mailbox
from angarium.doors.smpp.store import Account
from angarium.messaging.world import World
from angarium.protocols import smpp_pdu
from angarium.protocols.smpp_numbers import Command, Status
from angarium.protocols.smpp_pdu import Frame, PduError
from angarium.storage import facts

log = structlog.get_logger()

TOPIC = "smpp_door"  # woken when there are letters to deliver, or some were taken
ACCOUNTS_TOPIC = "smpp_accounts"  # woken when an account was changed
ACCEPT_MAX = 500  # submissions in one transaction
WAITING_MAX = 20_000  # submissions that wait to be taken
CONNECTIONS_MAX = 1_000
KNOCKS_AT_ONCE = 8
CHORES_AT_ONCE = 50
TICK_S = 0.25
FOLLOW_S = 0.25  # how often the log of facts is looked at
ACCOUNTS_S = 5.0  # the same for accounts that another process has changed
TIDY_S = 30.0
KIND_OF = {
    Command.BIND_TRANSMITTER: "transmitter",
    Command.BIND_RECEIVER: "receiver",
    Command.BIND_TRANSCEIVER: "transceiver",
}


class Listening(msgspec.Struct, frozen=True):
    """Where the door is."""

    host: str = "127.0.0.1"
    port: int = 0  # 0 takes a free one
    certificate: str = ""  # files, PEM; both or none
    key: str = ""
    failed_per_min: int = 60  # binds of one address that are turned away; 0: no limit


class BindSeen(msgspec.Struct, frozen=True):
    """A bind, as those see it who have the account."""

    kind: str
    address: str
    bound_at: int
    submitted: int
    unanswered: int


class Knock(msgspec.Struct, frozen=True):
    """A client that asks to be bound."""

    bind: Bind
    frame: Frame


class SmppDoor:
    """Everything about it on one machine. A service: start and stop it."""

    def __init__(
        self, world: World, workspaces: Callable[[], Awaitable[list[int]]], listening: Listening
    ) -> None:
        self.clock: Clock = world.ground.clock
        self.port = listening.port
        self._world = world
        self._workspaces = workspaces
        self._listening = listening
        self._server: asyncio.Server | None = None
        self._supervisor = Supervisor(self.clock)
        self._passwords = Passwords()
        self._failed = Limit(self.clock, "failed-binds", listening.failed_per_min, MINUTE_S)
        self._speeds: dict[int, Limit] = {}  # by account
        self._connections: set[Bind] = set()
        self._accounts: dict[str, Account] = {}  # those that may bind, by system_id
        self._reading = asyncio.Lock()  # what was read later is not to be replaced by what was read before
        self._known: dict[int, list[Account]] = {}  # all of them, by workspace
        self._mailboxes: dict[int, Mailbox] = {}  # by account
        self._taken: dict[tuple[int, int], list[int]] = defaultdict(list)  # letters, by workspace and account
        self._admitting: Batcher[Sequence[Asked], list[Answer]] = Batcher(self._admit, ACCEPT_MAX, len)
        self._knocking: Batcher[Knock, None] = Batcher(self._let_in, KNOCKS_AT_ONCE)
        self._chores: Batcher[chores.Chore, tuple[int, bytes]] = Batcher(self._see_to, CHORES_AT_ONCE)
        self._waiting = 0

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Listen. OSError when the address cannot be had, or a file of TLS cannot be read."""
        await self.reload()
        where = self._listening
        tls = _tls(where) if where.certificate else None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Bind(self), where.host, where.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self._supervisor.run("smpp accounts", self._watch_accounts)
        self._supervisor.run("smpp facts", self._follow)
        self._supervisor.run("smpp letters", self._deliver)
        self._supervisor.run("smpp time", self._pass_time)
        log.info("the SMPP door is open", port=self.port, tls=tls is not None)

    async def stop(self) -> None:
        """Take nothing more, answer what is under way, say goodbye; calling it again changes nothing."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        await self._admitting.drained()
        await self._chores.drained()
        for bind in list(self._connections):
            bind.say_goodbye()
        await self._supervisor.stop()
        await self._knocking.drained()
        self._passwords.close()
        try:
            await self._write_taken()
        except Problem as problem:
            log.warning("letters that were taken will be told again", why=problem.detail)

    # ── what its connections ask ─────────────────────────────────────────────────────────────────────

    def came(self, bind: Bind) -> bool:
        """A connection is there."""
        if len(self._connections) >= CONNECTIONS_MAX or self._server is None:
            return False
        self._connections.add(bind)
        return True

    def left(self, bind: Bind) -> None:
        """A connection is gone."""
        self._connections.discard(bind)
        if bind.account is not None:
            told = {"system_id": bind.account.system_id, "address": bind.address}
            log.info("a client has gone", **told, submitted=bind.submitted)
        if bind.mailbox is not None and bind in bind.mailbox.hearers:
            bind.mailbox.hearers.remove(bind)
            self._world.ground.fabric.wake(TOPIC)

    def knocks(self, bind: Bind, frame: Frame) -> None:
        """Somebody asks to be bound."""
        self._knocking.put(Knock(bind, frame))

    def may_submit(self, account: Account) -> bool:
        """Whether one more submission is within the speed of an account."""
        limit = self._speeds.get(account.id)
        if limit is None:
            return True
        try:
            limit.take(account.id)
        except Problem:
            return False
        return True

    def is_full(self) -> bool:
        """Whether more waits to be taken than can be."""
        return self._waiting >= WAITING_MAX

    def admit(self, asked: Sequence[Asked]) -> asyncio.Future[list[Answer]]:
        """Take submissions, with those that come by other binds at the same time."""
        self._waiting += len(asked)
        return self._admitting.put(asked)

    def see_to(self, bind: Bind, frame: Frame) -> asyncio.Future[tuple[int, bytes]]:
        """Answer a query or a wish to cancel."""
        assert bind.account is not None
        return self._chores.put(chores.Chore(bind.account, frame))

    def freed(self, bind: Bind) -> None:
        """There is room in its window."""
        assert bind.mailbox is not None
        bind.mailbox.pump(self.clock.monotonic())
        if bind.mailbox.is_short() or self._taken:
            self._world.ground.fabric.wake(TOPIC)

    async def _admit(self, bundles: list[Sequence[Asked]]) -> Sequence[list[Answer]]:
        try:
            return await admission.admit(self._world, bundles)
        finally:
            self._waiting -= sum(map(len, bundles))

    async def _see_to(self, asked: list[chores.Chore]) -> Sequence[tuple[int, bytes] | BaseException]:
        return [await chores.see_to(self._world, one) for one in asked]

    # ── letting in ───────────────────────────────────────────────────────────────────────────────────

    async def _let_in(self, knocks: list[Knock]) -> Sequence[None]:
        await asyncio.gather(*[self._answer(one.bind, one.frame) for one in knocks])
        return [None] * len(knocks)

    async def _answer(self, bind: Bind, frame: Frame) -> None:
        try:
            status, account, why = await self._judge(bind, frame)
        except Exception:
            log.exception("a bind broke")
            status, account, why = int(Status.RSYSERR), None, "see above"
        if bind not in self._connections:
            return  # it did not wait
        if account is None or status != Status.ROK:
            of = {"system_id": account.system_id} if account is not None else {}
            name = Status(status).name
            log.info("a bind was turned away", address=bind.address, status=name, why=why, **of)
            bind.turned_away(frame, status)
            return
        bind.admitted(frame, account, self._mailboxes[account.id])
        log.info("a client has bound", system_id=account.system_id, address=bind.address)
        self._world.ground.fabric.wake(TOPIC)

    async def _judge(self, bind: Bind, frame: Frame) -> tuple[int, Account | None, str]:
        """Whether a client may bind, as which account, and why not, for our log alone: who has not the
        password learns nothing of the account. What is no name of one is not logged: it may be a password."""
        try:
            self._failed.must_have_room(bind.address)
            asked = smpp_pdu.decode(frame)
        except PduError as error:
            return error.status, None, "not understood"
        except Problem:
            return Status.RBINDFAIL, None, "too many wrong passwords from there"
        assert isinstance(asked, smpp_pdu.Bind)
        account = self._accounts.get(asked.system_id)
        try:
            fits = await self._passwords.fits(account.password_hash if account else None, asked.password)
        except Problem:
            return Status.RSYSERR, account, "too many passwords are compared already"
        if not fits or account is None:
            self._count_failure(bind.address)
            why = "wrong password" if account else "no such account, or it is off"
            return Status.RINVPASWD, account, why
        why = self._admission(account, bind, KIND_OF[Command(frame.command)])
        return Status.RBINDFAIL if why else Status.ROK, account, why

    def _count_failure(self, address: str) -> None:
        try:
            self._failed.take(address)
        except Problem:
            return

    def _admission(self, account: Account, bind: Bind, kind: str) -> str:
        """Why it may not come in; empty where it may."""
        settings = account.settings
        bound = sum(one.account is not None and one.account.id == account.id for one in self._connections)
        if account is not self._accounts.get(account.system_id):
            return "the account was changed meanwhile"
        if not rules.may_come_from(settings, bind.address):
            return "not from its networks"
        if kind not in settings.binds:
            return f"not as {kind}"
        return f"it has its {bound} binds" if bound >= settings.binds_max else ""

    # ── accounts ─────────────────────────────────────────────────────────────────────────────────────

    async def _watch_accounts(self) -> None:
        waiter = self._world.ground.fabric.listen(ACCOUNTS_TOPIC)
        try:
            while True:
                await waiter.wait(ACCOUNTS_S)
                await self.reload()
        finally:
            waiter.close()

    async def reload(self) -> None:
        """Read the accounts; who is bound with one that is another now has to bind again."""
        async with self._reading:
            there = await self._workspaces()
            self._take_in(await self._world.ground.db.read(store.accounts.of, there))

    def _take_in(self, found: list[Account]) -> None:
        self._known = defaultdict(list)
        for account in found:
            self._known[account.workspace_id].append(account)
        before, self._accounts = self._accounts, {one.system_id: one for one in found if one.enabled}
        live = {one.id: one for one in self._accounts.values()}
        for account_id, account in live.items():
            known = before.get(account.system_id)
            if known is not None and known == account:
                self._accounts[account.system_id] = known
                continue
            speed = account.settings.speed_per_s
            self._speeds[account_id] = Limit(self.clock, "smpp", speed, 1.0)
            if account_id in self._mailboxes:
                self._mailboxes[account_id].account = account
            else:
                key = (account.workspace_id, account_id)
                self._mailboxes[account_id] = Mailbox(account, partial(self._was_taken, key))
        for bind in list(self._connections):
            if bind.account is not None and self._accounts.get(bind.account.system_id) is not bind.account:
                bind.say_goodbye()
        for gone in self._mailboxes.keys() - live.keys():
            del self._mailboxes[gone]
            self._speeds.pop(gone, None)

    def _was_taken(self, key: tuple[int, int], letter_id: int) -> None:
        self._taken[key].append(letter_id)

    def binds_of(self, account_id: int) -> list[BindSeen]:
        """Who is bound with an account."""
        return [
            BindSeen(
                one.session.state.value.removeprefix("bound_"),
                one.address,
                one.bound_at or 0,
                one.submitted,
                one.asked,
            )
            for one in self._connections
            if one.bound and one.account is not None and one.account.id == account_id
        ]

    # ── letters ──────────────────────────────────────────────────────────────────────────────────────

    async def _follow(self) -> None:
        next_tidy = 0.0
        while True:
            found = 0
            for workspace_id, accounts in list(self._known.items()):
                found += await self._follow_one(workspace_id, accounts)
            if self.clock.monotonic() >= next_tidy:
                next_tidy = self.clock.monotonic() + TIDY_S
                await self._tidy()
            if not found:
                await self.clock.sleep(FOLLOW_S)

    async def _follow_one(self, workspace_id: int, accounts: Sequence[Account]) -> int:
        """One batch of facts. Nothing is written, nor held, where there is nothing new."""
        db = self._world.ground.db
        if not await db.read(facts.has_news, workspace_id, following.READER):
            return 0
        count, account_ids = await db.run(following.follow, self._world, workspace_id, accounts)
        for account_id in account_ids & self._mailboxes.keys():
            self._mailboxes[account_id].more = True
        if account_ids:
            self._world.ground.fabric.wake(TOPIC)
        return count

    async def _tidy(self) -> None:
        now = self.clock.now()
        for workspace_id in list(self._known):
            await self._world.ground.db.run(following.tidy, workspace_id, now)

    async def _deliver(self) -> None:
        waiter = self._world.ground.fabric.listen(TOPIC)
        try:
            while True:
                await waiter.wait(TICK_S)
                await self._write_taken()
                for mailbox in list(self._mailboxes.values()):
                    if mailbox.is_short():
                        await self._fill(mailbox)
                    mailbox.pump(self.clock.monotonic())
        finally:
            waiter.close()

    async def _fill(self, mailbox: Mailbox) -> None:
        mailbox.more = False  # before it reads: letters that are written meanwhile say so anew
        try:
            written = await self._world.ground.db.read(
                following.write, self._world, mailbox.account, mailbox.after, AT_ONCE
            )
        except BaseException:
            mailbox.more = True
            raise
        mailbox.add(written)

    async def _write_taken(self) -> None:
        """Let go of the letters that were taken; those of which that cannot be written are told once more."""
        for (workspace_id, account_id), ids in list(self._taken.items()):
            some = list(ids)
            await self._world.ground.db.run(store.delivered, workspace_id, account_id, some)
            del ids[: len(some)]
            if not ids:
                self._taken.pop((workspace_id, account_id), None)

    async def _pass_time(self) -> None:
        while True:
            await self.clock.sleep(TICK_S)
            now = self.clock.monotonic()
            for bind in list(self._connections):
                bind.pass_time(now)


def _tls(where: Listening) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(where.certificate, where.key or None)
    except OSError as error:  # which does not name the file
        files = f"{where.certificate} {where.key}".strip()
        detail = f"smpp_tls_certificate, smpp_tls_key: {files}: {error.strerror or error}"
        raise Problem("start", "The server cannot start", detail=detail) from error
    return context
