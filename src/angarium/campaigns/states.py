"""The life of a campaign as a table; nothing else decides whether its state may change. Pure.

    draft → (in_review →) scheduled → building → running → done
                              ↕ paused ↕            → stopped

Its audience is frozen once, while it is `building`. A campaign that is paused goes back to where it was.
"""

from __future__ import annotations

from enum import StrEnum

from angarium.core.values import direct


@direct
class CampaignState(StrEnum):
    """Where a campaign is."""

    DRAFT = "draft"  # is written
    IN_REVIEW = "in_review"  # waits for somebody else's approval
    SCHEDULED = "scheduled"  # is started; its hour has not come
    BUILDING = "building"  # its members are written down
    RUNNING = "running"  # its members are told
    PAUSED = "paused"  # nobody is told, until it goes on
    DONE = "done"  # every member was told or left out
    STOPPED = "stopped"  # for good, before everybody was told


S = CampaignState

TRANSITIONS: dict[CampaignState, frozenset[CampaignState]] = {
    S.DRAFT: frozenset({S.IN_REVIEW, S.SCHEDULED, S.BUILDING}),
    S.IN_REVIEW: frozenset({S.DRAFT, S.SCHEDULED, S.BUILDING}),  # approval starts it
    S.SCHEDULED: frozenset({S.BUILDING, S.PAUSED, S.STOPPED}),
    S.BUILDING: frozenset({S.RUNNING, S.PAUSED, S.STOPPED}),
    S.RUNNING: frozenset({S.PAUSED, S.DONE, S.STOPPED}),
    S.PAUSED: frozenset({S.SCHEDULED, S.BUILDING, S.RUNNING, S.STOPPED}),
    S.DONE: frozenset(),
    S.STOPPED: frozenset(),
}
# In these something is to be done by itself.
UNDER_WAY = (S.SCHEDULED, S.BUILDING, S.RUNNING)
EDITABLE = frozenset({S.DRAFT})
OVER = (S.DONE, S.STOPPED)  # nothing follows


@direct
class MemberState(StrEnum):
    """Where a member of a campaign is."""

    WAITING = "waiting"
    TOLD = "told"  # has a message, whose state says the rest
    LEFT_OUT = "left_out"  # got none, with a reason


def may_become(state: CampaignState, following: CampaignState) -> bool:
    """Whether a campaign may go from one state to another."""
    return following in TRANSITIONS[state]
