"""Who begins tasks: asyncio holds them weakly, and nobody hears what one raises, so each has its reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from house.tree import PACKAGE, modules, none_of, short

BEGINNERS = {"create_task", "ensure_future", "TaskGroup"}
KEPT = {  # where tasks are begun, and who holds them and hears what they raise
    "core/service.py": "the supervisor: it holds every loop, starts it again, and tells",
    "core/turns.py": "two, held while it is this server's turn; what the loop raises is raised",
    "fabric/nats.py": "four, held from joining to leaving; they catch what is raised, and go on",
    "fabric/nats_link.py": "one for each address that is tried, held until one of them lets us in",
    "fabric/postgres.py": "two, held from joining to leaving; they catch what is raised, and go on",
    "campaigns/ahead.py": "one for each campaign, held by its queue; it catches what is raised",
    "messaging/sender.py": "one that waits for the loss of a lease, held while the line is ours",
    "core/memory.py": "what is fetched for several at once, held by the memory; what is raised goes to them",
    "core/batches.py": "the batcher holds its one task; what the work raises goes to whoever waits for it",
    "messaging/straight.py": "one for each transaction that claims, held by it until its sender has been "
    "told; what is raised goes to whoever waits",
    "messaging/incoming.py": "writings that the ledger takes its time for, held until they end; with those "
    "who take up what came late",
    "contacts/imports/process.py": "it reads ahead, held by whoever reads; what is raised comes last",
    "channels/kit.py": "one for each submission, held until it has ended; what it raises is an outcome",
    "channels/smtp.py": "the same, and one that connects, which catches whatever is raised",
    "protocols/smpp_link.py": "one for each bind, held by it; it catches what is raised, and connects again",
    "protocols/smpp_line.py": "the journal's, held by it; what is raised for a piece is that piece's answer",
    "web/server.py": "uvicorn's own loop, which keeps the Date header",
    "web/porter.py": "one for each short request, held until it is answered, whatever is raised, which the "
    "frame around the application tells; one for each connection that is taken over, until it is",
    "serving.py": "waits for the database to break, to the end of the process",
    "drill/__main__.py": "a command of its own: one that is the drill, until it ends or is interrupted",
    "drill/client.py": "the same: no part of the server",
    "drill/play.py": "the same: one that watches servers, held while a drill is played",
    "drill/relay.py": "the same: two for each connection, held by the relay until it is closed",
    "doors/webchat/api.py": "two by each answer that goes on, held by it until it ends",
    "simulators/faces/web_chat.py": "one for each browser, held by the face",
    "web/copies.py": "one for each drawing, held by its copy; what is raised goes to all who wait for it",
    "web/live.py": "held by Pulse, which catches what is raised; one more by each answer, until it ends",
}


def test_nobody_else_begins_tasks() -> None:
    found = {
        short(path).removeprefix("src/angarium/")
        for path, tree in modules(PACKAGE)
        if "simulators" not in path.parts and any(beginnings(tree))
    }
    none_of(found - KEPT.keys(), "A loop is run by core.service.Supervisor; else say here who holds it:")


def test_the_list_names_no_place_that_is_gone() -> None:
    found = {
        short(path).removeprefix("src/angarium/") for path, tree in modules(PACKAGE) if any(beginnings(tree))
    }
    none_of(KEPT.keys() - found, "Take it off the list:")


def beginnings(tree: ast.Module) -> Iterator[int]:
    """The lines on which a task is begun."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in BEGINNERS:
                yield node.lineno


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("asyncio.create_task(x())", [1]),
        ("from asyncio import create_task\ncreate_task(x())", [2]),
        ("loop.create_task(x())", [1]),
        (
            "async def f():\n    async with asyncio.TaskGroup() as group:\n        group.create_task(x())",
            [2, 3],
        ),
        ("supervisor.run('x', x)", []),
    ],
)
def test_a_task_is_seen_however_it_is_begun(text: str, lines: list[int]) -> None:
    assert sorted(beginnings(ast.parse(text))) == lines
