"""Simulated operators, one file a kind; the folder is scanned, nothing is registered by hand.

Each file is named as its channel and ends in `OPERATOR = Operator(…)`. A file whose name begins with an
underscore is shared by several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from angarium.simulators.stage import Face


@dataclass(frozen=True)
class Operator:
    """One simulated operator, and what a line needs to be connected to it.

    `settings`: from where it listens to the settings of a line. `recipient`: an address it takes. `secret`:
    what it signs its callbacks with, where it is told by `PUT /webhooks` and not by each message where to
    post. `content`: what it takes where a plain text is not it, as a message to `POST /v1/messages` has it.
    """

    name: str  # of the face and its ledger
    make: Callable[..., Face]  # (stage, port)
    settings: Callable[[str], dict[str, Any]]
    recipient: str
    secret: str = ""
    content: Mapping[str, Any] | None = None
    ends: str = "delivered"  # the state of a message to whom all is well
    begins: bool = False  # a person writes first, or nothing goes


@cache
def operators() -> dict[str, Operator]:
    """Every operator of this folder by the kind of its channel."""
    return {
        module.name: import_module(f"{__name__}.{module.name}").OPERATOR
        for module in iter_modules(__path__)
        if not module.name.startswith("_")
    }
