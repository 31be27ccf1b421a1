"""Vector environments to train in: made, watched, seeded and saved.

* ``make_envs`` - the environments, native where there is a native vector entry point
* ``make_training_envs`` - these, with reward wrappers between two logs of episodes
* ``EpisodeTotals`` - each finished episode's length and the sums of its reward terms
* ``training_seed`` - seeds of environments, apart from those of evaluations
* ``final_observations``, ``is_on_host`` - what comes out of environments
* ``save_envs``, ``load_envs`` - running episodes in a checkpoint
* ``RewardScale`` - rewards in units of the returns' deviation
"""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import gymnasium as gym
import numpy as np
import torch
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import NDArray
from torch import Tensor

import telos  # noqa: F401 - registers the environments
from telos.wrappers import batching
from telos.wrappers.arrays import arrays_of
from telos.wrappers.infos import VectorInfo
from telos.wrappers.networks import RunningMoments
from telos.wrappers.specs import wrap
from telos.wrappers.stacks import Face

__all__ = [
    "EVALUATION_SEED",
    "EpisodeTotals",
    "RewardScale",
    "TrainingEnvs",
    "final_observations",
    "is_on_host",
    "load_envs",
    "make_envs",
    "make_training_envs",
    "save_envs",
    "training_seed",
]

EVALUATION_SEED = 2**30
"""First seed of evaluations; those of training are below it."""


def training_seed(seed: int, num_envs: int, resumes: int = 0) -> int:
    """The seed of a run's first environment; the others follow it, as everywhere in Gymnasium.

    Seeds of runs 1, 2, 3 would overlap, as environment ``i`` of a batch has the seed of the batch plus ``i``; so they
    are spread by a hash.

    Args:
        seed: The run's.
        num_envs: Number of environments.
        resumes: Differs where episodes begin anew in the middle of a run.

    Returns:
        A seed s with ``s + num_envs <= EVALUATION_SEED``.
    """
    (drawn,) = np.random.SeedSequence([seed, resumes]).generate_state(1, np.uint64)
    return int(drawn % np.uint64(EVALUATION_SEED - num_envs))


def make_envs(env_id: str, kwargs: dict[str, Any], num_envs: int, device: str = "cpu") -> VectorEnv[Any, Any, Any]:
    """Makes a vector environment that resets itself: in the same step where it can.

    Args:
        env_id: Gymnasium's id.
        kwargs: The environment's arguments.
        num_envs: Number of environments.
        device: Given to native environments that have such an argument, unless ``kwargs`` has it.

    Raises:
        ValueError: If a native environment does not reset itself.
        gymnasium.error.Error: If there is no such environment.
    """
    spec = gym.spec(env_id)
    if spec.vector_entry_point is None:
        return gym.make_vec(
            env_id,
            num_envs,
            vectorization_mode="sync",
            vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP.value},
            **kwargs,
        )
    entry: Any = spec.vector_entry_point
    takes = inspect.signature(load_env_creator(entry) if isinstance(entry, str) else entry).parameters
    offered = {"autoreset_mode": AutoresetMode.SAME_STEP.value, "device": device}
    given = {name: value for name, value in offered.items() if name in takes}
    envs = gym.make_vec(env_id, num_envs, vectorization_mode="vector_entry_point", **{**given, **kwargs})
    if envs.metadata.get("autoreset_mode") not in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP):
        raise ValueError(f"{env_id} does not reset itself: its metadata has no such 'autoreset_mode'")
    return envs


class EpisodeTotals(VectorWrapper[Any, Any, Any, Any, Any]):
    """Sums the reward terms of each episode, at the place in the stack where it is put.

    Args:
        env: A vector environment; one that names no reward terms pays one, ``reward``. Its arrays may be NumPy's or
            PyTorch's.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        super().__init__(env)
        self._next_step = env.metadata.get("autoreset_mode") is AutoresetMode.NEXT_STEP
        self._begin(np.zeros(self.num_envs))

    def _begin(self, like: Any) -> None:
        xp = arrays_of(like)
        self._sums: dict[str, Any] = {}
        self._lengths = xp.zeros(self.num_envs, dtype=xp.int64)
        self._waiting = xp.zeros(self.num_envs, dtype=xp.bool)
        self._finished: list[dict[str, Any]] = []
        self._library = xp.array_type

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins all episodes; unfinished ones are not counted."""
        self._begin(self._lengths)
        return super().reset(seed=seed, options=options)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Takes a step, and sums up the episodes that it ends."""
        observation, rewards, terminated, truncated, infos = super().step(actions)
        if not isinstance(rewards, self._library):
            self._begin(rewards)
        xp, active = arrays_of(rewards), ~self._waiting
        for name, values in VectorInfo(infos, self.num_envs, xp).read_terms(rewards, active).items():
            # Not in place: arrays with the same content may be handed out again.
            earned = xp.where(active, values, 0.0) if self._next_step else values
            self._sums[name] = self._sums.get(name, xp.zeros(self.num_envs)) + earned
        self._lengths = self._lengths + active
        done = (terminated | truncated) & active
        if done.any():
            totals = {"length": self._lengths, **self._sums}
            self._finished.append({name: total[done] for name, total in totals.items()})
            self._sums = {name: total * ~done for name, total in self._sums.items()}
            self._lengths = self._lengths * ~done
        if self._next_step:
            self._waiting = done
        return observation, rewards, terminated, truncated, infos

    def take(self) -> dict[str, NDArray[np.float64]]:
        """Hands out the episodes that ended since the last call, in the order of their ends.

        Returns:
            ``length``, ``return`` and each term's sum, one entry an episode. Empty if there are none.
        """
        finished, self._finished = self._finished, []
        names = dict.fromkeys(name for part in finished for name in part)
        totals = {
            name: np.concatenate([_on_host(part.get(name, part["length"] * 0.0)) for part in finished])
            for name in names
        }
        if totals:
            length = totals.pop("length")
            totals = {"length": length, "return": np.sum(list(totals.values()), axis=0), **totals}
        return totals


def _on_host(values: Any) -> NDArray[np.float64]:
    return np.asarray(values.cpu() if isinstance(values, Tensor) else values, np.float64)


@dataclass
class TrainingEnvs:
    """Environments to train in.

    Attributes:
        envs: The outermost wrapper.
        raw: Episodes as the environment pays them.
        paid: Episodes as the learner is paid, by the terms of the reward wrappers; the same as ``raw`` without any.
    """

    envs: VectorEnv[Any, Any, Any]
    raw: EpisodeTotals
    paid: EpisodeTotals

    @property
    def spec(self) -> str:
        """The environment's spec as JSON."""
        spec = self.envs.spec
        assert spec is not None
        try:
            return spec.to_json()
        except (TypeError, ValueError):  # An argument that JSON does not know.
            return json.dumps({"id": spec.id, "kwargs": spec.kwargs}, default=str)

    def episode_metrics(self) -> dict[str, float]:
        """Means over the episodes that ended since the last call, as runs log them; empty if none did."""
        raw = self.raw.take()
        paid = raw if self.paid is self.raw else self.paid.take()
        if not raw:
            return {}
        means = {
            "charts/episodic_return": paid["return"].mean(),
            "charts/raw_return": raw["return"].mean(),
            "charts/episodic_length": raw["length"].mean(),
        }
        for prefix, totals in (("reward", raw), ("paid", paid)):
            means |= {f"{prefix}/{k}": v.mean() for k, v in totals.items() if k not in ("return", "length")}
        return {name: float(value) for name, value in means.items()}


def make_training_envs(
    env_id: str, kwargs: dict[str, Any], num_envs: int, specs: tuple[str, ...] = (), device: str = "cpu"
) -> TrainingEnvs:
    """Makes environments, the log of raw episodes, reward wrappers and the log of paid episodes, from the inside out.

    Args:
        env_id: Gymnasium's id.
        kwargs: The environment's arguments.
        num_envs: Number of environments.
        specs: Reward wrappers, see ``telos.wrappers.specs``.
        device: As in ``make_envs``.

    Raises:
        ValueError: If a wrapper or its arguments are wrong, or as ``make_envs``.
        gymnasium.error.Error: If there is no such environment.
    """
    raw = EpisodeTotals(make_envs(env_id, kwargs, num_envs, device))
    paid = EpisodeTotals(wrap(raw, *specs)) if specs else raw
    return TrainingEnvs(paid, raw, paid)


def final_observations(space: gym.Space[Any], infos: dict[str, Any], rows: Any) -> Any:
    """A batch of the observations with which episodes ended, of environments that reset themselves in the same step.

    Args:
        space: The space of one environment.
        infos: Of the step.
        rows: Which environments, whole numbers ``(k,)``, an array or a tensor.
    """
    finals = infos["final_obs"]
    if isinstance(finals, np.ndarray) and finals.dtype == object:
        return batching.batch_many(space, [finals[int(row)] for row in rows])
    return batching.row_in(finals, rows)


def is_on_host(observations: Any) -> bool:
    """Whether a batch of observations is of NumPy's arrays, and not of tensors."""
    while isinstance(observations, (dict, tuple)):
        observations = next(iter(observations.values() if isinstance(observations, dict) else observations))
    return not isinstance(observations, Tensor)


def save_envs(training: TrainingEnvs) -> dict[str, Any]:
    """Saves environments in the midst of their episodes.

    Returns:
        What ``load_envs`` takes: everything, pickled; of environments that cannot be pickled only what their reward
        wrappers have learned.
    """
    try:
        return {"pickle": cloudpickle.dumps(training)}
    except Exception:  # Whatever an environment raises when it is pickled.
        return {"wrappers": [face.state_dict() for face in _faces(training.envs)]}


def load_envs(saved: dict[str, Any], made: TrainingEnvs) -> tuple[TrainingEnvs, bool]:
    """Goes on with saved environments.

    Args:
        saved: From ``save_envs``, by this version of Telos. It is unpickled: load only what you trust.
        made: Environments made with the same arguments, for the case that the saved ones could not be pickled; these
            must then be reset.

    Returns:
        The environments, and whether they are where they were.
    """
    if "pickle" in saved:
        made.envs.close()
        return cloudpickle.loads(saved["pickle"]), True
    for face, state in zip(_faces(made.envs), saved["wrappers"], strict=True):
        face.load_state_dict(state)
    return made, False


def _faces(envs: Any) -> list[Face]:
    found: list[Face] = []
    while isinstance(envs, VectorWrapper):
        if isinstance(envs, Face):
            found.append(envs)
        envs = envs.env
    return found


class RewardScale:
    """Divides rewards by the running standard deviation of discounted returns, which end where episodes end.

    Args:
        num_envs: Number of environments.
        gamma: The discount.
        device: Where.

    Source: Engstrom et al., Implementation Matters in Deep RL (ICLR 2020); without the clipping there.
    """

    def __init__(self, num_envs: int, gamma: float, device: torch.device) -> None:
        self._gamma = gamma
        self._return = torch.zeros(num_envs, device=device)
        self._moments = RunningMoments((), device)

    def __call__(self, rewards: Tensor, done: Tensor, active: Tensor) -> Tensor:
        """Takes in a rollout, and returns its rewards scaled.

        Args:
            rewards: ``(steps, num_envs)``; 0 in steps that only reset.
            done: Where an episode ended, bool.
            active: False in steps that only reset, bool.
        """
        returns = torch.empty_like(rewards)
        for t, reward in enumerate(rewards):
            self._return = self._return * self._gamma + reward
            returns[t] = self._return
            self._return = self._return * ~done[t]
        self._moments.update(returns.reshape(-1), active.reshape(-1).to(returns.dtype))
        return rewards / self._moments.std.to(rewards.dtype)

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the state."""
        return {"return": self._return.clone(), "moments": self._moments.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from what ``state_dict`` returned."""
        self._return = state["return"].to(self._return.device)
        self._moments.load_state_dict(state["moments"])
