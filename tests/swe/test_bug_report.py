"""Bug reports: the script in them runs and fails, they say as much as the difficulty allows, and they leak nothing."""

import ast
import re
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telos.envs.swe.bug_report import write_report
from telos.envs.swe.reproduction import reproduction_of

SOURCES = {
    "shop/cart.py": textwrap.dedent(
        '''
        class Cart:
            """A list of things to buy. It keeps prices."""

            def total(self, tax: int = 0) -> int:
                """The sum of all prices, with tax. In cents."""
                return _sum(self.prices) + tax


        def _sum(prices):
            """Adds up. Hidden from users."""
            return sum(prices)


        def empty() -> Cart:
            """A cart without things."""
            return Cart()
        '''
    )
}
TESTS = textwrap.dedent(
    '''
    from __future__ import annotations

    import math, re

    import pytest
    from shop.cart import Cart, empty

    LIMIT = 3
    CASES = [(1, "one"), pytest.param(2, "two", id="second")]


    def unused():
        return re.compile("a")


    def filled(*prices):
        """Helper."""
        cart = empty()
        cart.prices = list(prices)[:LIMIT]
        return cart


    def test_plain():
        """What it shows."""
        # Three prices at most.
        assert filled(1, 2, 3, 4).total() == 6


    @pytest.mark.parametrize("tax", [0, -5, 2.5, True, None, "x y"])
    def test_values(tax):
        assert filled().total(tax) == tax


    @pytest.mark.parametrize(("count", "name"), CASES)
    def test_named_cases(count, name):
        assert filled(count).total() == len(name) - 2


    @pytest.mark.parametrize("kind", [list, Cart])
    @pytest.mark.parametrize(("a", "b"), [([1], {"k": 2}), ([3], {})])
    def test_stacked(a, b, kind):
        assert (a, b, kind)


    def test_uses_a_fixture(tmp_path):
        assert tmp_path


    def test_returns_early():
        return


    def test_multiline_text():
        assert """
        indented
        """


    class TestGroup:
        def test_inside(self):
            assert True
    '''
)


def test_script_has_what_it_needs_and_no_more():
    assert reproduction_of(TESTS, "tests/test_cart.py::test_plain") == textwrap.dedent(
        '''\
        from shop.cart import empty

        LIMIT = 3

        def filled(*prices):
            """Helper."""
            cart = empty()
            cart.prices = list(prices)[:LIMIT]
            return cart

        assert filled(1, 2, 3, 4).total() == 6'''
    )


@pytest.mark.parametrize(
    ("case", "lines"),
    [
        ("test_values[-5]", ["tax = -5"]),
        ("test_values[2.5]", ["tax = 2.5"]),
        ("test_values[True]", ["tax = True"]),
        ("test_values[None]", ["tax = None"]),
        ("test_values[x y]", ['tax = "x y"']),
        ("test_named_cases[1-one]", ["count = 1", 'name = "one"']),
        ("test_named_cases[second]", ["count = 2", 'name = "two"']),
        ("test_stacked[a0-b0-Cart]", ["a = [1]", 'b = {"k": 2}', "kind = Cart"]),
    ],
)
def test_parameters_are_bound(case, lines):
    script = reproduction_of(TESTS, f"tests/test_cart.py::{case}")
    assert script is not None
    compile(script, "script", "exec")
    assert "\n".join(lines) in script
    assert "pytest" not in script


@pytest.mark.parametrize(
    "case",
    [
        "test_uses_a_fixture",
        "test_returns_early",
        "test_multiline_text",
        "test_values[7]",
        "test_absent",
    ],
)
def test_tests_that_do_not_stand_alone_give_no_script(case):
    assert reproduction_of(TESTS, f"tests/test_cart.py::{case}") is None


def report(
    difficulty: int = 1,
    seed: int = 0,
    functions: tuple[str, ...] = ("Cart.total",),
    failure: str = "AssertionError: assert 3 == 6",
    test: str = "test_plain",
) -> str:
    script = reproduction_of(TESTS, f"tests/test_cart.py::{test}")
    assert script is not None
    return write_report(
        package="shop",
        sources=SOURCES,
        functions=functions,
        reproduction=script,
        failure=failure,
        difficulty=difficulty,
        seed=seed,
    )


def prose(text: str) -> str:
    return re.sub(r"```python\n.*?```", "", text, flags=re.DOTALL)


def test_easy_reports_tell_most():
    text = prose(report(difficulty=1))
    assert text.startswith("# ")
    assert "`Cart.total`" in text.splitlines()[0]
    assert "`shop.cart`" in text
    assert "The sum of all prices, with tax." in text
    assert "In cents" not in text
    assert "`assert filled(1, 2, 3, 4).total() == 6` holds." in text
    assert "AssertionError: assert 3 == 6" in text


def test_middle_reports_leave_out_the_place():
    text = prose(report(difficulty=2))
    assert "`Cart.total`" in text
    assert "shop.cart" not in text


@settings(deadline=None)
@given(seed=st.integers(0, 2**32))
def test_hard_reports_name_no_function(seed):
    text = prose(report(difficulty=3, seed=seed, functions=("Cart.total", "empty")))
    assert not re.search(r"total|Cart|empty|_sum", text)
    assert "assert 3 == 6" in text
    assert "```python" in report(difficulty=3, seed=seed)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), difficulty=st.integers(1, 3))
def test_reports_depend_on_their_seed_alone(seed, difficulty):
    text = report(difficulty, seed)
    assert text == report(difficulty, seed)
    (script,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    ast.parse(script)


def test_reports_differ_in_wording():
    assert len({report(seed=seed) for seed in range(40)}) > 30


def test_private_functions_are_not_named():
    text = prose(report(functions=("_sum",)))
    assert "_sum" not in text
    assert "`Cart.total`" in text


def test_the_first_call_that_leads_to_the_fault_is_named():
    sources = {"p/m.py": "def put(a): return _pack(a)\n\n\ndef take(a): return _pack(a)\n\n\ndef _pack(a): ...\n"}
    text = write_report(
        package="p",
        sources=sources,
        functions=["_pack"],
        reproduction="from p.m import put, take\n\nassert put(1) == 2\nassert take(2) == 1",
        failure="assert None == 2",
        difficulty=1,
        seed=0,
    )
    assert "`put`" in text
    assert "`take`" not in text


def test_several_faults_are_said_to_be_several():
    assert "`empty`" in prose(report(functions=("Cart.total", "empty")))


@pytest.mark.parametrize(
    ("failure", "word"),
    [
        ("KeyError: 'a'", "`KeyError`"),
        ("shop.errors.CartError: too many", "`CartError`"),
        ("Failed: DID NOT RAISE <class 'shop.errors.CartError'>", "`CartError`"),
        ("Failed: DID NOT RAISE ValueError", "`ValueError`"),
    ],
)
def test_exceptions_are_named_in_easy_reports(failure, word):
    assert word in report(failure=failure)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_bare_assertion_is_a_wrong_result(seed):
    text = report(seed=seed, failure="assert 3 == 6")
    assert "AssertionError: assert 3 == 6" in text
    assert "`assert 3" not in text


def test_addresses_and_hidden_tests_are_cut_out():
    failure = "AssertionError: tests/test_cart.py::test_values[x] <f at 0x7f12ab34cd56> " + "long " * 200
    text = report(failure=failure)
    assert not re.search(r"test_|0x7f", text)
    assert max(map(len, text.splitlines())) < 400


def test_test_names_stay_out():
    assert "test_" not in report(test="test_named_cases[second]")
