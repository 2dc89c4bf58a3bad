"""docs/reliability.md names a test for every promise and every row of security, and each test is there."""

from __future__ import annotations

import re

import pytest

from house.tree import ROOT, none_of

PAGE = ROOT / "docs" / "reliability.md"
PROMISES = [f"P{number}" for number in range(1, 25)]
ENTRANCES = [f"S{number}" for number in (1, 2, 3, 9, 11, 12, 13, 19, 24, 25, 28, 31, 33, 36)]
LATER = {"P22"}  # said plainly to come with what they are about
ROW = re.compile(r"^\| (?P<name>[PS]\d+) \| (?P<rest>.*) \|$", re.MULTILINE)
TEST = re.compile(r"\[`(?P<test>test_\w+)`\]\((?P<path>[^)]+)\)")


def rows() -> dict[str, str]:
    """What the page says of each promise and row."""
    return {found["name"]: found["rest"] for found in ROW.finditer(PAGE.read_text(encoding="utf-8"))}


def test_each_has_its_row() -> None:
    none_of(set(PROMISES + ENTRANCES) ^ set(rows()), "Has no row in docs/reliability.md, or too many:")


@pytest.mark.parametrize("name", PROMISES + ENTRANCES)
def test_what_a_row_names_is_there(name: str) -> None:
    named = list(TEST.finditer(rows()[name]))
    assert named or name in LATER, "names no test"
    for found in named:
        source = (PAGE.parent / found["path"]).resolve().read_text(encoding="utf-8")
        assert re.search(rf"def {found['test']}\b", source), found.group()
