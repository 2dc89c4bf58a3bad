"""How an input becomes another: octets, lines, JSON trees and SMPP frames, by a seeded roll of dice."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

Mutate = Callable[[Random, bytes, Sequence[bytes]], bytes]  # dice, input, words of the format

NUMBERS = (0, 1, 127, 128, 255, 256, 32_767, 65_535, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
TEXTS = (
    *("", "\0", "\r\n", "\ud800", "\ufeff", "\u202e", "{{", "%s", "../..", "'\"<>&", "-1", "1e9999", "NaN"),
    *("\U0001f469\u200d\U0001f467", "ي" * 70, "a" * 5_000, "9" * 4_301, "0x10", "١٢٣", "true", "null"),
)
DEEP = 600


# ── octets ───────────────────────────────────────────────────────────────────────────────────────────


def octets(roll: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    """One to four small wounds anywhere."""
    for _ in range(roll.randint(1, 4)):
        data = _wound(roll, data, words)
    return data


def _wound(roll: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    at = roll.randrange(len(data) + 1)
    until = min(len(data), at + roll.choice((1, 1, 2, 4, 16, 64)))
    match roll.randrange(8):
        case 0:
            return data[:at] + bytes([roll.randrange(256)]) + data[at + 1 :]
        case 1:
            return data[:at] + data[until:]
        case 2:
            return data[:at] + data[at:until] * roll.choice((2, 3, 50)) + data[until:]
        case 3:
            return data[:at] + roll.randbytes(roll.choice((1, 2, 4, 16))) + data[at:]
        case 4:
            return data[:at]
        case 5:
            size = roll.choice((1, 2, 4))
            number = (roll.choice(NUMBERS) & ((1 << 8 * size) - 1)).to_bytes(
                size, roll.choice(("big", "little"))
            )
            return data[:at] + number + data[at + size :]
        case 6 if data:
            flipped = data[at - 1] ^ 1 << roll.randrange(8)
            return data[: at - 1] + bytes([flipped]) + data[at:] if at else data
        case _:
            word = roll.choice(words) if words else b""
            return data[:at] + word + data[roll.choice((at, until)) :]


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────


def lines(roll: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    """Lines taken away, doubled, moved, and words of the format put between and into them."""
    found = data.splitlines(keepends=True) or [b""]
    for _ in range(roll.randint(1, 3)):
        at = roll.randrange(len(found))
        match roll.randrange(6):
            case 0:
                found[at : at + roll.randint(1, 3)] = []
            case 1:
                found[at:at] = [found[at]] * roll.choice((1, 2, 40))
            case 2:
                found.insert(roll.randrange(len(found)), found.pop(at))
            case 3 if words:
                found.insert(at, roll.choice(words) + roll.choice((b"\r\n", b"\n", b"")))
            case 4:
                found[at] = _wound(roll, found[at], words)
            case _:
                found[at] = found[at].rstrip(b"\r\n") + roll.choice((b"", b"\n ", b"\r\n\t", b"\n\n", b"\r"))
        found = found or [b""]
    return b"".join(found)


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────


def tree(roll: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    """JSON with one or two of its values changed; octets when it is none."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return octets(roll, data, words)
    for _ in range(roll.randint(1, 2)):
        document = _changed(roll, document, words)
    try:
        written = json.dumps(document, ensure_ascii=roll.random() < 0.5).encode("utf-8", "surrogatepass")
    except RecursionError:
        return data
    return octets(roll, written, words) if roll.random() < 0.1 else written


def _changed(roll: Random, value: Any, words: Sequence[bytes]) -> Any:
    """The value, or one somewhere inside it, replaced."""
    if isinstance(value, dict) and value and roll.random() < 0.85:
        name = roll.choice(list(value))
        match roll.randrange(10):
            case 0:
                return {key: item for key, item in value.items() if key != name}
            case 1:
                return {**value, _scalar_text(roll, words): value[name]}
            case _:
                return {**value, name: _changed(roll, value[name], words)}
    if isinstance(value, list) and value and roll.random() < 0.85:
        at = roll.randrange(len(value))
        match roll.randrange(8):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return value + [value[at]] * roll.choice((1, 3, 200))
            case _:
                return [*value[:at], _changed(roll, value[at], words), *value[at + 1 :]]
    return _other(roll, value, words)


def _other(roll: Random, value: Any, words: Sequence[bytes]) -> Any:
    match roll.randrange(8):
        case 0:
            return _scalar_text(roll, words)
        case 1:
            return roll.choice((*NUMBERS, -1, 10**18, 10**400, 0.5, -0.0, 1e308))
        case 2:
            return roll.choice((None, True, False, [], {}, [[]], [None], {"": {}}))
        case 3 if isinstance(value, str):
            return octets(roll, value.encode("utf-8", "surrogatepass"), words).decode("latin-1")
        case 4:
            nest: Any = value if isinstance(value, str | int | None) else 0
            for _ in range(roll.choice((1, 3, DEEP))):
                nest = [nest] if roll.random() < 0.5 else {"a": nest}
            return nest
        case 5:
            return [value, value] if not isinstance(value, list | dict) else str(value)[:50]
        case _:
            return str(value)[:50] if not isinstance(value, str) else value + _scalar_text(roll, words)


def _scalar_text(roll: Random, words: Sequence[bytes]) -> str:
    if words and roll.random() < 0.5:
        return roll.choice(words).decode("latin-1")
    return roll.choice(TEXTS)


# ── SMPP ─────────────────────────────────────────────────────────────────────────────────────────────

HEADER = struct.Struct(">IIII")
COMMANDS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 0xB, 0x15, 0x21, 0x102, 0x103)
TAGS = (0x0005, 0x001D, 0x001E, 0x020C, 0x020E, 0x020F, 0x0210, 0x0423, 0x0424, 0x0427, 0x1401, 0x1501)


def frames(roll: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    """A stream of PDUs of which one has another field, parameter or length; most lengths stay true."""
    found = list(_cut(data))
    if not found:
        return octets(roll, data, words)
    at = roll.randrange(len(found))
    length, command, status, sequence = HEADER.unpack_from(found[at])
    body = found[at][16:]
    match roll.randrange(8):
        case 0:
            command = roll.choice(COMMANDS) | roll.choice((0, 0x80000000))
        case 1:
            status = roll.choice((*NUMBERS, 0x14, 0x58, 0x8))
        case 2:
            sequence = roll.choice((*NUMBERS, sequence + 1))
        case 3:
            value = roll.choice((b"", b"\0", roll.randbytes(roll.choice((1, 2, 3, 20))), *words[:8]))
            size = roll.choice((len(value), len(value), len(value) + 1, 0xFFFF))
            body += struct.pack(">HH", roll.choice(TAGS), size) + value
        case 4:
            found.insert(roll.randrange(len(found) + 1), found[at])
        case _:
            body = octets(roll, body, words)
    length = 16 + len(body) if roll.random() < 0.95 else roll.choice((*NUMBERS, 15, 16, length + 1))
    found[at] = HEADER.pack(length & 0xFFFFFFFF, command, status & 0xFFFFFFFF, sequence & 0xFFFFFFFF) + body
    return b"".join(found)


def _cut(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at + 16 <= len(data):
        length = max(16, int.from_bytes(data[at : at + 4], "big"))
        found.append(data[at : at + length])
        at += length
    return found


def either(*ways: Mutate) -> Mutate:
    """One of several ways, each as likely."""

    def mutate(roll: Random, data: bytes, words: Sequence[bytes]) -> bytes:
        return roll.choice(ways)(roll, data, words)

    return mutate
