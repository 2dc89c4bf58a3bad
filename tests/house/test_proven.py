"""Of every channel it is said who speaks with its simulated operator, and the test that shows it is there."""

from __future__ import annotations

import re

from angarium import channels
from house.tree import ROOT

ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| (?:`([^`|]+)`)? ?\|$", re.MULTILINE)
OTHERWISE = ("smpp", "smtp", "web_chat")  # their operators are no files among the faces


def test_every_operator_is_in_the_table_with_its_test() -> None:
    page = (ROOT / "docs/reference/simulators.md").read_text(encoding="utf-8")
    rows = ROW.findall(page.partition("## Proven by others")[2].partition("## Last digits")[0])
    assert [kind for kind, _, _ in rows] == sorted(channels.load())
    for kind, who, test in rows:
        assert test or who.startswith("nobody: "), f"{kind}: say which test, or why there is none"
        if test:
            says = (ROOT / test).read_text(encoding="utf-8")
            assert kind in says or kind in OTHERWISE, f"{test} says nothing of {kind}"
