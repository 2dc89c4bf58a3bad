"""The JSON edge of what providers say of wordings: what people note of it, and what comes by callbacks."""

from __future__ import annotations

from typing import Annotated

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import PAGE, Call, JsonAnswer, Operation, Page, route
from angarium.content import approval, flows, registering, shown
from angarium.content.api import deed_of, read_whole
from angarium.content.flows import Whole
from angarium.content.shown import REGISTRATION_EXAMPLE, RegistrationShown
from angarium.content.store import provider_templates, registrations
from angarium.content.store.provider_templates import Told
from angarium.content.store.registrations import Registration
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.problems import FieldProblem, all_invalid
from angarium.core.values import RegistrationStatus
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact

WORD_MAX = 200  # characters
Word = Annotated[str, msgspec.Meta(max_length=WORD_MAX)]


class RegistrationInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider says of the words that a version has for a channel and locale."""

    channel: str
    status: RegistrationStatus
    locale: str = "*"
    version: Annotated[int, msgspec.Meta(ge=1)] | None = None  # left out: the one under way, else the newest
    registrar: Word = ""
    external_id: Word = ""
    category: Word = ""
    reason: Annotated[str, msgspec.Meta(max_length=2_000)] = ""


class ProviderTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a provider said of a template that it keeps; `templates` are ours that ask for it."""

    channel: str
    line: str  # by whose callback it came
    account: str  # at the provider
    name: str
    language: str
    about: str  # status, category, quality, notice
    word: str  # the provider's own
    status: str  # empty where it is about something else
    reason: str
    category: str
    external_id: str
    registrar: str
    said_at: str
    heard_at: str
    templates: list[str]


REGISTRATION = Shape(RegistrationInput)
PROVIDER_EXAMPLE = ProviderTemplate(
    channel="whatsapp_cloud",
    line="lin_05a58xarj0003",
    account="102290129340398",
    name="order_confirmation",
    language="en-us",
    about="status",
    word="REJECTED",
    status="rejected",
    reason="INVALID_FORMAT Parameters stand next to each other. Put words between them.",
    category="UTILITY",
    external_id="1689556908129835",
    registrar="Meta",
    said_at="2026-11-23T09:00:00.000Z",
    heard_at="2026-11-23T09:00:01.000Z",
    templates=["tpl_05a58xarj0000"],
)


@route(
    "GET /v1/templates/{template_id}/registrations",
    Operation(
        summary="List what providers say of a template",
        scope="setup:read",
        gives=Page[RegistrationShown],
        problems=(404,),
        answer_example=Page([REGISTRATION_EXAMPLE]),
    ),
)
async def list_registrations(request: Call) -> JsonAnswer:
    """What is known of each wording."""
    found = await read_whole(request)
    return edge.answer(request, Page([_shown(found, one) for one in found.registrations]))


@route(
    "PUT /v1/templates/{template_id}/registrations",
    Operation(
        summary="Note what a provider says of a wording",
        detail="It holds for these very words, also in other versions that have them.",
        scope="templates:decide",
        takes=REGISTRATION,
        gives=RegistrationShown,
        problems=(404,),
        example=RegistrationInput(
            "whatsapp_cloud", RegistrationStatus.APPROVED, locale="uk", registrar="Meta"
        ),
        answer_example=REGISTRATION_EXAMPLE,
    ),
)
async def put_registration(request: Call) -> JsonAnswer:
    """Note one."""
    template_id, ground = edge.id_in_path(request, "template"), edge.ground_of(request)
    given = REGISTRATION.read(await edge.read_body(request))
    deed = deed_of(request)

    async def work(tx: Transaction) -> RegistrationShown:
        found = await flows.held(tx, request.auth.workspace_id, template_id)
        new = _registration(found, given, deed.actor, deed.now)
        await registrations.save(tx, found.workspace_id, template_id, new)
        body = msgspec.json.encode({**msgspec.structs.asdict(new), "name": found.template.name})
        fact = Fact(found.workspace_id, "template.registration", template_id, deed.now, body)
        await facts.append(tx, [fact])
        told = _shown(found, new)
        one = found.version(given.version)
        said = msgspec.structs.replace(deed, note=f"{new.channel} {new.locale}: {new.status}")
        await flows.note(tx, found, "registered", one, said)
        return told

    return edge.answer(request, await ground.db.run(work))


def _registration(found: Whole, given: RegistrationInput, actor: str, now: int) -> Registration:
    one = found.version(given.version)
    for variant in one.variants:
        if (variant.channel, variant.locale) == (given.channel, given.locale):
            return Registration(
                channel=given.channel,
                locale=given.locale,
                hash=approval.wording_hash(variant),
                registrar=given.registrar,
                external_id=given.external_id,
                category=given.category,
                status=given.status.value,
                reason=given.reason,
                actor=actor,
                at=now,
            )
    known = ", ".join(f"{variant.channel} {variant.locale}" for variant in one.variants)
    problem = f"version {one.number} has no wording for it"
    wrong = FieldProblem("channel", problem, f"one of: {known}", f"{given.channel} {given.locale}"[:80])
    raise all_invalid("The registration is not valid", (wrong,))


def _shown(found: Whole, one: Registration) -> RegistrationShown:
    key = (one.channel, one.locale, one.hash)
    having = [
        version.number
        for version in found.versions
        if any(approval.registration_key(variant) == key for variant in version.variants)
    ]
    return shown.registration(one, having)


@route(
    "GET /v1/provider-templates",
    Operation(
        summary="List what providers said of the templates that they keep",
        detail="As it came by the callbacks of lines. One that no template of yours asks for has none in "
        "`templates`; what was said of it counts as soon as one does.",
        scope="setup:read",
        asks=PAGE,
        gives=Page[ProviderTemplate],
        answer_example=Page([PROVIDER_EXAMPLE]),
    ),
)
async def list_provider_templates(request: Call) -> JsonAnswer:
    """Everything that was said, in the order in which each was first heard of."""
    query, workspace_id = PAGE.read_query(request.scope["query_string"]), request.auth.workspace_id

    async def work(tx: Transaction) -> Page[ProviderTemplate]:
        after = edge.read_cursor(query.cursor)
        told = await provider_templates.after(tx, workspace_id, after, query.limit + 1)
        items, following = edge.cut(told, query, lambda one: one.id)
        users = await registering.asking(tx, workspace_id, items)
        return Page([_provider_template(one, users[one.id]) for one in items], following)

    return edge.answer(request, await edge.ground_of(request).db.read(work))


def _provider_template(one: Told, users: list[int]) -> ProviderTemplate:
    return ProviderTemplate(
        channel=one.channel,
        line=ids.show("line", one.line_id),
        account=one.account,
        name=one.name,
        language=one.language,
        about=one.about,
        word=one.word,
        status=one.status,
        reason=one.reason,
        category=one.category,
        external_id=one.external_id,
        registrar=one.registrar,
        said_at=iso(one.said_at),
        heard_at=iso(one.heard_at),
        templates=[ids.show("template", template_id) for template_id in users],
    )


HANDLERS = (list_registrations, put_registration, list_provider_templates)
