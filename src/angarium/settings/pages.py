"""The HTML edge of the settings: where they begin, the workspace, and the audit log with its check."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from http import HTTPStatus
from typing import Annotated, Any
from zoneinfo import available_timezones

import msgspec

from angarium.accounts import audit_api, edge, flows, notary
from angarium.accounts import store as accounts
from angarium.accounts.actors import names
from angarium.accounts.edge import Call, Operation, Sent, ground_of, route
from angarium.accounts.pages import HtmlAnswer, form_of, redirect
from angarium.accounts.store import audit as store
from angarium.accounts.store.audit import Entry, Wanted
from angarium.core import ids
from angarium.core.clock import from_datetime
from angarium.core.days import begins, ends
from angarium.core.decoding import Shape
from angarium.core.problems import Problem
from angarium.settings.forms import DONE, Word, done, form_facts
from angarium.settings.who import WORDS
from angarium.storage.database import Transaction

PAGE_ROWS = 50
EXPORT_ROWS = 500
FOREVER = 1 << 62


class AuditQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which rows: each word must be whole; days are whole ones in UTC, and an empty one is none."""

    actor: Word = ""
    action: Word = ""
    subject: Word = ""
    since: Word = ""
    until: Word = ""
    before: Annotated[int, msgspec.Meta(ge=1)] = FOREVER


AUDIT = Shape(AuditQuery)


@route("GET /settings", Operation(summary="Settings", scope="setup:read", asks=DONE, page=True))
async def settings(request: Call) -> Sent:
    """What can be set, and the workspace itself."""
    return await _settings(request, {}, None, done(request))


async def _settings(
    request: Call, typed: Mapping[str, str], problem: Problem | None, said: str = ""
) -> HtmlAnswer:
    workspace = await _workspace(request)
    facts = {
        **form_facts({"time_zone": workspace.time_zone, **typed}, problem),
        "workspace": workspace,
        "workspace_id": ids.show("workspace", workspace.id),
        "zones": sorted(available_timezones()),
        "done": said,
    }
    return HtmlAnswer("settings/settings.html", facts, status=problem.status if problem else 200)


async def _workspace(request: Call) -> accounts.Workspace:
    return await ground_of(request).db.read(flows.workspace, request.auth.workspace_id)


@route("POST /settings", Operation(summary="Change the workspace", scope="setup:write", page=True))
async def change_workspace(request: Call) -> Sent:
    """Its time zone, for what is decided from then on."""
    form, caller = form_of(request), request.auth
    zone = form.get("time_zone", "").strip()[:100]
    try:
        await flows.change_workspace(ground_of(request), caller.workspace_id, zone, caller.actor)
    except Problem as problem:
        if problem.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            raise
        return await _settings(request, form, problem)
    return redirect("/settings?done=workspace")


# ── who did what ─────────────────────────────────────────────────────────────────────────────────────


@route("GET /settings/audit", Operation(summary="Audit log", scope="audit:read", asks=AUDIT, page=True))
async def audit_log(request: Call) -> Sent:
    """Who did what, the newest first."""
    query = AUDIT.read_query(request.scope["query_string"])
    workspace_id = request.auth.workspace_id

    async def look(tx: Transaction) -> tuple[list[Entry], dict[str, str]]:
        found = await store.page(tx, workspace_id, _wanted(query), query.before, PAGE_ROWS + 1)
        return found, await names(tx, workspace_id)

    found, known = await ground_of(request).db.read(look)
    facts = {
        "rows": [_row(one, known) for one in found[:PAGE_ROWS]],
        "older": found[PAGE_ROWS - 1].number if len(found) > PAGE_ROWS else 0,
        "asked": query,
        "filtered": bool(query.actor or query.action or query.subject or query.since or query.until),
        "first": query.before == FOREVER,
    }
    return HtmlAnswer("settings/audit.html", facts)


def _wanted(query: AuditQuery) -> Wanted:
    since, until = begins(query.since, UTC), ends(query.until, UTC)
    return Wanted(
        query.actor.strip(),
        query.action.strip(),
        query.subject.strip(),
        0 if since is None else from_datetime(since),
        FOREVER if until is None else from_datetime(until),
    )


def _row(one: Entry, known: dict[str, str]) -> dict[str, Any]:
    told = audit_api.shown(one)
    details = told.details or {}
    return {
        "number": one.number,
        "at": one.at,
        "actor": one.actor,
        "who": known.get(one.actor, ""),
        "by_words": WORDS.get(one.actor, ""),
        "action": one.action,
        "subject": one.subject,
        "erased": told.details is None,
        "changes": [_change(name, value) for name, value in details.items()],
        "hash": told.hash,
    }


def _change(name: str, value: Any) -> dict[str, Any]:
    """A detail as it is shown: from and to where it tells of a change."""
    if isinstance(value, list) and len(value) == 2:
        return {"name": name, "before": _text(value[0]), "after": _text(value[1]), "is_change": True}
    return {"name": name, "before": "", "after": _text(value), "is_change": False}


def _text(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


@route("GET /settings/audit/check", Operation(summary="Check the audit log", scope="audit:read", page=True))
async def check_audit(request: Call) -> Sent:
    """Go through the whole log; a piece of the page."""
    verdict = await notary.verify(ground_of(request), await _workspace(request))
    return HtmlAnswer("settings/audit_check.html", {"verdict": verdict})


@route(
    "GET /settings/audit/export",
    Operation(summary="Export the audit log", scope="audit:read", asks=AUDIT, page=True),
)
async def export_audit(request: Call) -> Sent:
    """All rows that fit, as lines of JSON, as `GET /v1/audit` has them."""
    query = AUDIT.read_query(request.scope["query_string"])
    ground, workspace_id, wanted = ground_of(request), request.auth.workspace_id, _wanted(query)

    async def lines() -> Any:
        before = FOREVER
        while found := await ground.db.read(store.page, workspace_id, wanted, before, EXPORT_ROWS):
            yield "".join(msgspec.json.encode(audit_api.shown(one)).decode() + "\n" for one in found)
            before = found[-1].number

    return edge.Streamed(lines(), "application/x-ndjson", "audit.jsonl")


HANDLERS = (settings, change_workspace, audit_log, check_audit, export_audit)
