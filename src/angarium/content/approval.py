"""Who must approve wording before it may go: the policy `approvals`, and what it asks of one version. Pure.

Without a rule nothing is asked for. With one, somebody else decides: neither the author of a version nor
anybody who edited what led to it. What is approved is the hash of the content, so that approval can never be
of other words than those that were read; any change, however small, is read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated

import msgspec

from angarium.content.lifecycle import Action
from angarium.content.rules import ANY, Variant
from angarium.core.ports import Channel
from angarium.core.values import MessageClass

APPROVALS_MAX = 5
RULES_MAX = 50


class ApprovalRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is asked of wording of these classes on these channels; none named means all."""

    classes: tuple[MessageClass, ...] = ()
    channels: tuple[str, ...] = ()
    approvals: Annotated[int, msgspec.Meta(ge=0, le=APPROVALS_MAX)] = 1  # of others, with `templates:decide`
    emergency: bool = False  # it may be published at once, and reviewed later


class Approvals(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The policy document. `registered` names channels on which a provider's registration must be there too,
    beside those that ask for it by themselves."""

    rules: Annotated[tuple[ApprovalRule, ...], msgspec.Meta(max_length=RULES_MAX)] = ()
    registered: tuple[str, ...] = ()


class Demand(msgspec.Struct, frozen=True):
    """What is asked of one version."""

    approvals: int = 0
    emergency: bool = False


class Decision(msgspec.Struct, frozen=True):
    """Something that was decided on some words, by whom."""

    action: Action
    actor: str


def demand(policy: Approvals, message_class: MessageClass, kinds: frozenset[str]) -> Demand:
    """What a policy asks of wording of a class that goes by these channels: the most of all rules that fit.

    An emergency is allowed where every rule that asks for approval allows it.
    """
    asked = [rule for rule in _fitting(policy, message_class, kinds) if rule.approvals]
    if not asked:
        return Demand()
    return Demand(max(rule.approvals for rule in asked), all(rule.emergency for rule in asked))


def _fitting(policy: Approvals, message_class: MessageClass, kinds: frozenset[str]) -> Iterator[ApprovalRule]:
    for rule in policy.rules:
        if rule.classes and message_class not in rule.classes:
            continue
        if not rule.channels or kinds.intersection(rule.channels):
            yield rule


def kinds_of(variants: Iterable[Variant], channels: Iterable[Channel]) -> frozenset[str]:
    """The channels by which some words may go: those that variants name, by themselves or by their group."""
    wanted = {variant.channel for variant in variants}
    return frozenset(
        channel.kind
        for channel in channels
        if ANY in wanted or channel.kind in wanted or channel.address_kind.value in wanted
    )


def approvers(decisions: Iterable[Decision], editors: Iterable[str]) -> tuple[str, ...]:
    """Who approved some words, in order; what was refused, or sent back, has to be approved anew."""
    found: dict[str, None] = {}
    for decision in decisions:
        if decision.action is Action.APPROVE:
            found[decision.actor] = None
        elif decision.action in (Action.REFUSE, Action.REQUEST_CHANGES):
            found.clear()
    mine = set(editors)
    return tuple(actor for actor in found if actor not in mine)


def needs_registration(policy: Approvals, variant: Variant, channels: Mapping[str, Channel]) -> bool:
    """Whether a wording may be published only once its provider has approved it."""
    channel = channels.get(variant.channel)
    if channel is None:
        return False
    by_itself = channel.capabilities.registers_templates and bool(variant.content.template)
    return by_itself or channel.kind in policy.registered


def registration_key(variant: Variant) -> tuple[str, str, str]:
    """By what a registration is found: channel, locale and the very words."""
    return variant.channel, variant.locale, wording_hash(variant)


def content_hash(message_class: MessageClass, default_locale: str, variants: Sequence[Variant]) -> str:
    """The name by which words are approved: SHA-256 over everything that decides what is said."""
    said = msgspec.json.encode((message_class.value, default_locale, variants))
    return hashlib.sha256(said).hexdigest()


def wording_hash(variant: Variant) -> str:
    """The name of the words of one variant, by which a provider registers them."""
    return hashlib.sha256(msgspec.json.encode(variant.content)).hexdigest()
