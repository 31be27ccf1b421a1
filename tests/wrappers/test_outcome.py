"""The outcome alone."""

from __future__ import annotations

import numpy as np
import pytest
from episodes import play, scores
from reward_envs import ScriptedEnv, TermsEnv, rollout

from telos.wrappers import GatedReward, env_face
from telos.wrappers.outcome import OutcomeRewardTransform

OutcomeReward = env_face(OutcomeRewardTransform, __name__)


def test_pays_the_outcome_when_earned_and_nothing_else():
    steps = [{"outcome": 0.5, "tool": 9.0}, {"outcome": -0.25, "tool": 1.0}]
    paid, info = play(OutcomeReward(ScriptedEnv(steps)))
    assert paid == [0.5, -0.25]
    assert info["reward_terms"] == {"outcome": -0.25, "tool": 0.0}
    assert info["raw_reward"] == 0.75
    assert play(OutcomeReward(ScriptedEnv(steps), outcome="tool"))[0] == [9.0, 1.0]


def test_is_the_gate_that_never_opens():
    actions = np.random.default_rng(0).integers(0, 3, 20)
    for seed in range(5):
        ours = rollout(OutcomeReward(TermsEnv()), actions, seed)
        gated = rollout(GatedReward(TermsEnv(), threshold=2.0), actions, seed)
        assert [step[1] for step in ours[1:]] == [step[1] for step in gated[1:]]


def test_a_missing_outcome_is_named():
    env = OutcomeReward(ScriptedEnv(scores([0.5])), outcome="outcom")
    env.reset()
    with pytest.raises(ValueError, match="Did you mean 'outcome'"):
        env.step(0)
