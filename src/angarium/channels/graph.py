"""What Meta's channels share: who posted, and what the Graph API is asked beside sending.

Sources: developers.facebook.com/documentation/business-messaging/whatsapp: webhooks/override (28 June 2026),
which says that `attach` moves what concerns a number, and leaves what concerns the account at the app's own
address; the pages on business phone numbers and on templates (stored copies of 2026). Webhooks are signed and
verified as developers.facebook.com/docs/graph-api/webhooks/getting-started says.
"""

from __future__ import annotations

import hmac
import re
from typing import Protocol

from angarium.channels import kit
from angarium.core.ports import (
    Accepted,
    Outcome,
    Profile,
    Raw,
    Refused,
    Reply,
    TemplateNews,
    Tools,
    Unknown,
)
from angarium.core.values import Reason
from angarium.protocols import cloud_api, cloud_templates, signatures
from angarium.protocols.http import Answer

CHALLENGE_MAX = 256
CURSOR = re.compile(r"[A-Za-z0-9_=-]{1,1000}")


class App(Protocol):
    """Settings of a line that hears Meta's webhooks."""

    @property
    def app_secret(self) -> str:
        """What webhooks are signed with."""

    @property
    def app_secret_before(self) -> str:
        """The same before it was changed; empty when it was not."""

    @property
    def verify_token(self) -> str:
        """What Meta says when it verifies the address."""


class Account(App, Protocol):
    """Settings of a line that is a business phone number."""

    @property
    def base_url(self) -> str:
        """Of the Graph API."""

    @property
    def version(self) -> str:
        """Of the Graph API."""

    @property
    def access_token(self) -> str:
        """A system user's."""

    @property
    def phone_number_id(self) -> str:
        """Of the number."""

    @property
    def business_account_id(self) -> str:
        """Of the account the number is in; empty when nobody said."""


# ── who posted ───────────────────────────────────────────────────────────────────────────────────────


def genuine(settings: App, raw: Raw) -> bool:
    """Whether `X-Hub-Signature-256` was made with the app secret, or the one before it."""
    secrets = (settings.app_secret, settings.app_secret_before)
    return signatures.hub_genuine(raw.headers.get("x-hub-signature-256", ""), secrets, raw.body)


def challenge(settings: App, raw: Raw) -> Reply | None:
    """The answer when Meta verifies the webhook's address: its own challenge, if it knows our word."""
    if raw.query.get("hub.mode") != "subscribe":
        return None
    given = raw.query.get("hub.verify_token", "").encode(errors="replace")
    if not hmac.compare_digest(given, settings.verify_token.encode()):
        return Reply(403, "the verify token does not fit")
    return Reply(200, raw.query.get("hub.challenge", "")[:CHALLENGE_MAX])


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────

NUMBER_FIELDS = "verified_name,display_phone_number,quality_rating,messaging_limit_tier,name_status,status"
TEMPLATE_FIELDS = "id,name,language,status,category,rejected_reason,quality_score"
PAGES_MAX = 50  # of templates, a hundred on each: Meta keeps at most 6,000


async def ask_profile(tools: Tools, settings: Account) -> Profile | Unknown:
    """The number as people see it, its quality, and how many new people it may write to in a day."""
    number = f"{settings.base_url}/{settings.version}/{settings.phone_number_id}"
    answer = await kit.asked(tools, f"{number}?fields={NUMBER_FIELDS}", authorized(settings))
    if isinstance(answer, Unknown):
        return answer
    told = kit.read_json(answer.body, cloud_api.Number)
    if told is None:
        return Unknown("Meta's answer is of another shape")
    details = {"display_phone_number": told.display_phone_number, "name_status": told.name_status}
    known = {name: text for name, text in details.items() if text}
    return Profile(told.verified_name, told.status, told.quality_rating, told.messaging_limit_tier, known)


async def ask_templates(tools: Tools, settings: Account) -> list[TemplateNews] | Unknown:
    """Every template of the business account, page by page."""
    if not settings.business_account_id:
        return Unknown("the line's settings have no business_account_id to ask about")
    account = f"{settings.base_url}/{settings.version}/{settings.business_account_id}"
    first = f"{account}/message_templates?fields={TEMPLATE_FIELDS}&limit=100"
    found: list[TemplateNews] = []
    where = first
    for _ in range(PAGES_MAX):
        answer = await kit.asked(tools, where, authorized(settings))
        if isinstance(answer, Unknown):
            return answer
        page = kit.read_json(answer.body, cloud_api.TemplatePage)
        if page is None:
            return Unknown("Meta's answer is of another shape")
        account_id = settings.business_account_id
        found += [news for one in page.data for news in cloud_templates.standing(account_id, one)]
        after = page.paging.cursors.after
        if not page.paging.next or not CURSOR.fullmatch(after):
            break
        where = f"{first}&after={after}"
    return found


async def attach(tools: Tools, settings: Account, url: str) -> Refused | Unknown | None:
    """Have Meta post what concerns this number to the line's address, which it verifies at once."""
    where = f"{settings.base_url}/{settings.version}/{settings.phone_number_id}"
    override = {"override_callback_uri": url, "verify_token": settings.verify_token}
    outcome = await kit.exchange(
        tools, where, {"webhook_configuration": override}, authorized(settings), _agreed
    )
    return None if isinstance(outcome, Accepted) else outcome


def _agreed(answer: Answer) -> Outcome | None:
    told = kit.read_json(answer.body, cloud_api.Done)
    if answer.status == 200 and told is not None and told.success:
        return Accepted()
    refusal = kit.read_json(answer.body, cloud_api.Refusal)
    return Refused(Reason.CONFIG, str(refusal.error.code), refusal.error.message) if refusal else None


def authorized(settings: Account) -> dict[str, str]:
    return {"Authorization": f"Bearer {settings.access_token}"}
