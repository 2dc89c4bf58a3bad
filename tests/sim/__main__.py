"""See what happens in a world.

In the folder `tests`: `python -m sim SEED` prints the trace, `python -m sim SEED WORD …` its lines with one
of these words; the last line is the digest of the whole trace.
"""

from __future__ import annotations

import sys

from sim.world import Simulation


def main(seed: str, *words: str) -> int:
    """Play one seed; 1 when something was wrong."""
    simulation = Simulation(int(seed))
    wrong = simulation.play()
    wanted = [line for line in simulation.trace if any(word in line for word in ("WRONG", *(words or ("",))))]
    sys.stdout.write("\n".join([*wanted, simulation.digest(), ""]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
