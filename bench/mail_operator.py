"""A mail server that takes everything: as much of SMTP as a client needs (RFC 5321), and a ledger.

It reports nothing: 250 means that the next server has the mail, and that is all that most ever say.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from typing import cast

import uvloop

from bench.simulator import Count, Operator, Seen
from bench.talk import questions, say, told
from bench.traffic import number_of

WORDS = re.compile(rb"Your order \d+ ")
END = b"\r\n.\r\n"
HELLO = b"250-mail.bench.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 10485760\r\n"
ANSWERS = {
    b"EHLO": HELLO,
    b"HELO": b"250 mail.bench.example\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 bye\r\n",
}
FINE = b"250 2.0.0 fine\r\n"


class Post:
    """The ledger."""

    def __init__(self) -> None:
        self._copies: Counter[tuple[bytes, bytes]] = Counter()
        self._arrived: list[tuple[int, float]] = []

    def take(self, recipient: bytes, mail: bytes) -> None:
        """File a mail."""
        found = WORDS.search(mail)
        words = found[0] if found else b""
        self._copies[recipient, words] += 1
        self._arrived.append((number_of(words.decode()), time.time()))

    def count(self) -> Count:
        """The ledger's sums; what has arrived is where it was to go."""
        return Count(len(self._arrived), len(self._arrived) - len(self._copies), len(self._arrived))

    def seen(self) -> Seen:
        """When each mail arrived."""
        return Seen(len(self._arrived), self._arrived)


class Session(asyncio.Protocol):
    """One client."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._heard = bytearray()
        self._recipient = b""
        self._in_mail = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._transport.write(b"220 mail.bench.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Commands and mails, as many as there are."""
        self._heard += data
        said = bytearray()
        while (piece := self._piece()) is not None:
            said += self._answer(piece)
        self._transport.write(said)

    def _piece(self) -> bytes | None:
        """The next line, or the whole mail."""
        end = END if self._in_mail else b"\r\n"
        at = self._heard.find(end)
        if at < 0:
            return None
        piece = bytes(self._heard[:at])
        del self._heard[: at + len(end)]
        return piece

    def _answer(self, piece: bytes) -> bytes:
        if self._in_mail:
            self._in_mail = False
            self._post.take(self._recipient, piece)
            return FINE
        word = piece[:4].upper()
        self._in_mail = word == b"DATA"
        if word == b"RCPT":
            self._recipient = piece.partition(b"<")[2].partition(b">")[0]
        return ANSWERS.get(word, FINE)


async def main() -> None:
    """Take mail until the leader has no more questions."""
    post, port = Post(), told(Operator).port
    server = await asyncio.get_running_loop().create_server(lambda: Session(post), "127.0.0.1", port)
    say({"port": server.sockets[0].getsockname()[1]})
    async for question in questions():
        say(post.seen() if question == "arrivals" else post.count())
    server.close()


if __name__ == "__main__":
    uvloop.run(main())
