"""Policies as forms: what a form shows it sends, and all of it has words; the API's document as pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from angarium.assembly import HANDLERS
from angarium.core.problems import FieldProblem, Problem
from angarium.messaging.policies import KINDS
from angarium.settings import policy_forms, reference
from angarium.settings.policy_forms import Field
from angarium.web import figures
from angarium.web.app import put_together
from angarium.web.languages import LANGUAGES, Language, words_of

WORDS = words_of("settings", "en")
FULL: dict[str, dict[str, Any]] = {
    "approvals": {"rules": [{"classes": ["promotional"], "channels": ["smtp"], "approvals": 2}]},
    "sign-in": {"second_factor": "everybody", "passwords": False, "idle_minutes": 5},
    "budgets": {
        "zone": "Asia/Tehran",
        "budgets": [
            {"name": "all", "amount": "99.50", "currency": "EUR", "exempt": ["otp"]},
            {"name": "ads", "amount": "5", "currency": "EUR", "class": "promotional", "every": "day"},
        ],
    },
    "content-control": {"certain": "hold", "also": ["sale", "٪ تخفیف"]},
    "wording": {"default_locale": "fa", "domains": ["shop.example"]},
    "routing": {"by": "fixed", "of_class": {"otp": "healthiest"}, "order": ["a", "b"]},
    "links": {"track_clicks": ["promotional"], "keep_days": 30},
    "consent": {
        "rules": [{"classes": ["promotional"], "need": "opt_in", "countries": ["UA", "RU"]}],
        "stop": {"purposes": ["all"], "words": {"stop": ["لغو"]}, "stop_replies": {"fa": "باشد", "": "ok"}},
    },
    "quiet-hours": {
        "rules": [
            {"from": "21:00", "until": "08:00", "days": [6, 7], "holidays": ["03-21"], "action": "skip"}
        ]
    },
    "caps": {"rules": [{"most": 2, "window": 24, "unit": "hours", "over": "refuse"}]},
    "reachability": {"enabled": True, "silent_after": 3, "classes": ["service"]},
    "bad-addresses": {"number_days": 0, "id_days": 90},
    "retention": {"messages_days": 400, "callbacks_days": 30},
    "campaigns": {"approve": ["promotional"], "confirm_members": 0, "confirm_cost": {"EUR": 25_000_000}},
}


def leaves(fields: tuple[Field, ...]) -> Iterator[Field]:
    """All fields, those of groups and rows too."""
    for one in fields:
        yield one
        yield from leaves(one.parts)


def sent(fields: tuple[Field, ...]) -> dict[str, list[str]]:
    """What a browser sends of a form that nobody has touched."""
    found: dict[str, list[str]] = {}
    for one in leaves(fields):
        if one.kind == "check":
            found |= {one.path: ["on"]} if one.value else {}
        elif one.kind == "choices":
            found |= {one.path: list(one.value)} if one.value else {}
        elif not one.parts and one.kind not in ("group", "list", "map"):
            found[one.path] = ["" if one.value is None else str(one.value)]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_form_shows_is_what_it_sends(kind: str) -> None:
    assert kind in FULL, "write one with all kinds of its fields"
    for document in (KINDS[kind].type(), KINDS[kind].read(msgspec.json.encode(FULL[kind]))):
        told = policy_forms.read(KINDS[kind].type, sent(policy_forms.fields_of(document)))
        assert KINDS[kind].read(msgspec.json.encode(told)) == document


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_and_choice_has_words(kind: str) -> None:
    document = KINDS[kind].read(msgspec.json.encode(FULL[kind]))
    missing = set()
    for one in leaves(policy_forms.fields_of(document)):
        named = {
            f"policy_field.{one.name}",
            f"policy_field.{one.inside}_{one.name}",
            f"policy_choice.{one.name}",
        }
        missing |= {one.path} if not named & WORDS.keys() else set()
        if one.name != "days":
            missing |= {word for word in one.options if f"policy_choice.{word}" not in WORDS}
    assert missing == set()
    assert {f"policy.{kind.replace('-', '_')}", f"policy_about.{kind.replace('-', '_')}"} <= WORDS.keys()


def test_rows_come_and_go_and_nothing_typed_is_lost() -> None:
    kind = KINDS["quiet-hours"].type
    told = policy_forms.read(kind, {"rules.4.from": ["21:00"], "rules.7.from": ["nonsense"]})
    grown = policy_forms.resized(kind, told, "rules", "")
    assert [one.value for one in leaves(grown) if one.name == "from"] == ["21:00", "nonsense", ""]
    (classes,) = [one.value for one in leaves(grown) if one.path == "rules.2.classes"]
    assert classes == ["promotional"]  # what goes without saying
    shrunk = policy_forms.resized(kind, told, "", "rules.0")
    assert [one.value for one in leaves(shrunk) if one.name == "from"] == ["nonsense", ""]
    for strange in ("", "nothing", "rules.99", "rules.x", "a.b.c"):
        policy_forms.resized(kind, told, strange, strange)


@pytest.mark.parametrize(
    ("typed", "decimals", "kept"),
    [
        ("99.50", ".", "99.50"),
        ("۱٬۵۰۰٫۲۵", ".", "1500.25"),
        ("۱۵۰۰", ".", "1500"),
        ("٢٥٠", ".", "250"),
        ("1,500", ".", "1500"),
        ("1 500,25", ",", "1500.25"),
        ("1\u00a0500\u202f000", ",", "1500000"),
        ("12,125", ",", "12.125"),
        ("99.50", ",", "99.50"),  # the dot of a keyboard, in a language of commas
        ("99,50", ".", "99.50"),
        (" 7 ", ".", "7"),
        ("0", ".", "0"),
        ("free", ".", "free"),
        ("1,50,0", ".", "1,50,0"),
        ("--", ".", "--"),
    ],
)
def test_money_is_read_as_people_write_it(typed: str, decimals: str, kept: str) -> None:
    sent = {"budgets.0.amount": [typed], "decimals": [decimals], "confirm_cost.0.key": ["IRR"]}
    (budget,) = policy_forms.read(KINDS["budgets"].type, sent)["budgets"]
    assert budget["amount"] == kept
    told = policy_forms.read(KINDS["campaigns"].type, {**sent, "confirm_cost.0.value": [typed]})
    is_money = kept.replace(".", "").isdigit()
    assert told["confirm_cost"] == {"IRR": int(float(kept) * 1_000_000) if is_money else kept}


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=lambda one: one.code)
@pytest.mark.parametrize("amount", ["0", "7", "99.50", "1500", "1500.125", "12.125", "999999999.123456"])
def test_money_is_shown_as_it_is_read(language: Language, amount: str) -> None:
    shown = figures.as_typed(language, amount)
    sent = {"budgets.0.amount": [shown], "decimals": [figures.decimal_sign(language)]}
    (budget,) = policy_forms.read(KINDS["budgets"].type, sent)["budgets"]
    assert budget["amount"] == amount
    assert language.code != "fa" or not set(shown) & set("0123456789")


def test_money_that_is_none_stands_at_its_field_and_stays_as_it_was_typed() -> None:
    kind = KINDS["campaigns"]
    sent = {"confirm_cost.0.key": ["IRR"], "confirm_cost.0.value": ["free"]}
    told = policy_forms.read(kind.type, sent)
    with pytest.raises(Problem) as caught:
        kind.read(msgspec.json.encode(told))
    fields = policy_forms.resized(kind.type, told, "", "")
    assert list(policy_forms.placed(caught.value.fields, fields)) == ["confirm_cost.0.value"]
    (said,) = policy_forms.plainly(caught.value.fields, fields)
    assert said.problem == "is no amount of money"
    (money,) = [one for one in leaves(fields) if one.kind == "money"]
    assert (money.value, money.currency) == ("free", "IRR")
    assert figures.as_typed(LANGUAGES["fa"], money.value) == "free"


def test_a_new_row_has_the_currency_that_lines_have() -> None:
    kind = KINDS["budgets"].type
    told = policy_forms.read(kind, {"budgets.0.currency": ["USD"]})
    grown = policy_forms.suggesting(policy_forms.resized(kind, told, "budgets", ""), {"currency": "IRR"})
    assert [one.value for one in leaves(grown) if one.name == "currency"] == ["USD", "IRR"]


def test_what_is_wrong_stands_at_its_field() -> None:
    kind = KINDS["quiet-hours"]
    typed = {"rules.0.from": ["21:00"], "rules.0.until": ["25:00"], "rules.0.days": ["1"]}
    told = policy_forms.read(kind.type, typed | {"rules.0.classes": ["service"]})
    with pytest.raises(Problem) as caught:
        kind.read(msgspec.json.encode(told))
    fields = policy_forms.resized(kind.type, told, "", "")
    placed = policy_forms.placed(caught.value.fields, fields)
    assert list(placed) == ["rules.0.until"]
    assert policy_forms.placed([FieldProblem("rules[0].from", "is x", "y", "z")], fields) == {
        "rules.0.from": "is x: y"
    }


def test_the_document_of_the_api_as_pages() -> None:
    _, _, document = put_together(tuple(HANDLERS))
    found = reference.groups(document, "https://angarium.example")
    operations = [one for group in found for one in group.operations]
    assert len(operations) == sum(
        len(one) for path, one in document["paths"].items() if path.startswith("/v1/")
    )
    (made,) = [one for one in operations if one.id == "post_keys"]
    assert "curl -X POST 'https://angarium.example/v1/keys'" in made.curl
    assert {one.name for one in made.fields if one.required} == {"name", "scopes"}
    for one in operations:
        compile(one.python, one.id, "exec")
    fitting = reference.fitting(found, "ROTATE key")
    assert [one.path for group in fitting for one in group.operations] == ["/v1/keys/{api_key_id}/rotate"]
