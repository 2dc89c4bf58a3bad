"""Who is calling, before any handler runs: deny by default, a key in the header and nowhere else.

A route without a scope is open to all; every other needs `Authorization: Bearer ang_…` (RFC 6750 §2.1) of a
key that has the scope. The workspace is that of the key: no address, header or body names one. Pages are for
people, whose browsers bring a session instead (`web/session.py`); with that, our own pages may also call what
keys may call. A person must have proved lately that it is they for what cannot be taken back.

Here the database learns for which workspace it is asked from now on (`storage/behalf.py`), so no handler and
no flow can forget to say so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Request

from angarium.accounts.edge import Operation
from angarium.accounts.flows import (
    Caller,
    Gate,
    not_good,
    refuse_key_in_address,
    require,
    require_fresh,
)
from angarium.accounts.limits import Limits
from angarium.accounts.rules import PREFIX
from angarium.storage.behalf import ALL, on_behalf_of
from angarium.web.session import admit, calling

BEARER = b"bearer "
CAREFUL = {"contacts:erase", "people:write"}  # scopes of what cannot be taken back
KEYISH = PREFIX.encode()  # what an address without these letters holds is no key, whatever it is


def authorise(gate: Gate, limits: Limits) -> Callable[[Request[Any, Any, Any]], Awaitable[None]]:
    """What Litestar calls before each handler. Not a guard: those copy the handler for every request."""

    async def check(request: Request[Any, Any, Any]) -> None:
        on_behalf_of(ALL)  # of nobody yet: a request that was sent behind another begins in its context
        scope = request.scope
        operation = scope["route_handler"].opt.get("operation")
        if KEYISH in scope["query_string"].lower() or KEYISH in scope["raw_path"].lower():
            refuse_key_in_address(f"{scope['path']}?{scope['query_string'].decode('latin-1')}")
        if operation is not None and operation.page:
            await admit(request, operation)
            if "auth" in scope:
                limits.requests.take(scope["auth"].workspace_id)
                _require_fresh(scope["auth"], operation, gate.now())
                on_behalf_of(scope["auth"].workspace_id)
            return
        if operation is None or operation.scope is None:  # only OPTIONS, which tells the methods, has none
            return
        headers = dict(scope["headers"])
        given = headers.get(b"authorization", b"")
        if given[: len(BEARER)].lower() == BEARER:
            caller = await limits.caller(gate, given[len(BEARER) :].decode("latin-1").strip(), scope)
        else:
            signed_in = await calling(request) if b"cookie" in headers else None
            if signed_in is None:
                raise not_good()
            caller = signed_in
        limits.requests.take(caller.workspace_id)
        require(caller, operation.scope)
        _require_fresh(caller, operation, gate.now())
        scope["auth"] = caller
        on_behalf_of(caller.workspace_id)

    return check


def _require_fresh(caller: Caller, operation: Operation, now: int) -> None:
    if caller.session_id and (operation.careful or operation.scope in CAREFUL):
        require_fresh(caller, now)


def challenge(status: int) -> tuple[tuple[bytes, bytes], ...]:
    """The header that a 401 or 403 must carry (RFC 6750 §3)."""
    if status == 401:
        return ((b"www-authenticate", b'Bearer realm="angarium"'),)
    if status == 403:
        return ((b"www-authenticate", b'Bearer realm="angarium", error="insufficient_scope"'),)
    return ()
