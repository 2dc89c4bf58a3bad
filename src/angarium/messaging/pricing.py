"""What a message on a line costs by what is known now: before it is planned, and in a preview. No I/O."""

from __future__ import annotations

import msgspec

from angarium.core.values import Json, MessageClass, amount_text
from angarium.lines import tariffs
from angarium.lines.store import Line
from angarium.lines.tariffs import Row, Sold
from angarium.messaging.world import World


class Quote(msgspec.Struct, frozen=True, gc=False):
    """A price, in micro-units, and the row of the tariff that decided; None: the line itself."""

    micros: int
    currency: str
    row: Row | None = None

    @property
    def why(self) -> str:
        """What decided, in few words."""
        return self.row.words if self.row else "the line's own price"


def price_shown(quote: Quote) -> Json:
    """A price for people, with what decided."""
    return {"amount": amount_text(quote.micros), "currency": quote.currency, "by": quote.why}


def quote(
    world: World,
    line: Line,
    message_class: MessageClass,
    address: str,
    parts: int,
    now: int,
    *,
    in_session: bool = False,
) -> Quote:
    """What a message costs on a line now; the month's volume is as it was when it was last looked at."""
    prices = world.lines.tariffs.of(line, now) if line.tariff else None
    if prices is None:
        return Quote(line.price(parts), line.currency)
    volume = 0
    if prices.book.tiered:
        month = tariffs.month_of(now, prices.tariff.zone)
        volume = world.lines.tariffs.volume(line.workspace_id, (prices.counted_id(line.id), month))
    found = tariffs.price(prices.book, Sold(message_class, address, parts, volume, in_session))
    if found is None:
        return Quote(line.price(parts), line.currency)
    return Quote(found.micros, prices.tariff.currency, found.row)
