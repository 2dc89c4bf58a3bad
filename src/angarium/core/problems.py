"""Errors a caller can act on: RFC 9457 problems that name the field, the value and the remedy."""

from __future__ import annotations

import msgspec

TYPE_BASE = "https://angarium.example/problems/"


class FieldProblem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing wrong with one field."""

    field: str
    problem: str
    remedy: str = ""
    value: str = ""


class Problem(Exception):
    """Something the caller can mend. `slug` names its page in docs/reference/problems.md."""

    def __init__(
        self,
        slug: str,
        title: str,
        *,
        status: int = 422,
        detail: str = "",
        fields: tuple[FieldProblem, ...] = (),
        retry_after_s: int | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(f"{slug}: {title} {detail}".strip())
        self.slug = slug
        self.title = title
        self.status = status
        self.detail = detail
        self.fields = fields
        self.retry_after_s = retry_after_s
        self.headers = headers  # of the answer, beside those that its status wants

    def document(self) -> dict[str, object]:
        """The problem as RFC 9457 JSON."""
        document: dict[str, object] = {
            "type": TYPE_BASE + self.slug,
            "title": self.title,
            "status": self.status,
        }
        if self.detail:
            document["detail"] = self.detail
        if self.fields:
            document["errors"] = [msgspec.to_builtins(field) for field in self.fields]
        return document


MEGABYTE = 1_048_576
VALUE_SHOWN_MAX = 80


def shown(value: object) -> str:
    """A caller's value as it is quoted back: short, and never a whole document."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= VALUE_SHOWN_MAX else text[: VALUE_SHOWN_MAX - 1] + "…"


def invalid(field: str, problem: str, *, value: object = "", remedy: str = "") -> Problem:
    """The commonest problem: one field is wrong."""
    wrong = FieldProblem(field=field, problem=problem, remedy=remedy, value=shown(value))
    return Problem("invalid", "The request is not valid", detail=f"{field}: {problem}", fields=(wrong,))


def all_invalid(title: str, wrong: tuple[FieldProblem, ...]) -> Problem:
    """Several fields are wrong, and all of them are told at once."""
    detail = "; ".join(f"{one.field}: {one.problem}" for one in wrong)
    return Problem("invalid", title, detail=detail, fields=wrong)


def not_found(noun: str, value: str, *, remedy: str = "") -> Problem:
    """There is no such thing in this workspace."""
    return Problem(
        "not-found",
        f"There is no such {noun}",
        status=404,
        detail=f"No {noun} {shown(value)!r} in this workspace.",
        fields=(FieldProblem(field=noun, problem="not found", value=shown(value), remedy=remedy),),
    )


def too_large(most_bytes: int) -> Problem:
    """A body above the limit."""
    detail = f"At most {most_bytes} bytes; send it in several requests."
    return Problem("body-too-large", "The body is too large", status=413, detail=detail)


def file_too_large(most_bytes: int) -> Problem:
    """A file above the limit. It cannot be sent in pieces; and people count files in megabytes."""
    detail = f"A file may have {round(most_bytes / MEGABYTE, 2):g} MB at most; choose a smaller one."
    return Problem("body-too-large", "The file is too large", status=413, detail=detail)
