"""What is sent: messages, and the HTTP requests that carry them, made before the clock starts."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

LABEL = "bench"
POOL_FIRST, NEW_FIRST = "+989120000000", "+989150000000"  # existing contacts, and phones nobody knows
SCATTER = 6_967  # a prime: contacts come in no order, as they do in life, so that no index is lucky


class Load(msgspec.Struct, frozen=True):
    """A load on the API."""

    port: int
    key: str
    messages: int
    batch: int  # messages in one request; 0: each in a request of its own
    connections: int  # each has one request under way
    phones: int  # of existing contacts, used in turn; 0: each message has a phone that nobody knows
    lines: int = 0  # used in turn, by their names; 0: over any


def requests(load: Load) -> list[bytes]:
    """All requests of a load, to the byte; each has an Idempotency-Key, as a careful client's would."""
    if not load.batch:
        each = (msgspec.json.encode(message(load, i)) for i in range(load.messages))
        return [_request(load, "/v1/messages", body, i) for i, body in enumerate(each)]
    return [
        _request(load, "/v1/messages/batch", msgspec.json.encode({"messages": some}), i)
        for i, some in enumerate(_batches(load))
    ]


def _batches(load: Load) -> Iterator[list[dict[str, object]]]:
    for first in range(0, load.messages, load.batch):
        following = range(first, min(first + load.batch, load.messages))
        yield [message(load, i) for i in following]


def message(load: Load, number: int) -> dict[str, object]:
    """One message: an SMS of one part, over any SMPP line."""
    known = load.phones and phone(POOL_FIRST, number * SCATTER % load.phones)
    way = {"line": line_name(number % load.lines)} if load.lines else {"channel": "smpp"}
    return {
        "to": {"phone": known or phone(NEW_FIRST, number)},
        "class": "service",
        "text": f"Your order {number} is on its way. Follow it: https://shop.example/t/{number}",
        "label": LABEL,
        **way,
    }


def line_name(number: int) -> str:
    """What one of several lines is called, and its account at the operator."""
    return f"sms-{number}"


def phone(first: str, number: int) -> str:
    """The phone so many after the first."""
    return f"+{int(first) + number}"


def _request(load: Load, path: str, body: bytes, number: int) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {load.key}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: bench-{number}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
