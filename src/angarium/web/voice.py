"""The sentences of the pages in one language, their gaps filled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo

from babel.lists import format_list
from markupsafe import Markup, escape

from angarium import channels
from angarium.core.isolating import isolated
from angarium.web import figures, sentences
from angarium.web.languages import ENGLISH, Language, Sentence, catalogue

GAP = re.compile(r"\{(\w+)\}")
PLAIN = ("text", "number", "money", "time", "hour", "field")  # kinds of gaps that stand for themselves
BETWEEN = re.compile(r", | or ")
COUNT = "count"  # the gap whose filling decides between plural forms
HEARD = ("why", sentences.CHANNEL)  # gaps that are filled with what was said below the console
STATES = (  # where a state may have its name
    "state",
    "campaign.state",
    "templates.state_of",
    "import_state",
    "export_state",
    "registration_state",
    "pattern_state",
)
ISOLATED = re.compile(r"<bdi[^>]*>(.*?)</bdi>", re.DOTALL)
SIGNS = {  # after a sentence that another one follows
    "fa": {";": "؛ "},
    "ar": {";": "؛ "},
    "zh": {";": "；", ":": "：", ".": "。"},
}

Said = str | tuple[str, Mapping[str, object]]  # a sentence: its name, or that and what fills its gaps


class Voice:
    """Says sentences of the catalogue. What a language lacks is said in English."""

    def __init__(self, rooms: Iterable[str], language: Language) -> None:
        named = list(rooms)
        self._language = language
        self.words: dict[str, Sentence] = {**catalogue(named, ENGLISH), **catalogue(named, language)}
        self._whole: dict[str, Markup] = {}  # sentences without gaps, as they stand on pages
        self._plural = language.locale.plural_form
        self._signs = {"": " ", ".": ". ", ";": "; ", ":": ": ", **SIGNS.get(language.code, {})}

    def has(self, name: str) -> bool:
        """Whether there is a sentence of this name."""
        return name in self.words

    def say(
        self, said: Said, since: datetime | None = None, zone: tzinfo = UTC, /, **given: object
    ) -> Markup:
        """A sentence, its gaps filled: with text, numbers, other sentences, or with times, which tell their
        date when it is not that of `since`."""
        name, values = (said, given) if isinstance(said, str) else said
        if name in self._whole:
            return self._whole[name]
        sentence = self.words[name]
        if isinstance(sentence, str) and not GAP.search(sentence):
            return self._whole.setdefault(name, escape(isolated(sentence)))
        return self._filled(sentence, values, since, zone)

    def heard(self, text: str, zone: tzinfo = UTC) -> str:
        """What was said in English below the console (`web/sentences.py`), in this language: one sentence or
        several; as it is when they are none of ours."""
        if isinstance(text, Markup):
            return text
        said = sentences.catalogue().hear(text)
        if said is None or (self._language == ENGLISH and not self._names(said)):
            return text
        return self._again(said, zone)

    def _names(self, said: sentences.Said) -> bool:
        """Whether something in it stands by a code of ours that the pages have words for."""
        if isinstance(said, sentences.Row):
            return any(self._names(one) for one, _ in said.parts)
        return any(
            self._filling(gap.kind, filling, UTC) != filling
            if isinstance(filling, str)
            else self._names(filling)
            for gap, filling in said.fillings
            if not isinstance(filling, str) or gap.kind not in PLAIN
        )

    def _again(self, said: sentences.Said, zone: tzinfo) -> Markup:
        if isinstance(said, sentences.Row):
            signed = Markup("").join(self._again(one, zone) + self._signs[sign] for one, sign in said.parts)
            return Markup(signed.rstrip())  # noqa: S704  of sentences that are escaped
        own = sentences.catalogue().said[said.key]
        sentence = own.get(self._language.code) or sentences.GAP.sub(r"{\1}", said.key)
        values = {gap.name: self._filling(gap.kind, filling, zone) for gap, filling in said.fillings}
        return self._filled(sentence, values, None, zone)

    def _filling(self, kind: str, filling: str | sentences.Said, zone: tzinfo) -> object:
        """What fills a gap, as `_shown` takes it."""
        if not isinstance(filling, str):
            return self._again(filling, zone)
        match kind:
            case "number":
                bare = filling.replace(",", "")
                return float(bare) if "." in bare else int(bare)
            case "money":
                amount, _, currency = filling.partition(" ")
                return escape(figures.money(self._language, amount, currency)) if currency else float(amount)
            case "time":
                return sentences.time_of(filling)
            case "field":
                return Markup('<bdi dir="ltr">{}</bdi>').format(filling)
        return self._named(kind, filling) or self._each(kind, filling) or filling

    def _each(self, kind: str, text: str) -> Markup | None:
        """Several that are called so, as this language says "one, another or a third"."""
        named = [self._named(kind, one) for one in BETWEEN.split(text)]
        said = [one for one in named if one is not None]
        if len(said) < 2 or len(said) < len(named):
            return None
        return Markup(format_list(said, "or", locale=self._language.locale))  # noqa: S704  each is escaped

    def _named(self, kind: str, text: str) -> Markup | None:
        """What the words of the pages call it; a channel is called by its title."""
        if kind == sentences.CHANNEL:
            channel = channels.load().get(text)
            return None if channel is None else Markup("<bdi>{}</bdi>").format(self.heard(channel.title))
        for prefix in STATES if kind == "state" else (kind,):
            name = f"{prefix}.{text.replace(' ', '_')}"
            if name in self.words:
                return self.say(name)
        return None

    def _filled(
        self, sentence: Sentence, values: Mapping[str, object], since: datetime | None, zone: tzinfo
    ) -> Markup:
        def fill(gap: re.Match[str]) -> str:
            value = values[gap[1]]
            told = self.heard(value, zone) if gap[1] in HEARD and isinstance(value, str) else value
            return self._shown(told, since, zone)

        form = isolated(self._form(sentence, values), filled=True)
        return Markup(GAP.sub(fill, str(escape(form))))  # noqa: S704  escaped, and so is each filling

    def _form(self, sentence: Sentence, values: Mapping[str, object]) -> str:
        if isinstance(sentence, str):
            return sentence
        count = values[COUNT]
        assert isinstance(count, int | float), f"{sentence['other']!r} wants a number for its count"
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


def plain(text: str) -> str:
    """A sentence without markup, what is quoted in it isolated all the same (Unicode, UAX #9: FSI, PDI)."""
    if not isinstance(text, Markup):
        return text
    marked = ISOLATED.sub("\u2068\\1\u2069", str(text))  # of Markup it would escape once more what it joins
    return Markup(marked).striptags()  # noqa: S704  stripped
