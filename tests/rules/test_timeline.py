"""A told message as people read it: tables; and the catalogue, which lacks nothing and keeps nothing idle."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from angarium.accounts import pages
from angarium.core.values import MessageClass, Reason
from angarium.messaging import timeline
from angarium.messaging.states import AttemptState, MessageState
from angarium.messaging.timeline import Names
from angarium.web.languages import ENGLISH
from angarium.web.voice import Voice

NAMES = Names({"vk_notify": "VK", "viber_business": "Viber", "smpp": "SMS"}, {"sms-a": "smpp"})
SHELL = Voice(["web", "accounts", "messaging"], ENGLISH)
SOURCES = Path(pages.__file__).parents[1]
SAID = re.compile(r"""["'](\w+(?:\.\w+)+)["']""")  # "enter.title", in a template or in code
BEGUN = re.compile(
    r"""["'](\w+(?:\.\w+)*\.)(?:\{|["'](?: ~|, |\) \}\}))"""
)  # "state." ~ state, f"fate.{state}.…"


def at(seconds: float) -> str:
    """A time of the story, which begins at eight."""
    return f"2026-11-23T08:{int(seconds // 60):02}:{seconds % 60:06.3f}Z"


def tried(step: int, channel: str, state: str, **more: Any) -> dict[str, Any]:
    """An attempt as it is told."""
    usual = {"reason": "", "late": False, "planned_at": at(0), "ended_at": None, "accepted_at": at(1)}
    return {"id": f"att_{step}", "step": step, "channel": channel, "state": state, **usual, **more}


def event(seconds: float, kind: str, *decisions: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An event as it is told."""
    return {"at": at(seconds), "event": kind, "class": "service", "decisions": list(decisions), **more}


def send(step: int, why: str = "first step", **more: Any) -> dict[str, Any]:
    """The decision to take a step."""
    return {"do": "send", "step": step, "why": why, "channel": "smpp", "line": "sms-a", "lines": [], **more}


def told(*attempts: dict[str, Any], events: tuple[dict[str, Any], ...] = (), **more: Any) -> dict[str, Any]:
    """A message of two steps as it is told."""
    return {
        "state": "sent",
        "reason": "",
        "finished": False,
        "created_at": at(0),
        "waits_until": at(300),
        "steps": [
            {"channel": "vk_notify", "success": "read", "wait_s": 15.0},
            {"line": "sms-a", "success": "delivered"},
        ],
        "attempts": list(attempts),
        "timeline": list(events),
        **more,
    }


def words(said: timeline.Sentence) -> str:
    """A sentence as it is read."""
    text = SHELL.say(said, timeline.datetime.fromisoformat(at(0)))
    return str(text.striptags())


ON = event(20, "decided", send(2, "not read within 15 s"))
END = event(30, "delivered", {"do": "finish", "state": "delivered", "reason": "", "why": "done"}, step=2)
SKIP = event(0, "accepted", {"do": "skip", "step": 1, "reason": "no_address", "detail": "None."}, send(2))
ARRIVED = tried(2, "smpp", "delivered", delivered_at=at(30))


@pytest.mark.parametrize(
    ("document", "fates"),
    [
        (told(events=(event(0, "accepted"),)), ["not begun", "not begun"]),
        (told(tried(1, "vk_notify", "queued")), ["waits for its line", "not begun"]),
        (told(tried(1, "vk_notify", "submitting")), ["on its way", "not begun"]),
        (
            told(tried(1, "vk_notify", "queued", reason="throttled")),
            ["the provider asks to slow down; will be tried again", "not begun"],
        ),
        (
            told(tried(1, "vk_notify", "accepted")),
            ["accepted 08:00:01, waits until 08:00:16 to be read", "not begun"],
        ),
        (
            told(tried(1, "vk_notify", "delivered", delivered_at=at(3))),
            ["delivered 08:00:03, waits until 08:00:16 to be read", "not begun"],
        ),
        (
            told(tried(1, "vk_notify", "accepted"), tried(2, "smpp", "queued"), events=(ON,)),
            ["accepted 08:00:01, not read by 08:00:20", "waits for its line"],
        ),
        (
            told(tried(1, "vk_notify", "refused", reason="not_a_user"), ARRIVED, events=(ON, END)),
            ["not a user of this channel", "delivered 08:00:30"],
        ),
        (
            told(tried(1, "vk_notify", "read", read_at=at(70), late=True), ARRIVED, events=(ON, END)),
            ["accepted 08:00:01, not read by 08:00:20; read late, 08:01:10", "delivered 08:00:30"],
        ),
        (
            told(tried(1, "vk_notify", "failed", reason="expired", ended_at=at(9))),
            ["failed 08:00:09: the provider gave up after its time", "not begun"],
        ),
        (
            told(tried(1, "vk_notify", "unknown", reason="no_answer", ended_at=at(9))),
            ["no answer; it may have gone out", "not begun"],
        ),
        (told(ARRIVED, events=(SKIP,)), ["passed over: no address for this channel", "delivered 08:00:30"]),
        (
            told(
                tried(1, "vk_notify", "read", read_at=at(4)),
                events=(event(4, "read", END["decisions"][0], step=1),),
                finished=True,
                state="read",
            ),
            ["read 08:00:04", "not needed"],
        ),
        (
            told(tried(1, "vk_notify", "cancelled", reason="cancelled"), finished=True, state="cancelled"),
            ["not sent: cancelled", "not reached"],
        ),
    ],
)
def test_what_became_of_each_step(document: dict[str, Any], fates: list[str]) -> None:
    read = timeline.timeline(document, NAMES)
    assert [words(step.fate) for step in read.steps] == fates


AWAITED = (
    "SMS gave no answer: it may have gone out, or not. Evidence is awaited until 08:01:01, so that nobody "
    "gets it twice."
)
AGAIN = "VK gave no answer, and no evidence came: it may have gone out, or not. It is being sent once more."
UNDECIDED = (
    "SMS gave no answer, and no evidence came: it may have gone out, or not. It is not sent again by itself, "
    "because the person might get it twice; somebody has to decide."
)


@pytest.mark.parametrize(
    ("document", "verdict"),
    [
        (told(ARRIVED, state="delivered"), "Delivered by SMS at 08:00:30, 30 sec after it was asked for."),
        (
            told(tried(1, "vk_notify", "read", read_at=at(90)), state="read"),
            "Read on VK at 08:01:30, 1 min 30 sec after it was asked for.",
        ),
        (
            told(tried(1, "vk_notify", "accepted")),
            "VK took it. There is no word yet whether it arrived.",
        ),
        (
            told(tried(2, "smpp", "accepted"), finished=True),
            "SMS took it, and never said whether it arrived.",
        ),
        (
            told(state="scheduled", waits_until=at(600)),
            "It waits for its hour: 08:10:00.",
        ),
        (
            told(tried(2, "smpp", "unknown"), state="unknown", waits_until=at(61)),
            AWAITED,
        ),
        (
            told(tried(1, "vk_notify", "unknown"), tried(2, "smpp", "queued"), state="unknown"),
            AGAIN,
        ),
        (
            told(tried(2, "smpp", "unknown"), state="unknown", finished=True),
            UNDECIDED,
        ),
        (told(state="failed"), "Nobody was reached: every step was tried, or could not be."),
        (told(state="queued"), "It waits for its line to take it."),
    ],
)
def test_the_whole_story_in_a_sentence(document: dict[str, Any], verdict: str) -> None:
    assert words(timeline.timeline(document, NAMES).verdict) == verdict


# ── what was heard and decided ───────────────────────────────────────────────────────────────────────

HEARD = {"step": 2, "channel": "smpp", "line": "sms-a"}


@pytest.mark.parametrize(
    ("heard", "sentence"),
    [
        (event(0, "accepted", **{"class": "service"}), "Asked for, as a message of the class service."),
        (event(1, "sent", **HEARD, refs=["a"], parts=1), "SMS took it, on the line sms-a."),
        (event(1, "sent", **HEARD, ref="a"), "SMS reports that it is on its way."),
        (event(1, "accepted", **HEARD, ref="a"), "SMS reports that it is on its way."),
        (event(1, "delivered", **HEARD, ref="a"), "SMS reports: delivered."),
        (
            event(1, "delivered", **HEARD, ref="a", late=True),
            "SMS reports: delivered. The next step had gone out already.",
        ),
        (
            event(1, "read", **HEARD, ref="a", late=True),
            "SMS reports: read. The next step had gone out already.",
        ),
        (
            event(1, "failed", **HEARD, ref="a", reason="unreachable"),
            "SMS reports that it failed: the phone or mailbox cannot be reached.",
        ),
        (
            event(1, "failed", **HEARD, ref="a", contradicts="delivered"),
            "SMS reports that it failed, having reported delivered. That changes nothing.",
        ),
        (
            event(1, "not_taken", **HEARD, reason="too_long"),
            "SMS did not take it: too long for this channel.",
        ),
        (
            event(1, "postponed", **HEARD, reason="temporary"),
            "SMS asks to try again later: trouble at the provider.",
        ),
        (event(1, "unanswered", step=2, line="sms-a"), "SMS did not answer. It may have gone out, or not."),
        (
            event(1, "stopped", step=1, reason="opted_out"),
            "Held back at the last moment: the person has opted out.",
        ),
        (event(1, "cancelled"), "Cancelled."),
        (event(1, "decided", send(1)), "Its hour had come."),
        (event(1, "decided", send(2, "not read within 15 s")), "Time was up: not read within 15 s."),
        (event(1, "something_new", **HEARD), "something_new"),
    ],
)
def test_each_event_in_a_sentence(heard: dict[str, Any], sentence: str) -> None:
    first = () if heard["at"] == at(0) else (event(0, "accepted", **{"class": "otp"}),)
    read = timeline.timeline(told(events=(*first, heard)), NAMES)
    assert words(read.events[-1].said) == sentence


@pytest.mark.parametrize(
    ("decision", "sentence", "why"),
    [
        (send(2, "step 1 refused"), "Next: step 2, SMS on the line sms-a", "step 1 refused"),
        (
            send(2, "first step", due="2026-11-24T06:00:00.000Z", held="The line sends from 09:00."),
            "Next: step 2, SMS on the line sms-a, held until Nov 24, 2026, 06:00:00",
            "The line sends from 09:00.",
        ),
        (
            {"do": "skip", "step": 1, "reason": "no_line", "detail": "It is switched off."},
            "Step 1 is passed over: no line may carry it now",
            "It is switched off.",
        ),
        (
            {
                "do": "skip",
                "step": 1,
                "reason": "not_a_user",
                "detail": "Not a user of Viber, heard on 2026-11-02.",
                "channel": "viber_business",
                "heard": "2026-11-02T08:30:00.000Z",
            },
            "Step 1 is skipped: not a user of Viber, heard on 2026-11-02",
            "",
        ),
        (
            {"do": "wait", "until": at(75), "why": "waiting for read"},
            "Wait until 08:01:15",
            "waiting for read",
        ),
        (
            {"do": "finish", "state": "read", "reason": "", "why": "step 1 is read"},
            "The end: read",
            "step 1 is read",
        ),
    ],
)
def test_each_decision_in_a_sentence(decision: dict[str, Any], sentence: str, why: str) -> None:
    (heard,) = timeline.timeline(told(events=(event(1, "cancelled", decision),)), NAMES).events
    (read,) = heard.decisions
    assert (words(read.said), read.why) == (sentence, why)


def test_what_is_told_beside_an_event() -> None:
    heard = event(72.5, "delivered", **HEARD, ref="a", code="0", late=True, evidence="inferred")
    read = timeline.timeline(told(events=(heard,)), NAMES).events[0]
    assert (read.after, read.kind, read.late) == (timedelta(seconds=72.5), "smpp", True)
    assert list(read.notes) == [("note.code", "0"), ("note.ref", "a"), ("note.evidence", "inferred")]


@pytest.mark.parametrize(
    ("attempts", "twice"),
    [
        ((ARRIVED,), False),
        ((tried(1, "vk_notify", "accepted"), ARRIVED), False),
        ((tried(1, "vk_notify", "read", read_at=at(40), late=True), ARRIVED), True),
    ],
)
def test_whether_it_may_have_come_twice(attempts: tuple[dict[str, Any], ...], twice: bool) -> None:
    assert timeline.timeline(told(*attempts, events=(ON, END)), NAMES).twice is twice


# ── the catalogue ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("begin", "ends"),
    [
        ("because", Reason),
        ("class", MessageClass),
        ("reason", Reason),
        ("state", MessageState),
        ("state", AttemptState),
        ("verdict", set(MessageState) - {MessageState.SENT, MessageState.UNKNOWN}),
    ],
)
def test_every_word_of_the_product_is_in_the_catalogue(begin: str, ends: Iterable[StrEnum]) -> None:
    assert {f"{begin}.{end.value}" for end in ends} - set(SHELL.words) == set()


def test_all_that_is_said_is_in_the_catalogue_and_all_of_the_catalogue_is_said() -> None:
    said_by = ("pages", "unknowns_pages", "timeline", "waiting")
    paths = [
        *SOURCES.rglob("templates/*.html"),
        *(p for name in said_by for p in SOURCES.glob(f"*/{name}.py")),
    ]
    texts = [path.read_text() for path in paths]
    rooms = {name.partition(".")[0] for name in SHELL.words if "." in name}
    said = {name for text in texts for name in SAID.findall(text) if name.partition(".")[0] in rooms}
    said -= {name for name in said if name.endswith(".js")}  # scripts of pages
    begun = tuple({begin for text in texts for begin in BEGUN.findall(text)})
    assert said - set(SHELL.words) == set()
    elsewhere = {name for path in SOURCES.rglob("*.py") for name in SAID.findall(path.read_text())}
    idle = {n for n in SHELL.words if n not in said | elsewhere and not n.startswith(("ui.", *begun))}
    assert idle == {"language", "direction"}  # said by the frame, by their bare names


@pytest.mark.parametrize(
    ("set_at", "page"),
    [
        ("/v1/policies/consent", "/settings/policies/consent"),
        ("/v1/suppressions", "/settings/suppressions"),
        ("/v1/lines/lin_1", "/lines/lin_1/settings"),
        ("/v1/lines/lin_1/registrations", "/lines/lin_1/registrations"),
        ("/v1/lines/lin_1/patterns", "/lines/lin_1/patterns"),
        ("/v1/contacts/con_1", "/contacts/con_1"),
        ("/v1/templates", "/templates"),
        ("/v1/lines", ""),
        ("", ""),
    ],
)
def test_where_a_rule_is_set(set_at: str, page: str) -> None:
    skip = {"do": "skip", "step": 1, "reason": "no_line", "detail": "None.", "set_at": set_at}
    assert timeline.page_of(set_at) == page
    assert timeline._decision(skip, NAMES).set_at == page
