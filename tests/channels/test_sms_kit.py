"""What providers of SMS over HTTP share."""

from __future__ import annotations

import pytest

from angarium.channels import sms_kit
from angarium.core.clock import MICROS
from angarium.core.problems import FieldProblem
from angarium.core.values import Measure


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2019-11-09T16:00:00.000+0100", 1_573_311_600 * MICROS),
        ("2019-11-09T15:00:00Z", 1_573_311_600 * MICROS),
        ("2019-11-09T16:00:00", None),  # no zone: nobody knows when
        ("soon", None),
    ],
)
def test_instants(text: str, at: int | None) -> None:
    assert sms_kit.moment(text) == at


@pytest.mark.parametrize(
    ("text", "parts", "found"),
    [
        ("Hello", 1, []),
        ("", 0, [FieldProblem("text", "is empty", "write a text")]),
        ("Hello", 11, [FieldProblem("text", "11 parts, at most 10", "shorten it", "Hello")]),
        ("Hello", 10, []),
    ],
)
def test_parts(text: str, parts: int, found: list[FieldProblem]) -> None:
    assert sms_kit.beyond_parts(text, Measure(parts, 5, "GSM_7BIT", 155), 10) == found
