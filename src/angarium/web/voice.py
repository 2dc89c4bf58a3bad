"""The sentences of the pages in one language, their gaps filled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo

from markupsafe import Markup, escape

from angarium.web import figures
from angarium.web.languages import ENGLISH, Language, Sentence, catalogue

GAP = re.compile(r"\{(\w+)\}")
COUNT = "count"  # the gap whose filling decides between plural forms

Said = str | tuple[str, Mapping[str, object]]  # a sentence: its name, or that and what fills its gaps


class Voice:
    """Says sentences of the catalogue. What a language lacks is said in English."""

    def __init__(self, rooms: Iterable[str], language: Language) -> None:
        named = list(rooms)
        self._language = language
        self.words: dict[str, Sentence] = {**catalogue(named, ENGLISH), **catalogue(named, language)}
        self._plural = language.locale.plural_form

    def has(self, name: str) -> bool:
        """Whether there is a sentence of this name."""
        return name in self.words

    def say(
        self, said: Said, since: datetime | None = None, zone: tzinfo = UTC, /, **given: object
    ) -> Markup:
        """A sentence, its gaps filled: with text, numbers, other sentences, or with times, which tell their
        date when it is not that of `since`."""
        name, values = (said, given) if isinstance(said, str) else said

        def fill(gap: re.Match[str]) -> str:
            return self._shown(values[gap[1]], since, zone)

        return Markup(GAP.sub(fill, str(escape(self._form(name, values)))))  # noqa: S704  escaped, and so is each filling

    def _form(self, name: str, values: Mapping[str, object]) -> str:
        sentence = self.words[name]
        if isinstance(sentence, str):
            return sentence
        count = values[COUNT]
        assert isinstance(count, int | float), f"{name} wants a number for its count"
        return sentence.get(self._plural(count), sentence["other"])

    def time(
        self, at: datetime, since: datetime | None = None, zone: tzinfo = UTC, *, seconds: bool = True
    ) -> Markup:
        """A time as an element that also tells machines; on the day of `since` without its date."""
        whole = figures.moment(self._language, at, zone, seconds=True)
        same_day = since is not None and at.astimezone(zone).date() == since.astimezone(zone).date()
        shown = figures.clock_time(self._language, at, zone) if same_day else whole
        if not seconds and not same_day:
            shown = figures.moment(self._language, at, zone)
        return Markup('<time datetime="{}" title="{}">{}</time>').format(exact(at), whole, shown)

    def _shown(self, value: object, since: datetime | None, zone: tzinfo) -> str:
        match value:
            case tuple():
                return self.say(value, since, zone)
            case datetime():
                return self.time(value, since, zone)
            case timedelta():
                return escape(figures.duration(self._language, value))
            case Markup():
                return value
            case bool():
                return escape(value)
            case int() | float():
                return escape(figures.number(self._language, value))
            case _:
                return Markup("<bdi>{}</bdi>").format(value)


def exact(at: datetime) -> str:
    """As machines read it: RFC 3339, in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
