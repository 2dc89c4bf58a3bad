"""How far rights go, and what roles may do: tables."""

from __future__ import annotations

import pytest

from angarium.accounts import reach, roles, rules
from angarium.accounts.reach import WHOLE, Reach
from angarium.accounts.roles import ROLES, Role
from angarium.core import ids
from angarium.core.problems import Problem
from angarium.core.values import MessageClass

OTP, PROMO, SERVICE = MessageClass.OTP, MessageClass.PROMOTIONAL, MessageClass.SERVICE


def narrowed(classes: set[MessageClass] | None = None, lines: set[int] | None = None) -> Reach:
    """A reach of these."""
    return Reach(None if classes is None else frozenset(classes), None if lines is None else frozenset(lines))


@pytest.mark.parametrize(
    ("own", "other", "holds"),
    [
        (WHOLE, WHOLE, True),
        (WHOLE, narrowed({PROMO}), True),
        (narrowed({PROMO}), WHOLE, False),
        (narrowed({PROMO}), narrowed({PROMO}), True),
        (narrowed({PROMO, OTP}), narrowed({PROMO}), True),
        (narrowed({PROMO}), narrowed({PROMO, OTP}), False),
        (narrowed({PROMO}), narrowed(None, {1}), False),
        (narrowed(None, {1, 2}), narrowed(None, {2}), True),
        (narrowed(None, {1, 2}), narrowed(None, {3}), False),
        (narrowed({PROMO}, {1}), narrowed({PROMO}, {1}), True),
        (narrowed({PROMO}, {1}), narrowed({PROMO}), False),
    ],
)
def test_one_reach_holds_another(own: Reach, other: Reach, holds: bool) -> None:
    assert own.holds(other) is holds
    assert own.has_class(PROMO)
    assert own.is_whole is (own == WHOLE)


@pytest.mark.parametrize("one", [WHOLE, narrowed({PROMO, OTP}), narrowed(None, {7, 1}), narrowed({OTP}, {1})])
def test_it_is_kept_and_read_again(one: Reach) -> None:
    assert reach.read(reach.written(one)) == one
    assert reach.given(reach.shown_classes(one), reach.shown_lines(one)) == one


def test_what_is_kept_of_nothing_is_whole() -> None:
    assert (reach.read(None), reach.read(""), reach.written(WHOLE)) == (WHOLE, WHOLE, "")


@pytest.mark.parametrize(
    ("classes", "lines", "field"),
    [
        ([], None, "classes"),
        (None, [], "lines"),
        (None, ["lin_x"], "lines[0]"),
        (None, [ids.show("line", 1), ids.show("contact", 1)], "lines[1]"),
        (None, [ids.show("line", 1)] * 1_001, "lines"),
    ],
)
def test_what_goes_nowhere_is_refused(
    classes: list[MessageClass] | None, lines: list[str] | None, field: str
) -> None:
    with pytest.raises(Problem) as refused:
        reach.given(classes, lines)
    assert [one.field for one in refused.value.fields] == [field]


# ── roles ────────────────────────────────────────────────────────────────────────────────────────────


def test_every_role_is_described_and_every_scope_is_known() -> None:
    assert set(ROLES) == set(Role)
    assert frozenset[str]().union(*(one.scopes for one in ROLES.values())) == set(rules.SCOPES)
    assert ROLES[Role.OWNER].scopes == ROLES[Role.ADMIN].scopes == set(rules.SCOPES)


FORBIDDEN: list[tuple[Role, set[str]]] = [
    # what each may never do: who writes does not review, who reviews does not send, who looks changes nothing
    (Role.MARKETER, {"templates:decide", "lines:decide", "setup:write", "policies:write", "people:write"}),
    (Role.COMPLIANCE, {"messages:write", "templates:write", "setup:write", "people:write"}),
    (Role.OPERATOR, {"messages:write", "templates:decide", "lines:decide", "policies:write", "people:write"}),
    (Role.AGENT, {"templates:write", "setup:write", "templates:decide", "policies:write", "people:write"}),
    (
        Role.DEVELOPER,
        {"templates:decide", "lines:decide", "policies:write", "people:write", "contacts:erase"},
    ),
]


@pytest.mark.parametrize(("role", "scopes"), FORBIDDEN)
def test_duties_are_apart(role: Role, scopes: set[str]) -> None:
    assert roles.scopes_of(role) & scopes == set()


def test_who_looks_changes_nothing() -> None:
    assert {scope for scope in roles.scopes_of(Role.READ_ONLY) if not scope.endswith(":read")} == set()


@pytest.mark.parametrize(
    ("own", "other", "may"),
    [
        (Role.OWNER, Role.OWNER, True),
        (Role.OWNER, Role.ADMIN, True),
        (Role.ADMIN, Role.OWNER, False),
        (Role.ADMIN, Role.ADMIN, True),
        (Role.ADMIN, Role.AGENT, True),
    ],
)
def test_only_owners_touch_owners(own: Role, other: Role, may: bool) -> None:
    assert roles.may_give(own, other) is may


def test_what_comes_with_a_scope() -> None:
    assert rules.with_implied(frozenset({"setup:write"})) == {"setup:write", "templates:write"}
    assert rules.with_implied(frozenset({"messages:read"})) == {"messages:read"}
