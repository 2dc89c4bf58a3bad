"""What the class of a message asks of its words: no promotion in a service text, a way out of a promotional
one, amounts that say in what, wording that the provider knows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from angarium.content import rules
from angarium.content.approval import needs_registration, registration_key
from angarium.content.lint.findings import Finding
from angarium.content.lint.subject import UNSUBSCRIBE_URL, Subject, Wording, masked
from angarium.core.ports import Channel
from angarium.core.values import AddressKind, MessageClass

# How a text says that the next one need not come: by a word to answer with, or by its own name.
WAY_OUT = re.compile(
    r"(?i)\bSTOP\b|\bunsubscribe\b|\bopt[ -]?out\b|\bСТОП\b|отпис|відпис|"
    r"لغو|انصراف|إلغاء|الغاء|توقف|退订|退訂|回T|拒收"
)
CURRENCY = re.compile(
    r"(?i)[$€£¥₴₽₸₺₾₼₹﷼]|\b(?:EUR|USD|GBP|UAH|RUB|KZT|IRR|IRT|CNY|RMB|AED|SAR|TRY|UZS|GEL|AZN|BYN)\b|грн|руб|тенге|"
    r"тг\b|сум\b|\bр\.|تومان|ریال|ريال|درهم|دينار|ليرة|元|块|人民币|hryvn|rubl|rial|toman|euro|dollar|money"
)
AMOUNT = re.compile(r"(?<![\d.,:/-])\d{1,3}(?:[ ,.'\u00a0]\d{3})*[.,]\d{2}(?![\d.,:/-])")
AMOUNT_NAMES = re.compile(r"(?i)\b[\w.]*(?:amount|total|price|sum|balance|due|debt|fee|cost)\b")
NEAR = 16  # characters
OUTPUT = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def look(subject: Subject, wording: Wording) -> Iterator[Finding]:
    """Everything that the class asks of one wording."""
    if subject.message_class is MessageClass.PROMOTIONAL:
        yield from _unsubscribe(subject, wording)
    else:
        yield from _promotional(subject, wording)
    yield from _amounts(wording)
    yield from _registered(subject, wording)


def _promotional(subject: Subject, wording: Wording) -> Iterator[Finding]:
    detect = subject.around.promotional
    if detect is None:
        return
    written = {name: source for name, source, _ in rules.fields(wording.variant.content)}
    for name, source in wording.fields():
        if name in ("text", "subject") or name.endswith(".label"):
            for mark in detect(source, wording.variant.locale):
                words = written[name][mark.start : mark.start + len(mark.words)]  # with the tags in them
                yield wording.finding(
                    "promotional-wording",
                    f"{words} promotes ({mark.why})",
                    f"take it out of a {subject.message_class.value} text, or send it as promotional",
                    field=name,
                    position=mark.start + 1,
                    value=words,
                )


def _unsubscribe(subject: Subject, wording: Wording) -> Iterator[Finding]:
    """In a mail the header or words; in an SMS words. Viber, VK and WhatsApp have a switch of their own."""
    content = wording.variant.content
    said = " ".join((content.text, content.html, *(button.url for button in content.buttons)))
    if WAY_OUT.search(said) or UNSUBSCRIBE_URL in said or UNSUBSCRIBE_URL in content.params:
        return
    in_head = bool(subject.around.unsubscribe_url)  # the server puts it into the head of every such mail
    asked = [channel for channel in wording.channels if _asks_for_way_out(channel, in_head=in_head)]
    if asked:
        yield wording.finding(
            "unsubscribe-missing",
            f"a promotional text by {asked[0].title} does not say how to unsubscribe",
            "add {{ unsubscribe_url }}, or words such as: STOP to unsubscribe",
            field="text" if content.text else "html",
        )


def _asks_for_way_out(channel: Channel, *, in_head: bool) -> bool:
    by_mail = channel.address_kind is AddressKind.EMAIL and not in_head
    return by_mail or channel.capabilities.priced_by == "part"


def _amounts(wording: Wording) -> Iterator[Finding]:
    for name, source in (
        ("text", wording.variant.content.text),
        ("subject", wording.variant.content.subject),
    ):
        plain = masked(source)
        places = [(one.start(), one.end(), one[0]) for one in AMOUNT.finditer(plain)]
        places += [
            (one.start(), one.end(), one[0])
            for one in OUTPUT.finditer(source)
            if AMOUNT_NAMES.search(one[1]) and not CURRENCY.search(one[1])
        ]
        for start, end, value in sorted(places):
            around = source[max(start - NEAR, 0) : start] + source[end : end + NEAR]
            if not CURRENCY.search(around) and "currency" not in around:
                yield wording.finding(
                    "amount-without-currency",
                    f"{value} does not say in what",
                    "write the currency beside it",
                    field=name,
                    position=start + 1,
                    value=value,
                )


def _registered(subject: Subject, wording: Wording) -> Iterator[Finding]:
    variant, around = wording.variant, subject.around
    if not needs_registration(around.approvals, variant, around.channels):
        return
    if registration_key(variant) not in subject.registered:
        yield wording.finding(
            "registration-missing",
            f"{variant.channel} has not approved this wording",
            "register it with the provider, and note its approval: PUT /v1/templates/{id}/registrations",
        )
