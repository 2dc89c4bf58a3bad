"""Hold the ledgers against one another: what was promised, what the operators took, what is shown. Pure.

After Jepsen's `total-queue`, valid only after everything was left to end: *lost* was promised and never
reached an operator, *unexpected* reached one and was never asked for, *doubled* reached people more often
than asked for. What ended by a rule of its own (expired, refused by a provider) or is shown to a person as
unknown is not lost. What the server says of itself is no evidence here; what it says of single messages is
held against what the operators wrote down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from angarium.drill import measures
from angarium.drill.books import Acked, Attempted, Books, Refused, Shown, Taken, Told
from angarium.drill.doubles import Doubles, doubles
from angarium.drill.lines import Return, Silence, returns, served_by_two, silences
from angarium.drill.measures import Recovery

EXAMPLES = 20  # of each wrong thing in the verdict
# Reasons for which a message may end without having reached an operator: its provider or its time said no.
EXPLAINED = {
    "not_a_user",
    "bad_address",
    "blocked_by_user",
    "rejected",
    "undelivered",
    "throttled",
    "temporary",
    "deadline",
    "not_started",
    "no_answer",
    "expired",
    "cancelled",
}
GOOD_NEWS = {"delivered": 1, "read": 2}
TELL_READ = {"vk", "whatsapp"}  # the other operators do not report that something was read


class Verdict(msgspec.Struct, kw_only=True):
    """What came out. Lists hold the names of messages, at most the first twenty; `wrong` counts them all."""

    passed: bool
    asked: dict[str, str | float]
    faults: dict[str, int]  # injected, by name
    wrong: dict[str, int]
    attempted: int
    acked: int
    taken: int
    not_reached: dict[str, int]  # acked, in no operator's ledger, and shown so: by state and reason
    states: dict[str, int]
    doubled: dict[str, int]  # by class
    in_flight_at_faults: int  # submissions of classes that may double whose answer a fault took
    unknown: dict[str, int]  # how each unanswered submission was resolved
    waiting: dict[str, int]  # not ended yet: why
    lost: list[str]
    forgotten: list[str]  # promised, and the API does not show it, or under another id
    created_twice: list[str]  # one Idempotency-Key, two messages
    unexpected: list[str]
    doubled_at_most_once: list[str]
    doubled_without_cause: list[str]
    served_by_two: list[str]  # submissions on a line by one after another had bound
    contradicted: list[str]  # the public state is not what the operators wrote down
    silent: list[str]  # not ended, and nobody is told why
    stopped_badly: list[str]  # SIGTERM did not end it in time, or not with 0
    refused: list[str]  # the server said no to the client
    unanswered: list[str]  # the client never got an answer
    accept_ms: dict[str, float]
    drain_s: float
    recoveries: list[Recovery]
    silences: list[Silence]
    returns: dict[str, Return]  # by kind of fault


def judge(books: Books) -> Verdict:
    """The verdict."""
    seen = books.seen
    attempted = {entry.name: entry for entry in books.client if isinstance(entry, Attempted)}
    acked = {entry.name: entry for entry in books.client if isinstance(entry, Acked)}
    refused = {entry.name for entry in books.client if isinstance(entry, Refused)}
    shown = {message.name: message for message in seen.shown}
    copies = _by_name(books.taken)
    found = doubles(attempted, copies, seen.broken, books.cuts)
    missing = [name for name in acked if name not in copies]
    times_shown = Counter(message.name for message in seen.shown)
    wrong = {
        "lost": [name for name in missing if not _is_explained(shown.get(name))],
        "forgotten": [
            name for name, one in acked.items() if name not in shown or shown[name].message != one.message
        ],
        "created_twice": [name for name, times in times_shown.items() if times > 1],
        "unexpected": [name or _place(copies[name][0]) for name in copies if name not in attempted],
        "doubled_at_most_once": found.forbidden,
        "doubled_without_cause": found.causeless,
        "served_by_two": served_by_two(books.taken, books.sessions),
        "contradicted": [
            f"{name}: {one.state}, but {said}"
            for name, one in shown.items()
            if (said := _contradiction(one, copies.get(name, []), seen.at))
        ],
        "silent": _silent(seen.shown, seen.told),
        "stopped_badly": [f"{one.name}: status {one.status}" for one in seen.broken if one.status],
        "refused": sorted(refused),
        "unanswered": [name for name in attempted if name not in acked and name not in refused],
    }
    silent = silences(seen.broken, books.taken, books.sessions, measures.began_at(acked.values()))
    return Verdict(
        passed=not any(wrong.values()) and _is_within(found),
        asked=seen.asked,
        faults=dict(Counter(one.name for one in seen.broken)),
        wrong={word: len(names) for word, names in wrong.items()},
        attempted=len(attempted),
        acked=len(acked),
        taken=len(books.taken),
        not_reached=_states(shown[name] for name in missing if name in shown),
        states=dict(Counter(message.state for message in seen.shown)),
        doubled=found.by_class,
        in_flight_at_faults=found.in_flight,
        unknown=_resolutions(seen.told.values()),
        waiting=dict(Counter(told.waits_for for told in seen.told.values() if told.waits_for)),
        accept_ms=measures.accept_ms(attempted, acked),
        drain_s=seen.drain_s,
        recoveries=measures.recoveries(seen.broken, list(acked.values()), books.taken),
        silences=silent,
        returns=returns(seen.broken, silent),
        **{word: names[:EXAMPLES] for word, names in wrong.items()},
    )


def _is_within(found: Doubles) -> bool:
    return sum(found.by_class.values()) <= found.in_flight


def _by_name(taken: Iterable[Taken]) -> dict[str, list[Taken]]:
    copies: dict[str, list[Taken]] = {}
    for entry in sorted(taken, key=lambda entry: entry.at):
        copies.setdefault(entry.name, []).append(entry)
    return copies


def _place(entry: Taken) -> str:
    return f"{entry.face} {entry.ref}"


def _is_explained(message: Shown | None) -> bool:
    """Whether somebody is told that it did not go out, and why."""
    if message is None:
        return False
    return not message.finished or message.reason in EXPLAINED


def _states(messages: Iterable[Shown]) -> dict[str, int]:
    return dict(Counter(f"{message.state} {message.reason}".strip() for message in messages))


def _contradiction(message: Shown, copies: Sequence[Taken], seen_at: float) -> str:
    """What the operators say that a public state does not; "" when they agree.

    A message whose fate is unknown may have been delivered: that is what unknown says. What operators say
    after we have looked need not be shown, but may be.
    """
    if message.state == "unknown" or not message.finished:
        return ""
    told = [
        (GOOD_NEWS.get(word, 0), at)
        for entry in copies
        for word, at in entry.statuses
        if word != "read" or entry.face in TELL_READ
    ]
    is_shown = GOOD_NEWS.get(message.state, 0)
    if is_shown < max((rank for rank, at in told if at <= seen_at), default=0):
        return "an operator knows better"
    if is_shown > max((rank for rank, _ in told), default=0):
        return "no operator says so"
    if message.state == "sent" and not copies:
        return "no operator took it"
    if message.state in ("refused", "expired", "cancelled") and copies:
        return "an operator took it"
    return ""


def _silent(shown: Iterable[Shown], told: Mapping[str, Told]) -> list[str]:
    """Messages that have not ended and do not say why and until when they wait."""
    return [
        message.name
        for message in shown
        if not message.finished
        and not (message.waits_until and message.name in told and told[message.name].waits_for)
    ]


def _resolutions(told: Iterable[Told]) -> dict[str, int]:
    """What became of submissions without an answer: evidence came, sent again, or still shown."""
    found: Counter[str] = Counter()
    for message in told:
        unknown = [place for place, one in enumerate(message.attempts) if one.state == "unknown"]
        found["evidence"] += max(0, message.unanswered - len(unknown))
        for place in unknown:
            one, later = message.attempts[place], message.attempts[place + 1 :]
            if any(other.step == one.step for other in later):
                found["sent again"] += 1
            elif later:
                found["next step"] += 1
            else:
                found["shown"] += 1
    return {word: count for word, count in found.items() if count}
