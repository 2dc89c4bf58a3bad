"""The HTML edge of identity providers: who vouches for the people of the workspace."""

from __future__ import annotations

from typing import Any

import msgspec

from angarium.accounts import sso_api
from angarium.accounts.edge import Call, Operation, Sent, ground_of, id_in_path, route
from angarium.accounts.pages import HtmlAnswer, form_of, redirect
from angarium.accounts.roles import Role
from angarium.accounts.sso_api import MASK, PROVIDER, ProviderInput
from angarium.accounts.store import providers as store
from angarium.core.problems import Problem
from angarium.settings.forms import DONE, done, form_facts

PROVIDERS = "/settings/providers"
HERE_TO_STAY = {403, 409, 422}  # what the form is shown again for


@route(
    "GET /settings/providers",
    Operation(summary="Identity providers", scope="people:read", asks=DONE, page=True),
)
async def list_providers(request: Call) -> Sent:
    """Those of the workspace."""
    found = await ground_of(request).db.read(store.of, request.auth.workspace_id)
    facts = {
        "providers": [sso_api.shown(one) for one in found],
        "callback": _callback(request),
        "done": done(request),
    }
    return HtmlAnswer("settings/providers.html", facts)


def _callback(request: Call) -> str:
    """Where a provider sends people back to; empty as long as nobody said how this server is reached."""
    base: str = request.scope["litestar_app"].state.get("public_url", "")
    return f"{base.rstrip('/')}/sign-in/callback" if base else ""


@route(
    "GET /settings/providers/new",
    Operation(summary="A new identity provider", scope="people:write", page=True),
)
async def new_provider(request: Call) -> Sent:
    """A form."""
    return _form(request, "", {"enabled": "on"}, None)


@route(
    "GET /settings/providers/{identity_provider_id}",
    Operation(summary="An identity provider", scope="people:write", page=True),
)
async def get_provider(request: Call) -> Sent:
    """Its form."""
    provider_id = id_in_path(request, "identity_provider")
    found = await ground_of(request).db.read(sso_api.one, request.auth.workspace_id, provider_id)
    one = sso_api.shown(found)
    typed = {
        "name": one.name,
        "issuer": one.issuer,
        "client_id": one.client_id,
        "client_secret": MASK,
        "domains": "\n".join(one.domains),
        "default_role": one.default_role.value if one.default_role else "",
        "claim": one.claim,
        "roles": "\n".join(f"{value} = {role.value}" for value, role in one.roles.items()),
        "enabled": "on" if one.enabled else "",
    }
    return _form(request, one.id, typed, None)


def _form(request: Call, provider_id: str, typed: dict[str, str], problem: Problem | None) -> HtmlAnswer:
    facts = {
        "provider_id": provider_id,
        **form_facts(typed, problem),
        "callback": _callback(request),
        "roles": [role.value for role in Role if role is not Role.OWNER],
    }
    return HtmlAnswer("settings/provider.html", facts, status=problem.status if problem else 200)


@route(
    "POST /settings/providers",
    Operation(summary="Add an identity provider", scope="people:write", page=True),
)
async def add_provider(request: Call) -> Sent:
    """People may sign in by it."""
    form, ground = form_of(request), ground_of(request)
    try:
        await ground.db.run(sso_api.add, ground, request.auth, _given(form))
    except Problem as problem:
        if problem.status not in HERE_TO_STAY:
            raise
        return _form(request, "", form, problem)
    return redirect(f"{PROVIDERS}?done=provider")


@route(
    "POST /settings/providers/{identity_provider_id}",
    Operation(summary="Change an identity provider", scope="people:write", page=True),
)
async def change_provider(request: Call) -> Sent:
    """The provider as it is described now."""
    form, ground = form_of(request), ground_of(request)
    provider_id = id_in_path(request, "identity_provider")
    try:
        await ground.db.run(sso_api.change, ground, request.auth, provider_id, _given(form))
    except Problem as problem:
        if problem.status not in HERE_TO_STAY:
            raise
        return _form(request, request.scope["path_params"]["identity_provider_id"], form, problem)
    return redirect(f"{PROVIDERS}?done=provider")


def _given(form: dict[str, str]) -> ProviderInput:
    """The same document as the API takes, read by the same decoder."""
    pairs = [line.partition("=") for line in form.get("roles", "").splitlines() if line.strip()]
    told: dict[str, Any] = {
        **{name: form.get(name, "").strip() for name in ("name", "issuer", "client_id", "claim")},
        "client_secret": form.get("client_secret", ""),
        "domains": form.get("domains", "").lower().split(),
        "default_role": form.get("default_role") or None,
        "roles": {value.strip(): role.strip() for value, _, role in pairs},
        "enabled": "enabled" in form,
    }
    given = PROVIDER.read(msgspec.json.encode(told))
    sso_api.check(given)
    return given


@route(
    "POST /settings/providers/{identity_provider_id}/drop",
    Operation(summary="Take an identity provider away", scope="people:write", page=True),
)
async def drop_provider(request: Call) -> Sent:
    """Nobody signs in by it any more."""
    ground, provider_id = ground_of(request), id_in_path(request, "identity_provider")
    await ground.db.run(sso_api.take_away, ground, request.auth, provider_id)
    return redirect(f"{PROVIDERS}?done=provider_dropped")


HANDLERS = (list_providers, new_provider, get_provider, add_provider, change_provider, drop_provider)
