"""A told message (`story.tell`) as what a person reads of it: a verdict, its steps and its timeline. Pure.

What is said is named, not worded: a sentence is its name in `templates/words.en.toml` and what fills its
gaps, which may be sentences themselves. So the words stand in one place, and another language changes nothing
here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from angarium.messaging.states import ATTEMPT_SUCCESS, AttemptState, MessageState

Document = dict[str, Any]
Sentence = tuple[str, dict[str, object]]

# How a state looks: good news, under way, doubtful, bad news, nothing yet.
GOOD, ON, DOUBT, BAD, QUIET = "good", "on", "doubt", "bad", "quiet"
MESSAGE_TONES = {
    MessageState.SCHEDULED: QUIET,
    MessageState.QUEUED: QUIET,
    MessageState.UNKNOWN: DOUBT,
    MessageState.SENT: ON,
    MessageState.DELIVERED: GOOD,
    MessageState.READ: GOOD,
    MessageState.FAILED: BAD,
    MessageState.REFUSED: BAD,
    MessageState.EXPIRED: BAD,
    MessageState.CANCELLED: QUIET,
}
ATTEMPT_TONES = {
    AttemptState.QUEUED: QUIET,
    AttemptState.SUBMITTING: ON,
    AttemptState.ACCEPTED: ON,
    AttemptState.DELIVERED: GOOD,
    AttemptState.READ: GOOD,
    AttemptState.REFUSED: BAD,
    AttemptState.FAILED: BAD,
    AttemptState.UNKNOWN: DOUBT,
    AttemptState.CANCELLED: QUIET,
}
EVENT_TONES = {
    "sent": ON,
    "delivered": GOOD,
    "read": GOOD,
    "opened": GOOD,
    "clicked": GOOD,
    "failed": BAD,
    "not_taken": BAD,
    "stopped": BAD,
    "unanswered": DOUBT,
    "postponed": DOUBT,
}
RANKS = {state.value: rank for state, rank in ATTEMPT_SUCCESS.items()}
ARRIVED = RANKS["delivered"]
SUCCEEDED = {"sent", "delivered", "read"}  # states of a message that ended well, when they have no reason
NOTED = ("code", "detail", "parts", "refs", "ref", "evidence")  # what is told of an event beside its sentence


class Names(msgspec.Struct, frozen=True):
    """What things are called: channels by kind, and the kinds of the workspace's lines by their names."""

    channels: Mapping[str, str]
    kind_of_line: Mapping[str, str]

    def channel(self, kind: str) -> str:
        """The name of a channel; its kind, when it has gone."""
        return self.channels.get(kind, kind)


class Step(msgspec.Struct, frozen=True):
    """A step of the cascade, and what became of it."""

    number: int
    kind: str
    channel: str
    line: str
    success: str
    wait: timedelta
    tone: str
    fate: Sentence


class Decision(msgspec.Struct, frozen=True):
    """What was decided upon an event, and why; the lines that were weighed, best first."""

    do: str
    said: Sentence
    why: str
    lines: Sequence[Document] = ()
    set_at: str = ""  # the page on which its rule is changed


class Event(msgspec.Struct, frozen=True):
    """Something that was heard or came to pass."""

    at: datetime
    after: timedelta
    tone: str
    kind: str
    said: Sentence
    notes: Sequence[tuple[str, str | int]]
    decisions: Sequence[Decision]
    late: bool


class Timeline(msgspec.Struct, frozen=True):
    """A message as a person reads it."""

    tone: str
    verdict: Sentence
    twice: bool
    steps: Sequence[Step]
    events: Sequence[Event]


def timeline(document: Document, names: Names) -> Timeline:
    """A told message as what is read of it. ValueError when its state is none of ours."""
    arrived = [tried for tried in document["attempts"] if RANKS.get(tried["state"], 0) >= ARRIVED]
    return Timeline(
        MESSAGE_TONES[MessageState(document["state"])],
        _verdict(document, names),
        len(arrived) > 1,
        [_step(document, names, place) for place in range(len(document["steps"]))],
        _events(document, names),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


# ── the verdict ──────────────────────────────────────────────────────────────────────────────────────


def _verdict(document: Document, names: Names) -> Sentence:
    """The whole story in a sentence."""
    state = document["state"]
    best = best_attempt(document["attempts"])
    channel = names.channel(best["channel"]) if best else ""
    match state:
        case "delivered" | "read" if best:
            at = datetime.fromisoformat(best[f"{state}_at"])
            after = at - datetime.fromisoformat(document["created_at"])
            return f"verdict.{state}", {"channel": channel, "at": at, "after": after}
        case "sent" if best:
            return f"verdict.sent.{'ended' if document['finished'] else 'open'}", {"channel": channel}
        case "unknown":
            return _unanswered(document, names)
        case "scheduled":
            planned = [tried["planned_at"] for tried in document["attempts"]]
            return "verdict.scheduled", {"until": _time(planned[-1] if planned else document["waits_until"])}
        case _:
            return f"verdict.{state}", {}


def _unanswered(document: Document, names: Names) -> Sentence:
    """It may have gone out: whether evidence is awaited, or another copy sent, or a person has to decide."""
    silent = [tried for tried in document["attempts"] if tried["state"] == AttemptState.UNKNOWN]
    values: dict[str, object] = {
        "channel": names.channel(silent[-1]["channel"]),
        "until": _time(document["waits_until"]),
    }
    again = silent[-1] is not document["attempts"][-1]
    phase = "ended" if document["finished"] else "again" if again else "open"
    return f"verdict.unknown.{phase}", values


def best_attempt(attempts: Sequence[Document]) -> Document | None:
    """The attempt that came furthest; of several the last, and none when nothing was tried."""
    return max(attempts, key=lambda tried: (RANKS.get(tried["state"], 0), tried["id"]), default=None)


# ── the steps ────────────────────────────────────────────────────────────────────────────────────────


def _step(document: Document, names: Names, place: int) -> Step:
    step = document["steps"][place]
    kind = step.get("channel") or names.kind_of_line.get(step["line"], "")
    tone, fate = _fate(document, place)
    return Step(
        place + 1,
        kind,
        names.channel(kind) or step["line"],
        step.get("line", ""),
        step["success"],
        timedelta(seconds=step.get("wait_s", 300.0)),
        tone,
        fate,
    )


def _fate(document: Document, place: int) -> tuple[str, Sentence]:
    """What became of a step."""
    tries = [tried for tried in document["attempts"] if tried["step"] == place + 1]
    best = best_attempt(tries)
    if best is None:
        return _untried(document, place)
    state, success = best["state"], document["steps"][place]["success"]
    rank = RANKS.get(state, 0)
    if rank >= RANKS[success] and best["late"]:
        return DOUBT, (f"fate.late.{state}", _late(document, place, best, success))
    if rank >= RANKS[success]:
        return GOOD, (f"fate.reached.{state}", {"at": _time(best[f"{state}_at"])})
    if rank:
        return _short(document, place, best, success)
    values: dict[str, object] = {
        "reason": _reason(best["reason"]),
        "at": _time(best["ended_at"] or best["planned_at"]),
    }
    name = "again" if state == "queued" and best["reason"] else state
    return ATTEMPT_TONES[AttemptState(state)], (f"fate.{name}", values)


def _late(document: Document, place: int, best: Document, success: str) -> dict[str, object]:
    return {
        "accepted": _time(best["accepted_at"]),
        "success": (f"state.{success}", {}),
        "until": _left_at(document, place),
        "at": _time(best[f"{best['state']}_at"]),
    }


def _untried(document: Document, place: int) -> tuple[str, Sentence]:
    skips = [
        decision
        for event in document["timeline"]
        for decision in event.get("decisions", ())
        if decision["do"] == "skip" and decision["step"] == place + 1
    ]
    if skips:
        return BAD, ("fate.skipped", {"reason": _reason(skips[-1]["reason"])})
    if not document["finished"]:
        return QUIET, ("fate.ahead", {})
    well = document["state"] in SUCCEEDED and not document["reason"]
    return QUIET, ("fate.unneeded" if well else "fate.unreached", {})


def _short(document: Document, place: int, best: Document, success: str) -> tuple[str, Sentence]:
    """Taken, or even delivered, but not what the step asked for: it is waited for, or was."""
    left_at = _left_at(document, place)
    at = datetime.fromisoformat(best[f"{best['state']}_at"])
    if left_at is not None:
        return DOUBT, (f"fate.missed.{best['state']}.{success}", {"at": at, "until": left_at})
    waits_s = document["steps"][place].get("wait_s", 300.0)
    until = datetime.fromisoformat(best["accepted_at"]) + timedelta(seconds=waits_s)
    return ON, (f"fate.waiting.{best['state']}.{success}", {"at": at, "until": until})


def _left_at(document: Document, place: int) -> datetime | None:
    """When the next step was begun, or all ended; None while this step is waited for, or is again."""
    left_at = None
    for event in document["timeline"]:
        for decision in event.get("decisions", ()):
            if decision["do"] == "send" and decision["step"] == place + 1:
                left_at = None
            later = decision["do"] in ("send", "skip") and decision["step"] > place + 1
            if later or decision["do"] == "finish":
                left_at = left_at or _time(event["at"])
            elif decision["do"] == "take_back" and decision["step"] > place + 1:
                left_at = None
    return left_at


def _reason(reason: str) -> Sentence | str:
    return (f"reason.{reason}", {}) if reason else ""


# ── the events ───────────────────────────────────────────────────────────────────────────────────────


def _events(document: Document, names: Names) -> list[Event]:
    began = datetime.fromisoformat(document["created_at"])
    events: list[Event] = []
    for event in document["timeline"]:
        at = datetime.fromisoformat(event["at"])
        kind = _kind(document, names, event)
        contradicted = "contradicts" in event
        events.append(
            Event(
                at,
                max(timedelta(), at - began),
                DOUBT if contradicted else EVENT_TONES.get(event["event"], QUIET),
                kind,
                _said(event, names.channel(kind), first=not events),
                [(f"note.{name}", _note(event[name])) for name in NOTED if event.get(name)],
                _decisions(event, names),
                bool(event.get("late")),
            )
        )
    return events


def _kind(document: Document, names: Names, event: Document) -> str:
    """The kind of channel an event is about; empty when it is about none."""
    if "step" not in event:
        return ""
    step = document["steps"][event["step"] - 1]
    return str(event.get("channel") or step.get("channel") or names.kind_of_line.get(step["line"], ""))


def _said(event: Document, channel: str, *, first: bool) -> Sentence:
    """One event in a sentence. What a provider answers has `refs`, what it reports later has `ref`."""
    kind = event["event"]
    values: dict[str, object] = {
        "channel": channel,
        "line": event.get("line", ""),
        "reason": _reason(event.get("reason", "")),
    }
    match kind:
        case "accepted" if first:
            return "event.taken_in", {"class": (f"class.{event['class']}", {})}
        case "decided":
            return _decided(event)
        case "ruled":
            return f"event.ruled.{event['ruling']}", {**values, "by": event["by"]}
        case "sent" if "refs" in event:
            return "event.taken", values
        case _ if "contradicts" in event:
            return "event.contradicted", {**values, "before": (f"state.{event['contradicts']}", {})}
        case "accepted" | "sent":
            return "event.on_its_way", values
        case "clicked":
            return "event.clicked", {**values, "url": event.get("url", "")}
        case "reviewed" | "turned_down":
            return f"event.{kind}", {"by": event["by"]}
        case "delivered" | "read" if event.get("late"):
            return f"event.late.{kind}", values
        case (
            "delivered"
            | "read"
            | "failed"
            | "not_taken"
            | "postponed"
            | "stopped"
            | "unanswered"
            | "cancelled"
            | "released"
            | "opened"
        ):
            return f"event.{kind}", values
        case _:
            return "event.other", {"kind": kind}


def _decided(event: Document) -> Sentence:
    decisions = event.get("decisions", ())
    why = decisions[0]["why"] if decisions else ""
    return ("event.hour", {}) if why == "first step" else ("event.time_up", {"why": why})


def _note(value: object) -> str | int:
    if isinstance(value, int):
        return value
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _decisions(event: Document, names: Names) -> list[Decision]:
    """What was decided upon an event; when time was up, the event itself has said why."""
    decisions = [_decision(decision, names) for decision in event.get("decisions", ())]
    if event["event"] == "decided" and decisions:
        decisions[0] = msgspec.structs.replace(decisions[0], why="")
    return decisions


def page_of(set_at: str) -> str:
    """The page of the console for the path under which the API changes a rule; none: it has no page."""
    noun, _, rest = set_at.removeprefix("/v1/").partition("/")
    match noun:
        case "policies" | "suppressions":
            return f"/settings/{noun}/{rest}".removesuffix("/")
        case "lines" if rest:
            return f"/lines/{rest}" if "/" in rest else f"/lines/{rest}/settings"
        case "contacts" | "templates" | "cascades":
            return f"/{noun}/{rest}".removesuffix("/")
    return ""


def _decision(decision: Document, names: Names) -> Decision:
    do, set_at = decision["do"], page_of(decision.get("set_at", ""))
    match do:
        case "send":
            values: dict[str, object] = {
                "step": decision["step"],
                "channel": names.channel(decision["channel"]),
                "line": decision["line"],
                "due": _time(decision.get("due")),
            }
            name = "decision.send_later" if "due" in decision else "decision.send"
            return Decision(do, (name, values), decision.get("held") or decision["why"], decision["lines"])
        case "skip":
            values = {"step": decision["step"], "reason": _reason(decision["reason"])}
            if "heard" in decision:
                heard = {"channel": names.channel(decision["channel"]), "heard": decision["heard"][:10]}
                remembered: Sentence = (f"decision.remembered.{decision['reason']}", values | heard)
                return Decision(do, remembered, "", set_at=set_at)
            return Decision(do, ("decision.skip", values), decision["detail"], set_at=set_at)
        case "hold":
            values = {"step": decision["step"]}
            return Decision(do, ("decision.hold", values), decision["detail"], set_at=set_at)
        case "take_back":
            values = {"step": decision["step"], "line": decision["line"]}
            return Decision(do, ("decision.take_back", values), decision["why"])
        case "wait":
            return Decision(do, ("decision.wait", {"until": _time(decision["until"])}), decision["why"])
        case _:
            ended: Sentence = (f"state.{decision['state']}", {})
            return Decision(do, ("decision.finish", {"state": ended}), decision["why"])
