"""Amazon SES as it speaks: its answers, and the events and mails that it publishes to a topic of SNS.

Sources: botocore's model of sesv2 (1.44); docs.aws.amazon.com/ses/latest/dg ("Contents of event data that
Amazon SES publishes to Amazon SNS", "Contents of notifications for Amazon SES email receiving").
"""

from __future__ import annotations

import msgspec


class Recipient(msgspec.Struct, frozen=True, rename="camel"):
    """One address of an event, and what was said of it."""

    email_address: str
    status: str = ""
    diagnostic_code: str = ""


class Bounce(msgspec.Struct, frozen=True, rename="camel"):
    """A mail came back, or SES gave it up."""

    bounce_type: str
    bounce_sub_type: str
    bounced_recipients: list[Recipient]
    timestamp: str = ""


class Complaint(msgspec.Struct, frozen=True, rename="camel"):
    """A person called it spam."""

    complained_recipients: list[Recipient]
    timestamp: str = ""
    complaint_feedback_type: str | None = None
    complaint_sub_type: str | None = None


class Delivery(msgspec.Struct, frozen=True, rename="camel"):
    """The recipient's server took it."""

    recipients: list[str]
    timestamp: str = ""


class Delay(msgspec.Struct, frozen=True, rename="camel"):
    """SES tries on."""

    delayed_recipients: list[Recipient]
    delay_type: str = ""
    timestamp: str = ""


class Topics(msgspec.Struct, frozen=True, rename="camel"):
    """What a person wants now."""

    unsubscribe_all: bool


class Subscription(msgspec.Struct, frozen=True, rename="camel"):
    """A person used the unsubscribe link of SES."""

    new_topic_preferences: Topics
    timestamp: str = ""


class Mail(msgspec.Struct, frozen=True, rename="camel"):
    """The mail that an event is about; `tags` come with events of a configuration set."""

    message_id: str
    timestamp: str = ""
    source: str = ""
    destination: list[str] = []
    tags: dict[str, list[str]] = {}


class Action(msgspec.Struct, frozen=True):
    """What a receipt rule did with a mail to us."""

    encoding: str = ""


class Taken(msgspec.Struct, frozen=True):
    """A mail to us was received."""

    recipients: list[str] = []
    action: Action = Action()


class Told(msgspec.Struct, frozen=True, rename="camel"):
    """An event or a notification."""

    mail: Mail
    event_type: str = ""
    notification_type: str = ""
    bounce: Bounce | None = None
    complaint: Complaint | None = None
    delivery: Delivery | None = None
    delivery_delay: Delay | None = None
    subscription: Subscription | None = None
    receipt: Taken | None = None
    content: str | None = None


class Quota(msgspec.Struct, frozen=True, rename="pascal"):
    """What may be sent."""

    max24_hour_send: float = msgspec.field(name="Max24HourSend", default=0.0)
    max_send_rate: float = 0.0
    sent_last24_hours: float = msgspec.field(name="SentLast24Hours", default=0.0)


class Account(msgspec.Struct, frozen=True, rename="pascal"):
    """How the account stands."""

    enforcement_status: str = ""
    production_access_enabled: bool = False
    sending_enabled: bool = False
    send_quota: Quota = Quota()


class Said(msgspec.Struct, frozen=True):
    """An answer: the id of a mail that was taken, or what is wrong."""

    message_id: str = msgspec.field(name="MessageId", default="")
    message: str = ""
    loud: str = msgspec.field(name="Message", default="")
