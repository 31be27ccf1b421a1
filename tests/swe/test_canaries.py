"""Canaries are tests that cannot pass together with the test that they contradict."""

from __future__ import annotations

import ast

import pytest

from telos.envs.swe import load_tasks
from telos.envs.swe.canaries import add_canaries

PLAIN = b"""from box import size


def test_size_of_empty_box():
    assert size([]) == 0


def test_size_is_not_negative():
    value = size([1])
    assert value != -1
"""


def functions(source: bytes) -> dict[str, str]:
    return {node.name: ast.unparse(node) for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}


def test_each_canary_is_its_test_with_the_last_assertion_turned_round():
    source, canaries = add_canaries(PLAIN)
    found = functions(source)
    assert set(canaries.values()) == {"test_size_of_empty_box", "test_size_is_not_negative"}
    opposites = {
        "test_size_of_empty_box": "assert size([]) != 0",
        "test_size_is_not_negative": "assert value == -1",
    }
    for canary, test in canaries.items():
        assert found[canary].splitlines()[-1].strip() == opposites[test]
        assert found[canary].splitlines()[1:-1] == found[test].splitlines()[1:-1]


def test_names_are_made_of_the_suites_own_words_and_differ_each_time():
    words = {"size", "of", "empty", "box", "is", "not", "negative"}
    names = [name for _ in range(30) for name in add_canaries(PLAIN)[1]]
    assert all(set(name.split("_")[1:]) <= words for name in names)
    assert len(set(names)) > 10


def test_places_differ_each_time():
    orders = set()
    for _ in range(40):
        source, canaries = add_canaries(PLAIN)
        orders.add(tuple(name in canaries for name in functions(source)))
    assert len(orders) > 2


def test_a_module_without_a_plain_comparison_gets_a_test_that_fails_by_itself():
    source, canaries = add_canaries(
        b"import pytest\n\n\ndef test_raises():\n    with pytest.raises(KeyError):\n        {}[0]\n"
    )
    ((name, contradicted),) = canaries.items()
    assert contradicted == ""
    namespace: dict[str, object] = {}
    exec(compile(source, "test_module", "exec"), namespace)
    with pytest.raises(AssertionError):
        namespace[name]()


@pytest.mark.parametrize("task_id", load_tasks("builtin").ids[::12])
def test_every_builtin_test_module_takes_canaries_and_keeps_its_tests(task_id):
    for path, content in load_tasks("builtin").by_id(task_id).test_files.items():
        source, canaries = add_canaries(content)
        before, after = functions(content), functions(source)
        assert canaries
        assert {name: text for name, text in after.items() if name not in canaries} == before, path
        assert not set(canaries) & set(before)
        # Decorators and the functions under them stay together.
        assert all(after[name].startswith("def ") for name in canaries)
