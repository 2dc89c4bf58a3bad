"""A line that is faster than one server is shared out. Pure.

Each share has a lease, its part of the speed, and its own connection. All shares take from one queue,
whatever is due first; no two take the same. So none waits for a share whose server has gone, and the shares
together are never faster than the line.
"""

from __future__ import annotations

from math import ceil

import msgspec

from angarium.core.ports import Channel

SHARES_MAX = 64


class Share(msgspec.Struct, frozen=True):
    """Which one, of how many."""

    number: int = 0
    of: int = 1

    def speed(self, per_s: float) -> float:
        """Its part of the speed of a line; 0 is without limit."""
        return per_s / self.of

    def window(self, window: int) -> int:
        """Its part of what a line may have under way; each has one place at least."""
        more = 1 if self.number < window % self.of else 0
        return max(1, window // self.of + more)

    def called(self, line: str) -> str:
        """What people know it by: the name of the line, and which one it is, if there are several."""
        return f"{line} {self.number + 1}/{self.of}" if self.of > 1 else line

    def key(self, line_id: int) -> str:
        """The name of its lease; that of the first is that of a whole line."""
        return f"line/{line_id}/{self.number}" if self.number else f"line/{line_id}"


WHOLE = Share()


def shares(channel: Channel, speed_per_s: float, window: int, share_per_s: float) -> int:
    """Into how many shares a line goes, of which each is given `share_per_s` at most; 0: none is shared out.

    Binds and mailboxes are not: an operator counts and numbers them. Nor is what asks for what has come in:
    it would be asked twice.
    """
    if share_per_s <= 0 or channel.send is None or channel.listen is not None:
        return 1
    return max(1, min(ceil(speed_per_s / share_per_s), window, SHARES_MAX))
