"""Reads what happened in the log of facts, and writes the letters that clients are to be told of it.

It has a cursor of its own, which is moved in the transaction that writes the letters: none is lost and none
is written twice, whatever falls in between. What is told is how a message stands now and not what a fact said
of it, so facts in any order come to the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from angarium.core.clock import micros
from angarium.doors.smpp import admission, receipts, store
from angarium.doors.smpp.admission import GIVEN_UP, PARTS_WAIT_S, REPEATED, UNDELIVERED
from angarium.doors.smpp.receipts import Submission
from angarium.doors.smpp.store import Account, Letter
from angarium.messaging.world import World
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact
from angarium.storage.vault import NotOpened

READER = "smpp_door"
BATCH_MAX = 1_000  # facts in one transaction
PARTS_AT_ONCE = 500
LETTERS_KEPT_S = 7 * 86_400.0  # for an account that nobody binds to
MESSAGE, REPLY = "message.", "inbound.received"


class Heard(msgspec.Struct, frozen=True):
    """What is read of the fact that a customer wrote."""

    line: str = ""


class Ended(msgspec.Struct, frozen=True):
    """What is read of the fact that parts will be no message."""

    parts: tuple[int, ...] = ()


async def follow(
    tx: Transaction, world: World, workspace_id: int, accounts: Sequence[Account]
) -> tuple[int, set[int]]:
    """Write letters for the next facts; how many there were, and the accounts that have something new."""
    position = await facts.position_of(tx, workspace_id, READER)
    new, end = await facts.after(tx, workspace_id, position, BATCH_MAX)
    if not new:
        return 0, set()
    known = {one.id for one in accounts}
    letters = await _of_messages(tx, world, workspace_id, new, known)
    letters += await _of_parts(tx, world, workspace_id, new, known)
    letters += _of_customers(world, new, accounts)
    await store.add_letters(tx, workspace_id, letters)
    await facts.save_position(tx, workspace_id, READER, end)
    return len(new), {one.account_id for one in letters}


async def _of_messages(
    tx: Transaction, world: World, workspace_id: int, new: Sequence[Fact], known: Collection[int]
) -> list[Letter]:
    happened = {one.subject_id: one.at for one in new if one.kind.startswith(MESSAGE) or one.kind == REPEATED}
    ours = await store.of_messages(tx, workspace_id, happened) if happened else []
    ours = [one for one in ours if one.account_id in known]
    if not ours:
        return []
    standings = await store.standings(tx, workspace_id, {one.message_id for one in ours})
    letters: list[Letter] = []
    for one in ours:
        standing, ended_at = standings[one.message_id]
        told = receipts.news(standing, one.told, one.asked)
        if told is not None:
            at = ended_at or happened[one.message_id]
            letters.append(_letter(world, one, told.word, told.error, told.intermediate, at))
    await store.tell(tx, workspace_id, [(one.subject_id, one.word) for one in letters])
    return letters


async def _of_parts(
    tx: Transaction, world: World, workspace_id: int, new: Sequence[Fact], known: Collection[int]
) -> list[Letter]:
    ended: Mapping[int, int] = {
        part: one.at
        for one in new
        if one.kind == GIVEN_UP
        for part in msgspec.json.decode(one.body, type=Ended).parts
    }
    if not ended:
        return []
    found = await store.submissions(tx, workspace_id, ended)
    return [
        _letter(world, one, UNDELIVERED, receipts.ERROR_OTHER, False, ended[one.id])
        for one in found.values()
        if one.account_id in known and receipts.is_wanted(UNDELIVERED, one.asked)
    ]


def _of_customers(world: World, new: Sequence[Fact], accounts: Sequence[Account]) -> list[Letter]:
    """What customers sent, for each account that a line's messages are told to."""
    return [
        Letter(account.id, world.ground.ids.mint(), one.subject_id, "", 0, False, one.at)
        for one in new
        if one.kind == REPLY
        for account in accounts
        if msgspec.json.decode(one.body, type=Heard).line in account.settings.inbound_lines
    ]


def _letter(world: World, one: Submission, word: str, error: int, intermediate: bool, at: int) -> Letter:
    return Letter(one.account_id, world.ground.ids.mint(), one.id, word, error, intermediate, at)


async def tidy(tx: Transaction, workspace_id: int, now: int) -> int:
    """Give up texts whose rest did not come, and forget what nobody fetches; how many parts were given up."""
    stale = await store.waiting(tx, workspace_id, now - micros(PARTS_WAIT_S), PARTS_AT_ONCE)
    await admission.give_up(tx, workspace_id, stale, now)
    before = now - micros(LETTERS_KEPT_S)
    await store.forget_letters(tx, workspace_id, before)
    await store.forget_held(tx, workspace_id, before)
    return len(stale)


# ── as deliver_sm ────────────────────────────────────────────────────────────────────────────────────


class Written(msgspec.Struct, frozen=True):
    """A letter as the deliver_sm that it takes; none when there is nothing left to tell."""

    id: int
    bodies: Sequence[bytes]


async def write(tx: Transaction, world: World, account: Account, after: int, limit: int) -> list[Written]:
    """The next letters of an account behind an id."""
    workspace_id = account.workspace_id
    found = await store.letters(tx, workspace_id, account.id, after, limit)
    about = await store.submissions(tx, workspace_id, [one.subject_id for one in found if one.word])
    standings = await store.standings(tx, workspace_id, {one.message_id for one in about.values()})
    waited = [one.id for one in about.values() if not one.message_id]
    held = await store.held_of(tx, workspace_id, waited) if waited else {}
    said = await store.said(tx, workspace_id, [one.subject_id for one in found if not one.word])
    written = []
    for letter in found:
        one, heard = about.get(letter.subject_id), said.get(letter.subject_id)
        bodies: Sequence[bytes] = []
        if letter.word and one is not None:
            address = standings[one.message_id][0].address if one.message_id in standings else ""
            address = _address_of(world, workspace_id, one.id, held.get(one.id, "")) or address
            told = receipts.Told(letter.word, letter.error, letter.intermediate)
            bodies = [receipts.receipt(one, told, address, letter.at)]
        elif heard is not None:
            bodies = _of_customer(account, heard, letter.id)
        written.append(Written(letter.id, bodies))
    return written


def _address_of(world: World, workspace_id: int, part_id: int, held: str) -> str:
    """Whom a part of a text was for that became no message."""
    try:
        return admission.opened(world, workspace_id, part_id, held).dest if held else ""
    except NotOpened:
        return ""


def _of_customer(account: Account, said: store.Said, reference: int) -> Sequence[bytes]:
    settings = account.settings
    return receipts.inbound(
        said.sender, said.recipient, said.text, reference, settings.alphabet, settings.long_inbound
    )
