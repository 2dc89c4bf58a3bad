"""One file a kind of transport; the folder is scanned, nothing is registered by hand."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from angarium.core.ports import Channel


@cache
def load() -> dict[str, Channel]:
    """Every channel by its kind: each module of this folder that ends in `CHANNEL = Channel(…)`.

    ValueError when two files claim one kind.
    """
    found: dict[str, Channel] = {}
    for module in iter_modules(__path__):
        channel = getattr(import_module(f"{__name__}.{module.name}"), "CHANNEL", None)
        if channel is None:
            continue
        if channel.kind in found:
            raise ValueError(f"two files in channels/ claim the kind {channel.kind!r}; {module.name} is one")
        found[channel.kind] = channel
    return found
