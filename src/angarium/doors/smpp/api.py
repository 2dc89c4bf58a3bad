"""The JSON edge of the accounts that SMPP clients bind with. A password is shown once, when it is made."""

from __future__ import annotations

from typing import cast

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.accounts.entering import Reception
from angarium.accounts.passwords import Passwords
from angarium.accounts.reach import require_classes, require_every_line
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.values import MessageClass
from angarium.doors.routes import Route
from angarium.doors.smpp import flows, store
from angarium.doors.smpp.door import ACCOUNTS_TOPIC, BindSeen, SmppDoor
from angarium.doors.smpp.rules import AccountSettings, SmppAccountInput
from angarium.doors.smpp.store import Account
from angarium.messaging.api import Desk
from angarium.messaging.world import World
from angarium.storage.database import Transaction

ACCOUNT = Shape(SmppAccountInput, secret=("password",))


class BindShown(msgspec.Struct, frozen=True):
    """A client that is bound now."""

    kind: str  # tx, rx or trx
    address: str
    bound_at: str
    submitted: int
    unanswered: int  # submissions that are being taken


class SmppAccountShown(AccountSettings, frozen=True, kw_only=True):
    """An account without its password, which nobody can see again."""

    id: str
    name: str
    system_id: str
    enabled: bool
    bound: list[BindShown]
    waiting: int  # receipts and messages of customers that no bind has taken
    version: int
    created_at: str
    updated_at: str


class SmppAccountMade(SmppAccountShown, frozen=True, kw_only=True):
    """A new account; `password` is shown now and never again, and null where you have chosen it."""

    password: str | None


ROUTE = Route(source="*", message_class=MessageClass.SERVICE, cascade="viber-sms")
EXAMPLE = {
    "name": "shop",
    "routes": [
        {"source": "ShopCode", "class": "otp", "line": "sms"},
        {"source": "*", "class": "service", "channel": "smpp"},
    ],
    "window": 50,
    "speed_per_s": 100,
}
SHOWN_EXAMPLE = SmppAccountShown(
    id="smp_05a58xarj0000",
    name="shop",
    system_id="angk7Qm2xWd",
    enabled=True,
    routes=(ROUTE,),
    window=50,
    speed_per_s=100,
    bound=[BindShown("trx", "192.0.2.7", "2026-11-23T08:42:47.618Z", 1200, 3)],
    waiting=0,
    version=1,
    created_at="2026-11-23T08:30:00.000Z",
    updated_at="2026-11-23T08:30:00.000Z",
)
MADE_EXAMPLE = SmppAccountMade(
    **msgspec.structs.asdict(SHOWN_EXAMPLE) | {"bound": [], "password": "kX7mQ2wd"}
)


def _world(request: Call) -> World:
    return cast("Desk", request.scope["litestar_app"].state.messages).world


def _passwords(request: Call) -> Passwords:
    return cast("Reception", request.scope["litestar_app"].state.reception).passwords


@route(
    "GET /v1/smpp-accounts",
    Operation(
        summary="List the SMPP accounts",
        detail="Those that clients bind to this server with. `bound` tells who is.",
        scope="setup:read",
        asks=edge.PAGE,
        gives=Page[SmppAccountShown],
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_accounts(request: Call) -> JsonAnswer:
    """Every account, oldest first."""
    query = edge.PAGE.read_query(request.scope["query_string"])
    db, workspace_id = edge.ground_of(request).db, request.auth.workspace_id
    found, following = edge.piece(await db.read(store.accounts.all, workspace_id), query, lambda one: one.id)
    waiting = await db.read(store.letters_waiting, workspace_id)
    items = [_shown(request, one, waiting.get(one.id, 0)) for one in found]
    return edge.answer(request, Page(items, following))


@route(
    "POST /v1/smpp-accounts",
    Operation(
        summary="Create an SMPP account",
        detail="`routes` say what messages of a sender are and which way they go; the first that fits"
        " counts. A system_id and a password that are left out are made, and shown once.",
        scope="setup:write",
        careful=True,
        takes=ACCOUNT,
        gives=SmppAccountMade,
        status=201,
        once=True,
        example=EXAMPLE,
        answer_example=MADE_EXAMPLE,
    ),
)
async def create_account(request: Call) -> JsonAnswer:
    """A new account."""
    body = await edge.read_body(request)
    given = _within_reach(request, ACCOUNT.read(body))
    ground, caller = edge.ground_of(request), request.auth
    prepared = await flows.prepare(_world(request), _passwords(request), caller.workspace_id, given, new=True)

    async def work(tx: Transaction) -> SmppAccountMade:
        made = await flows.create(tx, ground, caller.workspace_id, prepared, caller.actor)
        seen = msgspec.structs.asdict(_shown(request, made, 0))
        return SmppAccountMade(**seen, password=prepared.made or None)

    answer = await edge.once(request, body, work, taken=flows.taken(prepared.given.system_id), sealed=True)
    await _let_know(request)
    return answer


@route(
    "GET /v1/smpp-accounts/{smpp_account_id}",
    Operation(
        summary="Look at an SMPP account",
        scope="setup:read",
        gives=SmppAccountShown,
        problems=(404,),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def get_account(request: Call) -> JsonAnswer:
    """One account."""
    db, workspace_id = edge.ground_of(request).db, request.auth.workspace_id
    found = await db.read(flows.one, workspace_id, edge.id_in_path(request, "smpp_account"))
    waiting = await db.read(store.letters_waiting, workspace_id)
    return edge.answer(request, _shown(request, found, waiting.get(found.id, 0)))


@route(
    "PUT /v1/smpp-accounts/{smpp_account_id}",
    Operation(
        summary="Change an SMPP account",
        detail="What is left out is as for a new one, but for its system_id and password, which stay."
        " Who is bound with it has to bind again.",
        scope="setup:write",
        careful=True,
        takes=ACCOUNT,
        gives=SmppAccountShown,
        problems=(404,),
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def change_account(request: Call) -> JsonAnswer:
    """An account as it is described now."""
    body = await edge.read_body(request)
    given = _within_reach(request, ACCOUNT.read(body))
    ground, caller = edge.ground_of(request), request.auth
    account_id = edge.id_in_path(request, "smpp_account")
    await ground.db.read(flows.one, caller.workspace_id, account_id)
    prepared = await flows.prepare(
        _world(request), _passwords(request), caller.workspace_id, given, new=False
    )

    async def work(tx: Transaction) -> SmppAccountShown:
        changed = await flows.change(tx, ground, caller.workspace_id, account_id, prepared, caller.actor)
        waiting = await store.letters_waiting(tx, caller.workspace_id)
        return _shown(request, changed, waiting.get(changed.id, 0))

    answer = await edge.once(request, body, work, taken=flows.taken(prepared.given.system_id))
    await _let_know(request)
    return answer


@route(
    "DELETE /v1/smpp-accounts/{smpp_account_id}",
    Operation(
        summary="Delete an SMPP account",
        detail="Who is bound with it is cut off. What it has sent goes its way; its receipts are not kept.",
        scope="setup:write",
        status=204,
        problems=(404,),
    ),
)
async def delete_account(request: Call) -> JsonAnswer:
    """No account any more."""
    ground, account_id = edge.ground_of(request), edge.id_in_path(request, "smpp_account")
    require_every_line(request.auth.reach, "deleting an SMPP account")
    await flows.delete(ground, request.auth.workspace_id, account_id, request.auth.actor)
    await _let_know(request)
    return edge.nothing(request)


async def _let_know(request: Call) -> None:
    """The door of this machine knows it when the caller is answered, those of others soon after."""
    edge.ground_of(request).fabric.wake(ACCOUNTS_TOPIC)
    door = _door(request)
    if door is not None:
        await door.reload()


def _door(request: Call) -> SmppDoor | None:
    return cast("SmppDoor | None", request.scope["litestar_app"].state.get("smpp_door"))


def _within_reach(request: Call, given: SmppAccountInput) -> SmppAccountInput:
    require_every_line(request.auth.reach, "an SMPP account")
    require_classes(request.auth.reach, [one.message_class for one in given.routes])
    return given


def _shown(request: Call, account: Account, waiting: int) -> SmppAccountShown:
    door = _door(request)
    bound = door.binds_of(account.id) if door is not None else []
    settings = {name: getattr(account.settings, name) for name in AccountSettings.__struct_fields__}
    return SmppAccountShown(
        **settings,
        id=ids.show("smpp_account", account.id),
        name=account.name,
        system_id=account.system_id,
        enabled=account.enabled,
        bound=[_bind(one) for one in bound],
        waiting=waiting,
        version=account.version,
        created_at=iso(account.created_at),
        updated_at=iso(account.updated_at),
    )


def _bind(one: BindSeen) -> BindShown:
    return BindShown(one.kind, one.address, iso(one.bound_at), one.submitted, one.unanswered)


HANDLERS = (list_accounts, create_account, get_account, change_account, delete_account)
