"""What comes back from the hosts of this world, in the shape in which each writes it.

The shapes are those of the samples in sisimai/set-of-emails (BSD 2-clause), named beside each; addresses,
names and words are ours. Outlook.com's complaints: sendersupport.olc.protection.outlook.com/snds (JMRP).
"""

from __future__ import annotations

from textwrap import dedent

import pytest

from angarium.core.values import Reason, ReceiptStatus
from angarium.protocols import dsn
from angarium.protocols.dsn import AutoReply, Bounce, Complaint, MimeError, read

FAILED, ACCEPTED = ReceiptStatus.FAILED, ReceiptStatus.ACCEPTED
BAD, FULL, BLOCKED = Reason.BAD_ADDRESS, Reason.UNREACHABLE, Reason.UNDELIVERED
RETURNED = "Return-Path: <b+att_7@bounces.example>\nMessage-ID: <att_7@shop.example>\nSubject: Order\n"
ANNA = "anna@example.org"


def mail(head: str, body: str, sender: str = "MAILER-DAEMON@mx.example.net") -> bytes:
    fields = (
        f"Return-Path: <>\nFrom: {sender}\nTo: shop@shop.example\nMIME-Version: 1.0\n{dedent(head).strip()}\n"
    )
    return (fields + "\n" + dedent(body).strip() + "\n").replace("\n", "\r\n").encode()


def parts(*pieces: tuple[str, str], kind: str = "report; report-type=delivery-status") -> bytes:
    """A mail of several parts, each with its type."""
    body = "".join(f"--=b\nContent-Type: {media}\n\n{dedent(text).strip()}\n\n" for media, text in pieces)
    return mail(f'Content-Type: multipart/{kind}; boundary="=b"', f"{body}--=b--")


def report(words: str, status: str) -> bytes:
    """RFC 3464, with what a host says in words and in fields."""
    return parts(("text/plain", words), ("message/delivery-status", status), ("message/rfc822", RETURNED))


# name of the host and of the sample it is shaped after; the mail; what becomes of it
POSTFIX = report(
    "This is the mail system at host mx.example.net.\n\n<anna@example.org>: host mx said: 550 unknown user",
    """
    Reporting-MTA: dns; mx.example.net
    X-Postfix-Queue-ID: 0123456789A
    X-Postfix-Sender: rfc822; b+att_7@bounces.example
    Arrival-Date: Thu, 29 Apr 2018 23:34:45 +0900 (JST)

    Final-Recipient: rfc822; anna@example.org
    Original-Recipient: rfc822;anna@example.org
    Action: failed
    Status: 5.0.0
    Remote-MTA: dns; mx.example.org
    Diagnostic-Code: smtp; 550 Unknown user anna@example.org (in reply to RCPT TO command)
    """,
)
POSTFIX_DATA = POSTFIX.replace(b"(in reply to RCPT TO command)", b"(in reply to end of DATA command)")
EXIM = report(
    "This message was created automatically by mail delivery software.",
    """
    Reporting-MTA: dns; mx.example.net

    Action: failed
    Final-Recipient: rfc822;anna@example.org
    Status: 5.0.0
    Remote-MTA: dns; mx.example.org
    Diagnostic-Code: smtp; 550 Bad SPF records for [shop.example:192.0.2.2], see http://spf.example/
    """,
)
EXIM_PLAIN = mail(
    "X-Failed-Recipients: anna@example.org\nAuto-Submitted: auto-replied",
    """
    This message was created automatically by mail delivery software.

    A message that you sent could not be delivered to one or more of its
    recipients. This is a permanent error. The following address(es) failed:

      anna@example.org
        host mx.example.org [192.0.2.7]
        SMTP error from remote mail server after RCPT TO:<anna@example.org>:
        550 5.2.2 <anna@example.org>... Mailbox Full

    ------ This is a copy of the message, including all the headers. ------

    Message-ID: <att_7@shop.example>
    Subject: Your account does not exist
    """,
)
OFFICE_365 = report(
    "Your message to anna@example.org couldn't be delivered.",
    """
    Reporting-MTA: dns;DB3PR01MB0001.eurprd01.prod.exchangelabs.com
    Received-From-MTA: dns;shop.example
    Arrival-Date: Thu, 29 Apr 2018 23:34:45 +0000

    Final-Recipient: rfc822;anna@example.org
    Action: failed
    Status: 5.1.10
    Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP lookup
    """,
)
OFFICE_365_EDGE = (
    OFFICE_365.replace(b"5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found", b"x")
    .replace(b"Status: 5.1.10", b"Status: 5.4.1")
    .replace(
        b"smtp;550 x by SMTP lookup",
        b"smtp;550 5.4.1 Recipient address rejected: Access denied. AS(201806281)",
    )
)
EXCHANGE_2003 = mail(
    'Content-Type: multipart/mixed; boundary="=b"\nX-Mailer: Internet Mail Service (5.5.2653.19)',
    """
    --=b
    Content-Type: text/plain; charset="iso-8859-1"

    Your message

      To:      'anna@example.org'
      Subject: Order
      Sent:    Thu, 29 Apr 2018 23:34:45 +0000

    did not reach the following recipient(s):

    anna@example.org on Thu, 29 Apr 2018 23:34:45 +0000
        The recipient name is not recognized
        The MTS-ID of the original message is: c=jp;a= ;p=x;l=X-0
        MSEXCH:IMS:ORG:SITE:HOST 0 (000C05A6) Unknown Recipient

    --=b--
    """,
)
GMAIL = report(
    "** Address not found **\n\nYour message wasn't delivered to anna@example.org.",
    """
    Reporting-MTA: dns; googlemail.com
    Received-From-MTA: dns; b+att_7@bounces.example
    Arrival-Date: Sat, 03 Mar 2018 21:12:05 -0800 (PST)
    X-Original-Message-ID: <att_7@shop.example>

    Final-Recipient: rfc822; anna@example.org
    Action: failed
    Status: 5.1.1
    Remote-MTA: dns; gmail-smtp-in.l.google.com. (192.0.2.25, the server for the domain gmail.com.)
    Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please try
     550-5.1.1 double-checking the recipient's email address for typos or
     550 5.1.1 unnecessary spaces. x22-20020a056a001316b0290111.222 - gsmtp
    Last-Attempt-Date: Sat, 03 Mar 2018 21:12:06 -0800 (PST)
    """,
)
GMAIL_FULL = GMAIL.replace(b"5.1.1", b"5.2.2").replace(b"does not exist", b"is over quota")
GMAIL_UNAUTHENTICATED = GMAIL.replace(b"5.1.1", b"5.7.26").replace(b"does not exist", b"wants DKIM")
QMAIL = mail(
    "Subject: failure notice",
    """
    Hi. This is the qmail-send program at mail.example.net.
    I'm afraid I wasn't able to deliver your message to the following addresses.
    This is a permanent error; I've given up. Sorry it didn't work out.

    <anna@example.org>:
    192.0.2.25 does not like recipient.
    Remote host said: 550 Unknown user anna@example.org
    Giving up on 192.0.2.25.

    --- Below this line is a copy of the message.

    Message-ID: <att_7@shop.example>
    Subject: Order
    """,
)
YANDEX = report(
    "Это письмо отправлено почтовым сервером yandex.ru.\n\nThis is the mail system at host yandex.ru.",
    """
    Reporting-MTA: dns; forward1h.mail.yandex.net
    X-Yandex-Queue-ID: 367D79E130D
    X-Yandex-Sender: rfc822; b+att_7@bounces.example
    Arrival-Date: Sat,  6 Dec 2014 20:12:27 +0300 (MSK)

    Final-Recipient: rfc822; anna@example.org
    Original-Recipient: rfc822;anna@example.org
    Action: failed
    Status: 5.1.1
    Remote-MTA: dns; mx.example.org
    Diagnostic-Code: smtp; 550 5.1.1 <anna@example.org>... User Unknown
    """,
)
MAIL_RU = mail(
    "X-Failed-Recipients: anna@example.org\nAuto-Submitted: auto-replied\n"
    "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit",
    """
    Это письмо создано автоматически сервером Mail.Ru, отвечать на него не нужно.

    К сожалению, Ваше письмо не может быть доставлено одному или нескольким получателям:

      anna@example.org
        SMTP error from remote mail server after RCPT TO:<anna@example.org>:
        host mx.example.org [192.0.2.222]: 550 5.1.1 <anna@example.org>... User Unknown

    **********************

    This message was created automatically by mail delivery software.

    A message that you sent could not be delivered to one or more of its
    recipients. This is a permanent error. The following address(es) failed:

      anna@example.org
        SMTP error from remote mail server after RCPT TO:<anna@example.org>:
        host mx.example.org [192.0.2.222]: 550 5.1.1 <anna@example.org>... User Unknown

    ------ This is a copy of the message, including all the headers. ------

    Message-Id: <att_7@shop.example>
    """,
    "mailer-daemon@corp.mail.ru",
)
SENDMAIL = report(
    "   ----- The following addresses had permanent fatal errors -----\n<anna@example.org>",
    """
    Reporting-MTA: dns; mail.example.net
    Received-From-MTA: DNS; shop.example

    Final-Recipient: RFC822; anna@example.org
    Action: failed
    Status: 5.1.1
    Remote-MTA: DNS; mx.example.org
    Diagnostic-Code: SMTP; 550 5.7.1 Sorry, your host is blocked
    Last-Attempt-Date: Thu, 29 Apr 2018 23:34:46 +0000
    """,
)
IRONPORT = report(
    "The following message to <anna@example.org> was undeliverable.",
    """
    Reporting-MTA: dns; esa.example.net

    Final-Recipient: rfc822;anna@example.org
    Action: failed
    Status: 5.0.0 (permanent failure)
    Remote-MTA: dns; [192.0.2.42]
    Diagnostic-Code: smtp; 5.1.0 - Unknown address error 550-'5.7.1 <shop.example>: Client host rejected'
     (delivery attempts: 0)
    """,
)
OUTLOOK = report(
    "This is an automatically generated Delivery Status Notification.\n\nDelivery failed.",
    """
    Reporting-MTA: dns;BLU004-OMC3S13.hotmail.example
    Received-From-MTA: dns;BLU436-SMTP14

    Final-Recipient: rfc822;anna@example.org
    Action: failed
    Status: 5.5.0
    Diagnostic-Code: smtp;550 5.5.0 Requested action not taken: mailbox unavailable
    """,
)
DELAYED = POSTFIX.replace(b"Action: failed", b"Action: delayed").replace(b"Status: 5.0.0", b"Status: 4.4.1")

BOUNCES = [
    ("Postfix, no such user: lhost-postfix-76", POSTFIX, FAILED, BAD, "5.0.0"),
    ("Postfix, a filter says so: lhost-postfix-03", POSTFIX_DATA, FAILED, BLOCKED, "5.0.0"),
    ("Postfix, it tries on", DELAYED, ACCEPTED, None, "4.4.1"),
    ("Exim, refused for its sender: lhost-exim-29", EXIM, FAILED, BLOCKED, "5.0.0"),
    ("Exim in words: lhost-exim-05", EXIM_PLAIN, FAILED, FULL, "5.2.2"),
    ("Office 365: lhost-office365-02", OFFICE_365, FAILED, BAD, "5.1.10"),
    ("Office 365 at its edge: rhost-microsoft-02", OFFICE_365_EDGE, FAILED, BAD, "5.4.1"),
    ("Exchange 5.5: lhost-exchange2003-01", EXCHANGE_2003, FAILED, BAD, ""),
    ("Gmail: lhost-gmail-18", GMAIL, FAILED, BAD, "5.1.1"),
    ("Gmail, full: lhost-gmail-16", GMAIL_FULL, FAILED, FULL, "5.2.2"),
    ("Gmail, not signed: rhost-google", GMAIL_UNAUTHENTICATED, FAILED, Reason.SENDER_INVALID, "5.7.26"),
    ("qmail: lhost-qmail-01", QMAIL, FAILED, BAD, ""),
    ("Yandex: lhost-yandex-01", YANDEX, FAILED, BAD, "5.1.1"),
    ("Mail.ru: lhost-mailru-01", MAIL_RU, FAILED, BAD, "5.1.1"),
    ("Sendmail, blocked at RCPT: lhost-sendmail-33", SENDMAIL, FAILED, BLOCKED, "5.1.1"),
    ("Cisco ESA quotes the next host: rhost-cox-01", IRONPORT, FAILED, BLOCKED, "5.0.0"),
    ("Outlook.com: lhost-outlook-08", OUTLOOK, FAILED, BAD, "5.5.0"),
]


@pytest.mark.parametrize(
    ("body", "status", "reason", "code"), [one[1:] for one in BOUNCES], ids=[one[0] for one in BOUNCES]
)
def test_bounces_of_the_world(body: bytes, status: ReceiptStatus, reason: Reason | None, code: str) -> None:
    found = read(body, envelope_from="<>")
    assert isinstance(found, Bounce)
    (fate,) = found.fates
    assert (fate.status, fate.reason, fate.code, fate.recipient) == (status, reason, code, ANNA)


def feedback(agent: str, **more: str) -> bytes:
    fields = {"Feedback-Type": "abuse", "User-Agent": agent, "Version": "0.1", **more}
    about = "\n".join(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())
    return parts(
        ("text/plain", "This is an email abuse report."),
        ("message/feedback-report", about),
        ("message/rfc822", RETURNED),
        kind="report; report-type=feedback-report",
    )


YAHOO = feedback(
    "Yahoo!-Mail-Feedback/2.0",
    Original_Mail_From="<b+att_7@bounces.example>",
    Original_Rcpt_To=ANNA,
    Received_Date="Thu, 29 Apr 2018 23:34:45 PDT",
    Reported_Domain="shop.example",
)
MAIL_RU_FBL = feedback(
    "Mail.Ru-FBL/1.0", Arrival_Date="Thu, 29 Apr 2018 23:34:45 +0300", Source_IP="192.0.2.7"
)
JMRP = parts(
    (
        "message/rfc822\nContent-Disposition: inline",
        f"X-HmXmrOriginalRecipient: <{ANNA}>\nX-Reporter-IP: 192.0.2.22\n{RETURNED}",
    ),
    kind="mixed",
).replace(b"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.net", b"From: staff@hotmail.com")
COMPLAINTS = [
    ("Yahoo: arf-02, arf-14", YAHOO, "att_7", ANNA),
    ("Mail.ru, the person not named", MAIL_RU_FBL, "", ""),
    ("Outlook.com's JMRP: arf-22", JMRP, "att_7", ANNA),
]


@pytest.mark.parametrize(
    ("body", "client_ref", "recipient"), [one[1:] for one in COMPLAINTS], ids=[one[0] for one in COMPLAINTS]
)
def test_complaints_of_the_world(body: bytes, client_ref: str, recipient: str) -> None:
    found = read(body, envelope_from="<fbl@example.net>")
    assert isinstance(found, Complaint)
    fate = found.fate
    assert (fate.reason, fate.code, fate.recipient) == (Reason.OPTED_OUT, "abuse", recipient)
    assert (fate.client_ref, fate.message_id) == (client_ref, "att_7@shop.example")


NONSENSE = mail("Subject: Undeliverable", "Something went wrong with something.")


@pytest.mark.parametrize("sender", ["<>", ""], ids=["of nobody", "of a mail host"])
def test_what_a_host_wrote_is_never_taken_for_the_words_of_a_person(sender: str) -> None:
    body = NONSENSE if sender else NONSENSE.replace(b"Return-Path: <>\r\n", b"")
    with pytest.raises(MimeError, match="written by a mail host"):
        read(body, envelope_from=sender)


def test_a_machine_that_answers_as_nobody_is_still_a_machine() -> None:
    found = read(mail("Auto-Submitted: auto-replied", "I am away.", ANNA), envelope_from="<>")
    assert found == AutoReply("Auto-Submitted")


@pytest.mark.parametrize(
    ("code", "diagnostic", "reason"),
    [
        ("5.0.0", "smtp; 550 no", BLOCKED),
        ("5.0.0", "smtp; 554 delivery error: dd This user doesn't have a yahoo.com account", BAD),
        ("5.0.0", "smtp; 552 mailbox full", FULL),
        ("5.7.1", "smtp; 550 5.7.1 user unknown to our lists", BLOCKED),
        ("5.4.4", "X-Postfix; Host or domain name not found", BAD),
        ("", "host not found", BAD),
        ("4.1.1", "smtp; 450 4.1.1 user unknown", Reason.EXPIRED),
    ],
)
def test_words_count_where_codes_say_nothing(code: str, diagnostic: str, reason: Reason) -> None:
    assert dsn.failure(code, diagnostic) is reason
