"""What a message is about, for many messages: whom it was for, its class, label and template."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import bindparam, func, select, union_all

from angarium.contacts.activity import Topic
from angarium.content.store.tables import template_version
from angarium.core.values import MessageClass
from angarium.messaging.store.tables import inbound, message
from angarium.storage.bulk import Statement, among
from angarium.storage.database import Transaction

_here = message.c.workspace_id == bindparam("workspace_id")
_outlines = Statement(
    select(
        message.c.id,
        message.c.contact_id,
        message.c["class"],
        message.c.label,
        func.coalesce(template_version.c.template_id, 0),
    )
    .outerjoin(
        template_version,
        (template_version.c.workspace_id == bindparam("workspace_id"))
        & (template_version.c.id == message.c.template_version_id),
    )
    .where(_here, among(message.c.id, "message_ids"))
)
_last_before = Statement(
    select(message.c.contact_id, func.max(message.c.id))
    .where(_here, among(message.c.contact_id, "contact_ids"), message.c.id < bindparam("before"))
    .group_by(message.c.contact_id)
)


_of_contact = Statement(
    union_all(
        select(message.c.id).where(_here, message.c.contact_id == bindparam("contact_id")),
        select(inbound.c.id).where(
            inbound.c.workspace_id == bindparam("workspace_id"),
            inbound.c.contact_id == bindparam("contact_id"),
        ),
    )
)


async def of_contact(tx: Transaction, workspace_id: int, contact_id: int) -> list[int]:
    """The messages to a contact and those from it."""
    rows = await tx.rows(_of_contact, workspace_id=workspace_id, contact_id=contact_id)
    return sorted(row[0] for row in rows)


async def of_messages(
    tx: Transaction, workspace_id: int, message_ids: Collection[int]
) -> dict[int, tuple[int, Topic]]:
    """The contact and the topic of each message."""
    if not message_ids:
        return {}
    rows = await tx.rows(_outlines, workspace_id=workspace_id, message_ids=sorted(message_ids))
    topics = {about: Topic(MessageClass(about[0]), *about[1:]) for about in {row[2:] for row in rows}}
    return {row[0]: (row[1], topics[row[2:]]) for row in rows}


async def last_before(
    tx: Transaction, workspace_id: int, contact_ids: Collection[int], before: int
) -> dict[int, int]:
    """The newest message of each contact that is older than an id."""
    asked = {"workspace_id": workspace_id, "contact_ids": sorted(contact_ids), "before": before}
    return {row[0]: row[1] for row in await tx.rows(_last_before, **asked)}
