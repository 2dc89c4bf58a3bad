"""The HTML edge of signing in by a provider: the way there, the way back, and connecting one's account."""

from __future__ import annotations

from typing import Annotated, cast

import msgspec

from angarium.accounts import edge, flows, session
from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.entry_pages import ONWARD, let_in, signed_of, visit_of
from angarium.accounts.flows import SELF
from angarium.accounts.oidc import Vouched
from angarium.accounts.pages import door, form_of, redirect
from angarium.accounts.sso import LASTS_S, Desk, Journey
from angarium.accounts.store.providers import Provider
from angarium.core.decoding import Shape
from angarium.core.problems import Problem, not_found
from angarium.storage.database import Conflict

JOURNEY = "angarium_journey"
Text = Annotated[str, msgspec.Meta(max_length=4_000)]


class CallbackQuery(msgspec.Struct, frozen=True):
    """What a provider sends the browser back with; it may say more."""

    code: Text = ""
    state: Text = ""
    error: Text = ""


CAME_BACK = Shape(CallbackQuery, secret=("code", "state"))


def _desk(request: Call) -> Desk:
    desk = request.scope["litestar_app"].state.get("sso")
    if desk is None:
        raise not_found("identity provider", "")
    return cast("Desk", desk)


@route(
    "GET /sign-in/with/{workspace_id}/{identity_provider_id}",
    Operation(summary="To a provider", scope=None, asks=ONWARD, page=True),
)
async def depart(request: Call) -> Sent:
    """On to the provider."""
    onward = session.local_path(ONWARD.read_query(request.scope["query_string"]).next)
    return await _sent(request, onward, 0)


async def _sent(request: Call, onward: str, person_id: int) -> Sent:
    workspace_id = edge.id_in_path(request, "workspace")
    provider_id = edge.id_in_path(request, "identity_provider")
    link, kept = await _desk(request).depart(workspace_id, provider_id, onward, person_id)
    return redirect(link, session.cookie(request.scope["scheme"], kept, int(LASTS_S), JOURNEY))


@route(
    "POST /account/connect/{workspace_id}/{identity_provider_id}",
    Operation(summary="Connect a provider", scope=SELF, careful=True, page=True),
)
async def connect(request: Call) -> Sent:
    """On to the provider of the workspace that is looked at; who comes back from there is this person."""
    flows.require_person(request.auth)
    if edge.id_in_path(request, "workspace") != request.auth.workspace_id:
        raise not_found("workspace", edge.text_in_path(request, "workspace_id"))
    form_of(request)
    return await _sent(request, "/account", request.auth.person_id)


@route(
    "GET /sign-in/callback", Operation(summary="Back from a provider", scope=None, asks=CAME_BACK, page=True)
)
async def come_back(request: Call) -> Sent:
    """In, if the provider is believed and lets in somebody who may enter."""
    query = CAME_BACK.read_query(request.scope["query_string"])
    scheme = request.scope["scheme"]
    kept = request.cookies.get(session.cookie_name(scheme, JOURNEY), "")
    over = session.cookie(scheme, "", 0, JOURNEY)
    try:
        journey, provider, vouched = await _desk(request).arrive(kept, query.state, query.code)
        answer = await _in(request, journey, provider, vouched)
    except Problem as problem:
        if query.error or problem.slug == "provider-not-believed":
            page = await door(request, "/", "sign_in.provider_not_good")
            page.headers = (*page.headers, over)
            return page
        problem.headers = (*problem.headers, over)
        raise
    answer.headers = (*answer.headers, over)
    return answer


async def _in(request: Call, journey: Journey, provider: Provider, vouched: Vouched) -> edge.JsonAnswer:
    desk = _desk(request)
    if not journey.person_id:
        entered = await desk.let_in(provider, vouched, visit_of(request))
        return let_in(request, entered, journey.next)
    signed = signed_of(request)
    if signed is None or signed.person.id != journey.person_id:
        raise Problem("not-entered", "Nobody has entered here", status=401, detail="Enter first.")
    try:
        await desk.connect(provider, vouched, signed.person)
    except Conflict:
        raise Problem(
            "identity-taken",
            "The provider means somebody else by this",
            status=409,
            detail="This account at the provider is connected with somebody here already.",
        ) from None
    return redirect(journey.next)


HANDLERS = (depart, connect, come_back)
