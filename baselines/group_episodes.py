"""Groups of whole episodes from the same start.

* ``make_group_envs`` - environments that wait at the end of an episode
* ``check_forks`` - whether their states can be copied
* ``play_groups`` - one episode in each of them, G from each start
* ``Episodes`` - these
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import gymnasium as gym
import numpy as np
import torch
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from torch import Tensor

from telos.baselines.episode_totals import EpisodeTotals
from telos.baselines.group_policies import SpacePolicy
from telos.baselines.networks import ObservationEncoder
from telos.baselines.training_envs import TrainingEnvs, is_on_host, trainable_steps
from telos.envs.engine.faces import Cloneable
from telos.wrappers.specs import wrap

__all__ = ["Episodes", "check_forks", "make_group_envs", "play_groups"]


@dataclass
class Episodes:
    """N whole episodes of T steps at most, those of a group side by side.

    Attributes:
        observations: ``(T, N, *shape)``.
        masks: Allowed actions, bool ``(T, N, entries)``; None if all always are.
        actions: ``(T, N, *shape)``.
        rewards: As the learner is paid, float64 ``(T, N)``; 0 behind the end.
        there: Bool ``(T, N)``, False behind the end.
        counted: Bool ``(N,)``, False where the environment says that its infrastructure failed.
        raw: Each episode's ``return``, ``length`` and reward terms as the environment pays them, float64 ``(N,)``.
        paid: The same as the learner is paid, before anything is rewritten in hindsight.
        steps: Environment steps of these episodes, and of the way to where they forked.
        idle_steps: Steps of environments that had nothing left to do and were not stopped.
        seconds: Spent in the environments.
    """

    observations: Tensor
    masks: Tensor | None
    actions: Tensor
    rewards: Tensor
    there: Tensor
    counted: Tensor
    raw: dict[str, NDArray[np.float64]]
    paid: dict[str, NDArray[np.float64]]
    steps: int
    idle_steps: int
    seconds: float


def make_group_envs(
    env_id: str, kwargs: dict[str, Any], num_envs: int, max_steps: int, specs: Sequence[str] = (), device: str = "cpu"
) -> TrainingEnvs:
    """Makes environments that are reset by masks, with the log of raw episodes, reward wrappers and that of paid ones.

    Native vector environments are taken where they can do without automatic resets and have a limit of steps, single
    ones elsewhere.

    Args:
        env_id: Gymnasium's id.
        kwargs: The environment's arguments.
        num_envs: Number of environments.
        max_steps: Steps after which an episode is truncated, if the environment does not do so before.
        specs: Reward wrappers, see ``telos.wrappers.specs``.
        device: Given to native environments that have such an argument, unless ``kwargs`` has it.

    Raises:
        ValueError: If a wrapper or its arguments are wrong.
        gymnasium.error.Error: If there is no such environment.
    """
    spec = gym.spec(env_id)
    limits = (max_steps, spec.max_episode_steps, kwargs.get("max_episode_steps"))
    kwargs = {**kwargs, "max_episode_steps": min(limit for limit in limits if limit is not None)}
    raw = EpisodeTotals(
        _native(env_id, spec.vector_entry_point, kwargs, num_envs, device) or _sync(env_id, kwargs, num_envs)
    )
    paid = EpisodeTotals(wrap(raw, *specs)) if specs else raw
    return TrainingEnvs(paid, raw, paid)


def _native(
    env_id: str, entry: Any, kwargs: dict[str, Any], num_envs: int, device: str
) -> VectorEnv[Any, Any, Any] | None:
    if entry is None:
        return None
    takes = inspect.signature(load_env_creator(entry) if isinstance(entry, str) else entry).parameters
    if not {"autoreset_mode", "max_episode_steps"} <= set(takes):
        return None
    offered = {"autoreset_mode": AutoresetMode.DISABLED.value, **({"device": device} if "device" in takes else {})}
    return gym.make_vec(env_id, num_envs, vectorization_mode="vector_entry_point", **{**offered, **kwargs})


def _sync(env_id: str, kwargs: dict[str, Any], num_envs: int) -> VectorEnv[Any, Any, Any]:
    mode = {"autoreset_mode": AutoresetMode.DISABLED.value}
    return gym.make_vec(env_id, num_envs, vectorization_mode="sync", vector_kwargs=mode, **kwargs)


def check_forks(training: TrainingEnvs) -> None:
    """Raises ``ValueError`` if states of the environments cannot be copied from one to another."""
    if not isinstance(training.envs.unwrapped, Cloneable):
        raise ValueError(
            f"the states of {training.envs.unwrapped} cannot be copied, which forks need; take --group-from seeds"
        )


class _Player:
    """Acts in environments and begins their episodes anew where they have ended.

    Args:
        envs: The environments.
        encode: What encodes their observations.
        policy: What acts.
        generator: Draws the actions.

    Attributes:
        observations: What the policy sees next.
        masks: Allowed actions, or None.
        infos: Of the last step.
        seconds: Spent in the environments.
    """

    def __init__(
        self,
        envs: VectorEnv[Any, Any, Any],
        encode: ObservationEncoder,
        policy: SpacePolicy,
        generator: torch.Generator,
    ) -> None:
        self.envs, self._encode, self._policy, self._generator = envs, encode, policy, generator
        self.observations, self.infos, self.seconds = torch.empty(0), dict[str, Any](), 0.0
        self.masks: Tensor | None = None
        self._on_host = True

    def reset(self, seeds: list[int]) -> None:
        """Begins all episodes."""
        began = time.perf_counter()
        observations, infos = self.envs.reset(seed=seeds)  # type: ignore[arg-type]
        self.seconds += time.perf_counter() - began
        self._on_host = is_on_host(observations)
        self._see(observations, self._encode.action_mask(observations, infos))

    def _see(self, observations: Any, masks: Tensor | None) -> None:
        # Copies: environments may write into what they hand out.
        self.observations, self.masks = self._encode(observations).clone(), None if masks is None else masks.clone()

    def step(self) -> tuple[Tensor, Any, Tensor]:
        """Takes a step; returns the actions, the rewards as they come, and where episodes ended, bool ``(N,)``."""
        actions = self._policy.sample(self.observations, self.masks, self._generator)
        chosen = self._policy.to_env(actions, self._on_host)
        began = time.perf_counter()
        observations, rewards, terminated, truncated, self.infos = self.envs.step(chosen)
        self.seconds += time.perf_counter() - began
        self._see(observations, self._encode.action_mask(observations, self.infos))
        return actions, rewards, torch.as_tensor(terminated | truncated, device=self._encode.device)

    def begin_anew(self, ended: Tensor) -> None:
        """Begins an episode where one has ended."""
        if not bool(ended.any()):
            return
        began = time.perf_counter()
        observations, infos = self.envs.reset(options={"reset_mask": ended.cpu().numpy()})
        self.seconds += time.perf_counter() - began
        masks = self._encode.action_mask(observations, infos)
        if masks is not None and self.masks is not None:
            # Others' infos may be missing.
            masks = torch.where(ended[:, None], masks, self.masks)
        self._see(observations, masks)


@torch.no_grad()
def play_groups(
    training: TrainingEnvs,
    encode: ObservationEncoder,
    policy: SpacePolicy,
    generator: torch.Generator,
    seeds: NDArray[np.int64],
    fork_at: NDArray[np.int64] | None = None,
) -> Episodes:
    """Plays one episode in each environment.

    The environments of a group are reset with the same seed. With ``fork_at`` the first of them then plays that many
    steps, or up to the last before its episode ends; the others continue from its state, and the episodes begin there.
    The reward wrappers see them from there on.

    Args:
        training: N environments from ``make_group_envs``.
        encode: What encodes their observations.
        policy: What acts.
        generator: Draws the actions.
        seeds: One a group, ``(groups,)``; N must be a multiple of their number.
        fork_at: Steps to each group's fork, ``(groups,)``, see ``check_forks``; None for none.
    """
    raw_totals, paid_totals = training.raw, training.paid
    assert isinstance(raw_totals, EpisodeTotals)
    assert isinstance(paid_totals, EpisodeTotals)
    n = training.envs.num_envs
    size = n // len(seeds)
    player = _Player(training.envs, encode, policy, generator)
    player.reset(np.repeat(seeds, size).tolist())
    ahead = 0 if fork_at is None else _fork(raw_totals.env, player, fork_at, size)
    running = torch.ones(n, dtype=torch.bool, device=encode.device)
    counted, idle = running.clone(), 0
    steps: list[tuple[Tensor, ...]] = []
    rewritten: dict[int, Any] = {}
    while True:
        seen, masks = player.observations, player.masks
        actions, rewards, ended = player.step()
        paid = torch.as_tensor(rewards, dtype=torch.float64, device=encode.device)
        counted &= ~running | trainable_steps(rewards, player.infos, encode.device)
        steps.append((seen, actions, torch.where(running, paid, 0.0), running, *(() if masks is None else (masks,))))
        idle += int((~running).sum())
        rewritten |= _hindsight(player.infos, running & ended)
        running = running & ~ended
        if not bool(running.any()):
            break
        player.begin_anew(ended)
    observations, chosen, paid, there, *allowed = (torch.stack(column) for column in zip(*steps, strict=True))
    for row, reward in rewritten.items():
        paid[: len(reward), row] = torch.as_tensor(reward, dtype=torch.float64)
    raw = _first_episodes(raw_totals)
    return Episodes(
        observations=observations,
        masks=allowed[0] if allowed else None,
        actions=chosen,
        rewards=paid,
        there=there,
        counted=counted,
        raw=raw,
        paid=raw if paid_totals is raw_totals else _first_episodes(paid_totals),
        steps=int(there.sum()) + ahead,
        idle_steps=idle,
        seconds=player.seconds,
    )


def _hindsight(infos: dict[str, Any], ended: Tensor) -> dict[int, Any]:
    """The rewards ``(T,)`` of the episodes that ended and are rewritten in hindsight, by environment."""
    if "hindsight" not in infos:
        return {}
    found = ((int(row), infos["hindsight"][int(row)]) for row in ended.nonzero()[:, 0])
    return {row: hindsight.reward for row, hindsight in found if hindsight is not None}


def _first_episodes(totals: EpisodeTotals) -> dict[str, NDArray[np.float64]]:
    """The first episode of each environment: later ones are idle."""
    found = totals.take()
    _, first = np.unique(found.pop("row"), return_index=True)
    return {name: values[first].astype(np.float64) for name, values in found.items()}


def _fork(inner: VectorEnv[Any, Any, Any], player: _Player, fork_at: NDArray[np.int64], size: int) -> int:
    """Brings each group to its fork in the environments below the wrappers; returns the steps on the way there."""
    states = cast("Cloneable", inner.unwrapped)
    leads = np.arange(len(fork_at)) * size
    alive, taken, outer = np.ones(len(leads), np.bool_), np.zeros(len(leads), np.int64), player.envs
    kept, seen, masks = states.clone_state(), player.observations.clone(), player.masks
    masks = None if masks is None else masks.clone()
    player.envs = inner
    for step in range(1, int(fork_at.max()) + 1):
        _, _, ended = player.step()
        alive &= ~ended.cpu().numpy()[leads]
        going = alive & (step <= fork_at)
        if not going.any():
            break
        player.begin_anew(ended)
        rows, now = leads[going].tolist(), states.clone_state()
        for own, new in zip(_leaves(kept), _leaves(now), strict=True):
            own[rows] = new[rows]
        seen[rows] = player.observations[rows]
        if masks is not None and player.masks is not None:
            masks[rows] = player.masks[rows]
        taken += going
    player.envs = outer
    parents = np.repeat(leads, size).tolist()
    for own in _leaves(kept):
        own[...] = own[parents]
    states.restore_state(kept)
    player.observations, player.masks = seen[parents], None if masks is None else masks[parents]
    return int(taken.sum())


def _leaves(snapshot: Any) -> list[Any]:
    """The arrays of a copy of states."""
    return [*snapshot.clock, *snapshot.state]
