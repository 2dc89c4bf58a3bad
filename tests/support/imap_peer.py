"""An IMAP server as small as can be: one folder, LOGIN to LOGOUT. Python's imaplib agrees with it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

FETCH = re.compile(r"UID FETCH (\d+) \(UID BODY\.PEEK\[\](?:<0\.(\d+)>)?\)", re.IGNORECASE)
STORE = re.compile(r"UID STORE (\d+) \+FLAGS(?:\.SILENT)? \(?\\Seen\)?", re.IGNORECASE)


class ImapPeer:
    """`mails` by UID; `seen` of them; `says` takes the place of the answer to a command that begins so."""

    def __init__(self, *mails: bytes) -> None:
        self.mails = dict(enumerate(mails, 11))
        self.seen: set[int] = set()
        self.says: dict[str, bytes] = {}
        self.said: list[str] = []
        self.port = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        self.writers.append(writer)
        writer.write(b"* OK ready\r\n")
        while line := (await reader.readline()).decode().strip():
            tag, _, command = line.partition(" ")
            self.said.append(command)
            scripted = next((says for begin, says in self.says.items() if command.startswith(begin)), None)
            if scripted is not None:
                writer.write(scripted.replace(b"TAG", tag.encode()))
            else:
                writer.write(self._answer(command) + f"{tag} OK done\r\n".encode())
            await writer.drain()
        writer.close()

    def _answer(self, command: str) -> bytes:
        if command == "UID SEARCH UNSEEN":
            return f"* SEARCH {' '.join(str(uid) for uid in self.mails if uid not in self.seen)}\r\n".encode()
        if command == "CAPABILITY":
            return b"* CAPABILITY IMAP4rev1\r\n"
        if command.startswith("SELECT"):
            return f"* {len(self.mails)} EXISTS\r\n".encode()
        if found := FETCH.fullmatch(command):
            mail = self.mails[int(found[1])][: int(found[2] or 10**9)]
            return f"* 1 FETCH (UID {found[1]} BODY[]<0> {{{len(mail)}}}\r\n".encode() + mail + b")\r\n"
        if found := STORE.fullmatch(command):
            self.seen.add(int(found[1]))
        return b""


@asynccontextmanager
async def imap_peer(*mails: bytes) -> AsyncIterator[ImapPeer]:
    peer = ImapPeer(*mails)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for writer in peer.writers:
            writer.close()
            await writer.wait_closed()
