"""R1-Reward's product, by hand and by its bounds."""

from __future__ import annotations

import math

import pytest
from episodes import play
from hypothesis import given
from hypothesis import strategies as st
from reward_envs import ScriptedEnv, TermsEnv

from telos.wrappers import env_face
from telos.wrappers.consistency import MultiplicativeConsistencyTransform

MultiplicativeConsistency = env_face(MultiplicativeConsistencyTransform, __name__)


def answer(result, consistency, well_formed):
    return {"outcome": result, "consistency": consistency, "format": well_formed}


@pytest.mark.parametrize("result", [0.0, 1.0])
@pytest.mark.parametrize("consistency", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("well_formed", [0.0, 1.0])
def test_one_step_is_the_published_reward(result, consistency, well_formed):
    paid, _ = play(MultiplicativeConsistency(ScriptedEnv([answer(result, consistency, well_formed)])))
    assert paid == [result * (1 + 0.5 * consistency) + 0.5 * well_formed]


def test_several_steps_by_hand():
    steps = [answer(0.0, 1.0, 1.0), answer(0.5, 0.5, 0.0), answer(1.0, 0.0, 1.0)]
    paid, info = play(MultiplicativeConsistency(ScriptedEnv(steps), consistency_weight=2.0, format_weight=0.25))
    assert paid == [0.25, 0.5 + 2 * 0.5 * 0.75, 1.0 + 2 * 1.0 * 0.5 + 0.25]
    assert info["reward_terms"] == {"outcome": 1.0, "consistency": 1.0, "format": 0.25}


def test_the_mean_starts_anew_with_each_episode():
    env = MultiplicativeConsistency(ScriptedEnv([answer(0.0, 0.0, 0.0), answer(1.0, 1.0, 0.0)]))
    assert play(env)[0] == play(env)[0] == [0.0, 1.25]


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=12),
    st.sampled_from([-1.0, 0.0, 0.5, 1.0]),
    st.floats(0, 3),
)
def test_consistency_is_bounded_by_the_result(consistencies, result, weight):
    steps = [answer(0.0, score, 0.0) for score in consistencies]
    steps[-1]["outcome"] = result
    paid, _ = play(MultiplicativeConsistency(ScriptedEnv(steps), consistency_weight=weight))
    bonus = sum(paid) - result
    assert -1e-12 <= bonus <= weight * max(result, 0.0) + 1e-12


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"consistency_weight": -1.0}, "must be at least 0"),
        ({"format_weight": math.inf}, "must be a finite number"),
        ({"consistency": "outcome"}, "three different terms"),
    ],
)
def test_bad_arguments_are_refused(kwargs, match):
    with pytest.raises(ValueError, match=match):
        MultiplicativeConsistency(TermsEnv(), **kwargs)
