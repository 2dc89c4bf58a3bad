"""`python -m angarium.simulators`: operators that speak the real protocols, in a process of their own."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TypeVar

import click
import msgspec
import uvloop

from angarium.simulators.behaviour import Script
from angarium.simulators.hub import FACES, Hub, make_face
from angarium.simulators.stage import Stage

T = TypeVar("T")
USUAL = tuple(name for name in FACES if name != "smpp-hex")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--faces", default=",".join(USUAL), show_default=True, help="Which operators, with commas.")
@click.option("--ports", default="", help="smpp=2775,smtp=2525,…; the others take any free port.")
@click.option("--admin-port", type=click.IntRange(0, 65_535), default=0, help="0 takes any free port.")
@click.option(
    "--ledger-folder", type=click.Path(path_type=Path), help="Where each operator writes what it saw."
)
@click.option("--script", type=click.Path(exists=True, path_type=Path), help="What happens to whom, JSON.")
@click.option(
    "--templates", type=click.Path(exists=True, path_type=Path), help="{face: {name: wording}}, JSON."
)
@click.option("--accounts", default="", help="Who may bind to SMPP: name=password,…  Default: two for demos.")
@click.option(
    "--announce", default="stdout", show_default=True, help="File for the line that says where all are."
)
@click.option("--timeline-url", default="", help="Link of a message, with {ref} and {recipient}.")
def main(
    faces: str,
    ports: str,
    admin_port: int,
    ledger_folder: Path | None,
    script: Path | None,
    templates: Path | None,
    accounts: str,
    announce: str,
    timeline_url: str,
) -> None:
    """Run simulated operators until SIGTERM or SIGINT.

    When all are ready one line of JSON says where they are: {"admin": URL, "faces": {name: URL}}.
    """
    names = [name for name in faces.split(",") if name]
    wrong = [name for name in names if name not in FACES]
    if wrong or not names:
        raise click.BadParameter(
            f"unknown: {', '.join(wrong)}; there are {', '.join(FACES)}", param_hint="--faces"
        )
    stage = Stage(read(script, Script), ledger_folder)
    wordings = read(templates, dict[str, dict[str, str]]) or {}
    places = read_ports(ports)
    may_bind = read_pairs(accounts, "--accounts")
    made = {
        name: make_face(name, stage, places.get(name, 0), wordings.get(name, {}), may_bind) for name in names
    }
    uvloop.run(serve(Hub(stage, made, admin_port, timeline_url), announce))


async def serve(hub: Hub, announce: str) -> None:
    """Start, say where, wait to be told to stop."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    try:
        await hub.start()
        say(msgspec.json.encode({"admin": hub.url(), "faces": hub.faces()}).decode(), announce)
        await told.wait()
    finally:
        await hub.stop()


def say(line: str, announce: str) -> None:
    """To standard output, or to a file that is never seen half written."""
    if announce == "stdout":
        click.echo(line)
        return
    partial = Path(announce + ".partial")
    partial.write_text(line + "\n")
    partial.replace(announce)


def read(path: Path | None, kind: type[T]) -> T | None:
    """A JSON file as a struct; None when there is no file."""
    if path is None:
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.DecodeError as error:
        raise click.BadParameter(f"{path}: {error}") from error


def read_ports(text: str) -> dict[str, int]:
    """`smpp=2775,smtp=2525` as a table."""
    places = {}
    for name, port in read_pairs(text, "--ports").items():
        if name not in FACES or not port.isascii() or not port.isdigit() or int(port) > 65_535:
            raise click.BadParameter(f"not face=port: '{name}={port}'", param_hint="--ports")
        places[name] = int(port)
    return places


def read_pairs(text: str, option: str) -> dict[str, str]:
    """`a=b,c=d` as a table."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    wrong = ["".join(pair) for pair in pairs if not (pair[0] and pair[2])]
    if wrong:
        raise click.BadParameter(f"not name=value: {wrong[0]!r}", param_hint=option)
    return {name: value for name, _, value in pairs}


if __name__ == "__main__":
    main()
