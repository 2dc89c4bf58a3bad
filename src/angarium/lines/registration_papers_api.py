"""The JSON edge of the papers of a registration: files in and out, and the evidence as a whole."""

from __future__ import annotations

from typing import Annotated

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, route
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.lines import registration_flows as flows
from angarium.lines import registration_papers as papers
from angarium.lines import uploads
from angarium.lines.edge import line_in_path
from angarium.lines.store.registrations import Document
from angarium.protocols import files

UNDER = "/v1/lines/{line_id}/registrations"
ONE = UNDER + "/{registration_id}"


class RegistrationDocumentShown(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was handed in."""

    id: str
    document: str  # which of those that are asked for
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    by: str
    created_at: str


class UploadQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which document the file is, and what it was called."""

    document: str
    name: Annotated[str, msgspec.Meta(max_length=300)] = ""


UPLOAD = Shape(UploadQuery)
DOCUMENT_EXAMPLE = RegistrationDocumentShown(
    id="doc_05a58xarj0002",
    document="letter",
    name="letter.pdf",
    media_type="application/pdf",
    size_bytes=81_234,
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    by="key_05a58xarj0003",
    created_at="2026-11-23T08:30:00.000Z",
)


@route(
    f"GET {ONE}/evidence",
    Operation(
        summary="Take the evidence along: a zip with everything",
        detail="What was told and signed, the requirement as it is, the history, and the files.",
        scope="setup:read",
        problems=(404,),
    ),
)
async def get_evidence(request: Call) -> JsonAnswer:
    """A file to be saved."""
    ground = edge.ground_of(request)
    whole, packed = await papers.evidence(ground, request.auth.workspace_id, *await ids_in_path(request))
    name = ids.show("registration", whole.registration.id)
    return _to_save(packed, "application/zip", f"{name}.zip")


@route(
    f"POST {ONE}/documents",
    Operation(
        summary="Hand in a file",
        detail="The body is the file itself, at most 5 MB; its kind is told from its first bytes: PDF, PNG,"
        " JPEG, XLSX or CSV. It is kept encrypted, and handed out only to be saved. Only drafts take files.",
        scope="setup:write",
        asks=UPLOAD,
        gives=RegistrationDocumentShown,
        status=201,
        problems=(404, 409, 413),
        body_max_bytes=uploads.SIZE_MAX_BYTES,
        answer_example=DOCUMENT_EXAMPLE,
    ),
)
async def hand_in(request: Call) -> JsonAnswer:
    """A file is kept."""
    line_id, registration_id = await ids_in_path(request)
    ground, caller = edge.ground_of(request), request.auth
    await flows.get(ground, caller.workspace_id, line_id, registration_id)
    query = UPLOAD.read_query(request.scope["query_string"])
    body = await edge.read_raw(request, uploads.SIZE_MAX_BYTES)
    kept = await papers.hand_in(
        ground, caller.workspace_id, line_id, registration_id, query.document, query.name, body, caller.actor
    )
    return edge.answer(request, shown_document(kept))


@route(
    f"GET {ONE}/documents/{{document_id}}",
    Operation(summary="Take a file that was handed in", scope="setup:read", problems=(404,)),
)
async def get_document(request: Call) -> JsonAnswer:
    """A file to be saved; never shown."""
    document_id = edge.id_in_path(request, "document")
    ground = edge.ground_of(request)
    kept, body = await papers.document(
        ground, request.auth.workspace_id, *await ids_in_path(request), document_id
    )
    return _to_save(body, kept.media, kept.name)


@route(
    f"DELETE {ONE}/documents/{{document_id}}",
    Operation(summary="Take a file out of a draft", scope="setup:write", status=204, problems=(404, 409)),
)
async def take_out(request: Call) -> JsonAnswer:
    """The file is gone."""
    document_id, caller = edge.id_in_path(request, "document"), request.auth
    ground = edge.ground_of(request)
    await papers.take_out(ground, caller.workspace_id, *await ids_in_path(request), document_id, caller.actor)
    return edge.nothing(request)


async def ids_in_path(request: Call) -> tuple[int, int]:
    """The line and the registration that an address names."""
    registration_id = edge.id_in_path(request, "registration")
    return await line_in_path(request), registration_id


def _to_save(body: bytes, media_type: str, name: str) -> JsonAnswer:
    """Bytes that a browser saves and does not show; the frame adds `nosniff`."""
    named = files.disposition("attachment", name)
    headers = ((b"content-type", media_type.encode()), (b"content-disposition", named))
    return JsonAnswer(200, body, headers)


def shown_document(one: Document) -> RegistrationDocumentShown:
    """A file for the outside."""
    return RegistrationDocumentShown(
        id=ids.show("document", one.id),
        document=one.need,
        name=one.name,
        media_type=one.media,
        size_bytes=one.size_bytes,
        sha256=one.sha256,
        by=one.given_by,
        created_at=iso(one.created_at),
    )


HANDLERS = (get_evidence, hand_in, get_document, take_out)
