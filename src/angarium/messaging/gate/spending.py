"""What may be spent: budgets as people write them, and one as a message meets it.

A budget counts from the moment that a message is planned: what it may yet cost is reserved, what it did
cost is spent, what is left over is given back.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from angarium.core.clock import is_zone
from angarium.core.values import MONEY, MessageClass
from angarium.lines.rules import price_micros

SET_AT = "/v1/policies/budgets"
BUDGETS_MAX = 50


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A sum that may be spent in a day or a month, on everything or on one class or line."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]  # what is counted under it goes by it
    amount: Annotated[str, Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$", extra=MONEY)]
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]  # what costs another one does not count
    every: Literal["day", "month"] = "month"
    message_class: MessageClass | None = msgspec.field(name="class", default=None)  # None: any
    line: str = ""  # name of a line; empty: any
    warn_at: Annotated[int, Meta(ge=0, le=100)] = 80  # per cent, from which on a warning is told; 0: none
    then: Literal["refuse", "hold"] = "refuse"  # what is beyond it; held until the next day or month
    exempt: tuple[MessageClass, ...] = ()  # classes that go on when it is spent; they count all the same

    @property
    def micros(self) -> int:
        """The sum in micro-units."""
        return price_micros(self.amount) or 0


class Budgets(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The budgets of a workspace, and the zone of their days and months: empty, the workspace's own."""

    zone: str = ""
    budgets: Annotated[tuple[Budget, ...], Meta(max_length=BUDGETS_MAX)] = ()

    def __post_init__(self) -> None:
        if self.zone and not is_zone(self.zone):
            raise ValueError(f"{self.zone[:64]!r} is not a time zone, such as Asia/Tehran")
        names = [one.name for one in self.budgets]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"there are two budgets of the name {name!r}")


class Spending(msgspec.Struct, frozen=True):
    """One budget as a message meets it: what is left of it, and what the message would take."""

    budget: Budget
    left_micros: int
    price_micros: int
    until: int  # the end of its day or month
