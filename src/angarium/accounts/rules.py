"""What an API key looks like and what it may do. Pure.

A key is `ang_<workspace>_<secret>`: it names its workspace, so that even its look-up stays inside one
tenant, and carries 256 random bits. It is kept as SHA-256: a fast hash is right for a secret that cannot be
guessed (OWASP ASVS 5.0, 6.5.2). It is found by that hash through an index: what the time of the look-up tells
is about the hash, and nobody can choose a key by what its hash begins with.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import unquote

from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.problems import FieldProblem, shown

PREFIX = "ang"
SECRET_BYTES = 32
KEY = re.compile(
    rf"{PREFIX}_[0-9a-z]{{{ids.WIDTH}}}_[0-9a-f]{{{SECRET_BYTES * 2}}}", re.ASCII | re.IGNORECASE
)
NAME_MAX = 100  # characters

SCOPES = {
    "messages:write": "Send, cancel and preview messages",
    "messages:read": "See messages, their attempts and timelines",
    "messages:decide": "Decide what becomes of messages of which nobody knows whether they went out",
    "contacts:write": "Create, change and delete contacts",
    "contacts:read": "See contacts",
    "contacts:erase": "Erase a person for good",
    "setup:write": "Create, change and delete lines, templates and cascades",
    "setup:read": "See lines, templates and cascades",
    "templates:write": "Write templates, and send them to review",
    "lines:decide": "Review the registrations of lines: approve, refuse, suspend",
    "templates:decide": "Review wording: approve, refuse, ask for changes",
    "campaigns:decide": "Approve campaigns that others have written",
    "policies:write": "Change quiet hours, caps, budgets and the other policies",
    "policies:read": "See the policies",
    "people:write": "Invite people, change their roles, let them go",
    "people:read": "See the people of the workspace",
    "audit:read": "See who did what",
    "servers:read": "See the servers, and who owns which line",
}


IMPLIED = {"setup:write": frozenset({"templates:write"})}  # keys of before templates had a scope of their own


def with_implied(scopes: frozenset[str]) -> frozenset[str]:
    """These scopes, and those that come with them."""
    return scopes.union(*(more for scope, more in IMPLIED.items() if scope in scopes))


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


def holds_key(text: str) -> bool:
    """Whether a key stands somewhere in a text, such as the address of a request."""
    return KEY.search(text) is not None or KEY.search(unquote(text)) is not None


def digest(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).digest()


def check_key(
    name: str, scopes: frozenset[str], expires_at: int | None, now: int
) -> tuple[FieldProblem, ...]:
    """What is wrong with a key that is to be made."""
    found = []
    if not 1 <= len(name.strip()) <= NAME_MAX:
        found.append(FieldProblem("name", "is empty or too long", f"1 to {NAME_MAX} characters", shown(name)))
    unknown = scopes - SCOPES.keys()
    if unknown or not scopes:
        problem = "has unknown ones" if unknown else "are none"
        known = "some of " + ", ".join(SCOPES)
        found.append(FieldProblem("scopes", problem, known, shown(", ".join(sorted(unknown)))))
    if expires_at is not None and expires_at <= now:
        remedy = f"later than {iso(now)}, or leave it out"
        found.append(FieldProblem("expires_at", "has passed", remedy, iso(expires_at)))
    return tuple(found)
