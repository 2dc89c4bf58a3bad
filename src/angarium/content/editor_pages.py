"""The HTML edge of the editor: the form of a template, what it looks like while one types, saving it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, cast

import msgspec

from angarium.accounts.edge import Call, Operation, Sent, ground_of, id_in_path, route
from angarium.accounts.pages import HtmlAnswer, problem_told, redirect
from angarium.channels import load
from angarium.content import approval, editing, flows, proof, review
from angarium.content.api import composed, deed_of, look_of, settled
from angarium.content.editing import Draft, DraftWording
from angarium.content.editor import Proof, prove
from angarium.content.filters import FILTERS
from angarium.content.flows import Deed, TemplateInput, Whole
from angarium.content.lifecycle import VersionState
from angarium.content.lint import looking
from angarium.content.pages import (
    MailAnswer,
    channels_that_fit,
    groups_of_channels,
    mail_page,
    names_of_channels,
    reads,
)
from angarium.content.proof import SampleInput
from angarium.content.rules import ANY
from angarium.content.store import media, parts, samples
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.problems import Problem, all_invalid, not_found
from angarium.core.values import ButtonKind, MessageClass
from angarium.storage.database import Conflict, Transaction

FILES_SHOWN = 60
NEWEST = (1 << 63) - 1
WRITE = "templates:write"


class EditQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which version to go on from; left out: the one under way, else the newest."""

    version: Annotated[int, msgspec.Meta(ge=1)] | None = None


class MailQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which wording of the form."""

    wording: Annotated[int, msgspec.Meta(ge=0, le=editing.WORDINGS_MAX)] = 0


class Takes(msgspec.Struct, frozen=True):
    """What the form of a wording asks for, by what its channels can do."""

    mail: bool  # a subject and HTML
    buttons: int  # how many
    kinds: list[str]  # of buttons
    picture: bool
    registered: bool  # the name of a template of the provider


EDIT, MAIL = Shape(EditQuery), Shape(MailQuery)


# ── the form ─────────────────────────────────────────────────────────────────────────────────────────


@route("GET /templates/new", Operation(summary="A new template", scope=WRITE, page=True))
async def new_template(request: Call) -> Sent:
    """An empty form, with one wording for everybody."""
    return await _form(request, Draft(wordings=[DraftWording()]))


@route(
    "GET /templates/{template_id}/edit",
    Operation(summary="Change a template", scope=WRITE, asks=EDIT, page=True),
)
async def edit_template(request: Call) -> Sent:
    """The form, with what a version says."""
    query = EDIT.read_query(request.scope["query_string"])
    template_id = id_in_path(request, "template")

    async def look(tx: Transaction) -> tuple[Whole, list[Any]]:
        found = await flows.whole(tx, request.auth.workspace_id, template_id)
        return found, await samples.of_template(tx, found.workspace_id, template_id)

    found, saved = await ground_of(request).db.read(look)
    one = found.version(query.version)
    draft = editing.of_version(
        found.template.name, found.template.message_class.value, one.default_locale, one.variants
    )
    draft.based_on = str(found.versions[-1].number)
    if saved:
        _with_sample(draft, saved[0])
    else:
        draft.values = editing.written(editing.examples(one.variants))
    return await _form(request, draft, found)


def _with_sample(draft: Draft, sample: Any) -> None:
    draft.sample = sample.name
    draft.values = editing.written(sample.values)


async def _form(
    request: Call, draft: Draft, found: Whole | None = None, problem: Problem | None = None, opened: int = 0
) -> HtmlAnswer:
    """The form with a draft, its proof, and what was wrong with saving it."""
    seen, around = await ground_of(request).db.read(_around, request, draft, found)
    status = 422 if problem else 200
    version = found.version() if found else None
    facts = {
        "draft": draft,
        "proof": seen,
        "template_id": ids.show("template", found.template.id) if found else "",
        "locked": version is not None and version.state is VersionState.IN_REVIEW,
        "demand": found.demand(version).approvals if found and version else around.pop("asked"),
        "problem": problem_told(problem),
        "wrong": {one.field: f"{one.problem}. {one.remedy}" for one in problem.fields} if problem else {},
        "opened": opened,
        "takes": [takes(one.channel) for one in draft.wordings],
        "channels": names_of_channels(request),
        "groups": groups_of_channels(),
        "classes": [one.value for one in MessageClass],
        "filters": sorted(FILTERS),
        "reads": reads,
        **around,
    }
    return HtmlAnswer("content/edit.html", facts, status=status)


async def _around(
    tx: Transaction, request: Call, draft: Draft, found: Whole | None
) -> tuple[Proof, dict[str, Any]]:
    workspace_id = request.auth.workspace_id
    seen = await prove(tx, request, draft)
    around = await look_of(request).around(tx, workspace_id)
    saved = await samples.of_template(tx, workspace_id, found.template.id) if found else []
    facts: dict[str, Any] = {
        "fields": sorted(around.fields or ()),
        "locales": [locale for locale, _ in around.locales[:12]],
        "at_hand": sorted({one.channel.kind for one in around.carriers}),
        "files": [
            {"shown": ids.show("media", one.id), "name": one.name}
            for one in await media.page(tx, workspace_id, "", NEWEST, FILES_SHOWN)
        ],
        "parts": [one.part.name for one in await parts.all_of(tx, workspace_id)],
        "saved": [one.name for one in saved],
    }
    if found is None:
        approvals, _ = await flows.policies(tx, workspace_id)
        kinds = approval.kinds_of(editing.variants(draft), load().values())
        facts["asked"] = approval.demand(approvals, editing.class_of(draft), kinds).approvals
    return seen, facts


def takes(channel: str) -> Takes:
    """What can be said by the channels that a wording is for."""
    fitting = [one.capabilities for one in channels_that_fit(channel)]
    most = max((one.buttons_max for one in fitting), default=0)
    return Takes(
        mail=any(one.html for one in fitting),
        buttons=most,
        kinds=sorted({kind.value for one in fitting if one.buttons_max for kind in one.buttons})
        or [ButtonKind.LINK.value],
        picture=any(one.images or one.media for one in fitting),
        registered=channel != ANY and any(one.registers_templates for one in fitting),
    )


# ── while one types ──────────────────────────────────────────────────────────────────────────────────


@route("POST /templates/proof", Operation(summary="Wording while it is typed", scope="setup:read", page=True))
async def proof_of_draft(request: Call) -> Sent:
    """The pieces of the form that tell of what is typed."""
    draft = editing.read(_fields(request))
    seen = await ground_of(request).db.read(prove, request, draft)
    names, groups = names_of_channels(request), groups_of_channels()
    facts = {"draft": draft, "proof": seen, "channels": names, "groups": groups}
    return HtmlAnswer("content/proof.html", facts)


@route(
    "POST /templates/mail",
    Operation(summary="A mail while it is typed", scope="setup:read", asks=MAIL, page=True),
)
async def mail_of_draft(request: Call) -> Sent:
    """One wording of the form as a mail program shows it: a page that may do nothing."""
    query, draft = MAIL.read_query(request.scope["query_string"]), editing.read(_fields(request))
    if query.wording >= len(draft.wordings):
        raise not_found("wording", str(query.wording))
    variant = editing.variant_of(draft.wordings[query.wording])
    try:
        (made,) = (await composed(request, TemplateInput("draft", (variant,)))).variants
    except Problem:  # told beside the form
        made = variant
    given, _ = editing.values(draft)
    return MailAnswer(mail_page(made, given, look_of(request).public_url()))


def _fields(request: Call) -> Sequence[tuple[str, str]]:
    return cast("dict[str, list[tuple[str, str]]]", request.scope)["fields"]


# ── buttons ──────────────────────────────────────────────────────────────────────────────────────────


@route("POST /templates/new", Operation(summary="Make a template", scope=WRITE, page=True))
async def make_template(request: Call) -> Sent:
    """Whatever button of the form was pressed."""
    return await _pressed(request, None)


@route("POST /templates/{template_id}/edit", Operation(summary="Save a template", scope=WRITE, page=True))
async def save_template(request: Call) -> Sent:
    """The same of one that is there."""
    template_id = id_in_path(request, "template")
    found = await ground_of(request).db.read(flows.whole, request.auth.workspace_id, template_id)
    return await _pressed(request, found)


async def _pressed(request: Call, found: Whole | None) -> Sent:
    draft = editing.read(_fields(request))
    what = dict(_fields(request)).get("do", "")
    if what in ("save", "publish", "review"):
        return await _save(request, draft, found, what)
    opened = editing.pressed(draft, what)
    if what == "fill":
        seen = await ground_of(request).db.read(prove, request, draft)
        draft.values = editing.filled(draft, seen.missing)
    elif what == "sample" and found is not None:
        saved = await ground_of(request).db.read(samples.of_template, found.workspace_id, found.template.id)
        for one in saved:
            if one.name == draft.sample:
                _with_sample(draft, one)
    return await _form(request, draft, found, opened=opened or 0)


async def _save(request: Call, draft: Draft, found: Whole | None, what: str) -> Sent:
    """Save it, with its test data, and publish it or ask for its review; else the form again, as it was."""
    try:
        template_id = await _saved(request, draft, found, what)
    except Problem as problem:
        return await _form(request, draft, found, problem)
    done = {"save": "saved", "publish": "published", "review": "submitted"}[what]
    return redirect(f"/templates/{template_id}?done={done}")


async def _saved(request: Call, draft: Draft, found: Whole | None, what: str) -> str:
    wrong = editing.values(draft)[1]
    if wrong is not None:
        raise all_invalid("The test data is not valid", (wrong,))
    given = await composed(request, _input(draft, found, publish=what == "publish"))
    flows.check(given)
    deed = msgspec.structs.replace(deed_of(request), note=given.note)
    ground, workspace_id = ground_of(request), request.auth.workspace_id

    async def work(tx: Transaction) -> str:
        if found is None:
            made = await flows.create(tx, ground, workspace_id, given, deed)
        else:
            made = await flows.change(tx, ground, workspace_id, found.template.id, given, deed)
        await _keep_sample(tx, made, draft, deed.now)
        await settled(tx, request, made, given, deed, "created" if found is None else "changed")
        if what == "review":
            await _submit(tx, request, made, deed)
        return ids.show("template", made.template.id)

    try:
        return await ground.db.run(work)
    except Conflict as conflict:
        if not flows.is_taken(conflict):
            raise
        raise flows.taken(given.name) from None


def _input(draft: Draft, found: Whole | None, *, publish: bool) -> TemplateInput:
    number = draft.based_on
    return TemplateInput(
        name=draft.name.strip(),
        variants=editing.variants(draft),
        message_class=None if found else editing.class_of(draft),
        default_locale=draft.default_locale.strip(),
        publish=publish,
        based_on=int(number) if number.isascii() and number.isdigit() and len(number) <= 9 else None,
        note=draft.note.strip(),
    )


async def _keep_sample(tx: Transaction, made: Whole, draft: Draft, now: int) -> None:
    """The test data is kept with the template: what was seen while writing, the reviewer sees too."""
    given, _ = editing.values(draft)
    if given:
        name = draft.sample.strip() or "usual"
        await proof.save_sample(tx, made.workspace_id, made.template.id, name, SampleInput(given), now)


async def _submit(tx: Transaction, request: Call, made: Whole, deed: Deed) -> None:
    found = await proof.findings(tx, look_of(request), made, made.version())
    one = await review.submit(tx, ground_of(request), made, None, looking.errors(found), deed)
    await flows.note(tx, made, "submitted", one, deed)


HANDLERS = (new_template, edit_template, proof_of_draft, mail_of_draft, make_template, save_template)
