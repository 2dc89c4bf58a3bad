"""The JSON edge of what is done to a version: review, publish, take back, retire, roll back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, route
from angarium.accounts.reach import require_class
from angarium.content import flows, proof, review, shown
from angarium.content.api import look_of
from angarium.content.flows import Deed, Whole
from angarium.content.lint import looking
from angarium.content.shown import TEMPLATE_EXAMPLE, TemplateTold
from angarium.content.store.steps import Comment
from angarium.content.store.versions import Version
from angarium.core.decoding import Shape
from angarium.storage.database import Transaction

Number = Annotated[int, msgspec.Meta(ge=1)]


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which version (left out: the one under way), and what is said with it."""

    version: Number | None = None
    note: str = ""


class Decided(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same of who decides: `hash` is that of the words that were read."""

    version: Number | None = None
    note: str = ""
    hash: str = ""
    comments: tuple[Comment, ...] = ()


class PublishInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From when until when; left out: from now on, without an end."""

    version: Number | None = None
    note: str = ""
    begins: datetime | None = msgspec.field(name="from", default=None)
    ends: datetime | None = msgspec.field(name="until", default=None)
    emergency: bool = False


class RetireInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When; `recall`: messages that wait with its words do not go either."""

    at: datetime | None = None
    recall: bool = False
    note: str = ""


class RollBackInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """To which version."""

    version: Number
    note: str = ""


SAID, DECIDED, PUBLISH = Shape(Said), Shape(Decided), Shape(PublishInput)
RETIRE, ROLL_BACK = Shape(RetireInput), Shape(RollBackInput)
Work = Callable[[Transaction, Whole, Deed], Awaitable[Version]]
WRITE, DECIDE = "templates:write", "templates:decide"
TAKES_BACK = ("refused", "retired")  # deeds after which messages that wait may not go


def _operation(
    summary: str, scope: str, takes: Shape[Any], example: Any, detail: str = "", **more: Any
) -> Operation:
    return Operation(
        summary=summary,
        detail=detail,
        scope=scope,
        takes=takes,
        gives=TemplateTold,
        once=True,
        problems=(404, 409),
        example=example,
        answer_example=TEMPLATE_EXAMPLE,
        **more,
    )


async def _act(
    request: Call, body: bytes, action: str, note: str, work: Work, comments: tuple[Comment, ...] = ()
) -> JsonAnswer:
    """Do something to a template that is held meanwhile, once for each Idempotency-Key."""
    answer = await edge.once(request, body, whole_work(request, action, note, work, comments))
    await after(request, action)
    return answer


def whole_work(
    request: Call, action: str, note: str, work: Work, comments: tuple[Comment, ...] = ()
) -> Callable[[Transaction], Awaitable[TemplateTold]]:
    """A deed done to the template in the address, in one transaction: held, done, noted, told."""
    ground, template_id = edge.ground_of(request), edge.id_in_path(request, "template")
    deed = Deed(request.auth.actor, ground.clock.now(), note, comments)
    review.check_deed(deed)

    async def whole(tx: Transaction) -> TemplateTold:
        found = await flows.held(tx, request.auth.workspace_id, template_id)
        require_class(request.auth.reach, found.template.message_class)
        one = await work(tx, found, deed)
        told = shown.told(found, deed.now)
        await flows.note(tx, found, action, one, deed)
        return told

    return whole


async def after(request: Call, action: str) -> None:
    """Tell whoever sends, once a deed is committed that takes words back."""
    if action in TAKES_BACK:
        await look_of(request).recalled(request.auth.workspace_id)


# ── review ───────────────────────────────────────────────────────────────────────────────────────────


@route(
    "POST /v1/templates/{template_id}/submit",
    _operation(
        "Submit a version for review",
        WRITE,
        SAID,
        Said(note="new wording for winter"),
        "It is locked until it is decided on, or withdrawn. Findings of the level error keep it from being "
        "submitted.",
    ),
)
async def submit_version(request: Call) -> JsonAnswer:
    """Ask for a review."""
    body = await edge.read_body(request)
    given, look, ground = SAID.read(body or b"{}"), look_of(request), edge.ground_of(request)

    async def work(tx: Transaction, found: Whole, deed: Deed) -> Version:
        told = await proof.findings(tx, look, found, found.version(given.version))
        return await review.submit(tx, ground, found, given.version, looking.errors(told), deed)

    return await _act(request, body, "submitted", given.note, work)


@route(
    "POST /v1/templates/{template_id}/withdraw",
    _operation("Withdraw a version from review", WRITE, SAID, Said(note="a mistake in the link")),
)
async def withdraw_version(request: Call) -> JsonAnswer:
    """Take it back, to change it."""
    body = await edge.read_body(request)
    given, ground = SAID.read(body or b"{}"), edge.ground_of(request)

    async def work(tx: Transaction, found: Whole, deed: Deed) -> Version:
        return await review.withdraw(tx, ground, found, given.version, deed)

    return await _act(request, body, "withdrawn", given.note, work)


@route(
    "POST /v1/templates/{template_id}/approve",
    _operation(
        "Approve a version",
        DECIDE,
        DECIDED,
        Decided(version=2, hash=shown.HASH, note="read"),
        "By somebody who neither wrote nor edited it. With `hash` it is refused when these are not the words "
        "that were read. One that was published in an emergency is reviewed the same way.",
    ),
)
async def approve_version(request: Call) -> JsonAnswer:
    """Say that these words may go."""
    body = await edge.read_body(request)
    given, ground = DECIDED.read(body or b"{}"), edge.ground_of(request)

    async def work(tx: Transaction, found: Whole, deed: Deed) -> Version:
        number = to_decide(found, given.version)
        return await review.approve(tx, ground, found, number, given.hash, deed)

    return await _act(request, body, "approved", given.note, work, given.comments)


@route(
    "POST /v1/templates/{template_id}/refuse",
    _operation(
        "Refuse a version",
        DECIDE,
        DECIDED,
        Decided(version=2, note="the discount does not belong into a service message"),
        "For good, with a reason; its words go on as a new draft. One that was published in an emergency is "
        "taken out, and messages that wait with it do not go.",
    ),
)
async def refuse_version(request: Call) -> JsonAnswer:
    """Say that these words may not go."""
    body = await edge.read_body(request)
    given, ground = DECIDED.read(body or b"{}"), edge.ground_of(request)

    async def work(tx: Transaction, found: Whole, deed: Deed) -> Version:
        return await review.refuse(tx, ground, found, to_decide(found, given.version), deed)

    return await _act(request, body, "refused", given.note, work, given.comments)


@route(
    "POST /v1/templates/{template_id}/request-changes",
    _operation(
        "Ask for changes to a version",
        DECIDE,
        DECIDED,
        Decided(note="see the comment", comments=(Comment("which order?", variant=0, field="text"),)),
        "It can be saved again, and is reviewed anew then.",
    ),
)
async def request_changes(request: Call) -> JsonAnswer:
    """Send it back with comments."""
    body = await edge.read_body(request)
    given, ground = DECIDED.read(body or b"{}"), edge.ground_of(request)

    async def work(tx: Transaction, found: Whole, deed: Deed) -> Version:
        return await review.request_changes(tx, ground, found, given.version, deed)

    return await _act(request, body, "changes-requested", given.note, work, given.comments)


def to_decide(found: Whole, number: int | None) -> int | None:
    """Of an emergency the published version, when none is under way."""
    owed = [one.number for one in found.versions if one.review_owed]
    return owed[-1] if number is None and owed and found.under_way is None else number


# ── publishing ───────────────────────────────────────────────────────────────────────────────────────


@route(
    "POST /v1/templates/{template_id}/publish",
    _operation(
        "Publish a version, now or at an instant",
        WRITE,
        PUBLISH,
        {"version": 2, "from": "2026-12-01T06:00:00Z"},
        "Without a version: the one that was approved last. It takes over at `from` and, without `until`, "
        "replaces what was there; with one it stands in, and what was there goes on behind it. `emergency` "
        "publishes without approval where the policy allows it; the review is owed then.",
    ),
)
async def publish_version(request: Call) -> JsonAnswer:
    """Put it in force."""
    body = await edge.read_body(request)
    given, ground = PUBLISH.read(body or b"{}"), edge.ground_of(request)
    term = review.Term(edge.instant("from", given.begins), edge.instant("until", given.ends))

    async def work(tx: Transaction, found: Whole, deed: Deed) -> Version:
        return await review.publish(tx, ground, found, given.version, term, deed, emergency=given.emergency)

    return await _act(request, body, "published", given.note, work)


@route(
    "POST /v1/templates/{template_id}/unschedule",
    _operation(
        "Take back a version whose instant has not come",
        WRITE,
        SAID,
        Said(version=3),
        "What is in force stays so.",
    ),
)
async def unschedule_version(request: Call) -> JsonAnswer:
    """Do not publish it after all."""
    body = await edge.read_body(request)
    given, ground = SAID.read(body or b"{}"), edge.ground_of(request)

    async def work(tx: Transaction, found: Whole, deed: Deed) -> Version:
        return await review.unschedule(tx, ground, found, given.version, deed)

    return await _act(request, body, "unscheduled", given.note, work)


@route(
    "POST /v1/templates/{template_id}/retire",
    _operation(
        "Retire a template, now or at an instant",
        WRITE,
        RETIRE,
        RetireInput(note="the offer has ended"),
        "No message takes it any more. Those under way keep their words; with `recall` they do not go.",
    ),
)
async def retire_template(request: Call) -> JsonAnswer:
    """Take it out of use."""
    body = await edge.read_body(request)
    given, ground = RETIRE.read(body or b"{}"), edge.ground_of(request)
    at = edge.instant("at", given.at)

    async def work(tx: Transaction, found: Whole, deed: Deed) -> Version:
        return await review.retire(tx, ground, found, at, deed, recall=given.recall)

    return await _act(request, body, "retired", given.note, work)


@route(
    "POST /v1/templates/{template_id}/roll-back",
    _operation(
        "Go back to an earlier version",
        WRITE,
        ROLL_BACK,
        RollBackInput(1, "the new link does not work"),
        "Says again, as a new version, what that one said: at once where these very words are approved, else "
        "as a draft.",
    ),
)
async def roll_back(request: Call) -> JsonAnswer:
    """Say again what was said before."""
    body = await edge.read_body(request)
    given, ground = ROLL_BACK.read(body), edge.ground_of(request)

    async def work(tx: Transaction, found: Whole, deed: Deed) -> Version:
        return await review.roll_back(tx, ground, found, given.version, deed)

    return await _act(request, body, "rolled-back", given.note, work)


HANDLERS = (
    submit_version,
    withdraw_version,
    approve_version,
    refuse_version,
    request_changes,
    publish_version,
    unschedule_version,
    retire_template,
    roll_back,
)
