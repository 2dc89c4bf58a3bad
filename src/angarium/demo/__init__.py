"""`angarium demo`: a shop tells 2,500 customers two things over simulated operators, and reports.

The demo is a client like any other: it sets up lines, templates and cascades by the API, imports contacts,
sends in batches with idempotency keys, and looks on. Server and operators are processes of their own, so that
either can be killed while it runs.
"""

from angarium.demo.play import Options, run

__all__ = ["Options", "run"]
