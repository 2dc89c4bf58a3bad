"""What is worth a notice, as tables: facts that tell, that settle, that tell nothing; many as one."""

from __future__ import annotations

from itertools import count
from typing import Any

import msgspec
import pytest

from angarium.accounts.rules import SCOPES
from angarium.core import ids
from angarium.core.clock import micros
from angarium.messaging.outages import STILL_S, Standing, judge
from angarium.notices import rules
from angarium.notices.rules import HOUR_S, KINDS, RULES, Notice, Settled, Told, fold, news
from angarium.storage.facts import MANY
from angarium.web.languages import ENGLISH, words_of
from angarium.web.voice import GAP

AT = 1_800_000_000_000_000
SUBJECT = 77
REG = {"line": ids.show("line", 5), "by": "per_a", "reason": "no stamp"}
TPL = {"name": "shipped", "actor": "per_a", "note": "too long", "review_owed": False}
CMP = {"name": "Autumn", "by": "per_a", "by_author": False}
GIVEN: list[tuple[str, dict[str, Any], str, tuple[str, ...]]] = [
    # fact, its body, what it tells, what it settles
    ("line.registration_changed", REG | {"verb": "create"}, "", ()),
    ("line.registration_changed", REG | {"verb": "submit"}, "registration_submitted", ("refused", "expired")),
    ("line.registration_changed", REG | {"verb": "refuse"}, "registration_refused", ("submitted",)),
    ("line.registration_changed", REG | {"verb": "warn"}, "registration_expiring", ()),
    ("template.save", TPL | {"state": "draft"}, "", ()),
    ("template.submit", TPL | {"state": "in_review"}, "template_submitted", ("refused", "changes")),
    ("template.approve", TPL | {"state": "in_review"}, "", ()),  # another has to approve as well
    ("template.approve", TPL | {"state": "approved"}, "template_approved", ("submitted", "emergency")),
    ("template.publish", TPL | {"review_owed": True}, "template_emergency", ()),
    ("template.registration", TPL | {"status": "pending"}, "", ()),
    ("template.registration", TPL | {"status": "rejected"}, "template_provider_refused", ()),
    ("template.registration", TPL | {"status": "", "about": "quality", "word": "RED"}, "", ()),
    ("campaign.paused", CMP | {"by": "", "reason": "failing"}, "campaign_paused", ()),
    ("campaign.paused", CMP, "", ()),  # by a person
    ("campaign.resumed", CMP, "", ("paused",)),
    ("campaign.refused", CMP, "campaign_refused", ("submitted",)),
    ("campaign.refused", CMP | {"by_author": True}, "", ("submitted",)),  # taken back
    ("campaign.done", CMP | {"by": ""}, "campaign_done", ("paused",)),
    (
        "contacts.imported",
        {"state": "done", "name": "a.csv", "by": "per_a"},
        "import_done",
        ("import_paused",),
    ),
    ("contacts.imported", {"state": "failed", "name": "a.csv"}, "import_failed", ("import_paused",)),
    ("export.asked", {"source": "", "by": "per_a"}, "export_asked", ()),
    ("export.asked", {"source": "recipients", "by": "per_a"}, "", ()),
    ("export.done", {"source": "", "by": "per_a", "rows": 3}, "export_ready", ()),
    ("line.loan_offered", {"to": "owner"}, "", ()),
    ("line.loan_offered", {"to": "guest"}, "loan_offered", ()),
    ("line.works", {"name": "sms", "why": ""}, "line_works", ("line_stopped",)),
    ("line.patterns_changed", {}, "", ()),
    ("budget.spent", {"budget": "month", "per_cent": 100}, "budget_spent", ()),
    ("message.delivered", {"channel": "smpp"}, "", ()),
]


@pytest.mark.parametrize(("kind", "body", "tells", "settles"), GIVEN, ids=[row[0] for row in GIVEN])
def test_what_a_fact_comes_to(kind: str, body: dict[str, Any], tells: str, settles: tuple[str, ...]) -> None:
    found = news(kind, SUBJECT, AT, msgspec.json.encode(body))
    assert [one.kind for one in found if isinstance(one, Told)] == ([tells] if tells else [])
    settled = [name for one in found if isinstance(one, Settled) for name in one.kinds]
    assert all(any(name.endswith(end) for name in settled) for end in settles), settled
    assert bool(settled) is bool(settles)


def test_whoever_did_it_is_not_told_and_whoever_asked_is_told_alone() -> None:
    submitted, ready = (
        next(one for one in news(kind, SUBJECT, AT, msgspec.json.encode(body)) if isinstance(one, Told))
        for kind, body in (("template.submit", TPL), ("export.done", {"by": "per_a", "source": ""}))
    )
    assert (submitted.actor, submitted.recipient) == ("per_a", "")
    assert (ready.actor, ready.recipient) == ("", "per_a")


def test_kinds_and_rules_are_whole() -> None:
    """Each kind has words for all that it says, a scope that there is, and an address that can be filled."""
    words = words_of("notices", "en")
    told = {rule.tells for rule in RULES} - {""}
    assert {name for rule in RULES for name in rule.settles} <= KINDS.keys()
    assert told | {name for name, kind in KINDS.items() if kind.counted} == KINDS.keys()
    assert not {rule.fact for rule in RULES if rule.fact.partition(".")[0] in MANY}, (
        "their index leaves them out"
    )
    known = {*rules.SAID, "subject", "count"}
    for name, kind in KINDS.items():
        assert kind.scope in SCOPES
        assert f"notice.label.{name}" in words
        sentence = words[f"notice.kind.{name}"]
        forms = [sentence] if isinstance(sentence, str) else list(sentence.values())
        assert {gap for form in forms for gap in GAP.findall(form)} <= known
        assert set(GAP.findall(kind.leads)) <= known
    assert ENGLISH.code == "en"


def test_where_it_leads_is_an_address_of_ours() -> None:
    assert (
        rules.leads_to("unknown", {"name": "sms & more/../x"}) == "/unknowns?line=sms%20%26%20more%2F..%2Fx"
    )
    assert rules.leads_to("campaign_done", {"subject": "cmp_1"}) == "/campaigns/cmp_1"
    assert rules.leads_to("campaign_done", {}) == "/notices"


# ── folding ──────────────────────────────────────────────────────────────────────────────────────────


def day_of(at: int) -> int:
    """Days of UTC."""
    return at // micros(86_400)


def told(kind: str = "campaign_paused", about: str = "cmp_1", after_s: float = 0, **more: Any) -> Told:
    """Something to tell."""
    return Told(kind, about, AT + micros(after_s), {"name": "x"}, **more)


def folded(*turns: list[Told | Settled]) -> list[Notice]:
    """What is kept after some turns, by the order of ids."""
    mint, kept = count(1).__next__, dict[Any, Notice]()
    for fresh in turns:
        kept |= {rules.key_of(one): one for one in fold(kept.values(), fresh, day_of, mint)}
    return sorted(kept.values(), key=lambda one: one.id)


def test_what_happens_again_on_a_day_is_one_notice_that_calls_again() -> None:
    (one,) = folded([told(), told(after_s=5)], [told(after_s=60)])
    assert (one.count, one.id, one.first_at, one.at) == (3, 3, AT, AT + micros(60))
    first, second = folded([told()], [told(after_s=86_400)])
    assert (first.count, second.count, second.day - first.day) == (1, 1, 1)


def test_what_is_settled_needs_nobody_until_it_happens_again() -> None:
    over = Settled(("campaign_paused",), "cmp_1", AT + 1)
    (one,) = folded([told()], [over])
    assert one.settled_at == AT + 1
    (again,) = folded([told()], [over], [told(after_s=60)])
    assert (again.settled_at, again.count) == (None, 2)
    other = Settled(("campaign_paused",), "cmp_2", AT + 1)
    assert [one.settled_at for one in folded([told()], [other])] == [None]
    (both,) = folded([told(), over])
    assert both.settled_at == AT + 1


def test_what_is_counted_calls_again_when_it_has_grown_and_was_quiet() -> None:
    unknown = [
        told("unknown", "lin_1", 0, count=2),
        told("unknown", "lin_1", 60, count=9),
        told("unknown", "lin_1", HOUR_S + 1, count=10),
        told("unknown", "lin_1", 2 * HOUR_S + 2, count=4),
    ]
    shown = [(one.count, one.id) for n in (1, 2, 3, 4) for one in folded(*[[one] for one in unknown[:n]])]
    assert shown == [(2, 1), (9, 1), (10, 2), (4, 2)]
    assert fold(folded([unknown[0]]), [unknown[0]], day_of, lambda: 9) == [], (
        "nothing is written over nothing"
    )
    over = Settled(("unknown",), "lin_1", AT + 1)
    (one,) = folded([unknown[0]], [over], [told("unknown", "lin_1", 90, count=1)])
    assert (one.count, one.id, one.settled_at) == (1, 2, None)


def test_what_lasts_for_days_is_one_notice() -> None:
    (one,) = folded([told("restored", "", 0, count=5)], [told("restored", "", 90_000, count=5)])
    assert (one.day, one.id, one.count) == (0, 1, 5)


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_line_has_stopped_when_it_was_away_for_two_minutes() -> None:
    said, standing = [], Standing()
    for after_s, works in (
        (0, False),
        (60, True),
        (70, False),
        (189, False),
        (190, False),
        (400, False),
        (500, True),
        (501, True),
    ):
        standing, kind = judge(standing, works, AT + micros(after_s))
        said += [(after_s, kind)] if kind else []
    assert said == [(190, "line.stopped"), (500, "line.works")]
    assert STILL_S == 120
    assert judge(Standing(told=True), True, AT)[1] == "line.works", "told by the server that had it before"
