"""Who may be told what, as one table; and that no combination of facts lets advertising through a no."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.contacts.consent import PURPOSES, Choices, State, read_scope, said
from angarium.contacts.suppression import STOPS, Suppressed, Why
from angarium.core.clock import micros
from angarium.core.problems import Problem
from angarium.core.values import MessageClass, Reason, Standing
from angarium.messaging.gate.caps import caps
from angarium.messaging.gate.documents import (
    Cap,
    Caps,
    ConsentPolicy,
    Need,
    PeoplePolicies,
    QuietHours,
    QuietRule,
)
from angarium.messaging.gate.facts import Facts, LineRules, Touch
from angarium.messaging.gate.judge import judge
from angarium.messaging.gate.quiet import quiet_until
from angarium.messaging.gate.verdicts import Allow, Refuse

OTP, TRANSACTIONAL, SERVICE, PROMOTIONAL = MessageClass
NOW, DAY = 1_764_000_000_000_000, micros(86_400)  # 2025-11-24T16:00Z, a Monday
LINE, OTHER_LINE = 7, 8
CHANNEL = "smpp"
EVERY = LineRules("sms", frozenset(MessageClass), approved=True, line_id=LINE, channel=CHANNEL)


def policy(*rules: dict[str, Any]) -> ConsentPolicy:
    """A policy as the API takes it."""
    return msgspec.convert({"rules": rules}, ConsentPolicy)


OPT_IN = policy({"classes": ["promotional"], "need": "opt_in"})
OPT_IN_DE = policy({"classes": ["promotional"], "need": "opt_in", "countries": ["DE"]})
OPT_IN_MAIL = policy({"classes": ["promotional"], "need": "opt_in", "channels": ["smtp"]})
NOTICES_ALWAYS = policy({"classes": ["service"], "need": "not_needed"})
NO_POLICY = ConsentPolicy()


def known(out: str = "", given: str = "", country: str = "") -> Standing:
    """What is known of a contact: scopes withdrawn and granted."""
    return Standing(frozenset(out.split()), country=country, opted_in=frozenset(given.split()))


PEOPLE: list[tuple[str, MessageClass, Standing, ConsentPolicy, Reason | None]] = [
    ("nothing was said", PROMOTIONAL, known(), NO_POLICY, None),
    ("no to advertising", PROMOTIONAL, known("promotional"), NO_POLICY, Reason.OPTED_OUT),
    ("no to advertising is none to notices", SERVICE, known("promotional"), NO_POLICY, None),
    ("no to everything", SERVICE, known("all"), NO_POLICY, Reason.OPTED_OUT),
    ("but not to a code", OTP, known("all"), NO_POLICY, None),
    ("nor to money that moved", TRANSACTIONAL, known("all"), NO_POLICY, None),
    ("no on this channel", PROMOTIONAL, known("promotional@smpp"), NO_POLICY, Reason.NO_CONSENT),
    ("no on another channel", PROMOTIONAL, known("promotional@smtp"), NO_POLICY, None),
    ("no, but yes here", PROMOTIONAL, known("promotional", "promotional@smpp"), NO_POLICY, None),
    ("a yes is asked for", PROMOTIONAL, known(), OPT_IN, Reason.NO_CONSENT),
    ("and was said", PROMOTIONAL, known("", "promotional"), OPT_IN, None),
    ("and was said for this channel", PROMOTIONAL, known("", "promotional@smpp"), OPT_IN, None),
    ("and was said for another", PROMOTIONAL, known("", "promotional@smtp"), OPT_IN, Reason.NO_CONSENT),
    ("a yes to all", PROMOTIONAL, known("", "all"), OPT_IN, None),
    ("no yes is asked for notices", SERVICE, known(), OPT_IN, None),
    ("asked for in Germany", PROMOTIONAL, known(country="DE"), OPT_IN_DE, Reason.NO_CONSENT),
    ("not in Ukraine", PROMOTIONAL, known(country="UA"), OPT_IN_DE, None),
    ("nor where the country is not known", PROMOTIONAL, known(), OPT_IN_DE, None),
    ("asked for by mail", PROMOTIONAL, known(), OPT_IN_MAIL, None),
    ("notices go to everybody", SERVICE, known("service"), NOTICES_ALWAYS, None),
    ("advertising does not", PROMOTIONAL, known("promotional"), NOTICES_ALWAYS, Reason.OPTED_OUT),
]


@pytest.mark.parametrize(
    ("message_class", "standing", "consent", "reason"),
    [row[1:] for row in PEOPLE],
    ids=[row[0] for row in PEOPLE],
)
def test_who_may_be_told(
    message_class: MessageClass, standing: Standing, consent: ConsentPolicy, reason: Reason | None
) -> None:
    facts = Facts(message_class, standing, EVERY, NOW + DAY, policies=PeoplePolicies(consent))
    verdict = judge(facts, NOW)
    assert (verdict.reason if isinstance(verdict, Refuse) else None) is reason
    if isinstance(verdict, Refuse):
        assert verdict.rule
        assert verdict.set_at.startswith("/v1/")


@pytest.mark.parametrize("message_class", MessageClass)
@pytest.mark.parametrize("why", Why)
def test_what_a_suppressed_address_stops(why: Why, message_class: MessageClass) -> None:
    def goes(*entries: Suppressed) -> bool:
        facts = Facts(message_class, known(), EVERY, NOW + DAY, suppressed=entries)
        return isinstance(judge(facts, NOW), Allow)

    stops = message_class in STOPS[why]
    assert goes(Suppressed(why)) is not stops
    assert goes(Suppressed(why, LINE)) is not stops
    assert goes(Suppressed(why, OTHER_LINE))
    assert goes(Suppressed(why, expires_at=NOW))
    assert goes(Suppressed(why, expires_at=NOW + 1)) is not stops
    assert message_class is not PROMOTIONAL or stops, "whatever the reason, no advertising"


def test_nobody_may_write_a_policy_that_sends_advertising_to_those_who_said_no() -> None:
    with pytest.raises(Problem) as raised:
        policy({"classes": ["service", "promotional"], "need": "not_needed"})
    assert raised.value.fields[0].field == "need"


# ── no combination ───────────────────────────────────────────────────────────────────────────────────

scopes = st.builds(
    lambda purpose, channel: f"{purpose}{channel}",
    st.sampled_from(PURPOSES),
    st.sampled_from(("", "@smpp", "@smtp")),
)
standings = st.builds(
    Standing,
    st.frozensets(scopes, max_size=4),
    st.booleans(),
    st.sampled_from(("UTC", "Asia/Tehran", "Europe/Kyiv")),
    st.sampled_from(("", "IR", "DE")),
    st.frozensets(scopes, max_size=4),
)
needs = st.lists(
    st.builds(
        lambda classes, need, channels, countries: {
            "classes": sorted(classes),
            "need": "opt_in" if need == "not_needed" and "promotional" in classes else need,
            "channels": sorted(channels),
            "countries": sorted(countries),
        },
        st.frozensets(st.sampled_from([one.value for one in MessageClass]), min_size=1),
        st.sampled_from([one.value for one in Need]),
        st.frozensets(st.sampled_from(("smpp", "smtp"))),
        st.frozensets(st.sampled_from(("*", "IR", "DE")), min_size=1),
    ),
    max_size=3,
)
quiets = st.lists(
    st.builds(
        QuietRule,
        from_=st.sampled_from(("00:00", "15:00", "21:00")),
        until=st.sampled_from(("09:00", "17:00", "24:00")),
        countries=st.sampled_from((("*",), ("IR",))),
        action=st.sampled_from(("hold", "skip", "expire")),
    ),
    max_size=2,
)
some_caps = st.lists(
    st.builds(
        Cap, st.integers(1, 3), st.integers(1, 48), st.just("hours"), over=st.sampled_from(("hold", "refuse"))
    ),
    max_size=2,
)
touches = st.lists(
    st.builds(
        Touch,
        st.integers(NOW - 3 * DAY, NOW),
        st.sampled_from(MessageClass),
        st.sampled_from(("smpp", "smtp")),
        st.integers(1, 5),
    ),
    max_size=6,
)
suppressions = st.lists(
    st.builds(
        Suppressed,
        st.sampled_from(Why),
        st.sampled_from((0, LINE, OTHER_LINE)),
        st.sampled_from((0, NOW, NOW + 1)),
    ),
    max_size=3,
)


@given(standings, needs, quiets, some_caps, touches, suppressions)
def test_no_combination_lets_advertising_through_a_no(
    standing: Standing,
    rules: list[dict[str, Any]],
    quiet: list[QuietRule],
    capped: list[Cap],
    had: list[Touch],
    listed: list[Suppressed],
) -> None:
    policies = PeoplePolicies(policy(*rules), QuietHours(tuple(quiet)), Caps(tuple(capped)))
    facts = Facts(PROMOTIONAL, standing, EVERY, NOW + DAY, 1, message_id=99, policies=policies)
    facts = msgspec.structs.replace(facts, suppressed=tuple(listed), touches=tuple(had))
    if not isinstance(judge(facts, NOW), Allow):
        return
    choices = Choices(standing.opted_out, standing.opted_in)
    assert said(choices, PROMOTIONAL, CHANNEL) is not State.WITHDRAWN
    assert not standing.operator_blacklist
    if policies.consent.need(PROMOTIONAL, CHANNEL, standing.country) is Need.OPT_IN:
        assert any(read_scope(one).covers(PROMOTIONAL, CHANNEL) for one in standing.opted_in)
    assert not any(one.line_id in (0, LINE) and one.expires_at in (0, NOW + 1) for one in listed)
    for one in quiet:
        if "*" in one.countries or standing.country in one.countries:
            assert quiet_until(one, standing.time_zone, NOW) is None
    for cap in capped:
        window = micros(cap.window * 3_600)
        last = {
            touch.message_id: touch.at
            for touch in sorted(had, key=lambda touch: touch.at)
            if touch.message_class is PROMOTIONAL
        }
        assert sum(at >= NOW - window for at in last.values()) < cap.most
    assert isinstance(caps(facts, NOW), Allow)


@given(standings, needs, quiets, some_caps, touches, suppressions)
def test_a_code_goes_unless_the_person_refused_codes(
    standing: Standing,
    rules: list[dict[str, Any]],
    quiet: list[QuietRule],
    capped: list[Cap],
    had: list[Touch],
    listed: list[Suppressed],
) -> None:
    policies = PeoplePolicies(policy(*rules), QuietHours(tuple(quiet)), Caps(tuple(capped)))
    facts = Facts(OTP, standing, EVERY, NOW + DAY, 1, message_id=99, policies=policies)
    facts = msgspec.structs.replace(facts, suppressed=tuple(listed), touches=tuple(had))
    verdict = judge(facts, NOW)
    needed = policies.consent.need(OTP, CHANNEL, standing.country)
    refused = said(Choices(standing.opted_out, standing.opted_in), OTP, CHANNEL)
    if isinstance(verdict, Refuse):
        assert verdict.rule in ("opt-out", "consent")
        assert refused is State.WITHDRAWN or needed is Need.OPT_IN
    else:
        assert isinstance(verdict, Allow)
