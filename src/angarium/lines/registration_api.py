"""The JSON edge of registrations: what a kind of line needs, what was told and handed in, and the review."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.values import Json, MessageClass
from angarium.lines import registration_flows as flows
from angarium.lines import registration_papers_api as papers
from angarium.lines import registration_rules as rules
from angarium.lines.edge import line_in_path
from angarium.lines.registration_flows import Decision, Told, Whole
from angarium.lines.registration_papers_api import (
    DOCUMENT_EXAMPLE,
    ONE,
    UNDER,
    RegistrationDocumentShown,
    ids_in_path,
    shown_document,
)
from angarium.lines.registration_rules import Signature, State
from angarium.lines.requirements import Requirement, requirements
from angarium.storage.database import Transaction

Words = Annotated[str, msgspec.Meta(max_length=1_000)]
DECIDE = "lines:decide"


class LineRegistrationShown(msgspec.Struct, frozen=True, kw_only=True):
    """A registration of a line."""

    id: str
    line: str
    requirement: str
    operator: str
    classes: list[MessageClass]  # asked for
    granted: list[MessageClass]
    state: State
    reason: str
    valid_from: str | None
    valid_until: str | None
    declared: bool  # by the owner of the line, without documents
    fields: dict[str, str]
    undertakings: dict[str, Signature]
    external_id: str
    submitted_by: str
    documents: list[RegistrationDocumentShown]
    missing: list[str]  # what has to be there before it can be submitted
    can: list[str]  # what can be done with it in this state
    version: int
    created_at: str
    updated_at: str


class RegistrationStepShown(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done to a registration."""

    at: str
    verb: str
    from_: str | None = msgspec.field(name="from")
    to: str
    by: str
    note: str
    reason: str


class RegistrationNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A word along with it."""

    note: Words = ""


class RegistrationReason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why, in words that the owner of the line can act on."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]


class RegistrationApproval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is approved: classes, none for all that were asked for; from when until when."""

    classes: tuple[MessageClass, ...] = ()
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    external_id: Words = ""
    note: Words = ""


TOLD = Shape(Told)
NOTE, REASON, APPROVAL = Shape(RegistrationNote), Shape(RegistrationReason), Shape(RegistrationApproval)

TOLD_EXAMPLE: Json = {
    "classes": ["service"],
    "operator": "",
    "fields": {"sender_name": "My Shop", "website": "https://shop.example"},
    "undertakings": {"opt-in": {"signed_by": "Olena Kovalenko", "signed_on": "2026-11-20"}},
}
EXAMPLE = LineRegistrationShown(
    id="reg_05a58xarj0001",
    line="lin_05a58xarj0000",
    requirement="viber-sender",
    operator="",
    classes=[MessageClass.SERVICE],
    granted=[],
    state=State.DRAFT,
    reason="",
    valid_from=None,
    valid_until=None,
    declared=False,
    fields={"sender_name": "My Shop", "website": "https://shop.example"},
    undertakings={"opt-in": Signature("Olena Kovalenko", "2026-11-20")},
    external_id="",
    submitted_by="",
    documents=[DOCUMENT_EXAMPLE],
    missing=["documents.logo"],
    can=["submit"],
    version=2,
    created_at="2026-11-23T08:30:00.000Z",
    updated_at="2026-11-23T08:31:00.000Z",
)


STEP_EXAMPLE = RegistrationStepShown(
    at="2026-11-23T08:31:00.000Z",
    verb="submit",
    from_="draft",
    to="submitted",
    by="key_05a58xarj0003",
    note="",
    reason="",
)


# ── what is needed ───────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /v1/registration-requirements",
    Operation(
        summary="List the kinds of line, and what the registration of each needs",
        scope="setup:read",
        gives=Page[Requirement],
        answer_example=Page([requirements()["viber-sender"]]),
    ),
)
async def list_requirements(request: Call) -> JsonAnswer:
    """Every kind of line."""
    return edge.answer(request, Page(list(requirements().values())))


# ── to have and to look at ───────────────────────────────────────────────────────────────────────────


@route(
    f"GET {UNDER}",
    Operation(
        summary="List the registrations of a line",
        scope="setup:read",
        asks=edge.PAGE,
        gives=Page[LineRegistrationShown],
        problems=(404,),
        answer_example=Page([EXAMPLE]),
    ),
)
async def list_registrations(request: Call) -> JsonAnswer:
    """Oldest first."""
    line_id = await line_in_path(request)
    query = edge.PAGE.read_query(request.scope["query_string"])
    ground = edge.ground_of(request)
    found = await flows.of_line(ground, request.auth.workspace_id, line_id)
    some, following = edge.piece(found, query, lambda whole: whole.registration.id)
    return edge.answer(request, Page([shown(whole, ground.clock.now()) for whole in some], following))


@route(
    f"POST {UNDER}",
    Operation(
        summary="Begin a registration",
        detail="A draft of the line's kind. What it needs is told by `GET /v1/registration-requirements`;"
        " what of that is missing stands in the answer.",
        scope="setup:write",
        takes=TOLD,
        gives=LineRegistrationShown,
        status=201,
        once=True,
        problems=(404,),
        example=TOLD_EXAMPLE,
        answer_example=EXAMPLE,
    ),
)
async def create_registration(request: Call) -> JsonAnswer:
    """A new draft."""
    line_id = await line_in_path(request)
    body = await edge.read_body(request)
    given, ground, caller = TOLD.read(body), edge.ground_of(request), request.auth

    async def work(tx: Transaction) -> LineRegistrationShown:
        made = await flows.create(tx, ground, caller.workspace_id, line_id, given, caller.actor)
        return shown(made, ground.clock.now())

    return await edge.once(request, body, work)


@route(
    f"GET {ONE}",
    Operation(
        summary="Look at a registration",
        scope="setup:read",
        gives=LineRegistrationShown,
        problems=(404,),
        answer_example=EXAMPLE,
    ),
)
async def get_registration(request: Call) -> JsonAnswer:
    """One registration."""
    ground = edge.ground_of(request)
    whole = await flows.get(ground, request.auth.workspace_id, *await ids_in_path(request))
    return edge.answer(request, shown(whole, ground.clock.now()))


@route(
    f"PUT {ONE}",
    Operation(
        summary="Tell a registration anew",
        detail="Only a draft can be changed.",
        scope="setup:write",
        takes=TOLD,
        gives=LineRegistrationShown,
        problems=(404, 409),
        example=TOLD_EXAMPLE,
        answer_example=EXAMPLE,
    ),
)
async def change_registration(request: Call) -> JsonAnswer:
    """What is told of it."""
    given, ground, caller = TOLD.read(await edge.read_body(request)), edge.ground_of(request), request.auth
    whole = await flows.change(ground, caller.workspace_id, *await ids_in_path(request), given, caller.actor)
    return edge.answer(request, shown(whole, ground.clock.now()))


@route(
    f"DELETE {ONE}",
    Operation(
        summary="Delete a draft",
        detail="What was submitted stays as evidence.",
        scope="setup:write",
        status=204,
        problems=(404, 409),
    ),
)
async def delete_registration(request: Call) -> JsonAnswer:
    """It is gone."""
    caller = request.auth
    await flows.delete(
        edge.ground_of(request), caller.workspace_id, *await ids_in_path(request), caller.actor
    )
    return edge.nothing(request)


@route(
    f"GET {ONE}/history",
    Operation(
        summary="See who did what to a registration",
        scope="setup:read",
        gives=Page[RegistrationStepShown],
        problems=(404,),
        answer_example=Page([STEP_EXAMPLE]),
    ),
)
async def get_history(request: Call) -> JsonAnswer:
    """Oldest first."""
    told = await flows.history(
        edge.ground_of(request), request.auth.workspace_id, *await ids_in_path(request)
    )
    steps = []
    for fact in told:
        body: dict[str, Any] = msgspec.json.decode(fact.body)
        names = ("verb", "to", "by", "note", "reason")
        steps.append(
            RegistrationStepShown(at=iso(fact.at), from_=body["from"], **{name: body[name] for name in names})
        )
    return edge.answer(request, Page(steps))


# ── states ───────────────────────────────────────────────────────────────────────────────────────────


def _decided(
    verb: str, summary: str, scope: str, shape: Shape[Any], read: Callable[[Any], Decision], detail: str = ""
) -> Any:
    """A route that brings a registration to another state."""

    @route(
        f"POST {ONE}/{verb}",
        Operation(
            summary=summary,
            detail=detail,
            scope=scope,
            takes=shape,
            gives=LineRegistrationShown,
            problems=(404, 409),
            example=DECISION_EXAMPLES[verb],
            answer_example=EXAMPLE,
        ),
    )
    async def decide(request: Call) -> JsonAnswer:
        """It is in another state."""
        given, caller = read(shape.read(await edge.read_body(request))), request.auth
        ground = edge.ground_of(request)
        whole = await flows.decide(
            ground, caller.workspace_id, *await ids_in_path(request), verb, given, caller.actor
        )
        return edge.answer(request, shown(whole, ground.clock.now()))

    return decide


DECISION_EXAMPLES: dict[str, Json] = {
    "submit": {"note": "Everything as agreed by telephone."},
    "withdraw": {},
    "review": {},
    "approve": {"classes": ["service"], "valid_until": "2027-11-23T00:00:00Z", "external_id": "KS-4711"},
    "refuse": {"reason": "The letter is not signed."},
    "reopen": {},
    "suspend": {"reason": "The operator reports complaints."},
    "reinstate": {},
}


def _note(given: RegistrationNote) -> Decision:
    return Decision(note=given.note)


def _reason(given: RegistrationReason) -> Decision:
    return Decision(reason=given.reason)


def _approval(given: RegistrationApproval) -> Decision:
    return Decision(
        note=given.note,
        classes=given.classes,
        valid_from=edge.instant("valid_from", given.valid_from),
        valid_until=edge.instant("valid_until", given.valid_until),
        external_id=given.external_id,
    )


OTHER = "By somebody else than who submitted it."
DECISIONS = (
    _decided("submit", "Submit a registration", "setup:write", NOTE, _note, "Refused with what is missing."),
    _decided("withdraw", "Withdraw a registration, to change it", "setup:write", NOTE, _note),
    _decided("reopen", "Make a draft of one that was refused or has expired", "setup:write", NOTE, _note),
    _decided("review", "Begin to review a registration", DECIDE, NOTE, _note, OTHER),
    _decided("approve", "Approve a registration", DECIDE, APPROVAL, _approval, OTHER),
    _decided("refuse", "Refuse a registration", DECIDE, REASON, _reason, OTHER),
    _decided(
        "suspend",
        "Suspend a registration",
        DECIDE,
        REASON,
        _reason,
        "At once: what is queued on the line is not claimed any more, on any server.",
    ),
    _decided("reinstate", "Let a suspended registration count again", DECIDE, NOTE, _note),
)


# ── what the routes share ────────────────────────────────────────────────────────────────────────────


def shown(whole: Whole, now: int) -> LineRegistrationShown:
    """A registration for the outside, in the state that the clock has it in."""
    one = whole.registration
    state = rules.state_at(one.standing(), whole.requirement.expiring_days, now)
    verbs = DECISION_EXAMPLES.keys()
    return LineRegistrationShown(
        id=ids.show("registration", one.id),
        line=ids.show("line", one.line_id),
        requirement=one.requirement,
        operator=one.operator,
        classes=sorted(one.classes),
        granted=sorted(one.granted),
        state=state,
        reason=one.reason,
        valid_from=None if one.valid_from is None else iso(one.valid_from),
        valid_until=None if one.valid_until is None else iso(one.valid_until),
        declared=one.declared,
        fields=one.fields,
        undertakings=one.undertakings,
        external_id=one.external_id,
        submitted_by=one.submitted_by,
        documents=[shown_document(document) for document in whole.documents],
        missing=whole.missing if state is State.DRAFT else [],
        can=[verb for verb in rules.possible(state) if verb in verbs],
        version=one.version,
        created_at=iso(one.created_at),
        updated_at=iso(one.updated_at),
    )


HANDLERS = (
    list_requirements,
    list_registrations,
    create_registration,
    get_registration,
    change_registration,
    delete_registration,
    get_history,
    *papers.HANDLERS,
    *DECISIONS,
)
