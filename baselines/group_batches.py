"""Steps of episodes side by side, for the losses of group-relative learners.

* ``Batch`` - steps to learn from
* ``batch_of`` - those of some episodes
* ``minibatches`` - an epoch
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from telos.baselines.group_episodes import Episodes
from telos.baselines.group_policies import SpacePolicy

__all__ = ["Average", "Batch", "batch_of", "minibatches"]

Average = Literal["episode", "token"]
"""Whether the mean of losses is of each episode's tokens and then of episodes, or of all tokens."""


class Batch(NamedTuple):
    """R steps to learn from, each an action of up to K tokens.

    Attributes:
        observations: ``(R, *shape)``.
        masks: Bool ``(R, entries)`` or None.
        actions: ``(R, *shape)``.
        log_probs: When they were taken, ``(R, K)``.
        reference: Under the reference policy, ``(R, K)``; None if there is none.
        advantages: ``(R,)``.
        success: Bool ``(R,)``, of the episode.
        importance: How much the step matters in a success and in a failure, ``(R, 2)``; None for 1.
        weights: Of each token in the mean of the losses, ``(R, K)``; 0 where there is none.
    """

    observations: Tensor
    masks: Tensor | None
    actions: Tensor
    log_probs: Tensor
    reference: Tensor | None
    advantages: Tensor
    success: Tensor
    importance: Tensor | None
    weights: Tensor

    def pick(self, index: Tensor) -> Batch:
        """Some of the steps."""
        return Batch(*(None if x is None else x[index] for x in self))  # type: ignore[arg-type]

    @staticmethod
    def join(parts: list[Batch]) -> Batch:
        """Several batches as one."""
        columns = zip(*parts, strict=True)
        return Batch(*(None if column[0] is None else torch.cat(column) for column in columns))  # type: ignore[arg-type]


@torch.no_grad()
def batch_of(
    episodes: Episodes,
    learned: Tensor,
    advantages: Tensor,
    success: Tensor,
    policy: SpacePolicy,
    reference: SpacePolicy | None = None,
    average: Average = "episode",
    importance: Tensor | None = None,
) -> Batch:
    """Takes steps out of episodes.

    Args:
        episodes: N episodes of up to T steps.
        learned: Which steps, bool ``(T, N)``.
        advantages: ``(T, N)``.
        success: Bool ``(N,)``.
        policy: What acted.
        reference: The reference policy.
        average: What the weights are for. With ``"episode"`` each token of an episode weighs 1 over their number.
        importance: ``(T, N, 2)``, see ``Batch``.
    """
    at = learned.nonzero(as_tuple=True)
    observations, actions = episodes.observations[at], episodes.actions[at]
    masks = None if episodes.masks is None else episodes.masks[at]
    logs = policy.token_logs(observations, actions, masks)
    weights, episode = logs.there.double(), at[1]
    if average == "episode":
        tokens = weights.new_zeros(learned.shape[1]).index_add_(0, episode, weights.sum(dim=1))
        weights = weights / tokens[episode][:, None]
    return Batch(
        observations=observations,
        masks=masks,
        actions=actions,
        log_probs=logs.log_probs,
        reference=None if reference is None else reference.token_logs(observations, actions, masks).log_probs,
        advantages=advantages[at].float(),
        success=success[episode],
        importance=None if importance is None else importance[at],
        weights=weights.float(),
    )


def minibatches(batch: Batch | None, pieces: int, generator: torch.Generator) -> Iterator[Batch]:
    """Cuts the steps into so many minibatches in random order; none if there are no steps.

    Args:
        batch: The steps.
        pieces: How many, at most.
        generator: Of the order.
    """
    if batch is None or not len(batch.weights):
        return
    order = torch.randperm(len(batch.weights), generator=generator, device=batch.weights.device)
    for index in order.chunk(pieces):
        yield batch.pick(index)
