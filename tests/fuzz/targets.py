"""Every parser that is fuzzed, by its name."""

from __future__ import annotations

from fuzz import bodies, callbacks, registrations, smpp, texts
from fuzz.harness import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (*smpp.TARGETS, *callbacks.TARGETS, *texts.TARGETS, *bodies.TARGETS, *registrations.TARGETS)
}
