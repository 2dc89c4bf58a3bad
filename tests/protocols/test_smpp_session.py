"""The SMPP session: two of them talk to each other, in any pieces, and each request ends exactly once."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from angarium.protocols import smpp_session
from angarium.protocols.smpp_numbers import BINDS, RESPONSE, Command, Status
from angarium.protocols.smpp_pdu import (
    SEQUENCE_MAX,
    Bind,
    Frame,
    Message,
    Splitter,
    encode,
    encode_message_id,
    pack,
)
from angarium.protocols.smpp_session import (
    Broken,
    Event,
    Link,
    NotAllowed,
    Request,
    Response,
    Role,
    Session,
    State,
    Stray,
    Timeout,
    Unbound,
    Violation,
)

BIND = encode(Command.BIND_TRANSCEIVER, Bind("angarium", "secret"))
TEXT = encode(Command.SUBMIT_SM, Message(dest="989120000001", short_message=b"hello"))
WINDOW, TIMEOUT_S, INTERVAL_S = 3, 60.0, 30.0


def a_session(role: Role, *, window: int = WINDOW, last_sequence: int = 0) -> Session:
    """A session that begins at time 0."""
    return Session(
        role,
        window=window,
        response_timeout_s=TIMEOUT_S,
        enquire_link_s=INTERVAL_S,
        now=0.0,
        last_sequence=last_sequence,
    )


def pass_on(sender: Session, receiver: Session, *, now: float = 0.0, size: int = 1) -> list[Event]:
    """Carry what one has to send to the other, `size` octets at a time."""
    data = sender.data_to_send()
    events: list[Event] = []
    for at in range(0, len(data), size):
        events += receiver.receive_data(data[at : at + size], now)
    return events


def bound_pair(
    bind: Command = Command.BIND_TRANSCEIVER, *, window: int = WINDOW, last_sequence: int = 0
) -> tuple[Session, Session]:
    """Two sessions after their bind."""
    esme = a_session(Role.ESME, window=window, last_sequence=last_sequence)
    smsc = a_session(Role.SMSC, window=window)
    esme.request(bind, BIND, "bind", 0.0)
    [asked] = pass_on(esme, smsc)
    assert isinstance(asked, Request)
    smsc.answer(asked.frame, Status.ROK, b"smsc\0")
    [answered] = pass_on(smsc, esme)
    assert isinstance(answered, Response)
    assert answered.token == "bind"
    return esme, smsc


def frames_of(session: Session) -> list[Frame]:
    """What a session would write."""
    return list(Splitter().feed(session.data_to_send()))


@pytest.mark.parametrize(
    ("bind", "state", "esme_room", "smsc_room"),
    [
        (Command.BIND_TRANSMITTER, State.BOUND_TX, WINDOW, 0),
        (Command.BIND_RECEIVER, State.BOUND_RX, 0, WINDOW),
        (Command.BIND_TRANSCEIVER, State.BOUND_TRX, WINDOW, WINDOW),
    ],
)
def test_a_bind_binds_both_sides(bind: Command, state: State, esme_room: int, smsc_room: int) -> None:
    esme, smsc = bound_pair(bind)
    assert (esme.state, smsc.state) == (state, state)
    assert (esme.room(), smsc.room()) == (esme_room, smsc_room)


def test_a_refused_bind_leaves_both_sides_open() -> None:
    esme, smsc = a_session(Role.ESME), a_session(Role.SMSC)
    esme.request(Command.BIND_TRANSCEIVER, BIND, "bind", 0.0)
    [asked] = pass_on(esme, smsc)
    assert isinstance(asked, Request)
    smsc.answer(asked.frame, Status.RINVPASWD)
    [answered] = pass_on(smsc, esme)
    assert isinstance(answered, Response)
    assert answered.frame.status == Status.RINVPASWD
    assert (esme.state, smsc.state) == (State.OPEN, State.OPEN)
    assert esme.room() == 0


def test_answers_out_of_order_find_their_requests() -> None:
    esme, smsc = bound_pair()
    for token in ("a", "b", "c"):
        esme.request(Command.SUBMIT_SM, TEXT, token, 0.0)
    assert esme.room() == 0
    asked = [event.frame for event in pass_on(esme, smsc) if isinstance(event, Request)]
    for frame, message_id in zip(reversed(asked), ("id-c", "id-b", "id-a"), strict=True):
        smsc.answer(frame, Status.ROK, encode_message_id(message_id))
    answers = [event for event in pass_on(smsc, esme) if isinstance(event, Response)]
    assert [(answer.token, answer.frame.data[16:]) for answer in answers] == [
        ("c", b"id-c\0"),
        ("b", b"id-b\0"),
        ("a", b"id-a\0"),
    ]
    assert esme.room() == WINDOW


def test_the_centre_delivers_in_its_own_window() -> None:
    esme, smsc = bound_pair()
    for number in range(WINDOW):
        smsc.request(Command.DELIVER_SM, TEXT, number, 0.0)
    with pytest.raises(NotAllowed, match="3 of 3 unanswered"):
        smsc.request(Command.DELIVER_SM, TEXT, "one too many", 0.0)
    for event in pass_on(smsc, esme):
        assert isinstance(event, Request)
        esme.answer(event.frame, Status.ROK, b"\0")
    assert [event.token for event in pass_on(esme, smsc) if isinstance(event, Response)] == [0, 1, 2]
    assert smsc.room() == WINDOW


def test_sequence_numbers_wrap_and_pass_over_those_still_open() -> None:
    esme, smsc = bound_pair(last_sequence=SEQUENCE_MAX - 2)
    numbers = [esme.request(Command.SUBMIT_SM, TEXT, token, 0.0) for token in ("a", "b")]
    assert numbers == [SEQUENCE_MAX, 1]  # the bind took the number before
    asked = [event.frame for event in pass_on(esme, smsc) if isinstance(event, Request)]
    smsc.answer(asked[0])
    pass_on(smsc, esme)
    esme._sequence = SEQUENCE_MAX  # once around, while 1 is still without an answer
    assert esme.request(Command.SUBMIT_SM, TEXT, "c", 0.0) == 2


def test_a_response_to_nothing_or_of_the_wrong_kind_is_stray() -> None:
    esme, _ = bound_pair()
    sequence = esme.request(Command.SUBMIT_SM, TEXT, "a", 0.0)
    unknown = pack(Command.SUBMIT_SM_RESP, sequence + 1, b"id\0")
    wrong = pack(Command.QUERY_SM_RESP, sequence, b"id\0")
    unheard_of = pack(RESPONSE | 0x7777, sequence)
    events = esme.receive_data(unknown + wrong + unheard_of, 0.0)
    assert [type(event) for event in events] == [Stray, Stray, Stray]
    assert esme.waiting() == 1
    [answer] = esme.receive_data(pack(Command.SUBMIT_SM_RESP, sequence, b"id\0"), 0.0)
    assert isinstance(answer, Response)
    assert answer.token == "a"


def test_a_generic_nack_refuses_the_request_of_its_number() -> None:
    esme, _ = bound_pair()
    sequence = esme.request(Command.SUBMIT_SM, TEXT, "a", 0.0)
    nacks = pack(Command.GENERIC_NACK, sequence, status=Status.RINVCMDLEN)
    [answer] = esme.receive_data(nacks, 0.0)
    assert isinstance(answer, Response)
    assert (answer.token, answer.frame.status) == ("a", Status.RINVCMDLEN)


def test_a_request_without_an_answer_expires_and_may_be_answered_late() -> None:
    esme, smsc = bound_pair()
    first = esme.request(Command.SUBMIT_SM, TEXT, "a", 0.0)
    esme.request(Command.SUBMIT_SM, TEXT, "b", 10.0)
    assert esme.expire(TIMEOUT_S - 0.1) == []
    assert esme.expire(TIMEOUT_S) == [Timeout(Command.SUBMIT_SM, first, "a")]
    assert esme.room() == WINDOW - 1
    [asked, _] = pass_on(esme, smsc)
    assert isinstance(asked, Request)
    smsc.answer(asked.frame, Status.ROK, encode_message_id("late"))
    [answer] = pass_on(smsc, esme, now=TIMEOUT_S + 1)
    assert isinstance(answer, Response)
    assert (answer.token, answer.late) == ("a", True)
    [again] = esme.receive_data(pack(Command.SUBMIT_SM_RESP, first, b"late\0"), TIMEOUT_S + 2)
    assert isinstance(again, Stray)


def test_late_requests_are_remembered_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smpp_session, "LATE_MAX", 2)
    esme, _ = bound_pair()
    first, second, third = [esme.request(Command.SUBMIT_SM, TEXT, token, 0.0) for token in "abc"]
    esme.expire(TIMEOUT_S)
    answers = b"".join(pack(Command.SUBMIT_SM_RESP, sequence, b"\0") for sequence in (first, second, third))
    assert [type(event) for event in esme.receive_data(answers, TIMEOUT_S)] == [Stray, Response, Response]


def test_a_lost_connection_gives_back_what_is_open() -> None:
    esme, _ = bound_pair()
    sequences = [esme.request(Command.SUBMIT_SM, TEXT, token, 0.0) for token in ("a", "b")]
    left = esme.close()
    assert [(timeout.sequence, timeout.token) for timeout in left] == list(zip(sequences, "ab", strict=True))
    assert esme.close() == []
    assert esme.room() == 0
    assert esme.receive_data(pack(Command.SUBMIT_SM_RESP, sequences[0], b"\0"), 0.0) == []


NOT_ALLOWED = [
    (Role.SMSC, Command.SUBMIT_SM, "the centre submits"),
    (Role.SMSC, Command.BIND_TRANSCEIVER, "the centre binds"),
    (Role.SMSC, Command.REPLACE_SM, "the centre replaces"),
    (Role.ESME, Command.DELIVER_SM, "the entity delivers"),
    (Role.ESME, Command.BIND_TRANSCEIVER, "a second bind"),
]


@pytest.mark.parametrize(("sender", "command", "why"), NOT_ALLOWED, ids=[case[2] for case in NOT_ALLOWED])
def test_what_the_state_does_not_allow_is_answered_so(sender: Role, command: Command, why: str) -> None:
    esme, smsc = bound_pair()
    hearer = smsc if sender is Role.ESME else esme
    frame = pack(command, 9)
    [event] = hearer.receive_data(frame, 0.0)
    assert isinstance(event, Violation), why
    status = Status.RALYBND if why == "a second bind" else Status.RINVBNDSTS
    assert event.status is status
    [answer] = frames_of(hearer)
    assert (answer.command, answer.status, answer.sequence) == (command | RESPONSE, status, 9)


@pytest.mark.parametrize(
    ("bind", "command"),
    [(Command.BIND_RECEIVER, Command.SUBMIT_SM), (Command.BIND_RECEIVER, Command.DATA_SM)],
)
def test_a_receiver_may_not_submit(bind: Command, command: Command) -> None:
    esme, smsc = bound_pair(bind)
    with pytest.raises(NotAllowed, match="bound_rx"):
        esme.request(command, TEXT, "a", 0.0)
    [event] = smsc.receive_data(pack(command, 9, TEXT), 0.0)
    assert isinstance(event, Violation)


def test_nothing_but_a_bind_may_come_first() -> None:
    smsc = a_session(Role.SMSC)
    [event] = smsc.receive_data(pack(Command.SUBMIT_SM, 1, TEXT), 0.0)
    assert isinstance(event, Violation)
    [answer] = frames_of(smsc)
    assert (answer.command, answer.status) == (Command.SUBMIT_SM_RESP, Status.RINVBNDSTS)


def test_an_unknown_command_is_nacked() -> None:
    _, smsc = bound_pair()
    [event] = smsc.receive_data(pack(0x7777, 9), 0.0)
    assert isinstance(event, Violation)
    [answer] = frames_of(smsc)
    assert (answer.command, answer.status, answer.sequence) == (Command.GENERIC_NACK, Status.RINVCMDID, 9)


def test_what_has_no_response_gets_none() -> None:
    esme, smsc = bound_pair()
    [alert] = esme.receive_data(pack(Command.ALERT_NOTIFICATION, 9), 0.0)
    assert isinstance(alert, Request)
    [outbind] = esme.receive_data(pack(Command.OUTBIND, 10), 0.0)
    assert isinstance(outbind, Violation)
    assert esme.data_to_send() == b""
    smsc.request(Command.ALERT_NOTIFICATION, b"\0\0\0\0\0\0", "alert", 0.0)
    assert smsc.waiting() == 0


@pytest.mark.parametrize("asker", [Role.ESME, Role.SMSC])
def test_either_side_unbinds(asker: Role) -> None:
    esme, smsc = bound_pair()
    leaving, staying = (esme, smsc) if asker is Role.ESME else (smsc, esme)
    leaving.request(Command.UNBIND, b"", "unbind", 0.0)
    assert leaving.room() == 0
    assert pass_on(leaving, staying) == [Unbound()]
    [answer] = pass_on(staying, leaving)
    assert isinstance(answer, Response)
    assert answer.token == "unbind"
    assert (esme.state, smsc.state) == (State.CLOSED, State.CLOSED)


def test_a_broken_stream_ends_the_session_after_its_good_frames() -> None:
    esme, _ = bound_pair()
    sequence = esme.request(Command.SUBMIT_SM, TEXT, "a", 0.0)
    events = esme.receive_data(pack(Command.SUBMIT_SM_RESP, sequence, b"id\0") + b"\xff" * 16, 0.0)
    assert [type(event) for event in events] == [Response, Broken]
    assert esme.state is State.CLOSED
    assert esme.receive_data(pack(Command.ENQUIRE_LINK, 1), 0.0) == []


def test_silence_is_asked_about_and_then_the_link_is_dead() -> None:
    esme, smsc = bound_pair()
    assert esme.link(INTERVAL_S - 0.1) is Link.ALIVE
    assert esme.link(INTERVAL_S) is Link.ASK
    esme.enquire(INTERVAL_S)
    assert esme.link(INTERVAL_S + 1) is Link.ALIVE
    assert esme.link(2 * INTERVAL_S) is Link.DEAD
    assert pass_on(esme, smsc, now=2 * INTERVAL_S) == []
    assert pass_on(smsc, esme, now=2 * INTERVAL_S) == []
    assert esme.link(2 * INTERVAL_S) is Link.ALIVE
    assert esme.link(3 * INTERVAL_S) is Link.ASK
    assert esme.room() == WINDOW


def test_silence_before_the_bind_is_not_asked_about() -> None:
    assert a_session(Role.ESME).link(1000 * INTERVAL_S) is Link.ALIVE


class Conversation(RuleBasedStateMachine):
    """Messages both ways, in any pieces and order, with lost time; each must end exactly once."""

    def __init__(self) -> None:
        super().__init__()
        self.esme, self.smsc = bound_pair()
        self.sides = {Role.ESME: self.esme, Role.SMSC: self.smsc}
        self.wires = {Role.ESME: b"", Role.SMSC: b""}  # written, not yet read by the other
        self.unanswered: dict[Role, list[Frame]] = {Role.ESME: [], Role.SMSC: []}
        self.now = 0.0
        self.made = 0
        self.ended: Counter[int] = Counter()
        self.late: Counter[int] = Counter()
        self.timed_out: set[int] = set()

    @rule(role=st.sampled_from(Role))
    def ask(self, role: Role) -> None:
        side = self.sides[role]
        if side.room():
            command = Command.SUBMIT_SM if role is Role.ESME else Command.DELIVER_SM
            side.request(command, TEXT, self.made, self.now)
            self.made += 1

    @rule(role=st.sampled_from(Role), size=st.integers(1, 120))
    def carry(self, role: Role, size: int) -> None:
        self.wires[role] += self.sides[role].data_to_send()
        data, self.wires[role] = self.wires[role][:size], self.wires[role][size:]
        for event in self.sides[role.peer].receive_data(data, self.now):
            if isinstance(event, Request):
                self.unanswered[role.peer].append(event.frame)
            else:
                assert isinstance(event, Response)
                (self.late if event.late else self.ended)[event.token] += 1

    @precondition(lambda self: any(self.unanswered.values()))
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        role = data.draw(st.sampled_from([role for role, frames in self.unanswered.items() if frames]))
        index = data.draw(st.integers(0, len(self.unanswered[role]) - 1))
        self.sides[role].answer(self.unanswered[role].pop(index), Status.ROK, b"\0")

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for side in self.sides.values():
            for timeout in side.expire(self.now):
                self.ended[timeout.token] += 1
                self.timed_out.add(timeout.token)

    @invariant()
    def each_ends_once(self) -> None:
        assert all(count == 1 for count in self.ended.values())
        assert all(count == 1 for count in self.late.values())
        assert set(self.late) <= self.timed_out
        assert all(side.waiting() <= WINDOW for side in self.sides.values())
        assert len(self.ended) + sum(side.waiting() for side in self.sides.values()) == self.made

    def teardown(self) -> None:
        for side in self.sides.values():
            for left in side.close():
                self.ended[left.token] += 1
        assert self.ended == Counter(range(self.made))


TestConversation = Conversation.TestCase


def test_every_command_has_somebody_who_may_ask_it() -> None:
    asked = set(smpp_session.LEGAL[Role.ESME]) | set(smpp_session.LEGAL[Role.SMSC])
    assert asked == {command for command in Command if not command & RESPONSE}
    assert set(smpp_session.BOUND_AS) == BINDS
