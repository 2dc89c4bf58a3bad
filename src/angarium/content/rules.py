"""Which wording of a template a message takes, what it says with its values, and what is wrong with it.

A template version holds variants, each for a channel and a locale, "*" for any. The most specific wins:

    | order | channel          | locale                                            |
    |-------|------------------|---------------------------------------------------|
    | 1     | the very channel | the very locale: zh-Hans-CN                       |
    | 2     | the very channel | the locale cut from its end: zh-Hans, then zh     |
    | 3     | the very channel | *                                                 |
    | 4–6   | its group        | the same three                                    |
    | 7–9   | *                | the same three                                    |
    | 10–18 | as 1–9           | as 1–9, for the default locale of the template    |

Locales are cut as RFC 4647 §3.4 (lookup) cuts them, case and `_` for `-` aside. Of equals the first wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, UnsetType

from angarium.content.liquid import MissingVariable, RenderError, Template, TemplateSyntax, compile_template
from angarium.content.origins import Origin
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import WITHOUT_URL, Button, ButtonKind, Content

ANY = "*"
URL_MAX = 2048  # characters; the least that browsers and channels agree on

# Half a surrogate pair is no character: it can neither be stored nor sent.
NOT_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# RFC 5322 §2.2: a line end in a subject begins another header. Whatever some program takes for one counts.
NOT_IN_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
NOT_IN_URL = re.compile(r"[\s<>\"\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")


TEL = re.compile(r"tel:\+?[0-9]{3,15}")  # RFC 3966, without separators


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One wording of a template version. The fields of its content are Liquid sources."""

    content: Content
    channel: str = ANY
    locale: str = ANY
    origin: Origin | UnsetType = UNSET  # what it was written as, where that is not its content


class NotRendered(Exception):
    """A content cannot be rendered with these values; `problems` has every field that cannot."""

    def __init__(self, problems: tuple[FieldProblem, ...]) -> None:
        super().__init__("; ".join(f"{each.field}: {each.problem}" for each in problems))
        self.problems = problems


class Kind(Enum):
    """What may stand in a field once it is rendered."""

    TEXT = auto()
    LINE = auto()
    HTML = auto()
    URL = auto()
    PHONE = auto()


ADDRESS_OF = {ButtonKind.LINK: Kind.URL, ButtonKind.CHAT: Kind.URL, ButtonKind.CALL: Kind.PHONE}

Field = tuple[str, str, Kind]  # its name as errors show it, its source, its kind


def pick(
    variants: Sequence[Variant], channel: str, locale: str, group: str = "", default_locale: str = ""
) -> Variant | None:
    """The most specific variant, or None. `group` names the channels that share a wording, such as "sms"."""
    found = _picked(variants, channel, (*_lookups(locale), ANY), group)
    if found is None and default_locale:
        return _picked(variants, channel, tuple(_lookups(default_locale)), group)
    return found


def chain(locale: str, default_locale: str = "") -> list[str]:
    """The locales that are looked for, in their order: `ru-KZ` as ru-kz, ru, *, and those of the default."""
    last = _lookups(default_locale) if default_locale else []
    return list(dict.fromkeys((*_lookups(locale), ANY, *last)))


def _picked(
    variants: Sequence[Variant], channel: str, locales: tuple[str, ...], group: str
) -> Variant | None:
    for wanted_channel in (channel, group, ANY):
        fitting = [variant for variant in variants if variant.channel == wanted_channel]
        for wanted_locale in locales if fitting else ():
            for variant in fitting:
                if _tag(variant.locale) == wanted_locale:
                    return variant
    return None


def render(content: Content, values: Mapping[str, Any]) -> Content:
    """The content as the person will see it. Raises NotRendered."""
    plain = _plainly(content, values)
    return _rendered(content, values) if plain is None else plain


def _plainly(content: Content, values: Mapping[str, Any]) -> Content | None:
    """Where there is a text and nothing else, as mostly. None for any other, and for what fails."""
    more = content.subject or content.html or content.image_url or content.buttons or content.params
    if more or not content.text:
        return None
    try:
        text = compile_template(content.text).render(values)
    except (TemplateSyntax, RenderError):
        return None
    return None if NOT_IN_TEXT.search(text) else msgspec.structs.replace(content, text=text)


def _rendered(content: Content, values: Mapping[str, Any]) -> Content:
    said: dict[str, str] = {}
    problems: list[FieldProblem] = []
    for name, source, kind in fields(content):
        try:
            text = _compiled(source, kind).render(values)
        except (TemplateSyntax, RenderError) as error:
            problems.append(_problem(name, source, error))
            continue
        said[name] = text.strip() if kind in (Kind.LINE, Kind.URL) else text
        problems += _misfit(name, said[name], kind)
    if problems:
        raise NotRendered(tuple(problems))
    return _rebuilt(content, said)


def variables(content: Content) -> frozenset[str]:
    """Every name the content uses, as dotted paths. Raises TemplateSyntax."""
    return frozenset().union(*(_compiled(source, kind).variables for _, source, kind in fields(content)))


def check(content: Content) -> tuple[FieldProblem, ...]:
    """What is wrong with a content before any values are known."""
    problems: list[FieldProblem] = []
    if not (content.text or content.html or content.image_url or content.template or content.media):
        remedy = "say something: text, html, image_url, media or template"
        problems.append(FieldProblem("text", "is empty", remedy))
    if content.image_url and content.media:
        problems.append(FieldProblem("media", "stands beside image_url", "leave one of them out"))
    for name, source, kind in fields(content):
        try:
            template = _compiled(source, kind)
            if not template.variables:
                problems += _misfit(name, template.render({}).strip(), kind)
        except (TemplateSyntax, RenderError) as error:
            problems.append(_problem(name, source, error))
    return tuple(problems)


def fields(content: Content) -> Iterator[Field]:
    """The fields of a content that hold Liquid, as far as they are filled; all of each button."""
    if content.text:
        yield "text", content.text, Kind.TEXT
    if content.subject:
        yield "subject", content.subject, Kind.LINE
    if content.html:
        yield "html", content.html, Kind.HTML
    if content.image_url:
        yield "image_url", content.image_url, Kind.URL
    for place, button in enumerate(content.buttons):
        yield f"buttons[{place}].label", button.label, Kind.LINE
        if button.kind not in WITHOUT_URL:
            yield f"buttons[{place}].url", button.url, ADDRESS_OF[button.kind]
    for name, source in content.params.items():
        yield f"params.{name}", source, Kind.TEXT


def _lookups(locale: str) -> list[str]:
    """`zh-Hans-CN` as zh-hans-cn, zh-hans, zh."""
    subtags = _tag(locale).split("-")
    return ["-".join(subtags[:count]) for count in range(len(subtags), 0, -1)]


def language(locale: str) -> str:
    """`zh` of `zh-Hans-CN`."""
    return _tag(locale).partition("-")[0]


def _tag(locale: str) -> str:
    return locale.replace("_", "-").lower()


def _compiled(source: str, kind: Kind) -> Template:
    return compile_template(source, html=kind is Kind.HTML)


def _rebuilt(content: Content, said: dict[str, str]) -> Content:
    return msgspec.structs.replace(
        content,
        text=said.get("text", ""),
        subject=said.get("subject", ""),
        html=said.get("html", ""),
        image_url=said.get("image_url", ""),
        buttons=tuple(
            Button(said[f"buttons[{place}].label"], said.get(f"buttons[{place}].url", ""), button.kind)
            for place, button in enumerate(content.buttons)
        ),
        params={name: said[f"params.{name}"] for name in content.params},
    )


# ── what is wrong, and what to do about it ───────────────────────────────────────────────────────────


def _problem(name: str, source: str, error: TemplateSyntax | RenderError) -> FieldProblem:
    if isinstance(error, MissingVariable):
        known = ", ".join(error.known) or "none"
        remedy = f'known names: {known}; or give a default: {{{{ {error.name} | default: "…" }}}}'
        return FieldProblem(name, str(error), remedy, shown(error.name))
    line = source.split("\n")[max(error.line, 1) - 1]
    remedy = (
        "correct the template" if isinstance(error, TemplateSyntax) else "correct the template or the values"
    )
    return FieldProblem(name, str(error), remedy, shown(line[max(error.column - 11, 0) :]))


def _misfit(name: str, text: str, kind: Kind) -> Iterator[FieldProblem]:
    return MISFITS[kind](name, text)


def _misfit_text(name: str, text: str) -> Iterator[FieldProblem]:
    found = NOT_IN_TEXT.search(text)
    if found is not None:
        yield _stray(name, text, found)


def _misfit_line(name: str, text: str) -> Iterator[FieldProblem]:
    found = NOT_IN_LINE.search(text)
    if found is not None:
        yield _stray(name, text, found)
    elif not text and name != "subject":
        yield FieldProblem(name, "is empty", "give the button a label")


def _misfit_url(name: str, text: str) -> Iterator[FieldProblem]:
    if text:
        trouble = url_trouble(text)
        if trouble is not None:
            yield FieldProblem(name, *trouble, shown(text))
    elif name != "image_url":
        yield FieldProblem(name, "is empty", "give the button an http or https address")


def _misfit_phone(name: str, text: str) -> Iterator[FieldProblem]:
    if not TEL.fullmatch(text):
        problem = "is not a number to call" if text else "is empty"
        yield FieldProblem(name, problem, "such as tel:+380441234567", shown(text))


def url_trouble(url: str) -> tuple[str, str] | None:
    """The problem of a URL and its remedy; None when it is sound."""
    found = NOT_IN_URL.search(url)
    if found is not None:
        remedy = "encode values that go into an address: {{ value | url_encode }}"
        return f"has {_named(found[0])}, which no address can", remedy
    if len(url) > URL_MAX:
        return f"has {len(url)} characters", f"at most {URL_MAX} characters"
    try:
        parts = urlsplit(url)
        host, port_is_sound = parts.hostname, parts.port is None or parts.port > 0
    except ValueError as error:
        return f"is not an address: {error}", "such as https://example.com/orders/1"
    if parts.scheme not in ("http", "https") or not host or not port_is_sound:
        return "is not an http or https address", "such as https://example.com/orders/1"
    if "@" in parts.netloc:
        return "names a user in front of the host", "such as https://example.com/orders/1"
    return None


def _stray(name: str, text: str, found: re.Match[str]) -> FieldProblem:
    remedy = "take it out of the template or of the value that brings it"
    around = text[max(found.start() - 10, 0) : found.end() + 10]
    problem = f"has {_named(found[0])} at character {found.start() + 1}, which cannot be sent"
    return FieldProblem(name, problem, remedy, shown(ascii(around)))


def _named(character: str) -> str:
    return {"\n": "a line end", "\r": "a line end", "\t": "a tab", " ": "a space"}.get(
        character, f"the character U+{ord(character):04X}"
    )


MISFITS: dict[Kind, Callable[[str, str], Iterator[FieldProblem]]] = {
    Kind.TEXT: _misfit_text,
    Kind.LINE: _misfit_line,
    Kind.HTML: _misfit_text,
    Kind.URL: _misfit_url,
    Kind.PHONE: _misfit_phone,
}
