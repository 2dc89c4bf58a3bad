"""Variables and samples: a text that nobody has seen with values is a text that nobody has seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from angarium.content.lint.findings import KINDS, Finding
from angarium.content.lint.subject import UNSUBSCRIBE_URL, Subject, Wording

# What a template sees of every contact (messaging/way.py: contact_values).
OF_CONTACTS = frozenset({"name", "external_id", "locale", "tags"})
CONTACT = "contact"


def look(subject: Subject) -> Iterator[Finding]:
    """Everything about variables and samples."""
    seen = frozenset().union(*(names_in(sample.values) for sample in subject.samples))
    if subject.around.unsubscribe_url:
        seen |= {UNSUBSCRIBE_URL}
    for wording in subject.wordings:
        yield from _without_sample(wording, seen)
        yield from _unknown(wording, subject.around.fields)
        yield from _only_here(wording, subject)
        yield from _not_rendered(wording)
    yield from _unused(subject)


def names_in(values: Mapping[str, object], prefix: str = "") -> frozenset[str]:
    """The names that a set of values has, as dotted paths, also those on the way."""
    found = set()
    for name, value in values.items():
        found.add(prefix + name)
        if isinstance(value, Mapping):
            found |= names_in(value, f"{prefix}{name}.")
    return frozenset(found)


def _without_sample(wording: Wording, seen: frozenset[str]) -> Iterator[Finding]:
    for name in sorted(wording.variables - seen):
        yield wording.finding(
            "variable-without-sample",
            f"no sample has a value for {name}",
            "add a sample with a value for it",
            value=name,
        )


def _unknown(wording: Wording, defined: frozenset[str] | None) -> Iterator[Finding]:
    if defined is None:
        return
    known = sorted(defined | OF_CONTACTS)
    for name in sorted(wording.variables):
        head, _, rest = name.partition(".")
        field = rest.partition(".")[0]
        if head == CONTACT and field and field not in known:
            near = get_close_matches(field, known, 1)
            remedy = f"did you mean contact.{near[0]}?" if near else "define the field, or mend the name"
            yield wording.finding("variable-unknown", f"contacts have no field {field}", remedy, value=name)


def _only_here(wording: Wording, subject: Subject) -> Iterator[Finding]:
    """A variable of one wording alone, where there are three at least: else nobody can say which is wrong."""
    others = [other for other in subject.wordings if other is not wording]
    if len(others) < 2:
        return
    for name in sorted(wording.variables - frozenset().union(*(other.variables for other in others))):
        if name != UNSUBSCRIBE_URL:
            yield wording.finding(
                "variable-only-here",
                f"no other wording uses {name}",
                "see whether the name is misspelt, or missing from the others",
                value=name,
            )


def _not_rendered(wording: Wording) -> Iterator[Finding]:
    for one in wording.rendered:
        name = one.sample.name
        if one.trouble is not None:
            for problem in one.trouble.problems:
                if not _told_already(problem.value, wording):
                    yield wording.finding(
                        "sample-does-not-render",
                        f"with the sample {name}: {problem.problem}",
                        problem.remedy,
                        field=problem.field,
                        value=problem.value,
                    )
        elif one.content is not None and wording.variant.content.text and not one.content.text.strip():
            yield wording.finding(
                "sample-empties-variant",
                f"with the sample {name} nothing is left of the text",
                "say something for this case too, or leave the wording out",
                field="text",
            )


def _told_already(name: str, wording: Wording) -> bool:
    """Whether it is only that this sample lacks what another has: the parts of a set may be apart."""
    return name in wording.variables


def _unused(subject: Subject) -> Iterator[Finding]:
    used = frozenset().union(*(wording.variables for wording in subject.wordings))
    for sample in subject.samples:
        for name in sorted(sample.values):
            if not any(one == name or one.startswith(f"{name}.") for one in used):
                yield Finding(
                    "sample-unused",
                    KINDS["sample-unused"].level,
                    f"the sample {sample.name} has a value for {name}, which no wording uses",
                    "take it out, or see whether a wording should have used it",
                    value=name,
                )
