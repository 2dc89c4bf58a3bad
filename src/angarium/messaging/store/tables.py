"""The tables of messages, attempts, their parts, and what providers and customers said.

`workspace_id` leads every key and index. The queue is no table of its own: rows that wait are found by
partial indexes, which hold nothing but them. Two of these indexes carry promises: one open attempt per
message, and one attempt per (message, step, number).
"""

from __future__ import annotations

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, text

from angarium.storage.schema import Blob, Count, Id, Instant, Micros, Real, Words, metadata

cascade = Table(
    "cascade",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("version_id", Id, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("cascade_name", "workspace_id", "name", unique=True),
    sqlite_with_rowid=False,
)

# A version never changes once written; messages name it. Steps given inline have a version of their own,
# found again by their digest, with cascade_id 0.
cascade_version = Table(
    "cascade_version",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("cascade_id", Id, nullable=False),
    Column("digest", Words, nullable=False),
    Column("steps", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("cascade_version_digest", "workspace_id", "cascade_id", "digest", unique=True),
    sqlite_with_rowid=False,
)

message = Table(
    "message",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("contact_id", Id, nullable=False),
    Column("class", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("label", Words, nullable=False),
    Column("reference", Words, nullable=False),
    Column("template_version_id", Id, nullable=False),
    Column("cascade_version_id", Id, nullable=False),
    Column("locale", Words, nullable=False),
    Column("words", Blob, nullable=False),
    Column("skips", Words, nullable=False),
    Column("cost_micros", Micros, nullable=False),
    Column("currency", Words, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("decide_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("to_address", Words, nullable=False),  # "kind:value" when an address was named; no other is taken
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("message_contact", "workspace_id", "contact_id", "id"),
    sqlite_with_rowid=False,
)
Index(
    "message_label",
    message.c.workspace_id,
    message.c.label,
    message.c.id,
    sqlite_where=text("label <> ''"),
    postgresql_where=text("label <> ''"),
)
Index(
    "message_due",
    message.c.workspace_id,
    message.c.decide_at,
    message.c.id,
    sqlite_where=text("decide_at IS NOT NULL"),
    postgresql_where=text("decide_at IS NOT NULL"),
)

Index(
    "message_held",
    message.c.workspace_id,
    message.c.id,
    sqlite_where=text("reason = 'restored'"),
    postgresql_where=text("reason = 'restored'"),
)

Index(
    "message_review",
    message.c.workspace_id,
    message.c.id,
    sqlite_where=text("reason = 'review'"),
    postgresql_where=text("reason = 'review'"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("message_id", Id, nullable=False),
    Column("contact_id", Id, nullable=False),
    Column("step", Count, nullable=False),
    Column("number", Count, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("channel", Words, nullable=False),
    Column("class", Words, nullable=False),
    Column("priority", Count, nullable=False),
    Column("address", Words, nullable=False),
    Column("content", Blob, nullable=False),
    Column("parts", Count, nullable=False),
    Column("price_micros", Micros, nullable=False),
    Column("cost_micros", Micros, nullable=False),
    Column("currency", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("code", Words, nullable=False),
    Column("detail", Words, nullable=False),
    Column("late", Count, nullable=False),
    Column("tries", Count, nullable=False),
    Column("epoch", Instant, nullable=False),
    Column("ttl_s", Real),
    Column("due_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("planned_at", Instant, nullable=False),
    Column("submitted_at", Instant),
    Column("accepted_at", Instant),
    Column("delivered_at", Instant),
    Column("read_at", Instant),
    Column("ended_at", Instant),
    Column("billed_at", Instant),
    Column("budgets", Words, nullable=False),
    Column("hours", Words, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("attempt_step", "workspace_id", "message_id", "step", "number", unique=True),
    sqlite_with_rowid=False,
)


def _attempts_where(name: str, columns: list[str], condition: str, *, unique: bool = False) -> None:
    Index(
        name,
        *(attempt.c[column] for column in columns),
        unique=unique,
        sqlite_where=text(condition),
        postgresql_where=text(condition),
    )


_attempts_where(
    "attempt_open", ["workspace_id", "message_id"], "state IN ('queued', 'submitting')", unique=True
)
_attempts_where("attempt_queue", ["workspace_id", "line_id", "priority", "due_at", "id"], "state = 'queued'")
_attempts_where("attempt_submitting", ["workspace_id", "line_id", "id"], "state = 'submitting'")
_attempts_where("attempt_unknown", ["workspace_id", "line_id", "address", "id"], "state = 'unknown'")

# The number of the server that owns a line, or a share of it: the fence (owners.py).
line_owner = Table(
    "line_owner",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("share", Count, nullable=False),  # of a line that is shared out
    Column("epoch", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "line_id", "share"),
    sqlite_with_rowid=False,
)

# One row per reference a provider gave: an SMS of three parts has three.
part = Table(
    "part",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("ref", Words, nullable=False),
    Column("attempt_id", Id, nullable=False),
    Column("number", Count, nullable=False),
    Column("total", Count, nullable=False),
    Column("state", Words, nullable=False),
    PrimaryKeyConstraint("workspace_id", "line_id", "ref"),
    Index("part_attempt", "workspace_id", "attempt_id"),
    sqlite_with_rowid=False,
)

# Attempts of which the provider is asked what became of them: a row while somebody wants to know.
inquiry = Table(
    "inquiry",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("attempt_id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("asked", Count, nullable=False),
    Column("ask_at", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "attempt_id"),
    Index("inquiry_due", "workspace_id", "line_id", "ask_at"),
    sqlite_with_rowid=False,
)

# What providers said, to the byte, before they are answered.
journal = Table(
    "journal",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("body", Blob, nullable=False),
    Column("headers", Words, nullable=False),
    Column("query", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("error", Words, nullable=False),
    Column("received_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    sqlite_with_rowid=False,
)
Index(
    "journal_new",
    journal.c.workspace_id,
    journal.c.id,
    sqlite_where=text("state = 'new'"),
    postgresql_where=text("state = 'new'"),
)

# Receipts that fit no attempt yet: the answer to the submission may still be on its way.
parked_receipt = Table(
    "parked_receipt",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("ref", Words, nullable=False),
    Column("status", Words, nullable=False),
    Column("address", Words, nullable=False),
    Column("body", Words, nullable=False),
    Column("received_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "line_id", "ref", "status"),
    Index("parked_receipt_address", "workspace_id", "line_id", "address"),
    Index("parked_receipt_age", "workspace_id", "received_at"),
    sqlite_with_rowid=False,
)

inbound = Table(
    "inbound",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("ref", Words, nullable=False),
    Column("sender", Words, nullable=False),
    Column("recipient", Words, nullable=False),
    Column("text", Words, nullable=False),
    Column("media_url", Words, nullable=False),
    Column("context_ref", Words, nullable=False),
    Column("payload", Words, nullable=False, server_default=""),
    Column("name", Words, nullable=False, server_default=""),
    Column("contact_id", Id),
    Column("parts_missing", Count, nullable=False),
    Column("received_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("inbound_ref", "workspace_id", "line_id", "ref", unique=True),
    Index("inbound_contact", "workspace_id", "contact_id", "id"),
    sqlite_with_rowid=False,
)

# Parts of a longer text from a customer, until all are there or their time is up.
inbound_part = Table(
    "inbound_part",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("sender", Words, nullable=False),
    Column("recipient", Words, nullable=False),
    Column("part_ref", Count, nullable=False),
    Column("total", Count, nullable=False),
    Column("number", Count, nullable=False),
    Column("ref", Words, nullable=False),
    Column("text", Words, nullable=False),
    Column("received_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "line_id", "sender", "recipient", "part_ref", "total", "number"),
    Index("inbound_part_age", "workspace_id", "received_at"),
    sqlite_with_rowid=False,
)

# What messages that were let go of had come to, by label: so that reports stay what they were.
past_share = Table(
    "past_share",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("label", Words, nullable=False),
    Column("class", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("currency", Words, nullable=False),
    Column("finished", Id, nullable=False),
    Column("total", Id, nullable=False),
    Column("cost_micros", Micros, nullable=False),
    PrimaryKeyConstraint("workspace_id", "label", "class", "state", "reason", "currency"),
    sqlite_with_rowid=False,
)
past_step = Table(
    "past_step",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("label", Words, nullable=False),
    Column("delivered_in", Instant, nullable=False),  # which quarter of an hour; 0: it was not
    Column("read_in", Instant, nullable=False),
    Column("step", Count, nullable=False),
    Column("channel", Words, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("tried", Id, nullable=False),
    Column("accepted", Id, nullable=False),
    Column("delivered", Id, nullable=False),
    Column("read", Id, nullable=False),
    Column("failed", Id, nullable=False),
    Column("unknown", Id, nullable=False),
    Column("fell_back", Id, nullable=False),
    Column("late", Id, nullable=False),
    Column("parts", Id, nullable=False),
    Column("cost_micros", Micros, nullable=False),
    PrimaryKeyConstraint("workspace_id", "label", "delivered_in", "read_in", "step", "channel", "line_id"),
    sqlite_with_rowid=False,
)

# Labels of which nothing new goes out: the campaign behind one is paused.
halted_label = Table(
    "halted_label",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("label", Words, nullable=False),
    Column("since", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "label"),
    sqlite_with_rowid=False,
)
