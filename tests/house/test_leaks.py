"""Nothing of the machine a file was written on is left in it: no path, no index, no mirror."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from house.tree import ROOT, none_of, short, texts

HOMES = re.compile(r"(?<![\w.])/(?:home/[a-z]\w*|Users/\w+|root)/")
INDEXES = re.compile(
    r"(?:--(?:extra-)?index-url|--find-links|index-url *=|registry *=)[ =]*\S*://|https?://[^/\s]+/simple\b|"
    r'"resolved":'
)
MIRROR = re.compile(r"https?://(?:[^/@\s]*@)?([\w-]+(?:\.[\w-]+)+)")
SETTINGS = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "NPM_CONFIG_REGISTRY",
)
SETTING_FILES = (".npmrc", ".pip/pip.conf", ".config/pip/pip.conf", ".config/uv/uv.toml")
PUBLIC = re.compile(r"(?:.*\.)?(?:pypi|npmjs)\.org")  # what everybody uses says nothing of anybody


def mirrors() -> set[str]:
    """The hosts this machine fetches packages from, as far as its own settings tell."""
    files = [Path.home() / name for name in SETTING_FILES] + [Path("/etc/pip.conf"), Path("/etc/uv/uv.toml")]
    settings = [os.environ.get(name, "") for name in SETTINGS]
    settings += [path.read_text(errors="replace") for path in files if path.is_file()]
    return {host for text in settings for host in MIRROR.findall(text) if not PUBLIC.fullmatch(host)}


def leaks(text: str, checkout: Path, hosts: set[str]) -> Iterator[str]:
    """What in a text would only be true on one machine."""
    yield from HOMES.findall(text)
    yield from INDEXES.findall(text)
    if len(checkout.parts) > 2 and f"{checkout}/" in text:
        yield f"{checkout}/"
    yield from (host for host in hosts if host in text)


def test_no_file_tells_where_it_was_written() -> None:
    hosts = mirrors()
    found = (
        f"{short(path)}: {leak}"
        for path, text in texts()
        if path != Path(__file__)
        for leak in leaks(text, ROOT, hosts)
    )
    none_of(found, "Take out what belongs to one machine:")


@pytest.mark.parametrize(
    ("text", "leaking"),
    [
        ("see /home/aziza/notes", True),
        ("see /root/.cache", True),
        ("cd /srv/checkout/src", True),
        ("pip install --index-url https://mirror.example/simple", True),
        ("https://mirror.example/simple/apsw/", True),
        ('"resolved": "x"', True),
        ("from packages.example with love", True),
        ("https://example.org/root/of/it", False),
        ("GET /v1/messages", False),
        ("a registry of templates", False),
    ],
)
def test_what_a_leak_is(text: str, leaking: bool) -> None:
    assert bool(list(leaks(text, Path("/srv/checkout"), {"packages.example"}))) is leaking
