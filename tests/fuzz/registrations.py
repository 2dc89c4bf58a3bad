"""Patterns and papers: registered templates, texts held against them, files that are handed in."""

from __future__ import annotations

from angarium.core.decoding import Shape
from angarium.core.problems import Problem
from angarium.lines import uploads
from angarium.lines.patterns_flows import PatternInput, read_csv, syntaxes
from angarium.lines.patterns_index import Index
from angarium.lines.patterns_rules import TEXT_MAX, NoPattern, made, normal
from angarium.protocols import files
from fuzz.harness import Target, simple
from fuzz.mutations import either, lines, octets

BETWEEN = "\n--\n"  # the pattern before it, the text behind it
SYNTAXES = sorted(syntaxes())
READ = Shape(PatternInput).read


def try_pattern(data: bytes) -> None:
    """A pattern in each syntax, and a text: what fits is as near as can be; each has a nearest."""
    template, _, text = data.decode("utf-8", "replace").partition(BETWEEN)
    assert normal(normal(text)) == normal(text)
    for key in SYNTAXES:
        try:
            pattern = made(syntaxes()[key], template, {}, 1, key)
        except NoPattern:
            continue
        index = Index([pattern])
        near = index.nearest(text)
        assert near is not None
        assert near.told("••") or near.edits == 0
        if index.match(text) is not None and len(text) <= TEXT_MAX and len(text.split()) < 200:
            assert near.edits == 0, (template, text, near)


def try_csv(data: bytes) -> None:
    """Rows, or a Problem for the whole file."""
    try:
        rows = read_csv(data, READ)
    except Problem:
        return
    assert all(row.fields if isinstance(row, Problem) else row.name is not None for row in rows)


def try_file(data: bytes) -> None:
    """A kind by its first bytes, or a Problem."""
    try:
        kind = uploads.kind_of(data, tuple(uploads.KINDS))
    except Problem:
        return
    assert files.kind_of(data) in ("", kind)
    name = files.clean_name(data[:300].decode("utf-8", "replace"), kind)
    assert name.endswith(f".{kind}")
    assert not set(name) & set('/\\"\r\n\0')


TARGETS = [
    Target(
        "patterns",
        simple(try_pattern),
        [
            f"{pattern}{BETWEEN}{text}".encode()
            for pattern, text in (
                ("Dear {0}, your order {1} is on its way.", "Dear Ali, your order 4 is on its way."),
                ("کد ورود شما: %token% و %token10", "كد ورود شما: ۱۲۳ و a b c"),
                ("Заказ %d{1,6} готов, %w{1,3}", "Заказ 12 готов, ждём вас"),
                ("{#numeric#} is {#var#}{#var#} -X", "12 is your code -X"),
                ("a #b# a #c# a", "a a a a a"),
            )
        ],
        [b"{0}", b"%w{1,9}", b"%d+", b"{#var#}", b"#x#", b"%token%", BETWEEN.encode(), b" ", "ي".encode()],
        either(octets, lines),
        steps=(60_000, 6_000),
        longest=600,
        in_tests=150,
    ),
    Target(
        "patterns-csv",
        simple(try_csv),
        [b'name,class,syntax,text,limits\na,service,braces,"x {0}","{""0"": {""chars"": 3}}"\n'],
        [b"name", b";", b'"', b"\xef\xbb\xbf", b"service", b"{", b"\r\n"],
        either(octets, lines),
    ),
    Target(
        "papers",
        simple(try_file),
        [
            b"%PDF-1.7\n",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff\xe0",
            b"PK\x03\x04[Content_Types].xmlxl/workbook.xml",
        ],
        [b"../", b'"', b"\r\n", b"xl/workbook.xml"],
    ),
]
