"""Write into the ledger of consents, and keep what counts now on the contact, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from angarium.contacts import consent, store
from angarium.contacts import suppression_list as suppression
from angarium.contacts.consent import Choices, Scope, State
from angarium.contacts.store import Contact, consents
from angarium.contacts.store.consents import Entry
from angarium.core.values import MessageClass
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact
from angarium.storage.ground import Ground

ADVERTISING = Scope(MessageClass.PROMOTIONAL.value)
API = "api"  # source


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a contact said, as it is to be written down."""

    contact_id: int
    scope: Scope
    state: State
    source: str
    wording: str = ""
    proof: dict[str, str] = {}
    given_at: int = 0  # 0: now


async def record(
    tx: Transaction, ground: Ground, workspace_id: int, said: Sequence[Said], actor: str
) -> list[Entry]:
    """Write down what contacts said, in this order; the entries. Of contacts that are not there, none.

    Somebody who agrees to advertising on every channel takes back what the suppression list has of an opt-out
    of their addresses. Messages of those who withdrew something are for the caller to stop.
    """
    now = ground.clock.now()
    choices = await consents.hold_choices(tx, workspace_id, {one.contact_id for one in said})
    entries = [_entry(ground, one, actor, now) for one in said if one.contact_id in choices]
    changed: dict[int, Choices] = {}
    for one in entries:
        before = changed.get(one.contact_id, choices[one.contact_id])
        changed[one.contact_id] = consent.apply(before, one.scope, one.state)
    await _keep(tx, workspace_id, choices, changed, entries)
    await consents.touch(tx, workspace_id, changed, now)
    await _lift(tx, ground, workspace_id, entries)
    return entries


async def replace(
    tx: Transaction,
    ground: Ground,
    workspace_id: int,
    wanted: Mapping[int, Iterable[str]],
    actor: str,
    now: int,
    source: str = API,
) -> dict[int, Choices]:
    """Withdraw exactly these scopes for contacts, and lift what else they had withdrawn; what counts then."""
    before = await consents.hold_choices(tx, workspace_id, wanted)
    after = {
        contact_id: consent.replaced(known, wanted[contact_id])[0] for contact_id, known in before.items()
    }
    await _settle(tx, ground, workspace_id, before, after, actor, now, source)
    return after


async def settle(
    tx: Transaction,
    ground: Ground,
    workspace_id: int,
    wanted: Mapping[int, Choices],
    actor: str,
    now: int,
    source: str,
) -> None:
    """Have exactly this count for contacts: two that became one, or one that became two."""
    before = await consents.hold_choices(tx, workspace_id, wanted)
    after = {contact_id: wanted[contact_id] for contact_id in before}
    await _settle(tx, ground, workspace_id, before, after, actor, now, source)


async def _settle(
    tx: Transaction,
    ground: Ground,
    workspace_id: int,
    before: Mapping[int, Choices],
    after: Mapping[int, Choices],
    actor: str,
    now: int,
    source: str,
) -> None:
    entries = [
        _entry(ground, Said(contact_id=contact_id, scope=scope, state=state, source=source), actor, now)
        for contact_id, known in before.items()
        for scope, state in consent.between(known, after[contact_id])
    ]
    await _keep(tx, workspace_id, before, after, entries)
    withdrew = {one.contact_id for one in entries if one.state is State.WITHDRAWN}
    await consents.ask_to_look(tx, workspace_id, withdrew)


async def refuse(
    tx: Transaction,
    ground: Ground,
    workspace_id: int,
    refused: Mapping[int, Iterable[str]],
    actor: str,
    now: int,
    source: str,
) -> dict[int, Choices]:
    """Withdraw these scopes beside what contacts have withdrawn already (an import, a merge); what counts
    then. Their messages are looked at soon."""
    before = await consents.hold_choices(tx, workspace_id, refused)
    wanted = {contact_id: known.withdrawn | set(refused[contact_id]) for contact_id, known in before.items()}
    return await replace(tx, ground, workspace_id, wanted, actor, now, source)


async def agree(
    tx: Transaction, ground: Ground, workspace_id: int, said: Sequence[Said], actor: str, now: int
) -> int:
    """Write down a yes of contacts, at once for many (an import); of those who have refused any of it, none.

    It does not count as a change of the contact, and lifts no opt-out of the suppression list.
    """
    before = await consents.hold_choices(tx, workspace_id, {one.contact_id for one in said})
    agreed = [one for one in said if one.contact_id in before]
    agreed = [one for one in agreed if not consent.refuses(before[one.contact_id], one.scope)]
    after = {
        one.contact_id: consent.apply(before[one.contact_id], one.scope, State.GRANTED) for one in agreed
    }
    await _keep(tx, workspace_id, before, after, [_entry(ground, one, actor, now) for one in agreed])
    return len(agreed)


async def outlive(tx: Transaction, ground: Ground, workspace_id: int, contact: Contact) -> None:
    """What stays of a contact that is deleted or erased: by hashes of its addresses, that it said no."""
    places = [(one.kind, one.value) for one in contact.addresses]
    said_no = covers_advertising(Choices(contact.opted_out, contact.opted_in))
    await suppression.outlive(tx, ground, workspace_id, places, said_no=said_no)


async def _keep(
    tx: Transaction,
    workspace_id: int,
    before: Mapping[int, Choices],
    after: Mapping[int, Choices],
    entries: Sequence[Entry],
) -> None:
    """Write entries, and what counts now of those of whom it has changed."""
    await consents.append(tx, workspace_id, entries)
    changed = {contact_id: one for contact_id, one in after.items() if one != before[contact_id]}
    await consents.choose(tx, workspace_id, changed)
    await facts.append(tx, [_fact(workspace_id, one) for one in entries])


async def _lift(tx: Transaction, ground: Ground, workspace_id: int, entries: Iterable[Entry]) -> None:
    agreed = {
        one.contact_id
        for one in entries
        if one.state is State.GRANTED and one.scope in (ADVERTISING, Scope(consent.ALL))
    }
    if not agreed:
        return
    contacts = await store.by_ids(tx, workspace_id, agreed)
    places = [(a.kind, a.value) for one in contacts.values() for a in one.addresses]
    await suppression.lift_opt_outs(tx, ground, workspace_id, places)


def covers_advertising(choices: Choices) -> bool:
    """Whether somebody said no to advertising, on whichever channel."""
    return any(
        consent.read_scope(text).purpose in (ADVERTISING.purpose, consent.ALL) for text in choices.withdrawn
    )


def _entry(ground: Ground, one: Said, actor: str, now: int) -> Entry:
    return Entry(
        id=ground.ids.mint(),
        contact_id=one.contact_id,
        scope=one.scope,
        state=one.state,
        source=one.source,
        wording=one.wording,
        proof=one.proof,
        actor=actor,
        given_at=one.given_at or now,
        recorded_at=now,
    )


def _fact(workspace_id: int, one: Entry) -> Fact:
    body = {"scope": str(one.scope), "source": one.source, "consent": one.id, "by": one.actor}
    return Fact(
        workspace_id, f"consent.{one.state.value}", one.contact_id, one.recorded_at, msgspec.json.encode(body)
    )
