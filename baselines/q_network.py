"""A Q-network of joint actions: what it sees, its layers, and its form as a function of the levels alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from telos.baselines.relu_program import LevelNetwork

__all__ = [
    "BeliefFeatures",
    "Features",
    "InputForm",
    "Inputs",
    "QNetwork",
    "StateFeatures",
    "VehicleFeatures",
    "vehicle_place",
]

InputForm = Literal["gated", "one_hot", "scaled"]


class Inputs(NamedTuple):
    """What the network sees of n observations.

    Attributes:
        features: Float32 ``(n, F)``.
        gates: Float32 ``(n, J, G)``: an arm's level enters the network times each of its gates.
    """

    features: NDArray[np.float32]
    gates: NDArray[np.float32]


Features = Callable[[Any, NDArray[np.int64]], Inputs]


@dataclass(frozen=True)
class StateFeatures:
    """Inputs from observations that are the arms' states, integers ``(n, J)`` in 0 to ``num_states`` - 1.

    Attributes:
        num_states: S.
        form: "gated": one-hot states, which are also the gates; "one_hot": one-hot states; "scaled": states as numbers
            from 0 to 1.
        horizon: Steps of an episode, to add the share of them that is left; None adds no time.
    """

    num_states: int
    form: InputForm
    horizon: int | None

    def __call__(self, observation: NDArray[Any], t: NDArray[np.int64]) -> Inputs:
        """The inputs at times ``t`` ``(n,)``."""
        shown = (observation[..., None] == np.arange(self.num_states)).astype(np.float32)
        flat = shown.reshape(len(shown), -1)
        if self.form == "scaled":
            flat = (observation / (self.num_states - 1)).astype(np.float32)
        if self.horizon is not None:
            flat = np.concatenate([flat, (1 - t[:, None] / self.horizon).astype(np.float32)], axis=1)
        return Inputs(flat, shown if self.form == "gated" else np.ones((*observation.shape, 1), np.float32))


@dataclass(frozen=True, eq=False)
class BeliefFeatures:
    """Inputs from observations that are belief states: each arm's belief, which is also its gates, and the time left.

    Attributes:
        beliefs: Float64 ``(J, S', S)``, of each belief state.
        horizon: Steps of an episode.
    """

    beliefs: NDArray[np.float64]
    horizon: int

    def __call__(self, observation: NDArray[Any], t: NDArray[np.int64]) -> Inputs:
        """The inputs at times ``t`` ``(n,)``, for integer belief states ``(n, J)``."""
        believed = self.beliefs[np.arange(len(self.beliefs)), observation].astype(np.float32)
        left = (1 - t[:, None] / self.horizon).astype(np.float32)
        return Inputs(np.concatenate([believed.reshape(len(believed), -1), left], axis=1), believed)


@dataclass(frozen=True)
class VehicleFeatures:
    """Inputs from observations of arms and of a vehicle, whose action entries are pulls and then places.

    Attributes:
        num_states: S.
        horizon: Steps of an episode.
    """

    num_states: int
    horizon: int

    def __call__(self, observation: dict[str, NDArray[Any]], t: NDArray[np.int64]) -> Inputs:
        """The inputs at times ``t`` ``(n,)``, for ``arms`` and ``vehicle`` ``(n, J)``: gates ``(n, 2 J, S)``."""
        arms = StateFeatures(self.num_states, "gated", self.horizon)(observation["arms"], t)
        vehicle = observation["vehicle"].astype(np.float32)
        places = np.zeros_like(arms.gates)
        places[..., 0] = 1.0
        return Inputs(np.concatenate([arms.features, vehicle], axis=1), np.concatenate([arms.gates, places], axis=1))


def vehicle_place(observation: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
    """Where the vehicle is, ``(n,)``: the index of its feasible set."""
    return np.asarray(observation["vehicle"].argmax(axis=1))


class QNetwork(nn.Module):
    """Features and gated levels through hidden ReLU layers, plus a linear skip connection.

    Args:
        num_features: F.
        num_gates: G.
        num_arms: J.
        num_levels: A.
        widths: Hidden neurons of each layer.
        skip: Whether there is a skip connection.
    """

    def __init__(
        self, num_features: int, num_gates: int, num_arms: int, num_levels: int, widths: Sequence[int], skip: bool
    ) -> None:
        super().__init__()
        self.shape = (num_features, num_gates, num_arms, num_levels)
        size = num_features + num_arms * (num_levels - 1) * num_gates
        sizes = [size, *widths, 1]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.skip = nn.Linear(size, 1)
        nn.init.zeros_(self.skip.weight)
        nn.init.zeros_(self.skip.bias)
        self.skip.requires_grad_(skip)

    def forward(self, features: Tensor, gates: Tensor, levels: Tensor) -> Tensor:
        """Q-values ``(n,)`` of levels ``(n, J)`` at n observations."""
        shown = nn.functional.one_hot(levels.long(), self.shape[3])[..., 1:, None] * gates[:, :, None]
        inputs = torch.cat([features, shown.flatten(1)], dim=1)
        hidden = inputs
        *before, last = self._linear
        for layer in before:
            hidden = torch.relu(layer(hidden))
        return torch.as_tensor((last(hidden) + self.skip(inputs))[:, 0])

    @property
    def _linear(self) -> list[nn.Linear]:
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    @torch.no_grad()
    def at(self, inputs: Inputs) -> LevelNetwork:
        """The network at n observations, as a function of the levels."""
        num_features, num_gates, num_arms, num_levels = self.shape
        first, *rest = self._linear
        weights = np.concatenate([first.weight.numpy(), self.skip.weight.numpy()]).astype(np.float64)
        biases = np.concatenate([first.bias.numpy(), self.skip.bias.numpy()])
        acting = weights[:, num_features:].reshape(len(weights), num_arms, num_levels - 1, num_gates)
        gains = np.zeros((len(inputs.features), num_arms, num_levels, len(weights)))
        # (J, n, G) @ (J, G, (A - 1) * width)
        moved = acting.transpose(1, 3, 2, 0).reshape(num_arms, num_gates, -1)
        gated = inputs.gates.transpose(1, 0, 2) @ moved
        gains[:, :, 1:] = gated.reshape(num_arms, -1, num_levels - 1, len(weights)).swapaxes(0, 1)
        later = tuple((x.weight.numpy().astype(np.float64), x.bias.numpy().astype(np.float64)) for x in rest)
        return LevelNetwork(inputs.features @ weights[:, :num_features].T + biases, gains, later)
