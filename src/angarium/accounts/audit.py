"""Who did what: an append-only log of each workspace, every row of which holds the hash of the one before.

`note` writes in the transaction of the deed: both are committed or neither. What is proven, and what is not:

1. The rows are numbered from 1 without gaps, and each hash covers its row and the hash before it: a row that
   is changed, taken out, put in or moved is found, and named.
2. Whoever may write the database could make all hashes anew. So the newest one is sealed once a minute with
   the key that is not in the database (`accounts/notary.py`): what was sealed cannot be made anew.
3. Rows at the end that are taken away leave a shorter log that is whole. That is found by what was kept
   elsewhere: the file beside the key, and every export.
4. Nothing is proven about rows younger than the last seal, nor against who holds both database and key file.

Details are hashed with a salt of their own, and the row's hash covers only that hash: when a person is
erased, details and salt go, the chain stays whole, and nobody can find them again by trying.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from angarium.accounts.store import audit as store
from angarium.accounts.store.audit import Entry
from angarium.core import ids
from angarium.storage.database import Transaction

CLI = "cli"  # who acts by a command on the server's own machine
LINK = "link"  # who has entered by a link, which names nobody
SYSTEM = "system"  # what happens by itself
ERASED = ".erased"  # the end of the name of every deed that takes details away
NAMES_FROM = 1 << 62  # of what is held: above every id, so that whoever holds rows holds the log last
VALUE_BYTES_MAX = 2_000  # of one value in the details; what is larger is told by its hash
DETAILS_BYTES_MAX = 65_536

_encode = msgspec.json.Encoder(order="sorted").encode


async def note(
    tx: Transaction,
    workspace_id: int,
    actor: str,
    action: str,
    subject: str,
    details: Mapping[str, Any],
    now: int,
) -> None:
    """Write down a deed: who (`key_…`, `per_…`, `cli`), what ("line.changed"), to what ("lin_…"), and more.

    It waits for other transactions of this workspace that have noted something, so it is called last, and
    never for each of many things: one row tells of all of them. No secret may be in `details`.
    """
    await tx.hold(NAMES_FROM | workspace_id)
    before, salt = await store.head_and_salt(tx, workspace_id)
    text = _text(details)
    entry = Entry(
        number=before.number + 1,
        at=now,
        actor=actor,
        action=action,
        subject=subject,
        details=text,
        salt=salt,
        details_hash=hash_of_details(text, salt),
        hash=b"",
    )
    hashed = msgspec.structs.replace(entry, hash=hash_of(workspace_id, entry, before.hash))
    await store.append(tx, workspace_id, hashed)


async def erase_details(tx: Transaction, workspace_id: int, subjects: Sequence[str]) -> int:
    """Take away what the log says of these ("con_…"); who did what and when stays. How many rows said some.

    Whoever calls it notes the deed, afterwards and about the same subject, as "….erased".
    """
    return await store.erase(tx, workspace_id, list(subjects))


def hash_of_details(text: str, salt: bytes) -> bytes:
    """SHA-256 of salt and text: without the salt it tells nothing of the text."""
    return hashlib.sha256(salt + text.encode()).digest()


def hash_of(workspace_id: int, entry: Entry, before: bytes) -> bytes:
    """SHA-256 of a row as a JSON list without spaces, and of the hash of the row before."""
    told = [
        "angarium audit 1",
        ids.show("workspace", workspace_id),
        str(entry.number),
        str(entry.at),
        entry.actor,
        entry.action,
        entry.subject,
        entry.details_hash.hex(),
        before.hex(),
    ]
    return hashlib.sha256(_encode(told)).digest()


# ── details ──────────────────────────────────────────────────────────────────────────────────────────


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What is different, field by field: `{"speed_per_s": [50.0, 80.0]}`; null where there was nothing."""
    old, new = msgspec.to_builtins(dict(before)), msgspec.to_builtins(dict(after))
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return {name: [_bounded(old.get(name)), _bounded(new.get(name))] for name in names}


def _text(details: Mapping[str, Any]) -> str:
    told = {name: _bounded(value) for name, value in msgspec.to_builtins(dict(details)).items()}
    text = _encode(told)
    return (text if len(text) <= DETAILS_BYTES_MAX else _encode(_instead_of(text))).decode()


def _bounded(value: Any) -> Any:
    text = _encode(value)
    return value if len(text) <= VALUE_BYTES_MAX else _instead_of(text)


def _instead_of(text: bytes) -> dict[str, Any]:
    return {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
