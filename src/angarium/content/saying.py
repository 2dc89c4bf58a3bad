"""What a person reads of a variant on a channel: in their locale and time zone, fitted to the channel."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from angarium.content import rules
from angarium.content.fetching import located
from angarium.content.filters import READER, Reader
from angarium.content.fitting import fitted
from angarium.content.rules import ANY, Variant
from angarium.core.ports import Channel
from angarium.core.values import Content

READERS_KEPT = 1_000


def say(
    variant: Variant, values: Mapping[str, Any], locale: str = "", zone: str = "UTC", public_url: str = ""
) -> Content:
    """A variant with its values, for somebody of a locale, and its file's address. Raises NotRendered."""
    content = rules.render(variant.content, {**values, READER: _reader(variant.locale, locale, zone)})
    return content if content.media is None else located(content, content.media, public_url)


def fit(variant: Variant, content: Content, channel: Channel) -> Content:
    """A rendered variant as its channel can carry it: untouched when it was written for this very channel."""
    if variant.channel == channel.kind:
        return content
    return fitted(content, channel.capabilities).content


@lru_cache(maxsize=READERS_KEPT)
def _reader(written_in: str, locale: str, zone: str) -> Reader:
    """Who reads words of a locale; numbers as is usual there, where it is the reader's own language."""
    own = written_in == ANY or rules.language(locale) == rules.language(written_in)
    return Reader(locale if own else written_in, zone)
