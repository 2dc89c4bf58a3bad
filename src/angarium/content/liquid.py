"""Templates: Liquid as marketers know it, strict about names and bounded in what it may cost.

Rules:
- A name that the values do not have is an error that says which name, where, and what there is. The one
  exception is `default`: `{{ first_name | default: "friend" }}`.
- Nothing outside the values can be read: no files, no other templates, no clock (`now` and `today` are
  names like any other; pass them as values).
- Output, loops, nesting, numbers and the work of filters are bounded, so that neither a template nor a
  customer's name can hold up the server.
- Liquid's standard tags and filters, those of `filters.py`, and nothing else; `safe` is not among them, so
  what a customer typed is always escaped in HTML.
- A template of plain `{{ names }}` is joined without the interpreter. Whatever the join cannot do is done
  again by the interpreter, which then also finds the words for what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any, TextIO, cast

from liquid import BoundTemplate, Environment, Markup, RenderContext, StrictDefaultUndefined, escape
from liquid.ast import Node
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.echo_tag import EchoNode, EchoTag
from liquid.exceptions import (
    LiquidError,
    LiquidTypeError,
    ResourceLimitError,
    UndefinedError,
)
from liquid.output import LimitedStringIO
from liquid.stream import TokenStream
from liquid.tag import Tag
from liquid.token import Token
from liquid.undefined import UNDEFINED
from liquid.utils import ReadOnlyChainMap

from angarium.content.filters import FILTERS
from angarium.content.soundness import (
    ITERATIONS_MAX,
    Plain,
    bound_ranges,
    check_filters,
    check_verbatim,
    dotted,
    loop_steps,
    plain,
    variables,
)
from angarium.core.problems import shown

SOURCE_MAX = 100_000  # characters
OUTPUT_MAX = 100_000  # bytes of UTF-8; mail programs clip a message at about as much
STEPS_MAX = 30_000  # tags, outputs, names and loops of one rendering; each takes about a microsecond
NESTING_MAX = 20  # blocks in blocks
LOCALS_MAX = 1_000_000  # bytes kept by assign and capture
ITEMS_MAX = 1_000  # of a list that goes through a filter
NUMBER_MAX = 10**18  # of a number that goes through a filter
WORK_MAX = 500_000  # characters that go through the filters of one rendering
ITEM_WORK = 50  # characters that one item of a list is worth
FILTER_STEPS, BUFFER_STEPS = 4, 3  # that a filter and a capture are worth
DATE_FORMAT_MAX = 100  # characters
CACHED_TEMPLATES = 512
KNOWN_SHOWN_MAX = 20  # names listed beside one that is not known

NOTHING: frozenset[str] = frozenset()
ABSENT_TAGS = ("include", "render")  # they read other templates
ABSENT_FILTERS = ("safe", "escapejs")  # not Liquid's own, and `safe` would let a customer write our HTML
MULTIPLYING_FILTERS = ("replace", "join")  # one argument is written many times over

SLOW_FILTERS = {"strip_html": 10}  # how many characters one is worth


class TemplateSyntax(ValueError):
    """The source is not a template. `line` and `column` count from 1."""

    def __init__(self, detail: str, line: int = 1, column: int = 1) -> None:
        super().__init__(f"{detail} (line {line}, column {column})")
        self.detail = detail
        self.line = line
        self.column = column


class RenderError(ValueError):
    """The template is sound, but not with these values. The place is where it is known, else 0."""

    def __init__(self, detail: str, line: int = 0, column: int = 0) -> None:
        super().__init__(f"{detail} (line {line}, column {column})" if line else detail)
        self.detail = detail
        self.line = line
        self.column = column


class MissingVariable(RenderError):
    """The template uses a name that the values do not have; `known` are the names beside it."""

    def __init__(self, name: str, *, known: tuple[str, ...] = (), line: int = 0, column: int = 0) -> None:
        self.name = shown(name)
        super().__init__(f"{self.name} is not known", line, column)
        self.known = known


class Template:
    """A compiled template; safe to share and to render many times."""

    __slots__ = ("_bound", "_plain", "_show", "source", "variables")

    def __init__(self, source: str, bound: BoundTemplate) -> None:
        self.source = source
        self.variables = variables(bound)  # dotted paths, such as "contact.first_name"
        self._bound = bound
        self._show: Callable[[object], str] = _shown_html if bound.env.autoescape else _shown
        self._plain = plain(bound.nodes)

    def render(self, values: Mapping[str, Any]) -> str:
        """The text for these values: str, int, float, bool, None, and lists and dicts of them.

        Raises MissingVariable and RenderError.
        """
        joined = self._joined(self._plain, values) if self._plain is not None else None
        return self._interpreted(values) if joined is None else joined

    def _joined(self, plain: Plain, values: Mapping[str, Any]) -> str | None:
        """The text, or None where the interpreter has to see to it."""
        parts = plain[0].copy()
        show = self._show
        try:
            for place, path in plain[1]:
                value: Any = values
                for key in path:
                    value = value[key]
                parts[place] = show(value)
        except Exception:
            return None
        text = "".join(parts)
        return text if len(text) <= OUTPUT_MAX // 4 or _size(text) <= OUTPUT_MAX else None

    def _interpreted(self, values: Mapping[str, Any]) -> str:
        try:
            return str(self._bound.render(values))
        except UndefinedError as error:
            name = str(error.message)
            line, column = _place(self.source, error.token)
            raise MissingVariable(name, known=_known(values, name), line=line, column=column) from None
        except LiquidError as error:
            raise RenderError(str(error.message), *_place(self.source, error.token)) from error
        except Exception as error:
            raise RenderError(f"{type(error).__name__}: {error}") from error


@lru_cache(maxsize=CACHED_TEMPLATES)
def compile_template(source: str, *, html: bool = False) -> Template:
    """Compile Liquid source; with `html`, values are escaped. Raises TemplateSyntax."""
    if len(source) > SOURCE_MAX:
        raise TemplateSyntax(f"{len(source)} characters are more than the {SOURCE_MAX} a template may have")
    try:
        check_verbatim(source)
        bound = (HTML if html else TEXT).from_string(source)
        bound_ranges(bound)
        cast("_Bound", bound).loop_steps = loop_steps(bound)
        check_filters(bound)
        return Template(source, bound)
    except LiquidError as error:
        detail = "nested too deeply" if isinstance(error.__cause__, RecursionError) else str(error.message)
        raise TemplateSyntax(detail, *_place(source, error.token, start=(1, 1))) from error
    except RecursionError as error:
        raise TemplateSyntax("nested too deeply") from error


# ── the interpreter, bounded ─────────────────────────────────────────────────────────────────────────


class _Context(RenderContext):
    """One rendering: strict names, counted loops, filters that are watched."""

    __slots__ = ("iterations", "steps", "work")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.steps = 0
        super().__init__(*args, **kwargs)
        self.iterations = 0
        self.work = 0
        # Without Liquid's own `now` and `today`, which read the clock.
        self.scope = ReadOnlyChainMap(self.locals, self.globals, self.counters)

    @property  # type: ignore[override]  # a plain attribute there
    def disabled_tags(self) -> frozenset[str]:
        """None. Every node asks for them before it is rendered, and so is counted."""
        self._step()
        return NOTHING

    @disabled_tags.setter
    def disabled_tags(self, _value: object) -> None:
        return

    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> object:
        self._step()
        found = super().get(path, token=token, default=default)
        if type(found) is StrictDefaultUndefined:
            # The hint becomes the message of the error, and so carries the whole name to whoever catches it.
            return StrictDefaultUndefined(str(path[0]), token=token, hint=dotted(path))
        return found

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        return partial(self._watched, name, super().filter(name, token))

    def raise_for_loop_limit(self, length: int = 1) -> None:
        self.iterations += length
        self._step(min(length, ITERATIONS_MAX) * cast("_Bound", self.template).loop_steps)
        if self.iterations > ITERATIONS_MAX:
            raise ResourceLimitError(f"loops run more than {ITERATIONS_MAX} times", token=None)

    def get_buffer(self, buf: TextIO | None = None) -> _Buffer:
        self._step(BUFFER_STEPS)
        return _Buffer(OUTPUT_MAX - (buf.size if isinstance(buf, LimitedStringIO) else 0))

    def _watched(
        self, name: str, function: Callable[..., object], value: object, *args: object, **kwargs: object
    ) -> object:
        self._step(FILTER_STEPS)
        given = [_bounded(one) for one in (value, *args)]
        if name in MULTIPLYING_FILTERS:
            self._spend(_length(given[0]) * max((_length(one) for one in given[1:]), default=0))
        self._spend(sum(_weight(one) for one in given) * SLOW_FILTERS.get(name, 1))
        return _bounded(function(*given, **kwargs))

    def _spend(self, characters: int) -> None:
        self.work += characters + 1
        if self.work > WORK_MAX:
            raise ResourceLimitError("the filters have too much to do", token=None)

    def _step(self, steps: int = 1) -> None:
        self.steps += steps
        if self.steps > STEPS_MAX:
            raise ResourceLimitError(f"it takes more than {STEPS_MAX} steps", token=None)


class _Buffer(LimitedStringIO):
    """Output that is counted. Line ends stay as they are: the library's own buffer makes LF of CR LF."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit, newline="")

    def write(self, text: str) -> int:
        self.size += _size(text)
        if self.size > self.limit:
            raise ResourceLimitError(f"the text is longer than {OUTPUT_MAX} bytes", token=None)
        return super(LimitedStringIO, self).write(text)


class _Bound(BoundTemplate):
    context_class = _Context
    loop_steps = 1

    def _get_buffer(self) -> _Buffer:
        return _Buffer(OUTPUT_MAX)


class _OutputNode(OutputNode):
    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        value = self.expression.evaluate(context)
        return buffer.write(_shown_html(value) if context.autoescape else _shown(value))


class _EchoNode(EchoNode):
    __slots__ = ()
    render_to_output = _OutputNode.render_to_output


class _Output(Output):
    node_class = _OutputNode


class _Echo(EchoTag):
    node_class = _EchoNode


class _Placed(Tag):
    """A tag whose errors have a place: at its own beginning, when the end of the text is what is wrong."""

    def __init__(self, tag: Tag) -> None:
        super().__init__(tag.env)
        self._tag = tag

    def get_node(self, stream: TokenStream) -> Node:
        first = stream.current
        try:
            return self.parse(stream)
        except LiquidError as error:
            if error.token is None or error.token.start_index < 0:
                error.token = first
            raise

    def parse(self, stream: TokenStream) -> Node:
        return self._tag.get_node(stream)


class _Environment(Environment):
    template_class = _Bound
    block_nesting_limit = NESTING_MAX
    local_namespace_limit = LOCALS_MAX

    def __init__(self, *, html: bool) -> None:
        super().__init__(undefined=StrictDefaultUndefined, autoescape=html)
        self.add_tag(_Output)
        self.add_tag(_Echo)
        self.add_filter("date", _date)
        for name, function in FILTERS.items():
            self.add_filter(name, function)
        for tag in ABSENT_TAGS:
            del self.tags[tag]
        for name in ABSENT_FILTERS:
            del self.filters[name]
        self.tags = {name: _Placed(tag) for name, tag in self.tags.items()}


class _Float(float):
    """A number that filters print as people write numbers."""

    __slots__ = ()

    def __str__(self) -> str:
        return _decimal(self)


def _bounded(value: object) -> object:
    """What goes into a filter or comes out of it, when it is not too much."""
    # type(), never isinstance(): an unknown name answers every question with an error.
    if type(value) is float:
        return _Float(value)
    if type(value) is int and abs(value) > NUMBER_MAX:
        raise LiquidTypeError(f"a number is larger than {NUMBER_MAX}", token=None)
    if type(value) in (str, Markup) and _length(value) > OUTPUT_MAX:
        raise LiquidTypeError(f"a text is longer than {OUTPUT_MAX} characters", token=None)
    if type(value) in (list, tuple) and _length(value) > ITEMS_MAX:
        raise LiquidTypeError(f"a list has more than {ITEMS_MAX} items", token=None)
    return value


def _length(value: object) -> int:
    if type(value) is str or type(value) is Markup or type(value) is list or type(value) is tuple:
        return len(value)
    return 1


def _weight(value: object) -> int:
    return _length(value) * (ITEM_WORK if type(value) in (list, tuple) else 1)


def _date(value: object, form: object = "%Y-%m-%d") -> str:
    """Liquid's `date` for ISO 8601 texts and seconds since 1970 (UTC): the same on every day and machine."""
    if value in (None, ""):
        return ""
    pattern = str(form)  # an unknown name raises here
    if not isinstance(form, str) or len(pattern) > DATE_FORMAT_MAX:
        raise LiquidTypeError("date needs a format such as '%d.%m.%Y'", token=None)
    return _moment(value).strftime(pattern)


def _moment(value: object) -> datetime:
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        return datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        detail = f"date needs an ISO 8601 date such as 2026-11-23T10:00:00+02:00, not {str(value)[:40]!r}"
        raise LiquidTypeError(detail, token=None) from None


# ── what is printed, and what is said of errors ──────────────────────────────────────────────────────


def _shown(value: object) -> str:
    """A value as text."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _decimal(value)
    if isinstance(value, (list, tuple)):
        return "".join([_shown(item) for item in value])
    if isinstance(value, Mapping):
        names = ", ".join(sorted(str(key) for key in value)[:KNOWN_SHOWN_MAX])
        raise LiquidTypeError(f"an object cannot be printed; print one of its fields: {names}", token=None)
    return str(value)


def _shown_html(value: object) -> str:
    """A value as HTML; only what the template's author wrote is taken as it is."""
    if type(value) is Markup:
        return value
    if isinstance(value, (list, tuple)):
        return "".join([_shown_html(item) for item in value])
    return str(escape(_shown(value)))


def _decimal(value: float) -> str:
    """0.00001, not 1e-05."""
    if not math.isfinite(value):
        raise LiquidTypeError("a number came to no finite value", token=None)
    text = float.__repr__(value)
    return format(Decimal(text), "f") if "e" in text else text


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _place(source: str, token: Token | None, start: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """Line and column of a token, from 1; `start` when it is not known."""
    if token is None or token.start_index < 0 or token.source != source:
        return start
    before = source[: token.start_index]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _known(values: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The names that stand beside a missing one."""
    level, prefix = values, ""
    for key in name.split("."):
        inner = level.get(key)
        if not isinstance(inner, Mapping):
            break
        level, prefix = inner, f"{prefix}{key}."
    names = sorted(prefix + str(key) for key in level if not str(key).startswith(" "))  # ours
    return tuple(names[:KNOWN_SHOWN_MAX])


TEXT = _Environment(html=False)
HTML = _Environment(html=True)
