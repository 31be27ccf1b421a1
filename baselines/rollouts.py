"""Rollouts of on-policy learners: collected, kept on the learner's device, and judged.

* ``Start`` - where the environments are between two rollouts
* ``Rollout`` - what happened in T steps; ``Batch`` - steps to learn from
* ``begin`` - begins all episodes; ``acting`` - draws actions and keeps them; ``collect`` - fills a rollout
* ``advantages_of`` - generalised advantage estimates
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from torch import Tensor

from telos.baselines.action_heads import ActionHead
from telos.baselines.networks import ActorCritic, ObservationEncoder
from telos.baselines.training_envs import final_observations, is_on_host, trainable_steps, waiting_rows
from telos.wrappers import split_reward

__all__ = ["Act", "Batch", "Rollout", "Start", "acting", "advantages_of", "begin", "collect"]


@dataclass
class Start:
    """Where N environments are between two rollouts: what the policy sees next.

    Attributes:
        observations: ``(N, *shape)``.
        masks: Allowed actions, bool ``(N, entries)``; None if all always are.
        begins: Where an episode begins, bool ``(N,)``.
        waiting: Where the next step only resets, or is not the row's, as that agent is gone: bool ``(N,)``.
        memory: Of the network, ``(N, hidden)``; None without a recurrent cell.
        on_host: Whether the environments take and return NumPy's arrays, and not tensors.
    """

    observations: Tensor
    masks: Tensor | None
    begins: Tensor
    waiting: Tensor
    memory: Tensor | None
    on_host: bool

    def to(self, device: torch.device) -> Start:
        """The same on a device."""
        moved: dict[str, Any] = {
            name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return dataclasses.replace(self, **moved)


class Rollout:
    """T steps of N environments and H kinds of reward, allocated once.

    Attributes:
        observations: ``(T, N, *shape)``.
        actions: ``(T, N, *shape)``.
        outputs: Of the policy, ``(T, N, outputs)``.
        masks: As in ``Start``, ``(T, N, entries)``.
        values: ``(T + 1, N, H)``, the last those behind the last step.
        rewards: ``(T, N, H)``, 0 in steps that only reset.
        finals: Values of the observations with which truncated episodes ended, ``(T, N, H)``; anything elsewhere.
        terminated: Bool ``(T, N)``.
        truncated: Bool ``(T, N)``.
        active: Bool ``(T + 1, N)``; False in steps that only reset.
        learnable: Bool ``(T, N)``; False also where the environment says that its infrastructure failed.
        begins: Bool ``(T, N)``.
        memory: As in ``Start``, before the first step.
    """

    def __init__(self, steps: int, start: Start, head: ActionHead, heads: int) -> None:
        n, device = len(start.begins), start.begins.device

        def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(steps, n, *shape, dtype=dtype, device=device)

        self.observations = empty(*start.observations.shape[1:], dtype=start.observations.dtype)
        self.actions, self.outputs = empty(*head.shape, dtype=head.dtype), empty(head.outputs)
        self.masks = None if start.masks is None else empty(*start.masks.shape[1:], dtype=torch.bool)
        self.rewards, self.finals = empty(heads), empty(heads)
        self.values = torch.zeros(steps + 1, n, heads, device=device)
        self.terminated, self.truncated, self.learnable, self.begins = (empty(dtype=torch.bool) for _ in range(4))
        self.active = torch.ones(steps + 1, n, dtype=torch.bool, device=device)
        self.memory = start.memory

    def writable(self, on_host: bool) -> Any:
        """The same to write what came from environments: as NumPy's arrays where these and the rollout are on the host.

        They share the tensors' memory. Writing a step into an array takes a fifth of the time.
        """
        if not on_host or self.rewards.device.type != "cpu":
            return self
        return SimpleNamespace(**{name: x.numpy() for name, x in vars(self).items() if isinstance(x, Tensor)})


class Batch(NamedTuple):
    """B steps to learn from, as in ``Rollout`` without the axis of time; in whole sequences if there is a memory."""

    observations: Tensor
    masks: Tensor | None
    actions: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor
    weights: Tensor | None
    begins: Tensor
    memory: Tensor | None

    def pick(self, index: Any, memory: Tensor | None = None) -> Batch:
        """Some of the steps, with another memory."""
        return Batch(*(None if x is None else x[index] for x in self[:-1]), memory)  # type: ignore[arg-type, call-arg]

    def flat(self) -> Batch:
        """The same with the first two axes joined."""
        return Batch(*(None if x is None else x.flatten(0, 1) for x in self[:-1]), self.memory)  # type: ignore[arg-type, call-arg]


Act = Callable[[int, Tensor | None, Tensor | None, Any], tuple[Tensor, Tensor | None]]
"""Takes a step's number, masks, memory and beginnings, and returns actions for the environments, and the memory."""


def acting(net: ActorCritic, forward: Any, rollout: Rollout, generator: torch.Generator) -> Act:
    """Acts by what a rollout's ``observations`` hold, and keeps ``outputs``, ``values`` and ``actions`` there.

    Args:
        net: The network.
        forward: Its forward pass, perhaps compiled.
        rollout: The rollout.
        generator: Draws the actions.
    """

    def act(t: int, masks: Tensor | None, memory: Tensor | None, begins: Any) -> tuple[Tensor, Tensor | None]:
        outputs, rollout.values[t], memory = forward(rollout.observations[t], memory, torch.as_tensor(begins))
        rollout.outputs[t] = outputs
        rollout.actions[t] = actions = net.head.sample(outputs, masks, generator)
        return net.head.to_env(actions), memory

    return act


def begin(envs: VectorEnv[Any, Any, Any], encode: ObservationEncoder, net: ActorCritic, seed: int) -> Start:
    """Begins all episodes.

    Args:
        envs: Environments that reset themselves.
        encode: Turns their observations into tensors.
        net: The network.
        seed: Of the first environment.
    """
    observations, infos = envs.reset(seed=seed)
    everywhere = torch.ones(envs.num_envs, dtype=torch.bool, device=encode.device)
    return Start(
        observations=encode(observations),
        masks=encode.action_mask(observations, infos),
        begins=everywhere,
        waiting=waiting_rows(infos, everywhere),
        memory=net.begin(envs.num_envs),
        on_host=is_on_host(observations),
    )


@torch.no_grad()
def collect(
    envs: VectorEnv[Any, Any, Any],
    encode: ObservationEncoder,
    net: ActorCritic,
    act: Act,
    start: Start,
    rollout: Rollout,
) -> tuple[Start, float]:
    """Fills a rollout.

    Args:
        envs: Environments that reset themselves.
        encode: Turns their observations into tensors.
        net: The network.
        act: Acts, and keeps that in the rollout.
        start: Where the environments are.
        rollout: What to fill.

    Returns:
        Where the environments are then, and the seconds that they took.
    """
    heads = rollout.rewards.shape[2]
    next_step = envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    finals: list[tuple[int, Tensor, Tensor, Tensor | None]] = []
    seconds, rollout.memory = 0.0, start.memory
    device, on_host, into = rollout.rewards.device, start.on_host, rollout.writable(start.on_host)

    def here(values: Any) -> Any:
        return np.asarray(values) if into is not rollout else torch.as_tensor(values, device=device)

    observations, masks, memory = start.observations, start.masks, start.memory
    begins, waiting = here(start.begins), here(start.waiting)
    for t, seen in enumerate(rollout.observations.unbind()):
        seen.copy_(observations)
        into.begins[t], into.active[t] = begins, ~waiting
        if rollout.masks is not None and masks is not None:
            rollout.masks[t] = masks
        chosen, memory = act(t, masks, memory, begins)
        began = time.perf_counter()
        given, rewards, *ends, infos = envs.step(chosen.cpu().numpy() if on_host else chosen)
        seconds += time.perf_counter() - began
        into.terminated[t], into.truncated[t] = terminated, truncated = here(ends[0]), here(ends[1])
        into.learnable[t] = into.active[t]
        if (trainable := trainable_steps(rewards, infos, device)) is not True:
            into.learnable[t] &= here(trainable)
        for k, part in enumerate(split_reward(rewards, infos) if heads == 2 else (rewards,)):
            into.rewards[t, :, k] = here(part)
        done, cut = (terminated | truncated) & into.active[t], truncated & ~terminated
        if not next_step and cut.any():
            rows = torch.as_tensor(cut).nonzero()[:, 0]
            places: Any = rows.cpu().numpy() if on_host else rows
            last = encode(final_observations(envs.single_observation_space, infos, places))
            finals.append((t, rows, last, None if memory is None else memory[rows]))
        begins, waiting = (waiting, done) if next_step else (done | waiting, waiting_rows(infos, done))
        observations, masks = encode(given), encode.action_mask(given, infos)
    # A copy: the environments may write into what they handed out.
    began_or_waits = torch.as_tensor(begins, device=device), torch.as_tensor(waiting, device=device)
    start = Start(observations.clone(), masks, *began_or_waits, memory, on_host)
    rollout.values[-1], rollout.active[-1] = net(start.observations, start.memory, start.begins)[1], ~start.waiting
    if next_step:
        # The observation before a step that only resets is the final one.
        rollout.finals.copy_(rollout.values[1:])
    for t, rows, last, memory in finals:
        rollout.finals[t, rows] = net(last, memory, torch.zeros_like(rows, dtype=torch.bool))[1]
    return start, seconds


def advantages_of(rollout: Rollout, gammas: Tensor, gae_lambda: float, episodic: Tensor) -> Tensor:
    """Generalised advantage estimates of a rollout.

    What follows a step is worth 0 if the episode terminated, and the value of its final observation if it was
    truncated; the sum of errors ends with the episode in either case. A reward that is not episodic knows no ends: the
    next episode's first observation follows. Steps that only reset are left out.

    Args:
        rollout: The rollout.
        gammas: The discount of each kind of reward, ``(H,)``.
        gae_lambda: Lambda.
        episodic: Which kinds end with the episode, bool ``(H,)``.

    Returns:
        ``(T, N, H)``; anything in steps that only reset.

    Source: Schulman et al., High-Dimensional Continuous Control Using GAE (ICLR 2016), equation 16. Ends as in Pardo et
    al., Time Limits in RL (ICML 2018), and, where not episodic, Burda et al. (ICLR 2019), section 2.3.
    """
    values, active = rollout.values, rollout.active[..., None]
    following = values[1:].clone()
    # Behind a step that only resets is what follows the step before it.
    following[:-1] = torch.where(active[1:-1], following[:-1], values[2:])
    terminated = rollout.terminated[..., None] & episodic
    truncated = rollout.truncated[..., None] & episodic & ~terminated
    following = torch.where(truncated, rollout.finals, following).masked_fill(terminated, 0.0)
    errors = (rollout.rewards + gammas * following - values[:-1]) * active[:-1]
    decay = torch.where(terminated | truncated, 0.0, gammas * gae_lambda).expand_as(errors)
    decay = decay.masked_fill(~active[:-1], 1.0)
    advantages, later = torch.empty_like(errors), torch.zeros_like(errors[0])
    for error, kept, advantage in zip(*(reversed(x.unbind()) for x in (errors, decay, advantages)), strict=True):
        later = torch.addcmul(error, kept, later, out=advantage)
    return advantages
