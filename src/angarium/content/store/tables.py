"""The tables of templates: their versions, what was done to them, samples, registrations, parts and files.

What a version says (`variants`, `default_locale`) and by what name it was approved (`hash`) is written once:
no statement of this room updates these columns.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, text

from angarium.storage.schema import Count, Id, Instant, Words, metadata

template = Table(
    "template",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("class", Words, nullable=False),
    Column("version_id", Id, nullable=False),  # the newest one
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("template_name", "workspace_id", "name", unique=True),
    sqlite_with_rowid=False,
)

template_version = Table(
    "template_version",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("template_id", Id, nullable=False),
    Column("number", Count, nullable=False),
    Column("state", Words, nullable=False),
    Column("variants", Words, nullable=False),
    Column("default_locale", Words, nullable=False),
    Column("hash", Words, nullable=False),
    Column("author", Words, nullable=False),  # whoever saved it
    Column("editors", Words, nullable=False),  # everybody who saved what led to it
    Column("effective_from", Instant),
    Column("effective_until", Instant),
    Column("review_owed", Count, nullable=False),  # published in an emergency, and not approved yet
    Column("recalled", Count, nullable=False),  # messages that wait with these words do not go
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("template_version_number", "workspace_id", "template_id", "number", unique=True),
    sqlite_with_rowid=False,
)
Index(
    "template_version_published",
    template_version.c.workspace_id,
    template_version.c.template_id,
    sqlite_where=text("state = 'published'"),
    postgresql_where=text("state = 'published'"),
)
Index(
    "template_version_recalled",
    template_version.c.workspace_id,
    template_version.c.id,
    sqlite_where=text("recalled = 1"),
    postgresql_where=text("recalled = 1"),
)

# What was done to a version: by whom, when, and what was said.
template_step = Table(
    "template_step",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("template_id", Id, nullable=False),
    Column("number", Count, nullable=False),
    Column("action", Words, nullable=False),
    Column("state", Words, nullable=False),  # that it led to
    Column("actor", Words, nullable=False),
    Column("hash", Words, nullable=False),  # of what it was done to
    Column("note", Words, nullable=False),
    Column("comments", Words, nullable=False),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("template_step_template", "workspace_id", "template_id", "id"),
    sqlite_with_rowid=False,
)

template_sample = Table(
    "template_sample",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("template_id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("locale", Words, nullable=False),
    Column("values", Words, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "template_id", "name"),
    sqlite_with_rowid=False,
)

# What a provider says of the words of one variant; it stays true for other versions with the same words.
template_registration = Table(
    "template_registration",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("template_id", Id, nullable=False),
    Column("channel", Words, nullable=False),
    Column("locale", Words, nullable=False),
    Column("hash", Words, nullable=False),
    Column("registrar", Words, nullable=False),
    Column("external_id", Words, nullable=False),
    Column("category", Words, nullable=False),
    Column("status", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("actor", Words, nullable=False),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "template_id", "channel", "locale", "hash"),
    sqlite_with_rowid=False,
)

# What a provider said last of a template that it keeps by a name of its own, of each thing that it tells.
# It is there before, and after, any wording of ours asks for it.
provider_template = Table(
    "provider_template",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("channel", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("language", Words, nullable=False),  # as registering.py compares it
    Column("account", Words, nullable=False),  # at the provider
    Column("about", Words, nullable=False),
    Column("id", Id, nullable=False),
    Column("line_id", Id, nullable=False),  # by whose callback it came
    Column("word", Words, nullable=False),
    Column("status", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("category", Words, nullable=False),
    Column("external_id", Words, nullable=False),
    Column("registrar", Words, nullable=False),
    Column("said_at", Instant, nullable=False),  # by the provider's clock
    Column("heard_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "channel", "name", "language", "account", "about"),
    Index("provider_template_id", "workspace_id", "id", unique=True),
    sqlite_with_rowid=False,
)

# Layouts and partials. What is in a template was put there when it was saved, and stays.
content_part = Table(
    "content_part",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("version", Count, nullable=False),
    Column("source", Words, nullable=False),
    Column("author", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "name", "version"),
    sqlite_with_rowid=False,
)

# What is known of a file of the workspace; its bytes lie on a shelf (storage/shelf.py).
content_media = Table(
    "content_media",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("type", Words, nullable=False),
    Column("size_bytes", Id, nullable=False),
    Column("sha256", Words, nullable=False),
    Column("token", Words, nullable=False),  # the end of its public address
    Column("actor", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),
    PrimaryKeyConstraint("workspace_id", "id"),
    sqlite_with_rowid=False,
)
Index(
    "content_media_bytes",
    content_media.c.workspace_id,
    content_media.c.sha256,
    unique=True,
    sqlite_where=text("deleted_at IS NULL"),
    postgresql_where=text("deleted_at IS NULL"),
)
