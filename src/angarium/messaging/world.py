"""What the heart works with: the ground, the channels, the lines in force, and versions that never change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from angarium.content.rules import Variant
from angarium.content.store import versions as wordings
from angarium.content.store.versions import Worded
from angarium.core.ports import Channel, Connection, Ears, Keep, Tools
from angarium.core.values import Json
from angarium.lines.at_hand import Lines
from angarium.lines.flows import opened_settings, secrets_of
from angarium.lines.store import Line
from angarium.messaging.cascade import Step
from angarium.messaging.condition import Waiting
from angarium.messaging.health import Ear
from angarium.messaging.lanes import Turns
from angarium.messaging.masking import Masks
from angarium.messaging.offers import Taker
from angarium.messaging.policies import AtHand
from angarium.messaging.recording import Quota
from angarium.messaging.shares import shares
from angarium.messaging.store import cascades
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

VERSIONS_MAX = 10_000  # versions kept at hand before the memory is emptied


# Opens a line: channel, tools, settings, window, ears. The kit of the channels has it; assembly hands it on.
Connect = Callable[[Channel, Tools, Any, int, Ears], Connection]


class Wording(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a message says: the variables for its template, or wording of its own."""

    variables: Json = {}
    variants: tuple[Variant, ...] = ()
    literal: bool = False  # the variants are said as they stand, and are no templates
    track: bool | None = None  # whether what is done with it is counted; None: as the policy says
    reviewed_by: str = ""  # who found that it may go as what it is, though it looked like advertising


class Versions:
    """Steps of cascades and words of templates, by version id; a version never changes."""

    def __init__(self) -> None:
        self.steps: dict[int, tuple[Step, ...]] = {}
        self.words: dict[int, Worded] = {}  # of versions of templates
        self.inline: dict[tuple[int, str], int] = {}  # (workspace, digest of steps) -> version id

    async def load(
        self, tx: Transaction, workspace_id: int, cascades_: set[int], templates: set[int]
    ) -> None:
        """Make sure that these versions are at hand; template version 0 is wording of the message's own."""
        if len(self.steps) + len(self.words) > VERSIONS_MAX:
            self.steps.clear()
            self.words.clear()
            self.inline.clear()
        self.steps |= await cascades.steps(tx, workspace_id, cascades_ - self.steps.keys())
        self.words |= await wordings.words(tx, workspace_id, templates - self.words.keys() - {0})


class Elsewhere(msgspec.Struct, frozen=True):
    """A line that another machine owns, as that says: whether it is connected, and why its queue waits."""

    up: bool
    waiting: Waiting | None


@dataclass
class World:
    """Handed to every flow of the heart."""

    ground: Ground
    channels: Mapping[str, Channel]
    lines: Lines
    tools: Tools  # what a channel works with
    connect: Connect
    keeper: Callable[[Line], Keep] | None = None  # of lines that have no provider but us
    share_per_s: float = 0.0  # what one server is given of a fast line; 0: lines are whole
    public_url: str = ""  # where providers reach us; empty when they cannot
    versions: Versions = field(default_factory=Versions)
    policies: AtHand = field(init=False)
    suppressing: dict[int, bool] = field(default_factory=dict)  # workspace -> whether it has a list at all
    connected: dict[int, bool] = field(default_factory=dict)  # line id -> whether it is, on this machine
    elsewhere: dict[int, Elsewhere] = field(default_factory=dict)  # line id -> what another machine says
    ear: Ear = field(default_factory=Ear)  # what this machine hears of how its lines are doing
    # line id -> per mille of the last hour that was taken, where enough was sent
    taken: dict[int, int] = field(default_factory=dict)
    turns: dict[int, Turns] = field(default_factory=dict)  # line id -> whose turn it is on it
    # line id -> what says why its queue waits
    waiting: dict[int, Callable[[], Waiting | None]] = field(default_factory=dict)
    takers: dict[int, Taker] = field(default_factory=dict)  # line id -> who sends on it here
    # workspace -> when its planner looks for what is due, though nobody wakes it; none while it is at work
    looks_at: dict[int, int] = field(default_factory=dict)
    recorded: Quota = field(default_factory=Quota)  # what was kept of what was said on lines
    _settings: dict[tuple[int, int], Any] = field(default_factory=dict)
    _masks: dict[tuple[int, int], Masks] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.policies = AtHand(self.ground)

    def settings(self, line: Line) -> Any:
        """The opened settings of a line, for its channel; remembered per version of the line."""
        key = (line.id, line.version)
        if key not in self._settings:
            self._settings[key] = opened_settings(self.ground, line)
        return self._settings[key]

    def shares(self, line: Line, speed_per_s: float, window: int) -> int:
        """Into how many shares a line of this speed and window goes."""
        return shares(self.channels[line.channel], speed_per_s, window, self.share_per_s)

    def tools_for(self, line: Line) -> Tools:
        """What a line's channel works with."""
        return self.tools if self.keeper is None else replace(self.tools, keep=self.keeper(line))

    def masks(self, line: Line) -> Masks:
        """What finds the secrets of a line in what is said on it; remembered per version of the line."""
        key = (line.id, line.version)
        if key not in self._masks:
            self._masks[key] = Masks(secrets_of(line, self.settings(line)))
        return self._masks[key]

    def ask_for_lists_anew(self) -> None:
        """Another server may have put an address on a list where there was none."""
        self.suppressing = {workspace_id: True for workspace_id, listed in self.suppressing.items() if listed}

    def is_up(self, line_id: int) -> bool | None:
        """Whether a line is connected and well, here or where it is owned; None while nobody says."""
        there = self.elsewhere.get(line_id)
        return self.connected.get(line_id, None if there is None else there.up)

    def why_waiting(self, line_id: int) -> Waiting | None:
        """Why what is due on a line is not handed over; None when nothing holds it back."""
        asked, there = self.waiting.get(line_id), self.elsewhere.get(line_id)
        return asked() if asked else there.waiting if there else None

    def callback_url(self, line: Line) -> str:
        """Where a line's provider posts to; empty when there is no public address."""
        if not self.public_url:
            return ""
        return f"{self.public_url}/callbacks/{line.id:x}/{line.callback_token}"


LOOKS_EVERY_S = 1.0  # how long a lost wake-up of a planner can go unnoticed


def topic(line_id: int) -> str:
    """What is woken when there is something to send on a line."""
    return f"line/{line_id}"


def planner_topic(workspace_id: int) -> str:
    """What is woken when something is due in a workspace."""
    return f"planner/{workspace_id}"
