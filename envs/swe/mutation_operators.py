"""The mutation operators: what may be changed at one node of a syntax tree, as edits of the source text.

Wherever an operator has a natural inverse, both directions are here, so that a repair by a single mutation
can be found by enumerating the mutants of the broken file.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from telos.envs.swe.mutation_sites import Site
from telos.envs.swe.mutation_tables import ARITHMETIC, CHARACTERS, COMPARISONS, DIVISIONS, FUNCTIONS, Swaps

__all__ = ["OPERATORS"]

Edit: TypeAlias = tuple[int, int, str]  # start, end, replacement

_SEQUENCE_LITERALS = (ast.JoinedStr, ast.List, ast.Tuple, ast.ListComp)
_SIMPLE = (ast.Name, ast.Attribute, ast.Constant, ast.Subscript)
_COPIERS = ("list", "dict", "set", "sorted", "reversed", "tuple", "copy", "deepcopy")
_EXITS = (ast.Raise, ast.Return, ast.Continue, ast.Break)


def _swap(site: Site, left: ast.expr, operator: ast.AST, right: ast.expr, swaps: Swaps, suffix: str) -> Iterator[Edit]:
    """Replaces the operator that stands between two operands."""
    pattern, replacements = swaps.get(type(operator), ("", ()))
    if replacements:
        start, end = site.text.between(left, right, pattern + suffix)
        for replacement in replacements:
            yield start, end, replacement + suffix


def _comparison(site: Site) -> Iterator[Edit]:
    if isinstance(node := site.node, ast.Compare):
        operands = [node.left, *node.comparators]
        for left, operator, right in zip(operands, node.ops, node.comparators, strict=False):
            yield from _swap(site, left, operator, right, COMPARISONS, "")


def _is_sequence(node: ast.expr) -> bool:
    return isinstance(node, _SEQUENCE_LITERALS) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _binary(site: Site, swaps: Swaps) -> Iterator[Edit]:
    # Of text and lists, `-` or `/` would be a type error in every run: a crash, not a bug worth hunting.
    if isinstance(node := site.node, ast.BinOp) and not (_is_sequence(node.left) or _is_sequence(node.right)):
        yield from _swap(site, node.left, node.op, node.right, swaps, "")
    elif isinstance(node, ast.AugAssign) and not _is_sequence(node.value):
        yield from _swap(site, node.target, node.op, node.value, swaps, "=")


def _arithmetic(site: Site) -> Iterator[Edit]:
    yield from _binary(site, ARITHMETIC)


def _division(site: Site) -> Iterator[Edit]:
    yield from _binary(site, DIVISIONS)


def _boolean(site: Site) -> Iterator[Edit]:
    if isinstance(node := site.node, ast.BoolOp):
        for left, right in zip(node.values, node.values[1:], strict=False):
            # Found by text, since `a or b and c` nests otherwise than `a and b and c`.
            word, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            start, end = site.text.between(left, right, word)
            yield start, end, other


def _negation(site: Site) -> Iterator[Edit]:
    node = site.node
    if not site.is_condition or not isinstance(node, ast.expr):
        return
    is_operand = isinstance(site.parent, ast.BoolOp)
    start, end = site.text.parenthesised(node) if is_operand else site.text.span(node)
    text = site.text.source[start:end]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        operand = text[3:].lstrip()
        if not is_operand and isinstance(node.operand, (ast.BoolOp, ast.IfExp)) and "\n" not in operand:
            operand = operand[1:-1]
        yield start, end, operand
    elif not isinstance(node, ast.Compare) or len(node.ops) > 1:  # a single one is negated by its operator
        bare = isinstance(node, (ast.BoolOp, ast.IfExp, ast.NamedExpr)) and not text.startswith("(")
        yield start, end, f"not ({text})" if bare else f"not {text}"


def _integer(site: Site) -> Iterator[Edit]:
    node = site.node
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    constant = node.operand if isinstance(node, ast.UnaryOp) and negative else node
    is_signed = isinstance(site.parent, ast.UnaryOp) and isinstance(site.parent.op, ast.USub)
    if not isinstance(constant, ast.Constant) or type(constant.value) is not int or is_signed:
        return
    text = site.text.of(constant)
    if not text.replace("_", "").isdecimal():
        return
    value = -constant.value if negative else constant.value
    is_term = isinstance(site.parent, ast.BinOp) and isinstance(site.parent.op, (ast.Add, ast.Sub))
    for changed in (value + 1, value - 1):
        if changed != 0 or not is_term:  # nobody writes `n + 0`; the bound operator drops the whole term
            yield *site.text.span(node), f"{changed:_}" if "_" in text else str(changed)


def _bound(site: Site) -> Iterator[Edit]:
    node = site.node
    if not site.is_bound or not isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.BinOp)):
        return
    start, end = site.text.span(node)
    if not isinstance(node, ast.BinOp):
        yield start, end, site.text.of(node) + " + 1"
        yield start, end, site.text.of(node) + " - 1"
    elif isinstance(node.op, (ast.Add, ast.Sub)):
        if not isinstance(node.right, ast.Constant):
            yield start, end, site.text.of(node) + " + 1"
            yield start, end, site.text.of(node) + " - 1"
        elif node.right.value == 1:
            yield start, end, site.text.of(node.left)


def _swapped(site: Site, first: ast.expr, second: ast.expr) -> Iterator[Edit]:
    if isinstance(first, _SIMPLE) and isinstance(second, _SIMPLE):
        (start, first_end), (second_start, end) = site.text.span(first), site.text.span(second)
        yield start, end, site.text.of(second) + site.text.source[first_end:second_start] + site.text.of(first)


def _arguments(site: Site) -> Iterator[Edit]:
    if isinstance(node := site.node, ast.Call):
        for first, second in zip(node.args, node.args[1:], strict=False):
            yield from _swapped(site, first, second)


def _operands(site: Site) -> Iterator[Edit]:
    node = site.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Sub, ast.Div, ast.FloorDiv, ast.Mod)):
        yield from _swapped(site, node.left, node.right)


def _truth(site: Site) -> Iterator[Edit]:
    if isinstance(node := site.node, ast.Constant) and isinstance(node.value, bool):
        yield *site.text.span(node), str(not node.value)


def _string(site: Site) -> Iterator[Edit]:
    if not isinstance(node := site.node, ast.Constant) or not isinstance(node.value, str):
        return
    start, end = site.text.span(node)
    plain = re.fullmatch(r"""([rRuU]?(['"]))(.*)\2""", site.text.source[start:end])
    if plain is None or plain[1] in plain[3]:
        return
    first, last = start + plain.end(1), start + plain.end(3)
    for other in CHARACTERS.get(plain[3], ()):
        yield first, last, other
    if plain[3][:1].isascii() and plain[3][:1].isalpha() and len(plain[3]) > 1:
        yield first, first + 1, plain[3][0].swapcase()


def _default(site: Site) -> Iterator[Edit]:
    if site.is_default:
        for literal in (_integer, _truth, _string):
            yield from literal(site)


def _constant(operator: Callable[[Site], Iterator[Edit]]) -> Callable[[Site], Iterator[Edit]]:
    return lambda site: iter(()) if site.is_default else operator(site)


def _guard(site: Site) -> Iterator[Edit]:
    if isinstance(node := site.node, ast.If) and not node.orelse and isinstance(node.body[-1], _EXITS):
        yield from site.removed()


def _statement(site: Site) -> Iterator[Edit]:
    node = site.node
    is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    is_store = isinstance(node, ast.Assign) and not isinstance(node.targets[0], (ast.Name, ast.Tuple))
    if is_call or is_store or isinstance(node, (ast.AugAssign, ast.Delete)):
        yield from site.removed()


def _copy(site: Site) -> Iterator[Edit]:
    node = site.node
    kept: ast.expr | None = None
    if isinstance(node, ast.Call) and not node.keywords:
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in _COPIERS and len(node.args) == 1:
            kept = node.args[0]
        elif name == "copy" and not node.args and isinstance(node.func, ast.Attribute):
            kept = node.func.value
    elif isinstance(node, ast.Subscript) and site.text.of(node).endswith("[:]"):
        kept = node.value
    if isinstance(kept, (*_SIMPLE, ast.Call)):
        yield *site.text.span(node), site.text.of(kept)


def _variable(site: Site) -> Iterator[Edit]:
    if isinstance(node := site.node, ast.Name) and isinstance(node.ctx, ast.Load) and not site.is_callee:
        for other in site.scope.other_locals(node.id, node.lineno):
            yield *site.text.span(node), other


def _attribute(site: Site) -> Iterator[Edit]:
    if isinstance(node := site.node, ast.Attribute) and isinstance(node.ctx, ast.Load) and not site.is_callee:
        _, end = site.text.span(node)
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            for other in site.scope.other_attributes(node.attr):
                yield end - len(node.attr), end, other


def _function(site: Site) -> Iterator[Edit]:
    node = site.node
    if not isinstance(node, (ast.Name, ast.Attribute)) or not isinstance(node.ctx, ast.Load):
        return
    name = node.id if isinstance(node, ast.Name) else node.attr
    _, end = site.text.span(node)
    for other in FUNCTIONS.get(name, ()) if site.is_callee or isinstance(node, ast.Name) else ():
        if not other.endswith("left") or "left" in name or "deque" in site.text.source:
            yield end - len(name), end, other
    for here, there in (("append(", "insert(0, "), ("insert(0, ", "append(")):
        if site.is_callee and site.text.source.startswith(here, end - len(name)):
            yield end - len(name), end - len(name) + len(here), there


def _loop_exit(site: Site) -> Iterator[Edit]:
    if isinstance(site.node, (ast.Break, ast.Continue)):
        yield *site.text.span(site.node), "continue" if isinstance(site.node, ast.Break) else "break"


def _indentation(site: Site) -> Iterator[Edit]:
    """Moves a statement across the end of a loop's body, as an early return or a total taken too late."""
    if not isinstance(site.node, (ast.Return, ast.Assign, ast.AugAssign, ast.Expr)) or not site.owns_its_line:
        return
    start, end = site.text.span(site.node)
    column, follows = site.node.col_offset, site.previous
    if isinstance(follows, (ast.For, ast.While)) and not follows.orelse and follows.body[0].lineno > follows.lineno:
        inner = follows.body[0].col_offset
        yield start - column, end, " " * inner + site.text.source[start:end]
    if isinstance(site.parent, (ast.For, ast.While)) and not site.parent.orelse and site.is_last and follows:
        yield start - column, end, " " * site.parent.col_offset + site.text.source[start:end]


def _exception(site: Site) -> Iterator[Edit]:
    named: ast.expr | None = None
    if isinstance(site.node, ast.Raise):
        named = site.node.exc.func if isinstance(site.node.exc, ast.Call) else site.node.exc
    elif isinstance(site.node, ast.ExceptHandler):
        named = site.node.type
    for name in named.elts if isinstance(named, ast.Tuple) else [named]:
        if isinstance(name, ast.Name):
            for other in site.scope.other_errors(name.id):
                yield *site.text.span(name), other


OPERATORS: Mapping[str, Callable[[Site], Iterator[Edit]]] = {
    "comparison operator": _comparison,
    "arithmetic operator": _arithmetic,
    "division": _division,
    "boolean operator": _boolean,
    "negation": _negation,
    "integer constant": _constant(_integer),
    "bound": _bound,
    "swapped arguments": _arguments,
    "swapped operands": _operands,
    "boolean constant": _constant(_truth),
    "string constant": _constant(_string),
    "default value": _default,
    "dropped guard": _guard,
    "dropped statement": _statement,
    "missing copy": _copy,
    "wrong variable": _variable,
    "wrong attribute": _attribute,
    "wrong function": _function,
    "loop exit": _loop_exit,
    "indentation": _indentation,
    "exception type": _exception,
}
