"""What the demo's shop has: its lines, its wording, its cascades and its two messages."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

Document = dict[str, Any]

VK_KEY, VIBER_KEY = "vk-demo-key", "viber-demo-key"  # what the simulated operators expect
SMS_ACCOUNTS = {"angarium": "secret", "angarium-promo": "secret"}

CURRENCY = "EUR"
SMS_PRICE = "0.042"


class Announcement(msgspec.Struct, frozen=True):
    """One thing the shop tells everybody."""

    name: str  # its label in reports
    message_class: str
    template: str
    cascade: str


ANNOUNCEMENTS = (
    Announcement("order-shipped", "service", "order-shipped", "vk-viber-sms"),
    Announcement("winter-sale", "promotional", "winter-sale", "viber-sms"),
)


def lines(faces: dict[str, str]) -> list[Document]:
    """The shop's lines, at the addresses of the simulated operators."""
    host, _, port = faces["smpp"].removeprefix("smpp://").rpartition(":")
    told = ["otp", "transactional", "service"]
    return [
        {
            "name": "vk",
            "channel": "vk_notify",
            "settings": {
                "api_key": VK_KEY,
                "service": "chaykhana",
                "base_url": faces["vk"],
                "text_template": "plain_text",
                "text_variable": "text",
            },
            "classes": told,
            "price": "0.011",
            "speed_per_s": 400,
            "window": 100,
        },
        {
            "name": "viber",
            "channel": "viber_business",
            "settings": {"api_key": VIBER_KEY, "sender": "Chaykhana", "base_url": f"{faces['viber']}/v1/api"},
            "classes": [*told, "promotional"],
            "price": "0.019",
            "speed_per_s": 400,
            "window": 100,
        },
        _sms(host, int(port), "sms-service", "angarium", told),
        _sms(host, int(port), "sms-promo", "angarium-promo", ["promotional"]),
    ]


def _sms(host: str, port: int, name: str, account: str, classes: list[str]) -> Document:
    return {
        "name": name,
        "channel": "smpp",
        "settings": {
            "host": host,
            "port": port,
            "system_id": account,
            "password": SMS_ACCOUNTS[account],
            "source": "Chaykhana",
        },
        "classes": classes,
        "price": SMS_PRICE,
        "price_per": "part",
        "speed_per_s": 500,
        "window": 200,
    }


def finished(line: Document) -> Document:
    """A line as the API takes it: approved, in the demo's currency."""
    return {"registration": "approved", "currency": CURRENCY, **line}


def cascades(patience: float) -> list[Document]:
    """The shop's cascades. Waits are short, so that a demo ends in two minutes; a shop would wait longer."""
    vk = {"channel": "vk_notify", "success": "read", "wait_s": 15 * patience}
    viber = {"channel": "viber_business", "success": "delivered", "wait_s": 30 * patience}
    sms = {"channel": "smpp", "success": "delivered", "wait_s": 30 * patience}
    return [{"name": "vk-viber-sms", "steps": [vk, viber, sms]}, {"name": "viber-sms", "steps": [viber, sms]}]


SHIPPED = {
    "fa": "{{ contact.first_name }} عزیز، سفارش {{ contact.order_number }} شما ارسال شد. پیگیری: {{ link }}",
    "ar": "عزيزي {{ contact.first_name }}، تم شحن طلبك {{ contact.order_number }}. للتتبع: {{ link }}",
    "uk": "{{ contact.first_name }}, ваше замовлення {{ contact.order_number }} у дорозі: {{ link }}",
    "ru": "{{ contact.first_name }}, ваш заказ {{ contact.order_number }} в пути. Отследить: {{ link }}",
    "zh": "{{ contact.first_name }}，您的订单 {{ contact.order_number }} 已发货。查询：{{ link }}",
    "*": "{{ contact.first_name }}, order {{ contact.order_number }} is on its way: {{ link }}",
}
SALE = {
    "fa": "چای‌خانه: تا جمعه ۲۰٪ تخفیف روی همهٔ چای‌ها. {{ link }}",
    "ar": "تشايخانة: خصم ٢٠٪ على كل أنواع الشاي حتى الجمعة. {{ link }}",
    "uk": "Чайхана: до п’ятниці −20 % на всі чаї. {{ link }}",
    "ru": "Чайхана: до пятницы −20 % на все чаи. {{ link }}",
    "zh": "茶馆：周五前全场茶叶八折。{{ link }}",
    "*": "Chaykhana: 20% off all teas until Friday. {{ link }}",
}
LINKS = {"order-shipped": "https://chaykhana.example/t", "winter-sale": "https://chaykhana.example/s"}


def templates() -> list[Document]:
    """The shop's wording, per locale."""
    return [
        {"name": "order-shipped", "variants": _variants(SHIPPED)},
        {"name": "winter-sale", "class": "promotional", "variants": _variants(SALE)},
    ]


def _variants(texts: dict[str, str]) -> list[Document]:
    return [{"channel": "*", "locale": locale, "content": {"text": text}} for locale, text in texts.items()]


def contacts(file: Path) -> Iterator[Document]:
    """The customers of a CSV file, as the API takes them."""
    with file.open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            yield _contact(row)


def _contact(row: dict[str, str]) -> Document:
    blacklisted = row["operator_blacklist"] == "yes"
    addresses: list[Document] = []
    if row["phone"]:
        addresses.append({"kind": "phone", "value": row["phone"], "operator_blacklist": blacklisted})
    if row["email"]:
        addresses.append({"kind": "email", "value": row["email"]})
    fields = ("first_name", "city", "order_number", "order_total", "currency")
    return {
        "external_id": row["external_id"],
        "name": row["name"],
        "locale": row["locale"],
        "time_zone": row["time_zone"],
        "fields": {name: row[name] for name in fields},
        "tags": [tag for tag in row["tags"].split(";") if tag],
        "opted_out": [row["opt_out"]] if row["opt_out"] else [],
        "addresses": addresses,
    }


def message(announcement: Announcement, external_id: str) -> Document:
    """One announcement to one customer, as the API takes it."""
    return {
        "to": {"external_id": external_id},
        "class": announcement.message_class,
        "template": announcement.template,
        "cascade": announcement.cascade,
        "variables": {"link": LINKS[announcement.name]},
        "label": announcement.name,
        "deadline_s": 180,
    }
