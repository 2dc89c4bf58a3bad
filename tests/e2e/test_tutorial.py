"""The tutorial as its reader does it: its commands typed into one shell, their output held to the page."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import msgspec
import pytest

from angarium.processes import free_port

pytestmark = pytest.mark.sqlite

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
FENCED = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORTS = ("SERVER_PORT", "PHONES_PORT", "VIBER_PORT", "SMS_PORT")
END = "-- end of block --"
BLOCK_S = 60.0
STOP_S = 20.0


class Block(msgspec.Struct, frozen=True):
    """Commands, and what the page says they print; None when it says nothing."""

    commands: str
    promised: str | None


def blocks(page: str) -> list[Block]:
    """The shell blocks of a page, each with the text block that stands next to it."""
    found: list[Block] = []
    for kind, text in FENCED.findall(page):
        if kind == "sh":
            found.append(Block(text, None))
        else:
            assert found[-1].promised is None, f"two outputs of one block:\n{text}"
            found[-1] = Block(found[-1].commands, text)
    return found


def fits(promised: str, printed: str) -> bool:
    """Whether a text is as promised: `…` in a line is anything in it, a line of `…` is any lines."""
    lines = promised.rstrip("\n").split("\n")
    parts = [r"(?:[^\n]*\n)*" if line == "…" else _line(line) for line in lines]
    return re.fullmatch("".join(parts), printed.rstrip("\n") + "\n") is not None


def _line(promised: str) -> str:
    return r"[^\n]*".join(re.escape(piece) for piece in promised.split("…")) + r"\n"


@pytest.mark.parametrize(
    ("promised", "printed", "fit"),
    [
        ("ready\n", "ready\n", True),
        ("ready\n", "not ready\n", False),
        ("msg_…  queued\n", "msg_05a  queued\n", True),
        ("msg_…  queued\n", "msg_05a\n  queued\n", False),
        ("…\nb\n", "a\na\nb\n", True),
        ("…\nb\n", "b\n", True),
        ("…\nb\n", "b\nc\n", False),
        ("a\n…\n", "a\n", True),
        ("(a) [b]\n", "(a) [b]\n", True),
    ],
)
def test_what_fits(promised: str, printed: str, fit: bool) -> None:
    assert fits(promised, printed) is fit


class Shell:
    """A shell that somebody types into; it ends at the first command that fails."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def type(self, commands: str) -> str:
        """Type some commands; what they print."""
        assert self._process.stdin is not None
        # In braces with a standard input of their own, so that none of them reads what is typed next.
        self._process.stdin.write(f"{{\n{commands}}} </dev/null\necho '{END}'\n".encode())
        async with asyncio.timeout(BLOCK_S):
            return await self._until_end(commands)

    async def _until_end(self, commands: str) -> str:
        assert self._process.stdout is not None
        printed = ""
        async for line in self._process.stdout:
            if line.decode() == END + "\n":
                return printed
            printed += line.decode()
        raise AssertionError(f"a command failed:\n{commands}\n{printed}")


@asynccontextmanager
async def shell(folder: Path, environment: dict[str, str]) -> AsyncIterator[Shell]:
    """Bash in a folder. Whatever was started in it and still runs is ended with it."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "--noprofile", "--norc", "-e", "-o", "pipefail"),
        cwd=folder,
        env=environment,
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,
    )
    try:
        yield Shell(process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), STOP_S)


def a_checkout(folder: Path) -> dict[str, str]:
    """A folder with a `.venv`, as `make setup` leaves it; the environment of a terminal in it."""
    (folder / ".venv").symlink_to(sys.prefix)
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    ports = {name: str(free_port()) for name in PORTS}
    return {**kept, **ports, "HOME": str(folder), "LANG": "C.UTF-8", "NO_PROXY": "127.0.0.1"}


async def check_the_pages(environment: dict[str, str], key: str) -> None:
    """What the reader sees in a browser: both messages of the tutorial's customer, and a timeline."""
    server = f"http://127.0.0.1:{environment['SERVER_PORT']}"
    phones = f"http://127.0.0.1:{environment['PHONES_PORT']}"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), trust_env=False) as browser:
        async with browser.get(f"{phones}/phones/+989123456700") as page:
            phone = await page.text()
        assert "مینا عزیز، چای شما آماده است. سفارش 4512" in phone
        link = re.search(rf'"({re.escape(server)}/find\?ref=[^"]+)"', phone)
        assert link is not None
        form = {"key": key, "next": link[1].removeprefix(server)}
        async with browser.post(f"{server}/enter", data=form, headers={"Origin": server}) as page:
            timeline = await page.text()
            assert page.status == 200
            assert re.fullmatch(r"/messages/msg_\w+", page.url.path)
        assert "مینا عزیز، چای شما آماده است. سفارش 4512" in timeline


@pytest.mark.timeout(300)
@pytest.mark.turns(2, 1)
async def test_every_command_of_the_tutorial_does_what_the_page_says(tmp_path: Path) -> None:
    environment = a_checkout(tmp_path)
    *before, clean_up, throw_away = blocks(PAGE.read_text(encoding="utf-8"))
    async with shell(tmp_path, environment) as terminal:
        for block in before:
            await _done_as_promised(terminal, block)
        key = await terminal.type("echo $ANGARIUM_API_KEY\n")
        await check_the_pages(environment, key.strip())
        await _done_as_promised(terminal, clean_up)
        await _done_as_promised(terminal, throw_away)
    assert not (tmp_path / "angarium-tutorial").exists()


async def _done_as_promised(terminal: Shell, block: Block) -> None:
    printed = await terminal.type(block.commands)
    if block.promised is not None:
        assert fits(block.promised, printed), (
            f"{block.commands}\nshould print\n{block.promised}\nand printed\n{printed}"
        )
