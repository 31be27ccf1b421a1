"""Writes a task's statement: a bug report as a user of the package would write it.

The report knows the public behaviour, one script that shows the bug and what the script ends in. It never says
what was changed or where.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from telos.envs.swe.syntax import parse

__all__ = ["identifiers", "write_report"]

_MESSAGE_LIMIT = 300

_TITLES = {
    "result": (
        "{it} gives a wrong result",
        "Wrong result from {it}",
        "{it} does not behave as documented",
        "Unexpected result from {it}",
        "{it}: result differs from the documentation",
    ),
    "error": (
        "{it} fails with {error}",
        "{error} from {it}",
        "Unexpected {error} when using {it}",
        "{it} stops with {error}",
    ),
    "missing": (
        "{it} does not raise {error}",
        "{error} is never raised by {it}",
        "{it} accepts what it should refuse",
        "Bad input passes through {it} unnoticed",
    ),
    "message": (
        "{it} raises the wrong error",
        "Wrong error from {it}",
        "{it}: error text is not the documented one",
    ),
}
_VAGUE_TITLES = {
    "result": (
        "{package} gives wrong results in some cases",
        "Results from {package} are off",
        "{package}: unexpected output",
        "Something in {package} computes the wrong thing",
    ),
    "error": (
        "{package} stops with {error}",
        "{error} out of {package} in ordinary use",
        "{package}: unexpected {error}",
    ),
    "missing": (
        "{package} lets bad input through",
        "No {error} from {package} where one is due",
        "{package} misses an error that it should report",
    ),
    "message": (
        "{package} reports the wrong error",
        "Misleading error from {package}",
    ),
}
_OPENINGS = (
    "I noticed this while using {it}{place}.",
    "This came up in our code, which calls {it}{place}.",
    "We rely on {it}{place} and see behaviour that does not match its description.",
    "After an update of `{package}`, {it}{place} behaves differently from what I expect.",
    "I think that there is a bug in {it}{place}.",
    "A test in our project started to fail; I traced it to {it}{place}.",
)
_VAGUE_OPENINGS = (
    "A job that uses `{package}` produces the wrong outcome. I have cut it down to the script below, but I do not know "
    "where in the package it goes wrong.",
    "I could not find out which part of `{package}` is responsible, so here is only what I see.",
    "Our code uses several parts of `{package}` together, and the outcome is not right. The script below is as short "
    "as I could make it.",
    "Reporting this from the outside: I have not looked into the code of `{package}`.",
)
_PROMISES = (
    "Its documentation says: *{promise}*",
    "According to the docstring: *{promise}*",
    "The docstring promises: *{promise}*",
    "What it is documented to do: *{promise}*",
)
_ALSO = (
    "{others} may be affected too.",
    "I have also seen odd behaviour of {others}, which may have a cause of its own.",
    "Possibly related, and wrong as well: {others}.",
)
_VAGUE_ALSO = (
    "Other things in the package look wrong since then as well, so there may be more than one cause.",
    "I suspect that this is not the only fault: other results changed at the same time.",
    "There seems to be more than one problem; the others I cannot show as easily.",
)
_REPRODUCTIONS = ("Steps to reproduce", "How to reproduce", "Reproduction", "Minimal example")
_HEADINGS = (("Expected", "Actual"), ("Expected behaviour", "Actual behaviour"), ("What I expect", "What I get"))
_EXPECTATIONS = (
    "The script runs to its end without an error.",
    "Every assertion in the script holds.",
    "No error: all of the script's assertions hold.",
    "The script should finish silently.",
)
_ENDINGS = (
    "It stops with:",
    "The script ends in:",
    "Running it gives:",
    "Instead I get:",
)


@dataclass(frozen=True)
class _Public:
    """A public function, class or method: its qualified name, module, docstring's first sentence, and what it uses."""

    name: str
    module: str
    promise: str
    uses: frozenset[str]


def write_report(
    *,
    package: str,
    sources: Mapping[str, str],
    functions: Sequence[str],
    reproduction: str,
    failure: str,
    difficulty: int,
    seed: int,
) -> str:
    """Writes a bug report in Markdown.

    Args:
        package: Name of the package.
        sources: Its modules: POSIX path to text.
        functions: Qualified names of the functions that misbehave.
        reproduction: A script that fails.
        failure: The error that it ends in, such as ``"AssertionError: assert 3 == 4"``.
        difficulty: 1 (the report tells most) to 3 (it tells only the symptom).
        seed: Decides the wording.

    Returns:
        The report: a title, the facts, the script in a fenced block, what is expected and what happens.
    """
    rng = random.Random(seed)
    if failure.startswith("assert "):  # pytest names the exception only where it has a message of its own
        failure = f"AssertionError: {failure}"
    public = {item.name: item for path, source in sorted(sources.items()) for item in _public(path, source)}
    subject = _subject(public, functions, reproduction)
    kind, error = _kind(failure)
    words = {"package": f"`{package}`", "error": f"`{error}`"}
    if difficulty >= 3 or subject is None:
        title = rng.choice(_VAGUE_TITLES[kind]).format(**words)
        paragraphs = [rng.choice(_VAGUE_OPENINGS).format(package=package)]
        if len(functions) > 1:
            paragraphs.append(rng.choice(_VAGUE_ALSO))
    else:
        it = f"`{subject.name}`"
        title = rng.choice(_TITLES[kind]).format(it=it, **words)
        place = f" (`{subject.module}`)" if difficulty == 1 else ""
        paragraphs = [rng.choice(_OPENINGS).format(it=it, place=place, package=package)]
        if subject.promise:
            paragraphs[0] += " " + rng.choice(_PROMISES).format(promise=subject.promise)
        paragraphs += _also(rng, public, functions, subject)
    expected, actual = rng.choice(_HEADINGS)
    expectation = rng.choice(_EXPECTATIONS)
    assertions = [ast.unparse(node) for node in parse(reproduction).body if isinstance(node, ast.Assert)]
    if difficulty == 1 and kind == "missing":
        expectation = f"`{error}` is raised."
    elif difficulty == 1 and kind == "result" and len(assertions) == 1:
        expectation = f"`{assertions[0]}` holds."
    return "\n\n".join(
        [
            f"# {title}",
            *paragraphs,
            f"## {rng.choice(_REPRODUCTIONS)}\n\n```python\n{reproduction.strip()}\n```",
            f"## {expected}\n\n{expectation}",
            f"## {actual}\n\n{rng.choice(_ENDINGS)}\n\n```text\n{_tidy(failure)}\n```\n",
        ]
    )


def _kind(failure: str) -> tuple[str, str]:
    """Sorts a failure into one of four kinds of symptom, and names the exception that plays a part in it."""
    missing = re.match(r"Failed: DID NOT RAISE (?:<class ')?([\w.]+)", failure)
    if missing:
        return "missing", missing[1].rpartition(".")[2]
    name = failure.partition(":")[0].strip().rpartition(".")[2]
    if "pattern did not match" in failure:
        return "message", name
    return ("result" if name == "AssertionError" else "error"), name


def _tidy(failure: str) -> str:
    """One line, without what would change from run to run or name a hidden test."""
    line = " ".join(failure.split())
    line = re.sub(r"0x[0-9a-f]{6,}", "0x...", line)
    line = re.sub(r"\b(?:tests/)?(?:\w+/)*test_\w+(?:\.py)?(?:::[\w\[\]-]+)*", "...", line).replace("```", "'''")
    return line if len(line) <= _MESSAGE_LIMIT else line[:_MESSAGE_LIMIT] + " ..."


def _also(
    rng: random.Random, public: Mapping[str, _Public], functions: Sequence[str], subject: _Public
) -> Iterator[str]:
    if len(functions) < 2:
        return
    others = [f"`{name}`" for name in functions if name in public and name != subject.name]
    yield rng.choice(_ALSO).format(others=" and ".join(others)) if others else rng.choice(_VAGUE_ALSO)


def _public(path: str, source: str) -> Iterator[_Public]:
    module = re.sub(r"(/__init__)?\.py$", "", path).replace("/", ".")

    def walk(body: Sequence[ast.stmt], prefix: str) -> Iterator[_Public]:
        for node in body:
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) or node.name.startswith("_"):
                continue
            promise = _first_sentence(ast.get_docstring(node) or "")
            yield _Public(prefix + node.name, module, promise, frozenset(identifiers(node)))
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, f"{prefix}{node.name}.")

    return walk(parse(source).body, "")


def _first_sentence(docstring: str) -> str:
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    sentence = re.match(r".+?[.!?](?=\s+[A-Z`(]|$)", paragraph)
    return (sentence[0] if sentence else paragraph).replace("*", r"\*")


def identifiers(tree: ast.AST) -> set[str]:
    """All names and attributes that occur in a syntax tree."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return names | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def _subject(public: Mapping[str, _Public], functions: Sequence[str], reproduction: str) -> _Public | None:
    """What the report is about: what misbehaves if the script uses it by name, else what the script calls."""
    tree = parse(reproduction)
    used = identifiers(tree)
    for function in functions:
        if function in public and function.rpartition(".")[2] in used:
            return public[function]
        owner = function.partition(".")[0]
        if owner != function and owner in public and owner in used:
            return public[owner]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    calls.sort(key=lambda node: (node.lineno, node.col_offset))
    names = [node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "") for node in calls]
    called = [item for name in names for qualified, item in public.items() if qualified.rpartition(".")[2] == name]
    faulty = {function.rpartition(".")[2] for function in functions}
    # The first call that leads to the fault shows it first; the last one is the nearest to what is asserted.
    return next((item for item in called if item.uses & faulty), called[-1] if called else None)
