"""Messages of which nobody knows whether they went out: what is told of them, what a person may decide."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.core import ids
from angarium.core.clock import iso, micros
from angarium.core.problems import Problem
from angarium.core.values import Reason, ReceiptStatus
from angarium.messaging import unknowns
from angarium.messaging.case import wake
from angarium.messaging.store.unknowns import Wanted
from angarium.messaging.unknowns import Order, Ruled, Ruling
from support.relay import NO_ANSWER, Relay, refused
from support.still import START

CLASSES = ("otp", "transactional", "service", "promotional")
HOLD_S = 90.0  # of a promotional message


def at(seconds: float) -> str:
    """A time after the beginning."""
    return iso(START + micros(seconds))


async def silent(relay: Relay, line: str = "sms", message_class: str = "promotional", **given: Any) -> int:
    """A message that was handed over and never answered, and is given up; its id."""
    if line not in relay.lines:
        await relay.line(line, "smpp", classes=CLASSES)
    message = await relay.send(**{"class": message_class}, line=line, **given)
    await relay.take(line, NO_ANSWER)
    await relay.wait(HOLD_S)
    return message


async def listed(relay: Relay, **wanted: Any) -> list[dict[str, Any]]:
    """Those that fit."""
    found, _ = await relay.ground.db.read(
        unknowns.listing, relay.world, relay.workspace_id, Wanted(**wanted), 0, 100
    )
    return found


async def rule(relay: Relay, ruling: str, *messages: int, attempt_id: int = 0) -> list[Ruled]:
    """What becomes of a person's decision on messages."""
    orders = [Order(one, Ruling(ruling), "asked the operator", "Maryam", attempt_id) for one in messages]
    ruled, cases = await relay.ground.db.run(
        unknowns.decide, relay.world, relay.workspace_id, orders, relay.clock.now()
    )
    wake(relay.world, cases)
    return ruled


def problem_of(ruled: Ruled) -> Problem:
    """Why it was not done."""
    assert ruled.problem is not None, ruled
    return ruled.problem


# ── what is told ─────────────────────────────────────────────────────────────────────────────────────


async def test_each_shows_its_age_what_was_sent_and_what_will_be_done(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=CLASSES)
    message = await relay.send(line="sms")
    await relay.restart("sms", epoch=7)
    (attempt,) = await relay.claim("sms", epoch=7)
    relay.clock.advance(10.0)
    await relay.answer(attempt, NO_ANSWER)
    relay.clock.advance(20.0)
    (told,) = await listed(relay)
    assert (told["id"], told["since"], told["age_s"]) == (ids.show("message", message), at(10), 20)
    (sent,) = told["attempts"]
    assert sent["id"] == ids.show("attempt", attempt.id)
    assert (sent["line"], sent["session"], sent["submitted_at"]) == ("sms", 7, at(0))
    assert (sent["address"], sent["detail"]) == ("+380501234567", "no answer within 10 s")
    assert told["waiting"]["until"] == at(70)
    assert told["waiting"]["then"] == {"do": "send", "step": 1, "again": True, "line": "sms"}
    assert told["rulings"] == ["sent", "not_sent", "resend"]


async def test_receipts_that_may_fit_are_shown_with_why_they_were_not_matched(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=CLASSES)
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="early", address="+380501234567")
    relay.clock.advance(1.0)
    for _ in range(2):
        await relay.send(**{"class": "promotional"}, line="sms")
        await relay.take("sms", NO_ANSWER)
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="whose", address="+380501234567")
    await relay.send(line="sms")
    for told in await listed(relay):
        assert [(one["ref"], one["status"]) for one in told["evidence"]] == [
            ("early", "delivered"),
            ("whose", "delivered"),
        ]
        assert [one["why_not"] for one in told["evidence"]] == [
            "It came before this was handed over.",
            "1 more to this address were never answered, and it may be about one of them.",
        ]
    await relay.claim("sms")
    why_not = [told["evidence"][1]["why_not"] for told in await listed(relay)]
    assert why_not == ["1 more to this address are on their way, and it may be about one of them."] * 2


async def test_they_are_filtered_and_counted(relay: Relay) -> None:
    a = await silent(relay, "sms-a")
    b = await silent(relay, "sms-b")
    c = await silent(relay, "sms-b", "service")
    shown = {name: ids.show("message", one) for name, one in (("a", a), ("b", b), ("c", c))}
    assert [one["id"] for one in await listed(relay)] == [shown["a"], shown["b"], shown["c"]]
    on_b = relay.lines["sms-b"].id
    assert [one["id"] for one in await listed(relay, line_id=on_b)] == [shown["b"], shown["c"]]
    assert [one["id"] for one in await listed(relay, message_class="service")] == [shown["c"]]
    old = relay.clock.now() - micros(2 * HOLD_S)
    assert [one["id"] for one in await listed(relay, since_until=old)] == [shown["a"], shown["b"]]
    found = await relay.ground.db.read(unknowns.summary, relay.world, relay.workspace_id)
    assert (found["messages"], found["for_a_person"]) == (3, 2)
    assert [(s["line"], s["class"], s["messages"], s["for_a_person"]) for s in found["shares"]] == [
        ("sms-a", "promotional", 1, 1),
        ("sms-b", "promotional", 1, 1),
        ("sms-b", "service", 1, 0),
    ]
    assert found["parked_receipts"] == {"count": 0, "since": None, "kept_days": 7}


async def test_what_is_known_is_not_among_them(relay: Relay) -> None:
    message = await silent(relay)
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="late", address="+380501234567")
    assert await listed(relay) == []
    with pytest.raises(Problem) as raised:
        await relay.ground.db.read(unknowns.tell, relay.world, relay.workspace_id, message)
    assert raised.value.status == 404


# ── what may be decided ──────────────────────────────────────────────────────────────────────────────

DECIDED = [  # the ruling; state, reason, whether it has ended; its attempts; whether it is listed still
    ("sent", ("sent", "", True), ["accepted"], False),
    ("not_sent", ("failed", "not_sent", True), ["refused"], False),
    ("resend", ("unknown", "", False), ["unknown", "queued"], True),
    ("leave", ("unknown", "left", True), ["unknown"], False),
]


@pytest.mark.parametrize(("ruling", "state", "attempts", "still"), DECIDED)
async def test_a_decision_is_carried_out_and_told(
    relay: Relay, ruling: str, state: tuple[str, str, bool], attempts: list[str], still: bool
) -> None:
    message = await silent(relay)
    (ruled,) = await rule(relay, ruling, message)
    assert ruled.problem is None
    assert await relay.state(message) == state
    assert [one for _, one in await relay.attempts(message)] == attempts
    assert bool(await listed(relay)) is still
    told = (await relay.told(message))["timeline"][-1]
    assert (told["event"], told["ruling"], told["by"]) == ("ruled", ruling, "Maryam")
    assert told["detail"] == "asked the operator"


@pytest.mark.parametrize("ruling", list(Ruling))
async def test_the_same_decision_twice_is_one_and_another_is_refused(relay: Relay, ruling: str) -> None:
    message = await silent(relay)
    await rule(relay, ruling, message)
    before = await relay.told(message)
    (again,) = await rule(relay, ruling, message)
    assert (again.problem, again.again) == (None, True)
    other = "leave" if ruling != "leave" else "sent"
    assert problem_of((await rule(relay, other, message))[0]).slug == "nothing-to-decide"
    assert await relay.told(message) == before


async def test_a_receipt_that_came_meanwhile_is_a_conflict(relay: Relay) -> None:
    message = await silent(relay)
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="late", address="+380501234567")
    for ruling in Ruling:
        problem = problem_of((await rule(relay, ruling, message))[0])
        assert (problem.status, problem.detail) == (409, "The message is delivered.")
    assert await relay.state(message) == ("delivered", "", True)


async def test_good_news_lifts_what_a_person_had_given_up(relay: Relay) -> None:
    message = await silent(relay)
    await rule(relay, "not_sent", message)
    attempt = (await relay.told(message))["attempts"][0]["id"]
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="late", client_ref=attempt)
    assert await relay.state(message) == ("delivered", "", True)


async def test_what_is_sent_again_goes_out_once_and_by_no_further_step(relay: Relay) -> None:
    """A promotional text of which a copy may be out: a person may send it again, and nobody else may."""
    await relay.line("mail", "smtp", classes=CLASSES)
    await relay.contact(
        addresses=[{"kind": "phone", "value": "+380501234567"}, {"kind": "email", "value": "a@b.example"}]
    )
    steps = [{"channel": "smpp"}, {"channel": "smtp"}]
    await relay.line("sms", "smpp", classes=CLASSES)
    message = await relay.send(**{"class": "promotional"}, steps=steps)
    await relay.take("sms", NO_ANSWER)
    await relay.wait(HOLD_S)
    await relay.wait(3600.0)
    assert await relay.claim("sms") == [], "never by itself"
    await rule(relay, "resend", message)
    await relay.take("sms", refused(Reason.REJECTED))
    assert await relay.state(message) == ("unknown", "no_answer", True)
    assert await relay.claim("mail") == []
    await rule(relay, "resend", message)
    await relay.take("sms")
    assert await relay.state(message) == ("sent", "", False)


async def test_a_second_silence_is_a_new_question(relay: Relay) -> None:
    message = await silent(relay)
    first = ids.read("attempt", (await relay.told(message))["attempts"][0]["id"])
    await rule(relay, "resend", message)
    await relay.take("sms", NO_ANSWER)
    await relay.wait(HOLD_S)
    (stale,) = await rule(relay, "sent", message, attempt_id=first)
    assert "The last attempt without an answer is" in problem_of(stale).detail
    (ruled,) = await rule(relay, "not_sent", message)
    assert ruled.problem is None
    assert await relay.state(message) == ("failed", "not_sent", True)


async def test_a_decision_while_it_is_held_is_an_answer_that_comes_late(relay: Relay) -> None:
    await relay.line("sms-a", "smpp")
    await relay.line("sms-b", "smpp", price="0.02")
    message = await relay.send(channel="smpp")
    await relay.take("sms-a", NO_ANSWER)
    assert problem_of((await rule(relay, "leave", message))[0]).slug == "nothing-to-decide"
    await relay.wait(60.0)
    assert await relay.attempts(message) == [("sms-a", "unknown"), ("sms-b", "queued")]
    assert problem_of((await rule(relay, "resend", message))[0]).slug == "not-sent-again"
    await rule(relay, "sent", message)
    assert await relay.attempts(message) == [("sms-a", "accepted"), ("sms-b", "cancelled")]


async def test_what_cannot_be_sent_again_says_why(relay: Relay) -> None:
    late = await silent(relay, deadline_s=60.0)
    assert problem_of((await rule(relay, "resend", late))[0]).detail.startswith("Its deadline was ")
    gone = await silent(relay)
    await relay.contact(opted_out=["promotional"])
    before = await relay.told(gone)
    assert "opted out" in problem_of((await rule(relay, "resend", gone))[0]).detail
    assert await relay.told(gone) == before


async def test_many_are_decided_each_by_itself(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=CLASSES)
    messages = [await relay.send(**{"class": "promotional"}, line="sms") for _ in range(4)]
    for attempt in await relay.claim("sms"):
        await relay.answer(attempt, NO_ANSWER)
    await relay.wait(HOLD_S)
    await rule(relay, "sent", messages[1])
    ruled = await rule(relay, "not_sent", *messages, messages[0], 5)
    assert [one.problem.slug if one.problem else "" for one in ruled] == [
        "",
        "nothing-to-decide",
        "",
        "",
        "nothing-to-decide",
        "not-found",
    ]
    assert [(await relay.state(one))[0] for one in messages] == ["failed", "sent", "failed", "failed"]
