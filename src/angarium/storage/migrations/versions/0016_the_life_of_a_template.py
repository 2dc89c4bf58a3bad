"""The life of a template: class, review, terms, steps, samples, registrations.

What was there is published: it was in force, the newest version of each from its own instant on. A template
gets the class that the newest message made of it had; one that was never used is for service messages.
"""

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

COLUMNS = ("workspace_id", "id", "name", "version_id", "created_at", "updated_at")
TEMPLATES = "SELECT workspace_id, id, name, version_id, created_at, updated_at FROM template"
VERSIONS = "SELECT workspace_id, id, template_id, number, variants, created_at FROM template_version"
USED = (
    "SELECT m.class FROM message m JOIN template_version v"
    " ON v.workspace_id = m.workspace_id AND v.id = m.template_version_id"
    " WHERE m.workspace_id = :workspace_id AND v.template_id = :template_id"
    " ORDER BY m.id DESC LIMIT 1"
)


def upgrade() -> None:
    bind = op.get_bind()
    templates = [tuple(row) for row in bind.execute(sa.text(TEMPLATES))]
    versions = [tuple(row) for row in bind.execute(sa.text(VERSIONS))]
    classes = {}
    for workspace_id, template_id, *_ in templates:
        asked = {"workspace_id": workspace_id, "template_id": template_id}
        used = bind.execute(sa.text(USED), asked).fetchone()
        classes[workspace_id, template_id] = used[0] if used else "service"
    op.drop_table("template_version")
    op.drop_table("template")
    _create()
    newest = {(row[0], row[3]) for row in templates}
    if templates:
        op.bulk_insert(
            _template(),
            [
                dict(
                    zip(
                        ("workspace_id", "id", "name", "version_id", "created_at", "updated_at"),
                        row,
                        strict=True,
                    )
                )
                | {"class": classes[row[0], row[1]]}
                for row in templates
            ],
        )
    if versions:
        op.bulk_insert(_version(), [_kept(row, classes, newest) for row in versions])


def _kept(
    row: tuple[Any, ...], classes: dict[tuple[int, int], str], newest: set[tuple[int, int]]
) -> dict[str, Any]:
    workspace_id, version_id, template_id, number, variants, created_at = row
    message_class = classes.get((workspace_id, template_id), "service")
    said = json.dumps([message_class, "", json.loads(variants)], ensure_ascii=False, separators=(",", ":"))
    return {
        "workspace_id": workspace_id,
        "id": version_id,
        "template_id": template_id,
        "number": number,
        "state": "published" if (workspace_id, version_id) in newest else "retired",
        "variants": variants,
        "default_locale": "",
        "hash": hashlib.sha256(said.encode()).hexdigest(),
        "author": "",
        "editors": "[]",
        "effective_from": created_at,
        "effective_until": None,
        "review_owed": 0,
        "recalled": 0,
        "created_at": created_at,
    }


def downgrade() -> None:
    bind = op.get_bind()
    for name in ("template_registration", "template_sample", "template_step"):
        op.drop_table(name)
    templates = [tuple(row) for row in bind.execute(sa.text(TEMPLATES))]
    versions = [tuple(row) for row in bind.execute(sa.text(VERSIONS))]
    op.drop_table("template_version")
    op.drop_table("template")
    _create_before()
    kept = ("workspace_id", "id", "template_id", "number", "variants", "created_at")
    if templates:
        op.bulk_insert(_template(), [dict(zip(COLUMNS, row, strict=True)) for row in templates])
    if versions:
        op.bulk_insert(
            _version(), [dict(zip(kept, row, strict=True)) | {"state": "approved"} for row in versions]
        )


def _template() -> sa.TableClause:
    names = ("workspace_id", "id", "name", "class", "version_id", "created_at", "updated_at")
    return sa.table("template", *(sa.column(name) for name in names))


def _version() -> sa.TableClause:
    names = (
        "workspace_id",
        "id",
        "template_id",
        "number",
        "state",
        "variants",
        "default_locale",
        "hash",
        "author",
        "editors",
        "effective_from",
        "effective_until",
        "review_owed",
        "recalled",
        "created_at",
    )
    return sa.table("template_version", *(sa.column(name) for name in names))


def _create() -> None:
    op.create_table(
        "template",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_template")),
        sqlite_with_rowid=False,
    )
    op.create_index("template_name", "template", ["workspace_id", "name"], unique=True)
    op.create_table(
        "template_version",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("template_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("variants", sa.Text(), nullable=False),
        sa.Column("default_locale", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("editors", sa.Text(), nullable=False),
        sa.Column("effective_from", sa.BigInteger(), nullable=True),
        sa.Column("effective_until", sa.BigInteger(), nullable=True),
        sa.Column("review_owed", sa.Integer(), nullable=False),
        sa.Column("recalled", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_template_version")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "template_version_number", "template_version", ["workspace_id", "template_id", "number"], unique=True
    )
    for name, columns, where in (
        ("template_version_published", ["workspace_id", "template_id"], "state = 'published'"),
        ("template_version_recalled", ["workspace_id", "id"], "recalled = 1"),
    ):
        op.create_index(
            name,
            "template_version",
            columns,
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )
    op.create_table(
        "template_step",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("template_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("comments", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_template_step")),
        sqlite_with_rowid=False,
    )
    op.create_index("template_step_template", "template_step", ["workspace_id", "template_id", "id"])
    op.create_table(
        "template_sample",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("template_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("values", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "template_id", "name", name=op.f("pk_template_sample")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "template_registration",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("template_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("registrar", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace_id",
            "template_id",
            "channel",
            "locale",
            "hash",
            name=op.f("pk_template_registration"),
        ),
        sqlite_with_rowid=False,
    )


def _create_before() -> None:
    op.create_table(
        "template",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_template")),
        sqlite_with_rowid=False,
    )
    op.create_index("template_name", "template", ["workspace_id", "name"], unique=True)
    op.create_table(
        "template_version",
        sa.Column("workspace_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("template_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("variants", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_template_version")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "template_version_number", "template_version", ["workspace_id", "template_id", "number"], unique=True
    )
