"""All looks in one: the findings of a version, the gravest first."""

from __future__ import annotations

from angarium.content.lint import characters, classes, html, limits, links, locales, variables
from angarium.content.lint.findings import Finding, Level
from angarium.content.lint.subject import Subject

FINDINGS_MAX = 300
ORDER = {Level.ERROR: 0, Level.WARNING: 1, Level.NOTE: 2}


def look(subject: Subject) -> list[Finding]:
    """Everything found, the gravest first; of very many, the gravest."""
    found = [*variables.look(subject), *locales.look(subject)]
    for wording in subject.wordings:
        found += limits.look(subject, wording)
        found += characters.look(wording)
        found += links.look(subject, wording)
        found += html.look(wording)
        found += classes.look(subject, wording)
    return sorted(found, key=lambda one: ORDER[one.level])[:FINDINGS_MAX]


def errors(found: list[Finding]) -> list[Finding]:
    """Those that keep a version from being submitted."""
    return [one for one in found if one.level is Level.ERROR]
