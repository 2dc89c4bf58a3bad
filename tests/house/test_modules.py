"""Every module says what it is, stands where it belongs, and is named for the product."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import pytest

from house.furniture import MORE_FURNITURE
from house.tree import NAMES_THAT_SAY_NOTHING, PACKAGE, ROOT, imports, is_kit, modules, none_of, short, texts

GROUND = {"channels", "core", "demo", "drill", "fabric", "protocols", "simulators", "storage", "web"}
FURNITURE = {"__init__", "api", "flows", "pages", "rules", "store", "templates"}
EDGES_END = ("_api", "_pages")  # the JSON and the HTML edge of something
PURE = {
    "watch",
    "experiment",
    "approval",
    "consent",
    "stopwords",
    "quoted",
    "suppression",
    "building",
    "cascade",
    "composition",
    "origins",
    "choice",
    "comparable",
    "destinations",
    "difference",
    "editing",
    "gate",
    "lanes",
    "likeness",
    "lifecycle",
    "pacing",
    "patterns_index",
    "patterns_near",
    "patterns_rules",
    "phones",
    "phrases",
    "places",
    "promotional",
    "reach",
    "reachability",
    "roles",
    "receipts",
    "registration_rules",
    "retry",
    "routing",
    "rules",
    "schedule",
    "session",
    "shapes",
    "states",
    "steps",
    "tallies",
    "tariffs",
    "tariffs_csv",
    "timeline",
    "tokens",
    "uploads",
}
IMPURE = ("asyncio", "logging", "os", "pathlib", "socket", "structlog", "subprocess", "threading")
IMPURE += ("angarium.storage",)

PROMISES = re.compile(r"\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b")  # brackets: this line is no promise
SQL = re.compile(
    r"\s*(SELECT\s.*\sFROM\s|INSERT\s+INTO\s|UPDATE\s.*\sSET\s|DELETE\s+FROM\s|WITH\s.*\sAS\s)", re.DOTALL
)

STORES = ("storage/*", "*/store.py", "*/store/*", "*/*_store.py")
EDGES = ("web/*", "*/api.py", "*/*_api.py", "*/edge.py", "*/pages.py", "assembly.py")
HOME_OF = {  # a library is met in one place, so that it can be changed in one place
    "aiohttp": ("protocols/http.py", "simulators/*", "client.py", "processes.py", "demo/*", "drill/*"),
    "aiosmtpd": ("protocols/smtp.py", "simulators/*"),
    "aiosmtplib": ("protocols/smtp.py",),
    "alembic": ("storage/*",),
    "apsw": ("storage/*", "drill/store.py"),
    "asyncpg": ("storage/*", "fabric/*", "drill/store.py"),
    "liquid": ("content/*",),
    "nats": ("fabric/nats.py", "fabric/nats_*"),
    "litestar": EDGES,
    "phonenumbers": ("contacts/*", "storage/migrations/versions/*"),
    "sqlalchemy": STORES,
    "uvicorn": ("web/*",),
}


def rooms() -> list[Path]:
    """The folders of the package that are rooms and not ground."""
    return sorted(path.parent for path in PACKAGE.glob("*/__init__.py") if path.parent.name not in GROUND)


# ── what it says ─────────────────────────────────────────────────────────────────────────────────────


def test_every_module_opens_with_a_sentence() -> None:
    found = (
        short(path)
        for path, tree in modules(ROOT / "src", ROOT / "tests", ROOT / "bench")
        if not opens_with_a_sentence(tree)
    )
    none_of(found, "Say in the first line of the file, in one sentence, what lives in it:")


def opens_with_a_sentence(tree: ast.Module) -> bool:
    """Whether a module's docstring begins with a paragraph that ends as sentences do."""
    first = (ast.get_docstring(tree) or "").split("\n\n")[0]
    return len(first.split()) > 2 and first.endswith((".", "?", ":"))


@pytest.mark.parametrize(
    ("source", "good"),
    [
        ('"""What is sent, and when."""', True),
        ('"""Accounts"""', False),
        ('"""Accounts."""', False),
        ("x = 1", False),
    ],
)
def test_a_sentence_is_more_than_a_name(source: str, good: bool) -> None:
    assert opens_with_a_sentence(ast.parse(source)) is good


def test_names_say_something() -> None:
    found = (
        short(path) for path, _ in modules(ROOT) if NAMES_THAT_SAY_NOTHING & {path.stem, path.parent.name}
    )
    none_of(found, "Name the file after what is in it; split it if that takes an `and`:")


def test_nothing_is_promised() -> None:
    found = (
        f"{short(path)}:{number}"
        for path, text in texts()
        if path.suffix in (".py", ".js", ".css", ".html", ".toml", "")
        for number, line in enumerate(text.splitlines(), 1)
        if PROMISES.search(line)
    )
    none_of(found, "Do it now, or open an issue and take the note out:")


# ── where it stands ──────────────────────────────────────────────────────────────────────────────────


def test_every_room_has_the_same_furniture() -> None:
    found = [
        f"{room.name}/{name}"
        for room in rooms()
        for name in {path.stem for path in room.iterdir() if path.suffix in ("", ".py")}
        - FURNITURE
        - {"__pycache__"}
        if (room.name, name) not in MORE_FURNITURE and not name.endswith(EDGES_END)
    ]
    none_of(
        found,
        f"A room holds {', '.join(sorted(FURNITURE))}; anything more needs its reason in MORE_FURNITURE:",
    )


def test_rules_are_pure() -> None:
    found = (
        f"{short(path)}:{line} imports {name}"
        for room in rooms()
        for path, tree in modules(room)
        if (path.stem in PURE and path.parent == room) or path.parent.name in PURE
        for line, name in imports(tree)
        if impure(name)
    )
    none_of(found, "A rule takes facts and returns a decision; what it needs from outside is handed to it:")


def impure(name: str) -> bool:
    """Whether an import brings I/O, waiting or another room's furniture into a rule."""
    if name.startswith("angarium."):
        room, *rest = name.split(".")[1:]
        return room not in ("core", "protocols") and not (PURE | {"liquid"}).intersection(rest[:1])
    return name.partition(".")[0] in (*IMPURE, *HOME_OF)


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("angarium.core.values.Reason", False),
        ("angarium.messaging.retry.Action", False),
        ("angarium.messaging.store.messages", True),
        ("angarium.storage.database.Transaction", True),
        ("datetime.datetime", False),
        ("angarium.storage", True),
        ("asyncio", True),
        ("sqlalchemy.select", True),
    ],
)
def test_what_a_rule_may_not_import(name: str, verdict: bool) -> None:
    assert impure(name) is verdict


def test_a_library_stays_at_home() -> None:
    found = (
        f"{short(path)}:{line} imports {name}"
        for path, tree in modules(PACKAGE)
        for line, name in imports(tree)
        if not at_home(path.relative_to(PACKAGE).as_posix(), name.split(".")[0])
    )
    none_of(found, "Call our own module for it (HOME_OF says where the library lives):")


def at_home(module: str, library: str) -> bool:
    """Whether a module, as a path inside the package, may import a library."""
    return any(fnmatch(module, home) for home in HOME_OF.get(library, ("*",)))


@pytest.mark.parametrize(
    ("module", "library", "verdict"),
    [
        ("lines/store.py", "sqlalchemy", True),
        ("messaging/store/attempts.py", "sqlalchemy", True),
        ("lines/flows.py", "sqlalchemy", False),
        ("lines/api.py", "litestar", True),
        ("lines/flows.py", "litestar", False),
        ("channels/viber.py", "aiohttp", False),
        ("lines/flows.py", "msgspec", True),
    ],
)
def test_where_home_is(module: str, library: str, verdict: bool) -> None:
    assert at_home(module, library) is verdict


def test_sql_lives_in_stores() -> None:
    found = (
        f"{short(path)}:{line}"
        for path, tree in modules(PACKAGE)
        if not any(fnmatch(path.relative_to(PACKAGE).as_posix(), store) for store in STORES)
        for line in sql_lines(tree)
    )
    none_of(found, "Give the query a function in the room's store.py:")


def sql_lines(tree: ast.Module) -> Iterator[int]:
    """The lines where a text that is SQL begins."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
            yield node.lineno


@pytest.mark.parametrize(
    ("text", "is_sql"),
    [
        ("SELECT id FROM message", True),
        ("\n  UPDATE attempt\n SET state = 1", True),
        ("WITH due AS (SELECT 1) SELECT * FROM due", True),
        ("DELETE FROM line WHERE id = 1", True),
        ("Select a line from the list", False),
        ("UPDATES are journalled", False),
    ],
)
def test_what_sql_looks_like(text: str, is_sql: bool) -> None:
    assert list(sql_lines(ast.parse(repr(text)))) == ([1] if is_sql else [])


# ── a channel is three files ─────────────────────────────────────────────────────────────────────────


def test_every_channel_has_its_test_and_its_page() -> None:
    none_of(
        (short(missing) for kind in channel_kinds() for missing in companions(kind) if not missing.is_file()),
        "A channel is three files; write the one that is missing:",
    )


def test_no_page_and_no_test_is_left_of_a_channel_that_is_gone() -> None:
    kinds = {*channel_kinds(), "README", "kit", "contract"}
    pages = {path: path.stem for path in (ROOT / "docs/channels").glob("*.md")}
    tests = {path: path.stem.removeprefix("test_") for path in (ROOT / "tests/channels").glob("test_*.py")}
    none_of(
        (short(path) for path, kind in (pages | tests).items() if kind not in kinds and not is_kit(kind)),
        "There is no channel of that name; take the file away or name it after its channel:",
    )


def channel_kinds() -> list[str]:
    """The kinds of channel, by their files; what several share is a kit."""
    stems = (path.stem for path in (PACKAGE / "channels").glob("*.py"))
    return sorted(stem for stem in stems if stem not in ("__init__", "kit") and not is_kit(stem))


def companions(kind: str) -> list[Path]:
    """The two files that come with a channel's own."""
    named = f"tests/channels/test_{kind}.py", f"docs/channels/{kind}.md"
    return [ROOT / PurePosixPath(one) for one in named]
