"""The roles that a person can have in a workspace, and what each may do: one table. Pure.

docs/reference/roles.md is printed from it.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from angarium.accounts.rules import SCOPES


class Role(StrEnum):
    """What somebody is in a workspace."""

    OWNER = "owner"
    ADMIN = "admin"
    MARKETER = "marketer"
    COMPLIANCE = "compliance"
    OPERATOR = "operator"
    AGENT = "agent"
    DEVELOPER = "developer"
    READ_ONLY = "read-only"


class Described(msgspec.Struct, frozen=True):
    """A role: who has it, and the scopes that come with it."""

    who: str
    scopes: frozenset[str]


LOOKING = {"messages:read", "contacts:read", "setup:read", "policies:read"}
WRITING = {"messages:write", "contacts:write"}

ROLES: dict[Role, Described] = {
    Role.OWNER: Described("Everything; the only one who makes and unmakes owners", frozenset(SCOPES)),
    Role.ADMIN: Described("Everything, but for owners", frozenset(SCOPES)),
    Role.MARKETER: Described(
        "Writes templates and campaigns and sends them; mostly narrowed to promotional and some lines",
        frozenset({*LOOKING, *WRITING, "templates:write"}),
    ),
    Role.COMPLIANCE: Described(
        "Reviews wording and registrations, sets policies, erases people; sends nothing",
        frozenset(
            {
                *LOOKING,
                "templates:decide",
                "campaigns:decide",
                "lines:decide",
                "policies:write",
                "contacts:erase",
                "audit:read",
            }
            | {"people:read"}
        ),
    ),
    Role.OPERATOR: Described(
        "Keeps the lines running: connects them, and decides what becomes of messages of unknown fate",
        frozenset(
            {*LOOKING, "setup:write", "templates:write", "messages:decide", "audit:read", "servers:read"}
        ),
    ),
    Role.AGENT: Described("Answers customers", frozenset({*LOOKING, *WRITING})),
    Role.DEVELOPER: Described(
        "Connects systems: keys, lines, templates, cascades, and messages to try them",
        frozenset({*LOOKING, *WRITING, "setup:write", "templates:write"}),
    ),
    Role.READ_ONLY: Described("Looks", frozenset(LOOKING)),
}


def scopes_of(role: Role) -> frozenset[str]:
    """What a role may do."""
    return ROLES[role].scopes


def may_give(own: Role, other: Role) -> bool:
    """Whether somebody with one role may give, change or take away another: only owners touch owners."""
    return own is Role.OWNER or other is not Role.OWNER


def reference() -> str:
    """The tables of docs/reference/roles.md."""
    lines = ["| role | who |", "|---|---|"]
    lines += [f"| `{role}` | {described.who} |" for role, described in ROLES.items()]
    lines += ["", "| scope | " + " | ".join(ROLES) + " |", "|---" * (len(ROLES) + 1) + "|"]
    for scope in SCOPES:
        marks = ("✓" if scope in described.scopes else "" for described in ROLES.values())
        lines.append(f"| `{scope}` | " + " | ".join(marks) + " |")
    return "\n".join(lines)
