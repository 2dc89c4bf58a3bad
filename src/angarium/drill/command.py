"""The command: what was asked for, where the evidence stays, what is printed."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click
import msgspec
from rich.console import Console

from angarium.core.problems import Problem
from angarium.drill import play, report
from angarium.drill.options import Options
from angarium.drill.schedule import faults_of, usual
from angarium.drill.verdict import Verdict


async def drill(
    seconds: float,
    faults: str,
    keep: Path | None,
    *,
    out: Console,
    as_json: bool,
    fabric: str = "",
    **given: object,
) -> int:
    """Play a drill; the exit status: 0 when it passed. What failed leaves its evidence behind."""
    folder = keep or Path(tempfile.mkdtemp(prefix="angarium-drill-"))
    chosen = _chosen(faults, fabric)
    options = msgspec.convert(
        {**given, "fabric": fabric, "seconds": seconds, "faults": chosen, "folder": folder},
        Options,
        strict=False,
    )
    verdict = await play.run(options, out)
    _print(verdict, folder, out, as_json=as_json)
    if verdict.passed and keep is None:
        shutil.rmtree(folder)
    else:
        out.print(f"Ledgers, database and logs: {folder}", soft_wrap=True)
    return 0 if verdict.passed else 1


async def judge(folder: Path, *, out: Console, as_json: bool) -> int:
    """Judge once more what an earlier drill left behind; the exit status."""
    verdict = play.judge_again(folder)
    _print(verdict, folder, out, as_json=as_json)
    return 0 if verdict.passed else 1


def _print(verdict: Verdict, folder: Path, out: Console, *, as_json: bool) -> None:
    written = msgspec.json.format(msgspec.json.encode(verdict)) + b"\n"
    (folder / "verdict.json").write_bytes(written)
    report.show(out, verdict)
    if as_json:
        click.echo(written, nl=False)


def _chosen(faults: str, fabric: str) -> tuple[str, ...]:
    if faults in ("all", "none"):
        return usual(fabric) if faults == "all" else ()
    names, known = tuple(filter(None, faults.split(","))), [fault.name for fault in faults_of(fabric)]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Problem(
            "drill", f"There is no fault {unknown[0]}", detail=f"There are: {', '.join(known)}; all, none."
        )
    return names
