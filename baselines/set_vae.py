"""A variational autoencoder of sets: what the members of a set have in common, as one code.

* ``SetVAE`` - encoder and decoder
* ``fit`` - trains one on sets
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from telos.baselines.networks import VectorAdam, linear

__all__ = ["SetVAE", "fit"]

_SMALLEST_DEVIATION = 0.1
"""Of a member's reconstruction, in units of the numbers' deviation over all sets. Ours: constant numbers have none."""

_LARGEST_SET = 4096
"""Members of a set that are encoded; more of them say no more. Ours."""


class SetVAE(nn.Module):
    """The state-action distributional autoencoder (SADAE) of Sim2Rec.

    Every member of a set says by itself where the code may be, as a normal distribution; the set's is their product.
    From the code, members are decoded as independent draws of one normal distribution. The order of the members and,
    when they are many, their number do not matter.

    Args:
        inputs: F, numbers of a member.
        code_size: Numbers of the code.
        hidden: Units of the hidden layers, two each in encoder and decoder.
        seed: Of the weights.

    Source: Chen et al., Sim2Rec (arXiv 2305.04832) and its code: product of normal distributions, standard normal
    prior. Layers of 64 units instead of 512, without layer normalisation: ours.
    """

    _mean: Tensor
    _scale: Tensor

    def __init__(self, inputs: int, code_size: int = 5, hidden: int = 64, seed: int = 0) -> None:
        super().__init__()
        self.code_size = code_size
        generator, gain = torch.Generator().manual_seed(seed), math.sqrt(2.0)

        def perceptron(sizes: tuple[int, int]) -> nn.Sequential:
            first, second = (linear(size, hidden, gain, generator) for size in (sizes[0], hidden))
            last = linear(hidden, 2 * sizes[1], 0.1, generator)
            return nn.Sequential(first, nn.LeakyReLU(), second, nn.LeakyReLU(), last)

        self._encoder, self._decoder = perceptron((inputs, code_size)), perceptron((code_size, inputs))
        self.register_buffer("_mean", torch.zeros(inputs))
        self.register_buffer("_scale", torch.ones(inputs))

    def normalise_by(self, members: Tensor) -> None:
        """Takes numbers from now on in units of their deviation from their mean over members ``(n, F)``."""
        self._mean.copy_(members.mean(dim=0))
        deviation = members.std(dim=0)
        # A number that is always the same stays 0, and would not elsewhere be blown up.
        self._scale.copy_(torch.where(deviation > 1e-6, deviation, 1.0))

    def posterior(self, sets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the codes of sets ``(..., n, F)``; ``(..., code_size)`` each."""
        means, scales = self._encoder((sets - self._mean) / self._scale).chunk(2, dim=-1)
        precisions = (functional.softplus(scales).square() + 1e-7).reciprocal()
        precision = precisions.sum(dim=-2)
        return (precisions * means).sum(dim=-2) / precision, precision.rsqrt()

    @torch.no_grad()
    def code(self, members: Tensor) -> Tensor:
        """The mean code of one set ``(n, F)``; ``(code_size,)``."""
        return self.posterior(members[:_LARGEST_SET])[0]

    def losses(self, sets: Tensor, generator: torch.Generator) -> Tensor:
        """Negative evidence lower bound of each set ``(..., n, F)`` in nats a member.

        Constants of the density are left out. The code of Sim2Rec takes the divergence n times as important, which is
        not the bound of n members.

        Args:
            sets: The sets.
            generator: Draws codes.

        Returns:
            ``(...)``.
        """
        mean, deviation = self.posterior(sets)
        codes = mean + deviation * torch.randn(mean.shape, generator=generator)
        centres, scales = self._decoder(codes).unsqueeze(-2).chunk(2, dim=-1)
        scales = functional.softplus(scales) + _SMALLEST_DEVIATION
        away = ((sets - self._mean) / self._scale - centres) / scales
        surprise = (0.5 * away.square() + scales.log()).sum(dim=-1).mean(dim=-1)
        divergence = 0.5 * (mean.square() + deviation.square() - 1.0 - 2.0 * deviation.log()).sum(dim=-1)
        loss: Tensor = surprise + divergence / sets.shape[-2]
        return loss


def fit(
    vae: SetVAE,
    groups: Sequence[Tensor],
    *,
    updates: int = 2_000,
    set_size: int = 100,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> list[float]:
    """Trains on sets drawn from groups, a set of each group an update.

    Args:
        vae: What is trained, in place.
        groups: Members of each group, ``(n, F)``, n at least 1.
        updates: Steps of Adam; the step size falls linearly to 0.
        set_size: Members of a set, drawn with replacement.
        learning_rate: Step size of the first update.
        seed: Of all draws.

    Returns:
        The loss of each update, the mean over groups.

    Source: sets of 100 as in the code of Sim2Rec, whose step size of 4e-8 takes a million updates; ours is 1e-3.
    """
    generator = torch.Generator().manual_seed(seed)
    vae.normalise_by(torch.cat(list(groups)))
    optimiser, found = VectorAdam(vae), []
    for update in range(updates):
        drawn = [group[torch.randint(len(group), (set_size,), generator=generator)] for group in groups]
        loss = vae.losses(torch.stack(drawn), generator).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step(learning_rate * (1.0 - update / updates), 1.0)
        found.append(loss.item())
    return found
