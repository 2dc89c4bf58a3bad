"""One schema on two databases: transactions, statements, bulk writes, facts, migrations."""
