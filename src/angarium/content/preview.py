"""What people would see: each sample by each channel, its length, its price, and how the channel shows it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

import msgspec

from angarium.content import rules
from angarium.content.lint.subject import Sample, measured
from angarium.content.rules import NotRendered, Variant
from angarium.content.saying import fit, say
from angarium.content.surroundings import Carrier
from angarium.core.ports import Channel
from angarium.core.problems import FieldProblem
from angarium.core.values import AddressKind, Content, Measure, MessageClass

ROWS_MAX = 200
RTL, LTR = "rtl", "ltr"


class Block(msgspec.Struct, frozen=True, omit_defaults=True):
    """A piece of a message as a channel shows it: sender, subject, text, html, button, image, audio, video or
    document."""

    kind: str
    text: str = ""
    url: str = ""
    direction: str = ""  # of a text: rtl or ltr


class Amount(msgspec.Struct, frozen=True):
    """A price as people write it."""

    amount: str
    currency: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody of a locale would get by one channel with one sample; `problems`: why nothing."""

    channel: str
    line: str
    sample: str
    locale: str
    variant: int | None  # its place among the variants
    looked_for: list[str]  # locales, in order
    content: Content | None = None
    blocks: list[Block] = []
    measure: Measure | None = None
    price: Amount | None = None
    problems: list[FieldProblem] = []


class Wanted(msgspec.Struct, frozen=True):
    """What is to be shown: some words, with some samples, by some channels (none named: all that would)."""

    message_class: MessageClass
    variants: tuple[Variant, ...]
    default_locale: str
    samples: Sequence[Sample]
    channels: frozenset[str] = frozenset()
    addresses: dict[AddressKind, str] = {}  # of the contact that it is for
    public_url: str = ""  # of this server


def preview(wanted: Wanted, channels: Sequence[Channel], carriers: Sequence[Carrier]) -> list[Row]:
    """A row for each channel and sample, at most ROWS_MAX."""
    rows: list[Row] = []
    for channel, carrier in _ways(wanted, channels, carriers):
        for sample in wanted.samples:
            if len(rows) == ROWS_MAX:
                return rows
            rows.append(_row(wanted, channel, carrier, sample))
    return rows


def _ways(
    wanted: Wanted, channels: Sequence[Channel], carriers: Sequence[Carrier]
) -> Iterator[tuple[Channel, Carrier | None]]:
    """Each channel with the line it would take: the first that may carry the class, else any, else none."""
    named = {variant.channel for variant in wanted.variants}
    by_kind: dict[str, Carrier] = {}
    for carrier in sorted(carriers, key=lambda one: wanted.message_class not in one.classes):
        by_kind.setdefault(carrier.channel.kind, carrier)
    for channel in channels:
        reached = named & {channel.kind, channel.address_kind.value}
        if wanted.channels:
            shown = channel.kind in wanted.channels
        else:
            shown = bool(reached) or channel.kind in by_kind or not by_kind
        if shown:
            yield channel, by_kind.get(channel.kind)


def _row(wanted: Wanted, channel: Channel, carrier: Carrier | None, sample: Sample) -> Row:
    variant = rules.pick(
        wanted.variants, channel.kind, sample.locale, channel.address_kind.value, wanted.default_locale
    )
    row = Row(
        channel=channel.kind,
        line=carrier.line if carrier else "",
        sample=sample.name,
        locale=sample.locale,
        variant=None if variant is None else wanted.variants.index(variant),
        looked_for=rules.chain(sample.locale, wanted.default_locale),
    )
    if variant is None:
        problem = FieldProblem("variants", "none fits this channel and locale", "add one, or one for *")
        return msgspec.structs.replace(row, problems=[problem])
    try:
        said = say(variant, sample.values, sample.locale, public_url=wanted.public_url)
        content = fit(variant, said, channel)
    except NotRendered as trouble:
        return msgspec.structs.replace(row, problems=list(trouble.problems))
    shown = msgspec.structs.replace(row, content=content, blocks=list(blocks(content, channel, carrier)))
    if carrier is None:
        return shown
    measure = measured(carrier, content)
    address = wanted.addresses.get(channel.address_kind, "")
    price = carrier.price(wanted.message_class, address, measure.parts)
    return msgspec.structs.replace(
        shown,
        measure=measure,
        price=Amount(_decimal(price.micros), price.currency),
        problems=list(channel.lint(carrier.settings, content)),
    )


def blocks(content: Content, channel: Channel, carrier: Carrier | None) -> Iterator[Block]:
    """A content from top to bottom, as its channel shows it."""
    sender = channel.sender(carrier.settings) if carrier else ""
    if sender:
        yield Block("sender", sender, direction=direction(sender))
    if content.subject:
        yield Block("subject", content.subject, direction=direction(content.subject))
    if content.image_url:
        yield Block("image", url=content.image_url)
    if content.media is not None:
        yield Block(content.media.kind.value, content.media.name, content.media.url)
    if content.html:
        yield Block("html", content.html, direction=direction(_words(content.html)))
    elif content.text:
        yield Block("text", content.text, direction=direction(content.text))
    for button in content.buttons:
        yield Block("button", button.label, button.url, direction(button.label))


def direction(text: str) -> str:
    """From which side a text is read: by its first letter that has one (UAX #9, P2 and P3)."""
    for letter in text:
        kind = unicodedata.bidirectional(letter)
        if kind == "L":
            return LTR
        if kind in ("R", "AL"):
            return RTL
    return LTR


def _words(html: str) -> str:
    """HTML without its tags, as far as the direction of reading asks for it."""
    return "".join(piece.rpartition(">")[2] for piece in html.split("<"))


def _decimal(micros: int) -> str:
    return f"{micros / 1_000_000:f}".rstrip("0").rstrip(".") or "0"
