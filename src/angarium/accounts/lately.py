"""The last requests of each workspace, for whoever connects systems: in memory, bounded, of this server.

One server of a database answers at a time (`storage/duty.py`), so what it remembers is what there was since
it began. Nothing of a body, a query or a header is kept: phones, addresses and texts stay out of it.
"""

from __future__ import annotations

from collections import OrderedDict, deque

import msgspec

from angarium.accounts.flows import Caller

LAST = 300  # requests of a workspace
WORKSPACES_MAX = 1_000  # those that asked longest ago are forgotten
PATH_MAX = 200  # characters


class Asked(msgspec.Struct, frozen=True, gc=False):
    """One request of the API and how it ended. `problem` is a slug of `docs/reference/problems.md`."""

    at: int
    method: str
    path: str
    status: int
    took_s: float
    caller: Caller
    problem: str


class Lately:
    """What was asked of this server a moment ago."""

    def __init__(self) -> None:
        self._of: OrderedDict[int, deque[Asked]] = OrderedDict()

    def note(self, workspace_id: int, asked: Asked) -> None:
        """Remember one, and forget the oldest where there are too many."""
        kept = self._of.get(workspace_id)
        if kept is None:
            kept = self._of[workspace_id] = deque(maxlen=LAST)
            if len(self._of) > WORKSPACES_MAX:
                self._of.popitem(last=False)
        else:
            self._of.move_to_end(workspace_id)
        kept.append(asked)

    def of(self, workspace_id: int) -> list[Asked]:
        """Those of a workspace, the newest first."""
        return list(reversed(self._of.get(workspace_id, ())))
