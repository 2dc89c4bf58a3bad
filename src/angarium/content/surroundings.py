"""What wording stands in: the lines that would carry it, who would read it, what is known of its variables.

The rooms of lines and of contacts are beside this one, so they are not asked from here: whoever puts the
application together hands in a `Look`, which knows them. Without one, wording is looked at by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Protocol

import msgspec

from angarium.content.approval import Approvals
from angarium.core.ports import Channel
from angarium.core.values import AddressKind, Json, MessageClass, Price
from angarium.storage.database import Transaction

DOMAINS_MAX = 200


class WordingPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The policy document `wording`: what holds for all templates of a workspace."""

    default_locale: str = ""  # of templates that name none: what is said where nothing else fits
    domains: Annotated[tuple[str, ...], msgspec.Meta(max_length=DOMAINS_MAX)] = ()  # links may lead there


class Carrier(msgspec.Struct, frozen=True):
    """A line that may carry some wording."""

    line: str
    channel: Channel
    settings: Any
    classes: frozenset[MessageClass]
    price: Callable[
        [MessageClass, str, int], Price
    ]  # of a class, to an address ("": anybody), of so many parts


class Mark(msgspec.Struct, frozen=True):
    """Words that promote something: where they stand in the text, and why they are taken for that."""

    start: int
    words: str
    why: str


# The text and its locale. Handed in, because what is found depends on the lists of a workspace.
Detector = Callable[[str, str], Sequence[Mark]]


@dataclass(frozen=True)
class Surroundings:
    """Everything about a workspace that a look at wording takes into account."""

    channels: Mapping[str, Channel]
    carriers: tuple[Carrier, ...] = ()
    locales: tuple[tuple[str, int], ...] = ()  # those of the newest contacts, with how many there are
    sample: int = 0  # of so many contacts that were looked at, where there may be others; 0: of all
    fields: frozenset[str] | None = None  # that contacts have by definition; None: nothing is defined
    wording: WordingPolicy = field(default_factory=WordingPolicy)
    approvals: Approvals = field(default_factory=Approvals)
    promotional: Detector | None = None
    unsubscribe_url: str = ""  # such as the server gives to every message; empty when it gives none
    public_url: str = ""  # of this server; empty when it has none


def read_by(around: Surroundings, locales: Mapping[str, int], sample: int) -> Surroundings:
    """The same, where it is known who will read: how many of each locale. `sample`: of so many of them that
    were looked at, so that others may have any locale of the workspace; 0: of all."""
    counted = sorted(((name, count) for name, count in locales.items() if name), key=lambda one: -one[1])
    others = [(name, 0) for name, _ in around.locales if name not in locales] if sample else []
    return replace(around, locales=(*counted, *others), sample=sample)


class Person(msgspec.Struct, frozen=True):
    """A contact as a template sees one: values, locale, an address of each kind."""

    values: Json
    locale: str
    addresses: dict[AddressKind, str] = {}


class Look(Protocol):
    """Finds out what wording stands in."""

    def carriers(self, workspace_id: int) -> tuple[Carrier, ...]:
        """The lines of a workspace, as they are at hand: asked at every stroke of a key."""

    def unsubscribe_url(self) -> str:
        """An address such as each message gets its own; empty when this server has no public one."""

    def public_url(self) -> str:
        """Where this server is reached from outside; empty when it cannot be."""

    async def around(self, tx: Transaction, workspace_id: int) -> Surroundings:
        """The surroundings of a workspace's wording now, but for its policies."""

    async def recalled(self, workspace_id: int) -> None:
        """Hear, after the commit, that words were taken back with all that waits to go out with them."""

    async def contact(self, tx: Transaction, workspace_id: int, contact_id: int) -> Person | None:
        """What a template sees of a contact; None when there is no such contact."""

    async def sought(self, tx: Transaction, workspace_id: int, text: str) -> int | None:
        """The contact that somebody means by an id, an address or a name; None: nobody."""


class Alone:
    """A look that knows the channels and nothing else."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self._channels = channels

    def carriers(self, _workspace_id: int) -> tuple[Carrier, ...]:
        """No line."""
        return ()

    def unsubscribe_url(self) -> str:
        """None."""
        return ""

    def public_url(self) -> str:
        """None."""
        return ""

    async def around(self, _tx: Transaction, _workspace_id: int) -> Surroundings:
        """The channels."""
        return Surroundings(self._channels)

    async def recalled(self, _workspace_id: int) -> None:
        """Nothing waits."""

    async def contact(self, _tx: Transaction, _workspace_id: int, _contact_id: int) -> Person | None:
        """Nobody."""
        return None

    async def sought(self, _tx: Transaction, _workspace_id: int, _text: str) -> int | None:
        """Nobody."""
        return None
