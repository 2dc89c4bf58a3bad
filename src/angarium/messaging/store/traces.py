"""What every table keeps of a person, and what becomes of it when the person is erased.

`TRACES` names every table there is, also those that keep nothing: a table that is not named fails a test, so
none can be forgotten. A trace says how its rows are found and what is done to them:

- `Rows` are deleted, or cells of them blanked: what was counted and what it cost stays, and speaks of nobody.
- BY_HAND: `erasing.py` does it, and says why it cannot be done by a column.
- NOTHING: nothing that a person is, sends or is sent stands there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Any

import msgspec
from sqlalchemy import TableClause, bindparam, column, delete, or_, select, table, tuple_, update

from angarium.contacts.imports.store import contact_import, import_contact, import_error, import_member
from angarium.contacts.store.activity import contact_activity, contact_mention
from angarium.contacts.store.consents import consent, withdrawal
from angarium.contacts.store.external_ids import external_id
from angarium.contacts.store.index import contact_index, contact_value
from angarium.contacts.store.merges import contact_apart, contact_merge
from angarium.contacts.store.reachability import reachability
from angarium.contacts.store.tables import address, contact
from angarium.lines.tariffs_store import tariff_session
from angarium.messaging.store.exchanges import exchange
from angarium.messaging.store.links import FORGOTTEN, link, link_visit
from angarium.messaging.store.messages import NOBODY_ID
from angarium.messaging.store.tables import (
    attempt,
    inbound,
    inbound_part,
    journal,
    message,
    parked_receipt,
    part,
)
from angarium.storage.bulk import BulkUpdate, Statement, among
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Count, Id, Words

AT_ONCE = 2_000  # values in one statement


# Of the room above, which is not imported.
campaign_member = table("campaign_member", column("workspace_id", Id), column("contact_id", Id))
web_chat_visitor = table("web_chat_visitor", column("workspace_id", Id), column("address", Words))
web_chat_entry = table(
    "web_chat_entry",
    column("workspace_id", Id),
    column("address", Words),
    column("number", Id),
    column("own", Count),
    column("words", Words),
    column("at", Id),
)


class Kept(Enum):
    """Why a table has no rows that go."""

    BY_HAND = auto()
    NOTHING = auto()


class Rows:
    """Rows of a table with one of some values in a column; deleted, or blanked where `blank` says how."""

    def __init__(
        self, table: TableClause, column: str, of: str, blank: Mapping[str, Any] | None = None
    ) -> None:
        self.table = table.name
        self.of = of  # what the values are: "contacts", "messages", "attempts", "addresses"
        found = (table.c.workspace_id == bindparam("workspace_id"), among(table.c[column], "values"))
        gone = delete(table).where(*found) if blank is None else update(table).where(*found).values(**blank)
        self._go = Statement(gone)
        self.columns = tuple(table.columns.keys())
        self._kept = Statement(select(*table.columns).where(*found))

    async def kept(self, tx: Transaction, workspace_id: int, values: Sequence[Any]) -> list[dict[str, Any]]:
        """The rows as they are, by column, without the workspace."""
        rows = await tx.rows(self._kept, workspace_id=workspace_id, values=list(values))
        return [dict(zip(self.columns[1:], row[1:], strict=True)) for row in rows]

    async def go(self, tx: Transaction, workspace_id: int, values: Sequence[Any]) -> int:
        """Let them go; how many."""
        count = 0
        for start in range(0, len(values), AT_ONCE):
            some = list(values[start : start + AT_ONCE])
            count += await tx.execute(self._go, workspace_id=workspace_id, values=some)
        return count


TRACES: dict[str, tuple[Rows, ...] | Kept] = {
    "activity_topic": Kept.NOTHING,  # labels and templates
    "address": (Rows(address, "contact_id", "contacts"),),
    "api_key": Kept.NOTHING,
    "attempt": (
        Rows(
            attempt,
            "message_id",
            "messages",
            {"contact_id": NOBODY_ID, "address": "", "content": b"", "code": "", "detail": ""},
        ),
    ),
    "audit": Kept.BY_HAND,  # its details go, its chain stays: accounts/audit.py
    "audit_seal": Kept.NOTHING,
    "budget": Kept.NOTHING,  # sums
    "campaign": Kept.NOTHING,  # whom it is for, as a rule or as ids
    "campaign_outcome": Kept.NOTHING,  # counts
    "campaign_member": (Rows(campaign_member, "contact_id", "contacts"),),
    "cascade": Kept.NOTHING,
    "cascade_version": Kept.NOTHING,
    "commit_mark": Kept.NOTHING,  # numbers of commits alone
    "consent": (Rows(consent, "contact_id", "contacts"),),
    "contact": (Rows(contact, "id", "contacts"),),
    "content_media": Kept.BY_HAND,  # what everybody is sent; what visitors brought goes
    "content_part": Kept.NOTHING,
    "contact_activity": (Rows(contact_activity, "contact_id", "contacts"),),
    "contact_apart": (Rows(contact_apart, "low_id", "contacts"), Rows(contact_apart, "high_id", "contacts")),
    "contact_export": Kept.BY_HAND,  # what was asked for stays, and the file goes
    "contact_field": Kept.NOTHING,
    "contact_import": Kept.BY_HAND,  # the first rows of its file were looked at
    "contact_index": (Rows(contact_index, "contact_id", "contacts"),),
    "contact_mention": (Rows(contact_mention, "contact_id", "contacts"),),
    "contact_place": Kept.NOTHING,  # names of fields
    "contact_value": (Rows(contact_value, "contact_id", "contacts"),),
    "contact_merge": (
        Rows(contact_merge, "survivor_id", "contacts"),
        Rows(contact_merge, "merged_id", "contacts"),
    ),
    "cost": Kept.NOTHING,  # sums
    "traffic": Kept.NOTHING,  # the same
    "exchange": (Rows(exchange, "attempt_id", "attempts"),),
    "fact": Kept.BY_HAND,  # what happened stays, and says no more than that
    "fact_common": Kept.BY_HAND,  # goes with the last fact that says it
    "fabric_entry": Kept.NOTHING,  # for seconds: what waits for the ledger
    "fabric_lease": Kept.NOTHING,  # servers, and what they own
    "fabric_member": Kept.NOTHING,
    "fabric_told": Kept.NOTHING,  # for seconds
    "fabric_topic": Kept.NOTHING,
    "server": Kept.NOTHING,
    "migration": Kept.NOTHING,
    "fact_cursor": Kept.NOTHING,
    "import_contact": (Rows(import_contact, "contact_id", "contacts"),),
    "import_member": (Rows(import_member, "contact_id", "contacts"),),
    "external_id": (Rows(external_id, "contact_id", "contacts"),),
    "import_error": Kept.BY_HAND,  # rows that were not taken, as they stood in the file
    "halted_label": Kept.NOTHING,
    "idempotency": Kept.BY_HAND,  # the key stays, so that a repetition does not make the person again
    "inbound": (Rows(inbound, "contact_id", "contacts"), Rows(inbound, "sender", "addresses")),
    "inbound_part": (Rows(inbound_part, "sender", "addresses"),),
    "inquiry": Kept.NOTHING,  # when to ask next about which attempt
    "instance": Kept.NOTHING,
    "journal": Kept.BY_HAND,  # sealed: what is about whom is known when it is opened
    "line": Kept.NOTHING,
    "line_guest": Kept.NOTHING,
    "line_balance": Kept.NOTHING,
    "line_health": Kept.NOTHING,  # counts, and the words of a line's last refusal for as long as they last
    "line_owner": Kept.NOTHING,
    "link": (Rows(link, "message_id", "messages"),),
    "link_visit": (Rows(link_visit, "message_id", "messages", {"url": FORGOTTEN}),),  # counts stay
    "message": (
        Rows(
            message,
            "id",
            "messages",
            {
                "contact_id": NOBODY_ID,
                "words": b"",
                "reference": "",
                "to_address": "",
                "locale": "",
                "skips": "",
            },
        ),
    ),
    "past_share": Kept.NOTHING,  # counts
    "past_step": Kept.NOTHING,
    "parked_receipt": (Rows(parked_receipt, "address", "addresses"),),
    "pattern": Kept.NOTHING,
    "part": (Rows(part, "attempt_id", "attempts"),),  # a reference may have the phone in it: wamid.…
    "policy": Kept.NOTHING,
    "price_list": Kept.NOTHING,
    "reachability": (Rows(reachability, "contact_id", "contacts"),),
    "segment": Kept.NOTHING,  # rules are about many
    "segment_version": Kept.NOTHING,
    "suppression": Kept.BY_HAND,  # a hash stays, so that an objection outlives the person
    "notice": Kept.NOTHING,  # names of campaigns, templates, lines and files
    "notice_muted": Kept.NOTHING,
    "notice_read": Kept.NOTHING,
    "notice_reader": Kept.NOTHING,
    "provider_template": Kept.NOTHING,
    "registration": Kept.NOTHING,  # of the company
    "registration_document": Kept.NOTHING,
    "tariff": Kept.NOTHING,
    "tariff_session": (Rows(tariff_session, "address", "addresses"),),
    "tariff_volume": Kept.NOTHING,
    "template": Kept.NOTHING,
    "template_registration": Kept.NOTHING,
    "template_sample": Kept.NOTHING,  # made up
    "template_step": Kept.NOTHING,
    "template_version": Kept.NOTHING,
    "withdrawal": (Rows(withdrawal, "contact_id", "contacts"),),
    "web_chat_entry": (Rows(web_chat_entry, "address", "addresses"),),
    "web_chat_visitor": (Rows(web_chat_visitor, "address", "addresses"),),
    "workspace": Kept.NOTHING,
    # the people who work here are no contacts: they leave by way of /v1/people
    "identity": Kept.NOTHING,
    "identity_provider": Kept.NOTHING,
    "invitation": Kept.NOTHING,
    "member": Kept.NOTHING,
    "passkey": Kept.NOTHING,
    "person": Kept.NOTHING,
    "recovery_code": Kept.NOTHING,
    "reset_link": Kept.NOTHING,
    "session": Kept.NOTHING,
    # of the room above: whom something is told, and not who was told; parts of texts are sealed, for minutes
    "smpp_account": Kept.NOTHING,
    "smpp_letter": Kept.NOTHING,
    "smpp_submission": Kept.NOTHING,
    "twilio_account": Kept.NOTHING,
    "twilio_letter": Kept.NOTHING,
    "twilio_message": Kept.NOTHING,  # who it is from; whom it is to stands in the message
}


class Sent(msgspec.Struct, frozen=True):
    """What was sent to a person, by ids; and where, and what providers called it."""

    messages: tuple[int, ...]
    attempts: tuple[int, ...]
    inbound: tuple[int, ...]
    lines: frozenset[int]
    addresses: frozenset[str]
    refs: frozenset[str]


_messages = Statement(
    select(message.c.id)
    .where(message.c.workspace_id == bindparam("workspace_id"), among(message.c.contact_id, "ids"))
    .order_by(message.c.id)
)
_attempts = Statement(
    select(attempt.c.id, attempt.c.line_id, attempt.c.address)
    .where(attempt.c.workspace_id == bindparam("workspace_id"), among(attempt.c.message_id, "ids"))
    .order_by(attempt.c.id)
)
_parts = Statement(
    select(part.c.ref).where(
        part.c.workspace_id == bindparam("workspace_id"), among(part.c.attempt_id, "ids")
    )
)
_inbound = Statement(
    select(inbound.c.id, inbound.c.line_id, inbound.c.sender, inbound.c.ref).where(
        inbound.c.workspace_id == bindparam("workspace_id"),
        or_(among(inbound.c.contact_id, "ids"), among(inbound.c.sender, "senders")),
    )
)
_inbound_texts = Statement(
    select(
        inbound.c.id,
        inbound.c.line_id,
        inbound.c.sender,
        inbound.c.text,
        inbound.c.media_url,
        inbound.c.received_at,
    )
    .where(inbound.c.workspace_id == bindparam("workspace_id"), among(inbound.c.contact_id, "ids"))
    .order_by(inbound.c.id)
)
_files = Statement(
    select(inbound.c.media_url).where(
        inbound.c.workspace_id == bindparam("workspace_id"),
        or_(among(inbound.c.contact_id, "ids"), among(inbound.c.sender, "senders")),
        inbound.c.media_url != "",
    )
)
_unfinished = Statement(
    select(message.c.id).where(
        message.c.workspace_id == bindparam("workspace_id"),
        among(message.c.contact_id, "ids"),
        message.c.finished_at.is_(None),
    )
)
_journal_after = Statement(
    select(
        journal.c.workspace_id,
        journal.c.id,
        journal.c.line_id,
        journal.c.body,
        journal.c.headers,
        journal.c.query,
        journal.c.received_at,
    )
    .where(
        journal.c.workspace_id == bindparam("workspace_id"),
        journal.c.id > bindparam("after"),
        journal.c.state == "done",  # what waits to be worked through speaks of others too
        among(journal.c.line_id, "lines"),
    )
    .order_by(journal.c.id)
    .limit(bindparam("limit"))
)
_drop_journal = Statement(
    delete(journal).where(journal.c.workspace_id == bindparam("workspace_id"), among(journal.c.id, "ids"))
)


_imports = Statement(
    select(contact_import.c.id, contact_import.c.name, contact_import.c.seen)
    .where(
        contact_import.c.workspace_id == bindparam("workspace_id"), contact_import.c.id > bindparam("after")
    )
    .order_by(contact_import.c.id)
    .limit(bindparam("limit"))
)
_rename_import = BulkUpdate(contact_import, match=("workspace_id", "id"), set=("name", "seen"))
_errors = Statement(
    select(import_error.c.import_id, import_error.c.row_number, import_error.c.problems, import_error.c.raw)
    .where(
        import_error.c.workspace_id == bindparam("workspace_id"),
        tuple_(import_error.c.import_id, import_error.c.row_number)
        > tuple_(bindparam("import_id"), bindparam("row_number")),
    )
    .order_by(import_error.c.import_id, import_error.c.row_number)
    .limit(bindparam("limit"))
)
_drop_errors = Statement(
    delete(import_error).where(
        import_error.c.workspace_id == bindparam("workspace_id"),
        import_error.c.import_id == bindparam("import_id"),
        among(import_error.c.row_number, "rows"),
    )
)


async def imports_after(tx: Transaction, workspace_id: int, after: int, limit: int) -> list[Row]:
    """Imports behind an id: id, name, and what was seen of the file, as JSON."""
    return await tx.rows(_imports, workspace_id=workspace_id, after=after, limit=limit)


async def see_anew(tx: Transaction, workspace_id: int, imports: Sequence[tuple[int, str, str]]) -> int:
    """Write names of imports and what was seen of their files; how many."""
    return await tx.update(_rename_import, [(workspace_id, *one) for one in imports])


async def errors_after(tx: Transaction, workspace_id: int, after: tuple[int, int], limit: int) -> list[Row]:
    """Rows in error behind one: import, number, problems and the row as it stood in the file."""
    return await tx.rows(
        _errors, workspace_id=workspace_id, import_id=after[0], row_number=after[1], limit=limit
    )


async def drop_errors(tx: Transaction, workspace_id: int, rows: Iterable[tuple[int, int]]) -> int:
    """Let rows in error go; how many."""
    by_import: dict[int, list[int]] = {}
    for import_id, number in rows:
        by_import.setdefault(import_id, []).append(number)
    count = 0
    for import_id, numbers in by_import.items():
        asked = {"workspace_id": workspace_id, "import_id": import_id, "rows": numbers}
        count += await tx.execute(_drop_errors, **asked)
    return count


async def sent_to(
    tx: Transaction, workspace_id: int, contact_ids: Iterable[int], addresses: Iterable[str]
) -> Sent:
    """Everything that was sent to a person and came from them."""
    ids = sorted(contact_ids)
    messages = [row[0] for row in await tx.rows(_messages, workspace_id=workspace_id, ids=ids)]
    attempts: list[Row] = []
    refs: set[str] = set()
    for start in range(0, len(messages), AT_ONCE):
        some = messages[start : start + AT_ONCE]
        attempts += await tx.rows(_attempts, workspace_id=workspace_id, ids=some)
    for start in range(0, len(attempts), AT_ONCE):
        tried = [row[0] for row in attempts[start : start + AT_ONCE]]
        refs |= {row[0] for row in await tx.rows(_parts, workspace_id=workspace_id, ids=tried)}
    everywhere = {*addresses, *(row[2] for row in attempts)} - {""}
    heard = await tx.rows(_inbound, workspace_id=workspace_id, ids=ids, senders=sorted(everywhere))
    return Sent(
        tuple(messages),
        tuple(row[0] for row in attempts),
        tuple(row[0] for row in heard),
        frozenset({row[1] for row in (*attempts, *heard)}),
        frozenset(everywhere | {row[2] for row in heard}),
        frozenset(refs | {row[3] for row in heard}),
    )


async def unfinished(tx: Transaction, workspace_id: int, contact_ids: Iterable[int]) -> list[int]:
    """Messages to a person that are still under way."""
    rows = await tx.rows(_unfinished, workspace_id=workspace_id, ids=sorted(contact_ids))
    return [row[0] for row in rows]


async def heard_from(tx: Transaction, workspace_id: int, contact_ids: Iterable[int]) -> list[Row]:
    """What a person sent: id, line, sender, text, media, when."""
    return await tx.rows(_inbound_texts, workspace_id=workspace_id, ids=sorted(contact_ids))


async def files_from(
    tx: Transaction, workspace_id: int, contact_ids: Iterable[int], addresses: Iterable[str]
) -> list[str]:
    """Where the files lie that a person sent, also before anybody knew who it was."""
    named = {"ids": sorted(contact_ids), "senders": sorted(addresses)}
    return [row[0] for row in await tx.rows(_files, workspace_id=workspace_id, **named)]


async def journal_after(
    tx: Transaction, workspace_id: int, lines: Iterable[int], after: int, limit: int
) -> list[Row]:
    """Callbacks of some lines behind an id, in their order."""
    async with tx.across_workspaces():  # with whoever lends a line stands what its provider said
        return await tx.rows(
            _journal_after, workspace_id=workspace_id, lines=sorted(lines), after=after, limit=limit
        )


async def drop_journal(tx: Transaction, workspace_id: int, ids: Sequence[int]) -> int:
    """Let callbacks go; how many."""
    if not ids:
        return 0
    async with tx.across_workspaces():
        return await tx.execute(_drop_journal, workspace_id=workspace_id, ids=list(ids))
