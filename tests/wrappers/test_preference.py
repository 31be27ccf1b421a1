"""PAR: values of the sigmoid, where references come from, and what stays ordered."""

from __future__ import annotations

import math

import numpy as np
import pytest
from episodes import InfoEnv, play
from gymnasium.vector import SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st
from reward_envs import ScriptedEnv, TermsEnv

from telos.wrappers import env_face, vector_face
from telos.wrappers.preference import PreferenceAsRewardTransform

PreferenceAsReward = env_face(PreferenceAsRewardTransform, __name__)
VectorPreferenceAsReward = vector_face(PreferenceAsRewardTransform, __name__, "VectorPreferenceAsReward")


def episode(*values, **options):
    return ScriptedEnv([{"outcome": value, "tool": 0.125} for value in values], **options)


def half_and_minus_half(step):
    return np.full((len(step.active), 2), [0.5, -0.5])


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_by_hand():
    paid, info = play(PreferenceAsReward(episode(0.5, 1.5), references=[2.0]))
    assert paid == [0.125, 0.625]
    paid, info = play(PreferenceAsReward(episode(0.5, 1.5), references=[0.0, 1.0, 4.0], slope=0.5))
    expected = (sigmoid(1.0) + sigmoid(0.5) + sigmoid(-1.0)) / 3
    assert paid[0] == 0.125
    assert info["reward_terms"] == pytest.approx({"outcome": expected, "tool": 0.125})
    assert info["preference"] == pytest.approx({"score": 2.0, "reward": expected})


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_is_bounded_and_symmetric(score, reference):
    ours = play(PreferenceAsReward(episode(score), references=[reference]))[1]["preference"]["reward"]
    theirs = play(PreferenceAsReward(episode(reference), references=[score]))[1]["preference"]["reward"]
    assert 0.0 <= ours <= 1.0
    assert ours + theirs == pytest.approx(1.0)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=4), st.integers(-320, 320), st.integers(1, 64))
def test_keeps_the_order_of_scores(references, score, better):
    low, high = (
        play(PreferenceAsReward(episode(value), references=references))[1]["preference"]["reward"]
        for value in (score / 64, (score + better) / 64)
    )
    assert low < high


def test_prefers_small_sure_wins_to_a_rare_large_one():
    """The honest limit that the docstring states: with chance the order of expectations is not kept."""

    def expected(chances):
        worth = {score: play(PreferenceAsReward(episode(score)))[1]["preference"]["reward"] for score in chances}
        return sum(chance * worth[score] for score, chance in chances.items())

    rare, sure = {10.0: 0.2, 0.0: 0.8}, {1.5: 1.0}
    assert sum(score * chance for score, chance in rare.items()) > 1.5
    assert expected(rare) < expected(sure)


def test_references_from_info_and_from_a_function():
    steps = [{}, {"reference_scores": np.array([0.5, -0.5])}]
    expected = (sigmoid(0.5) + sigmoid(1.5)) / 2
    assert play(PreferenceAsReward(InfoEnv(steps, 1.0), references="info:reference_scores"))[0][-1] == pytest.approx(
        expected
    )
    name = f"{__name__}:half_and_minus_half"
    assert play(PreferenceAsReward(InfoEnv(steps, 1.0), references=name))[0][-1] == pytest.approx(expected)


def test_references_from_the_infos_of_a_vector():
    def make(reference, length):
        return lambda: InfoEnv([{}] * (length - 1) + [{"reference_scores": reference}], 1.0)

    envs = VectorPreferenceAsReward(SyncVectorEnv([make(1.0, 1), make(0.0, 2)]), references="info:reference_scores")
    envs.reset()
    assert envs.step(np.zeros(2, int))[1].tolist() == [0.5, 0.0]
    assert envs.step(np.zeros(2, int))[1].tolist() == pytest.approx([0.0, sigmoid(1.0)])


def test_missing_references_are_reported():
    env = PreferenceAsReward(InfoEnv([{}], 1.0), references="info:reference_scores")
    env.reset()
    with pytest.raises(ValueError, match=r"info\['reference_scores'\] is missing"):
        env.step(0)


def test_truncation_is_judged_and_failure_is_not():
    assert play(PreferenceAsReward(episode(0.0, truncated=True)))[0] == [0.625]
    failed = episode(1.0, 0.0, truncated=True, last_info={"trainable": False})
    paid, info = play(PreferenceAsReward(failed))
    assert paid == [0.125, 0.0]
    assert info["preference"] == {"score": 1.0, "reward": 0.0}


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"slope": 0.0}, "slope=0.0 must be above 0"),
        ({"references": []}, "references is empty"),
        ({"references": [math.nan]}, "must be a finite number"),
        ({"references": "reference_scores"}, 'must be numbers, "info:key"'),
    ],
)
def test_bad_arguments_are_refused(kwargs, match):
    with pytest.raises(ValueError, match=match):
        PreferenceAsReward(TermsEnv(), **kwargs)
