"""What a campaign is, as a person or a system describes it, and what is frozen when it starts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

import msgspec

from angarium.campaigns import experiment
from angarium.campaigns.experiment import Experiment
from angarium.campaigns.people import Asked, OfCampaign, OfImport, People
from angarium.campaigns.schedule import Schedule
from angarium.campaigns.watch import PauseWhen
from angarium.contacts.audience import Audience
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import Json, MessageClass
from angarium.messaging.accept import DEADLINE_MAX_S, DEADLINE_MIN_S, VARIABLES_BYTES_MAX
from angarium.messaging.telling import Telling

NAME_MAX = 100  # characters
NAME = re.compile(rf"[^\x00-\x1f\x7f-\x9f]{{1,{NAME_MAX}}}")
WAYS = ("cascade", "channel", "line")
CLASSES = (MessageClass.PROMOTIONAL, MessageClass.SERVICE, MessageClass.TRANSACTIONAL)  # a code is for one


class CampaignInput(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """A campaign as it is asked for: an audience, a template, one way to send, a schedule."""

    name: str
    audience: Audience | None = None
    of_campaign: OfCampaign | None = None  # members of another campaign instead
    of_import: OfImport | None = None  # whom the rows of a file meant, each with its own variables
    template: str = ""
    experiment: Experiment | None = None  # several wordings instead of one
    variables: Json = {}  # for everybody; a person's own come before them
    cascade: str = ""
    channel: str = ""
    line: str = ""
    schedule: Schedule = Schedule()
    track: bool | None = None  # whether clicks and openings are counted; None: as the policy `links` says
    pause_when: PauseWhen = PauseWhen()
    deadline_s: Annotated[float, msgspec.Meta(ge=DEADLINE_MIN_S, le=DEADLINE_MAX_S)] | None = None

    @property
    def whom(self) -> Asked:
        """Whom it is for; nobody when that was not said."""
        return self.audience or self.of_campaign or self.of_import or Audience()


class Frozen(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a run keeps from its start to its end."""

    people: People
    message_class: MessageClass
    template_version_id: int
    cascade_version_id: int
    deadline_s: float
    arms: tuple[int, ...] = ()  # versions of templates; empty: there is the one


def templates_of(given: CampaignInput) -> dict[str, str]:
    """The templates of a campaign by the fields that name them, in the order of its arms."""
    if given.experiment is None:
        return {"template": given.template}
    return {
        f"experiment.arms[{place}].template": arm.template for place, arm in enumerate(given.experiment.arms)
    }


def telling_of(
    given: CampaignInput, kept: Frozen, arm: int = 0, label: str = "", until: int | None = None
) -> Telling:
    """What each member of an arm is told."""
    return Telling(
        kept.message_class,
        kept.arms[arm] if kept.arms else kept.template_version_id,
        kept.cascade_version_id,
        label,
        kept.deadline_s,
        until,
        given.variables,
        given.track,
    )


def lacks(given: CampaignInput) -> Iterator[FieldProblem]:
    """What has not been said yet: a draft may be kept without it, and is not started."""
    if given.audience is None and given.of_campaign is None and given.of_import is None:
        remedy = "an audience, members of_campaign, or the list of_import"
        yield FieldProblem("audience", "name exactly one of the three", remedy)
    if not given.template and given.experiment is None:
        yield FieldProblem("template", "is missing", "the name of a template, or an experiment of several")
    if not any(getattr(given, way) for way in WAYS):
        yield FieldProblem("cascade", "name exactly one way to send", "one of " + ", ".join(WAYS))


def flaws(given: CampaignInput) -> Iterator[FieldProblem]:
    """What is wrong with what was said; its schedule is looked at when it starts, too."""
    if not NAME.fullmatch(given.name) or not given.name.strip():
        remedy = "1 to 100 characters in one line"
        yield FieldProblem("name", "is empty, too long or has control characters", remedy, shown(given.name))
    if sum(one is not None for one in (given.audience, given.of_campaign, given.of_import)) > 1:
        remedy = "an audience, members of_campaign, or the list of_import"
        yield FieldProblem("audience", "name exactly one of the three", remedy)
    if given.experiment is not None:
        yield from experiment.flaws(given.experiment)
    if given.template and given.experiment is not None:
        remedy = "the name of a template, or an experiment of several"
        yield FieldProblem("template", "stands beside an experiment", remedy, shown(given.template))
    named = [way for way in WAYS if getattr(given, way)]
    if len(named) > 1:
        remedy = "one of " + ", ".join(WAYS)
        yield FieldProblem(named[0], "name exactly one way to send", remedy, shown(", ".join(named)))
    if given.experiment is not None and given.experiment.goal == "clicked" and given.track is False:
        remedy = "track: true, or another goal"
        yield FieldProblem("experiment.goal", "is not counted where nothing is tracked", remedy, "clicked")
    if given.variables and len(msgspec.json.encode(given.variables)) > VARIABLES_BYTES_MAX:
        yield FieldProblem("variables", "are too large", f"at most {VARIABLES_BYTES_MAX} bytes")
