"""Queries of templates and their versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import bindparam, delete, func, insert, select, update

from angarium.content.lifecycle import Term, VersionState, periods
from angarium.content.rules import Variant
from angarium.content.store.tables import template, template_version
from angarium.core import kept
from angarium.core.values import MessageClass
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Row, Transaction


class Template(msgspec.Struct, frozen=True):
    """A template: its name, its class for life, and its newest version."""

    id: int
    name: str
    message_class: MessageClass
    version_id: int
    created_at: int
    updated_at: int


class Version(msgspec.Struct, frozen=True):
    """What a template says or said. All but its state and its term was written once and for all."""

    template_id: int
    id: int
    number: int
    state: VersionState
    variants: tuple[Variant, ...]
    default_locale: str
    hash: str
    author: str
    editors: tuple[str, ...]
    created_at: int
    effective_from: int | None = None
    effective_until: int | None = None
    review_owed: bool = False
    recalled: bool = False

    @property
    def term(self) -> Term:
        """What decides when it is in force."""
        return Term(self.number, self.state, self.effective_from, self.effective_until)

    @property
    def waits_for_review(self) -> bool:
        """Whether somebody else has to read it: before it goes out, or because it did in an emergency."""
        return self.state is VersionState.IN_REVIEW or self.review_owed


class Published(msgspec.Struct, frozen=True):
    """A version that may be in force, as the hot path looks for it; without one, `term` is None."""

    name: str
    message_class: MessageClass
    version_id: int
    term: Term | None


class Named(msgspec.Struct, frozen=True):
    """A version by the template that it is of."""

    template_id: int
    name: str
    number: int


class Worded(msgspec.Struct, frozen=True):
    """The words of a version."""

    variants: tuple[Variant, ...]
    default_locale: str = ""


_template_columns = [
    template.c.id,
    template.c.name,
    template.c["class"],
    template.c.version_id,
    template.c.created_at,
    template.c.updated_at,
]
_version = template_version.c
_version_columns = [
    _version.template_id,
    _version.id,
    _version.number,
    _version.state,
    _version.variants,
    _version.default_locale,
    _version.hash,
    _version.author,
    _version.editors,
    _version.created_at,
    _version.effective_from,
    _version.effective_until,
    _version.review_owed,
    _version.recalled,
]
_here = template.c.workspace_id == bindparam("workspace_id")
_version_here = _version.workspace_id == bindparam("workspace_id")
_this = template.c.id == bindparam("template_id")
_of_this = _version.template_id == bindparam("template_id")

_save_template = BulkInsert(
    template,
    ("workspace_id", "id", "name", "class", "version_id", "created_at", "updated_at"),
    conflict=("workspace_id", "id"),
    update=("name", "version_id", "updated_at"),
)
_insert_version = Statement(insert(template_version))
_all = Statement(select(*_template_columns).where(_here).order_by(template.c.id))
_by_id = Statement(select(*_template_columns).where(_here, _this))
_hold = Statement(select(*_template_columns).where(_here, _this).with_for_update())
_newest = Statement(
    select(*_version_columns)
    .join(
        template,
        (template.c.workspace_id == _version.workspace_id) & (template.c.version_id == _version.id),
    )
    .where(_here, _version_here)
)
_kept = Statement(
    select(*_version_columns).where(
        _version_here, _version.state.in_(("published", "draft", "in_review", "changes_requested"))
    )
)
_published = Statement(
    select(
        template.c.name,
        template.c["class"],
        _version.id,
        _version.number,
        _version.state,
        _version.effective_from,
        _version.effective_until,
    )
    .outerjoin(
        template_version,
        (_version.workspace_id == template.c.workspace_id)
        & (_version.template_id == template.c.id)
        & (_version.state == "published"),
    )
    .where(_here, among(template.c.name, "names"))
)
_words = Statement(
    select(_version.id, _version.variants, _version.default_locale).where(
        _version_here, among(_version.id, "version_ids")
    )
)
_names = Statement(
    select(_version.id, template.c.id, template.c.name, _version.number)
    .join(
        template, (template.c.workspace_id == _version.workspace_id) & (template.c.id == _version.template_id)
    )
    .where(_version_here, among(_version.id, "version_ids"))
)
_versions = Statement(select(*_version_columns).where(_version_here, _of_this).order_by(_version.number))
_last_number = Statement(select(func.max(_version.number)).where(_version_here, _of_this))
_settle = Statement(
    update(template_version)
    .where(_version_here, _of_this, _version.number == bindparam("which"))
    .values(
        state=bindparam("to_state"),
        effective_from=bindparam("begins"),
        effective_until=bindparam("ends"),
        review_owed=bindparam("owed"),
        recalled=bindparam("recall"),
    )
)
_recalled = Statement(
    select(_version.workspace_id, _version.id).where(
        among(_version.workspace_id, "workspace_ids"), _version.recalled == 1
    )
)
_drop = Statement(delete(template).where(_here, _this))


async def save_template(tx: Transaction, workspace_id: int, one: Template) -> None:
    """Write a template; of one that is there, its name and which version is the newest. Conflict: taken."""
    row = (
        workspace_id,
        one.id,
        one.name,
        one.message_class.value,
        one.version_id,
        one.created_at,
        one.updated_at,
    )
    await tx.insert(_save_template, [row])


async def add_version(tx: Transaction, workspace_id: int, one: Version) -> None:
    """Write a new version."""
    await tx.execute(
        _insert_version,
        workspace_id=workspace_id,
        id=one.id,
        template_id=one.template_id,
        number=one.number,
        state=one.state.value,
        variants=msgspec.json.encode(one.variants).decode(),
        default_locale=one.default_locale,
        hash=one.hash,
        author=one.author,
        editors=msgspec.json.encode(one.editors).decode(),
        effective_from=one.effective_from,
        effective_until=one.effective_until,
        review_owed=int(one.review_owed),
        recalled=int(one.recalled),
        created_at=one.created_at,
    )


async def settle(tx: Transaction, workspace_id: int, one: Version) -> None:
    """Write the state of a version, and from when until when it is in force; nothing else of it changes."""
    await tx.execute(
        _settle,
        workspace_id=workspace_id,
        template_id=one.template_id,
        which=one.number,
        to_state=one.state.value,
        begins=one.effective_from,
        ends=one.effective_until,
        owed=int(one.review_owed),
        recall=int(one.recalled),
    )


async def all_of(tx: Transaction, workspace_id: int) -> list[Template]:
    """All templates of a workspace."""
    return [_template(row) for row in await tx.rows(_all, workspace_id=workspace_id)]


async def by_id(tx: Transaction, workspace_id: int, template_id: int) -> Template | None:
    """One template."""
    row = await tx.row(_by_id, workspace_id=workspace_id, template_id=template_id)
    return None if row is None else _template(row)


async def hold(tx: Transaction, workspace_id: int, template_id: int) -> Template | None:
    """One template, held to the end of the transaction: what is done to it is done one after the other."""
    row = await tx.row(_hold, workspace_id=workspace_id, template_id=template_id)
    return None if row is None else _template(row)


async def shown_versions(tx: Transaction, workspace_id: int) -> list[Version]:
    """The newest version of every template, and those that are published or under way; each once."""
    newest = await tx.rows(_newest, workspace_id=workspace_id)
    kept = await tx.rows(_kept, workspace_id=workspace_id)
    return list({row[1]: _read(row) for row in (*newest, *kept)}.values())


async def published(tx: Transaction, workspace_id: int, names: set[str]) -> dict[str, list[Published]]:
    """What is published under these names; a name that no template has is not there."""
    if not names:
        return {}
    found: dict[str, list[Published]] = {}
    for name, message_class, version_id, number, state, begins, ends in await tx.rows(
        _published, workspace_id=workspace_id, names=sorted(names)
    ):
        term = Term(number, VersionState(state), begins, ends) if version_id else None
        found.setdefault(name, []).append(Published(name, MessageClass(message_class), version_id or 0, term))
    return found


async def words(tx: Transaction, workspace_id: int, version_ids: Iterable[int]) -> dict[int, Worded]:
    """What versions say, whatever has become of them."""
    wanted = sorted(version_ids)
    if not wanted:
        return {}
    rows = await tx.rows(_words, workspace_id=workspace_id, version_ids=wanted)
    return {row[0]: Worded(_variants(row[1]), row[2]) for row in rows}


async def names(tx: Transaction, workspace_id: int, version_ids: Iterable[int]) -> dict[int, Named]:
    """Which version of which template some are; what is gone is not there."""
    wanted = sorted(version_ids)
    rows = await tx.rows(_names, workspace_id=workspace_id, version_ids=wanted) if wanted else []
    return {row[0]: Named(*row[1:]) for row in rows}


async def versions(tx: Transaction, workspace_id: int, template_id: int) -> list[Version]:
    """Every version of a template, the first one first."""
    rows = await tx.rows(_versions, workspace_id=workspace_id, template_id=template_id)
    return [_read(row) for row in rows]


async def next_number(tx: Transaction, workspace_id: int, template_id: int) -> int:
    """The number of a template's next version."""
    row = await tx.row(_last_number, workspace_id=workspace_id, template_id=template_id)
    return 1 + ((row and row[0]) or 0)


async def recalled(tx: Transaction, workspace_ids: Sequence[int]) -> dict[int, frozenset[int]]:
    """Versions with which no message may leave any more, whenever it began, by their workspace."""
    found: dict[int, set[int]] = {}
    for workspace_id, version_id in await tx.rows(_recalled, workspace_ids=list(workspace_ids)):
        found.setdefault(workspace_id, set()).add(version_id)
    return {workspace_id: frozenset(version_ids) for workspace_id, version_ids in found.items()}


async def remove(tx: Transaction, workspace_id: int, template_id: int) -> bool:
    """Delete a template; its versions stay, because messages name them."""
    return await tx.execute(_drop, workspace_id=workspace_id, template_id=template_id) > 0


def _template(row: Row) -> Template:
    return Template(row[0], row[1], MessageClass(row[2]), row[3], row[4], row[5])


def _read(row: Row) -> Version:
    return Version(
        template_id=row[0],
        id=row[1],
        number=row[2],
        state=VersionState(row[3]),
        variants=_variants(row[4]),
        default_locale=row[5],
        hash=row[6],
        author=row[7],
        editors=tuple(msgspec.json.decode(row[8], type=list[str])),
        created_at=row[9],
        effective_from=row[10],
        effective_until=row[11],
        review_owed=bool(row[12]),
        recalled=bool(row[13]),
    )


def _variants(text: str) -> tuple[Variant, ...]:
    return kept.read(text, tuple[Variant, ...])


def by_template(found: Sequence[Version]) -> dict[int, list[Version]]:
    """Versions by their template, each once, in the order of their numbers."""
    grouped: dict[int, dict[int, Version]] = {}
    for one in found:
        grouped.setdefault(one.template_id, {})[one.number] = one
    return {key: [numbered[number] for number in sorted(numbered)] for key, numbered in grouped.items()}


def going(found: Sequence[Version], now: int) -> list[Version]:
    """Those that are in force or will be."""
    numbers = {period.number for period in periods([one.term for one in found], now)}
    return [one for one in found if one.number in numbers]
