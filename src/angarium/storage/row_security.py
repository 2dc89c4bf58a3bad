"""PostgreSQL keeps the rows of workspaces apart by itself: a policy on every table that has them.

It binds a transaction to the workspace that it was begun for (`behalf.py`), whatever its statements say or
forget to say; one that was begun for nobody in particular, as those of the engine are, sees all. It is
forced, because our role owns the tables (https://www.postgresql.org/docs/current/ddl-rowsecurity.html);
superusers and roles with BYPASSRLS pass by it, which `angarium doctor` tells.

The setting is asked for once a statement, by a subquery that does not depend on the row. And the condition
is no comparison but a COALESCE, of which the planner supposes that it is true of every second row: an
equation it would multiply with the one that each statement has already, and expect next to nothing.

The few works that must look further, at a line that another workspace lends or at where else somebody is a
member, say so where they do (`Transaction.across_workspaces`).
"""

from __future__ import annotations

from sqlalchemy import text

from angarium.storage.behalf import ALL
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction

SETTING = "angarium.workspace"
POLICY = "of_its_workspace"
_OURS = f"COALESCE(workspace_id = (SELECT NULLIF(current_setting('{SETTING}', true), '')::bigint), true)"


def set_for(workspace_id: int) -> str:
    """Binds the transaction under way to a workspace; ALL frees it."""
    return f"SET LOCAL {SETTING} = '{workspace_id or ''}'"


def begun_for(workspace_id: int) -> str:
    """What stands behind BEGIN, in the same message, in a transaction for one workspace; empty for all."""
    return "" if workspace_id == ALL else f"; {set_for(workspace_id)}"


def _quoted(text: str) -> str:
    return text.replace("'", "''")


# Tables of workspaces that have no policy yet.
LACKING = f"""
SELECT c.oid::regclass::text AS name FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'workspace_id' AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = to_regnamespace(quote_ident(current_schema()))
AND NOT (c.relrowsecurity AND c.relforcerowsecurity
AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = '{POLICY}'))
ORDER BY c.relname"""  # noqa: S608  our own names
# Makes what is missing, on every table of ours with a column of workspaces: so no migration can forget it.
COMPLETE = f"""
DO $$
DECLARE found record;
BEGIN
  FOR found IN {LACKING} LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', found.name);
    EXECUTE format('DROP POLICY IF EXISTS {POLICY} ON %s', found.name);
    EXECUTE format('CREATE POLICY {POLICY} ON %s USING ({_quoted(_OURS)})', found.name);
  END LOOP;
END $$"""
_ROLE = "SELECT rolname FROM pg_roles WHERE rolname = current_user AND (rolsuper OR rolbypassrls)"
_nothing = text("SELECT '' WHERE 1 = 0")  # of SQLite, which has neither roles nor policies
_passing_by = Statement(_nothing, postgresql=text(_ROLE))
_lacking = Statement(_nothing, postgresql=text(LACKING.replace("::", r"\:\:")))


async def passing_by(tx: Transaction) -> str:
    """The name of our role, when PostgreSQL lets it pass by every policy; empty when it does not."""
    row = await tx.row(_passing_by)
    return "" if row is None else str(row[0])


async def unguarded(tx: Transaction) -> list[str]:
    """The tables of workspaces that have no policy."""
    return [str(row[0]) for row in await tx.rows(_lacking)]
