"""The HTML edge of what is done to a version: the queue of reviews, and the buttons of a template's page."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from angarium.accounts import actors
from angarium.accounts.edge import Call, JsonAnswer, Operation, Sent, ground_of, id_in_path, instant, route
from angarium.accounts.pages import HtmlAnswer, form_of, redirect
from angarium.accounts.reach import require_class
from angarium.content import difference, flows, proof, review
from angarium.content.api import deed_of, look_of
from angarium.content.flows import Deed, Whole
from angarium.content.lifecycle import Action, VersionState
from angarium.content.lint import looking
from angarium.content.pages import groups_of_channels, names_of_channels, template_facts
from angarium.content.review import Term
from angarium.content.review_api import DECIDE, WRITE, Work, after, to_decide, whole_work
from angarium.content.store import versions
from angarium.content.store.versions import Version
from angarium.core import ids
from angarium.core.problems import Problem, invalid
from angarium.storage.database import Transaction

QUEUE_MAX = 100  # reviews that are shown


class Waiting(msgspec.Struct, frozen=True):
    """A version that somebody has to decide on."""

    template_id: str
    name: str
    message_class: str
    version: Version
    asked_by: str
    asked_at: int
    note: str
    given: int  # approvals
    wanted: int
    own: bool  # whoever looks wrote it, and may not decide
    changes: list[difference.VariantChange]
    against: int  # the version it is compared with; 0: it is the first


# ── the queue ────────────────────────────────────────────────────────────────────────────────────────


@route("GET /templates/reviews", Operation(summary="Wording to review", scope="setup:read", page=True))
async def show_queue(request: Call) -> Sent:
    """Everything that waits for somebody's decision, what has waited longest first."""
    found, names = await ground_of(request).db.read(_queue, request)
    facts = {
        "waiting": found,
        "names": names,
        "channels": names_of_channels(request),
        "groups": groups_of_channels(),
    }
    return HtmlAnswer("content/reviews.html", facts)


async def _queue(tx: Transaction, request: Call) -> tuple[list[Waiting], dict[str, str]]:
    workspace_id, actor = request.auth.workspace_id, request.auth.actor
    shown = await versions.shown_versions(tx, workspace_id)
    owed = {one.template_id for one in shown if one.waits_for_review}
    found = []
    for template_id in sorted(owed)[:QUEUE_MAX]:
        whole = await flows.whole(tx, workspace_id, template_id)
        found += [_waiting(whole, one, actor) for one in whole.versions if one.waits_for_review]
    return sorted(found, key=lambda one: one.asked_at), await actors.names(tx, workspace_id)


def _waiting(whole: Whole, one: Version, actor: str) -> Waiting:
    wanted = Action.PUBLISH if one.review_owed else Action.SUBMIT
    asked = next((s for s in reversed(whole.steps) if s.number == one.number and s.action is wanted), None)
    earlier = [
        each
        for each in whole.versions
        if each.number < one.number and each.state in (VersionState.PUBLISHED, VersionState.RETIRED)
    ]
    before = earlier[-1] if earlier else None
    return Waiting(
        template_id=ids.show("template", whole.template.id),
        name=whole.template.name,
        message_class=whole.template.message_class.value,
        version=one,
        asked_by=asked.actor if asked else one.author,
        asked_at=asked.at if asked else one.created_at,
        note=asked.note if asked else "",
        given=len(whole.approvers(one)),
        wanted=max(whole.demand(one).approvals, 1),
        own=actor in {one.author, *one.editors},
        changes=difference.difference(before.variants if before else (), one.variants),
        against=before.number if before else 0,
    )


# ── the buttons ──────────────────────────────────────────────────────────────────────────────────────


def _deed(name: str, scope: str = WRITE) -> Operation:
    return Operation(summary=name, scope=scope, page=True)


async def _act(request: Call, action: str, work: Work) -> Sent:
    """Do it and go back to the template; what was in the way is told on its page."""
    template_id = ids.show("template", id_in_path(request, "template"))
    note = form_of(request).get("note", "").strip()
    try:
        await ground_of(request).db.run(whole_work(request, action, note, work))
    except Problem as problem:
        facts = await template_facts(request, _number(request), problem=problem, note=note)
        return HtmlAnswer("content/template.html", facts, status=problem.status)
    await after(request, action)
    return redirect(f"/templates/{template_id}?done={action}")


def _number(request: Call) -> int | None:
    """The version that a form speaks of."""
    text = form_of(request).get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


@route("POST /templates/{template_id}/submit", _deed("Send wording to review"))
async def submit(request: Call) -> Sent:
    """Ask for a review."""
    look, ground = look_of(request), ground_of(request)

    async def work(tx: Transaction, found: Whole, deed: Deed) -> Version:
        told = await proof.findings(tx, look, found, found.version(_number(request)))
        return await review.submit(tx, ground, found, _number(request), looking.errors(told), deed)

    return await _act(request, "submitted", work)


@route("POST /templates/{template_id}/withdraw", _deed("Take wording back from review"))
async def withdraw(request: Call) -> Sent:
    """To change it."""

    async def work(tx: Transaction, found: Whole, deed: Deed) -> Version:
        return await review.withdraw(tx, ground_of(request), found, _number(request), deed)

    return await _act(request, "withdrawn", work)


@route("POST /templates/{template_id}/decide", _deed("Decide on wording", DECIDE))
async def decide(request: Call) -> Sent:
    """Approve, refuse or send back: whichever button was pressed; the hash is of what was read."""
    form, ground = form_of(request), ground_of(request)
    verdict = form.get("verdict", "")

    async def work(tx: Transaction, found: Whole, deed: Deed) -> Version:
        number = to_decide(found, _number(request))
        if verdict == "approve":
            return await review.approve(tx, ground, found, number, form.get("hash", ""), deed)
        if verdict == "refuse":
            return await review.refuse(tx, ground, found, number, deed)
        if verdict == "changes":
            return await review.request_changes(tx, ground, found, number, deed)
        raise invalid("verdict", "is none", value=verdict, remedy="approve, changes or refuse")

    actions = {"approve": "approved", "refuse": "refused"}
    return await _act(request, actions.get(verdict, "changes-requested"), work)


@route("POST /templates/{template_id}/publish", _deed("Publish wording"))
async def publish(request: Call) -> Sent:
    """Now or at an instant."""
    form = form_of(request)

    async def work(tx: Transaction, found: Whole, deed: Deed) -> Version:
        term = Term(_instant("from", form.get("from", "")), _instant("until", form.get("until", "")))
        emergency = form.get("emergency", "") == "on"
        return await review.publish(
            tx, ground_of(request), found, _number(request), term, deed, emergency=emergency
        )

    return await _act(request, "published", work)


def _instant(field: str, text: str) -> int | None:
    """What a field of a date and a time says, as UTC."""
    if not text.strip():
        return None
    try:
        written = datetime.fromisoformat(text.strip())
    except ValueError:
        raise invalid(field, "is not a date and a time", value=text, remedy="2026-12-01T09:00") from None
    return instant(field, written if written.tzinfo else written.replace(tzinfo=UTC))


@route("POST /templates/{template_id}/unschedule", _deed("Do not publish wording after all"))
async def unschedule(request: Call) -> Sent:
    """Before its instant has come."""

    async def work(tx: Transaction, found: Whole, deed: Deed) -> Version:
        return await review.unschedule(tx, ground_of(request), found, _number(request), deed)

    return await _act(request, "unscheduled", work)


@route("POST /templates/{template_id}/retire", _deed("Retire a template"))
async def retire(request: Call) -> Sent:
    """Take it out of use."""
    form = form_of(request)

    async def work(tx: Transaction, found: Whole, deed: Deed) -> Version:
        at, recall = _instant("at", form.get("at", "")), form.get("recall", "") == "on"
        return await review.retire(tx, ground_of(request), found, at, deed, recall=recall)

    return await _act(request, "retired", work)


@route("POST /templates/{template_id}/roll-back", _deed("Go back to an earlier version"))
async def roll_back(request: Call) -> Sent:
    """Say again what that one said."""

    async def work(tx: Transaction, found: Whole, deed: Deed) -> Version:
        return await review.roll_back(tx, ground_of(request), found, _number(request) or 0, deed)

    return await _act(request, "rolled-back", work)


@route("POST /templates/{template_id}/delete", _deed("Delete a template"))
async def delete(request: Call) -> JsonAnswer:
    """No template any more."""
    template_id, deed = id_in_path(request, "template"), deed_of(request)

    async def work(tx: Transaction) -> None:
        found = await flows.held(tx, request.auth.workspace_id, template_id)
        require_class(request.auth.reach, found.template.message_class)
        await flows.delete(tx, request.auth.workspace_id, template_id, deed)

    await ground_of(request).db.run(work)
    return redirect("/templates?done=deleted")


HANDLERS = (show_queue, submit, withdraw, decide, publish, unschedule, retire, roll_back, delete)
