"""A line is rehearsed: what would be asked of its provider, and what samples of its words come to.

Nothing leaves. For channels that can tell it (`Channel.rehearse`). No secret is used: each stands there as
its mask.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer, form_of, problem_told
from angarium.channels import load
from angarium.channels.kit import decode_settings
from angarium.core.ports import (
    Channel,
    Event,
    Inbound,
    Outcome,
    Raw,
    Receipt,
    Said,
    Submission,
    Unreadable,
    secret_fields,
)
from angarium.core.problems import Problem, not_found
from angarium.core.values import Content, MessageClass
from angarium.lines import flows, forms

SHOWN_MAX = 8_000  # characters of a request
EVENTS_MAX = 20
USUAL_STATUS = 200
SAMPLE_REF, SAMPLE_URL = "att_05a58xarj0001", "https://angarium.example/callbacks/1/x"


class Heard(msgspec.Struct, frozen=True):
    """One event of a sample callback: what kind it is, its status, and its words."""

    kind: str  # receipt, inbound, other, unreadable
    status: str = ""
    words: str = ""


class Rehearsed(msgspec.Struct, frozen=True):
    """What would be asked, as text; what the sample answer comes to; what the sample callback says."""

    asked: str
    outcome: Outcome | None
    heard: list[Heard]


@route(
    "POST /lines/rehearsal/{channel}", Operation(summary="Rehearse a line", scope="setup:write", page=True)
)
async def rehearse_line(request: Call) -> Sent:
    """A piece of the page of a line's form: what its settings, as they are typed, come to."""
    kind = edge.text_in_path(request, "channel")
    channel = load().get(kind)
    if channel is None or channel.rehearse is None:
        able = ", ".join(name for name, one in load().items() if one.rehearse is not None)
        raise not_found("channel", kind, remedy="one of " + able)
    try:
        found = rehearsed(channel, form_of(request))
    except Problem as problem:
        return HtmlAnswer("lines/rehearsal.html", {"found": None, "problem": problem_told(problem)})
    return HtmlAnswer("lines/rehearsal.html", {"found": found, "problem": None})


def rehearsed(channel: Channel, form: Mapping[str, str]) -> Rehearsed:
    """The rehearsal of settings as a form says them; Problem names those that are wrong. Pure."""
    assert channel.rehearse is not None, channel.kind
    masks = dict.fromkeys(secret_fields(channel.settings), flows.MASK)
    settings = decode_settings(channel, {**forms.settings_in(channel, form), **masks})
    sample = Submission(
        attempt_id=1,
        client_ref=SAMPLE_REF,
        address=form.get("rehearsal_to", "").strip(),
        message_class=MessageClass.SERVICE,
        content=Content(text=form.get("rehearsal_text", "")),
        ttl_s=3_600,
        callback_url=SAMPLE_URL,
    )
    asked, outcome = channel.rehearse(settings, sample, _answer(form))
    return Rehearsed(
        _written(asked), outcome, _heard(channel, settings, form.get("rehearsal_callback", "").strip())
    )


def _answer(form: Mapping[str, str]) -> Said | None:
    body, status = form.get("rehearsal_answer", "").strip(), form.get("rehearsal_status", "").strip()
    known = status if status.isascii() and status.isdigit() and len(status) == 3 else str(USUAL_STATUS)
    return Said(f"HTTP {known}", body=body.encode(errors="replace")) if body or status else None


def _written(asked: Said) -> str:
    lines = [asked.head, *(f"{name}: {value}" for name, value in asked.fields)]
    text = "\n".join([*lines, "", asked.body.decode(errors="replace")]).strip()
    return text.replace(quote(flows.MASK), flows.MASK)[:SHOWN_MAX]


def _heard(channel: Channel, settings: object, callback: str) -> list[Heard]:
    """What a sample callback says: a body, or a query that begins with `?`."""
    if not callback:
        return []
    query = dict(parse_qsl(callback[1:], keep_blank_values=True)) if callback.startswith("?") else {}
    raw = Raw(b"" if query else callback.encode(errors="replace"), query=query)
    return [_told(event) for event in channel.parse(settings, raw)[:EVENTS_MAX]]


def _told(event: Event) -> Heard:
    match event:
        case Receipt():
            words = " · ".join(
                word for word in (event.client_ref, event.ref, event.address, event.code) if word
            )
            return Heard("receipt", event.reason or event.status, words)
        case Inbound():
            return Heard("inbound", words=f"{event.sender}: {event.text}")
        case Unreadable():
            return Heard("unreadable", words=event.detail)
        case _:
            return Heard("other", words=type(event).__name__)


HANDLERS = (rehearse_line,)
