"""A model of which steps decide an episode's outcome, learned from outcomes alone.

* ``StepReward`` - the model and its optimiser
"""

from __future__ import annotations

import math
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

from telos.baselines.group_episodes import Episodes
from telos.baselines.group_losses import oreal_weights
from telos.baselines.group_policies import MacroPolicy
from telos.baselines.networks import ObservationEncoder, VectorAdam

__all__ = ["StepReward"]


class StepReward(nn.Module):
    """Logits of steps, whose mean over an episode predicts whether it succeeds.

    Args:
        encode: What encodes observations; not images.
        actions: The space of actions, not of tokens.
        learning_rate: Step size of Adam.
        hidden: Units of the hidden layer.
        seed: Of the weights.

    Raises:
        ValueError: If observations or actions are others.

    Source: the token-level reward model of OREAL (arXiv 2502.06781). There it is a language model that sees all tokens
    so far; here it sees one step, which is enough where observations are states. There one right and one wrong answer
    of each question are kept; here both sides weigh the same instead, or rare successes would all get a weight of 0.
    That and the size are ours.
    """

    def __init__(
        self,
        encode: ObservationEncoder,
        actions: spaces.Space[Any],
        learning_rate: float = 3e-3,
        hidden: int = 64,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if encode.image:
            raise ValueError("there is no model of steps for images; encode them as a vector")
        self._encode_actions = ObservationEncoder(actions, encode.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._net = nn.Sequential(
                nn.Linear(math.prod(encode.shape) + math.prod(self._encode_actions.shape), hidden),
                nn.Tanh(),
                nn.Linear(hidden, 1),
            )
        self.to(encode.device)
        self._optimiser, self._learning_rate = VectorAdam(self), learning_rate

    def logits(self, episodes: Episodes, policy: MacroPolicy) -> Tensor:
        """Returns one logit a step, ``(T, N)``; anything behind the ends of episodes."""
        t, n = episodes.there.shape
        taken = self._encode_actions(policy.head.to_env(episodes.actions.flatten(0, 1)))
        seen = episodes.observations.flatten(0, 1)
        logits: Tensor = self._net(torch.cat([seen, taken], dim=1)).view(t, n)
        return logits

    def weigh_and_learn(self, episodes: Episodes, success: Tensor, policy: MacroPolicy) -> tuple[Tensor, float]:
        """Says how much each step matters, and then learns from the episodes.

        Args:
            episodes: N episodes.
            success: Bool ``(N,)``.
            policy: What acted.

        Returns:
            The weights of steps of successes and failures, ``(T, N, 2)``, as ``oreal_weights``; and the loss, the
            binary cross entropy of the outcome given the mean logit, the mean of that of successes and of failures.
        """
        logits = self.logits(episodes, policy)
        with torch.no_grad():
            weights = torch.stack(oreal_weights(logits, episodes.there), dim=2)
        mean = torch.where(episodes.there, logits, 0.0).sum(dim=0) / episodes.there.sum(dim=0)
        losses = functional.binary_cross_entropy_with_logits(mean, success.float(), reduction="none")
        sides = [episodes.counted & side for side in (success, ~success)]
        loss = torch.stack([(losses * side).sum() / side.sum().clamp(min=1) for side in sides]).mean()
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step(self._learning_rate, max_norm=1.0)
        return weights, loss.item()

    def save(self) -> dict[str, Any]:
        """Returns a copy of weights and optimiser."""
        return {"weights": {k: v.clone() for k, v in self.state_dict().items()}, "adam": self._optimiser.state_dict()}

    def load(self, saved: dict[str, Any]) -> None:
        """Continues from what ``save`` returned."""
        self.load_state_dict(saved["weights"])
        self._optimiser.load_state_dict(saved["adam"])
