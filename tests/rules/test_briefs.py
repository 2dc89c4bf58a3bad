"""Short requests are taken whole and as httptools reads them; whatever is unusual is none."""

from __future__ import annotations

from typing import Any

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as some

from angarium.core.frames import frame, frames
from angarium.web import briefs
from angarium.web.briefs import Brief, Found

BODY = b'{"to":{"phone":"+380501234567"},"text":"Hi"}'
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
HEAD = b"Host: a\r\nAuthorization: Bearer ang_x\r\nContent-Type: application/json\r\n"
FIRST = b"POST /v1/messages HTTP/1.1\r\n"
WHOLE = FIRST + HEAD + LENGTH + b"\r\n" + BODY


class Heard:
    """What httptools makes of the same bytes."""

    def __init__(self) -> None:
        self.target, self.body, self.ended = b"", b"", False
        self.headers: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.ended = True


def by_httptools(said: bytes) -> Any:
    heard = Heard()
    parser = httptools.HttpRequestParser(heard)
    parser.feed_data(said)
    assert heard.ended
    assert parser.get_method() == b"POST"
    return heard


def test_a_request_is_read_whole_and_what_is_behind_it_stays() -> None:
    buffer = bytearray(WHOLE + b"POST /v1/co")
    found = briefs.read(buffer)
    assert isinstance(found, Brief)
    assert (found.target, found.body) == (b"/v1/messages", BODY)
    assert (b"authorization", b"Bearer ang_x") in found.headers
    assert bytes(buffer) == b"POST /v1/co"
    assert briefs.read(buffer) is Found.NOT_YET


@given(some.integers(1, len(WHOLE) - 1))
def test_more_has_to_come_wherever_it_is_cut(cut: int) -> None:
    buffer = bytearray(WHOLE[:cut])
    assert briefs.read(buffer) is Found.NOT_YET
    buffer += WHOLE[cut:]
    assert isinstance(briefs.read(buffer), Brief)


UNUSUAL = {
    "another address": WHOLE.replace(b"/v1/messages", b"/v1/messages/batch"),
    "a query": WHOLE.replace(b"/v1/messages", b"/v1/messages?x=1"),
    "another method": WHOLE.replace(b"POST", b"PUT"),
    "an older version": WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "no length": FIRST + HEAD + b"\r\n" + BODY,
    "two lengths": FIRST + HEAD + LENGTH + LENGTH + b"\r\n" + BODY,
    "a length with a sign": FIRST + HEAD + b"Content-Length: +5\r\n\r\nhello",
    "a list of lengths": FIRST + HEAD + b"Content-Length: 5, 5\r\n\r\nhello",
    "chunks": FIRST + HEAD + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n" + BODY,
    "a length and chunks behind a tab": FIRST + HEAD + LENGTH + b"Transfer-Encoding:\tchunked\r\n\r\n" + BODY,
    "a wait for leave": FIRST + HEAD + LENGTH + b"Expect: 100-continue\r\n\r\n" + BODY,
    "an upgrade": FIRST + HEAD + LENGTH + b"Upgrade: websocket\r\n\r\n" + BODY,
    "a connection that closes": FIRST + HEAD + LENGTH + b"Connection: close\r\n\r\n" + BODY,
    "a folded line": FIRST + HEAD + b"X-A: b\r\n c\r\n" + LENGTH + b"\r\n" + BODY,
    "a space before the colon": FIRST + HEAD + b"X-A : b\r\n" + LENGTH + b"\r\n" + BODY,
    "a bare line feed": FIRST + HEAD + b"X-A: b\nX-C: d\r\n" + LENGTH + b"\r\n" + BODY,
    "a bare return": FIRST + HEAD + b"X-A: b\rd\r\n" + LENGTH + b"\r\n" + BODY,
    "a zero byte": FIRST + HEAD + b"X-A: \0\r\n" + LENGTH + b"\r\n" + BODY,
    "no name": FIRST + HEAD + b": b\r\n" + LENGTH + b"\r\n" + BODY,
    "too long a body": FIRST + HEAD + b"Content-Length: 65537\r\n\r\n",
    "too long a head": FIRST + b"X-A: " + b"b" * briefs.HEAD_MAX_BYTES,
    "a line before it": b"\r\n" + WHOLE,
    "TLS": b"\x16\x03\x01\x02\x00",
    "a page": b"GET /home HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("unusual", UNUSUAL)
def test_what_is_unusual_is_left_to_the_server(unusual: str) -> None:
    buffer = bytearray(UNUSUAL[unusual])
    assert briefs.read(buffer) is Found.NONE
    assert bytes(buffer) == UNUSUAL[unusual]  # nothing of it is lost


TEXT = some.text("abc: ,;\t-\x7f\r\n\0é", max_size=12).map(str.encode)
NAMES = some.sampled_from(
    [b"Content-Length", b"Transfer-Encoding", b"Connection", b"X-A", b"Host", b"TE", b""]
)
LINES = some.lists(some.tuples(NAMES, TEXT | some.just(b"%d" % len(BODY))), max_size=4)


@given(LINES, some.sampled_from([b"/v1/messages", b"/v1/codes", b"/callbacks/5/a%20b?c=d%0a", b"/v1/"]))
def test_what_is_taken_is_what_httptools_reads(lines: list[tuple[bytes, bytes]], target: bytes) -> None:
    head = b"".join(name + b": " + value + b"\r\n" for name, value in lines)
    said = b"POST " + target + b" HTTP/1.1\r\n" + LENGTH + head + b"\r\n" + BODY
    found = briefs.read(bytearray(said))
    if isinstance(found, Brief):
        heard = by_httptools(said)
        assert (found.target, found.body) == (heard.target, heard.body)
        assert [(name, value.strip(b" \t")) for name, value in heard.headers] == found.headers


@given(some.lists(some.binary(max_size=40), max_size=5), some.integers(1, 9))
def test_frames_come_out_as_they_went_in(bodies: list[bytes], piece: int) -> None:
    sent = b"".join(map(frame, bodies))
    buffer, found = bytearray(), []
    for at in range(0, len(sent), piece):
        buffer += sent[at : at + piece]
        found += frames(buffer)
    assert (found, bytes(buffer)) == (bodies, b"")


@pytest.mark.parametrize("size", [0, 1, briefs.PACKET_MAX_BYTES, briefs.PACKET_MAX_BYTES + 1, 200_000])
def test_packets_hold_all_that_came(size: int) -> None:
    came = bytes(range(256)) * (size // 256 + 1)
    made = briefs.packets(came[:size])
    assert b"".join(one[1:] for one in made) == came[:size]
    assert [one[:1] for one in made] == [briefs.MORE] * (len(made) - 1) + [briefs.LAST]
    assert max(map(len, made)) <= 1 + briefs.PACKET_MAX_BYTES
