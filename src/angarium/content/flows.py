"""Create, change and delete templates. A version never changes once written: a change is another version."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from angarium.accounts import audit
from angarium.channels import load
from angarium.content import rules, store
from angarium.content.rules import ANY, Variant
from angarium.content.store import PastVersion, TemplateVersion
from angarium.core import ids
from angarium.core.problems import FieldProblem, Problem, all_invalid, invalid, not_found, shown
from angarium.storage.database import Conflict, Transaction
from angarium.storage.ground import Ground

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
LOCALE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")  # the common part of RFC 5646 §2.1
VARIANTS_MAX = 200  # six channels in thirty languages
SOURCE_MAX = 200_000  # characters of one field; Gmail cuts a mail off at 102 KB
APPROVED = "approved"


class TemplateInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A template as a person or a system describes it."""

    name: str
    variants: tuple[Variant, ...]


async def new_template(
    tx: Transaction, ground: Ground, workspace_id: int, given: TemplateInput, actor: str = audit.CLI
) -> TemplateVersion:
    """A new template within a transaction; its Conflict means `taken`."""
    now = ground.clock.now()
    new = TemplateVersion(
        template_id=ground.ids.mint(),
        name=given.name,
        version_id=ground.ids.mint(),
        number=1,
        state=APPROVED,
        variants=given.variants,
        created_at=now,
        updated_at=now,
    )
    await store.save(tx, workspace_id, new)
    subject = ids.show("template", new.template_id)
    await audit.note(tx, workspace_id, actor, "template.created", subject, _told(new), now)
    return new


def _told(version: TemplateVersion) -> dict[str, object]:
    """A template as the audit log tells of it."""
    return {"name": version.name, "version": version.number, "variants": version.variants}


async def change(
    ground: Ground, workspace_id: int, template_id: int, given: TemplateInput, actor: str = audit.CLI
) -> TemplateVersion:
    """A template as it is described now: its next version."""
    try:
        return await ground.db.run(_changed, ground, workspace_id, template_id, given, actor)
    except Conflict as conflict:
        if conflict.constraint != "template_name":  # somebody else made the next version at the same moment
            raise
        raise taken(given.name) from None


async def _changed(
    tx: Transaction, ground: Ground, workspace_id: int, template_id: int, given: TemplateInput, actor: str
) -> TemplateVersion:
    before = await store.by_id(tx, workspace_id, template_id)
    if before is None:
        raise _no_such(template_id)
    changed = msgspec.structs.replace(
        before,
        name=given.name,
        version_id=ground.ids.mint(),
        number=await store.next_number(tx, workspace_id, template_id),
        variants=given.variants,
        updated_at=ground.clock.now(),
    )
    await store.save(tx, workspace_id, changed)
    subject, different = ids.show("template", template_id), audit.changed(_told(before), _told(changed))
    await audit.note(tx, workspace_id, actor, "template.changed", subject, different, changed.updated_at)
    return changed


async def get(ground: Ground, workspace_id: int, template_id: int) -> TemplateVersion:
    """One template in its current version; a Problem when there is none."""
    found = await ground.db.read(store.by_id, workspace_id, template_id)
    if found is None:
        raise _no_such(template_id)
    return found


async def everything(ground: Ground, workspace_id: int) -> list[TemplateVersion]:
    """All templates of a workspace in their current version."""
    return await ground.db.read(store.all_of, workspace_id)


async def versions(ground: Ground, workspace_id: int, template_id: int) -> list[PastVersion]:
    """Every version of a template; a Problem when there is no such template."""
    await get(ground, workspace_id, template_id)
    return await ground.db.read(store.versions, workspace_id, template_id)


async def delete(ground: Ground, workspace_id: int, template_id: int, actor: str = audit.CLI) -> None:
    """Delete a template; messages that were made of it keep their version."""
    await ground.db.run(_delete, workspace_id, template_id, actor, ground.clock.now())


async def _delete(tx: Transaction, workspace_id: int, template_id: int, actor: str, now: int) -> None:
    before = await store.by_id(tx, workspace_id, template_id)
    if before is None or not await store.remove(tx, workspace_id, template_id):
        raise _no_such(template_id)
    subject, details = ids.show("template", template_id), {"name": before.name}
    await audit.note(tx, workspace_id, actor, "template.deleted", subject, details, now)


def check(given: TemplateInput) -> None:
    """A Problem that names everything wrong with a template."""
    wrong = tuple(_wrong(given))
    if wrong:
        raise all_invalid("The template is not valid", wrong)


def taken(name: str) -> Problem:
    """Another template has this name."""
    return invalid("name", "a template of this name exists", value=name, remedy="choose another name")


def _no_such(template_id: int) -> Problem:
    return not_found("template", ids.show("template", template_id))


def _wrong(given: TemplateInput) -> Iterator[FieldProblem]:
    if not NAME.fullmatch(given.name):
        remedy = "lower-case letters, digits, dot, dash, underscore; at most 64"
        yield FieldProblem("name", "is not a name", remedy, shown(given.name))
    if not 1 <= len(given.variants) <= VARIANTS_MAX:
        yield FieldProblem(
            "variants", "are none or too many", f"1 to {VARIANTS_MAX}", str(len(given.variants))
        )
    seen: dict[tuple[str, str], int] = {}
    for place, variant in enumerate(given.variants[:VARIANTS_MAX]):
        for one in _wrong_variant(variant):
            yield msgspec.structs.replace(one, field=f"variants[{place}].{one.field}")
        first = seen.setdefault((variant.channel, variant.locale.replace("_", "-").lower()), place)
        if first != place:
            same = f"{variant.channel}, {variant.locale}"
            problem = f"is for the same channel and locale as variants[{first}]"
            yield FieldProblem(f"variants[{place}]", problem, "one wording for each", shown(same))


def _wrong_variant(variant: Variant) -> Iterator[FieldProblem]:
    kinds = [ANY, *load()]
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
