"""Secrets at rest."""

from __future__ import annotations

import stat
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from angarium.core.clock import SystemChance
from angarium.storage.vault import (
    KEY_BYTES,
    Keys,
    NotOpened,
    Vault,
    add_key,
    key_file,
    keys_from,
    only_newest_key,
    prepare_key,
)

CHANCE = SystemChance()
KEY, OTHER = bytes(range(32)), bytes(32)
SECRET = "hashing:" + urlsafe_b64encode(KEY).decode() + "\n"
HERE = "1/line/2/settings/password"


def test_what_is_sealed_opens() -> None:
    vault = Vault([KEY], CHANCE)
    for plain in (b"", b"secret", bytes(100_000)):
        assert vault.open(vault.seal(plain, HERE), HERE) == plain


def test_no_two_seals_are_alike_and_none_shows_its_secret() -> None:
    vault = Vault([KEY], CHANCE)
    sealed = {vault.seal(b"secret", HERE) for _ in range(100)}
    assert len(sealed) == 100
    assert not any("secret" in text for text in sealed)


def test_a_keyed_hash_is_of_its_data_its_purpose_and_the_secret() -> None:
    vault = Vault([KEY], CHANCE)
    hashed = vault.keyed_hash(b"+380501234567", "log/phone")
    assert len(hashed) == 32
    assert vault.keyed_hash(b"+380501234567", "log/phone") == hashed
    assert Vault([OTHER, KEY], CHANCE).keyed_hash(b"+380501234567", "log/phone") == hashed
    others = {
        vault.keyed_hash(b"+380501234568", "log/phone"),
        vault.keyed_hash(b"+380501234567", "idempotency"),
        Vault([OTHER], CHANCE).keyed_hash(b"+380501234567", "log/phone"),
        Vault([KEY], CHANCE, hashing=OTHER).keyed_hash(b"+380501234567", "log/phone"),
        sha256(b"+380501234567").digest(),
    }
    assert hashed not in others
    assert len(others) == 5


def test_it_opens_nowhere_else() -> None:
    vault = Vault([KEY], CHANCE)
    with pytest.raises(NotOpened, match=r"2/line/2/settings/password: .* another place"):
        vault.open(vault.seal(b"secret", HERE), "2/line/2/settings/password")


@pytest.mark.parametrize("sealed", ["", "v1", "v1..", "v2.aa.bb", "secret", "v1.00000000.AAAA"])
def test_what_was_not_sealed_by_us(sealed: str) -> None:
    with pytest.raises(NotOpened, match=HERE):
        Vault([KEY], CHANCE).open(sealed, HERE)


def test_changed_bytes_do_not_open() -> None:
    vault = Vault([KEY], CHANCE)
    sealed = vault.seal(b"secret", HERE)
    head, _, body = sealed.rpartition(".")
    other = body[:10] + ("A" if body[10] != "A" else "B") + body[11:]
    for changed in ("", body[:-8], other, "!" + body, "é"):
        with pytest.raises(NotOpened, match="changed"):
            vault.open(f"{head}.{changed}", HERE)


def test_an_old_key_opens_and_the_newest_seals() -> None:
    old, both = Vault([OTHER], CHANCE), Vault([KEY, OTHER], CHANCE)
    sealed = old.seal(b"secret", HERE)
    assert both.open(sealed, HERE) == b"secret"
    assert not both.is_newest(sealed)
    renewed = both.seal(b"secret", HERE)
    assert both.is_newest(renewed)
    with pytest.raises(NotOpened, match="which the vault does not have"):
        old.open(renewed, HERE)


@pytest.mark.parametrize("keys", [[], [b"short"], [KEY, b""]])
def test_a_vault_without_a_proper_key(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(keys, CHANCE)


def test_a_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    keys = key_file(path, CHANCE)
    assert [len(key) for key in (*keys.sealing, keys.hashing)] == [KEY_BYTES] * 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key_file(path, CHANCE) == keys
    assert list(tmp_path.iterdir()) == [path]


def test_a_second_key_is_a_line_before_the_first(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    keys = key_file(path, CHANCE)
    path.write_text(line_of(KEY) + path.read_text())
    assert key_file(path, CHANCE) == Keys((KEY, *keys.sealing), keys.hashing)


def line_of(key: bytes) -> str:
    return urlsafe_b64encode(key).decode() + "\n"


def vault_of(path: Path) -> Vault:
    keys = key_file(path, CHANCE)
    return Vault(keys.every, CHANCE, path, keys.hashing)


@pytest.mark.parametrize("before", ["", line_of(KEY), line_of(OTHER) + line_of(KEY)])
def test_hashes_stay_when_keys_are_changed_and_taken_out(tmp_path: Path, before: str) -> None:
    """Of a file that is made now, and of those from before; for a server that runs meanwhile, too."""
    path = tmp_path / "vault.key"
    if before:
        path.write_text(before)
    running = vault_of(path)
    hashed = running.keyed_hash(b"+380501234567", "suppression")
    assert not before or hashed == Vault([KEY], CHANCE).keyed_hash(b"+380501234567", "suppression")
    count = len(key_file(path, CHANCE).sealing)
    add_key(path, CHANCE)
    assert only_newest_key(path) == count
    assert len(key_file(path, CHANCE).sealing) == 1
    assert vault_of(path).keyed_hash(b"+380501234567", "suppression") == hashed
    running.look_again()
    assert running.newest == vault_of(path).newest
    assert running.keyed_hash(b"+380501234567", "suppression") == hashed


def test_a_key_that_is_prepared_opens_and_seals_when_it_is_its_turn(tmp_path: Path) -> None:
    """So every server can have it before the first of them seals with it."""
    path, other = tmp_path / "vault.key", tmp_path / "other.key"
    first = vault_of(path)
    hashed = first.keyed_hash(b"+380501234567", "suppression")
    prepare_key(path, CHANCE)
    prepare_key(path, CHANCE)
    held = key_file(path, CHANCE)
    assert [len(held.sealing), len(held.prepared)] == [1, 1]
    other.write_bytes(path.read_bytes())
    beside = vault_of(other)
    assert beside.is_newest(first.seal(b"x", HERE))  # what was first seals
    add_key(path, CHANCE)
    assert key_file(path, CHANCE) == Keys((*held.prepared, *held.sealing), held.hashing)
    sealed = first.seal(b"secret", HERE)
    assert (beside.open(sealed, HERE), beside.is_newest(sealed)) == (b"secret", False)
    assert vault_of(path).keyed_hash(b"+380501234567", "suppression") == hashed
    assert beside.keyed_hash(b"+380501234567", "suppression") == hashed


def test_half_a_key_file_is_not_taken_by_a_vault_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    keys = key_file(path, CHANCE)
    running = Vault(keys.sealing, CHANCE, path, keys.hashing)
    whole = path.read_bytes()
    for held in (whole[:20], b"", b"\xff\xfe"):
        path.write_bytes(held)
        assert running.open(running.seal(b"secret", HERE), HERE) == b"secret"
    path.write_bytes(whole)
    add_key(path, CHANCE)
    running.look_again()
    assert not running.is_newest(Vault(keys.sealing, CHANCE).seal(b"x", HERE))


@pytest.mark.parametrize(
    "text",
    ["", "\n", "abcd", "not base64!", SECRET, line_of(KEY) + "hashing:abcd", line_of(KEY) + 2 * SECRET],
)
def test_a_key_file_with_something_else_in_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"32 bytes|padding|base64"):
        keys_from(text)
