"""Settings: one frozen struct, from a TOML file and the environment; each field has its help and its check.

The environment wins over the file, and both over the defaults: `port = 8080` in the file is
`ANGARIUM_PORT=8080` in the environment. A list is separated by commas there.
"""

from __future__ import annotations

import difflib
import os
import socket
import tomllib
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from angarium.core.problems import FieldProblem, Problem, shown
from angarium.fabric.place import LOG_MAX_BYTES, Nats, Place

PREFIX = "ANGARIUM_"
Role = Literal["api", "worker", "console"]
ROLES: tuple[Role, ...] = ("api", "worker", "console")
DEFAULT_FILE = Path("angarium.toml")
NETWORKS, WITH_PORTS = ("allow_private", "trusted_proxies"), frozenset({"allow_private"})
SECRET = frozenset({"nats_password"})  # what no message shows
# What others than the server read: commands that ask one (asking.py), Compose, tests.
NOT_OURS, NOT_OURS_FROM = (
    frozenset({"ANGARIUM_URL", "ANGARIUM_API_KEY", "ANGARIUM_VERSION"}),
    "ANGARIUM_TEST_",
)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that can be set. The reference in docs/reference/settings.md is printed from here."""

    database: Annotated[
        str,
        Meta(
            pattern=r"^(sqlite|postgres|postgresql)://",
            description="Where everything is kept: sqlite:///path/to.db or postgresql://user@host/name.",
        ),
    ] = "sqlite:///angarium.db"
    fabric: Annotated[
        Literal["local", "postgres", "nats"],
        Meta(
            description="How servers on one PostgreSQL work together. local: one is on duty, others stand "
            "by. postgres: all work, each line on one of them at a time. nats: the same by NATS, for many."
        ),
    ] = "local"
    roles: Annotated[
        tuple[Role, ...],
        Meta(
            min_length=1,
            description="What this server does. api: the JSON API, callbacks and doors over HTTP; worker: "
            "sends, plans, receives; console: pages. Not all of them only where servers work together.",
        ),
    ] = ROLES
    nats_servers: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^(nats|tls)://[^/@\s]+(:[0-9]{1,5})?$")], ...],
        Meta(description="Addresses of NATS, such as nats://10.0.0.1:4222; tls:// where it speaks TLS."),
    ] = ()
    nats_prefix: Annotated[
        str,
        Meta(
            pattern="^[a-zA-Z0-9_-]{1,32}$",
            description="How the names of all begin that is kept and said there. Each shop has its own.",
        ),
    ] = "angarium"
    nats_user: Annotated[str, Meta(description="Who is let in there. Empty: everybody is.")] = ""
    nats_password: Annotated[str, Meta(description="The password of that user. Never shown.")] = ""
    nats_tls_ca: Annotated[
        str, Meta(description="File with the authorities, PEM, that vouch for NATS. Empty: the machine's.")
    ] = ""
    nats_tls_certificate: Annotated[
        str, Meta(description="File with the certificate, PEM, that this server shows to NATS. Empty: none.")
    ] = ""
    nats_tls_key: Annotated[
        str,
        Meta(description="File with the key of that certificate, PEM. Empty: it is beside it."),
    ] = ""
    nats_log_max_bytes: Annotated[
        int,
        Meta(
            ge=1 << 20,
            le=1 << 44,
            description="Most that may wait in NATS for the database. Each server of NATS keeps as much free "
            "for it, of its max_file_store; when it is full, providers are told to come again.",
        ),
    ] = LOG_MAX_BYTES
    line_share_per_s: Annotated[
        float,
        Meta(
            ge=0,
            description="Submissions a second of one line over HTTP that one of several servers is given: a "
            "faster line is shared out among them. 0: none is.",
        ),
    ] = 500.0
    composer: Annotated[
        Literal["auto", "on", "off"],
        Meta(
            description="A process beside the server that makes messages ready: of a campaign that goes as "
            "fast as it can, and of batches that follow one another. On SQLite only. auto: where there are "
            "two processors or more."
        ),
    ] = "auto"
    porter: Annotated[
        Literal["auto", "on", "off"],
        Meta(
            description="A process beside the server that takes connections, and reads single messages, "
            "codes and callbacks for it, many at a time. auto: where there are two processors or more."
        ),
    ] = "auto"
    host: Annotated[str, Meta(description="Address to listen on. 0.0.0.0 is every interface.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")] = 8080
    public_url: Annotated[
        str,
        Meta(
            pattern=r"^$|^https?://[^/\s]+(/[^\s]*)?$",
            description="How providers reach this server, for their callbacks. Empty: they cannot.",
        ),
    ] = ""
    key_file: Annotated[
        str,
        Meta(description="File with the key that seals secrets; made on the first start. Keep a copy."),
    ] = "angarium.key"
    node: Annotated[
        int, Meta(ge=0, le=255, description="Number of this process; no two that run at once may share it.")
    ] = 0
    allow_private: Annotated[
        tuple[str, ...],
        Meta(
            description="What line settings may lead to beyond ports 80 and 443 of public addresses: "
            "address:port, addresses or networks, such as simulators."
        ),
    ] = ()
    body_max_bytes: Annotated[int, Meta(ge=1024, le=1 << 30, description="Largest body of a request.")] = (
        10 * 1024 * 1024
    )
    files_folder: Annotated[
        str,
        Meta(
            description="Folder of files: what is imported or exported while needed, and media. Empty: "
            "`angarium.files` beside the key file."
        ),
    ] = ""
    file_max_bytes: Annotated[
        int, Meta(ge=1024, le=1 << 40, description="Largest file of contacts that is taken.")
    ] = 1 << 30
    media_max_bytes: Annotated[
        int, Meta(ge=1024, le=1 << 30, description="Largest file that is taken to stand beside words.")
    ] = 16_000_000
    media_workspace_max_bytes: Annotated[
        int, Meta(ge=1024, le=1 << 50, description="All files of one workspace that stand beside words.")
    ] = 10_000_000_000
    trusted_proxies: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$")], ...],  # never everybody: "*"
        Meta(
            description="Addresses or networks of reverse proxies in front. Only what they say in "
            "X-Forwarded-For and X-Forwarded-Proto is believed."
        ),
    ] = ()
    requests_per_s: Annotated[
        int,
        Meta(ge=0, description="Requests of one workspace in a second; more are told to wait. 0: no limit."),
    ] = 2_000
    failed_keys_per_min: Annotated[
        int,
        Meta(ge=0, description="API keys from one address in a minute that are not good. 0: no limit."),
    ] = 60
    sandbox_url: Annotated[
        str,
        Meta(
            pattern=r"^$|^http://(127\.0\.0\.1|localhost):[0-9]{1,5}$",
            description="Where simulated operators of this machine are steered: then the console shows their "
            "phones. Empty: there are none. Never on a server with real customers.",
        ),
    ] = ""
    smpp_host: Annotated[
        str, Meta(description="Address on which SMPP clients are let in. 0.0.0.0 is every interface.")
    ] = "127.0.0.1"
    smpp_port: Annotated[
        int,
        Meta(ge=0, le=65535, description="Port on which SMPP clients are let in, such as 2775. 0: none are."),
    ] = 0
    smpp_tls_certificate: Annotated[
        str,
        Meta(description="File with the certificate chain, PEM, of that port. Empty: it speaks no TLS."),
    ] = ""
    smpp_tls_key: Annotated[
        str, Meta(description="File with its key, PEM. Empty: the key is in the file of the certificate.")
    ] = ""
    log_level: Annotated[
        str, Meta(pattern="^(debug|info|warning|error)$", description="debug, info, warning or error.")
    ] = "info"
    log_format: Annotated[
        str, Meta(pattern="^(json|text)$", description="json for machines, text for people.")
    ] = "text"


def load(path: Path | None = None, environment: Mapping[str, str] | None = None, **over: Any) -> Settings:
    """The settings in force; a Problem names every wrong one with its remedy. `over` wins over all."""
    given = _from_file(path)
    given |= _from_environment(os.environ if environment is None else environment)
    return _checked(given | over)


def _from_file(path: Path | None) -> dict[str, Any]:
    if path is None and not DEFAULT_FILE.exists():
        return {}
    file = path or DEFAULT_FILE
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
        raise _wrong(FieldProblem("--config", problem, "name a file that can be read", str(file))) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong(FieldProblem(str(file), f"is not TOML: {error}", "mend the file")) from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        value = environment.get(PREFIX + field.name.upper())
        if value is not None:
            found[field.name] = listed(value) if isinstance(field.default, tuple) else value
    return found


def strangers(environment: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
    """Variables that are named like settings and are none, each with the one that is most like it, or empty.

    Only told, and nothing fails for them: an environment is shared, and Kubernetes says its own there
    (`ANGARIUM_SERVICE_HOST`, of a service called angarium).
    """
    known = [field.name.upper() for field in msgspec.structs.fields(Settings)]
    found = []
    for name in sorted(os.environ if environment is None else environment):
        ours = name.upper().startswith(PREFIX) and not name.startswith(NOT_OURS_FROM)
        if ours and name not in NOT_OURS and name not in {PREFIX + one for one in known}:
            nearest = difflib.get_close_matches(name.upper().removeprefix(PREFIX), known, 1)
            found.append((name, PREFIX + nearest[0] if nearest else ""))
    return found


def listed(value: str) -> list[str]:
    """What is separated by commas, as in the environment."""
    return [item.strip() for item in value.split(",") if item.strip()]


def _checked(given: dict[str, Any]) -> Settings:
    fields = {field.name: field for field in msgspec.structs.fields(Settings)}
    unknown = [name for name in given if name not in fields]
    remedy = "one of " + ", ".join(fields)
    wrong = [FieldProblem(name, "there is no such setting", remedy) for name in unknown]
    values = {}
    for name, field in fields.items():
        if name not in given:
            continue
        try:
            values[name] = msgspec.convert(given[name], type=field.type, strict=False)
        except msgspec.ValidationError as error:
            said = "…" if name in SECRET else shown(given[name])
            wrong.append(FieldProblem(name, str(error), help_of(name), said))
    for name in NETWORKS:
        wrong += _no_networks(name, values.get(name, ()))
    if wrong:
        raise _wrong(*wrong)
    settings = Settings(**values)
    if settings.fabric != "local" and settings.database.startswith("sqlite:"):
        remedy = "give a PostgreSQL in database, or leave fabric local"
        raise _wrong(FieldProblem("fabric", "SQLite is one server's own", remedy, settings.fabric))
    if settings.fabric == "local" and set(settings.roles) != set(ROLES):
        problem = "where there is one server, it must do everything"
        remedy = "let servers work together (fabric), or leave roles as they are"
        raise _wrong(FieldProblem("roles", problem, remedy, ",".join(settings.roles)))
    if settings.fabric == "nats" and not settings.nats_servers:
        remedy = "give the addresses of NATS in nats_servers, or take another fabric"
        raise _wrong(FieldProblem("nats_servers", "is empty", remedy))
    return settings


def _no_networks(name: str, entries: tuple[str, ...]) -> list[FieldProblem]:
    """Each entry that names nothing: unsaid, nobody would be believed by it, or reached."""
    wanted = "an address or a network" + (", or address:port" if name in WITH_PORTS else "")
    return [
        FieldProblem(name, f"is not {wanted}", "names are not taken", entry)
        for entry in entries
        if not _is_network(entry) and not (name in WITH_PORTS and _is_place(entry))
    ]


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_place(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return _is_network(host.strip("[]")) and "/" not in host and port.isascii() and port.isdigit()


def called(settings: Settings) -> str:
    """What people know a server by."""
    return f"{socket.gethostname()}:{settings.port}"


def place(settings: Settings) -> Place:
    """How a server meets the others."""
    nats = Nats(
        servers=settings.nats_servers,
        prefix=settings.nats_prefix,
        user=settings.nats_user,
        password=settings.nats_password,
        ca_file=settings.nats_tls_ca,
        certificate_file=settings.nats_tls_certificate,
        key_file=settings.nats_tls_key,
        log_max_bytes=settings.nats_log_max_bytes,
    )
    return Place(settings.fabric, settings.database, called(settings), nats)


def help_of(name: str) -> str:
    """What a setting is for."""
    field = next(field for field in msgspec.structs.fields(Settings) if field.name == name)
    metas = getattr(field.type, "__metadata__", ())
    return next((meta.description for meta in metas if meta.description), "")


def reference() -> str:
    """The table of docs/reference/settings.md."""
    rows = ["| setting | in the environment | default | |", "|---|---|---|---|"]
    for field in msgspec.structs.fields(Settings):
        default = msgspec.json.encode(field.default).decode()
        rows.append(
            f"| `{field.name}` | `{PREFIX}{field.name.upper()}` | `{default}` | {help_of(field.name)} |"
        )
    return "\n".join(rows)


def _wrong(*fields: FieldProblem) -> Problem:
    detail = "; ".join(f"{f.field}: {f.problem}" for f in fields)
    return Problem("settings", "The settings are not valid", detail=detail, fields=fields)


def processors() -> int:
    """How many this process may run on."""
    return len(os.sched_getaffinity(0))
