"""What Meta tells of WhatsApp templates, by three webhooks of a business account.

Sources: developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference, pages
message_template_status_update (13 April 2026), template_category_update (11 November 2025) and
message_template_quality_update (21 May 2026); pywa types/templates.py, for ARCHIVED and UNARCHIVED.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from angarium.core.clock import iso
from angarium.core.ports import TemplateNews
from angarium.core.values import RegistrationStatus
from angarium.protocols import cloud_api

# message_template_status_update: what its `event` comes to. FLAGGED and LOCKED are no states of their own:
# such a template goes as before. `other_info.title` says of a locked one which way it went.
REGISTRATIONS = {
    "PENDING": RegistrationStatus.PENDING,
    "IN_APPEAL": RegistrationStatus.PENDING,
    "APPROVED": RegistrationStatus.APPROVED,
    "REINSTATED": RegistrationStatus.APPROVED,
    "UNARCHIVED": RegistrationStatus.APPROVED,
    "REJECTED": RegistrationStatus.REJECTED,
    "PAUSED": RegistrationStatus.PAUSED,
    "ARCHIVED": RegistrationStatus.PAUSED,  # nothing goes until it is unarchived
    "DISABLED": RegistrationStatus.DISABLED,
    "DELETED": RegistrationStatus.DISABLED,
    "PENDING_DELETION": RegistrationStatus.DISABLED,
}
LOCKS = {
    "FIRST_PAUSE": RegistrationStatus.PAUSED,
    "SECOND_PAUSE": RegistrationStatus.PAUSED,
    "RATE_LIMITING_PAUSE": RegistrationStatus.PAUSED,
    "UNPAUSE": RegistrationStatus.APPROVED,
    "DISABLED": RegistrationStatus.DISABLED,
}
CATEGORIES = frozenset({"AUTHENTICATION", "MARKETING", "UTILITY"})
QUALITIES = frozenset({"GREEN", "YELLOW", "RED", "UNKNOWN"})
REGISTRAR = "Meta"
NAME_MAX = 512  # characters of a template's name, as Meta's page on templates says
REASON_MAX = 2_000
SECONDS_DIGITS = 10  # of a time that is still to come
NOTICES = frozenset({"FLAGGED", "LOCKED"})
NO_REASON = "NONE"


def news(account: str, at: int | str, field: str, told: cloud_api.Template) -> TemplateNews | None:
    """What is told of a template of an account at a time; None when its words are not in our table."""
    said = FIELDS[field](told)
    if said is None or not 1 <= len(told.message_template_name) <= NAME_MAX:
        return None
    return msgspec.structs.replace(
        said,
        name=told.message_template_name,
        language=told.message_template_language[:NAME_MAX],
        reason=said.reason[:REASON_MAX],
        account=account[:NAME_MAX],
        external_id=str(told.message_template_id)[:NAME_MAX],
        registrar=REGISTRAR,
        at=cloud_api.instant(at),
    )


def standing(account: str, kept: cloud_api.Kept) -> list[TemplateNews]:
    """What is so of a template now: its state, and its quality; nothing of a word not in our table."""
    status = REGISTRATIONS.get(kept.status)
    if status is None or not 1 <= len(kept.name) <= NAME_MAX:
        return []
    reason = kept.rejected_reason or ""
    told = TemplateNews(
        name=kept.name,
        language=kept.language[:NAME_MAX],
        about="status",
        word=kept.status,
        status=status,
        reason="" if reason == NO_REASON else reason[:REASON_MAX],
        category=kept.category if kept.category in CATEGORIES else "",
        account=account[:NAME_MAX],
        external_id=str(kept.id)[:NAME_MAX],
        registrar=REGISTRAR,
    )
    score = kept.quality_score.score
    if score not in QUALITIES:
        return [told]
    return [told, msgspec.structs.replace(told, about="quality", word=score, status=None, reason="")]


def _state_news(told: cloud_api.Template) -> TemplateNews | None:
    """What it may do from now on; None when the word is not in our table."""
    status = REGISTRATIONS.get(told.event) or (
        LOCKS.get(told.other_info.title) if told.event == "LOCKED" else None
    )
    if status is None and told.event not in NOTICES:
        return None
    explained = (told.rejection_info.reason, told.rejection_info.recommendation, told.other_info.description)
    why = [told.reason or "", *explained]
    return TemplateNews(
        name="",
        language="",
        about="notice" if status is None else "status",
        word=told.event,
        status=status,
        reason=" ".join(text for text in why if text and text != NO_REASON),
        category=told.message_template_category if told.message_template_category in CATEGORIES else "",
    )


def _category_news(told: cloud_api.Template) -> TemplateNews | None:
    """Which category it has now; of one that is to come it is a notice only."""
    coming = told.correct_category
    if not {told.new_category, coming or told.new_category} <= CATEGORIES:
        return None
    if not coming:
        return TemplateNews("", "", "category", told.new_category, category=told.new_category)
    at_s = str(told.category_update_timestamp)
    when = cloud_api.instant(at_s) if len(at_s) <= SECONDS_DIGITS else None
    at = f" at {iso(when)}" if when else ""
    reason = f"Meta is going to take it from {told.new_category} to {coming}{at}."
    return TemplateNews("", "", "notice", coming, reason=reason)


def _quality_news(told: cloud_api.Template) -> TemplateNews | None:
    if told.new_quality_score not in QUALITIES:
        return None
    return TemplateNews("", "", "quality", told.new_quality_score)


FIELDS: dict[str, Callable[[cloud_api.Template], TemplateNews | None]] = {
    "message_template_status_update": _state_news,
    "template_category_update": _category_news,
    "message_template_quality_update": _quality_news,
}
