"""Mutations: small edits of source text that change behaviour and keep the code compiling.

The same mutants serve twice: one breaks a package to make a task, and a scripted repair policy looks for the
original among the mutants of the broken file. Formatting and comments are kept, because edits address characters.
"""

from __future__ import annotations

import ast
import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from types import CodeType

from telos.envs.swe.mutation_operators import OPERATORS
from telos.envs.swe.mutation_sites import sites
from telos.envs.swe.syntax import parse

__all__ = ["Mutation", "apply_mutations", "mutations_of"]


@dataclass(frozen=True)
class Mutation:
    """One edit of one file.

    Attributes:
        operator: Name of the mutation operator, such as ``"comparison operator"``.
        path: POSIX path of the file.
        start: Offset of the first character that is replaced.
        end: Offset behind the last one.
        original: The text between them.
        replacement: The text that takes its place.
        function: Qualified name of the function or class around the edit, empty at module level.
        line: Line of `start`, counted from 1.
    """

    operator: str
    path: str
    start: int
    end: int
    original: str
    replacement: str
    function: str
    line: int


def mutations_of(path: str, source: str) -> list[Mutation]:
    """Lists every mutation of a module.

    Args:
        path: The path that the mutations carry.
        source: The module's text, which must compile.

    Returns:
        Mutations in the order of the text. Each compiles, and to other byte code than `source`.

    Raises:
        SyntaxError: If `source` does not compile.
    """
    compile(source, path, "exec", dont_inherit=True)
    found: dict[tuple[int, int, str], Mutation] = {}
    for site in sites(source):
        for operator, edits in OPERATORS.items():
            for start, end, replacement in edits(site):
                line = source.count("\n", 0, start) + 1
                mutation = Mutation(
                    operator, path, start, end, source[start:end], replacement, site.scope.name, line
                )  # fmt: skip
                found.setdefault((start, end, replacement), mutation)
    pieces = list(_pieces(source))
    starts = [start for start, _, _ in pieces]
    clean = cache(_code_of)
    kept = []
    for _, mutation in sorted(found.items()):
        start, end, head = pieces[max(bisect.bisect_right(starts, mutation.start) - 1, 0)] if pieces else (0, 0, "")
        if mutation.start < start or mutation.end > end:
            start, end, head = 0, len(source), ""
        text = source[start:end]
        try:
            code = _code_of(head + text[: mutation.start - start] + mutation.replacement + text[mutation.end - start :])
        except SyntaxError:
            continue
        # Of other lines, all code that follows would move.
        moves = mutation.original.count("\n") != mutation.replacement.count("\n") and source[end:].strip()
        if moves or code != clean(head + text):
            kept.append(mutation)
    return kept


def _code_of(text: str) -> CodeType:
    return compile(text, "piece", "exec", dont_inherit=True)


def _pieces(source: str) -> Iterator[tuple[int, int, str]]:
    """Cuts a module into statements, and classes into theirs, so that a mutant need not be compiled as a whole.

    Yields:
        Offsets of the statement's first line and of the next one's, and what goes before it so that it compiles.
    """
    offsets = [0, *itertools.accumulate(len(line) + 1 for line in source.split("\n"))]

    def start_of(node: ast.stmt) -> int:
        decorators: Sequence[ast.expr] = getattr(node, "decorator_list", ())
        return offsets[min([node.lineno, *(item.lineno for item in decorators)]) - 1]

    def cut(body: Sequence[ast.stmt], end: int, head: str) -> Iterator[tuple[int, int, str]]:
        for node, following in itertools.zip_longest(body, body[1:]):
            stop = end if following is None else start_of(following)
            if isinstance(node, ast.ClassDef) and not head and node.body[0].lineno > node.lineno:
                yield from cut(node.body, stop, "class _:\n")
            else:
                yield start_of(node), stop, head

    yield from cut(parse(source).body, len(source), "")


def apply_mutations(source: str, mutations: Iterable[Mutation]) -> str:
    """Applies mutations of one file.

    Args:
        source: The text that the mutations were made for.
        mutations: Edits of disjoint ranges, in any order.

    Returns:
        The mutated text.

    Raises:
        ValueError: If a range does not hold the text that it should, or if two ranges overlap.
    """
    parts: list[str] = []
    position = 0
    for mutation in sorted(mutations, key=lambda item: (item.start, item.end)):
        if mutation.start < position:
            raise ValueError(f"{mutation.path}:{mutation.line}: the ranges of two mutations overlap")
        found = source[mutation.start : mutation.end]
        if found != mutation.original:
            raise ValueError(f"{mutation.path}:{mutation.line}: expected {mutation.original!r}, found {found!r}")
        parts += source[position : mutation.start], mutation.replacement
        position = mutation.end
    return "".join(parts) + source[position:]
