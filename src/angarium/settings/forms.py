"""What several forms of the settings have in common: reach, problems at their fields, what was done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Annotated, Any, cast

import msgspec

from angarium.accounts import edge, reach
from angarium.accounts.edge import Call
from angarium.accounts.pages import fields_of
from angarium.accounts.reach import Reach
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.problems import Problem
from angarium.core.values import MessageClass
from angarium.messaging.api import Desk
from angarium.messaging.world import World

Word = Annotated[str, msgspec.Meta(max_length=200)]


class DoneQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was done a moment ago, for the words that say so."""

    done: Word = ""


DONE = Shape(DoneQuery)


def done(request: Call) -> str:
    """What was done a moment ago."""
    return DONE.read_query(request.scope["query_string"]).done


def world_of(request: Call) -> World:
    """The world of messages."""
    return cast("Desk", request.scope["litestar_app"].state.messages).world


def lines_of(request: Call) -> list[dict[str, str]]:
    """The lines of the workspace as a form offers them."""
    found = world_of(request).lines.of(request.auth.workspace_id)
    return [{"id": ids.show("line", line.id), "name": line.name} for line in found]


async def reach_in(request: Call) -> Reach:
    """How far a form lets somebody go; a Problem when it names what there is not."""
    classes = tuple(MessageClass(one) for one in fields_of(request, "classes") if one in set(MessageClass))
    lines = tuple(fields_of(request, "lines"))
    extent = reach.given(classes or None, lines or None)
    await edge.require_lines(request, extent)
    return extent


def form_facts(typed: Mapping[str, str], problem: Problem | None) -> dict[str, Any]:
    """What a form needs to be shown again: what was typed, and what is wrong, above it and at its fields."""
    told = as_told(problem)
    return {
        "typed": defaultdict(str, typed),
        "problem": told,
        "at": defaultdict(str, told["at"] if told else {}),
    }


def as_told(problem: Problem | None) -> dict[str, Any] | None:
    """A problem as pages show it, with what is wrong by field under `at`."""
    if problem is None:
        return None
    errors = [msgspec.to_builtins(one) for one in problem.fields]
    return {
        "title": problem.title,
        "slug": problem.slug,
        "detail": problem.detail if not errors else "",
        "errors": errors,
        "at": {one.field: ": ".join(filter(None, (one.problem, one.remedy))) for one in problem.fields},
    }
