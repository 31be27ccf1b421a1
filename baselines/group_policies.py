"""Policies without values, for learners that compare whole episodes.

* ``SpacePolicy`` - what such a policy can do
* ``MacroPolicy`` - one distribution for a whole action, of any space that ``action_head`` knows
* ``policy_for`` - the policy for an environment's spaces
* ``SampledPolicy`` - a policy as it is evaluated
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor

from telos.baselines.action_heads import action_head
from telos.baselines.networks import ActorCritic, ObservationEncoder
from telos.baselines.token_policy import TokenLogs, TokenPolicy
from telos.baselines.training_envs import is_on_host

__all__ = ["MacroPolicy", "SampledPolicy", "SpacePolicy", "policy_for"]


class SpacePolicy(Protocol):
    """A policy of one observation. Actions are tensors; ``to_env`` makes them the environment's."""

    def sample(self, observations: Tensor, masks: Tensor | None, generator: torch.Generator) -> Tensor:
        """Draws actions, ``(n, *shape)``."""

    def mode(self, observations: Tensor, masks: Tensor | None) -> Tensor:
        """Returns the likeliest actions (of tokens, the likeliest one after the other)."""

    def token_logs(self, observations: Tensor, actions: Tensor, masks: Tensor | None) -> TokenLogs:
        """Returns what it says of actions."""

    def to_env(self, actions: Tensor, on_host: bool) -> Any:
        """Returns a batch of actions as vector environments take it."""


class MacroPolicy(ActorCritic):
    """One distribution for a whole action. Its weights are named as those of PPO; the values are not used."""

    def sample(self, observations: Tensor, masks: Tensor | None, generator: torch.Generator) -> Tensor:
        """See ``SpacePolicy``."""
        return self.head.sample(self(observations)[0], masks, generator)

    def mode(self, observations: Tensor, masks: Tensor | None) -> Tensor:
        """See ``SpacePolicy``."""
        return self.head.mode(self(observations)[0], masks)

    def token_logs(self, observations: Tensor, actions: Tensor, masks: Tensor | None) -> TokenLogs:
        """See ``SpacePolicy``; K is 1."""
        log_probs, entropies = self.head.log_prob_and_entropy(self(observations)[0], actions, masks)
        return TokenLogs(log_probs[:, None], entropies[:, None], torch.ones_like(log_probs, dtype=torch.bool)[:, None])

    def to_env(self, actions: Tensor, on_host: bool) -> Any:
        """See ``SpacePolicy``."""
        chosen = self.head.to_env(actions)
        return chosen.cpu().numpy() if on_host else chosen


def policy_for(
    encode: ObservationEncoder,
    actions: spaces.Space[Any],
    hidden: int,
    seed: int,
    tokens: bool = False,
    max_tokens: int = 32,
) -> MacroPolicy | TokenPolicy:
    """Makes the policy for an environment.

    Args:
        encode: What encodes its observations.
        actions: Its space of actions.
        hidden: Units of hidden layers.
        seed: Of the weights.
        tokens: Whether a ``MultiDiscrete`` action is a sequence of tokens, each of which depends on those before it,
            and not several independent choices. ``Text`` and ``Sequence`` always are.
        max_tokens: Tokens of a text or a sequence at most.

    Raises:
        ValueError: If there is no policy for the spaces.
    """
    if tokens or isinstance(actions, (spaces.Text, spaces.Sequence)):
        return TokenPolicy(encode, actions, longest=max_tokens, hidden=hidden, seed=seed).to(encode.device)
    return MacroPolicy(encode, action_head(actions), hidden=hidden, seed=seed).to(encode.device)


class SampledPolicy:
    """A policy as ``telos.baselines.evaluation`` plays it.

    Args:
        policy: The policy.
        encode: What encodes its observations.
        deterministic: Whether to take the likeliest action instead of drawing one.
        seed: Of the draws.
    """

    def __init__(
        self, policy: SpacePolicy, encode: ObservationEncoder, deterministic: bool = True, seed: int = 0
    ) -> None:
        self._policy, self._encode, self._deterministic = policy, encode, deterministic
        self._generator = torch.Generator(encode.device).manual_seed(seed)

    @torch.no_grad()
    def __call__(self, observations: Any, infos: dict[str, Any], begins: NDArray[np.bool_]) -> Any:
        """Returns a batch of actions, as ``telos.baselines.evaluation.Policy``."""
        rows, masks = self._encode(observations), self._encode.action_mask(observations, infos)
        if self._deterministic:
            actions = self._policy.mode(rows, masks)
        else:
            actions = self._policy.sample(rows, masks, self._generator)
        return self._policy.to_env(actions, is_on_host(observations))
