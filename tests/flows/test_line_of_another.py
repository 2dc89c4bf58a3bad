"""A line that is another server's by now: nothing begins on it, and what has begun is heard."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from angarium import channels
from angarium.channels import kit
from angarium.core.ports import Accepted, Outcome, Refused, Submission, Tools, no_findings
from support import mail_line
from support.http_line import Heard, submission
from support.mail_peers import scripted, until


async def test_on_a_line_that_is_another_s_nothing_begins_and_what_has_begun_is_heard() -> None:
    begun, answer = asyncio.Event(), asyncio.Event()

    async def send(_tools: Tools, _settings: Any, sent: Submission) -> Outcome:
        begun.set()
        await answer.wait()
        return Accepted((str(sent.attempt_id),))

    heard = Heard()
    told = replace(channels.load()["vk_notify"], send=send, lint=no_findings)
    connection = kit.connect(told, Tools(None, None, None), None, 10, heard)  # type: ignore[arg-type]
    await connection.open()
    connection.submit([submission(attempt_id=1)])
    await begun.wait()
    heard.ours = False
    connection.submit([submission(attempt_id=2)])
    await heard.until(lambda: heard.outcomes)
    asyncio.get_running_loop().call_later(0.01, answer.set)
    await connection.close(60)
    assert heard.outcomes == [(2, kit.NOT_BEGUN), (1, Accepted(("1",)))]


async def test_a_mail_is_not_handed_over_on_a_line_that_is_another_s() -> None:
    async with scripted() as peer, mail_line.line(port=peer.port) as (connection, heard):
        await until(connection.free)
        heard.ours = False
        outcome = await mail_line.sent(connection, heard)
    assert isinstance(outcome, Refused)
    assert outcome.untried
    assert peer.mails == []
