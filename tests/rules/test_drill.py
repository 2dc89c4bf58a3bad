"""The drill's own decisions: a schedule from a seed, and a verdict that finds each thing it is to find."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from angarium.drill.books import (
    Acked,
    Attempted,
    Books,
    Broken,
    Cut,
    Open,
    Refused,
    Seen,
    Session,
    Shown,
    Taken,
    Told,
    Try,
    written_by,
)
from angarium.drill.dice import Dice
from angarium.drill.lines import Return, returns, silences
from angarium.drill.load import KINDS, kind_of, message, name_in, name_of
from angarium.drill.schedule import NAMES, WORKERS, faults_of, plan, usual
from angarium.drill.verdict import judge

NAME = "d0000001"
DELIVERED = [("delivered", 112.0)]


# ── chance ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_seed_is_a_load_and_a_schedule() -> None:
    again = [(plan(Dice(7), 600, NAMES), [message(Dice(7), n, kind_of(Dice(7), n)) for n in range(50)])] * 2
    assert again[0] == again[1]
    assert plan(Dice(8), 600, NAMES) != again[0][0]


def test_ten_minutes_hold_every_fault_one_at_a_time() -> None:
    injections = plan(Dice(1), 600, NAMES)
    assert {injection.name for injection in injections} == set(NAMES)
    for before, after in pairwise(injections):
        assert before.at_s + before.lasts_s < after.at_s
    assert injections[-1].at_s + injections[-1].lasts_s <= 600


def test_a_quarter_of_an_hour_holds_every_fault_of_a_cluster_and_lines_move_before_the_next() -> None:
    names = usual("nats")
    injections = plan(Dice(1), 900, names, faults_of("nats"))
    assert {injection.name for injection in injections} == set(names)
    for before, after in pairwise(injections):
        if before.name == "kill_worker":
            assert after.at_s - before.at_s - before.lasts_s > 15
    assert {one.where for one in injections if one.name == "pause_owner"} <= set(WORKERS)
    assert "cut_nats" not in usual("postgres")


def test_nothing_is_planned_of_nothing() -> None:
    assert plan(Dice(1), 600, ()) == []


def test_messages_are_of_every_kind_and_carry_their_name() -> None:
    dice = Dice(3)
    kinds = Counter(kind_of(dice, number).name for number in range(5_000))
    for kind in KINDS:
        assert kinds[kind.name] == pytest.approx(kind.share * 50, rel=0.2)
    for kind in KINDS:
        body = message(dice, 12, kind)
        text = body.get("text") or body["variants"][0]["content"]["text"]
        assert name_in(text) == body["reference"] == name_of(12)
    assert name_in("nobody's") == ""


# ── the verdict ──────────────────────────────────────────────────────────────────────────────────────


def books(
    *taken: Taken,
    kind: str = "code",
    state: str = "delivered",
    reason: str = "",
    finished: bool = True,
    broken: tuple[Broken, ...] = (),
    cuts: tuple[Cut, ...] = (),
    told: Told | None = None,
    answer: Acked | Refused | None = None,
    sessions: tuple[Session, ...] = (),
) -> Books:
    """One message that was promised, and what became of it."""
    shown = Shown(NAME, "msg_1", state, reason, finished, None if finished else "2026-11-28T01:00:00.000Z")
    promised = answer or Acked(NAME, "msg_1", 100.1, 1)
    seen = Seen(200.0, 1.0, list(broken), [shown], {NAME: told} if told else {})
    return Books([Attempted(NAME, kind, 100.0), promised], taken, cuts, seen, sessions)


def taken(at: float = 101.0, answered_at: float | None = 101.1, **changes: object) -> Taken:
    """A copy that reached an operator and was delivered."""
    usual = Taken("smpp", f"r{at}", NAME, at, answered_at, list(DELIVERED))
    return msgspec.structs.replace(usual, **changes)


FIRST_OWNER, SECOND_OWNER = Session("smpp", 1, "bank", 90.0), Session("smpp", 2, "bank", 100.5)
KILLED = Broken("kill", "server", 101.5, 102.0, 104.0, open=(Open(NAME, "smpp"),))
FIRST, SECOND = taken(), taken(110.0, 110.1)

RIGHT = {
    "delivered": books(taken()),
    "expired, and shown so": books(state="expired", reason="deadline"),
    "unknown, and shown so": books(state="unknown", reason="no_answer"),
    "unknown, and delivered": books(taken(), state="unknown", reason="no_answer"),
    "refused by a provider": books(state="failed", reason="bad_address"),
    "a double whose first answer was never given": books(taken(answered_at=None), SECOND),
    "a double whose first answer came too late": books(taken(answered_at=107.0), SECOND),
    "a double around a kill": books(FIRST, SECOND, broken=(KILLED,)),
    "a double around a cut": books(FIRST, SECOND, cuts=(Cut("smpp", 101.3),)),
    "a double whose first answer went to a link that was gone": books(
        FIRST, SECOND, cuts=(Cut("smpp", 101.05),)
    ),
    "a second copy after a failed one": books(taken(statuses=[("undelivered", 112.0)]), SECOND),
    "the next channel": books(
        taken(statuses=[("sent", 112.0)]), taken(110.0, 110.1, face="viber"), kind="parcel"
    ),
    "read on a phone whose operator does not tell": books(
        taken(statuses=[("delivered", 112.0), ("read", 112.0)])
    ),
    "delivered after we had looked": books(
        taken(statuses=[("delivered", 201.0)]), state="sent", reason="no_receipt"
    ),
    "delivered while we looked": books(taken(statuses=[("delivered", 201.0)])),
    "served by one after another": books(taken(session=2), sessions=(FIRST_OWNER, SECOND_OWNER)),
    "served by two on accounts of their own": books(
        taken(session=1), sessions=(FIRST_OWNER, msgspec.structs.replace(SECOND_OWNER, account="shop"))
    ),
    "waiting, and says why": books(
        taken(statuses=[]),
        state="sent",
        finished=False,
        told=Told(NAME, (Try(1, "sms-a", "accepted", None),), 0, "waiting for delivered"),
    ),
}

WRONG = {
    "lost": books(),
    "lost, and we say that we could not": books(state="failed", reason="unsupported"),
    "forgotten": books(taken(), answer=Acked(NAME, "msg_2", 100.1, 1)),
    "unexpected": books(taken(), taken(120.0, name="d0000002", face="smtp")),
    "doubled_at_most_once": books(taken(answered_at=None), SECOND, kind="offer"),
    "doubled_without_cause": books(FIRST, SECOND),
    "doubled_without_cause, for it was another's link that was cut": books(
        taken(session=1),
        taken(110.0, 110.1, session=1),
        cuts=(Cut("smpp", 101.3, 2),),
        sessions=(FIRST_OWNER,),
    ),
    "doubled_without_cause, on two operators": books(FIRST, taken(110.0, 110.1, face="smpp-hex")),
    "doubled_without_cause, for its answer was written down before the kill": books(
        FIRST, SECOND, broken=(Broken("kill", "server", 101.5, 102.0, 104.0),)
    ),
    "doubled_without_cause, for what was open was on another channel": books(
        FIRST, SECOND, broken=(msgspec.structs.replace(KILLED, open=(Open(NAME, "viber_business"),)),)
    ),
    "served_by_two": books(taken(session=1), sessions=(FIRST_OWNER, SECOND_OWNER)),
    "served_by_two, whoever of them bound first": books(
        taken(session=1), sessions=(SECOND_OWNER, FIRST_OWNER, Session("smpp", 3, "bank", 120.0))
    ),
    "contradicted: nobody says it was delivered": books(taken(statuses=[("sent", 112.0)])),
    "contradicted: it was delivered": books(taken(), state="sent", reason="no_receipt"),
    "contradicted: it was read": books(
        taken(face="vk", statuses=[("delivered", 112.0), ("read", 112.0)]), kind="parcel"
    ),
    "contradicted: it expired, and was taken": books(taken(statuses=[]), state="expired", reason="deadline"),
    "silent": books(taken(statuses=[]), state="sent", finished=False),
    "stopped_badly": books(taken(), broken=(Broken("stop", "server", 10.0, 11.0, 12.0, -9),)),
    "refused": books(taken(), answer=Refused(NAME, "400", 100.1)),
}


@pytest.mark.parametrize("case", RIGHT)
def test_what_is_well(case: str) -> None:
    verdict = judge(RIGHT[case])
    assert verdict.passed, verdict


@pytest.mark.parametrize("case", WRONG)
def test_what_is_found(case: str) -> None:
    verdict = judge(WRONG[case])
    kind = case.replace(":", ",").partition(",")[0]
    assert not verdict.passed
    assert verdict.wrong[kind] >= 1
    # What says that it went out, and is at no operator, is contradicted as well.
    assert {word for word, count in verdict.wrong.items() if count} <= {kind, "contradicted"}, verdict


def test_a_message_that_was_created_twice() -> None:
    found = books(taken())
    found.seen.shown *= 2
    assert judge(found).created_twice == [NAME]


def test_how_the_unanswered_were_resolved() -> None:
    tries = (Try(1, "sms-a", "unknown", None), Try(1, "sms-b", "delivered", None))
    resent = judge(books(taken(answered_at=None), SECOND, told=Told(NAME, tries, 2, "")))
    assert resent.unknown == {"evidence": 1, "sent again": 1}
    left = Told(NAME, tries[:1], 1, "")
    shown = judge(books(state="unknown", reason="no_answer", told=left))
    assert shown.unknown == {"shown": 1}
    moved = Told(NAME, (tries[0], Try(2, "viber", "delivered", None)), 1, "")
    assert judge(books(taken(), told=moved)).unknown == {"next step": 1}


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────


def test_what_an_operator_wrote_of_its_binds(tmp_path: Path) -> None:
    rows = [
        {"session": 4, "account": "bank", "bound": 1.0},
        {"face": "smpp", "ref": "9", "recipient": "+1", "text": f"{NAME} hi", "at": 2.0, "session": 4},
        {"session": 4, "unbound": 3.0, "orderly": False},
        {"session": 5, "account": "bank", "bound": 4.0},
        {"session": 5, "unbound": 5.0, "orderly": True},
    ]
    ledger = tmp_path / "smpp.jsonl"
    ledger.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    found = written_by(ledger, "smpp", name_in)
    assert found.sessions == [Session("smpp", 4, "bank", 1.0, 3.0), Session("smpp", 5, "bank", 4.0, 5.0)]
    assert [(one.name, one.session) for one in found.taken] == [(NAME, 4)]
    assert found.cuts == [Cut("smpp", 3.0, 4)]  # who said goodbye had heard everything


def test_how_long_a_line_was_silent() -> None:
    sessions = (FIRST_OWNER, msgspec.structs.replace(SECOND_OWNER, bound_at=120.0))
    before = [taken(100.0 + number / 10, session=1, name=f"d{number:07}") for number in range(50)]
    after = [taken(121.0 + number / 10, session=2, name=f"d{50 + number:07}") for number in range(50)]
    killed = Broken("kill_worker", "worker-1", 105.0, 107.0)
    calm = Broken("kill_api", "api-1", 123.0, 124.0)
    (found,) = silences([killed, calm], [*before, *after], sessions, 90.0)
    assert (found.line, found.silent_s, found.moved, found.began_s) == ("smpp bank", 16.0, True, 15.0)
    by_kind = returns([killed, calm], [found])
    assert by_kind["kill_worker"] == Return(1, 1, 16.0, 16.0)
    assert by_kind["kill_api"] == Return(1, 0, None, None)


def test_a_line_that_is_not_needed_is_not_silent() -> None:
    """It takes over while the other is away, and then nothing for ten minutes."""
    spare = Session("smpp", 7, "shop", 90.0, None)
    needed = [taken(at, session=7, name=f"d{number:07}") for number, at in enumerate((100.0, 700.0))]
    assert silences([Broken("kill_worker", "worker-1", 105.0, 107.0)], needed, [spare], 90.0) == []
