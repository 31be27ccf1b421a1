"""Information gain: telescoping, normalisers, and where beliefs come from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from episodes import InfoEnv, play, term
from gymnasium.vector import SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st
from reward_envs import ScriptedEnv, TermsEnv

from telos.wrappers import Episode, env_face, relabel, vector_face
from telos.wrappers.information_gain import InformationGainTransform

InformationGain = env_face(InformationGainTransform, __name__)
VectorInformationGain = vector_face(InformationGainTransform, __name__, "VectorInformationGain")


def log_half_of_position(obs):
    return np.log(0.5) * (4 - obs[:, 0])


def beliefs(*values, **options):
    return InfoEnv([{"answer_log_prob": value} for value in values], **options)


def gains(env, **options):
    return term(InformationGain(env, **options), "information_gain")


def test_by_hand():
    env = beliefs(-2.0, -0.5, -1.0, -0.25, outcome=1.0)
    assert gains(env, normalise="none") == [0.0, 1.5, -0.5, 0.0]
    assert gains(env, normalise="none", prior=-4.0) == [2.0, 1.5, -0.5, 0.0]
    assert gains(env, normalise="none", prior=-4.0, weight=0.5) == [1.0, 0.75, -0.25, 0.0]
    assert gains(env, normalise="none", prior=-4.0, terminal_zero=True) == [2.0, 1.5, -0.5, 1.0]
    assert gains(env, normalise="none", gain="probability") == pytest.approx(
        [0.0, math.exp(-0.5) - math.exp(-2.0), math.exp(-1.0) - math.exp(-0.5), 0.0]
    )
    paid, info = play(InformationGain(env, normalise="none"))
    assert paid == [0.0, 1.5, -0.5, 1.0]
    assert info["reward_terms"] == {"outcome": 1.0, "information_gain": 0.0}


def test_the_last_turn_of_a_truncated_episode_is_a_turn():
    assert gains(beliefs(-2.0, -0.5, truncated=True), normalise="none") == [0.0, 1.5]
    assert gains(beliefs(-2.0, -0.5, truncated=True), normalise="none", terminal_zero=True) == [0.0, 1.5]


def test_functions_know_the_first_belief():
    env = ScriptedEnv([{"outcome": 0.0}] * 3)
    step = math.log(2.0)
    assert gains(env, belief=log_half_of_position, normalise="none") == pytest.approx([step, step, 0.0])
    raised = gains(env, belief=log_half_of_position, normalise="none", gain="probability")
    assert raised == pytest.approx([1 / 16, 1 / 8, 0.0])


@given(st.lists(st.floats(-20, 0), min_size=2, max_size=8), st.floats(-20, 0), st.booleans())
def test_gains_telescope(values, prior, terminal_zero):
    total = sum(gains(beliefs(*values), normalise="none", prior=prior, terminal_zero=terminal_zero))
    assert total == pytest.approx(-prior if terminal_zero else values[-2] - prior, abs=1e-9)


def test_a_repeated_query_gains_nothing():
    assert gains(beliefs(-1.0, -1.0, -1.0, -1.0)) == [0.0] * 4


@pytest.mark.parametrize("normalise", ["std", "zscore"])
def test_running_normalisers_against_numpy(normalise):
    rng = np.random.default_rng(0)
    episodes = [-rng.exponential(size=5) for _ in range(6)]
    infos = [[{"answer_log_prob": float(value)} for value in values] for values in episodes]
    env = InformationGain(InfoEnv(infos[0]), normalise=normalise, prior=-3.0)
    seen = []
    for values, info in zip(episodes, infos, strict=True):
        env.unwrapped.infos = info
        paid = term(env, "information_gain")
        assert paid[-1] == 0.0
        for t, gain in enumerate(np.diff([-3.0, *values[:-1]])):
            seen.append(gain)
            scale = np.std(seen) if len(seen) > 1 else 1.0
            centre = np.mean(seen) if normalise == "zscore" else 0.0
            assert paid[t] == pytest.approx((gain - centre) / scale, abs=1e-9)


def test_zscore_fines_turns_below_the_mean_and_std_does_not():
    env = beliefs(-4.0, -2.0, -1.9, -1.0)
    assert gains(env, prior=-5.0, normalise="zscore")[2] < 0 < gains(env, prior=-5.0)[2]


def test_scaling_the_beliefs_changes_nothing_under_std():
    small = gains(beliefs(-4.0, -2.0, -1.5, 0.0), prior=-5.0)
    large = gains(beliefs(-40.0, -20.0, -15.0, 0.0), prior=-50.0)
    assert small[1:] == pytest.approx(large[1:])


def test_rows_of_a_vector_have_their_own_statistics():
    makers = [lambda: beliefs(-4.0, -2.0, -1.5, 0.0), lambda: beliefs(-0.4, -0.3, -0.1, 0.0)]
    envs = VectorInformationGain(SyncVectorEnv(makers), prior=-5.0)
    envs.reset()
    paid = np.array([envs.step(np.zeros(2, int))[4]["reward_terms"]["information_gain"] for _ in range(4)])
    for i, make in enumerate(makers):
        assert paid[:, i].tolist() == gains(make(), prior=-5.0)


def test_failed_steps_need_no_belief():
    env = InfoEnv([{"answer_log_prob": -1.0}, {"trainable": False}, {"answer_log_prob": -0.5}, {}], truncated=True)
    env.infos[3] = {"trainable": False}
    assert gains(env, normalise="none") == [0.0, 0.0, 0.5, 0.0]


def test_logged_episodes_need_no_observations_if_beliefs_are_logged():
    infos = [{"answer_log_prob": value} for value in (-2.0, -0.5, -1.0)]
    episode = Episode(None, None, {"outcome": [0.0, 0.0, 1.0]}, infos=infos)
    (result,) = relabel([episode], InformationGainTransform, normalise="none", prior=-3.0)
    assert result.reward.tolist() == [1.0, 1.5, 1.0]


def test_a_missing_belief_is_reported():
    env = InformationGain(TermsEnv())
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"info\['answer_log_prob'\] is missing"):
        env.step(0)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"gain": "logs"}, "Did you mean 'log'"),
        ({"normalise": "z-score"}, "Did you mean 'zscore'"),
        ({"weight": math.nan}, "must be a finite number"),
        ({"belief": "answer_log_prob"}, 'must be "info:key"'),
        ({"belief": log_half_of_position, "prior": -1.0}, "knows the first one itself"),
        ({"prior": math.inf}, "must be a finite number"),
    ],
)
def test_bad_arguments_are_refused(kwargs, match):
    with pytest.raises(ValueError, match=match):
        InformationGain(TermsEnv(), **kwargs)
