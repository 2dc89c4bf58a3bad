"""Passwords: which are taken, and their hashes, which are made on threads of their own.

argon2id with 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet, 2025). A hash takes some
tens of milliseconds of a core, so two threads make them and no more than `WAITING_MAX` wait: sign-ins
cannot starve the event loop, nor memory. What a password must be is NIST SP 800-63B-4 §3.1.1.2: its length,
and that it is none of those that are tried first; nothing about kinds of characters.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from itertools import pairwise
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from angarium.core.problems import Problem, invalid

T = TypeVar("T")

LENGTH_MIN, LENGTH_MAX = 12, 128  # characters
THREADS = 2
WAITING_MAX = 64
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def check(password: str, field: str, *about: str) -> str:
    """A password as it is hashed; a Problem when it is not good. `about`: words that say who it is of."""
    hashed = plain(password)
    if not LENGTH_MIN <= len(hashed) <= LENGTH_MAX:
        remedy = f"{LENGTH_MIN} to {LENGTH_MAX} characters, such as four words that do not belong together"
        raise invalid(field, "is too short or too long", remedy=remedy)
    if is_common(hashed, *about):
        raise invalid(field, "is one of the first that are tried", remedy="choose another one")
    return hashed


def plain(password: str) -> str:
    """A password as it is hashed, however its characters were composed."""
    return unicodedata.normalize("NFKC", password[: LENGTH_MAX * 4])


def is_common(text: str, *about: str) -> bool:
    """Whether it is on the list, has few characters, goes up or down a row, or is made of who it is of."""
    low = text.casefold()
    steps = {ord(after) - ord(before) for before, after in pairwise(low)}
    told = [word.casefold() for one in about for word in (one, one.partition("@")[0]) if len(word) >= 4]
    left = low
    for word in told:
        left = left.replace(word, "")
    return (
        low in _common()
        or len(set(low)) < 5
        or steps <= {1}
        or steps <= {-1}
        or (left != low and len(left) < LENGTH_MIN - 4)
        or any(low == half * (len(low) // len(half)) for half in (low[:n] for n in range(1, 5)))
    )


def _common() -> frozenset[str]:
    """The list: what stands at the top of lists of leaked passwords and is long enough."""
    return frozenset(files(__package__).joinpath("common_passwords.txt").read_text("utf-8").split())


class Passwords:
    """Makes and compares hashes."""

    def __init__(self, hasher: PasswordHasher = HASHER) -> None:
        self._hasher = hasher
        self._threads = ThreadPoolExecutor(THREADS, "password")
        self._waiting = 0
        self._nobodys = ""  # a hash to be compared with where there is no person, so that it takes as long

    async def hashed(self, text: str) -> str:
        """The hash of a password, with its parameters and salt."""
        return await self._on_thread(lambda: self._hasher.hash(text))

    async def fits(self, kept: str | None, password: str) -> bool:
        """Whether a password is the one of a hash. It takes as long without one, and then it does not fit."""
        if not self._nobodys:
            self._nobodys = await self.hashed("nobody has this password")
        against = kept or self._nobodys
        given = plain(password)

        def compare() -> bool:
            try:
                return self._hasher.verify(against, given)
            except (Argon2Error, InvalidHashError):
                return False

        return await self._on_thread(compare) and kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether it was made with other parameters than are used now."""
        return self._hasher.check_needs_rehash(kept)

    async def _on_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_MAX:
            raise Problem(
                "signing-in-crowded",
                "Too many are signing in",
                status=503,
                detail="Their passwords are being compared. Try again in a moment.",
                retry_after_s=5,
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)
