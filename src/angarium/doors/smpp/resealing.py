"""The sealed column of the SMPP door, so that it can be sealed with another key."""

from __future__ import annotations

from angarium.doors.smpp.admission import cell
from angarium.doors.smpp.store import smpp_submission
from angarium.storage.reseal import Cells

CELLS = (Cells(smpp_submission, "id", "held", cell),)
