"""Commands that ask a running server over its API, as any system would: send, messages."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from angarium.client import Api

F = TypeVar("F", bound=Callable[..., Any])
Document = dict[str, Any]

out, err = Console(), Console(stderr=True)


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
        err.print(f"  [bold]{field['field']}[/] {escape(field['problem'])}. {remedy}".rstrip())


# ── send ─────────────────────────────────────────────────────────────────────────────────────────────


@click.command()
@click.option("--to", required=True, help="A phone as +989…, an e-mail address, or a contact's id (con_…).")
@click.option("--class", "message_class", default="service", show_default=True, help="What the message is.")
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
    body["class"] = body.pop("message_class")
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
    table = Table("id", "class", "state", "asked for", "waits for", "until")
    for one in found["items"]:
        waiting = one["waiting"] or {}
        until = waiting.get("until") or ""
        table.add_row(one["id"], one["class"], one["state"], one["created_at"], waiting.get("for", ""), until)
    out.print(table)


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


COMMANDS = (send, messages)
