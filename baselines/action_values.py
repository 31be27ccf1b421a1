"""Values of discrete actions, and the policy that they make.

* ``ActionValues`` - the network
* ``greedy`` - the best allowed actions
* ``GreedyPolicy`` - takes them
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from telos.baselines.networks import ObservationEncoder
from telos.baselines.replay import allowed, to_env
from telos.baselines.training_envs import is_on_host
from telos.wrappers.networks import encoder

__all__ = ["ActionValues", "GreedyPolicy", "greedy"]

_IMAGE_FEATURES = 512
"""Units behind the convolutions (Mnih et al., Nature 2015)."""


class ActionValues(nn.Module):
    """Values of all actions: two layers of ReLUs, or of images convolutions.

    Args:
        observations: What encodes observations.
        actions: The space of one environment's actions.
        hidden: Units of hidden layers; images have 512.
        seed: Of the weights.

    Source: sizes and PyTorch's uniform weights as in Stable-Baselines3 and CleanRL. With orthogonal weights of gain
    sqrt(2), as policies have them, values diverged on CartPole-v1 (ours).
    """

    def __init__(self, observations: ObservationEncoder, actions: spaces.Discrete, hidden: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.actions = actions
        self._high = observations.high if observations.image else None
        if observations.image:
            # All of that network but its last layer.
            images = encoder(np.random.default_rng(seed), observations.shape, _IMAGE_FEATURES, 1)
            layers: list[nn.Module] = list(images.children())[:-1]
            hidden = _IMAGE_FEATURES
        else:
            sizes = (math.prod(observations.shape), hidden)
            layers = [layer for size in sizes for layer in (_linear(size, hidden, generator), nn.ReLU())]
        self.layers = nn.Sequential(*layers, _linear(hidden, int(actions.n), generator))

    def forward(self, observations: Tensor) -> Tensor:
        """Returns values ``(n, actions)`` of observations ``(n, *shape)``."""
        values: Tensor = self.layers(observations if self._high is None else observations.float() / self._high)
        return values


def greedy(values: Tensor, masks: Tensor | None) -> Tensor:
    """Returns the best allowed actions, int64 ``(n,)``; the first of equally good ones."""
    return (values if masks is None else values.masked_fill(~masks, -torch.inf)).argmax(dim=1)


class GreedyPolicy:
    """Acts greedily, as ``telos.baselines.evaluation`` plays it.

    Args:
        net: The network.
        encode: What encodes its observations.
    """

    def __init__(self, net: ActionValues, encode: ObservationEncoder) -> None:
        self._net, self._encode = net, encode

    @torch.no_grad()
    def values(self, observations: Any) -> Tensor:
        """Returns the values of all actions, ``(n, actions)``."""
        values: Tensor = self._net(self._encode(observations))
        return values

    def __call__(self, observations: Any, infos: dict[str, Any], begins: NDArray[np.bool_]) -> Any:
        """Returns a batch of actions, as ``Policy``."""
        chosen = greedy(self.values(observations), allowed(observations, infos, self._encode))
        return to_env(chosen, self._net.actions, is_on_host(observations))


def _linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """Makes a layer with PyTorch's weights, uniform up to one over the root of the inputs, but from a generator."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)  # type: ignore[no-untyped-call]
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -(inputs**-0.5), inputs**-0.5, generator=generator)
    return layer
