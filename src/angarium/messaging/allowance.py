"""A person lets a line write to them, or forbids it, by a switch of the channel: a bot that is stopped, a
community that may not write any more, marketing that is turned off.

It is what they said as much as a STOP is, on this channel alone: it is written into the ledger of consents,
stops what waits, and is taken back when the switch is turned again. Of an address that is no contact of ours
the suppression list keeps it. A switch says nothing of what was said in another way.
"""

from __future__ import annotations

from angarium.contacts import consent, consent_ledger
from angarium.contacts import store as contacts
from angarium.contacts import suppression_list as suppression
from angarium.contacts.consent import SWITCH, Choices, Scope, State
from angarium.contacts.consent_ledger import ADVERTISING, Said
from angarium.contacts.store import consents
from angarium.contacts.suppression import Why
from angarium.core import ids
from angarium.core.ports import Allowance
from angarium.core.values import AddressKind
from angarium.lines.store import Line
from angarium.messaging import bounces, optout, withdrawal
from angarium.messaging.case import Case
from angarium.messaging.world import World
from angarium.storage.database import Transaction


async def heed(tx: Transaction, world: World, line: Line, event: Allowance, now: int) -> list[Case]:
    """Write down what a person allowed or forbade, in every workspace that sends on the line; the messages
    that this stopped."""
    place = (world.channels[line.channel].kind_at(event.address), event.address)
    cases: list[Case] = []
    for workspace_id in world.lines.everybody(line.id) or [line.workspace_id]:
        known = await contacts.ids_by_address(tx, workspace_id, place[0], [event.address])
        contact_id = known.get(event.address)
        act = _allowed if event.allowed else _forbidden
        cases += await act(tx, world, workspace_id, line, event, place, contact_id, now)
    return cases


async def _forbidden(
    tx: Transaction,
    world: World,
    workspace_id: int,
    line: Line,
    event: Allowance,
    place: tuple[AddressKind, str],
    contact_id: int | None,
    now: int,
) -> list[Case]:
    actor = ids.show("line", line.id)
    if contact_id is None:
        new = suppression.New(kind=place[0], value=place[1], why=Why.OPT_OUT, source=SWITCH, line_id=line.id)
        owners = await optout.list_once(tx, world, workspace_id, new, actor)
        return await withdrawal.stop(tx, world, workspace_id, owners or (), now)
    scope = Scope(ADVERTISING.purpose if event.promotional_only else consent.ALL, line.channel)
    known = (await consents.hold_choices(tx, workspace_id, [contact_id])).get(contact_id, Choices())
    if consent.apply(known, scope, State.WITHDRAWN) == known:
        return []  # it is said again
    said = _said(line, event, contact_id, scope, State.WITHDRAWN)
    await consent_ledger.record(tx, world.ground, workspace_id, [said], actor)
    return await withdrawal.stop(tx, world, workspace_id, [contact_id], now)


async def _allowed(
    tx: Transaction,
    world: World,
    workspace_id: int,
    line: Line,
    event: Allowance,
    place: tuple[AddressKind, str],
    contact_id: int | None,
    _now: int,
) -> list[Case]:
    """Take back what the switch said, and nothing else: who lets us write has not agreed to advertising."""
    await suppression.lift_opt_outs(tx, world.ground, workspace_id, [place], (SWITCH,), line.id)
    await bounces.proven(tx, world, workspace_id, place, line.id)
    if contact_id is None:
        return []
    known = (await consents.hold_choices(tx, workspace_id, [contact_id])).get(contact_id, Choices())
    latest: dict[str, str] = {}  # scope -> source of its last withdrawal
    for entry in await consents.latest_withdrawals(tx, workspace_id, contact_id, optout.EARLIER_MAX):
        latest.setdefault(str(entry.scope), entry.source)
    here = {scope for scope in known.withdrawn if consent.read_scope(scope).channel == line.channel}
    by_switch = sorted(scope for scope in here if latest.get(scope, SWITCH) == SWITCH)
    said = [_said(line, event, contact_id, consent.read_scope(one), State.LIFTED) for one in by_switch]
    await consent_ledger.record(tx, world.ground, workspace_id, said, ids.show("line", line.id))
    return []


def _said(line: Line, event: Allowance, contact_id: int, scope: Scope, state: State) -> Said:
    proof = {"event": event.ref, "address": event.address, "line": ids.show("line", line.id)}
    return Said(contact_id=contact_id, scope=scope, state=state, source=SWITCH, proof=proof)
