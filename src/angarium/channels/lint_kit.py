"""What several channels find fault with in content, each once: no words, names of templates, long labels."""

from __future__ import annotations

from collections.abc import Sequence

from angarium.channels import kit
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import Button, Content

ITSELF = "write the words themselves"
MATCHED = "write the registered wording as text: the operators match it by themselves"


def no_names(content: Content, remedy: str = ITSELF) -> list[FieldProblem]:
    """Of a template that is named, where only its words would reach the provider."""
    if not content.template:
        return []
    return [FieldProblem("template", "templates have no names here", remedy, shown(content.template))]


def wordless(content: Content) -> list[FieldProblem]:
    """Of a message of nothing: neither words nor a picture nor another file."""
    if content.text or content.picture or content.media:
        return []
    return [FieldProblem("text", "is empty", "write a text")]


def long_labels(buttons: Sequence[Button], most: int) -> list[FieldProblem]:
    """Of buttons whose label is too long, in characters."""
    return [
        kit.too_long(f"buttons.{place}.label", one.label, most)
        for place, one in enumerate(buttons)
        if len(one.label) > most
    ]


def misshapen_labels(buttons: Sequence[Button], most: int) -> list[FieldProblem]:
    """The same where a label may not be missing either."""
    remedy = f"1 to {most} characters"
    return [
        FieldProblem(f"buttons.{place}.label", "is empty or too long", remedy, shown(one.label))
        for place, one in enumerate(buttons)
        if not 1 <= len(one.label) <= most
    ]
