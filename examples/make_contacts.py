# ruff: noqa: INP001, S311, TID251 -- a script, no package; its chance is seeded and only makes examples
"""Writes contacts.csv, 2,500 made-up customers, and demo_script.json, what simulated operators do to them.

Run it again and the same files come out: `python examples/make_contacts.py`. FATES is the one table behind
both files and the legend in README.md; the names come from names.csv.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

HERE = Path(__file__).parent
SEED = 20261123
COLUMNS = (
    "external_id",
    "name",
    "first_name",
    "phone",
    "email",
    "locale",
    "time_zone",
    "city",
    "order_number",
    "order_total",
    "currency",
    "opt_out",
    "operator_blacklist",
    "tags",
)

EMAIL_ONLY = 25
WITH_EMAIL_SHARE = 0.6
BOUNCING = 20  # e-mail addresses whose host refuses the mail
ON_OPERATOR_BLACKLIST = 200
OPTED_OUT = {"promotional": 125, "all": 50}
TAG_SHARES = {"vip": 0.06, "newsletter": 0.35, "wholesale": 0.04, "new": 0.12}
BOUNCING_HOST = "bounce.example"
HOSTS = ("example.com", "example.org", "example.net")

T = TypeVar("T")


class Fate(NamedTuple):
    """What becomes of phones that end in one of `endings`, on faces that differ from OTHERWISE."""

    endings: tuple[str, ...]
    contacts: int
    behaviours: dict[str, str]
    meaning: str


def endings(first: int, last: int) -> tuple[str, ...]:
    return tuple(f"{ending:02}" for ending in range(first, last + 1))


NOT_VK = {"vk": "not_a_user"}
NOT_VIBER = {"viber": "not_a_user"}
SMS_ONLY = NOT_VK | NOT_VIBER
OTHERWISE = {"vk": "read", "viber": "read", "smpp": "delivered", "whatsapp": "read", "smtp": "delivered"}
FATES = (
    Fate(endings(7, 7), 8, {}, "every operator asks to slow down twice, then takes it"),
    Fate(endings(9, 9), 8, {}, "every receipt comes twice and out of order"),
    Fate(endings(20, 24), 700, NOT_VK, "not on VK: reads it on Viber"),
    Fate(endings(25, 29), 430, SMS_ONLY, "on neither VK nor Viber: gets an SMS"),
    Fate(endings(30, 36), 250, NOT_VIBER, "reads it on VK; not on Viber"),
    Fate(endings(37, 37), 25, {"vk": "late"}, "VK delivers after its time to live, when Viber has gone out"),
    Fate(endings(38, 38), 25, {"vk": "silent"}, "VK takes it and never says another word: reads it on Viber"),
    Fate(endings(39, 39), 40, NOT_VK | {"viber": "expired"}, "not on VK, Viber expires: gets an SMS"),
    Fate(endings(40, 40), 30, SMS_ONLY | {"smpp": "undelivered"}, "no working phone: nothing reaches"),
    Fate(endings(41, 41), 25, NOT_VK | {"viber": "blocked"}, "not on VK, blocked us on Viber: gets an SMS"),
    Fate(endings(42, 42), 20, SMS_ONLY | {"smpp": "expired"}, "phone switched off: the SMS expires"),
    Fate(endings(43, 43), 25, {"vk": "blocked"}, "blocked us on VK: reads it on Viber"),
    Fate(endings(44, 44), 40, {"vk": "delivered"}, "VK delivers, nobody reads: goes on to Viber"),
    Fate(endings(45, 45), 60, NOT_VK | {"viber": "delivered"}, "not on VK; Viber delivers, nobody reads it"),
    Fate(endings(46, 46), 20, {"whatsapp": "not_a_user"}, "reads it on VK; not on WhatsApp"),
    Fate(endings(13, 19) + endings(47, 99), 769, {}, "reads it on VK at once"),
)


class Name(NamedTuple):
    """A name in its script, as a woman has it where that differs, and in Latin letters for e-mail."""

    name: str
    of_a_woman: str
    latin: str


class Country(NamedTuple):
    """Where some of the customers live."""

    contacts: int
    locale: str
    people: str  # whose names they have in names.csv
    prefixes: str  # of their phones
    digits: int  # that follow the prefix
    cities: str  # with `@` and the time zone where it is not `zone`; words joined by `_`
    zone: str
    currency: str
    totals: tuple[int, int, int]  # of orders: least, most and step, in hundredths


COUNTRIES = (
    Country(
        620,
        "fa",
        "iran",
        "+98912 +98919 +98935 +98936 +98901 +98903 +98921 +98990 +98937",
        7,
        "تهران مشهد اصفهان شیراز تبریز کرج اهواز قم رشت کرمانشاه یزد بندرعباس نجف‌آباد",
        "Asia/Tehran",
        "IRR",
        (85_000_000, 4_800_000_000, 1_000_000),
    ),
    Country(
        180,
        "ar",
        "egypt",
        "+2010 +2011 +2012 +2015",
        8,
        "القاهرة الإسكندرية الجيزة المنصورة أسيوط طنطا",
        "Africa/Cairo",
        "EGP",
        (15_000, 1_200_000, 500),
    ),
    Country(
        140,
        "ar",
        "gulf",
        "+96650 +96653 +96654 +96655 +96656",
        7,
        "الرياض جدة الدمام مكة_المكرمة المدينة_المنورة",
        "Asia/Riyadh",
        "SAR",
        (4_900, 350_000, 25),
    ),
    Country(
        80,
        "ar",
        "gulf",
        "+97150 +97152 +97154 +97155 +97156 +97158",
        7,
        "دبي أبوظبي الشارقة العين",
        "Asia/Dubai",
        "AED",
        (4_900, 350_000, 25),
    ),
    Country(
        520,
        "uk",
        "ukraine",
        "+38050 +38063 +38066 +38067 +38068 +38073 +38093 +38095 +38096 +38097 +38098 +38099",
        7,
        "Київ Львів Одеса Харків Дніпро Запоріжжя Вінниця Івано-Франківськ Чернівці Полтава "
        "Кам’янець-Подільський",
        "Europe/Kyiv",
        "UAH",
        (19_900, 2_500_000, 50),
    ),
    Country(
        360,
        "ru",
        "russia",
        "+7903 +7911 +7912 +7913 +7914 +7916 +7917 +7921 +7926 +7985 +7999",
        7,
        "Москва Санкт-Петербург Казань Нижний_Новгород Самара@Europe/Samara Екатеринбург@Asia/Yekaterinburg "
        "Новосибирск@Asia/Novosibirsk Владивосток@Asia/Vladivostok Калининград@Europe/Kaliningrad",
        "Europe/Moscow",
        "RUB",
        (49_900, 6_000_000, 100),
    ),
    Country(
        240,
        "zh",
        "china",
        "+86133 +86138 +86139 +86150 +86158 +86177 +86186 +86189",
        8,
        "北京 上海 广州 深圳 成都 杭州 武汉 西安 南京 重庆",
        "Asia/Shanghai",
        "CNY",
        (2_900, 900_000, 10),
    ),
    Country(
        160,
        "en",
        "english",
        "+447400 +447401 +447402 +447403 +447404",
        6,
        "London Manchester Leeds Bristol Edinburgh Cardiff Belfast King’s_Lynn",
        "Europe/London",
        "GBP",
        (990, 120_000, 1),
    ),
    Country(
        90,
        "en",
        "germany",
        "+49151 +49160 +49170 +49171",
        8,
        "Berlin Hamburg München Köln Nürnberg Düsseldorf",
        "Europe/Berlin",
        "EUR",
        (990, 120_000, 1),
    ),
    Country(
        110,
        "en",
        "english",
        # 555-0100 to 555-0199 are kept free for fiction.
        "+121255501 +171855501 +161755501 +130555501 +121555501 +120255501 +140455501 +170455501 +141255501",
        2,
        "New_York Brooklyn Boston Miami Philadelphia Washington Atlanta Charlotte Pittsburgh",
        "America/New_York",
        "USD",
        (990, 120_000, 1),
    ),
)


class Roll:
    """Chance from one seed. Only `random()` is used: Python promises that it stays the same."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def below(self, bound: int) -> int:
        return int(self._random.random() * bound)

    def of(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def chance(self, share: float) -> bool:
        return self._random.random() < share

    def shuffled(self, items: Sequence[T]) -> list[T]:
        keyed = sorted((self._random.random(), place) for place in range(len(items)))
        return [items[place] for _, place in keyed]


def contacts() -> list[dict[str, str]]:
    """All customers, in the order of their ids."""
    roll = Roll(SEED)
    homes = roll.shuffled([country for country in COUNTRIES for _ in range(country.contacts)])
    phoneless = set(roll.shuffled(range(len(homes)))[:EMAIL_ONLY])
    ends = iter(roll.shuffled([ending for fate in FATES for ending in _spread(fate)]))
    taken: set[str] = set()
    made = []
    for number, home in enumerate(homes):
        phone = "" if number in phoneless else _phone(roll, home, next(ends), taken)
        made.append(_customer(roll, number + 1, home, phone))
    _mark(roll, made)
    return made


def _spread(fate: Fate) -> Iterator[str]:
    """As many endings as the fate has contacts, each about as often."""
    for number in range(fate.contacts):
        yield fate.endings[number % len(fate.endings)]


def _phone(roll: Roll, home: Country, ending: str, taken: set[str]) -> str:
    """A number nobody here has yet."""
    while True:
        middle = "".join(str(roll.below(10)) for _ in range(home.digits - 2))
        phone = roll.of(home.prefixes.split()) + middle + ending
        if phone not in taken:
            taken.add(phone)
            return phone


def _customer(roll: Roll, number: int, home: Country, phone: str) -> dict[str, str]:
    first, last, latin = _name(roll, home.people)
    city, _, zone = roll.of(home.cities.split()).partition("@")
    with_email = roll.chance(WITH_EMAIL_SHARE) or not phone
    least, most, step = home.totals
    cents = least + step * roll.below((most - least) // step)
    return {
        "external_id": f"C{number:06}",
        "name": last + first if home.people == "china" else f"{first} {last}",
        "first_name": first,
        "phone": phone,
        "email": f"{latin}{number}@{roll.of(HOSTS)}" if with_email else "",
        "locale": home.locale,
        "time_zone": zone or home.zone,
        "city": city.replace("_", " "),
        "order_number": str(7_000_000 + number * 37 + roll.below(37)),
        "order_total": f"{cents // 100}.{cents % 100:02}",
        "currency": home.currency,
        "opt_out": "",
        "operator_blacklist": "",
        "tags": ";".join(tag for tag, share in TAG_SHARES.items() if roll.chance(share)),
    }


def _name(roll: Roll, people: str) -> tuple[str, str, str]:
    """First name, last name, and both in Latin letters."""
    is_woman = roll.chance(0.5)
    first = roll.of(_names()[people, "female" if is_woman else "male"])
    last = roll.of(_names()[people, "last"])
    shown = last.of_a_woman if is_woman and last.of_a_woman else last.name
    return first.name, shown, f"{first.latin}.{last.latin}"


@cache
def _names() -> dict[tuple[str, str], list[Name]]:
    """names.csv by people and kind: female, male, last."""
    names: dict[tuple[str, str], list[Name]] = {}
    with (HERE / "names.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            name = Name(row["name"], row["of_a_woman"], row["latin"])
            names.setdefault((row["people"], row["kind"]), []).append(name)
    return names


def _mark(roll: Roll, made: list[dict[str, str]]) -> None:
    """Opt-outs, the operator's blacklist and addresses that bounce, in exact numbers."""
    with_phone = [one for one in made if one["phone"]]
    for one in roll.shuffled(with_phone)[:ON_OPERATOR_BLACKLIST]:
        one["operator_blacklist"] = "yes"
    opted_out = iter(roll.shuffled(made))
    for opt_out, count in OPTED_OUT.items():
        for _ in range(count):
            next(opted_out)["opt_out"] = opt_out
    with_both = [one for one in with_phone if one["email"]]
    for one in roll.shuffled(with_both)[:BOUNCING]:
        one["email"] = one["email"].partition("@")[0] + "@" + BOUNCING_HOST


def script() -> dict[str, object]:
    """What the simulated operators are told: `simulators.behaviour.Script` as JSON."""
    rules = [
        {"behaviour": behaviour, "face": face, "suffix": ending}
        for fate in FATES
        for ending in fate.endings
        for face, behaviour in fate.behaviours.items()
    ]
    rules.append({"behaviour": "undelivered", "face": "smtp", "suffix": "@" + BOUNCING_HOST})
    return {"rules": rules, "otherwise": OTHERWISE}


def legend() -> str:
    """FATES as the table of README.md."""
    rows = [f"| {_shown(fate.endings)} | {fate.contacts} | {fate.meaning} |" for fate in FATES]
    return "\n".join(["| phone ends in | customers | what happens |", "|---|---|---|", *rows])


def _shown(ends: tuple[str, ...]) -> str:
    """`("13", "14", "47")` as "13–14, 47"."""
    runs: list[list[str]] = []
    for end in ends:
        if runs and int(end) == int(runs[-1][-1]) + 1:
            runs[-1].append(end)
        else:
            runs.append([end])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)


def files() -> dict[str, str]:
    """The files by name."""
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(contacts())
    return {
        "contacts.csv": table.getvalue(),
        "demo_script.json": json.dumps(script(), indent=2, ensure_ascii=False) + "\n",
    }


if __name__ == "__main__":
    for name, text in files().items():
        (HERE / name).write_text(text, "utf-8", newline="\n")
