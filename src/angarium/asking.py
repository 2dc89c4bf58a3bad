"""Commands that ask a running server over its API, as any system would: send, messages, unknowns."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import click
from rich.markup import escape

from angarium.terminal import err, out, table, whole

if TYPE_CHECKING:
    from angarium.client import Api

F = TypeVar("F", bound=Callable[..., Any])
Document = dict[str, Any]


def of_a_server(command: F) -> F:
    """The options of every command here: which server, and with which key."""
    url = click.option("--url", envvar="ANGARIUM_URL", default="http://127.0.0.1:8080", show_default=True)
    key = click.option(
        "--key", envvar="ANGARIUM_API_KEY", required=True, help="API key; better in ANGARIUM_API_KEY."
    )
    return url(key(command))


def asked(url: str, key: str, work: Callable[[Api], Awaitable[None]]) -> None:
    """Do it with a server; status 1, and what is wrong in words, when it is refused or nobody answers."""
    from angarium.client import Api, ApiError, Unreachable
    from angarium.core.clock import SystemClock

    async def ask() -> None:
        async with Api(url, key, SystemClock()) as api:
            await work(api)

    try:
        asyncio.run(ask())
    except KeyboardInterrupt:
        sys.exit(130)
    except ApiError as error:
        _say_what_is_wrong(error.document, str(error))
        sys.exit(1)
    except Unreachable:
        err.print(f"[red]No server answers at {escape(url)}.[/] Start it: angarium serve")
        sys.exit(1)


def _say_what_is_wrong(document: Document, otherwise: str) -> None:
    title, detail = document.get("title", otherwise), document.get("detail", "")
    err.print(f"[red]{escape(title)}[/]  {escape(detail)}".rstrip(), highlight=False)
    for field in document.get("errors", ()):
        remedy = escape(field.get("remedy", ""))
        err.print(f"  [bold]{field['field']}[/] {escape(field['problem'].rstrip('.'))}. {remedy}".rstrip())


# ── send ─────────────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.option("--to", required=True, help="A phone as +989…, an e-mail address, or a contact's id (con_…).")
@click.option("--class", "message_class", default="", help="What it is; else its template's, else service.")
@click.option("--text", default="", help="What to say, as it stands.")
@click.option("--template", default="", help="Name of a template to say instead.")
@click.option("--set", "variables", multiple=True, metavar="NAME=VALUE", help="A variable of the template.")
@click.option("--cascade", default="", help="Name of the cascade to send by.")
@click.option("--channel", default="", help="Or one channel.")
@click.option("--line", default="", help="Or one line.")
@click.option("--preview", is_flag=True, help="Only show what would happen.")
@click.option("--no-follow", is_flag=True, help="Do not wait for what becomes of it.")
@of_a_server
def send(url: str, key: str, preview: bool, no_follow: bool, **given: Any) -> None:
    """Send one message through a running server, and follow it live."""
    variables = dict(pair.partition("=")[::2] for pair in given.pop("variables"))
    body = {name: value for name, value in given.items() if value}
    message_class = body.pop("message_class", "" if "template" in body else "service")
    if message_class:
        body["class"] = message_class
    body["to"] = {_kind_of(body["to"]): body["to"]}
    if variables:
        body["variables"] = variables
    asked(url, key, partial(_send, body=body, preview=preview, follow=not no_follow))


def _kind_of(recipient: str) -> str:
    if recipient.startswith("con_"):
        return "contact"
    return "email" if "@" in recipient else "phone"


async def _send(api: Api, body: Document, *, preview: bool, follow: bool) -> None:
    if preview:
        out.print_json(data=await api.call("POST", "/v1/messages/preview", body))
        return
    accepted = await api.call("POST", "/v1/messages", body)
    out.print(f"{accepted['id']}  {accepted['state']}", highlight=False)
    if follow:
        await _follow(api, accepted["id"])


async def _follow(api: Api, message_id: str) -> None:
    from angarium.messaging.story import timeline_sentences

    shown, last = 0, {}
    async for last in api.follow(message_id):
        sentences = timeline_sentences(last)
        for sentence in sentences[shown:]:
            out.print(escape(sentence), highlight=False, soft_wrap=True)
        shown = len(sentences)
    out.print(f"[bold]{last['state']}[/] {last['reason']}".rstrip(), highlight=False)


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────


@click.group()
def messages() -> None:
    """Messages of a running server."""


@messages.command("list")
@click.option("--waiting", default="", help="Only those that wait for this: turn, retry, evidence, person, …")
@click.option("--state", default="", help="Only those in this state.")
@click.option("--label", default="", help="Only those with this label.")
@click.option("--limit", default=50, show_default=True, help="At most so many, newest first.")
@click.option("--json", "as_json", is_flag=True, help="As the API answers.")
@of_a_server
def list_messages(url: str, key: str, as_json: bool, **wanted: Any) -> None:
    """The newest messages, and what each waits for."""
    query = urlencode({name: value for name, value in wanted.items() if value})
    asked(url, key, partial(_list_messages, query=query, as_json=as_json))


async def _list_messages(api: Api, query: str, *, as_json: bool) -> None:
    found = await api.call("GET", f"/v1/messages?{query}")
    if as_json:
        out.print_json(data=found)
        return
    rows = table(whole("id"), "class", "state", "asked for", "waits for", "until")
    for one in found["items"]:
        waiting = one["waiting"] or {}
        until = waiting.get("until") or ""
        rows.add_row(one["id"], one["class"], one["state"], one["created_at"], waiting.get("for", ""), until)
    out.print(rows)


@messages.command("show")
@click.argument("message_id")
@click.option("--json", "as_json", is_flag=True, help="As the API answers.")
@of_a_server
def show_message(url: str, key: str, message_id: str, as_json: bool) -> None:
    """One message: its timeline, and why it waits."""
    asked(url, key, partial(_show_message, message_id=message_id, as_json=as_json))


async def _show_message(api: Api, message_id: str, *, as_json: bool) -> None:
    from angarium.messaging.story import timeline_sentences

    found = await api.call("GET", f"/v1/messages/{message_id}")
    if as_json:
        out.print_json(data=found)
        return
    for sentence in timeline_sentences(found):
        out.print(escape(sentence), highlight=False, soft_wrap=True)
    out.print(f"[bold]{found['state']}[/] {found['reason']}".rstrip(), highlight=False)
    if found["waiting"]:
        out.print(escape(found["waiting"]["says"]), highlight=False, soft_wrap=True)


# ── unknowns ─────────────────────────────────────────────────────────────────────────────────────────

RULINGS = ("sent", "not_sent", "resend", "leave")
AT_ONCE = 1_000  # of what fits a filter; the API takes no more in one request


@click.group()
def unknowns() -> None:
    """Messages of which nobody knows whether they went out."""


def _filters(command: F) -> F:
    line = click.option("--line", default="", help="Only those of this line.")
    kind = click.option("--class", "message_class", default="", help="Only those of this class.")
    age = click.option("--older", "age_min_s", default=0.0, help="Only those unknown for so many seconds.")
    return line(kind(age(command)))


def _query(wanted: Document, limit: int) -> str:
    named = {"line": wanted["line"], "class": wanted["message_class"], "age_min_s": wanted["age_min_s"]}
    return urlencode({**{name: value for name, value in named.items() if value}, "limit": limit})


@unknowns.command("list")
@_filters
@click.option("--limit", default=100, show_default=True, help="At most so many, oldest first.")
@click.option("--json", "as_json", is_flag=True, help="As the API answers.")
@of_a_server
def list_unknowns(url: str, key: str, limit: int, as_json: bool, **wanted: Any) -> None:
    """The oldest, with their age and what follows by itself; and how many there are."""
    asked(url, key, partial(_list_unknowns, query=_query(wanted, limit), as_json=as_json))


async def _list_unknowns(api: Api, query: str, *, as_json: bool) -> None:
    found = await api.call("GET", f"/v1/unknowns?{query}")
    if as_json:
        out.print_json(data=found)
        return
    rows = table(whole("id"), "class", "line", "unknown for", "receipts", "what follows")
    for one in found["items"]:
        line = one["attempts"][-1]["line"] if one["attempts"] else ""
        receipts = str(len(one["evidence"]) or "")
        rows.add_row(one["id"], one["class"], line, f"{one['age_s']} s", receipts, one["waiting"]["says"])
    out.print(rows)
    total = await api.call("GET", "/v1/unknowns/summary")
    parked = total["parked_receipts"]
    out.print(
        f"{total['messages']} are unknown; {total['for_a_person']} wait for a person. "
        f"{parked['count']} receipts fit nothing and are kept for {parked['kept_days']} days."
    )


@unknowns.command("show")
@click.argument("message_id")
@of_a_server
def show_unknown(url: str, key: str, message_id: str) -> None:
    """One of them, with all that is known of it, as JSON."""
    asked(url, key, partial(_show_unknown, message_id=message_id))


async def _show_unknown(api: Api, message_id: str) -> None:
    out.print_json(data=await api.call("GET", f"/v1/unknowns/{message_id}"))


@unknowns.command("decide")
@click.argument("message_ids", nargs=-1)
@click.option("--decision", type=click.Choice(RULINGS), required=True, help="What became of them.")
@click.option("--reason", required=True, help="Why; it stands in the timeline of each.")
@click.option("--by", default="", help="Who decides, beside the name of the key.")
@_filters
@click.option("--all", "every", is_flag=True, help="All that fit --line, --class and --older, up to 1,000.")
@click.option("--yes", is_flag=True, help="Do not ask whether you are sure.")
@click.option("--json", "as_json", is_flag=True, help="As the API answers.")
@of_a_server
def decide_unknowns(
    url: str,
    key: str,
    message_ids: tuple[str, ...],
    decision: str,
    reason: str,
    by: str,
    every: bool,
    yes: bool,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Decide what becomes of them. It cannot be undone; status 1 when some were refused."""
    if bool(message_ids) == every:
        raise click.UsageError("Name messages, or say --all and what fits.")
    body = {"decision": decision, "reason": reason, "by": by, "messages": list(message_ids)}
    query = _query(wanted, AT_ONCE) if every else ""
    asked(url, key, partial(_decide_unknowns, body=body, query=query, sure=yes, as_json=as_json))


async def _decide_unknowns(api: Api, body: Document, query: str, *, sure: bool, as_json: bool) -> None:
    if query:
        found = await api.call("GET", f"/v1/unknowns?{query}")
        body["messages"] = [one["id"] for one in found["items"]]
    if not body["messages"]:
        out.print("Nothing is unknown.")
        return
    if not sure:
        click.confirm(f"{body['decision']} for {len(body['messages'])}, for good?", abort=True, err=True)
    done = await api.call("POST", "/v1/unknowns/decide", body)
    if as_json:
        out.print_json(data=done)
    else:
        for one in done["results"]:
            problem = one.get("problem")
            said = f"{problem['title']}: {problem.get('detail', '')}" if problem else one["state"]
            out.print(f"{one['id']}  {escape(said)}", highlight=False, soft_wrap=True)
    if done["refused"]:
        sys.exit(1)


# ── accounts of the SMPP door ────────────────────────────────────────────────────────────────────────


@click.group("smpp-accounts")
def smpp_accounts() -> None:
    """Accounts that SMPP clients bind to a server with."""


@smpp_accounts.command("list")
@click.option("--json", "as_json", is_flag=True, help="As the API answers.")
@of_a_server
def list_smpp_accounts(url: str, key: str, as_json: bool) -> None:
    """All of them, who is bound, and how many receipts nobody has fetched."""
    asked(url, key, partial(_list_smpp_accounts, as_json=as_json))


async def _list_smpp_accounts(api: Api, *, as_json: bool) -> None:
    found = await api.call("GET", "/v1/smpp-accounts?limit=1000")
    if as_json:
        out.print_json(data=found)
        return
    rows = table(whole("id"), "name", "system_id", "bound", "waiting", "state")
    for one in found["items"]:
        bound = " ".join(f"{bind['kind']}@{bind['address']}" for bind in one["bound"])
        state = "enabled" if one["enabled"] else "disabled"
        rows.add_row(one["id"], escape(one["name"]), one["system_id"], bound, str(one["waiting"]), state)
    out.print(rows)


@smpp_accounts.command("create")
@click.argument("name")
@click.option("--source", default="*", show_default=True, help="A sender; Shop* is whatever begins so.")
@click.option("--class", "message_class", default="service", show_default=True, help="What its messages are.")
@click.option("--cascade", default="", help="Name of the cascade they go by.")
@click.option("--channel", default="", help="Or one channel.")
@click.option("--line", default="", help="Or one line.")
@click.option("--inbound", "inbound_lines", multiple=True, help="A line of which it hears; several times.")
@click.option("--network", "networks", multiple=True, help="Where it may come from; several times.")
@click.option("--window", default=100, show_default=True, help="Submissions of a bind without an answer.")
@click.option("--speed", "speed_per_s", default=0, show_default=True, help="Submissions a second; 0: any.")
@of_a_server
def create_smpp_account(url: str, key: str, **given: Any) -> None:
    """Make one. Its password is shown once."""
    way = {name: given.pop(name) for name in ("source", "cascade", "channel", "line")}
    route = {"class": given.pop("message_class")} | {name: value for name, value in way.items() if value}
    asked(url, key, partial(_create_smpp_account, body={**given, "routes": [route]}))


async def _create_smpp_account(api: Api, body: Document) -> None:
    made = await api.call("POST", "/v1/smpp-accounts", body)
    out.print(f"{made['id']}  system_id {made['system_id']}  password {made['password']}", highlight=False)


@smpp_accounts.command("delete")
@click.argument("account_id")
@of_a_server
def delete_smpp_account(url: str, key: str, account_id: str) -> None:
    """Delete one; who is bound with it is cut off."""
    asked(url, key, partial(_delete_smpp_account, account_id=account_id))


async def _delete_smpp_account(api: Api, account_id: str) -> None:
    await api.call("DELETE", f"/v1/smpp-accounts/{account_id}")
    out.print("Deleted.")


COMMANDS = (send, messages, unknowns, smpp_accounts)
