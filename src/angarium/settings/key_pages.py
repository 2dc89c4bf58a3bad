"""The HTML edge of API keys: who has which, make one, replace one, revoke one."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from angarium.accounts import flows, reach
from angarium.accounts import store as accounts
from angarium.accounts.actors import names
from angarium.accounts.edge import Call, Operation, Sent, ground_of, id_in_path, route
from angarium.accounts.pages import HtmlAnswer, fields_of, form_of, redirect
from angarium.accounts.rules import SCOPES
from angarium.accounts.store import ApiKey
from angarium.core import ids
from angarium.core.clock import from_datetime
from angarium.core.problems import Problem, invalid, not_found
from angarium.settings.forms import DONE, done, form_facts, lines_of, reach_in
from angarium.settings.who import WORDS
from angarium.storage.database import Transaction

KEYS = "/settings/keys"
OVERLAP_S = 86_400.0  # how long the old one is good beside the new


@route("GET /settings/keys", Operation(summary="API keys", scope="setup:write", asks=DONE, page=True))
async def list_keys(request: Call) -> Sent:
    """Those that are live, and those that were."""
    workspace_id, now = request.auth.workspace_id, ground_of(request).clock.now()

    async def look(tx: Transaction) -> tuple[list[ApiKey], dict[str, str]]:
        return await accounts.keys(tx, workspace_id), await names(tx, workspace_id)

    found, known = await ground_of(request).db.read(look)
    line_names = {one["id"]: one["name"] for one in lines_of(request)}
    shown = [_shown(one, known, line_names, now) for one in reversed(found)]
    facts = {
        "live": [one for one in shown if one["live"]],
        "gone": [one for one in shown if not one["live"]],
        "done": done(request),
    }
    return HtmlAnswer("settings/keys.html", facts)


def _shown(one: ApiKey, known: dict[str, str], line_names: dict[str, str], now: int) -> dict[str, Any]:
    over = one.expires_at is not None and one.expires_at <= now
    lines = reach.shown_lines(one.reach) or []
    return {
        "id": ids.show("api_key", one.id),
        "name": one.name,
        "scopes": [scope for scope in SCOPES if scope in one.scopes],
        "classes": [each.value for each in reach.shown_classes(one.reach) or []],
        "line_names": [line_names.get(each, each) for each in lines],
        "created_at": one.created_at,
        "created_by": one.created_by,
        "who": known.get(one.created_by, ""),
        "by_words": WORDS.get(one.created_by, ""),
        "expires_at": one.expires_at,
        "revoked_at": one.revoked_at,
        "last_used_at": one.last_used_at,
        "live": one.revoked_at is None and not over,
    }


@route(
    "GET /settings/keys/new",
    Operation(summary="A new API key", scope="setup:write", careful=True, page=True),
)
async def new_key(request: Call) -> Sent:
    """A form."""
    return _form(request, {}, [], None)


def _form(request: Call, typed: dict[str, str], chosen: list[str], problem: Problem | None) -> HtmlAnswer:
    may = request.auth.scopes
    facts = {
        **form_facts(typed, problem),
        "chosen": chosen,
        "scopes": [(one, f"settings_scope.{one.replace(':', '_')}") for one in SCOPES if one in may],
        "lines": lines_of(request),
    }
    return HtmlAnswer("settings/key_new.html", facts, status=problem.status if problem else 200)


@route(
    "POST /settings/keys", Operation(summary="Make an API key", scope="setup:write", careful=True, page=True)
)
async def make_key(request: Call) -> Sent:
    """A new key; its secret is shown now and never again."""
    form, ground, caller = form_of(request), ground_of(request), request.auth
    chosen = fields_of(request, "scopes")
    try:
        scopes, expires_at, extent = frozenset(chosen), _until(form), await reach_in(request)
        flows.check_gift(caller, scopes, extent)
        new, key = flows.new_key(
            ground, caller.workspace_id, form.get("name", ""), scopes, expires_at, extent, caller.actor
        )
        await ground.db.run(flows.keep_key, caller.workspace_id, new, key)
    except Problem as problem:
        if problem.status not in {403, 409, 422}:
            raise
        return _form(request, form, chosen, problem)
    return HtmlAnswer("settings/key_made.html", {"name": new.name, "key": key, "old_until": None})


def _until(form: dict[str, str]) -> int | None:
    """The end of the last day on which a key is good; none: for good."""
    text = form.get("expires_on", "").strip()
    if not text:
        return None
    try:
        return from_datetime(datetime.combine(date.fromisoformat(text), time(23, 59, 59), UTC))
    except ValueError:
        raise invalid("expires_at", "is not a day", value=text, remedy="such as 2027-01-31") from None


@route(
    "POST /settings/keys/{api_key_id}/revoke",
    Operation(summary="Revoke an API key", scope="setup:write", page=True),
)
async def revoke_key(request: Call) -> Sent:
    """It fails within a second, on every machine."""
    key_id, caller = id_in_path(request, "api_key"), request.auth
    if not await flows.revoke_key(ground_of(request), caller.workspace_id, key_id, caller.actor):
        raise not_found("api key", ids.show("api_key", key_id))
    return redirect(f"{KEYS}?done=revoked")


@route(
    "POST /settings/keys/{api_key_id}/rotate",
    Operation(summary="Replace an API key", scope="setup:write", careful=True, page=True),
)
async def rotate_key(request: Call) -> Sent:
    """A key in the place of another; both are good for a day."""
    key_id, ground = id_in_path(request, "api_key"), ground_of(request)
    new, key = await ground.db.run(flows.rotate_key, ground, request.auth, key_id, OVERLAP_S)
    until = ground.clock.now() + int(OVERLAP_S * 1_000_000)
    return HtmlAnswer("settings/key_made.html", {"name": new.name, "key": key, "old_until": until})


HANDLERS = (list_keys, new_key, make_key, revoke_key, rotate_key)
