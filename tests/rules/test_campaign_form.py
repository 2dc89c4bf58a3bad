"""A draft as the fields of its pages: what is typed becomes what is meant, and comes back as it was typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from angarium.campaigns import draft_form
from angarium.campaigns.check_pages import in_the_way, together
from angarium.campaigns.report_pages import chart, heat
from angarium.campaigns.wanted import CampaignInput
from angarium.core.problems import FieldProblem, Problem
from angarium.web.languages import LANGUAGES
from angarium.web.voice import Voice

NOBODY = CampaignInput(name="Sale")
TAGS = {"audience": {"tags": ["gold", "silver", "طلا", "金"]}}
FILE = {"of_import": {"import": "imp_05a58xarj0000"}}
Fields = Mapping[str, Sequence[str]]
VOICE = Voice(["campaigns", "web"], LANGUAGES["en"])


def many(fields: Fields) -> Callable[[str], Sequence[str]]:
    """All values of a field, as a request has them."""
    return lambda name: fields.get(name, [])


def told(given: CampaignInput) -> dict[str, Any]:
    """A draft as JSON, without its name."""
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(given))
    document.pop("name")
    usual = ({}, {"failed_percent": 50.0, "left_percent": 5.0})
    return {name: value for name, value in document.items() if value not in usual}


@pytest.mark.parametrize(
    ("form", "meant"),
    [
        ({"whom": ""}, {}),
        ({"whom": "everybody"}, {"audience": {"everybody": True}}),
        ({"whom": "segment", "segment": "seg_1", "tags": "gold"}, {"audience": {"segment": "seg_1"}}),
        ({"whom": "segment", "segment": ""}, {}),
        (
            {"whom": "tags", "tags": " gold, silver،طلا，金,gold,, "},
            {"audience": {"tags": ["gold", "silver", "طلا", "金"]}},
        ),
        ({"whom": "tags", "tags": " , "}, {}),
        ({"whom": "file", "file": "imp_05a58xarj0000"}, FILE),
    ],
)
def test_for_whom(form: dict[str, str], meant: dict[str, Any]) -> None:
    given = draft_form.with_whom(NOBODY, {"name": " Spring ", **form})
    assert given.name == "Spring"
    assert told(given) == meant
    again = draft_form.whom_form(given)
    assert draft_form.with_whom(NOBODY, again) == given


def test_whom_no_page_can_say_stays_as_it_was() -> None:
    before = msgspec.convert(
        {"name": "Again", "of_campaign": {"campaign": "cmp_1", "states": ["failed"]}}, CampaignInput
    )
    assert draft_form.whom_form(before)["whom"] == "kept"
    assert draft_form.with_whom(before, {"name": "Again", "whom": "kept"}) == before
    assert told(draft_form.with_whom(before, {"name": "Again", "whom": "everybody"})) == {
        "audience": {"everybody": True}
    }


ARMS = {"arm_name": ["price", "warm", ""], "arm_template": ["a", "b", ""], "arm_share": ["1", "2", "1"]}
SEVERAL = {
    "kind": "several",
    "control_percent": "12,5",
    "goal": "clicked",
    "template": "x",
    "way": "channel:smpp",
}
EXPERIMENT = {
    "arms": [{"name": "price", "template": "a", "share": 1}, {"name": "warm", "template": "b", "share": 2}],
    "control_percent": 12.5,
    "goal": "clicked",
}


@pytest.mark.parametrize(
    ("form", "fields", "meant"),
    [
        (
            {"kind": "one", "template": "sale", "way": "cascade:viber-sms"},
            {},
            {"template": "sale", "cascade": "viber-sms"},
        ),
        ({"kind": "one", "template": "sale", "way": "line:a:b"}, {}, {"template": "sale", "line": "a:b"}),
        ({"kind": "one", "template": "", "way": ""}, {}, {}),
        (
            {
                "kind": "several",
                "control_percent": "12,5",
                "goal": "clicked",
                "template": "x",
                "way": "channel:smpp",
            },
            ARMS,
            {"experiment": EXPERIMENT, "channel": "smpp"},
        ),
        (
            {"kind": "one", "variable.link": "https://x", "variable.none": "", "variable.": "y"},
            {},
            {"variables": {"link": "https://x"}},
        ),
    ],
)
def test_which_words(form: dict[str, str], fields: Fields, meant: dict[str, Any]) -> None:
    given = draft_form.with_words(NOBODY, form, many(fields))
    assert told(given) == meant
    again = {"arm_name": "name", "arm_template": "template", "arm_share": "share"}
    rows = draft_form.arms_form(given)
    shown = many({field: [row[column] for row in rows] for field, column in again.items()})
    assert draft_form.with_words(NOBODY, draft_form.words_form(given), shown) == given


def test_a_variable_whose_text_is_as_it_was_keeps_its_type() -> None:
    before = msgspec.structs.replace(NOBODY, variables={"amount": 120.5, "paid": True, "list": [1, "x"]})
    form = draft_form.words_form(before) | {"variable.paid": "no"}
    given = draft_form.with_words(before, form, many({}))
    assert given.variables == {"amount": 120.5, "paid": "no", "list": [1, "x"]}
    blank = draft_form.with_words(before, form | {"variable.paid": " no ", "variable.list": " "}, many({}))
    assert blank.variables == {"amount": 120.5, "paid": "no"}


SPREAD = {"pace": "spread", "per_hour": "7"}
LIMITS = {"failed_percent": None, "left_percent": 2.5}
WALL = "2027-03-28T10:00"
WINDOW = {"from": "10:00", "until": "20:00", "days": [1, 2, 3, 4, 5]}
ALL_EVENING = {"from": "10:00", "until": "24:00", "days": [6, 7]}
HOURS = {"hours": "on", "from": "10:00", "until_hour": "20:00"}


@pytest.mark.parametrize(
    ("form", "days", "meant"),
    [
        ({"begin": "now"}, (), {}),
        ({"begin": "at", "at": "2027-03-28T10:00"}, (), {"schedule": {"at": "2027-03-28T10:00:00Z"}}),
        ({"begin": "now", "at": "2027-03-28T10:00"}, (), {}),
        (
            {"begin": "local", "local_at": "2027-03-28T10:00"},
            (),
            {"schedule": {"local_at": "2027-03-28T10:00"}},
        ),
        (HOURS, "12345", {"schedule": {"window": WINDOW}}),
        ({**HOURS, "until_hour": "00:00"}, "67", {"schedule": {"window": ALL_EVENING}}),
        ({"pace": "per_hour", "per_hour": "۲۰۰۰۰"}, (), {"schedule": {"per_hour": 20_000}}),
        (
            {"pace": "spread", "spread": "1.5", "spread_unit": "hours"},
            (),
            {"schedule": {"spread_s": 5_400.0}},
        ),
        (
            {"pace": "spread", "spread": "2", "spread_unit": "days", "per_hour": "7"},
            (),
            {"schedule": {"spread_s": 172_800.0}},
        ),
        ({"until": "2027-03-30T10:00"}, (), {"schedule": {"until": "2027-03-30T10:00:00Z"}}),
        ({"deadline": "0,5", "track": "no"}, (), {"deadline_s": 1_800.0, "track": False}),
        (
            {"failed_percent": "", "left_percent": "2.5"},
            (),
            {"pause_when": {"failed_percent": None, "left_percent": 2.5}},
        ),
    ],
)
def test_when_and_how_fast(form: dict[str, str], days: Sequence[str], meant: dict[str, Any]) -> None:
    usual = {"failed_percent": "50", "left_percent": "5"}
    given = draft_form.with_schedule(NOBODY, usual | form, many({"day": list(days)}))
    found = told(given)
    assert found == meant
    ticked = many({"day": draft_form.days_form(given)})
    assert draft_form.with_schedule(NOBODY, draft_form.schedule_form(given), ticked) == given


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"pace": "per_hour", "per_hour": "many"}, "per_hour"),
        ({"pace": "spread", "spread": "nan", "spread_unit": "hours"}, "spread"),
        ({"begin": "at", "at": "tomorrow"}, "at"),
        ({"deadline": "soon"}, "deadline"),
        ({"deadline": "99999999"}, "deadline"),
        ({"failed_percent": "0"}, "failed_percent"),
    ],
)
def test_what_is_no_value_is_named_at_its_field(form: dict[str, str], field: str) -> None:
    with pytest.raises(Problem) as caught:
        draft_form.with_schedule(NOBODY, {"left_percent": "5", **form}, many({}))
    assert list(draft_form.wrong_of(caught.value.fields)) == [field]


@pytest.mark.parametrize(
    ("field", "remedy", "unit", "said"),
    [
        ("schedule.spread_s", "60 to 2678400 seconds", "hours", "a minute to 744 hours"),
        ("schedule.spread_s", "60 to 2678400 seconds", "minutes", "1 to 44640 minutes"),
        ("schedule.spread_s", "60 to 2678400 seconds", "days", "a minute to 31 days"),
        (
            "schedule.spread_s",
            "at most 5400 seconds, or a later until",
            "hours",
            "at most 1.5 hours, or a later until",
        ),
        ("deadline_s", "a number (at least 1.0, at most 604800.0), or null", "days", "a second to 168 hours"),
        ("schedule.per_hour", "1 to 5", "hours", "1 to 5"),
    ],
)
def test_bounds_are_said_in_the_unit_of_the_page(field: str, remedy: str, unit: str, said: str) -> None:
    wrong = FieldProblem(field, "is out of range", remedy)
    (told,) = draft_form.in_units([wrong], {"spread_unit": unit})
    assert told.remedy == said


@pytest.mark.parametrize(
    ("spread_s", "said"), [(5_400.0, "at most 45 minutes"), (7_200.0, "at most 0.75 hours")]
)
def test_before_a_start_they_are_said_so_too(spread_s: float, said: str) -> None:
    draft = msgspec.convert({"name": "Sale", "schedule": {"spread_s": spread_s}}, CampaignInput)
    over = FieldProblem(
        "schedule.spread_s", "goes on after until", "at most 2700 seconds, or a later until", ""
    )
    shown = in_the_way(Problem("invalid", "It cannot start", fields=(over,)), draft)
    assert shown is not None
    assert shown["errors"][0]["remedy"] == f"{said}, or a later until"


def hour(at: str, delivered: int, read: int = 0) -> dict[str, Any]:
    """An hour as a report has it."""
    return {"hour": at, "delivered": delivered, "read": read}


def test_hours_of_the_week_have_shades() -> None:
    week = heat(
        [
            hour("2026-11-30T09:00:00.000+03:30", 10),
            hour("2026-12-07T09:00:00.000+03:30", 90),
            hour("2026-12-01T23:00:00Z", 1),
        ]
    )
    assert (week[0][9].count, week[0][9].shade) == (100, 5)
    assert (week[1][23].count, week[1][23].shade) == (1, 1)
    assert week[6][0].shade == 0
    assert heat([hour("2026-12-01T23:00:00Z", 0, 3)]) == []


def test_a_chart_has_the_hours_in_which_nothing_came() -> None:
    drawn = chart([hour("2026-12-01T08:00:00Z", 5, 1), hour("2026-12-01T11:00:00Z", 2)])
    assert (drawn["delivered"], drawn["read"]) == ([0, 5, 0, 0, 2, 0], [0, 1, 0, 0, 0, 0])
    assert [later - at for at, later in zip(drawn["x"], drawn["x"][1:], strict=False)] == [3_600] * 5
    far = chart([hour("2026-01-01T08:00:00Z", 5), hour("2026-12-01T11:00:00Z", 2)])
    assert far["delivered"] == [5, 2]
    assert chart([])["x"] == []


def test_a_finding_is_shown_once_for_all_locales() -> None:
    one = {"template": "sale", "level": "error", "problem": "no sample", "kind": "x"}
    found = together(
        [
            {**one, "locale": "fa"},
            {**one, "locale": "uk"},
            {**one, "problem": "other"},
            {**one, "locale": "fa"},
        ],
        (),
    )
    assert [(each.problem, each.locales) for each in found] == [("no sample", ["fa", "uk"]), ("other", [])]


def test_what_is_said_of_a_locale_is_said_once_for_the_channels_of_the_way() -> None:
    one = {"template": "sale", "level": "warning", "kind": "locale-missing", "locale": "uk"}
    told = [{**one, "channel": kind, "problem": f"by {kind}"} for kind in ("smpp", "vk", "viber", "smtp")]
    found = together(told, {"viber", "smpp", "smtp"})
    assert [(each.problem, each.channels) for each in found] == [("by smpp", ["viber", "smtp"])]


@pytest.mark.parametrize("path", [*draft_form.FIELDS, "experiment.arms[1].template", "steps[0]"])
def test_the_field_of_a_problem_is_called_as_the_pages_call_it(path: str) -> None:
    labels = draft_form.labels_of(path)
    assert labels
    assert all(VOICE.has(name) for name, _ in labels)


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ("experiment.arms[1].template", [("campaign.arm", 2), ("campaign.template", 0)]),
        ("steps[0]", [("campaign.step_name", 1)]),
        ("audience.tags[3]", [("campaign.tags", 0)]),
        ("audience.rules.all[0].field", [("campaign.whom", 0)]),
        ("pause_when", []),
        ("", []),
    ],
)
def test_what_lies_in_a_field_is_called_as_the_field(path: str, labels: list[tuple[str, int]]) -> None:
    assert draft_form.labels_of(path) == labels
