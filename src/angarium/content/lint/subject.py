"""What is looked at: the wordings of a version with their samples, each text rendered once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from angarium.content import rules
from angarium.content.lint.findings import KINDS, Finding
from angarium.content.liquid import TemplateSyntax
from angarium.content.rules import ANY, NotRendered, Variant
from angarium.content.saying import say
from angarium.content.surroundings import Carrier, Surroundings
from angarium.core.ports import Channel
from angarium.core.problems import shown
from angarium.core.values import Content, Json, Measure, MessageClass

UNSUBSCRIBE_URL = "unsubscribe_url"  # a variable; as a parameter of a mail it becomes its header
RENDERS_MAX = 2_000  # of one look
TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
HIDDEN = "\ue000"  # stands where a tag of Liquid stood: nobody writes it, and places stay what they were


class Sample(msgspec.Struct, frozen=True):
    """A named set of values, for one locale or ("") for all."""

    name: str
    locale: str
    values: Json


@dataclass(frozen=True)
class Rendered:
    """One wording with one sample: what people would read, or why they would not."""

    sample: Sample
    content: Content | None
    trouble: NotRendered | None = None


@dataclass
class Wording:
    """One variant with everything that is known of it."""

    place: int
    variant: Variant
    channels: tuple[Channel, ...]  # that may say it
    carriers: tuple[Carrier, ...]  # lines that may carry it
    rendered: list[Rendered] = field(default_factory=list)

    def finding(self, kind: str, problem: str, remedy: str = "", **more: object) -> Finding:
        """A finding about this wording; `field`, `position`, `value` where they are known."""
        value = more.pop("value", "")
        return Finding(
            kind,
            KINDS[kind].level,
            problem,
            remedy,
            variant=self.place,
            channel=self.variant.channel,
            locale=self.variant.locale,
            value=shown(value) if value else "",
            **more,  # type: ignore[arg-type]  # its own field names
        )

    @cached_property
    def variables(self) -> frozenset[str]:
        """The names it uses; none when it is no template."""
        try:
            return rules.variables(self.variant.content)
        except TemplateSyntax:
            return frozenset()

    def fields(self) -> Iterator[tuple[str, str]]:
        """Each field by its name, without what Liquid puts in."""
        for name, source, _ in rules.fields(self.variant.content):
            yield name, masked(source)

    @property
    def by_parts(self) -> bool:
        """Whether it may go as an SMS."""
        return any(channel.capabilities.priced_by == "part" for channel in self.channels)


def masked(source: str) -> str:
    """A source in which each tag is as many signs that stand for nothing."""
    return TAG.sub(lambda found: HIDDEN * len(found[0]), source)


@dataclass
class Subject:
    """A version as it is looked at."""

    message_class: MessageClass
    variants: Sequence[Variant]
    default_locale: str
    samples: Sequence[Sample]
    around: Surroundings
    registered: frozenset[tuple[str, str, str]] = frozenset()  # channel, locale, hash of the words
    wordings: list[Wording] = field(default_factory=list)

    def __post_init__(self) -> None:
        left = RENDERS_MAX
        for place, variant in enumerate(self.variants):
            wording = self._wording(place, variant)
            for sample in self.samples:
                if left and self.says(wording, sample.locale):
                    values = given(sample, self.around.unsubscribe_url)
                    wording.rendered.append(_rendered(variant, values, self.around.public_url))
                    left -= 1
            self.wordings.append(wording)

    def _wording(self, place: int, variant: Variant) -> Wording:
        mine = tuple(
            channel for channel in self.around.channels.values() if variant.channel in _names(channel)
        )
        carriers = tuple(
            carrier
            for carrier in self.around.carriers
            if variant.channel in _names(carrier.channel) and self.message_class in carrier.classes
        )
        if variant.channel == ANY and carriers:  # a workspace without lines may yet have any
            mine = tuple({carrier.channel.kind: carrier.channel for carrier in carriers}.values())
        return Wording(place, variant, mine, carriers)

    def says(self, wording: Wording, locale: str) -> bool:
        """Whether a wording is what somebody of this locale would get on one of its channels."""
        if not locale:
            return True
        return any(self.taken(channel, locale) is wording.variant for channel in wording.channels)

    def taken(self, channel: Channel, locale: str) -> Variant | None:
        """What somebody of this locale would get on a channel."""
        return rules.pick(
            self.variants, channel.kind, locale, channel.address_kind.value, self.default_locale
        )


def _names(channel: Channel) -> tuple[str, str, str]:
    return (channel.kind, channel.address_kind.value, ANY)


def given(sample: Sample, unsubscribe_url: str) -> Sample:
    """A sample with what the server gives to every message."""
    if not unsubscribe_url:
        return sample
    return msgspec.structs.replace(sample, values={UNSUBSCRIBE_URL: unsubscribe_url, **sample.values})


def _rendered(variant: Variant, sample: Sample, public_url: str) -> Rendered:
    try:
        return Rendered(sample, say(variant, sample.values, sample.locale, public_url=public_url))
    except NotRendered as trouble:
        return Rendered(sample, None, trouble)


def measured(carrier: Carrier, content: Content) -> Measure:
    """How long a content is on a line."""
    return carrier.channel.measure(carrier.settings, content)
