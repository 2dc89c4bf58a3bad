"""Where the code is in a message, for channels that send the code alone."""

from __future__ import annotations

import re
from functools import cache

from angarium.core.problems import FieldProblem, shown
from angarium.core.values import Content


def code_of(content: Content, least: int, most: int) -> str:
    """The value named `code`, else the only run of so many digits (0-9) in the text; "" for none."""
    run = _run(least, most)
    if "code" in content.params:
        given = content.params["code"]
        return given if run.fullmatch(given) else ""
    found = run.findall(content.text)
    return found[0] if len(found) == 1 else ""


def missing(content: Content, least: int, most: int) -> list[FieldProblem]:
    """What is wrong with a message that has no code, or two."""
    if code_of(content, least, most):
        return []
    named = "code" in content.params
    field, value = ("params.code", content.params["code"]) if named else ("text", content.text)
    remedy = f"one run of {least} to {most} digits, or the value named code"
    return [FieldProblem(field, "has no code that is certain", remedy, shown(value))]


@cache  # there are as many as there are such channels
def _run(least: int, most: int) -> re.Pattern[str]:
    return re.compile(rf"(?<![0-9])[0-9]{{{least},{most}}}(?![0-9])")
