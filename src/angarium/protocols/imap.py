"""IMAP4rev1 (RFC 3501) as far as it takes to fetch what is unread: sign in, search, fetch, mark as seen.

Rules:
- a mail is marked as seen after it was taken in, never before: what fails is fetched again;
- it is fetched with PEEK, and no more of it than we read (`mime.SIZE_MAX`): the rest of a larger one stays;
- the server is not trusted: lines, literals and the number of answers to a command are bounded.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal

import msgspec
import structlog

from angarium.core.clock import Clock
from angarium.protocols.mime import SIZE_MAX

log = structlog.get_logger()

LINE_MAX = 1024 * 1024  # bytes: UIDs of all that is unread stand on one
ANSWERS_MAX = 10_000  # untagged ones to one command
MAILS_MAX = 100  # of one visit
STEP_S = 60.0  # for a command and its answer
EVERY_S = 60.0  # between two visits
AGAIN_MAX_S = 900.0  # after failures; servers lock accounts that sign in wrongly
LITERAL = re.compile(rb"\{(\d{1,10})\}\r?\n\Z")
WORD = re.compile(r"[\x20-\x7e]{1,200}")
TROUBLE = (OSError, asyncio.IncompleteReadError, ValueError)

Take = Callable[[bytes], Awaitable[None]]


class ImapError(OSError):
    """The server said no, or something that is not IMAP; never quotes a password."""


class Account(msgspec.Struct, frozen=True):
    """One folder at one server. Its words are of printable ASCII."""

    host: str
    port: int
    security: Literal["tls", "starttls", "none"]
    username: str
    password: str
    folder: str = "INBOX"
    verify_tls: bool = True


class Mailbox:
    """A folder that is looked into again and again."""

    def __init__(self, account: Account, clock: Clock, take: Take) -> None:
        self._account, self._clock, self._take = account, clock, take
        self.trouble = ""  # why it could not be read the last time

    async def watch(self) -> None:
        """Visit it until cancelled; after a failure with growing pauses."""
        pause_s = EVERY_S
        while True:
            try:
                while await visit(self._account, self._take) == MAILS_MAX:
                    pass
                self.trouble, pause_s = "", EVERY_S
            except Exception as error:
                self.trouble = str(error)[:300] or type(error).__name__
                log.warning("a mailbox cannot be read", host=self._account.host, why=self.trouble)
                pause_s = min(2 * pause_s, AGAIN_MAX_S)
            await self._clock.sleep(pause_s)


async def visit(account: Account, take: Take) -> int:
    """Take in what is unread, at most MAILS_MAX mails, and mark it as seen: how many. Raises OSError."""
    session = await _opened(account)
    try:
        await session.say("LOGIN", _quoted(account.username), _quoted(account.password))
        await session.say("SELECT", _quoted(account.folder))
        uids = _found(await session.say("UID SEARCH UNSEEN"))[:MAILS_MAX]
        for uid in uids:
            answers = await session.say("UID FETCH", uid, f"(UID BODY.PEEK[]<0.{SIZE_MAX}>)")
            mail = next((literal for _, literal in answers if literal), b"")
            if mail:
                await take(mail)
            await session.say("UID STORE", uid, r"+FLAGS.SILENT (\Seen)")
        with suppress(*TROUBLE):
            await session.say("LOGOUT")
        return len(uids)
    except TROUBLE as error:
        if isinstance(error, ImapError):
            raise
        raise ImapError(f"the mailbox hung up: {str(error) or type(error).__name__}") from error
    finally:
        session.close()


class _Session:
    """One connection: commands one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._number = 0

    async def greeted(self) -> None:
        """The server speaks first, RFC 3501 §7.1."""
        async with asyncio.timeout(STEP_S):
            line, _ = await self._answer()
        if not line.upper().startswith((b"* OK", b"* PREAUTH")):
            raise ImapError(f"no greeting: {_shown(line)}")

    async def say(self, command: str, *words: str) -> list[tuple[bytes, bytes]]:
        """One command; its untagged answers, each as line and first literal. ImapError when refused."""
        self._number += 1
        tag = f"a{self._number}".encode()
        async with asyncio.timeout(STEP_S):
            self._writer.write(
                b" ".join((tag, *(word.encode("ascii") for word in (command, *words)))) + b"\r\n"
            )
            await self._writer.drain()
            answers: list[tuple[bytes, bytes]] = []
            while len(answers) <= ANSWERS_MAX:
                line, literal = await self._answer()
                status, _, rest = line.partition(b" ")
                if status != tag:
                    answers.append((line, literal))
                elif rest.upper().startswith(b"OK"):
                    return answers
                else:
                    raise ImapError(f"{command}: {_shown(rest)}")
        raise ImapError(f"{command}: more than {ANSWERS_MAX} answers")

    async def secure(self, context: ssl.SSLContext, host: str) -> None:
        """STARTTLS: what was said in clear before counts for nothing, RFC 3501 §6.2.1."""
        await self.say("STARTTLS")
        if self._reader._buffer:  # type: ignore[attr-defined]  # noqa: SLF001 - CVE-2021-38371: injected before TLS
            raise ImapError("STARTTLS: more was said before it began")
        await self._writer.start_tls(context, server_hostname=host)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def _answer(self) -> tuple[bytes, bytes]:
        """A line with what follows its literals; and the first of them."""
        line, first = b"", b""
        while True:
            line += await self._line()
            found = LITERAL.search(line)
            if found is None:
                return line.rstrip(b"\r\n"), first
            size = int(found[1])
            if size > SIZE_MAX or len(line) > LINE_MAX:
                raise ImapError(f"a literal of {size} bytes")
            literal = await self._reader.readexactly(size)
            first = first or literal

    async def _line(self) -> bytes:
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise ImapError("the server hung up")
        return line


async def _opened(account: Account) -> _Session:
    context = await asyncio.to_thread(_tls, account.verify_tls) if account.security != "none" else None
    try:
        async with asyncio.timeout(STEP_S):
            reader, writer = await asyncio.open_connection(
                account.host, account.port, limit=LINE_MAX, ssl=context if account.security == "tls" else None
            )
    except OSError as error:
        raise ImapError(f"cannot connect: {error or type(error).__name__}") from error
    session = _Session(reader, writer)
    try:
        await session.greeted()
        if account.security == "starttls" and context is not None:
            await session.secure(context, account.host)
    except BaseException:
        session.close()
        raise
    return session


def _tls(verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _found(answers: list[tuple[bytes, bytes]]) -> list[str]:
    """The UIDs of a search, the oldest first."""
    words = [word for line, _ in answers if line.upper().startswith(b"* SEARCH") for word in line.split()[2:]]
    return [word.decode() for word in sorted(filter(bytes.isdigit, words), key=int) if len(word) <= 10]


def _quoted(word: str) -> str:
    """A quoted string, RFC 3501 §9."""
    if not WORD.fullmatch(word):
        raise ImapError("a user name, password or folder is not of printable ASCII")
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _shown(line: bytes) -> str:
    return line[:200].decode("ascii", "replace").strip()
