"""What clients ask besides: how a message stands, and to cancel it."""

from __future__ import annotations

import msgspec

from angarium.core.problems import Problem
from angarium.doors.smpp import receipts, store
from angarium.doors.smpp.receipts import Standing, Submission
from angarium.doors.smpp.store import Account
from angarium.messaging import cancel
from angarium.messaging.case import wake
from angarium.messaging.world import World
from angarium.protocols import smpp_pdu
from angarium.protocols.smpp_numbers import Command, Status
from angarium.protocols.smpp_pdu import Cancel, Frame, PduError, Query
from angarium.storage.database import Transaction


class Chore(msgspec.Struct, frozen=True):
    """A query_sm or a cancel_sm of an account."""

    account: Account
    frame: Frame


async def see_to(world: World, one: Chore) -> tuple[int, bytes]:
    """The status and body to answer with. What belongs to another account is not there."""
    try:
        asked = smpp_pdu.decode(one.frame)
        assert isinstance(asked, Query | Cancel)
        if isinstance(asked, Query):
            return await _query(world, one.account, receipts.read_shown(asked.message_id))
        return await _cancel(world, one.account, receipts.read_shown(asked.message_id)), b""
    except PduError as error:
        return error.status, b""
    except Problem:
        return Status.RSYSERR, b""


async def _query(world: World, account: Account, submission_id: int) -> tuple[int, bytes]:
    found = await world.ground.db.read(_look, account, submission_id)
    if found is None:
        return Status.RINVMSGID, b""
    one, standing, ended_at = found
    answer = receipts.query_answer(one, standing, ended_at)
    return Status.ROK, smpp_pdu.encode(Command.QUERY_SM_RESP, answer)


async def _look(
    tx: Transaction, account: Account, submission_id: int
) -> tuple[Submission, Standing | None, int | None] | None:
    one = (await store.submissions(tx, account.workspace_id, [submission_id])).get(submission_id)
    if one is None or one.account_id != account.id:
        return None
    known = await store.standings(tx, account.workspace_id, [one.message_id])
    standing, ended_at = known.get(one.message_id, (None, None))
    return one, standing, ended_at


async def _cancel(world: World, account: Account, submission_id: int) -> int:
    found = await world.ground.db.read(_look, account, submission_id)
    if found is None:
        return Status.RINVMSGID
    one, standing, _ = found
    if standing is None:  # it waits for other parts
        return Status.RCANCELFAIL
    now = world.ground.clock.now()
    try:
        case = await world.ground.db.run(cancel.cancel, world, account.workspace_id, one.message_id, now)
    except Problem as problem:
        if problem.status in (404, 409):
            return Status.RCANCELFAIL
        raise
    wake(world, [case])
    return Status.ROK
