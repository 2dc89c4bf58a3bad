"""`python -m angarium`: the command line."""

from angarium.cli import main

main(prog_name="angarium")
