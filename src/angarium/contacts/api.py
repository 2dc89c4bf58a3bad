"""The JSON edge of contacts: create or change, one or a thousand; list, look up, delete."""

from __future__ import annotations

from typing import Annotated

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.contacts import audience, flows, store
from angarium.contacts.audience import Asked
from angarium.contacts.rules import AddressInput, ContactInput
from angarium.contacts.store import Contact
from angarium.contacts.store.listing import Wanted
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Items, Shape, under
from angarium.core.problems import Problem, invalid
from angarium.core.values import Address, AddressKind, Json
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

BATCH_MAX = 1_000  # contacts in one request

CONTACT = Shape(ContactInput)
BATCH = Items("contacts", CONTACT, BATCH_MAX)


class ContactQuery(edge.PageQuery, frozen=True, forbid_unknown_fields=True):
    """Which contacts: a piece of those that fit, or the one with exactly these.

    `search`: how a name, or one of its last two words, begins, wherever its spaces and half spaces are, or a
    whole external_id or address of any kind, a phone also as it is dialled at home. `tag` and `kind`: who has
    it. `field` and `value`: whose field has this value.
    """

    external_id: str = ""
    phone: str = ""
    email: str = ""
    search: Annotated[str, msgspec.Meta(max_length=200)] = ""
    tag: str = ""
    kind: AddressKind | None = None
    segment: str = ""  # those who are in it
    field: str = ""
    value: str = ""


QUERY = Shape(ContactQuery)


class AddressShown(msgspec.Struct, frozen=True, kw_only=True):
    """One way to reach a contact. `used_first`: of those of its kind, it is the one that is written to."""

    kind: AddressKind
    value: str
    operator_blacklist: bool = False
    preferred: bool = False
    used_first: bool = True
    verified: bool = False
    verified_at: str | None = None
    verified_how: str = ""
    added_at: str


class ContactShown(msgspec.Struct, frozen=True, kw_only=True):
    """A contact with everything that is known of it but its history.

    `country` is that of the phone (ISO 3166), empty when there is none to tell. What is a guess is made anew
    when the phone changes.
    """

    id: str
    external_id: str | None
    name: str
    locale: str
    locale_is_guess: bool
    time_zone: str
    time_zone_is_guess: bool
    country: str
    fields: Json
    tags: list[str]
    opted_out: list[str]
    addresses: list[AddressShown]
    created_at: str
    updated_at: str


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one item of a batch: an id, or a problem."""

    index: int
    id: str = ""
    problem: Json | None = None


class Results(msgspec.Struct, frozen=True):
    """What became of a batch, item by item, in order."""

    accepted: int
    rejected: int
    results: list[Result]


EXAMPLE = ContactInput(
    external_id="customer-7000045",
    name="Олена Шевченко",
    locale="uk",
    time_zone="Europe/Kyiv",
    fields={"city": "Київ"},
    tags=("regular",),
    addresses=(
        AddressInput(AddressKind.PHONE, "+380441234567"),
        AddressInput(AddressKind.EMAIL, "olena@example.com"),
    ),
)
SHOWN_EXAMPLE = ContactShown(
    id="con_05a58xarj0000",
    external_id="customer-7000045",
    name="Олена Шевченко",
    locale="uk",
    locale_is_guess=False,
    time_zone="Europe/Kyiv",
    time_zone_is_guess=False,
    country="UA",
    fields={"city": "Київ"},
    tags=["regular"],
    opted_out=[],
    addresses=[
        AddressShown(kind=AddressKind.PHONE, value="+380441234567", added_at="2026-11-23T08:30:00.000Z"),
        AddressShown(
            kind=AddressKind.EMAIL,
            value="olena@example.com",
            verified=True,
            verified_at="2026-11-23T08:29:12.000Z",
            verified_how="double opt-in",
            added_at="2026-11-23T08:30:00.000Z",
        ),
    ],
    created_at="2026-11-23T08:30:00.000Z",
    updated_at="2026-11-23T08:30:00.000Z",
)


@route(
    "GET /v1/contacts",
    Operation(
        summary="List contacts, or look one up",
        detail="With external_id, phone or email: the contact that has exactly these, if there is one. With "
        "segment, tag, kind, field and value: those who meet them all; more is asked by a segment.",
        scope="contacts:read",
        asks=QUERY,
        gives=Page[ContactShown],
        problems=(404,),  # a segment that is not there
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_contacts(request: Call) -> JsonAnswer:
    """In the order in which they were created."""
    query = QUERY.read_query(request.scope["query_string"])
    ground, workspace_id = edge.ground_of(request), request.auth.workspace_id
    named = {name: getattr(query, name) for name in ("external_id", "phone", "email")}
    if any(named.values()):
        found, following = await flows.find(ground, workspace_id, **named), None
    elif query.segment or query.field:
        found, following = await _members(ground, workspace_id, query)
    else:
        after = edge.read_cursor(query.cursor)
        wanted = Wanted(tag=query.tag, kind=query.kind.value if query.kind else "")
        page = await flows.page(ground, workspace_id, after, query.limit + 1, wanted, query.search)
        found, following = edge.cut(page, query, lambda contact: contact.id)
    return edge.answer(request, Page([shown(contact) for contact in found], following))


async def _members(
    ground: Ground, workspace_id: int, query: ContactQuery
) -> tuple[list[Contact], str | None]:
    """Those who are in a segment, or have a value in a field, and what else is asked."""
    if query.search:
        raise invalid(
            "search", "does not go with segment or field", value=query.search, remedy="leave it out"
        )
    after, limit = edge.read_cursor(query.cursor), query.limit + 1

    async def work(tx: Transaction) -> list[Contact]:
        asked = Asked(query.segment, query.tag, query.kind, query.field, query.value)
        settled = await audience.asked_for(tx, workspace_id, asked, ground.clock.now())
        found = await audience.page(tx, workspace_id, settled, after, limit)
        known = await store.by_ids(tx, workspace_id, found)
        return [known[contact_id] for contact_id in found if contact_id in known]

    return edge.cut(await ground.db.read(work), query, lambda contact: contact.id)


@route(
    "POST /v1/contacts",
    Operation(
        summary="Create a contact, or change the one that is there",
        detail="Known by external_id, else by an address. What is left out takes its default, but for "
        "`opted_out`, which stays as it was. An address of "
        "another contact moves to this one.",
        scope="contacts:write",
        takes=CONTACT,
        gives=ContactShown,
        once=True,
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def put_contact(request: Call) -> JsonAnswer:
    """One contact, as it is described now."""
    body = await edge.read_body(request)
    given, ground = CONTACT.read(body), edge.ground_of(request)

    async def work(tx: Transaction) -> ContactShown:
        (written,) = await flows.put(tx, ground, request.auth.workspace_id, [given], request.auth.actor)
        if isinstance(written, Problem):
            raise written
        return shown(written)

    return await edge.once(request, body, work)


@route(
    "POST /v1/contacts/batch",
    Operation(
        summary="Create or change up to 1,000 contacts",
        detail="Each by itself, as `POST /v1/contacts` does; `results` has an id or a problem for each.",
        scope="contacts:write",
        takes=BATCH,
        gives=Results,
        once=True,
        example={"contacts": [EXAMPLE]},
        answer_example=Results(1, 0, [Result(0, "con_05a58xarj0000")]),
        body_max_bytes=None,
    ),
)
async def put_contacts(request: Call) -> JsonAnswer:
    """Many contacts, as they are described now."""
    body = await edge.read_body(request)
    given, ground = BATCH.read(body), edge.ground_of(request)
    readable = [one for one in given if not isinstance(one, Problem)]

    async def work(tx: Transaction) -> Results:
        written = iter(await flows.put(tx, ground, request.auth.workspace_id, readable, request.auth.actor))
        return _results(
            [one if isinstance(one, Problem) else _placed(next(written), at) for at, one in enumerate(given)]
        )

    return await edge.once(request, body, work)


@route(
    "GET /v1/contacts/{contact_id}",
    Operation(
        summary="Look at a contact",
        scope="contacts:read",
        gives=ContactShown,
        problems=(404,),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def get_contact(request: Call) -> JsonAnswer:
    """One contact."""
    contact_id = edge.id_in_path(request, "contact")
    found = await flows.get(edge.ground_of(request), request.auth.workspace_id, contact_id)
    return edge.answer(request, shown(found))


@route(
    "PUT /v1/contacts/{contact_id}",
    Operation(
        summary="Change a contact",
        detail="The whole contact as it is to be; what is left out takes its default.",
        scope="contacts:write",
        takes=CONTACT,
        gives=ContactShown,
        problems=(404,),
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def change_contact(request: Call) -> JsonAnswer:
    """The contact as it is described now."""
    contact_id = edge.id_in_path(request, "contact")
    given = CONTACT.read(await edge.read_body(request))
    changed = await flows.change(edge.ground_of(request), request.auth.workspace_id, contact_id, given)
    return edge.answer(request, shown(changed))


@route(
    "DELETE /v1/contacts/{contact_id}",
    Operation(
        summary="Delete a contact",
        detail="With its addresses. Nothing more is sent to it.",
        scope="contacts:write",
        status=204,
        problems=(404,),
    ),
)
async def delete_contact(request: Call) -> JsonAnswer:
    """No contact any more."""
    contact_id = edge.id_in_path(request, "contact")
    await flows.delete(edge.ground_of(request), request.auth.workspace_id, contact_id, request.auth.actor)
    return edge.nothing(request)


def shown(contact: Contact) -> ContactShown:
    """A contact for the outside."""
    return ContactShown(
        id=ids.show("contact", contact.id),
        external_id=contact.external_id,
        name=contact.name,
        locale=contact.locale,
        locale_is_guess=contact.locale_is_guess,
        time_zone=contact.time_zone,
        time_zone_is_guess=contact.time_zone_is_guess,
        country=contact.country,
        fields=contact.fields,
        tags=list(contact.tags),
        opted_out=sorted(contact.opted_out),
        addresses=[_address(contact, one) for one in contact.addresses],
        created_at=iso(contact.created_at),
        updated_at=iso(contact.updated_at),
    )


def _address(contact: Contact, one: Address) -> AddressShown:
    return AddressShown(
        kind=one.kind,
        value=one.value,
        operator_blacklist=one.operator_blacklist,
        preferred=one.preferred,
        used_first=contact.address(one.kind) == one,
        verified=one.verified_at > 0,
        verified_at=iso(one.verified_at) if one.verified_at else None,
        verified_how=one.verified_how,
        added_at=iso(one.added_at),
    )


def _placed(one: Contact | Problem, index: int) -> Contact | Problem:
    """A problem of an item, its fields named from the top of the batch."""
    return under(one, f"contacts[{index}]") if isinstance(one, Problem) else one


def _results(done: list[Contact | Problem]) -> Results:
    results = [_result(index, one) for index, one in enumerate(done)]
    rejected = sum(isinstance(one, Problem) for one in done)
    return Results(len(done) - rejected, rejected, results)


def _result(index: int, one: Contact | Problem) -> Result:
    if isinstance(one, Problem):
        return Result(index, problem=one.document())
    return Result(index, ids.show("contact", one.id))


HANDLERS = (list_contacts, put_contact, put_contacts, get_contact, change_contact, delete_contact)
