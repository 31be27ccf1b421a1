"""Mutations: small edits of source text that change behaviour and keep the code compiling.

The same mutants serve twice: one breaks a package to make a task, and a scripted repair policy looks for the
original among the mutants of the broken file. Formatting and comments are kept, because edits address characters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from telos.envs.swe.mutation_operators import OPERATORS
from telos.envs.swe.mutation_sites import sites

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
    code = compile(source, path, "exec", dont_inherit=True)
    found: dict[tuple[int, int, str], Mutation] = {}
    for site in sites(source):
        for operator, edits in OPERATORS.items():
            for start, end, replacement in edits(site):
                line = source.count("\n", 0, start) + 1
                mutation = Mutation(
                    operator, path, start, end, source[start:end], replacement, site.scope.name, line
                )  # fmt: skip
                found.setdefault((start, end, replacement), mutation)
    kept = []
    for _, mutation in sorted(found.items()):
        try:
            mutated = compile(apply_mutations(source, [mutation]), path, "exec", dont_inherit=True)
        except SyntaxError:
            continue
        if mutated != code:
            kept.append(mutation)
    return kept


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
