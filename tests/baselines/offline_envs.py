"""Small environments whose episodes are recorded and learned from, and what to ask of the runs."""

import json

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from safetensors.torch import load_file

from telos.baselines.policies.registry import make_policy


class Pays(gym.Env):
    """Four steps, each of which pays its action; observes nothing but the step, as the first of two numbers."""

    observation_space = spaces.Box(0, 4, (2,), np.float32)
    action_space = spaces.Discrete(2, start=3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.count += 1
        reward, last = float(action - 3), self.count == 4
        terms = {"paid": reward, "bonus": 0.0}
        return np.array([self.count, 0], np.float32), reward, False, last, {"reward_terms": terms}


class Turns(gym.Env):
    """Step t allows all actions but t modulo 3, and says so in infos, or observations if ``observed``.

    Ends after 2 to 4 steps. The second step's info has a ``note``; the third must not be learned from.
    """

    action_space = spaces.Discrete(3)

    def __init__(self, observed=False):
        self.observed = observed
        parts = {"count": spaces.Discrete(10), "pair": spaces.Tuple((spaces.Box(-9, 9, (2,)), spaces.Discrete(2)))}
        mask = {"action_mask": spaces.MultiBinary(3)} if observed else {}
        self.observation_space = spaces.Dict(parts | mask)

    def _now(self):
        mask = (np.arange(3) != self.count % 3).astype(np.int8)
        pair = (np.full(2, self.length - self.count, np.float32), self.count % 2)
        observation = {"count": self.count, "pair": pair}
        return (observation | {"action_mask": mask}, {}) if self.observed else (observation, {"action_mask": mask})

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count, self.length = 0, int(self.np_random.integers(2, 5))
        return self._now()

    def step(self, action):
        assert action != self.count % 3, "forbidden"
        self.count += 1
        observation, info = self._now()
        if self.count == 2:
            info["note"] = 7.5
        if self.count == 3:
            info["trainable"] = False
        reward = float(self.count)
        info["reward_terms"] = {"count": reward, "half": -0.5}
        return observation, reward - 0.5, self.count == self.length, False, info


class Cue(gym.Env):
    """The first of three observations shows what the last action must be; the others are blank."""

    observation_space = spaces.Discrete(3)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count, self.cue = 0, int(self.np_random.integers(2))
        return self.cue, {}

    def step(self, action):
        self.count += 1
        last = self.count == 3
        return 2, float(last and action == self.cue), last, False, {}


class Numbers(gym.Env):
    """One step: the observation is a number, and so is the action."""

    observation_space = spaces.Box(-1, 1, (1,))
    action_space = spaces.Box(-3, 3, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.shown = self.np_random.uniform(-1, 1, 1).astype(np.float32)
        return self.shown, {}

    def step(self, action):
        return self.shown.copy(), -abs(float(action[0]) - 2 * float(self.shown[0])), True, False, {}


gym.register("TestPays-v0", entry_point=Pays)
gym.register("TestTurns-v0", entry_point=Turns)
gym.register("TestCue-v0", entry_point=Cue)
gym.register("TestNumbers-v0", entry_point=Numbers)


def random_policy(env, kwargs=None, seed=0):
    """Acts at random."""
    return make_policy("random", env, kwargs or {}, seed=seed)


def log_of(run):
    """The lines of a run's log, without times."""
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith("time") and k != "charts/SPS"} for line in lines]


def weights_of(run):
    """The tensors of a run's newest checkpoint."""
    return load_file(sorted((run.folder / "checkpoints").glob("0*"))[-1] / "model.safetensors")


def same(one, other):
    """Whether tensors by name are the same to the bit."""
    return one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)
