"""What a newer version has kept is read by the version before it, as far as that is safe."""

from __future__ import annotations

import msgspec
import pytest

from angarium.core import kept


class Hours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When."""

    begins: int = 0


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of several."""

    channel: str
    window: Hours | None = None
    named: dict[str, Hours] = {}


def test_what_is_known_is_read() -> None:
    assert kept.read('[{"channel": "smpp"}]', tuple[Step, ...]) == (Step("smpp"),)


def test_what_is_not_known_is_passed_over_wherever_it_is() -> None:
    text = '[{"channel": "smpp", "new": 1}, {"channel": "viber", "other": {"a": [1]}, "new": null}]'
    assert kept.read(text, tuple[Step, ...]) == (Step("smpp"), Step("viber"))
    assert kept.read(b'{"channel": "smpp", "new": 1}', Step) == Step("smpp")


@pytest.mark.parametrize(
    "text",
    [
        '{"channel": "smpp", "window": {"begins": 1, "but_not_on": ["friday"]}}',  # more would go
        '{"channel": 7, "new": 1}',
        '{"new": 1}',
        '{"channel": "smpp", "named": {"a": {"new": 1}}}',  # its place cannot be told
        "[]",
    ],
)
def test_what_cannot_be_passed_over_is_an_error(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        kept.read(text, Step)


def test_it_does_not_go_on_for_ever() -> None:
    many = {f"new_{number}": 1 for number in range(kept.MOST + 1)}
    with pytest.raises(msgspec.ValidationError):
        kept.read(msgspec.json.encode({"channel": "smpp", **many}), Step)
