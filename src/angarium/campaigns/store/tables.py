"""The tables of campaigns. A member has one row in its campaign: the key says so."""

from __future__ import annotations

from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, text

from angarium.storage.schema import Count, Id, Instant, Words, metadata

campaign = Table(
    "campaign",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("reason", Words, nullable=False),  # why it is paused or stopped
    Column("wanted", Words, nullable=False),  # CampaignInput, JSON
    Column("version", Count, nullable=False),  # counts every change by a person
    Column("frozen", Words, nullable=False),  # Frozen, JSON: what a run keeps, whatever is changed meanwhile
    Column(
        "forecast", Words, nullable=False
    ),  # the last one before it began, JSON; empty: none was asked for
    Column("begins_at", Instant, nullable=False),  # when its members are to be built
    Column("after_id", Id, nullable=False),  # how far building, or what follows a stop, has come
    Column("built_at", Instant),
    Column("paced_at", Instant, nullable=False),  # when the next member may be told, at its pace
    Column("members", Count, nullable=False),
    Column("told", Count, nullable=False),
    Column("left_out", Count, nullable=False),
    Column("written_by", Words, nullable=False),  # all who wrote it or asked for its review: none approves it
    Column("created_by", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("started_by", Words, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("resumed_at", Instant, nullable=False),  # what was before is not held against it again
    Column("under_way", Count, nullable=False),  # 1 while something is to be done by itself
    PrimaryKeyConstraint("workspace_id", "id"),
    sqlite_with_rowid=False,
)
Index(
    "campaign_under_way",
    campaign.c.workspace_id,
    campaign.c.id,
    sqlite_where=text("under_way = 1"),
    postgresql_where=text("under_way = 1"),
)

campaign_member = Table(
    "campaign_member",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("campaign_id", Id, nullable=False),
    Column("contact_id", Id, nullable=False),
    Column("state", Words, nullable=False),
    Column("reason", Words, nullable=False),  # why it was left out
    Column("detail", Words, nullable=False),
    Column("due_at", Instant, nullable=False),  # not to be told before
    Column("message_id", Id, nullable=False),  # 0: none
    Column("variant", Count, nullable=False),  # of the template; 0: the first
    Column("variables", Words, nullable=False),  # of its own, JSON; empty: none
    PrimaryKeyConstraint("workspace_id", "campaign_id", "contact_id"),
    Index("campaign_member_contact", "workspace_id", "contact_id", "campaign_id"),
    sqlite_with_rowid=False,
)
Index(
    "campaign_member_due",
    campaign_member.c.workspace_id,
    campaign_member.c.campaign_id,
    campaign_member.c.due_at,
    campaign_member.c.contact_id,
    sqlite_where=text("state = 'waiting'"),
    postgresql_where=text("state = 'waiting'"),
)

# What a campaign had come to whose members and messages were let go of: its last report.
campaign_outcome = Table(
    "campaign_outcome",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("campaign_id", Id, nullable=False),
    Column("report", Words, nullable=False),  # JSON
    Column("counted_at", Instant, nullable=False),
    Column("cleared", Count, nullable=False),  # 1: nothing of it is left to go
    PrimaryKeyConstraint("workspace_id", "campaign_id"),
    sqlite_with_rowid=False,
)
