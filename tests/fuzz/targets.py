"""Every parser that is fuzzed, by its name."""

from __future__ import annotations

from fuzz import bodies, callbacks, registrations, smpp, tables, texts
from fuzz.harness import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for family in (bodies, callbacks, registrations, smpp, tables, texts)
    for target in family.TARGETS
}
