"""Which requests a server answers that does not have every role: the others are told so, and who would.

A console answers the calls of its own pages to the API, which bring a session and no key; and it shows the
files that stand beside words.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from angarium.accounts.edge import Operation
from angarium.core.problems import Problem

EVERYWHERE = ("/health/", "/metrics", "/static/")
SHOWN_IN_PAGES = "/m/"
TOLD = {
    "api": "The JSON API, providers' callbacks and the doors over HTTP are at a server with the role api.",
    "console": "The pages of the console are at a server with the role console.",
}


def must_answer(scope: Any, roles: Collection[str], operation: Operation | None) -> None:
    """A 421 Problem when a request is none for a server with these roles (RFC 9110 §15.5.20)."""
    path = scope["path"]
    if path.startswith(EVERYWHERE) or (operation is not None and operation.page and "console" in roles):
        return
    role = "console" if operation is not None and operation.page else "api"
    if role in roles or ("console" in roles and _is_of_a_page(scope)):
        return
    raise Problem("role-elsewhere", "Another server answers this", status=421, detail=TOLD[role])


def _is_of_a_page(scope: Any) -> bool:
    headers = dict(scope["headers"])
    signed_in = b"cookie" in headers and b"authorization" not in headers
    return signed_in or bool(scope["path"].startswith(SHOWN_IN_PAGES))
