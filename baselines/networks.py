"""Networks of policies and values for any space.

* ``ObservationEncoder`` - observations of a vector environment as one tensor
* ``ActorCritic`` - policy and values: perceptrons, convolutions for images, and a recurrent cell if asked
* ``VectorAdam`` - an optimiser that is quick for small networks; ``cpu_threads`` - PyTorch's, for a while
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from numba import njit
from numpy.typing import NDArray
from torch import Tensor, nn

from telos.baselines.action_heads import ActionHead
from telos.wrappers.networks import RunningMoments, encoder

__all__ = ["CLIP", "IMAGE_FEATURES", "ActorCritic", "ObservationEncoder", "VectorAdam", "cpu_threads"]

IMAGE_FEATURES = 512
"""Units behind the convolutions (Mnih et al., Nature 2015)."""

CLIP = 10.0
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
        self.device = device
        self._image = isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) == 3
        self.high = 1.0
        if isinstance(space, spaces.Box) and self._image:
            self.high = float(space.high.max())
            self.shape, self.dtype = space.shape, torch.uint8
        else:
            self._leaves = [leaf for leaf in _leaves(space) if not self._masked or leaf.path != ("action_mask",)]
            self.shape, self.dtype = (sum(leaf.size for leaf in self._leaves),), torch.float32

    @property
    def image(self) -> bool:
        """Whether observations are images."""
        return self._image

    def __call__(self, observations: Any) -> Tensor:
        """Returns a batch as a tensor of shape ``(n, *shape)``; it may share memory with the environment's."""
        if self._image:
            return torch.as_tensor(observations, device=self.device)
        parts = [leaf.encode(observations) for leaf in self._leaves]
        if len(parts) == 1:
            return torch.as_tensor(parts[0], device=self.device)
        on_host = isinstance(parts[0], np.ndarray)
        return torch.as_tensor(np.concatenate(parts, axis=1) if on_host else torch.cat(parts, 1), device=self.device)

    def action_mask(self, observations: Any, infos: dict[str, Any]) -> Tensor | None:
        """Returns which actions are allowed, bool ``(n, entries)``, from observations or infos; None if not told."""
        mask = observations["action_mask"] if self._masked else infos.get("action_mask")
        if mask is None:
            return None
        tensor = torch.as_tensor(mask, device=self.device)
        return tensor.reshape(len(tensor), -1) != 0


class _Leaf(NamedTuple):
    """A part of an observation: where it is, its size when encoded, and for choices the place of each one's 0."""

    path: tuple[Any, ...]
    size: int
    places: NDArray[np.int64] | None

    def encode(self, observations: Any) -> Any:
        """Returns this part of a batch, float32 ``(n, size)``, an array or a tensor as it comes."""
        values = observations
        for key in self.path:
            values = values[key]
        if isinstance(values, Tensor):
            flat = values.reshape(len(values), -1)
            if self.places is None:
                return flat.float()
            hot = torch.zeros(len(flat), self.size, device=flat.device)
            return hot.scatter_(1, flat.long() + torch.as_tensor(self.places, device=flat.device), 1.0)
        rows = np.reshape(values, (len(values), -1))
        if self.places is None:
            return rows.astype(np.float32, copy=False)
        ones = np.zeros((len(rows), self.size), np.float32)
        ones[np.arange(len(rows))[:, None], rows + self.places] = 1.0
        return ones


def _leaves(space: spaces.Space[Any], path: tuple[Any, ...] = ()) -> list[_Leaf]:
    if isinstance(space, spaces.Dict):
        return [leaf for name, part in space.items() for leaf in _leaves(part, (*path, name))]
    if isinstance(space, spaces.Tuple):
        return [leaf for k, part in enumerate(space.spaces) for leaf in _leaves(part, (*path, k))]
    if isinstance(space, (spaces.Box, spaces.MultiBinary)):
        return [_Leaf(path, math.prod(space.shape), None)]
    if isinstance(space, spaces.Discrete):
        return [_Leaf(path, int(space.n), np.array([-space.start], np.int64))]
    if isinstance(space, spaces.MultiDiscrete):
        sizes = space.nvec.reshape(-1).astype(np.int64)
        return [_Leaf(path, int(sizes.sum()), np.cumsum(sizes) - sizes - space.start.reshape(-1))]
    raise ValueError(
        f"there is no network for observations in {space}; there is for Box, Discrete, MultiBinary, MultiDiscrete, "
        "and Dict or Tuple of these"
    )


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

    Attributes:
        image: Whether observations are images.
        feature_size: Numbers that ``features`` returns of a row.

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
        self.image, self._high = observations.image, observations.high
        self.normalised = normalised and not observations.image
        self.cell = None
        size, own_layers = math.prod(observations.shape), 2
        self.shared: nn.Module = nn.Identity()
        if observations.image:
            # All of that network but its last layer.
            convolutions = encoder(np.random.default_rng(seed), observations.shape, IMAGE_FEATURES, 1)[:-1]
            self.shared, size, own_layers = convolutions, IMAGE_FEATURES, 0
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
        self.feature_size = size

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
        features, memory = self.features(observations, memory, begins)
        return self.actor(features), self.critic(features), memory

    def features(
        self, observations: Tensor, memory: Tensor | None = None, begins: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Returns what policy and values have in common, ``(rows, feature_size)``, and what is remembered."""
        if self.image:
            observations = observations.float() / self._high
        elif self.normalised:
            observations = ((observations - self._mean) / self._scale).clamp(-CLIP, CLIP)
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
        return features, memory


@contextmanager
def cpu_threads(number: int | None) -> Iterator[None]:
    """A context in which PyTorch takes so many CPU threads; None: as many as before.

    One is best for small networks: where other work shares the cores, threads that wait for each other at every small
    operation take ten times as long.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class VectorAdam:
    """Adam for a small network, whose parameters and gradients become views of one vector each.

    Clipping the gradient and a step are then ten operations altogether, and one on a CPU. PyTorch's own take longer
    than the rest of an update of a small network.

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
        self._steps += 1
        vectors: Any = self._values, self._gradient, self._mean, self._square
        numbers: Any = learning_rate, max_norm, self._epsilon, self._steps, *self._BETAS
        if self._values.device.type == "cpu" and self._values.dtype == torch.float32:
            _adam_on_cpu(*(vector.numpy() for vector in vectors), *numbers)
        else:
            _adam(*vectors, *numbers)

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the state, without the parameters."""
        return {"mean": self._mean.clone(), "square": self._square.clone(), "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from what ``state_dict`` returned."""
        self._mean.copy_(state["mean"])
        self._square.copy_(state["square"])
        self._steps = state["steps"]


def _adam(
    values: Tensor,
    gradient: Tensor,
    mean: Tensor,
    square: Tensor,
    learning_rate: float,
    max_norm: float,
    epsilon: float,
    steps: int,
    first: float,
    second: float,
) -> None:
    gradient.mul_((max_norm / (gradient.norm() + 1e-6)).clamp_(max=1.0))
    mean.lerp_(gradient, 1.0 - first)
    square.mul_(second).addcmul_(gradient, gradient, value=1.0 - second)
    deviation = (square / (1.0 - second**steps)).sqrt_().add_(epsilon)
    values.addcdiv_(mean, deviation, value=-learning_rate / (1.0 - first**steps))


# Sums may be taken in another order: without that they would take most of the time.
@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _adam_on_cpu(
    values: Any,
    gradient: Any,
    mean: Any,
    square: Any,
    learning_rate: float,
    max_norm: float,
    epsilon: float,
    steps: int,
    first: float,
    second: float,
) -> None:
    """The same as ``_adam`` in two passes."""
    one, total = np.float32(1.0), np.float32(0.0)
    for k in range(len(gradient)):
        total += gradient[k] * gradient[k]
    scale = np.float32(min(1.0, max_norm / (math.sqrt(total) + 1e-6)))
    keep, keep_square, small = np.float32(first), np.float32(second), np.float32(epsilon)
    rate = np.float32(learning_rate / (1.0 - first**steps))
    corrected = np.float32(1.0 / (1.0 - second**steps))
    for k in range(len(gradient)):
        slope = gradient[k] * scale
        mean[k] = keep * mean[k] + (one - keep) * slope
        square[k] = keep_square * square[k] + (one - keep_square) * slope * slope
        values[k] -= rate * mean[k] / (np.sqrt(square[k] * corrected) + small)
