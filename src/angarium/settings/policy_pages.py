"""The HTML edge of policies: what each is for, its form, who changed what when, and the way back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from angarium.accounts.actors import names
from angarium.accounts.edge import Call, Operation, Sent, ground_of, route, text_in_path
from angarium.accounts.pages import HtmlAnswer, form_of, redirect
from angarium.accounts.policies_store import Policy
from angarium.contacts.consent import PURPOSES
from angarium.core.problems import Problem, not_found
from angarium.core.values import amount_text
from angarium.messaging import budgets, policies
from angarium.messaging.budgets import Standing
from angarium.messaging.policies import KINDS
from angarium.settings import policy_forms
from angarium.settings.forms import DONE, as_told, done, world_of
from angarium.settings.policy_forms import Field
from angarium.settings.who import WORDS
from angarium.storage.database import Conflict

PATH = "/settings/policies"
SHOWN_VERSIONS = 20
CURRENCY_FIELDS = ("currency", "confirm_cost_key")
ICONS = {
    "approvals": "clipboard-check",
    "sign-in": "shield-lock",
    "budgets": "wallet",
    "content-control": "eye",
    "wording": "language",
    "routing": "route",
    "links": "link",
    "consent": "thumb-up",
    "quiet-hours": "moon",
    "caps": "percentage",
    "reachability": "wifi",
    "campaigns": "speakerphone",
    "bad-addresses": "ban",
    "retention": "hourglass",
}


@route("GET /settings/policies", Operation(summary="Policies", scope="policies:read", page=True))
async def list_policies(request: Call) -> Sent:
    """Every kind, and who changed it last."""
    workspace_id = request.auth.workspace_id
    written = await policies.current(ground_of(request), workspace_id)
    known = await ground_of(request).db.read(names, workspace_id)
    facts = {
        "kinds": [
            {
                "kind": kind,
                "words": kind.replace("-", "_"),
                "icon": ICONS.get(kind, "adjustments"),
                "version": written[kind].version if kind in written else 0,
                "changed_at": written[kind].changed_at if kind in written else None,
                "who": known.get(written[kind].changed_by, "") if kind in written else "",
            }
            for kind in KINDS
        ]
    }
    return HtmlAnswer("settings/policies.html", facts)


def _kind(request: Call) -> str:
    kind = text_in_path(request, "kind")
    if kind not in KINDS:
        raise not_found("policy", kind, remedy=", ".join(KINDS))
    return kind


@route(
    "GET /settings/policies/{kind}",
    Operation(summary="A policy", scope="policies:read", asks=DONE, page=True),
)
async def get_policy(request: Call) -> Sent:
    """Its form, filled with what is in force."""
    kind = _kind(request)
    written = (await policies.current(ground_of(request), request.auth.workspace_id)).get(kind)
    document = policies.read(written) if written else policies.default(kind)
    return await _page(request, kind, policy_forms.fields_of(document), None, done(request))


async def _page(
    request: Call, kind: str, fields: Sequence[Field], problem: Problem | None, said: str = ""
) -> HtmlAnswer:
    workspace_id = request.auth.workspace_id

    history = await policies.history(ground_of(request), workspace_id, kind)
    known = await ground_of(request).db.read(names, workspace_id)
    told, titles = as_told(problem), {kind: one.title for kind, one in world_of(request).channels.items()}
    kinds = sorted(titles, key=titles.__getitem__)
    offered = {"purposes": PURPOSES, "channels": kinds, "registered": kinds}
    facts = {
        "kind": kind,
        "words": kind.replace("-", "_"),
        "fields": policy_forms.offering(fields, offered),
        "problem": told,
        "at": policy_forms.placed(problem.fields if problem else (), fields),
        "versions": _versions(history, known),
        "titles": titles,
        "lines": [line.name for line in world_of(request).lines.of(workspace_id)],
        "currencies": _currencies(request),
        "come_to": await _come_to(request) if kind == "budgets" else [],
        "may_write": "policies:write" in request.auth.scopes,
        "done": said,
    }
    return HtmlAnswer("settings/policy.html", facts, status=problem.status if problem else 200)


class ComeTo(msgspec.Struct, frozen=True):
    """A budget in its present day or month; `per_mille` of it is used, or reserved for what is under way."""

    name: str
    used: str
    whole: str
    currency: str
    per_mille: int
    until: int


async def _come_to(request: Call) -> list[ComeTo]:
    world = world_of(request)
    found = await world.ground.db.read(
        budgets.standings, world, request.auth.workspace_id, world.ground.clock.now()
    )
    return [_as_come_to(one) for one in found]


def _as_come_to(one: Standing) -> ComeTo:
    used, budget = one.counter.reserved + one.counter.spent, one.budget
    per_mille = used * 1_000 // budget.micros if budget.micros else 1_000
    return ComeTo(budget.name, amount_text(used), budget.amount, budget.currency, per_mille, one.period.until)


def _currencies(request: Call) -> list[str]:
    """Those in which the lines of the workspace cost something, that of most of them first."""
    lines = world_of(request).lines.of(request.auth.workspace_id)
    return [
        currency for currency, _ in Counter(line.currency for line in lines if line.currency).most_common()
    ]


def _versions(history: Sequence[Policy], known: dict[str, str]) -> list[dict[str, Any]]:
    """The newest first, each with what it changed."""
    found: list[dict[str, Any]] = []
    before: dict[str, Any] = {}
    for one in history:
        now = msgspec.json.decode(one.body)
        found.append(
            {
                "version": one.version,
                "changed_at": one.changed_at,
                "who": known.get(one.changed_by, one.changed_by),
                "by_words": WORDS.get(one.changed_by, ""),
                "changed": sorted(name for name in {**before, **now} if before.get(name) != now.get(name)),
                "body": msgspec.json.format(one.body, indent=2),
            }
        )
        before = now
    return found[::-1][:SHOWN_VERSIONS]


def _sent(request: Call) -> dict[str, list[str]]:
    given = cast("Mapping[str, list[tuple[str, str]]]", request.scope)["fields"]
    found: dict[str, list[str]] = {}
    for name, value in given:
        found.setdefault(name, []).append(value)
    return found


@route(
    "POST /settings/policies/{kind}",
    Operation(summary="Change a policy", scope="policies:write", page=True),
)
async def put_policy(request: Call) -> Sent:
    """A new version in force; or only the form again, with a row more or less."""
    kind, form = _kind(request), form_of(request)
    document_type = KINDS[kind].type
    told = policy_forms.read(document_type, _sent(request))
    if "add" in form or "drop" in form:
        fields = policy_forms.resized(document_type, told, form.get("add", ""), form.get("drop", ""))
        if "add" in form and (known := _currencies(request)):
            fields = policy_forms.suggesting(fields, dict.fromkeys(CURRENCY_FIELDS, known[0]))
        return await _page(request, kind, fields, None)
    try:
        document = KINDS[kind].read(msgspec.json.encode(told))
        return await _written(request, kind, document)
    except Problem as problem:
        if problem.status not in {409, 422}:
            raise
        fields = policy_forms.resized(document_type, told, "", "")
        problem.fields = policy_forms.plainly(problem.fields, fields)
        return await _page(request, kind, fields, problem)


async def _written(request: Call, kind: str, document: Any) -> Sent:
    world, caller = world_of(request), request.auth
    try:
        await policies.change(world.ground, world.policies, caller.workspace_id, kind, document, caller.actor)
    except Conflict:
        detail = "Somebody has changed it at the same moment. Look at what is there now."
        raise Problem("conflict", "Somebody else was quicker", status=409, detail=detail) from None
    return redirect(f"{PATH}/{kind}?done=policy")


@route(
    "POST /settings/policies/{kind}/back",
    Operation(summary="Put an older version of a policy in force", scope="policies:write", page=True),
)
async def go_back(request: Call) -> Sent:
    """What an older version says, as a new version."""
    kind, wanted = _kind(request), form_of(request).get("version", "")
    history = await policies.history(ground_of(request), request.auth.workspace_id, kind)
    old = next((one for one in history if str(one.version) == wanted), None)
    if old is None:
        raise not_found("version", wanted)
    return await _written(request, kind, policies.read(old))


HANDLERS = (list_policies, get_policy, put_policy, go_back)
