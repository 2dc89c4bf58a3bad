"""Wording for every channel, fitted to one that cannot carry all of it: nothing is dropped. Pure.

    | what it has          | where the channel cannot                           |
    |----------------------|----------------------------------------------------|
    | a link, a chat       | a line `label: address`                            |
    | a call               | a line `label: number`                             |
    | replies              | numbered lines, from 1                             |
    | a picture, a file    | a line with its address                            |
    | HTML without a text  | the text of it                                     |
    | a subject            | the first line                                     |

Wording that was written for the very channel is not touched: what does not fit there is told to its author.
"""

from __future__ import annotations

import msgspec

from angarium.content.composition import text_of
from angarium.core.ports import Capabilities, media_misfit
from angarium.core.values import WITHOUT_URL, Button, Content


class Fitted(msgspec.Struct, frozen=True):
    """A content that fits, and what became of what did not: names of fields."""

    content: Content
    changed: tuple[str, ...] = ()


def fitted(content: Content, capabilities: Capabilities) -> Fitted:
    """The content as this channel can carry it; its length is another matter."""
    if content.template:
        return Fitted(content)  # its provider has the wording
    text, changed = content.text, []
    kept, left = _buttons(content, capabilities)
    lines = _lines(left)
    if left:
        changed.append("buttons")
    image, html, subject = content.image_url, content.html, content.subject
    media = content.media
    if image and not capabilities.images:
        lines, image = [image, *lines], ""
        changed.append("image_url")
    if media is not None and media_misfit(capabilities, media):
        lines, media = [media.url, *lines], None
        changed.append("media")
    if html and not capabilities.html:
        text, html = text or text_of(html), ""
        changed.append("html")
    if subject and not capabilities.html:
        text, subject = f"{subject}\n{text}".strip(), ""
        changed.append("subject")
    if not changed:
        return Fitted(content)
    whole = "\n".join([text, *lines]) if text else "\n".join(lines)
    found = msgspec.structs.replace(
        content, text=whole, html=html, subject=subject, image_url=image, media=media, buttons=kept
    )
    return Fitted(found, tuple(changed))


def _buttons(content: Content, capabilities: Capabilities) -> tuple[tuple[Button, ...], list[Button]]:
    """The buttons that the channel has room for, and the others."""
    kept: list[Button] = []
    left: list[Button] = []
    for button in content.buttons:
        fits = button.kind in capabilities.buttons and len(kept) < capabilities.buttons_max
        (kept if fits else left).append(button)
    return tuple(kept), left


def _lines(buttons: list[Button]) -> list[str]:
    lines, number = [], 0
    for button in buttons:
        if button.kind in WITHOUT_URL:
            number += 1
            lines.append(f"{number}. {button.label}")
        else:
            lines.append(f"{button.label}: {button.url.removeprefix('tel:')}")
    return lines
