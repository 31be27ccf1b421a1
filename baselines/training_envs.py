"""Vector environments to train in: made, watched, seeded and saved.

* ``make_envs`` - the environments, native where there is a native vector entry point
* ``make_training_envs`` - these, with reward wrappers between two logs of episodes
* ``training_seed`` - seeds of environments, apart from those of evaluations
* ``final_observations``, ``trainable_steps``, ``waiting_rows``, ``is_on_host`` - what comes out of environments
* ``save_envs``, ``load_envs`` - running episodes in a checkpoint
* ``RewardScale`` - rewards in units of the returns' deviation
"""

from __future__ import annotations

import inspect
import io
import json
import pickle
from dataclasses import dataclass
from typing import Any, Protocol

import cloudpickle  # type: ignore[import-untyped]
import gymnasium as gym
import numpy as np
import torch
from gymnasium.envs.registration import load_env_creator
from gymnasium.utils import EzPickle
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import NDArray
from torch import Tensor

import telos  # noqa: F401 - registers the environments
from telos.baselines.episode_totals import EpisodeTotals
from telos.wrappers import batching
from telos.wrappers.arrays import arrays_of
from telos.wrappers.infos import VectorInfo, trainable_rows
from telos.wrappers.networks import RunningMoments
from telos.wrappers.specs import wrap
from telos.wrappers.stacks import Face

__all__ = [
    "EVALUATION_SEED",
    "RewardScale",
    "TrainingEnvs",
    "final_observations",
    "is_on_host",
    "load_envs",
    "make_envs",
    "make_training_envs",
    "save_envs",
    "trainable_steps",
    "training_seed",
    "waiting_rows",
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


def make_envs(
    env_id: str, kwargs: dict[str, Any], num_envs: int, device: str = "cpu", same_step: bool = False
) -> VectorEnv[Any, Any, Any]:
    """Makes a vector environment that resets itself: in the same step where it can.

    Args:
        env_id: Gymnasium's id.
        kwargs: The environment's arguments.
        num_envs: Number of environments.
        device: Given to native environments that have such an argument, unless ``kwargs`` has it.
        same_step: Whether it must reset in the same step: where the native one does not, single environments do.

    Raises:
        ValueError: If a native environment does not reset itself.
        gymnasium.error.Error: If there is no such environment.
    """
    entry: Any = gym.spec(env_id).vector_entry_point
    if entry is not None:
        takes = inspect.signature(load_env_creator(entry) if isinstance(entry, str) else entry).parameters
        offered = {"autoreset_mode": AutoresetMode.SAME_STEP.value, "device": device}
        given = {name: value for name, value in offered.items() if name in takes}
        envs = gym.make_vec(env_id, num_envs, vectorization_mode="vector_entry_point", **{**given, **kwargs})
        mode = envs.metadata.get("autoreset_mode")
        if mode not in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP):
            raise ValueError(f"{env_id} does not reset itself: its metadata has no such 'autoreset_mode'")
        if mode is AutoresetMode.SAME_STEP or not same_step:
            return envs
        envs.close()
    return gym.make_vec(
        env_id,
        num_envs,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP.value},
        **kwargs,
    )


class Totals(Protocol):
    """Sums up episodes, as ``EpisodeTotals``."""

    def take(self) -> dict[str, NDArray[Any]]:
        """Hands out the episodes that ended since the last call, as ``EpisodeTotals.take``."""


@dataclass
class TrainingEnvs:
    """Environments to train in.

    Attributes:
        envs: The outermost wrapper.
        raw: Episodes as the environment pays them.
        paid: Episodes as the learner is paid, by the terms of the reward wrappers; the same as ``raw`` without any.
    """

    envs: VectorEnv[Any, Any, Any]
    raw: Totals
    paid: Totals

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
            means |= {f"{prefix}/{k}": v.mean() for k, v in totals.items() if k not in ("row", "return", "length")}
        return {name: float(value) for name, value in means.items()}


def make_training_envs(
    env_id: str,
    kwargs: dict[str, Any],
    num_envs: int,
    specs: tuple[str, ...] = (),
    device: str = "cpu",
    same_step: bool = False,
) -> TrainingEnvs:
    """Makes environments, the log of raw episodes, reward wrappers and the log of paid episodes, from the inside out.

    Args:
        env_id: Gymnasium's id.
        kwargs: The environment's arguments.
        num_envs: Number of environments.
        specs: Reward wrappers, see ``telos.wrappers.specs``.
        device: As in ``make_envs``.
        same_step: As in ``make_envs``.

    Raises:
        ValueError: If a wrapper or its arguments are wrong, or as ``make_envs``.
        gymnasium.error.Error: If there is no such environment.
    """
    raw = EpisodeTotals(make_envs(env_id, kwargs, num_envs, device, same_step))
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


def trainable_steps(rewards: Any, infos: dict[str, Any], device: torch.device) -> Any:
    """Where the environment does not say that a step must not be learned from: bool ``(num_envs,)`` or True.

    Args:
        rewards: Of the step, ``(num_envs,)``, an array or a tensor.
        infos: Of the step.
        device: Where the answer is to be.
    """
    if "trainable" not in infos and "trainable" not in infos.get("final_info", ()):
        return True
    xp = arrays_of(rewards)
    rows = trainable_rows(VectorInfo(infos, len(rewards), xp), ~xp.zeros(len(rewards), dtype=xp.bool))
    return torch.as_tensor(rows, dtype=torch.bool, device=device)


def waiting_rows(infos: dict[str, Any], like: Any) -> Any:
    """Where the next step is not the row's: its agent is gone, as ``infos["acting"]`` says. Nowhere by default.

    Args:
        infos: Of a step or a reset of environments that reset themselves in the same step.
        like: A bool array or tensor of the answer's shape, ``(num_envs,)``, library and device.
    """
    if "acting" not in infos:
        return like & ~like
    xp = arrays_of(like)
    return ~xp.asarray(infos["acting"], dtype=xp.bool)


def is_on_host(observations: Any) -> bool:
    """Whether a batch of observations is of NumPy's arrays, and not of tensors."""
    while isinstance(observations, (dict, tuple)):
        observations = next(iter(observations.values() if isinstance(observations, dict) else observations))
    return not isinstance(observations, Tensor)


def save_envs(training: TrainingEnvs) -> dict[str, Any]:
    """Saves environments in the midst of their episodes.

    Returns:
        What ``load_envs`` takes: everything, pickled; of environments that cannot be pickled in the midst of an episode
        only what their reward wrappers have learned.
    """
    try:
        file = io.BytesIO()
        _Pickler(file).dump(training)
        return {"pickle": file.getvalue()}
    except Exception:  # Whatever an environment raises when it is pickled.
        return {"wrappers": [face.state_dict() for face in _faces(training.envs)]}


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # It has no types.
    """Refuses ``EzPickle``, which keeps an environment's arguments, and not where it is."""

    def reducer_override(self, value: Any) -> Any:
        """See ``pickle.Pickler``."""
        if isinstance(value, EzPickle) and type(value).__getstate__ is EzPickle.__getstate__:
            raise pickle.PicklingError(f"{type(value).__name__} would begin anew")
        return super().reducer_override(value)


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
    # A view of several environments has wrappers around each of them.
    return found + list(getattr(envs, "reward_wrappers", ()))


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
