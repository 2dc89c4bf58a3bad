"""Which of several addresses of a kind is used first, and what stays known of an address. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from angarium.core.values import Address, AddressKind

# What a description of an address may say instead of an instant, until it is written (`carried`).
AS_BEFORE = -1  # it does not say whether it is verified
JUST_NOW = -2  # it is verified; since when is not said


def first_of(addresses: Iterable[Address], kind: AddressKind) -> Address | None:
    """The address of a kind to write to; None when there is none."""
    fitting = [one for one in addresses if one.kind is kind]
    if len(fitting) > 1:
        return max(fitting, key=_rank)  # of equals the first, as `ordered` has it
    return fitting[0] if fitting else None


def ordered(addresses: Iterable[Address], kind: AddressKind) -> list[Address]:
    """The addresses of a kind, the one to be used first in front.

    The one that is preferred; else the one verified last, for people change their numbers; else the one that
    came last. Of those that came together, the first that was given.
    """
    fitting = [one for one in addresses if one.kind is kind]
    return sorted(fitting, key=_rank, reverse=True) if len(fitting) > 1 else fitting


def _rank(one: Address) -> tuple[bool, int, int]:
    return one.preferred, one.verified_at, one.added_at


def carried(before: Sequence[Address], given: Sequence[Address], now: int) -> tuple[Address, ...]:
    """Addresses as they are written, with what was known of those that the contact had before.

    Who sends a contact whole rarely knows which address is verified: what is not said stays as it was. An
    address that is new, or comes from somebody else, brings nothing along.
    """
    had = {(one.kind, one.value): one for one in before}
    return tuple([_carried(had.get((one.kind, one.value)), one, now) for one in given])


def _carried(old: Address | None, new: Address, now: int) -> Address:
    verified_at, how = new.verified_at, new.verified_how
    if verified_at == AS_BEFORE:
        verified_at, how = (old.verified_at, old.verified_how) if old else (0, "")
    elif verified_at == JUST_NOW:
        verified_at = old.verified_at if old and old.verified_at else now
        how = how or (old.verified_how if old else "")
    added_at = old.added_at if old else now
    return Address(new.kind, new.value, new.operator_blacklist, new.preferred, verified_at, how, added_at)
