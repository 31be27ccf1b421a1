"""What the learned bonuses learn. Needs PyTorch.

* ``Steps`` - a batch of steps
* ``RandomDistillation`` - predicts a fixed random network (RND)
* ``Dynamics`` - features that tell the action, and predictions of the next ones (ICM, RIDE)
* ``ForwardEnsemble`` - several predictions of the next random features (Disagreement)
* ``NoveltyLearner`` - judges steps by one of these, and trains it on them
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from telos.wrappers.networks import Ensemble, RunningMoments, encoder, mlp

__all__ = ["Dynamics", "ForwardEnsemble", "NoveltyLearner", "NoveltyModel", "RandomDistillation", "Steps"]

_CLIP = 5.0
"""Whitened inputs are cut here, as RND's are."""


@dataclass(frozen=True)
class Steps:
    """A batch of steps.

    Attributes:
        obs: Whitened inputs before the steps, shape ``(n, *shape)``, float32; of no use if the model does not need
            them.
        action: One-hot or numbers, shape ``(n, actions)``, float32; as well.
        next_obs: Whitened inputs after the steps, shape ``(n, *shape)``, float32.
    """

    obs: Tensor
    action: Tensor
    next_obs: Tensor

    def rows(self, index: Tensor) -> Steps:
        """Returns some of them."""
        return Steps(self.obs[index], self.action[index], self.next_obs[index])

    def to(self, device: Any) -> Steps:
        """Returns a copy of them on a device."""
        return Steps(*(part.clone().to(device) for part in (self.obs, self.action, self.next_obs)))

    @staticmethod
    def joined(parts: list[Steps]) -> Steps:
        """Returns several batches as one."""
        if len(parts) == 1:
            return parts[0]
        columns = zip(*((part.obs, part.action, part.next_obs) for part in parts), strict=True)
        return Steps(*(torch.cat(column) for column in columns))


class NoveltyModel(nn.Module):
    """Networks that judge how new steps are.

    Attributes:
        compares: Whether it needs ``obs`` and ``action``, too.
    """

    compares = True

    @abstractmethod
    def novelty(self, steps: Steps) -> Tensor:
        """Returns how new steps are, at least 0, shape ``(n,)``."""

    @abstractmethod
    def loss(self, steps: Steps) -> Tensor:
        """Returns what is to become small, shape ``(n,)``."""


class RandomDistillation(NoveltyModel):
    """The error of a network that predicts the features of a random one.

    Args:
        rng: For the weights.
        shape: Of one input.
        hidden: Units of the hidden layers.
        size: Number of features.
    """

    compares = False

    def __init__(self, rng: np.random.Generator, shape: tuple[int, ...], hidden: int, size: int) -> None:
        super().__init__()
        self.target = encoder(rng, shape, hidden, size).requires_grad_(False)
        self.predictor = encoder(rng, shape, hidden, size)

    def novelty(self, steps: Steps) -> Tensor:
        """Mean squared error."""
        error: Tensor = self.predictor(steps.next_obs) - self.target(steps.next_obs)
        return error.square().mean(dim=1)

    def loss(self, steps: Steps) -> Tensor:
        """Mean squared error."""
        return self.novelty(steps)


class Dynamics(NoveltyModel):
    """An inverse model that shapes the features, and a forward model in them.

    Args:
        rng: For the weights.
        shape: Of one input.
        actions: Numbers of an action.
        discrete: Whether these are one-hot.
        hidden: Units of the hidden layers.
        size: Number of features.
        beta: Share of the forward model's loss.
        judges: ``"error"``: half the squared error of the forward model; ``"impact"``: how far the features move.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        shape: tuple[int, ...],
        actions: int,
        *,
        discrete: bool,
        hidden: int,
        size: int,
        beta: float,
        judges: Literal["error", "impact"],
    ) -> None:
        super().__init__()
        self.encoder = encoder(rng, shape, hidden, size)
        self.inverse = mlp(rng, 2 * size, hidden, actions)
        self.forward_model = mlp(rng, size + actions, hidden, size)
        self._discrete, self._beta, self._judges = discrete, beta, judges

    def _forward_error(self, before: Tensor, action: Tensor, after: Tensor) -> Tensor:
        predicted: Tensor = self.forward_model(torch.cat([before, action], dim=1))
        return 0.5 * (predicted - after).square().sum(dim=1)

    def novelty(self, steps: Steps) -> Tensor:
        """Half the squared error, or the Euclidean distance that the features move."""
        before, after = self.encoder(steps.obs), self.encoder(steps.next_obs)
        if self._judges == "impact":
            impact: Tensor = (after - before).norm(dim=1)
            return impact
        return self._forward_error(before, steps.action, after)

    def loss(self, steps: Steps) -> Tensor:
        """The inverse model's cross-entropy (squared error for numbers) and the forward model's error."""
        before, after = self.encoder(steps.obs), self.encoder(steps.next_obs)
        guess = self.inverse(torch.cat([before, after], dim=1))
        if self._discrete:
            inverse = functional.cross_entropy(guess, steps.action, reduction="none")
        else:
            inverse = (guess - steps.action).square().mean(dim=1)
        return (1.0 - self._beta) * inverse + self._beta * self._forward_error(before, steps.action, after)


class ForwardEnsemble(NoveltyModel):
    """How much several forward models differ that predict the features of a fixed random network.

    Args:
        rng: For the weights.
        shape: Of one input.
        actions: Numbers of an action.
        members: Forward models, at least 2.
        hidden: Units of the hidden layers.
        size: Number of features.
    """

    def __init__(
        self, rng: np.random.Generator, shape: tuple[int, ...], actions: int, members: int, hidden: int, size: int
    ) -> None:
        super().__init__()
        self.encoder = encoder(rng, shape, hidden, size).requires_grad_(False)
        self.models = Ensemble(rng, members, size + actions, hidden, size)

    def _predicted(self, steps: Steps) -> Tensor:
        predicted: Tensor = self.models(torch.cat([self.encoder(steps.obs), steps.action], dim=1))
        return predicted

    def novelty(self, steps: Steps) -> Tensor:
        """Variance of the predictions, mean over the features."""
        return self._predicted(steps).var(dim=0, unbiased=False).mean(dim=1)

    def loss(self, steps: Steps) -> Tensor:
        """Squared error, mean over features, sum over models."""
        error: Tensor = self._predicted(steps) - self.encoder(steps.next_obs)
        return error.square().mean(dim=2).sum(dim=0)


Inputs: TypeAlias = tuple[int, ...]


class NoveltyLearner:
    """Judges steps by a model, and trains it on them afterwards.

    The model is made with the first steps, when the shape of inputs is known. Inputs are whitened by the mean and
    standard deviation of all so far and cut at 5; what is paid is divided by the standard deviation of its discounted
    sums. When ``batch_size`` steps or more have come together, the model takes one step of Adam on as many of them,
    drawn at random, and the others are let go.

    Args:
        make: Makes the model from a random generator, the shape of one input and the numbers of an action.
        num_envs: Number of environments.
        device: Where.
        learning_rate: Adam's.
        batch_size: Steps to train on at a time.
        warmup: Rows at the beginning that are only there for the statistics.
        discount: Of the sums.
        normalise: Whether to divide by the standard deviation.
        seed: Of the weights and of the choice of rows.
    """

    def __init__(
        self,
        make: Callable[[np.random.Generator, Inputs, int], NoveltyModel],
        num_envs: int,
        *,
        device: Any,
        learning_rate: float,
        batch_size: int,
        warmup: int,
        discount: float,
        normalise: bool,
        seed: int,
    ) -> None:
        self._make, self.device, self._learning_rate, self._batch_size = make, device, learning_rate, batch_size
        self._warmup, self._discount, self._normalise = warmup, discount, normalise
        self._rng = np.random.default_rng(seed)
        self._sizes: tuple[Inputs, int] | None = None
        self.model: NoveltyModel | None = None
        self._seen = 0
        self._held: list[Steps] = []
        self._sums = torch.zeros(num_envs, dtype=torch.float64, device=device)
        self._moments = RunningMoments((), device)

    def _build(self, shape: Inputs, actions: int) -> NoveltyModel:
        self._sizes = shape, actions
        self.model = self._make(self._rng, shape, actions).to(self.device)
        self._inputs = RunningMoments(shape, self.device)
        trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        self._optimiser = torch.optim.Adam(trained, lr=self._learning_rate, fused=True)
        return self.model

    def judge(self, steps: Steps, live: Tensor) -> Tensor:
        """Returns how new steps are to what was learned before, and learns from them.

        Args:
            steps: One row for each environment, not whitened; 0 in rows that are not live.
            live: Which rows to learn from, shape ``(num_envs,)``, bool.

        Returns:
            Shape ``(num_envs,)``, float64, arbitrary in other rows; 0 while the statistics warm up.

        Raises:
            ValueError: If inputs or actions had another shape before.
        """
        sizes = tuple(steps.next_obs.shape[1:]), steps.action.shape[1]
        model = self.model or self._build(*sizes)
        if sizes != self._sizes:
            raise ValueError(f"Inputs and actions have shapes {sizes}, but had {self._sizes} before.")
        count = int(live.sum())
        if not count:
            return torch.zeros_like(self._sums)
        weights = live.float()
        self._inputs.update(steps.next_obs, weights)
        steps = self._whitened(steps, model.compares)
        with torch.no_grad():
            novelty = model.novelty(steps).double()
        self._sums = torch.where(live, self._discount * self._sums + novelty, self._sums)
        self._moments.update(self._sums, live.double())
        self._seen += count
        if self._seen <= self._warmup:
            return torch.zeros_like(novelty)
        self._train(model, steps if count == len(live) else steps.rows(live))
        return novelty / self._moments.std if self._normalise else novelty

    def _whitened(self, steps: Steps, compares: bool) -> Steps:
        mean, scale = self._inputs.mean.float(), self._inputs.std.float().reciprocal()

        def whiten(values: Tensor) -> Tensor:
            return (values - mean).mul_(scale).clamp_(-_CLIP, _CLIP)

        return Steps(whiten(steps.obs) if compares else steps.obs, steps.action, whiten(steps.next_obs))

    def _train(self, model: NoveltyModel, steps: Steps) -> None:
        self._held.append(steps)
        count = sum(len(part.next_obs) for part in self._held)
        if count < self._batch_size:
            return
        steps, self._held = Steps.joined(self._held), []
        if count > self._batch_size:
            chosen = self._rng.choice(count, self._batch_size, replace=False, shuffle=False)
            steps = steps.rows(torch.as_tensor(chosen, device=self.device))
        self._optimiser.zero_grad()
        model.loss(steps).mean().backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()

    def cut(self, mask: Tensor) -> None:
        """Starts the discounted sums of some environments anew; ``mask`` has shape ``(num_envs,)``, bool."""
        self._sums = torch.where(mask, 0.0, self._sums)

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the state."""
        state: dict[str, Any] = {
            "rng": self._rng.bit_generator.state,
            "seen": self._seen,
            "sums": self._sums.clone(),
            "moments": self._moments.state_dict(),
            "sizes": self._sizes,
            "held": [Steps.joined(self._held)] if self._held else [],
        }
        if self.model is not None:
            learned = {"model": self.model.state_dict(), "optimiser": self._optimiser.state_dict()}
            state |= deepcopy(learned) | {"inputs": self._inputs.state_dict()}
        return deepcopy(state)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from what ``state_dict`` returned, on this device."""
        if state["sizes"] is None:
            self.model = self._sizes = None
        else:
            model = self._build(*state["sizes"])
            model.load_state_dict(state["model"])
            self._optimiser.load_state_dict(deepcopy(state["optimiser"]))
            self._inputs.load_state_dict(state["inputs"])
        self._rng.bit_generator.state = deepcopy(state["rng"])
        self._held = [step.to(self.device) for step in state["held"]]
        self._seen, self._sums = state["seen"], state["sums"].clone().to(self.device)
        self._moments.load_state_dict(state["moments"])
