"""`python -m tests.fuzz [PARSER …] --seconds 60`: feed the parsers what nobody would send, and report."""

from __future__ import annotations

import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest has it

from fuzz.harness import GROWTH_MAX_BYTES, fuzz
from fuzz.targets import TARGETS


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, type=click.Choice(list(TARGETS)))
@click.option("--seconds", default=60.0, show_default=True, help="For each parser.")
@click.option("--executions", default=0, help="For each parser, instead of seconds.")
@click.option("--seed", default=1, show_default=True, help="The same seed and executions are the same run.")
def main(names: tuple[str, ...], seconds: float, executions: int, seed: int) -> None:
    """Fuzz the parsers that are named, or all; exit 1 when one fails or grows."""
    bad = False
    for name in names or TARGETS:
        report = fuzz(TARGETS[name], seed, executions=executions, seconds=seconds)
        click.echo(report)
        for failure in report.failures:
            click.echo(f"  {failure}")
        if report.growth > GROWTH_MAX_BYTES:
            click.echo(f"  grew by {report.growth / 2**20:.1f} MiB after the warm-up")
        bad = bad or bool(report.failures) or report.growth > GROWTH_MAX_BYTES
    sys.exit(int(bad))


if __name__ == "__main__":
    main()
