"""What a registration is made of, for those who register lines in tests."""

from __future__ import annotations

import io
from typing import Any

from support.server import PDF, Client, Heard

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
CSV = "name,phone\nعلی,+989120000001\n".encode()
SIGNED = {"signed_by": "Olena Kovalenko", "signed_on": "2026-11-20"}
IRANIAN: dict[str, Any] = {
    "classes": ["service", "otp"],
    "fields": {
        "national_id": "10380284790",
        "economic_code": "411111111111",
        "registration_number": "123456",
        "use": "Order status and codes of a web shop",
    },
    "undertakings": {"service-only": SIGNED},
}
PAPERS = {
    "company-notice": PDF,
    "signatory-id": PNG,
    "customer-list": CSV,
    "promissory-note": PDF,
    "signed-undertaking": PDF,
}


async def asked(client: Client, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
    """The answer to a request that must come out so."""
    heard = await client.ask(method, path, body)
    assert heard.status == status, (method, path, heard)
    return heard.json if heard.body else None


async def hand_in(client: Client, path: str, document: str, body: bytes, name: str = "file") -> Heard:
    """A file for a registration."""
    query = f"?document={document}&name={name}"
    kind = "application/octet-stream"
    return await client.ask("POST", f"{path}/documents{query}", data=io.BytesIO(body), Content_Type=kind)


async def in_review(owner: Client, reviewer: Client, line: str) -> str:
    """The address of a registration of an Iranian service line with all its papers, which is in review."""
    under = f"/v1/lines/{line}/registrations"
    made = await asked(owner, "POST", under, IRANIAN, status=201)
    path = f"{under}/{made['id']}"
    for document, body in PAPERS.items():
        assert (await hand_in(owner, path, document, body)).status == 201
    await asked(owner, "POST", f"{path}/submit", {})
    await asked(reviewer, "POST", f"{path}/review", {})
    return path
