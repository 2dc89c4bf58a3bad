"""The HTML edge of setting up a new server: who owns it, and what its first workspace is called."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import available_timezones

import msgspec

from angarium.accounts import setup
from angarium.accounts import store as accounts
from angarium.accounts.edge import Call, Operation, Sent, ground_of, route
from angarium.accounts.entry_pages import let_in, reception_of, visit_of
from angarium.accounts.pages import HtmlAnswer, form_of, problem_told, redirect, wrong_of
from angarium.accounts.setup import FirstInput
from angarium.core.decoding import Shape
from angarium.core.problems import Problem
from angarium.storage.database import Conflict

ONWARD = "/setup/line"


class SetupQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token that the server printed."""

    token: Annotated[str, msgspec.Meta(max_length=200)] = ""


FIELDS = {"token": "proof"}  # a form has a token of its own
QUERY = Shape(SetupQuery, secret=("token",))


@route("GET /setup", Operation(summary="Set a new server up", scope=None, asks=QUERY, page=True))
async def first(request: Call) -> Sent:
    """Who owns it; once somebody is here, the door."""
    if not await ground_of(request).db.read(setup.is_new):
        return redirect("/enter")
    given = FirstInput(token=QUERY.read_query(request.scope["query_string"]).token, time_zone="")
    return await _form(request, given, None)


@route("POST /setup", Operation(summary="Become the owner", scope=None, page=True))
async def begin(request: Call) -> Sent:
    """In, as the owner; or the form again, with what is wrong."""
    form, ground = form_of(request), ground_of(request)
    names = FirstInput.__struct_fields__
    said = {name: form.get(FIELDS.get(name, name), "")[:500] for name in names}
    given = FirstInput(**said)
    try:
        entered = await setup.begin(ground, reception_of(request), given, visit_of(request))
    except Conflict:
        return redirect("/enter")
    except Problem as problem:
        if problem.status == 409:
            return redirect("/enter")
        return await _form(request, given, problem)
    return let_in(request, entered, ONWARD)


async def _form(request: Call, given: FirstInput, problem: Problem | None) -> HtmlAnswer:
    known = await ground_of(request).db.read(accounts.workspaces)
    facts = {
        "given": given,
        "workspace": given.workspace or (known[0].name if known else ""),
        "zones": [(zone, zone) for zone in sorted(available_timezones()) if "/" in zone or zone == "UTC"],
        "problem": problem_told(problem),
        "wrong": wrong_of(problem),
    }
    return HtmlAnswer("accounts/setup.html", facts, status=problem.status if problem else 200)


HANDLERS = (first, begin)
