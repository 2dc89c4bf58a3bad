"""What steps may be: each thing that can be wrong, by its field, its value and its remedy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from angarium.channels import load
from angarium.core.ports import Capabilities, Channel
from angarium.core.values import MessageClass, Reason, ReceiptStatus, Window
from angarium.messaging import steps
from angarium.messaging.cascade import Step
from angarium.messaging.retry import Action


def channel(kind: str, *receipts: ReceiptStatus, **capabilities: Any) -> Channel:
    """A channel of this kind that reports these."""
    made = Capabilities(frozenset(receipts), frozenset(MessageClass), **capabilities)
    return replace(next(iter(load().values())), kind=kind, title=kind.upper(), capabilities=made)


CHANNELS = {
    one.kind: one
    for one in (
        channel("mute"),
        channel("sms", ReceiptStatus.DELIVERED, ReceiptStatus.FAILED, native_ttl_s=(60, 172_800)),
        channel("chat", ReceiptStatus.DELIVERED, ReceiptStatus.READ),
        channel("seen", ReceiptStatus.READ, can_revoke=True),
    )
}
LINES = {"main": "sms", "spare": "mute"}


def settle(*given: Step) -> tuple[tuple[Step, ...], dict[str, tuple[str, str]]]:
    """The steps, and what is wrong by field: value and remedy."""
    settled, wrong = steps.settle(given, CHANNELS, LINES)
    return settled, {one.field: (one.value, one.remedy) for one in wrong}


@pytest.mark.parametrize(
    ("step", "success"),
    [
        (Step(channel="sms"), "delivered"),
        (Step(line="main"), "delivered"),
        (Step(channel="chat"), "delivered"),
        (Step(channel="seen"), "delivered"),  # who reads has also received
        (Step(channel="mute"), "accepted"),
        (Step(line="spare"), "accepted"),
        (Step(channel="sms", success="accepted"), "accepted"),
        (Step(channel="chat", success="read"), "read"),
    ],
)
def test_success_is_resolved(step: Step, success: str) -> None:
    settled, wrong = settle(step)
    assert wrong == {}
    assert settled == (msgspec.structs.replace(step, success=success),)


def test_a_provider_with_keys_is_left_once_its_tries_are_used_up() -> None:
    keyed = {"sms": channel("sms", ReceiptStatus.DELIVERED, idempotent=True)}
    (usual, own), _ = steps.settle(
        (Step(channel="sms"), Step(channel="sms", on={"no_answer": "stop"})), keyed, LINES
    )
    assert (usual.on, own.on) == ({"no_answer": "next"}, {"no_answer": "stop"})


@pytest.mark.parametrize(
    ("step", "field", "value", "remedy"),
    [
        (Step(), "channel", "", "one of channel and line"),
        (Step(channel="sms", line="main"), "line", "main", "one of channel and line"),
        (Step(channel="fax"), "channel", "fax", "one of chat, mute, seen, sms"),
        (Step(line="other"), "line", "other", "one of main, spare"),
        (Step(channel="sms", success="loved"), "success", "loved", "one of accepted, delivered, read"),
        (Step(channel="sms", success="read"), "success", "read", "one of accepted, delivered"),
        (Step(line="spare", success="delivered"), "success", "delivered", "one of accepted"),
        (Step(channel="sms", wait_s=0.5), "wait_s", "0.5", "1 to 604800 seconds"),
        (Step(channel="sms", wait_s=604_801.0), "wait_s", "604801", "1 to 604800 seconds"),
        (Step(channel="sms", start_within_s=0.0), "start_within_s", "0", "1 to 604800 seconds"),
        (Step(channel="sms", on={"bored": "next"}), "on", "bored", "one of " + ", ".join(Reason)),
        (
            Step(channel="sms", on={"not_a_user": "shout"}),
            "on.not_a_user",
            "shout",
            "one of " + ", ".join(Action),
        ),
        (Step(channel="sms", hours=Window("25:00")), "hours.from", "25:00", "HH:MM, from 00:00 to 23:59"),
        (Step(channel="sms", hours=Window(until="x")), "hours.until", "x", "HH:MM, from 00:00 to 24:00"),
        (Step(channel="sms", hours=Window(days=(0,))), "hours.days", "0", "1 (Monday) to 7 (Sunday)"),
    ],
)
def test_what_is_wrong_is_named(step: Step, field: str, value: str, remedy: str) -> None:
    _, wrong = settle(Step(channel="sms"), step)
    assert wrong == {f"steps[1].{field}": (value, remedy)}


def test_everything_that_is_wrong_is_said_at_once() -> None:
    _, wrong = settle(Step(channel="fax", wait_s=0.0), Step(line="other", success="loved"))
    assert list(wrong) == ["steps[0].channel", "steps[0].wait_s", "steps[1].line", "steps[1].success"]


@pytest.mark.parametrize(
    ("count", "good"), [(0, False), (1, True), (steps.STEPS_MAX, True), (steps.STEPS_MAX + 1, False)]
)
def test_how_many_there_may_be(count: int, good: bool) -> None:
    _, wrong = settle(*[Step(channel="sms")] * count)
    assert wrong == ({} if good else {"steps": (str(count), "1 to 10")})


def test_every_step_at_its_limits_is_good() -> None:
    on = {reason.value: Action.NEXT.value for reason in Reason}
    _, wrong = settle(Step(channel="sms", wait_s=1.0, start_within_s=604_800.0, on=on))
    assert wrong == {}


# ── the same steps ───────────────────────────────────────────────────────────────────────────────────

ONE = Step(channel="sms", success="delivered", wait_s=300.0, on={"rejected": "stop", "expired": "next"})


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (msgspec.structs.replace(ONE, on={"expired": "next", "rejected": "stop"}), True),
        (msgspec.json.decode(msgspec.json.encode(ONE), type=Step), True),
        (msgspec.json.decode(b'{"wait_s":60,"channel":"sms"}', type=Step), False),
        (msgspec.structs.replace(ONE, success="accepted"), False),
        (msgspec.structs.replace(ONE, start_within_s=60.0), False),
    ],
)
def test_the_digest_tells_steps_apart(other: Step, same: bool) -> None:
    assert (steps.digest([ONE]) == steps.digest([other])) is same


def test_the_digest_stays_what_it_is() -> None:
    """It is kept in databases: another digest for the same steps would make a version of each again."""
    assert steps.digest([Step(channel="sms", success="delivered")]) == (
        "c67f2374965ccd70280f2bf1c1b8944f573c0268c0e34ee40b9f037f9d6b7686"
    )


# ── what may come late ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        ([Step(channel="chat"), Step(channel="sms")], ["steps[0]"]),  # can neither revoke nor expire
        ([Step(line="main", wait_s=30.0), Step(channel="chat")], ["steps[0]"]),  # tries for 60 s at least
        ([Step(channel="sms", wait_s=60.0), Step(channel="chat")], []),
        ([Step(channel="seen"), Step(channel="sms")], []),  # is taken back
        ([Step(channel="chat", success="accepted"), Step(channel="sms")], []),  # nothing follows
        ([Step(channel="sms", wait_s=60.0), Step(channel="chat"), Step(channel="sms")], ["steps[1]"]),
        ([Step(channel="chat")], []),
    ],
)
def test_where_a_message_may_come_after_its_fallback(given: list[Step], warned: list[str]) -> None:
    settled, _ = settle(*given)
    found = steps.warnings(settled, CHANNELS, LINES)
    assert [one.field for one in found] == warned
    assert all(one.problem and one.remedy for one in found)
