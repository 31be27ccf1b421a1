"""Bonuses by what networks know of the dynamics.

* ``ActionBonus`` - the base of those that look at actions
* ``ICMTransform`` - the error of predicting the next features (intrinsic curiosity module)
* ``RIDETransform`` - how far an action moves the features
* ``DisagreementTransform`` - how much several predictions of the next features differ
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from typing_extensions import override

from telos.wrappers.core import Transition
from telos.wrappers.counts import Counts, fingerprints
from telos.wrappers.intrinsic import check_whole
from telos.wrappers.intrinsic_learned import LearnedBonus
from telos.wrappers.terms import Array, check_number

if TYPE_CHECKING:
    from telos.wrappers.curiosity import NoveltyModel

__all__ = ["ActionBonus", "DisagreementTransform", "ICMTransform", "RIDETransform"]


@dataclass(eq=False, repr=False)
class ActionBonus(LearnedBonus):
    """A learned bonus that looks at actions, too."""

    num_actions: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_actions is not None:
            self.num_actions = check_whole(self.public_name(), "num_actions", self.num_actions)

    @override
    def encode_actions(self, step: Transition) -> Any:
        actions = self._tensor(step.action)
        if self.num_actions is None:
            if actions.ndim == 1 and not actions.is_floating_point():
                raise ValueError(
                    f"{self.public_name()}: actions are whole numbers; say how many there are, as in "
                    "num_actions=env.action_space.n."
                )
            return actions.reshape(self.num_envs, -1)
        from torch.nn.functional import one_hot

        if actions.ndim != 1:
            raise ValueError(
                f"{self.public_name()}: num_actions={self.num_actions} is for one whole number an action, but actions "
                f"have shape {tuple(actions.shape[1:])}; leave it out."
            )
        # Rows that make no step may have any action.
        live = self._tensor(step.active)
        actions = actions.long().masked_fill(~live, 0)
        if self.xp.name == "numpy":
            wrong = actions[(actions < 0) | (actions >= self.num_actions)].tolist()
            if wrong:
                raise ValueError(
                    f"{self.public_name()}: num_actions={self.num_actions}, but there is an action {wrong[0]}; actions "
                    "count from 0."
                )
        return one_hot(actions, self.num_actions)


@dataclass(eq=False, repr=False)
class _InverseDynamicsBonus(ActionBonus):
    """A bonus in features that tell the action."""

    judges: ClassVar[Literal["error", "impact"]]

    beta: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        self.beta = check_number(self.public_name(), "beta", self.beta)
        if not 0 <= self.beta <= 1:
            raise ValueError(f"{self.public_name()}: beta={self.beta} must be in [0, 1].")

    @override
    def make_model(self, rng: np.random.Generator, shape: tuple[int, ...], actions: int) -> NoveltyModel:
        from telos.wrappers.curiosity import Dynamics

        return Dynamics(
            rng,
            shape,
            actions,
            discrete=self.num_actions is not None,
            hidden=self.hidden,
            size=self.size,
            beta=self.beta,
            judges=self.judges,
        )


@dataclass(eq=False, repr=False)
class ICMTransform(_InverseDynamicsBonus):
    r"""Intrinsic curiosity: pays for steps whose next features cannot be predicted yet.

    ``r_t + w eta / 2 |F(phi(s_t), a_t) - phi(s_{t+1})|^2`` with eta = 1. The features phi are trained so that an
    inverse model can tell the action from ``phi(s_t)`` and ``phi(s_{t+1})``; what actions do not influence need not be
    in them. The loss is ``(1 - beta) L_inverse + beta L_forward``, the inverse one a cross-entropy, or a squared error
    where actions are arrays of numbers. Inputs are whitened by the mean and standard deviation of all so far and cut at
    5 of these. The bonus is the term ``icm_bonus``, computed before the networks learn from the step. Where the next
    state is random to the agent (a "noisy TV" that it can switch), the bonus does not vanish.

    Environments share the networks and their statistics (the parallel face: agents do), so that what is paid to one
    depends on the others, and in logged episodes on those relabelled with it. To train a value function for the bonus
    alone, see ``telos.wrappers.value_heads``. Steps that are not trainable are neither paid nor learned from.

    Timing: ``causal``. Invariance: ``none``.

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
        num_actions: How many actions there are, where actions are whole numbers below it; None where they are arrays
            of numbers.
        beta: In [0, 1]. 0.2 is the paper's.

    Raises:
        ModuleNotFoundError: If PyTorch is not installed.
        ValueError: If an argument is of no use; if features are no finite numbers (tensors are not checked: that would
            wait for the device), or change their shape; if the environment has a term ``icm_bonus`` of its
            own.

    Source: Pathak et al., Curiosity-driven Exploration by Self-supervised Prediction (ICML 2017, arXiv 1705.05363).
        That inputs are whitened and the bonus is normalised is RND's.
    """

    term: ClassVar[str] = "icm_bonus"
    judges: ClassVar[Literal["error", "impact"]] = "error"


@dataclass(eq=False, repr=False)
class RIDETransform(_InverseDynamicsBonus):
    r"""RIDE: pays for actions that move the features far, to observations that are new to the episode.

    ``r_t + w |phi(s_{t+1}) - phi(s_t)| / sqrt(n(s_{t+1}))``, with phi trained as in ``ICM`` and n how often the episode
    has seen the observation, this time included. Equal features of observations share a count. Inputs are whitened by
    the mean and standard deviation of all so far and cut at 5 of these. The bonus is the term ``ride_bonus``, computed
    before the networks learn from the step. The bonus need not vanish: it is by what actions do, not by surprise.

    Environments share the networks and their statistics (the parallel face: agents do), so that what is paid to one
    depends on the others, and in logged episodes on those relabelled with it. To train a value function for the bonus
    alone, see ``telos.wrappers.value_heads``. Steps that are not trainable are neither paid nor learned from.

    Timing: ``causal``. Invariance: ``none``.

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
        num_actions: How many actions there are, where actions are whole numbers below it; None where they are arrays
            of numbers.
        beta: Share of the forward model's loss, in [0, 1]. 0.2 is that of ``ICM``.

    Raises:
        ModuleNotFoundError: If PyTorch is not installed.
        ValueError: If an argument is of no use; if features are no finite numbers (tensors are not checked: that would
            wait for the device), or change their shape; if the environment has a term ``ride_bonus`` of its
            own.

    Source: Raileanu and Rocktaeschel, RIDE: Rewarding Impact-Driven Exploration (ICLR 2020, arXiv 2002.12292). That
        inputs are whitened and distances are normalised is RND's.
    """

    term: ClassVar[str] = "ride_bonus"
    judges: ClassVar[Literal["error", "impact"]] = "impact"
    state: ClassVar[tuple[str, ...]] = ("learner", "fresh", "visits")

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        self.fresh = ~self.zeros(dtype=self.xp.bool)
        self.visits = Counts(num_envs, self.xp)
        self._envs = self.xp.asarray(np.arange(num_envs))

    @override
    def reset(self, mask: Array) -> None:
        super().reset(mask)
        self.fresh = self.fresh | mask
        self.visits.forget(mask)

    @override
    def novelty(self, step: Transition, live: Array) -> Array:
        impact = super().novelty(step, live)
        self._visit(step.obs, live & self.fresh)
        self.fresh = self.fresh & ~live
        impact[live] /= self._visit(step.next_obs, live) ** 0.5
        return impact

    def _visit(self, obs: Any, rows: Array) -> Array:
        """Counts observations, and returns how often the episodes of some environments have seen theirs, float64."""
        index = self._envs[rows]
        features: Any = self._inputs(obs, rows).reshape(self.num_envs, -1).double()
        if self.xp.name == "numpy":
            features = features.cpu().numpy()
        visits = self.visits.add(fingerprints(features[index], self.xp), index)
        times: Array = self.xp.cast(visits, self.xp.float64)
        return times


@dataclass(eq=False, repr=False)
class DisagreementTransform(ActionBonus):
    r"""Disagreement: pays for steps on whose next features several models differ.

    ``r_t + w mean_j var_i F_i(phi(s_t), a_t)_j``, over the models i and the features j, with phi a fixed random network
    and each ``F_i`` trained to predict ``phi(s_{t+1})``. What is random, but known to be, is no surprise: all models
    predict the mean. Inputs are whitened by the mean and standard deviation of all so far and cut at 5 of these. The
    bonus is the term ``disagreement_bonus``, computed before the networks learn from the step.

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
        num_actions: How many actions there are, where actions are whole numbers below it; None where they are arrays
            of numbers.
        members: Models, at least 2. 5 is the paper's.

    Raises:
        ModuleNotFoundError: If PyTorch is not installed.
        ValueError: If an argument is of no use; if features are no finite numbers (tensors are not checked: that would
            wait for the device), or change their shape; if the environment has a term ``disagreement_bonus`` of its
            own.

    Source: Pathak, Gandhi and Gupta, Self-Supervised Exploration via Disagreement (ICML 2019, arXiv 1906.04161). Models
        differ by their first weights only, and train on the same steps. That inputs are whitened and the bonus is
        normalised is RND's.
    """

    term: ClassVar[str] = "disagreement_bonus"

    members: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        self.members = check_whole(self.public_name(), "members", self.members, least=2)

    @override
    def make_model(self, rng: np.random.Generator, shape: tuple[int, ...], actions: int) -> NoveltyModel:
        from telos.wrappers.curiosity import ForwardEnsemble

        return ForwardEnsemble(rng, shape, actions, self.members, self.hidden, self.size)
