"""What a file is by its first bytes, what it is called, and which bytes of it are asked for."""

from __future__ import annotations

import pytest

from angarium.content import fetching
from angarium.content.media.serving import span
from angarium.protocols import files

KINDS = [
    (b"%PDF-1.7\n", "pdf"),
    (b"\x89PNG\r\n\x1a\n\0\0", "png"),
    (b"\xff\xd8\xff\xe0\0\x10JFIF", "jpeg"),
    (b"GIF89a", "gif"),
    (b"RIFF\x24\0\0\0WEBPVP8 ", "webp"),
    (b"ID3\x04\0", "mp3"),
    (b"\xff\xfb\x90\x44", "mp3"),
    (b"\xff\xf1\x50\x80", "aac"),
    (b"OggS\0\x02", "ogg"),
    (b"#!AMR\n<", "amr"),
    (b"\0\0\0\x20ftypM4A \0", "m4a"),
    (b"\0\0\0\x20ftypisom\0", "mp4"),
    (b"\0\0\0\x1cftypmp42\0", "mp4"),
    (b"\0\0\0\x18ftyp3gp5\0", "3gp"),
    (b"\0\0\0\x14ftypqt  \0", ""),  # QuickTime, which no channel takes
    (b"RIFF\x24\0\0\0WAVEfmt ", ""),
    (b"<svg xmlns='http://www.w3.org/2000/svg'>", ""),  # it may hold a script
    (b"<!doctype html>", ""),
    (b" %PDF-1.7", ""),
    (b"\x89PNG", ""),
    (b"", ""),
]


@pytest.mark.parametrize(("head", "kind"), KINDS)
def test_a_file_is_what_its_first_bytes_say(head: bytes, kind: str) -> None:
    assert files.kind_of(head) == kind
    assert kind in files.TYPES or not kind


NAMES = [
    ("letter.pdf", "letter.pdf"),
    ("../../etc/passwd", "passwd.pdf"),
    ("C:\\docs\\лист.exe", "лист.pdf"),
    ('a"b\r\nSet-Cookie: x', "a_b__Set-Cookie_ x.pdf"),
    ("", "document.pdf"),
    ("x" * 500, "x" * 115 + ".pdf"),
]


@pytest.mark.parametrize(("given", "kept"), NAMES)
def test_the_name_of_a_file(given: str, kept: str) -> None:
    assert files.clean_name(given, "pdf") == kept


DISPOSITIONS = [
    ("bill.pdf", b'attachment; filename="bill.pdf"'),
    ("чек.pdf", b"attachment; filename=\"___.pdf\"; filename*=UTF-8''%D1%87%D0%B5%D0%BA.pdf"),
    ('a"\r\nx: y.pdf', b"attachment; filename=\"a___x_ y.pdf\"; filename*=UTF-8''a%22%0D%0Ax%3A%20y.pdf"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "header"), DISPOSITIONS)
def test_a_name_cannot_leave_its_header(name: str, header: bytes) -> None:
    assert files.disposition("attachment", name) == header


SPANS = [  # of 100 bytes
    (b"", (200, 0, 99)),
    (b"bytes=0-", (206, 0, 99)),
    (b"bytes=10-19", (206, 10, 19)),
    (b"bytes=90-500", (206, 90, 99)),
    (b"bytes=-10", (206, 90, 99)),
    (b"bytes=-500", (206, 0, 99)),
    (b"bytes=100-", (416, 0, -1)),
    (b"bytes=-0", (416, 0, -1)),
    (b"bytes=9-1", (200, 0, 99)),
    (b"bytes=0-1,5-6", (200, 0, 99)),  # several pieces: the whole is as good an answer
    (b"bytes=-", (200, 0, 99)),
    (b"lines=1-2", (200, 0, 99)),
    (b"bytes=99999999999999999999-", (200, 0, 99)),
]


@pytest.mark.parametrize(("asked", "sent"), SPANS)
def test_a_range_is_one_piece_of_the_file(asked: bytes, sent: tuple[int, int, int]) -> None:
    assert span(asked, 100) == sent


def test_an_address_names_its_file_and_nothing_else_is_one() -> None:
    named = fetching.Named(3, (1 << 63) - 1)
    token = fetching.token(named, bytes(range(16)))
    assert len(token) == fetching.TOKEN_LENGTH
    assert fetching.read(token) == named
    for text in ("", "x", token[:-1], token + "A", "/" * 43, "é" * 43, "_" * 43):
        assert fetching.read(text) is None, text
