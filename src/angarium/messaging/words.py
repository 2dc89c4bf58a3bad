"""The room's sentences as plain text, for answers of the API and for the command line.

They are the same sentences as those of the pages (`templates/words.en.toml`), which `web/shell.py` draws.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

GAP = re.compile(r"\{(\w+)\}")

Sentence = tuple[str, Mapping[str, object]]


def plain(said: Sentence) -> str:
    """A sentence with its gaps filled: by text, by times as people read them, or by other sentences."""
    name, values = said
    return GAP.sub(lambda gap: _shown(values[gap[1]]), _catalogue()[name])


def _shown(value: object) -> str:
    match value:
        case tuple():
            return plain(value)
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        case _:
            return str(value)


@cache
def _catalogue() -> dict[str, str]:
    text = files("angarium.messaging").joinpath("templates", "words.en.toml").read_text(encoding="utf-8")
    return dict(_flat(tomllib.loads(text)))


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in table.items():
        found += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return found
