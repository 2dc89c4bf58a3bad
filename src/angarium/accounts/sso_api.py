"""The JSON edge of identity providers: who vouches for the people of a workspace. Secrets never come out."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from angarium.accounts import audit, edge, people
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.accounts.flows import Caller
from angarium.accounts.roles import Role
from angarium.accounts.sso import secret_cell
from angarium.accounts.store import providers as store
from angarium.accounts.store.providers import Provider
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.problems import FieldProblem, all_invalid, not_found
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

MASK = "••••••"
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Domain = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9.-]{1,253}$")]


class ProviderInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A provider as it is to be."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]  # as the door shows it
    issuer: Text
    client_id: Text
    client_secret: Text  # as it is shown: the one that is there stays
    domains: Annotated[tuple[Domain, ...], msgspec.Meta(max_length=50)] = ()  # whose newcomers are let in
    default_role: Role | None = None  # of newcomers; null: only who is invited, or has a mapped role
    claim: Annotated[str, msgspec.Meta(max_length=100)] = ""  # that says the role, such as groups
    roles: Annotated[dict[str, Role], msgspec.Meta(max_length=50)] = {}  # value of the claim: role
    enabled: bool = True


class ProviderShown(msgspec.Struct, frozen=True, kw_only=True):
    """A provider."""

    id: str
    name: str
    issuer: str
    client_id: str
    client_secret: str  # masked
    domains: list[str]
    default_role: Role | None
    claim: str
    roles: dict[str, Role]
    enabled: bool
    sign_in_path: str
    created_at: str


PROVIDER = Shape(ProviderInput, secret=("client_secret",))
EXAMPLE = ProviderInput(
    "Company",
    "https://login.company.example",
    "angarium",
    "…",
    ("company.example",),
    Role.READ_ONLY,
    "groups",
    {"marketing": Role.MARKETER},
)
SHOWN_EXAMPLE = ProviderShown(
    id="idp_05a58xarj0000",
    name="Company",
    issuer="https://login.company.example",
    client_id="angarium",
    client_secret=MASK,
    domains=["company.example"],
    default_role=Role.READ_ONLY,
    claim="groups",
    roles={"marketing": Role.MARKETER},
    enabled=True,
    sign_in_path="/sign-in/with/ws_05a58xarj0001/idp_05a58xarj0000",
    created_at="2026-11-23T08:30:00.000Z",
)


@route(
    "GET /v1/identity-providers",
    Operation(
        summary="List the identity providers",
        scope="people:read",
        gives=Page[ProviderShown],
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_providers(request: Call) -> JsonAnswer:
    """Those of the workspace."""
    found = await edge.ground_of(request).db.read(store.of, request.auth.workspace_id)
    return edge.answer(request, Page([shown(each) for each in found]))


@route(
    "POST /v1/identity-providers",
    Operation(
        summary="Add an identity provider",
        detail="Register `<public_url>/sign-in/callback` there. Newcomers need a verified address. "
        "No role that it gives can be `owner`.",
        scope="people:write",
        takes=PROVIDER,
        gives=ProviderShown,
        status=201,
        once=True,
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def add_provider(request: Call) -> JsonAnswer:
    """People may sign in by it."""
    body, ground, caller = await edge.read_body(request), edge.ground_of(request), request.auth
    given = PROVIDER.read(body)
    check(given)

    async def work(tx: Transaction) -> ProviderShown:
        return shown(await add(tx, ground, caller, given))

    return await edge.once(request, body, work)


@route(
    "GET /v1/identity-providers/{identity_provider_id}",
    Operation(
        summary="Look at an identity provider",
        scope="people:read",
        gives=ProviderShown,
        problems=(404,),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def get_provider(request: Call) -> JsonAnswer:
    """One of them."""
    provider_id = edge.id_in_path(request, "identity_provider")
    found = await edge.ground_of(request).db.read(one, request.auth.workspace_id, provider_id)
    return edge.answer(request, shown(found))


@route(
    "PUT /v1/identity-providers/{identity_provider_id}",
    Operation(
        summary="Change an identity provider",
        detail="The whole of it. The secret stays when it is sent as it is shown.",
        scope="people:write",
        takes=PROVIDER,
        gives=ProviderShown,
        problems=(404,),
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def change_provider(request: Call) -> JsonAnswer:
    """The provider as it is described now."""
    provider_id, ground = edge.id_in_path(request, "identity_provider"), edge.ground_of(request)
    given = PROVIDER.read(await edge.read_body(request))
    check(given)
    changed = await ground.db.run(change, ground, request.auth, provider_id, given)
    return edge.answer(request, shown(changed))


@route(
    "DELETE /v1/identity-providers/{identity_provider_id}",
    Operation(
        summary="Take an identity provider away",
        detail="Nobody signs in by it any more; sessions that it began end.",
        scope="people:write",
        status=204,
        problems=(404,),
    ),
)
async def drop_provider(request: Call) -> JsonAnswer:
    """No provider any more."""
    provider_id, ground = edge.id_in_path(request, "identity_provider"), edge.ground_of(request)
    await ground.db.run(take_away, ground, request.auth, provider_id)
    return edge.nothing(request)


# ── what is done, in a transaction ───────────────────────────────────────────────────────────────────


async def add(tx: Transaction, ground: Ground, caller: Caller, given: ProviderInput) -> Provider:
    """A new provider, whose input was checked."""
    await people.require_may_give(tx, caller, *_given_roles(given))
    provider_id, now = ground.ids.mint(), ground.clock.now()
    new = _made(ground, caller, given, provider_id, now, None)
    await store.save(tx, new)
    subject = ids.show("identity_provider", provider_id)
    await audit.note(tx, caller.workspace_id, caller.actor, "provider.created", subject, _told(new), now)
    return new


async def change(
    tx: Transaction, ground: Ground, caller: Caller, provider_id: int, given: ProviderInput
) -> Provider:
    """A provider as it is described now, by input that was checked; a Problem when there is none."""
    await people.require_may_give(tx, caller, *_given_roles(given))
    before, now = await one(tx, caller.workspace_id, provider_id), ground.clock.now()
    changed = _made(ground, caller, given, provider_id, before.created_at, before)
    await store.save(tx, changed)
    different = audit.changed(_told(before), _told(changed))
    if changed.client_secret != before.client_secret:
        different |= {"secrets": ["client_secret"]}
    subject = ids.show("identity_provider", provider_id)
    await audit.note(tx, caller.workspace_id, caller.actor, "provider.changed", subject, different, now)
    return changed


async def take_away(tx: Transaction, ground: Ground, caller: Caller, provider_id: int) -> None:
    """No provider any more; a Problem when there was none."""
    before, now = await one(tx, caller.workspace_id, provider_id), ground.clock.now()
    await store.drop(tx, caller.workspace_id, provider_id)
    subject, told = ids.show("identity_provider", provider_id), {"name": before.name}
    await audit.note(tx, caller.workspace_id, caller.actor, "provider.deleted", subject, told, now)


async def one(tx: Transaction, workspace_id: int, provider_id: int) -> Provider:
    """A provider of a workspace; a Problem when there is none."""
    found = await store.by_id(tx, workspace_id, provider_id)
    if found is None:
        raise not_found("identity provider", ids.show("identity_provider", provider_id))
    return found


def check(given: ProviderInput) -> None:
    """A Problem that names everything wrong with a provider."""
    wrong = []
    address = urlsplit(given.issuer)
    plain = (
        address.scheme in ("http", "https") and address.hostname and not (address.query or address.fragment)
    )
    if not plain:
        remedy = "as the provider's discovery document says it"
        wrong.append(FieldProblem("issuer", "is not an https address", remedy, given.issuer[:80]))
    if Role.OWNER in _given_roles(given):
        wrong.append(FieldProblem("roles", "would make owners", "owners are made by owners alone"))
    if bool(given.claim) is not bool(given.roles):
        wrong.append(FieldProblem("roles", "go with a claim", "both, or neither"))
    if given.default_role is not None and not given.domains:
        wrong.append(FieldProblem("domains", "are none", "those whose newcomers get default_role"))
    if wrong:
        raise all_invalid("The provider is not valid", tuple(wrong))


def _given_roles(given: ProviderInput) -> set[Role]:
    return set(given.roles.values()) | ({given.default_role} if given.default_role else set())


def _made(
    ground: Ground,
    caller: Caller,
    given: ProviderInput,
    provider_id: int,
    created_at: int,
    before: Provider | None,
) -> Provider:
    workspace_id, vault = caller.workspace_id, ground.vault
    if before is not None and given.client_secret == MASK:
        secret = before.client_secret
    else:
        cell = secret_cell(workspace_id, provider_id)
        secret = vault.seal(given.client_secret.encode(), cell)
    return Provider(
        workspace_id=workspace_id,
        id=provider_id,
        name=given.name,
        issuer=given.issuer,
        client_id=given.client_id,
        client_secret=secret,
        domains=given.domains,
        default_role=given.default_role,
        claim=given.claim,
        roles=given.roles,
        enabled=given.enabled,
        created_at=created_at,
    )


def _told(one: Provider) -> dict[str, object]:
    """A provider as the audit log tells of it."""
    unsaid = {"workspace_id", "id", "client_secret", "created_at"}
    return {name: value for name, value in msgspec.structs.asdict(one).items() if name not in unsaid}


def shown(one: Provider) -> ProviderShown:
    """A provider for the outside."""
    workspace, provider = ids.show("workspace", one.workspace_id), ids.show("identity_provider", one.id)
    return ProviderShown(
        id=provider,
        name=one.name,
        issuer=one.issuer,
        client_id=one.client_id,
        client_secret=MASK,
        domains=list(one.domains),
        default_role=one.default_role,
        claim=one.claim,
        roles=one.roles,
        enabled=one.enabled,
        sign_in_path=f"/sign-in/with/{workspace}/{provider}",
        created_at=iso(one.created_at),
    )


HANDLERS = (list_providers, add_provider, get_provider, change_provider, drop_provider)
