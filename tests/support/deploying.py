"""What `deploy/` holds, read: the container file, the Compose file, the chart as it was rendered."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm/angarium"
RENDERED = DEPLOY / "kubernetes/angarium.yaml"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
NATS_CONF = DEPLOY / "nats/nats.conf"

Document = dict[str, Any]


def chart_digest() -> str:
    """Of everything the chart is made of: what was rendered from it says from which."""
    files = sorted(path for path in CHART.rglob("*") if path.is_file())
    told = b"".join(f"{path.relative_to(CHART)}\0".encode() + path.read_bytes() + b"\0" for path in files)
    return hashlib.sha256(told).hexdigest()


def rendered() -> list[Document]:
    """The manifests of the chart with its own values."""
    return [one for one in yaml.safe_load_all(RENDERED.read_text()) if one]


def compose() -> Document:
    """The Compose file, its anchors resolved."""
    found: Document = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())
    return found


def instructions(path: Path) -> list[tuple[str, str]]:
    """A container file as its instructions and what they are given, lines put together."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [(word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in lines)]


def nats_environment() -> dict[str, str]:
    """What nats.conf wants to be told."""
    routes = {f"NATS_ROUTE_{number}": f"nats://route:y@nats-{number}:6222" for number in (1, 2, 3)}
    told = {"NATS_STORE_DIR": "/var/lib/nats", "NATS_PASSWORD": "x", "NATS_ROUTE_PASSWORD": "y"}
    return {"NATS_NAME": "nats-1", **told, **routes}


def variables(document: object) -> Iterator[str]:
    """Every name of a variable of ours that stands somewhere in a document."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            if isinstance(key, str) and key.startswith("ANGARIUM_"):
                yield key
            if key == "name" and isinstance(value, str) and value.startswith("ANGARIUM_"):
                yield value
            yield from variables(value)
    elif isinstance(document, list):
        for item in document:
            yield from variables(item)
