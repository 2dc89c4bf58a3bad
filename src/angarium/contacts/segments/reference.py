"""The reference page of rules, printed from the tables that decide: operators, subjects, bounds.

`python -c 'from angarium.contacts.segments.reference import reference; print(reference())'`
"""

from __future__ import annotations

from angarium.contacts.activity import Event
from angarium.contacts.segments.rules import (
    BESIDE,
    DAYS_MAX,
    DEPTH_MAX,
    LIST_MAX,
    OPERATORS,
    PROPERTIES,
    RULES_MAX,
    TEXT_MAX,
    TIMES_WITHIN_MAX,
    WRITTEN,
)

ABOUT = {
    "field": "a field of the contact, by its name",
    "property": "what every contact has",
    "tag": "a tag; the case of letters does not matter",
    "address": "an address of a kind, such as phone or email; all that stands beside it is of one address",
    "opted_out": "what was said last of this class, or of all, is no",
    "opted_in": "is yes",
    "history": "what has happened to messages, or come back",
    "segment": "another segment, by its id",
}
SAID = {
    "is": "the operator",
    "value": "what it is compared with",
    "zone": "whose today it is for the operators of days; else the contact's own",
    "verified": "true or false",
    "blacklisted": "true or false: on the operator's advertising blacklist",
    "starts_with": "beginnings, one of which it must have",
    "class": "otp, transactional, service or promotional",
    "channel": "such as smpp",
    "label": "of the message",
    "template": "the id of a template",
    "times": f"at least; with days at most {TIMES_WITHIN_MAX}",
    "days": f"within so many times 24 hours, up to {DAYS_MAX}",
    "never": "true: it has not happened",
}
EVENTS = {
    Event.SENT: "a provider took it",
    Event.DELIVERED: "it arrived",
    Event.READ: "it was read; of mail whose openings are counted, a person opened it",
    Event.CLICKED: "a person followed a link in it, where links are counted",
    Event.REPLIED: "the contact wrote back",
}


Rows = list[tuple[str, ...]]


def reference() -> str:
    """Three tables and the bounds, as Markdown."""
    subjects: Rows = [("subject", "asks for", "beside it")]
    for name, beside in BESIDE.items():
        subjects.append((f"`{name}`", ABOUT[name], ", ".join(f"`{WRITTEN.get(one, one)}`" for one in beside)))
    names: Rows = [("name", "is"), *((f"`{name}`", said) for name, said in SAID.items())]
    operators: Rows = [("operator", "of", "value", "holds when it")]
    for operator, meaning in OPERATORS.items():
        kinds = ", ".join(dict.fromkeys(kind.value for kind in meaning.kinds))
        operators.append((f"`{operator}`", kinds, meaning.takes, meaning.says))
    events: Rows = [("event", "is"), *((f"`{event}`", said) for event, said in EVENTS.items())]
    held = ((f"`{name}`", kind.value) for name, kind in PROPERTIES.items())
    properties: Rows = [("property", "kind"), *held]
    bounds = (
        f"At most {RULES_MAX} rules with their branches, {DEPTH_MAX} deep; {LIST_MAX} values in a list, "
        f"{TEXT_MAX} characters in a text, {DAYS_MAX} days."
    )
    tables: dict[str, Rows] = {
        "Subjects": subjects,
        "What stands beside them": names,
        "Operators": operators,
        "Events": events,
        "Properties": properties,
    }
    parts = [f"## {title}\n\n{_table(rows)}" for title, rows in tables.items()]
    return "\n\n".join([*parts, f"## Bounds\n\n{bounds}"])


def _table(rows: Rows) -> str:
    head, *rest = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *rest])
