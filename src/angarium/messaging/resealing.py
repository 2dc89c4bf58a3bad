"""The sealed columns of this room, so that they can be sealed with another key."""

from __future__ import annotations

from angarium.messaging.case import callback_cell, content_cell, wording_cell
from angarium.messaging.exchanges import cell as exchange_cell
from angarium.messaging.store.exchanges import exchange
from angarium.messaging.store.tables import attempt, journal, message
from angarium.storage.reseal import Cells

CELLS = (
    Cells(message, "id", "words", wording_cell),
    Cells(attempt, "id", "content", content_cell),
    Cells(journal, "id", "body", callback_cell),
    Cells(exchange, "id", "body", exchange_cell),
)
