"""Small real environments with named reward terms."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv


class TermsEnv(gym.Env[Any, int]):
    """Draws tool and format rewards at every step and one of four outcomes at the end.

    Action 2 submits. Episodes are cut after ``limit`` steps; one in ``1 / fail`` steps the "infrastructure" breaks.
    ``named=False`` keeps the terms out of the info. ``kind`` picks the observation space.
    """

    def __init__(self, limit: int = 7, fail: float = 0.0, named: bool = True, kind: str = "box", dtype: str = "f8"):
        self.limit, self.fail, self.named, self.kind, self.dtype = limit, fail, named, kind, np.dtype(dtype)
        box = spaces.Box(-1e3, 1e3, (2,), np.float64)
        self.observation_space = {
            "box": box,
            "discrete": spaces.Discrete(1000),
            "text": spaces.Text(12, min_length=0, charset="0123456789.-"),
            "dict": spaces.Dict({"a": box, "b": spaces.Tuple((spaces.Discrete(1000), spaces.Text(9, min_length=0)))}),
        }[kind]
        self.action_space = spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t, self.x = 0, self.np_random.normal()
        return self.observe(), {"episode_seed": self.t}

    def observe(self):
        box = np.array([self.t, self.x])
        count = self.t * 10 + int(abs(self.x) * 3)
        return {"box": box, "discrete": count, "text": str(count), "dict": {"a": box, "b": (count, str(count))}}[
            self.kind
        ]

    def step(self, action):
        self.t += 1
        self.x = self.np_random.normal()
        broken = bool(self.np_random.random() < self.fail)
        submitted = action == 2 and not broken
        terms = {
            "format": -0.1 * float(self.np_random.integers(0, 3)),
            "outcome": float(self.np_random.choice([-1.0, -0.5, 0.0, 1.0])) if submitted else 0.0,
            "tool": 0.3 * self.np_random.random() * (action == 1),
        }
        truncated = broken or (self.t >= self.limit and not submitted)
        if truncated:
            terms["outcome"] = -1.0
        if broken:
            terms = dict.fromkeys(terms, 0.0)
        terms = {name: self.dtype.type(value) for name, value in terms.items()}
        if self.dtype == np.float64:
            terms = {name: float(value) for name, value in terms.items()}
        info: dict[str, Any] = {"reward_terms": terms} if self.named else {}
        if broken:
            info["trainable"] = False
        reward = terms["format"] + terms["outcome"] + terms["tool"]
        return self.observe(), reward, submitted, truncated, info


class ScriptedEnv(gym.Env[Any, int]):
    """Pays the listed terms, step by step, whatever the agent does; then ends.

    Args:
        steps: The terms of each step.
        truncated: Whether the episode is cut rather than over.
        last_info: Added to the info of the last step.
    """

    observation_space = spaces.Box(0, 1e6, (1,), np.float64)
    action_space = spaces.Discrete(2)

    def __init__(self, steps, truncated=False, last_info=None):
        self.steps, self.truncated, self.last_info = steps, truncated, last_info or {}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.array([0.0]), {}

    def step(self, action):
        terms = dict(self.steps[self.t])
        self.t += 1
        last = self.t == len(self.steps)
        reward = 0.0
        for value in terms.values():
            reward += value
        info = {"reward_terms": terms, **(self.last_info if last else {})}
        return np.array([float(self.t)]), reward, last and not self.truncated, last and self.truncated, info


class NativeEnv(VectorEnv):
    """A native vector environment: one buffer for everything, terms at the top of the info, without masks.

    Environment i ends every ``2 + i`` steps with outcome 1; each step pays tool 0.25.
    """

    def __init__(self, num_envs: int = 3, autoreset_mode: AutoresetMode = AutoresetMode.NEXT_STEP):
        self.num_envs = num_envs
        self.mode = autoreset_mode
        self.metadata = {"autoreset_mode": autoreset_mode}
        self.single_observation_space = spaces.Box(0, 1e6, (1,), np.float64)
        self.observation_space = spaces.Box(0, 1e6, (num_envs, 1), np.float64)
        self.single_action_space = spaces.Discrete(2)
        self.action_space = spaces.MultiDiscrete([2] * num_envs)
        self.obs = np.zeros((num_envs, 1))
        self.rewards = np.zeros(num_envs, np.float32)
        self.terms = {name: np.zeros(num_envs, np.float32) for name in ("outcome", "tool", "format")}
        self.info: dict[str, Any] = {}
        self.done = np.zeros(num_envs, np.bool_)

    def reset(self, *, seed=None, options=None):
        mask = np.ones(self.num_envs, np.bool_) if options is None else options["reset_mask"]
        self.obs[mask] = 0.0
        self.done[mask] = False
        return self.obs, {}

    def step(self, actions):
        dummy = self.done & (self.mode is AutoresetMode.NEXT_STEP)
        self.obs += 1.0
        self.obs[dummy] = 0.0
        self.done[:] = (self.obs[:, 0] >= 2 + np.arange(self.num_envs)) & ~dummy
        self.terms["outcome"][:] = self.done
        self.terms["tool"][:] = np.where(dummy, 0.0, 0.25)
        self.rewards[:] = self.terms["outcome"] + self.terms["tool"]
        self.info["reward_terms"] = self.terms
        if self.mode is AutoresetMode.SAME_STEP:
            self.info["final_obs"], self.info["_final_obs"] = self.obs.copy(), self.done.copy()
            self.obs[self.done] = 0.0
        return self.obs, self.rewards, self.done, np.zeros(self.num_envs, np.bool_), self.info


MODES = list(AutoresetMode)
ACTIONS = np.random.default_rng(5).integers(0, 3, (60, 4))


def maker(**kwargs):
    return lambda: TermsEnv(**kwargs)


def play(envs, mode, actions):
    """Steps a vector environment; under DISABLED resets what ended. Yields each step's result."""
    yield envs.reset(seed=3)
    for step, action in enumerate(actions):
        result = envs.step(action)
        yield result
        done = result[2] | result[3]
        if mode is AutoresetMode.DISABLED and done.any():
            yield envs.reset(seed=[step * 10 + i for i in range(len(done))], options={"reset_mask": done})


def rollout(env, actions, seed=0):
    """Plays ``actions`` from a seeded reset; returns the steps, the first of them (obs, info) of the reset."""
    steps = [env.reset(seed=seed)]
    for action in actions:
        steps.append(env.step(action))
        if steps[-1][2] or steps[-1][3]:
            break
    return steps


def same(a, b) -> bool:
    """Whether two nested results are equal to the bit, types of containers and dtypes included."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if hasattr(a, "detach"):
        return type(a) is type(b) and same(a.detach().numpy(), b.detach().numpy())
    if isinstance(a, np.ndarray) and a.dtype == object:
        return isinstance(b, np.ndarray) and same(a.tolist(), b.tolist())
    if hasattr(a, "__dataclass_fields__"):
        return type(a) is type(b) and same(vars(a), vars(b))
    if isinstance(a, (np.ndarray, np.generic, float)):
        x, y = np.asarray(a), np.asarray(b)
        return x.dtype == y.dtype and x.shape == y.shape and bool(np.array_equal(x, y, equal_nan=True))
    return bool(a == b)


gym.register("TelosTestTerms-v0", entry_point="reward_envs:TermsEnv", disable_env_checker=True)
