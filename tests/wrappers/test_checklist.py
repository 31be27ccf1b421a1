"""Checklists by hand, their bounds, and what they leave out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from episodes import InfoEnv, play
from hypothesis import given
from hypothesis import strategies as st
from reward_envs import ScriptedEnv, TermsEnv

from telos.wrappers import env_face
from telos.wrappers.checklist import ChecklistRewardTransform

ChecklistReward = env_face(ChecklistRewardTransform, __name__)

STEPS = [{"outcome": 0.0, "tool": 0.25, "cited": 0.5}, {"outcome": 1.0, "tool": 0.25, "cited": 2.0}]


def solved(step):
    return step.terms["outcome"] > 0


def two_each(step):
    return np.zeros((len(step.active), 2))


def test_by_hand():
    items = {"used": "tool", "cited": "cited", "solved": solved}
    paid, info = play(ChecklistReward(ScriptedEnv(STEPS), items=items, weights={"used": 2.0}))
    assert paid == [0.0, 1.0 + (2.0 * 0.5 + 1.0 + 1.0) / 4]
    assert info["reward_terms"] == {
        "outcome": 1.0,
        "tool": 0.0,
        "cited": 0.0,
        "checklist.used": 0.25,
        "checklist.cited": 0.25,
        "checklist.solved": 0.25,
    }
    assert info["checklist"] == {"items": {"used": 0.5, "cited": 1.0, "solved": 1.0}, "score": 0.75}


def test_the_worst_item_by_hand():
    items = {"solved": solved, "used": "tool", "cited": "cited"}
    paid, info = play(ChecklistReward(ScriptedEnv(STEPS), items=items, aggregate="min", weight=3.0))
    assert paid == [0.0, 1.0 + 1.5]
    assert [info["reward_terms"][f"checklist.{item}"] for item in items] == [0.0, 1.5, 0.0]
    assert info["checklist"]["score"] == 0.5


def test_items_from_info_are_read_at_the_end():
    infos = [{}, {"rubric": 0.5}]
    assert play(ChecklistReward(InfoEnv(infos), items={"facts": "info:rubric"}))[0] == [0.0, 0.5]
    env = ChecklistReward(InfoEnv([{}]), items={"facts": "info:rubric"})
    env.reset()
    with pytest.raises(ValueError, match=r"info\['rubric'\] is missing"):
        env.step(0)


@given(
    st.lists(st.floats(-2, 2), min_size=3, max_size=3),
    st.lists(st.floats(0, 5), min_size=3, max_size=3).filter(lambda weights: sum(weights) > 1e-3),
    st.permutations(range(3)),
)
def test_is_bounded_and_does_not_depend_on_order(sums, weights, order):
    names = ["a", "b", "c"]
    env = ScriptedEnv([dict(zip(names, sums, strict=True))])

    def score(names, aggregate):
        kwargs = {"weights": {name: weights["abc".index(name)] for name in names}, "aggregate": aggregate}
        return play(ChecklistReward(env, items={name: name for name in names}, **kwargs))[1]["checklist"]["score"]

    mean, least = score(names, "mean"), score(names, "min")
    assert 0.0 <= least <= mean + 1e-12 <= 1.0 + 2e-12
    assert score([names[i] for i in order], "mean") == pytest.approx(mean)
    assert score([names[i] for i in order], "min") == least


def test_what_is_on_no_list_is_worth_nothing():
    """The honest limit that the docstring states: recall alone is best satisfied by doing everything."""
    items = {"found": "tool"}
    modest = ScriptedEnv([{"outcome": 0.0, "tool": 0.5}])
    dump = ScriptedEnv([{"outcome": 0.0, "tool": 50.0}])
    assert play(ChecklistReward(dump, items=items))[0] > play(ChecklistReward(modest, items=items))[0]


def test_truncation_and_failure():
    assert play(ChecklistReward(ScriptedEnv(STEPS, truncated=True), items={"used": "tool"}))[0] == [0.5, 3.0 + 0.5]
    failed = ScriptedEnv(STEPS, truncated=True, last_info={"trainable": False})
    paid, info = play(ChecklistReward(failed, items={"used": "tool"}))
    assert paid == [0.5, 0.0]
    assert info["checklist"] == {"items": {"used": 0.0}, "score": 0.0}


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"items": ["tool"]}, "must map names"),
        ({"items": {"a": "nowhere:f"}}, "could not be imported"),
        ({"items": {"a": "tool"}, "weights": {"b": 1.0}}, "an item in weights='b' is not one of 'a'"),
        ({"items": {"a": "tool"}, "weights": {"a": -1.0}}, "must be at least 0"),
        ({"items": {"a": "tool"}, "weights": {"a": 0.0}}, "all weights are 0"),
        ({"aggregate": "max"}, "not one of 'mean', 'min'"),
        ({"weight": math.nan}, "must be a finite number"),
    ],
)
def test_bad_arguments_are_refused(kwargs, match):
    with pytest.raises(ValueError, match=match):
        ChecklistReward(TermsEnv(), **kwargs)


def test_items_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"has shape \(1, 2\)"):
        play(ChecklistReward(ScriptedEnv(STEPS), items={"pair": two_each}))
