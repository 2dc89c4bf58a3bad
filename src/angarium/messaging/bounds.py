"""Whether a message stays within the reach of who asks: its class, and every line it may take. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from angarium.accounts.reach import Reach, out_of_reach
from angarium.core.problems import Problem
from angarium.core.values import MessageClass
from angarium.lines.store import Line
from angarium.messaging.cascade import Step


def bounded(reach: Reach, message_class: MessageClass) -> Problem | None:
    """A Problem when a class is out of reach."""
    return None if reach.has_class(message_class) else out_of_reach(f"the class {message_class.value}")


def beyond(
    reach: Reach, message_class: MessageClass, steps: Iterable[Step], lines: Iterable[Line]
) -> Problem | None:
    """What of a message is out of reach; None when nothing is. `lines`: those of the workspace.

    A step that names a channel may go on any of its lines that carries the class, so all of them must be
    within reach; one that names a line, on that alone.
    """
    if reach.lines is None or not reach.has_class(message_class):
        return bounded(reach, message_class)
    known = list(lines)
    for step in steps:
        for line in known:
            named = line.name == step.line if step.line else line.channel == step.channel
            if named and message_class in line.classes and not reach.has_line(line.id):
                return out_of_reach(f"the line {line.name}; name a line in each step")
    return None
