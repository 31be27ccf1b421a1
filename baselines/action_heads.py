"""Distributions of actions for any space, from a network's outputs.

* ``ActionHead`` - what they have in common
* ``Categoricals``, ``Bernoullis``, ``Gaussian`` - those of ``Discrete`` and ``MultiDiscrete``, ``MultiBinary``, ``Box``
* ``action_head`` - the one for a space
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["FORBIDDEN", "ActionHead", "Bernoullis", "Categoricals", "Gaussian", "action_head"]

FORBIDDEN = -1e9
"""Logit of an action that the mask forbids: its probability is exactly 0, and 0 times it is 0, not NaN."""


class ActionHead(nn.Module, ABC):
    """What a network's outputs say of actions. Masks are bool tensors, or None where all actions are allowed.

    Attributes:
        outputs: Number of a network's outputs.
        shape: Of one action.
        dtype: Of actions.
    """

    outputs: int
    shape: tuple[int, ...]
    dtype: torch.dtype = torch.int64

    @abstractmethod
    def sample(self, outputs: Tensor, mask: Tensor | None, generator: torch.Generator) -> Tensor:
        """Draws actions, ``(n, *shape)``."""

    @abstractmethod
    def mode(self, outputs: Tensor, mask: Tensor | None) -> Tensor:
        """Returns the likeliest actions, ``(n, *shape)``."""

    @abstractmethod
    def log_prob_and_entropy(self, outputs: Tensor, actions: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Returns the actions' log probabilities and the distributions' entropies in nats, each ``(n,)``."""

    @abstractmethod
    def to_env(self, actions: Tensor) -> Tensor:
        """Returns actions as the environment wants them."""


class Categoricals(ActionHead):
    """Independent choices: ``Discrete`` is one, ``MultiDiscrete`` several.

    Args:
        sizes: Number of options of each.
        starts: The number of each choice's first option.
        shape: Of one action.

    Attributes:
        sizes: As given.
    """

    _place: Tensor
    _there: Tensor
    _starts: Tensor

    def __init__(self, sizes: Any, starts: Any, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.outputs, self.shape = int(sizes.sum()), shape
        self.sizes, self._choices, self._widest = sizes, len(sizes), int(sizes.max())
        self._from_zero = not np.any(starts)
        self._even = bool((sizes == self._widest).all())
        options = np.arange(self._widest)
        there = options < sizes[:, None]
        place = np.where(there, (np.cumsum(sizes) - sizes)[:, None] + options, 0)
        self.register_buffer("_place", torch.as_tensor(place), persistent=False)
        self.register_buffer("_there", torch.as_tensor(there), persistent=False)
        self.register_buffer("_starts", torch.as_tensor(starts), persistent=False)

    def _table(self, flat: Tensor) -> Tensor:
        """Options by choice, ``(n, choices, widest)``; anything where there are none."""
        return flat.view(-1, self._choices, self._widest) if self._even else flat[:, self._place]

    def _logits(self, outputs: Tensor, mask: Tensor | None) -> Tensor:
        logits = self._table(outputs)
        if mask is not None:
            logits = logits.masked_fill(~self._table(mask), FORBIDDEN)
        return logits if self._even else logits.masked_fill(~self._there, 2 * FORBIDDEN)

    def noise(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """Draws from Gumbel's distribution. The option with the largest sum of logit and noise is drawn."""
        return torch.empty(shape, device=generator.device).exponential_(generator=generator).clamp_(1e-20).log_().neg_()

    def sample(self, outputs: Tensor, mask: Tensor | None, generator: torch.Generator) -> Tensor:
        """Draws by the Gumbel maximum, which needs no normalised probabilities."""
        logits = self._logits(outputs, mask)
        return (logits + self.noise(logits.shape, generator)).argmax(dim=2).view(-1, *self.shape)

    def mode(self, outputs: Tensor, mask: Tensor | None) -> Tensor:
        """See ``ActionHead``."""
        return self._logits(outputs, mask).argmax(dim=2).view(-1, *self.shape)

    def log_prob_and_entropy(self, outputs: Tensor, actions: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """See ``ActionHead``."""
        logs = self._logits(outputs, mask).float().log_softmax(dim=2)
        chosen = logs.gather(2, actions.view(-1, self._choices, 1)).sum(dim=(1, 2))
        return chosen, -(logs.exp() * logs).sum(dim=(1, 2))

    def to_env(self, actions: Tensor) -> Tensor:
        """See ``ActionHead``."""
        return actions if self._from_zero else actions + self._starts.view(self.shape)


class Bernoullis(ActionHead):
    """Independent bits, of ``MultiBinary``. A bit that the mask forbids is 0.

    Args:
        shape: Of one action.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.outputs, self.shape, self.dtype = math.prod(shape), shape, torch.int8

    def noise(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """Draws uniform numbers. A bit whose probability is above its number is 1."""
        return torch.rand(shape, generator=generator, device=generator.device)

    def sample(self, outputs: Tensor, mask: Tensor | None, generator: torch.Generator) -> Tensor:
        """See ``ActionHead``."""
        return self._bits(self.noise(outputs.shape, generator) < outputs.float().sigmoid(), mask)

    def mode(self, outputs: Tensor, mask: Tensor | None) -> Tensor:
        """See ``ActionHead``."""
        return self._bits(outputs > 0, mask)

    def _bits(self, bits: Tensor, mask: Tensor | None) -> Tensor:
        return (bits if mask is None else bits & mask).to(self.dtype).view(-1, *self.shape)

    def log_prob_and_entropy(self, outputs: Tensor, actions: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """See ``ActionHead``."""
        logits = outputs.float()
        none = functional.softplus(logits)  # -log of the probability of a 0
        logs, entropies = actions.view_as(logits) * logits - none, none - logits * logits.sigmoid()
        if mask is not None:
            logs, entropies = logs * mask, entropies * mask
        return logs.sum(dim=1), entropies.sum(dim=1)

    def to_env(self, actions: Tensor) -> Tensor:
        """See ``ActionHead``."""
        return actions


class Gaussian(ActionHead):
    """Independent normal numbers, of ``Box``, with deviations that do not depend on the observation.

    The environment gets them clipped to the bounds; the densities are those of the numbers before.

    Args:
        space: The space.
    """

    _low: Tensor
    _high: Tensor

    def __init__(self, space: spaces.Box) -> None:
        super().__init__()
        self.outputs, self.shape, self.dtype = math.prod(space.shape), space.shape, torch.float32
        self.log_std = nn.Parameter(torch.zeros(self.outputs))
        self.register_buffer("_low", torch.as_tensor(space.low, dtype=torch.float32), persistent=False)
        self.register_buffer("_high", torch.as_tensor(space.high, dtype=torch.float32), persistent=False)

    def sample(self, outputs: Tensor, mask: Tensor | None, generator: torch.Generator) -> Tensor:
        """See ``ActionHead``."""
        noise = torch.randn(outputs.shape, generator=generator, device=outputs.device)
        return (outputs + self.log_std.exp() * noise).view(-1, *self.shape)

    def mode(self, outputs: Tensor, mask: Tensor | None) -> Tensor:
        """See ``ActionHead``."""
        return outputs.float().view(-1, *self.shape)

    def log_prob_and_entropy(self, outputs: Tensor, actions: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """See ``ActionHead``; the entropy is the differential one."""
        away = (actions.view_as(outputs) - outputs) * (-self.log_std).exp()
        logs = -0.5 * away.square() - self.log_std - 0.5 * math.log(2 * math.pi)
        entropy = (self.log_std + 0.5 * math.log(2 * math.pi * math.e)).sum()
        return logs.sum(dim=1), entropy.expand(len(outputs))

    def to_env(self, actions: Tensor) -> Tensor:
        """See ``ActionHead``."""
        return actions.clamp(self._low, self._high)


def action_head(space: spaces.Space[Any]) -> ActionHead:
    """Returns the distribution for a space of actions.

    Raises:
        ValueError: If there is none.
    """
    if isinstance(space, spaces.Discrete):
        return Categoricals(np.array([space.n]), np.array([space.start]), ())
    if isinstance(space, spaces.MultiDiscrete):
        return Categoricals(space.nvec.reshape(-1), space.start.reshape(-1), space.shape)
    if isinstance(space, spaces.MultiBinary):
        return Bernoullis(space.shape)
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        return Gaussian(space)
    raise ValueError(
        f"there is no policy for actions in {space}; there is for Discrete, MultiDiscrete, MultiBinary and Box"
    )
