"""Small networks for rewards that learn, and statistics of what goes into them. Needs PyTorch.

* ``encoder`` - features of flat numbers or images
* ``mlp`` - one hidden layer
* ``Ensemble`` - several such networks, run as one
* ``own_settings`` - whatever a learner has set
* ``RunningMoments`` - mean and variance of all rows so far
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Ensemble", "RunningMoments", "encoder", "mlp", "own_settings"]

_GAIN = math.sqrt(2.0)
_CONVOLUTIONS = ((32, 8, 4), (64, 4, 2), (64, 3, 1))
"""Channels, kernel and stride of the layers for images (Mnih et al., Nature 2015)."""

_SMALLEST_IMAGE = 36
"""Height and width from which on these leave something."""


@contextmanager
def own_settings() -> Iterator[None]:
    """Undoes what a learner may have set around the step of an environment: no gradients, another device."""
    # Only if there is another: PyTorch is slow where a device is set.
    device = nullcontext() if torch.get_default_device().type == "cpu" else torch.device("cpu")
    with torch.inference_mode(False), torch.enable_grad(), device:
        yield


def _orthogonal(rng: np.random.Generator, rows: int, columns: int) -> Tensor:
    """A random matrix with orthogonal rows or columns, of gain sqrt(2)."""
    q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))
    return torch.as_tensor(_GAIN * (q if rows >= columns else q.T), dtype=torch.float32)


def _layer(rng: np.random.Generator, kind: type[nn.Module], *sizes: int) -> nn.Module:
    """A layer with orthogonal weights and biases of 0."""
    # Without PyTorch's own initialisation, which would draw from its global generator.
    layer: Any = nn.utils.skip_init(kind, *sizes, dtype=torch.float32)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        layer.weight.copy_(_orthogonal(rng, *layer.weight.flatten(1).shape).view_as(layer.weight))
        layer.bias.zero_()
    return layer  # type: ignore[no-any-return]


def mlp(rng: np.random.Generator, inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Makes a network with one hidden layer of ReLUs and orthogonal weights.

    Args:
        rng: For the weights.
        inputs: Numbers in.
        hidden: Units of the hidden layer.
        outputs: Numbers out.
    """
    return nn.Sequential(_layer(rng, nn.Linear, inputs, hidden), nn.ReLU(), _layer(rng, nn.Linear, hidden, outputs))


class _ChannelsFirst(nn.Module):
    """Turns images of shape ``(n, height, width, channels)`` into PyTorch's layout."""

    def forward(self, images: Tensor) -> Tensor:
        return images.movedim(-1, 1)


def encoder(rng: np.random.Generator, shape: tuple[int, ...], hidden: int, size: int) -> nn.Sequential:
    """Makes a network that turns inputs of a shape into features.

    Images, that is ``(height, width, channels)`` or ``(channels, height, width)`` with both sides of at least 36 and at
    most 12 channels, go through three convolutional layers first; anything else is flattened.

    Args:
        rng: For the weights, which are orthogonal.
        shape: Of one input.
        hidden: Units of the hidden layer.
        size: Number of features.
    """
    if len(shape) != 3:
        return nn.Sequential(nn.Flatten(), *mlp(rng, math.prod(shape), hidden, size))
    last = shape[2] <= 12 and min(shape[:2]) >= _SMALLEST_IMAGE
    if not last and not (shape[0] <= 12 and min(shape[1:]) >= _SMALLEST_IMAGE):
        return nn.Sequential(nn.Flatten(), *mlp(rng, math.prod(shape), hidden, size))
    layers: list[nn.Module] = [_ChannelsFirst()] if last else []
    channels, *sides = (shape[2], *shape[:2]) if last else shape
    for wider, kernel, stride in _CONVOLUTIONS:
        layers += [_layer(rng, nn.Conv2d, channels, wider, kernel, stride), nn.ReLU()]
        channels, sides = wider, [(side - kernel) // stride + 1 for side in sides]
    return nn.Sequential(*layers, nn.Flatten(), *mlp(rng, channels * math.prod(sides), hidden, size))


class Ensemble(nn.Module):
    """Several networks with one hidden layer each, run as one.

    Args:
        rng: For the weights.
        members: How many.
        inputs: Numbers in.
        hidden: Units of each hidden layer.
        outputs: Numbers out.
    """

    def __init__(self, rng: np.random.Generator, members: int, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        first = torch.stack([_orthogonal(rng, inputs, hidden) for _ in range(members)])
        second = torch.stack([_orthogonal(rng, hidden, outputs) for _ in range(members)])
        self.weights = nn.ParameterList([first, second])
        self.biases = nn.ParameterList([first.new_zeros(members, 1, size) for size in (hidden, outputs)])

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns every member's outputs, shape ``(members, n, outputs)``, for inputs of shape ``(n, inputs)``."""
        members = self.weights[0].shape[0]
        hidden = torch.baddbmm(self.biases[0], inputs.expand(members, *inputs.shape), self.weights[0]).relu()
        return torch.baddbmm(self.biases[1], hidden, self.weights[1])


class RunningMoments:
    """Mean and variance of all rows so far, for each number of a row.

    Args:
        shape: Of one row.
        device: Where.
    """

    def __init__(self, shape: tuple[int, ...], device: Any) -> None:
        self.count = torch.zeros((), dtype=torch.float64, device=device)
        self.mean = torch.zeros(shape, dtype=torch.float64, device=device)
        self.squares = torch.zeros(shape, dtype=torch.float64, device=device)

    def update(self, rows: Tensor, live: Tensor) -> None:
        """Adds rows of shape ``(n, *shape)``, finite, where ``live``, shape ``(n,)``, 1 or 0 in the rows' dtype."""
        flat = rows.reshape(len(rows), -1)
        count = live.sum()
        mean = (live @ flat) / count.clamp(min=1.0)
        squares = live @ (flat - mean).square()
        # Chan et al.'s formula for the moments of two samples together.
        total = (self.count + count).clamp(min=1.0)
        away = mean.double().reshape(self.mean.shape) - self.mean
        self.squares = self.squares + squares.double().reshape(self.mean.shape)
        self.squares = self.squares + away.square() * (self.count * count / total)
        self.mean = self.mean + away * (count / total)
        self.count = self.count + count

    @property
    def std(self) -> Tensor:
        """Standard deviations, at least 1e-8, shape ``shape``, float64."""
        return (self.squares / self.count.clamp(min=1.0)).sqrt().clamp(min=1e-8)

    def state_dict(self) -> dict[str, Tensor]:
        """Returns a copy of the state."""
        return {name: getattr(self, name).clone() for name in ("count", "mean", "squares")}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continues from what ``state_dict`` returned, on this device."""
        for name, value in state.items():
            setattr(self, name, value.clone().to(self.count.device))
