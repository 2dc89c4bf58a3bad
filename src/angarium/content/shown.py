"""Templates as they are shown outside: what every route of this room answers with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from angarium.content import lifecycle, review, rules
from angarium.content.flows import Whole
from angarium.content.lifecycle import OPEN
from angarium.content.lint.findings import Finding, Level
from angarium.content.liquid import TemplateSyntax
from angarium.content.rules import Variant
from angarium.content.store.registrations import Registration
from angarium.content.store.steps import Comment, Step
from angarium.content.store.versions import Template, Version
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.values import Button, Content


class PeriodShown(msgspec.Struct, frozen=True, kw_only=True):
    """From when until when (null: for good) which version is in force; null: none."""

    version: int | None
    begins: str = msgspec.field(name="from")
    ends: str | None = msgspec.field(name="until")


class TemplateShown(msgspec.Struct, frozen=True, kw_only=True):
    """A template with the version that is under way, else the newest."""

    id: str
    name: str
    message_class: str = msgspec.field(name="class")
    version: int
    state: str
    in_force: int | None  # the version that messages take now
    review_owed: bool  # something was published in an emergency, and nobody else has approved it yet
    default_locale: str
    variants: list[Variant]
    variables: list[str]  # every name that some variant uses
    hash: str
    schedule: list[PeriodShown]
    created_at: str
    updated_at: str


class TemplateTold(TemplateShown, frozen=True, kw_only=True):
    """The same, with what comes next."""

    next: str


class TemplateSaved(TemplateTold, frozen=True, kw_only=True):
    """The same, with what its author should know."""

    findings: list[Finding]


class VersionShown(msgspec.Struct, frozen=True, kw_only=True):
    """A version: what it says for ever, and what has become of it."""

    version: int
    state: str
    in_force: bool
    variants: list[Variant]
    default_locale: str
    hash: str
    author: str
    editors: list[str]
    effective_from: str | None
    effective_until: str | None
    review_owed: bool
    recalled: bool
    created_at: str


class StepShown(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done to a version."""

    version: int
    action: str
    state: str
    actor: str
    hash: str
    note: str
    comments: list[Comment]
    at: str


class VersionTold(VersionShown, frozen=True, kw_only=True):
    """A version with its history: who approved it, and everything that was done."""

    approved_by: list[str]
    approvals_asked: int
    steps: list[StepShown]


class RegistrationShown(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says of the words of one variant; `versions` have these words."""

    channel: str
    locale: str
    registrar: str
    external_id: str
    category: str
    status: str
    reason: str
    actor: str
    at: str
    versions: list[int]


def listed(template: Template, kept: Sequence[Version], now: int) -> TemplateShown:
    """A template in a list; `kept` are its newest version and those that are live or under way."""
    return TemplateShown(**_fields(template, kept, now))


def told(found: Whole, now: int) -> TemplateTold:
    """A template by itself."""
    one = found.version()
    return TemplateTold(
        **_fields(found.template, found.versions, now), next=review.what_next(found, one, now)
    )


def saved(found: Whole, findings: Sequence[Finding], now: int) -> TemplateSaved:
    """A template that has just been saved."""
    return TemplateSaved(**msgspec.structs.asdict(told(found, now)), findings=list(findings))


def _fields(template: Template, kept: Sequence[Version], now: int) -> dict[str, Any]:
    one = next((version for version in reversed(kept) if version.state in OPEN), kept[-1])
    terms = [version.term for version in kept]
    running = lifecycle.in_force(terms, now)
    return {
        "id": ids.show("template", template.id),
        "name": template.name,
        "message_class": template.message_class.value,
        "version": one.number,
        "state": lifecycle.state_at(one.term, terms, now).value,
        "in_force": running.number if running else None,
        "review_owed": any(version.review_owed for version in kept),
        "default_locale": one.default_locale,
        "variants": list(one.variants),
        "variables": _variables(one.variants),
        "hash": one.hash,
        "schedule": [
            PeriodShown(
                version=period.number,
                begins=iso(period.begins),
                ends=None if period.ends is None else iso(period.ends),
            )
            for period in lifecycle.periods(terms, now)
            if len(terms) > 1 or period.number is not None
        ],
        "created_at": iso(template.created_at),
        "updated_at": iso(template.updated_at),
    }


def _variables(variants: Sequence[Variant]) -> list[str]:
    names: set[str] = set()
    for variant in variants:
        try:
            names |= rules.variables(variant.content)
        except TemplateSyntax:  # saved by a version of this program that took it
            continue
    return sorted(names)


def version(found: Whole, one: Version, now: int) -> VersionShown:
    """One version in a list."""
    return VersionShown(**_version_fields(found, one, now))


def version_told(found: Whole, one: Version, now: int) -> VersionTold:
    """One version with its history."""
    return VersionTold(
        **_version_fields(found, one, now),
        approved_by=list(found.approvers(one)),
        approvals_asked=found.demand(one).approvals,
        steps=[step(each) for each in found.steps if each.number == one.number],
    )


def _version_fields(found: Whole, one: Version, now: int) -> dict[str, Any]:
    running = lifecycle.in_force(found.terms, now)
    return {
        "version": one.number,
        "state": lifecycle.state_at(one.term, found.terms, now).value,
        "in_force": running is not None and running.number == one.number,
        "variants": list(one.variants),
        "default_locale": one.default_locale,
        "hash": one.hash,
        "author": one.author,
        "editors": list(one.editors),
        "effective_from": None if one.effective_from is None else iso(one.effective_from),
        "effective_until": None if one.effective_until is None else iso(one.effective_until),
        "review_owed": one.review_owed,
        "recalled": one.recalled,
        "created_at": iso(one.created_at),
    }


def step(one: Step) -> StepShown:
    """Something that was done, for the outside."""
    return StepShown(
        version=one.number,
        action=one.action.value,
        state=one.state.value,
        actor=one.actor,
        hash=one.hash,
        note=one.note,
        comments=list(one.comments),
        at=iso(one.at),
    )


def registration(one: Registration, having: list[int]) -> RegistrationShown:
    """What a provider says, for the outside."""
    return RegistrationShown(
        channel=one.channel,
        locale=one.locale,
        registrar=one.registrar,
        external_id=one.external_id,
        category=one.category,
        status=one.status,
        reason=one.reason,
        actor=one.actor,
        at=iso(one.at),
        versions=having,
    )


# ── examples ─────────────────────────────────────────────────────────────────────────────────────────

SHIPPED = Variant(
    Content(
        text="Ваше замовлення {{ order }} в дорозі: {{ link }}", buttons=(Button("Де воно?", "{{ link }}"),)
    ),
    channel="viber_business",
    locale="uk",
)
ANYBODY = Variant(Content(text="{{ order }}: {{ link }}"))
HASH = "5f0c7a8e2d3b4c1f9e6a7d8c0b1a2f3e4d5c6b7a8f9e0d1c2b3a4f5e6d7c8b9a"
TEMPLATE_EXAMPLE = TemplateTold(
    id="tpl_05a58xarj0000",
    name="order-shipped",
    message_class="service",
    version=2,
    state="published",
    in_force=2,
    review_owed=False,
    default_locale="",
    variants=[SHIPPED, ANYBODY],
    variables=["link", "order"],
    hash=HASH,
    schedule=[PeriodShown(version=2, begins="2026-11-23T09:30:00.000Z", ends=None)],
    created_at="2026-11-23T08:30:00.000Z",
    updated_at="2026-11-23T09:30:00.000Z",
    next="",
)
FINDING_EXAMPLE = Finding(
    kind="variable-without-sample",
    level=Level.ERROR,
    problem="no sample has a value for link",
    remedy="add a sample with a value for it",
    variant=1,
    channel="*",
    locale="*",
    value="link",
)
SAVED_EXAMPLE = TemplateSaved(**msgspec.structs.asdict(TEMPLATE_EXAMPLE), findings=[FINDING_EXAMPLE])
STEP_EXAMPLE = StepShown(
    version=2,
    action="approve",
    state="approved",
    actor="key_05a58xarj0001",
    hash=HASH,
    note="read",
    comments=[],
    at="2026-11-23T09:00:00.000Z",
)
VERSION_EXAMPLE = VersionTold(
    version=2,
    state="published",
    in_force=True,
    variants=[SHIPPED, ANYBODY],
    default_locale="",
    hash=HASH,
    author="key_05a58xarj0002",
    editors=["key_05a58xarj0002"],
    effective_from="2026-11-23T09:30:00.000Z",
    effective_until=None,
    review_owed=False,
    recalled=False,
    created_at="2026-11-23T08:30:00.000Z",
    approved_by=["key_05a58xarj0001"],
    approvals_asked=1,
    steps=[STEP_EXAMPLE],
)
REGISTRATION_EXAMPLE = RegistrationShown(
    channel="whatsapp_cloud",
    locale="uk",
    registrar="Meta",
    external_id="1034567890",
    category="utility",
    status="approved",
    reason="",
    actor="key_05a58xarj0001",
    at="2026-11-23T09:00:00.000Z",
    versions=[2],
)
