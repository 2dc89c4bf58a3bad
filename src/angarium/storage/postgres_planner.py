"""What PostgreSQL's planner is told of our tables, sooner than the database tells it by itself.

Without statistics it takes a comparison with the first column of an index for one that leaves a few rows. All
our keys begin with `workspace_id`, so a workspace's ten thousand addresses look like six, and are read one by
one though an index stands beside them. Autovacuum counts what has grown, but looks once a minute
(`autovacuum_naptime`), at one table after the other: a new server, an import, a database that was moved or
restored (a dump has no statistics) would limp till then. So what has more than doubled is counted by us,
within seconds. A table that has stood for long doubles seldom, and autovacuum is there first.
"""

from __future__ import annotations

import asyncpg

AT_ONCE = 20  # tables; the largest last

# `n_live_tup` is what sessions have told of themselves, `reltuples` what was there when it was counted last:
# -1 if never. Whoever does not own a table may not have it counted.
_GROWN = """
SELECT format('%I.%I', seen.schemaname, seen.relname)
FROM pg_stat_user_tables seen JOIN pg_class kept ON kept.oid = seen.relid
WHERE seen.schemaname = current_schema() AND pg_has_role(kept.relowner, 'USAGE')
  AND seen.n_live_tup > 1000 + 2 * greatest(kept.reltuples, 0)
ORDER BY seen.n_live_tup LIMIT $1
"""


async def tell_planner(connection: asyncpg.pool.PoolConnectionProxy) -> list[str]:
    """Have those tables counted that have more than doubled since they were; which. One that is being
    counted already is passed over."""
    grown = [row[0] for row in await connection.fetch(_GROWN, AT_ONCE)]
    for name in grown:
        await connection.execute(f"ANALYZE (SKIP_LOCKED) {name}")
    return grown
