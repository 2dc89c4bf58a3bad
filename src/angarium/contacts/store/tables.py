"""The tables of contacts and of their addresses."""

from __future__ import annotations

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, text

from angarium.storage.schema import Count, Id, Instant, Words, metadata

HAS_MIDDLE = text("middle_begins <> ''")
HAS_LAST = text("last_begins <> ''")
contact = Table(
    "contact",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("external_id", Words),  # whose one is, is told by store/external_ids.py
    Column("name", Words, nullable=False),
    Column("sought", Words, nullable=False),  # the name as it is looked for (contacts/likeness.py)
    Column("begins", Words, nullable=False),  # and its first letters
    Column("last_begins", Words, nullable=False, server_default=""),  # and those of its last word
    # and those of the one before it, where that is not the first
    Column("middle_begins", Words, nullable=False, server_default=""),
    Column("locale", Words, nullable=False),
    Column("time_zone", Words, nullable=False),
    Column("locale_is_guess", Count, nullable=False),
    Column("time_zone_is_guess", Count, nullable=False),
    Column("country", Words, nullable=False),
    Column("fields", Words, nullable=False),
    Column("tags", Words, nullable=False),
    Column("opted_out", Words, nullable=False),  # what counts of the ledger: scopes withdrawn
    Column("opted_in", Words, nullable=False),  # and granted
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    # Those whose names begin alike stand in the order in which they came, so that many new contacts go to few
    # pages: by whole names each goes to another one. Bytewise also on PostgreSQL, so that it serves ranges.
    Index(
        "contact_begins",
        "workspace_id",
        "begins",
        "id",
        "sought",
        postgresql_ops={"begins": "text_pattern_ops"},
    ),
    Index(
        "contact_middle_begins",
        "workspace_id",
        "middle_begins",
        "id",
        sqlite_where=HAS_MIDDLE,
        postgresql_where=HAS_MIDDLE,
        postgresql_ops={"middle_begins": "text_pattern_ops"},
    ),
    Index(
        "contact_last_begins",
        "workspace_id",
        "last_begins",
        "id",
        sqlite_where=HAS_LAST,
        postgresql_where=HAS_LAST,
        postgresql_ops={"last_begins": "text_pattern_ops"},
    ),
    sqlite_with_rowid=False,
)

LISTED = text("operator_blacklist = 1")  # few are, and a claim asks for each whether it is
address = Table(
    "address",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("kind", Words, nullable=False),
    Column("value", Words, nullable=False),
    Column("contact_id", Id, nullable=False),
    Column("operator_blacklist", Count, nullable=False),
    Column("preferred", Count, nullable=False),
    Column("verified_at", Instant, nullable=False),  # 0: it is not
    Column("verified_how", Words, nullable=False),
    Column("place", Count, nullable=False),  # in the order in which they were given
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "kind", "value"),
    Index("address_contact", "workspace_id", "contact_id"),
    Index("address_blacklisted", "workspace_id", "contact_id", sqlite_where=LISTED, postgresql_where=LISTED),
    sqlite_with_rowid=False,
)
