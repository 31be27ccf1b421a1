"""Mutation operators: what each one changes, that mutants compile, and that symmetric mutations can be undone."""

import textwrap
from functools import cache
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telos.envs.swe.mutations import Mutation, apply_mutations, mutations_of

PACKAGES = Path(str(resources.files("telos.envs.swe"))) / "builtin" / "packages"
MODULES = sorted(path for path in PACKAGES.glob("*/*/*.py") if path.parent.name == path.parent.parent.name)


def mutants(source: str) -> dict[str, set[str]]:
    """Mutated sources by operator."""
    found: dict[str, set[str]] = {}
    for mutation in mutations_of("m.py", source):
        found.setdefault(mutation.operator, set()).add(apply_mutations(source, [mutation]))
    return found


def function(body: str, head: str = "def f(a, b, items):") -> str:
    return f"{head}\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"


@pytest.mark.parametrize(
    ("operator", "body", "mutated"),
    [
        ("comparison operator", "return a < b", "return a <= b"),
        ("comparison operator", "return a < b", "return a >= b"),
        ("comparison operator", "return a == b", "return a != b"),
        ("comparison operator", "return (a)  is  (b)", "return (a)  is not  (b)"),
        ("comparison operator", "return a is not b", "return a is b"),
        ("comparison operator", "return 0 <= a <= 9", "return 0 <= a < 9"),
        ("comparison operator", "return a not in items", "return a in items"),
        ("arithmetic operator", "return a + b", "return a - b"),
        ("arithmetic operator", "return a ** b", "return a * b"),
        ("arithmetic operator", "a -= b\nreturn a", "a += b\nreturn a"),
        ("division", "return a / b", "return a // b"),
        ("division", "return a // b", "return a / b"),
        ("boolean operator", "return a and b or items", "return a or b or items"),
        ("boolean operator", "return (a  # and\n        or b)", "return (a  # and\n        and b)"),
        ("negation", "if a:\n    b = 1\nreturn b", "if not a:\n    b = 1\nreturn b"),
        ("negation", "return 1 if not a else 2", "return 1 if a else 2"),
        ("negation", "if not (a or b):\n    b = 1\nreturn b", "if a or b:\n    b = 1\nreturn b"),
        ("negation", "return a and (b or items)", "return a and not (b or items)"),
        ("integer constant", "return a + 7", "return a + 8"),
        ("integer constant", "return items[0]", "return items[-1]"),
        ("integer constant", "return items[-1]", "return items[0]"),
        ("integer constant", "return items[:3]", "return items[:2]"),
        ("bound", "return list(range(a))", "return list(range(a - 1))"),
        ("bound", "return items[a : b + 1]", "return items[a : b]"),
        ("bound", "return items[:b]", "return items[:b + 1]"),
        ("swapped arguments", "return f(a, b, items)", "return f(b, a, items)"),
        ("swapped operands", "return a - b", "return b - a"),
        ("boolean constant", "return True", "return False"),
        ("string constant", 'return "Name"', 'return "name"'),
        ("string constant", "return items.split(',')", "return items.split(';')"),
        ("dropped guard", "if a:\n    raise ValueError(b)\nreturn b", "return b"),
        ("dropped guard", "for a in b:\n    if a:  # skip\n        continue\n    items.add(a)",
         "for a in b:\n    items.add(a)"),
        ("dropped guard", "if a:\n    b = 1\nelif b:\n    return 2\nreturn b", "if a:\n    b = 1\nreturn b"),
        ("dropped statement", "items.append(a)  # keep\nreturn items", "return items"),
        ("dropped statement", "if a:\n    b += 1\nreturn b", "if a:\n    pass\nreturn b"),
        ("missing copy", "return list(items)", "return items"),
        ("missing copy", "return items.copy()", "return items"),
        ("missing copy", "return sorted(items)", "return items"),
        ("missing copy", "return items[:]", "return items"),
        ("wrong variable", "return [a, items]", "return [b, items]"),
        ("wrong function", "return min(a, b)", "return max(a, b)"),
        ("wrong function", "return a.lstrip()", "return a.rstrip()"),
        ("wrong function", "items.append(a)\nreturn b", "items.insert(0, a)\nreturn b"),
        ("loop exit", "for a in b:\n    break", "for a in b:\n    continue"),
        ("indentation", "for a in items:\n    b += a\nreturn b", "for a in items:\n    b += a\n    return b"),
        ("indentation", "for a in items:\n    b += a\n    a += 1\nreturn b",
         "for a in items:\n    b += a\na += 1\nreturn b"),
        ("exception type", "raise KeyError(a)", "raise TypeError(a)"),
        ("exception type", "try:\n    return a()\nexcept TypeError:\n    return b",
         "try:\n    return a()\nexcept ValueError:\n    return b"),
    ],
)  # fmt: skip
def test_operator_by_hand(operator, body, mutated):
    assert function(mutated) in mutants(function(body))[operator]


def test_default_values():
    source = "def f(a, size=10, *, strict=True, mode='r'):\n    return a\n"
    defaults = mutants(source)["default value"]
    assert source.replace("10", "11") in defaults
    assert source.replace("True", "False") in defaults
    assert source.replace("10", "9") in defaults


def test_attributes_of_the_class():
    source = "class P:\n    x: int\n    y: int\n\n    def f(self):\n        return self.x\n"
    assert mutants(source)["wrong attribute"] == {source.replace("self.x", "self.y")}


def test_exceptions_of_the_module():
    source = "class LockError(Exception):\n    pass\n\n\ndef f(a):\n    raise LockError(a)\n"
    assert mutants(source)["exception type"] == {
        source.replace("raise LockError", "raise KeyError"), source.replace("raise LockError", "raise TypeError")
    }  # fmt: skip


def test_integer_names_are_indexes():
    source = "def f(items, i: int):\n    return items[i]\n"
    assert source.replace("[i]", "[i - 1]") in mutants(source)["bound"]
    assert "bound" not in mutants(source.replace(": int", ""))


@pytest.mark.parametrize(
    "source",
    [
        '"""Text, 1 < 2."""\n',
        'def f():\n    """Adds 1."""\n',
        "__all__ = ['one', 'two']\n",
        "from a import b, c\nimport d as e\n",
        "def f(a: dict[str, int] | None) -> Literal[1]: ...\n",
        "x: Literal[1, 2]\n",
        "Pair = tuple[int, 3]\n",
        "if __name__ == '__main__':\n    main(1, 2)\n",
        "def f(a):\n    return f'{a + 1}'\n",
        "@decorated(1)\ndef f(): ...\n",
    ],
)
def test_what_is_never_mutated(source):
    assert mutations_of("m.py", source) == []


def test_error_messages_are_left_alone():
    body = 'if a < 1:\n    raise ValueError("At least 1")\nreturn b'
    assert "string constant" not in mutants(function(body))


def test_mutations_say_where_they_are():
    source = (
        "class C:\n    def m(self):\n        def inner(a):\n            return a < 2\n        return inner\n\n\nX = 5\n"
    )
    found = {(item.original, item.function, item.line) for item in mutations_of("p/c.py", source)}
    assert {("<", "C.m.inner", 4), ("2", "C.m.inner", 4), ("5", "", 8)} <= found
    assert {item.path for item in mutations_of("p/c.py", source)} == {"p/c.py"}


def test_columns_count_characters_and_not_bytes():
    source = "def f(a):\n    return ('äöü', a < 2)  # ß\n"
    assert source.replace("<", "<=") in mutants(source)["comparison operator"]


def test_an_unfinished_module_is_refused():
    with pytest.raises(SyntaxError):
        mutations_of("m.py", "def f(:\n")


def test_apply_checks_the_text():
    mutation = Mutation("x", "m.py", 4, 5, "1", "2", "", 1)
    assert apply_mutations("a = 1\n", [mutation]) == "a = 2\n"
    with pytest.raises(ValueError, match=r"m\.py:1: expected '1', found '7'"):
        apply_mutations("a = 7\n", [mutation])


def test_apply_refuses_overlaps():
    one, other = Mutation("x", "m.py", 4, 7, "1+1", "2", "", 1), Mutation("x", "m.py", 6, 7, "1", "2", "", 1)
    with pytest.raises(ValueError, match="overlap"):
        apply_mutations("a = 1+1\n", [other, one])


SYMMETRIC = textwrap.dedent(
    '''
    from collections import deque


    class Box:
        """Holds items."""

        def __init__(self, size: int = 10, strict=True) -> None:
            self.size, self.items = size, deque()
            self.open = True

        def fits(self, low: int, high: int) -> bool:
            if not (low or high) and self.size > 0:
                return not self.items
            return low < high <= self.size and low not in self.items

        def window(self, start, stop, *, step=1):
            total = min(start, stop) * 2 - step
            for i in range(start, stop + 1):
                if i % 2 == 0 or not self.fits(start, stop):
                    continue
                total += self.items[i - 1] // step
            return total / 4, self.items[:stop], self.items[-1]

        def text(self, part: str):
            if any(part.startswith(item) for item in self.items):
                raise KeyError(part)
            return part.lstrip().split(",")[0]
    '''
)
INVERTIBLE = {
    "comparison operator", "arithmetic operator", "division", "boolean operator", "negation", "integer constant",
    "bound", "swapped arguments", "swapped operands", "boolean constant", "string constant", "default value",
    "wrong variable", "wrong attribute", "wrong function", "loop exit", "indentation", "exception type",
}  # fmt: skip


def test_every_symmetric_mutation_is_undone_by_one_mutation():
    mutations = [mutation for mutation in mutations_of("m.py", SYMMETRIC) if mutation.operator in INVERTIBLE]
    assert {mutation.operator for mutation in mutations} == INVERTIBLE
    for mutation in mutations:
        mutated = apply_mutations(SYMMETRIC, [mutation])
        assert SYMMETRIC in [apply_mutations(mutated, [back]) for back in mutations_of("m.py", mutated)], mutation


@cache
def module_mutations(place: int) -> tuple[str, list[Mutation]]:
    path = MODULES[place % len(MODULES)]
    source = path.read_text(encoding="utf-8")
    return source, mutations_of(path.name, source)


@settings(deadline=None, max_examples=30)
@given(place=st.integers(0, 10_000), data=st.data())
def test_mutants_of_real_modules(place, data):
    source, mutations = module_mutations(place)
    if not mutations:
        return
    assert mutations == mutations_of(mutations[0].path, source)
    mutation = data.draw(st.sampled_from(mutations))
    mutated = apply_mutations(source, [mutation])
    compile(mutated, mutation.path, "exec")
    assert mutated != source
    assert mutated[: mutation.start] == source[: mutation.start]
    assert mutated.endswith(source[mutation.end :])
    assert source.count("\n", 0, mutation.start) + 1 == mutation.line


@settings(deadline=None, max_examples=30)
@given(place=st.integers(0, 10_000), data=st.data())
def test_several_mutations_are_applied_as_one_after_the_other(place, data):
    source, mutations = module_mutations(place)
    chosen: list[Mutation] = []
    for mutation in data.draw(st.lists(st.sampled_from(mutations), max_size=5)) if mutations else []:
        if all(mutation.end <= other.start or other.end <= mutation.start for other in chosen):
            chosen.append(mutation)
    expected = source
    for mutation in sorted(chosen, key=lambda item: item.start, reverse=True):
        expected = apply_mutations(expected, [mutation])
    assert apply_mutations(source, chosen) == expected
