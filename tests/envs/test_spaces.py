"""UnicodeText: what it contains, what it draws, and that its size costs nothing."""

import json
import pickle
from copy import deepcopy

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate
from hypothesis import given, settings
from hypothesis import strategies as st

from telos.envs.spaces import UnicodeText

HUGE = 10**12


def lengths():
    return st.tuples(st.integers(0, 80), st.integers(0, 80)).map(sorted)


@pytest.mark.parametrize(
    "text", ["", "plain", "grüße 🦉", "line\nbreak\ttab", "\0", "\U0010ffff", "\ud7ff\ue000", "é" * 20]
)
def test_contains_any_unicode_text_up_to_the_limit(text):
    assert text in UnicodeText(20)


def test_length_counts_characters_and_both_bounds_belong_to_the_space():
    space = UnicodeText(4, min_length=2)
    assert [n for n in range(8) if "🦉" * n in space] == [2, 3, 4]


@pytest.mark.parametrize("text", ["\ud800", chr(0xDFFF), "ok" + chr(0xDC80)])
def test_lone_surrogates_are_no_text(text):
    assert text not in UnicodeText(20)


@pytest.mark.parametrize("value", [None, 3, b"bytes", ["a"], ("a",), np.array("a"), np.array(["a"]), bytearray(b"a")])
def test_only_str_belongs_to_the_space(value):
    assert value not in UnicodeText(20)


def test_numpy_strings_are_strings():
    assert np.str_("abc") in UnicodeText(3)
    assert np.str_("abcd") not in UnicodeText(3)


@settings(deadline=None)
@given(st.text(max_size=50), lengths())
def test_contains_is_a_question_of_length_alone_for_valid_text(text, bounds):
    low, high = bounds
    assert (text in UnicodeText(high, min_length=low)) == (low <= len(text) <= high)


@settings(deadline=None)
@given(st.text(st.characters(categories=["Cs", "Ll"]), min_size=1, max_size=10))
def test_contains_exactly_what_utf8_can_encode(text):
    assert (text in UnicodeText(10)) == (not any(0xD800 <= ord(character) < 0xE000 for character in text))


@pytest.mark.parametrize(("low", "high"), [(1, 0), (-1, 5), (0, -1)])
def test_impossible_lengths_are_refused(low, high):
    with pytest.raises(ValueError, match=f"min_length={low}, max_length={high}"):
        UnicodeText(high, min_length=low)


@settings(max_examples=50, deadline=None)
@given(lengths(), st.integers(0, 2**32 - 1))
def test_samples_belong_to_the_space(bounds, seed):
    low, high = bounds
    space = UnicodeText(high, min_length=low, seed=seed)
    assert all(space.sample() in space for _ in range(20))


def test_samples_reach_both_length_bounds_and_beyond_ascii():
    space = UnicodeText(3, min_length=1, seed=0)
    samples = [space.sample() for _ in range(500)]
    assert {len(text) for text in samples} == {1, 2, 3}
    characters = set("".join(samples))
    assert any(ord(character) > 0xFFFF for character in characters)
    assert len([character for character in characters if " " <= character <= "~"]) > 50


def test_long_samples_hold_no_surrogate():
    space = UnicodeText(64, seed=5)
    text = "".join(space.sample() for _ in range(3000))
    assert len(text) > 50_000
    assert text.encode().decode() == text


def test_the_seed_decides_the_samples():
    first, second = UnicodeText(200, seed=11), UnicodeText(200, seed=11)
    drawn = [first.sample() for _ in range(20)]
    assert drawn == [second.sample() for _ in range(20)]
    first.seed(11)
    assert drawn == [first.sample() for _ in range(20)]
    assert drawn != [UnicodeText(200, seed=12).sample() for _ in range(20)]


@pytest.mark.parametrize("argument", [{"mask": "ab"}, {"probability": 0.5}])
def test_masks_mean_nothing_and_are_refused(argument):
    with pytest.raises(ValueError, match="neither a mask nor a probability"):
        UnicodeText(5).sample(**argument)


def test_a_huge_space_costs_nothing():
    space = UnicodeText(HUGE, seed=0)
    assert len(repr(space)) < 60
    assert len(space.sample()) <= 64
    assert len(pickle.dumps(space)) <= len(pickle.dumps(UnicodeText(20, seed=0))) + 16
    assert "x" * 100_000 in space


def test_repr_names_both_lengths():
    assert repr(UnicodeText(20, min_length=2)) == "UnicodeText(20, min_length=2)"


def test_equality_and_hash_are_of_the_lengths():
    assert UnicodeText(20, seed=1) == UnicodeText(20, seed=2)
    assert hash(UnicodeText(20)) == hash(UnicodeText(20))
    assert UnicodeText(20) != UnicodeText(21)
    assert UnicodeText(20) != UnicodeText(20, min_length=1)
    assert UnicodeText(20) != spaces.Text(20)


@pytest.mark.parametrize("copied", [deepcopy, lambda space: pickle.loads(pickle.dumps(space))], ids=["copy", "pickle"])
def test_copies_go_on_with_the_same_samples(copied):
    space = UnicodeText(50, min_length=1, seed=3)
    space.sample()
    twin = copied(space)
    assert twin == space
    assert [twin.sample() for _ in range(10)] == [space.sample() for _ in range(10)]


@settings(deadline=None)
@given(st.lists(st.text(max_size=30), max_size=5))
def test_json_round_trip(texts):
    space = UnicodeText(30)
    assert space.from_jsonable(json.loads(json.dumps(space.to_jsonable(tuple(texts))))) == texts


def test_a_batch_is_a_tuple_of_texts():
    space = UnicodeText(30, seed=1)
    batched = batch_space(space, 3)
    assert isinstance(batched, spaces.Tuple)
    assert len(batched) == 3
    assert all(part == space for part in batched)
    assert ("a", "ü", "") in batched
    assert ("a", "x" * 31, "") not in batched
    assert batched.sample() in batched


def test_concatenate_and_iterate_are_inverse():
    space = UnicodeText(30)
    texts = ("one", "zwei 🦉", "")
    out = create_empty_array(space, n=3)
    batch = concatenate(space, texts, out)
    assert batch == texts
    assert tuple(iterate(batch_space(space, 3), batch)) == texts


def test_batching_inside_a_dict_space():
    space = spaces.Dict({"text": UnicodeText(HUGE), "number": spaces.Box(0, 9, (1,), np.int64)})
    rows = [{"text": text, "number": np.array([n])} for n, text in enumerate(("a", "bb"))]
    batch = concatenate(space, rows, create_empty_array(space, n=2))
    assert batch["text"] == ("a", "bb")
    assert batch["number"].tolist() == [[0], [1]]
    assert batch in batch_space(space, 2)


def test_text_has_no_flat_form():
    assert not UnicodeText(5).is_np_flattenable
    assert not spaces.Dict({"text": UnicodeText(5)}).is_np_flattenable
