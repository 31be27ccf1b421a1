"""A Decision Transformer that is asked for two returns, and the policy that acts by it: the parts of DT4IER.

* ``RewardEncoder`` - an embedding of two returns, by how near they are to learned buckets
* ``ReturnBalance`` - how much each of two returns counts for a user
* ``TwoReturnTransformer`` - predicts actions from two returns-to-go, observations and earlier actions
* ``TwoReturnPolicy`` - acts for two returns
* ``goal_space``, ``goal_episode`` - observations that hold the returns-to-go

Source: Liu et al., Sequential Recommendation for Optimizing Both Immediate Feedback and Long-term Retention (DT4IER),
SIGIR 2024, arXiv 2404.03637.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor, nn

from telos.baselines.action_heads import Categoricals
from telos.baselines.causal_transformer import DecisionTransformer, ReturnConditionedPolicy
from telos.baselines.networks import CLIP, ObservationEncoder
from telos.wrappers import Episode
from telos.wrappers.arrays import arrays_of
from telos.wrappers.infos import TERMS, VectorInfo

__all__ = [
    "ReturnBalance",
    "RewardEncoder",
    "TwoReturnPolicy",
    "TwoReturnTransformer",
    "goal_episode",
    "goal_space",
]

_ANCHORS = 10
"""Anchors along each of the two returns: 100 buckets, as in the authors' code, which has them on one line."""

_TEMPERATURE = 0.04
"""Of the softmax over buckets. Ours: the authors' code has one that it does not use."""

_BALANCE_UNITS = (64, 32)
"""Hidden units of the weights' network: those of the authors' code."""


def goal_space(observations: spaces.Space[Any]) -> spaces.Dict:
    """The space of observations with the two returns-to-go.

    Raises:
        ValueError: If observations are no rows of numbers.
    """
    if not isinstance(observations, spaces.Box) or len(observations.shape) != 1:
        raise ValueError(f"DT4IER observes rows of numbers, a Box of one axis, and the space is {observations}")
    return spaces.Dict({"observation": observations, "returns_to_go": spaces.Box(-np.inf, np.inf, (2,), np.float32)})


def goal_episode(episode: Episode, objectives: tuple[str, str]) -> Episode:
    """An episode with its returns-to-go in its observations: float32 ``(T + 1, 2)``, undiscounted sums of two terms.

    Raises:
        ValueError: If a term is missing.
    """
    missing = [name for name in objectives if name not in episode.terms]
    if missing:
        raise ValueError(f"a recorded episode has no reward term {missing[0]!r}; it has {', '.join(episode.terms)}")
    terms = np.stack([np.asarray(episode.terms[name], np.float64) for name in objectives], axis=1)
    to_go = np.concatenate([terms[::-1].cumsum(axis=0)[::-1], np.zeros((1, 2))])
    observations = {"observation": episode.obs, "returns_to_go": to_go.astype(np.float32)}
    return dataclasses.replace(episode, obs=observations)


class RewardEncoder(nn.Module):
    """Embeds two returns by their likeness to buckets, each of which has an anchor in the unit square.

    Scores are ``x = LeakyReLU(W r + b)``, shares the softmax of ``x + W' x`` at a temperature, and the embedding is the
    mean of the buckets' learned embeddings by these shares. At first shares fall with the squared distance from the
    anchor, as a normal density of deviation 0.2 does.

    Args:
        width: Of the embedding.

    Source: DT4IER's high-dimensional reward encoder. Its embeddings of buckets are a linear function of the anchors,
    which leaves what it returns in a plane, whatever the width. Free ones, anchors on a square and the first weights
    are ours.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        axis = (torch.arange(_ANCHORS) + 0.5) / _ANCHORS
        anchors = torch.cartesian_prod(axis, axis)
        self.buckets = nn.Embedding(len(anchors), width)
        self.score, self.mix = nn.Linear(2, len(anchors)), nn.Linear(len(anchors), len(anchors), bias=False)
        with torch.no_grad():
            # -(r - a)^2 / 2 but for what all buckets have in common, and above 0, where LeakyReLU is linear.
            self.score.weight.copy_(anchors)
            self.score.bias.copy_(1.0 - 0.5 * anchors.square().sum(dim=1))
            self.mix.weight.zero_()

    def forward(self, returns: Tensor) -> Tensor:
        """Returns embeddings ``(..., width)`` of returns ``(..., 2)``, which are divided by the largest in the data."""
        scores = nn.functional.leaky_relu(self.score(returns))
        # By the number of buckets, or one step of Adam, which moves all weights alike, would move shares at will.
        mixed = scores + self.mix(scores) / scores.shape[-1]
        embedded: Tensor = (mixed / _TEMPERATURE).softmax(dim=-1) @ self.buckets.weight
        return embedded


class ReturnBalance(nn.Module):
    """How much each of two returns counts for a user: two weights that sum to 1.

    Args:
        features: Numbers that are known of a user.

    Source: DT4IER's adaptive balancing.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        first, second = _BALANCE_UNITS
        self.of_user = nn.Sequential(
            nn.Linear(features, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, 2)
        )

    def forward(self, users: Tensor) -> Tensor:
        """Returns weights ``(..., 2)`` of users ``(..., features)``."""
        weights: Tensor = self.of_user(users).softmax(dim=-1)
        return weights

    @staticmethod
    def loss(weights: Tensor, returns: Tensor, inequality: float) -> Tensor:
        """What the weights minimise: minus the weighted sum of the returns, plus so much of their difference.

        Args:
            weights: ``(..., 2)``.
            returns: ``(..., 2)``.
            inequality: Weight of the absolute difference of the weighted returns.

        Returns:
            ``(...)``.
        """
        weighted = weights * returns
        return inequality * (weighted[..., 0] - weighted[..., 1]).abs() - weighted.sum(dim=-1)


class TwoReturnTransformer(DecisionTransformer):
    """A causal transformer over (two returns-to-go, observation, action), which predicts the actions.

    Args:
        observations: What encodes observations of ``goal_space``.
        actions: The space of one environment's actions: ``Discrete`` or ``MultiDiscrete``.
        balanced: Whether to weight the returns-to-go by ``ReturnBalance``, instead of equally.
        bucketed: Whether to embed them by ``RewardEncoder``, instead of linearly.
        width: As for ``DecisionTransformer``, like all the rest.

    Attributes:
        target: The returns that evaluations ask for, float64 ``(2,)``.

    Raises:
        ValueError: If actions are no choices.
    """

    _largest: Tensor

    def __init__(
        self,
        observations: ObservationEncoder,
        actions: spaces.Space[Any],
        *,
        balanced: bool,
        bucketed: bool,
        width: int,
        seed: int,
        **sizes: Any,
    ) -> None:
        super().__init__(observations, actions, width=width, seed=seed, **sizes)
        if not isinstance(self.head, Categoricals):
            raise ValueError(f"DT4IER chooses items, Discrete or MultiDiscrete actions, and the space is {actions}")
        self._sizes, features = self.head.sizes.tolist(), observations.shape[0] - 2
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1)
            self.of_observation = nn.Linear(features, width)
            self.of_return = RewardEncoder(width) if bucketed else nn.Linear(2, width)  # type: ignore[assignment]
            self.balance = ReturnBalance(features) if balanced else None
        self.register_buffer("_largest", torch.ones(2))
        self.register_buffer("target", torch.zeros(2, dtype=torch.float64))

    @torch.no_grad()
    def fit_scales(self, observations: Tensor, returns_to_go: Tensor) -> None:
        """See ``DecisionTransformer``; the two returns-to-go are divided by the largest of each."""
        super().fit_scales(observations, returns_to_go)
        largest = observations[:, -2:].abs().amax(dim=0)
        self._largest.copy_(torch.where(largest > 0, largest, 1.0))

    def split(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Returns normalised observations ``(..., features)``, and returns-to-go ``(..., 2)`` by their largest."""
        normalised = ((observations - self._mean) / self._std).clamp(-CLIP, CLIP)
        return normalised[..., :-2], observations[..., -2:] / self._largest

    def weights(self, users: Tensor) -> Tensor:
        """How much each return counts, ``(..., 2)``, for normalised observations ``(..., features)``."""
        return torch.full_like(users[..., :2], 0.5) if self.balance is None else self.balance(users)

    def forward(self, returns: Tensor, observations: Tensor, actions: Tensor, timesteps: Tensor) -> Tensor:
        """As ``DecisionTransformer``; ``returns``, those of all terms together, are not looked at."""
        n, length = timesteps.shape
        users, to_go = self.split(observations)
        done = self._encode_actions(self.head.to_env(actions.flatten(0, 1))).view(n, length, -1)
        at = self.of_timestep(timesteps.clamp(max=self.of_timestep.num_embeddings - 1))
        # The weights have a loss of their own; equal ones leave the returns as they are.
        weighted = 2.0 * to_go * self.weights(users).detach()
        tokens = (self.of_return(weighted) + at, self.of_observation(users) + at, self.of_action(done) + at)
        stacked = self.dropout(self.norm(torch.stack(tokens, dim=2).flatten(1, 2)))
        mask = nn.Transformer.generate_square_subsequent_mask(3 * length, device=stacked.device)
        for layer in self.layers:
            stacked = layer(stacked, src_mask=mask, is_causal=True)
        outputs: Tensor = self.to_outputs(self.last_norm(stacked[:, 1::3]))
        return outputs

    def embed_predicted(self, outputs: Tensor) -> Tensor:
        """The expected embedding of the actions that outputs ``(n, head.outputs)`` predict, ``(n, width)``."""
        probabilities = [part.softmax(dim=-1) for part in torch.split(outputs, self._sizes, dim=-1)]
        return nn.functional.linear(torch.cat(probabilities, dim=-1), self.of_action.weight)

    def embed_actions(self, actions: Tensor) -> Tensor:
        """The embeddings of actions as the head has them, ``(n, *head.shape)``; ``(n, width)``."""
        return nn.functional.linear(self._encode_actions(self.head.to_env(actions)), self.of_action.weight)


class TwoReturnPolicy:
    """Acts for two returns: the returns-to-go begin with them, and fall by what each step's reward terms pay.

    It reads the terms in the infos; reward wrappers play no part.

    Args:
        net: The network.
        encode: What encodes observations of ``goal_space``.
        context: Steps that the network sees.
        objectives: Names of the two reward terms.
        target: The two returns; None for the network's own.
        deterministic: Whether to take the likeliest action instead of drawing one.
        seed: Of the draws.

    Attributes:
        target: The two returns, float64 ``(2,)``.
    """

    def __init__(
        self,
        net: TwoReturnTransformer,
        encode: ObservationEncoder,
        context: int,
        objectives: tuple[str, str],
        target: tuple[float, float] | None = None,
        deterministic: bool = True,
        seed: int = 0,
    ) -> None:
        self._act = ReturnConditionedPolicy(net, encode, context, 0.0, (), deterministic, seed)
        self.target: NDArray[np.float64] = net.target.cpu().numpy() if target is None else np.array(target, np.float64)
        self._keys = [f"{TERMS}.{name}" for name in objectives]
        self._left: Any = None

    def __call__(self, observations: Any, infos: dict[str, Any], begins: NDArray[np.bool_]) -> Any:
        """Returns a batch of actions, as ``telos.baselines.evaluation.Policy``."""
        n, xp = len(begins), arrays_of(observations)
        told = VectorInfo(infos, n, xp)
        paid = [xp.asarray(told.get(key, 0.0), dtype=xp.float64) for key in self._keys]
        asked = [xp.asarray(part, dtype=xp.float64) for part in self.target]
        new = xp.asarray(begins)
        if self._left is None or len(self._left[0]) != n:
            self._left = paid
        self._left = [xp.where(new, asked[k], self._left[k] - paid[k]) for k in range(2)]
        returns = xp.zeros((n, 2))
        returns[:, 0], returns[:, 1] = self._left
        return self._act({"observation": observations, "returns_to_go": returns}, infos, begins)
