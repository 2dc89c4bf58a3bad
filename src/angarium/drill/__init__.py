"""`angarium drill`: break the server on purpose, and hold its word against the operators' ledgers.

Server, simulated operators and a client are processes of their own. The client offers a mixed load and keeps
a ledger of what it asked for and what it was promised; faults are injected by a schedule made from a seed;
then everything is left to end, and the ledgers of both sides are compared. The server's own counters are not
asked. After Jepsen's `total-queue`: https://github.com/jepsen-io/jepsen.
"""
