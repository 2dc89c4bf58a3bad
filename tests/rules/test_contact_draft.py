"""A contact in a form: what stands there of one that is there, and what a form that is sent means."""

from __future__ import annotations

import msgspec
import pytest

from angarium.contacts.draft import Draft, draft_from, draft_of, meant, tags_in
from angarium.contacts.fields import FieldDefinition, FieldKind, clean_all
from angarium.contacts.rules import AddressInput
from angarium.contacts.store import Contact
from angarium.core.values import Address, AddressKind

DEFINED = {
    "bonus": FieldDefinition("bonus", FieldKind.MONEY),
    "seen": FieldDefinition("seen", FieldKind.DATE_TIME),
    "vip": FieldDefinition("vip", FieldKind.YES_NO),
    "visits": FieldDefinition("visits", FieldKind.NUMBER),
}
FIELDS = {
    "bonus": {"micros": 12_500_000, "currency": "EUR"},
    "seen": "2026-11-23T08:30:00.000Z",
    "vip": False,
    "visits": 12,
    "city": "Київ",
    "raw": [1, {"a": 2}],
}
PHONE = Address(
    AddressKind.PHONE, "+380441234567", operator_blacklist=True, verified_at=5, verified_how="code"
)
OLENA = Contact(
    id=1,
    external_id="c-1",
    name="Олена",
    locale="uk",
    time_zone="Europe/Kyiv",
    fields=FIELDS,
    tags=("vip", "new"),
    opted_out=frozenset(),
    created_at=1,
    updated_at=1,
    addresses=(PHONE,),
    locale_is_guess=True,
)


def sent(draft: Draft) -> dict[str, str]:
    """The form, as a browser sends it."""
    form = {name: getattr(draft, name) for name in ("external_id", "name", "locale", "time_zone", "tags")}
    for at, row in enumerate(draft.addresses):
        form |= {f"kind-{at}": row.kind, f"value-{at}": row.value}
        form |= {f"{flag}-{at}": "on" for flag in ("verified", "preferred") if getattr(row, flag)}
    form |= {f"field-{name}": text for name, text in draft.values.items()}
    return form | {f"currency-{name}": text for name, text in draft.currencies.items()}


def test_what_is_sent_as_it_stood_changes_nothing() -> None:
    draft = draft_of(OLENA, DEFINED)
    assert (draft.locale, draft.time_zone) == ("", "Europe/Kyiv")  # a guess is no value
    given = meant(draft_from(sent(draft)), OLENA, DEFINED)
    assert clean_all(DEFINED, given.fields) == (FIELDS, ())
    assert (given.external_id, given.name, given.tags) == ("c-1", "Олена", ("vip", "new"))
    assert given.addresses == (AddressInput(AddressKind.PHONE, "+380441234567", operator_blacklist=True),)
    assert given.opted_out is None


@pytest.mark.parametrize(
    ("changed", "verified", "how"),
    [
        ({}, None, ""),  # as it is known, with its time
        ({"verified-0": ""}, None, ""),
        ({"value-0": "+380441234568", "verified-0": "on"}, True, "by hand"),
    ],
)
def test_what_is_known_of_an_address_stays_with_it(
    changed: dict[str, str], verified: bool | None, how: str
) -> None:
    form = sent(draft_of(OLENA, DEFINED)) | changed
    (address,) = meant(draft_from(form), OLENA, DEFINED).addresses
    assert (address.verified, address.verified_how) == (verified, how)


def test_a_flag_that_is_taken_away_is_no() -> None:
    form = {name: text for name, text in sent(draft_of(OLENA, DEFINED)).items() if name != "verified-0"}
    (address,) = meant(draft_from(form), OLENA, DEFINED).addresses
    assert address.verified is False


def test_empty_rows_and_values_are_left_out() -> None:
    form = {"kind-0": "phone", "value-0": " ", "kind-3": "email", "value-3": "a@b.example", "field-city": " "}
    given = meant(draft_from(form), msgspec.structs.replace(OLENA, addresses=()), DEFINED)
    assert [one.value for one in given.addresses] == ["a@b.example"]
    assert "city" not in given.fields
    assert given.fields["raw"] == FIELDS["raw"]  # what no form shows


def test_tags_of_any_script() -> None:
    assert tags_in(" vip, новий، جدید，新,vip,, ") == ("vip", "новий", "جدید", "新")
    assert tags_in("\u200fنوروز\u200f،\u200f\u3000,\u2067خانه\u200cدار\u2069\nvip") == (
        "نوروز",
        "خانه\u200cدار",
        "vip",
    )
