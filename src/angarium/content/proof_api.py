"""The JSON edge of proofs: samples, previews, findings, and what providers say of wordings."""

from __future__ import annotations

from typing import Annotated

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.content import flows, parts, proof
from angarium.content.api import BODY_MAX_BYTES, EXAMPLE, look_of
from angarium.content.flows import TemplateInput
from angarium.content.lint.findings import Finding
from angarium.content.lint.subject import Sample
from angarium.content.preview import Block, Row, Wanted
from angarium.content.proof import NamedSample, SampleInput
from angarium.content.rules import Variant
from angarium.content.shown import FINDING_EXAMPLE
from angarium.content.store import samples
from angarium.content.surroundings import Person
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.problems import all_invalid, invalid, not_found
from angarium.core.values import Content, Json, Measure, MessageClass
from angarium.storage.database import Transaction


class SampleShown(msgspec.Struct, frozen=True):
    """A named set of values."""

    name: str
    locale: str
    values: Json


class PreviewInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A saved version with saved samples, or with a contact, and with values of one's own over them."""

    version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    samples: Annotated[tuple[str, ...], msgspec.Meta(max_length=50)] = ()
    contact: str = ""
    values: Json = {}
    locale: str = ""
    channels: tuple[str, ...] = ()


class DraftPreviewInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words that nobody has saved, while they are typed."""

    variants: tuple[Variant, ...]
    message_class: MessageClass = msgspec.field(name="class", default=MessageClass.SERVICE)
    default_locale: str = ""
    samples: Annotated[tuple[NamedSample, ...], msgspec.Meta(max_length=50)] = ()
    channels: tuple[str, ...] = ()


class DraftLintInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same, to be looked at."""

    variants: tuple[Variant, ...]
    message_class: MessageClass = msgspec.field(name="class", default=MessageClass.SERVICE)
    default_locale: str = ""
    samples: Annotated[tuple[NamedSample, ...], msgspec.Meta(max_length=50)] = ()


class VersionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which version; left out: the one under way, else the newest."""

    version: Annotated[int, msgspec.Meta(ge=1)] | None = None


SAMPLE = Shape(SampleInput)
PREVIEW, DRAFT_PREVIEW, DRAFT_LINT = Shape(PreviewInput), Shape(DraftPreviewInput), Shape(DraftLintInput)
VERSION = Shape(VersionQuery)

VALUES = {"order": "4512", "link": "https://shop.example/t/4512"}
SAMPLE_EXAMPLE = SampleShown("usual", "", VALUES)
ROW_EXAMPLE = Row(
    channel="smpp",
    line="sms",
    sample="usual",
    locale="",
    variant=1,
    looked_for=["*"],
    content=Content(text="4512: https://shop.example/t/4512"),
    blocks=[Block("sender", "Shop", direction="ltr"), Block("text", "4512: https://…", direction="ltr")],
    measure=Measure(parts=1, units=33, encoding="gsm7", units_left=127),
)


# ── samples ──────────────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /v1/templates/{template_id}/samples",
    Operation(
        summary="List the samples of a template",
        detail="Named sets of values, with which it is previewed and looked at.",
        scope="setup:read",
        gives=Page[SampleShown],
        problems=(404,),
        answer_example=Page([SAMPLE_EXAMPLE]),
    ),
)
async def list_samples(request: Call) -> JsonAnswer:
    """Every sample."""
    found = await edge.ground_of(request).db.read(_samples, request)
    return edge.answer(request, Page([SampleShown(one.name, one.locale, one.values) for one in found]))


async def _samples(tx: Transaction, request: Call) -> list[Sample]:
    found = await flows.whole(tx, request.auth.workspace_id, edge.id_in_path(request, "template"))
    return await samples.of_template(tx, found.workspace_id, found.template.id)


@route(
    "PUT /v1/templates/{template_id}/samples/{sample}",
    Operation(
        summary="Save a sample of a template",
        detail="In the place of the one of its name. A sample is no part of what is approved.",
        scope="templates:write",
        takes=SAMPLE,
        gives=SampleShown,
        problems=(404,),
        example=SampleInput(VALUES),
        answer_example=SAMPLE_EXAMPLE,
    ),
)
async def put_sample(request: Call) -> JsonAnswer:
    """Save one."""
    template_id, name = edge.id_in_path(request, "template"), edge.text_in_path(request, "sample")
    given, ground = SAMPLE.read(await edge.read_body(request)), edge.ground_of(request)

    async def work(tx: Transaction) -> Sample:
        workspace_id = request.auth.workspace_id
        await flows.held(tx, workspace_id, template_id)
        return await proof.save_sample(tx, workspace_id, template_id, name, given, ground.clock.now())

    saved = await ground.db.run(work)
    return edge.answer(request, SampleShown(saved.name, saved.locale, saved.values))


@route(
    "DELETE /v1/templates/{template_id}/samples/{sample}",
    Operation(summary="Delete a sample", scope="templates:write", status=204, problems=(404,)),
)
async def delete_sample(request: Call) -> JsonAnswer:
    """Delete one."""
    template_id, name = edge.id_in_path(request, "template"), edge.text_in_path(request, "sample")

    async def work(tx: Transaction) -> None:
        await flows.held(tx, request.auth.workspace_id, template_id)
        await proof.drop_sample(tx, request.auth.workspace_id, template_id, name)

    await edge.ground_of(request).db.run(work)
    return edge.nothing(request)


# ── previews and findings ────────────────────────────────────────────────────────────────────────────


@route(
    "POST /v1/templates/{template_id}/preview",
    Operation(
        summary="Show what people would get of a template",
        detail="A row for each channel and sample: words, parts, price, and how the channel shows it. "
        "With `contact`, what this person would get.",
        scope="setup:read",
        takes=PREVIEW,
        gives=Page[Row],
        once=True,
        problems=(404,),
        example=PreviewInput(samples=("usual",)),
        answer_example=Page([ROW_EXAMPLE]),
    ),
)
async def preview_template(request: Call) -> JsonAnswer:
    """Preview a saved version."""
    body = await edge.read_body(request)
    given = PREVIEW.read(body or b"{}")

    async def work(tx: Transaction) -> Page[Row]:
        found = await flows.whole(tx, request.auth.workspace_id, edge.id_in_path(request, "template"))
        one = found.version(given.version)
        saved = await samples.of_template(tx, found.workspace_id, found.template.id)
        chosen = proof.with_values(proof.chosen(saved, given.samples), given.values, given.locale)
        addresses = {}
        if given.contact:
            person = await _person(tx, request, given.contact)
            values = {"contact": person.values, **given.values}
            chosen = proof.with_values(chosen, values, given.locale or person.locale)
            addresses = person.addresses
        wanted = Wanted(
            found.template.message_class,
            one.variants,
            one.default_locale,
            chosen,
            frozenset(given.channels),
            addresses,
        )
        return Page(proof.rows(look_of(request), found.workspace_id, wanted))

    return await edge.once(request, body, work)


async def _person(tx: Transaction, request: Call, shown_id: str) -> Person:
    """The contact that a preview is for."""
    if "contacts:read" not in request.auth.scopes:
        raise invalid("contact", "needs a key that may see contacts", remedy="the scope contacts:read")
    try:
        contact_id = ids.read("contact", shown_id)
    except ValueError:
        raise not_found("contact", shown_id) from None
    return await proof.person(tx, look_of(request), request.auth.workspace_id, contact_id, shown_id)


@route(
    "POST /v1/templates/preview",
    Operation(
        summary="Show what people would get of words that are not saved",
        detail="Reads nothing but the body and the lines at hand: it can be asked at every stroke of a key.",
        scope="setup:read",
        takes=DRAFT_PREVIEW,
        gives=Page[Row],
        once=True,
        example=DraftPreviewInput(EXAMPLE.variants, samples=(NamedSample("usual", VALUES),)),
        answer_example=Page([ROW_EXAMPLE]),
        body_max_bytes=BODY_MAX_BYTES,
    ),
)
async def preview_draft(request: Call) -> JsonAnswer:
    """Preview what is being typed."""
    body = await edge.read_body(request)
    given = DRAFT_PREVIEW.read(body)
    variants = await _checked_draft(request, given.variants, given.samples)
    wanted = Wanted(
        given.message_class,
        variants,
        given.default_locale,
        [Sample(one.name, one.locale, one.values) for one in given.samples] or [proof.NO_VALUES],
        frozenset(given.channels),
    )
    found = Page(proof.rows(look_of(request), request.auth.workspace_id, wanted))
    if not edge.idempotency_key(request):
        return edge.answer(request, found)

    async def work(_tx: Transaction) -> Page[Row]:
        return found

    return await edge.once(request, body, work)


@route(
    "GET /v1/templates/{template_id}/findings",
    Operation(
        summary="Look over a version of a template",
        detail="What its author should know: errors keep it from being submitted for review.",
        scope="setup:read",
        asks=VERSION,
        gives=Page[Finding],
        problems=(404,),
        answer_example=Page([FINDING_EXAMPLE]),
    ),
)
async def look_over(request: Call) -> JsonAnswer:
    """The findings of a saved version."""
    query = VERSION.read_query(request.scope["query_string"])

    async def work(tx: Transaction) -> list[Finding]:
        found = await flows.whole(tx, request.auth.workspace_id, edge.id_in_path(request, "template"))
        return await proof.findings(tx, look_of(request), found, found.version(query.version))

    return edge.answer(request, Page(await edge.ground_of(request).db.read(work)))


@route(
    "POST /v1/templates/lint",
    Operation(
        summary="Look over words that are not saved",
        scope="setup:read",
        takes=DRAFT_LINT,
        gives=Page[Finding],
        once=True,
        example=DraftLintInput(EXAMPLE.variants, samples=(NamedSample("usual", VALUES),)),
        answer_example=Page([FINDING_EXAMPLE]),
        body_max_bytes=BODY_MAX_BYTES,
    ),
)
async def look_over_draft(request: Call) -> JsonAnswer:
    """The findings of what is being typed."""
    body = await edge.read_body(request)
    given = DRAFT_LINT.read(body)
    variants = await _checked_draft(request, given.variants, given.samples)
    words = TemplateInput("draft", variants, given.message_class, given.default_locale)
    with_names = [Sample(one.name, one.locale, one.values) for one in given.samples]

    async def work(tx: Transaction) -> Page[Finding]:
        look, workspace_id = look_of(request), request.auth.workspace_id
        return Page(await proof.findings_of(tx, look, workspace_id, words, with_names))

    return await edge.once(request, body, work)


async def _checked_draft(
    request: Call, written: tuple[Variant, ...], given: tuple[NamedSample, ...]
) -> tuple[Variant, ...]:
    """Wordings with their parts in their places; a Problem that names what is wrong with them."""
    variants = await edge.ground_of(request).db.read(parts.composed, request.auth.workspace_id, written)
    wrong = tuple(flows.wrong_variants(variants))
    if wrong:
        raise all_invalid("The wording is not valid", wrong)
    proof.check_samples([Sample(one.name, one.locale, one.values) for one in given])
    return variants


HANDLERS = (
    list_samples,
    put_sample,
    delete_sample,
    preview_template,
    preview_draft,
    look_over,
    look_over_draft,
)
