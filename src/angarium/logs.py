"""What the log looks like: text for people, JSON for machines; set up once, by the command line.

Two things hold for every line, also for those of libraries and for tracebacks:

1. Nobody is named in it. What looks like a phone or a mail address is replaced by a short keyed hash: the
   same person is the same word throughout, and without the key nobody finds out who (a plain hash of a phone
   is found by hashing all phones). It is a last resort; what the product logs itself are ids.
2. One event is one line, and what a stranger has written cannot begin another (OWASP ASVS 5.0, 16.4.1).
   Tracebacks of the text style have several lines, each of which begins as no event does.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from io import StringIO
from typing import Any, TextIO, cast

import structlog

STANDARD_ERROR = 2
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


KeyedHash = Callable[[bytes, str], bytes]  # data, purpose -> hash: Vault.keyed_hash

# E.164 with its plus, perhaps grouped; or bare digits, as on the wire of SMPP. Instants and ids have more.
PHONE = r"(?<!\w)\+\d(?:[ ().-]{0,2}\d){6,14}(?!\d)|(?<![\w.+-])\d{10,15}(?![\w.])"
MAIL = r"[\w.%+'-]+@[\w-]+(?:\.[\w-]+)+"
API_KEY = r"ang_[0-9a-z]{13}_[0-9a-f]{64}"
NAMED = re.compile(f"(?P<key>{API_KEY})|(?P<mail>{MAIL})|(?P<phone>{PHONE})", re.IGNORECASE)
HASH_CHARACTERS = 10
# What ends a line or steers a terminal: C0 and C1, DEL, and Unicode's two ends of a line.
CONTROLS = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
} | {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}
TRACE = "    | "


class Steadfast:
    """Standard error that never fails its writer: a log on a full disk must not stop what it tells of.

    Nothing is kept for later: what does not go out now is gone.
    """

    def write(self, text: str) -> None:
        """Write what can be written."""
        with suppress(OSError):
            os.write(STANDARD_ERROR, text.encode(errors="replace"))

    def flush(self) -> None:
        """Everything is out already."""


class Discretion:
    """Takes out of the log who is named in it."""

    def __init__(self, keyed_hash: KeyedHash) -> None:
        self._keyed_hash = keyed_hash

    def __call__(self, _logger: Any, _method: str, event: Any) -> Any:
        """A processor of structlog's: the last but the one that draws."""
        return {name: v if name == "exc_info" else self._cleared(v) for name, v in event.items()}

    def text(self, text: str) -> str:
        """A text in which nobody is named."""
        return NAMED.sub(self._hidden, text)

    def _cleared(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {name: self._cleared(item) for name, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._cleared(item) for item in value]
        if value is None or isinstance(value, int | float):
            return value
        return self.text(repr(value))

    def _hidden(self, found: re.Match[str]) -> str:
        if found["key"]:
            return "ang_…"
        kind = "mail" if found["mail"] else "phone"
        same = found[0].lower() if found["mail"] else re.sub(r"\D", "", found[0])
        return f"{kind}:{self._keyed_hash(same.encode(), f'log/{kind}').hex()[:HASH_CHARACTERS]}"


def one_line(_logger: Any, _method: str, event: Any) -> Any:
    """A processor of structlog's: no text in an event ends its line."""
    return {n: v.translate(CONTROLS) if isinstance(v, str) else v for n, v in event.items()}


def set_up(level: str, style: str, keyed_hash: KeyedHash) -> None:
    """Configure structlog, and the libraries that log by the standard library, to standard error."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    tail = _drawing(style, Discretion(keyed_hash))
    structlog.configure(
        processors=[*shared, *tail],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", Steadfast())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(cast("TextIO", Steadfast()))
    of_libraries = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
    )
    handler.setFormatter(of_libraries)
    logging.basicConfig(level=max(LEVELS[level], logging.WARNING), handlers=[handler], force=True)


def _drawing(style: str, discretion: Discretion) -> list[structlog.types.Processor]:
    """The last processors: from an event to its line."""
    if style == "json":
        return [structlog.processors.format_exc_info, discretion, structlog.processors.JSONRenderer()]

    def trace(out: TextIO, exc_info: Any) -> None:
        # Never with the values of variables: a frame may hold the text of a code.
        drawn = StringIO()
        structlog.dev.plain_traceback(drawn, exc_info)
        lines = discretion.text(drawn.getvalue()).strip("\n").split("\n")
        out.write("".join(f"\n{TRACE}{line.translate(CONTROLS)}" for line in lines))

    last = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=trace)
    return [discretion, one_line, last]
