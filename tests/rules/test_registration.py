"""Registrations as tables: what follows what, what the clock does, what keeps a class from going."""

from __future__ import annotations

import re
from itertools import product

import pytest

from angarium.core.clock import micros
from angarium.core.problems import Problem
from angarium.core.values import MessageClass
from angarium.lines import requirements as needs
from angarium.lines import uploads
from angarium.lines.registration_rules import (
    DAY_S,
    SOME_TIME,
    TRANSITIONS,
    Signature,
    Standing,
    State,
    granted,
    lacking,
    leads_to,
    next_at,
    possible,
    state_at,
)

OTP, TRANSACTIONAL, SERVICE, PROMOTIONAL = MessageClass
S = State
DAY = micros(DAY_S)
NOW = 1_000 * DAY


def standing(state: State, *classes: MessageClass, operator: str = "", **given: object) -> Standing:
    """A registration for service messages unless others are named."""
    return Standing(
        1,
        "reg_1",
        "plain",
        operator,
        frozenset(classes or (SERVICE,)),
        state,
        **given,  # type: ignore[arg-type]
    )


# ── states ───────────────────────────────────────────────────────────────────────────────────────────

FOLLOWS = {  # state: verb → state; every other pair is refused
    S.DRAFT: {"submit": S.SUBMITTED, "declare": S.APPROVED},
    S.SUBMITTED: {"withdraw": S.DRAFT, "review": S.IN_REVIEW},
    S.IN_REVIEW: {"withdraw": S.DRAFT, "approve": S.APPROVED, "refuse": S.REFUSED},
    S.APPROVED: {
        "suspend": S.SUSPENDED,
        "declare": S.APPROVED,
        "retract": S.REFUSED,
        "warn": S.EXPIRING,
        "expire": S.EXPIRED,
    },
    S.EXPIRING: {
        "suspend": S.SUSPENDED,
        "declare": S.APPROVED,
        "retract": S.REFUSED,
        "expire": S.EXPIRED,
    },
    S.EXPIRED: {"reopen": S.DRAFT, "declare": S.APPROVED},
    S.REFUSED: {"reopen": S.DRAFT, "declare": S.APPROVED},
    S.SUSPENDED: {"reinstate": S.APPROVED, "expire": S.EXPIRED},
}


@pytest.mark.parametrize(("state", "verb"), list(product(State, TRANSITIONS)))
def test_what_follows_what(state: State, verb: str) -> None:
    assert leads_to(verb, state) == FOLLOWS[state].get(verb)
    assert (verb in possible(state)) == (verb in FOLLOWS[state])


def test_an_approval_is_reached_in_review_alone() -> None:
    """But for what an owner declares, and for a suspension that is lifted."""
    ways = {verb for verb, (_, ends) in TRANSITIONS.items() if ends is S.APPROVED}
    assert ways == {"approve", "reinstate", "declare"}
    assert TRANSITIONS["approve"][0] == {S.IN_REVIEW}


CLOCK = [  # state, until (days from now), as the clock has it, the next change in days
    (S.APPROVED, None, S.APPROVED, None),
    (S.APPROVED, 31, S.APPROVED, 1),
    (S.APPROVED, 30, S.EXPIRING, 0),
    (S.APPROVED, 1, S.EXPIRING, -29),
    (S.APPROVED, 0, S.EXPIRED, -30),
    (S.APPROVED, -5, S.EXPIRED, -35),
    (S.EXPIRING, 10, S.EXPIRING, 10),
    (S.EXPIRING, 0, S.EXPIRED, 0),
    (S.SUSPENDED, 10, S.SUSPENDED, 10),
    (S.SUSPENDED, -1, S.EXPIRED, -1),
    (S.REFUSED, -1, S.REFUSED, None),
    (S.DRAFT, -1, S.DRAFT, None),
    (S.EXPIRED, -1, S.EXPIRED, None),
]


@pytest.mark.parametrize(("state", "until_days", "as_it_is", "next_days"), CLOCK)
def test_what_the_clock_does(
    state: State, until_days: int | None, as_it_is: State, next_days: int | None
) -> None:
    until = None if until_days is None else NOW + until_days * DAY
    assert state_at(standing(state, valid_until=until), 30, NOW) is as_it_is
    following = next_at(state, until, 30)
    assert following == (None if next_days is None else NOW + next_days * DAY)


# ── what keeps a class from going ────────────────────────────────────────────────────────────────────

LACKS = [  # registrations, class, operator of the number, the beginning of what is said; "" when it goes
    ([], SERVICE, "", "it has no registration for service"),
    ([standing(S.APPROVED)], SERVICE, "", ""),
    ([standing(S.EXPIRING)], SERVICE, "", ""),
    ([standing(S.APPROVED)], PROMOTIONAL, "", "it has no registration for promotional"),
    ([standing(S.APPROVED, SERVICE, OTP)], OTP, "", ""),
    ([standing(S.DRAFT)], SERVICE, "", "its registration reg_1 is a draft"),
    ([standing(S.SUBMITTED)], SERVICE, "", "its registration reg_1 is submitted"),
    ([standing(S.IN_REVIEW)], SERVICE, "", "its registration reg_1 is in review"),
    ([standing(S.REFUSED, reason="No stamp.")], SERVICE, "", "its registration reg_1 was refused: No stamp."),
    ([standing(S.SUSPENDED, reason="Spam.")], SERVICE, "", "its registration reg_1 is suspended: Spam."),
    ([standing(S.EXPIRED)], SERVICE, "", "its registration reg_1 has expired"),
    ([standing(S.APPROVED, valid_until=NOW)], SERVICE, "", "its registration reg_1 expired on 19"),
    ([standing(S.APPROVED, valid_until=NOW + 1)], SERVICE, "", ""),
    ([standing(S.APPROVED, valid_from=NOW + 1)], SERVICE, "", "its registration reg_1 is valid from 19"),
    ([standing(S.APPROVED, valid_from=NOW)], SERVICE, "", ""),
    ([standing(S.SUSPENDED), standing(S.APPROVED)], SERVICE, "", ""),
    ([standing(S.DRAFT), standing(S.SUSPENDED, reason="x")], SERVICE, "", "its registration reg_1 is susp"),
    ([standing(S.APPROVED, operator="mts")], SERVICE, "", ""),
    ([standing(S.APPROVED, operator="mts")], SERVICE, "mts", ""),
    (
        [standing(S.APPROVED, operator="mts")],
        SERVICE,
        "tele2",
        "it has no registration at the operator tele2",
    ),
    ([standing(S.APPROVED)], SERVICE, "tele2", ""),
    (
        [standing(S.APPROVED, operator="mts"), standing(S.REFUSED, operator="tele2")],
        SERVICE,
        "tele2",
        "its registration reg_1 was refused",
    ),
]


@pytest.mark.parametrize(("standings", "message_class", "operator", "said"), LACKS)
def test_what_keeps_a_class_from_going(
    standings: list[Standing], message_class: MessageClass, operator: str, said: str
) -> None:
    found = lacking(standings, message_class, operator, NOW)
    assert ("" if found is None else found[1][: len(said)]) == said
    if found is None and not operator:
        assert message_class in granted(standings, NOW)


def test_only_what_is_approved_lets_anything_through() -> None:
    """Whatever the state, the class, the time and the operator."""
    for state, message_class, until in product(State, MessageClass, (None, NOW - 1, NOW, NOW + 1)):
        one = standing(state, SERVICE, valid_until=until)
        goes = lacking([one], message_class, "", NOW) is None
        in_time = until is None or until > NOW
        assert goes == (state in (S.APPROVED, S.EXPIRING) and message_class is SERVICE and in_time)


def test_a_choice_among_lines_looks_at_no_clock() -> None:
    later = standing(S.APPROVED, valid_from=NOW + DAY, valid_until=NOW + 2 * DAY)
    assert lacking([later], SERVICE, "", SOME_TIME) is None
    assert lacking([standing(S.SUSPENDED)], SERVICE, "", SOME_TIME) is not None


# ── what is needed ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("need", needs.requirements().values(), ids=lambda need: need.key)
def test_each_kind_of_line_has_its_source_and_good_examples(need: needs.Requirement) -> None:
    assert need.source
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", need.as_of)
    assert need.classes
    assert need.country == "" or re.fullmatch("[A-Z]{2}", need.country)
    for field in need.fields:
        assert list(needs.check_fields(need, {field.key: field.example})) == [], field
        assert list(needs.check_fields(need, {field.key: "x" * 501})) != [], field
    for document in need.documents:
        assert set(document.media) <= set(uploads.KINDS)
    for undertaking in need.undertakings:
        assert undertaking.text["en"].strip()
    if not need.declarable:
        assert any(document.required for document in need.documents)
        assert need.undertakings


FIELDS = [  # kind of line, field, value, whether it is good
    ("ua-sender-name", "sender_name", "MyShop", True),
    ("ua-sender-name", "sender_name", "My Shop-1.2", True),
    ("ua-sender-name", "sender_name", "TwelveLetter", False),
    ("ua-sender-name", "sender_name", "Ab", False),
    ("ua-sender-name", "sender_name", "123456", False),
    ("ua-sender-name", "sender_name", "Магазин", False),
    ("ua-sender-name", "edrpou", "32855961", True),
    ("ua-sender-name", "edrpou", "3285596", False),
    ("ru-sender-name", "sender_name", "A&B_Shop", True),
    ("ru-sender-name", "inn", "7707083893", True),
    ("ru-sender-name", "inn", "77070838931", False),
    ("ir-service-line", "national_id", "10380284790", True),
    ("ir-service-line", "national_id", "10380284791", False),
    ("ir-service-line", "national_id", "۱۰۳۸۰۲۸۴۷۹۰", False),
    ("ir-service-line", "economic_code", "411111111111", True),
    ("ir-promotional-line", "number", "30001234", True),
    ("ir-promotional-line", "number", "40001234", False),
    ("whatsapp-number", "number", "+380441234567", True),
    ("viber-sender", "sender_name", "x" * 29, False),
    ("plain", "colour", "red", False),
]


@pytest.mark.parametrize(("kind", "field", "value", "good"), FIELDS)
def test_what_a_field_may_be(kind: str, field: str, value: str, good: bool) -> None:
    found = list(needs.check_fields(needs.of_key(kind), {field: value}))
    assert [one.field for one in found] == ([] if good else [f"fields.{field}"])
    assert all(one.remedy for one in found)


KINDS = [  # channel, the kind of a line where nothing is said, kinds it may be of
    (
        "smpp",
        "plain",
        {"plain", "ir-service-line", "ir-promotional-line", "ua-sender-name", "ru-sender-name"},
    ),
    ("smtp", "plain", {"plain"}),
    ("vk_notify", "plain", {"plain"}),
    ("viber_business", "viber-sender", {"viber-sender"}),
    ("whatsapp_cloud", "whatsapp-number", {"whatsapp-number"}),
]


@pytest.mark.parametrize(("channel", "usual", "kinds"), KINDS)
def test_which_kinds_a_channel_has(channel: str, usual: str, kinds: set[str]) -> None:
    assert needs.usual_for(channel) == usual
    assert {one.key for one in needs.requirements().values() if needs.fits(one, channel)} == kinds


def test_an_iranian_service_line_is_never_approved_for_advertising() -> None:
    line = needs.of_key("ir-service-line")
    assert [one.field for one in needs.check_classes(line, [SERVICE, PROMOTIONAL])] == ["classes"]
    assert needs.of_key("ir-promotional-line").classes == (PROMOTIONAL,)


OPERATORS = [
    ("+380671234567", "kyivstar"),
    ("+380501234567", "vodafone"),
    ("+380441234567", ""),
    ("+48501", ""),
]


@pytest.mark.parametrize(("number", "operator"), OPERATORS)
def test_the_operator_of_a_number(number: str, operator: str) -> None:
    assert needs.of_key("ua-sender-name").operator_of(number) == operator


SIGNED = [  # signature, whether it is good
    (Signature("Olena Kovalenko", "2026-11-20"), True),
    (Signature(" ", "2026-11-20"), False),
    (Signature("O", "20.11.2026"), False),
    (Signature("O" * 201, "2026-11-20"), False),
]


@pytest.mark.parametrize(("signature", "good"), SIGNED)
def test_who_signed(signature: Signature, good: bool) -> None:
    need = needs.of_key("ua-sender-name")
    assert (not list(needs.check_signatures(need, {"own-name": signature}))) == good
    assert list(needs.check_signatures(need, {"another": signature}))


# ── files ────────────────────────────────────────────────────────────────────────────────────────────

PDF = b"%PDF-1.7\n1 0 obj"
FILES = [  # body, kinds that are taken, the kind it is; "" when none
    (PDF, ("pdf",), "pdf"),
    (b"\x89PNG\r\n\x1a\n....", ("pdf", "png"), "png"),
    (b"\xff\xd8\xff\xe0", ("jpeg",), "jpeg"),
    (b"PK\x03\x04..[Content_Types].xml..xl/workbook.xml", ("xlsx",), "xlsx"),
    (b"PK\x03\x04 some other archive", ("xlsx",), ""),
    ("name;phone\nОлена;+380\n".encode(), ("xlsx", "csv"), "csv"),
    (b"name\0phone", ("csv",), ""),
    (b"\xff\xfe", ("csv",), ""),
    (b"MZ\x90", ("pdf", "png", "jpeg"), ""),
    (b"<html><script>alert(1)</script>", ("pdf", "png"), ""),
    (PDF, ("png",), ""),
    (b"", ("csv",), ""),
]


@pytest.mark.parametrize(("body", "allowed", "kind"), FILES)
def test_the_kind_of_a_file_is_told_by_its_bytes(body: bytes, allowed: tuple[str, ...], kind: str) -> None:
    if kind:
        assert uploads.kind_of(body, allowed) == kind
        return
    with pytest.raises(Problem) as caught:
        uploads.kind_of(body, allowed)
    assert caught.value.fields[0].remedy
