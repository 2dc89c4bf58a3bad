"""What contacts have had lately, for frequency caps: their attempts are counted, there is no other tally."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import and_, bindparam, or_, select

from angarium.contacts.store.tables import contact
from angarium.messaging.gate.facts import Touch
from angarium.messaging.store.messages import CLASSES
from angarium.messaging.store.tables import attempt, message
from angarium.storage.bulk import Statement, among
from angarium.storage.database import Transaction

# Handed over and not refused; tried again under its key it may have gone out.
_REACHED = or_(
    attempt.c.state.in_(("submitting", "accepted", "delivered", "read", "unknown")),
    and_(attempt.c.state == "queued", attempt.c.reason == "no_answer"),
)
_lately = Statement(
    select(
        attempt.c.contact_id,
        attempt.c.id,
        attempt.c.submitted_at,
        attempt.c["class"],
        attempt.c.channel,
        attempt.c.message_id,
    )
    .select_from(
        message.join(
            attempt,
            and_(attempt.c.workspace_id == message.c.workspace_id, attempt.c.message_id == message.c.id),
        )
    )
    .where(
        message.c.workspace_id == bindparam("workspace_id"),
        among(message.c.contact_id, "contact_ids"),
        among(message.c["class"], "classes"),
        message.c.expires_at >= bindparam("since"),  # nothing is handed over after it
        attempt.c.submitted_at >= bindparam("since"),
        _REACHED,
    )
)
_hold = Statement(
    select(contact.c.id)
    .where(contact.c.workspace_id == bindparam("workspace_id"), among(contact.c.id, "contact_ids"))
    .order_by(contact.c.id)
    .with_for_update()
)


async def lately(
    tx: Transaction,
    workspace_id: int,
    contact_ids: Iterable[int],
    classes: Iterable[str],
    since: int,
    without: Iterable[int] = (),
) -> dict[int, tuple[Touch, ...]]:
    """What contacts have had of these classes since an instant, without some attempts."""
    rows = await tx.rows(
        _lately,
        workspace_id=workspace_id,
        contact_ids=sorted(set(contact_ids)),
        classes=sorted(classes),
        since=since,
    )
    left_out = set(without)
    found: dict[int, tuple[Touch, ...]] = {}
    for contact_id, attempt_id, at, message_class, channel, message_id in rows:
        if attempt_id not in left_out:
            touch = Touch(at, CLASSES[message_class], channel, message_id)
            found[contact_id] = (*found.get(contact_id, ()), touch)
    return found


async def hold(tx: Transaction, workspace_id: int, contact_ids: Iterable[int]) -> None:
    """Hold contacts to the end of the transaction: of two lines that count at once, one counts after the
    other."""
    await tx.rows(_hold, workspace_id=workspace_id, contact_ids=sorted(set(contact_ids)))
