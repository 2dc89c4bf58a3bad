"""What an operator sends while it cannot be kept."""

from __future__ import annotations

from structlog.testing import capture_logs

from angarium.protocols import smpp_line
from angarium.protocols.smpp_numbers import Command, Status
from angarium.storage.database import Trouble, unavailable
from support.smpp_line import a_centre, a_line, delivered, until

DELIVERED = Command.DELIVER_SM_RESP


async def test_a_disk_that_is_full_is_told_in_a_line_and_not_by_where_it_was_met() -> None:
    """A traceback for each message of each operator would fill it up further."""
    async with a_centre() as centre, a_line(centre.port) as line:
        await until(line.connection.free)
        line.heard.failures, line.heard.failure = 1, unavailable(Trouble.FULL)
        with capture_logs() as said:
            centre.say(delivered(b"one", sequence=1))
            [answer] = await centre.came(DELIVERED)
    assert answer.status == Status.RX_T_APPN
    told = [one for one in said if one["event"] == smpp_line.LOST]
    assert [("exc_info" in one, "storage full" in one["why"]) for one in told] == [(False, True)]
