"""What the log looks like: text for people, JSON for machines; set up once, by the command line."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog

STANDARD_ERROR = 2
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


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


def set_up(level: str, style: str) -> None:
    """Configure structlog, and the libraries that log by the standard library, to standard error."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # Never with the values of variables: a frame may hold the text of a code.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    tail = [structlog.processors.format_exc_info, last] if style == "json" else [last]
    structlog.configure(
        processors=[*shared, *tail],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", Steadfast())),
        cache_logger_on_first_use=True,
    )
    loud = max(LEVELS[level], logging.WARNING)
    logging.basicConfig(level=loud, stream=Steadfast(), format="%(levelname)s %(name)s %(message)s")
