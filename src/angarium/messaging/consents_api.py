"""The JSON edge of consents: write down what a contact said, look it up, export it with its proof.

It stands here and not beside contacts because a withdrawal stops messages in the transaction that writes it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.contacts.consent import PURPOSES, Scope, State
from angarium.contacts.consent_ledger import Said
from angarium.contacts.store import consents
from angarium.contacts.store.consents import Entry, Filter
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.problems import invalid
from angarium.messaging import consenting
from angarium.messaging.api import Desk
from angarium.messaging.case import Case, wake
from angarium.storage.database import Transaction

PROOF_MAX, WORD_MAX, PROOF_NAMES_MAX = 1_000, 80, 20
EXPORT_PAGE = 1_000
COLUMNS = (
    "id",
    "contact",
    "purpose",
    "channel",
    "state",
    "source",
    "wording",
    "given_at",
    "recorded_at",
    "by",
    "proof",
)

Text = Annotated[str, Meta(max_length=PROOF_MAX)]
Word = Annotated[str, Meta(max_length=WORD_MAX)]


class ConsentInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a contact said: a class or `all`, on a channel or on every one."""

    purpose: Literal["otp", "transactional", "service", "promotional", "all"]
    state: Literal["granted", "withdrawn"]
    source: Annotated[str, Meta(min_length=1, max_length=WORD_MAX)]
    channel: Annotated[str, Meta(pattern=r"^([a-z][a-z0-9_]{0,39})?$")] = ""
    wording: Word = ""
    proof: Annotated[dict[Word, Text], Meta(max_length=PROOF_NAMES_MAX)] = {}
    given_at: datetime | None = None


class ConsentShown(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the ledger."""

    id: str
    contact: str
    purpose: str
    channel: str
    state: str
    source: str
    wording: str
    proof: dict[str, str]
    by: str
    given_at: str
    recorded_at: str


class ConsentQuery(edge.PageQuery, frozen=True, forbid_unknown_fields=True):
    """Which entries; empty means any."""

    contact: str = ""
    purpose: str = ""
    channel: str = ""
    state: str = ""


GIVEN, QUERY = Shape(ConsentInput), Shape(ConsentQuery)
EXAMPLE = ConsentInput(
    purpose="promotional",
    state="granted",
    source="checkout",
    wording="newsletter-2026-03",
    proof={"url": "https://shop.example/checkout", "ip": "203.0.113.7"},
)
SHOWN_EXAMPLE = ConsentShown(
    id="cns_05a58xarj0000",
    contact="con_05a58xarj0000",
    purpose="promotional",
    channel="",
    state="granted",
    source="checkout",
    wording="newsletter-2026-03",
    proof={"url": "https://shop.example/checkout", "ip": "203.0.113.7"},
    by="key_05a58xarj0000",
    given_at="2026-11-23T08:30:00.000Z",
    recorded_at="2026-11-23T08:30:00.000Z",
)


@route(
    "POST /v1/contacts/{contact_id}/consents",
    Operation(
        summary="Write down that a contact agreed to something, or withdrew it",
        detail="What waits for the contact and is withdrawn is stopped at once. Nothing is ever changed or"
        " removed: what was said last counts.",
        scope="contacts:write",
        takes=GIVEN,
        gives=ConsentShown,
        once=True,
        problems=(404,),
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def record_consent(request: Call) -> JsonAnswer:
    """One entry more."""
    body = await edge.read_body(request)
    given, contact_id = GIVEN.read(body), edge.id_in_path(request, "contact")
    desk, caller = cast("Desk", request.scope["litestar_app"].state.messages), request.auth
    said = _said(given, contact_id)
    stopped: list[Case] = []

    async def work(tx: Transaction) -> ConsentShown:
        stopped.clear()
        entry, cases = await consenting.record(tx, desk.world, caller.workspace_id, said, caller.actor)
        stopped.extend(cases)
        return shown(entry)

    answer = await edge.once(request, body, work)
    wake(desk.world, stopped)
    return answer


def _said(given: ConsentInput, contact_id: int) -> Said:
    return Said(
        contact_id=contact_id,
        scope=Scope(given.purpose, given.channel),
        state=State(given.state),
        source=given.source,
        wording=given.wording,
        proof=given.proof,
        given_at=edge.instant("given_at", given.given_at) or 0,
    )


@route(
    "GET /v1/consents",
    Operation(
        summary="List what contacts agreed to and withdrew",
        detail="In the order in which it was written down, with its proof.",
        scope="contacts:read",
        asks=QUERY,
        gives=Page[ConsentShown],
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_consents(request: Call) -> JsonAnswer:
    """Entries of the ledger."""
    query = QUERY.read_query(request.scope["query_string"])
    after, wanted = edge.read_cursor(query.cursor), _filter(query)
    ground, workspace_id = edge.ground_of(request), request.auth.workspace_id
    page = await ground.db.read(consents.page, workspace_id, wanted, after, query.limit + 1)
    found, following = edge.cut(page, query, lambda one: one.id)
    return edge.answer(request, Page([shown(one) for one in found], following))


@route(
    "GET /v1/consents/export",
    Operation(
        summary="Export the ledger of consents as CSV",
        detail="With the proof of each entry as JSON. UTF-8, RFC 4180.",
        scope="contacts:read",
        asks=QUERY,
    ),
)
async def export_consents(request: Call) -> edge.Streamed:
    """A row for each entry."""
    query = QUERY.read_query(request.scope["query_string"])
    ground, workspace_id, wanted = edge.ground_of(request), request.auth.workspace_id, _filter(query)

    async def rows() -> AsyncIterator[str]:
        yield line(COLUMNS)
        after = 0
        while page := await ground.db.read(consents.page, workspace_id, wanted, after, EXPORT_PAGE):
            yield "".join(line(_row(one)) for one in page)
            after = page[-1].id

    return edge.Streamed(rows(), "text/csv; charset=utf-8", "consents.csv")


def _filter(query: ConsentQuery) -> Filter:
    if query.purpose and query.purpose not in PURPOSES:
        raise invalid("purpose", "is not one", value=query.purpose, remedy="one of " + ", ".join(PURPOSES))
    if query.state and query.state not in set(State):
        raise invalid("state", "is not one", value=query.state, remedy="one of " + ", ".join(State))
    return Filter(edge_id("contact", query.contact), query.purpose, query.channel, query.state)


def edge_id(noun: str, text: str) -> int:
    """An id in a query; 0 for none."""
    try:
        return ids.read(noun, text) if text else 0
    except ValueError as error:
        raise invalid(noun, str(error), value=text) from None


def shown(one: Entry) -> ConsentShown:
    """An entry for the outside."""
    return ConsentShown(
        id=ids.show("consent", one.id),
        contact=ids.show("contact", one.contact_id),
        purpose=one.scope.purpose,
        channel=one.scope.channel,
        state=one.state.value,
        source=one.source,
        wording=one.wording,
        proof=one.proof,
        by=one.actor,
        given_at=iso(one.given_at),
        recorded_at=iso(one.recorded_at),
    )


def _row(one: Entry) -> list[str]:
    told: dict[str, Any] = msgspec.to_builtins(shown(one))
    told["proof"] = msgspec.json.encode(one.proof).decode() if one.proof else ""
    return [told[name] for name in COLUMNS]


def line(cells: Any) -> str:
    """One row of CSV. What a spreadsheet would run is shown to it as text (OWASP, "CSV Injection")."""
    written = io.StringIO()
    safe = ["'" + cell if cell[:1] in ("=", "@", "\t", "\r") else cell for cell in cells]
    csv.writer(written, lineterminator="\r\n").writerow(safe)
    return written.getvalue()


HANDLERS = (record_consent, list_consents, export_consents)
