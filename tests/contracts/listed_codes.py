"""The codes that the fact sheets of the channels list, by channel: what must stand in a table of actions.

Taken one by one from the sheets' sections, which each entry names. A range stands for every code in it.
What is listed without a meaning of its own, and is not spoken by the interface that we use, is in `UNSPOKEN`
with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable

from angarium.protocols.smpp_numbers import Status


def _names(codes: Iterable[object]) -> tuple[str, ...]:
    return tuple(str(code) for code in codes)


# What refuses or fails a message.
ERRORS: dict[str, dict[str, tuple[str, ...]]] = {
    "smpp": {
        "1.5 Flow control and errors": _names(
            status.name
            for status in (
                *(Status.RINVMSGLEN, Status.RINVCMDLEN, Status.RINVCMDID, Status.RINVBNDSTS, Status.RALYBND),
                *(Status.RSYSERR, Status.RINVSRCADR, Status.RINVDSTADR, Status.RBINDFAIL, Status.RINVPASWD),
                *(Status.RINVSYSID, Status.RMSGQFUL, Status.RTHROTTLED, Status.RSUBMITFAIL),
                *(Status.RX_T_APPN, Status.RX_P_APPN, Status.RX_R_APPN),
                *(Status.RINVEXPIRY, Status.RINVSCHED, Status.RINVDCS),
            )
        ),
        "1.5 vendor specific": _names(range(0x400, 0x500)),
        "1.1, 1.4 and 1.6": _names(
            status.name for status in (Status.RINVEXPIRY, Status.ROPTPARNOTALLWD, Status.RINVOPTPARAMVAL)
        ),
    },
    "whatsapp_cloud": {
        "2.2 Webhooks": _names([131051]),
        "2.4 Error codes": _names(
            (
                *(131026, 131047, 131049, 131050, 130472, 131030, 131056, 130429, 4, 80007, 131048, 133016),
                *(131064, 132000, 132005, 132007, 132008, 132012, 132001, 132015, 132016),
                *(131051, 131052, 131053, 131031, 368, 131042, 130497, 131045, 131037, 131005, 10, 190, 0),
                *(*range(200, 300), 131000, 131016, 131057, 1, 2),
                *(131062, 131063, 131008, 131009, 100, 131021),
            )
        ),
    },
    "messenger": {
        "3 Facebook Messenger and Instagram": _names(
            ((10, 2018278), (10, 2534022), (551, 1545041), (10, 1893063), (613,), (4,), (32,), (190,))
        ),
    },
    "turbosms": {
        "4.1 Viber Business Messages": _names(
            [*range(400, 416), *range(300, 307), *range(200, 207), *range(103, 107)]
        )
    },
    "decision_telecom": {"4.1 Viber Business Messages": _names([429, 400, 402])},
    "viber_bot": {"4.2 Viber Bot REST API": _names(range(1, 25))},
    "vk_community": {
        "5.1 Community messages": _names(
            (
                *(901, 900, 902, 18, 7, 5, 6, 9, 10, 14, 100, 113, 911, 912, 914, 936, 940, 943, 944),
                *(945, 946, 1012, 950),
            )
        ),
    },
    "telegram_bot": {
        "6.1 Bot API": (
            "429 Too Many Requests: retry after 5",
            "403 Forbidden: bot was blocked by the user",
            "403 Forbidden: user is deactivated",
            "403 Forbidden: bot can't initiate conversation with a user",
            "400 Bad Request: chat not found",
            "400 Bad Request: can't parse entities: unclosed start tag",
            "400 Bad Request: message is too long",
            "400 Bad Request: BUTTON_URL_INVALID",
            "400 Bad Request: Wrong HTTP URL specified",
            "401 Unauthorized",
        ),
    },
    "twilio_sms": {
        "7.1 Twilio": _names(
            (
                *(21610, 21211, 21614, 21217, 21408, 21612, 21606, 21212, 21611, 21617, 21703, 21704),
                *(*range(30001, 30009), 30010, 30017, 30018, 30022, 30023, 30027, 30024, 30032),
                *(63016, 63018, 63024, 63032, 63033, 20429),
            )
        ),
    },
    "kavenegar_sms": {
        "7.2 Kavenegar": _names(
            (
                *(400, 401, 402, 403, 404, 405, 406, 407, 409, 411, 412, 413, 414, 416, 417, 418, 419, 420),
                *(422, 424, 426, 427, 428, 429, 431, 432, 451, 501, 607),
            )
        ),
    },
    "melipayamak_sms": {"7.4 Melipayamak": _names(range(-7, 0))},
    "smsc_ru_sms": {"7.5 SMSC.ru, send": _names(range(1, 10))},
    "smtp": {
        "8 E-mail, submission": _names([421, 450, 451, 452, 550, 554]),
        "8 E-mail, hard bounces": ("5.1.1", "5.1.2", "5.1.6", "5.1.10"),
    },
}

# What a provider later says of a message.
STATUSES: dict[str, dict[str, tuple[str, ...]]] = {
    "smpp": {
        "1.6 Receipts, words": (
            *("DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD", "ENROUTE"),
            *("BLIST", "NOROUTE", "SUBMITD"),
        ),
        "1.6 Receipts, message_state": _names(range(10)),
    },
    "whatsapp_cloud": {"2.2 Webhooks": ("sent", "delivered", "read", "failed", "deleted", "played")},
    "viber_business": {"4.1 Viber Business Messages": _names([0, 1, 2, 3, 4, 5, 20])},
    "viber_bot": {"4.2 Viber Bot REST API": ("delivered", "seen", "failed")},
    "vk_notify": {"5.2 VK/OK notify by phone": ("sent", "delivered", "read", "not delivered", "expired")},
    "telegram_gateway": {"6.2 Telegram Gateway": ("sent", "delivered", "read", "expired", "revoked")},
    "twilio_sms": {
        "7.1 Twilio": (
            *("accepted", "scheduled", "queued", "sending", "sent", "delivered", "undelivered", "failed"),
            *("canceled", "read"),
        )
    },
    "kavenegar_sms": {"7.2 Kavenegar": _names([1, 2, 4, 5, 6, 10, 11, 13, 14])},
    "smsir_sms": {"7.3 SMS.ir v1": _names(range(1, 8))},
    "smsc_ru_sms": {
        "7.5 SMSC.ru, status": _names([-2, -1, 0, 1, 2, 3, 4, 20, 22, 23, 24, 25]),
        "7.5 SMSC.ru, err": _names(f"err {code}" for code in (1, 6, 11, 12, 13, 21, 219, 220)),
    },
    "infobip_sms": {"7.6 Others": ("PENDING", "UNDELIVERABLE", "DELIVERED", "EXPIRED", "REJECTED")},
}

UNSPOKEN: dict[tuple[str, str], str] = {
    (
        "decision_telecom_sms",
        "40-51",
    ): "of the older interface with the password in the address; we use the newer",
    ("decision_telecom_sms", "0, 2, 3, 5, 6"): "numbers of the older interface; the newer says UNDELIV",
    ("decision_telecom", "500"): "no refusal: it may have gone out, which the table of outcomes tests",
    ("twilio_sms", "receiving, received, partially_delivered"): "of messages to us, and of groups",
    ("kavenegar_sms", "50, 100"): "received, and no such id: neither is a state of a message of ours",
    ("smsc_ru_sms", "-3, err 0, err 200"): "no such message; no error; of a test that nobody is told of",
}

# Where the table leads elsewhere than the sheet, and why.
UNLIKE: dict[tuple[str, str], str] = {
    ("smpp", "RINVMSGLEN"): "the text is too long for this operator: that is of the message, not of the line",
    (
        "whatsapp_cloud",
        "130497",
    ): "one country is closed to the sender; the others must not wait for a person",
    ("whatsapp_cloud", "131051"): "what cannot be carried stays so; the next step says it without a picture",
    ("whatsapp_cloud", "131052"): "the same file would fail again; the next step says it without one",
    ("whatsapp_cloud", "131053"): "the same file would fail again; the next step says it without one",
    ("whatsapp_cloud", "131008"): "the request of this line lacks something: another line may have it",
    ("whatsapp_cloud", "131009"): "the settings of this line are wrong: another line may do",
    ("whatsapp_cloud", "100"): "the settings of this line are wrong: another line may do",
}
