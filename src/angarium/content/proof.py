"""The proof of a version, as a printer would pull one: its findings and its preview, where it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from angarium.channels import load
from angarium.content import preview
from angarium.content.flows import APPROVED, LOCALE, NAME, TemplateInput, Whole, policies
from angarium.content.lint import looking
from angarium.content.lint.findings import Finding
from angarium.content.lint.subject import Sample, Subject, given
from angarium.content.preview import Row, Wanted
from angarium.content.store import samples as sample_store
from angarium.content.store.versions import Version
from angarium.content.surroundings import Look, Person, read_by
from angarium.core.problems import FieldProblem, Problem, all_invalid, invalid, not_found, shown
from angarium.core.values import Json, MessageClass
from angarium.storage.database import Transaction

SAMPLES_MAX = 50
SAMPLE_BYTES_MAX = 32_768
NO_VALUES = Sample("", "", {})


class SampleInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values that a template is shown with, for one locale or (empty) for all."""

    values: Json
    locale: str = ""


class NamedSample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same with its name, where nothing is saved."""

    name: str
    values: Json
    locale: str = ""


# ── samples ──────────────────────────────────────────────────────────────────────────────────────────


async def save_sample(
    tx: Transaction, workspace_id: int, template_id: int, name: str, given: SampleInput, now: int
) -> Sample:
    """Save a sample of a template under a name."""
    one = Sample(name, given.locale, given.values)
    check_samples([one])
    there = await sample_store.of_template(tx, workspace_id, template_id)
    if len(there) >= SAMPLES_MAX and name not in {other.name for other in there}:
        raise invalid("name", f"there are {len(there)} samples already", remedy=f"at most {SAMPLES_MAX}")
    await sample_store.save(tx, workspace_id, template_id, one, now)
    return one


async def drop_sample(tx: Transaction, workspace_id: int, template_id: int, name: str) -> None:
    """Delete a sample; a Problem when there is none of this name."""
    if not await sample_store.remove(tx, workspace_id, template_id, name):
        raise not_found("sample", name)


def check_samples(given: Sequence[Sample]) -> None:
    """A Problem that names what is wrong with samples."""
    wrong = []
    for place, one in enumerate(given):
        at = f"samples[{place}]." if len(given) > 1 else ""
        size = len(msgspec.json.encode(one.values))
        if not NAME.fullmatch(one.name):
            remedy = "lower-case letters, digits, dot, dash, underscore; at most 64"
            wrong.append(FieldProblem(f"{at}name", "is not a name", remedy, shown(one.name)))
        if one.locale and not LOCALE.fullmatch(one.locale):
            wrong.append(FieldProblem(f"{at}locale", "is not a locale", "such as fa, uk", shown(one.locale)))
        if size > SAMPLE_BYTES_MAX:
            remedy = f"at most {SAMPLE_BYTES_MAX} bytes"
            wrong.append(FieldProblem(f"{at}values", "are too large", remedy, f"{size} bytes"))
    if wrong:
        raise all_invalid("The sample is not valid", tuple(wrong))


# ── findings ─────────────────────────────────────────────────────────────────────────────────────────


Readers = tuple[Mapping[str, int], int]  # how many of each locale, of so many looked at (0: of all)


async def findings(
    tx: Transaction, look: Look, found: Whole, one: Version, readers: Readers | None = None
) -> list[Finding]:
    """What an author should know of a saved version; with `readers`, where it is known for whom it is."""
    around = replace(
        await look.around(tx, found.workspace_id), approvals=found.approvals, wording=found.wording
    )
    if readers is not None:
        around = read_by(around, *readers)
    samples = await sample_store.of_template(tx, found.workspace_id, found.template.id)
    known = {(r.channel, r.locale, r.hash) for r in found.registrations if r.status == APPROVED}
    kind = found.template.message_class
    return looking.look(Subject(kind, one.variants, one.default_locale, samples, around, frozenset(known)))


async def findings_of(
    tx: Transaction, look: Look, workspace_id: int, given: TemplateInput, samples: Sequence[Sample]
) -> list[Finding]:
    """The same of words that nobody has saved."""
    approvals, wording = await policies(tx, workspace_id)
    around = replace(await look.around(tx, workspace_id), approvals=approvals, wording=wording)
    locale = given.default_locale or wording.default_locale
    kind = given.message_class or MessageClass.SERVICE
    return looking.look(Subject(kind, given.variants, locale, samples, around))


# ── preview ──────────────────────────────────────────────────────────────────────────────────────────


async def person(tx: Transaction, look: Look, workspace_id: int, contact_id: int, shown_id: str) -> Person:
    """What a template sees of a contact; a Problem when there is no such contact."""
    found = await look.contact(tx, workspace_id, contact_id)
    if found is None:
        raise not_found("contact", shown_id)
    return found


def rows(look: Look, workspace_id: int, wanted: Wanted) -> list[Row]:
    """What people would see; takes nothing from the database, so that it can be asked while one types."""
    samples = [given(one, look.unsubscribe_url()) for one in wanted.samples]
    wanted = msgspec.structs.replace(wanted, samples=samples, public_url=look.public_url())
    return preview.preview(wanted, list(load().values()), look.carriers(workspace_id))


def chosen(saved: Sequence[Sample], names: Sequence[str]) -> list[Sample]:
    """The samples of these names, in their order; all of them when none is named."""
    by_name = {one.name: one for one in saved}
    missing = [name for name in names if name not in by_name]
    if missing:
        known = ", ".join(by_name) or "there are none"
        raise Problem(
            "invalid",
            "There is no such sample",
            detail=f"samples: {missing[0]}",
            fields=(FieldProblem("samples", "is not a sample", known, shown(missing[0])),),
        )
    return [by_name[name] for name in names] if names else list(saved)


def with_values(samples: Sequence[Sample], values: Json, locale: str) -> list[Sample]:
    """Samples with other values over them, and for another locale; without any sample, the values alone."""
    return [
        Sample(one.name, locale or one.locale, {**one.values, **values}) for one in samples or [NO_VALUES]
    ]
