"""An SMPP line that is another server's by now submits nothing, and hears what it has submitted."""

from __future__ import annotations

import asyncio

from angarium.core.ports import Accepted, Refused, Unknown
from angarium.protocols.smpp_numbers import Command
from angarium.protocols.smpp_pdu import Frame
from support.smpp_line import Centre, Line, a_centre, a_line, submission, until


async def submitted(line: Line, centre: Centre) -> list[Frame]:
    """One text, as attempt 1, that the centre has."""
    await until(line.connection.free)
    line.connection.submit([submission("a", 1)])
    return await centre.came(Command.SUBMIT_SM)


async def test_a_line_that_is_another_s_hears_answers_and_submits_nothing() -> None:
    async with a_centre() as centre, a_line(centre.port, grace_s=60) as line:
        [frame] = await submitted(line, centre)
        line.heard.ours = False
        line.connection.submit([submission(number=2)])
        refused = await line.outcome(2)
        assert isinstance(refused, Refused)
        assert refused.untried
        centre.accept(frame, "1")
    assert line.heard.outcomes[1] == Accepted(("1",))
    assert len(centre.of(Command.SUBMIT_SM)) == 1


async def test_the_parts_that_were_not_written_stay_so_when_the_line_is_another_s() -> None:
    async with a_centre() as centre, a_line(centre.port, window=1, grace_s=60) as line:
        await until(line.connection.free)
        line.connection.submit([submission("x" * 400)])
        [first] = await centre.came(Command.SUBMIT_SM)
        line.heard.ours = False
        centre.accept(first, "1")
        outcome = await line.outcome(7)
        assert isinstance(outcome, Unknown)
        assert "part 1 of 3 accepted" in outcome.detail
        assert "part 2 of 3 refused" in outcome.detail
    assert len(centre.of(Command.SUBMIT_SM)) == 1


async def test_a_grace_that_is_given_later_and_is_shorter_counts() -> None:
    async with a_centre() as centre, a_line(centre.port) as line:
        await submitted(line, centre)
        closing = asyncio.create_task(line.connection.close(60))
        await asyncio.wait((closing,), timeout=0.05)
        assert line.heard.outcomes == {}
        await line.connection.close(0)
        await closing
        assert line.heard.outcomes == {1: Unknown("the line was closed before the answer came")}
