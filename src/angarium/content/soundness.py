"""What a template must be before it is used, and what is found out about it then.

Rules:
- What makes the library's lexer take quadratic time is refused before it is asked.
- Every filter that is named is there; ranges stand in loops only.
- What a rendering cannot count by itself (how much a condition compares) is measured here, once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import takewhile

from liquid import BoundTemplate, RenderContext
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, LoopExpression, Path
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.output import OutputNode
from liquid.exceptions import LiquidSyntaxError, ResourceLimitError
from liquid.expression import Expression
from liquid.static_analysis import Variable
from liquid.token import Token

ITERATIONS_MAX = 10_000  # of all loops of one rendering
BLANKS_MAX = 100  # at the beginning of a tag
UNCLOSED_MAX = 3  # beginnings of tags that have no end

# The lexer looks for the end of each of these from each beginning: quadratic when there is no end.
VERBATIM = re.compile(r"\{%-?\s*(end)?(raw|doc)\s*-?%\}")
# It also tries every cut between blanks that begin a tag and what follows: quadratic when nothing does.
BLANKS = re.compile(r"\{(?:\{|%)-?\s{100}|\{%-?\s*(?:#|\w+)\s{100}")

# The parts of a text, and where which value stands among them.
Plain = tuple[list[str], tuple[tuple[int, tuple[str, ...]], ...]]


def check_verbatim(source: str) -> None:
    """Refuse what would take the lexer quadratic time; LiquidSyntaxError."""
    if found := BLANKS.search(source):
        token = Token("tag", source[:2], found.start(), source)
        raise LiquidSyntaxError(f"a tag begins with more than {BLANKS_MAX} blanks", token=token)
    for begin, end in (("{{", "}}"), ("{%", "%}")):
        after = source.rfind(end) + 1
        if source.count(begin, after) > UNCLOSED_MAX:
            token = Token("tag", begin, source.index(begin, after), source)
            raise LiquidSyntaxError(f"expected {end!r}, found more of {begin!r}", token=token)
    last = {(match[2], bool(match[1])): match.start() for match in VERBATIM.finditer(source)}
    for tag in ("raw", "doc"):
        opened = last.get((tag, False), -1)
        if opened > last.get((tag, True), -1):
            raise LiquidSyntaxError(f"{tag} is never closed", token=Token("tag", tag, opened, source))


def check_filters(bound: BoundTemplate) -> None:
    """Refuse a filter that does not exist, by name; LiquidSyntaxError."""
    for name, spans in bound.analyze(include_partials=False).filters.items():
        if name not in bound.env.filters:
            token = Token("word", name, spans[0].index, bound.nodes[0].token.source)
            raise LiquidSyntaxError(f"there is no filter {name!r}", token=token)


def bound_ranges(bound: BoundTemplate) -> None:
    """Ranges stand in loops only, and are bounded there: elsewhere they become lists of any length."""
    for expression in _expressions(bound):
        if isinstance(expression, LoopExpression) and type(expression.iterable) is RangeLiteral:
            whole = expression.iterable
            expression.iterable = _BoundedRange(whole.token, whole.start, whole.stop)
        elif type(expression) is RangeLiteral:
            raise LiquidSyntaxError("a range (1..3) can only stand in a loop", token=expression.token)


def _expressions(bound: BoundTemplate) -> Iterator[Expression]:
    """Every expression of the template, each before those inside it."""
    context = RenderContext(bound)
    nodes: list[Node] = list(bound.nodes)
    while nodes:
        node = nodes.pop()
        nodes += node.children(context, include_partials=False)
        waiting = list(node.expressions())
        while waiting:
            expression = waiting.pop()
            yield expression
            waiting += expression.children()


def loop_steps(bound: BoundTemplate) -> int:
    """What a turn of a loop is worth beside the nodes in it: something where conditions compare much."""
    context, nodes, most = RenderContext(bound), list(bound.nodes), 0
    while nodes:
        node = nodes.pop()
        nodes += node.children(context, include_partials=False)
        waiting, size = list(node.expressions()), 0
        while waiting:
            waiting += waiting.pop().children()
            size += 1
        most = max(most, size)
    return most // 4


def variables(bound: BoundTemplate) -> frozenset[str]:
    """The names a template asks for, as dotted paths."""
    found = bound.analyze(include_partials=False).globals
    return frozenset(_leading(variable) for uses in found.values() for variable in uses)


def _leading(variable: Variable) -> str:
    """`order.items[0].name` needs `order.items`; what stands after an index is not looked at."""
    return dotted(takewhile(lambda segment: isinstance(segment, str), variable.segments))


def plain(nodes: Iterable[Node]) -> Plain | None:
    """The template as a join; None when it is more than text and plain names."""
    parts: list[str] = []
    slots: list[tuple[int, tuple[str, ...]]] = []
    for node in nodes:
        if type(node) is ContentNode:
            parts.append(node.text)
            continue
        path = _plain_path(node)
        if path is None:
            return None
        slots.append((len(parts), path))
        parts.append("")
    return parts, tuple(slots)


def _plain_path(node: Node) -> tuple[str, ...] | None:
    if not isinstance(node, OutputNode) or not isinstance(node.expression, FilteredExpression):
        return None
    left = node.expression.left
    if node.expression.filters or not isinstance(left, Path):
        return None
    names = tuple(
        name for name in left.path if isinstance(name, str) and name not in ("size", "first", "last")
    )
    return names if len(names) == len(left.path) else None


class _BoundedRange(RangeLiteral):
    __slots__ = ()

    def evaluate(self, context: RenderContext) -> range:
        whole = super().evaluate(context)
        if whole.stop - whole.start > ITERATIONS_MAX:
            raise ResourceLimitError(f"loops run more than {ITERATIONS_MAX} times", token=self.token)
        return whole


def dotted(path: Iterable[object]) -> str:
    """A path as people write it."""
    return ".".join(str(segment) for segment in path)
