"""The consent that a file brings: of everybody whom its rows meant, with the file as its proof."""

from __future__ import annotations

from collections.abc import Iterable

from angarium.contacts import consent_ledger
from angarium.contacts.consent import Scope, State
from angarium.contacts.consent_ledger import Said
from angarium.contacts.imports.mapping import Agreed
from angarium.contacts.imports.store import Import
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground


async def agree(
    tx: Transaction,
    ground: Ground,
    workspace_id: int,
    one: Import,
    agreed: Agreed,
    contact_ids: Iterable[int],
    now: int,
) -> None:
    """Write down what everybody in the file has agreed to, with the file as its proof."""
    proof = {"file": one.name, "sha256": one.sha256}
    if agreed.note:
        proof["note"] = agreed.note
    scope = Scope(agreed.purpose, agreed.channel)
    said = [
        Said(
            contact_id=contact_id,
            scope=scope,
            state=State.GRANTED,
            source=agreed.source,
            wording=agreed.wording,
            proof=proof,
        )
        for contact_id in dict.fromkeys(contact_ids)
    ]
    await consent_ledger.agree(tx, ground, workspace_id, said, one.actor, now)
