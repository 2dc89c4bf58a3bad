"""What is done to a version once it is saved: submit, decide, publish, take back, retire, roll back.

Every deed holds the template to the end of its transaction, follows the table of `lifecycle.py`, and is
written down with who, when and why. Whether enough others approved is asked anew when a version is published,
so that a policy that became stricter meanwhile counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from angarium.content import lifecycle
from angarium.content.flows import NOTE_MAX, Deed, Whole, add, tell
from angarium.content.lifecycle import Action, VersionState
from angarium.content.lint.findings import Finding
from angarium.content.store import versions
from angarium.content.store.versions import Version
from angarium.core.clock import iso
from angarium.core.problems import FieldProblem, Problem, invalid
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

COMMENTS_MAX = 100
S = VersionState


class Term(msgspec.Struct, frozen=True):
    """From when until when a version is to be in force; None: from now on, and without an end."""

    begins: int | None = None
    ends: int | None = None


# ── review ───────────────────────────────────────────────────────────────────────────────────────────


async def submit(
    tx: Transaction, ground: Ground, found: Whole, number: int | None, errors: Sequence[Finding], deed: Deed
) -> Version:
    """Lock a version and ask for its review; a Problem names the errors that stand in the way."""
    one = found.version(number)
    _possible(found, one, Action.SUBMIT)
    if errors:
        wrong = tuple(FieldProblem(_place(e), f"{e.kind}: {e.problem}", e.remedy, e.value) for e in errors)
        detail = "; ".join(f"{w.field}: {w.problem}" for w in wrong)
        raise Problem("lint", "The wording is not ready for review", detail=detail, fields=wrong)
    return await _done(tx, ground, found, one, Action.SUBMIT, deed)


def _place(found: Finding) -> str:
    if found.variant is None:
        return "variants"
    return f"variants[{found.variant}]" + (f".content.{found.field}" if found.field else "")


async def withdraw(tx: Transaction, ground: Ground, found: Whole, number: int | None, deed: Deed) -> Version:
    """Take a version out of review, to change it."""
    return await _done(tx, ground, found, found.version(number), Action.WITHDRAW, deed)


async def approve(
    tx: Transaction, ground: Ground, found: Whole, number: int | None, seen: str, deed: Deed
) -> Version:
    """Approve a version; once enough others have, it may be published. `seen`: the hash of what was read."""
    one = found.version(number)
    _is_another(one, deed.actor)
    _possible(found, one, Action.APPROVE)
    if seen and seen != one.hash:
        detail = f"Version {one.number} has the hash {one.hash}. Look at it again before you decide."
        raise Problem("version-conflict", "These are not the words that were read", status=409, detail=detail)
    if one.state is S.PUBLISHED and not one.review_owed:
        raise _not_possible(found, one, Action.APPROVE)
    mine = (*found.approvers(one), deed.actor)
    enough = len(set(mine)) >= max(found.demand(one).approvals, 1)
    if one.state is S.PUBLISHED:
        after = msgspec.structs.replace(one, review_owed=not enough)
    else:
        after = msgspec.structs.replace(one, state=S.APPROVED if enough else one.state)
    return await _settled(tx, ground, found, after, Action.APPROVE, deed)


async def refuse(tx: Transaction, ground: Ground, found: Whole, number: int | None, deed: Deed) -> Version:
    """Refuse a version for good, with a reason; its words go on as a new draft.

    One that was published in an emergency is taken out, and messages that wait with its words do not go.
    """
    one = found.version(number)
    _reasoned(deed, "why it is refused, so that the author can mend it")
    _is_another(one, deed.actor)
    _possible(found, one, Action.REFUSE)
    if one.state is S.PUBLISHED:
        if not one.review_owed:
            raise _not_possible(found, one, Action.REFUSE)
        out = msgspec.structs.replace(one, state=S.RETIRED, review_owed=False, recalled=True)
        return await _settled(tx, ground, found, out, Action.REFUSE, deed)
    await _done(tx, ground, found, one, Action.REFUSE, deed)
    again = msgspec.structs.replace(
        one, id=ground.ids.mint(), number=_next(found), state=S.DRAFT, created_at=deed.now
    )
    return await add(tx, ground, found, again, msgspec.structs.replace(deed, note="", comments=()))


async def request_changes(
    tx: Transaction, ground: Ground, found: Whole, number: int | None, deed: Deed
) -> Version:
    """Send a version back with comments; it can be saved again."""
    one = found.version(number)
    _reasoned(deed, "what should be changed")
    _is_another(one, deed.actor)
    return await _done(tx, ground, found, one, Action.REQUEST_CHANGES, deed)


# ── publishing ───────────────────────────────────────────────────────────────────────────────────────


async def publish(
    tx: Transaction,
    ground: Ground,
    found: Whole,
    number: int | None,
    term: Term,
    deed: Deed,
    *,
    emergency: bool = False,
) -> Version:
    """Put a version in force, now or at an instant; a Problem says what is in the way."""
    one = _to_publish(found, number)
    _possible(found, one, Action.PUBLISH)
    owed = _may_go(found, one, deed, emergency=emergency)
    begins = deed.now if term.begins is None else term.begins
    _check_term(begins, term.ends, deed.now)
    published = msgspec.structs.replace(
        one, state=S.PUBLISHED, effective_from=begins, effective_until=term.ends, review_owed=owed
    )
    planned = [published.term if t.number == one.number else t for t in found.terms]
    hole = lifecycle.gap(lifecycle.periods(planned, deed.now))
    if hole is not None:
        assert hole.ends is not None
        problem = f"leaves nothing in force from {iso(hole.begins)} to {iso(hole.ends)}"
        raise invalid("until", problem, remedy=f"end at {iso(hole.ends)} or later, or name no end")
    await _tidy(tx, found, published, deed.now)
    return await _settled(tx, ground, found, published, Action.PUBLISH, deed)


def _to_publish(found: Whole, number: int | None) -> Version:
    """Which version is meant: the one that is named, else what was approved last, else what is under way."""
    if number is None:
        approved = [one for one in found.versions if one.state is S.APPROVED]
        if approved and (found.under_way is None or found.under_way.number < approved[-1].number):
            return approved[-1]
    return found.version(number)


def _may_go(found: Whole, one: Version, deed: Deed, *, emergency: bool) -> bool:
    """A Problem when approval or registration is missing; whether its review is still owed."""
    missing = found.unregistered(one)
    if missing:
        wrong = tuple(
            FieldProblem(
                f"variants[{one.variants.index(variant)}]",
                f"{variant.channel} has not approved these words ({variant.locale})",
                "have them approved by the provider, then PUT /v1/templates/{id}/registrations",
            )
            for variant in missing
        )
        detail = "; ".join(f"{w.field}: {w.problem}" for w in wrong)
        raise Problem(
            "not-registered", "The provider has not approved it", status=409, detail=detail, fields=wrong
        )
    asked, given = found.demand(one), found.approvers(one)
    if len(given) >= asked.approvals:
        if one.state is S.IN_REVIEW:
            raise _not_possible(found, one, Action.PUBLISH)
        return False
    if emergency and asked.emergency:
        _reasoned(deed, "why it cannot wait for its review")
        return True
    detail = f"{asked.approvals} of others are asked for and {len(given)} given: submit it for review."
    if emergency:
        detail = f"{detail} The policy allows no emergency for this class and these channels."
    elif asked.emergency:
        detail = f"{detail} In an emergency, publish with emergency: true; it is reviewed later."
    raise Problem("not-approved", "The version is not approved", status=409, detail=detail)


def _check_term(begins: int, ends: int | None, now: int) -> None:
    if begins < now:
        remedy = f"later than {iso(now)}, or leave it out"
        raise invalid("from", "has passed", value=iso(begins), remedy=remedy)
    if ends is not None and ends <= begins:
        raise invalid("until", "is not after its beginning", value=iso(ends), remedy="later, or none")


async def _tidy(tx: Transaction, found: Whole, new: Version, now: int) -> None:
    """What can never be in force again is retired for good, so that nobody looks at it any more."""
    terms = [*(term for term in found.terms if term.number != new.number), new.term]
    for one in found.versions:
        if one.number != new.number and one.state is S.PUBLISHED and lifecycle.is_over(one.term, terms, now):
            over = msgspec.structs.replace(one, state=S.RETIRED)
            found.put(over)
            await versions.settle(tx, found.workspace_id, over)


async def unschedule(
    tx: Transaction, ground: Ground, found: Whole, number: int | None, deed: Deed
) -> Version:
    """Take back a version whose instant has not come; what is in force stays so."""
    coming = [one for one in found.versions if one.term.begins != lifecycle.FOREVER]
    one = found.version(number) if number is not None or not coming else coming[-1]
    if one.term.begins <= deed.now:
        detail = "It has begun: retire the template, or roll back to an earlier version."
        raise Problem("template-state", "It is in force already", status=409, detail=detail)
    _possible(found, one, Action.UNSCHEDULE)
    enough = len(found.approvers(one)) >= max(found.demand(one).approvals, 1)
    after = msgspec.structs.replace(
        one,
        state=S.APPROVED if enough else S.DRAFT,
        effective_from=None,
        effective_until=None,
        review_owed=False,
    )
    other = found.under_way
    if after.state is S.DRAFT and other is not None:
        after = msgspec.structs.replace(after, state=S.SUPERSEDED)
    return await _settled(tx, ground, found, after, Action.UNSCHEDULE, deed)


async def retire(
    tx: Transaction, ground: Ground, found: Whole, at: int | None, deed: Deed, *, recall: bool = False
) -> Version:
    """Take a template out of use, now or at an instant. `recall`: what waits with its words does not go."""
    end = deed.now if at is None else at
    if end < deed.now:
        remedy = f"later than {iso(deed.now)}, or leave it out"
        raise invalid("at", "has passed", value=iso(end), remedy=remedy)
    live = [one for one in found.versions if one.state is S.PUBLISHED]
    if not live and not (recall and any(one.state is S.RETIRED for one in found.versions)):
        raise Problem("template-state", "Nothing of it is published", status=409, detail="There is no need.")
    last = live[-1] if live else found.versions[-1]
    for one in found.versions:
        if one.state is S.PUBLISHED or (recall and one.state is S.RETIRED):
            out = _ended(one, end, deed.now, recall=recall)
            found.put(out)
            await versions.settle(tx, found.workspace_id, out)
    ended = found.version(last.number)
    await tell(tx, ground, found, ended, Action.RETIRE, deed)
    return ended


def _ended(one: Version, end: int, now: int, *, recall: bool) -> Version:
    ends = min(one.term.ends, end)
    never = one.term.begins >= end or ends <= now
    return msgspec.structs.replace(
        one,
        state=S.RETIRED if never or one.state is S.RETIRED else one.state,
        effective_until=ends,
        recalled=one.recalled or recall,
    )


async def roll_back(tx: Transaction, ground: Ground, found: Whole, number: int, deed: Deed) -> Version:
    """Say again what an earlier version said, as a new version: at once where these words are approved."""
    source = found.version(number)
    if source.state in lifecycle.OPEN or source.state in (S.REFUSED, S.SUPERSEDED):
        detail = f"Version {number} is {source.state.value}: it was never in force."
        raise Problem("template-state", "It was never in force", status=409, detail=detail)
    approved = len(found.approvers(source)) >= found.demand(source).approvals
    if not approved and found.under_way is not None:
        detail = f"These words need a review, and version {found.under_way.number} is under way."
        raise Problem("template-locked", "The template is locked", status=409, detail=detail)
    again = Version(
        template_id=source.template_id,
        id=ground.ids.mint(),
        number=_next(found),
        state=S.DRAFT,
        variants=source.variants,
        default_locale=source.default_locale,
        hash=source.hash,
        author=source.author,
        editors=source.editors,
        created_at=deed.now,
    )
    why = deed.note or f"back to version {number}"
    said = msgspec.structs.replace(deed, note=why)
    await add(tx, ground, found, again, said)
    return await publish(tx, ground, found, again.number, Term(), said) if approved else again


# ── what all deeds share ─────────────────────────────────────────────────────────────────────────────


def what_next(found: Whole, one: Version, now: int) -> str:
    """What has to be done next for these words to reach somebody, as a sentence."""
    asked = found.demand(one).approvals
    state = lifecycle.state_at(one.term, found.terms, now)
    if one.review_owed:
        return "It was published in an emergency: somebody else has to approve or refuse it."
    match state:
        case S.DRAFT | S.CHANGES_REQUESTED if asked:
            others = "somebody else" if asked == 1 else f"{asked} others"
            return f"Submit it for review; {others} must approve it."
        case S.DRAFT | S.CHANGES_REQUESTED if found.unregistered(one):
            return "Have its provider approve it, note that under registrations, then publish it."
        case S.DRAFT | S.CHANGES_REQUESTED | S.APPROVED:
            return "Publish it."
        case S.IN_REVIEW:
            left = max(asked, 1) - len(found.approvers(one))
            others = f"{left} others" if left > 1 else f"{left} other"
            return f"It waits for the approval of {others}."
        case S.PUBLISHED if one.term.begins > now:
            return f"It takes over at {iso(one.term.begins)}."
        case _:
            return ""


def _next(found: Whole) -> int:
    return found.versions[-1].number + 1


def _possible(found: Whole, one: Version, action: Action) -> VersionState:
    after = lifecycle.after(one.state, action)
    if after is None:
        raise _not_possible(found, one, action)
    return after


def _not_possible(found: Whole, one: Version, action: Action) -> Problem:
    may = ", ".join(sorted(a.value for a in lifecycle.TRANSITIONS[one.state])) or "nothing"
    return Problem(
        "template-state",
        "That cannot be done to it now",
        status=409,
        detail=f"Version {one.number} of {found.template.name} is {one.state.value}; possible: {may}.",
        fields=(FieldProblem("version", f"cannot {action.value} it", f"possible: {may}", str(one.number)),),
    )


def _is_another(one: Version, actor: str) -> None:
    if actor == one.author or actor in one.editors:
        raise Problem(
            "own-words",
            "Somebody else has to decide",
            status=403,
            detail="Whoever wrote or edited a version decides nothing about it: ask somebody else.",
        )


def _reasoned(deed: Deed, what: str) -> None:
    if not deed.note.strip():
        raise invalid("note", "is empty", remedy=f"say {what}")


def check_deed(deed: Deed) -> None:
    """A Problem when what is said with a deed is too much."""
    if len(deed.note) > NOTE_MAX:
        raise invalid("note", "is too long", value=deed.note, remedy=f"at most {NOTE_MAX} characters")
    if len(deed.comments) > COMMENTS_MAX:
        raise invalid("comments", "are too many", value=len(deed.comments), remedy=f"at most {COMMENTS_MAX}")
    for place, comment in enumerate(deed.comments):
        if not 1 <= len(comment.text) <= NOTE_MAX:
            raise invalid(
                f"comments[{place}].text", "is empty or too long", remedy=f"1 to {NOTE_MAX} characters"
            )


async def _done(
    tx: Transaction, ground: Ground, found: Whole, one: Version, action: Action, deed: Deed
) -> Version:
    """What the table says an action leads to, written down."""
    after = msgspec.structs.replace(one, state=_possible(found, one, action))
    return await _settled(tx, ground, found, after, action, deed)


async def _settled(
    tx: Transaction, ground: Ground, found: Whole, after: Version, action: Action, deed: Deed
) -> Version:
    found.put(after)
    await versions.settle(tx, found.workspace_id, after)
    await tell(tx, ground, found, after, action, deed)
    return after
