"""Keys: what they look like, whose they are, what is kept of them, and what a new one must be."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.accounts.rules import (
    NAME_MAX,
    SCOPES,
    SECRET_BYTES,
    check_key,
    compose,
    digest,
    workspace_of,
)
from angarium.core.clock import micros

SECRET = bytes(range(SECRET_BYTES))
NOW = micros(1_800_000_000)


def test_what_a_key_looks_like() -> None:
    assert compose(1, SECRET) == "ang_0000000000001_" + SECRET.hex()


@given(st.integers(0, (1 << 63) - 1), st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_a_key_names_its_workspace(workspace_id: int, secret: bytes) -> None:
    assert workspace_of(compose(workspace_id, secret)) == workspace_id


@given(st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_what_is_kept_is_not_the_key(secret: bytes) -> None:
    key = compose(1, secret)
    assert digest(key) == hashlib.sha256(key.encode("ascii")).digest()
    assert secret not in digest(key)


GOOD = compose(1, SECRET)
NOT_KEYS = [
    "",
    "ang",
    "ang__",
    GOOD.upper(),
    GOOD[:-1],
    GOOD + "0",
    GOOD.replace("ang_", "ank_"),
    GOOD.replace("_", "-"),
    GOOD.replace("0000000000001", "000000000001"),
    GOOD.replace("0000000000001", "000000000000u"),
    GOOD.replace("0000000000001", "zzzzzzzzzzzzz"),
    "ang_0000000000001_extra_" + SECRET.hex(),
    " " + GOOD,
    "Bearer " + GOOD,
    "ang_" * 10_000,
]


@pytest.mark.parametrize("key", NOT_KEYS)
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(ValueError, match=r"not an Angarium API key|not workspace id"):
        workspace_of(key)


@given(st.text(max_size=200))
def test_any_text_is_a_key_or_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        workspace_of(text)


ALL, ONE = frozenset(SCOPES), frozenset({"messages:read"})
NEW_KEYS = [  # name, scopes, expiry; the fields that are wrong
    ("shop", ONE, None, []),
    ("shop", ALL, NOW + 1, []),
    ("n" * NAME_MAX, ONE, None, []),
    ("", ONE, None, ["name"]),
    (" \t", ONE, None, ["name"]),
    ("n" * (NAME_MAX + 1), ONE, None, ["name"]),
    ("shop", frozenset(), None, ["scopes"]),
    ("shop", ONE | {"admin"}, None, ["scopes"]),
    ("shop", frozenset({"messages"}), None, ["scopes"]),
    ("shop", ONE, NOW, ["expires_at"]),
    ("", frozenset({"*"}), 0, ["name", "scopes", "expires_at"]),
]


@pytest.mark.parametrize(("name", "scopes", "expires_at", "wrong"), NEW_KEYS)
def test_what_a_new_key_must_be(
    name: str, scopes: frozenset[str], expires_at: int | None, wrong: list[str]
) -> None:
    found = check_key(name, scopes, expires_at, NOW)
    assert [one.field for one in found] == wrong
    assert all(one.problem and one.remedy for one in found)


def test_an_unknown_scope_is_named() -> None:
    (wrong,) = check_key("shop", ONE | {"root", "admin"}, None, NOW)
    assert wrong.value == "admin, root"
    assert "messages:write" in wrong.remedy


def test_every_scope_says_what_it_allows() -> None:
    assert all(meaning[0].isupper() for meaning in SCOPES.values())
