"""What one contact becomes of two, and that both are again what they were when it is undone."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from angarium.contacts.merging import joined, parted
from angarium.contacts.places import place
from angarium.contacts.store import Contact
from angarium.core.values import Address, AddressKind

NOW, LATER = 1_000, 2_000
PHONE, MAIL, VK = AddressKind.PHONE, AddressKind.EMAIL, AddressKind.VK
PHONES = ("+380441234567", "+989123456789", "+12125550123")


def contact(contact_id: int, **given_values: Any) -> Contact:
    """A contact whose guesses fit its phones."""
    values: dict[str, Any] = {
        "external_id": None,
        "name": "",
        "fields": {},
        "tags": (),
        "opted_out": frozenset(),
        "created_at": contact_id,
        "updated_at": contact_id,
        "addresses": (),
        "locale": "",
        "time_zone": "",
    }
    values |= given_values
    where = place(values["locale"], values["time_zone"], values["addresses"])
    values |= msgspec.structs.asdict(where)
    return Contact(id=contact_id, **values)


ONE = contact(
    1,
    external_id="crm-1",
    fields={"city": "Київ", "level": "gold"},
    tags=("regular",),
    addresses=(Address(PHONE, PHONES[0], preferred=True, added_at=1),),
)
OTHER = contact(
    2,
    external_id="web-9",
    name="Олена",
    locale="uk",
    fields={"level": "tin", "size": 38},
    tags=("web", "regular"),
    opted_out=frozenset({"promotional"}),
    addresses=(
        Address(PHONE, PHONES[1], preferred=True, verified_at=5, verified_how="code", added_at=2),
        Address(VK, "7", added_at=2),
    ),
)


def test_what_stays_wins_and_no_objection_is_lost() -> None:
    made = joined(ONE, OTHER, NOW)
    assert (made.id, made.external_id, made.name) == (1, "crm-1", "Олена")
    assert (made.locale, made.locale_is_guess) == ("uk", False)  # it was said; the other one was a guess
    assert (made.time_zone, made.time_zone_is_guess, made.country) == ("Europe/Kyiv", True, "UA")
    assert made.fields == {"city": "Київ", "level": "gold", "size": 38}
    assert made.tags == ("regular", "web")
    assert made.opted_out == {"promotional"}
    assert [(one.value, one.preferred, one.verified_how) for one in made.addresses] == [
        (PHONES[0], True, ""),
        (PHONES[1], False, "code"),
        ("7", False, ""),
    ]
    assert (made.created_at, made.updated_at) == (1, NOW)


def undone(survivor: Contact, other: Contact, **changes: Any) -> tuple[Contact, Contact]:
    """Both after a merge, some changes of what it made, and its undoing."""
    made = joined(survivor, other, NOW)
    current = msgspec.structs.replace(made, **changes)
    apart = parted(survivor, other, made, current, set(), LATER)
    return apart.survivor, apart.merged


def test_what_was_changed_since_stays_with_the_one_that_stayed() -> None:
    made = joined(ONE, OTHER, NOW)
    new = Address(MAIL, "olena@example.com", added_at=1_500)
    changed = msgspec.structs.replace(made.addresses[1], operator_blacklist=True)
    one, other = undone(
        ONE,
        OTHER,
        name="Олена Ш.",
        fields={"city": "Львів", "size": 38, "new": True},
        tags=("regular", "late"),
        opted_out=frozenset({"promotional", "service"}),
        addresses=(made.addresses[0], changed, new),
    )
    assert one.name == "Олена Ш."
    assert one.fields == {"city": "Львів", "new": True}  # a level was taken away, a city changed
    assert one.tags == ("regular", "late")
    assert one.opted_out == {"service"}
    assert one.addresses == (ONE.addresses[0], new)
    assert one.updated_at == LATER
    assert other.name == OTHER.name
    assert other.fields == OTHER.fields
    assert other.opted_out == {"promotional", "service"}
    assert other.addresses == (
        changed,
        OTHER.addresses[1],
    )  # it was taken away since


def test_an_address_that_somebody_else_has_now_stays_there() -> None:
    made = joined(ONE, OTHER, NOW)
    current = msgspec.structs.replace(made, addresses=made.addresses[:2])
    apart = parted(ONE, OTHER, made, current, {(VK, "7")}, LATER)
    assert apart.elsewhere == (OTHER.addresses[1],)
    assert apart.merged.addresses == OTHER.addresses[:1]
    assert apart.survivor == ONE


WORDS = st.sampled_from(["", "a", "b"])
NAMED = st.dictionaries(st.sampled_from("xyz"), st.integers(0, 2))


@st.composite
def contacts(draw: st.DrawFn, contact_id: int) -> Contact:
    """Any contact; its addresses are its own."""
    values = draw(
        st.lists(st.sampled_from([(PHONE, PHONES[contact_id]), (VK, "v"), (MAIL, "m")]), unique=True)
    )
    return contact(
        contact_id,
        external_id=draw(st.none() | WORDS.map(lambda word: f"{word}-{contact_id}")),
        name=draw(WORDS),
        locale=draw(st.sampled_from(["", "uk", "fa"])),
        time_zone=draw(st.sampled_from(["", "UTC"])),
        fields=draw(NAMED),
        tags=tuple(draw(st.lists(WORDS, unique=True))),
        opted_out=frozenset(draw(st.lists(st.sampled_from(["all", "otp", "promotional"])))),
        addresses=tuple(
            Address(kind, value if kind is PHONE else f"{value}{contact_id}", preferred=draw(st.booleans()))
            for kind, value in values
        ),
    )


@given(contacts(1), contacts(2))
def test_a_merge_that_is_undone_has_not_been(one: Contact, other: Contact) -> None:
    assert undone(one, other) == (one, other)


@given(contacts(1), contacts(2), contacts(0))
def test_merges_can_be_undone_in_any_order(one: Contact, other: Contact, third: Contact) -> None:
    first = joined(one, other, NOW)
    second = joined(first, third, NOW + 1)
    back = parted(first, third, second, second, set(), LATER)
    assert (back.survivor, back.merged) == (first, third)
    earlier = parted(one, other, first, second, set(), LATER)
    assert earlier.merged.addresses == other.addresses
    assert earlier.merged.opted_out == other.opted_out | (third.opted_out - first.opted_out)
    later = parted(first, third, second, earlier.survivor, set(), LATER)
    assert later.merged == third
    assert {a.value for a in later.survivor.addresses} == {a.value for a in one.addresses}
    assert later.survivor.fields.keys() <= one.fields.keys() | third.fields.keys()


@given(contacts(1), contacts(2))
def test_nothing_said_against_being_written_to_is_lost(one: Contact, other: Contact) -> None:
    made = joined(one, other, NOW)
    assert made.opted_out == one.opted_out | other.opted_out
    assert {(a.kind, a.value) for a in made.addresses} == {
        (a.kind, a.value) for a in (*one.addresses, *other.addresses)
    }
