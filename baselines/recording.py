"""Records what policies do, for learning from it.

* ``record_episodes`` - plays a policy and returns its episodes, as ``telos.wrappers.save_episodes`` takes them
* ``EpisodeRecorder`` - keeps the episodes of a vector environment
* ``MASK_BEFORE`` - the info key of the actions that were allowed in a step
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import NDArray

from telos.baselines.evaluation import Evaluation, Policy, evaluate_in, shares_of
from telos.baselines.training_envs import make_envs, training_seed
from telos.wrappers.arrays import arrays_of
from telos.wrappers.batching import copied, row_in, with_final
from telos.wrappers.episodes import Episode
from telos.wrappers.infos import VectorInfo

__all__ = ["MASK_BEFORE", "EpisodeRecorder", "record_episodes"]

MASK_BEFORE = "action_mask_before"
"""Info key under which a step keeps the actions that were allowed when its action was chosen. The environment's own
``action_mask`` in the info of a step is that of the next one, and an ``Episode`` has no info of the reset."""


def record_episodes(
    policy: Policy,
    env_id: str,
    kwargs: dict[str, Any] | None = None,
    *,
    episodes: int = 100,
    num_envs: int = 32,
    seed: int = 0,
    max_steps: int = 1_000_000,
    device: str = "cpu",
    infos: Collection[str] = (),
) -> tuple[list[Episode], Evaluation]:
    """Plays exactly so many episodes in new environments without reward wrappers, and keeps them.

    Every environment plays a fixed share of them, as in ``evaluate``. Seeds are those of training: never those of
    evaluations.

    Args:
        policy: What acts.
        env_id: Gymnasium's id.
        kwargs: The environment's arguments.
        episodes: How many, at least 1.
        num_envs: Environments at a time, at most.
        seed: Of the play; the environments' are drawn from it, see ``training_seed``.
        max_steps: Steps of one environment after which to give up.
        device: As in ``make_envs``.
        infos: Further info keys to keep, as ``EpisodeRecorder``.

    Returns:
        The episodes, those of the first environment first, and what they were worth.

    Raises:
        ValueError: If ``episodes`` or ``seed`` is too small, or as ``evaluate_in`` and ``make_envs``.

    Example:
        >>> from telos.baselines.policies.registry import make_policy
        >>> policy = make_policy("random", "StepChain-v0", {}, seed=1)
        >>> episodes, worth = record_episodes(policy, "StepChain-v0", episodes=10, seed=1)
        >>> len(episodes), len(worth.returns)
        (10, 10)
    """
    if episodes < 1 or seed < 0:
        raise ValueError(f"episodes must be at least 1 and seed at least 0, got {episodes} and {seed}")
    n = min(num_envs, episodes)
    envs = make_envs(env_id, dict(kwargs or {}), n, device)
    try:
        recorder = EpisodeRecorder(envs, shares_of(episodes, n), infos)
        worth = evaluate_in(recorder, policy, episodes, training_seed(seed, n), max_steps)
        return recorder.episodes, worth
    finally:
        envs.close()


class EpisodeRecorder(VectorWrapper[Any, Any, Any, Any, Any]):
    """Keeps finished episodes: observations, actions, reward terms, how they ended, and infos.

    Args:
        env: The environments, without reward wrappers; they reset themselves. Their arrays may be NumPy's or PyTorch's.
        shares: How many episodes to keep of each environment, its first ones, int64 ``(num_envs,)``.
        infos: Info keys to keep beside ``trainable`` and ``MASK_BEFORE``: numbers, or arrays of one shape. NaN counts
            as missing.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], shares: NDArray[np.int64], infos: Collection[str] = ()) -> None:
        super().__init__(env)
        self._next_step = env.metadata.get("autoreset_mode") is AutoresetMode.NEXT_STEP
        self._keys, self._shares = ("trainable", *infos), shares
        space = env.single_observation_space
        # Such a mask is part of the observations already.
        self._observes_mask = isinstance(space, spaces.Dict) and "action_mask" in space.spaces
        self._finished: list[list[Episode]] = [[] for _ in range(self.num_envs)]

    @property
    def episodes(self) -> list[Episode]:
        """What was kept, the episodes of the first environment first."""
        return [episode for kept in self._finished for episode in kept]

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins all episodes; unfinished ones are forgotten."""
        observations, infos = super().reset(seed=seed, options=options)
        self._steps: list[dict[str, Any]] = []
        self._forgotten, self._begun = 0, np.zeros(self.num_envs, np.int64)
        self._waiting = np.zeros(self.num_envs, np.bool_)
        self._see(observations, infos)
        return observations, infos

    def _see(self, observations: Any, infos: dict[str, Any]) -> None:
        """Keeps what the next actions are for."""
        self._seen = {"obs": on_host(copied(observations))}
        if "action_mask" in infos and not self._observes_mask:
            self._seen["mask"] = on_host(copied(infos["action_mask"]))

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Takes a step, and keeps the episodes that it ends."""
        # A copy: whoever acts may write into its array again.
        chosen = on_host(copied(actions))
        observations, rewards, terminated, truncated, infos = super().step(actions)
        xp, ends = arrays_of(rewards), (on_host(terminated), on_host(truncated))
        info = VectorInfo(infos, self.num_envs, xp)
        terms = info.read_terms(rewards, xp.asarray(~self._waiting))
        kept = {key: _numbers(key, info) for key in self._keys if info.has(key)}
        self._steps.append(
            {**self._seen, "actions": chosen, "terms": {k: on_host(v) for k, v in terms.items()}, "infos": kept}
        )
        done = (ends[0] | ends[1]) & ~self._waiting
        if done.any():
            finals = on_host(with_final(self.single_observation_space, observations, infos))
            for row in np.flatnonzero(done).tolist():
                if len(self._finished[row]) < self._shares[row]:
                    self._finished[row].append(self._episode(row, finals, bool(ends[0][row]), bool(ends[1][row])))
        now = self._forgotten + len(self._steps)
        self._begun[self._waiting if self._next_step else done] = now
        self._waiting = done if self._next_step else self._waiting
        wanted = [len(kept) < share for kept, share in zip(self._finished, self._shares, strict=True)]
        oldest = int(np.where(wanted, self._begun, now).min())
        del self._steps[: oldest - self._forgotten]
        self._forgotten = oldest
        self._see(observations, infos)
        return observations, rewards, terminated, truncated, infos

    def _episode(self, row: int, finals: Any, terminated: bool, truncated: bool) -> Episode:
        """The episode that ends now in one environment."""
        steps = self._steps[self._begun[row] - self._forgotten :]
        names = dict.fromkeys(name for step in steps for name in step["terms"])
        terms = {
            name: np.array([step["terms"][name][row] if name in step["terms"] else 0.0 for step in steps])
            for name in names
        }
        infos: list[dict[str, Any]] = []
        for step in steps:
            found = {key: values[row] for key, values in step["infos"].items()}
            told = {key: value for key, value in found.items() if not np.isnan(value).any()}
            infos.append(told | ({MASK_BEFORE: step["mask"][row]} if "mask" in step else {}))
        return Episode(
            _stacked([*(row_in(step["obs"], row) for step in steps), row_in(finals, row)]),
            _stacked([row_in(step["actions"], row) for step in steps]),
            terms,
            terminated,
            truncated,
            infos if any(infos) else None,
        )


def on_host(batch: Any) -> Any:
    """Returns a batch of observations or actions, or an array or tensor, with NumPy's arrays."""
    if isinstance(batch, dict):
        return {key: on_host(part) for key, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(on_host(part) for part in batch)
    return np.asarray(batch.cpu() if hasattr(batch, "cpu") else batch)


def _numbers(key: str, info: VectorInfo) -> NDArray[Any]:
    values: NDArray[Any] = on_host(info.get(key, float("nan")))
    if values.dtype.kind not in "biuf":
        raise ValueError(f"info {key!r} cannot be recorded: only numbers and arrays of one shape can")
    return values


def _stacked(values: list[Any]) -> Any:
    """Returns elements of one space as arrays, dicts and tuples with a new first axis."""
    first = values[0]
    if isinstance(first, dict):
        return {key: _stacked([value[key] for value in values]) for key in first}
    if isinstance(first, tuple):
        return tuple(_stacked([value[k] for value in values]) for k in range(len(first)))
    return np.stack(values)
