"""Forms with files: Python's own parser reads what we write, and strangers' forms are bounded."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import HTTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.protocols import multipart
from angarium.protocols.multipart import Part

names = st.text("abcdefg-_", min_size=1, max_size=8)
some = st.lists(st.builds(Part, names, st.binary(max_size=60), st.sampled_from(["", "a.bin"])), max_size=5)


@given(some)
def test_what_is_written_is_read(parts: list[Part]) -> None:
    assert multipart.read(*multipart.write(parts)) == parts


def test_python_reads_what_is_written() -> None:
    parts = [Part("to", b"anna@example.org"), Part("message", b"From: a\r\n\r\nb\r\n", "message.mime")]
    kind, body = multipart.write(parts)
    whole = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body, policy=HTTP)
    read = [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get_payload(decode=True),
        )
        for part in whole.iter_parts()
    ]
    assert read == [(part.name, part.filename or None, part.data) for part in parts]


STRANGE = (
    b'--x\r\nContent-Disposition: form-data; name="a\\"b"; filename=c.txt\r\n\r\n1\r\n'
    b"--x\r\ncontent-disposition: form-data; name=d\r\n\r\n--x2\r\n"
    b"--x\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--x--\r\nafter"
)


@pytest.mark.parametrize(
    ("kind", "body", "read"),
    [
        ("multipart/form-data; boundary=x", STRANGE, [Part('a\\"b', b"1", "c.txt"), Part("d", b"--x2")]),
        ("multipart/mixed; boundary=x", STRANGE, []),
        ("multipart/form-data", STRANGE, []),
        ("", STRANGE, []),
        ("multipart/form-data; boundary=x", b"\r\n--x\r\n\r\n" * 1_000, []),
        ('multipart/form-data; boundary="x"', b"", []),
    ],
)
def test_forms_of_strangers(kind: str, body: bytes, read: list[Part]) -> None:
    assert multipart.read(kind, body) == read


def test_of_each_name_the_first_text_counts() -> None:
    parts = [Part("a", b"1"), Part("a", b"2"), Part("b", b"\xff"), Part("c", b"3", "file")]
    assert multipart.texts(parts) == {"a": "1", "b": "\ufffd"}
