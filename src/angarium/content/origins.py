"""What a wording was written as, and the parts that templates share."""

from __future__ import annotations

import msgspec

from angarium.core.values import Content


class Part(msgspec.Struct, frozen=True):
    """A piece of wording that templates share: a layout or a partial, in one version."""

    name: str
    version: int
    source: str


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a wording was written as, where that is not what is kept of it."""

    mjml: str = ""
    html: str = ""
    text: str = ""
    layout: str = ""  # the name of a part
    parts: dict[str, int] = {}  # those that are in it, with their versions

    def is_needed(self, kept: Content) -> bool:
        """Whether the sources are not what is kept: else there is nothing to remember."""
        return bool(self.mjml or self.layout or self.parts) or (self.html, self.text) != (
            kept.html,
            kept.text,
        )
