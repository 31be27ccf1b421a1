"""Bonuses for steps that networks have not learned yet.

* ``LearnedBonus`` - the base
* ``RNDTransform`` - the error of predicting a fixed random network (random network distillation)
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Library, Transition
from telos.wrappers.intrinsic import IntrinsicBonus, check_whole
from telos.wrappers.signals import as_rows, side_by_side
from telos.wrappers.terms import Array, check_number

if TYPE_CHECKING:
    from telos.wrappers.curiosity import NoveltyModel

__all__ = ["LearnedBonus", "RNDTransform"]


@dataclass(eq=False, repr=False)
class LearnedBonus(IntrinsicBonus):
    """Pays by what networks make of a step, and trains them on it afterwards.

    There is one set of networks for all environments: what one of them has seen is less new to the others.

    Attributes:
        compares: Whether it looks at the observation before a step, too.
        learner: The networks, their optimiser and the statistics.
    """

    pooled: ClassVar[bool] = True
    compares: ClassVar[bool] = True
    libraries: ClassVar[tuple[Library, ...]] = ("numpy", "torch")
    state: ClassVar[tuple[str, ...]] = ("learner",)

    hidden: int = 256
    size: int = 128
    learning_rate: float = 1e-4
    batch_size: int = 256
    warmup: int = 1000
    normalise: bool = True
    discount: float = 0.99
    episodic_returns: bool = False
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        name = self.public_name()
        for argument, least in (("hidden", 1), ("size", 1), ("batch_size", 1), ("warmup", 0), ("seed", 0)):
            setattr(self, argument, check_whole(name, argument, getattr(self, argument), least=least))
        self.learning_rate = check_number(name, "learning_rate", self.learning_rate)
        if self.learning_rate < 0:
            raise ValueError(f"{name}: learning_rate={self.learning_rate} must be at least 0.")
        self.discount = check_number(name, "discount", self.discount)
        if not 0 <= self.discount < 1:
            raise ValueError(f"{name}: discount={self.discount} must be in [0, 1).")
        if find_spec("torch") is None:
            raise ModuleNotFoundError(
                f"{name} learns with PyTorch, which is not installed: pip install 'telos-gym[baselines]'.", name="torch"
            )

    @abstractmethod
    def make_model(self, rng: np.random.Generator, shape: tuple[int, ...], actions: int) -> NoveltyModel:
        """Makes the networks.

        Args:
            rng: For the weights.
            shape: Of one input.
            actions: Numbers of one action, 0 unless ``encode_actions`` is extended.
        """

    def encode_actions(self, step: Transition) -> Any:
        """Returns actions as numbers, shape ``(num_envs, actions)``; none, unless extended."""
        return step.terminated[:, None][:, :0]

    @override
    def begin(self, num_envs: int) -> None:
        from telos.wrappers.curiosity import NoveltyLearner

        super().begin(num_envs)
        self.learner = NoveltyLearner(
            self.make_model,
            num_envs,
            device=self._device(),
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            warmup=self.warmup,
            discount=self.discount,
            normalise=self.normalise,
            seed=self.seed,
        )

    def _device(self) -> Any:
        import torch

        if self.xp.name == "torch":
            return self.xp.zeros(0).device
        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            return torch.zeros(0, device=self.device).device
        except (RuntimeError, AssertionError) as error:
            raise ValueError(f"{self.public_name()}: device={self.device!r} cannot be used here: {error}") from error

    @override
    def reset(self, mask: Array) -> None:
        if self.episodic_returns:
            self.learner.cut(self._tensor(mask))

    @override
    def novelty(self, step: Transition, live: Array) -> Array:
        from telos.wrappers.curiosity import Steps
        from telos.wrappers.networks import own_settings

        with own_settings():
            after = self._inputs(step.next_obs, live)
            before = self._inputs(step.obs, live) if self.compares else after
            steps = Steps(before, self._tensor(self.encode_actions(step)).float().clone(), after)
            found: Any = self.learner.judge(steps, self._tensor(live))
        paid: Array = found if self.xp.name == "torch" else found.cpu().numpy()
        return paid

    def _tensor(self, values: Any) -> Any:
        import torch

        return torch.as_tensor(values, device=self.learner.device)

    def _inputs(self, obs: Any, live: Array) -> Any:
        """Returns what the networks see, float32, 0 except in live rows, shape ``(num_envs, ...)``."""
        values = obs if self._function is None else self._function(obs)
        label = str(self.features or "observation")
        if not hasattr(values, "detach"):
            if self._function is not None:
                values = as_rows(self.public_name(), label, values, self.num_envs)
            elif not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf" or values.ndim == 1:
                values = side_by_side(values)
            if values.dtype.kind == "f" and not np.isfinite(values[live]).all():
                raise ValueError(f"{self.public_name()}: {label!r} is not finite; give features that are.")
        values = self._tensor(values).float()
        if values.ndim == 1:
            values = values[:, None]
        dead = ~self._tensor(live)
        return values.masked_fill(dead.reshape(-1, *(1 for _ in values.shape[1:])), 0.0)


@dataclass(eq=False, repr=False)
class RNDTransform(LearnedBonus):
    r"""Random network distillation: pays for observations whose random features cannot be predicted yet.

    ``r_t + w |f(s_{t+1}) - g(s_{t+1})|^2 / size``, with g a fixed random network and f one that is trained to predict
    it. Inputs are whitened by the mean and standard deviation of all so far and cut at 5 of these. The bonus is the
    term ``rnd_bonus``, computed before the networks learn from the step.

    Environments share the networks and their statistics (the parallel face: agents do), so that what is paid to one
    depends on the others, and in logged episodes on those relabelled with it. To train a value function for the bonus
    alone, see ``telos.wrappers.value_heads``. Steps that are not trainable are neither paid nor learned from.

    Timing: ``causal``. Invariance: ``none``: the bonus vanishes.

    Args:
        features: What the networks see: a function of a batch of observations that returns shape ``(num_envs, ...)``,
            as ``"module:function"`` or itself, if it is at the top level of a module. None takes observations as they
            are, which must be arrays of numbers; images (height, width, channels, or channels first) go through
            convolutions.
        weight: Factor ``w``, any finite number. 0 pays the raw reward.
        hidden: Units of the hidden layers, at least 1.
        size: Number of features, at least 1.
        learning_rate: Adam's, at least 0. 1e-4 is RND's.
        batch_size: When so many steps have come together, or more, the networks train on as many of them, drawn without
            replacement; the others are let go. At least 1. Ours.
        warmup: Steps of all environments together at the beginning that only make statistics: they pay 0 and nothing
            is learned. At least 0. Ours.
        normalise: Whether to divide by the standard deviation of the discounted sums of what was paid so far.
        discount: Of these sums, in [0, 1).
        episodic_returns: Whether these sums start anew with every episode. The paper of RND does not cut them.
        seed: Of weights and draws, at least 0.
        device: ``"auto"`` (CUDA if there is a GPU, else the CPU), or one of PyTorch's. An environment that pays tensors
            decides itself.

    Raises:
        ModuleNotFoundError: If PyTorch is not installed.
        ValueError: If an argument is of no use; if features are no finite numbers (tensors are not checked: that would
            wait for the device), or change their shape; if the environment has a term ``rnd_bonus`` of its
            own.

    Source: Burda et al., Exploration by Random Network Distillation (ICLR 2019, arXiv 1810.12894). The networks are
        smaller than the paper's, the predictor as deep as the target.
    """

    term: ClassVar[str] = "rnd_bonus"
    compares: ClassVar[bool] = False

    @override
    def make_model(self, rng: np.random.Generator, shape: tuple[int, ...], actions: int) -> NoveltyModel:
        from telos.wrappers.curiosity import RandomDistillation

        return RandomDistillation(rng, shape, self.hidden, self.size)
