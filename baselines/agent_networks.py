"""Networks that one policy for all agents has.

* ``AgentEncoder`` - observations of ``AgentEnvs`` as one tensor, and where what is in it
* ``AgentActorCritic`` - a policy of what an agent sees, and a critic of that or of the state, too
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from telos.baselines.action_heads import ActionHead
from telos.baselines.networks import CLIP, IMAGE_FEATURES, ActorCritic, ObservationEncoder, linear
from telos.wrappers.networks import RunningMoments, encoder

__all__ = ["AgentActorCritic", "AgentEncoder"]


class AgentEncoder(ObservationEncoder):
    """Turns observations of ``AgentEnvs`` into rows of numbers; into rows of bytes where all are images.

    Args:
        space: The space of one row, ``agent`` and ``observation``, and perhaps ``alive`` and ``state``.
        device: Where the tensors are to be.

    Attributes:
        parts: What encodes each part alone.
        columns: Where each part is in a row.
    """

    def __init__(self, space: spaces.Space[Any], device: torch.device) -> None:
        super().__init__(space, device)
        assert isinstance(space, spaces.Dict)
        self.parts = {name: ObservationEncoder(part, device) for name, part in space.items()}
        self.columns: dict[str, slice] = {}
        end = 0
        for name, part in self.parts.items():
            self.columns[name] = slice(end, end := end + math.prod(part.shape))
        if all(part.image for name, part in self.parts.items() if name in ("observation", "state")):
            self.dtype = torch.uint8

    def __call__(self, observations: Any) -> Tensor:
        """Returns a batch as a tensor of shape ``(n, *shape)``."""
        return super().__call__(observations).to(self.dtype)


class AgentActorCritic(ActorCritic):
    """A policy and values for any agent, which both learn who the agent is.

    The policy sees the agent's own observation and its number. So does the critic, which with a state also sees that
    and which agents are alive. Both are perceptrons with two layers of tanh. Images go through convolutions before,
    those of an agent through the same ones for policy and critic. With ``recurrent`` an agent's observations go through
    a GRU for both; the state does not.

    Args:
        encode: What encodes observations.
        head: What the policy's outputs mean.
        hidden: Units of hidden layers, and of the recurrent cell.
        values: Number of values.
        recurrent: Whether to remember.
        normalised: Whether to normalise observations and states, unless observations are images, by what
            ``normalise_by`` sets.
        seed: Of the weights.
    """

    _state_mean: Tensor
    _state_scale: Tensor

    def __init__(
        self,
        encode: AgentEncoder,
        head: ActionHead,
        *,
        hidden: int = 64,
        values: int = 1,
        recurrent: bool = False,
        normalised: bool = False,
        seed: int = 0,
    ) -> None:
        own, state = encode.parts["observation"], encode.parts.get("state")
        super().__init__(own, head, hidden=hidden, values=values, recurrent=recurrent, normalised=normalised, seed=seed)
        self._columns, self._own_shape = encode.columns, own.shape
        self._state_image = state is not None and state.image
        self._state_high = 1.0 if state is None else state.high
        self._state_shape = () if state is None else state.shape
        agents = math.prod(encode.parts["agent"].shape)
        sizes = [self.feature_size + agents] * 2
        self.state_layers: nn.Module = nn.Identity()
        if state is not None:
            size = math.prod(state.shape)
            if state.image:
                size = IMAGE_FEATURES
                self.state_layers = encoder(np.random.default_rng([seed, 1]), state.shape, size, 1)[:-1]
            sizes[1] += size + agents
            if self.normalised and not state.image:
                self.register_buffer("_state_mean", torch.zeros(state.shape))
                self.register_buffer("_state_scale", torch.ones(state.shape))
        # Not the draws of the layers above.
        generator, gain = torch.Generator().manual_seed(2**32 + seed), math.sqrt(2.0)

        def perceptron(inputs: int, outputs: int, last_gain: float) -> nn.Sequential:
            hidden_layers = linear(inputs, hidden, gain, generator), nn.Tanh(), linear(hidden, hidden, gain, generator)
            return nn.Sequential(*hidden_layers, nn.Tanh(), linear(hidden, outputs, last_gain, generator))

        self.actor, self.critic = perceptron(sizes[0], head.outputs, 0.01), perceptron(sizes[1], values, 1.0)

    def normalise_by(self, moments: RunningMoments) -> None:
        """Sets mean and deviation of all numbers of a row; they are saved with the weights."""
        for name, mean, scale in (("observation", "_mean", "_scale"), ("state", "_state_mean", "_state_scale")):
            if hasattr(self, mean):
                columns = self._columns[name]
                getattr(self, mean).copy_(moments.mean[columns].view_as(getattr(self, mean)))
                getattr(self, scale).copy_(moments.std[columns].view_as(getattr(self, scale)))

    def forward(
        self, observations: Tensor, memory: Tensor | None = None, begins: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """See ``ActorCritic.forward``; observations are ``(rows, numbers)``."""
        own = observations[:, self._columns["observation"]].reshape(-1, *self._own_shape)
        features, memory = self.features(own, memory, begins)
        seen = torch.cat([features, observations[:, self._columns["agent"]].to(features.dtype)], dim=1)
        known = seen
        if "state" in self._columns:
            alive = observations[:, self._columns["alive"]].to(features.dtype)
            known = torch.cat([seen, self._state_features(observations[:, self._columns["state"]]), alive], dim=1)
        return self.actor(seen), self.critic(known), memory

    def _state_features(self, state: Tensor) -> Tensor:
        if self._state_image:
            state = state.reshape(-1, *self._state_shape).float() / self._state_high
        elif hasattr(self, "_state_mean"):
            state = ((state - self._state_mean) / self._state_scale).clamp(-CLIP, CLIP)
        features: Tensor = self.state_layers(state)
        return features
