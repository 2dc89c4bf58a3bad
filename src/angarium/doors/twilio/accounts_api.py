"""The JSON edge of the accounts that Twilio's clients call us with. A token is shown once."""

from __future__ import annotations

from typing import cast

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.accounts.reach import require_classes, require_every_line
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.values import MessageClass
from angarium.doors.routes import Route
from angarium.doors.twilio import flows, rules, store
from angarium.doors.twilio.desk import TwilioDesk
from angarium.doors.twilio.door import ACCOUNTS_TOPIC
from angarium.doors.twilio.rules import AccountSettings, Service, TwilioAccountInput
from angarium.doors.twilio.store import Account
from angarium.messaging.world import World
from angarium.storage.database import Transaction

ACCOUNT = Shape(TwilioAccountInput)


class TwilioAccountShown(AccountSettings, frozen=True, kw_only=True):
    """An account without its token, which nobody can see again."""

    id: str
    name: str
    account_sid: str  # what its client calls its Account SID
    key: str  # the API key that it acts as: what that may do, and how far it goes
    enabled: bool
    version: int
    created_at: str
    updated_at: str


class TwilioAccountMade(TwilioAccountShown, frozen=True, kw_only=True):
    """A new account, or one with a new token; `auth_token` is shown now and never again."""

    auth_token: str


EXAMPLE = {
    "name": "shop",
    "routes": [{"source": "*", "class": "service", "channel": "smpp"}],
    "services": [{"sid": "MG" + "0" * 31 + "1", "class": "transactional", "cascade": "viber-sms"}],
}
SHOWN_EXAMPLE = TwilioAccountShown(
    id="twa_05a58xarj0000",
    name="shop",
    account_sid="AC" + "0" * 32,
    key="key_05a58xarj0000",
    enabled=True,
    routes=(Route(channel="smpp"),),
    services=(
        Service(sid="MG" + "0" * 31 + "1", message_class=MessageClass.TRANSACTIONAL, cascade="viber-sms"),
    ),
    version=1,
    created_at="2026-11-23T08:30:00.000Z",
    updated_at="2026-11-23T08:30:00.000Z",
)
MADE_EXAMPLE = TwilioAccountMade(**msgspec.structs.asdict(SHOWN_EXAMPLE) | {"auth_token": "0" * 32})


def _world(request: Call) -> World:
    return cast("TwilioDesk", request.scope["litestar_app"].state.twilio).world


@route(
    "GET /v1/twilio-accounts",
    Operation(
        summary="List the Twilio accounts",
        detail="Those that clients of Twilio's call this server with.",
        scope="setup:read",
        asks=edge.PAGE,
        gives=Page[TwilioAccountShown],
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_accounts(request: Call) -> JsonAnswer:
    """Every account, oldest first."""
    query = edge.PAGE.read_query(request.scope["query_string"])
    found = await edge.ground_of(request).db.read(store.accounts.all, request.auth.workspace_id)
    accounts, following = edge.piece(found, query, lambda one: one.id)
    return edge.answer(request, Page([shown(one) for one in accounts], following))


@route(
    "POST /v1/twilio-accounts",
    Operation(
        summary="Create a Twilio account",
        detail="Its client is given `account_sid` and `auth_token`, and this server as the base URL."
        " It acts as the API key `key`; without one a key is made for it that may send and see messages.",
        scope="setup:write",
        careful=True,
        takes=ACCOUNT,
        gives=TwilioAccountMade,
        status=201,
        once=True,
        example=EXAMPLE,
        answer_example=MADE_EXAMPLE,
    ),
)
async def create_account(request: Call) -> JsonAnswer:
    """A new account."""
    body = await edge.read_body(request)
    given, world, caller = _within_reach(request, ACCOUNT.read(body)), _world(request), request.auth
    token = flows.new_token(world.ground)

    async def work(tx: Transaction) -> TwilioAccountMade:
        made = await flows.create(tx, world, caller, given, token)
        return TwilioAccountMade(**msgspec.structs.asdict(shown(made)), auth_token=token)

    answer = await edge.once(request, body, work, sealed=True)
    world.ground.fabric.wake(ACCOUNTS_TOPIC)
    return answer


@route(
    "GET /v1/twilio-accounts/{twilio_account_id}",
    Operation(
        summary="Look at a Twilio account",
        scope="setup:read",
        gives=TwilioAccountShown,
        problems=(404,),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def get_account(request: Call) -> JsonAnswer:
    """One account."""
    account_id = edge.id_in_path(request, "twilio_account")
    db, workspace_id = edge.ground_of(request).db, request.auth.workspace_id
    return edge.answer(request, shown(await db.read(flows.one, workspace_id, account_id)))


@route(
    "PUT /v1/twilio-accounts/{twilio_account_id}",
    Operation(
        summary="Change a Twilio account",
        detail="What is left out is as for a new one, but for its token and key, which stay.",
        scope="setup:write",
        careful=True,
        takes=ACCOUNT,
        gives=TwilioAccountShown,
        problems=(404,),
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def change_account(request: Call) -> JsonAnswer:
    """An account as it is described now."""
    body = await edge.read_body(request)
    given, world, caller = _within_reach(request, ACCOUNT.read(body)), _world(request), request.auth
    account_id = edge.id_in_path(request, "twilio_account")

    async def work(tx: Transaction) -> TwilioAccountShown:
        return shown(await flows.change(tx, world, caller, account_id, given))

    answer = await edge.once(request, body, work)
    world.ground.fabric.wake(ACCOUNTS_TOPIC)
    return answer


@route(
    "POST /v1/twilio-accounts/{twilio_account_id}/token",
    Operation(
        summary="Give a Twilio account a new token",
        detail="The one before is good no more, and callbacks are signed with the new one from now on.",
        scope="setup:write",
        careful=True,
        gives=TwilioAccountMade,
        status=201,
        once=True,
        problems=(404,),
        answer_example=MADE_EXAMPLE,
    ),
)
async def renew_token(request: Call) -> JsonAnswer:
    """Another token."""
    body = await edge.read_body(request)
    world, caller = _world(request), request.auth
    account_id = edge.id_in_path(request, "twilio_account")
    require_every_line(caller.reach, "a Twilio account")
    token = flows.new_token(world.ground)

    async def work(tx: Transaction) -> TwilioAccountMade:
        renewed = await flows.renew(tx, world.ground, caller, account_id, token)
        return TwilioAccountMade(**msgspec.structs.asdict(shown(renewed)), auth_token=token)

    answer = await edge.once(request, body, work, sealed=True)
    world.ground.fabric.wake(ACCOUNTS_TOPIC)
    return answer


@route(
    "DELETE /v1/twilio-accounts/{twilio_account_id}",
    Operation(
        summary="Delete a Twilio account",
        detail="Its client is refused within a second. What it has sent goes its way, and nobody is told."
        " The API key that it acted as stays.",
        scope="setup:write",
        status=204,
        problems=(404,),
    ),
)
async def delete_account(request: Call) -> JsonAnswer:
    """No account any more."""
    ground, account_id = edge.ground_of(request), edge.id_in_path(request, "twilio_account")
    require_every_line(request.auth.reach, "a Twilio account")
    await ground.db.run(flows.delete, ground, request.auth, account_id)
    ground.fabric.wake(ACCOUNTS_TOPIC)
    return edge.nothing(request)


def _within_reach(request: Call, given: TwilioAccountInput) -> TwilioAccountInput:
    require_every_line(request.auth.reach, "a Twilio account")
    ways = [*given.routes, *given.services]
    require_classes(request.auth.reach, [one.message_class for one in ways])
    return given


def shown(account: Account) -> TwilioAccountShown:
    """An account for the outside."""
    settings = {name: getattr(account.settings, name) for name in AccountSettings.__struct_fields__}
    return TwilioAccountShown(
        **settings,
        id=ids.show("twilio_account", account.id),
        name=account.name,
        account_sid=rules.account_sid(account.workspace_id, account.id),
        key=ids.show("api_key", account.key_id),
        enabled=account.enabled,
        version=account.version,
        created_at=iso(account.created_at),
        updated_at=iso(account.updated_at),
    )


HANDLERS = (list_accounts, create_account, get_account, change_account, renew_token, delete_account)
