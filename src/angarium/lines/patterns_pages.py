"""The HTML edge of patterns: those of a line, one of them, many from a file, a text tried against them."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, Streamed, ground_of, route
from angarium.accounts.pages import HtmlAnswer, form_of, problem_told, redirect, wrong_of
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.problems import Problem, invalid
from angarium.core.values import MessageClass
from angarium.lines import flows as line_flows
from angarium.lines import patterns_flows as flows
from angarium.lines.edge import within_reach
from angarium.lines.patterns_flows import Imported, PatternInput, Tried
from angarium.lines.rules import TOPIC
from angarium.lines.store import Line
from angarium.lines.store.patterns import PatternState, Registered
from angarium.storage.database import Conflict, Transaction

UNDER = "/lines/{line_id}/patterns"
ONE = UNDER + "/{pattern_id}"
PAGE = 100  # patterns on a page
COLUMNS = ("name", "class", "syntax", "text", "external_id", "state", "limits")
Text = Annotated[str, msgspec.Meta(max_length=300)]


class PatternsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which patterns; and a text that is tried, as what it would be sent."""

    state: Text = ""
    message_class: Text = msgspec.field(name="class", default="")
    cursor: Text = ""
    text: Annotated[str, msgspec.Meta(max_length=10_000)] = ""
    sent_as: Text = msgspec.field(name="as", default="")
    done: Text = ""


QUERY = Shape(PatternsQuery)
PATTERN = Shape(PatternInput)


@route(f"GET {UNDER}", Operation(summary="Patterns", scope="setup:read", asks=QUERY, page=True))
async def list_patterns(request: Call) -> Sent:
    """The templates that the operator registered for the line."""
    return await _list(request, {}, None)


async def _list(
    request: Call, typed: Mapping[str, str], problem: Problem | None, imported: Imported | None = None
) -> HtmlAnswer:
    asked = request.scope["method"] == "GET"
    query = QUERY.read_query(request.scope["query_string"]) if asked else PatternsQuery()
    line, ground = await _line(request), ground_of(request)
    found = await flows.of_line(ground, request.auth.workspace_id, line.id, query.state, query.message_class)
    page = edge.PageQuery(query.cursor, PAGE)
    some, following = edge.piece(found, page, lambda one: one.id)
    filters = {"state": query.state, "class": query.message_class}
    facts = {
        **_about(line),
        "rows": [{"id": ids.show("pattern", one.id), "one": one} for one in some],
        "count": len(found),
        "query": query,
        "older": _query({**filters, "cursor": following}) if following else "",
        "newest": _query(filters) if query.cursor else "",
        "tried": await _tried(request, line, query) if query.text.strip() else None,
        "typed": typed,
        "imported": imported,
        "problem": problem_told(problem),
        "wrong": wrong_of(problem),
    }
    return HtmlAnswer("lines/patterns.html", facts, status=problem.status if problem else 200)


def _query(asked: Mapping[str, str]) -> str:
    """The query of an address, without what is empty."""
    return "?" + urlencode({name: value for name, value in asked.items() if value})


def _about(line: Line) -> dict[str, Any]:
    return {
        "line": line,
        "line_id": ids.show("line", line.id),
        "classes": list(MessageClass),
        "states": list(PatternState),
        "syntaxes": [(one.key, one.title) for one in flows.syntaxes().values()],
    }


async def _tried(request: Call, line: Line, query: PatternsQuery) -> Tried | None:
    if query.sent_as not in list(MessageClass):
        return None
    return await flows.tried(
        ground_of(request), request.auth.workspace_id, line.id, MessageClass(query.sent_as), query.text
    )


# ── one ──────────────────────────────────────────────────────────────────────────────────────────────


@route(f"POST {UNDER}", Operation(summary="Add a pattern", scope="setup:write", page=True))
async def add(request: Call) -> Sent:
    """A new pattern; or the page again, with what is wrong."""
    line, ground, caller = await _line(request), ground_of(request), request.auth
    await within_reach(request, line.id)
    form = form_of(request)

    async def work(tx: Transaction) -> Registered:
        return await flows.create(
            tx, ground, caller.workspace_id, line.id, given, caller.actor, caller.scopes
        )

    try:
        given = _given(form)
        await ground.db.run(work)
    except Conflict:
        return await _list(request, form, flows.taken(form.get("name", "")))
    except Problem as problem:
        return await _list(request, form, problem)
    ground.fabric.wake(TOPIC)
    return redirect(f"/lines/{ids.show('line', line.id)}/patterns?done=added")


def _given(form: Mapping[str, str]) -> PatternInput:
    """A pattern as a form describes it."""
    told: dict[str, Any] = {name: form.get(name, "").strip() for name in COLUMNS if name != "limits"}
    told |= {"reason": form.get("reason", "").strip(), "state": form.get("state", "") or "draft"}
    limits = form.get("limits", "").strip()
    if limits:
        try:
            told["limits"] = msgspec.json.decode(limits)
        except msgspec.DecodeError:
            raise invalid(
                "limits", "is not JSON", value=limits, remedy='such as {"0": {"chars": 20}}'
            ) from None
    return PATTERN.read(msgspec.json.encode(told))


@route(f"GET {ONE}", Operation(summary="A pattern", scope="setup:read", page=True))
async def show_pattern(request: Call) -> Sent:
    """One pattern, to be looked at or changed."""
    line, one = await _one(request)
    return _form(line, one, _as_form(one), None)


def _as_form(one: Registered) -> dict[str, str]:
    return {
        "name": one.name,
        "class": one.message_class.value,
        "syntax": one.syntax,
        "text": one.text,
        "external_id": one.external_id,
        "state": one.state.value,
        "reason": one.reason,
        "limits": msgspec.json.encode(one.limits).decode() if one.limits else "",
    }


def _form(line: Line, one: Registered, typed: Mapping[str, str], problem: Problem | None) -> HtmlAnswer:
    facts = {
        **_about(line),
        "id": ids.show("pattern", one.id),
        "one": one,
        "typed": typed,
        "problem": problem_told(problem),
        "wrong": wrong_of(problem),
    }
    return HtmlAnswer("lines/pattern.html", facts, status=problem.status if problem else 200)


@route(f"POST {ONE}", Operation(summary="Change a pattern", scope="setup:write", page=True))
async def change(request: Call) -> Sent:
    """As it is described now; what is queued is judged by it before it leaves."""
    line, one = await _one(request)
    await within_reach(request, line.id)
    form, caller = form_of(request), request.auth
    try:
        await flows.change(
            ground_of(request),
            caller.workspace_id,
            line.id,
            one.id,
            _given(form),
            caller.actor,
            caller.scopes,
        )
    except Conflict:
        return _form(line, one, form, flows.taken(form.get("name", "")))
    except Problem as problem:
        return _form(line, one, form, problem)
    return redirect(f"/lines/{ids.show('line', line.id)}/patterns?done=changed")


@route(f"POST {ONE}/delete", Operation(summary="Delete a pattern", scope="setup:write", page=True))
async def delete(request: Call) -> Sent:
    """What fits no other goes no more."""
    line, one = await _one(request)
    await within_reach(request, line.id)
    caller = request.auth
    await flows.delete(ground_of(request), caller.workspace_id, line.id, one.id, caller.actor)
    return redirect(f"/lines/{ids.show('line', line.id)}/patterns?done=gone")


# ── many ─────────────────────────────────────────────────────────────────────────────────────────────


@route(f"POST {UNDER}/import", Operation(summary="Bring patterns in", scope="setup:write", page=True))
async def bring_in(request: Call) -> Sent:
    """The rows of a CSV file: looked at, or written."""
    line, form, caller = await _line(request), form_of(request), request.auth
    await within_reach(request, line.id)
    try:
        body = form.get("csv", "").encode()
        if not body.strip():
            raise invalid("csv", "is empty", remedy="choose a file, or paste its lines")
        done = await flows.bring_in(
            ground_of(request),
            caller.workspace_id,
            line.id,
            flows.read_csv(body, PATTERN.read),
            caller.actor,
            caller.scopes,
            dry_run=not form.get("write"),
        )
    except Problem as problem:
        return await _list(request, form, problem)
    return await _list(request, form if done.dry_run or done.wrong else {}, None, done)


@route(f"GET {UNDER}/csv", Operation(summary="Patterns as a file", scope="setup:read", page=True))
async def take_along(request: Call) -> Sent:
    """The patterns as a CSV file that can be changed and brought in again."""
    line = await _line(request)
    found = await flows.of_line(ground_of(request), request.auth.workspace_id, line.id)
    return Streamed(_pieces(found), "text/csv; charset=utf-8", f"{line.name}-patterns.csv")


async def _pieces(found: Sequence[Registered]) -> AsyncIterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for one in found:
        written = _as_form(one)
        writer.writerow([written[name] for name in COLUMNS])
    yield buffer.getvalue()


async def _line(request: Call) -> Line:
    line_id = edge.id_in_path(request, "line")
    return await line_flows.get(ground_of(request), request.auth.workspace_id, line_id)


async def _one(request: Call) -> tuple[Line, Registered]:
    line, pattern_id = await _line(request), edge.id_in_path(request, "pattern")
    return line, await flows.get(ground_of(request), request.auth.workspace_id, line.id, pattern_id)


HANDLERS = (list_patterns, add, show_pattern, change, delete, bring_in, take_along)
