"""What the JSON edges of lines share: which line an address names, and whether the caller may reach it."""

from __future__ import annotations

from angarium.accounts import edge
from angarium.accounts.edge import Call
from angarium.accounts.reach import require_classes, require_line
from angarium.lines import flows


async def line_in_path(request: Call) -> int:
    """The line that an address names; a Problem unless there is one and the caller's right goes as far."""
    line_id = edge.id_in_path(request, "line")
    await within_reach(request, line_id)
    return line_id


async def within_reach(request: Call, line_id: int) -> None:
    """A Problem unless there is such a line, and the caller's right goes as far."""
    reach = request.auth.reach
    if not reach.is_whole:
        line = await flows.get(edge.ground_of(request), request.auth.workspace_id, line_id)
        require_line(reach, line_id)
        require_classes(reach, line.classes)
