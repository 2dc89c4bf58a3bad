"""The routes of every door, and the pages of their clients."""

from __future__ import annotations

from angarium.doors import pages
from angarium.doors.smpp import api as smpp_accounts
from angarium.doors.twilio import accounts_api as twilio_accounts
from angarium.doors.twilio import api as twilio
from angarium.doors.webchat import api as web_chat

HANDLERS = (
    *smpp_accounts.HANDLERS,
    *twilio.HANDLERS,
    *twilio_accounts.HANDLERS,
    *pages.HANDLERS,
    *web_chat.HANDLERS,
)
