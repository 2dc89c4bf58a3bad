"""What an API key looks like and what it may do. Pure.

A key is `ang_<workspace>_<secret>`: it names its workspace, so that even its look-up stays inside one
tenant, and carries 256 random bits. It is kept as SHA-256: a fast hash is right for a secret that cannot be
guessed (OWASP ASVS 5.0, 6.5.2).
"""

from __future__ import annotations

import hashlib

from angarium.core import ids

PREFIX = "ang"
SECRET_BYTES = 32

SCOPES = {
    "messages:write": "Send, cancel and preview messages",
    "messages:read": "See messages, their attempts and timelines",
    "contacts:write": "Create, change and delete contacts",
    "contacts:read": "See contacts",
    "setup:write": "Create, change and delete lines, templates and cascades",
    "setup:read": "See lines, templates and cascades",
}


def compose(workspace_id: int, secret: bytes) -> str:
    """The key as it is shown, once."""
    return f"{PREFIX}_{ids.show('workspace', workspace_id).removeprefix('ws_')}_{secret.hex()}"


def workspace_of(key: str) -> int:
    """The workspace that a key names; ValueError when it is not a key of ours."""
    prefix, _, rest = key.partition("_")
    workspace, _, secret = rest.partition("_")
    if prefix != PREFIX or len(secret) != SECRET_BYTES * 2:
        raise ValueError("not an Angarium API key")
    return ids.read("workspace", f"ws_{workspace}")


def digest(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).digest()


def unknown_scopes(scopes: frozenset[str]) -> frozenset[str]:
    """Scopes that do not exist."""
    return scopes - SCOPES.keys()
