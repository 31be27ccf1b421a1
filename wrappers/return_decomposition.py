"""A learned model of what each step of an episode contributed to its return.

* ``ReturnDecomposition`` - the model, its replay of episodes and its losses
* ``ReturnDecompositions`` - one model per environment
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from telos.wrappers.networks import own_settings
from telos.wrappers.terms import Array

__all__ = ["ReturnDecomposition", "ReturnDecompositions", "subsequence_loss"]


def subsequence_loss(returns: Tensor, steps: Tensor, drawn: Tensor, length: Tensor, unbiased: bool = False) -> Tensor:
    r"""Randomised return decomposition's loss on random steps of episodes.

    ``L = (R - T/K sum_{t in I} f_t)^2``. Its expectation over I is ``(R - sum_t f_t)^2`` plus the variance of the
    estimated sum. ``unbiased`` subtracts an unbiased estimate of that variance, for K of T steps drawn without
    replacement ``T^2 / K (1 - K/T) s^2`` with s^2 the sample variance over I (our derivation); nothing where K = 1.

    Args:
        returns: ``R``, shape ``(B,)``.
        steps: ``f_t`` at the drawn steps, one episode's after the other's, shape ``(sum of drawn,)``.
        drawn: ``K``, how many steps of each episode, at least 1, shape ``(B,)``, int64.
        length: ``T``, shape ``(B,)``.
        unbiased: Whether to subtract the variance.

    Returns:
        Each episode's loss, shape ``(B,)``.
    """
    episode, nothing = torch.repeat_interleave(drawn), torch.zeros_like(returns)
    total = nothing.index_add(0, episode, steps)
    loss = (returns - length / drawn * total) ** 2
    if unbiased:
        off = steps - (total / drawn).index_select(0, episode)
        variance = nothing.index_add(0, episode, off**2) / (drawn - 1).clamp(min=1)
        loss = loss - length**2 / drawn * (1 - drawn / length) * variance
    return loss


class ReturnDecomposition:
    """Predicts a reward for each step, so that an episode's predictions add up to its return.

    A multilayer perceptron on standardised features, trained with Adam on episodes drawn from the latest ones. It works
    in float32 on the CPU, whatever the learner's own PyTorch settings are, and inside of ``torch.no_grad()``.

    Args:
        hidden: Widths of the hidden layers.
        learning_rate: Adam's.
        subsequence: Steps to draw from an episode (randomised return decomposition); None takes them all.
        unbiased: Corrects the loss of drawn steps, see ``subsequence_loss``. Without it the model is pulled towards
            equal shares.
        capacity: Episodes to remember.
        batch_size: Episodes in a gradient step.
        seed: Seed of the initial weights and of what is drawn.
    """

    def __init__(
        self,
        hidden: Sequence[int] = (64, 64),
        learning_rate: float = 3e-4,
        subsequence: int | None = None,
        unbiased: bool = True,
        capacity: int = 256,
        batch_size: int = 16,
        seed: int = 0,
    ) -> None:
        self._hidden, self._learning_rate = list(hidden), learning_rate
        self._subsequence, self._unbiased = subsequence, unbiased
        self._capacity, self._batch_size = capacity, batch_size
        self._rng = np.random.default_rng(seed)
        self._episodes: list[tuple[Array, float]] = []
        self._added = 0
        self._fitted = False
        self._scale = 1.0
        self._network: nn.Sequential | None = None
        self._count, self._mean, self._squares = 0, np.zeros(0), np.zeros(0)

    def add(self, features: Array, episode_return: float) -> None:
        """Remembers an episode.

        Args:
            features: Shape ``(T, d)``.
            episode_return: What its steps add up to.

        Raises:
            ValueError: If d changed.
        """
        if self._network is None:
            self._build(features.shape[1])
        if features.shape[1] != len(self._mean):
            raise ValueError(f"Features had {len(self._mean)} numbers, now they have {features.shape[1]}.")
        episode = (np.array(features, np.float64), float(episode_return))
        if len(self._episodes) < self._capacity:
            self._episodes.append(episode)
        else:
            self._episodes[self._added % self._capacity] = episode
        self._added += 1
        for row in episode[0]:
            self._count += 1
            off = row - self._mean
            self._mean = self._mean + off / self._count
            self._squares = self._squares + off * (row - self._mean)

    @own_settings()
    def fit(self, updates: int) -> None:
        """Takes some gradient steps on remembered episodes; none before the first episode."""
        if not self._episodes or not updates:
            return
        assert self._network is not None
        returns = np.array([episode_return for _, episode_return in self._episodes])
        self._scale = float(np.abs(returns).max()) or 1.0
        self._fitted = True
        for _ in range(updates):
            loss = self._loss([self._episodes[i] for i in self._draw()])
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()

    def predict(self, features: Array) -> Array:
        """Returns each step's share of the return, shape ``(T,)``, float64; 0 before the first fit.

        Args:
            features: Shape ``(T, d)``.
        """
        if not self._fitted or self._network is None:
            return np.zeros(len(features))
        with own_settings(), torch.no_grad():
            shares: Array = self._network(self._standardised(features)).numpy()[:, 0]
        return self._scale * shares.astype(np.float64)

    def _draw(self) -> Array:
        return self._rng.integers(len(self._episodes), size=min(self._batch_size, len(self._episodes)))

    def _loss(self, episodes: list[tuple[Array, float]]) -> Tensor:
        assert self._network is not None
        drawn = [self._some_steps(features) for features, _ in episodes]
        shares = self._network(self._standardised(np.concatenate(drawn)))[:, 0]
        returns = torch.tensor([total / self._scale for _, total in episodes], dtype=torch.float32)
        lengths = torch.tensor([len(features) for features, _ in episodes], dtype=torch.float32)
        counts = torch.tensor([len(steps) for steps in drawn])
        return subsequence_loss(returns, shares, counts, lengths, self._unbiased).mean()

    def _some_steps(self, features: Array) -> Array:
        if self._subsequence is None or self._subsequence >= len(features):
            return features
        some: Array = features[self._rng.choice(len(features), self._subsequence, replace=False)]
        return some

    def _standardised(self, features: Array) -> Tensor:
        deviation = np.sqrt(self._squares / max(self._count, 1))
        scaled = (features - self._mean) / np.where(deviation > 1e-8, deviation, 1.0)
        return torch.from_numpy(scaled.astype(np.float32))

    @own_settings()
    def _build(self, width: int) -> None:
        self._count, self._mean, self._squares = 0, np.zeros(width), np.zeros(width)
        layers: list[nn.Module] = []
        for size in self._hidden:
            layers += [_linear(width, size), nn.ReLU()]
            width = size
        self._network = nn.Sequential(*layers, _linear(width, 1))
        with torch.no_grad():
            # From our own generator: PyTorch's global one belongs to the learner, who must not notice.
            for parameter in self._network.parameters():
                bound = 1.0 / np.sqrt(parameter.shape[-1])
                drawn = self._rng.uniform(-bound, bound, tuple(parameter.shape)) * (parameter.ndim > 1)
                parameter.copy_(torch.from_numpy(drawn))
        self._optimiser = torch.optim.Adam(self._network.parameters(), lr=self._learning_rate)

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the weights, the optimiser, the episodes and the random state, as NumPy arrays."""
        state: dict[str, Any] = {
            "rng": deepcopy(self._rng.bit_generator.state),
            "episodes": deepcopy(self._episodes),
            "added": self._added,
            "fitted": self._fitted,
            "scale": self._scale,
            "network": None,
        }
        if self._network is not None:
            moments = self._optimiser.state_dict()["state"]
            state["statistics"] = {"count": self._count, "mean": self._mean.copy(), "squares": self._squares.copy()}
            state["network"] = [parameter.detach().numpy().copy() for parameter in self._network.parameters()]
            state["optimiser"] = {i: {k: v.numpy().copy() for k, v in part.items()} for i, part in moments.items()}
        return state

    @own_settings()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from a copy of what ``state_dict`` returned."""
        self._network = None
        if state["network"] is not None:
            self._build(len(state["statistics"]["mean"]))
            assert self._network is not None
            self._count = state["statistics"]["count"]
            self._mean, self._squares = (state["statistics"][name].copy() for name in ("mean", "squares"))
            with torch.no_grad():
                for parameter, saved in zip(self._network.parameters(), state["network"], strict=True):
                    parameter.copy_(torch.from_numpy(saved))
            moments = {i: {k: torch.tensor(v) for k, v in part.items()} for i, part in state["optimiser"].items()}
            self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": moments})
        self._rng.bit_generator.state = deepcopy(state["rng"])
        self._episodes = deepcopy(state["episodes"])
        self._added, self._fitted, self._scale = state["added"], state["fitted"], state["scale"]


def _linear(width: int, size: int) -> nn.Module:
    """Makes a layer without drawing its weights."""
    layer: nn.Module = skip_init(nn.Linear, width, size, dtype=torch.float32)  # type: ignore[no-untyped-call]
    return layer


class ReturnDecompositions(list[ReturnDecomposition]):
    """Models, one per environment, saved together."""

    def __init__(self, models: Iterable[ReturnDecomposition] = ()) -> None:
        super().__init__(models)

    def state_dict(self) -> dict[str, Any]:
        """Returns each model's state."""
        return {str(i): model.state_dict() for i, model in enumerate(self)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from copies of what ``state_dict`` returned."""
        for i, model in enumerate(self):
            model.load_state_dict(state[str(i)])
