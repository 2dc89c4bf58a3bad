"""What a person reads of a variant on a channel: in their locale and time zone, fitted to the channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from angarium.content import rules
from angarium.content.fetching import located
from angarium.content.filters import READER, Reader
from angarium.content.fitting import fitted
from angarium.content.rules import ANY, Variant
from angarium.core.ports import Channel
from angarium.core.values import Content


def say(
    variant: Variant, values: Mapping[str, Any], locale: str = "", zone: str = "UTC", public_url: str = ""
) -> Content:
    """A variant with its values, for somebody of a locale, and its file's address. Raises NotRendered."""
    reader = Reader(_read_in(variant, locale), zone)
    content = rules.render(variant.content, {**values, READER: reader})
    return content if content.media is None else located(content, content.media, public_url)


def fit(variant: Variant, content: Content, channel: Channel) -> Content:
    """A rendered variant as its channel can carry it: untouched when it was written for this very channel."""
    if variant.channel == channel.kind:
        return content
    return fitted(content, channel.capabilities).content


def _read_in(variant: Variant, locale: str) -> str:
    """The locale in which numbers are written: the reader's, when it is one of the wording's language."""
    if variant.locale == ANY or rules.language(locale) == rules.language(variant.locale):
        return locale
    return variant.locale
