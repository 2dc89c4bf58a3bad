"""Commands about who may and who did: workspaces, their keys and people, and the audit log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from angarium.terminal import moment, out, run, settings_of, table, whole, with_ground
from angarium.terminal import workspace as find_workspace

if TYPE_CHECKING:
    from angarium.accounts import store
    from angarium.accounts.notary import Verdict
    from angarium.accounts.store import Workspace
    from angarium.config import Settings
    from angarium.storage.ground import Ground

# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────


@click.group()
def keys() -> None:
    """Workspaces and their API keys."""


@keys.command("create")
@click.option("--workspace", required=True, help="Name of the workspace.")
@click.option("--new", is_flag=True, help="Create the workspace if it is not there.")
@click.option("--name", default="api", show_default=True, help="What the key is for.")
@click.option("--scope", "scopes", multiple=True, help="What it may do; several times. Default: everything.")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it lives. Default: until it is revoked.")
@click.option("--quiet", is_flag=True, help="Print only the key.")
@click.pass_context
def create_key(
    context: click.Context,
    workspace: str,
    new: bool,
    name: str,
    scopes: tuple[str, ...],
    days: int | None,
    quiet: bool,
) -> None:
    """Make an API key. It is shown once."""
    from angarium.accounts import flows
    from angarium.accounts.rules import SCOPES
    from angarium.core.clock import micros

    async def create(ground: Ground) -> str:
        owner = await find_workspace(ground, workspace, new=new)
        until = None if days is None else ground.clock.now() + micros(days * 86_400.0)
        return await flows.create_key(ground, owner.id, name, frozenset(scopes or SCOPES), until)

    key = run(with_ground(settings_of(context), create))
    if quiet:
        click.echo(key)
    else:
        out.print(f"The key of [bold]{escape(workspace)}[/], shown this once:", highlight=False)
        click.echo(key)


@keys.command("list")
@click.option("--workspace", required=True, help="Name of the workspace.")
@click.pass_context
def list_keys(context: click.Context, workspace: str) -> None:
    """The keys of a workspace."""
    from angarium.accounts import flows, store
    from angarium.accounts.rules import SCOPES
    from angarium.core import ids

    async def find(ground: Ground) -> tuple[list[store.ApiKey], int]:
        owner = await flows.workspace_named(ground, workspace)
        return await ground.db.read(store.keys, owner.id), ground.clock.now()

    rows = table(whole("id"), "name", "scopes", "created", "last used", "state")
    found, now = run(with_ground(settings_of(context), find))
    for key in found:
        expired = key.expires_at is not None and key.expires_at <= now
        state = "revoked" if key.revoked_at else "expired" if expired else "live"
        used = moment(key.last_used_at) if key.last_used_at else "never"
        scopes = "everything" if key.scopes >= frozenset(SCOPES) else " ".join(sorted(key.scopes))
        created = moment(key.created_at)
        rows.add_row(ids.show("api_key", key.id), escape(key.name), scopes, created, used, state)
    out.print(rows)


@keys.command("revoke")
@click.option("--workspace", required=True, help="Name of the workspace.")
@click.argument("key_id")
@click.pass_context
def revoke_key(context: click.Context, workspace: str, key_id: str) -> None:
    """Revoke a key by its id (see `keys list`)."""
    from angarium.accounts import flows
    from angarium.core import ids

    async def revoke(ground: Ground) -> bool:
        owner = await flows.workspace_named(ground, workspace)
        return await flows.revoke_key(ground, owner.id, ids.read("api_key", key_id))

    try:
        done = run(with_ground(settings_of(context), revoke))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    out.print("Revoked." if done else "There is no such live key.")
    if not done:
        sys.exit(1)


@keys.command("rotate")
@click.option(
    "--retire", is_flag=True, help="Afterwards: take the older keys out, unless something needs them."
)
@click.option(
    "--prepare", is_flag=True, help="Before, where several servers run: make the key, seal nothing."
)
@click.pass_context
def rotate_keys(context: click.Context, retire: bool, prepare: bool) -> None:
    """Make a new key for the secrets in the database, and seal all of them with it."""
    from angarium import keeping

    settings = settings_of(context)
    if prepare:
        run(keeping.prepare_a_key(settings))
        out.print(
            "A new key opens, and seals nothing yet. Copy the key file to every server, then rotate.",
            soft_wrap=True,
        )
        return
    if retire:
        done = run(keeping.retire(settings))
        out.print(f"Older keys taken out: {done.keys}. Keep a copy of the key file.")
        if not done.wiped:
            out.print(
                "The file's gaps may hold what they sealed: stop the server, and run this once more.",
                soft_wrap=True,
            )
        return
    count = run(keeping.rotate(settings))
    out.print(f"Sealed anew: {count}. Keep a copy of the key file.")


@keys.command("workspaces")
@click.pass_context
def list_workspaces(context: click.Context) -> None:
    """The workspaces of this server."""
    from angarium.accounts import store

    async def find(ground: Ground) -> list[Workspace]:
        return await ground.db.read(store.workspaces)

    found = run(with_ground(settings_of(context), find))
    for workspace in found:
        out.print(workspace.name, highlight=False)
    if not found:
        out.print("None yet. Make one: angarium keys create --workspace main --new")


# ── people ───────────────────────────────────────────────────────────────────────────────────────────


@click.group()
def people() -> None:
    """People who sign in, and what they are in workspaces."""


@people.command("invite")
@click.argument("email")
@click.option("--workspace", required=True, help="Name of the workspace.")
@click.option("--new", is_flag=True, help="Create the workspace if it is not there.")
@click.option("--role", default="owner", show_default=True, help="What they are to be.")
@click.option("--class", "classes", multiple=True, help="Narrow it to a class; several times.")
@click.option("--quiet", is_flag=True, help="Print only the link.")
@click.pass_context
def invite_person(
    context: click.Context,
    email: str,
    workspace: str,
    new: bool,
    role: str,
    classes: tuple[str, ...],
    quiet: bool,
) -> None:
    """Invite somebody; the first owner too. Prints a link that is good once, for seven days."""
    from angarium.accounts import audit as log
    from angarium.accounts import people as flows
    from angarium.accounts.reach import Reach
    from angarium.accounts.roles import Role
    from angarium.core.values import MessageClass

    try:
        kinds = frozenset(MessageClass(one) for one in classes) or None
        given = Role(role)
    except ValueError as error:
        known = f"roles: {', '.join(Role)}; classes: {', '.join(MessageClass)}"
        raise click.BadParameter(f"{error} ({known})") from None
    settings = settings_of(context)

    async def invite(ground: Ground) -> str:
        owner = await find_workspace(ground, workspace, new=new)
        reach = Reach(kinds)
        _, token = await ground.db.run(flows.invite, ground, owner.id, email, given, reach, log.CLI)
        return token

    token = run(with_ground(settings, invite))
    if not quiet:
        out.print(f"For {escape(email)}, good once, for seven days:", highlight=False)
    click.echo(f"{_base(settings)}/invitation?token={token}")


@people.command("list")
@click.option("--workspace", default="", help="Only of this workspace.")
@click.pass_context
def list_people(context: click.Context, workspace: str) -> None:
    """Everybody, and what they are where."""
    from angarium.accounts import people as flows
    from angarium.accounts.people import Somebody

    async def find(ground: Ground) -> list[tuple[str, Somebody]]:
        found = await _workspaces(ground, workspace)
        return [(one.name, who) for one in found for who in await ground.db.read(flows.here, one.id)]

    rows = table("workspace", whole("e-mail"), "name", "role", "second factor", "state", "joined")
    people = run(with_ground(settings_of(context), find))
    for place, one in people:
        state = "disabled" if one.person.disabled_at else "lives"
        app = "app" if one.person.totp else ""
        joined, role = moment(one.member.created_at), one.member.role.value
        rows.add_row(escape(place), one.person.email, escape(one.person.name), role, app, state, joined)
    out.print(
        rows if people else "Nobody yet. Invite somebody: angarium people invite EMAIL --workspace main"
    )


@people.command("reset")
@click.argument("email")
@click.option("--factors", is_flag=True, help="Also take their second factors away.")
@click.pass_context
def reset_person(context: click.Context, email: str, factors: bool) -> None:
    """Print a link by which a person sets a password: good once, for an hour."""
    from angarium.accounts import people as flows

    settings = settings_of(context)

    async def reset(ground: Ground) -> str:
        person = await flows.known(ground, email)
        if factors:
            await ground.db.run(flows.without_factors, person)
            person = await flows.known(ground, email)
        return await ground.db.run(flows.reset_from_here, ground, person)

    token = run(with_ground(settings, reset))
    click.echo(f"{_base(settings)}/reset/new?token={token}")


@people.command("disable")
@click.argument("email")
@click.option("--again", is_flag=True, help="Let them in again.")
@click.pass_context
def disable_person(context: click.Context, email: str, again: bool) -> None:
    """Keep a person out of every workspace; their sessions end at once."""
    from angarium.accounts import people as flows

    async def disable(ground: Ground) -> None:
        person = await flows.known(ground, email)
        await ground.db.run(flows.set_disabled, ground, person.id, disabled=not again)

    run(with_ground(settings_of(context), disable))
    out.print("They may sign in again." if again else "They are kept out.")


def _base(settings: Settings) -> str:
    return settings.public_url.rstrip("/") or f"http://{settings.host}:{settings.port}"


# ── audit ────────────────────────────────────────────────────────────────────────────────────────────


@click.group()
def audit() -> None:
    """Who did what: verify the log, and export it."""


@audit.command("verify")
@click.option("--workspace", default="", help="Only of this workspace.")
@click.option("--accept", is_flag=True, help="A backup was put back: what is there now is what is known.")
@click.pass_context
def verify_audit(context: click.Context, workspace: str, accept: bool) -> None:
    """Go through the log from its first row. Status 1 and the first row that is wrong, when one is."""
    from angarium.accounts import notary

    settings = settings_of(context)
    anchors = notary.anchors_beside(settings.key_file)

    async def look(ground: Ground) -> list[Verdict]:
        known = {} if accept else notary.read_anchors(anchors)
        found = await _workspaces(ground, workspace)
        verdicts = [await notary.verify(ground, one, known.get(one.id)) for one in found]
        if accept:
            pairs = zip(found, verdicts, strict=True)
            heads = {one.id: verdict.head for one, verdict in pairs if verdict.good}
            notary.write_anchors(anchors, heads, back=True)
        return verdicts

    verdicts = run(with_ground(settings, look))
    for verdict in verdicts:
        _tell(verdict)
    if not all(verdict.good for verdict in verdicts):
        sys.exit(1)


async def _workspaces(ground: Ground, name: str) -> list[Workspace]:
    from angarium.accounts import flows, store

    if name:
        return [await flows.workspace_named(ground, name)]
    return await ground.db.read(store.workspaces)


def _tell(verdict: Verdict) -> None:
    mark = "[green]✓[/]" if verdict.good else "[red]✗[/]"
    said = verdict.broken or f"{verdict.rows} rows, whole; sealed up to row {verdict.sealed}"
    out.print(f"{mark} {escape(verdict.workspace)}: {escape(said)}", highlight=False, soft_wrap=True)
    for remark in verdict.remarks:
        out.print(f"  [yellow]·[/] {escape(remark)}", highlight=False, soft_wrap=True)
    if verdict.good:
        out.print(
            f"  [dim]row {verdict.rows} is {verdict.head.hash.hex()}[/]", highlight=False, soft_wrap=True
        )


@audit.command("export")
@click.option("--workspace", required=True, help="Name of the workspace.")
@click.option("--to", "file", type=click.Path(dir_okay=False, path_type=Path), help="Default: print it.")
@click.pass_context
def export_audit(context: click.Context, workspace: str, file: Path | None) -> None:
    """Write the log as one JSON document a line, the oldest row first."""
    import msgspec

    from angarium.accounts import audit_api, notary

    async def write(ground: Ground) -> int:
        owner, count = await find_workspace(ground, workspace), 0
        with click.open_file("-" if file is None else str(file), "w", encoding="utf-8") as lines:
            async for entry in notary.entries(ground, owner.id):
                lines.write(msgspec.json.encode(audit_api.shown(entry)).decode() + "\n")
                count += 1
        return count

    count = run(with_ground(settings_of(context), write))
    if file is not None:
        out.print(f"{file}: {count} rows.", highlight=False, soft_wrap=True)


# ── the first person ─────────────────────────────────────────────────────────────────────────────────


@click.command("setup-link")
@click.option(
    "--url", default="", help="Where browsers reach the server. Default: its public_url, or its port."
)
@click.pass_context
def setup_link(context: click.Context, url: str) -> None:
    """The address at which the first person sets a new server up."""
    from angarium.accounts import setup

    settings = settings_of(context)
    where = (url or settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")

    async def look(ground: Ground) -> str:
        await setup.require_new(ground)
        return await setup.link(ground, where)

    click.echo(run(with_ground(settings, look)))


COMMANDS = (keys, people, audit, setup_link)
