"""The JSON edge of templates: save them, look at them and at their versions, compare, search."""

from __future__ import annotations

from typing import Annotated

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.accounts.reach import require_class
from angarium.channels import load
from angarium.content import difference, flows, parts, proof, review, search, shown
from angarium.content.difference import VariantChange
from angarium.content.flows import Deed, TemplateInput, Whole
from angarium.content.lifecycle import VersionState
from angarium.content.search import Found
from angarium.content.shown import (
    ANYBODY,
    SAVED_EXAMPLE,
    SHIPPED,
    TEMPLATE_EXAMPLE,
    VERSION_EXAMPLE,
    TemplateSaved,
    TemplateShown,
    TemplateTold,
    VersionShown,
    VersionTold,
)
from angarium.content.store import versions
from angarium.content.store.versions import Template
from angarium.content.surroundings import Alone, Look
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.problems import not_found
from angarium.core.values import MessageClass
from angarium.storage.database import Conflict, Transaction

TEMPLATE = Shape(TemplateInput)
BODY_MAX_BYTES = 2_097_152  # mails in many languages


class TemplateQuery(edge.PageQuery, frozen=True, forbid_unknown_fields=True):
    """Which templates: of a class, in a state, with a wording for a channel or locale, with a text."""

    message_class: str = msgspec.field(name="class", default="")
    state: str = ""
    channel: str = ""
    locale: str = ""
    text: str = ""


class SearchQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A phrase, capitals or not."""

    phrase: Annotated[str, msgspec.Meta(min_length=2, max_length=500)]


class DiffQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two versions; `to` left out is the newest."""

    before: Annotated[int, msgspec.Meta(ge=1)] = msgspec.field(name="from")
    after: Annotated[int, msgspec.Meta(ge=0)] = msgspec.field(name="to", default=0)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a phrase stands in a live message."""

    template: str
    name: str
    message_class: str = msgspec.field(name="class")
    place: Found


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What has changed from one version to another."""

    before: int = msgspec.field(name="from")
    after: int = msgspec.field(name="to")
    default_locale: list[str]  # of both
    variants: list[VariantChange]


LIST, SEARCH, DIFF = Shape(TemplateQuery), Shape(SearchQuery), Shape(DiffQuery)
EXAMPLE = TemplateInput("order-shipped", (SHIPPED, ANYBODY))
PLACE_EXAMPLE = Place(
    template="tpl_05a58xarj0000",
    name="order-shipped",
    message_class="service",
    place=Found(2, "viber_business", "uk", "text", 6, "Ваше замовлення {{ order }} в дорозі"),
)
DIFFERENCE_EXAMPLE = Difference(
    before=1,
    after=2,
    default_locale=["", ""],
    variants=difference.difference((ANYBODY,), (SHIPPED, ANYBODY)),
)


def look_of(request: Call) -> Look:
    """What knows the surroundings of wording; it knows the channels alone where nobody put more in."""
    found: Look | None = request.scope["litestar_app"].state.get("surroundings")
    return found or Alone(load())


def deed_of(request: Call, note: str = "") -> Deed:
    """Who asks, and when."""
    return Deed(request.auth.actor, edge.ground_of(request).clock.now(), note)


# ── saving ───────────────────────────────────────────────────────────────────────────────────────────


@route(
    "POST /v1/templates",
    Operation(
        summary="Create a template",
        detail="A variant for each channel and locale; the most specific one is said. Their fields "
        "are Liquid: `{{ name }}`, filters and conditions. It is published at once where no policy asks for "
        "its approval; `next` says what comes next, `findings` what its author should know.",
        scope="templates:write",
        takes=TEMPLATE,
        gives=TemplateSaved,
        status=201,
        once=True,
        example=EXAMPLE,
        answer_example=SAVED_EXAMPLE,
        body_max_bytes=BODY_MAX_BYTES,
    ),
)
async def create_template(request: Call) -> JsonAnswer:
    """A new template."""
    body = await edge.read_body(request)
    given, deed = await composed(request, TEMPLATE.read(body)), deed_of(request)
    flows.check(given)

    async def work(tx: Transaction) -> TemplateSaved:
        ground = edge.ground_of(request)
        made = await flows.create(
            tx, ground, request.auth.workspace_id, given, msgspec.structs.replace(deed, note=given.note)
        )
        return await settled(tx, request, made, given, deed, "created")

    return await edge.once(request, body, work, taken=flows.taken(given.name))


@route(
    "PUT /v1/templates/{template_id}",
    Operation(
        summary="Change a template",
        detail="Makes its next version. Messages that are under way keep the one they were made of. While a "
        "version is in review, the template cannot be changed.",
        scope="templates:write",
        takes=TEMPLATE,
        gives=TemplateSaved,
        problems=(404, 409),
        example=EXAMPLE,
        answer_example=SAVED_EXAMPLE,
        body_max_bytes=BODY_MAX_BYTES,
    ),
)
async def change_template(request: Call) -> JsonAnswer:
    """The next version."""
    template_id = edge.id_in_path(request, "template")
    ground = edge.ground_of(request)
    given = await composed(request, TEMPLATE.read(await edge.read_body(request)))
    flows.check(given)
    deed = deed_of(request, given.note)

    async def work(tx: Transaction) -> TemplateSaved:
        changed = await flows.change(tx, ground, request.auth.workspace_id, template_id, given, deed)
        return await settled(tx, request, changed, given, deed, "changed")

    try:
        return edge.answer(request, await ground.db.run(work))
    except Conflict as conflict:
        if not flows.is_taken(conflict):
            raise
        raise flows.taken(given.name) from None


async def composed(request: Call, given: TemplateInput) -> TemplateInput:
    """A template whose parts are in their places, and whose MJML is HTML."""
    made = await edge.ground_of(request).db.read(parts.composed, request.auth.workspace_id, given.variants)
    return msgspec.structs.replace(given, variants=made)


async def settled(
    tx: Transaction, request: Call, found: Whole, given: TemplateInput, deed: Deed, what: str
) -> TemplateSaved:
    """Publish what may go at once; look at it in any case."""
    require_class(request.auth.reach, found.template.message_class)
    one = found.version()
    if given.publish and not found.demand(one).approvals and not found.unregistered(one):
        plain = msgspec.structs.replace(deed, note="no approval is asked for")
        one = await review.publish(tx, edge.ground_of(request), found, one.number, review.Term(), plain)
    told = await proof.findings(tx, look_of(request), found, one)
    await flows.note(tx, found, what, one, deed)
    return shown.saved(found, told, deed.now)


@route(
    "DELETE /v1/templates/{template_id}",
    Operation(
        summary="Delete a template",
        detail="Messages that were made of it keep their words.",
        scope="templates:write",
        status=204,
        problems=(404,),
    ),
)
async def delete_template(request: Call) -> JsonAnswer:
    """No template any more."""
    template_id = edge.id_in_path(request, "template")
    deed, caller = deed_of(request), request.auth

    async def work(tx: Transaction) -> None:
        found = await flows.held(tx, caller.workspace_id, template_id)
        require_class(caller.reach, found.template.message_class)
        await flows.delete(tx, caller.workspace_id, template_id, deed)

    await edge.ground_of(request).db.run(work)
    return edge.nothing(request)


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /v1/templates",
    Operation(
        summary="List the templates",
        detail="Each with the version that is under way, else the newest; oldest first.",
        scope="setup:read",
        asks=LIST,
        gives=Page[TemplateShown],
        answer_example=Page([TEMPLATE_EXAMPLE]),
    ),
)
async def list_templates(request: Call) -> JsonAnswer:
    """The templates that fit."""
    query, ground = LIST.read_query(request.scope["query_string"]), edge.ground_of(request)
    edge.word(MessageClass, "class", query.message_class)
    edge.word(VersionState, "state", query.state)
    now = ground.clock.now()
    found = [
        (template.id, shown.listed(template, kept, now))
        for template, kept in await flows.everything(ground, request.auth.workspace_id)
    ]
    fitting = [pair for pair in found if _fits(query, pair[1])]
    pairs, following = edge.piece(fitting, query, lambda pair: pair[0])
    return edge.answer(request, Page([template for _, template in pairs], following))


def _fits(query: TemplateQuery, one: TemplateShown) -> bool:
    if query.message_class and one.message_class != query.message_class:
        return False
    if query.state and one.state != query.state:
        return False
    if query.channel and not any(variant.channel == query.channel for variant in one.variants):
        return False
    if query.locale and not any(variant.locale == query.locale for variant in one.variants):
        return False
    said = f"{one.name} {msgspec.json.encode(one.variants).decode()}"
    return not query.text or query.text.casefold() in said.casefold()


@route(
    "GET /v1/templates/search",
    Operation(
        summary="Find a phrase in live messages",
        detail="Which templates say it now, or will at their instant: every place, with the words around it.",
        scope="setup:read",
        asks=SEARCH,
        gives=Page[Place],
        answer_example=Page([PLACE_EXAMPLE]),
    ),
)
async def search_templates(request: Call) -> JsonAnswer:
    """Where a phrase stands."""
    query, ground = SEARCH.read_query(request.scope["query_string"]), edge.ground_of(request)
    wanted, now = search.pattern(query.phrase), ground.clock.now()
    places = [
        _place(template, found)
        for template, kept in await flows.everything(ground, request.auth.workspace_id)
        for found in search.search(wanted, versions.going(kept, now))
    ]
    return edge.answer(request, Page(places[: search.FOUND_MAX]))


def _place(template: Template, found: Found) -> Place:
    return Place(
        template=ids.show("template", template.id),
        name=template.name,
        message_class=template.message_class.value,
        place=found,
    )


@route(
    "GET /v1/templates/{template_id}",
    Operation(
        summary="Look at a template",
        detail="With the version that is under way, else the newest. Messages take the one in `in_force`.",
        scope="setup:read",
        gives=TemplateTold,
        problems=(404,),
        answer_example=TEMPLATE_EXAMPLE,
    ),
)
async def get_template(request: Call) -> JsonAnswer:
    """One template."""
    found = await read_whole(request)
    return edge.answer(request, shown.told(found, edge.ground_of(request).clock.now()))


@route(
    "GET /v1/templates/{template_id}/versions",
    Operation(
        summary="List the versions of a template",
        scope="setup:read",
        asks=edge.PAGE,
        gives=Page[VersionShown],
        problems=(404,),
        answer_example=Page([VERSION_EXAMPLE]),
    ),
)
async def list_versions(request: Call) -> JsonAnswer:
    """Every version, the first one first."""
    query = edge.PAGE.read_query(request.scope["query_string"])
    found, now = await read_whole(request), edge.ground_of(request).clock.now()
    page, following = edge.piece(found.versions, query, lambda version: version.number)
    return edge.answer(request, Page([shown.version(found, one, now) for one in page], following))


@route(
    "GET /v1/templates/{template_id}/versions/{version}",
    Operation(
        summary="Look at a version of a template",
        detail="What it says, who approved it, and everything that was done to it.",
        scope="setup:read",
        gives=VersionTold,
        problems=(404,),
        answer_example=VERSION_EXAMPLE,
    ),
)
async def get_version(request: Call) -> JsonAnswer:
    """One version with its history."""
    number = number_in_path(request)
    found, now = await read_whole(request), edge.ground_of(request).clock.now()
    return edge.answer(request, shown.version_told(found, found.version(number), now))


@route(
    "GET /v1/templates/{template_id}/diff",
    Operation(
        summary="Compare two versions of a template",
        detail="Per variant and field, word by word: what stayed, came and went.",
        scope="setup:read",
        asks=DIFF,
        gives=Difference,
        answer_example=DIFFERENCE_EXAMPLE,
        problems=(404,),
    ),
)
async def compare_versions(request: Call) -> JsonAnswer:
    """What has changed between two versions."""
    found = await read_whole(request)
    query = DIFF.read_query(request.scope["query_string"])
    before = found.version(query.before)
    after = found.version(query.after) if query.after else found.versions[-1]
    return edge.answer(
        request,
        Difference(
            before=before.number,
            after=after.number,
            default_locale=[before.default_locale, after.default_locale],
            variants=difference.difference(before.variants, after.variants),
        ),
    )


async def read_whole(request: Call) -> Whole:
    """The template in an address, to look at."""
    template_id = edge.id_in_path(request, "template")
    return await edge.ground_of(request).db.read(flows.whole, request.auth.workspace_id, template_id)


def number_in_path(request: Call) -> int:
    """The number of a version in an address."""
    text = edge.text_in_path(request, "version")
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise not_found("version", text)
    return int(text)


HANDLERS = (
    list_templates,
    create_template,
    search_templates,
    get_template,
    change_template,
    delete_template,
    list_versions,
    get_version,
    compare_versions,
)
