"""Filters of the long lists of the settings find what fits, in order and page by page, on both databases."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any, TypeVar

import pytest

from angarium.accounts.store import audit
from angarium.accounts.store.audit import Wanted
from angarium.contacts.store import suppressions
from angarium.contacts.store.suppressions import Filter
from angarium.contacts.suppression import Why
from angarium.core.values import AddressKind
from angarium.storage.database import Database

T = TypeVar("T")
MINE, OTHER = 1, 2
REASONS = (Why.OPT_OUT, Why.COMPLAINT)
KINDS = (AddressKind.PHONE, AddressKind.EMAIL)
SOURCES = ("mci", "رایتل", "zz")
LINES = (0, 7)
NOWHERE = "hard_bounce"


def entries() -> list[suppressions.Entry]:
    """Three of each group, one after the other, but for a group that is not there."""
    groups = [one for one in product(REASONS, KINDS, SOURCES, LINES) if one[1:] != (KINDS[1], "zz", 7)] * 3
    return [
        suppressions.Entry(
            hash=f"h{at}", why=why, id=at + 1, kind=kind, value="v", line_id=line, source=source, created_at=1
        )
        for at, (why, kind, source, line) in enumerate(groups)
    ]


async def paged(of: Callable[[int], Awaitable[list[T]]], key: Callable[[T], int], start: int) -> list[int]:
    """The keys of a list that is read five at a time."""
    found: list[int] = []
    while page := await of(found[-1] if found else start):
        assert len(page) <= 5
        found += map(key, page)
    return found


@pytest.mark.parametrize("groups_max", [500, 3], ids=["by groups", "by ids alone"])
async def test_entries_of_the_suppression_list(
    database: Database, groups_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppressions, "GROUPS_MAX", groups_max)
    all_of_them = entries()
    await database.run(suppressions.put, MINE, all_of_them)
    await database.run(suppressions.put, OTHER, all_of_them[:1])
    asked = product(("", *REASONS, NOWHERE), ("", *KINDS), ("", SOURCES[1], "zz"), (None, 0, 7))
    for reason, kind, source, line in asked:
        wanted = Filter(str(reason), str(kind), source, line)

        async def page(after: int, wanted: Filter = wanted) -> list[suppressions.Entry]:
            return await database.read(suppressions.page, MINE, wanted, after, 5)

        expected = [
            one.id
            for one in all_of_them
            if (not reason or one.why == reason)
            and (not kind or one.kind == kind)
            and (not source or one.source == source)
            and (line is None or one.line_id == line)
        ]
        assert await paged(page, lambda one: one.id, 0) == expected, wanted


MINUTE = 60_000_000


def noted(number: int) -> audit.Entry:
    """A row of the log; time and number do not quite agree."""
    actor, action, subject = f"per_{number % 2}", f"line.{number % 3}", f"lin_{number % 5}"
    at = (100 + 6 * number - 13 * (number % 3)) * MINUTE
    return audit.Entry(number, at, actor, action, subject, "{}", b"", b"", b"")


async def test_rows_of_the_audit_log(database: Database) -> None:
    rows = [noted(number) for number in range(1, 41)]

    async def write(tx: Any) -> None:
        for one in rows:
            await audit.append(tx, MINE, one)
        await audit.append(tx, OTHER, rows[0])

    await database.run(write)
    for actor, action, subject in product(
        ("", "per_1", "cli"), ("", "line.2", "line.9"), ("", "lin_3", "lin_x")
    ):
        for from_, until in (
            (0, 1 << 62),
            (200 * MINUTE, 260 * MINUTE),
            (900 * MINUTE, 990 * MINUTE),
            (0, MINUTE),
        ):
            wanted = Wanted(actor, action, subject, from_, until)

            async def page(before: int, wanted: Wanted = wanted) -> list[audit.Entry]:
                return await database.read(audit.page, MINE, wanted, before, 5)

            expected = [
                one.number
                for one in reversed(rows)
                if actor in ("", one.actor) and action in ("", one.action) and subject in ("", one.subject)
                if from_ <= one.at < until
            ]
            assert await paged(page, lambda one: one.number, 1 << 62) == expected, wanted
