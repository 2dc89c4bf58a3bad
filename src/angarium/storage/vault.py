"""Secrets at rest: sealed with a key that is not in the database, and bound to the cell they belong to.

AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D §8.3: at most 2³² seals with one key). A sealed secret
is text, `v1.<fingerprint of its key>.<base64>`, so that keys can be changed: the newest seals, all of them
open. Moved to another row it does not open, as happens to a value copied from one workspace to another.

A vault of a file looks whether the file was changed before it seals, and when it meets a key that it does not
know: so keys are changed under a running server.

What is only compared, and never read again, is kept as a keyed hash: a plain one of a phone or a six-digit
code is found again by trying them all. Hashes cannot be made anew, so their secret is a line of its own in
the file, which stays when keys are changed and taken out. A file from before has no such line: the secret is
made of its oldest key then, and is written down when the file is written next.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from angarium.core.clock import Chance
from angarium.core.problems import Problem

log = structlog.get_logger()

KEY_BYTES = 32
NONCE_BYTES = 12
VERSION = "v1"
HASHING = "hashing:"  # how the line begins that holds the secret of keyed hashes
FORM = f"keys of {KEY_BYTES} bytes in base64, one a line, and one after {HASHING}"


class NotOpened(Exception):
    """A sealed secret does not open: another key, another place, or changed since."""


class Keys(msgspec.Struct, frozen=True):
    """What a key file holds: the keys that seal, the newest first, and the secret of keyed hashes.

    A key behind that secret is prepared: it opens, and is to seal when every server has it. A version that
    does not know of this takes it for the oldest of the keys, which is the same to it.
    """

    sealing: tuple[bytes, ...]
    hashing: bytes
    prepared: tuple[bytes, ...] = ()

    @property
    def every(self) -> tuple[bytes, ...]:
        """All that open; the first one seals."""
        return (*self.sealing, *self.prepared)


class Vault:
    """Seals and opens. `keys` are 32 bytes each, the newest first; `file` is where they may change.

    `hashing` is the secret of keyed hashes, 32 bytes; that of the oldest key where there is no other.
    """

    def __init__(
        self, keys: Sequence[bytes], chance: Chance, file: Path | None = None, hashing: bytes = b""
    ) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"the vault needs at least one key, and each key has {KEY_BYTES} bytes")
        self._chance = chance
        self._file = file
        self._seen = _signature(file)
        self._hashing = hashing or _hashing_of(keys[-1])
        self._hashing_for: dict[str, hmac.HMAC] = {}  # by purpose; there are few
        self._take(keys)

    def seal(self, plain: bytes, bound_to: str) -> str:
        """Encrypt; `bound_to` names the only place where it opens: "line/12/settings/password"."""
        self.look_again()
        nonce = self._chance.secret(NONCE_BYTES)
        newest, ciphers = self._keys
        closed = ciphers[newest].encrypt(nonce, plain, bound_to.encode())
        return f"{VERSION}.{newest}.{urlsafe_b64encode(nonce + closed).decode()}"

    def open(self, sealed: str, bound_to: str) -> bytes:
        """Decrypt; NotOpened says why it cannot be."""
        version, _, rest = sealed.partition(".")
        fingerprint, _, encoded = rest.partition(".")
        if version != VERSION:
            raise NotOpened(f"{bound_to}: this is not a sealed secret")
        if fingerprint not in self._keys[1]:
            self.look_again()
        cipher = self._keys[1].get(fingerprint)
        if cipher is None:
            raise NotOpened(f"{bound_to}: it is sealed with key {fingerprint}, which the vault does not have")
        try:
            closed = _decode(encoded)
            return cipher.decrypt(closed[:NONCE_BYTES], closed[NONCE_BYTES:], bound_to.encode())
        except (InvalidTag, ValueError):
            raise NotOpened(f"{bound_to}: it is sealed for another place, or was changed since") from None

    def keyed_hash(self, data: bytes, purpose: str) -> bytes:
        """32 bytes, the same for the same data and purpose; they tell nothing without the secret."""
        begun = self._hashing_for.get(purpose)
        if begun is None:
            key = hmac.digest(self._hashing, purpose.encode(), "sha256")
            begun = self._hashing_for[purpose] = hmac.new(key, digestmod="sha256")
        made = begun.copy()  # `hmac.digest` lets go of the interpreter, and has to get it back: 30 µs, not 3
        made.update(data)
        return made.digest()

    @property
    def newest(self) -> str:
        """How everything begins that is sealed with the newest key."""
        return f"{VERSION}.{self._keys[0]}."

    def is_newest(self, sealed: str) -> bool:
        """Whether it is sealed with the newest key; one that is not wants sealing again."""
        return sealed.startswith(self.newest)

    def sealed_anew(self, sealed: str, bound_to: str) -> str:
        """The same secret, sealed with the newest key."""
        return sealed if self.is_newest(sealed) else self.seal(self.open(sealed, bound_to), bound_to)

    def _take(self, keys: Sequence[bytes]) -> None:
        # The newest, and all of them; together, because another thread may seal meanwhile.
        self._keys = _fingerprint(keys[0]), {_fingerprint(key): AESGCM(key) for key in keys}

    def look_again(self) -> None:
        """Take the keys that seal of the file, if it was changed; the secret of hashes does not change."""
        seen = _signature(self._file)
        if self._file is not None and seen not in (None, self._seen):
            try:
                self._take(keys_of(self._file).every)
            except Problem as problem:  # half a copy of it, say: what it held before still seals and opens
                log.warning("the changed key file is not taken", why=problem.detail)
            self._seen = seen


def prepare_key(path: Path, chance: Chance) -> None:
    """Have a key in a file that opens already, and seals from the next `add_key` on. Again: the same one."""
    found = keys_of(path)
    if not found.prepared:
        _write_keys(path, msgspec.structs.replace(found, prepared=(chance.secret(KEY_BYTES),)))


def add_key(path: Path, chance: Chance) -> None:
    """Put a new key, or the one that was prepared, in front of those in a file: it seals from now on, and all
    of them open."""
    found = keys_of(path)
    new = found.prepared or (chance.secret(KEY_BYTES),)
    _write_keys(path, Keys((*new, *found.sealing), found.hashing))


def only_newest_key(path: Path) -> int:
    """Take all keys that seal but the newest out of a file; how many went. Hashes stay as they are."""
    found = keys_of(path)
    _write_keys(path, msgspec.structs.replace(found, sealing=found.sealing[:1]))
    return len(found.sealing) - 1


def _write_keys(path: Path, keys: Keys) -> None:
    draft = _draft(path, keys)
    draft.replace(path)
    _sync_folder(path.parent)


def _signature(file: Path | None) -> tuple[int, int, int] | None:
    """What changes when a file is put in the place of another; None while there is none."""
    if file is None:
        return None
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def key_file(path: Path, chance: Chance) -> Keys:
    """What a key file holds; where there is none it is made, mode 0600, with one new key and a new secret.

    It appears whole or not at all, and is never written over: of two processes that start at once both use
    the key of the first.
    """
    try:
        if not path.exists():
            _make_key_file(path, chance)
    except OSError as error:
        detail = f"{path} cannot be made: {error.strerror}. Mend the folder, or the setting `key_file`."
        raise Problem("key-missing", "There is no key file, and none can be made", detail=detail) from error
    return keys_of(path)


def keys_of(path: Path) -> Keys:
    """What a key file holds; a Problem where it cannot be read, or holds something else."""
    try:
        return keys_from(path.read_text())
    except OSError as error:
        detail = f"{path}: {error.strerror}. The user who runs the server must be able to read it."
        raise Problem("key-missing", "The key file cannot be read", detail=detail) from error
    except ValueError:  # also where it is no text, or no base64; what stands there is never shown
        detail = f"{path} does not hold {FORM}. Put back the copy that you kept."
        raise Problem("key-missing", "The key file holds no keys", detail=detail) from None


def keys_from(text: str) -> Keys:
    """Keys written as base64, one a line, the newest first, and `hashing:` with the secret of keyed hashes.

    ValueError when one is not 32 bytes, or the secret stands there twice.
    """
    words = text.split()
    places = [place for place, word in enumerate(words) if word.startswith(HASHING)]
    ours = [word for word in words if not word.startswith(HASHING)]
    count = places[0] if places else 0  # in a file that begins with the secret all keys stand behind it
    sealing = tuple(_decode(word) for word in ours[: count or len(ours)])
    prepared = tuple(_decode(word) for word in ours[len(sealing) :])
    hashing = [_decode(word.removeprefix(HASHING)) for word in words if word.startswith(HASHING)]
    if (
        not sealing
        or len(hashing) > 1
        or any(len(key) != KEY_BYTES for key in (*sealing, *prepared, *hashing))
    ):
        raise ValueError(f"expected {FORM}")
    return Keys(sealing, hashing[0] if hashing else _hashing_of(sealing[-1]), prepared)


def _make_key_file(path: Path, chance: Chance) -> None:
    draft = _draft(path, Keys((chance.secret(KEY_BYTES),), chance.secret(KEY_BYTES)))
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass  # another process was first; its key is the key
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def _draft(path: Path, keys: Keys) -> Path:
    """A file beside the place of the keys, mode 0600 and synced."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(urlsafe_b64encode(key) + b"\n" for key in keys.sealing)
        file.write(HASHING.encode() + urlsafe_b64encode(keys.hashing) + b"\n")
        file.writelines(urlsafe_b64encode(key) + b"\n" for key in keys.prepared)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _decode(text: str) -> bytes:
    return b64decode(text, altchars=b"-_", validate=True)


def _hashing_of(key: bytes) -> bytes:
    return hmac.digest(key, b"angarium keyed hash", "sha256")


def _fingerprint(key: bytes) -> str:
    return hashlib.sha256(b"angarium vault " + key).hexdigest()[:8]
