"""Environments whose arrays are PyTorch tensors: on the CPU here, and by the same code on a GPU."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorWrapper
from reward_envs import MODES, NativeEnv, same

from telos import wrappers
from telos.wrappers import RewardTransform, vector_face
from telos.wrappers.registry import TRANSFORMS

torch = pytest.importorskip("torch")


DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))]


def tensors(value, device="cpu"):
    """Copies of all arrays as tensors."""
    if isinstance(value, dict):
        return {key: tensors(part, device) for key, part in value.items()}
    return torch.tensor(value, device=device) if isinstance(value, np.ndarray) else value


def arrays(value):
    """Checks that what is numbers is a tensor, and returns arrays."""
    if isinstance(value, dict):
        return {key: arrays(part) for key, part in value.items()}
    assert isinstance(value, torch.Tensor)
    return value.numpy(force=True)


class TensorEnv(VectorWrapper):
    """``NativeEnv`` with tensors, and with a step of each episode that is not to be learned from."""

    broken_at = 2.0

    def __init__(self, env, device="cpu"):
        super().__init__(env)
        self.device = device

    def reset(self, *, seed=None, options=None):
        options = None if options is None else {"reset_mask": torch.as_tensor(options["reset_mask"]).numpy(force=True)}
        return self.tensors(self.env.reset(seed=seed, options=options))

    def step(self, actions):
        obs, rewards, terminated, truncated, infos = self.env.step(actions)
        infos = {**infos, "trainable": obs[:, 0] != self.broken_at, "_trainable": np.ones(self.num_envs, bool)}
        return self.tensors((obs, rewards, terminated, truncated, infos))

    def tensors(self, results):
        return tuple(tensors(result, self.device) for result in results)


class ArrayEnv(TensorEnv):
    """The same with arrays."""

    def tensors(self, results):
        return tuple(results)


@dataclass(eq=False, repr=False)
class ChangeRewardTransform(RewardTransform):
    """Pays the change of the tool reward, the change of the observation, and the sum of the reward so far."""

    timing: ClassVar = "causal"
    invariance: ClassVar = "none"
    observes: ClassVar = True
    libraries: ClassVar = ("numpy", "torch")
    state: ClassVar = ("last", "sums")

    def begin(self, num_envs):
        super().begin(num_envs)
        self.last, self.sums = self.zeros(), self.zeros(2)

    def reset(self, mask):
        self.last, self.sums = self.where(mask, 0.0, self.last), self.where(mask[:, None], 0.0, self.sums)

    def update(self, step):
        change = step.terms["tool"] - self.last
        self.last = self.where(step.active, step.terms["tool"] + 0 * self.last, self.last)
        self.sums = self.sums + step.reward[:, None]
        moved = self.where(step.done, 10.0, (step.next_obs - step.obs)[:, 0] + 0 * self.last)
        return {**step.terms, "change": change, "moved": moved, "so_far": self.sums[:, 1]}

    def episode_info(self, step):
        return {"change": {"sums": self.sums}}


ChangeReward = vector_face(ChangeRewardTransform, __name__, "ChangeReward")


def play(envs, mode, steps=15):
    yield envs.reset()
    for _ in range(steps):
        result = envs.step(np.zeros(3, int))
        yield result
        done = result[2] | result[3]
        if mode is AutoresetMode.DISABLED and done.any():
            yield envs.reset(options={"reset_mask": done})


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("depth", [1, 2])
def test_tensors_in_tensors_out(mode, depth):
    runs = []
    for kind in (TensorEnv, ArrayEnv):
        envs = kind(NativeEnv(autoreset_mode=mode))
        for _ in range(depth):
            envs = ChangeReward(envs)
        runs.append(play(envs, mode))
    ends = 0
    for a, b in zip(*runs, strict=True):
        assert same(tuple(arrays(part) for part in a), tuple(b))
        ends += len(a) == 5 and "_change" in a[4]
        if len(a) == 5:
            terms = {name: v for name, v in a[4]["reward_terms"].items() if not name.startswith("_")}
            assert torch.equal(wrappers.sum_terms(terms).to(a[1].dtype), a[1])
    assert ends > 3


TENSOR_CASES = [
    pytest.param(name, dict(example), id=f"{name}-{i}")
    for name, entry in TRANSFORMS.items()
    if "torch" in entry.load().libraries
    for i, example in enumerate(entry.examples)
]


@pytest.mark.parametrize(("name", "kwargs"), TENSOR_CASES)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("device", DEVICES)
def test_registered_transforms_pay_the_same_in_tensors(name, kwargs, mode, device):
    kinds = (TensorEnv, ArrayEnv)
    a, b = (getattr(wrappers.vector, name)(kind(NativeEnv(autoreset_mode=mode), device), **kwargs) for kind in kinds)
    for x, y in zip(play(a, mode), play(b, mode), strict=True):
        if len(x) == 5:
            rewards, terms = arrays(x[1]), arrays(x[4].get("reward_terms", {}))
            assert np.allclose(rewards, y[1], rtol=1e-5, atol=1e-6)
            assert terms.keys() == y[4].get("reward_terms", {}).keys()
    other = getattr(wrappers.vector, name)(copy.deepcopy(a.env), **kwargs)
    other.reset()
    other.step(np.zeros(3, int))  # Only then does it know that these are tensors.
    other.env = copy.deepcopy(a.env)
    other.load_state_dict(a.state_dict())
    for _ in range(6):
        x, y = a.step(np.zeros(3, int)), other.step(np.zeros(3, int))
        assert same(arrays(x[1]), arrays(y[1]))


def test_nothing_is_copied_to_the_host(monkeypatch):
    envs = ChangeReward(ChangeReward(TensorEnv(NativeEnv())))
    envs.reset()
    results = [TensorEnv.step(envs.env.env, np.zeros(3, int)) for _ in range(12)]
    envs.env.env.step = lambda actions: results.pop(0)

    def refuse(*args, **kwargs):
        raise AssertionError("a host copy")

    for name in ("numpy", "cpu", "tolist", "item", "__array__"):
        monkeypatch.setattr(torch.Tensor, name, refuse)
    for _ in range(12):
        envs.step(None)


def test_state_round_trips():
    envs, other = (ChangeReward(TensorEnv(NativeEnv())) for _ in range(2))
    for each in (envs, other):
        each.reset()
        each.step(np.zeros(3, int))
    other.transform.reset(torch.ones(3, dtype=torch.bool))
    other.load_state_dict(envs.state_dict())
    fresh = ChangeReward(TensorEnv(NativeEnv()))
    fresh.reset()
    fresh.env.step(np.zeros(3, int))
    fresh.load_state_dict(envs.state_dict())
    for _ in range(5):
        expected = envs.step(np.zeros(3, int))
        for each in (other, fresh):
            assert same(arrays(dict(enumerate(expected))), arrays(dict(enumerate(each.step(np.zeros(3, int))))))


def test_a_transform_for_arrays_only_says_so():
    @dataclass(eq=False, repr=False)
    class HostRewardTransform(ChangeRewardTransform):
        libraries: ClassVar = ("numpy",)

    envs = vector_face(HostRewardTransform, __name__)(ChangeReward(TensorEnv(NativeEnv())))
    envs.reset()
    with pytest.raises(TypeError, match=r"HostReward works on NumPy arrays only.*torch tensors.*device='cpu'"):
        envs.step(np.zeros(3, int))
