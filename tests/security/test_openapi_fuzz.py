"""Schemathesis against the server as a process: no 5xx, and no answer that the document does not tell of.

For longer, against a server that runs:

    schemathesis run http://127.0.0.1:8080/openapi.json -H "Authorization: Bearer ang_…" --exclude-checks \\
        positive_data_acceptance,negative_data_rejection,allow_header_conformance --max-examples 500
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from support.program import Program, running
from support.turns import TODAY

# Those left out ask for what JSON Schema cannot say ("a cursor that we gave").
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
)
SHARES = 8  # of the routes, one is asked in a day; all of them with ANGARIUM_TEST_DATABASES=all
EXAMPLES = 2  # requests of the fuzzing phase for each operation
PATIENCE_S = 280.0

# What a text may hold differs between the two: each gets one half of the requests, hundreds of them.
HALVES = [("sqlite", "coverage"), ("postgresql", "examples,fuzzing")]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("database", "phases"), HALVES, ids=[database for database, _ in HALVES])
async def test_no_request_is_answered_with_a_5xx_or_as_the_document_does_not_say(
    database: str, phases: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    where: dict[str, str] = {"failed_keys_per_min": "100000"}  # each route is asked with a bad key
    if database == "postgresql":
        where["database"] = await request.getfixturevalue("postgres_server").empty_database()
    async with running(tmp_path, **where) as program:
        paths = (await program.client.ask("GET", "/openapi.json")).json["paths"]
        only = "|".join(re.escape(path) for path in share(sorted(paths)))
        status, said = await schemathesis(
            program, tmp_path, "--phases", phases, "--include-path-regex", f"^({only})$"
        )
        assert status == 0, said[-20_000:] + program.said()[-5_000:]
        assert "No issues found" in said
        assert "a request failed" not in program.said()


def share(paths: list[str]) -> list[str]:
    """Whose turn it is: the coverage phase alone asks each route dozens of questions."""
    if os.environ.get("ANGARIUM_TEST_DATABASES") == "all":
        return paths
    return paths[TODAY % SHARES :: SHARES]


async def schemathesis(program: Program, folder: Path, *more: str) -> tuple[int | None, str]:
    """Run it; its exit status and what it printed. The same requests each time."""
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{program.client.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {program.client.key}", "--checks", ",".join(CHECKS)),
        *("--max-examples", str(EXAMPLES), "--generation-deterministic", "--no-shrink"),
        *("--continue-on-failure", "--no-color", "--warnings", "off", *more),
        *("--exclude-path-regex", "^/[ulmo]/|/file$"),  # pages for people, and files: OpenAPI tells of JSON
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        cwd=folder,
    )
    async with asyncio.timeout(PATIENCE_S):
        said, _ = await process.communicate()
    return process.returncode, said.decode()
