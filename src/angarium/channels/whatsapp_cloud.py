"""WhatsApp Business through Meta's Cloud API.

Sources: developers.facebook.com/documentation/business-messaging/whatsapp (pages of May and June 2026: status
messages, messages, errors, interactive CTA URL; of November 2025 to May 2026: webhooks about templates);
nyaruka/courier handlers/meta (limits, captured payloads, which errors are throttling); pywa errors.py (the
meaning of the numbers).

Quirks:
- `error.code` decides, not the HTTP status: a rate limit comes as 403, 400 or 429.
- No idempotency key. `biz_opaque_callback_data` comes back with every status, so a submission whose answer
  was lost is found again by our own reference.
- `delivered` is left out when a message is read at once; order is not guaranteed; `failed` may come days
  later.
- Outside the 24 hours after the person's last message only templates go (131047).
- One webhook address serves every number of a business account: what is for another number is parked.
- A person with a username may come without a phone, as a business-scoped user id (`US.1234`): another kind of
  address (`whatsapp_user`), which is written to by `recipient` instead of `to`.
- A person may stop marketing from this business (`user_preferences`): that is a no to advertising here.
- What Meta posts about templates goes to the app's own address only; they can be fetched.
- Notices about templates arrive at the same webhook, for the whole business account; what they say of a
  template's state, category and quality is heard. Those about the account are parked with their field's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from angarium.channels import kit, meta_kit
from angarium.core.clock import MICROS
from angarium.core.ports import (
    LINKS,
    Accepted,
    Allowance,
    Capabilities,
    Carries,
    Channel,
    Charged,
    Event,
    Inbound,
    Outcome,
    Raw,
    Receipt,
    Refused,
    Submission,
    Tools,
)
from angarium.core.problems import FieldProblem
from angarium.core.values import (
    AddressKind,
    Button,
    ButtonKind,
    Content,
    Measure,
    MediaKind,
    MessageClass,
    Price,
    Reason,
    ReceiptStatus,
)
from angarium.protocols import cloud_api, cloud_messages, cloud_templates
from angarium.protocols.answers import Answer

TEXT_MAX = 4_096  # characters of a plain text
BODY_MAX = 1_024  # characters beside a picture or a button, and of a template
PAIR_WAIT_S = 6.0  # about one message in 6 s to one person
WINDOW_S = 86_400  # customer service window
BSUID = r"[A-Z]{2}(\.ENT)?\.[0-9A-Za-z]{1,128}"  # a person who shows no phone

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One business phone number."""

    phone_number_id: Annotated[
        str,
        Meta(
            title="Phone number ID",
            description="From the app's WhatsApp page; not the phone number itself.",
            pattern=r"^[0-9]{1,32}$",
        ),
    ]
    access_token: Annotated[
        kit.Secret,
        Meta(title="Access token", description="A system user's, with whatsapp_business_messaging."),
    ]
    app_secret: meta_kit.AppSecret
    verify_token: meta_kit.VerifyToken
    app_secret_before: meta_kit.AppSecretBefore = ""
    business_account_id: Annotated[
        str,
        Meta(
            title="Business account ID",
            description="Where one webhook serves several: notices about templates of others are parked.",
            pattern=r"^[0-9]{0,32}$",
        ),
    ] = ""
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Without a slash at its end.")
    ] = "https://graph.facebook.com"
    version: meta_kit.Version = meta_kit.VERSION
    template_variables: Annotated[
        Literal["positional", "named"],
        Meta(
            title="Variables of templates",
            description="positional for {{1}}, {{2}} in the order of params; named for {{first_name}}.",
        ),
    ] = "positional"
    window_by: Annotated[
        Literal["meta", "angarium"],
        Meta(
            title="Who knows the 24 hours",
            description="angarium: free wording is refused here unless the person wrote to this line within "
            "a day; right where nobody else hears what people write. meta: it is tried; Meta refuses.",
        ),
    ] = "meta"
    menu: Annotated[
        str,
        Meta(
            title="Word of a list", description="What opens a list of answers.", min_length=1, max_length=20
        ),
    ] = "☰"


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

STATUSES = {
    "sent": ReceiptStatus.SENT,
    "delivered": ReceiptStatus.DELIVERED,
    "read": ReceiptStatus.READ,
    "played": ReceiptStatus.READ,  # a voice message was listened to
    "deleted": ReceiptStatus.ACCEPTED,  # the person took their own message away: nothing new about ours
    "failed": ReceiptStatus.FAILED,
}

REASONS: dict[Reason, tuple[int, ...]] = {
    # the person
    Reason.NOT_A_USER: (131026,),  # or an old app, or blocked us: Meta does not say which
    Reason.WINDOW_CLOSED: (131047,),
    Reason.OPTED_OUT: (131050,),  # stopped marketing from this business
    Reason.BAD_ADDRESS: (131021,),  # our own number
    # 131049 Meta's cap on marketing to one person; 130472 its experiment; 130497 not to that country
    Reason.REJECTED: (131049, 130472, 130497),
    # the content: 132015 paused, 132016 disabled; 131014 a link that could not be fetched
    Reason.TEMPLATE_INVALID: (132000, 132001, 132007, 132008, 132012, 132015, 132016),
    Reason.TOO_LONG: (132005,),
    Reason.MEDIA_INVALID: (131014, 131052, 131053),
    # 131062 not to a business-scoped user id; 131063 marketing must use the other endpoint
    Reason.UNSUPPORTED: (131051, 131062, 131063),
    # the pace: 131056 too many to one person, 131048 too many reported as spam
    Reason.THROTTLED: (4, 613, 80007, 130429, 131048, 131056, 133016),
    # the account: 368 blocked for a while, 131031 locked, 131037 display name not approved
    Reason.AUTH: (0, 3, 10, 190, 131005, *range(200, 300)),
    Reason.SENDER_INVALID: (368, 131031, 131037),
    Reason.NO_CREDIT: (131042,),
    # 131030 a test number, and this person is not on its list; 131064 templates in the wrong category
    Reason.CONFIG: (33, 100, 131008, 131009, 131030, 131045, 131064),
    Reason.TEMPORARY: (1, 2, 131000, 131016, 131057),
}
ERRORS = {code: reason for reason, codes in REASONS.items() for code in codes}

# Meta's page on media of December 2025, "Supported media types". Sounds in Ogg must be Opus, and films H.264
# with AAC: that no first bytes tell.
MEGABYTE = 1_000_000  # the smaller of what it may mean
MEDIA = (
    Carries(frozenset({"image/jpeg", "image/png"}), 5 * MEGABYTE),
    Carries(frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"}), 16 * MEGABYTE),
    Carries(frozenset({"video/mp4", "video/3gpp"}), 16 * MEGABYTE),
    Carries(frozenset({"application/pdf"}), 100 * MEGABYTE),
)

# "Something went wrong": with a 5xx the message may have been taken first.
UNCERTAIN = frozenset({1, 131000})


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `{phone_number_id}/messages`."""
    if _is_late(tools, settings, submission):
        detail = "this person has not written within 24 hours; only a template may go"
        return Refused(Reason.WINDOW_CLOSED, detail=detail)
    return await kit.exchange(
        tools,
        f"{settings.base_url}/{settings.version}/{settings.phone_number_id}/messages",
        document(settings, submission),
        meta_kit.authorized(settings),
        judge,
    )


def document(settings: Settings, submission: Submission) -> dict[str, Any]:
    """The body of a submission; a person who shows no phone is named by another field."""
    hidden = CHANNEL.kind_at(submission.address) is AddressKind.WHATSAPP_USER
    named = settings.template_variables == "named"
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "recipient" if hidden else "to": kit.digits(submission.address),
        "biz_opaque_callback_data": submission.client_ref,
        **cloud_messages.body(submission.content, named=named, menu=settings.menu),
    }


def _is_late(tools: Tools, settings: Settings, submission: Submission) -> bool:
    """Whether free wording would be refused by Meta, as far as this line hears all that people write."""
    if settings.window_by != "angarium" or submission.content.template:
        return False
    return submission.heard_at is None or submission.heard_at + WINDOW_S * MICROS <= tools.clock.now()


def judge(answer: Answer) -> Outcome | None:
    """The outcome by the code of the error or the id of the message; None when the body has neither."""
    taken = kit.read_json(answer.body, cloud_api.Taken)
    if answer.status == 200 and taken is not None and taken.messages and taken.messages[0].id:
        return Accepted((taken.messages[0].id,))
    refusal = kit.read_json(answer.body, cloud_api.Refusal)
    if refusal is None:
        return None
    code = refusal.error.code
    if answer.status >= 500 and (code in UNCERTAIN or code not in ERRORS):
        return None
    return Refused(
        ERRORS.get(code, Reason.REJECTED),
        str(code),
        refusal.error.message or f"Meta refused it with code {code}",
        PAIR_WAIT_S if code == 131056 else None,
    )


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """4096 characters alone, 1024 beside something or in a template; one link, or ten answers."""
    found = kit.beyond(CAPABILITIES, content)
    short = _is_short(content)
    if short and BODY_MAX < len(content.text) <= TEXT_MAX:
        found.append(kit.too_long("text", content.text, BODY_MAX))
    found += _lint_buttons(content.buttons)
    if content.media is not None and content.media.kind is MediaKind.AUDIO:
        found += _lint_sound(content)
    found += _lint_template(content) if content.template else _lint_free_form(content)
    return tuple(found)


def _lint_buttons(buttons: tuple[Button, ...]) -> list[FieldProblem]:
    """One button that opens an address, or answers: three as buttons, ten as a list."""
    replies = [one for one in buttons if one.kind is ButtonKind.REPLY]
    if len(buttons) > 1 and len(replies) < len(buttons):
        remedy = "one button with an address, or answers only"
        return [FieldProblem("buttons", "an address stands alone here", remedy, str(len(buttons)))]
    most = cloud_messages.ROW_MAX if cloud_messages.is_list(buttons) else cloud_messages.REPLY_MAX
    found = [
        kit.too_long(f"buttons.{place}.label", one.label, most)
        for place, one in enumerate(buttons)
        if len(one.label) > most
    ]
    if len({one.label for one in replies}) < len(replies):
        found.append(FieldProblem("buttons", "two have one label", "name them differently"))
    return found


def _lint_template(content: Content) -> list[FieldProblem]:
    found = []
    if not content.template_language:
        remedy = "name the language it was approved in, such as fa"
        found.append(FieldProblem("template_language", "is required", remedy))
    if content.buttons:
        remedy = (
            f"buttons live in the template; give the end of a URL as params.{cloud_messages.BUTTON_PARAM}0"
        )
        found.append(FieldProblem("buttons", "not beside a template", remedy, str(len(content.buttons))))
    return found


def _lint_sound(content: Content) -> list[FieldProblem]:
    """A sound has neither caption nor buttons, and no template has one in its head."""
    if not (content.text or content.buttons or content.template):
        return []
    return [FieldProblem("media", "is a sound, which stands alone here", "send it by itself")]


def _is_short(content: Content) -> bool:
    """Whether there is something beside the text, so that it must be shorter."""
    return bool(content.image_url or content.media or content.buttons or content.template)


def _lint_free_form(content: Content) -> list[FieldProblem]:
    if not content.text and (content.buttons or not (content.image_url or content.media)):
        return [FieldProblem("text", "is empty", "write a text")]
    return []


def measure(_settings: Settings, content: Content) -> Measure:
    """One part, counted in characters; the limit depends on what is beside the text."""
    return kit.characters(content, BODY_MAX if _is_short(content) else TEXT_MAX)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


MARKETING = "marketing_messages"
CHARGED_MAX = 80  # characters
FREE = Price(0, "")  # within the service window, or of a kind that costs nothing

# Meta puts templates into another category than they were written in, and charges by that one (its page on
# pricing, May 2026). What is not here, as "service" and "referral_conversion", is charged as it was sent.
CATEGORIES = {
    "marketing": (MessageClass.PROMOTIONAL,),
    "marketing_lite": (MessageClass.PROMOTIONAL,),
    "utility": (MessageClass.SERVICE, MessageClass.TRANSACTIONAL),
    "authentication": (MessageClass.OTP,),
    "authentication_international": (MessageClass.OTP,),
}

MEDIA_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def parse(settings: Settings, raw: Raw) -> list[Event]:
    """Every status and every message of a batch, each on its own."""
    envelope = kit.read_json(raw.body, cloud_api.Envelope)
    if envelope is None or envelope.object != "whatsapp_business_account":
        return [kit.unreadable("not a WhatsApp webhook", raw.body)]
    changes = [(entry, change) for entry in envelope.entry for change in entry.changes]
    events = [event for entry, change in changes for event in _change(settings, entry, change)]
    return events or [kit.unreadable("a webhook without changes", raw.body)]


def pieces(_settings: Settings, raw: Raw) -> list[Raw]:
    """A batch taken apart: each status and each message as a webhook of its own."""
    return [msgspec.structs.replace(raw, body=one) for one in cloud_api.pieces(raw.body)]


def _change(settings: Settings, entry: cloud_api.Entry, change: cloud_api.Change) -> list[Event]:
    if change.field in cloud_templates.FIELDS:
        return [_template_news(settings, entry, change)]
    if change.field not in ("messages", "user_preferences"):
        return [kit.unreadable(f"a notice about {change.field}", change.value)]
    value = kit.read_json(change.value, cloud_api.Value)
    if value is None:
        return [kit.unreadable("a change of another shape", change.value)]
    number = value.metadata.phone_number_id
    if number != settings.phone_number_id:
        return [kit.unreadable(f"for the number {number!r}, not this line's", change.value)]
    recipient = kit.e164(value.metadata.display_phone_number)
    events = [_receipt(piece) for piece in value.statuses]
    names = {one.wa_id or one.user_id: one.profile.name for one in value.contacts}
    events += [_inbound(settings, recipient, names, piece) for piece in value.messages]
    events += [_allowance(piece) for piece in value.user_preferences]
    events += [kit.unreadable("an error of the account", piece) for piece in value.errors]
    return events or [kit.unreadable("a change without statuses, messages or errors", change.value)]


def _template_news(settings: Settings, entry: cloud_api.Entry, change: cloud_api.Change) -> Event:
    told = kit.read_json(change.value, cloud_api.Template)
    if told is None:
        return kit.unreadable(f"a notice about {change.field} of another shape", change.value)
    if settings.business_account_id not in ("", entry.id):
        return kit.unreadable(f"for the account {entry.id!r}, not this line's", change.value)
    said = cloud_templates.news(kit.clean(entry.id), entry.time, change.field, told)
    if said is None:
        return kit.unreadable(f"a notice about {change.field} with words not in our table", change.value)
    cleaned = {name: kit.clean(getattr(said, name)) for name in ("name", "language", "reason", "external_id")}
    return msgspec.structs.replace(said, **cleaned)


def _receipt(piece: msgspec.Raw) -> Event:
    told = kit.read_json(piece, cloud_api.Status)
    if told is None:
        return kit.unreadable("a status of another shape", piece)
    status = STATUSES.get(told.status)
    if status is None:
        return kit.unreadable(f"status {told.status!r} is not in our table", piece)
    failed = status is ReceiptStatus.FAILED
    error = told.errors[0] if told.errors else None
    reason = ERRORS.get(error.code, Reason.UNDELIVERED) if error else Reason.UNDELIVERED
    return Receipt(
        status=status,
        ref=kit.clean(told.id),
        client_ref=kit.clean(told.biz_opaque_callback_data),
        address=kit.clean(kit.e164(told.recipient_id)),
        reason=reason if failed else None,
        code=str(error.code) if failed and error else told.status,
        at=cloud_api.instant(told.timestamp),
        price=FREE if told.pricing is not None and told.pricing.is_free else None,
        charged=_charged(told.pricing),
    )


def _charged(pricing: cloud_api.Pricing | None) -> Charged | None:
    if pricing is None or not pricing.category:
        return None
    category = pricing.category.lower().replace("-", "_")
    words = ", ".join(filter(None, (category, pricing.pricing_model, pricing.type)))
    return Charged(kit.clean(words[:CHARGED_MAX]), CATEGORIES.get(category, ()))


def _allowance(piece: msgspec.Raw) -> Event:
    """A person stopped marketing from this business, or has it again."""
    told = kit.read_json(piece, cloud_api.Preference)
    person = (told.wa_id or told.user_id) if told else ""
    if told is None or not person or told.category != MARKETING or told.value not in ("stop", "resume"):
        return kit.unreadable("a preference of another shape", piece)
    address, at = kit.clean(kit.e164(person)), cloud_api.instant(told.timestamp)
    ref = f"{told.value}/{told.timestamp}"
    return Allowance(address, told.value == "resume", kit.clean(ref), promotional_only=True, at=at)


def _inbound(settings: Settings, recipient: str, names: Mapping[str, str], piece: msgspec.Raw) -> Event:
    heard = kit.read_json(piece, dict[str, Any]) or {}
    ref, kind = kit.told(heard, "id"), kit.told(heard, "type")
    sender = kit.told(heard, "from") or kit.told(heard, "from_user_id")
    if not ref or not sender or kind not in cloud_messages.SAID_AT:
        return kit.unreadable(f"a message of type {kind!r}", piece)
    if "group_id" in heard:
        return kit.unreadable("a message in a group", piece)
    return Inbound(
        ref=kit.clean(ref),
        sender=kit.clean(kit.e164(sender)),
        recipient=kit.clean(recipient),
        text=kit.clean(cloud_messages.said(heard, kind)),
        at=cloud_api.instant(kit.told(heard, "timestamp")),
        context_ref=kit.clean(kit.told(heard, "context", "id") or kit.told(heard, "reaction", "message_id")),
        media_url=_media_url(settings, kit.told(heard, kind, "id")),
        payload=kit.clean(cloud_messages.carried(heard)),
        name=kit.clean(names.get(sender, "")),
    )


def _media_url(settings: Settings, media_id: str) -> str:
    """Where the media is asked for, with the access token: the answer holds an address that lives minutes."""
    if not MEDIA_ID.fullmatch(media_id):
        return ""
    return f"{settings.base_url}/{settings.version}/{media_id}"


CAPABILITIES = Capabilities(
    receipts=frozenset(
        {ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.READ, ReceiptStatus.FAILED}
    ),
    classes=frozenset(MessageClass),
    two_way=True,
    buttons_max=cloud_messages.ROWS_MAX,
    buttons=LINKS | {ButtonKind.REPLY},
    images=True,
    media=MEDIA,
    text_max=TEXT_MAX,
    registers_templates=True,
    billed_on="delivered",
    window_s=WINDOW_S,
)

CHANNEL = Channel(
    kind="whatsapp_cloud",
    title="WhatsApp (Cloud API)",
    known_as="Ватсап Вотсап واتس‌اپ واتساب",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    pieces=pieces,
    measure=measure,
    send=send,
    lint=lint,
    genuine=meta_kit.genuine,
    challenge=meta_kit.challenge,
    profile=meta_kit.ask_profile,
    templates=meta_kit.ask_templates,
    attach=meta_kit.attach,
    also=((AddressKind.WHATSAPP_USER, BSUID),),
)
