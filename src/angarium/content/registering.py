"""What providers say of the templates that they keep: heard, and put to the wordings that ask for them.

A provider names its own template, by name and language; which wordings of ours ask for that one is looked up
when it is needed. So news that came before any wording is there when one is written, and holds for all of
them: what the provider approved are its own words, and ours only fill in their variables. Beside it stands
what people noted of the very words of a variant; of the two, what was learnt last counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from angarium.content import approval
from angarium.content.rules import Variant
from angarium.content.store import provider_templates, versions
from angarium.content.store.provider_templates import Told
from angarium.content.store.registrations import Registration
from angarium.content.store.versions import Version
from angarium.core.ports import Channel, TemplateNews
from angarium.core.values import RegistrationStatus
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact
from angarium.storage.ground import Ground

PROVIDER = "provider"  # who acts, where it was no person
NAMES_FROM = 1 << 60  # of what is held: above the ids of lines, below budgets and the log of deeds
APPROVED, PENDING = RegistrationStatus.APPROVED.value, RegistrationStatus.PENDING.value


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────


def spoken(language: str) -> str:
    """A language as it is compared: Meta tells of `en-US` what is asked for as `en_US`."""
    return language.replace("_", "-").lower()


def is_news(known: Told | None, told: Told) -> bool:
    """Whether something is said that was not known, and not by mistake later than what came after it.

    Times are whole seconds: of two things said in one, a decision is not taken back by the wait for it.
    """
    if known is None:
        return True
    if _says(known) == _says(told) or told.said_at < known.said_at:
        return False
    return told.said_at > known.said_at or told.status != PENDING


def _says(one: Told) -> tuple[str, ...]:
    return one.word, one.status, one.reason, one.category, one.external_id


def asks_for(variant: Variant, one: Told) -> bool:
    """Whether a wording asks for this template of a provider."""
    content = variant.content
    return (variant.channel, content.template, spoken(content.template_language)) == (
        one.channel,
        one.name,
        one.language,
    )


def verdict(variant: Variant, told: Iterable[Told]) -> Told | None:
    """What is said of the template that a wording asks for. Where several accounts have one, each may have to
    send it: one that may not is the answer."""
    found = [one for one in told if one.about == "status" and asks_for(variant, one)]
    return max(found, key=lambda one: (one.status != APPROVED, one.heard_at), default=None)


def joined(
    noted: Sequence[Registration],
    told: Sequence[Told],
    found: Iterable[Version],
    channels: Mapping[str, Channel],
) -> list[Registration]:
    """What is known of all wordings: what people noted, and what the provider has said since."""
    by_key = {(one.channel, one.locale, one.hash): one for one in noted}
    for variant in (variant for version in found for variant in version.variants):
        channel = channels.get(variant.channel)
        if channel is None or not channel.capabilities.registers_templates or not variant.content.template:
            continue
        said = verdict(variant, told)
        key = approval.registration_key(variant)
        before = by_key.get(key)
        if said is not None and (before is None or before.at <= said.heard_at):
            by_key[key] = _as_registration(key, said, told)
    return sorted(by_key.values(), key=lambda one: (one.channel, one.locale, one.at))


def _as_registration(key: tuple[str, str, str], said: Told, told: Iterable[Told]) -> Registration:
    channel, locale, wording = key
    return Registration(
        channel=channel,
        locale=locale,
        hash=wording,
        registrar=said.registrar,
        external_id=said.external_id,
        category=_word(said, told, "category") or said.category,
        status=said.status,
        reason=said.reason,
        actor=PROVIDER,
        at=said.heard_at,
    )


def _word(said: Told, told: Iterable[Told], about: str) -> str:
    """The provider's word for another thing about the same template."""
    same = (said.channel, said.name, said.language, said.account)
    for one in told:
        if one.about == about and (one.channel, one.name, one.language, one.account) == same:
            return one.word
    return ""


# ── hearing ──────────────────────────────────────────────────────────────────────────────────────────


async def hear(
    tx: Transaction,
    ground: Ground,
    workspace_id: int,
    channel: str,
    line_id: int,
    news: Sequence[TemplateNews],
    now: int,
) -> None:
    """Take in what a provider says by the callback of a line; facts tell of what has changed by it."""
    await tx.hold(NAMES_FROM | workspace_id)
    known = {
        (one.channel, one.name, one.language, one.account, one.about): one
        for one in await provider_templates.named(tx, workspace_id, {one.name for one in news})
    }
    changed = []
    for one in news:
        said_at = min(one.at or now, now)
        key = (channel, one.name, spoken(one.language), one.account, one.about)
        before = known.get(key)
        told = Told(
            *key,
            id=before.id if before else ground.ids.mint(),
            line_id=line_id,
            word=one.word,
            status=one.status.value if one.status else "",
            reason=one.reason,
            category=one.category,
            external_id=one.external_id,
            registrar=one.registrar,
            said_at=said_at,
            heard_at=now,
        )
        news_of_it = is_news(before, told)
        if news_of_it or (before is not None and _says(before) == _says(told) and said_at > before.said_at):
            known[key] = told
            await provider_templates.save(tx, workspace_id, told)
        if news_of_it:
            changed.append(told)
    if changed:
        await _tell(tx, workspace_id, changed, now)


async def _tell(tx: Transaction, workspace_id: int, changed: Sequence[Told], now: int) -> None:
    """A fact for each template of ours that asks for one; of one that none asks for, a fact of its line."""
    users = await asking(tx, workspace_id, changed)
    told = []
    for one in changed:
        body = msgspec.json.encode({**msgspec.structs.asdict(one), "actor": PROVIDER})
        subjects = [("template.registration", template_id) for template_id in users[one.id]]
        for kind, subject_id in subjects or [("line.template_unmatched", one.line_id)]:
            told.append(Fact(workspace_id, kind, subject_id, now, body))
    await facts.append(tx, told)


async def asking(tx: Transaction, workspace_id: int, told: Sequence[Told]) -> dict[int, list[int]]:
    """The templates of ours whose live versions ask for these, by the id of what was told."""
    shown = await versions.shown_versions(tx, workspace_id) if told else []
    return {
        one.id: sorted(
            {
                version.template_id
                for version in shown
                if any(asks_for(variant, one) for variant in version.variants)
            }
        )
        for one in told
    }
