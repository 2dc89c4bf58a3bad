"""What a bench leaves behind: everything as JSON, a page with tables and plots, and each plot."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from bench.page import page, plots

RESULTS = Path(".bench")


def keep(found: dict[str, Any], json_path: Path) -> list[Path]:
    """Write both; where they are."""
    json_path.parent.mkdir(parents=True, exist_ok=True)
    json_path.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    page_path = json_path.with_suffix(".html")
    plain_found = msgspec.to_builtins(found)
    page_path.write_text(page(plain_found), encoding="utf-8")
    written = [json_path, page_path]
    for name, drawing in plots(plain_found):
        written.append(json_path.with_name(f"{json_path.stem}-{plain(name)}.svg"))
        written[-1].write_text(drawing, encoding="utf-8")
    return written


def plain(name: str) -> str:
    """A name as part of a file's."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
