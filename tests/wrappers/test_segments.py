"""Fine-grained rewards: where segments end, and what they add up to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from episodes import InfoEnv, play, term
from hypothesis import given
from hypothesis import strategies as st
from reward_envs import ScriptedEnv, TermsEnv

from telos.wrappers import env_face
from telos.wrappers.redistribution import EpisodicRewardTransform
from telos.wrappers.segments import SegmentRewardTransform

SegmentReward = env_face(SegmentRewardTransform, __name__)
EpisodicReward = env_face(EpisodicRewardTransform, __name__)

VALUES = [1.0, 2.0, 4.0, 8.0, 16.0]
STEPS = [{"relevance": value, "factuality": -value, "stop": float(t in (1, 2))} for t, value in enumerate(VALUES)]


def even_total(step):
    return step.terms["relevance"] >= 4.0


def test_every_kind_of_boundary_by_hand():
    env = ScriptedEnv(STEPS)
    relevance = {
        2: [0.0, 3.0, 0.0, 12.0, 16.0],
        1: VALUES,
        "episode": [0.0, 0.0, 0.0, 0.0, 31.0],
        "stop": [0.0, 3.0, 4.0, 0.0, 24.0],
        even_total: [0.0, 0.0, 7.0, 8.0, 16.0],
    }
    for boundary, expected in relevance.items():
        wrapped = SegmentReward(env, boundaries={"relevance": boundary})
        assert term(wrapped, "relevance") == expected
        assert term(wrapped, "factuality") == [-value for value in VALUES]
    _, info = play(SegmentReward(env, boundaries={"relevance": 2, "factuality": "episode"}))
    assert info["segments"] == {"relevance": 3, "factuality": 1}


def test_boundaries_from_info():
    infos = [{"sentence_end": t == 1, "reward_terms": {"factuality": 1.0}} for t in range(4)]
    wrapped = SegmentReward(InfoEnv(infos), boundaries={"factuality": "info:sentence_end"})
    assert term(wrapped, "factuality") == [0.0, 2.0, 0.0, 2.0]


def test_weights_means_and_stds_by_hand():
    options = {"weights": {"relevance": 0.5}, "means": {"relevance": 1.0}, "stds": {"relevance": 4.0}}
    wrapped = SegmentReward(ScriptedEnv(STEPS), boundaries={"relevance": 2}, **options)
    assert term(wrapped, "relevance") == [0.0, 0.25, 0.0, 11 / 8, 15 / 8]


@given(
    st.lists(st.integers(-64, 64).map(lambda n: n / 16), min_size=1, max_size=12),
    st.integers(1, 13),
    st.booleans(),
)
def test_segments_add_up_to_the_episodic_reward(values, every, truncated):
    env = ScriptedEnv([{"outcome": 0.0, "tool": value} for value in values], truncated=truncated)
    paid = term(SegmentReward(env, boundaries={"tool": every}), "tool")
    assert sum(paid) == sum(term(EpisodicReward(env), "tool"))
    assert not any(paid[t] for t in range(len(values) - 1) if (t + 1) % every)
    assert term(SegmentReward(env, boundaries={"tool": "episode"}), "tool") == term(EpisodicReward(env), "tool")


def test_segments_start_anew_with_each_episode():
    env = SegmentReward(ScriptedEnv(STEPS), boundaries={"relevance": 3})
    assert term(env, "relevance") == term(env, "relevance") == [0.0, 0.0, 7.0, 0.0, 24.0]


def test_a_failed_last_step_pays_no_segment():
    env = ScriptedEnv(STEPS, truncated=True, last_info={"trainable": False})
    assert term(SegmentReward(env, boundaries={"relevance": 2}), "relevance") == [0.0, 3.0, 0.0, 12.0, 0.0]


def test_a_mean_pays_for_fewer_or_more_segments():
    """The honest limit that the docstring states."""
    totals = [
        np.sum(
            term(SegmentReward(ScriptedEnv(STEPS), boundaries={"relevance": n}, means={"relevance": 1.0}), "relevance")
        )
        for n in (1, 2, 5)
    ]
    assert totals == [26.0, 28.0, 30.0]


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"boundaries": ["tool"]}, "must map terms"),
        ({"boundaries": {"tool": 0}}, "must be at least 1 step"),
        ({"boundaries": {"tool": 1.5}}, 'must be "episode", a number of steps'),
        ({"boundaries": {"tool": "nowhere:f"}}, "could not be imported"),
        ({"boundaries": {"tool": 2}, "weights": {"tol": 1.0}}, "Did you mean 'tool'"),
        ({"boundaries": {"tool": 2}, "means": {"tool": math.nan}}, "must be a finite number"),
        ({"boundaries": {"tool": 2}, "stds": {"tool": 0.0}}, "must be above 0"),
    ],
)
def test_bad_arguments_are_refused(kwargs, match):
    with pytest.raises(ValueError, match=match):
        SegmentReward(TermsEnv(), **kwargs)


@pytest.mark.parametrize("boundaries", [{"tools": 2}, {"tool": "tools"}])
def test_missing_terms_are_named(boundaries):
    env = SegmentReward(TermsEnv(), boundaries=boundaries)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="Did you mean 'tool'"):
        env.step(0)
