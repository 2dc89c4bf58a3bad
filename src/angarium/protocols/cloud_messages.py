"""Content as Meta's Cloud API wants it, and what people send as text. Pure.

Sources: developers.facebook.com/documentation/business-messaging/whatsapp/messages, pages on text, image,
template, interactive reply buttons, interactive lists and interactive CTA URL (May and June 2026); the limits
of buttons and lists stand on the pages of the two.
"""

from __future__ import annotations

from typing import Any

from angarium.core.values import Button, ButtonKind, Content, MediaKind

BUTTON_PARAM = "button_"  # `button_0` in params is the variable end of the template's first URL button
REPLIES_MAX = 3  # reply buttons; more are a list
ROWS_MAX = 10  # of a list
REPLY_MAX, ROW_MAX = 20, 24  # characters on each
ID_MAX = 256  # characters of what a reply carries; of a list's row 200
LIST_ID_MAX = 200


# ── going out ────────────────────────────────────────────────────────────────────────────────────────


def body(content: Content, *, named: bool, menu: str) -> dict[str, Any]:
    """A template, a text with buttons, a file, or a text; `menu` is what opens a list."""
    if content.template:
        return {"type": "template", "template": _template(content, named)}
    if content.buttons:
        return {"type": "interactive", "interactive": _interactive(content, menu)}
    beside = _beside(content)
    if beside:
        kind, file = beside
        return {"type": kind, kind: file | ({"caption": content.text} if content.text else {})}
    preview = "https://" in content.text or "http://" in content.text
    return {"type": "text", "text": {"body": content.text, "preview_url": preview}}


def _template(content: Content, named: bool) -> dict[str, Any]:
    components: list[dict[str, Any]] = []
    beside = _beside(content)
    if beside:
        components.append({"type": "header", "parameters": [{"type": beside[0], beside[0]: beside[1]}]})
    buttons = {name: text for name, text in content.params.items() if name.startswith(BUTTON_PARAM)}
    words = [_variable(named, *item) for item in content.params.items() if item[0] not in buttons]
    if words:
        components.append({"type": "body", "parameters": words})
    for name, text in buttons.items():
        place = {"type": "button", "sub_type": "url", "index": name.removeprefix(BUTTON_PARAM)}
        components.append({**place, "parameters": [{"type": "text", "text": text}]})
    language = {"policy": "deterministic", "code": content.template_language}
    return {"name": content.template, "language": language, "components": components}


def _beside(content: Content) -> tuple[str, dict[str, str]] | None:
    """The picture or file beside the words, with its kind; documents show a name."""
    media = content.media
    if media is None or content.picture:
        return ("image", {"link": content.picture}) if content.picture else None
    named = {"filename": media.name} if media.kind is MediaKind.DOCUMENT else {}
    return media.kind.value, {"link": media.url, **named}


def _variable(named: bool, name: str, text: str) -> dict[str, str]:
    return {"type": "text", "parameter_name": name, "text": text} if named else {"type": "text", "text": text}


def is_list(buttons: tuple[Button, ...]) -> bool:
    """Whether so many answers are a list that is opened, and not buttons."""
    return len(buttons) > REPLIES_MAX


def _interactive(content: Content, menu: str) -> dict[str, Any]:
    first = content.buttons[0]
    if first.kind is not ButtonKind.REPLY:
        pressed = {"display_text": first.label, "url": first.url}
        made: dict[str, Any] = {"type": "cta_url", "action": {"name": "cta_url", "parameters": pressed}}
    elif is_list(content.buttons):
        rows = [{"id": one.label[:LIST_ID_MAX], "title": one.label} for one in content.buttons]
        made = {"type": "list", "action": {"button": menu, "sections": [{"rows": rows}]}}
    else:
        replies = [
            {"type": "reply", "reply": {"id": one.label[:ID_MAX], "title": one.label}}
            for one in content.buttons
        ]
        made = {"type": "button", "action": {"buttons": replies}}
    beside = _beside(content)
    header = {"header": {"type": beside[0], beside[0]: beside[1]}} if beside else {}
    return {**made, "body": {"text": content.text}, **header}


# ── coming in ────────────────────────────────────────────────────────────────────────────────────────

# Where the words of an inbound message are, by its type; the first that is there.
SAID_AT: dict[str, tuple[tuple[str, ...], ...]] = {
    "text": (("text", "body"),),
    "button": (("button", "text"),),
    "interactive": (
        ("interactive", "button_reply", "title"),
        ("interactive", "list_reply", "title"),
        ("interactive", "nfm_reply", "body"),
    ),
    "reaction": (("reaction", "emoji"),),
    **{kind: ((kind, "caption"),) for kind in ("image", "audio", "voice", "video", "document", "sticker")},
    "location": (),
    "contacts": (),
    "order": (),
    "unsupported": (),
}
# Where what a button carries is: a template's, a reply button's, a list's row, a form's answers.
CARRIED_AT: tuple[tuple[str, ...], ...] = (
    ("button", "payload"),
    ("interactive", "button_reply", "id"),
    ("interactive", "list_reply", "id"),
    ("interactive", "nfm_reply", "response_json"),
)
ABOUT = ("latitude", "longitude", "name", "filename")


def said(heard: dict[str, Any], kind: str) -> str:
    """What the person said; what has no words is named, so that an agent knows it came: `[image]`."""
    text = _first(heard, SAID_AT[kind])
    if text:
        return text
    about = [at(heard, kind, name) for name in ABOUT]
    return " ".join([f"[{kind}]", *filter(None, about)])


def carried(heard: dict[str, Any]) -> str:
    """What the button that was pressed carries; "" when none was."""
    return _first(heard, CARRIED_AT)


def _first(heard: dict[str, Any], paths: tuple[tuple[str, ...], ...]) -> str:
    return next((text for path in paths if (text := at(heard, *path))), "")


def at(document: object, *path: str) -> str:
    """The text or number at a path of nested objects; "" when there is none."""
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    return str(document) if isinstance(document, str | int | float) else ""
