"""The sealed column of the Twilio door, so that it can be sealed with another key."""

from __future__ import annotations

from angarium.doors.twilio.flows import cell
from angarium.doors.twilio.store import twilio_account
from angarium.storage.reseal import Cells

CELLS = (Cells(twilio_account, "id", "token", cell),)
