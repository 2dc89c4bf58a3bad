"""On whose behalf the database is asked: of one workspace, or of all that are served.

Whoever learns who calls says so once (`on_behalf_of`, in `web/auth.py`), and every transaction that is begun
from there, by whatever flow, is that workspace's: PostgreSQL then shows rows of no other and takes none
(`row_security.py`). The engine serves all of them and says nothing.

What is said holds in the task in which it is said and in those that it starts. So a task that outlives its
call, or works for several, is started in a context of its own (`core/batches.py`).
"""

from __future__ import annotations

from contextvars import ContextVar

ALL = 0  # no workspace has this id

_workspace: ContextVar[int] = ContextVar("workspace", default=ALL)


def on_behalf_of(workspace_id: int) -> None:
    """From here on, in this task, work for this workspace; ALL: for every one."""
    _workspace.set(workspace_id)


def whose() -> int:
    """The workspace for which is worked here; ALL when for every one."""
    return _workspace.get()
