"""JSON from outside as a struct; whatever is wrong with it names the field, the value and the remedy.

msgspec stops at the first field that is wrong and says it in a sentence of its own; that sentence is read
here, and the value and what was expected are looked up by its path. All of that is paid for by wrong requests
alone: a right one costs one decoding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from angarium.core.problems import FieldProblem, Problem, invalid, shown

T = TypeVar("T")

QUERY_MAX = 50  # names in the query of an address
# A string may hold anything but U+0000, which PostgreSQL cannot store (its manual, §8.3). In JSON it can only
# stand as this escape; `\\u0000` is a backslash and five characters.
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+|\.\.\.)\]")
AT = re.compile(r"(?P<said>.*?)(?: - at (?:`key` in )?`\$(?P<path>[^`]*)`)?", re.DOTALL)
MISSING = re.compile(r"Object missing required field `([^`]+)`")
UNKNOWN = re.compile(r"Object contains unknown field `(.+)`", re.DOTALL)
GOT = re.compile(r"Expected `[^`]+`, got `([^`]+)`")
BYTE = re.compile(r"JSON is malformed: (.+) \(byte (\d+)\)")

TROUBLES = (
    (re.compile(r"Invalid enum value"), "is not one of the allowed values"),
    (re.compile(r"Expected `\w+` of length"), "has the wrong length"),
    (re.compile(r"Expected `\w+` [<>]"), "is out of range"),
    (re.compile(r"Expected `\w+` matching"), "does not fit the pattern"),
    (re.compile(r"Invalid RFC3339"), "is not a time"),
)
KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}
TYPES: dict[type[inspect.Type], str] = {
    inspect.StrType: KINDS["str"],
    inspect.IntType: KINDS["int"],
    inspect.FloatType: KINDS["float"],
    inspect.BoolType: KINDS["bool"],
    inspect.NoneType: KINDS["null"],
    inspect.DateTimeType: "a time such as 2026-11-23T08:30:00Z",
}

Path = tuple[str | int | None, ...]  # names, places in a list, None for "under some key"


class Shape(Generic[T]):
    """What a request's body must be. Values under a field in `secret` are never quoted back."""

    def __init__(self, type: type[T], *, secret: Sequence[str] = ()) -> None:  # noqa: A002  msgspec's word
        self.type = type
        self._decoder = msgspec.json.Decoder(type)
        self._secret = frozenset(secret)

    def read(self, body: bytes) -> T:
        """The struct in a body; Problem `malformed` when it is no JSON, `invalid` when a field is wrong."""
        try:
            value = self._decoder.decode(body)
        except msgspec.ValidationError as error:
            raise self._misfit(str(error), _document(body)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise malformed(body, error) from None
        if b"\\u0000" in body and NUL.search(body):
            raise _nul(msgspec.json.decode(body))
        return value

    def read_query(self, query: bytes) -> T:
        """The struct in the query of an address; numbers and truths are read from their text."""
        try:
            given = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=QUERY_MAX))
        except ValueError:
            raise invalid("query", "has too many names", remedy=f"at most {QUERY_MAX}") from None
        if "\0" in "".join(given.values()):
            raise _nul(given)
        try:
            return msgspec.convert(given, type=self.type, strict=False)
        except msgspec.ValidationError as error:
            raise self._misfit(str(error), given) from None

    def _misfit(self, said: str, document: Any) -> Problem:
        match = AT.fullmatch(said)
        assert match is not None
        said, path = match["said"], _steps(match["path"] or "")
        expected = _type_at(inspect.type_info(self.type), path)
        if missing := MISSING.fullmatch(said):
            path = (*path, missing[1])
            wanted = _described(_type_at(inspect.type_info(self.type), path))
            return _invalid(path, "is missing", remedy=wanted)
        if unknown := UNKNOWN.fullmatch(said):
            return _invalid((*path, unknown[1]), "is not a field", remedy=_fields_of(expected))
        secret = not path or self._is_secret(path)
        value = "" if secret else _quoted(document, path)
        empty = said.endswith("got `str`") and not secret and _is_empty(document, path)
        words = "is empty" if empty else _trouble(said)
        return _invalid(path, words, value=value, remedy=_described(expected))

    def _is_secret(self, path: Path) -> bool:
        names = [step for step in path if isinstance(step, str)]
        return any(".".join(names[: count + 1]) in self._secret for count in range(len(names)))


class Items(Generic[T]):
    """What a batch must be: `{"contacts": […]}`. Each item is read by itself and spoils no other."""

    def __init__(self, name: str, item: Shape[T], most: int) -> None:
        bounds = msgspec.Meta(min_length=1, max_length=most)
        self.type = _batch(name, item.type, bounds)
        self._whole = Shape(self.type, secret=(name,))
        self._apart = Shape(_batch(name, msgspec.Raw, bounds), secret=(name,))
        self._name = name
        self._item = item

    def read(self, body: bytes) -> list[T | Problem]:
        """The items in a body, in order; a Problem in the place of one that cannot be read."""
        try:
            return list(getattr(self._whole.read(body), self._name))
        except Problem as problem:
            if problem.slug == "malformed":
                raise
        return [
            self._one(bytes(raw), at) for at, raw in enumerate(getattr(self._apart.read(body), self._name))
        ]

    def _one(self, raw: bytes, at: int) -> T | Problem:
        try:
            return self._item.read(raw)
        except Problem as problem:
            return under(problem, f"{self._name}[{at}]")


def _batch(name: str, item: Any, bounds: msgspec.Meta) -> type[msgspec.Struct]:
    of = f"{name.capitalize()}Batch"
    return msgspec.defstruct(
        of, [(name, Annotated[list[item], bounds])], frozen=True, forbid_unknown_fields=True
    )


def under(problem: Problem, place: str) -> Problem:
    """The problem of a part as a problem of the whole: its fields stand under `place`."""
    fields = tuple(
        msgspec.structs.replace(one, field=f"{place}.{one.field}".removesuffix(".")) for one in problem.fields
    )
    return Problem(problem.slug, problem.title, status=problem.status, detail=problem.detail, fields=fields)


def _document(body: bytes) -> Any:
    """The body without its shape; Problem `malformed` when what comes after the wrong field is no JSON."""
    try:
        return msgspec.json.decode(body)
    except msgspec.ValidationError:  # JSON, with a number that is none of ours
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(body, error) from None


# ── no JSON at all ───────────────────────────────────────────────────────────────────────────────────


def malformed(body: bytes, error: Exception) -> Problem:
    """What is not JSON, and where it stops being JSON. The body is not quoted: it may hold secrets."""
    if isinstance(error, RecursionError):
        detail = "It is nested too deeply."
    elif isinstance(error, UnicodeDecodeError) or not _is_utf8(body):
        detail = f"It is not UTF-8: byte {_first_bad_byte(body)} cannot be read as a character."
    elif not body.strip():
        detail = "It is empty. Send a JSON document."
    elif match := BYTE.fullmatch(str(error)):
        line, column = _place(body, int(match[2]))
        detail = f"Line {line}, column {column}: {match[1]}."
    else:
        detail = "It ends before the document does."
    return Problem("malformed", "The body is not JSON", status=400, detail=detail)


def _is_utf8(body: bytes) -> bool:
    return _first_bad_byte(body) == -1


def _first_bad_byte(body: bytes) -> int:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.start
    return -1


def _place(body: bytes, byte: int) -> tuple[int, int]:
    """A byte as line and column, both from 1, columns in characters. It may be in the middle of one."""
    before = body[:byte]
    return before.count(b"\n") + 1, len(before.rpartition(b"\n")[2].decode(errors="ignore")) + 1


def _nul(document: Any) -> Problem:
    field = shown(next(_nuls(document, ""), ""))
    return invalid(field, "holds the character U+0000", remedy="leave it out: it cannot be kept")


def _nuls(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _nuls(name, path)
            yield from _nuls(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _nuls(item, f"{path}[{place}]")
    elif isinstance(value, str) and "\0" in value:
        yield path.replace("\0", "")


# ── a field that is wrong ────────────────────────────────────────────────────────────────────────────


def _steps(path: str) -> Path:
    found: list[str | int | None] = []
    for name, place in STEP.findall(path):
        found.append(name or (int(place) if place.isdigit() else None))
    return tuple(found)


def _invalid(path: Path, problem: str, *, value: str = "", remedy: str = "") -> Problem:
    field = ""
    for step in path:
        field += f".{step}" if isinstance(step, str) else "[*]" if step is None else f"[{step}]"
    field = shown(field.removeprefix("."))  # a name may be as long as the body
    wrong = FieldProblem(field=field, problem=problem, remedy=remedy, value=value)
    detail = f"{field}: {problem}" if field else f"The body {problem}"
    return Problem("invalid", "The request is not valid", detail=detail, fields=(wrong,))


def _trouble(said: str) -> str:
    """msgspec's sentence as ours."""
    if got := GOT.fullmatch(said):
        return f"is {KINDS.get(got[1], got[1])}"
    for begin, words in TROUBLES:
        if begin.match(said):
            return words
    return said[0].lower() + said[1:]


def _quoted(document: Any, path: Path) -> str:
    """The value at a path, shortened; nothing when msgspec does not say under which key it stands."""
    for step in path:
        if step is None or document is None:
            return ""
        document = document[step]
    text = document if isinstance(document, str) else msgspec.json.encode(document).decode()
    return shown(text)


def _is_empty(document: Any, path: Path) -> bool:
    """Whether text stands at a path that is none: a field of a form in which nothing was written."""
    for step in path:
        if step is None or document is None:
            return False
        document = document[step]
    return bool(document == "")


def _type_at(kind: inspect.Type, path: Path) -> inspect.Type | None:
    """What was expected at a path; None when it cannot be told."""
    for step in path:
        following = [found for one in _alternatives(kind) if (found := _type_under(one, step)) is not None]
        if not following:
            return None
        kind = following[0]
    return kind


def _alternatives(kind: inspect.Type) -> Iterator[inspect.Type]:
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    yield from kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _type_under(kind: inspect.Type, step: str | int | None) -> inspect.Type | None:
    if isinstance(kind, inspect.StructType):
        return next((field.type for field in kind.fields if field.encode_name == step), None)
    if isinstance(kind, inspect.CollectionType) and isinstance(step, int):
        return kind.item_type
    if isinstance(kind, inspect.DictType):
        return kind.value_type
    return None


def _described(kind: inspect.Type | None) -> str:
    """A type as a person is told of it."""
    if kind is None:
        return ""
    words = [_described_one(one) for one in _alternatives(kind)]
    return ", or ".join(word for word in words if word)


def _described_one(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.EnumType):
        return "one of " + ", ".join(str(member.value) for member in kind.cls)
    if isinstance(kind, inspect.LiteralType):
        return "one of " + ", ".join(map(str, kind.values))
    if isinstance(kind, inspect.StructType):
        return f"an object with {_fields_of(kind)}"
    if isinstance(kind, inspect.CollectionType):
        items = _described(kind.item_type)
        return f"a list{_bounds(kind, 'length')}" + (f" of: {items}" if items else "")
    if isinstance(kind, inspect.DictType):
        return KINDS["object"]
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return TYPES[type(kind)] + _bounds(kind, "")
    if isinstance(kind, inspect.StrType):
        return TYPES[type(kind)] + _bounds(kind, "length") + (f" like {kind.pattern}" if kind.pattern else "")
    return TYPES.get(type(kind), "")


def _bounds(kind: Any, of: str) -> str:
    least, most = (kind.min_length, kind.max_length) if of else (kind.ge, kind.le)
    words = [f"at least {least}"] if least is not None else []
    words += [f"at most {most}"] if most is not None else []
    return f" ({of + ' ' if of else ''}{', '.join(words)})" if words else ""


def _fields_of(kind: inspect.Type | None) -> str:
    for one in _alternatives(kind) if kind is not None else ():
        if isinstance(one, inspect.StructType):
            names = ", ".join(field.encode_name for field in one.fields)
            return f"the fields {names}" if names else "leave it out: none is asked for here"
    return ""
