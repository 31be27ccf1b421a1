"""What off-policy learners see and remember: transitions over one or more steps, with discrete actions.

* ``Player`` - steps a vector environment
* ``Step`` - what one step showed
* ``Window`` - makes transitions over n steps
* ``Replay`` - keeps them, and draws batches
* ``Batch`` - transitions
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from torch import Tensor

from telos.baselines.networks import ObservationEncoder
from telos.baselines.training_envs import final_observations, is_on_host, trainable_steps

__all__ = ["Batch", "Player", "Replay", "Step", "Window", "allowed", "to_env"]


class Batch(NamedTuple):
    """B transitions over up to n steps.

    Attributes:
        observations: ``(B, *shape)``.
        actions: Int64 ``(B,)``, from 0.
        returns: Discounted sums of the rewards until ``following``, float32 ``(B,)``.
        following: Observations that follow, ``(B, *shape)``.
        discounts: Of their values, float32 ``(B,)``: gamma to the number of steps; 0 if the episode terminated.
        masks: Actions that are allowed there, bool ``(B, actions)``; None if all always are.
    """

    observations: Tensor
    actions: Tensor
    returns: Tensor
    following: Tensor
    discounts: Tensor
    masks: Tensor | None


class Step(NamedTuple):
    """What one step of N environments showed.

    Attributes:
        rewards: Float32 ``(N,)``.
        terminated: Bool ``(N,)``.
        truncated: Bool ``(N,)``.
        learnable: Bool ``(N,)``: False in steps that only reset or whose infrastructure failed.
        following: What the step arrived at, also where the episode ended, ``(N, *shape)``.
        masks: Actions that are allowed there, bool ``(N, actions)``; None if all always are.
    """

    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    learnable: Tensor
    following: Tensor
    masks: Tensor | None


def allowed(observations: Any, infos: dict[str, Any], encode: ObservationEncoder) -> Tensor | None:
    """Returns which actions are allowed, bool ``(n, actions)``; None if the environment does not say.

    Where none is, as may be after the end, all are.
    """
    mask = encode.action_mask(observations, infos)
    return None if mask is None else mask | ~mask.any(dim=1, keepdim=True)


def to_env(actions: Tensor, space: spaces.Discrete, on_host: bool) -> Any:
    """Returns actions, counted from 0, as the environments want them: as an array on the host, or a tensor."""
    chosen = actions + int(space.start)
    return chosen.cpu().numpy() if on_host else chosen


class Player:
    """Steps environments that reset themselves, whether in the same step or in the next.

    Args:
        envs: The environments.
        actions: The space of one environment's actions.
        encode: What encodes observations.

    Attributes:
        observations: What the next actions are for, ``(N, *shape)``.
        masks: Actions that are allowed, bool ``(N, actions)``; None if the environment does not say.
    """

    def __init__(self, envs: VectorEnv[Any, Any, Any], actions: spaces.Discrete, encode: ObservationEncoder) -> None:
        self._envs, self._actions, self._encode, self._device = envs, actions, encode, encode.device
        self._next_step = envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP

    def begin(self, seed: int) -> None:
        """Begins all episodes; environment ``i`` is seeded ``seed + i``."""
        observations, infos = self._envs.reset(seed=seed)
        self._on_host = is_on_host(observations)
        self._waiting = torch.zeros(self._envs.num_envs, dtype=torch.bool, device=self._device)
        # A copy, here and below: environments may write into what they handed out.
        self.observations = self._encode(observations).clone()
        self.masks = allowed(observations, infos, self._encode)

    def step(self, actions: Tensor) -> tuple[Step, float]:
        """Takes a step in every environment.

        Args:
            actions: Int64 ``(N,)``, from 0.

        Returns:
            The step, and the seconds that the environments took.
        """
        chosen = to_env(actions, self._actions, self._on_host)
        began = time.perf_counter()
        observations, rewards, *ends, infos = self._envs.step(chosen)
        seconds = time.perf_counter() - began
        self.observations, self.masks = self._encode(observations).clone(), allowed(observations, infos, self._encode)
        terminated, truncated = (torch.as_tensor(end, device=self._device) for end in ends)
        learnable = ~self._waiting & trainable_steps(rewards, infos, self._device)
        done = (terminated | truncated) & ~self._waiting
        following, masks = self.observations, self.masks
        if self._next_step:
            self._waiting = done
        elif bool(done.any()):
            following, masks = self._with_finals(done.nonzero()[:, 0], infos)
        paid = torch.as_tensor(rewards, device=self._device).float()
        return Step(paid, terminated, truncated, learnable, following, masks), seconds

    def _with_finals(self, rows: Tensor, infos: dict[str, Any]) -> tuple[Tensor, Tensor | None]:
        """Copies in which finished episodes have their final observations, and not the first of the next ones."""
        places: Any = rows.cpu().numpy() if self._on_host else rows
        finals = final_observations(self._envs.single_observation_space, infos, places)
        told = infos.get("final_info", {}).get("action_mask")
        there = allowed(finals, {} if told is None else {"action_mask": told[places]}, self._encode)
        following, masks = self.observations.index_copy(0, rows, self._encode(finals)), self.masks
        if masks is not None:
            masks = masks.clone()
            masks[rows] = torch.ones_like(masks[rows]) if there is None else there
        return following, masks

    def state_dict(self) -> dict[str, Any]:
        """Returns everything but the environments."""
        names = ("observations", "masks", "_waiting", "_on_host")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from what ``state_dict`` returned."""
        _restore(self, state, self._device)


class Window:
    """The last n steps of N environments, which wait for the rewards that follow them.

    A transition is complete after n steps, or where its episode ends; a truncated one then continues with the value of
    the final observation, discounted by the steps that there were.

    Args:
        n: Steps.
        gamma: The discount.
        observations: Of N environments, an example.

    Source: Sutton and Barto, Reinforcement Learning (2018), equation 7.1; ends as in Pardo et al., Time Limits in
    Reinforcement Learning (ICML 2018).
    """

    def __init__(self, n: int, gamma: float, observations: Tensor) -> None:
        self._n, self._gamma, self._steps = n, gamma, 0
        shape, device = (n, len(observations)), observations.device
        self._observations = observations.new_zeros(n, *observations.shape)
        self._actions = torch.zeros(shape, dtype=torch.int64, device=device)
        self._returns, self._discounts = torch.zeros(shape, device=device), torch.zeros(shape, device=device)
        self._waiting = torch.zeros(shape, dtype=torch.bool, device=device)

    def add(self, observations: Tensor, actions: Tensor, step: Step) -> Batch:
        """Takes in a step from these observations by these actions, and returns what it completes."""
        newest = self._steps % self._n
        self._steps += 1
        self._observations[newest], self._actions[newest] = observations, actions
        self._returns[newest], self._discounts[newest], self._waiting[newest] = 0.0, 1.0, True
        self._waiting &= step.learnable
        self._returns += self._discounts * step.rewards
        self._discounts *= self._gamma
        complete = self._waiting & (step.terminated | step.truncated)
        oldest = self._steps % self._n
        complete[oldest] = self._waiting[oldest]
        self._waiting &= ~complete
        slots, rows = complete.nonzero(as_tuple=True)
        return Batch(
            self._observations[slots, rows],
            self._actions[slots, rows],
            self._returns[slots, rows],
            step.following[rows],
            self._discounts[slots, rows] * ~step.terminated[rows],
            None if step.masks is None else step.masks[rows],
        )

    def state_dict(self) -> dict[str, Any]:
        """Returns what waits."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from what ``state_dict`` returned."""
        _restore(self, state, self._waiting.device)


class Replay:
    """The last transitions, in arrays that are allocated once.

    Args:
        capacity: Number of transitions.
        like: Transitions, for the shapes, dtypes and the device; any number of them.
    """

    def __init__(self, capacity: int, like: Batch) -> None:
        self._rows = _each(like, lambda part: part.new_zeros(capacity, *part.shape[1:]))
        self._capacity, self._added = capacity, 0

    def __len__(self) -> int:
        return min(self._added, self._capacity)

    def add(self, batch: Batch) -> None:
        """Remembers transitions, no more than the capacity, and forgets the oldest for them."""
        count = len(batch.actions)
        places = torch.arange(self._added, self._added + count, device=batch.actions.device) % self._capacity
        for kept, new in zip(self._rows, batch, strict=True):
            if kept is not None and new is not None:
                kept[places] = new
        self._added += count

    def sample(self, count: int, generator: torch.Generator) -> Batch:
        """Draws transitions uniformly, with replacement."""
        chosen = torch.randint(len(self), (count,), generator=generator, device=self._rows.actions.device)
        return _each(self._rows, lambda part: part[chosen])

    def state_dict(self) -> dict[str, Any]:
        """Returns what is remembered."""
        return {"added": self._added, "rows": tuple(_each(self._rows, lambda part: part[: len(self)].clone()))}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from what ``state_dict`` returned."""
        self._added = state["added"]
        for kept, saved in zip(self._rows, state["rows"], strict=True):
            if kept is not None:
                kept[: len(self)] = saved


def _each(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    return Batch._make(None if part is None else change(part) for part in batch)


def _restore(owner: object, state: dict[str, Any], device: torch.device) -> None:
    for name, value in state.items():
        setattr(owner, name, value.to(device) if isinstance(value, Tensor) else value)
