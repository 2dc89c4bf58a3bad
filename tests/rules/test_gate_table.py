"""The gate as a table: what a class, line, person, wording and hour come to; and what never happens.

Every row is judged by the rules as they are asked in production. The columns are spelt out below: what the
line is approved for, what is known of the person, what the text says, what the clock shows in Tehran.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from itertools import product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angarium.contacts.suppression import Suppressed, Why
from angarium.content import promotional
from angarium.core.clock import from_datetime, iso, micros, to_datetime
from angarium.core.values import MessageClass, Standing
from angarium.lines.patterns_flows import syntaxes
from angarium.lines.patterns_index import Index
from angarium.lines.patterns_rules import made
from angarium.lines.registration_rules import Standing as Registered
from angarium.lines.registration_rules import State
from angarium.messaging.gate.approval import Wording
from angarium.messaging.gate.documents import (
    Cap,
    Caps,
    ConsentPolicy,
    ConsentRule,
    Need,
    PeoplePolicies,
    QuietHours,
    QuietRule,
)
from angarium.messaging.gate.facts import Facts, LineRules, Promotes, Touch
from angarium.messaging.gate.judge import Judge, judge
from angarium.messaging.gate.verdicts import Allow, Defer, Hold, Refuse

OTP, TRANSACTIONAL, SERVICE, PROMOTIONAL = MessageClass
EVERY = frozenset(MessageClass)

# The policies of the shop: advertising is quiet from nine to nine, service messages from midnight to seven;
# advertising needs a yes in Germany, and goes to nobody more than twice a day.
POLICIES = PeoplePolicies(
    ConsentPolicy((ConsentRule((PROMOTIONAL,), Need.OPT_IN, countries=("DE",)),)),
    QuietHours((QuietRule("21:00", "09:00"), QuietRule("00:00", "07:00", (SERVICE,)))),
    Caps((Cap(2, 1),)),
)
HOURS = {  # what the clock shows in Tehran; late: the deadline has passed
    "day": "2026-11-24T12:00+03:30",
    "evening": "2026-11-24T22:00+03:30",
    "night": "2026-11-25T02:00+03:30",
    "late": "2026-11-26T12:00+03:30",
}
DEADLINE = "2026-11-26T11:00+03:30"
LAST_TWO = ("2026-11-24T08:00+03:30", "2026-11-23T20:00+03:30")  # what somebody has had who is at the cap
WORDINGS = {
    "plain": "Your order 7 is ready.",
    "offer": "Only today: 30% off everything! Use code SPRING30 at checkout.",
    "hint": "Your order 7 is packed. A coupon and a gift wait for you, enjoy!",
    "own": "Your order 7 is ready.",  # not of a template, where the policy asks for approved words
}
PEOPLE = {
    "free": Standing(),
    "no-ads": Standing(frozenset({"promotional"})),  # opted out of advertising
    "out": Standing(frozenset({"all"})),  # opted out of everything
    "off-sms": Standing(frozenset({"promotional@smpp"})),  # opted out of advertising by SMS
    "listed": Standing(operator_blacklist=True),
    "bounced": Standing(),  # a message to the address came back for good
    "complained": Standing(),
    "german": Standing(country="DE"),  # has not said yes to advertising
    "german-yes": Standing(country="DE", opted_in=frozenset({"promotional"})),
    "capped": Standing(),  # has had two advertisements since yesterday
}
SUPPRESSED = {"bounced": Why.HARD_BOUNCE, "complained": Why.COMPLAINT}
LINES = {  # what they are approved for
    "service": EVERY - {PROMOTIONAL},
    "ads": frozenset({PROMOTIONAL}),
    "every": EVERY,
    "draft": EVERY,
    "suspended": EVERY,
    "expired": EVERY,
    "off": EVERY,
    "patterned": frozenset({SERVICE, OTP}),  # says nothing but "Your order … is ready."
}
PATTERNS = Index([made(syntaxes()["braces"], "Your order {0} is ready.", {}, 1, "ready", "x")])
STATES = {"draft": State.DRAFT, "suspended": State.SUSPENDED, "expired": State.EXPIRED}

TABLE = """
class         | line      | person     | words | hour    | decision
# each class on each line
otp           | service   | free       | plain | day     | go
otp           | ads       | free       | plain | day     | no_line
otp           | every     | free       | plain | day     | go
otp           | draft     | free       | plain | day     | no_line
otp           | suspended | free       | plain | day     | no_line
otp           | expired   | free       | plain | day     | no_line
otp           | off       | free       | plain | day     | no_line
otp           | patterned | free       | plain | day     | go
transactional | service   | free       | plain | day     | go
transactional | ads       | free       | plain | day     | no_line
transactional | every     | free       | plain | day     | go
transactional | draft     | free       | plain | day     | no_line
transactional | suspended | free       | plain | day     | no_line
transactional | expired   | free       | plain | day     | no_line
transactional | off       | free       | plain | day     | no_line
transactional | patterned | free       | plain | day     | no_line
service       | service   | free       | plain | day     | go
service       | ads       | free       | plain | day     | no_line
service       | every     | free       | plain | day     | go
service       | draft     | free       | plain | day     | no_line
service       | suspended | free       | plain | day     | no_line
service       | expired   | free       | plain | day     | no_line
service       | off       | free       | plain | day     | no_line
service       | patterned | free       | plain | day     | go
promotional   | service   | free       | plain | day     | no_line
promotional   | ads       | free       | plain | day     | go
promotional   | every     | free       | plain | day     | go
promotional   | draft     | free       | plain | day     | no_line
promotional   | suspended | free       | plain | day     | no_line
promotional   | expired   | free       | plain | day     | no_line
promotional   | off       | free       | plain | day     | no_line
promotional   | patterned | free       | plain | day     | no_line
# each class to each person, on a line that carries all
otp           | every     | no-ads     | plain | day     | go
transactional | every     | no-ads     | plain | day     | go
service       | every     | no-ads     | plain | day     | go
promotional   | every     | no-ads     | plain | day     | opted_out
otp           | every     | out        | plain | day     | go
transactional | every     | out        | plain | day     | go
service       | every     | out        | plain | day     | opted_out
promotional   | every     | out        | plain | day     | opted_out
otp           | every     | off-sms    | plain | day     | go
transactional | every     | off-sms    | plain | day     | go
service       | every     | off-sms    | plain | day     | go
promotional   | every     | off-sms    | plain | day     | no_consent
otp           | every     | listed     | plain | day     | go
transactional | every     | listed     | plain | day     | go
service       | every     | listed     | plain | day     | go
promotional   | every     | listed     | plain | day     | operator_blacklist
otp           | every     | bounced    | plain | day     | go
transactional | every     | bounced    | plain | day     | bad_address
service       | every     | bounced    | plain | day     | bad_address
promotional   | every     | bounced    | plain | day     | bad_address
otp           | every     | complained | plain | day     | go
transactional | every     | complained | plain | day     | go
service       | every     | complained | plain | day     | go
promotional   | every     | complained | plain | day     | suppressed
otp           | every     | german     | plain | day     | go
transactional | every     | german     | plain | day     | go
service       | every     | german     | plain | day     | go
promotional   | every     | german     | plain | day     | no_consent
otp           | every     | german-yes | plain | day     | go
transactional | every     | german-yes | plain | day     | go
service       | every     | german-yes | plain | day     | go
promotional   | every     | german-yes | plain | day     | go
otp           | every     | capped     | plain | day     | go
transactional | every     | capped     | plain | day     | go
service       | every     | capped     | plain | day     | go
promotional   | every     | capped     | plain | day     | wait 20:00
# each class in each wording
otp           | every     | free       | offer | day     | promotional
transactional | every     | free       | offer | day     | promotional
service       | every     | free       | offer | day     | promotional
promotional   | every     | free       | offer | day     | go
otp           | every     | free       | hint  | day     | go
transactional | every     | free       | hint  | day     | review
service       | every     | free       | hint  | day     | review
promotional   | every     | free       | hint  | day     | go
otp           | every     | free       | own   | day     | go
transactional | every     | free       | own   | day     | go
service       | every     | free       | own   | day     | not_approved
promotional   | every     | free       | own   | day     | not_approved
# each class at each hour
otp           | every     | free       | plain | evening | go
transactional | every     | free       | plain | evening | go
service       | every     | free       | plain | evening | go
promotional   | every     | free       | plain | evening | wait 09:00
otp           | every     | free       | plain | night   | go
transactional | every     | free       | plain | night   | go
service       | every     | free       | plain | night   | wait 07:00
promotional   | every     | free       | plain | night   | wait 09:00
otp           | every     | free       | plain | late    | deadline
transactional | every     | free       | plain | late    | deadline
service       | every     | free       | plain | late    | deadline
promotional   | every     | free       | plain | late    | deadline
# advertising has no way round: by no line
promotional   | service   | no-ads     | plain | day     | opted_out
promotional   | ads       | no-ads     | plain | day     | opted_out
promotional   | suspended | no-ads     | plain | day     | opted_out
promotional   | patterned | no-ads     | plain | day     | opted_out
promotional   | service   | out        | plain | day     | opted_out
promotional   | ads       | out        | plain | day     | opted_out
promotional   | suspended | out        | plain | day     | opted_out
promotional   | patterned | out        | plain | day     | opted_out
promotional   | service   | off-sms    | plain | day     | no_consent
promotional   | ads       | off-sms    | plain | day     | no_consent
promotional   | suspended | off-sms    | plain | day     | no_consent
promotional   | patterned | off-sms    | plain | day     | no_consent
promotional   | service   | listed     | plain | day     | operator_blacklist
promotional   | ads       | listed     | plain | day     | operator_blacklist
promotional   | suspended | listed     | plain | day     | operator_blacklist
promotional   | patterned | listed     | plain | day     | operator_blacklist
promotional   | service   | bounced    | plain | day     | bad_address
promotional   | ads       | bounced    | plain | day     | bad_address
promotional   | suspended | bounced    | plain | day     | bad_address
promotional   | patterned | bounced    | plain | day     | bad_address
promotional   | service   | complained | plain | day     | suppressed
promotional   | ads       | complained | plain | day     | suppressed
promotional   | suspended | complained | plain | day     | suppressed
promotional   | patterned | complained | plain | day     | suppressed
promotional   | service   | german     | plain | day     | no_consent
promotional   | ads       | german     | plain | day     | no_consent
promotional   | suspended | german     | plain | day     | no_consent
promotional   | patterned | german     | plain | day     | no_consent
promotional   | service   | german-yes | plain | day     | no_line
promotional   | ads       | german-yes | plain | day     | go
promotional   | suspended | german-yes | plain | day     | no_line
promotional   | patterned | german-yes | plain | day     | no_line
promotional   | service   | capped     | plain | day     | no_line
promotional   | ads       | capped     | plain | day     | wait 20:00
promotional   | suspended | capped     | plain | day     | no_line
promotional   | patterned | capped     | plain | day     | no_line
# advertising under another name has no way round either
otp           | service   | free       | offer | day     | promotional
transactional | service   | free       | offer | day     | promotional
service       | service   | free       | offer | day     | promotional
otp           | service   | free       | hint  | day     | go
transactional | service   | free       | hint  | day     | review
service       | service   | free       | hint  | day     | review
otp           | service   | listed     | offer | day     | promotional
transactional | service   | listed     | offer | day     | promotional
service       | service   | listed     | offer | day     | promotional
otp           | service   | listed     | hint  | day     | go
transactional | service   | listed     | hint  | day     | review
service       | service   | listed     | hint  | day     | review
otp           | service   | no-ads     | offer | day     | promotional
transactional | service   | no-ads     | offer | day     | promotional
service       | service   | no-ads     | offer | day     | promotional
otp           | service   | no-ads     | hint  | day     | go
transactional | service   | no-ads     | hint  | day     | review
service       | service   | no-ads     | hint  | day     | review
# nor at night, nor in words that a patterned line does not know
promotional   | ads       | free       | offer | evening | wait 09:00
promotional   | ads       | free       | offer | night   | wait 09:00
promotional   | ads       | listed     | offer | evening | operator_blacklist
promotional   | ads       | listed     | offer | night   | operator_blacklist
promotional   | ads       | capped     | offer | evening | wait 09:00
promotional   | ads       | capped     | offer | night   | wait 09:00
service       | patterned | free       | plain | night   | wait 07:00
service       | patterned | free       | offer | day     | promotional
service       | patterned | free       | offer | night   | promotional
service       | patterned | free       | hint  | day     | review
service       | patterned | free       | hint  | night   | review
service       | patterned | listed     | plain | day     | go
service       | patterned | listed     | plain | night   | wait 07:00
service       | patterned | listed     | offer | day     | promotional
service       | patterned | listed     | offer | night   | promotional
service       | patterned | listed     | hint  | day     | review
service       | patterned | listed     | hint  | night   | review
service       | patterned | no-ads     | plain | day     | go
service       | patterned | no-ads     | plain | night   | wait 07:00
service       | patterned | no-ads     | offer | day     | promotional
service       | patterned | no-ads     | offer | night   | promotional
service       | patterned | no-ads     | hint  | day     | review
service       | patterned | no-ads     | hint  | night   | review
service       | patterned | out        | plain | day     | opted_out
service       | patterned | out        | plain | night   | opted_out
service       | patterned | out        | offer | day     | opted_out
service       | patterned | out        | offer | night   | opted_out
service       | patterned | out        | hint  | day     | opted_out
service       | patterned | out        | hint  | night   | opted_out
otp           | patterned | listed     | plain | night   | go
otp           | patterned | listed     | hint  | night   | template_invalid
# a service message reaches whom advertising does not
transactional | service   | listed     | plain | day     | go
transactional | service   | listed     | plain | evening | go
service       | service   | listed     | plain | day     | go
service       | service   | listed     | plain | evening | go
transactional | service   | no-ads     | plain | day     | go
transactional | service   | no-ads     | plain | evening | go
service       | service   | no-ads     | plain | day     | go
service       | service   | no-ads     | plain | evening | go
transactional | service   | off-sms    | plain | day     | go
transactional | service   | off-sms    | plain | evening | go
service       | service   | off-sms    | plain | day     | go
service       | service   | off-sms    | plain | evening | go
transactional | service   | complained | plain | day     | go
transactional | service   | complained | plain | evening | go
service       | service   | complained | plain | day     | go
service       | service   | complained | plain | evening | go
transactional | service   | german     | plain | day     | go
transactional | service   | german     | plain | evening | go
service       | service   | german     | plain | day     | go
service       | service   | german     | plain | evening | go
transactional | service   | capped     | plain | day     | go
transactional | service   | capped     | plain | evening | go
service       | service   | capped     | plain | day     | go
service       | service   | capped     | plain | evening | go
# each class on each line in the night
otp           | service   | free       | plain | night   | go
otp           | ads       | free       | plain | night   | no_line
otp           | draft     | free       | plain | night   | no_line
otp           | suspended | free       | plain | night   | no_line
otp           | expired   | free       | plain | night   | no_line
otp           | off       | free       | plain | night   | no_line
otp           | patterned | free       | plain | night   | go
transactional | service   | free       | plain | night   | go
transactional | ads       | free       | plain | night   | no_line
transactional | draft     | free       | plain | night   | no_line
transactional | suspended | free       | plain | night   | no_line
transactional | expired   | free       | plain | night   | no_line
transactional | off       | free       | plain | night   | no_line
transactional | patterned | free       | plain | night   | no_line
service       | service   | free       | plain | night   | wait 07:00
service       | ads       | free       | plain | night   | no_line
service       | draft     | free       | plain | night   | no_line
service       | suspended | free       | plain | night   | no_line
service       | expired   | free       | plain | night   | no_line
service       | off       | free       | plain | night   | no_line
promotional   | service   | free       | plain | night   | no_line
promotional   | ads       | free       | plain | night   | wait 09:00
promotional   | draft     | free       | plain | night   | no_line
promotional   | suspended | free       | plain | night   | no_line
promotional   | expired   | free       | plain | night   | no_line
promotional   | off       | free       | plain | night   | no_line
promotional   | patterned | free       | plain | night   | no_line
"""


def rows() -> list[tuple[str, ...]]:
    """The cells of each row."""
    lines = [line for line in TABLE.strip().splitlines()[1:] if not line.startswith("#")]
    return [tuple(cell.strip() for cell in line.split("|")) for line in lines]


def instant(text: str) -> int:
    """An instant as ISO text with its offset."""
    return from_datetime(datetime.fromisoformat(text))


@cache
def promotes(words: str, message_class: MessageClass) -> Promotes | None:
    """What content control finds in a wording, as the default policy has it."""
    text = WORDINGS[words]
    found = promotional.detect(text)
    if message_class is PROMOTIONAL or not found.is_likely:
        return None
    if not found.is_certain and message_class is OTP:
        return None
    return Promotes("block" if found.is_certain else "hold", found.words(text))


@cache
def line(name: str) -> LineRules:
    """A line as the gate sees it."""
    classes = LINES[name]
    registered = Registered(7, "reg_7", "plain", "", classes, STATES.get(name, State.APPROVED))
    return LineRules(
        name, classes, True, name != "off", line_id=1, channel="smpp", registrations=(registered,)
    )


def facts(message_class: MessageClass, line_name: str, person: str, words: str, expires_at: int) -> Facts:
    """A row as facts."""
    asked = int(words == "own" and message_class in (SERVICE, PROMOTIONAL))
    why = SUPPRESSED.get(person)
    touches = [Touch(instant(at), PROMOTIONAL, "smpp", n) for n, at in enumerate(LAST_TWO, start=1)]
    standing = PEOPLE[person]
    return Facts(
        message_class,
        Standing(
            standing.opted_out,
            standing.operator_blacklist,
            "Asia/Tehran",
            standing.country,
            standing.opted_in,
        ),
        line(line_name),
        expires_at,
        text=WORDINGS[words],
        patterns=PATTERNS if line_name == "patterned" else None,
        promotes=promotes(words, message_class),
        wording=Wording(asked, from_template=not asked),
        message_id=99,
        suppressed=(Suppressed(why),) if why else (),
        touches=tuple(touches) if person == "capped" else (),
        policies=POLICIES,
    )


def decided(found: Facts, now: int) -> str:
    """A verdict as the table has it."""
    verdict, batch = judge(found, now), Judge(now)
    among_others = [msgspec.structs.replace(found, contact_id=n, message_id=n) for n in range(3)]
    assert [batch.judge(one) for one in among_others] == [judge(one, now) for one in among_others]
    match verdict:
        case Allow():
            return "go"
        case Defer(until=until):
            return f"wait {to_datetime(until + micros(3.5 * 3600)):%H:%M}"
        case Hold(reason=reason) | Refuse(reason=reason):
            return reason.value


def test_the_table_is_large_and_no_row_is_twice() -> None:
    assert len(rows()) >= 200
    assert len({row[:5] for row in rows()}) == len(rows())


@pytest.mark.parametrize("row", rows(), ids=" ".join)
def test_what_it_comes_to(row: tuple[str, ...]) -> None:
    message_class, line_name, person, words, hour, decision = row
    found = facts(MessageClass(message_class), line_name, person, words, instant(DEADLINE))
    assert decided(found, instant(HOURS[hour])) == decision


def test_each_no_says_which_rule_and_where_it_is_set() -> None:
    for message_class, line_name, person, words, hour, _ in rows():
        verdict = judge(
            facts(MessageClass(message_class), line_name, person, words, instant(DEADLINE)),
            instant(HOURS[hour]),
        )
        if not isinstance(verdict, Allow):
            assert verdict.rule
            assert verdict.set_at
            assert verdict.detail.endswith(".")


# ── what never happens ───────────────────────────────────────────────────────────────────────────────

minutes = st.integers(0, 14 * 24 * 60).map(lambda m: instant("2026-11-16T00:00+03:30") + micros(m * 60.0))
NO_ADVERTISING = {"no-ads", "out", "off-sms", "listed", "bounced", "complained", "german"}
NOT_APPROVED = {"draft", "suspended", "expired", "off"}


@given(minutes)
@settings(max_examples=60)
def test_no_combination_lets_advertising_past(now: int) -> None:
    """Every combination of the columns, at any minute of two weeks."""
    for message_class, line_name, person, words in product(MessageClass, LINES, PEOPLE, WORDINGS):
        found = facts(message_class, line_name, person, words, now + micros(3600.0))
        if not isinstance(judge(found, now), Allow):
            continue
        assert line_name not in NOT_APPROVED
        assert message_class in LINES[line_name]
        if message_class is PROMOTIONAL or words == "offer":
            assert message_class is PROMOTIONAL, "advertising under another name"
            assert line_name in ("ads", "every"), "advertising on a service line"
            assert person not in NO_ADVERTISING
            assert 9 <= to_datetime(now + micros(3.5 * 3600)).hour < 21, iso(now)
