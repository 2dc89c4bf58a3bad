"""Every module says what it is, stands where it belongs, and is named for the product."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import pytest

from house.tree import NAMES_THAT_SAY_NOTHING, PACKAGE, ROOT, imports, is_kit, modules, none_of, short, texts

GROUND = {"channels", "core", "demo", "drill", "fabric", "protocols", "simulators", "storage", "web"}
FURNITURE = {"__init__", "api", "flows", "pages", "rules", "store", "templates"}
EDGES_END = ("_api", "_pages")  # the JSON and the HTML edge of something
MORE_FURNITURE = {  # (room, module): what it is that the usual furniture is not
    ("settings", "handlers"): "all of its pages",
    ("settings", "forms"): "what several forms have in common",
    ("settings", "who"): "names for who did something",
    ("settings", "people_pages"): "people and invitations",
    ("settings", "provider_pages"): "who vouches for them",
    ("settings", "key_pages"): "API keys",
    ("settings", "policy_forms"): "policy documents as forms",
    ("settings", "policy_pages"): "their HTML edge",
    ("settings", "suppression_pages"): "addresses that are not written to",
    ("settings", "developer_pages"): "what developers look at",
    ("settings", "reference"): "the API's document as pages",
    ("accounts", "audit"): "who did what",
    ("accounts", "notary"): "its seals, and what verifying it finds",
    ("accounts", "passwords"): "which are taken, and their hashes",
    ("accounts", "lately"): "the last requests of each workspace",
    ("accounts", "factors"): "one-time codes and recovery codes",
    ("accounts", "passkeys"): "asked for, kept, and answers looked at",
    ("accounts", "sessions"): "begun, found, moved, ended",
    ("accounts", "entering"): "how a person gets in",
    ("accounts", "oidc"): "OpenID Connect as its client",
    ("accounts", "sso"): "who comes in by a provider, as what",
    ("accounts", "people"): "invited, given a role, let go",
    ("accounts", "reach"): "how far a right goes",
    ("accounts", "roles"): "what each role may do, as a table",
    ("accounts", "edge"): "what the JSON edges of all rooms share",
    ("accounts", "limits"): "how often somebody may ask, at every entrance",
    ("accounts", "policies_store"): "documents of policies, in versions",
    ("accounts", "session"): "what a browser carries, and how its forms are believed",
    ("accounts", "workspace_api"): "the JSON edge of the workspace itself",
    ("campaigns", "schedule"): "when its members are told, and at which pace",
    ("contacts", "choice"): "which of several addresses is used first",
    ("contacts", "fields"): "what may stand in the fields that a workspace defines",
    ("contacts", "fields_flows"): "flows of their definitions",
    ("contacts", "likeness"): "whether two contacts may be one person",
    ("contacts", "merge_flows"): "make one contact of two, and undo it",
    ("contacts", "merging"): "what the one is that stays, and what both were",
    ("contacts", "exports"): "contacts as files",
    ("contacts", "imports"): "contacts from files",
    ("contacts", "places"): "where a contact is, and what is spoken there",
    ("contacts", "consent"): "what counts of what a contact said",
    ("contacts", "reachability"): "what is remembered of reaching a contact; pure",
    ("contacts", "consent_ledger"): "flows of the ledger of consents",
    ("contacts", "stopwords"): "what a text asks for",
    ("contacts", "suppression"): "why an address is not written to, and what that stops",
    ("contacts", "suppression_list"): "flows of the suppression list",
    ("contacts", "activity"): "what can happen between us and a contact, summed up",
    ("contacts", "audience"): "the one way in to a set of contacts",
    ("contacts", "comparable"): "values of contacts as segments compare them",
    ("contacts", "draft"): "a contact as it stands in a form",
    ("contacts", "finding"): "look for contacts as people do",
    ("contacts", "many"): "what is done to those who are ticked in a list",
    ("contacts", "membership"): "in which segments those on a page are",
    ("contacts", "seekers"): "what the command bar finds among people",
    ("contacts", "newcomers"): "those who are new, as the cells of their rows",
    ("contacts", "reindex"): "what segments look at, made anew",
    ("contacts", "segments"): "saved audiences: rules, and what is asked of the database",
    ("contacts", "phones"): "numbers as people write them, and as E.164",
    ("content", "approval"): "who must approve some words, and who has",
    ("content", "difference"): "what has changed between two wordings",
    ("content", "lifecycle"): "the life of a version as a table, and which is in force",
    ("content", "lint"): "what an author should know of some words",
    ("content", "liquid"): "the template language, within limits",
    ("content", "preview"): "what people would see",
    ("content", "proof"): "a version's findings and preview, where it stands",
    ("content", "registering"): "what providers say of templates, put to the wordings that ask for them",
    ("content", "review"): "what is done to a version once it is saved",
    ("content", "search"): "where some words stand",
    ("content", "shown"): "templates as they are shown outside",
    ("content", "surroundings"): "what some words stand in: handed in from above",
    ("content", "soundness"): "what a template must be before it is used",
    ("campaigns", "wanted"): "what is asked for, and what a run keeps of it",
    ("campaigns", "states"): "the life of a campaign as a table",
    ("campaigns", "report"): "what it has come to, in numbers",
    ("campaigns", "recipients"): "who got what",
    ("campaigns", "forecast"): "what it would come to",
    ("campaigns", "confirmation"): "whether its size has to be typed",
    ("campaigns", "people"): "whom it is for",
    ("campaigns", "watch"): "when it pauses by itself",
    ("campaigns", "watching"): "looks whether it does",
    ("campaigns", "experiment"): "who gets which wording, and whether one did better",
    ("campaigns", "build"): "its audience, frozen as members",
    ("campaigns", "launch"): "members become messages",
    ("campaigns", "stopping"): "what is cleared up behind one that was stopped",
    ("campaigns", "runner"): "the loop that moves campaigns on",
    ("campaigns", "finding"): "campaigns by their names and states",
    ("campaigns", "sizing"): "how many a draft would be for, before it has words",
    ("campaigns", "draft_form"): "a draft as the fields of its pages",
    ("insight", "home"): "what the first page tells",
    ("notices", "runner"): "reads on in the log by itself",
    ("messaging", "outages"): "when people should know that a line has stopped",
    ("insight", "needs"): "what waits for a person",
    ("messaging", "traffic"): "what has gone through, in half hours",
    ("messaging", "alike"): "what is planned once for all that are alike",
    ("messaging", "course"): "the steps behind the name of a cascade, a channel or a line",
    ("messaging", "telling"): "one thing told to many",
    ("messaging", "halts"): "what is paused, goes on, or is ended, by its label",
    ("messaging", "states"): "the lifecycle as a table",
    ("messaging", "gate"): "may it go, now, to this person, over this line, in these words",
    ("messaging", "policies"): "the kinds of policies, and those in force at hand",
    ("messaging", "review"): "flows of wording that a person has to look at",
    ("content", "media"): "files beside words: a room in it",
    ("content", "fetching"): "the addresses by which files are fetched",
    ("content", "filters"): "filters of the template language that know the reader",
    ("content", "composition"): "from what an author wrote to what is kept of it",
    ("content", "fitting"): "wording for every channel on one that cannot carry all of it",
    ("content", "saying"): "what a person reads of a variant on a channel",
    ("content", "parts"): "flows of layouts and partials",
    ("content", "promotional"): "which words of a text promote",
    ("content", "phrases"): "phrases of lists, and where they stand in a text",
    ("content", "shapes"): "texts that differ in values only, and say the same",
    ("content", "tokens"): "a text as the words in which it is compared",
    ("content", "wordlists"): "what it compares them with, a file a language",
    ("messaging", "cascade"): "which step is next",
    ("messaging", "routing"): "which line",
    ("messaging", "pacing"): "how fast",
    ("messaging", "lanes"): "who goes next on a line",
    ("messaging", "retry"): "again, elsewhere or never",
    ("messaging", "receipts"): "what a receipt changes",
    ("messaging", "accept"): "the first verb of a message's life",
    ("messaging", "plan"): "the second",
    ("messaging", "send"): "the third",
    ("messaging", "receive"): "the fourth",
    ("messaging", "reconcile"): "the fifth",
    ("messaging", "workers"): "the loops that call the verbs",
    ("messaging", "sender"): "the loop of one line",
    ("messaging", "resealing"): "the columns whose secrets can be sealed with another key",
    ("messaging", "held"): "what a backup that was put back would send again",
    ("messaging", "condition"): "how much it may hand over, and why no more",
    ("messaging", "breaker"): "when a line rests",
    ("messaging", "poison"): "what breaks our code fails alone",
    ("messaging", "world"): "what the verbs are handed",
    ("messaging", "case"): "a message with all that a decision needs",
    ("messaging", "way"): "how one step can be taken",
    ("messaging", "permission"): "what the gate looks at, looked up for a batch",
    ("messaging", "suppressions"): "flows of the suppression list that stop messages",
    ("messaging", "optout"): "what customers ask for by a word or by the link",
    ("messaging", "withdrawal"): "a no that comes while messages wait",
    ("messaging", "bounces"): "what providers say of addresses",
    ("messaging", "links"): "links that are counted, found and put in their place",
    ("messaging", "robots"): "whether a person followed one",
    ("messaging", "tracking"): "which messages are tracked",
    ("messaging", "visits"): "who followed links, counted",
    ("messaging", "allowance"): "a line that a person turned off or on",
    ("messaging", "provider"): "what a line asks of its provider beside sending",
    ("messaging", "answering"): "what a caller is told at once",
    ("messaging", "unsubscribe"): "the signed link by which a person leaves",
    ("messaging", "inbound"): "what customers send",
    ("messaging", "remembering"): "learns what cascades remember of reaching people",
    ("messaging", "chronicle"): "tells the contacts' room what happened to messages",
    ("messaging", "cancel"): "a verb by the way",
    ("messaging", "preview"): "what would happen",
    ("messaging", "story"): "what has happened, told",
    ("messaging", "timeline"): "a told message as people read it",
    ("messaging", "meters"): "what Prometheus sees",
    ("messaging", "exchanges"): "what was said to providers: kept, looked at, switched on for a line",
    ("messaging", "recording"): "which of it is kept",
    ("messaging", "masking"): "it without its secrets",
    ("messaging", "waiting"): "why a message waits, and what follows",
    ("messaging", "unknowns"): "flows of what nobody knows the fate of",
    ("messaging", "evidence"): "why a receipt is not taken to speak of an attempt",
    ("messaging", "surroundings"): "what the rooms beside it tell the room of content",
    ("content", "editing"): "a template as a form has it",
    ("content", "editor"): "what its author sees while typing",
    ("messaging", "wording"): "which version of a template a message takes",
    ("messaging", "words"): "the sentences of its pages as plain text",
    ("messaging", "report"): "many messages summed up",
    ("messaging", "pricing"): "what a message will cost",
    ("messaging", "billing"): "what attempts have cost",
    ("messaging", "costs"): "what was billed, summed up",
    ("messaging", "health"): "how lines are doing, heard and written",
    ("messaging", "balances"): "what is left on the accounts of lines, where the provider tells",
    ("messaging", "files"): "files beside the own words of messages",
    ("lines", "tallies"): "rules of counts and latencies that add up",
    ("messaging", "budgets"): "what may be spent, and what has been",
    ("lines", "destinations"): "where a number is",
    ("lines", "at_hand"): "the lines in force without a query",
    ("lines", "registration_papers"): "files that are handed in, and the evidence",
    ("lines", "edge"): "what its JSON edges share",
    ("lines", "requirements"): "what the registration of each kind of line needs, as data",
    ("lines", "registration_rules"): "the lifecycle of a registration, and what it lets through",
    ("lines", "registration_flows"): "its verbs",
    ("accounts", "setup"): "the first person of a new server",
    ("sandbox", "operators"): "simulated ones, as they are watched and steered",
    ("sandbox", "lines"): "the lines that a sandbox begins with",
    ("lines", "forms"): "the form of a line, made of its channel's settings",
    ("lines", "uploads"): "which files are taken as evidence",
    ("lines", "patterns_rules"): "templates of operators, and whether a text fits one",
    ("lines", "patterns_near"): "the nearest one, and the difference",
    ("lines", "patterns_index"): "many of them made ready",
    ("lines", "patterns_flows"): "their verbs",
    ("lines", "tariffs"): "rules of price lists",
    ("lines", "tariffs_csv"): "a price list as a file",
    ("lines", "tariffs_store"): "their tables",
    ("lines", "tariffs_flows"): "their verbs, and what is in force at hand",
    ("messaging", "bounds"): "whether a message stays within the reach of who asks for it",
    ("messaging", "steps"): "what steps must be",
    ("messaging", "building"): "a cascade as a form has it, and what it comes to",
    ("messaging", "cascades"): "flows of saved cascades",
    ("messaging", "erasing"): "every trace of a person goes",
    ("messaging", "consenting"): "a yes or a no written down, and what it stops",
    ("messaging", "history"): "all that has passed between us and a contact",
    ("messaging", "dossier"): "everything that is kept of a person",
}
PURE = {
    "watch",
    "experiment",
    "approval",
    "consent",
    "stopwords",
    "suppression",
    "building",
    "cascade",
    "composition",
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
