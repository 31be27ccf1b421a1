"""The network of a policy that finds out what it is in.

* ``ContextActorCritic`` - a policy and values behind a GRU
* ``BoundedMeans`` - keeps the means of a policy near the bounds of its actions
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

from telos.baselines.action_heads import ActionHead
from telos.baselines.networks import CLIP, ActorCritic, ObservationEncoder, linear

__all__ = ["BoundedMeans", "ContextActorCritic"]

_BEYOND = 1.1
"""Where means end, in units of half the range of actions. Ours."""


class _Bound(torch.autograd.Function):
    """Clips; gradients pass but where a step down would lead further out."""

    @staticmethod
    def forward(ctx: Any, numbers: Tensor, low: Tensor, high: Tensor) -> Tensor:
        ctx.save_for_backward(numbers, low, high)
        return torch.clamp(numbers, low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,), (numbers, low, high) = gradients, ctx.saved_tensors
        out = ((numbers >= high) & (gradient < 0.0)) | ((numbers <= low) & (gradient > 0.0))
        return gradient.masked_fill(out, 0.0), None, None


class BoundedMeans(nn.Module):
    """Keeps means of actions near the bounds of the actions.

    Means far beyond the bounds, to which actions are clipped, would make all draws the same action: nothing could be
    learned from them any more. A hyperbolic tangent, as in the code of Sim2Rec, has hardly a gradient near the bounds,
    where the best actions of LTSRec-v0 are: so means are clipped, and gradients lead back inside.

    Args:
        space: The space of actions, with finite bounds.

    Source: ours.
    """

    _low: Tensor
    _high: Tensor

    def __init__(self, space: spaces.Box) -> None:
        super().__init__()
        low, high = (torch.as_tensor(bound, dtype=torch.float32).reshape(-1) for bound in (space.low, space.high))
        centre, reach = (low + high) / 2.0, _BEYOND * (high - low) / 2.0
        self.register_buffer("_low", centre - reach, persistent=False)
        self.register_buffer("_high", centre + reach, persistent=False)

    def forward(self, numbers: Tensor) -> Tensor:
        """Returns means, ``(n, actions)`` as the numbers."""
        return _Bound.apply(numbers, self._low, self._high)  # type: ignore[no-any-return, no-untyped-call]


class ContextActorCritic(ActorCritic):
    """A policy and values, each a layer of its own behind a GRU in common and, beside it, what goes into that.

    Args:
        observations: What encodes observations, which are no images.
        head: What the policy's outputs mean.
        hidden: Units of each layer.
        values: Number of values.
        normalised: Whether to normalise observations by what ``normalise_by`` sets.
        seed: Of the weights.
        told: How many of an observation's last numbers are only to be guessed, and may be missing outside training.

    Attributes:
        guesses: Of these numbers, normalised, by the last forward pass: ``(rows, told)``.

    Source: the code of Sim2Rec, whose policy and values have a recurrent cell each behind four layers.
    """

    def __init__(
        self,
        observations: ObservationEncoder,
        head: ActionHead,
        *,
        hidden: int = 64,
        values: int = 1,
        normalised: bool = False,
        seed: int = 0,
        told: int = 0,
    ) -> None:
        super().__init__(
            observations, head, hidden=hidden, values=values, recurrent=True, normalised=normalised, seed=seed
        )
        # The same weights as those of a cell, for all steps of an episode at once.
        cell, self.cell = self.cell, None
        assert cell is not None
        self.gru: Any = nn.GRU(hidden, hidden, device="meta").to_empty(device="cpu")
        self.gru.load_state_dict({f"{name}_l0": value for name, value in cell.state_dict().items()})
        self._seen = math.prod(observations.shape) - told
        self.feature_size = hidden + self._seen
        generator, gain = torch.Generator().manual_seed(2**32 + seed), math.sqrt(2.0)
        first, second = linear(self._seen, hidden, gain, generator), linear(hidden, hidden, gain, generator)
        self.shared = nn.Sequential(first, nn.Tanh(), second, nn.Tanh())
        self.guess = linear(hidden, told, 1.0, generator) if told else None

        def perceptron(outputs: int, last_gain: float) -> nn.Sequential:
            first = linear(self.feature_size, hidden, gain, generator)
            return nn.Sequential(first, nn.Tanh(), linear(hidden, outputs, last_gain, generator))

        self.actor, self.critic = perceptron(head.outputs, 0.01), perceptron(values, 1.0)

    def begin(self, n: int) -> Tensor:
        """See ``ActorCritic``."""
        return self.gru.weight_hh_l0.new_zeros(n, self.hidden)  # type: ignore[no-any-return]

    def features(
        self, observations: Tensor, memory: Tensor | None = None, begins: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """See ``ActorCritic``."""
        assert memory is not None
        assert begins is not None
        observations = self._normalised(observations)[:, : self._seen]
        n = len(memory)
        seen, new = self.shared(observations).view(-1, n, self.hidden), begins.view(-1, n)
        # The steps between two at which any episode begins go through the GRU in one call.
        firsts = new.any(dim=1).nonzero()[:, 0].tolist()
        firsts = sorted({0, *firsts, len(seen)})
        remembered = []
        for first, end in pairwise(firsts):
            kept = memory * (~new[first]).unsqueeze(1)
            outputs, last = self.gru(seen[first:end], kept.unsqueeze(0))
            remembered.append(outputs)
            memory = last[0]
        outputs = torch.cat(remembered).flatten(0, 1)
        if self.guess is not None:
            self.guesses = self.guess(outputs)
        return torch.cat([outputs, observations], dim=1), memory

    def guess_loss(self, observations: Tensor) -> Tensor:
        """Mean squared error of the last guesses, for the observations of that forward pass."""
        errors: Tensor = self.guesses - self._normalised(observations)[:, self._seen :]
        return errors.square().mean()

    def _normalised(self, observations: Tensor) -> Tensor:
        if not self.normalised:
            return observations
        columns = slice(observations.shape[1])
        return ((observations - self._mean[columns]) / self._scale[columns]).clamp(-CLIP, CLIP)
