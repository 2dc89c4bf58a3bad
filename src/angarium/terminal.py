"""What the commands share: settings, a database to work on, and an end in words when something is wrong."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from angarium.config import Settings
from angarium.config import load as load_settings
from angarium.core.clock import iso
from angarium.core.problems import Problem

if TYPE_CHECKING:
    from angarium.accounts.store import Workspace
    from angarium.storage.ground import Ground

out, err = Console(), Console(stderr=True)


def whole(header: str) -> Column:
    """A column whose values are never cut, however narrow the place is: the next command wants them."""
    return Column(header, no_wrap=True, overflow="ignore")


def table(*columns: str | Column) -> Table:
    """A table that says all it has to say: in a narrow place values go on below, and are not cut."""
    return Table(*(Column(one, overflow="fold") if isinstance(one, str) else one for one in columns))


def moment(at: int) -> str:
    """An instant to the minute, in UTC, which a narrow column breaks between the day and the hour."""
    return f"{iso(at)[:16].replace('T', ' ')}Z"


def settings_of(context: click.Context, **over: Any) -> Settings:
    """The settings in force, but for `over`; the command ends when they are not valid."""
    try:
        return load_settings(context.find_root().obj, **over)
    except Problem as problem:
        give_up(problem)


def give_up(problem: Problem) -> NoReturn:
    """Say what is wrong, with each field and its remedy, and end with status 1."""
    err.print(f"[red]{escape(problem.title)}[/]  {escape(problem.detail)}", soft_wrap=True)
    for field in problem.fields:
        value = f" (it is {field.value!r})" if field.value else ""
        told = f"{escape(field.problem.rstrip('.') + value)}. {escape(field.remedy)}"
        err.print(f"  [bold]{escape(field.field)}[/] {told}", soft_wrap=True)
    sys.exit(1)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run it to its end; a Problem is told."""
    try:
        return asyncio.run(work)
    except Problem as problem:
        give_up(problem)
    except KeyboardInterrupt:
        sys.exit(130)


async def with_ground(settings: Settings, work: Any) -> Any:
    """Run something on the database, which is migrated first; what it noted is sealed."""
    from angarium.accounts import notary
    from angarium.assembly import make_ground, prepare

    await prepare(settings)
    ground = make_ground(settings)
    await ground.db.start()
    try:
        done = await work(ground)
        await notary.seal_everything(ground, notary.anchors_beside(settings.key_file))
        return done
    finally:
        await ground.db.stop()


async def workspace(ground: Ground, name: str, *, new: bool = False) -> Workspace:
    """The workspace of this name; made if it may be, else a Problem when there is none."""
    from angarium.accounts import flows, store

    known = {one.name: one for one in await ground.db.read(store.workspaces)}
    if name in known:
        return known[name]
    if new:
        return await flows.create_workspace(ground, name)
    return await flows.workspace_named(ground, name)
