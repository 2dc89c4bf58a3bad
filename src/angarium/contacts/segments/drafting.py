"""Rules as somebody builds them in a form: a tree of nodes, what stands in each, and the rules it means.

A node is known by its path, `r` for the root and `r.1.0` for the first under the second; what stands in it is
sent under `path:name`. Rules that are half written are as good as any here: what is wrong with them is said
by `check.py`, whose places `meant` leads back to paths.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from angarium.contacts.activity import Event
from angarium.contacts.fields import FieldDefinition, FieldKind
from angarium.contacts.segments.rules import (
    DEPTH_MAX,
    OPERATORS,
    PROPERTIES,
    RULES_MAX,
    Operator,
    Property,
    Rule,
)
from angarium.core.values import AddressKind, MessageClass

ROOT = "r"
NAMED = re.compile(r"(r(?:\.[0-9]{1,3}){0,8}):([a-z_]{1,20})")
BRANCHES = ("all", "any", "none")
LEAVES = ("field", "property", "tag", "address", "opted_in", "opted_out", "history", "segment")
BETWEEN = re.compile(r"[,،，;\n]")
WHOLE = re.compile(r"[0-9]{1,7}")
YES_NO = {"yes": True, "no": False}


class Node(msgspec.Struct, kw_only=True):
    """A branch with the nodes in it, or a leaf with what stands in its fields."""

    path: str
    kind: str
    says: dict[str, str] = {}
    nodes: list[Node] = []
    place: str = ""  # of its rule
    shown: str = ""  # the place under which problems of the whole node are told

    @property
    def depth(self) -> int:
        """How many branches it lies in."""
        return self.path.count(".")


# ── from a form ──────────────────────────────────────────────────────────────────────────────────────


def read(form: Mapping[str, str]) -> Node:
    """The tree that a form holds; what is no part of one is left out."""
    said: dict[str, dict[str, str]] = {}
    for name, text in form.items():
        found = NAMED.fullmatch(name)
        if found is not None and (found[1] in said or len(said) < RULES_MAX + 1):
            said.setdefault(found[1], {})[found[2]] = text
    root = Node(path=ROOT, kind=_branch(said.get(ROOT, {}).get("kind", "")))
    there = {ROOT: root}
    for path in sorted(said.keys() - {ROOT}, key=_order):
        over = there.get(path.rpartition(".")[0])
        if over is None or over.kind not in BRANCHES:
            continue
        kind = said[path].get("kind", "")
        node = Node(path=path, kind=kind if kind in (*BRANCHES, *LEAVES) else "property", says=said[path])
        there[path] = node
        over.nodes.append(node)
    return _numbered(root)


def _branch(kind: str) -> str:
    return kind if kind in BRANCHES else "all"


def _order(path: str) -> tuple[int, list[int]]:
    steps = [int(step) for step in path.split(".")[1:]]
    return len(steps), steps


def _numbered(node: Node, path: str = ROOT) -> Node:
    """The same tree with the paths that it has now."""
    node.path = path
    for number, one in enumerate(node.nodes):
        _numbered(one, f"{path}.{number}")
    return node


def done(root: Node, command: str) -> Node:
    """The tree after a button of the form: `add:r.1`, `group:r`, `drop:r.1.0`. Any other does nothing."""
    deed, _, path = command.partition(":")
    node = find(_numbered(root), path)
    if node is None:
        return root
    if deed == "drop":
        over = find(root, path.rpartition(".")[0])
        if over is not None:
            over.nodes.remove(node)
    elif node.kind in BRANCHES and sum(1 for _ in walk(root)) < RULES_MAX:
        if deed == "add":
            node.nodes.append(fresh())
        elif deed == "group" and node.depth + 2 < DEPTH_MAX:
            node.nodes.append(Node(path="", kind="any" if node.kind == "all" else "all", nodes=[fresh()]))
    return _numbered(root)


def fresh() -> Node:
    """A new leaf: something that every contact has."""
    return Node(path="", kind="property", says={"property": Property.COUNTRY.value, "is": Operator.IS.value})


def find(root: Node, path: str) -> Node | None:
    """The node of a path."""
    return next((one for one in walk(root) if one.path == path), None)


def walk(node: Node) -> list[Node]:
    """A node and all that lie in it."""
    return [node, *(inner for one in node.nodes for inner in walk(one))]


# ── from rules ───────────────────────────────────────────────────────────────────────────────────────


def tree_of(rules: Rule) -> Node:
    """The tree of rules that are there; around one leaf a branch is put."""
    node = _node_of(rules)
    root = node if node.kind in BRANCHES else Node(path=ROOT, kind="all", nodes=[node])
    return _numbered(root)


def _node_of(rule: Rule) -> Node:
    if rule.not_ is not None:
        inner = rule.not_
        nodes = [_node_of(one) for one in inner.any] if inner.any is not None else [_node_of(inner)]
        return Node(path="", kind="none", nodes=nodes)
    if rule.all is not None or rule.any is not None:
        kind = "all" if rule.all is not None else "any"
        return Node(path="", kind=kind, nodes=[_node_of(one) for one in getattr(rule, kind) or ()])
    kind = next(name for name in LEAVES if getattr(rule, name) is not None)
    return Node(path="", kind=kind, says=_says(kind, rule))


def _says(kind: str, rule: Rule) -> dict[str, str]:
    subject = str(getattr(rule, kind))
    if kind in ("field", "property"):
        return {kind: subject, **_compared(rule)}
    if kind == "address":
        flags = {name: _yes_no(getattr(rule, name)) for name in ("verified", "blacklisted")}
        return {kind: subject, **flags, "starts_with": ", ".join(rule.starts_with)}
    if kind == "history":
        return {
            kind: subject,
            "never": "yes" if rule.never else "",
            "times": str(rule.times),
            "days": "" if rule.days is None else str(rule.days),
            "class": rule.message_class or "",
            "channel": rule.channel,
            "label": rule.label,
            "template": rule.template,
        }
    return {kind: subject, "channel": rule.channel}


def _yes_no(flag: bool | None) -> str:
    return "" if flag is None else "yes" if flag else "no"


def _compared(rule: Rule) -> dict[str, str]:
    assert rule.is_ is not None
    says = {"is": rule.is_.value, "zone": rule.zone}
    takes = OPERATORS[rule.is_].takes
    if takes == "pair" and isinstance(rule.value, list):
        one, other = (_text(each) for each in [*rule.value, "", ""][:2])
        return {**says, "value": one, "value_to": other}
    if takes == "list" and isinstance(rule.value, list):
        return {**says, "value": ", ".join(map(_text, rule.value))}
    return {**says, "value": "" if rule.value is None else _text(rule.value)}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        amount = value.get("amount", value.get("micros", 0) / 1_000_000 if "micros" in value else "")
        return f"{amount} {value.get('currency', '')}".strip()
    return str(value)


# ── to rules ─────────────────────────────────────────────────────────────────────────────────────────


def meant(
    root: Node, defined: Mapping[str, FieldDefinition], templates: Mapping[str, str] = MappingProxyType({})
) -> Rule:
    """The rules that a tree means; each node is told the place of its rule. `templates`: their names by their
    ids, for people name them."""
    ids_of = {name.casefold(): shown_id for shown_id, name in templates.items()}
    for node in walk(root):
        named = node.says.get("template", "").strip()
        if named:
            node.says["template"] = ids_of.get(named.casefold(), named)
    return _rule(root, "rules", defined)


def _rule(node: Node, place: str, defined: Mapping[str, FieldDefinition]) -> Rule:
    node.place = place
    if node.kind == "none":
        inner = tuple(_rule(one, f"{place}.not.any[{at}]", defined) for at, one in enumerate(node.nodes))
        return Rule(not_=Rule(any=inner))
    if node.kind in BRANCHES:
        rules = tuple(_rule(one, f"{place}.{node.kind}[{at}]", defined) for at, one in enumerate(node.nodes))
        return Rule(all=rules) if node.kind == "all" else Rule(any=rules)
    return _leaf(node, defined)


def _leaf(node: Node, defined: Mapping[str, FieldDefinition]) -> Rule:
    says = {name: text.strip() for name, text in node.says.items()}
    match node.kind:
        case "field":
            return Rule(field=says.get("field", ""), **_comparison(says, kind_of(node, defined)))
        case "property":
            name = says.get("property", "")
            known = Property(name) if name in set(Property) else Property.NAME
            return Rule(property=known, **_comparison(says, PROPERTIES[known]))
        case "address":
            kind = says.get("address", "")
            return Rule(
                address=AddressKind(kind) if kind in set(AddressKind) else AddressKind.PHONE,
                verified=YES_NO.get(says.get("verified", "")),
                blacklisted=YES_NO.get(says.get("blacklisted", "")),
                starts_with=tuple(_several(says.get("starts_with", ""))),
            )
        case "history":
            return _history(says)
        case "opted_in":
            return Rule(opted_in=says.get("opted_in", ""), channel=says.get("channel", ""))
        case "opted_out":
            return Rule(opted_out=says.get("opted_out", ""), channel=says.get("channel", ""))
        case "segment":
            return Rule(segment=says.get("segment", ""))
        case _:
            return Rule(tag=says.get("tag", ""))


def kind_of(node: Node, defined: Mapping[str, FieldDefinition]) -> FieldKind | None:
    """The kind of what a node compares; None for a field that is not defined."""
    if node.kind == "property":
        name = node.says.get("property", "")
        return PROPERTIES[Property(name)] if name in set(Property) else FieldKind.TEXT
    name = node.says.get("field", "").strip()
    return defined[name].kind if name in defined else None


def operators_of(kind: FieldKind | None) -> list[Operator]:
    """The operators that go with a kind; of a field that is not defined all are asked."""
    return [one for one, meaning in OPERATORS.items() if kind is None or kind in meaning.kinds]


def _comparison(says: Mapping[str, str], kind: FieldKind | None) -> dict[str, Any]:
    fitting, named = operators_of(kind), says.get("is", "")
    operator = Operator(named) if named in fitting else fitting[0]
    return {"is_": operator, "value": _value(says, operator, kind), "zone": says.get("zone", "")}


def _value(says: Mapping[str, str], operator: Operator, kind: FieldKind | None) -> Any:
    text = says.get("value", "")
    match OPERATORS[operator].takes:
        case "nothing":
            return None
        case "days":
            return int(text) if WHOLE.fullmatch(text) else text
        case "list":
            return [_single(one, kind) for one in _several(text)]
        case "pair":
            return [_single(text, kind), _single(says.get("value_to", ""), kind)]
        case _:
            return _single(text, kind)


def _single(text: str, kind: FieldKind | None) -> str:
    """One value as rules take it; a time of a browser's field has no zone, and is in UTC."""
    return f"{text}Z" if kind is FieldKind.DATE_TIME and len(text) == len("2026-11-23T08:30") else text


def _several(text: str) -> list[str]:
    return [one.strip() for one in BETWEEN.split(text) if one.strip()]


def _history(says: Mapping[str, str]) -> Rule:
    event, of_class = says.get("history", ""), says.get("class", "")
    times, days = says.get("times", ""), says.get("days", "")
    never = says.get("never", "") == "yes"
    return Rule(
        history=Event(event) if event in set(Event) else Event.SENT,
        never=never,
        times=int(times) if WHOLE.fullmatch(times) and not never else 1,
        days=int(days) if WHOLE.fullmatch(days) else None,
        message_class=MessageClass(of_class) if of_class in set(MessageClass) else None,
        channel=says.get("channel", ""),
        label=says.get("label", ""),
        template=says.get("template", ""),
    )
