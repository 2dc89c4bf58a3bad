"""One bind's life: how seldom it asks when it is refused, and that it says nothing in clear."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from angarium.core.ports import Accepted
from angarium.protocols.smpp_link import tls_context
from angarium.protocols.smpp_numbers import Command, Status
from angarium.protocols.smpp_pdu import Bind, decode
from support.mail_peers import certificate, server_tls
from support.smpp_line import Centre, a_centre, a_line, submission, until

AUTHORITY = certificate().decode().partition("-----END PRIVATE KEY-----\n")[2]
SPEED = 1000


def pauses_s(centre: Centre) -> list[float]:
    """Seconds of the line's time between the binds."""
    return [(later - sooner) * SPEED for sooner, later in zip(centre.binds, centre.binds[1:], strict=False)]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status.RINVPASWD, "the bind was refused: RINVPASWD, the password is wrong"),
        (Status.RBINDFAIL, "the bind was refused: RBINDFAIL, the bind was refused"),
        (Status.RALYBND, "the bind was refused: RALYBND, already bound"),
    ],
)
async def test_a_refused_bind_is_tried_seldom_and_ever_more_so(status: Status, words: str) -> None:
    async with a_centre(bind_status=status) as centre, a_line(centre.port, speed=SPEED) as line:
        await until(lambda: words in line.connection.state())
        await until(lambda: len(centre.binds) == 4)
        for pause_s, least_s in zip(pauses_s(centre), (30, 60, 120), strict=True):
            assert pause_s >= least_s
        centre.bind_status = Status.ROK
        await until(line.connection.free)
        assert line.connection.state() == "bound"


async def test_a_centre_in_trouble_is_tried_again_soon() -> None:
    async with a_centre(bind_status=Status.RSYSERR) as centre, a_line(centre.port, reconnect_s=0.01):
        await until(
            lambda: len(centre.binds) == 4
        )  # the first refusal of the other kind would take half a minute


async def test_an_unreachable_network_is_tried_again_at_the_settings_pace() -> None:
    async with a_centre() as centre:
        port = centre.port
    async with a_line(port, reconnect_s=10) as line:
        await until(lambda: "retry in 1" in line.connection.state())  # 10 to 12 s


async def test_a_bind_without_an_answer_is_given_up() -> None:
    async with (
        a_centre(answers_binds=False) as centre,
        a_line(centre.port, speed=SPEED, reconnect_s=600) as line,
    ):
        await until(lambda: "no answer to the bind within 60 s" in line.connection.state())


async def test_the_bind_says_who_we_are() -> None:
    async with a_centre() as centre, a_line(centre.port, system_type="VMS") as line:
        await until(line.connection.free)
        [frame] = centre.bind_frames
        assert frame.command == Command.BIND_TRANSCEIVER
        assert decode(frame) == Bind("angarium", "secret", "VMS", interface_version=0x34)


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def a_tls_centre() -> AsyncIterator[Centre]:
    """A centre behind TLS with a certificate for localhost."""
    centre = Centre()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(centre.serve(reader, writer)))

    server = await asyncio.start_server(accept, "localhost", 0, ssl=server_tls())
    centre.port = server.sockets[0].getsockname()[1]
    try:
        yield centre
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_certificate_of_the_operators_authority_is_taken() -> None:
    async with (
        a_tls_centre() as centre,
        a_line(centre.port, host="localhost", tls=True, tls_ca=AUTHORITY) as line,
    ):
        await until(line.connection.free)
        line.connection.submit([submission()])
        [frame] = await centre.came(Command.SUBMIT_SM)
        centre.accept(frame, "1")
        assert await line.outcome(7) == Accepted(("1",))


@pytest.mark.parametrize(
    ("host", "authority", "why"),
    [("localhost", "", "self-signed certificate"), ("127.0.0.1", AUTHORITY, "IP address mismatch")],
)
async def test_nothing_is_said_to_whom_the_certificate_does_not_name(
    host: str, authority: str, why: str
) -> None:
    async with (
        a_tls_centre() as centre,
        a_line(centre.port, host=host, tls=True, tls_ca=authority, reconnect_s=60) as line,
    ):
        await until(lambda: "certificate verify failed" in line.connection.state())
        assert why in line.connection.state()
        assert centre.binds == []


async def test_a_certificate_is_not_checked_if_told_so() -> None:
    async with a_tls_centre() as centre, a_line(centre.port, tls=True, tls_verify=False) as line:
        await until(line.connection.free)
        assert len(centre.binds) == 1


def test_tls_is_checked_unless_told_otherwise() -> None:
    checked = tls_context("", verify=True)
    assert (checked.check_hostname, checked.verify_mode) == (True, ssl.CERT_REQUIRED)
    unchecked = tls_context("", verify=False)
    assert (unchecked.check_hostname, unchecked.verify_mode) == (False, ssl.CERT_NONE)
