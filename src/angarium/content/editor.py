"""What an author sees while typing: each wording as its channels show it, and what is wrong where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from angarium.accounts.edge import Call
from angarium.content import editing, flows, parts, proof
from angarium.content.api import look_of
from angarium.content.editing import Draft
from angarium.content.flows import TemplateInput
from angarium.content.gathering import Gathered, gather
from angarium.content.lint.findings import Finding, Level
from angarium.content.lint.subject import Sample
from angarium.content.lint.variables import names_in
from angarium.content.pages import rows_of
from angarium.content.preview import Row, Wanted
from angarium.content.rules import Variant
from angarium.content.surroundings import Look, Person
from angarium.core.problems import FieldProblem, Problem
from angarium.core.values import Content, Json
from angarium.protocols import gsm
from angarium.storage.database import Transaction

FORCING_MAX = 12  # characters that are named
PLACES = ("text", "subject", "html", "buttons", "image_url", "media", "params")  # with a place of their own


class Seen(msgspec.Struct):
    """One wording, seen."""

    place: int
    channel: str
    locale: str
    rows: list[Row] = []
    problems: dict[str, list[FieldProblem]] = {}  # by the place where they stand; "": anywhere
    findings: dict[str, list[Finding]] = {}
    missing: list[str] = []  # variables that the test data has no value for
    forcing: list[str] = []  # characters that make it UCS-2
    mail: bool = False

    @property
    def errors(self) -> int:
        """How much is wrong with it."""
        graves = [one for found in self.findings.values() for one in found if one.level is Level.ERROR]
        return len(graves) + sum(map(len, self.problems.values()))


class Proof(msgspec.Struct):
    """A whole draft, seen."""

    wordings: list[Seen]
    findings: list[Finding]  # of no wording in particular
    wrong_values: FieldProblem | None
    person: str  # whoever it is shown for; empty: nobody
    wrong_contact: str
    missing: list[str]
    variables: list[str]

    @property
    def errors(self) -> int:
        """How much keeps it from review."""
        whole = sum(one.first.level is Level.ERROR for one in self.gathered)
        return sum(one.errors for one in self.wordings) + whole

    @property
    def warnings(self) -> int:
        """What else an author should look at."""
        within = [one for each in self.wordings for found in each.findings.values() for one in found]
        whole = (one.first for one in self.gathered)
        return sum(one.level is Level.WARNING for one in (*within, *whole))

    @property
    def gathered(self) -> list[Gathered]:
        """What is of no wording in particular, each thing once."""
        return gather(self.findings)

    @property
    def unfit(self) -> bool:
        """Whether it cannot be shown on one of the channels."""
        return any(row.problems for one in self.wordings for row in one.rows)


async def prove(tx: Transaction, request: Call, draft: Draft) -> Proof:
    """Everything that can be told of a draft as it is."""
    look, workspace_id = look_of(request), request.auth.workspace_id
    given, wrong_values = editing.values(draft)
    person, wrong_contact = await _person(tx, request, look, draft.contact.strip())
    whole: Json = (
        {**given, "contact": {**_mapping(given.get("contact")), **person.values}} if person else given
    )
    seen = [Seen(place, one.channel, one.locale) for place, one in enumerate(draft.wordings)]
    sound = await _composed(tx, workspace_id, draft, seen)
    sample = Sample(draft.sample or "usual", "", whole)
    for one in seen:
        variant = sound.get(one.place) or editing.variant_of(draft.wordings[one.place])
        used = editing.variables(variant)
        one.missing = sorted(used - names_in(whole) - {"unsubscribe_url"})
        if one.place in sound:
            wanted = Wanted(editing.class_of(draft), (variant,), draft.default_locale, [sample])
            wanted = msgspec.structs.replace(wanted, addresses=person.addresses if person else {})
            one.rows = rows_of(look, workspace_id, wanted, person.locale if person else "")
            one.forcing = forcing(one.rows)
        one.mail = bool(variant.content.html)
    rest = await _findings(tx, look, workspace_id, draft, sound, sample, seen)
    names = {
        name for one in seen for name in editing.variables(editing.variant_of(draft.wordings[one.place]))
    }
    missing = sorted({name for one in seen for name in one.missing})
    return Proof(seen, rest, wrong_values, _called(person), wrong_contact, missing, sorted(names))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _called(person: Person | None) -> str:
    return (
        "" if person is None else str(person.values.get("name") or next(iter(person.addresses.values()), "—"))
    )


async def _person(tx: Transaction, request: Call, look: Look, text: str) -> tuple[Person | None, str]:
    """The contact that a draft is shown for, by an id, an address or their own id of it."""
    if not text or "contacts:read" not in request.auth.scopes:
        return None, ""
    workspace_id = request.auth.workspace_id
    contact_id = await look.sought(tx, workspace_id, text)
    found = None if contact_id is None else await look.contact(tx, workspace_id, contact_id)
    return found, "" if found else text


async def _composed(
    tx: Transaction, workspace_id: int, draft: Draft, seen: Sequence[Seen]
) -> dict[int, Variant]:
    """The wordings that can be shown, by their places; what is wrong with the others stands at its field."""
    sound: dict[int, Variant] = {}
    first: dict[tuple[str, str], int] = {}
    for one in seen:
        variant = editing.variant_of(draft.wordings[one.place])
        same = first.setdefault((variant.channel, variant.locale.replace("_", "-").lower()), one.place)
        if same != one.place:
            _put(
                one,
                [
                    FieldProblem(
                        "locale", f"is the channel and locale of wording {same + 1} too", "one for each"
                    )
                ],
            )
        if variant.content == Content():  # nobody has begun to write it
            continue
        try:
            (made,) = await parts.composed(tx, workspace_id, (variant,))
        except Problem as problem:
            _put(one, problem.fields)
            continue
        wrong = tuple(flows.wrong_variants((made,)))
        _put(one, wrong)
        if not wrong:
            sound[one.place] = made
    return sound


def _put(one: Seen, wrong: Iterable[FieldProblem]) -> None:
    for problem in wrong:
        field = problem.field.removeprefix("variants[0].").removeprefix("content.").removeprefix("origin.")
        place = place_of("html" if field == "mjml" else field)
        one.problems.setdefault(place, []).append(msgspec.structs.replace(problem, field=field))


def place_of(field: str) -> str:
    """Where on the form a thing about a field is told: `buttons[0].url` at the buttons."""
    head = field.split("[", maxsplit=1)[0].split(".", maxsplit=1)[0]
    return head if head in PLACES else ""


def forcing(rows: Sequence[Row]) -> list[str]:
    """The characters for which a text goes as UCS-2, each once, in order."""
    found: dict[str, None] = {}
    for row in rows:
        if row.content and row.measure and row.measure.encoding == "ucs2":
            found |= dict.fromkeys(one[0] for one in gsm.NOT_GSM7.finditer(row.content.text))
    return list(found)[:FORCING_MAX]


async def _findings(
    tx: Transaction,
    look: Look,
    workspace_id: int,
    draft: Draft,
    sound: Mapping[int, Variant],
    sample: Sample,
    seen: Sequence[Seen],
) -> list[Finding]:
    """What is found in the sound wordings goes to its place; what is found in none of them is returned."""
    if not sound:
        return []
    places = sorted(sound)
    words = TemplateInput(
        "draft", tuple(sound[place] for place in places), editing.class_of(draft), draft.default_locale
    )
    rest = []
    for one in await proof.findings_of(tx, look, workspace_id, words, [sample]):
        if one.variant is None:
            rest.append(one)
            continue
        at = seen[places[one.variant]]
        at.findings.setdefault(place_of(one.field), []).append(msgspec.structs.replace(one, variant=at.place))
    return rest
