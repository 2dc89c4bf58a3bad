"""Every profile of an operator: its file, and a line with it at a simulated centre that speaks so."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from angarium.channels import smpp_kit
from angarium.channels.smpp import parse
from angarium.channels.smpp_kit import Profile
from angarium.core.ports import Accepted, Raw, Receipt, Refused
from angarium.core.problems import Problem
from angarium.core.values import Reason, ReceiptStatus
from angarium.protocols.smpp_numbers import Status, Tlv
from angarium.simulators.smsc_bind import Knobs
from simulators.test_smsc import LONG, PERSIAN, both
from support.smpp_line import delivered, settings_of, submission, until

PROFILES = smpp_kit.profiles()
STANDARD = PROFILES[smpp_kit.STANDARD]
BASES = {"same": ("dec", "dec"), "hex_to_dec": ("hex", "dec"), "dec_to_hex": ("dec", "hex")}
BRACKETS = "{price} [1] ~ 5 €, "  # each of them two septets
FAILED = ReceiptStatus.FAILED


def knobs_of(profile: Profile, **more: Any) -> Knobs:
    """A centre that speaks as the profile says its operator does."""
    answers, receipts = BASES[profile.receipt_id_base]
    spoken: dict[str, Any] = {
        "id_base": answers,
        "receipt_id_base": receipts,
        "alphabet": profile.alphabet,
        "receipt_fields": {meant: own for own, meant in profile.receipt_fields.items()},
        "receipt_date": profile.receipt_dates[0] if profile.receipt_dates else "%y%m%d%H%M",
        "receipt_class": 0 if profile.receipts_unmarked else (*profile.receipt_classes, 4)[0],
    }
    return Knobs(**{**spoken, **more})


# ── the files ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_says_whence_it_has_it(name: str) -> None:
    profile = PROFILES[name]
    assert profile.sources, "nothing is invented: where is it written?"
    assert all(one.url.startswith(("https://", "http://")) for one in profile.sources)
    assert profile is STANDARD or smpp_kit.told(profile) != smpp_kit.told(STANDARD)
    assert settings_of(profile=name).wire == profile


def test_the_standard_comes_first_and_the_others_by_the_alphabet() -> None:
    first, *others = PROFILES
    assert first == smpp_kit.STANDARD
    assert all(one < other for one, other in pairwise(others))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('title = "A"\nnonsense = 1', "nonsense"),
        ('title = ""', "title"),
        ('title = "A"\nsources = [{url = "https://a.example", seen = "yesterday"}]', "seen"),
        ('title = "A"\nalphabet = "ebcdic"', "alphabet"),
        ('title = "A"\nname = [5]', "name"),
        ('title = "A"\n[statuses]\nRNOSUCH = "auth"', "statuses"),
        ('title = "A"\n[statuses]\nRSYSERR = "sad"', "statuses"),
        ('title = "A"\n[receipt_words]\nGONE = "away"', "receipt_words"),
        ('title = "A"\n[receipt_fields]\nnumber = "who"', "receipt_fields"),
        ('title = "A"\nreceipt_dates = ["%Y"]', "receipt_dates"),
        ('title = "A"\nreceipt_zone = "Mars/Base"', "receipt_zone"),
        ('title = "A"\n[network_errors]\nabc = "auth"', "network_errors"),
    ],
)
def test_a_file_that_is_wrong_names_what_is_wrong(text: str, named: str) -> None:
    with pytest.raises((Problem, msgspec.ValidationError)) as caught:
        smpp_kit.read(text, "")
    fields = [one.field for one in caught.value.fields] if isinstance(caught.value, Problem) else []
    assert named in (*fields, *str(caught.value).replace("$.", " ").replace("`", " ").split(" ")) or (
        named in str(caught.value)
    )


def test_a_profile_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(Problem) as caught:
        settings_of(profile="nobody")
    (field,) = caught.value.fields
    assert field.field == "profile"
    assert "vonage" in field.remedy


# ── what a line sets by itself ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("settings", "field", "value"),
    [
        ({"profile": "vonage"}, "receipt_id_base", "hex_to_dec"),
        ({"profile": "vonage", "receipt_id_base": "same"}, "receipt_id_base", "same"),
        ({"profile": "smscentre"}, "port", 3700),
        ({"profile": "smscentre", "port": 9}, "port", 9),
        ({"profile": "smsportal"}, "dest_ton", 0),
        ({"profile": "smsportal", "dest_ton": 1}, "dest_ton", 1),
        ({"profile": "devino", "source_ton": 0}, "source_ton", 0),
        ({"profile": "sinch_cloud_latin1", "alphabet": "gsm7"}, "alphabet", "gsm7"),
        ({"profile": "webcom", "enquire_link_s": 15}, "enquire_link_s", 15),
    ],
)
def test_each_setting_of_a_line_wins(settings: dict[str, Any], field: str, value: object) -> None:
    assert getattr(settings_of(**settings).wire, field) == value


def test_a_line_s_tables_are_laid_over_those_of_the_profile() -> None:
    wire = settings_of(profile="vonage", receipt_errors={"3": "unreachable", "99": "auth"}).wire
    assert wire.receipt_errors["3"] is Reason.UNREACHABLE  # its own
    assert wire.receipt_errors["99"] is Reason.AUTH
    assert wire.receipt_errors["6"] is Reason.CONTENT_REJECTED  # the operator's
    assert wire.reasons[Status.RTHROTTLED] is Reason.THROTTLED  # the standard's


@pytest.mark.parametrize(
    ("name", "error"), [(name, error) for name, one in PROFILES.items() for error in one.receipt_errors]
)
def test_each_error_of_a_profile_is_read(name: str, error: str) -> None:
    text = f"id:1 sub:001 dlvrd:000 submit date:2611281200 done date:2611281200 stat:UNDELIV err:{error:0>3}"
    pdu = Raw(delivered(text.encode(), esm_class=4))
    (event,) = parse(settings_of(profile=name), pdu)
    assert isinstance(event, Receipt)
    assert event.reason is PROFILES[name].receipt_errors[error]


def test_numbers_of_the_network_are_the_operator_s_own() -> None:
    for number, reason in PROFILES["clickatell"].network_errors.items():
        told = (Tlv.NETWORK_ERROR_CODE, b"\3" + int(number).to_bytes(2, "big"))
        pdu = Raw(delivered(b"id:1 stat:UNDELIV", esm_class=4, tlvs=(told,)))
        (event,) = parse(settings_of(profile="clickatell"), pdu)
        assert isinstance(event, Receipt)
        assert event.reason is reason


# ── the whole way ────────────────────────────────────────────────────────────────────────────────────


async def told_and_delivered(knobs: Knobs, **settings: Any) -> None:
    """Texts of each kind arrive whole, and each part's receipt names the reference of its answer."""
    texts = ["Hello", BRACKETS, LONG, PERSIAN, "Ünïcode à la carte ¿sí?"]
    async with both(knobs=knobs, **settings) as (smsc, line):
        for number, text in enumerate(texts, 1):
            refs = await line.taken(submission(text, number))
            await until(lambda refs=refs: {one.ref for one in line.heard.receipts} >= set(refs))
        assert {one.status for one in line.heard.receipts} == {ReceiptStatus.DELIVERED}
        assert [one.text for one in smsc.ledger.entries] == texts


@pytest.mark.parametrize("name", PROFILES)
async def test_a_line_and_its_operator_understand_each_other(name: str) -> None:
    await told_and_delivered(knobs_of(PROFILES[name]), profile=name)


@pytest.mark.parametrize(
    ("knobs", "settings"),
    [
        (Knobs(alphabet="gsm7_packed"), {"alphabet": "gsm7_packed"}),
        (Knobs(alphabet="gsm7_packed"), {"alphabet": "gsm7_packed", "reference_bits": 16}),
        (Knobs(alphabet="gsm7_packed"), {"alphabet": "gsm7_packed", "long_messages": "payload"}),
        (Knobs(alphabet="ucs2"), {"alphabet": "ucs2"}),
        (Knobs(receipt_id_base="hex", id_letters="lower"), {"receipt_id_base": "dec_to_hex"}),
        (Knobs(dialect="tlv"), {"long_messages": "sar"}),
        (Knobs(receipt_in_payload=True), {}),
        (Knobs(receipt_class=0), {"receipts_unmarked": True}),
        (
            Knobs(receipt_fields={"id": "msgid", "stat": "state"}),
            {"receipt_fields": {"msgid": "id", "state": "stat"}},
        ),
        (Knobs(receipt_words={"DELIVRD": "ARRIVED"}), {"receipt_words": {"ARRIVED": "delivered"}}),
    ],
)
async def test_what_a_line_may_set_is_understood(knobs: Knobs, settings: dict[str, Any]) -> None:
    await told_and_delivered(knobs, **settings)


@pytest.mark.parametrize(
    ("name", "more", "reason"),
    [
        ("vonage", {"receipt_errors": {"UNDELIV": "003"}}, Reason.BAD_ADDRESS),
        ("clickatell", {"network_errors": {"UNDELIV": 6}}, Reason.REJECTED),  # MAP's 6: absent
        ("smscentre", {"receipt_errors": {"UNDELIV": "219"}}, Reason.UNREACHABLE),
        ("smsportal", {"receipt_words": {"UNDELIV": "BLIST"}}, Reason.OPERATOR_BLACKLIST),
    ],
)
async def test_why_it_failed_is_told_in_the_operator_s_words(
    name: str, more: dict[str, Any], reason: Reason
) -> None:
    async with both(knobs=knobs_of(PROFILES[name], **more), profile=name) as (_, line):
        refs = await line.taken(submission(address="+989120000012"))
        await until(lambda: line.heard.receipts)
        (one,) = line.heard.receipts
        assert (one.ref, one.status, one.reason) == (refs[0], FAILED, reason)


async def test_a_status_of_its_own_slows_the_line_down_where_its_table_says_so() -> None:
    knobs = Knobs(refused_as={Status.RTHROTTLED: 0x4FF})
    async with both(knobs=knobs, speed=50, statuses={"0x4ff": "throttled"}) as (_, line):
        [outcome] = await line.send(submission(address="+989120000007"))
        assert isinstance(outcome, Refused)
        assert (outcome.reason, outcome.retry_after_s is not None) == (Reason.THROTTLED, True)


async def test_the_operator_s_window_bounds_the_line_s() -> None:
    async with both(window=500, profile="sinch_cloud") as (_, line):
        assert line.connection.free() == 10


@pytest.mark.parametrize(("validity", "ends"), [("absolute", "+"), ("relative", "R"), ("none", "")])
async def test_the_time_to_live_is_written_as_the_operator_reads_it(validity: str, ends: str) -> None:
    async with both(validity=validity) as (smsc, line):
        [outcome] = await line.send(submission(ttl_s=600))
        assert isinstance(outcome, Accepted)
        (entry,) = smsc.ledger.entries
        assert entry.details.get("validity", "")[-1:] == ends
