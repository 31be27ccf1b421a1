"""Wrappers around wrappers run as one, with the results of running one after the other."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from probes import ProbeReward, VectorProbeReward
from reward_envs import ACTIONS, MODES, TermsEnv, maker, play, rollout, same

from telos import wrappers
from telos.wrappers import RewardTransform, env_face, vector_face

LAYERS = [
    ("AccumulatedReward", {"weights": {"tool": 0.3}}),
    ("GatedReward", {"threshold": -0.5, "pay": "hindsight"}),
    ("AccumulatedReward", {}),
    ("GatedReward", {"priorities": {"outcome": 1}, "gates": {"outcome": 0.5}, "low_cap": 0.2}),
]


def layered(env, namespace, between=lambda env: env):
    for name, kwargs in LAYERS:
        env = between(getattr(namespace, name)(env, **kwargs))
    return env


class PlainVectorWrapper(gym.vector.VectorWrapper):
    """Changes nothing, but stands between two faces."""


@pytest.mark.parametrize("options", [{}, {"fail": 0.1}, {"dtype": "f4"}], ids=["plain", "failing", "float32"])
def test_a_stack_pays_what_its_wrappers_pay_one_after_the_other(options):
    together = layered(TermsEnv(**options), wrappers)
    apart = layered(TermsEnv(**options), wrappers, gym.Wrapper)
    for seed in range(20):
        actions = np.random.default_rng(seed).integers(0, 3, 30).tolist()
        assert same(rollout(together, actions, seed), rollout(apart, actions, seed))


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("options", [{}, {"fail": 0.1}, {"dtype": "f4"}], ids=["plain", "failing", "float32"])
def test_so_does_a_stack_around_a_vector(mode, options):
    envs = [SyncVectorEnv([maker(**options)] * 4, autoreset_mode=mode) for _ in range(2)]
    together = layered(envs[0], wrappers.vector)
    apart = layered(envs[1], wrappers.vector, PlainVectorWrapper)
    for a, b in zip(play(together, mode, ACTIONS), play(apart, mode, ACTIONS), strict=True):
        assert same(a, b)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_transforms_that_observe_share_their_observations(mode):
    def stack(env, face):
        return face(wrappers_of[face](face(env, scale=0.5), weights={"tool": 2.0}), scale=-1.0)

    wrappers_of = {
        ProbeReward: wrappers.AccumulatedReward,
        VectorProbeReward: wrappers.vector.AccumulatedReward,
    }
    inside = SyncVectorEnv([lambda: stack(TermsEnv(), ProbeReward)] * 3, autoreset_mode=mode)
    outside = stack(SyncVectorEnv([maker()] * 3, autoreset_mode=mode), VectorProbeReward)
    for a, b in zip(play(inside, mode, ACTIONS[:, :3]), play(outside, mode, ACTIONS[:, :3]), strict=True):
        assert same(a, b)


def test_the_state_of_each_wrapper_is_its_own():
    env = layered(TermsEnv(limit=30), wrappers)
    env.reset(seed=0)
    for action in (0, 1, 1, 0):
        env.step(action)
    twins = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    fresh = layered(copy.deepcopy(env.unwrapped), wrappers)
    source, target = env, fresh
    for _ in LAYERS:
        target.load_state_dict(source.state_dict())
        source, target = source.env, target.env
    for action in (1, 0, 1, 2):
        result = env.step(action)
        for other in (*twins, fresh):
            assert same(result, other.step(action))


def test_a_wrapper_with_a_step_of_its_own_is_heard():
    class Doubled(type(wrappers.AccumulatedReward(TermsEnv()))):
        def step(self, action):
            obs, reward, terminated, truncated, info = super().step(action)
            info["reward_terms"] = {name: 2 * value for name, value in info["reward_terms"].items()}
            return obs, 2 * reward, terminated, truncated, info

    plain = rollout(wrappers.AccumulatedReward(TermsEnv()), [1, 1, 2])
    doubled = rollout(wrappers.AccumulatedReward(Doubled(TermsEnv())), [1, 1, 2])
    assert [2 * step[1] for step in plain[1:]] == [step[1] for step in doubled[1:]]


@dataclass(eq=False, repr=False)
class HalvedTransform(RewardTransform):
    """Pays half, and remembers the rewards that it was shown."""

    timing: ClassVar = "causal"
    invariance: ClassVar = "exact"
    shape: tuple = ()

    def reset(self, mask):
        pass

    def update(self, step):
        self.seen = step.reward.copy()
        if self.shape:
            return {"half": np.zeros(self.shape)}
        return {name: 0.5 * value for name, value in step.terms.items()}


Halved = env_face(HalvedTransform, __name__, "Halved")
VectorHalved = vector_face(HalvedTransform, __name__, "VectorHalved")


def test_each_transform_sees_the_reward_that_the_one_inside_paid():
    env = Halved(Halved(Halved(TermsEnv())))
    env.reset(seed=1)
    reward = env.step(1)[1]
    seen = [face.transform.seen.item() for face in (env, env.env, env.env.env)]
    assert seen == [2 * reward, 4 * reward, 8 * reward]
    envs = VectorHalved(VectorHalved(SyncVectorEnv([TermsEnv] * 3, autoreset_mode=AutoresetMode.SAME_STEP)))
    envs.reset(seed=1)
    rewards = envs.step(np.ones(3, int))[1]
    assert envs.transform.seen.tolist() == (2 * rewards).tolist()


def test_payments_of_the_wrong_shape_are_refused():
    env = Halved(TermsEnv(), shape=(2,))
    env.reset()
    with pytest.raises(ValueError, match=r"Halved: update\(\) must return arrays of shape \(1,\); term 'half'"):
        env.step(0)
