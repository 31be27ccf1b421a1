"""Clip and Delta: hand-worked episodes, bounds, and what farming earns."""

from __future__ import annotations

import math

import numpy as np
import pytest
from episodes import best_loitering, play, scores, term
from hypothesis import given
from hypothesis import strategies as st
from reward_envs import ScriptedEnv, TermsEnv

from telos.wrappers import AccumulatedReward, env_face
from telos.wrappers.clipping import ClipDeltaRewardTransform, ClipRewardTransform, DeltaRewardTransform

ClipReward = env_face(ClipRewardTransform, __name__)
DeltaReward = env_face(DeltaRewardTransform, __name__)
ClipDeltaReward = env_face(ClipDeltaRewardTransform, __name__)

PROCESS = [0.75, 1.0, 0.25, 0.5]
LISTS = st.lists(st.integers(0, 64).map(lambda n: n / 64), min_size=1, max_size=12)
BOTH = pytest.mark.parametrize("pay", ["hindsight", "delayed"])


def test_clip_by_hand():
    env = ClipReward(ScriptedEnv(scores(PROCESS, 1.0, tool=3.0)), threshold=0.75, weight=2.0)
    assert term(env, "process") == [0.0, 0.0, -1.0, -0.5]
    paid, info = play(env)
    assert paid == [3.0, 3.0, 2.0, 3.5]
    assert info["reward_terms"] == {"outcome": 1.0, "process": -0.5, "tool": 3.0}


def test_delta_by_hand():
    env = DeltaReward(ScriptedEnv(scores(PROCESS, 1.0)), weight=2.0)
    paid, info = play(env)
    assert paid == [0.0, 0.0, 0.0, 1.0]
    hindsight = info["hindsight"]
    assert hindsight.raw_terms["process"].tolist() == PROCESS
    assert hindsight.terms["process"].tolist() == [-0.5, 1.5, -0.5, 1.0]
    assert hindsight.terms["outcome"].tolist() == [0.0, 0.0, 0.0, 1.0]
    assert hindsight.reward.tolist() == [-0.5, 1.5, -0.5, 2.0]


def test_delayed_delta_by_hand():
    env = DeltaReward(ScriptedEnv(scores(PROCESS, 1.0)), weight=2.0, pay="delayed")
    assert term(env, "process") == [0.0, -0.5, 1.5, 0.5]
    assert "hindsight" not in play(env)[1]
    assert play(DeltaReward(ScriptedEnv(scores([0.5])), pay="delayed"))[0] == [0.5]


def test_clip_delta_by_hand():
    env = ScriptedEnv(scores(PROCESS, 1.0))
    _, info = play(ClipDeltaReward(env, threshold=0.75))
    assert info["hindsight"].terms["process"].tolist() == [0.0, 0.5, -0.25, -0.25]
    assert term(ClipDeltaReward(env, threshold=0.75, pay="delayed"), "process") == [0.0, 0.0, 0.5, -0.5]


@given(LISTS)
def test_rewards_from_a_step_on_add_up_to_its_score(process):
    _, info = play(DeltaReward(ScriptedEnv(scores(process))))
    rewards = info["hindsight"].reward
    assert np.cumsum(rewards[::-1])[::-1].tolist() == process


@given(LISTS, st.booleans(), st.sampled_from([0.0, 0.5, -2.0]))
def test_both_ways_of_paying_have_the_same_sum(process, truncated, weight):
    env = ScriptedEnv(scores(process, 1.0), truncated=truncated)
    for face, first in ((DeltaReward, process[0]), (ClipDeltaReward, min(process[0] - 0.5, 0.0))):
        options = {"weight": weight, **({"threshold": 0.5} if face is ClipDeltaReward else {})}
        delayed, _ = play(face(env, pay="delayed", **options))
        _, info = play(face(env, **options))
        assert sum(delayed) == info["hindsight"].reward.sum() == 1.0 + weight * first


@given(LISTS, st.sampled_from([0.25, 0.9]))
def test_what_steps_can_earn_does_not_grow_with_length(process, threshold):
    env = ScriptedEnv(scores(process))
    assert max(play(ClipReward(env, threshold=threshold))[0]) <= 0
    assert play(DeltaReward(env))[1]["hindsight"].reward.sum() <= 1
    assert play(ClipDeltaReward(env, threshold=threshold))[1]["hindsight"].reward.sum() <= 0


def test_no_loitering_where_the_sum_loiters():
    """The exact optimum of a chain in which wasted steps score 0.5 and useful ones 0.6."""

    def total(face, **options):
        return lambda steps: sum(play(face(ScriptedEnv(steps), **options))[0])

    assert best_loitering(total(AccumulatedReward)) == 15
    assert best_loitering(total(ClipReward)) == 0
    assert best_loitering(total(DeltaReward, pay="delayed")) == 0
    assert best_loitering(total(ClipDeltaReward, pay="delayed")) == 0


def test_clip_with_a_large_weight_gives_up():
    """The honest limit that the docstring states: each imperfect step costs."""

    def quick_or_right(weight):
        quit_at_once = play(ClipReward(ScriptedEnv(scores([0.5])), weight=weight))[0]
        arrive = play(ClipReward(ScriptedEnv(scores([0.6] * 5, 1.0)), weight=weight))[0]
        return sum(arrive) > sum(quit_at_once)

    assert quick_or_right(0.2)
    assert not quick_or_right(1.0)


@BOTH
def test_a_failed_last_step_pays_nothing(pay):
    env = ScriptedEnv(scores(PROCESS), truncated=True, last_info={"trainable": False})
    paid, info = play(DeltaReward(env, pay=pay))
    assert paid[-1] == 0.0
    if pay == "hindsight":
        assert not info["hindsight"].reward.any()


@BOTH
def test_episodes_do_not_leak_into_each_other(pay):
    env = DeltaReward(ScriptedEnv(scores(PROCESS)), pay=pay)
    assert play(env)[0] == play(env)[0]


@pytest.mark.parametrize(
    ("face", "kwargs", "match"),
    [
        (ClipReward, {"threshold": math.nan}, "threshold=nan must be a finite number"),
        (ClipDeltaReward, {"threshold": "high"}, "must be a finite number"),
        (DeltaReward, {"weight": math.inf}, "weight=inf must be a finite number"),
        (ClipDeltaReward, {"weight": math.inf}, "weight=inf must be a finite number"),
        (DeltaReward, {"pay": "delay"}, r"pay='delay'.*Did you mean 'delayed'"),
    ],
)
def test_bad_arguments_are_refused(face, kwargs, match):
    with pytest.raises(ValueError, match=match):
        face(TermsEnv(), **kwargs)


@pytest.mark.parametrize("face", [ClipReward, DeltaReward, ClipDeltaReward])
def test_missing_terms_are_named(face):
    env = face(TermsEnv())
    env.reset(seed=0)
    with pytest.raises(ValueError, match="no reward term 'process'"):
        env.step(0)
