"""A draft as the fields of its pages, and back. Pure.

What somebody typed becomes the JSON that the API takes and is read as such, so that both say the same of what
is wrong with it; what a page does not ask for stays as it was.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from math import floor, isfinite
from typing import Any

import msgspec

from angarium.campaigns.experiment import ARMS_MAX
from angarium.campaigns.schedule import SPREAD_MAX_S
from angarium.campaigns.wanted import WAYS, CampaignInput
from angarium.contacts.draft import tags_in
from angarium.core.decoding import Shape
from angarium.core.problems import FieldProblem
from angarium.core.values import Json
from angarium.messaging.accept import DEADLINE_MAX_S

DRAFT = Shape(CampaignInput)
DAYS = range(1, 8)  # Monday to Sunday
UNITS = {"minutes": 60, "hours": 3_600, "days": 86_400}
HOUR_S = 3_600.0
BESIDE = "stands beside per_hour"  # of a pace, and no bound of it
ROOM = re.compile(r"most (\d+) seconds,")  # what is left before a campaign ends
OTHERWISE_FROM, OTHERWISE_UNTIL = "09:00", "21:00"  # hours that are offered to whoever wants some
VARIABLE = "variable."
MARK_LENGTH = 16
WHOM = ("audience", "of_campaign", "of_import")

Form = Mapping[str, str]
Fields = Callable[[str], Sequence[str]]  # all values of a field
Document = dict[str, Any]


def read(document: Document) -> CampaignInput:
    """A draft from what a page made of it; a Problem names what cannot be."""
    return DRAFT.read(msgspec.json.encode(document))


def written(given: CampaignInput) -> Document:
    """A draft as JSON."""
    document: Document = msgspec.to_builtins(given)
    return document


# ── whom ─────────────────────────────────────────────────────────────────────────────────────────────


def whom_form(given: CampaignInput) -> dict[str, str]:
    """The fields of the first page."""
    audience = given.audience
    segment, tags = (audience.segment, ", ".join(audience.tags)) if audience else ("", "")
    file = given.of_import.file if given.of_import else ""
    return {"name": given.name, "whom": _whom(given), "segment": segment, "tags": tags, "file": file}


def _whom(given: CampaignInput) -> str:
    audience = given.audience
    if given.of_import is not None:
        return "file"
    if given.of_campaign is not None:
        return "kept"
    if audience is None:
        return ""
    if audience.segment:
        return "segment"
    if audience.tags:
        return "tags"
    return "everybody" if audience.everybody else "kept"


def with_whom(given: CampaignInput, form: Form) -> CampaignInput:
    """A draft for whom the first page says. `kept` is what no page can say: it stays."""
    document = written(given) | {"name": form.get("name", "").strip()}
    if form.get("whom") != "kept":
        for name in WHOM:
            document.pop(name, None)
    match form.get("whom", ""):
        case "everybody":
            document["audience"] = {"everybody": True}
        case "segment" if form.get("segment"):
            document["audience"] = {"segment": form["segment"]}
        case "tags" if tags := tags_in(form.get("tags", "")):
            document["audience"] = {"tags": list(tags)}
        case "file" if form.get("file"):
            document["of_import"] = {"import": form["file"]}
    return read(document)


# ── which words, by which way ────────────────────────────────────────────────────────────────────────


def mark_of(*stands: object) -> str:
    """A mark of what stands on a page of a draft. Where another one comes back with the form, the page has
    been saved since it was drawn."""
    return hashlib.sha256(msgspec.json.encode(stands)).hexdigest()[:MARK_LENGTH]


def whom_mark(given: CampaignInput) -> str:
    """That of the first page."""
    return mark_of(whom_form(given))


def words_mark(given: CampaignInput) -> str:
    """That of the second."""
    return mark_of(words_form(given), arms_form(given))


def schedule_mark(given: CampaignInput) -> str:
    """That of the third."""
    return mark_of(schedule_form(given), days_form(given))


def words_form(given: CampaignInput) -> dict[str, str]:
    """The fields of the second page, but for the arms."""
    several = given.experiment
    form = {
        "kind": "several" if several else "one",
        "template": given.template,
        "control_percent": f"{several.control_percent:g}" if several else "0",
        "goal": several.goal if several else "read",
        "way": next((f"{way}:{getattr(given, way)}" for way in WAYS if getattr(given, way)), ""),
    }
    return form | {VARIABLE + name: text_of(value) for name, value in given.variables.items()}


def text_of(value: object) -> str:
    """A variable as it stands in a field."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def arms_form(given: CampaignInput) -> list[dict[str, str]]:
    """The rows of the arms."""
    several = given.experiment
    if several is None:
        return []
    return [{"name": arm.name, "template": arm.template, "share": str(arm.share)} for arm in several.arms]


def arms_typed(fields: Fields) -> list[dict[str, str]]:
    """The rows of arms as they were typed; one in which nothing stands is none."""
    columns = (fields("arm_name"), fields("arm_template"), fields("arm_share"))
    rows = [
        {"name": name.strip(), "template": template, "share": share.strip()}
        for name, template, share in zip(*columns, strict=False)
    ]
    return [row for row in rows if row["name"] or row["template"]][: ARMS_MAX + 1]


def with_words(given: CampaignInput, form: Form, fields: Fields) -> CampaignInput:
    """A draft with the words and the way of the second page."""
    document = written(given)
    for name in ("template", "experiment", *WAYS):
        document.pop(name, None)
    if form.get("kind") == "several":
        document["experiment"] = _experiment(form, arms_typed(fields))
    else:
        document["template"] = form.get("template", "")
    way, _, name = form.get("way", "").partition(":")
    if way in WAYS and name:
        document[way] = name
    document["variables"] = variables_in(given.variables, form)
    return read(document)


def _experiment(form: Form, arms: Sequence[Mapping[str, str]]) -> Document:
    told = [
        {"name": arm["name"], "template": arm["template"], "share": number(arm["share"] or "1")}
        for arm in arms
    ]
    control = number(form.get("control_percent") or "0")
    return {"arms": told, "control_percent": control, "goal": form.get("goal", "read")}


def variables_in(before: Json, form: Form) -> Json:
    """Those that were typed, without blanks around them; one whose text is as it was keeps its type."""
    found: dict[str, Any] = {}
    for field, text in form.items():
        name = field.removeprefix(VARIABLE)
        if field.startswith(VARIABLE) and name and text.strip():
            kept = name in before and text_of(before[name]) == text
            found[name] = before[name] if kept else text.strip()
    return found


# ── when, and how fast ───────────────────────────────────────────────────────────────────────────────


def schedule_form(given: CampaignInput) -> dict[str, str]:
    """The fields of the third page, but for the days."""
    when, pause = given.schedule, given.pause_when
    count, unit = _in_units(when.spread_s or 0.0)
    begin = "at" if when.at else "local" if when.local_at else "now"
    pace = "per_hour" if when.per_hour else "spread" if when.spread_s else ""
    return {
        "begin": begin,
        "at": _field_time(when.at),
        "local_at": when.local_at,
        "hours": "on" if when.window else "",
        "from": when.window.from_ if when.window else OTHERWISE_FROM,
        "until_hour": when.window.until if when.window else OTHERWISE_UNTIL,
        "pace": pace,
        "per_hour": str(when.per_hour or ""),
        "spread": count,
        "spread_unit": unit,
        "until": _field_time(when.until),
        "deadline": "" if given.deadline_s is None else f"{given.deadline_s / HOUR_S:g}",
        "track": {None: "", True: "yes", False: "no"}[given.track],
        "failed_percent": "" if pause.failed_percent is None else f"{pause.failed_percent:g}",
        "left_percent": "" if pause.left_percent is None else f"{pause.left_percent:g}",
    }


def days_form(given: CampaignInput) -> list[str]:
    """The days that are ticked."""
    days = given.schedule.window.days if given.schedule.window else DAYS
    return [str(day) for day in days]


def _field_time(at: datetime | None) -> str:
    """A moment as a field for times has it, by UTC (HTML, "Local date and time state")."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")


def _in_units(seconds: float) -> tuple[str, str]:
    """A length in the largest unit of which it is so many."""
    for unit in ("days", "hours"):
        if seconds and seconds % UNITS[unit] == 0:
            return f"{seconds / UNITS[unit]:g}", unit
    return (f"{seconds / UNITS['minutes']:g}", "minutes") if seconds else ("", "hours")


def with_schedule(given: CampaignInput, form: Form, fields: Fields) -> CampaignInput:
    """A draft with the hours and the pace of the third page."""
    document = written(given)
    for name in ("schedule", "track", "deadline_s"):
        document.pop(name, None)
    document["schedule"] = dict(_schedule(form, fields))
    if track := form.get("track", ""):
        document["track"] = track == "yes"
    if deadline := form.get("deadline", "").strip():
        hours = number(deadline)
        document["deadline_s"] = hours * HOUR_S if isinstance(hours, int | float) else hours
    limits = {name: number(form.get(name, "").strip()) for name in ("failed_percent", "left_percent")}
    kept = document.get("pause_when", {})
    document["pause_when"] = {**kept, **{name: None if text == "" else text for name, text in limits.items()}}
    return read(document)


def _schedule(form: Form, fields: Fields) -> Iterator[tuple[str, Any]]:
    begin, pace = form.get("begin"), form.get("pace")
    if begin == "at":
        yield "at", by_utc(form.get("at", ""))
    if begin == "local":
        yield "local_at", form.get("local_at", "")
    if form.get("hours"):
        until = form.get("until_hour", "")
        days = [int(day) for day in fields("day") if day in {str(one) for one in DAYS}]
        yield (
            "window",
            {"from": form.get("from", ""), "until": "24:00" if until == "00:00" else until, "days": days},
        )
    if pace == "per_hour":
        yield "per_hour", number(form.get("per_hour", "").strip())
    if pace == "spread":
        count = number(form.get("spread", "").strip())
        unit = UNITS.get(form.get("spread_unit", ""), 1)
        yield "spread_s", count * unit if isinstance(count, int | float) else count
    if until := form.get("until", ""):
        yield "until", by_utc(until)


def by_utc(text: str) -> str:
    """A time of a field for times as a moment; what is none stays as it is, and is refused with its name."""
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if wall.tzinfo else wall.replace(tzinfo=UTC).isoformat()


def number(text: str) -> int | float | str:
    """A number as it was typed, with the digits of any script; what is none stays as it is."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text.replace(",", ".").replace("٫", "."))
    except ValueError:
        return text
    return value if isfinite(value) else text


# ── what is wrong with which field ───────────────────────────────────────────────────────────────────

FIELDS = {
    "audience": "whom",
    "audience.segment": "segment",
    "audience.tags": "tags",
    "of_import.import": "file",
    "cascade": "way",
    "channel": "way",
    "line": "way",
    "experiment.control_percent": "control_percent",
    "experiment.goal": "goal",
    "schedule.at": "at",
    "schedule.local_at": "local_at",
    "schedule.window": "days",
    "schedule.window.from": "from",
    "schedule.window.until": "until_hour",
    "schedule.window.days": "days",
    "schedule.per_hour": "per_hour",
    "schedule.spread_s": "spread",
    "schedule.until": "until",
    "deadline_s": "deadline",
    "pause_when.failed_percent": "failed_percent",
    "pause_when.left_percent": "left_percent",
}


def in_units(fields: Sequence[FieldProblem], form: Form) -> tuple[FieldProblem, ...]:
    """The same, with the bounds of lengths of time in the units in which the page asks for them."""
    units = {"deadline_s": "hours", "schedule.spread_s": form.get("spread_unit", "")}
    return tuple(
        msgspec.structs.replace(one, remedy=_in_unit(one, unit))
        if (unit := units.get(one.field)) and one.problem != BESIDE
        else one
        for one in fields
    )


def _in_unit(one: FieldProblem, unit: str) -> str:
    if room := ROOM.search(one.remedy):
        return _at_most(unit, int(room[1]))
    if one.field == "deadline_s":
        return f"a second to {DEADLINE_MAX_S / HOUR_S:g} hours"
    most = f"{SPREAD_MAX_S / UNITS.get(unit, HOUR_S):g}"
    match unit:
        case "minutes":
            return f"1 to {most} minutes"
        case "days":
            return f"a minute to {most} days"
        case _:
            return f"a minute to {most} hours"


def _at_most(unit: str, seconds: int) -> str:
    most = f"{floor(seconds / UNITS.get(unit, HOUR_S) * 100) / 100:g}"
    match unit:
        case "minutes":
            return f"at most {most} minutes, or a later until"
        case "days":
            return f"at most {most} days, or a later until"
        case _:
            return f"at most {most} hours, or a later until"


def wrong_of(fields: Sequence[FieldProblem]) -> dict[str, str]:
    """What is wrong, by the field of the page at which it is shown; the first of each."""
    found: dict[str, str] = {}
    for one in fields:
        words = f"{one.problem}: {one.remedy}" if one.remedy else one.problem
        found.setdefault(FIELDS.get(one.field, one.field), words)
    return found


# What the pages call the field of a path, where they ask for it; the places in a path are counted from 1.
LABELS = {
    "name": ("campaign.name",),
    "audience": ("campaign.whom",),
    "audience.segment": ("campaign.segment",),
    "audience.tags": ("campaign.tags",),
    "of_import": ("campaign.file",),
    "of_import.import": ("campaign.file",),
    "of_campaign": ("campaign.whom",),
    "of_campaign.campaign": ("campaign.whom",),
    "template": ("campaign.template",),
    "experiment.arms": ("campaign.several",),
    "experiment.arms[]": ("campaign.arm",),
    "experiment.arms[].name": ("campaign.arm",),
    "experiment.arms[].template": ("campaign.arm", "campaign.template"),
    "experiment.arms[].share": ("campaign.arm", "campaign.share"),
    "experiment.control_percent": ("campaign.control",),
    "experiment.goal": ("campaign.goal",),
    "variables": ("campaign.variables",),
    "cascade": ("campaign.way",),
    "channel": ("campaign.way",),
    "line": ("campaign.way",),
    "steps[]": ("campaign.step_name",),
    "schedule.at": ("campaign.time_utc",),
    "schedule.local_at": ("campaign.time_local",),
    "schedule.window": ("campaign.hours.title",),
    "schedule.window.from": ("campaign.hours.from",),
    "schedule.window.until": ("campaign.hours.until",),
    "schedule.window.days": ("campaign.hours.days",),
    "schedule.per_hour": ("campaign.pace.people",),
    "schedule.spread_s": ("campaign.pace.over",),
    "schedule.until": ("campaign.until",),
    "deadline_s": ("campaign.deadline",),
    "track": ("campaign.track",),
    "pause_when.failed_percent": ("campaign.pause_failed",),
    "pause_when.left_percent": ("campaign.pause_left",),
}
PLACE = re.compile(r"\[(\d+)\]")


def labels_of(path: str) -> list[tuple[str, int]]:
    """What the pages call the field of a path: names of words, the first with the place of what it is of,
    from 1, or 0. What lies in a field is called as it is; nothing for what no page asks for."""
    place = PLACE.search(path)
    bare = PLACE.sub("[]", path)
    while bare and bare not in LABELS:
        bare = bare[: max(bare.rfind("."), bare.rfind("["), 0)]
    told = int(place[1]) + 1 if place and "[]" in bare else 0
    return [(name, told if at == 0 else 0) for at, name in enumerate(LABELS.get(bare, ()))]
