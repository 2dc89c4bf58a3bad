"""What Meta's channels share: who posted, and what the Graph API is asked beside sending.

Sources: developers.facebook.com/documentation/business-messaging/whatsapp: webhooks/override (28 June 2026),
which says that `attach` moves what concerns a number, and leaves what concerns the account at the app's own
address; the pages on business phone numbers and on templates (stored copies of 2026). Webhooks are signed and
verified as developers.facebook.com/docs/graph-api/webhooks/getting-started says.
"""

from __future__ import annotations

import hmac
import re
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from angarium.channels import kit, lint_kit
from angarium.core.clock import MICROS
from angarium.core.ports import (
    Accepted,
    Event,
    Outcome,
    Profile,
    Raw,
    Refused,
    Reply,
    Submission,
    TemplateNews,
    Tools,
    Unknown,
)
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import Content, MessageClass, Reason
from angarium.protocols import cloud_api, cloud_templates, messenger, signatures
from angarium.protocols.answers import Answer

CHALLENGE_MAX = 256
CURSOR = re.compile(r"[A-Za-z0-9_=-]{1,1000}")


# ── settings they share ──────────────────────────────────────────────────────────────────────────────

AppSecret = Annotated[
    kit.Secret,
    Meta(title="App secret", description="From the app's settings; proves that a webhook is from Meta."),
]
AppSecretBefore = Annotated[
    str,
    Meta(
        title="Earlier app secret",
        description="The old secret while you change it; empty otherwise.",
        extra={"secret": True},
    ),
]
VerifyToken = Annotated[
    kit.Secret,
    Meta(title="Verify token", description="Any word of your own; give Meta the same with the webhook."),
]
Version = Annotated[
    str,
    Meta(title="Version of the Graph API", description="Such as v25.0.", pattern=r"^v[0-9]{1,3}\.[0-9]$"),
]
VERSION = "v25.0"


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


# ── conversations ────────────────────────────────────────────────────────────────────────────────────
# What Messenger and Instagram share; the shapes stand in protocols/messenger.py.


def kind_of(late: str, submission: Submission, now: int) -> dict[str, str] | Refused:
    """As what a message goes, by the hour of the person's last one; or that it may not go."""
    heard = submission.heard_at
    if heard is not None and now < heard + messenger.WINDOW_S * MICROS:
        return {"messaging_type": "RESPONSE"}
    served = submission.message_class in (MessageClass.SERVICE, MessageClass.TRANSACTIONAL)
    if late == "human_agent":
        if served and heard is not None and now < heard + messenger.AGENT_S * MICROS:
            return {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    elif late != "refuse" and served:
        return {"messaging_type": "MESSAGE_TAG", "tag": late}
    return Refused(Reason.WINDOW_CLOSED, detail="this person has not written to this line within 24 hours")


def judge_sent(answer: Answer) -> Outcome | None:
    """The outcome by the id of the message or the numbers of the error; None when the body has neither."""
    taken = kit.read_json(answer.body, messenger.Taken)
    if answer.status == 200 and taken is not None and taken.message_id:
        return Accepted((taken.message_id,))
    refusal = kit.read_json(answer.body, messenger.Refusal)
    if refusal is None or answer.status >= 500:
        return None
    error = refusal.error
    code = f"{error.code}/{error.error_subcode}" if error.error_subcode else str(error.code)
    return Refused(messenger.reason_of(error), code, error.message or f"Meta refused it with code {code}")


def lint_conversation(content: Content) -> list[FieldProblem]:
    """What no Page and no account can carry: words beside a file, nothing at all, names of templates."""
    found = []
    file = bool(content.picture or content.media)
    if file and (content.text or content.buttons):
        found.append(
            FieldProblem("text", "stands beside a file", "send the file by itself", shown(content.text))
        )
    found += lint_kit.wordless(content)
    found += lint_kit.no_names(content)
    most = messenger.QUICK_MAX if messenger.are_answers(content.buttons) else messenger.TEMPLATE_BUTTONS_MAX
    if most < len(content.buttons) <= messenger.QUICK_MAX:
        problem = f"{len(content.buttons)} buttons, at most {most} when one opens an address"
        found.append(FieldProblem("buttons", problem, "take buttons away", str(len(content.buttons))))
    return found + lint_kit.long_labels(content.buttons, messenger.LABEL_MAX)


def parse_items(name: str, account: str, raw: Raw) -> list[Event]:
    """Every item of a batch, each on its own; what is for another account is parked."""
    envelope = kit.read_json(raw.body, messenger.Envelope)
    if envelope is None or envelope.object != name:
        return [kit.unreadable(f"not a webhook of {name}", raw.body)]
    events: list[Event] = []
    for entry in envelope.entry:
        for piece in (*entry.messaging, *entry.standby):
            events += _item(entry.id, account, piece)
    return [_cleaned(one) for one in events] or [kit.unreadable("a webhook without messages", raw.body)]


def _item(entry_id: str, account: str, piece: msgspec.Raw) -> list[Event]:
    if entry_id != account:
        return [kit.unreadable(f"for {entry_id!r}, not this line's", piece)]
    item = kit.read_json(piece, messenger.Item)
    if item is None:
        return [kit.unreadable("an item of another shape", piece)]
    return messenger.events(item, account, kit.unreadable("an item that is not heard", piece))


def _cleaned(event: Event) -> Event:
    texts = {
        name: kit.clean(value)
        for name, value in msgspec.structs.asdict(event).items()
        if type(value) is str and "\x00" in value
    }
    return msgspec.structs.replace(event, **texts) if texts else event
