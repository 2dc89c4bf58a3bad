"""The papers of a registration: files that are handed in and kept sealed, and the evidence."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import Any

import msgspec

from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.problems import invalid, not_found
from angarium.lines import uploads
from angarium.lines.registration_flows import Decision, Whole, get, history, line_of, opened, tell, whole_of
from angarium.lines.store import Line, registrations
from angarium.lines.store.registrations import Document
from angarium.protocols import files
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact
from angarium.storage.ground import Ground

DOCUMENTS_MAX = 40  # files of one registration


async def hand_in(
    ground: Ground,
    workspace_id: int,
    line_id: int,
    registration_id: int,
    need_key: str,
    name: str,
    body: bytes,
    actor: str,
) -> Document:
    """Keep a file of a draft, sealed; what kind it is its first bytes tell."""
    found = await get(ground, workspace_id, line_id, registration_id)
    needs = {need.key: need for need in found.requirement.documents}
    if need_key not in needs:
        remedy = "one of " + ", ".join(needs) if needs else "none: no documents are asked for"
        raise invalid("document", "is not asked for", value=need_key, remedy=remedy)
    kind = uploads.kind_of(body, needs[need_key].media)
    document = Document(
        id=ground.ids.mint(),
        registration_id=registration_id,
        need=need_key,
        name=files.clean_name(name or need_key, kind),
        media=uploads.KINDS[kind],
        size_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        given_by=actor,
        created_at=ground.clock.now(),
    )
    sealed = ground.vault.seal(body, document_cell(workspace_id, document.id)).encode()

    async def work(tx: Transaction) -> Document:
        _, before = await opened(tx, workspace_id, line_id, registration_id)
        if await registrations.count_documents(tx, workspace_id, registration_id) >= DOCUMENTS_MAX:
            raise uploads.too_many(DOCUMENTS_MAX)
        await registrations.add_document(tx, workspace_id, document, sealed)
        given = Decision(note=f"{document.need}: {document.name}, sha256 {document.sha256}")
        await tell(tx, before, "hand_in", before.state, actor, given, document.created_at)
        return document

    return await ground.db.run(work)


async def document(
    ground: Ground, workspace_id: int, line_id: int, registration_id: int, document_id: int
) -> tuple[Document, bytes]:
    """A file and its bytes; a Problem when there is none."""

    async def work(tx: Transaction) -> tuple[Document, bytes]:
        await whole_of(tx, workspace_id, line_id, registration_id)
        found = await registrations.document(tx, workspace_id, document_id)
        if found is None or found[0].registration_id != registration_id:
            raise not_found("document", ids.show("document", document_id))
        return found

    kept, sealed = await ground.db.read(work)
    return kept, ground.vault.open(sealed.decode(), document_cell(workspace_id, document_id))


async def take_out(
    ground: Ground, workspace_id: int, line_id: int, registration_id: int, document_id: int, actor: str
) -> None:
    """Delete a file of a draft."""

    async def work(tx: Transaction) -> None:
        _, before = await opened(tx, workspace_id, line_id, registration_id)
        handed_in = await registrations.documents(tx, workspace_id, registration_id)
        found = next((one for one in handed_in if one.id == document_id), None)
        if found is None:
            raise not_found("document", ids.show("document", document_id))
        await registrations.remove_document(tx, workspace_id, document_id)
        given = Decision(note=f"{found.need}: {found.name}, sha256 {found.sha256}")
        await tell(tx, before, "take_out", before.state, actor, given, ground.clock.now())

    await ground.db.run(work)


def document_cell(workspace_id: int, document_id: int) -> str:
    """Where the bytes of a file open."""
    return f"{workspace_id}/registration_document/{document_id}/body"


# ── evidence ─────────────────────────────────────────────────────────────────────────────────────────


async def evidence(
    ground: Ground, workspace_id: int, line_id: int, registration_id: int
) -> tuple[Whole, bytes]:
    """A zip with everything: what was told and signed, the requirement as it is, the history, the files."""
    whole = await get(ground, workspace_id, line_id, registration_id)
    line = await ground.db.read(line_of, workspace_id, line_id)
    told = await history(ground, workspace_id, line_id, registration_id)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        about = _evidence(line, whole, told, ground.clock.now())
        archive.writestr(_entry("registration.json"), msgspec.json.format(msgspec.json.encode(about)))
        for one in whole.documents:
            _, body = await document(ground, workspace_id, line_id, registration_id, one.id)
            archive.writestr(_entry(f"documents/{ids.show('document', one.id)}-{one.name}"), body)
    return whole, packed.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry whose bytes are the same every time: no date of packing."""
    return zipfile.ZipInfo(name)


def _evidence(line: Line, whole: Whole, told: list[Fact], now: int) -> dict[str, Any]:
    one = whole.registration
    return {
        "line": {"id": ids.show("line", line.id), "name": line.name, "channel": line.channel},
        "registration": {
            **{
                name: msgspec.to_builtins(getattr(one, name)) for name in ("requirement", "operator", "state")
            },
            "id": ids.show("registration", one.id),
            "classes": sorted(one.classes),
            "granted": sorted(one.granted),
            "reason": one.reason,
            "declared": one.declared,
            "external_id": one.external_id,
            "submitted_by": one.submitted_by,
            "valid_from": None if one.valid_from is None else iso(one.valid_from),
            "valid_until": None if one.valid_until is None else iso(one.valid_until),
            "fields": one.fields,
            "undertakings": msgspec.to_builtins(one.undertakings),
        },
        "documents": [
            {**msgspec.to_builtins(d), "id": ids.show("document", d.id), "created_at": iso(d.created_at)}
            for d in whole.documents
        ],
        "missing": whole.missing,
        "requirement": msgspec.to_builtins(whole.requirement),
        "history": [{"at": iso(fact.at), **msgspec.json.decode(fact.body)} for fact in told],
        "exported_at": iso(now),
    }
