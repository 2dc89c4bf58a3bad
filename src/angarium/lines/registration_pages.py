"""The HTML edge of registrations: tell, sign, hand in, submit; and, for somebody else, the review."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from angarium.accounts import actors, edge
from angarium.accounts.edge import Call, Operation, Sent, ground_of, route
from angarium.accounts.pages import HtmlAnswer, fields_of, form_of, problem_told, redirect, wrong_of
from angarium.core import ids
from angarium.core.clock import from_datetime
from angarium.core.decoding import Shape
from angarium.core.problems import Problem, invalid, not_found
from angarium.lines import flows as line_flows
from angarium.lines import registration_flows as flows
from angarium.lines import registration_papers as papers
from angarium.lines import registration_rules as rules
from angarium.lines import requirements
from angarium.lines.edge import within_reach
from angarium.lines.pages import DONE
from angarium.lines.registration_flows import Decision, Told, Whole
from angarium.lines.store import Line
from angarium.storage.database import Transaction

UNDER = "/lines/{line_id}/registrations"
ONE = UNDER + "/{registration_id}"
OWN_VERBS = ("submit", "withdraw", "reopen")  # of whoever sets up the line
DECISIONS = ("review", "approve", "refuse", "suspend", "reinstate")  # of whoever may decide
PATH = ("draft", "submitted", "in_review", "approved")  # as it goes when all goes well
TOLD = Shape(Told)


@route(f"GET {UNDER}", Operation(summary="Registrations", scope="setup:read", asks=DONE, page=True))
async def list_registrations(request: Call) -> Sent:
    """What the line needs, and what has been registered of it."""
    line, ground = await _line(request), ground_of(request)
    found = await flows.of_line(ground, request.auth.workspace_id, line.id)
    now = ground.clock.now()
    facts = {
        "line": line,
        "line_id": ids.show("line", line.id),
        "need_of": requirements.of_key(line.requirement),
        "said_in": requirements.said_in,
        "rows": [_shown(one, now) for one in reversed(found)],
        "granted": sorted(line.granted(now)),
        "lacking": sorted(line.classes - line.granted(now)),
        "done": DONE.read_query(request.scope["query_string"]).done,
    }
    return HtmlAnswer("lines/registrations.html", facts)


def _shown(whole: Whole, now: int) -> dict[str, Any]:
    one = whole.registration
    state = rules.state_at(one.standing(), whole.requirement.expiring_days, now)
    return {
        "id": ids.show("registration", one.id),
        "one": one,
        "state": state.value,
        "classes": sorted(one.granted or one.classes),
        "missing": len(whole.missing),
        "need": whole.requirement,
    }


@route(f"POST {UNDER}", Operation(summary="Begin a registration", scope="setup:write", page=True))
async def begin(request: Call) -> Sent:
    """A new draft, to be filled in."""
    line, ground, caller = await _line(request), ground_of(request), request.auth
    await within_reach(request, line.id)

    async def work(tx: Transaction) -> Whole:
        return await flows.create(tx, ground, caller.workspace_id, line.id, Told(), caller.actor)

    made = await ground.db.run(work)
    return redirect(_path(line.id, made.registration.id))


# ── one ──────────────────────────────────────────────────────────────────────────────────────────────


@route(f"GET {ONE}", Operation(summary="A registration", scope="setup:read", asks=DONE, page=True))
async def show_registration(request: Call) -> Sent:
    """What is told, signed and handed in; what is missing; who did what."""
    return await _page(request, None)


async def _page(request: Call, problem: Problem | None) -> HtmlAnswer:
    line, registration_id = await _line(request), edge.id_in_path(request, "registration")
    ground, workspace_id = ground_of(request), request.auth.workspace_id
    whole = await flows.get(ground, workspace_id, line.id, registration_id)
    told = await flows.history(ground, workspace_id, line.id, registration_id)
    one, need, now = whole.registration, whole.requirement, ground.clock.now()
    state = rules.state_at(one.standing(), need.expiring_days, now)
    form = form_of(request) if problem is not None else {}
    facts = {
        "line": line,
        "line_id": ids.show("line", line.id),
        "id": ids.show("registration", one.id),
        "one": one,
        "state": state.value,
        "way": PATH,
        "need_of": need,
        "said_in": requirements.said_in,
        "documents": [{"id": ids.show("document", each.id), "each": each} for each in whole.documents],
        "missing": whole.missing,
        "can": rules.possible(state),
        "is_mine": request.auth.actor == one.submitted_by,
        "open": state in rules.OPEN,
        "typed": {**_typed(whole), **form},
        "classes": sorted(one.classes),
        "operators": [(each.key, each.title) for each in need.operators],
        "history": [{"at": fact.at, **msgspec.json.decode(fact.body)} for fact in reversed(told)],
        "names": await ground.db.read(actors.names, workspace_id),
        "problem": problem_told(problem),
        "wrong": wrong_of(problem),
        "done": DONE.read_query(request.scope["query_string"]).done if problem is None else "",
    }
    return HtmlAnswer("lines/registration.html", facts, status=problem.status if problem else 200)


def _typed(whole: Whole) -> dict[str, str]:
    """What has been told, as the fields of the form."""
    one = whole.registration
    found = {f"fields.{key}": value for key, value in one.fields.items()}
    for key, signature in one.undertakings.items():
        found[f"undertakings.{key}.signed_by"] = signature.signed_by
        found[f"undertakings.{key}.signed_on"] = signature.signed_on
    return {**found, "operator": one.operator, "external_id": one.external_id}


@route(f"POST {ONE}", Operation(summary="Tell a registration", scope="setup:write", page=True))
async def tell(request: Call) -> Sent:
    """What is told and signed, anew."""
    line, registration_id = await _line(request), edge.id_in_path(request, "registration")
    ground, caller = ground_of(request), request.auth
    await within_reach(request, line.id)
    whole = await flows.get(ground, caller.workspace_id, line.id, registration_id)
    try:
        given = TOLD.read(msgspec.json.encode(_told(whole, form_of(request), fields_of(request, "classes"))))
        await flows.change(ground, caller.workspace_id, line.id, registration_id, given, caller.actor)
    except Problem as problem:
        return await _page(request, problem)
    return redirect(f"{_path(line.id, registration_id)}?done=saved")


def _told(whole: Whole, form: Mapping[str, str], classes: list[str]) -> dict[str, Any]:
    """What a form tells; what is left empty is not told."""
    need = whole.requirement
    fields = {one.key: form.get(f"fields.{one.key}", "").strip() for one in need.fields}
    signed = {}
    for one in need.undertakings:
        by, on = (
            form.get(f"undertakings.{one.key}.{part}", "").strip() for part in ("signed_by", "signed_on")
        )
        if by or on:
            signed[one.key] = {"signed_by": by, "signed_on": on}
    return {
        "classes": classes,
        "operator": form.get("operator", ""),
        "fields": {key: value for key, value in fields.items() if value},
        "undertakings": signed,
        "external_id": form.get("external_id", "").strip(),
    }


@route(f"POST {ONE}/delete", Operation(summary="Delete a draft", scope="setup:write", page=True))
async def delete(request: Call) -> Sent:
    """It is gone."""
    line, registration_id = await _line(request), edge.id_in_path(request, "registration")
    await within_reach(request, line.id)
    caller = request.auth
    await flows.delete(ground_of(request), caller.workspace_id, line.id, registration_id, caller.actor)
    return redirect(f"/lines/{ids.show('line', line.id)}/registrations?done=draft_deleted")


@route(
    f"POST {ONE}/documents/{{document_id}}/delete",
    Operation(summary="Take a file out", scope="setup:write", page=True),
)
async def take_out(request: Call) -> Sent:
    """The file is gone."""
    line, registration_id = await _line(request), edge.id_in_path(request, "registration")
    document_id, caller = edge.id_in_path(request, "document"), request.auth
    await within_reach(request, line.id)
    await papers.take_out(
        ground_of(request), caller.workspace_id, line.id, registration_id, document_id, caller.actor
    )
    return redirect(f"{_path(line.id, registration_id)}#documents")


# ── states ───────────────────────────────────────────────────────────────────────────────────────────


@route(f"POST {ONE}/do/{{verb}}", Operation(summary="Submit or take back", scope="setup:write", page=True))
async def do(request: Call) -> Sent:
    """What its owner does with it."""
    return await _decided(request, OWN_VERBS)


@route(f"POST {ONE}/decide/{{verb}}", Operation(summary="Decide on it", scope="lines:decide", page=True))
async def decide(request: Call) -> Sent:
    """What somebody decides who may."""
    return await _decided(request, DECISIONS)


async def _decided(request: Call, verbs: tuple[str, ...]) -> Sent:
    line, registration_id = await _line(request), edge.id_in_path(request, "registration")
    verb, caller = edge.text_in_path(request, "verb"), request.auth
    await within_reach(request, line.id)
    if verb not in verbs:
        raise not_found("verb", verb, remedy="one of " + ", ".join(verbs))
    try:
        given = _decision(form_of(request), fields_of(request, "granted"))
        await flows.decide(
            ground_of(request), caller.workspace_id, line.id, registration_id, verb, given, caller.actor
        )
    except Problem as problem:
        if problem.status == 404:
            raise
        return await _page(request, problem)
    return redirect(f"{_path(line.id, registration_id)}?done={verb}")


def _decision(form: Mapping[str, str], granted: list[str]) -> Decision:
    said: dict[str, Any] = {
        name: form.get(name, "").strip()[: flows.NOTE_MAX] for name in ("note", "reason", "external_id")
    }
    return msgspec.convert(
        {**said, "classes": granted, "valid_until": _end_of(form.get("valid_until", "").strip())},
        type=Decision,
    )


def _end_of(text: str) -> int | None:
    """The instant at which a day begins; None when nothing was said."""
    if not text:
        return None
    try:
        return from_datetime(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise invalid("valid_until", "is not a day", value=text, remedy="YYYY-MM-DD") from None


async def _line(request: Call) -> Line:
    line_id = edge.id_in_path(request, "line")
    return await line_flows.get(ground_of(request), request.auth.workspace_id, line_id)


def _path(line_id: int, registration_id: int) -> str:
    return f"/lines/{ids.show('line', line_id)}/registrations/{ids.show('registration', registration_id)}"


HANDLERS = (list_registrations, begin, show_registration, tell, delete, take_out, do, decide)
