"""The JSON edge of templates. Each change is a new version; the old ones stay to be looked at."""

from __future__ import annotations

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.content import flows, rules
from angarium.content.flows import TemplateInput
from angarium.content.rules import Variant
from angarium.content.store import PastVersion, TemplateVersion
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.values import Button, Content
from angarium.storage.database import Transaction

TEMPLATE = Shape(TemplateInput)
BODY_MAX_BYTES = 2_097_152  # mails in many languages


class TemplateShown(msgspec.Struct, frozen=True, kw_only=True):
    """A template in its current version."""

    id: str
    name: str
    version: int
    state: str
    variants: list[Variant]
    variables: list[str]  # every name that some variant uses
    created_at: str
    updated_at: str


class VersionShown(msgspec.Struct, frozen=True, kw_only=True):
    """What a template said from an instant on, until the next version."""

    version: int
    state: str
    variants: list[Variant]
    created_at: str


SHIPPED = Variant(
    Content(
        text="Ваше замовлення {{ order }} в дорозі: {{ link }}", buttons=(Button("Де воно?", "{{ link }}"),)
    ),
    channel="viber_business",
    locale="uk",
)
EXAMPLE = TemplateInput("order-shipped", (SHIPPED, Variant(Content(text="{{ order }}: {{ link }}"))))
SHOWN_EXAMPLE = TemplateShown(
    id="tpl_05a58xarj0000",
    name="order-shipped",
    version=2,
    state="approved",
    variants=list(EXAMPLE.variants),
    variables=["link", "order"],
    created_at="2026-11-23T08:30:00.000Z",
    updated_at="2026-11-23T09:30:00.000Z",
)
VERSION_EXAMPLE = VersionShown(
    version=1, state="approved", variants=[SHIPPED], created_at="2026-11-23T08:30:00.000Z"
)


@route(
    "GET /v1/templates",
    Operation(
        summary="List the templates",
        scope="setup:read",
        asks=edge.PAGE,
        gives=Page[TemplateShown],
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_templates(request: Call) -> JsonAnswer:
    """Every template in its current version, oldest first."""
    query = edge.PAGE.read_query(request.scope["query_string"])
    found = await flows.everything(edge.ground_of(request), request.auth.workspace_id)
    templates, following = edge.piece(found, query, lambda template: template.template_id)
    return edge.answer(request, Page([shown(template) for template in templates], following))


@route(
    "POST /v1/templates",
    Operation(
        summary="Create a template",
        detail="A variant for each channel and locale; the most specific one is said. Their fields "
        "are Liquid: `{{ name }}`, filters and conditions.",
        scope="setup:write",
        takes=TEMPLATE,
        gives=TemplateShown,
        status=201,
        once=True,
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
        body_max_bytes=BODY_MAX_BYTES,
    ),
)
async def create_template(request: Call) -> JsonAnswer:
    """A new template."""
    body = await edge.read_body(request)
    given, ground, caller = TEMPLATE.read(body), edge.ground_of(request), request.auth
    flows.check(given)

    async def work(tx: Transaction) -> TemplateShown:
        return shown(await flows.new_template(tx, ground, caller.workspace_id, given, caller.actor))

    return await edge.once(request, body, work, taken=flows.taken(given.name))


@route(
    "GET /v1/templates/{template_id}",
    Operation(
        summary="Look at a template",
        scope="setup:read",
        gives=TemplateShown,
        problems=(404,),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def get_template(request: Call) -> JsonAnswer:
    """One template in its current version."""
    template_id = edge.id_in_path(request, "template")
    found = await flows.get(edge.ground_of(request), request.auth.workspace_id, template_id)
    return edge.answer(request, shown(found))


@route(
    "PUT /v1/templates/{template_id}",
    Operation(
        summary="Change a template",
        detail="Makes its next version. Messages that are under way keep the one they were made of.",
        scope="setup:write",
        takes=TEMPLATE,
        gives=TemplateShown,
        problems=(404, 409),
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
        body_max_bytes=BODY_MAX_BYTES,
    ),
)
async def change_template(request: Call) -> JsonAnswer:
    """The next version."""
    template_id = edge.id_in_path(request, "template")
    given = TEMPLATE.read(await edge.read_body(request))
    flows.check(given)
    ground, caller = edge.ground_of(request), request.auth
    changed = await flows.change(ground, caller.workspace_id, template_id, given, caller.actor)
    return edge.answer(request, shown(changed))


@route(
    "DELETE /v1/templates/{template_id}",
    Operation(
        summary="Delete a template",
        detail="Messages that were made of it keep their words.",
        scope="setup:write",
        status=204,
        problems=(404,),
    ),
)
async def delete_template(request: Call) -> JsonAnswer:
    """No template any more."""
    template_id = edge.id_in_path(request, "template")
    await flows.delete(edge.ground_of(request), request.auth.workspace_id, template_id, request.auth.actor)
    return edge.nothing(request)


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
    template_id = edge.id_in_path(request, "template")
    query = edge.PAGE.read_query(request.scope["query_string"])
    found = await flows.versions(edge.ground_of(request), request.auth.workspace_id, template_id)
    versions, following = edge.piece(found, query, lambda version: version.number)
    return edge.answer(request, Page([_shown_version(version) for version in versions], following))


def shown(template: TemplateVersion) -> TemplateShown:
    """A template for the outside."""
    names = frozenset[str]().union(*(rules.variables(variant.content) for variant in template.variants))
    return TemplateShown(
        id=ids.show("template", template.template_id),
        name=template.name,
        version=template.number,
        state=template.state,
        variants=list(template.variants),
        variables=sorted(names),
        created_at=iso(template.created_at),
        updated_at=iso(template.updated_at),
    )


def _shown_version(version: PastVersion) -> VersionShown:
    return VersionShown(
        version=version.number,
        state=version.state,
        variants=list(version.variants),
        created_at=iso(version.created_at),
    )


HANDLERS = (
    list_templates,
    create_template,
    get_template,
    change_template,
    delete_template,
    list_versions,
)
