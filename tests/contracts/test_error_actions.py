"""What the documented errors of each provider lead to: the whole way from a number to what the engine does.

Rows follow the tables of the providers and the practice of those who have run them for years. `line`:
another line of the step, and the one that said it rests. `next`: the next step, at once. `retry`: the same
step again. `stop`: the end for an advertisement, the next step for anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from angarium.channels import (
    infobip_kit,
    kavenegar_sms,
    mail_kit,
    max_bot,
    melipayamak_sms,
    smpp,
    smsc_ru_sms,
    smsir_sms,
    telegram_gateway,
    telegram_kit,
    twilio_sms,
    viber_bot,
    viber_business,
    vk_community,
    vk_notify,
    whatsapp_cloud,
)
from angarium.contacts.reachability import SILENT_ENDS
from angarium.core.ports import Refused
from angarium.core.values import MessageClass, Reason, ReceiptStatus
from angarium.messaging.gate.reachability import SAYS
from angarium.messaging.retry import Action, action
from angarium.protocols import decision_telecom, dsn, messenger, smpp_receipt, turbosms
from angarium.protocols.smpp_numbers import Command, Status
from angarium.protocols.smpp_pdu import Frame
from angarium.protocols.smtp import NotTaken
from contracts import listed_codes

RETRY, LINE, NEXT, STOP = "retry", "line", "next", "stop"
BLACKLIST = "blacklist"  # the end for an advertisement; anything else tries a line that reaches them
GOOD = ""  # of a status: nothing has failed
Row = tuple[str, str, Reason, str]
Told = tuple[ReceiptStatus, Reason | None]
SMPP_LINE = smpp.Settings(host="h", system_id="s", password="p", source="Shop")


def whatsapp(code: int) -> Reason:
    """Of an error's code, in an answer or in a status."""
    return whatsapp_cloud.ERRORS[code]


def of_page(code: int, subcode: int = 0) -> Reason:
    """Of an error of Messenger or Instagram."""
    return messenger.reason_of(messenger.Error(code, subcode))


def of_submit(status: int) -> Reason:
    """Of a status in the answer to submit_sm."""
    outcome = smpp.verdict(SMPP_LINE, Frame(Command.SUBMIT_SM_RESP, status, 1, b""))
    assert isinstance(outcome, Refused)
    return outcome.reason


def of_decision_telecom(status: int) -> Reason:
    """Of an error of Decision Telecom, that names no parameter we know."""
    outcome = decision_telecom.judge(decision_telecom.Error("Invalid", status))
    assert isinstance(outcome, Refused)
    return outcome.reason


def of_mail(stage: str, code: int) -> Reason:
    """Of a server's answer without an enhanced code."""
    return mail_kit.refusal(NotTaken(stage, code, "")).reason  # type: ignore[arg-type]


def many(channel: str, table: Mapping[int, Reason], does: Mapping[str, Iterable[int]]) -> list[Row]:
    """Rows of a channel whose errors are numbers."""
    return [(channel, str(code), table[code], what) for what, codes in does.items() for code in codes]


WHATSAPP = {
    NEXT: (
        *(131026, 131047, 131049, 130472, 130497, 131021, 131051, 131052, 131053, 131062, 131063),
        *(132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016),
    ),
    STOP: (131050,),
    RETRY: (131056, 130429, 4, 80007, 131048, 133016, 131000, 131016, 131057, 1, 2),
    LINE: (
        *(131030, 131064, 131031, 368, 131042, 131045, 131037, 131005, 10, 190, 0, 131008, 131009, 100),
        *range(200, 300),
    ),
}
PAGES = {
    (10, 2018278): NEXT,
    (10, 2534022): NEXT,
    (551, 1545041): STOP,
    (10, 1893063): LINE,
    (613,): RETRY,
    (4,): RETRY,
    (32,): RETRY,
    (190,): LINE,
}
TELEGRAM = {
    "429 Too Many Requests: retry after 5": RETRY,
    "403 Forbidden: bot was blocked by the user": STOP,
    "403 Forbidden: user is deactivated": NEXT,
    "403 Forbidden: bot can't initiate conversation with a user": NEXT,
    "400 Bad Request: chat not found": NEXT,
    "400 Bad Request: can't parse entities: unclosed start tag": NEXT,  # we send no markup
    "400 Bad Request: message is too long": NEXT,
    "400 Bad Request: BUTTON_URL_INVALID": NEXT,
    "400 Bad Request: Wrong HTTP URL specified": NEXT,
    "401 Unauthorized": LINE,
}
MAX = {
    "404 dialog.not.found": NEXT,
    "403 error.dialog.suspended": STOP,
    "400 Unknown recipient": NEXT,
    "400 attachment.not.ready": RETRY,
    "401 verify.token": LINE,
    "429 too.many.requests": RETRY,
}
VK = {
    NEXT: (901, 18, 936, 113, 911, 914),
    STOP: (902, 900),
    RETRY: (6, 9, 10, 940, 944, 950),
    LINE: (5, 14, 7, 100, 912, 943, 945, 946, 1012),
}
SMPP = {
    RETRY: ("RSYSERR", "RMSGQFUL", "RTHROTTLED", "RSUBMITFAIL", "RX_T_APPN", "RX_R_APPN"),
    LINE: (
        *("RINVCMDLEN", "RINVCMDID", "RINVBNDSTS", "RALYBND", "RINVSRCADR", "RBINDFAIL", "RINVPASWD"),
        *("RINVSYSID", "RINVEXPIRY", "RINVSCHED", "RINVDCS", "ROPTPARNOTALLWD", "RINVOPTPARAMVAL"),
    ),
    NEXT: ("RINVMSGLEN", "RINVDSTADR", "RX_P_APPN"),
}
TWILIO = {
    STOP: (21610, 30004, 63033),
    NEXT: (21211, 21614, 21217, 30005, 30006, 21617, 30003, 30007, 30008, 63016, 63024, 63032),
    RETRY: (21611, 30001, 30017, 30022, 63018, 20429),
    LINE: (21408, 30010, 21612, 21606, 21212, 21703, 21704, 30002, 30018, 30023, 30024, 30027, 30032),
}
KAVENEGAR = {
    LINE: (400, 401, 403, 404, 405, 406, 407, 412, 414, 416, 417, 418, 419, 426, 427, 501, 607),
    NEXT: (402, 411, 413, 420, 422, 424, 428, 431, 432),
    RETRY: (409, 429, 451),
}
SMSC_RU = {LINE: (1, 2, 3, 5), NEXT: (6, 7, 8), RETRY: (4, 9)}
MELIPAYAMAK = {LINE: (-1, -2, -3, -7), NEXT: (-4, -5), RETRY: (-6,)}
TURBOSMS = {
    STOP: (404,),
    NEXT: (201, 202, 204, 205, 206, 304, 305, 402, 407, 408, 410, 412, 413),
    LINE: (
        103,
        104,
        105,
        106,
        200,
        203,
        300,
        301,
        302,
        303,
        306,
        *(400, 401, 403, 405, 406),
        409,
        411,
        414,
        415,
    ),
}
VIBER_BOT = {
    NEXT: (3, 4, 5, 11, 13, 14, 16, 17, 18, 19, 20, 21, 22),
    STOP: (6,),
    RETRY: (12,),
    LINE: (1, 2, 7, 8, 9, 10, 15, 23, 24),
}
ROWS: list[Row] = [
    *many("whatsapp_cloud", whatsapp_cloud.ERRORS, WHATSAPP),
    *(("messenger", str(numbers), of_page(*numbers), does) for numbers, does in PAGES.items()),
    *(
        ("telegram_bot", said, telegram_kit.reason_of(int(said[:3]), said[4:]), does)
        for said, does in TELEGRAM.items()
    ),
    *(("max_bot", said, max_bot.reason_of(int(said[:3]), said[4:], ""), does) for said, does in MAX.items()),
    *many("vk_community", vk_community.ERRORS, VK),
    *(("smpp", name, of_submit(Status[name]), does) for does, names in SMPP.items() for name in names),
    *(("smpp", str(status), of_submit(status), NEXT) for status in range(0x400, 0x500)),
    *many("twilio_sms", twilio_sms.ERRORS, TWILIO),
    *many("kavenegar_sms", kavenegar_sms.ERRORS, KAVENEGAR),
    *many("smsc_ru_sms", smsc_ru_sms.ERRORS, SMSC_RU),
    *many("melipayamak_sms", melipayamak_sms.ERRORS, MELIPAYAMAK),
    *many("turbosms", turbosms.ERRORS, TURBOSMS),
    *(("decision_telecom", str(code), of_decision_telecom(code), LINE) for code in (400, 402)),
    ("decision_telecom", "429", of_decision_telecom(429), RETRY),
    *many("viber_bot", viber_bot.ERRORS, VIBER_BOT),
    *(("smtp", str(code), of_mail("RCPT", code), RETRY) for code in (421, 450, 451, 452)),
    *(("smtp", str(code), of_mail(stage, code), NEXT) for stage, code in (("RCPT", 550), ("DATA", 554))),
    *(
        ("smtp", code, dsn.reason_of(code, Reason.REJECTED), NEXT)
        for code in ("5.1.1", "5.1.2", "5.1.6", "5.1.10")
    ),
]


def later(
    channel: str, table: Mapping[object, Told | ReceiptStatus], bad: Mapping[str, str]
) -> list[tuple[str, str, Told, str]]:
    """Rows of what a provider says later; where another field says why it failed, without it."""
    rows = []
    for word, told in table.items():
        unsaid = Reason.UNDELIVERED if told is ReceiptStatus.FAILED else None
        pair = told if isinstance(told, tuple) else (told, unsaid)
        rows.append((channel, str(word), pair, bad.get(str(word), GOOD)))
    return rows


def all_to(does: str, *words: object) -> dict[str, str]:
    """One deed for several words."""
    return {str(word): does for word in words}


STATES = {number: smpp_receipt.WORDS[word] for number, word in smpp_receipt.STATES.items()}
ERR = {f"err {code}": (ReceiptStatus.FAILED, reason) for code, reason in smsc_ru_sms.WHY.items()}
INFOBIP = infobip_kit.GROUPS | {"DELIVERED": infobip_kit.STATUSES[5]}  # told by its number
FAILED_WORDS = (
    *("EXPIRED", "DELETED", "UNDELIV", "REJECTD", "NOROUTE", "REJECTED", "UNDELIVERABLE", "CANCELLED"),
    *("FAILED", "BARRED", "SKIPPED"),
)
VERDICTS = [
    *later(
        "smpp",
        smpp_receipt.WORDS,
        all_to(NEXT, *FAILED_WORDS) | {"BLIST": BLACKLIST, "NOCRED": LINE, "SYSERR": RETRY},
    ),
    *later("smpp", STATES, all_to(NEXT, 3, 4, 5, 8, 9)),
    *later("whatsapp_cloud", whatsapp_cloud.STATUSES, all_to(NEXT, "failed")),
    *later("viber_business", viber_business.STATUSES, all_to(NEXT, 2, 3, 4)),
    *later("viber_bot", viber_bot.STATUSES, all_to(NEXT, "failed")),
    *later("vk_notify", vk_notify.STATUSES, all_to(NEXT, "not delivered", "undelivered", "expired")),
    *later("telegram_gateway", telegram_gateway.STATUSES, all_to(NEXT, "expired", "revoked")),
    *later("twilio_sms", twilio_sms.STATUSES, all_to(NEXT, "undelivered", "failed", "canceled")),
    *later("kavenegar_sms", kavenegar_sms.STATUSES, all_to(NEXT, 6, 11, 13) | {"14": BLACKLIST}),
    *later("smsir_sms", smsir_sms.STATES, all_to(NEXT, 2, 4, 6) | {"7": BLACKLIST}),
    *later("smsc_ru_sms", smsc_ru_sms.STATUSES, all_to(NEXT, -2, 3, 20, 22, 23, 25) | {"24": LINE}),
    *later(
        "smsc_ru_sms",
        ERR,
        all_to(
            NEXT, *(f"err {code}" for code in (1, 6, 11, 12, 13, 21, 219, 220, 238, 244, 248, 249, 252, 253))
        )
        | all_to(NEXT, "err 255")
        | all_to(LINE, "err 239", "err 243", "err 254")
        | {"err 250": STOP},
    ),
    *later("infobip_sms", INFOBIP, all_to(NEXT, "UNDELIVERABLE", "EXPIRED", "REJECTED")),
]


def must(does: str, reason: Reason, code: str) -> None:
    """What follows a reason, for an advertisement and for anything else."""
    promotional, service = (action(reason, one) for one in (MessageClass.PROMOTIONAL, MessageClass.SERVICE))
    if does in (STOP, BLACKLIST):
        assert promotional is Action.STOP, code
        assert service in ((Action.NEXT, Action.STOP) if does == STOP else (Action.LINE,)), code
    else:
        assert {promotional, service} == {Action(does)}, code


@pytest.mark.parametrize("channel", sorted({row[0] for row in ROWS}))
def test_what_is_done_about_an_error(channel: str) -> None:
    for one, code, reason, does in ROWS:
        if one == channel:
            must(does, reason, code)


@pytest.mark.parametrize("channel", sorted({row[0] for row in VERDICTS}))
def test_what_is_done_about_a_status(channel: str) -> None:
    for one, word, (status, reason), does in VERDICTS:
        if one == channel:
            assert (status is ReceiptStatus.FAILED) == (does != GOOD), word
            if reason is not None:
                must(does, reason, word)


LISTED = [
    (kind, channel, section)
    for kind, listed in (("error", listed_codes.ERRORS), ("status", listed_codes.STATUSES))
    for channel, sections in listed.items()
    for section in sections
]


@pytest.mark.parametrize(("kind", "channel", "section"), LISTED)
def test_every_code_of_the_fact_sheets_has_a_row(kind: str, channel: str, section: str) -> None:
    listed = {"error": listed_codes.ERRORS, "status": listed_codes.STATUSES}[kind][channel][section]
    rows = {row[:2] for row in (ROWS if kind == "error" else VERDICTS)}
    assert {code for code in listed if (channel, code) not in rows} == set()


def test_the_tables_contradict_neither_themselves_nor_the_list_of_departures() -> None:
    for rows in (ROWS, VERDICTS):
        assert len({row[:2] for row in rows}) == len(rows)
    assert set(listed_codes.UNLIKE) <= {row[:2] for row in ROWS}


@pytest.mark.parametrize(
    "reason",
    [
        whatsapp(131026),
        vk_community.ERRORS[901],
        telegram_kit.reason_of(403, "Forbidden: bot can't initiate conversation with a user"),
        vk_community.ERRORS[902],
        telegram_kit.reason_of(403, "Forbidden: bot was blocked by the user"),
        of_page(551),
    ],
)
def test_what_makes_a_step_vain_is_remembered(reason: Reason) -> None:
    assert reason in SAYS or reason in SILENT_ENDS


def test_the_operator_s_blacklist_tries_a_service_line_for_service_and_nothing_for_advertising() -> None:
    (_, reason) = kavenegar_sms.STATUSES["14"]
    assert reason is Reason.OPERATOR_BLACKLIST
    assert action(reason, MessageClass.SERVICE) is Action.LINE
    assert action(reason, MessageClass.PROMOTIONAL) is Action.STOP
