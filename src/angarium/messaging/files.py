"""Files beside the own words of messages: looked up once for all messages of a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from angarium.content.media import flows as media
from angarium.core.problems import Problem
from angarium.core.values import Media
from angarium.messaging.accept import MessageInput
from angarium.storage.ground import Ground

Asked = MessageInput | Problem


async def attached(ground: Ground, workspace_id: int, asked: Sequence[Asked]) -> tuple[Asked, ...]:
    """Messages with what is known of the files in their own words; a Problem where there is no such file.

    Most have none: then nothing is looked up.
    """
    names = media.named_in(
        variant for one in asked if isinstance(one, MessageInput) for variant in one.variants
    )
    if not names:
        return tuple(asked)
    known = await ground.db.read(media.known, workspace_id, names)
    return tuple(_with(one, known) for one in asked)


def _with(one: Asked, known: Mapping[str, Media]) -> Asked:
    if isinstance(one, Problem) or not one.variants:
        return one
    try:
        return msgspec.structs.replace(one, variants=media.with_files(one.variants, known))
    except Problem as problem:
        return problem
