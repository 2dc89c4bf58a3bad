"""What Viber Business Messages are like at every partner: limits, and what makes a message promotional.

Source: infobip.com/docs/viber/business-messages (message types, compliance guidelines), and the limits of a
text and a caption as every partner's page has them.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from angarium.channels import kit, lint_kit
from angarium.core.ports import Capabilities, Carries, Refused, Submission
from angarium.core.problems import FieldProblem
from angarium.core.values import Content, Measure, MessageClass, Reason, ReceiptStatus

TEXT_MAX = 1_000  # characters
CAPTION_MAX = 30  # characters on the button
MATCHED = "write the registered wording as text: the operator matches it by itself"

RichService = Annotated[
    bool,
    Meta(
        title="Picture and button in service messages",
        description="Only if your contract allows it: Viber takes such messages for promotional ones.",
    ),
]


def is_rich(content: Content) -> bool:
    """Whether there is more than a text."""
    return bool(content.picture or content.buttons)


def is_transactional(submission: Submission) -> bool:
    """Whether Viber takes it for a transactional message: a text, and no promotion."""
    return submission.message_class is not MessageClass.PROMOTIONAL and not is_rich(submission.content)


def too_rich(submission: Submission, rich_service: bool) -> Refused | None:
    """The refusal of a service message that Viber would take for a promotional one; None where it may go."""
    service = submission.message_class is not MessageClass.PROMOTIONAL
    if not service or rich_service or not is_rich(submission.content):
        return None
    detail = "a picture or a button makes it promotional; switch on rich_service if your contract allows it"
    return Refused(Reason.UNSUPPORTED, detail=detail)


def lint(capabilities: Capabilities, content: Content) -> tuple[FieldProblem, ...]:
    """Texts of 1000 characters, one button of 30, one picture; no templates by name."""
    found = kit.beyond(capabilities, content)
    if not content.text:
        found.append(FieldProblem("text", "is empty", "Viber needs a text, also beside a picture"))
    found += lint_kit.long_labels(content.buttons, CAPTION_MAX)
    return (*found, *lint_kit.no_names(content, MATCHED))


def measure(_settings: object, content: Content) -> Measure:
    """One part, counted in characters."""
    return kit.characters(content, TEXT_MAX)


def capabilities(ttl_s: tuple[int, int], *receipts: ReceiptStatus, two_way: bool = False) -> Capabilities:
    """What a partner carries, from how long it tries and what it tells beside deliveries and failures."""
    return Capabilities(
        receipts=frozenset({ReceiptStatus.DELIVERED, ReceiptStatus.FAILED, *receipts}),
        classes=frozenset(MessageClass),
        native_ttl_s=ttl_s,
        two_way=two_way,
        buttons_max=1,
        images=True,
        media=(Carries(frozenset({"image/jpeg", "image/png"})),),  # vendors' pages; they name no size
        text_max=TEXT_MAX,
        billed_on="delivered",
    )
