"""What the steps of a cascade must be before they are kept, and what their author should know. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from angarium.core import window
from angarium.core.ports import Channel
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import Reason, ReceiptStatus, Window
from angarium.messaging.cascade import Step
from angarium.messaging.retry import Action

STEPS_MAX = 10
WAIT_MIN_S, WAIT_MAX_S = 1.0, 604_800.0  # a week
NAMES_SHOWN_MAX = 20  # lines listed in a remedy

# What a channel must report for a step to succeed so; who reads has also received.
REPORTED_BY = {
    "accepted": frozenset[ReceiptStatus](),
    "delivered": frozenset({ReceiptStatus.DELIVERED, ReceiptStatus.READ}),
    "read": frozenset({ReceiptStatus.READ}),
}
_encode = msgspec.json.Encoder(order="deterministic").encode


def settle(
    steps: Sequence[Step], channels: Mapping[str, Channel], channel_of_line: Mapping[str, str]
) -> tuple[tuple[Step, ...], tuple[FieldProblem, ...]]:
    """The steps with their success resolved, and everything that is wrong with them.

    A step that does not say what success is wants delivery, or acceptance where delivery is not reported.
    One whose provider has keys is left when it is not answered: it was tried again under its key, and a
    second attempt would have a key of its own and could double it.
    """
    wrong: list[FieldProblem] = []
    if not 1 <= len(steps) <= STEPS_MAX:
        wrong.append(FieldProblem("steps", "are none or too many", f"1 to {STEPS_MAX}", str(len(steps))))
    settled = []
    for place, step in enumerate(steps[:STEPS_MAX]):
        channel = channels.get(kind_of(step, channel_of_line))
        if channel is not None:
            step = _resolved(step, channel)  # noqa: PLW2901  the same step, said whole
        settled.append(step)
        found = (*_check_way(step, channels, channel_of_line), *_check_terms(step, channel))
        wrong += [msgspec.structs.replace(one, field=f"steps[{place}].{one.field}") for one in found]
    return tuple(settled), tuple(wrong)


def within(
    steps: Sequence[Step], hours: Window, field: str
) -> tuple[tuple[Step, ...], tuple[FieldProblem, ...]]:
    """The steps, each of them in these hours; and the hours of steps that have none in common with them."""
    fitting: list[Step] = []
    wrong: list[FieldProblem] = []
    for place, step in enumerate(steps):
        common = hours if step.hours is None else window.both(step.hours, hours)
        if common is None and step.hours is not None:
            own = f"{step.hours.from_} to {step.hours.until}"
            remedy = "hours that are open in both, within one day"
            wrong.append(FieldProblem(field, f"does not fit the hours of step {place + 1}", remedy, own))
        fitting.append(msgspec.structs.replace(step, hours=common))
    return tuple(fitting), tuple(wrong)


def digest(steps: Sequence[Step]) -> str:
    """The same for the same steps: SHA-256 of their canonical JSON, as hex."""
    return hashlib.sha256(_encode(steps)).hexdigest()


def warnings(
    steps: Sequence[Step], channels: Mapping[str, Channel], channel_of_line: Mapping[str, str]
) -> tuple[FieldProblem, ...]:
    """Where a message may still arrive after the fallback has been sent; nothing that is forbidden."""
    found = []
    for place, step in enumerate(steps[:-1]):
        channel = channels.get(kind_of(step, channel_of_line))
        if channel is not None and step.success != "accepted" and not channel.capabilities.can_revoke:
            found += [msgspec.structs.replace(one, field=f"steps[{place}]") for one in _late(step, channel)]
    return tuple(found)


def kind_of(step: Step, channel_of_line: Mapping[str, str]) -> str:
    """The kind of channel that a step uses; empty when its line is not known."""
    return channel_of_line.get(step.line, "") if step.line else step.channel


def _resolved(step: Step, channel: Channel) -> Step:
    on = step.on
    if channel.capabilities.idempotent:
        on = {Reason.NO_ANSWER.value: Action.NEXT.value, **on}
    return msgspec.structs.replace(step, success=step.success or _best_success(channel), on=on)


def _best_success(channel: Channel) -> str:
    return "delivered" if _reports(channel, "delivered") else "accepted"


def _reports(channel: Channel, success: str) -> bool:
    wanted = REPORTED_BY[success]
    return not wanted or bool(wanted & channel.capabilities.receipts)


def _check_way(
    step: Step, channels: Mapping[str, Channel], channel_of_line: Mapping[str, str]
) -> Iterator[FieldProblem]:
    """A channel or a line, one of the two, and one that is there."""
    if step.channel and step.line:
        yield FieldProblem("line", "stands beside a channel", "one of channel and line", shown(step.line))
    elif not step.channel and not step.line:
        yield FieldProblem("channel", "is missing", "one of channel and line")
    elif step.channel and step.channel not in channels:
        kinds = "one of " + ", ".join(sorted(channels))
        yield FieldProblem("channel", "there is no such channel", kinds, shown(step.channel))
    elif step.line and step.line not in channel_of_line:
        names = ", ".join(sorted(channel_of_line)[:NAMES_SHOWN_MAX])
        remedy = f"one of {names}" if names else "create the line first"
        yield FieldProblem("line", "there is no such line", remedy, shown(step.line))


def _check_terms(step: Step, channel: Channel | None) -> Iterator[FieldProblem]:
    if step.success and step.success not in REPORTED_BY:
        yield FieldProblem("success", "is not one", "one of " + ", ".join(REPORTED_BY), shown(step.success))
    elif channel is not None and step.success and not _reports(channel, step.success):
        fitting = ", ".join(word for word in REPORTED_BY if _reports(channel, word))
        yield FieldProblem(
            "success", f"{channel.title} does not report it", f"one of {fitting}", step.success
        )
    for name, seconds in (("wait_s", step.wait_s), ("start_within_s", step.start_within_s)):
        if seconds is not None and not WAIT_MIN_S <= seconds <= WAIT_MAX_S:
            remedy = f"{WAIT_MIN_S:g} to {WAIT_MAX_S:g} seconds"
            yield FieldProblem(name, "is out of range", remedy, f"{seconds:g}")
    if step.hours is not None:
        yield from window.wrong(step.hours, "hours")
    for reason, action in step.on.items():
        if reason not in set(Reason):
            yield FieldProblem("on", "there is no such reason", "one of " + ", ".join(Reason), shown(reason))
        elif action not in set(Action):
            remedy = "one of " + ", ".join(Action)
            yield FieldProblem(f"on.{reason}", "there is no such action", remedy, shown(action))


def _late(step: Step, channel: Channel) -> Iterator[FieldProblem]:
    bounds = channel.capabilities.native_ttl_s
    if bounds is None:
        yield FieldProblem(
            "",
            f"{channel.title} can neither take a message back nor be told when to give up: it may still be "
            "delivered after the next step was sent",
            "put this step last, or let it succeed when it is accepted",
        )
    elif step.wait_s < bounds[0]:
        yield FieldProblem(
            "",
            f"{channel.title} goes on trying for at least {bounds[0]:g} s: it may still be delivered after "
            "the next step was sent",
            f"wait_s of {bounds[0]:g} or more",
            f"{step.wait_s:g}",
        )
