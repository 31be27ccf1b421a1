"""Extrinsic and intrinsic rewards apart."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv
from reward_envs import ACTIONS, MODES, TermsEnv, maker, play, rollout

from telos import wrappers
from telos.wrappers import sum_terms
from telos.wrappers.value_heads import split_reward


def test_one_environment():
    env = wrappers.CountBonus(wrappers.RE3(TermsEnv()), weight=0.5)
    for _, reward, _, _, info in rollout(env, [0, 1, 1, 2])[1:]:
        extrinsic, intrinsic = split_reward(reward, info)
        terms = info["reward_terms"]
        assert extrinsic == pytest.approx(info["raw_reward"], abs=1e-12)
        assert intrinsic == terms["re3_bonus"] + terms["count_bonus"]
        assert extrinsic + intrinsic == pytest.approx(reward, abs=1e-12)
        assert split_reward(reward, info, ["tool"])[1] == terms["tool"]
        assert split_reward(reward, info, []) == (sum_terms(terms), 0.0)


def test_a_reward_without_terms_is_extrinsic():
    assert split_reward(0.25, {}) == (0.25, 0.0)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_a_vector_environment(mode):
    plain = SyncVectorEnv([maker()] * 4, autoreset_mode=mode)
    envs = wrappers.vector.CountBonus(SyncVectorEnv([maker()] * 4, autoreset_mode=mode), weight=0.5)
    ends = 0
    for a, b in zip(play(plain, mode, ACTIONS), play(envs, mode, ACTIONS), strict=True):
        if len(b) == 5:
            extrinsic, intrinsic = split_reward(b[1], b[4])
            assert np.allclose(extrinsic, a[1], atol=1e-12)
            assert np.allclose(extrinsic + intrinsic, b[1], atol=1e-12)
            ends += (b[2] | b[3]).sum()
    assert ends > 10


def test_tensors_stay_tensors():
    torch = pytest.importorskip("torch")
    terms = {"outcome": torch.tensor([1.0, 0.0]), "rnd_bonus": torch.tensor([0.25, 0.5])}
    extrinsic, intrinsic = split_reward(torch.tensor([1.25, 0.5]), {"reward_terms": terms})
    assert extrinsic.tolist() == [1.0, 0.0]
    assert intrinsic.tolist() == [0.25, 0.5]
