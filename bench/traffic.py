"""What is sent: messages, and the HTTP requests that carry them, made before the clock starts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlencode

import msgspec

To = Literal["angarium", "kannel", "jasmin"]  # whose HTTP interface it is

LABEL, MAIL = "bench", "smtp"
POOL_FIRST, NEW_FIRST = "+989120000000", "+989150000000"  # existing contacts, and phones nobody knows
NUMBERED = re.compile(r"Your order (\d+) ")
ACCEPTED_AS = {"angarium": b"202", "kannel": b"202", "jasmin": b"200"}
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
    channel: str = "smpp"
    to: To = "angarium"
    receipts: int = 0  # the port where others are to call for each; 0: they are not asked to


def requests(load: Load) -> list[bytes]:
    """All requests of a load, to the byte; each has an Idempotency-Key, as a careful client's would."""
    if load.to != "angarium":
        return [_question(load, i) for i in range(load.messages)]
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
    """One message: an SMS of one part, over any line of the channel."""
    if load.channel == MAIL:
        return mail(load, number)
    way = {"line": line_name(number % load.lines)} if load.lines else {"channel": load.channel}
    return {
        "to": {"phone": recipient(load, number)},
        "class": "service",
        "text": text_of(number),
        "label": LABEL,
        **way,
    }


def mail(load: Load, number: int) -> dict[str, object]:
    """The same as a mail."""
    content = {"subject": text_of(number).partition(".")[0], "text": text_of(number)}
    return {
        "to": {"email": mailbox(recipient(load, number))},
        "class": "service",
        "variants": [{"channel": MAIL, "content": content}],
        "label": LABEL,
        "channel": MAIL,
    }


def mailbox(of_phone: str) -> str:
    """The address of whoever has a phone."""
    return f"customer.{of_phone[1:]}@bench.example"


def recipient(load: Load, number: int) -> str:
    """Whom a message goes to."""
    return phone(POOL_FIRST, number * SCATTER % load.phones) if load.phones else phone(NEW_FIRST, number)


def text_of(number: int) -> str:
    """What it says; no two are alike."""
    return f"Your order {number} is on its way. Follow it: https://shop.example/t/{number}"


def number_of(text: str) -> int:
    """Which message says so; -1: none of ours."""
    found = NUMBERED.match(text)
    return int(found[1]) if found else -1


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


# ── other gateways, which take a message by a GET and have no batches of different texts ─────────────


def _question(load: Load, number: int) -> bytes:
    asked = {"username": "bench", "password": "secret", "to": recipient(load, number)[1:], "from": "Bench"}
    path = "/cgi-bin/sendsms" if load.to == "kannel" else "/send"
    asked |= _for_kannel(load, number) if load.to == "kannel" else _for_jasmin(load, number)
    return f"GET {path}?{urlencode(asked)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def _for_kannel(load: Load, number: int) -> dict[str, str]:
    given = {"text": text_of(number), "coding": "0"}
    return given | ({"dlr-mask": "3", "dlr-url": _callback(load, number)} if load.receipts else {})


def _for_jasmin(load: Load, number: int) -> dict[str, str]:
    given = {"content": text_of(number), "coding": "0"}
    if not load.receipts:
        return given
    return given | {"dlr": "yes", "dlr-level": "2", "dlr-method": "GET", "dlr-url": _callback(load, number)}


def _callback(load: Load, number: int) -> str:
    return f"http://127.0.0.1:{load.receipts}/receipt?n={number}"
