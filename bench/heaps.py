"""What else lists hold after a year, made quickly: a campaign told to everybody, suppressions, the audit log.

Written in SQLite's dialect; the rows of the audit log are for looking at, and their hashes prove nothing.
"""

from __future__ import annotations

from sqlalchemy import text

from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground
from bench.history import Span

SUPPRESSED = 300_000
NOTED = 500_000  # rows of the audit log
COUNTED = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)"


async def heap(ground: Ground, workspace_id: int, campaign_id: int, told: Span) -> None:
    """A draft of a campaign becomes one that told its message to each in a span; the other lists fill up."""
    given = {
        "workspace_id": workspace_id,
        "campaign_id": campaign_id,
        "first": told.first,
        "last": told.last,
        "now": ground.clock.now(),
        "mint": ground.ids.mint(),
    }
    for statement, rows in ((MEMBERS, 0), (ENDED, told.count), (SUPPRESSIONS, SUPPRESSED), (NOTES, NOTED)):
        await ground.db.run(_write, statement, {**given, "rows": rows})


async def _write(tx: Transaction, statement: str, given: dict[str, int]) -> None:
    named = {name: value for name, value in given.items() if f":{name}" in statement}
    await tx.execute(Statement(text(statement)), **named)


MEMBERS = """
INSERT INTO campaign_member (workspace_id, campaign_id, contact_id, state, reason, detail, due_at, message_id,
  variant, variables)
SELECT workspace_id, :campaign_id, contact_id, 'told', '', '', 0, id, 0, '' FROM message
WHERE workspace_id = :workspace_id AND id BETWEEN :first AND :last
"""
ENDED = """
UPDATE campaign SET state = 'done', members = :rows, told = :rows, started_at = :now, built_at = :now,
  ended_at = :now, under_way = 0 WHERE workspace_id = :workspace_id AND id = :campaign_id
"""
SUPPRESSIONS = f"""
INSERT INTO suppression (workspace_id, hash, line_id, reason, id, kind, value, source, detail, actor, batch,
  created_at, expires_at)
{COUNTED} SELECT :workspace_id, printf('%064x', i), 0,
  CASE i % 4 WHEN 0 THEN 'complaint' WHEN 1 THEN 'opt_out' ELSE 'hard_bounce' END, :mint + i, 'phone',
  printf('+38044%07d', i), 'line', '', 'system', 0, :now, 0 FROM n
"""
NOTES = f"""
INSERT INTO audit (workspace_id, number, at, actor, action, subject, details, salt, details_hash, hash)
{COUNTED} SELECT :workspace_id, i + 1000, :now, 'key_0000000000001',
  CASE i % 3 WHEN 0 THEN 'line.changed' WHEN 1 THEN 'template.published' ELSE 'contact.changed' END,
  printf('lin_%013d', i % 1000), '{{}}', x'00', x'00', x'00' FROM n
"""
