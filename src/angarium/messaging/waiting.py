"""Why a message that is not final waits, until when, and what follows then. Pure.

Nothing here decides. What follows is what the cascade itself decides when it is asked about the time to come,
so that it cannot be told otherwise than it will be done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from angarium.core.clock import iso, micros, to_datetime
from angarium.core.values import Reason
from angarium.messaging.cascade import HOLD_S, Decision, Finish, Run, Send, Step, TakeBack, WaitUntil, decide
from angarium.messaging.case import Case
from angarium.messaging.states import OPEN_ATTEMPT, PAUSED, AttemptState, MessageState
from angarium.messaging.store.attempts import Attempt

Document = dict[str, Any]
Sentence = tuple[str, dict[str, object]]


class For(StrEnum):
    """What a message waits for."""

    HOUR = "hour"  # the time it was asked for
    HOURS = "hours"  # the hours of its line, the quiet hours of its contact, or room under a cap
    RETRY = "retry"  # the provider could not take it, and is asked again
    TURN = "turn"  # its turn on its line
    CONNECTION = "connection"  # its line to be connected
    REST = "rest"  # its line to have rested, or to go as fast again as it may
    SWITCH = "switch"  # its line to be switched on, approved or back
    ANSWER = "answer"  # the provider's answer
    EVIDENCE = "evidence"  # of what was never answered
    RECEIPT = "receipt"  # word that it was delivered or read
    DECISION = "decision"  # our own, in a moment
    PAUSE = "pause"  # its campaign to go on
    REVIEW = "review"  # somebody who looks at its wording
    RELEASE = "release"  # somebody who releases it, after a backup was put back
    PERSON = "person"  # somebody who decides


class LineNow(msgspec.Struct, frozen=True):
    """A line as it is now; `held` says why its queue does not go as it should, `until` when that may end."""

    name: str
    on: bool = True
    connected: bool = True
    speed_per_s: float = 0.0  # 0: without limit
    answers_within_s: float | None = None
    held: str = ""
    until: int | None = None

    def waits_for(self) -> For:
        """What whatever is due on it waits for."""
        if not self.on:
            return For.SWITCH
        if not self.connected:
            return For.CONNECTION
        return For.REST if self.held else For.TURN


GONE = LineNow("", on=False)


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """What a message waits for. `until` None: until something is heard. `then` None: it is handed over."""

    what: For
    since: int
    until: int | None
    step: int = 0
    then: Decision | None = None
    line: str = ""
    detail: str = ""
    speed_per_s: float = 0.0
    ahead: int | None = None  # how many are before it on its line; None: not counted


def waiting(case: Case, lines: Mapping[int, LineNow], now: int) -> Wait | None:
    """What this message waits for; None when it is final."""
    message, run = case.message, case.run()
    silent = [a for a in case.attempts if a.state is AttemptState.UNKNOWN]
    if message.finished_at is not None:
        if message.state is not MessageState.UNKNOWN or message.reason == Reason.LEFT or not silent:
            return None
        last = silent[-1]
        line = lines.get(last.line_id, GONE).name
        since = last.ended_at or message.finished_at
        return Wait(what=For.PERSON, since=since, until=None, step=last.step, line=line)
    if message.held:
        then = decide(run, message.expires_at)
        what = For.REVIEW if message.reason == Reason.REVIEW else For.RELEASE
        return Wait(what=what, since=message.created_at, until=message.expires_at, then=then)
    attempt = next((a for a in case.attempts if a.state in OPEN_ATTEMPT), None)
    if attempt is None:
        return _between(case, run, lines, now)
    line_now = lines.get(attempt.line_id, GONE)
    if attempt.state is AttemptState.SUBMITTING:
        return _for_answer(run, attempt, line_now)
    if attempt.due_at > now:
        return _for_its_time(case, attempt, line_now)
    return _on_its_line(run, attempt, line_now, now)


def _between(case: Case, run: Run, lines: Mapping[int, LineNow], now: int) -> Wait:
    """No attempt is open: the hour, evidence or a receipt is waited for."""
    message = case.message
    if not case.attempts and not message.skips and message.decide_at is not None and message.decide_at > now:
        return Wait(what=For.HOUR, since=message.created_at, until=message.decide_at)
    decision = decide(run, now)
    if not isinstance(decision, WaitUntil) or not run.tries:
        return Wait(what=For.DECISION, since=message.decide_at or now, until=now, then=decision)
    then = decide(run, decision.at)
    taken = [a for a in case.attempts if a.state in (AttemptState.ACCEPTED, AttemptState.DELIVERED)]
    last = case.attempts[-1]
    if last.state is AttemptState.UNKNOWN and decision.at == _held_until(last, run):
        what, spoken_of, since = For.EVIDENCE, last, last.ended_at or now
    else:
        spoken_of = taken[-1] if taken else last
        what, since = For.RECEIPT, spoken_of.accepted_at or now
    line = lines.get(spoken_of.line_id, GONE).name
    return Wait(what=what, since=since, until=decision.at, step=spoken_of.step, then=then, line=line)


def _held_until(attempt: Attempt, run: Run) -> int:
    return (attempt.ended_at or attempt.planned_at) + micros(HOLD_S[run.message_class])


def _for_answer(run: Run, attempt: Attempt, line: LineNow) -> Wait:
    since = attempt.submitted_at or attempt.planned_at
    until, then = None, None
    if line.answers_within_s is not None:
        until = since + micros(line.answers_within_s)
        then = WaitUntil(until + micros(HOLD_S[run.message_class]), "evidence")
    return Wait(what=For.ANSWER, since=since, until=until, step=attempt.step, then=then, line=line.name)


def _for_its_time(case: Case, attempt: Attempt, line: LineNow) -> Wait:
    what = For.RETRY if attempt.reason or attempt.detail else For.HOURS
    if attempt.detail == PAUSED:
        what = For.PAUSE
    since = attempt.submitted_at or case.message.created_at
    return Wait(
        what=what,
        since=since,
        until=attempt.due_at,
        step=attempt.step,
        line=line.name,
        detail=attempt.reason or attempt.detail,
    )


def _on_its_line(run: Run, attempt: Attempt, line: LineNow, now: int) -> Wait:
    decision = decide(run, now)
    limit = decision.at if isinstance(decision, WaitUntil) else now
    what = line.waits_for()
    until, then = (line.until, None) if what is For.REST and line.until else (limit, decide(run, limit))
    return Wait(
        what=what,
        since=attempt.due_at,
        until=until,
        step=attempt.step,
        then=then,
        line=line.name,
        detail=line.held if what is For.REST else "",
        speed_per_s=line.speed_per_s,
    )


# ── as it is told ────────────────────────────────────────────────────────────────────────────────────


def document(wait: Wait, steps: Sequence[Step]) -> Document:
    """A wait as the API tells it, without its sentence."""
    told: Document = {
        "for": wait.what.value,
        "since": iso(wait.since),
        "until": None if wait.until is None else iso(wait.until),
        "then": _then_document(wait, steps),
    }
    if wait.line:
        told["line"] = wait.line
    if wait.ahead is not None:
        told |= {"ahead": wait.ahead, "speed_per_s": wait.speed_per_s}
    if wait.detail:
        told["detail"] = wait.detail
    return told


def _then_document(wait: Wait, steps: Sequence[Step]) -> Document:
    match wait.then:
        case Send(step):
            named = {"channel": steps[step].channel} if steps[step].channel else {"line": steps[step].line}
            return {"do": "send", "step": step + 1, "again": step == wait.step and bool(wait.line), **named}
        case Finish(state, reason):
            return {"do": "finish", "state": state.value, "reason": reason.value if reason else ""}
        case WaitUntil(at):
            return {"do": "wait", "until": iso(at)}
        case TakeBack():
            return {"do": "take_back"}
        case _:
            return {"do": "nothing" if wait.what in (For.PERSON, For.ANSWER) else "submit"}


def sentence(wait: Wait, steps: Sequence[Step]) -> Sentence:
    """A wait in words: the name of a sentence and what fills its gaps; channels by their kind."""
    name = f"waiting.{wait.what.value}"
    if wait.what is For.TURN:
        name += (".ahead" if wait.speed_per_s else ".behind") if wait.ahead else ".alone"
    if wait.what in (For.ANSWER, For.REST):
        name += ".until" if wait.until is not None else ".open"
    return name, {
        "line": wait.line,
        "since": to_datetime(wait.since),
        "until": to_datetime(wait.until) if wait.until is not None else "",
        "then": _then_said(wait, steps),
        "success": (f"state.{steps[wait.step].success}", {}) if steps else "",
        "why": (f"reason.{wait.detail}", {}) if wait.detail in set(Reason) else wait.detail,
        "ahead": f"{wait.ahead or 0:,}",
        "speed": f"{wait.speed_per_s:g}",
    }


def _then_said(wait: Wait, steps: Sequence[Step]) -> Sentence:
    match wait.then:
        case Send(step) if step == wait.step and wait.line:
            return "then.again", {}
        case Send(step):
            return "then.send", {"step": step + 1, "channel": steps[step].channel or steps[step].line}
        case Finish(MessageState.UNKNOWN):
            return "then.person", {}
        case Finish(state):
            return "then.finish", {"state": (f"state.{state.value}", {})}
        case WaitUntil(at):
            return "then.evidence", {"until": to_datetime(at)}
        case _:
            return "then.submit", {}
