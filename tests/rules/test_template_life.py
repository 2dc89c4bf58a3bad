"""The life of a version as a table, who is in force when, who must approve, and what has changed."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.channels import load
from angarium.content import lifecycle
from angarium.content.approval import (
    ApprovalRule,
    Approvals,
    Decision,
    Demand,
    approvers,
    content_hash,
    demand,
    kinds_of,
)
from angarium.content.difference import difference, pieces
from angarium.content.lifecycle import TRANSITIONS, Action, Term, VersionState
from angarium.content.rules import Variant, chain, pick
from angarium.content.store import steps, versions
from angarium.core.values import Button, Content, MessageClass
from angarium.messaging.gate.approval import NO_WORDS, Wording, approved, wording
from angarium.messaging.gate.verdicts import Allow, Refuse
from angarium.storage.bulk import BulkInsert, Statement

S, A = VersionState, Action


# ── the table ────────────────────────────────────────────────────────────────────────────────────────

ALLOWED = """
draft              save              superseded
draft              submit            in_review
draft              publish           published
in_review          approve           approved
in_review          refuse            refused
in_review          request_changes   changes_requested
in_review          withdraw          draft
in_review          publish           published
changes_requested  save              superseded
changes_requested  submit            in_review
changes_requested  publish           published
approved           publish           published
approved           retire            retired
published          unschedule        draft
published          retire            retired
published          approve           published
published          refuse            retired
"""


def test_every_transition_is_meant() -> None:
    meant = {tuple(line.split()) for line in ALLOWED.strip().splitlines()}
    found = {(s.value, a.value, n.value) for s, actions in TRANSITIONS.items() for a, n in actions.items()}
    assert found == meant
    assert set(TRANSITIONS) == set(S)


@pytest.mark.parametrize("state", [S.REFUSED, S.SUPERSEDED, S.RETIRED])
def test_what_has_ended_stays_so(state: VersionState) -> None:
    assert all(lifecycle.after(state, action) is None for action in Action)


def test_nothing_is_published_from_what_was_refused() -> None:
    reached, waiting = set(), [S.REFUSED]
    while waiting:
        state = waiting.pop()
        reached.add(state)
        waiting += [n for n in TRANSITIONS[state].values() if n not in reached]
    assert S.PUBLISHED not in reached


def test_the_diagram_has_every_line_of_the_table() -> None:
    lines = lifecycle.diagram().splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert "    draft --> in_review: submit" in lines
    assert len(lines) == 1 + sum(len(actions) for actions in TRANSITIONS.values())


# ── in force ─────────────────────────────────────────────────────────────────────────────────────────


def term(number: int, begins: int | None, ends: int | None = None, state: VersionState = S.PUBLISHED) -> Term:
    """A version of which nothing else matters."""
    return Term(number, state, begins, ends)


IN_FORCE: list[tuple[str, list[Term], dict[int, int | None]]] = [
    # what there is, and which version at which instants
    ("nothing", [], {0: None}),
    ("a draft", [term(1, None, state=S.DRAFT)], {5: None}),
    ("one from 10 on", [term(1, 10)], {9: None, 10: 1, 99: 1}),
    ("one that ends", [term(1, 10, 20)], {10: 1, 19: 1, 20: None}),
    ("a successor takes over at its instant", [term(1, 10), term(2, 20)], {19: 1, 20: 2, 99: 2}),
    ("a stand-in, and then the first again", [term(1, 10), term(2, 20, 30)], {19: 1, 20: 2, 29: 2, 30: 1}),
    ("of two that began together the newer", [term(1, 10), term(2, 10)], {10: 2}),
    ("an older number that began later", [term(2, 10), term(1, 20)], {15: 2, 25: 1}),
    ("a retired one is not in force", [term(1, 10), term(2, 20, state=S.RETIRED)], {25: 1}),
    ("one inside another", [term(1, 0), term(2, 10, 40), term(3, 20, 30)], {15: 2, 25: 3, 35: 2, 45: 1}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("terms", "expected"), [row[1:] for row in IN_FORCE], ids=[row[0] for row in IN_FORCE]
)
def test_which_version_is_in_force(terms: list[Term], expected: dict[int, int | None]) -> None:
    for now, number in expected.items():
        running = lifecycle.in_force(terms, now)
        assert (running.number if running else None) == number, now


PERIODS: list[tuple[str, list[Term], list[tuple[int, int | None, int | None]]]] = [
    ("one for good", [term(1, 0)], [(5, None, 1)]),
    ("one to come", [term(1, 10)], [(5, 10, None), (10, None, 1)]),
    ("a successor", [term(1, 0), term(2, 10)], [(5, 10, 1), (10, None, 2)]),
    ("a stand-in", [term(1, 0), term(2, 10, 20)], [(5, 10, 1), (10, 20, 2), (20, None, 1)]),
    ("a hole", [term(1, 0, 10), term(2, 20)], [(5, 10, 1), (10, 20, None), (20, None, 2)]),
    ("an end", [term(1, 0, 10)], [(5, 10, 1), (10, None, None)]),
]


@pytest.mark.parametrize(("terms", "expected"), [row[1:] for row in PERIODS], ids=[row[0] for row in PERIODS])
def test_the_schedule(terms: list[Term], expected: list[tuple[int, int | None, int | None]]) -> None:
    found = lifecycle.periods(terms, 5)
    assert [(one.begins, one.ends, one.number) for one in found] == expected
    hole = lifecycle.gap(found)
    assert (hole is not None) is (expected == PERIODS[4][2])


terms_drawn = st.lists(
    st.tuples(st.integers(0, 20), st.none() | st.integers(1, 20), st.sampled_from(list(S))), max_size=6
).map(
    lambda drawn: [
        Term(number, state, begins, None if length is None else begins + length)
        for number, (begins, length, state) in enumerate(drawn, 1)
    ]
)


@given(terms_drawn, st.integers(0, 45), st.integers(0, 45))
def test_a_schedule_says_what_in_force_says(terms: list[Term], now: int, later: int) -> None:
    found = lifecycle.periods(terms, now)
    at = max(now, later)
    (period,) = [one for one in found if one.begins <= at and (one.ends is None or at < one.ends)]
    running = lifecycle.in_force(terms, at)
    assert period.number == (running.number if running else None)
    assert found[0].begins == now
    assert [one.ends for one in found[:-1]] == [one.begins for one in found[1:]]


@given(terms_drawn, st.integers(0, 45), st.integers(0, 30))
def test_what_is_over_is_never_in_force_again(terms: list[Term], now: int, later: int) -> None:
    running = lifecycle.in_force(terms, now + later)
    assert running is None or not lifecycle.is_over(running, terms, now)


# ── approval ─────────────────────────────────────────────────────────────────────────────────────────

CHANNELS = load()
ANYTHING = ApprovalRule()
DEMANDS: list[tuple[str, tuple[ApprovalRule, ...], str, set[str], Demand]] = [
    ("no rule", (), "service", {"smpp"}, Demand()),
    ("one for everything", (ANYTHING,), "service", {"smpp"}, Demand(1)),
    ("another class", (ApprovalRule(("promotional",)),), "service", {"smpp"}, Demand()),
    ("this class", (ApprovalRule(("promotional",)),), "promotional", {"smpp"}, Demand(1)),
    ("another channel", (ApprovalRule((), ("smtp",)),), "service", {"smpp"}, Demand()),
    ("one of the channels", (ApprovalRule((), ("smtp",)),), "service", {"smpp", "smtp"}, Demand(1)),
    ("class and channel", (ApprovalRule(("service",), ("smtp",)),), "otp", {"smtp"}, Demand()),
    ("the strictest", (ANYTHING, ApprovalRule(approvals=3)), "service", {"smpp"}, Demand(3)),
    ("none is asked for", (ApprovalRule(approvals=0),), "service", {"smpp"}, Demand()),
    ("an emergency is allowed", (ApprovalRule(emergency=True),), "service", {"smpp"}, Demand(1, True)),
    ("not by all", (ApprovalRule(emergency=True), ANYTHING), "service", {"smpp"}, Demand(1, False)),
    ("none asked allows none", (ApprovalRule(approvals=0, emergency=True),), "service", {"smpp"}, Demand()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "message_class", "kinds", "expected"),
    [row[1:] for row in DEMANDS],
    ids=[row[0] for row in DEMANDS],
)
def test_what_the_policy_asks(
    rules: tuple[ApprovalRule, ...], message_class: str, kinds: set[str], expected: Demand
) -> None:
    assert demand(Approvals(rules), MessageClass(message_class), frozenset(kinds)) == expected


def test_which_channels_some_words_may_go_by() -> None:
    def kinds(*channels: str) -> frozenset[str]:
        return kinds_of([Variant(Content(text="x"), channel) for channel in channels], CHANNELS.values())

    assert kinds("smpp") == {"smpp"}
    assert kinds("email") == {kind for kind, one in CHANNELS.items() if one.address_kind == "email"}
    assert kinds("phone") == {kind for kind, one in CHANNELS.items() if one.address_kind == "phone"}
    assert kinds("*") == set(CHANNELS)
    assert kinds("smpp", "smtp") == {"smpp", "smtp"}


DECIDED: list[tuple[str, list[tuple[str, str]], set[str], tuple[str, ...]]] = [
    ("nothing", [], set(), ()),
    ("two others", [("approve", "b"), ("approve", "c")], {"a"}, ("b", "c")),
    ("the same twice", [("approve", "b"), ("approve", "b")], {"a"}, ("b",)),
    ("an editor's own does not count", [("approve", "b"), ("approve", "c")], {"a", "b"}, ("c",)),
    ("refused since", [("approve", "b"), ("refuse", "c")], {"a"}, ()),
    ("sent back since", [("approve", "b"), ("request_changes", "c")], {"a"}, ()),
    ("approved after that", [("refuse", "c"), ("approve", "b")], {"a"}, ("b",)),
    ("submitting changes nothing", [("approve", "b"), ("withdraw", "a"), ("submit", "a")], {"a"}, ("b",)),
]


@pytest.mark.parametrize(
    ("decided", "editors", "expected"), [row[1:] for row in DECIDED], ids=[row[0] for row in DECIDED]
)
def test_whose_approval_counts(
    decided: list[tuple[str, str]], editors: set[str], expected: tuple[str, ...]
) -> None:
    assert approvers([Decision(Action(action), actor) for action, actor in decided], editors) == expected


def test_the_hash_covers_whatever_decides_what_is_said() -> None:
    words = (Variant(Content(text="a", buttons=(Button("b", "https://c.example"),))),)
    hashes = {
        content_hash(MessageClass.SERVICE, "", words),
        content_hash(MessageClass.OTP, "", words),
        content_hash(MessageClass.SERVICE, "en", words),
        content_hash(MessageClass.SERVICE, "", (*words, Variant(Content(text="a"), locale="uk"))),
        content_hash(MessageClass.SERVICE, "", (Variant(Content(text="a")),)),
        content_hash(MessageClass.SERVICE, "", (Variant(Content(text="a"), "smpp"),)),
        content_hash(MessageClass.SERVICE, "", (Variant(Content(text="a", params={"x": "y"})),)),
    }
    assert len(hashes) == 7


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_no_statement_changes_what_was_written(dialect: str) -> None:
    """Of all statements of the room: what a version says is written by the one that makes it."""
    written = re.compile(r"(variants|hash|default_locale|author|editors)\W*=", re.IGNORECASE)
    statements = [one for module in (versions, steps) for one in vars(module).values()]
    texts = [one.text(dialect) for one in statements if isinstance(one, Statement)]
    updates = [text for text in texts if text.startswith("UPDATE")]
    assert len(updates) == 1
    assert not written.search(updates[0].partition("WHERE")[0])
    assert not any(
        "DELETE FROM template_version" in text or "DELETE FROM template_step" in text for text in texts
    )
    bulk = [one.text(dialect) for one in statements if isinstance(one, BulkInsert)]
    assert all(re.match(r"INSERT (OR FAIL )?INTO template \(", text) for text in bulk), bulk


@dataclass(frozen=True)
class Gate:
    """A row of the gate's table."""

    what: str
    rules: tuple[ApprovalRule, ...]
    channel: str
    version_id: int
    recalled: frozenset[int]
    goes: bool
    set_at: str = ""


GATE = [
    Gate("no policy", (), "smpp", 0, frozenset(), True),
    Gate("words of its own", (ANYTHING,), "smpp", 0, frozenset(), False, "/v1/policies/approvals"),
    Gate("a template", (ANYTHING,), "smpp", 7, frozenset(), True),
    Gate("another channel", (ApprovalRule((), ("smtp",)),), "smpp", 0, frozenset(), True),
    Gate("recalled", (), "smpp", 7, frozenset({7}), False, "/v1/templates"),
    Gate("another was recalled", (), "smpp", 8, frozenset({7}), True),
    Gate("its own words, something recalled", (), "smpp", 0, frozenset({7}), True),
]


@pytest.mark.parametrize("row", GATE, ids=lambda row: row.what)
def test_the_gate_asks_whether_words_are_approved(row: Gate) -> None:
    words = wording(Approvals(row.rules), MessageClass.SERVICE, row.channel, row.version_id, row.recalled)
    verdict = approved(words)
    if row.goes:
        assert isinstance(verdict, Allow)
    else:
        assert isinstance(verdict, Refuse)
        assert (verdict.rule, verdict.set_at, verdict.reason.value) == (
            "approval",
            row.set_at,
            "not_approved",
        )


def test_without_a_rule_and_a_recall_nothing_is_looked_at() -> None:
    assert wording(Approvals(), MessageClass.PROMOTIONAL, "smpp", 7, frozenset()) is NO_WORDS
    assert isinstance(approved(Wording()), Allow)


# ── locales ──────────────────────────────────────────────────────────────────────────────────────────

PICKED: list[tuple[str, list[tuple[str, str]], str, str, int | None]] = [
    # variants (channel, locale), the locale asked for, the default locale, which is taken
    ("the locale itself", [("*", "ru-KZ"), ("*", "ru")], "ru-KZ", "", 0),
    ("cut from its end", [("*", "ru"), ("*", "*")], "ru-KZ", "", 0),
    ("any", [("*", "uk"), ("*", "*")], "ru-KZ", "", 1),
    ("nothing", [("*", "uk")], "ru-KZ", "", None),
    ("the default", [("*", "uk"), ("*", "en")], "ru-KZ", "en", 1),
    ("the default, cut", [("*", "uk"), ("*", "en")], "ru-KZ", "en-GB", 1),
    ("any before the default", [("*", "en"), ("*", "*")], "ru-KZ", "en", 1),
    ("the own language before another's channel", [("smpp", "en"), ("*", "ru")], "ru-KZ", "en", 1),
    ("the channel in the default", [("*", "en"), ("smpp", "en")], "fa", "en", 1),
]


@pytest.mark.parametrize(
    ("variants", "locale", "default", "expected"), [row[1:] for row in PICKED], ids=[row[0] for row in PICKED]
)
def test_which_wording_is_taken(
    variants: list[tuple[str, str]], locale: str, default: str, expected: int | None
) -> None:
    given_ = [Variant(Content(text="x"), channel, tag) for channel, tag in variants]
    found = pick(given_, "smpp", locale, "phone", default)
    assert (None if found is None else given_.index(found)) == expected


def test_the_chain_as_people_are_shown_it() -> None:
    assert chain("ru-KZ") == ["ru-kz", "ru", "*"]
    assert chain("ru_KZ", "en-GB") == ["ru-kz", "ru", "*", "en-gb", "en"]
    assert chain("en", "en") == ["en", "*"]


# ── what has changed ─────────────────────────────────────────────────────────────────────────────────

DIFFS = [
    ("one word", "your tea is ready", "your coffee is ready", "your [-tea][+coffee] is ready"),
    ("nothing", "same", "same", "same"),
    ("from nothing", "", "new", "[+new]"),
    ("to nothing", "old", "", "[-old]"),
    ("a word more", "it is ready", "it is all ready", "it is [+all ]ready"),
    ("a sign", "ready.", "ready!", "ready[-.][+!]"),
    ("two words in a row", "a b c d", "a x y d", "a [-b c][+x y] d"),
    ("ideographs", "您的订单已发货", "您的订单已送达", "您的订单已[-发货][+送达]"),
    ("Persian", "سفارش شما آماده است", "سفارش شما ارسال شد", "سفارش شما [-آماده است][+ارسال شد]"),
    ("a variable", "Hi {{ name }}", "Hi {{ first_name }}", "Hi {{ [-name][+first_name] }}"),
]


@pytest.mark.parametrize(
    ("before", "after", "told"), [row[1:] for row in DIFFS], ids=[row[0] for row in DIFFS]
)
def test_what_has_changed_in_a_text(before: str, after: str, told: str) -> None:
    marks = {"same": "{}", "removed": "[-{}]", "added": "[+{}]"}
    assert "".join(marks[one.change].format(one.text) for one in pieces(before, after)) == told


@given(st.text("ab \n.你", max_size=40), st.text("ab \n.你", max_size=40))
def test_the_pieces_make_both_sides(before: str, after: str) -> None:
    found = pieces(before, after)
    assert "".join(one.text for one in found if one.change != "added") == before
    assert "".join(one.text for one in found if one.change != "removed") == after
    assert all(one.text for one in found)


def test_a_large_text_is_compared_by_lines() -> None:
    before = "".join(f"line {number} of many\n" for number in range(1_000))
    found = pieces(before, before.replace("line 500 ", "line five hundred "))
    changed = [(one.change, one.text) for one in found if one.change != "same"]
    assert changed == [("removed", "line 500 of many"), ("added", "line five hundred of many")]


def test_what_has_changed_in_a_template() -> None:
    before = (Variant(Content(text="a", subject="s"), "smtp"), Variant(Content(text="gone"), "smpp"))
    after = (
        Variant(Content(text="a", subject="t", buttons=(Button("Pay", "https://a.example"),)), "smtp"),
        Variant(Content(text="new"), "viber_business", "uk"),
    )
    found = difference(before, after)
    assert [(one.channel, one.locale, one.change) for one in found] == [
        ("smtp", "*", "changed"),
        ("viber_business", "uk", "added"),
        ("smpp", "*", "removed"),
    ]
    assert [one.field for one in found[0].fields] == ["subject", "buttons[0].label", "buttons[0].url"]
    assert difference(before, before) == []
