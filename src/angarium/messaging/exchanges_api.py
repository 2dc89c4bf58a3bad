"""The JSON edge of what was said to providers, and of recording it on a line."""

from __future__ import annotations

from typing import Literal

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, route
from angarium.accounts.flows import require
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.lines import flows as line_flows
from angarium.lines.edge import line_in_path
from angarium.messaging import exchanges
from angarium.messaging.exchanges import Told
from angarium.messaging.masking import Side
from angarium.messaging.world import World

LINES = "setup:read"  # beside the right to read messages: what is said names accounts and addresses of lines


class RecordingInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how long all that is said on a line is recorded."""

    hours: Literal[1, 24]


class RecordingShown(msgspec.Struct, frozen=True, kw_only=True):
    """Until when all that is said on a line is recorded."""

    recorded_until: str


class SaidShown(msgspec.Struct, frozen=True, kw_only=True):
    """One side of an exchange, or a piece of a callback, with secrets masked."""

    head: str  # `POST https://…`, `HTTP 200`, `submit_sm`
    fields: list[tuple[str, str]]  # headers, or the fields of a PDU, in their order
    words: str  # the text, where the protocol packs it up
    body: str
    encoding: Literal["text", "hex"]  # of `body`
    size: int  # octets of the whole body
    cut: bool  # there was more than is kept
    withheld: bool  # it carried the words of a code, which are not kept


class ExchangeShown(msgspec.Struct, frozen=True, kw_only=True):
    """What was said at one time about an attempt."""

    attempt: str
    kind: Literal["exchange", "callback"]
    at: str
    protocol: str  # of an exchange: http, smpp, smtp
    took_ms: float | None  # null: no answer came
    asked: SaidShown | None
    answered: SaidShown | None
    trouble: str  # why there is no answer
    callback: str  # the id of a callback; empty for an exchange
    pieces: list[SaidShown]  # of a callback, those that speak of this message alone
    others: int  # its other pieces
    gone: str  # why a callback cannot be shown: kept (no longer), opened (not), line (deleted); empty: it can


class ExchangesShown(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, by time."""

    items: list[ExchangeShown]


RECORDING = Shape(RecordingInput)
EXAMPLE = ExchangesShown(
    items=[
        ExchangeShown(
            attempt="att_05a581z2800006",
            kind="exchange",
            at="2026-11-28T08:42:47.700Z",
            protocol="http",
            took_ms=48.2,
            asked=SaidShown(
                head="POST https://api.decisiontelecom.com/v1/api/send-viber",
                fields=[("Authorization", "Basic ••••••"), ("Content-Type", "application/json")],
                words="",
                body='{"source_addr":"Shop","destination_addr":"380501234567","text":"Hi"}',
                encoding="text",
                size=68,
                cut=False,
                withheld=False,
            ),
            answered=SaidShown(
                head="HTTP 400",
                fields=[("content-type", "application/json")],
                words="",
                body='{"name":"Invalid Parameter: source_addr","status":400}',
                encoding="text",
                size=54,
                cut=False,
                withheld=False,
            ),
            trouble="",
            callback="",
            pieces=[],
            others=0,
            gone="",
        )
    ]
)


@route(
    "GET /v1/messages/{message_id}/exchanges",
    Operation(
        summary="Look at what was said to providers about a message",
        detail="Requests with their answers, and the callbacks that came, by time; secrets are masked, and"
        " the words of codes are not kept. Recorded for a week: what goes wrong (20 a minute of a line), test"
        " messages, and everything while recording is on for the line. `setup:read` is needed as well.",
        scope="messages:read",
        gives=ExchangesShown,
        problems=(404,),
        answer_example=EXAMPLE,
    ),
)
async def list_exchanges(request: Call) -> JsonAnswer:
    """What was said about one message."""
    require(request.auth, LINES)
    world, message_id = _world(request), edge.id_in_path(request, "message")
    found = await world.ground.db.read(exchanges.look, world, request.auth.workspace_id, message_id)
    return edge.answer(request, ExchangesShown(items=[shown(one) for one in found.told]))


@route(
    "PUT /v1/lines/{line_id}/recording",
    Operation(
        summary="Record all that is said on a line",
        detail="For an hour or a day; it ends by itself. At most 120 submissions a minute.",
        scope="setup:write",
        takes=RECORDING,
        gives=RecordingShown,
        problems=(404,),
        example=RecordingInput(hours=1),
        answer_example=RecordingShown(recorded_until="2026-11-28T09:42:00.000Z"),
    ),
)
async def begin_recording(request: Call) -> JsonAnswer:
    """Everything is recorded from now on."""
    given = RECORDING.read(await edge.read_body(request))
    until = await _record(request, given.hours)
    return edge.answer(request, RecordingShown(recorded_until=iso(until)))


@route(
    "DELETE /v1/lines/{line_id}/recording",
    Operation(
        summary="Stop recording on a line",
        detail="What was recorded stays for its week; what goes wrong is recorded as ever.",
        scope="setup:write",
        status=204,
        problems=(404,),
    ),
)
async def end_recording(request: Call) -> JsonAnswer:
    """Only what goes wrong is recorded from now on."""
    await _record(request, 0)
    return edge.nothing(request)


async def _record(request: Call, hours: int) -> int:
    line_id, world, caller = await line_in_path(request), _world(request), request.auth
    line = await line_flows.get(world.ground, caller.workspace_id, line_id)
    return (await exchanges.record(world, line, hours, caller.actor)).recorded_until


def shown(one: Told) -> ExchangeShown:
    """What was said at one time, for the outside."""
    kept = one.exchange
    return ExchangeShown(
        attempt=ids.show("attempt", one.attempt_id),
        kind="callback" if one.callback_id else "exchange",
        at=iso(one.at),
        protocol=kept.protocol if kept else "",
        took_ms=kept.took_ms if kept else None,
        asked=_side(kept.asked) if kept else None,
        answered=_side(kept.answered) if kept and kept.answered else None,
        trouble=kept.trouble if kept else "",
        callback=ids.show("journal", one.callback_id) if one.callback_id else "",
        pieces=[_side(piece) for piece in one.pieces],
        others=one.others,
        gone=one.gone,
    )


def _side(side: Side) -> SaidShown:
    return SaidShown(
        head=side.head,
        fields=side.fields,
        words=side.words,
        body=side.body,
        encoding="hex" if side.hex else "text",
        size=side.size,
        cut=side.cut,
        withheld=side.code,
    )


def _world(request: Call) -> World:
    world: World = request.scope["litestar_app"].state.messages.world
    return world


HANDLERS = (list_exchanges, begin_recording, end_recording)
