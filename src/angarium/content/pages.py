"""The HTML edge of templates: the list, one template with its versions, what changed, the mail as it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, cast
from urllib.parse import urlencode

import msgspec

from angarium.accounts import actors, edge
from angarium.accounts.edge import Call, Operation, Sent, ground_of, route
from angarium.accounts.pages import Hit, HtmlAnswer, problem_told, wrong_of
from angarium.channels import load
from angarium.content import (
    approval,
    difference,
    editing,
    flows,
    lifecycle,
    proof,
    rules,
    saying,
    search,
    shown,
)
from angarium.content.api import look_of, read_whole
from angarium.content.flows import Whole
from angarium.content.gathering import gather
from angarium.content.lifecycle import OPEN, VersionState
from angarium.content.lint import looking
from angarium.content.lint.subject import HIDDEN, Sample, masked
from angarium.content.preview import RTL, Row, Wanted, direction
from angarium.content.rules import ANY, NotRendered, Variant
from angarium.content.shown import TemplateShown
from angarium.content.store import samples, versions
from angarium.content.store.versions import Template, Version
from angarium.content.surroundings import Look
from angarium.core import ids
from angarium.core.called import names_of
from angarium.core.decoding import Shape
from angarium.core.ports import Channel
from angarium.core.problems import Problem, not_found
from angarium.core.values import MessageClass
from angarium.storage.database import Transaction

PAGE = 50  # templates on a page
ROWS_MAX = 4  # channels that one wording is shown on
GLANCE_MAX = 160  # characters of the words in the list
SHOWN_ROWS_MAX = 24  # previews on the page of a template
TONES = {
    VersionState.DRAFT: "quiet",
    VersionState.IN_REVIEW: "doubt",
    VersionState.CHANGES_REQUESTED: "doubt",
    VersionState.APPROVED: "on",
    VersionState.PUBLISHED: "good",
    VersionState.REFUSED: "bad",
    VersionState.SUPERSEDED: "quiet",
    VersionState.RETIRED: "quiet",
}
READ_FROM_THE_RIGHT = {"ar", "ckb", "fa", "he", "ps", "ur", "yi"}
MAIL_GUARD = (
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        (
            b"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; sandbox; "
            b"form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
        ),
    ),
)

Text = Annotated[str, msgspec.Meta(max_length=300)]
# The use of versions by their ids, as the room of messages knows it: a service of the application.
Uses = Callable[[Transaction, int, Sequence[int]], Awaitable[Mapping[int, Any]]]


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which templates to list."""

    text: Text = ""
    message_class: Text = msgspec.field(name="class", default="")
    state: Text = ""
    channel: Text = ""
    locale: Text = ""
    cursor: Text = ""
    done: Text = ""


class OneQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which version to show; left out: the one under way, else the newest."""

    version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    done: Text = ""


class MailQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which wording of which version."""

    version: Annotated[int, msgspec.Meta(ge=1)]
    wording: Annotated[int, msgspec.Meta(ge=0, le=flows.VARIANTS_MAX)] = 0


class DiffQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two versions."""

    before: Annotated[int, msgspec.Meta(ge=1)] = msgspec.field(name="from")
    after: Annotated[int, msgspec.Meta(ge=1)] = msgspec.field(name="to")


LIST, ONE, DIFF, MAIL = Shape(ListQuery), Shape(OneQuery), Shape(DiffQuery), Shape(MailQuery)


class Listed(msgspec.Struct, frozen=True):
    """One template in the list."""

    template: TemplateShown
    tone: str
    words: str
    channels: list[str]
    locales: list[str]
    recent: int


class MailAnswer:
    """A mail as a page of its own, in which nothing runs and nothing is loaded from elsewhere."""

    def __init__(self, html: str) -> None:
        self._body = html.encode("utf-8", "replace")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        headers = [*MAIL_GUARD, (b"content-length", b"%d" % len(self._body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})

    def to_asgi_response(self, **_asked: object) -> MailAnswer:
        """What Litestar asks of an answer that is an ASGI application."""
        return self


def reads(source: str, locale: str = "") -> str:
    """From which side a source is read, whatever Liquid stands in it: by its words, else by its language."""
    words = masked(source).replace(HIDDEN, "")
    if any(letter.isalpha() for letter in words):
        return direction(words)
    return RTL if rules.language(locale) in READ_FROM_THE_RIGHT else "auto"


def names_of_channels(request: Call) -> dict[str, str]:
    """What channels are called here."""
    carriers = look_of(request).carriers(request.auth.workspace_id)
    return names_of(load(), {one.channel.kind for one in carriers})


def groups_of_channels() -> dict[str, list[str]]:
    """Kinds of address, each with the channels that share wording by it."""
    found: dict[str, list[str]] = {}
    for kind, channel in load().items():
        found.setdefault(channel.address_kind.value, []).append(kind)
    return found


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────


@route("GET /templates", Operation(summary="Templates", scope="setup:read", asks=LIST, page=True))
async def list_templates(request: Call) -> Sent:
    """The templates that fit, by name."""
    query, ground = LIST.read_query(request.scope["query_string"]), ground_of(request)
    now, workspace_id = ground.clock.now(), request.auth.workspace_id
    everything = await flows.everything(ground, workspace_id)
    found = [(one, kept, shown.listed(one, kept, now)) for one, kept in everything]
    fitting = sorted((each for each in found if _fits(query, each[2])), key=lambda each: each[0].id)
    after = edge.read_cursor(query.cursor)
    rest = [each for each in fitting if each[0].id > after]
    recent = await ground.db.read(_recent, request, rest[:PAGE])
    asked = {
        name: value
        for name, value in msgspec.to_builtins(query).items()
        if value and name not in ("cursor", "done")
    }
    older = {**asked, "cursor": edge.cursor_after(rest[PAGE - 1][0].id)} if len(rest) > PAGE else None
    facts = {
        "query": query,
        "rows": [_listed(query, *each, recent) for each in rest[:PAGE]],
        "filtered": bool(asked),
        "newest": _address(asked) if query.cursor else "",
        "older": _address(older) if older else "",
        "states": [one.value for one in VersionState if one is not VersionState.SUPERSEDED],
        "classes": [one.value for one in MessageClass],
        "channels": names_of_channels(request),
        "locales": sorted({v.locale for _, _, one in found for v in one.variants} - {ANY}),
        "at": datetime.fromisoformat,
        "reads": reads,
        "waiting": sum(one.state == VersionState.IN_REVIEW or one.review_owed for _, _, one in found),
    }
    return HtmlAnswer("content/templates.html", facts)


def _address(asked: Mapping[str, str]) -> str:
    return "/templates" + (f"?{urlencode(asked)}" if asked else "")


def _fits(query: ListQuery, one: TemplateShown) -> bool:
    wanted = (
        (query.message_class, {one.message_class}),
        (query.state, {one.state}),
        (query.channel, {variant.channel for variant in one.variants}),
        (query.locale, {variant.locale for variant in one.variants}),
    )
    if any(value and value not in there for value, there in wanted):
        return False
    text = query.text.strip().casefold()
    said = (one.name, *(source for v in one.variants for _, source, _ in rules.fields(v.content)))
    return not text or any(text in source.casefold() for source in said)


async def _recent(
    tx: Transaction, request: Call, rows: Sequence[tuple[Template, list[Version], Any]]
) -> dict[int, int]:
    """How many of the newest messages took each template."""
    owner = {version.id: template.id for template, kept, _ in rows for version in kept}
    counts: dict[int, int] = {}
    for version_id, use in (await uses_of(request, tx, list(owner))).items():
        counts[owner[version_id]] = counts.get(owner[version_id], 0) + use.recent
    return counts


async def uses_of(request: Call, tx: Transaction, version_ids: Sequence[int]) -> Mapping[int, Any]:
    """The use of versions; none where nobody knows of messages."""
    asked = cast("Uses | None", request.scope["litestar_app"].state.get("template_uses"))
    return await asked(tx, request.auth.workspace_id, version_ids) if asked else {}


def _listed(
    query: ListQuery, template: Template, kept: list[Version], one: TemplateShown, recent: Mapping[int, int]
) -> Listed:
    return Listed(
        one,
        TONES[VersionState(one.state)],
        _glance(query.text.strip(), one.variants),
        list(dict.fromkeys(variant.channel for variant in one.variants)),
        sorted({variant.locale for variant in one.variants} - {ANY}),
        recent.get(template.id, 0),
    )


def _glance(text: str, variants: Sequence[Variant]) -> str:
    """What a template says: where the text stands that was looked for, else how it begins."""
    sources = [source for one in variants for name, source, _ in rules.fields(one.content) if name != "html"]
    for source in sources if text else ():
        at = source.casefold().find(text.casefold())
        if at >= 0:
            begin = max(at - search.AROUND, 0)
            return ("…" if begin else "") + source[begin : begin + GLANCE_MAX]
    return sources[0][:GLANCE_MAX] if sources else ""


# ── one template ─────────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /templates/{template_id}", Operation(summary="A template", scope="setup:read", asks=ONE, page=True)
)
async def show_template(request: Call) -> Sent:
    """What it is: its words as phones show them, its versions, who decides, where it is used."""
    query = ONE.read_query(request.scope["query_string"])
    return HtmlAnswer("content/template.html", await template_facts(request, query.version, query.done))


def _told_above(problem: Problem | None) -> dict[str, Any] | None:
    """A Problem without what is told beside the reason that was typed."""
    told = problem_told(problem)
    return told and told | {"errors": [one for one in told["errors"] if one.field != "note"]}


async def template_facts(
    request: Call, number: int | None, done: str = "", problem: Problem | None = None, note: str = ""
) -> dict[str, Any]:
    """Everything on the page of a template. `problem`: what was wrong with what was asked of it, with the
    reason that was typed."""
    ground = ground_of(request)
    found, now = await read_whole(request), ground.clock.now()
    one = found.version(number)
    around = await ground.db.read(_around, request, found, one)
    running = lifecycle.in_force(found.terms, now)
    before = _before(found, one, running.number if running else 0)
    return {
        "template": shown.told(found, now),
        "shown_version": shown.version_told(found, one, now),
        "state": lifecycle.state_at(one.term, found.terms, now).value,
        "tones": {state.value: tone for state, tone in TONES.items()},
        "versions": [(each, shown.version(found, each, now)) for each in reversed(found.versions)],
        "past": list(reversed(found.steps)),
        "may": _possible(request, found, one, now),
        "demand": found.demand(one),
        "unregistered": [variant.locale for variant in found.unregistered(one)],
        "own": request.auth.actor in {one.author, *one.editors},
        "before": before.number if before else 0,
        "changes": difference.difference(before.variants, one.variants) if before else [],
        "channels": names_of_channels(request),
        "groups": groups_of_channels(),
        "done": done,
        "problem": _told_above(problem),
        "wrong": wrong_of(problem),
        "note": note,
        "registrations": [each for each in found.registrations if each.hash in _hashes(one)],
        **around,
    }


def _hashes(one: Version) -> set[str]:
    return {approval.wording_hash(variant) for variant in one.variants}


async def _around(tx: Transaction, request: Call, found: Whole, one: Version) -> dict[str, Any]:
    look = look_of(request)
    saved = await samples.of_template(tx, found.workspace_id, found.template.id)
    used = await uses_of(request, tx, [version.id for version in found.versions])
    everywhere = await proof.findings(tx, look, found, one)
    told = gather(everywhere)
    shown_with = saved or [Sample("", "", editing.examples(one.variants))]
    wanted = Wanted(found.template.message_class, (), one.default_locale, shown_with[:1])
    rows = [
        (place, row)
        for place, variant in enumerate(one.variants)
        for row in rows_of(look, found.workspace_id, msgspec.structs.replace(wanted, variants=(variant,)))
    ]
    return {
        "names": await actors.names(tx, found.workspace_id),
        "uses": {version.number: used[version.id] for version in found.versions if version.id in used},
        "findings": told,
        "errors": len(looking.errors([each.first for each in told])),
        "rows": rows[:SHOWN_ROWS_MAX],
        "samples": saved,
    }


def rows_of(look: Look, workspace_id: int, wanted: Wanted, person_locale: str = "") -> list[Row]:
    """The only wording of `wanted` on the channels it is for: those the workspace has lines of, else the
    first that fits; for any language as the person reads, else as its own language does."""
    (variant,) = wanted.variants
    fitting = [one.kind for one in channels_that_fit(variant.channel)]
    at_hand = {one.channel.kind for one in look.carriers(workspace_id)}
    kinds = [kind for kind in fitting if kind in at_hand] or fitting[:1]
    locale = variant.locale if variant.locale != ANY else person_locale or wanted.default_locale
    samples_ = [msgspec.structs.replace(one, locale=locale) for one in wanted.samples]
    asked = msgspec.structs.replace(wanted, samples=samples_, channels=frozenset(kinds[:ROWS_MAX]))
    return proof.rows(look, workspace_id, asked)


def _before(found: Whole, one: Version, in_force: int) -> Version | None:
    """What a version is compared with: what is in force, else the one before it."""
    earlier = [each for each in found.versions if each.number < one.number]
    running = [each for each in earlier if each.number == in_force]
    return running[0] if running else earlier[-1] if earlier else None


def _possible(request: Call, found: Whole, one: Version, now: int) -> frozenset[str]:
    """What the viewer may do to a version in its state."""
    state, scopes = one.state, request.auth.scopes
    write, decide = "templates:write" in scopes, "templates:decide" in scopes
    enough = len(found.approvers(one)) >= found.demand(one).approvals
    ready = enough and not found.unregistered(one)
    deeds = {
        "edit": write and state is not VersionState.IN_REVIEW,
        "submit": write and state in (VersionState.DRAFT, VersionState.CHANGES_REQUESTED),
        "withdraw": write and state is VersionState.IN_REVIEW,
        "decide": decide and one.waits_for_review,
        "publish": write
        and (
            state is VersionState.APPROVED
            or (state in OPEN and state is not VersionState.IN_REVIEW and ready)
        ),
        "emergency": write and state in OPEN and not enough and found.demand(one).emergency,
        "unschedule": write and state is VersionState.PUBLISHED and one.term.begins > now,
        "retire": write and any(each.state is VersionState.PUBLISHED for each in found.versions),
        "roll_back": write
        and state in (VersionState.PUBLISHED, VersionState.RETIRED, VersionState.APPROVED)
        and one is not found.versions[-1],
        "delete": write,
    }
    return frozenset(name for name, may in deeds.items() if may)


# ── what changed ─────────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /templates/{template_id}/diff",
    Operation(summary="What has changed in a template", scope="setup:read", asks=DIFF, page=True),
)
async def compare(request: Call) -> Sent:
    """Two versions beside one another, word by word."""
    query, found = DIFF.read_query(request.scope["query_string"]), await read_whole(request)
    now = ground_of(request).clock.now()
    before, after = found.version(query.before), found.version(query.after)
    facts = {
        "template": shown.told(found, now),
        "before": before,
        "after": after,
        "numbers": [one.number for one in found.versions],
        "changes": difference.difference(before.variants, after.variants),
        "channels": names_of_channels(request),
        "groups": groups_of_channels(),
    }
    return HtmlAnswer("content/difference.html", facts)


# ── the mail ─────────────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /templates/{template_id}/mail",
    Operation(summary="The mail of a template", scope="setup:read", asks=MAIL, page=True),
)
async def show_mail(request: Call) -> Sent:
    """One wording as a mail program shows it, with the first sample."""
    query, found = MAIL.read_query(request.scope["query_string"]), await read_whole(request)
    one = found.version(query.version)
    if query.wording >= len(one.variants):
        raise not_found("wording", str(query.wording))
    saved = await ground_of(request).db.read(samples.of_template, found.workspace_id, found.template.id)
    values = saved[0].values if saved else editing.examples(one.variants)
    return MailAnswer(mail_page(one.variants[query.wording], values, look_of(request).public_url()))


def mail_page(variant: Variant, values: Mapping[str, Any], public_url: str) -> str:
    """A wording as a whole HTML document; why it says nothing, where it does not."""
    locale = "" if variant.locale == ANY else variant.locale
    try:
        content = saying.say(variant, values, locale, public_url=public_url)
    except NotRendered as trouble:
        lines = "".join(f"<li>{_plain(f'{one.field}: {one.problem}')}</li>" for one in trouble.problems)
        return _document(f"<ul>{lines}</ul>")
    if "<html" in content.html.lower():
        return content.html
    return _document(content.html or f'<pre dir="auto">{_plain(content.text)}</pre>')


def _document(body: str) -> str:
    """A body that is none by itself, as a mail program would show it."""
    return (
        '<!doctype html><html><head><meta charset="utf-8"><style>body{font:15px/1.5 sans-serif;margin:16px;'
        "color:#1d2530;background:#fff}pre{white-space:pre-wrap;font:inherit}</style></head>"
        f'<body dir="auto">{body}</body></html>'
    )


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# ── the command bar ──────────────────────────────────────────────────────────────────────────────────


async def seek(tx: Transaction, workspace_id: int, text: str, few: int) -> list[Hit]:
    """Templates by a piece of their name, or by their id."""
    wanted = text.casefold()
    return [
        Hit(f"/templates/{ids.show('template', one.id)}", one.name, one.message_class.value)
        for one in await versions.all_of(tx, workspace_id)
        if wanted in one.name or wanted == ids.show("template", one.id)
    ][:few]


async def named(tx: Transaction, workspace_id: int) -> dict[str, str]:
    """The names of all templates by their ids, as they are shown, for rooms that name some."""
    return {ids.show("template", one.id): one.name for one in await versions.all_of(tx, workspace_id)}


def channels_that_fit(channel: str) -> list[Channel]:
    """The channels that a wording is for: itself, those of its group, or all."""
    return [one for one in load().values() if channel in (one.kind, one.address_kind.value, ANY)]


HANDLERS = (list_templates, compare, show_mail, show_template)
