"""Rows of a file in blocks, with the addresses of a block's newcomers in front, in the order of their index.

The index of addresses goes by their values, and a file comes in another order: each address of each row would
go to a page of its own, which is read, logged and written for that one entry. Of a block of sixty thousand
people in order several go to each page. So they are put in order here, beside the server, and come before the
rows of those whose they will be (`contacts/store/newcomers.py: reserve`).

All waits in files without a name until the block is whole, so that a block takes the memory of its
addresses alone, and none while it is sent. The first blocks are small, so that the server begins at once.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Queue
from shutil import copyfileobj
from tempfile import TemporaryFile
from threading import Thread
from typing import BinaryIO, Self

import msgspec

from angarium.contacts.newcomers import Cells, People

SHARE = 4  # a block is that part of the rows before it
ROWS_MIN, ROWS_MAX = 5_000, 64_000
BYTES_MAX = 256 << 20  # of its batches
PIECE = 6_000  # addresses that are written at once, in less than two batches of rows take
LENGTH_BYTES = 4
COPIED_BYTES = 64 << 10  # at once


_encode = msgspec.msgpack.Encoder().encode


class Reserved(msgspec.Struct, frozen=True, array_like=True, tag="reserved"):
    """Addresses of one kind that newcomers of the block to come will have."""

    begins: int  # with this piece a block of so many newcomers; 0: it has begun
    kind: str
    values: Cells
    owners: Cells  # whose each is, as a place among the newcomers of the block
    places: Cells  # and its place among theirs


class Block:
    """Batches that come together."""

    def __init__(self, folder: Path) -> None:
        self.newcomers = self.rows = self.bytes = 0
        self._addresses: dict[str, tuple[list[str], array[int], array[int]]] = {}
        self._front = TemporaryFile(dir=folder)  # noqa: SIM115  it is closed when it has been sent
        self._batches = TemporaryFile(dir=folder)  # noqa: SIM115  the same

    def add(self, rows: int, body: bytes, newcomers: People) -> None:
        """Take a batch of so many rows as it is to be sent, with its newcomers."""
        self._batches.write(framed(body))
        self.rows += rows
        self.bytes += len(body)
        for kind, values, owners, places in newcomers.owned():
            kept = self._addresses.get(kind)
            if kept is None:
                kept = self._addresses[kind] = [], array("I"), array("B")
            kept[0].extend(values)
            kept[1].extend([self.newcomers + owner for owner in owners])
            kept[2].extend(places)
        self.newcomers += len(newcomers.names)

    def is_whole(self, rows_before: int) -> bool:
        """Whether it is as large as one should be after so many rows."""
        wanted = min(max(rows_before // SHARE, ROWS_MIN), ROWS_MAX)
        return self.rows >= wanted or self.bytes >= BYTES_MAX

    def close(self) -> Self:
        """Nothing more comes: the addresses are put in order, and take no memory from now on."""
        for piece in self._reserved():
            self._front.write(framed(_encode(piece)))
        self._addresses.clear()
        return self

    def _reserved(self) -> Iterator[Reserved]:
        begins = self.newcomers
        for kind, (values, owners, places) in sorted(self._addresses.items()):
            order = sorted(range(len(values)), key=values.__getitem__)
            for start in range(0, len(order), PIECE):
                some = order[start : start + PIECE]
                own = [[cells[at] for at in some] for cells in (values, owners, places)]
                yield Reserved(begins, kind, *own)
                begins = 0
        if begins:  # none of them has any
            yield Reserved(begins, "", [], [], [])

    def send(self, sink: BinaryIO) -> None:
        """Send it, and let go of it."""
        for part in (self._front, self._batches):
            part.seek(0)
            copyfileobj(part, sink, COPIED_BYTES)
            part.close()

    def forget(self) -> None:
        """It is not to be sent."""
        for part in (self._front, self._batches):
            with suppress(OSError):  # what is not written yet has no room either
                part.close()


def framed(body: bytes) -> bytes:
    """A frame with its length before it."""
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


class Outlet:
    """Sends what it is given by a thread of its own: while the server takes a block, the next one is read."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._given: Queue[object] = Queue(1)
        self._failed: BaseException | None = None
        self._thread = Thread(target=self._send, name="outlet", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._given.put(None)
        self._thread.join()
        if self._failed is not None:
            raise self._failed

    def put(self, item: object) -> None:
        """Send a block or a frame; raises what kept the one before it from being sent."""
        if self._failed is not None:
            raise self._failed
        self._given.put(item)

    def _send(self) -> None:
        while (item := self._given.get()) is not None:
            if self._failed is not None:
                continue
            try:
                if isinstance(item, Block):
                    item.send(self._sink)
                else:
                    self._sink.write(framed(_encode(item)))
                self._sink.flush()
            except BaseException as error:
                self._failed = error
