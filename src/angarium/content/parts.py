"""Layouts and partials that templates share: write them, see where they are used, put them into templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import UNSET

from angarium.accounts import audit
from angarium.content import composition
from angarium.content.media.flows import attached
from angarium.content.origins import Origin, Part
from angarium.content.rules import Variant
from angarium.content.store import parts as store
from angarium.content.store import versions
from angarium.content.store.parts import Kept
from angarium.core.problems import FieldProblem, all_invalid, invalid, not_found, shown
from angarium.storage.database import Transaction

SOURCE_MAX = 50_000  # characters
ROUNDS = composition.DEPTH_MAX + 1  # queries until every part that parts name is there


class Use(msgspec.Struct, frozen=True):
    """A template that a part is in."""

    template: str  # its name
    version: int
    part_version: int  # the one that is in it


async def put(tx: Transaction, workspace_id: int, name: str, source: str, actor: str, now: int) -> Kept:
    """A new version of a part; templates that have it keep the version they were made of."""
    if not composition.NAME.fullmatch(name):
        remedy = "lower-case letters, digits, dot, dash, underscore; at most 64"
        raise invalid("name", "is not a name", value=name, remedy=remedy)
    if not source.strip() or len(source) > SOURCE_MAX:
        remedy = f"1 to {SOURCE_MAX} characters"
        raise invalid("source", "is empty or too long", value=shown(source), remedy=remedy)
    before = await store.versions(tx, workspace_id, name)
    new = Kept(Part(name, len(before) + 1, source), actor, now)
    await store.add(tx, workspace_id, new)
    await audit.note(tx, workspace_id, actor, "part.changed", name, {"version": new.part.version}, now)
    return new


async def delete(tx: Transaction, workspace_id: int, name: str, actor: str, now: int) -> None:
    """Delete a part; a Problem when there is none."""
    if not await store.remove(tx, workspace_id, name):
        raise not_found("part", name)
    await audit.note(tx, workspace_id, actor, "part.deleted", name, {}, now)


async def past(tx: Transaction, workspace_id: int, name: str) -> Sequence[Kept]:
    """Every version of a part, oldest first; a Problem when there is none."""
    found = await store.versions(tx, workspace_id, name)
    if not found:
        raise not_found("part", name)
    return found


async def uses(tx: Transaction, workspace_id: int, name: str) -> list[Use]:
    """The templates whose newest or live version has a part in it."""
    kept = versions.by_template(await versions.shown_versions(tx, workspace_id))
    names = {one.id: one.name for one in await versions.all_of(tx, workspace_id)}
    return [
        Use(names[template_id], one.number, origin.parts[name])
        for template_id, found in kept.items()
        for one in found
        for origin in _origins(one.variants)
        if name in origin.parts
    ]


def _origins(variants: Sequence[Variant]) -> list[Origin]:
    return [one.origin for one in variants if isinstance(one.origin, Origin)]


# ── into templates ───────────────────────────────────────────────────────────────────────────────────


async def composed(tx: Transaction, workspace_id: int, variants: tuple[Variant, ...]) -> tuple[Variant, ...]:
    """Wordings as they are kept: parts in their places, MJML as HTML, files known; a Problem otherwise."""
    variants = await attached(tx, workspace_id, variants)
    if not any(_is_written(one) for one in variants):
        return variants
    there = await _parts(tx, workspace_id, variants)
    made, wrong = [], []
    for place, variant in enumerate(variants):
        if not _is_written(variant):
            made.append(variant)
            continue
        origin = variant.origin if isinstance(variant.origin, Origin) else Origin()
        one = composition.compose(variant.content, origin, there)
        wrong += [_at(place, problem) for problem in one.problems]
        kept = one.origin if one.origin.is_needed(one.content) else UNSET
        made.append(msgspec.structs.replace(variant, content=one.content, origin=kept))
    if wrong:
        raise all_invalid("The template is not valid", tuple(wrong))
    return tuple(made)


def _is_written(variant: Variant) -> bool:
    """Whether something has to be done to what was written before it is kept."""
    content = variant.content
    return (
        isinstance(variant.origin, Origin)
        or bool(content.html)
        or bool(composition.names_in(content.text, content.html))
    )


def _at(place: int, problem: FieldProblem) -> FieldProblem:
    room = "origin" if problem.field == "mjml" else "content"
    return msgspec.structs.replace(problem, field=f"variants[{place}].{room}.{problem.field}")


async def _parts(tx: Transaction, workspace_id: int, variants: Sequence[Variant]) -> Mapping[str, Part]:
    """Every part that wordings name, and that those name."""
    sources = [source for variant in variants for source in _sources(variant)]
    there: dict[str, Part] = {}
    wanted = composition.names_in(*sources) | {one.layout for one in _origins(variants) if one.layout}
    for _ in range(ROUNDS):
        new = await store.named(tx, workspace_id, wanted - there.keys())
        there |= new
        wanted = composition.names_in(*(part.source for part in new.values()))
        if not wanted - there.keys():
            break
    return there


def _sources(variant: Variant) -> tuple[str, ...]:
    own = (variant.content.text, variant.content.html)
    origin = variant.origin
    return (*own, origin.mjml, origin.html, origin.text) if isinstance(origin, Origin) else own
