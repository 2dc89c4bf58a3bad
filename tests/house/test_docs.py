"""Documents are kept as true as code: links lead somewhere, the map shows what is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from house.tree import PACKAGE, ROOT, files, none_of, short

DOCS = ROOT / "docs"
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
NAMED_FILE = re.compile(r"(?<![\w./-])((?:[\w-]+/)*[\w-]+\.(?:py|md|toml|css|js|html|sql))\b")
NAMED_FOLDER = re.compile(r"(?<![\w./:<-])((?:[\w-]+/)+)(?=[`\s|,;:)]|$)", re.MULTILINE)


def pages() -> list[Path]:
    """Every Markdown file of the project."""
    return [path for path in files() if path.suffix == ".md"]


# ── links ────────────────────────────────────────────────────────────────────────────────────────────


def test_links_lead_somewhere() -> None:
    found = (f"{short(page)}: {link}" for page in pages() for link in dead_links(page.read_text(), page))
    none_of(found, "Mend the link, or take it out:")


def dead_links(text: str, page: Path) -> Iterator[str]:
    """The links of a page that name a file or a heading that is not there."""
    for match in LINK.finditer(CODE.sub("", FENCE.sub("", text))):
        link = match[1] or match[2]
        if ELSEWHERE.match(link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name
        if not target.exists() or (anchor and anchor not in anchors(target.read_text() if name else text)):
            yield link


def anchors(text: str) -> set[str]:
    """The names by which a page's headings can be linked to, as GitHub forms them."""
    headings = (re.sub(r"[`*\[\]]|\(.*?\)", "", heading) for heading in HEADING.findall(FENCE.sub("", text)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("text", "dead"),
    [
        ("[here](README.md)", []),
        ("[there](https://example.org/x)", []),
        ("[gone](nowhere.md)", ["nowhere.md"]),
        ("[gone]: nowhere.md", ["nowhere.md"]),
        ("# One `two`\n\n[up](#one-two)", []),
        ("# One\n\n[up](#two)", ["#two"]),
        ("```\n[not](a-link.md)\n```", []),
        ("`[nor](this.md)`", []),
    ],
)
def test_what_a_dead_link_is(text: str, dead: list[str]) -> None:
    assert list(dead_links(text, ROOT / "page.md")) == dead


def test_every_page_can_be_found_from_the_index() -> None:
    index = DOCS / "README.md"
    linked = {(DOCS / (match[1] or match[2])).resolve() for match in LINK.finditer(index.read_text())}
    found = (
        short(page)
        for page in pages()
        if page.is_relative_to(DOCS)
        and page != index
        and not linked & {page, page.parent, page.parent / "README.md"}
    )
    none_of(found, "Link the page, or its folder, from docs/README.md:")


# ── the map ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_map_names_what_is_there() -> None:
    there = {short(path) for path in files()}
    for page in DOCS.glob("ARCHITECTURE.md"):
        none_of(not_there(page.read_text(), there), "docs/ARCHITECTURE.md names what is not in the tree:")


def test_the_map_leaves_no_room_out() -> None:
    for page in DOCS.glob("ARCHITECTURE.md"):
        text = page.read_text()
        rooms = (path.parent.name for path in PACKAGE.glob("*/__init__.py"))
        none_of(
            (f"{room}/" for room in rooms if f"{room}/" not in text), "docs/ARCHITECTURE.md does not show:"
        )


def not_there(text: str, there: set[str]) -> Iterator[str]:
    """Files and folders a text names that do not exist; a name may be short of its leading folders."""
    whole = "\n".join(f"/{name}" for name in sorted(there)) + "\n"
    yield from (name for name in set(NAMED_FILE.findall(text)) if f"/{name}\n" not in whole)
    yield from (name for name in set(NAMED_FOLDER.findall(text)) if f"/{name}" not in whole)


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("`core/clock.py` and clock.py", []),
        ("  core/   ground floor", []),
        ("`core/cloak.py`", ["core/cloak.py"]),
        ("`cellar/`", ["cellar/"]),
        ("and/or, 24/7, https://example.org/core/", []),
    ],
)
def test_what_the_map_gets_wrong(text: str, missing: list[str]) -> None:
    assert list(not_there(text, {"src/angarium/core/clock.py"})) == missing


# ── records ──────────────────────────────────────────────────────────────────────────────────────────


def test_decisions_have_their_form() -> None:
    records = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    assert [record.name[:4] for record in records] == [f"{n:04}" for n in range(1, len(records) + 1)]
    none_of(
        (
            f"{short(path)}: {flaw}"
            for path in records
            for flaw in flaws_of_decision(path.name, path.read_text())
        ),
        "docs/decisions/README.md says what a record looks like:",
    )


def flaws_of_decision(name: str, text: str) -> list[str]:
    """Where a decision record departs from the form."""
    flaws = []
    if not re.match(
        rf"# {name[:4]}\. \S.*\n\n(?:Accepted|Replaced by \[\d{{4}}\]\(\S+\)), \d{{4}}-\d\d-\d\d\.\n", text
    ):
        flaws.append("begins with `# NNNN. Sentence` and a line `Accepted, YYYY-MM-DD.`")
    if re.findall(r"^## (.+)$", text, re.MULTILINE) != ["Context", "Decision", "Refused"]:
        flaws.append("has the parts Context, Decision, Refused")
    if not re.search(r"^## Refused\n\n(?:- \*\*.+\*\*.*\n(?:  .*\n)*)+\Z", text, re.MULTILINE):
        flaws.append("ends with a list of what was refused, `- **Name.** Why.`")
    return flaws


GOOD_DECISION = """# 0001. We do it

Accepted, 2026-11-23.

## Context

## Decision

## Refused

- **This.** No.
"""


@pytest.mark.parametrize(
    ("change", "flaws"),
    [
        (("", ""), 0),
        (("0001", "0002"), 1),
        (("Accepted", "Maybe"), 1),
        (("## Context\n\n", ""), 1),
        (("- **This.** No.\n", ""), 1),
    ],
)
def test_what_is_wrong_with_a_decision(change: tuple[str, str], flaws: int) -> None:
    assert len(flaws_of_decision("0001-we-do-it.md", GOOD_DECISION.replace(*change))) == flaws


KINDS_OF_CHANGE = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_changelog_is_begun_for_the_next_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert versions[0] == "[Unreleased]", "CHANGELOG.md begins with what is not released yet"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", version) for version in versions[1:])
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= KINDS_OF_CHANGE


# ── what is typed ────────────────────────────────────────────────────────────────────────────────────


def test_who_sends_json_by_curl_says_so() -> None:
    """The API answers 415 to what curl calls a form."""
    found = (f"{short(page)}: {call}" for page in pages() for call in unnamed_json(page.read_text()))
    none_of(found, "Write --json, or the header Content-Type:")


def unnamed_json(text: str) -> Iterator[str]:
    """The calls of curl that carry JSON to the API as if it were a form."""
    for fence in FENCE.finditer(text):
        for call in re.split(r"^(?=\s*curl\b)", fence[0].replace("\\\n", " "), flags=re.MULTILINE)[1:]:
            carries = "/v1/" in call and re.search(r"\s(-d|--data|--data-raw)[ =]+['@-]", call)
            if carries and not re.search(r"content-type", call, re.IGNORECASE):
                yield call.splitlines()[0]


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        ("curl $S/v1/lines -d '{}'", True),
        ("curl $S/v1/lines \\\n  --data @- <<'END'\n{}\nEND", True),
        ("curl $S/v1/lines --json '{}'", False),
        ("curl $S/v1/lines -H 'content-type: application/json' -d '{}'", False),
        ("curl $S/v1/media --data-binary @a.jpg", False),
    ],
)
def test_the_search_for_json_that_is_not_named(call: str, wrong: bool) -> None:
    assert bool([*unnamed_json(f"```sh\n{call}\n```")]) is wrong
