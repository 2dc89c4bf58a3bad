"""Two contacts that are one person: what the one is that stays, and what both are when it was not so. Pure.

What stays wins where both say something; nothing that anybody said against being written to is lost. When a
merge is undone, what nobody has changed since is exactly as it was before; what was changed since stays with
the contact that stayed, and an objection made since goes to both, for nobody knows whose it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from angarium.contacts import consent
from angarium.contacts.consent import Choices
from angarium.contacts.places import place
from angarium.contacts.store import Contact
from angarium.core.values import Address, AddressKind, Json

Key = tuple[AddressKind, str]


class Parted(msgspec.Struct, frozen=True):
    """Two contacts again; `elsewhere` are addresses that the second had and somebody else has now."""

    survivor: Contact
    merged: Contact
    elsewhere: tuple[Address, ...]


def joined(survivor: Contact, other: Contact, now: int) -> Contact:
    """The contact that stays, with what the other one brings."""
    addresses = (*survivor.addresses, *_second_best(survivor.addresses, other.addresses))
    locale, locale_is_guess = _said(
        (survivor.locale, survivor.locale_is_guess), (other.locale, other.locale_is_guess)
    )
    zone, zone_is_guess = _said(
        (survivor.time_zone, survivor.time_zone_is_guess), (other.time_zone, other.time_zone_is_guess)
    )
    together = consent.joined(
        Choices(survivor.opted_out, survivor.opted_in), Choices(other.opted_out, other.opted_in)
    )
    where = place("" if locale_is_guess else locale, "" if zone_is_guess else zone, addresses)
    return msgspec.structs.replace(
        survivor,
        external_id=survivor.external_id if survivor.external_id is not None else other.external_id,
        name=survivor.name or other.name,
        locale=where.locale,
        locale_is_guess=where.locale_is_guess,
        time_zone=where.time_zone,
        time_zone_is_guess=where.time_zone_is_guess,
        country=where.country,
        fields={**other.fields, **survivor.fields},
        tags=_together(survivor.tags, other.tags),
        opted_out=together.withdrawn,
        opted_in=together.granted,
        created_at=min(survivor.created_at, other.created_at),
        updated_at=now,
        addresses=addresses,
    )


def _second_best(own: Sequence[Address], others: Sequence[Address]) -> list[Address]:
    """The addresses of the other one, none of them preferred where the one that stays prefers its own."""
    preferring = {one.kind for one in own if one.preferred}
    return [
        msgspec.structs.replace(one, preferred=one.preferred and one.kind not in preferring) for one in others
    ]


def _said(own: tuple[str, bool], others: tuple[str, bool]) -> tuple[str, bool]:
    """What was said before what was guessed."""
    return others if own[1] and not others[1] else own


def _together(*lists: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for items in lists for one in items))


# ── undone ───────────────────────────────────────────────────────────────────────────────────────────


def parted(
    before: Contact, merged: Contact, after: Contact, current: Contact, elsewhere: set[Key], now: int
) -> Parted:
    """Both as they were: `before` and `merged` are the two before the merge, `after` the one it made, and
    `current` what has become of that. `elsewhere` are addresses that other contacts have now."""
    back = {_key(one): one for one in merged.addresses}
    made = {_key(one): one for one in after.addresses}
    had = {_key(one): one for one in before.addresses}
    here = {_key(one): one for one in current.addresses}
    returned = [
        _unless_changed(one, made[key], here.get(key)) for key, one in back.items() if key not in elsewhere
    ]
    kept = [
        _unless_changed(had.get(key, one), made.get(key, one), one)
        for key, one in here.items()
        if key not in back
    ]
    since = current.opted_out - after.opted_out
    withdrawn = after.opted_out - current.opted_out
    return Parted(
        _with_places(
            msgspec.structs.replace(
                before,
                **{name: _three(before, after, current, name) for name in ("external_id", "name")},
                **_place_of(before, after, current),
                fields=_fields(before.fields, after.fields, current.fields),
                tags=_tags(before.tags, after.tags, current.tags),
                opted_out=(before.opted_out | since) - withdrawn,
                opted_in=(before.opted_in | (current.opted_in - after.opted_in)) - since,
            ),
            tuple(kept),
            before,
            now,
        ),
        _with_places(
            msgspec.structs.replace(merged, opted_out=merged.opted_out | since),
            tuple(returned),
            merged,
            now,
        ),
        tuple([one for key, one in back.items() if key in elsewhere]),
    )


def _key(one: Address) -> Key:
    return one.kind, one.value


def _unless_changed(old: Address, made: Address, current: Address | None) -> Address:
    """An address as it was before the merge; as it is now, when it was changed since."""
    return old if current is None or current == made else current


def _three(before: Contact, after: Contact, current: Contact, name: str) -> Any:
    """A value as it was before, unless somebody has changed it since."""
    now = getattr(current, name)
    return getattr(before, name) if now == getattr(after, name) else now


def _place_of(before: Contact, after: Contact, current: Contact) -> dict[str, Any]:
    """Locale and zone with what is known of each; a guess is made anew afterwards."""
    found: dict[str, Any] = {}
    for name in ("locale", "time_zone"):
        pair = (name, f"{name}_is_guess")
        now = [getattr(current, one) for one in pair]
        source = before if now == [getattr(after, one) for one in pair] else current
        found |= {one: getattr(source, one) for one in pair}
    return found


def _fields(before: Json, after: Json, current: Json) -> Json:
    """Fields that were changed, added or taken away since stay so; all others are as they were."""
    kept = {name: value for name, value in current.items() if after.get(name, ...) != value}
    gone = after.keys() - current.keys()
    return {name: value for name, value in (before | kept).items() if name in kept or name not in gone}


def _tags(before: Sequence[str], after: Sequence[str], current: Sequence[str]) -> tuple[str, ...]:
    added, gone = [one for one in current if one not in after], set(after) - set(current)
    return tuple([one for one in _together(before, added) if one not in gone])


def _with_places(contact: Contact, addresses: tuple[Address, ...], was: Contact, now: int) -> Contact:
    """With these addresses; what is a guess is made anew where they are not those that it was made from."""
    placed = msgspec.structs.replace(contact, addresses=addresses)
    if addresses != was.addresses:
        where = place(
            "" if placed.locale_is_guess else placed.locale,
            "" if placed.time_zone_is_guess else placed.time_zone,
            addresses,
        )
        placed = msgspec.structs.replace(
            placed, locale=where.locale, time_zone=where.time_zone, country=where.country
        )
    return placed if placed == was else msgspec.structs.replace(placed, updated_at=now)
