"""One file a kind of transport; the folder is scanned, nothing is registered by hand."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from angarium.core.ports import Capabilities, Channel
from angarium.core.values import ButtonKind, MessageClass, ReceiptStatus


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


HEADS = (
    "channel",
    "reaches",
    "classes",
    "receipts",
    "answers",
    "text",
    "buttons",
    "files",
    "keeps trying for",
    "a retry may double",
)


def reference() -> str:
    """What each channel can do, as the table of docs/channels/README.md."""
    rows = [HEADS, ("---",) * len(HEADS), *(_row(one) for _, one in sorted(load().items()))]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(channel: Channel) -> tuple[str, ...]:
    able = channel.capabilities
    receipts = [one.value for one in (ReceiptStatus.DELIVERED, ReceiptStatus.READ) if one in able.receipts]
    classes = [one.value for one in MessageClass if one in able.classes]
    return (
        f"[{channel.title}]({channel.kind}.md) `{channel.kind}`",
        ", ".join(kind.value for kind in channel.kinds),
        "all" if len(classes) == len(MessageClass) else ", ".join(classes),
        ", ".join(receipts) or "none",
        "yes" if able.two_way else "no",
        "any" if able.text_max is None else f"{able.text_max:,}",
        _buttons(able),
        _files(able),
        "–" if able.native_ttl_s is None else f"{able.native_ttl_s[0]:,}–{able.native_ttl_s[1]:,} s",
        "no" if able.idempotent else "yes",
    )


def _buttons(able: Capabilities) -> str:
    if not able.buttons_max:
        return "no"
    kinds = ", ".join(one.value for one in ButtonKind if one in able.buttons)
    return f"{able.buttons_max}: {kinds}"


def _files(able: Capabilities) -> str:
    kinds = {kind.partition("/")[0] for carried in able.media for kind in carried.types}
    known = [("image", "pictures"), ("audio", "sounds"), ("video", "films")]
    found = [word for kind, word in known if kind in kinds or (kind == "image" and able.images)]
    return ", ".join([*found, *(["papers"] if kinds - {kind for kind, _ in known} else [])]) or "no"
