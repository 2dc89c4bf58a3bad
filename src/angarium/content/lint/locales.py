"""Languages: what the contacts read, and what they would get."""

from __future__ import annotations

from collections.abc import Iterator

from angarium.content import rules
from angarium.content.lint.findings import KINDS, Finding
from angarium.content.lint.subject import Subject
from angarium.content.rules import ANY, Variant
from angarium.core.ports import Channel

LOCALES_SHOWN_MAX = 50
NOBODYS = "qaa"  # reserved for private use (ISO 639-2): what a locale gets that no wording is for


def look(subject: Subject) -> Iterator[Finding]:
    """Everything about locales."""
    for channel in _channels(subject):
        if subject.taken(channel, NOBODYS) is None:
            yield Finding(
                "fallback-missing",
                KINDS["fallback-missing"].level,
                f"{channel.title} has no wording for other locales than those named",
                "add a wording for the locale *, or a default_locale that has one",
                channel=channel.kind,
            )
        for locale, count in subject.around.locales[:LOCALES_SHOWN_MAX]:
            yield from _served(subject, channel, locale, count)


def _channels(subject: Subject) -> list[Channel]:
    """The channels on which something is to be said."""
    return list({c.kind: c for wording in subject.wordings for c in wording.channels}.values())


def _served(subject: Subject, channel: Channel, locale: str, count: int) -> Iterator[Finding]:
    taken = subject.taken(channel, locale)
    told = _who(locale, count, subject.around.sample)
    way = " → ".join(rules.chain(locale, subject.default_locale))
    if taken is None:
        yield Finding(
            "locale-unserved",
            KINDS["locale-unserved"].level,
            f"{told} would get nothing by {channel.title}: looked for {way}",
            f"add a wording for {locale}, or for *",
            channel=channel.kind,
            locale=locale,
        )
    elif not _speaks(taken, locale):
        yield Finding(
            "locale-missing",
            KINDS["locale-missing"].level,
            f"{told} would get the wording for {_name(taken)} by {channel.title}: looked for {way}",
            f"add a wording for {locale}",
            channel=channel.kind,
            locale=locale,
        )


def _who(locale: str, count: int, sample: int) -> str:
    if sample and not count:
        return f"contacts with the locale {locale} (none among {sample} looked at)"
    if sample:
        return f"{count} of {sample} contacts looked at, with the locale {locale}"
    return (
        f"{count} contacts with the locale {locale}"
        if count > 1
        else f"{count} contact with the locale {locale}"
    )


def _speaks(variant: Variant, locale: str) -> bool:
    """Whether a wording is in the language of a locale; one for all is, as long as nobody knows better."""
    return variant.locale != ANY and _language(variant.locale) == _language(locale)


def _language(locale: str) -> str:
    return locale.replace("_", "-").partition("-")[0].lower()


def _name(variant: Variant) -> str:
    return "any locale (*)" if variant.locale == ANY else variant.locale
