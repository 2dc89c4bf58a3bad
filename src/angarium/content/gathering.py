"""Findings as pages show them: what many channels and languages have alike is told once, with where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from angarium.content.lint.findings import Finding


@dataclass
class Gathered:
    """One thing an author should know; `places` when it was found in several."""

    first: Finding
    places: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # locale, remedy -> channels

    def add(self, one: Finding) -> None:
        """Another place of the same."""
        channels = self.places.setdefault((one.locale, one.remedy), [])
        if one.channel not in channels:
            channels.append(one.channel)

    @property
    def several(self) -> bool:
        """Whether it was found in more than one place."""
        return sum(map(len, self.places.values())) > 1


def gather(findings: Iterable[Finding]) -> list[Gathered]:
    """In the order in which each was found first; what is of one wording stands for itself."""
    told: dict[tuple[str, ...], Gathered] = {}
    for one in findings:
        alone = one.variant is not None or not one.channel
        group = (one.kind, one.problem) if alone else (one.kind,)
        held = told.setdefault(group, Gathered(one))
        if not alone:
            held.add(one)
    return list(told.values())
