"""Ensembles: mixtures by hand, limits, and bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from episodes import InfoEnv, play, term
from hypothesis import given
from hypothesis import strategies as st
from reward_envs import ScriptedEnv, TermsEnv

from telos.wrappers import env_face
from telos.wrappers.ensemble import RobustEnsembleRewardTransform

RobustEnsembleReward = env_face(RobustEnsembleRewardTransform, __name__)

HEADS = [[1.0, 3.0, 5.0], [4.0, 2.0, 0.0]]
STDS = [[0.5, 0.25, 1.0], [2.0, 3.0, 0.125]]


def judged(heads=HEADS, stds=STDS, **options):
    infos = [{"reward_heads": np.array(mu), "reward_stds": np.array(s)} for mu, s in zip(heads, stds, strict=True)]
    return RobustEnsembleReward(InfoEnv(infos, 0.5), **options)


def test_by_hand():
    assert term(judged(mixture=0.25), "ensemble") == [0.25 * 3.0 + 0.75 * 1.0, 0.25 * 0.0 + 0.75 * 0.0]
    assert term(judged(mixture=0.25, nominal="mean"), "ensemble") == [0.25 * 3.0 + 0.75, 0.25 * 2.0]
    assert term(judged(aggregate="mean"), "ensemble") == [3.0, 2.0]
    assert term(judged(aggregate="worst"), "ensemble") == [1.0, 0.0]
    paid, info = play(judged(mixture=0.25))
    assert paid == [1.5, 0.5]
    disagreement = np.std(HEADS, axis=1).mean()
    assert info["robust_ensemble"] == pytest.approx(
        {"mean": 5.0, "worst": 1.0, "nominal": 3.0, "disagreement": disagreement}
    )


def test_the_worst_in_expectation_is_one_head_and_not_the_minimum_of_each_step():
    heads = [[1.0, 3.0], [4.0, 2.0], [4.0, 0.0]]
    env = judged(heads, [[1.0, 1.0]] * 3, aggregate="worst", worst="expected")
    # Means so far: (1, 3), (2.5, 2.5), (3, 5/3).
    assert term(env, "ensemble") == [1.0, 4.0, 0.0]


def test_means_go_on_over_episodes():
    env = judged([[1.0, 3.0]], [[1.0, 1.0]], aggregate="worst", worst="expected")
    assert term(env, "ensemble") == [1.0]
    env.unwrapped.infos = [{"reward_heads": np.array([9.0, 8.0]), "reward_stds": np.ones(2)}]
    assert term(env, "ensemble") == [9.0]


def test_heads_that_are_terms_are_paid_once():
    steps = [{"outcome": 1.0, "a": 0.25, "b": 0.75}]
    env = RobustEnsembleReward(ScriptedEnv(steps), heads=["a", "b"], stds=None, nominal="mean", aggregate="mean")
    paid, info = play(env)
    assert paid == [1.5]
    assert info["reward_terms"] == {"outcome": 1.0, "a": 0.0, "b": 0.0, "ensemble": 0.5}


VECTORS = st.lists(st.floats(-5, 5), min_size=3, max_size=3)


@given(VECTORS, st.lists(st.floats(0.01, 5), min_size=3, max_size=3), st.floats(0, 1))
def test_bounds_and_limits(heads, stds, mixture):
    def paid(**options):
        return term(judged([heads], [stds], **options), "ensemble")[0]

    nominal = heads[int(np.argmin(stds))]
    assert paid(mixture=1.0) == pytest.approx(nominal)
    assert paid(mixture=0.0) == min(heads)
    assert min(heads) - 1e-9 <= paid(mixture=mixture) <= nominal + 1e-9
    assert paid(aggregate="worst") <= paid(aggregate="mean") + 1e-9


@given(st.floats(-5, 5), st.floats(0, 1))
def test_equal_heads_are_one_model(value, mixture):
    assert term(judged([[value] * 3], [STDS[0]], mixture=mixture), "ensemble")[0] == pytest.approx(value)


def test_failed_steps_need_no_heads():
    infos = [{"reward_heads": np.array([1.0, 2.0]), "reward_stds": np.ones(2)}, {"trainable": False}]
    with pytest.raises(ValueError, match="heads"):
        play(RobustEnsembleReward(InfoEnv([infos[0], {}])))
    infos[1] |= {"reward_heads": np.zeros(2), "reward_stds": np.zeros(2)}
    paid, info = play(RobustEnsembleReward(InfoEnv(infos, truncated=True)))
    assert paid == [1.0, 0.0]
    assert info["robust_ensemble"]["mean"] == 1.5


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"mixture": 1.5}, r"must be in \[0, 1\]"),
        ({"mixture": math.nan}, "must be a finite number"),
        ({"aggregate": "robst"}, "Did you mean 'robust'"),
        ({"nominal": "median"}, "not one of 'min_std', 'mean'"),
        ({"worst": "ever"}, "not one of 'step', 'expected'"),
        ({"stds": None}, 'nominal="min_std" needs stds'),
        ({"heads": []}, "heads is empty"),
        ({"heads": "info:reward_heads"}, "must be a list of signals"),
    ],
)
def test_bad_arguments_are_refused(kwargs, match):
    with pytest.raises(ValueError, match=match):
        RobustEnsembleReward(TermsEnv(), **kwargs)


def test_numbers_of_heads_must_agree():
    with pytest.raises(ValueError, match="3 heads but 2 standard deviations"):
        play(judged([[1.0, 2.0, 3.0]], [[1.0, 2.0]]))
