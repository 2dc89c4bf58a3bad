"""The HTML edge of lines: the gallery of channels, the form of a line, switching, deleting and lending it.

The list and the page of one line show how they do, and stand in `messaging/line_pages.py`, which knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, ground_of, route
from angarium.accounts.pages import Hit, HtmlAnswer, fields_of, form_of, problem_told, redirect, wrong_of
from angarium.accounts.reach import require_classes, require_every_line
from angarium.channels import load
from angarium.core import ids
from angarium.core.called import by_family
from angarium.core.decoding import Shape
from angarium.core.ports import Channel
from angarium.core.problems import Problem, not_found
from angarium.core.values import MessageClass, amount_text
from angarium.lines import flows, forms, requirements, store, tariffs_flows
from angarium.lines.edge import line_in_path, within_reach
from angarium.lines.rules import LineInput
from angarium.lines.store import Line
from angarium.storage.database import Transaction

LINE = Shape(LineInput, secret=("settings",))
LISTS = ("classes", "patterned", "hours_days", "hours_classes", forms.CLEARED)
Text = Annotated[str, msgspec.Meta(max_length=300)]


class DoneQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has just been done, for a word about it."""

    done: Text = ""


DONE = Shape(DoneQuery)


# ── a new one ────────────────────────────────────────────────────────────────────────────────────────


@route("GET /lines/new", Operation(summary="Connect a line", scope="setup:write", page=True))
async def gallery(request: Call) -> Sent:
    """The channels, and what each can do."""
    return HtmlAnswer("lines/gallery.html", {"families": by_family(list(load().values()))})


@route("GET /lines/new/{channel}", Operation(summary="A new line", scope="setup:write", page=True))
async def new_line_form(request: Call) -> Sent:
    """The form of a line on a channel."""
    channel = _channel(request)
    form = {
        "price_per": channel.capabilities.priced_by,
        "requirement": requirements.usual_for(channel.kind),
        "hours_zone": "contact",
        "window": "10",
        "weight": "1",
        "declared": "on",
    }
    lists = {"classes": [], "patterned": [], "hours_days": [str(day) for day in forms.DAYS]}
    return await _form(request, channel, None, form, lists | {"hours_classes": ["promotional"]}, None)


@route("POST /lines/new/{channel}", Operation(summary="Create a line", scope="setup:write", page=True))
async def create_line(request: Call) -> Sent:
    """The line is there; or the form again, with what is wrong in it."""
    channel, form, lists = _channel(request), form_of(request), _lists(request)
    ground, caller = ground_of(request), request.auth
    require_every_line(caller.reach, "making a line")
    try:
        given = LINE.read(msgspec.json.encode(forms.line_in(channel, form, lists)))
        require_classes(caller.reach, given.classes)
        made = await flows.create(ground, caller.workspace_id, given, caller.actor)
    except Problem as problem:
        return await _form(request, channel, None, form, lists, problem)
    return redirect(f"/lines/{ids.show('line', made.id)}?done=created")


def _channel(request: Call) -> Channel:
    kind = edge.text_in_path(request, "channel")
    channels = load()
    if kind not in channels:
        raise not_found("channel", kind, remedy="one of " + ", ".join(channels))
    return channels[kind]


def _lists(request: Call) -> dict[str, list[str]]:
    return {name: fields_of(request, name) for name in LISTS}


# ── as it is to be ───────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /lines/{line_id}/settings",
    Operation(summary="The settings of a line", scope="setup:read", asks=DONE, page=True),
)
async def line_form(request: Call) -> Sent:
    """The form of a line as it is."""
    line = await _line(request)
    form = forms.as_form(line, amount_text(line.price_micros))
    return await _form(request, flows.channel_of(line.channel), line, form, forms.lists_of(line), None)


@route("POST /lines/{line_id}/settings", Operation(summary="Change a line", scope="setup:write", page=True))
async def change_line(request: Call) -> Sent:
    """The line as it is described now."""
    line = await _line(request)
    channel, form, lists = flows.channel_of(line.channel), form_of(request), _lists(request)
    ground, caller = ground_of(request), request.auth
    await within_reach(request, line.id)
    try:
        given = LINE.read(msgspec.json.encode(forms.line_in(channel, form, lists, line)))
        require_classes(caller.reach, given.classes)
        await flows.change(ground, caller.workspace_id, line.id, given, caller.actor)
    except Problem as problem:
        return await _form(request, channel, line, form, lists, problem)
    return redirect(f"{_path(line)}/settings?done=saved")


async def _form(
    request: Call,
    channel: Channel,
    line: Line | None,
    form: Mapping[str, str],
    lists: Mapping[str, Sequence[str]],
    problem: Problem | None,
) -> HtmlAnswer:
    """The form, with what was typed into it where something of that is wrong."""
    kept = flows.shown_settings(line) if line is not None else None
    if problem is not None:
        typed = {field.name: form.get(field.field, "") for field in forms.fields_of(channel)}
        there = {name: flows.MASK for name, value in (kept or {}).items() if value == flows.MASK}
        kept = {**typed, **there}
    fields = forms.fields_of(channel, kept)
    problem = _without_help(problem, {one.hint for one in fields})
    need = requirements.requirements()
    tariffs = await ground_of(request).db.read(tariffs_flows.everything, request.auth.workspace_id)
    facts = {
        "line": line,
        "line_id": ids.show("line", line.id) if line else "",
        "channel": channel,
        "said_in": forms.said_in,
        "main": [one for one in fields if _comes_first(one)],
        "others": [one for one in fields if not _comes_first(one)],
        "form": form,
        "ticked": lists,
        "kinds": [one for one in need.values() if requirements.fits(one, channel.kind)],
        "kind_in": requirements.said_in,
        "classes": [one for one in MessageClass if one in channel.capabilities.classes],
        "tariffs": [(one.name, f"{one.name} ({one.currency})") for one in tariffs],
        "problem": problem_told(problem),
        "wrong": _wrong(problem),
        "done": _done(request),
    }
    return HtmlAnswer("lines/form.html", facts, status=problem.status if problem else 200)


def _comes_first(field: forms.SettingField) -> bool:
    """Whether a setting is shown before one asks for more: what must be said, and what decides the others."""
    return field.required or field.name == "port" or bool(field.told)


def _without_help(problem: Problem | None, helps: set[str]) -> Problem | None:
    """The same without what a channel says of its settings: that stands at each field, in every language."""
    if problem is None:
        return None
    wrong = tuple(
        msgspec.structs.replace(one, remedy="") if one.remedy in helps else one for one in problem.fields
    )
    return Problem(problem.slug, problem.title, status=problem.status, detail=problem.detail, fields=wrong)


def _wrong(problem: Problem | None) -> dict[str, str]:
    """What is wrong with each field; of lists of destinations with the field that holds the list."""
    found = wrong_of(problem)
    return {**{field.partition("[")[0]: said for field, said in found.items()}, **found}


def _done(request: Call) -> str:
    return DONE.read_query(request.scope["query_string"]).done if request.scope["method"] == "GET" else ""


@route("POST /lines/{line_id}/switch", Operation(summary="Switch a line", scope="setup:write", page=True))
async def switch_line(request: Call) -> Sent:
    """On, or off: nothing leaves on it then."""
    line, caller = await _line(request), request.auth
    await within_reach(request, line.id)
    given = msgspec.structs.replace(as_given(line), enabled=bool(form_of(request).get("on")))
    await flows.change(ground_of(request), caller.workspace_id, line.id, given, caller.actor)
    return redirect(f"{_path(line)}?done={'on' if given.enabled else 'off'}")


def as_given(line: Line) -> LineInput:
    """A line as it would be described to stay as it is; its secrets stay unsaid."""
    settings = {name: value for name, value in flows.shown_settings(line).items() if value != flows.MASK}
    return LineInput(
        name=line.name,
        channel=line.channel,
        settings=settings,
        classes=tuple(sorted(line.classes)),
        requirement=line.requirement,
        patterned=tuple(sorted(line.patterned)),
        enabled=line.enabled,
        speed_per_s=line.speed_per_s,
        window=line.window_max,
        hours=line.hours,
        price=amount_text(line.price_micros),
        price_per=line.price_per,
        currency=line.currency,
        tariff=line.tariff,
        weight=line.weight,
        only_to=line.only_to,
        never_to=line.never_to,
    )


@route("POST /lines/{line_id}/delete", Operation(summary="Delete a line", scope="setup:write", page=True))
async def delete_line(request: Call) -> Sent:
    """It is gone; what was sent on it stays in the history."""
    line_id, caller = await line_in_path(request), request.auth
    await flows.delete(ground_of(request), caller.workspace_id, line_id, caller.actor)
    return redirect("/lines?done=deleted")


async def _line(request: Call) -> Line:
    line_id = edge.id_in_path(request, "line")
    return await flows.get(ground_of(request), request.auth.workspace_id, line_id)


def _path(line: Line) -> str:
    return f"/lines/{ids.show('line', line.id)}"


# ── lending ──────────────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /lines/{line_id}/lending",
    Operation(summary="Whom a line is lent to", scope="setup:read", asks=DONE, page=True),
)
async def lending(request: Call) -> Sent:
    """The workspaces that may use it."""
    return await _lending(request, await _line(request), None)


async def _lending(request: Call, line: Line, problem: Problem | None) -> HtmlAnswer:
    guests = await flows.guests_of(ground_of(request), request.auth.workspace_id, line.id)
    facts = {
        "line": line,
        "line_id": ids.show("line", line.id),
        "guests": [{"id": ids.show("workspace", one.workspace_id), "loan": one} for one in guests],
        "own": ids.show("workspace", request.auth.workspace_id),
        "typed": form_of(request).get("workspace", "") if problem else "",
        "problem": problem_told(problem),
        "wrong": wrong_of(problem),
        "done": _done(request),
    }
    return HtmlAnswer("lines/lending.html", facts, status=problem.status if problem else 200)


@route("POST /lines/{line_id}/lending", Operation(summary="Lend a line", scope="setup:write", page=True))
async def lend(request: Call) -> Sent:
    """It is offered to a workspace, or taken back from one."""
    line, caller, form = await _line(request), request.auth, form_of(request)
    await within_reach(request, line.id)
    ground, workspace_id = ground_of(request), caller.workspace_id
    try:
        guest_id = _workspace(form.get("workspace", "").strip())
        if form.get("back"):
            await flows.take_back(ground, workspace_id, line.id, guest_id, caller.actor)
        else:
            await flows.lend(ground, workspace_id, line.id, guest_id, caller.actor)
    except Problem as problem:
        return await _lending(request, line, problem)
    return redirect(f"{_path(line)}/lending?done={'taken_back' if form.get('back') else 'lent'}")


def _workspace(text: str) -> int:
    try:
        return ids.read("workspace", text)
    except ValueError:
        raise not_found("workspace", text, remedy="its id, such as ws_05a58xarj0001") from None


@route("POST /lent-lines/{line_id}", Operation(summary="Take a lent line", scope="setup:write", page=True))
async def take_lent(request: Call) -> Sent:
    """A line of others is used from now on, or given back."""
    line_id, caller = edge.id_in_path(request, "line"), request.auth
    ground = ground_of(request)
    if form_of(request).get("back"):
        await flows.give_back(ground, caller.workspace_id, line_id, caller.actor)
        return redirect("/lines?done=given_back")
    await flows.take(ground, caller.workspace_id, line_id, caller.actor)
    return redirect("/lines?done=taken")


# ── for the command bar ──────────────────────────────────────────────────────────────────────────────


async def seek(tx: Transaction, workspace_id: int, text: str, few: int) -> list[Hit]:
    """Lines by their name, and those on a channel by its."""
    words, titles = text.casefold(), {kind: one.title for kind, one in load().items()}
    lines = await store.all_of(tx, workspace_id)
    found = [
        Hit(_path(line), line.name, titles.get(line.channel, line.channel))
        for line in lines
        if words in line.name or words in titles.get(line.channel, "").casefold()
    ]
    return found[:few]


HANDLERS = (
    gallery,
    new_line_form,
    create_line,
    line_form,
    change_line,
    switch_line,
    delete_line,
    lending,
    lend,
    take_lent,
)
