"""What providers of SMS over HTTP share: how many parts they take, and how they write instants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from angarium.core.clock import from_datetime
from angarium.core.ports import Event, Inquiry, Tools, Unknown
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import Measure
from angarium.protocols.answers import Answer, NoAnswer, NotSent


def beyond_parts(text: str, measure: Measure, most: int) -> list[FieldProblem]:
    """Whether a text goes out in more parts than a provider takes, or is empty."""
    if measure.parts > most:
        return [FieldProblem("text", f"{measure.parts} parts, at most {most}", "shorten it", shown(text))]
    return [] if text else [FieldProblem("text", "is empty", "write a text")]


def no_number(template: str) -> list[FieldProblem]:
    """Whether a template is named by something else than its number, where the panel gives it one."""
    if template.isascii() and template.isdigit() and len(template) < 10:
        return []
    return [FieldProblem("template", "is no number", "name it by its number in the panel", shown(template))]


def moment(text: str) -> int | None:
    """An instant as providers write it, ISO 8601 with its offset, in microseconds; None when it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return from_datetime(found) if found.tzinfo else None


async def posted(tools: Tools, url: str, document: object, headers: Mapping[str, str]) -> Answer | Unknown:
    """POST JSON to ask a provider something; Unknown when the answer is not a 200."""
    try:
        answer: Answer = await tools.http.request("POST", url, json=document, headers=headers)
    except (NotSent, NoAnswer) as failure:
        return Unknown(str(failure))
    return answer if answer.status == 200 else Unknown(f"the provider answered with HTTP {answer.status}")


async def asked_of_each(
    ask: Callable[[Inquiry, str], Awaitable[Event | Unknown | None]], inquiries: Sequence[Inquiry]
) -> list[Event] | Unknown:
    """What became of messages, of a provider that is asked by one id at a time: by ours where it never told
    its own. What it said before it went silent is kept."""
    found: list[Event] = []
    for one in inquiries:
        for ref in one.refs or (one.client_ref,):
            said = await ask(one, ref)
            if isinstance(said, Unknown):
                return found or said
            found += [said] if said is not None else []
    return found
