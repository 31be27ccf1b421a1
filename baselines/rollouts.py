"""Rollouts of on-policy learners: collected, kept on the learner's device, and judged.

* ``Start`` - where the environments are between two rollouts
* ``Rollout`` - what happened in T steps
* ``collect`` - fills a rollout
* ``advantages_of`` - generalised advantage estimates
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from torch import Tensor

from telos.baselines.action_heads import ActionHead
from telos.baselines.networks import ActorCritic, ObservationEncoder
from telos.baselines.training_envs import final_observations, trainable_steps
from telos.wrappers import split_reward

__all__ = ["Rollout", "Start", "advantages_of", "collect"]


@dataclass
class Start:
    """Where N environments are between two rollouts: what the policy sees next.

    Attributes:
        observations: ``(N, *shape)``.
        masks: Allowed actions, bool ``(N, entries)``; None if all always are.
        begins: Where an episode begins, bool ``(N,)``.
        waiting: Where the next step only resets, bool ``(N,)``.
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


@torch.no_grad()
def collect(
    envs: VectorEnv[Any, Any, Any],
    encode: ObservationEncoder,
    net: ActorCritic,
    forward: Any,
    start: Start,
    rollout: Rollout,
    generator: torch.Generator,
) -> tuple[Start, float]:
    """Fills a rollout.

    Args:
        envs: Environments that reset themselves.
        encode: Turns their observations into tensors.
        net: The network.
        forward: Its forward pass, perhaps compiled.
        start: Where the environments are.
        rollout: What to fill.
        generator: Draws the actions.

    Returns:
        Where the environments are then, and the seconds that they took.
    """
    steps, _, heads = rollout.rewards.shape
    next_step = envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    finals: list[tuple[int, Tensor, Tensor, Tensor | None]] = []
    seconds, rollout.memory = 0.0, start.memory
    device = rollout.rewards.device
    for t in range(steps):
        rollout.observations[t], rollout.begins[t] = start.observations, start.begins
        torch.logical_not(start.waiting, out=rollout.active[t])
        if rollout.masks is not None and start.masks is not None:
            rollout.masks[t] = start.masks
        outputs, values, memory = forward(rollout.observations[t], start.memory, start.begins)
        rollout.outputs[t], rollout.values[t] = outputs, values
        rollout.actions[t] = actions = net.head.sample(outputs, start.masks, generator)
        chosen: Any = net.head.to_env(actions)
        began = time.perf_counter()
        if start.on_host:
            chosen = chosen.cpu().numpy()
        observations, rewards, *ends, infos = envs.step(chosen)
        seconds += time.perf_counter() - began
        terminated, truncated = (torch.as_tensor(end, device=device) for end in ends)
        rollout.terminated[t], rollout.truncated[t] = terminated, truncated
        rollout.learnable[t] = rollout.active[t] & trainable_steps(rewards, infos, device)
        for k, part in enumerate(split_reward(rewards, infos) if heads == 2 else (rewards,)):
            rollout.rewards[t, :, k] = torch.as_tensor(part, device=device)
        done = (terminated | truncated) & rollout.active[t]
        if not next_step and len(rows := (truncated & ~terminated).nonzero()[:, 0]):
            last = encode(final_observations(envs.single_observation_space, infos, rows))
            finals.append((t, rows, last, None if memory is None else memory[rows]))
        begins, waiting = (start.waiting, done) if next_step else (done, start.waiting)
        masks = encode.action_mask(observations, infos)
        start = Start(encode(observations), masks, begins, waiting, memory, start.on_host)
    rollout.values[-1], rollout.active[-1] = net(start.observations, start.memory, start.begins)[1], ~start.waiting
    if next_step:
        # The observation before a step that only resets is the final one.
        rollout.finals.copy_(rollout.values[1:])
    for t, rows, last, memory in finals:
        rollout.finals[t, rows] = net(last, memory, torch.zeros_like(rows, dtype=torch.bool))[1]
    # The environments may write into what they handed out.
    return dataclasses.replace(start, observations=start.observations.clone()), seconds


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
    for t in range(len(errors) - 1, -1, -1):
        later = torch.addcmul(errors[t], decay[t], later, out=advantages[t])
    return advantages
