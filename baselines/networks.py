"""Networks of policies and values for any space.

* ``ObservationEncoder`` - observations of a vector environment as one tensor
* ``ActorCritic`` - policy and values: perceptrons, convolutions for images, and a recurrent cell if asked
* ``VectorAdam`` - an optimiser that is quick for small networks
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from telos.baselines.action_heads import ActionHead
from telos.wrappers.networks import RunningMoments, encoder

__all__ = ["ActorCritic", "ObservationEncoder", "VectorAdam"]

_IMAGE_FEATURES = 512
"""Units behind the convolutions (Mnih et al., Nature 2015)."""

_CLIP = 10.0
"""Normalised observations are clipped to [-10, 10] (Engstrom et al., ICLR 2020)."""


class ObservationEncoder:
    """Turns batches of observations into one tensor.

    An image, that is a uint8 ``Box`` of three axes, stays as it is. Anything else becomes a row of float32 numbers:
    ``Box`` and ``MultiBinary`` flattened, ``Discrete`` and ``MultiDiscrete`` one-hot, ``Dict`` and ``Tuple`` joined.
    The entry ``action_mask`` of a ``Dict`` is no part of it.

    Args:
        space: The space of one environment.
        device: Where the tensors are to be.

    Attributes:
        shape: Of one environment's tensor.
        dtype: ``torch.uint8`` for images, else ``torch.float32``.
        high: The largest value of an image.
        device: As given.

    Raises:
        ValueError: If the space is another.
    """

    def __init__(self, space: spaces.Space[Any], device: torch.device) -> None:
        self._masked = isinstance(space, spaces.Dict) and "action_mask" in space.spaces
        self._space, self.device = space, device
        self._image = isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) == 3
        self.high = 1.0
        if isinstance(space, spaces.Box) and self._image:
            self.high = float(space.high.max())
            self.shape, self.dtype = space.shape, torch.uint8
        else:
            self.shape, self.dtype = (self._size(space),), torch.float32

    @property
    def image(self) -> bool:
        """Whether observations are images."""
        return self._image

    def _size(self, space: spaces.Space[Any]) -> int:
        if isinstance(space, spaces.Dict):
            return sum(self._size(part) for name, part in space.spaces.items() if not self._is_mask(space, name))
        if isinstance(space, spaces.Tuple):
            return sum(self._size(part) for part in space.spaces)
        if isinstance(space, (spaces.Box, spaces.MultiBinary)):
            return math.prod(space.shape)
        if isinstance(space, spaces.Discrete):
            return int(space.n)
        if isinstance(space, spaces.MultiDiscrete):
            return int(space.nvec.sum())
        raise ValueError(
            f"there is no network for observations in {space}; there is for Box, Discrete, MultiBinary, MultiDiscrete, "
            "and Dict or Tuple of these"
        )

    def _is_mask(self, space: spaces.Dict, name: str) -> bool:
        return self._masked and space is self._space and name == "action_mask"

    def _tensor(self, values: Any) -> Tensor:
        return torch.as_tensor(values, device=self.device)

    def __call__(self, observations: Any) -> Tensor:
        """Returns a batch as a tensor of shape ``(n, *shape)``; it may share memory with the environment's."""
        if self._image:
            return self._tensor(observations)
        parts = self._parts(self._space, observations)
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _parts(self, space: spaces.Space[Any], values: Any) -> list[Tensor]:
        if isinstance(space, spaces.Dict):
            named = [(part, values[name]) for name, part in space.items() if not self._is_mask(space, name)]
            return [tensor for part, value in named for tensor in self._parts(part, value)]
        if isinstance(space, spaces.Tuple):
            return [t for part, value in zip(space.spaces, values, strict=True) for t in self._parts(part, value)]
        tensor = self._tensor(values)
        flat = tensor.reshape(len(tensor), -1)
        if isinstance(space, spaces.Discrete):
            return [_one_hot(flat, np.array([space.n]), np.array([space.start]))]
        if isinstance(space, spaces.MultiDiscrete):
            return [_one_hot(flat, space.nvec.reshape(-1), space.start.reshape(-1))]
        return [flat.float()]

    def action_mask(self, observations: Any, infos: dict[str, Any]) -> Tensor | None:
        """Returns which actions are allowed, bool ``(n, entries)``, from observations or infos; None if not told."""
        mask = observations["action_mask"] if self._masked else infos.get("action_mask")
        if mask is None:
            return None
        tensor = self._tensor(mask)
        return tensor.reshape(len(tensor), -1) != 0


def _one_hot(values: Tensor, sizes: Any, starts: Any) -> Tensor:
    places = torch.as_tensor(np.cumsum(sizes) - sizes - starts, device=values.device)
    hot = torch.zeros(len(values), int(sizes.sum()), device=values.device)
    return hot.scatter_(1, values.long() + places, 1.0)


def linear(inputs: int, outputs: int, gain: float, generator: torch.Generator) -> nn.Linear:
    """Makes a layer with orthogonal weights of a gain, and biases of 0."""
    # Without PyTorch's own initialisation, which would draw from its global generator.
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)  # type: ignore[no-untyped-call]
    nn.init.orthogonal_(layer.weight, gain, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


class ActorCritic(nn.Module):
    """A policy and values.

    Of flat observations policy and values have networks of their own, two layers of tanh each; with ``recurrent`` one
    layer and a GRU in common. Images have convolutions in common, and the GRU behind them.

    Args:
        observations: What encodes observations.
        head: What the policy's outputs mean.
        hidden: Units of hidden layers, and of the recurrent cell.
        values: Number of values.
        recurrent: Whether to remember.
        normalised: Whether to normalise observations, unless they are images, by what ``normalise_by`` sets.
        seed: Of the weights.

    Source: orthogonal weights with gains sqrt(2), 0.01 for the policy's outputs and 1 for the values: CleanRL.
    """

    _mean: Tensor
    _scale: Tensor

    def __init__(
        self,
        observations: ObservationEncoder,
        head: ActionHead,
        *,
        hidden: int = 64,
        values: int = 1,
        recurrent: bool = False,
        normalised: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.head, self.hidden = head, hidden
        generator, gain = torch.Generator().manual_seed(seed), math.sqrt(2.0)
        self._image, self._high = observations.image, observations.high
        self.normalised = normalised and not observations.image
        self.cell = None
        size, own_layers = math.prod(observations.shape), 2
        self.shared: nn.Module = nn.Identity()
        if observations.image:
            # All of that network but its last layer.
            convolutions = encoder(np.random.default_rng(seed), observations.shape, _IMAGE_FEATURES, 1)[:-1]
            self.shared, size, own_layers = convolutions, _IMAGE_FEATURES, 0
        elif recurrent:
            self.shared = nn.Sequential(linear(size, hidden, gain, generator), nn.Tanh())
            size, own_layers = hidden, 0
        if recurrent:
            self.cell = nn.utils.skip_init(nn.GRUCell, size, hidden)  # type: ignore[no-untyped-call]
            for name, parameter in self.cell.named_parameters():
                if name.startswith("weight"):
                    for gate in parameter.detach().chunk(3):
                        nn.init.orthogonal_(gate, 1.0, generator=generator)
                else:
                    nn.init.zeros_(parameter)
            size = hidden

        def network(outputs: int, last_gain: float) -> nn.Sequential:
            layers: list[nn.Module] = []
            for k in range(own_layers):
                layers += [linear(size if k == 0 else hidden, hidden, gain, generator), nn.Tanh()]
            return nn.Sequential(*layers, linear(hidden if own_layers else size, outputs, last_gain, generator))

        self.actor, self.critic = network(head.outputs, 0.01), network(values, 1.0)
        if self.normalised:
            self.register_buffer("_mean", torch.zeros(observations.shape))
            self.register_buffer("_scale", torch.ones(observations.shape))

    def normalise_by(self, moments: RunningMoments) -> None:
        """Sets the mean and the deviation by which observations are normalised; they are saved with the weights."""
        self._mean.copy_(moments.mean)
        self._scale.copy_(moments.std)

    def begin(self, n: int) -> Tensor | None:
        """Returns what n environments remember at the beginning, None if nothing ever."""
        return None if self.cell is None else self.cell.weight_hh.new_zeros(n, self.hidden)

    def forward(
        self, observations: Tensor, memory: Tensor | None = None, begins: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Returns the policy's outputs, the values, and what is remembered.

        Args:
            observations: ``(n, *shape)``; or with memory ``(steps * n, *shape)``, sequences whose steps follow each
                other in blocks of n.
            memory: ``(n, hidden)``, before the first step.
            begins: Bool ``(steps * n,)``: where an episode begins and memory is empty.

        Returns:
            ``(rows, outputs)``, ``(rows, values)`` and ``(n, hidden)``.
        """
        if self._image:
            observations = observations.float() / self._high
        elif self.normalised:
            observations = ((observations - self._mean) / self._scale).clamp(-_CLIP, _CLIP)
        features = self.shared(observations)
        if self.cell is not None:
            assert memory is not None
            assert begins is not None
            steps, n, remembered = len(features) // len(memory), len(memory), []
            keeps = (~begins).view(steps, n, 1).to(features.dtype)
            for feature, keep in zip(features.view(steps, n, -1), keeps, strict=True):
                memory = self.cell(feature, memory * keep)
                remembered.append(memory)
            features = torch.cat(remembered)
        return self.actor(features), self.critic(features), memory


class VectorAdam:
    """Adam for a small network, whose parameters and gradients become views of one vector each.

    Clipping the gradient and a step are then ten operations altogether. PyTorch's own take longer than the rest of an
    update of a small network.

    Args:
        net: The network, on its device.
        epsilon: Added to the denominator.

    Source: Kingma and Ba, Adam (ICLR 2015), algorithm 1, with its betas. ``epsilon``: CleanRL.
    """

    _BETAS = (0.9, 0.999)

    def __init__(self, net: nn.Module, epsilon: float = 1e-5) -> None:
        parameters = list(net.parameters())
        self._values = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
        self._gradient, self._mean, self._square = (torch.zeros_like(self._values) for _ in range(3))
        self._steps, self._epsilon = 0, epsilon
        sizes = [parameter.numel() for parameter in parameters]
        parts = zip(torch.split(self._values, sizes), torch.split(self._gradient, sizes), strict=True)
        for parameter, (values, gradient) in zip(parameters, parts, strict=True):
            parameter.data, parameter.grad = values.view_as(parameter), gradient.view_as(parameter)

    def zero_grad(self) -> None:
        """Sets all gradients to 0."""
        self._gradient.zero_()

    def step(self, learning_rate: float, max_norm: float) -> None:
        """Clips the gradient to a norm and takes a step."""
        first, second = self._BETAS
        self._steps += 1
        self._gradient.mul_((max_norm / (self._gradient.norm() + 1e-6)).clamp_(max=1.0))
        self._mean.lerp_(self._gradient, 1.0 - first)
        self._square.mul_(second).addcmul_(self._gradient, self._gradient, value=1.0 - second)
        deviation = (self._square / (1.0 - second**self._steps)).sqrt_().add_(self._epsilon)
        self._values.addcdiv_(self._mean, deviation, value=-learning_rate / (1.0 - first**self._steps))

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the state, without the parameters."""
        return {"mean": self._mean.clone(), "square": self._square.clone(), "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from what ``state_dict`` returned."""
        self._mean.copy_(state["mean"])
        self._square.copy_(state["square"])
        self._steps = state["steps"]
