"""UI-S1's step reward: every combination, and what it reports."""

from __future__ import annotations

import itertools
import math

import pytest
from episodes import play
from reward_envs import ScriptedEnv, TermsEnv

from telos.wrappers import AccumulatedReward, env_face
from telos.wrappers.nested_gates import NestedGatesTransform

NestedGates = env_face(NestedGatesTransform, __name__)


def scored(well_formed, kind, accuracy):
    return {"format": well_formed, "type": kind, "accuracy": accuracy}


@pytest.mark.parametrize("scores", list(itertools.product([0.0, 1.0], repeat=3)))
def test_every_combination_of_the_published_step_reward(scores):
    well_formed, kind, accuracy = scores
    expected = 0.1 * well_formed
    if well_formed:
        expected += 0.4 * kind
        if kind:
            expected += 0.5 * accuracy
    assert play(NestedGates(ScriptedEnv([scored(*scores)])))[0] == [pytest.approx(expected, abs=1e-15)]


def test_steps_do_not_gate_each_other():
    steps = [scored(0, 1.0, 1.0), scored(1.0, 1.0, 1.0), scored(1.0, 0.0, 1.0)]
    paid, info = play(NestedGates(ScriptedEnv(steps)))
    assert paid == pytest.approx([0.0, 1.0, 0.1])
    report = info["nested_gates"]
    assert report["open"] == pytest.approx({"format": 1.0, "type": 2 / 3, "accuracy": 1 / 3})
    assert report["raw"] == {"format": 2.0, "type": 2.0, "accuracy": 3.0}
    assert report["paid"] == pytest.approx({"format": 0.2, "type": 0.4, "accuracy": 0.5})


def test_gates_and_other_terms():
    levels = {"format": 1.0, "accuracy": 2.0}
    env = ScriptedEnv([{**scored(0.5, 7.0, 0.25)}])
    assert play(NestedGates(env, levels=levels))[0] == [0.5 + 7.0]
    assert play(NestedGates(env, levels=levels, gates={"format": 0.5}))[0] == [0.5 + 7.0 + 0.5]
    free = dict.fromkeys(levels, -math.inf)
    assert play(NestedGates(env, levels=levels, gates=free))[0] == play(AccumulatedReward(env, weights=levels))[0]


def test_a_failed_step_opens_nothing():
    env = ScriptedEnv([scored(1.0, 1.0, 1.0)] * 2, truncated=True, last_info={"trainable": False})
    paid, info = play(NestedGates(env))
    assert paid == pytest.approx([1.0, 0.0])
    assert info["nested_gates"]["open"] == {"format": 0.5, "type": 0.5, "accuracy": 0.5}


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"levels": {"format": math.nan}}, "must be a finite number"),
        ({"levels": ["format"]}, "must map names of terms"),
        ({"gates": {"formt": 1.0}}, "Did you mean 'format'"),
    ],
)
def test_bad_arguments_are_refused(kwargs, match):
    with pytest.raises(ValueError, match=match):
        NestedGates(TermsEnv(), **kwargs)
