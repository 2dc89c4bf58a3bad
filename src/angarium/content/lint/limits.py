"""Limits and prices: what the channels carry, how long it gets, what it costs."""

from __future__ import annotations

from collections.abc import Iterator

from angarium.content.lint.findings import Finding
from angarium.content.lint.subject import Rendered, Subject, Wording, masked, measured
from angarium.content.saying import fit
from angarium.content.surroundings import Carrier
from angarium.core.ports import media_misfit
from angarium.core.problems import FieldProblem
from angarium.core.values import MessageClass, Price

PARTS_MANY = 3
PLACEHOLDERS_MAX = 5  # 8x8's guide to Viber templates of 2026-07
VIBER = "viber_business"


def look(subject: Subject, wording: Wording) -> Iterator[Finding]:
    """Everything about limits, parts and prices of one wording."""
    content = wording.variant.content
    if not (content.text or content.html or content.image_url or content.template or content.media):
        yield wording.finding("variant-empty", "it says nothing", "write something, or leave it out")
        return
    yield from _carried(subject, wording)
    yield from _file(wording)
    told: set[tuple[str, str, str]] = set()
    for carrier in wording.carriers:
        yield from _beyond(wording, carrier, told)
        yield from _parts(subject.message_class, wording, carrier)
    yield from _viber(subject, wording)


def _carried(subject: Subject, wording: Wording) -> Iterator[Finding]:
    named = wording.variant.channel
    channel = subject.around.channels.get(named)
    if channel is not None and subject.message_class not in channel.capabilities.classes:
        yield wording.finding(
            "class-not-carried",
            f"{channel.title} carries no {subject.message_class.value} messages",
            "take the wording out",
        )
    elif subject.around.carriers and not wording.carriers:
        yield wording.finding(
            "line-missing",
            f"no line may carry {subject.message_class.value} messages by {named}",
            "have a line approved for this class",
        )


def _file(wording: Wording) -> Iterator[Finding]:
    """A file beside the words, by each channel: refused where they were written for it, else made a link."""
    media = wording.variant.content.media
    for channel in wording.channels if media is not None else ():
        assert media is not None
        misfit = media_misfit(channel.capabilities, media)
        if misfit is None:
            continue
        said = {"field": "media", "value": media.name}
        if wording.variant.channel == channel.kind:
            problem = f"{channel.title}: {media.name} {misfit.problem}"
            yield wording.finding("channel-limit", problem, misfit.remedy, **said)
        else:
            yield wording.finding(
                "media-as-link", f"{channel.title} sends {media.name} as a link: it {misfit.problem}", **said
            )


def _beyond(wording: Wording, carrier: Carrier, told: set[tuple[str, str, str]]) -> Iterator[Finding]:
    """What the channel refuses, by its own lint, for each sample; each thing once."""
    for one in wording.rendered:
        if one.content is None:
            continue
        content = fit(wording.variant, one.content, carrier.channel)
        for problem in carrier.channel.lint(carrier.settings, content):
            key = (carrier.channel.kind, problem.field, problem.remedy)
            if key not in told and problem.field != "media" and _is_ours(wording, problem):
                told.add(key)
                yield wording.finding(
                    "channel-limit",
                    f"{carrier.channel.title}, with the sample {one.sample.name}: "
                    f"{problem.field} {problem.problem}",
                    problem.remedy,
                    field=problem.field,
                    value=problem.value,
                )


def _is_ours(wording: Wording, problem: FieldProblem) -> bool:
    """A wording for all channels is measured by what it says; what it lacks is another wording's business."""
    return wording.variant.channel != "*" or problem.field in ("text", "buttons")


def _parts(message_class: MessageClass, wording: Wording, carrier: Carrier) -> Iterator[Finding]:
    rendered = [one for one in wording.rendered if one.content is not None]
    if not rendered or carrier.channel.capabilities.priced_by != "part":
        return
    counts = [_count(carrier, one) for one in rendered]
    least, most = min(counts), max(counts)
    longest = rendered[counts.index(most)].sample.name
    span = _parts_in_all(least, most)
    low, high = (_amount(carrier.price(message_class, "", parts)) for parts in (least, most))
    told = f"{span} on {carrier.line}, {high}"
    if least < most:
        told = f"{span} on {carrier.line}, {low} to {high}; the longest with the test data {longest}"
    yield wording.finding("parts", told, field="text", value=str(most))
    if most > PARTS_MANY:
        yield wording.finding(
            "parts-many",
            f"on {carrier.line} the sample {longest} takes {most} parts",
            f"shorten it to {PARTS_MANY} parts, or send it by another channel first",
            field="text",
            value=str(most),
        )


def _parts_in_all(least: int, most: int) -> str:
    if least < most:
        return f"{least} to {most} parts"
    return f"{most} parts" if most > 1 else f"{most} part"


def _count(carrier: Carrier, one: Rendered) -> int:
    assert one.content is not None
    return measured(carrier, one.content).parts


def _amount(price: Price) -> str:
    amount = f"{price.micros / 1_000_000:f}".rstrip("0").rstrip(".")
    return f"{amount} {price.currency}"


def _viber(subject: Subject, wording: Wording) -> Iterator[Finding]:
    """What Viber registers: compulsory for otp and transactional messages since July 2026."""
    if wording.variant.channel != VIBER or subject.message_class.value not in ("otp", "transactional"):
        return
    source = masked(wording.variant.content.text).strip()
    places = wording.variant.content.text.count("{{")
    troubles = []
    if places > PLACEHOLDERS_MAX:
        troubles.append((f"has {places} variables", f"at most {PLACEHOLDERS_MAX}"))
    if source and (source[0] == "\ue000" or source[-1] == "\ue000"):
        troubles.append(("begins or ends with a variable", "write words before the first and after the last"))
    if "}}{{" in wording.variant.content.text.replace(" ", ""):
        troubles.append(("has two variables in a row", "write words between them"))
    for problem, remedy in troubles:
        yield wording.finding("viber-placeholders", problem, remedy, field="text")
