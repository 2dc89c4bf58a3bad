"""Save, look at and delete templates. A version never changes once written: a change is another version.

Where no policy asks for approval, what is saved is published at once; else it is a draft, and whoever saved
it is told what comes next. A template has at most one version under way (draft, in review, sent back): saving
again takes the place of a draft, and is refused while one is being reviewed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from angarium.accounts import audit, policies_store
from angarium.channels import load
from angarium.content import approval, lifecycle, registering, rules
from angarium.content.approval import Approvals, Decision, Demand
from angarium.content.lifecycle import OPEN, Action, VersionState
from angarium.content.rules import ANY, Variant
from angarium.content.store import provider_templates, registrations, steps, versions
from angarium.content.store.provider_templates import Told
from angarium.content.store.registrations import Registration
from angarium.content.store.steps import Comment, Step
from angarium.content.store.versions import Template, Version
from angarium.content.surroundings import WordingPolicy
from angarium.core import ids
from angarium.core.ports import Channel
from angarium.core.problems import FieldProblem, Problem, all_invalid, invalid, not_found, shown
from angarium.core.values import MessageClass
from angarium.storage import facts
from angarium.storage.database import Conflict, Transaction
from angarium.storage.facts import Fact
from angarium.storage.ground import Ground

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
LOCALE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")  # the common part of RFC 5646 §2.1
VARIANTS_MAX = 200  # six channels in thirty languages
SOURCE_MAX = 200_000  # characters of one field; Gmail cuts a mail off at 102 KB
NOTE_MAX = 2_000  # characters
APPROVED = "approved"


class TemplateInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A template as a person or a system describes it."""

    name: str
    variants: tuple[Variant, ...]
    message_class: MessageClass | None = msgspec.field(name="class", default=None)  # for life; service
    default_locale: str = ""  # what is said where nothing else fits; empty: as the policy `wording` says
    publish: bool = True  # at once, where no approval is asked for
    based_on: int | None = None  # the version that was changed: refused when it is not the newest any more
    note: str = ""  # why it was changed


class Deed(msgspec.Struct, frozen=True):
    """Who does something, when, and what they say about it."""

    actor: str
    now: int
    note: str = ""
    comments: tuple[Comment, ...] = ()


class Whole(msgspec.Struct):
    """A template with all that a decision about it looks at."""

    workspace_id: int
    template: Template
    versions: list[Version]
    steps: list[Step]
    registrations: list[Registration]  # what is known of its wordings, by people or by their providers
    told: list[Told]  # what providers say of the templates that its wordings ask for
    approvals: Approvals
    wording: WordingPolicy
    channels: Mapping[str, Channel]

    def version(self, number: int | None = None) -> Version:
        """A version by its number; without one that which is under way, else the newest. A Problem: none."""
        if number is None:
            return self.under_way or self.versions[-1]
        for one in self.versions:
            if one.number == number:
                return one
        raise not_found("version", str(number), remedy=f"1 to {self.versions[-1].number}")

    @property
    def under_way(self) -> Version | None:
        """The version that is a draft, in review or sent back."""
        return next((one for one in reversed(self.versions) if one.state in OPEN), None)

    @property
    def terms(self) -> list[lifecycle.Term]:
        """What decides which version is in force."""
        return [one.term for one in self.versions]

    def demand(self, one: Version) -> Demand:
        """What the policy asks of a version now."""
        kinds = approval.kinds_of(one.variants, self.channels.values())
        return approval.demand(self.approvals, self.template.message_class, kinds)

    def approvers(self, one: Version) -> tuple[str, ...]:
        """Who approved these very words, of this version or of another with the same."""
        decisions = [Decision(step.action, step.actor) for step in self.steps if step.hash == one.hash]
        return approval.approvers(decisions, one.editors)

    def unregistered(self, one: Version) -> list[Variant]:
        """Wordings of a version that their providers have not approved and must have."""
        known = {(r.channel, r.locale, r.hash) for r in self.registrations if r.status == APPROVED}
        return [
            variant
            for variant in one.variants
            if approval.needs_registration(self.approvals, variant, self.channels)
            and approval.registration_key(variant) not in known
        ]

    def put(self, changed: Version) -> None:
        """Take a version in the place of the one with its number."""
        self.versions = [changed if one.number == changed.number else one for one in self.versions]


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────


async def policies(tx: Transaction, workspace_id: int) -> tuple[Approvals, WordingPolicy]:
    """The policies that templates go by, as they are written at this moment."""
    written = {one.kind: one.body for one in await policies_store.in_force(tx, [workspace_id])}
    return (
        msgspec.json.decode(written.get("approvals", "{}"), type=Approvals),
        msgspec.json.decode(written.get("wording", "{}"), type=WordingPolicy),
    )


async def whole(tx: Transaction, workspace_id: int, template_id: int, *, held: bool = False) -> Whole:
    """A template with everything; a Problem when there is none. `held`: nobody else changes it meanwhile."""
    look = versions.hold if held else versions.by_id
    template = await look(tx, workspace_id, template_id)
    if template is None:
        raise no_such(template_id)
    approvals, wording = await policies(tx, workspace_id)
    found = Whole(
        workspace_id,
        template,
        await versions.versions(tx, workspace_id, template_id),
        await steps.of_template(tx, workspace_id, template_id),
        await registrations.of_template(tx, workspace_id, template_id),
        [],
        approvals,
        wording,
        load(),
    )
    await _ask_providers(tx, found, found.versions)
    return found


async def _ask_providers(tx: Transaction, found: Whole, news: Sequence[Version]) -> None:
    """Add what providers say of the templates of theirs that these versions ask for."""
    known = {"", *(one.name for one in found.told)}
    asked = {variant.content.template for one in news for variant in one.variants} - known
    found.told += await provider_templates.named(tx, found.workspace_id, asked)
    found.registrations = registering.joined(found.registrations, found.told, news, found.channels)


async def held(tx: Transaction, workspace_id: int, template_id: int) -> Whole:
    """A template that nobody else changes until the end of the transaction."""
    return await whole(tx, workspace_id, template_id, held=True)


async def everything(ground: Ground, workspace_id: int) -> list[tuple[Template, list[Version]]]:
    """All templates of a workspace, each with its newest version and those that are live or under way."""
    return await ground.db.read(_everything, workspace_id)


async def _everything(tx: Transaction, workspace_id: int) -> list[tuple[Template, list[Version]]]:
    found = versions.by_template(await versions.shown_versions(tx, workspace_id))
    return [(one, found[one.id]) for one in await versions.all_of(tx, workspace_id) if one.id in found]


# ── saving ───────────────────────────────────────────────────────────────────────────────────────────


async def create(
    tx: Transaction, ground: Ground, workspace_id: int, given: TemplateInput, deed: Deed
) -> Whole:
    """A new template within a transaction; its Conflict means `taken`."""
    approvals, wording = await policies(tx, workspace_id)
    template = Template(
        id=ground.ids.mint(),
        name=given.name,
        message_class=given.message_class or MessageClass.SERVICE,
        version_id=0,
        created_at=deed.now,
        updated_at=deed.now,
    )
    made = Whole(workspace_id, template, [], [], [], [], approvals, wording, load())
    await write(tx, ground, made, given, deed)
    return made


async def change(
    tx: Transaction, ground: Ground, workspace_id: int, template_id: int, given: TemplateInput, deed: Deed
) -> Whole:
    """The next version of a template, within a transaction; its Conflict means `taken`."""
    found = await held(tx, workspace_id, template_id)
    _may_be_changed(found, given)
    before = found.under_way
    if before is not None:
        superseded = msgspec.structs.replace(before, state=VersionState.SUPERSEDED)
        found.put(superseded)
        await versions.settle(tx, workspace_id, superseded)
    found.template = msgspec.structs.replace(found.template, name=given.name)
    await write(tx, ground, found, given, deed, before)
    return found


def _may_be_changed(found: Whole, given: TemplateInput) -> None:
    before, kind = found.under_way, found.template.message_class
    if given.message_class not in (None, kind):
        raise invalid(
            "class",
            f"this template is {kind.value} for life",
            value=given.message_class,
            remedy="make another template: what was approved for one class was not for the other",
        )
    if before is not None and before.state is VersionState.IN_REVIEW:
        detail = f"Version {before.number} is being reviewed. Withdraw it, or wait until it is decided on."
        raise Problem("template-locked", "The template is locked", status=409, detail=detail)
    newest = found.versions[-1].number
    if given.based_on not in (None, newest):
        detail = f"Somebody has saved version {newest} meanwhile. Look at it, then change that one."
        raise Problem("version-conflict", "It is not the newest version", status=409, detail=detail)


async def write(
    tx: Transaction,
    ground: Ground,
    found: Whole,
    given: TemplateInput,
    deed: Deed,
    before: Version | None = None,
) -> Version:
    """The next version of a template, as a draft. Whoever edited what it comes from has edited it too."""
    locale = given.default_locale or found.wording.default_locale
    kind = found.template.message_class
    editors = dict.fromkeys((*(before.editors if before else ()), deed.actor))
    return await add(
        tx,
        ground,
        found,
        Version(
            template_id=found.template.id,
            id=ground.ids.mint(),
            number=found.versions[-1].number + 1 if found.versions else 1,
            state=VersionState.DRAFT,
            variants=given.variants,
            default_locale=locale,
            hash=approval.content_hash(kind, locale, given.variants),
            author=deed.actor,
            editors=tuple(editors),
            created_at=deed.now,
        ),
        deed,
    )


async def add(tx: Transaction, ground: Ground, found: Whole, new: Version, deed: Deed) -> Version:
    """Write a version that is not there yet, and make it the template's newest."""
    found.template = msgspec.structs.replace(found.template, version_id=new.id, updated_at=deed.now)
    await versions.add_version(tx, found.workspace_id, new)
    await versions.save_template(tx, found.workspace_id, found.template)
    found.versions.append(new)
    await _ask_providers(tx, found, [new])
    await tell(tx, ground, found, new, Action.SAVE, deed)
    return new


async def tell(
    tx: Transaction, ground: Ground, found: Whole, one: Version, action: Action, deed: Deed
) -> None:
    """Write down what was done to a version: as its step and as a fact."""
    step = Step(
        id=ground.ids.mint(),
        template_id=found.template.id,
        number=one.number,
        action=action,
        state=one.state,
        actor=deed.actor,
        hash=one.hash,
        note=deed.note,
        comments=deed.comments,
        at=deed.now,
    )
    found.steps.append(step)
    await steps.add(tx, found.workspace_id, step)
    body = {
        "name": found.template.name,
        "class": found.template.message_class.value,
        "version": one.number,
        "state": one.state.value,
        "hash": one.hash,
        "actor": deed.actor,
        "note": deed.note,
        "review_owed": one.review_owed,
    }
    fact = Fact(
        found.workspace_id, f"template.{action.value}", found.template.id, deed.now, msgspec.json.encode(body)
    )
    await facts.append(tx, [fact])


async def note(tx: Transaction, found: Whole, action: str, one: Version, deed: Deed) -> None:
    """Write a deed into the audit log: called last in its transaction."""
    details: dict[str, object] = {
        "name": found.template.name,
        "class": found.template.message_class.value,
        "version": one.number,
        "state": one.state.value,
        "hash": one.hash,
    }
    if deed.note:
        details["note"] = deed.note
    subject = ids.show("template", found.template.id)
    await audit.note(tx, found.workspace_id, deed.actor, f"template.{action}", subject, details, deed.now)


async def delete(tx: Transaction, workspace_id: int, template_id: int, deed: Deed) -> None:
    """Delete a template; messages that were made of it keep their version."""
    found = await versions.hold(tx, workspace_id, template_id)
    if found is None or not await versions.remove(tx, workspace_id, template_id):
        raise no_such(template_id)
    body = msgspec.json.encode({"name": found.name, "actor": deed.actor})
    await facts.append(tx, [Fact(workspace_id, "template.delete", template_id, deed.now, body)])
    subject, details = ids.show("template", template_id), {"name": found.name}
    await audit.note(tx, workspace_id, deed.actor, "template.deleted", subject, details, deed.now)


# ── what is wrong ────────────────────────────────────────────────────────────────────────────────────


def check(given: TemplateInput) -> None:
    """A Problem that names everything wrong with a template."""
    wrong = tuple(_wrong(given))
    if wrong:
        raise all_invalid("The template is not valid", wrong)


def taken(name: str) -> Problem:
    """Another template has this name."""
    return invalid("name", "a template of this name exists", value=name, remedy="choose another name")


def no_such(template_id: int) -> Problem:
    """There is no such template here."""
    return not_found("template", ids.show("template", template_id))


def is_taken(conflict: Conflict) -> bool:
    """Whether a conflict means that the name is another template's."""
    return conflict.constraint == "template_name"


def _wrong(given: TemplateInput) -> Iterator[FieldProblem]:
    if not NAME.fullmatch(given.name):
        remedy = "lower-case letters, digits, dot, dash, underscore; at most 64"
        yield FieldProblem("name", "is not a name", remedy, shown(given.name))
    if len(given.note) > NOTE_MAX:
        yield FieldProblem("note", "is too long", f"at most {NOTE_MAX} characters", shown(given.note))
    if given.default_locale and not LOCALE.fullmatch(given.default_locale):
        problem, remedy = "is not a locale", "such as fa, uk, zh-Hant, or empty"
        yield FieldProblem("default_locale", problem, remedy, shown(given.default_locale))
    yield from wrong_variants(given.variants)


def wrong_variants(variants: Sequence[Variant]) -> Iterator[FieldProblem]:
    """What is wrong with wordings before anybody has seen them with values."""
    if not 1 <= len(variants) <= VARIANTS_MAX:
        yield FieldProblem("variants", "are none or too many", f"1 to {VARIANTS_MAX}", str(len(variants)))
    seen: dict[tuple[str, str], int] = {}
    for place, variant in enumerate(variants[:VARIANTS_MAX]):
        for one in _wrong_variant(variant):
            yield msgspec.structs.replace(one, field=f"variants[{place}].{one.field}")
        first = seen.setdefault((variant.channel, variant.locale.replace("_", "-").lower()), place)
        if first != place:
            same = f"{variant.channel}, {variant.locale}"
            problem = f"is for the same channel and locale as variants[{first}]"
            yield FieldProblem(f"variants[{place}]", problem, "one wording for each", shown(same))


def _wrong_variant(variant: Variant) -> Iterator[FieldProblem]:
    channels = load()
    kinds = [ANY, *channels, *sorted({channel.address_kind.value for channel in channels.values()})]
    if variant.channel not in kinds:
        yield FieldProblem(
            "channel", "there is no such channel", "one of " + ", ".join(kinds), shown(variant.channel)
        )
    if variant.locale != ANY and not LOCALE.fullmatch(variant.locale):
        yield FieldProblem("locale", "is not a locale", "* or such as fa, uk, zh-Hant", shown(variant.locale))
    too_long = [name for name, source, _ in rules.fields(variant.content) if len(source) > SOURCE_MAX]
    for name in too_long:
        yield FieldProblem(f"content.{name}", "is too long", f"at most {SOURCE_MAX} characters")
    if not too_long:
        for one in rules.check(variant.content):
            yield msgspec.structs.replace(one, field=f"content.{one.field}")
