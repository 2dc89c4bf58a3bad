"""Rules as a form holds them: from rules to a tree and back, what its buttons do, what it is sent."""

from __future__ import annotations

import msgspec
import pytest

from angarium.contacts.activity import Event
from angarium.contacts.fields import FieldDefinition, FieldKind
from angarium.contacts.segments.check import check
from angarium.contacts.segments.drafting import Node, done, fresh, meant, read, tree_of, walk
from angarium.contacts.segments.rules import Rule

DEFINED = {
    "level": FieldDefinition("level", FieldKind.CHOICE, choices=("gold", "silver")),
    "bonus": FieldDefinition("bonus", FieldKind.MONEY),
    "seen": FieldDefinition("seen", FieldKind.DATE_TIME),
}

SAME = [
    '{"all":[{"tag":"vip"},{"address":"phone","verified":true,"starts_with":["+380","+98"]}]}',
    '{"any":[{"opted_in":"promotional","channel":"smpp"},{"not":{"any":[{"opted_out":"all"}]}}]}',
    '{"all":[{"history":"read","days":90,"times":3,"class":"service","channel":"smpp","label":"x"}]}',
    '{"all":[{"history":"sent","never":true,"days":7}]}',
    '{"all":[{"field":"level","is":"is_one_of","value":["gold","silver"]}]}',
    '{"all":[{"field":"bonus","is":"between","value":["10 EUR","20 EUR"]},{"field":"bonus","is":"is_set"}]}',
    '{"all":[{"property":"created_at","is":"in_last_days","value":30}]}',
    '{"all":[{"any":[{"tag":"a"},{"all":[{"tag":"b"},{"property":"country","is":"is","value":"UA"}]}]}]}',
    '{"all":[{"segment":"seg_05a58xarj0000"}]}',
]
ALIKE = [  # what a form says otherwise, but means the same
    ('{"tag":"vip"}', '{"all":[{"tag":"vip"}]}'),
    ('{"all":[{"not":{"tag":"vip"}}]}', '{"all":[{"not":{"any":[{"tag":"vip"}]}}]}'),
    ('{"not":{"any":[{"tag":"a"},{"tag":"b"}]}}', '{"not":{"any":[{"tag":"a"},{"tag":"b"}]}}'),
    (
        '{"all":[{"field":"bonus","is":"at_least","value":{"amount":"5","currency":"EUR"}}]}',
        '{"all":[{"field":"bonus","is":"at_least","value":"5 EUR"}]}',
    ),
]


def sent(root: Node) -> dict[str, str]:
    """The form of a tree, as a browser sends it."""
    form = {}
    for node in walk(root):
        form[f"{node.path}:kind"] = node.kind
        form |= {f"{node.path}:{name}": text for name, text in node.says.items()}
    return form


@pytest.mark.parametrize(("rules", "again"), [*((one, one) for one in SAME), *ALIKE])
def test_rules_come_back_from_the_form(rules: str, again: str) -> None:
    given, wanted = (msgspec.json.decode(one, type=Rule) for one in (rules, again))
    assert meant(read(sent(tree_of(given))), DEFINED) == wanted
    assert check(wanted, DEFINED, {"seg_05a58xarj0000"}) == ()


def test_a_template_is_named_and_its_id_is_meant() -> None:
    named = {"tpl_05a58xarj0000": "order-shipped"}
    root = tree_of(Rule(history=Event.SENT))
    for typed, kept in (
        (" Order-Shipped ", "tpl_05a58xarj0000"),
        ("tpl_05a58xarj0000", "tpl_05a58xarj0000"),
        ("order", "order"),
        ("", ""),
    ):
        form = {**sent(root), "r.0:template": typed}
        (rule,) = meant(read(form), DEFINED, named).all or ()
        assert rule.template == kept
    assert [one.field for one in check(Rule(history=Event.SENT, template="order"), DEFINED)] == [
        "rules.template"
    ]


def test_each_node_knows_the_place_of_its_rule() -> None:
    root = tree_of(msgspec.json.decode(ALIKE[1][0], type=Rule))
    meant(root, DEFINED)
    assert [(node.path, node.place) for node in walk(root)] == [
        ("r", "rules"),
        ("r.0", "rules.all[0]"),
        ("r.0.0", "rules.all[0].not.any[0]"),
    ]


BUTTONS = [
    ("add:r", ["r", "r.0", "r.1"]),
    ("group:r", ["r", "r.0", "r.1", "r.1.0"]),
    ("drop:r.0", ["r"]),
    ("drop:r", ["r", "r.0"]),
    ("add:r.0", ["r", "r.0"]),  # a leaf holds nothing
    ("add:r.7", ["r", "r.0"]),
    ("burn:r", ["r", "r.0"]),
    ("", ["r", "r.0"]),
]


@pytest.mark.parametrize(("command", "paths"), BUTTONS)
def test_what_a_button_does(command: str, paths: list[str]) -> None:
    root = done(Node(path="r", kind="all", nodes=[fresh()]), command)
    assert [node.path for node in walk(root)] == paths


def test_what_is_dropped_leaves_no_gap() -> None:
    root = tree_of(Rule(all=tuple(Rule(tag=word) for word in "abc")))
    assert [node.says.get("tag") for node in walk(done(root, "drop:r.1"))] == [None, "a", "c"]
    assert [node.path for node in walk(root)] == ["r", "r.0", "r.1"]


def test_a_forged_form_is_no_larger_than_rules_may_be() -> None:
    form = {f"r.{number}:kind": "tag" for number in range(900)} | {"r.0.0.0.0.0.0.0.0.0.0:kind": "tag"}
    assert len(walk(read({"r:kind": "all", **form}))) <= 52
    assert [node.kind for node in walk(read({"r:kind": "boom", "r.0:kind": "boom", "x": "y"}))] == [
        "all",
        "property",
    ]


@pytest.mark.parametrize(
    ("says", "value"),
    [
        ({"field": "seen", "is": "after", "value": "2026-11-23T08:30"}, "2026-11-23T08:30Z"),
        ({"field": "level", "is": "is_one_of", "value": "gold، silver;;"}, ["gold", "silver"]),
        ({"field": "seen", "is": "in_last_days", "value": "x"}, "x"),  # told by `check`, at its place
        (
            {"field": "level", "is": "at_least", "value": "gold"},
            "gold",
        ),  # of another kind: the first that fits
    ],
)
def test_what_a_value_means(says: dict[str, str], value: object) -> None:
    root = Node(path="r", kind="all", nodes=[Node(path="r.0", kind="field", says=says)])
    (leaf,) = meant(root, DEFINED).all or ()
    assert leaf.value == value
