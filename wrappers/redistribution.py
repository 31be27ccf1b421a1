"""Rewards moved to other steps of their episode: all to the end, or from the end back to where they were earned.

* ``EpisodicRewardTransform`` - all reward in the last step
* ``RewardRedistributionTransform`` - the return spread over the steps: evenly, or by a learned decomposition
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import numpy as np
from typing_extensions import override

from telos.wrappers.batching import columns, step_of
from telos.wrappers.core import Invariance, Timing, Transition
from telos.wrappers.episodes import Episode
from telos.wrappers.hindsight import HindsightTransform
from telos.wrappers.signals import as_rows, function_name, load_function, side_by_side
from telos.wrappers.terms import Array, Terms, check_choice, check_number

__all__ = ["EpisodicRewardTransform", "RewardRedistributionTransform", "flat_features"]


class _Moved(HindsightTransform):
    """Moves the rewards of some terms, or of all."""

    terms: Sequence[str] | None

    @override
    def named_terms(self) -> Iterable[str]:
        return self.terms or ()

    @override
    def withheld(self, terms: Iterable[str]) -> Iterable[str]:
        return terms if self.terms is None else self.terms

    def _check_terms(self) -> None:
        if isinstance(self.terms, str):
            raise ValueError(f"{self.public_name()}: terms={self.terms!r} must be a list of names of terms.")
        self.terms = None if self.terms is None else [str(name) for name in self.terms]


@dataclass(eq=False, repr=False)
class EpisodicRewardTransform(_Moved):
    r"""Episodic reward: pays each term's sum in the last step, and 0 before.

    ``r_t = 0`` for t < T, ``r_T = sum_k sum_t r_{k,t}``. It makes any task one of delayed credit: the control for
    ``RewardRedistribution`` and ``SegmentReward``, and the holistic reward that both are compared to.

    A truncated episode is paid at its truncation; one whose last step is not trainable loses what it earned. A
    ``TimeLimit`` must be inside of this wrapper.

    Timing: ``episode``. Invariance: ``conditional``: each episode is worth the same, so all policies keep their
    order, if the learner does not discount. With a discount, or for a learner that bootstraps at truncations from
    observations that do not show what has been earned, it does not hold.

    Args:
        terms: The terms to delay; None delays all.

    Raises:
        ValueError: If ``terms`` is no list; at the first step, if a term does not exist.

    Source: the episodic setting of arXiv 2412.11120 (LaRe) and of the return decomposition literature.
    """

    timing: ClassVar[Timing] = "episode"
    invariance: ClassVar[Invariance] = "conditional"
    pay = "terminal"

    terms: Sequence[str] | None = None

    def __post_init__(self) -> None:
        self._check_terms()

    @override
    def credit(self, episode: Episode, env: int) -> Terms:
        return {name: episode.terms[name] for name in self.withheld(episode.terms)}


def flat_features(obs: Any, action: Any, next_obs: Any) -> Array:
    """Observation and action, side by side: the default features, for spaces whose batches are arrays of numbers.

    Returns:
        Shape ``(T, d)``, float64.
    """
    return side_by_side(obs, action)


@dataclass(eq=False, repr=False)
class RewardRedistributionTransform(_Moved):
    r"""Reward redistribution: spreads an episode's return over its steps, in hindsight.

    With ``R`` the sum of ``terms`` over an episode of T steps and a model ``f`` of step features ``z_t``,

    ``r_t = f(z_t) + (R - sum_k f(z_k)) / T``,

    so that the rewards add up to R whatever the model. (``spread_residual=False`` leaves the second part out.) The
    methods differ in f and z:

    - ``"uniform"``: f = 0, so ``r_t = R / T``, in the manner of IRCR;
    - ``"rrd"``: z is observation and action (or ``factors``), and f minimises randomised return decomposition's loss
      ``(R - T/K sum_{t in I} f(z_t))^2``, I being K random steps, less an unbiased estimate of the variance that
      drawing steps adds (without it, ``unbiased=False``, credit is pulled towards equal shares);
    - ``"lare"``: z is ``factors``, a few meaningful numbers of a step, and f minimises ``(R - sum_t f(z_t))^2``. In
      the paper a language model writes the factors; here you do;
    - ``"random"``: as ``"lare"`` with random features instead. The control: what the factors' meaning adds is the
      difference.

    As a wrapper it pays 0 for ``terms`` until the last step, and their sum there. ``info["hindsight"]`` (a
    ``Hindsight``) then holds each step's rewards for the learner to write back: each term spread evenly, and what f
    moves between steps under the first term. The model then learns from the episode, so that it is never asked about
    an episode that it has seen. Before its first fit f = 0.

    Each environment has a model of its own, since a transform's rows do not look at each other. ``rewrite`` has one
    more, which it asks and teaches with every episode that it is given: a learner with many environments calls that.

    Timing: ``hindsight``. Invariance: ``conditional``: each episode keeps its return, so all policies keep their
    order, if ``spread_residual`` and the learner does not discount. Without ``spread_residual`` only at zero residual.

    Info, at the end of each episode: ``hindsight``; ``reward_redistribution`` = ``{"return": R, "predicted":
    sum_t f(z_t)}`` (their difference is the residual).

    Args:
        method: ``"uniform"``, ``"rrd"``, ``"lare"`` or ``"random"``. All but the first need PyTorch.
        terms: The terms whose sum is redistributed; None takes all.
        factors: ``z``: ``"module:function"``, or a function at the top level of a module, of batches ``(obs, action,
            next_obs)`` that hold the steps of an episode, and that returns shape ``(T, d)``. None is
            ``flat_features``; ``"lare"`` needs one.
        subsequence: ``K`` of ``"rrd"``, at least 2. 64 is the value of LaRe's code. Episodes of K steps or fewer are
            taken whole.
        unbiased: Whether ``"rrd"`` corrects its loss, as LaRe's code does.
        num_factors: How many random features ``"random"`` takes, at least 1.
        hidden: Widths of the model's hidden layers.
        learning_rate: Adam's, above 0. 3e-4 is the value of LaRe's code.
        updates: Gradient steps after each episode, at least 0. Ours.
        capacity: Episodes to learn from, the latest, at least 1. Ours.
        batch_size: Episodes in a gradient step, at least 1. Ours.
        spread_residual: Whether to add what the model misses, evenly. Ours.
        seed: Seed of the model.

    Raises:
        ValueError: If an argument is of no use; at the first step, if a term does not exist; at the end
            of an episode, if features do not fit.
        ImportError: If the method needs PyTorch and it is not installed.

    Source: LaRe (arXiv 2412.11120) for the loss over factors and K; randomised return decomposition and IRCR as it
    describes them as baselines.
    """

    timing: ClassVar[Timing] = "hindsight"
    invariance: ClassVar[Invariance] = "conditional"
    observes: ClassVar[bool] = True
    state: ClassVar[tuple[str, ...]] = (*HindsightTransform.state, "models")

    method: Literal["uniform", "rrd", "lare", "random"] = "uniform"
    terms: Sequence[str] | None = None
    factors: str | Callable[[Any, Any, Any], Array] | None = None
    subsequence: int = 64
    unbiased: bool = True
    num_factors: int = 8
    hidden: Sequence[int] = field(default_factory=lambda: [64, 64])
    learning_rate: float = 3e-4
    updates: int = 10
    capacity: int = 256
    batch_size: int = 16
    spread_residual: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        name = self.public_name()
        self._check_terms()
        check_choice(name, "method", self.method, ("uniform", "rrd", "lare", "random"))
        for argument in ("subsequence", "num_factors", "updates", "capacity", "batch_size", "seed"):
            number = check_number(name, argument, getattr(self, argument))
            least = {"updates": 0, "seed": 0, "subsequence": 2}.get(argument, 1)
            if number != int(number) or number < least:
                raise ValueError(f"{name}: {argument}={number} must be a whole number, at least {least}.")
            setattr(self, argument, int(number))
        # An even spread needs no observations, which logged episodes may lack.
        vars(self)["observes"] = self.method != "uniform"
        self.hidden = [int(width) for width in self.hidden]
        if min(self.hidden, default=1) < 1:
            raise ValueError(f"{name}: hidden={self.hidden} must be widths of at least 1.")
        self.learning_rate = check_number(name, "learning_rate", self.learning_rate)
        if self.learning_rate <= 0:
            raise ValueError(f"{name}: learning_rate={self.learning_rate} must be above 0.")
        if callable(self.factors):
            self.factors = function_name(name, "factors", self.factors)
        if self.method == "lare" and self.factors is None:
            raise ValueError(
                f'{name}: method="lare" needs factors, a "module:function" of (obs, action, next_obs) that returns '
                'shape (T, d). Without an idea of good ones, use method="rrd".'
            )
        self._factors = flat_features if self.factors is None else load_function(name, "factors", self.factors)
        if self.method != "uniform" and importlib.util.find_spec("torch") is None:
            raise ImportError(f'{name}: method={self.method!r} needs PyTorch: pip install "telos-gym[baselines]".')

    @override
    def begin(self, num_envs: int) -> None:
        super().begin(num_envs)
        # One row for each environment, and the last for ``rewrite``: also the models.
        self._returns, self._predicted = np.zeros((2, num_envs + 1))
        self.models: Any = []
        if self.method != "uniform":
            from telos.wrappers.return_decomposition import ReturnDecomposition, ReturnDecompositions

            self.models = ReturnDecompositions(
                ReturnDecomposition(
                    hidden=self.hidden,
                    learning_rate=self.learning_rate,
                    subsequence=self.subsequence if self.method == "rrd" else None,
                    unbiased=self.unbiased,
                    capacity=self.capacity,
                    batch_size=self.batch_size,
                    seed=self.seed,
                )
                for _ in range(num_envs + 1)
            )

    @override
    def update(self, step: Transition) -> Terms:
        self._returns, self._predicted = np.zeros((2, self.num_envs + 1))
        return super().update(step)

    @override
    def rewrite(self, episode: Episode) -> Array:
        """Returns an episode's redistributed rewards, shape ``(T,)``, by the model that all episodes given here share.

        The model then learns from the episode.
        """
        if not hasattr(self, "num_envs"):
            self.begin(1)
        if self.observes and (episode.obs is None or episode.actions is None):
            raise ValueError(f"{self.public_name()}: method={self.method!r} needs an episode's obs and actions.")
        trainable = np.array([bool(episode.info("trainable", t, True)) for t in range(len(episode))])
        terms = {name: np.where(trainable, values, 0.0).astype(np.float64) for name, values in episode.terms.items()}
        return self.rewritten(replace(episode, terms=terms), self.num_envs, bool(trainable[-1])).reward

    @override
    def credit(self, episode: Episode, env: int) -> Terms:
        moved = {name: episode.terms[name] for name in self.withheld(episode.terms)}
        length = len(episode)
        self._returns[env] = total = float(sum(values.sum() for values in moved.values()))
        predicted = np.zeros(length)
        if self.models:
            model, features = self.models[env], self._features(episode)
            predicted = model.predict(features)
            model.add(features, total)
            model.fit(self.updates)
        self._predicted[env] = predicted.sum()
        even = {name: np.full(length, values.sum() / length) for name, values in moved.items()}
        # The model knows one return, not which term it came from: what it moves is booked on the first term.
        if (first := next(iter(even), None)) is not None:
            if self.spread_residual:
                even[first] += predicted - predicted.mean()
            else:
                even = {name: predicted if name == first else np.zeros(length) for name in even}
        return even

    def _features(self, episode: Episode) -> Array:
        """Returns the features of an episode's steps, shape ``(T, d)``."""
        name, label, length = self.public_name(), str(self.factors or "flat_features"), len(episode)
        obs, actions = columns([episode.obs], length + 1), columns([episode.actions], length)
        found = self._factors(
            _steps(obs, range(length)), _steps(actions, range(length)), _steps(obs, range(1, length + 1))
        )
        features = as_rows(name, label, found, length)
        if features.ndim != 2:
            raise ValueError(f"{name}: {label!r} returned shape {features.shape}, not ({length}, d).")
        if self.method != "random":
            return features
        rng = np.random.default_rng([self.seed, features.shape[1]])
        projection = rng.normal(size=(features.shape[1], self.num_factors)) / np.sqrt(features.shape[1])
        projected: Array = np.tanh(features @ projection)
        return projected

    @override
    def episode_info(self, step: Transition) -> dict[str, Any]:
        report = {"return": self._returns[:-1].copy(), "predicted": self._predicted[:-1].copy()}
        return {**super().episode_info(step), "reward_redistribution": report}


def _steps(laid_out: Any, steps: range) -> Any:
    """Returns some steps of the one episode that ``columns`` laid out, as a batch with a row for each."""
    if isinstance(laid_out, dict):
        return {key: _steps(part, steps) for key, part in laid_out.items()}
    if isinstance(laid_out, tuple):
        return tuple(_steps(part, steps) for part in laid_out)
    if isinstance(laid_out, np.ndarray):
        return laid_out[steps.start : steps.stop, 0]
    return tuple(step_of(laid_out, step)[0] for step in steps)
