"""Everything that a judgement looks at, for one message on one line at one moment."""

from __future__ import annotations

import msgspec

from angarium.contacts.reachability import Known
from angarium.contacts.suppression import Suppressed
from angarium.core import ids
from angarium.core.values import Hours, MessageClass, Reason, Standing, Window
from angarium.lines.patterns_index import Index
from angarium.lines.registration_rules import Standing as Registered
from angarium.messaging.gate import documents
from angarium.messaging.gate.approval import NO_WORDS, Wording
from angarium.messaging.gate.documents import PeoplePolicies
from angarium.messaging.gate.spending import Spending

NOBODY = Standing()  # nothing is known against it


class LineRules(msgspec.Struct, frozen=True, cache_hash=True):
    """What is known of the line."""

    name: str
    classes: frozenset[MessageClass]
    approved: bool
    enabled: bool = True
    hours: Hours | None = None
    line_id: int = 0
    channel: str = ""
    registrations: tuple[Registered, ...] | None = None  # None: `approved` says all that there is to say

    @property
    def set_at(self) -> str:
        """Where the line is changed."""
        return f"/v1/lines/{ids.show('line', self.line_id)}"


NO_LINE = LineRules("", frozenset(), approved=False)


class Promotes(msgspec.Struct, frozen=True):
    """Wording that promotes: what is done about it, and the words that gave it away."""

    action: str  # block or hold
    words: tuple[str, ...]


class Touch(msgspec.Struct, frozen=True, gc=False):
    """A message that has reached the contact, or may have: what frequency caps count."""

    at: int
    message_class: MessageClass
    channel: str
    message_id: int


class Remembered(msgspec.Struct, frozen=True, gc=False):
    """What is remembered of the place that a step leads to, where the step may be passed over."""

    known: Known
    channel: str  # its title
    believed: frozenset[Reason]  # those for which the message would go on to another step


class Facts(msgspec.Struct, frozen=True, gc=False):
    """One message, its recipient and its line. Facts that a rule needs have a default that says nothing."""

    message_class: MessageClass
    standing: Standing
    line: LineRules
    expires_at: int
    contact_id: int = 0
    operator: str = ""  # that of the number, as its prefix tells; "" when it does not
    text: str = ""  # what the person will read
    patterns: Index | None = None  # what the text has to fit; None: it may be anything
    promotes: Promotes | None = None  # what its wording promotes; None: nothing, or nobody has to look
    budgets: tuple[Spending, ...] = ()  # those that count it; asked for when there are any
    wording: Wording = NO_WORDS
    message_id: int = 0
    suppressed: tuple[Suppressed, ...] = ()  # what is known against the address it goes to
    touches: tuple[Touch, ...] = ()  # what the contact has had lately; asked for when there are caps
    policies: PeoplePolicies = documents.NONE
    step: int = 0  # of its cascade, from 0
    hours: Window | None = None  # those of the step
    remembered: Remembered | None = None  # asked for when a step is begun that is not the last

    @property
    def zone(self) -> str:
        """Whose clocks count: the contact's, else the workspace's."""
        return self.standing.time_zone or self.policies.zone

    @property
    def contact_at(self) -> str:
        """Where the contact is changed."""
        return f"/v1/contacts/{ids.show('contact', self.contact_id)}"
