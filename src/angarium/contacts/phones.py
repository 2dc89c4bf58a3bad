"""Phone numbers in one form, E.164 with its plus; where they are from, and what time it is there.

Rules:
- A number that is E.164 already is checked by one regular expression for its country code, made from the
  metadata of `phonenumbers` the first time that code is seen: forty times quicker than the library. The
  expression says yes only where the library would and would change nothing; all else is asked of the library.
- `phonenumbers` is imported when the first number comes. Its `geocoder` never is (148 MB).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from importlib import import_module, resources
from typing import Any

VALUE_MAX = 64  # characters of a number as people write it
DIGITS_MAX = 15
E164 = re.compile(r"\+[1-9][0-9]{6,14}")  # ITU-T E.164 §6: at most 15 digits
WRITTEN = re.compile(r"\+?[0-9]+")
# What people put between digits, and what copying from a right-to-left page brings along.
BETWEEN = re.compile("[\\s()\\[\\]./·\\-‐‑‒–—―−\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
SCIENTIFIC = re.compile(r"[0-9]+[.,]?[0-9]*[eE]\+?[0-9]+")
PREFIXES_KEPT = 2048  # there are 1000 beginnings of three digits
ENDING_MIN, ENDING_MAX = 4, 10  # digits of the end of a number, by which people ask for one
DIALLED_MIN = 7  # digits of a number without its country code
HOME = (
    "",
    "0",
    "8",
    "80",
    "06",
    "1",
    "01",
)  # what countries dial before a number of their own (ITU-T E.164, list of prefixes)
CLOCK = re.compile("[A-Z]{2}T")  # the name of a time zone that is no place's
NO_COUNTRY = "has no country code"
REMEDY = "write it with its country code, such as +98 912 345 6789"

# The kinds of number a region has; one of them must match (phonenumbers' own rule for a valid number).
KINDS = (
    "premium_rate",
    "toll_free",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
    "fixed_line",
    "mobile",
)
NEVER = re.compile(r"(?!)")


class BadPhone(ValueError):
    """A text that is no phone number in use; each part is a phrase a person can act on."""

    def __init__(self, value: str, problem: str, remedy: str) -> None:
        super().__init__(f"{value!r} {problem}")
        self.value = value
        self.problem = problem
        self.remedy = remedy


def normalise(text: str, region: str | None = None) -> str:
    """A number as E.164 with its plus.

    Takes spaces, dashes, brackets, a leading 00 and digits of any script; with a `region` (ISO 3166, such as
    "IR") also a number as it is dialled there. Raises BadPhone.
    """
    if _pattern_of(text[:4]).fullmatch(text) is not None:
        return text
    written = _cleaned(text)
    if written.startswith("+") and _pattern_of(written[:4]).fullmatch(written) is not None:
        return written
    return _asked(text, written, region)


def dialled(text: str) -> set[str]:
    """What a number may be that is written as it is dialled at home, in whichever country that is; nobody has
    asked whether it is in use there. Nothing for what has a country code. Raises BadPhone."""
    written = _cleaned(text)
    if written.startswith("+") or not DIALLED_MIN <= len(written) <= DIGITS_MAX:
        return set()
    codes = [code for code, of in _library().COUNTRY_CODE_TO_REGION_CODE.items() if of != ("001",)]
    bare = {written[len(prefix) :] for prefix in HOME if written.startswith(prefix)}
    return {number for code in codes for rest in bare if E164.fullmatch(number := f"+{code}{rest}")}


def ending(text: str) -> str:
    """The digits that a number may end with that somebody asks for so; empty for anything else."""
    bare = BETWEEN.sub("", text) if len(text) <= VALUE_MAX else ""
    if not bare.isdecimal() or not ENDING_MIN <= len(bare) <= ENDING_MAX:
        return ""
    return "".join([str(int(digit)) for digit in bare])


@lru_cache(maxsize=PREFIXES_KEPT)
def matcher(first: str) -> Callable[[str], re.Match[str] | None]:
    """What finds a number that begins with these four characters to be valid, and to be kept as it is."""
    return _pattern_of(first).fullmatch


def region_of(e164: str) -> str | None:
    """The region of a number, such as "IR"; None for one that belongs to none or to no known one."""
    return whereabouts(e164)[0]


def time_zone_guess(e164: str) -> str | None:
    """The time zone of a number where it can be only one: by its region, else by its area code."""
    return whereabouts(e164)[1]


def whereabouts(e164: str) -> tuple[str | None, str | None]:
    """The region of a number and its time zone, as `region_of` and `time_zone_guess` tell them; both at once,
    because to ask the library is what costs."""
    alone = _alone(e164[:4])
    if alone is not None and E164.fullmatch(e164) is not None:
        zones = _zones().get(alone, ())
        if len(zones) == 1:
            return alone, zones[0]
    number = _parsed(e164)
    if number is None:
        return None, None
    region = _library().region_code_for_number(number)
    zones = _zones().get(region, ())
    if len(zones) != 1:
        zones = import_module("phonenumbers.timezone").time_zones_for_number(number)
    known = len(zones) == 1 and zones[0] != "Etc/Unknown"
    return (None if region == "001" else region), (zones[0] if known else None)


@lru_cache(maxsize=PREFIXES_KEPT)
def _alone(first: str) -> str | None:
    """The region that has the country code of these four characters to itself."""
    regions = _library().COUNTRY_CODE_TO_REGION_CODE.get(_code_of(first), ())
    return regions[0] if len(regions) == 1 and regions[0] != "001" else None


def _code_of(first: str) -> int:
    """The country code that a number begins with, 1 to 3 digits; 0 for none."""
    if re.fullmatch(r"\+[0-9]{3}", first) is None:
        return 0
    codes = _library().COUNTRY_CODE_TO_REGION_CODE
    return next((int(first[1:end]) for end in (2, 3, 4) if int(first[1:end]) in codes), 0)


def region_of_zone(time_zone: str) -> str | None:
    """The region whose clocks a time zone (IANA) tells, by its present name or an earlier one; None where
    several share it or nobody lives by it."""
    found = [region for region, zones in _zones().items() if time_zone in zones]
    return found[0] if len(found) == 1 else _earlier_names().get(time_zone)


def regions() -> frozenset[str]:
    """The regions that numbers are known of, such as "IR"."""
    return frozenset(_library().SUPPORTED_REGIONS)


# ── the quick way ────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=PREFIXES_KEPT)
def _pattern_of(first: str) -> re.Pattern[str]:
    """What valid numbers that begin with these four characters look like."""
    code = _code_of(first)
    return NEVER if code == 0 or _library().COUNTRY_CODE_TO_REGION_CODE[code] == ("001",) else _pattern(code)


@cache
def _pattern(code: int) -> re.Pattern[str]:
    """The numbers of a country code that the library takes as they are.

    It tries the regions in their order; one with leading digits of its own is decided by those alone. A
    number that begins with something the library might take for a national prefix is left to it.
    """
    metadata = _library().PhoneMetadata
    regions = [metadata.metadata_for_region(name) for name in _library().COUNTRY_CODE_TO_REGION_CODE[code]]
    prefix = regions[0].national_prefix_for_parsing
    not_prefixed = rf"(?!(?:{prefix})(?<!\A\+{code}))" if prefix else ""
    taken: list[str] = []
    choices = []
    for region in regions:
        earlier = "".join(f"(?!{leading})" for leading in taken)
        own = f"(?={region.leading_digits})" if region.leading_digits and len(regions) > 1 else ""
        choices.append(f"{earlier}{own}{_kinds(region)}")
        if own:
            taken.append(region.leading_digits)
    return re.compile(rf"(?=\+[0-9]{{7,15}}\Z)\+{code}{not_prefixed}(?:{'|'.join(choices)})", re.ASCII)


def _kinds(region: Any) -> str:
    general = _described(region.general_desc)
    kinds = [_described(getattr(region, kind)) for kind in KINDS]
    return rf"(?={general}\Z)(?:{'|'.join(kind for kind in kinds if kind)})"


def _described(description: Any) -> str:
    """One description as a pattern; empty when no number fits it."""
    if description is None or not description.national_number_pattern:
        return ""
    lengths = "|".join(rf"\d{{{length}}}" for length in description.possible_length if length > 0)
    if description.possible_length and not lengths:
        return ""
    bounded = rf"(?=(?:{lengths})\Z)" if lengths else ""
    return f"{bounded}(?:{description.national_number_pattern})"


# ── the library's way ────────────────────────────────────────────────────────────────────────────────


@cache
def _library() -> Any:
    return import_module("phonenumbers")


def _cleaned(text: str) -> str:
    """Digits with perhaps a plus in front; raises BadPhone for anything that is not written like a number."""
    if len(text) > VALUE_MAX:
        raise BadPhone(
            text[:VALUE_MAX] + "…", f"has {len(text)} characters", f"at most {VALUE_MAX} characters"
        )
    if SCIENTIFIC.fullmatch(text.strip()) is not None:
        raise BadPhone(
            text,
            "is in scientific notation, which loses digits",
            "format the column as text and export again",
        )
    bare = BETWEEN.sub("", text).replace("\uff0b", "+")
    written = "".join([str(int(character)) if character.isdecimal() else character for character in bare])
    if written.startswith("00"):
        written = "+" + written[2:]
    if WRITTEN.fullmatch(written) is None:
        raise BadPhone(text, "is not a phone number" if text.strip() else "is empty", REMEDY)
    return written


def _asked(text: str, written: str, region: str | None) -> str:
    library = _library()
    if region is not None and region not in library.SUPPORTED_REGIONS:
        raise BadPhone(text, f"cannot be read for region {region!r}", "a region of two letters, such as IR")
    if region is None and not written.startswith("+"):
        raise BadPhone(text, NO_COUNTRY, _with_plus(written))
    try:
        number = library.parse(written, region)
    except library.NumberParseException as error:
        raise BadPhone(text, _parse_problem(error), REMEDY) from None
    if not library.is_valid_number(number):
        raise BadPhone(text, _invalid_problem(number), REMEDY)
    return str(library.format_number(number, library.PhoneNumberFormat.E164))


def _with_plus(written: str) -> str:
    """For a number without a plus: the one it would be with it, if that is one."""
    whole = "+" + written
    return f"write {whole}, if that is meant" if _pattern_of(whole[:4]).fullmatch(whole) else REMEDY


def _parse_problem(error: Any) -> str:
    kinds = type(error)
    return {
        kinds.INVALID_COUNTRY_CODE: "begins with no known country code",
        kinds.TOO_LONG: "is too long",
    }.get(error.error_type, "is too short")


def _invalid_problem(number: Any) -> str:
    library = _library()
    region = library.region_code_for_country_code(number.country_code)
    reasons = library.ValidationResult
    return {
        reasons.TOO_SHORT: f"is too short for {region}",
        reasons.TOO_LONG: f"is too long for {region}",
        reasons.INVALID_LENGTH: f"has a length that no number of {region} has",
    }.get(library.is_possible_number_with_reason(number), f"is no number in use in {region}")


def _parsed(e164: str) -> Any:
    """The library's number; None when it is not E.164 or its country code is not known."""
    if E164.fullmatch(e164) is None:
        return None
    library = _library()
    try:
        return library.parse(e164)
    except library.NumberParseException:
        return None


@cache
def _zones() -> dict[str, tuple[str, ...]]:
    """The zones of each region, from the table that comes with tzdata (tz database, `zone.tab`)."""
    zones: dict[str, tuple[str, ...]] = {}
    for region, zone in _table("zone.tab"):
        zones[region] = (*zones.get(region, ()), zone)
    return zones


@cache
def _earlier_names() -> dict[str, str]:
    """The regions of other names of zones, such as Europe/Kiev (tz database, links in `tzdata.zi`).

    Where such a name stands for a zone that several regions share (`zone1970.tab`), it may have been that of
    any of them: Iceland is a name of the clock in Abidjan. EET and its like are clocks and no places.
    """
    regions = {zone: region for region, zone in _table("zone1970.tab") if "," not in region}
    links = [line.split() for line in _tz("tzdata.zi") if line.startswith("L ")]
    return {name: regions[zone] for _, zone, name in links if zone in regions and not CLOCK.fullmatch(name)}


def _table(name: str) -> list[tuple[str, str]]:
    """The regions of each zone, and the zone."""
    cells = [line.split("\t") for line in _tz(name) if not line.startswith("#")]
    return [(regions, zone) for regions, _, zone, *_ in cells]


def _tz(name: str) -> list[str]:
    return resources.files("tzdata.zoneinfo").joinpath(name).read_text("utf-8").splitlines()
