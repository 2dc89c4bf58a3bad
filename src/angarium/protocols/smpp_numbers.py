"""The numbers of SMPP 3.4: commands, statuses, optional parameters and the bits of a few fields."""

from __future__ import annotations

from enum import IntEnum

from angarium.core.values import direct

# ── commands (SMPP 3.4 §5.1.2.1) ─────────────────────────────────────────────────────────────────────

RESPONSE = 0x80000000  # the bit that makes a request's number its response's


@direct
class Command(IntEnum):
    """Every command of SMPP 3.4."""

    BIND_RECEIVER = 0x1
    BIND_TRANSMITTER = 0x2
    QUERY_SM = 0x3
    SUBMIT_SM = 0x4
    DELIVER_SM = 0x5
    UNBIND = 0x6
    REPLACE_SM = 0x7
    CANCEL_SM = 0x8
    BIND_TRANSCEIVER = 0x9
    OUTBIND = 0xB
    ENQUIRE_LINK = 0x15
    SUBMIT_MULTI = 0x21
    ALERT_NOTIFICATION = 0x102
    DATA_SM = 0x103
    GENERIC_NACK = 0x80000000
    BIND_RECEIVER_RESP = 0x80000001
    BIND_TRANSMITTER_RESP = 0x80000002
    QUERY_SM_RESP = 0x80000003
    SUBMIT_SM_RESP = 0x80000004
    DELIVER_SM_RESP = 0x80000005
    UNBIND_RESP = 0x80000006
    REPLACE_SM_RESP = 0x80000007
    CANCEL_SM_RESP = 0x80000008
    BIND_TRANSCEIVER_RESP = 0x80000009
    ENQUIRE_LINK_RESP = 0x80000015
    SUBMIT_MULTI_RESP = 0x80000021
    DATA_SM_RESP = 0x80000103


BINDS = frozenset({Command.BIND_RECEIVER, Command.BIND_TRANSMITTER, Command.BIND_TRANSCEIVER})
UNANSWERED = frozenset({Command.OUTBIND, Command.ALERT_NOTIFICATION})  # these two have no response
COMMAND_NAMES = {int(command): command.name.lower() for command in Command}


def command_name(command: int) -> str:
    """`submit_sm`, or the number when the standard has no such command."""
    return COMMAND_NAMES.get(command) or f"command 0x{command:08x}"


# ── statuses (SMPP 3.4 §5.1.3, from 0x100 SMPP 5.0 §4.7.6) ───────────────────────────────────────────


@direct
class Status(IntEnum):
    """What a response says, without the prefix ESME_ of the standard."""

    ROK = 0x00
    RINVMSGLEN = 0x01
    RINVCMDLEN = 0x02
    RINVCMDID = 0x03
    RINVBNDSTS = 0x04
    RALYBND = 0x05
    RINVPRTFLG = 0x06
    RINVREGDLVFLG = 0x07
    RSYSERR = 0x08
    RINVSRCADR = 0x0A
    RINVDSTADR = 0x0B
    RINVMSGID = 0x0C
    RBINDFAIL = 0x0D
    RINVPASWD = 0x0E
    RINVSYSID = 0x0F
    RCANCELFAIL = 0x11
    RREPLACEFAIL = 0x13
    RMSGQFUL = 0x14
    RINVSERTYP = 0x15
    RINVNUMDESTS = 0x33
    RINVDLNAME = 0x34
    RINVDESTFLAG = 0x40
    RINVSUBREP = 0x42
    RINVESMCLASS = 0x43
    RCNTSUBDL = 0x44
    RSUBMITFAIL = 0x45
    RINVSRCTON = 0x48
    RINVSRCNPI = 0x49
    RINVDSTTON = 0x50
    RINVDSTNPI = 0x51
    RINVSYSTYP = 0x53
    RINVREPFLAG = 0x54
    RINVNUMMSGS = 0x55
    RTHROTTLED = 0x58
    RINVSCHED = 0x61
    RINVEXPIRY = 0x62
    RINVDFTMSGID = 0x63
    RX_T_APPN = 0x64
    RX_P_APPN = 0x65
    RX_R_APPN = 0x66
    RQUERYFAIL = 0x67
    RINVOPTPARSTREAM = 0xC0
    ROPTPARNOTALLWD = 0xC1
    RINVPARLEN = 0xC2
    RMISSINGOPTPARAM = 0xC3
    RINVOPTPARAMVAL = 0xC4
    RDELIVERYFAILURE = 0xFE
    RUNKNOWNERR = 0xFF
    RSERTYPUNAUTH = 0x100
    RPROHIBITED = 0x101
    RSERTYPUNAVAIL = 0x102
    RSERTYPDENIED = 0x103
    RINVDCS = 0x104
    RINVSRCADDRSUBUNIT = 0x105
    RINVDSTADDRSUBUNIT = 0x106


DESCRIPTIONS = {
    Status.ROK: "accepted",
    Status.RINVMSGLEN: "the message has the wrong length",
    Status.RINVCMDLEN: "the PDU has the wrong length",
    Status.RINVCMDID: "no such command here",
    Status.RINVBNDSTS: "not allowed in this bind state",
    Status.RALYBND: "already bound",
    Status.RINVPRTFLG: "the priority flag is wrong",
    Status.RINVREGDLVFLG: "the registered delivery flag is wrong",
    Status.RSYSERR: "an error inside the message centre",
    Status.RINVSRCADR: "the sender may not be used",
    Status.RINVDSTADR: "the recipient's number is wrong",
    Status.RINVMSGID: "there is no message of this id",
    Status.RBINDFAIL: "the bind was refused",
    Status.RINVPASWD: "the password is wrong",
    Status.RINVSYSID: "the system id is wrong",
    Status.RCANCELFAIL: "the message could not be cancelled",
    Status.RREPLACEFAIL: "the message could not be replaced",
    Status.RMSGQFUL: "the message centre's queue is full",
    Status.RINVSERTYP: "the service type is wrong",
    Status.RINVNUMDESTS: "the number of destinations is wrong",
    Status.RINVDLNAME: "the distribution list's name is wrong",
    Status.RINVDESTFLAG: "the destination flag is wrong",
    Status.RINVSUBREP: "submit with replace is not supported",
    Status.RINVESMCLASS: "the esm_class is wrong",
    Status.RCNTSUBDL: "cannot submit to a distribution list",
    Status.RSUBMITFAIL: "the message was not taken",
    Status.RINVSRCTON: "the sender's type of number is wrong",
    Status.RINVSRCNPI: "the sender's numbering plan is wrong",
    Status.RINVDSTTON: "the recipient's type of number is wrong",
    Status.RINVDSTNPI: "the recipient's numbering plan is wrong",
    Status.RINVSYSTYP: "the system type is wrong",
    Status.RINVREPFLAG: "the replace flag is wrong",
    Status.RINVNUMMSGS: "the number of messages is wrong",
    Status.RTHROTTLED: "too many messages a second",
    Status.RINVSCHED: "the scheduled time is wrong",
    Status.RINVEXPIRY: "the validity period is wrong",
    Status.RINVDFTMSGID: "there is no such predefined message",
    Status.RX_T_APPN: "a temporary error of the receiving application",
    Status.RX_P_APPN: "a permanent error of the receiving application",
    Status.RX_R_APPN: "rejected by the receiving application",
    Status.RQUERYFAIL: "the query failed",
    Status.RINVOPTPARSTREAM: "the optional parameters cannot be read",
    Status.ROPTPARNOTALLWD: "an optional parameter is not allowed",
    Status.RINVPARLEN: "a parameter has the wrong length",
    Status.RMISSINGOPTPARAM: "an optional parameter is missing",
    Status.RINVOPTPARAMVAL: "an optional parameter has a wrong value",
    Status.RDELIVERYFAILURE: "delivery failed",
    Status.RUNKNOWNERR: "an unknown error",
    Status.RSERTYPUNAUTH: "not authorised for this service type",
    Status.RPROHIBITED: "this operation is prohibited",
    Status.RSERTYPUNAVAIL: "the service type is unavailable",
    Status.RSERTYPDENIED: "the service type is denied",
    Status.RINVDCS: "the data coding is wrong or not supported",
    Status.RINVSRCADDRSUBUNIT: "the sender's subunit is wrong",
    Status.RINVDSTADDRSUBUNIT: "the recipient's subunit is wrong",
}
STATUS_NAMES = {int(status): status.name for status in Status}
VENDOR_FIRST, VENDOR_LAST = 0x400, 0x4FF  # SMPP 3.4 §5.1.3: reserved for vendor specific errors


def status_name(status: int) -> str:
    """`RTHROTTLED`, or the number (`0x0000040b`) when the standard has no name for it."""
    return STATUS_NAMES.get(status) or f"0x{status:08x}"


def status_description(status: int) -> str:
    """What it says, in words."""
    if VENDOR_FIRST <= status <= VENDOR_LAST:
        return "an error of this vendor's own"
    return DESCRIPTIONS[Status(status)] if status in STATUS_NAMES else "a status no standard knows"


# ── optional parameters (SMPP 3.4 §5.3.2) ────────────────────────────────────────────────────────────


@direct
class Tlv(IntEnum):
    """The tags of the optional parameters."""

    DEST_ADDR_SUBUNIT = 0x0005
    DEST_NETWORK_TYPE = 0x0006
    DEST_BEARER_TYPE = 0x0007
    DEST_TELEMATICS_ID = 0x0008
    SOURCE_ADDR_SUBUNIT = 0x000D
    SOURCE_NETWORK_TYPE = 0x000E
    SOURCE_BEARER_TYPE = 0x000F
    SOURCE_TELEMATICS_ID = 0x0010
    QOS_TIME_TO_LIVE = 0x0017
    PAYLOAD_TYPE = 0x0019
    ADDITIONAL_STATUS_INFO_TEXT = 0x001D
    RECEIPTED_MESSAGE_ID = 0x001E
    MS_MSG_WAIT_FACILITIES = 0x0030
    PRIVACY_INDICATOR = 0x0201
    SOURCE_SUBADDRESS = 0x0202
    DEST_SUBADDRESS = 0x0203
    USER_MESSAGE_REFERENCE = 0x0204
    USER_RESPONSE_CODE = 0x0205
    SOURCE_PORT = 0x020A
    DESTINATION_PORT = 0x020B
    SAR_MSG_REF_NUM = 0x020C
    LANGUAGE_INDICATOR = 0x020D
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    SC_INTERFACE_VERSION = 0x0210
    CALLBACK_NUM_PRES_IND = 0x0302
    CALLBACK_NUM_ATAG = 0x0303
    NUMBER_OF_MESSAGES = 0x0304
    CALLBACK_NUM = 0x0381
    DPF_RESULT = 0x0420
    SET_DPF = 0x0421
    MS_AVAILABILITY_STATUS = 0x0422
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    DELIVERY_FAILURE_REASON = 0x0425
    MORE_MESSAGES_TO_SEND = 0x0426
    MESSAGE_STATE = 0x0427
    USSD_SERVICE_OP = 0x0501
    DISPLAY_TIME = 0x1201
    SMS_SIGNAL = 0x1203
    MS_VALIDITY = 0x1204
    ALERT_ON_MESSAGE_DELIVERY = 0x130C
    ITS_REPLY_TYPE = 0x1380
    ITS_SESSION_INFO = 0x1383


TLV_NAMES = {int(tag): tag.name.lower() for tag in Tlv}


def tlv_name(tag: int) -> str:
    """`message_payload`, or the number (`0x1400`) when the standard has no such parameter."""
    return TLV_NAMES.get(tag) or f"0x{tag:04x}"


# ── bits and values of single fields ─────────────────────────────────────────────────────────────────

INTERFACE_VERSION = 0x34

# esm_class (§5.2.12)
ESM_TYPE_MASK = 0x3C
ESM_RECEIPT = 0x04
ESM_INTERMEDIATE = 0x20
ESM_UDHI = 0x40

# type of number and numbering plan (§5.2.5, §5.2.6)
TON_UNKNOWN, TON_INTERNATIONAL, TON_NATIONAL, TON_ALPHANUMERIC, TON_ABBREVIATED = 0, 1, 2, 5, 6
NPI_UNKNOWN, NPI_ISDN = 0, 1

# data_coding (§5.2.19)
CODING_DEFAULT, CODING_ASCII, CODING_LATIN1, CODING_UCS2 = 0x00, 0x01, 0x03, 0x08

# registered_delivery (§5.2.17)
RECEIPT_NEVER, RECEIPT_ALWAYS, RECEIPT_ON_FAILURE = 0x00, 0x01, 0x02
RECEIPT_ON_SUCCESS = 0x03  # of SMPP 5.0 (§4.7.21)
RECEIPT_MASK = 0x03
RECEIPT_INTERMEDIATE = 0x10
