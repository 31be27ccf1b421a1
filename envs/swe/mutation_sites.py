"""Where mutations may go: a walk over a module that yields each node with the surroundings operators ask about."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from telos.envs.swe.syntax import parse

__all__ = ["Scope", "Site", "SourceText", "sites"]

# Positions inside f-strings are right only from Python 3.12 on, and mutants must not depend on the version.
_NEVER = (ast.Import, ast.ImportFrom, ast.JoinedStr, ast.Global, ast.Nonlocal)
_NEVER_FIELDS = {"annotation", "returns", "decorator_list", "bases", "type_params"}
_BUILTIN_ERRORS = ("IndexError", "KeyError", "TypeError", "ValueError")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_OWN_SCOPE = (*_FUNCTIONS, ast.ClassDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class SourceText:
    """A module's text, addressed by the nodes of its syntax tree.

    Args:
        source: The text.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._lines = source.split("\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def _offset(self, line: int, column: int) -> int:
        text = self._lines[line - 1]
        # Syntax trees count columns in UTF-8 bytes.
        return self._starts[line - 1] + (column if text.isascii() else len(text.encode()[:column].decode()))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Start and end of a node, in characters. Parentheses around an expression do not belong to it."""
        return (
            self._offset(node.lineno, node.col_offset),  # type: ignore[attr-defined]
            self._offset(node.end_lineno, node.end_col_offset),  # type: ignore[attr-defined]
        )

    def of(self, node: ast.AST) -> str:
        """The text of a node."""
        start, end = self.span(node)
        return self.source[start:end]

    def lines(self, node: ast.AST) -> tuple[int, int]:
        """Start and end of all lines that a node touches, the last line's end included."""
        first, last = node.lineno, node.end_lineno  # type: ignore[attr-defined]
        return self._starts[first - 1], min(self._starts[last], len(self.source))

    def between(self, left: ast.AST, right: ast.AST, pattern: str) -> tuple[int, int]:
        """Finds an operator in the gap between its two operands, comments skipped."""
        start, end = self.span(left)[1], self.span(right)[0]
        for match in re.finditer(rf"#[^\n]*|({pattern})", self.source[start:end]):
            if match[1] is not None:
                return start + match.start(), start + match.end()
        raise ValueError(f"no {pattern!r} in {self.source[start:end]!r}")

    def parenthesised(self, node: ast.AST) -> tuple[int, int]:
        """The span of an operand of ``and``/``or`` with the parentheses around it, if it has any."""
        start, end = self.span(node)
        before, after = self.source[:start].rstrip(), self.source[end:].lstrip()
        if before.endswith("(") and after.startswith(")"):
            return len(before) - 1, len(self.source) - len(after) + 1
        return start, end


@dataclass(frozen=True)
class Scope:
    """What a function sees: names by which one may be mistaken for another.

    Attributes:
        name: Qualified name, empty at module level.
        bindings: Local names with the line of their first binding, in the order of the text.
        integers: Local names that hold integers for all that the text shows.
        attributes: Attributes of the surrounding class, in the order of the text.
        errors: Exception classes that the module may name, sorted.
        returns_bool: Whether the function is annotated to return a truth value.
    """

    name: str
    bindings: tuple[tuple[str, int], ...]
    integers: frozenset[str]
    attributes: tuple[str, ...]
    errors: tuple[str, ...]
    returns_bool: bool

    def other_locals(self, name: str, line: int) -> list[str]:
        """The locals bound just before and just after `name`, if all are bound above `line`."""
        return _neighbours([bound for bound, first in self.bindings if first < line], name)

    def other_attributes(self, name: str) -> list[str]:
        """The attributes next to `name` in the class."""
        return _neighbours(self.attributes, name)

    def other_errors(self, name: str) -> list[str]:
        """The exception classes next to `name`."""
        return _neighbours(self.errors, name)


def _neighbours(names: Sequence[str], name: str) -> list[str]:
    # Neighbourhood is symmetric, so the wrong name leads back to the right one.
    if name not in names:
        return []
    place = names.index(name)
    return [*names[max(place - 1, 0) : place], *names[place + 1 : place + 2]]


@dataclass(frozen=True)
class Site:
    """A node with its surroundings.

    Attributes:
        node: The node.
        parent: The node above it.
        field: The parent's field that holds the node.
        block: The statements around the node, empty if it is no statement.
        scope: The function around it.
        text: The module's text.
    """

    node: ast.AST
    parent: ast.AST
    field: str
    block: Sequence[ast.AST]
    scope: Scope
    text: SourceText

    @property
    def is_default(self) -> bool:
        """Whether the node is a parameter's default value, or part of one that is signed."""
        return isinstance(self.parent, ast.arguments)

    @property
    def is_callee(self) -> bool:
        """Whether the node is what a call calls."""
        return isinstance(self.parent, ast.Call) and self.field == "func"

    @property
    def is_condition(self) -> bool:
        """Whether only the truth of the node matters."""
        if isinstance(self.parent, ast.Return):
            return self.scope.returns_bool
        return self.field in ("test", "ifs") or isinstance(self.parent, ast.BoolOp)

    @property
    def is_bound(self) -> bool:
        """Whether the node counts positions: a bound of a range or slice, or an integer index."""
        if isinstance(self.parent, ast.Subscript) and self.field == "slice":
            named = self.node.left if isinstance(self.node, ast.BinOp) else self.node
            return isinstance(named, ast.Name) and named.id in self.scope.integers
        if isinstance(self.parent, ast.Slice):
            return self.field in ("lower", "upper")
        called = self.parent.func if isinstance(self.parent, ast.Call) and self.field == "args" else None
        return isinstance(called, ast.Name) and called.id == "range"

    @cached_property
    def _place(self) -> int:
        return next(place for place, other in enumerate(self.block) if other is self.node)

    @property
    def previous(self) -> ast.AST | None:
        """The statement before this one in its block."""
        return self.block[self._place - 1] if self.block and self._place > 0 else None

    @property
    def is_last(self) -> bool:
        """Whether no statement follows in the block."""
        return bool(self.block) and self._place == len(self.block) - 1

    @property
    def owns_its_line(self) -> bool:
        """Whether the node is a statement on a line of its own."""
        start, end = self.text.lines(self.node)
        inner_start, inner_end = self.text.span(self.node)
        around = self.text.source[start:inner_start] + self.text.source[inner_end:end].split("#")[0]
        return bool(self.block) and not around.strip() and self.text.source[start:inner_end].count("\n") == 0

    def removed(self) -> Iterator[tuple[int, int, str]]:
        """The edit that takes the statement out, lines and all, or leaves ``pass`` in a block of one."""
        start, end = self.text.span(self.node)
        first, last = self.text.lines(self.node)
        source = self.text.source
        if (source[first:start] + source[end:last].split("#")[0]).strip():
            return
        if len(self.block) > 1 or source.startswith("elif", start):
            yield first, last, ""
        else:
            yield start, end, "pass"


def sites(source: str) -> Iterator[Site]:
    """Walks a module, without docstrings, annotations, imports, f-strings, decorators and dunder assignments.

    Args:
        source: The text of a module that compiles.

    Yields:
        Each node that may be mutated, outer nodes first.
    """
    module = parse(source)
    named = {alias.asname or alias.name for node in ast.walk(module) for alias in getattr(node, "names", ())
             if isinstance(alias, ast.alias)}  # fmt: skip
    named |= {node.name for node in ast.walk(module) if isinstance(node, ast.ClassDef)}
    errors = {name for name in named if name.endswith(("Error", "Exception"))}
    scope = Scope("", (), frozenset(), (), tuple(sorted(errors.union(_BUILTIN_ERRORS))), False)
    yield from _walk(module, scope, SourceText(source))


def _walk(parent: ast.AST, scope: Scope, text: SourceText) -> Iterator[Site]:
    for field, value in ast.iter_fields(parent):
        if field in _NEVER_FIELDS:
            continue
        children = value if isinstance(value, list) else [value]
        for node in children:
            if not isinstance(node, ast.AST) or _is_fixed(node, scope):
                continue
            block = children if isinstance(node, ast.stmt) else ()
            yield Site(node, parent, field, block, scope, text)
            if not isinstance(node, ast.Raise):  # an error's message is not behaviour worth a test
                yield from _walk(node, _inner(node, scope), text)


def _is_fixed(node: ast.AST, scope: Scope) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(isinstance(target, ast.Name) and target.id.startswith("__") for target in targets)
    if isinstance(node, ast.If):
        return any(
            isinstance(name, ast.Name) and name.id in ("TYPE_CHECKING", "__name__") for name in ast.walk(node.test)
        )
    if not scope.name:  # type aliases
        return isinstance(node, (*_NEVER, ast.Subscript)) or getattr(node, "op", None).__class__ is ast.BitOr
    return isinstance(node, _NEVER)


def _inner(node: ast.AST, scope: Scope) -> Scope:
    """The scope inside a node, which is the one outside unless the node is a function or class."""
    if isinstance(node, ast.ClassDef):
        stores = [
            item for item in ast.walk(node) if isinstance(item, ast.Attribute) and isinstance(item.ctx, ast.Store)
        ]
        stores.sort(key=lambda item: (item.lineno, item.col_offset))
        own = [
            item.target.id
            for item in node.body
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
        ]
        own += [item.attr for item in stores if isinstance(item.value, ast.Name) and item.value.id == "self"]
        name = f"{scope.name}.{node.name}".lstrip(".")
        return replace(scope, name=name, attributes=tuple(dict.fromkeys(own)), bindings=(), integers=frozenset())
    if not isinstance(node, _FUNCTIONS):
        return scope
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    bindings = {argument.arg: node.lineno for argument in arguments if argument.arg not in ("self", "cls")}
    integers = {argument.arg for argument in arguments if getattr(argument.annotation, "id", "") == "int"}
    for item in _own_nodes(node):
        if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store):
            bindings.setdefault(item.id, item.lineno)
        elif isinstance(item, (ast.Assign, ast.AugAssign)) and isinstance(item.value, ast.Constant):
            target = item.targets[0] if isinstance(item, ast.Assign) else item.target
            if isinstance(target, ast.Name) and type(item.value.value) is int:
                integers.add(target.id)
        elif isinstance(item, ast.For) and isinstance(item.iter, ast.Call) and isinstance(item.iter.func, ast.Name):
            counter = item.target.elts[0] if isinstance(item.target, ast.Tuple) else item.target
            if isinstance(counter, ast.Name) and item.iter.func.id in ("range", "enumerate"):
                integers.add(counter.id)
    return replace(
        scope,
        name=f"{scope.name}.{node.name}".lstrip("."),
        bindings=tuple(bindings.items()),
        integers=frozenset(integers),
        returns_bool=getattr(node.returns, "id", "") == "bool",
    )


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below one that share its scope, in the order of the text."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _OWN_SCOPE):
            yield child
            yield from _own_nodes(child)
