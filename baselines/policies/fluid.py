"""Policies for two-level arms under a budget that follow a fluid (linear programming) optimum.

Finite horizon:

* ``FluidIndex`` - follows one fluid optimum for the whole horizon: the LP-index policy
* ``FluidUpdate`` - solves the fluid problem anew from the present states: the LP-update policy

Long-run average reward, all on :func:`~telos.envs.bandits.stationary.average_reward_bound`:

* ``FluidPriority`` - the arms that gain most at the relaxation's price: an LP-priority policy
* ``IDPolicy`` - arms draw the levels they would take alone, and those first in a fixed order get them
* ``FollowVirtualAdvice`` - each arm follows a simulated arm that knows no budget

States at which acting and resting are worth the same matter: identical arms in the same state all tie, and only the
fluid optimum's own split of them leads to the next step's optimal mixture of states. The first three act on that share
of the tied arms, then act on more or fewer of them in proportion until the budget is met.

All take and give batches: states ``(n, J)`` at a time ``t`` to actions ``(n, J)``.

References: Gast, Gaujal and Yan, "Linear program-based policies for restless bandits", Mathematics of Operations
Research 49(4), 2024, for LP-index and LP-update; Verloop, Annals of Applied Probability 26(4), 2016, for LP-priority;
Hong, Xie, Chen and Wang, arXiv:2402.05689, and Zhang, Hong and Wang, arXiv:2502.06072, for the ID policy and its
reassignment; Hong, Xie, Chen and Wang, "Restless bandits with average reward: breaking the uniform global attractor
assumption", NeurIPS 2023, for Follow-the-Virtual-Advice. The last two follow their authors' published code, but for
identical arms that spends the budget exactly; here, as in the environments, it may be left unspent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telos.envs.bandits.arms import Arms
from telos.envs.bandits.dual import start_distribution
from telos.envs.bandits.relaxation import lagrangian_bound
from telos.envs.bandits.stationary import StationaryBound, average_reward_bound

__all__ = ["FluidIndex", "FluidPriority", "FluidUpdate", "FollowVirtualAdvice", "IDPolicy", "fluid_optimum"]

Floats = NDArray[np.float64]

_TIE = 1e-7  # ours: gains this close to the price, relative to the largest gain, equal it: the LP solver's tolerance
_LP_VARIABLES = 4_000  # ours: largest fluid program solved as such; beyond, the bound's prices are found faster


def _check_levels(arms: Arms) -> None:
    if arms.num_levels != 2:
        raise ValueError(
            f"these policies are for two levels, passive and active; the arms have {arms.num_levels}. "
            "Use telos.baselines.policies.bandits.Prices for more levels"
        )


def _first(rank: Floats, budget: int) -> NDArray[np.bool_]:
    """Marks the ``budget`` arms of lowest rank in each row of ``(n, J)``."""
    marked = np.full(rank.shape, budget >= rank.shape[1])
    if 0 < budget < rank.shape[1]:
        np.put_along_axis(marked, np.argpartition(rank, budget - 1, axis=1)[:, :budget], True, axis=1)
    return marked


@dataclass(frozen=True, eq=False)
class _Kinds:
    """Arms with equal transitions and rewards are of one kind.

    Attributes:
        all_arms: The ``J`` arms.
        arms: One arm of each of ``K`` kinds.
        of_arm: Int ``(J,)``, the kind of each arm.
    """

    all_arms: Arms
    arms: Arms
    of_arm: NDArray[np.intp]

    @classmethod
    def of(cls, arms: Arms) -> _Kinds:
        """Finds the kinds; raises ValueError if the arms have other than two levels."""
        _check_levels(arms)
        flat = np.hstack([arms.transitions.reshape(arms.num_arms, -1), arms.rewards.reshape(arms.num_arms, -1)])
        _, first, kind = np.unique(flat, axis=0, return_index=True, return_inverse=True)
        return cls(arms, Arms(arms.transitions[first], arms.rewards[first]), kind.reshape(-1))

    def are_few(self, horizon: int) -> bool:
        """Whether the fluid program is small enough to be solved as such."""
        return 2 * horizon * self.arms.num_arms * self.arms.num_states <= _LP_VARIABLES

    def count(self, distribution: Floats) -> Floats:
        """Expected number of arms of each kind in each state, ``(K, S)``, from each arm's distribution ``(J, S)``."""
        mass = np.zeros((self.arms.num_arms, self.arms.num_states))
        np.add.at(mass, self.of_arm, distribution)
        return mass


@dataclass(frozen=True, eq=False)
class _Plan:
    """What a fluid optimum says about one step.

    Attributes:
        gains: Float64 ``(K, S)``: value of acting less that of resting, the charge not taken off.
        shares: Float64 ``(K, S)``: share of the arms there that the optimum acts on.
        price: The charge for acting.
    """

    gains: Floats
    shares: Floats
    price: float

    def act(self, states: NDArray[Any], kind: NDArray[np.intp], budget: int) -> NDArray[np.int8]:
        """Acts on the arms with the largest gains; on arms that tie at the price, as the shares say."""
        gain = self.gains[kind, states]
        margin = gain - self.price
        close = _TIE * max(float(np.abs(self.gains).max()), self.price)
        willing = gain > 0.0
        row, column = np.nonzero(np.abs(margin) <= close)
        if len(row):
            lag = self._lag(row, kind[column], states[row, column])
            margin[row, column] = -close * lag
            willing[row, column] = (lag < 0.0) | (self.price > close)
        rank = np.where(willing, -margin, np.inf)
        return np.asarray(_first(rank, budget) & willing, np.int8)

    def _lag(self, row: NDArray[np.intp], kind: NDArray[np.intp], state: NDArray[Any]) -> Floats:
        """How late each tied arm is served, in (-1, 1): below 0 the share of its kind and state that is acted on.

        Taken in order of lag, ties of several kinds and states fill up, or are cut, in proportion.
        """
        size = self.gains.shape[1]
        _, group, counts = np.unique(
            (row * len(self.gains) + kind) * size + state, return_inverse=True, return_counts=True
        )
        order = np.argsort(group, kind="stable")
        rank = np.empty(len(group))
        rank[order] = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
        place = (rank + 0.5) / counts[group]
        share = self.shares[kind, state]
        served = place < share
        lag: Floats = (place - share) / np.where(served, share, 1.0 - share)
        return lag


def _plans(
    kinds: _Kinds, budget: float, horizon: int, distribution: Floats, tolerance: float, end: Floats
) -> list[_Plan]:
    """A fluid optimum for each step, with values ``(K, S)`` of the states that the last step leads to.

    For many kinds it comes from the Lagrangian bound's prices, where ties are rare; the end is then worth nothing.
    """
    arms = kinds.arms
    if kinds.are_few(horizon):
        prices, occupancy = fluid_optimum(arms, budget, horizon, kinds.count(distribution), end)
        present = occupancy.sum(axis=-1)
        shares = np.divide(occupancy[..., 1], present, out=np.zeros_like(present), where=present > 0.0)
    else:
        prices = lagrangian_bound(kinds.all_arms, budget, horizon, distribution, tolerance=tolerance).prices[:, 0, 1]
        shares = None
    plans, following = [], end
    for t in range(horizon - 1, -1, -1):
        worth = arms.rewards + (arms.transitions @ following[:, None, :, None])[..., 0]
        gains = worth[:, 1] - worth[:, 0]
        following = worth[:, 0] + np.maximum(gains - prices[t], 0.0)
        share = np.asarray(gains > prices[t], np.float64) if shares is None else shares[t]
        plans.append(_Plan(gains, share, float(prices[t])))
    return plans[::-1]


def fluid_optimum(arms: Arms, budget: float, horizon: int, mass: Floats, end: Floats) -> tuple[Floats, Floats]:
    """Solves the fluid program under a budget with HiGHS.

    Args:
        arms: One two-level arm of each of ``K`` kinds.
        budget: Expected number of arms acted on in a step, at most.
        horizon: ``H``, number of steps.
        mass: Float64 ``(K, S)``: expected number of arms of each kind in each state at first.
        end: Float64 ``(K, S)``: value of the states that the last step leads to.

    Returns:
        The budget's prices ``(H,)``, and the expected number of arms ``(H, K, S, 2)`` in each state at each level.

    Raises:
        RuntimeError: If the solver fails.
    """
    from scipy import optimize, sparse

    shape = (horizon, *mass.shape, 2)
    column = np.arange(np.prod(shape)).reshape(shape)
    flow = np.arange(horizon * mass.size).reshape(shape[:3])
    chances = arms.transitions.transpose(0, 2, 1, 3)
    entries = [
        np.broadcast_arrays(flow[..., None], column, 1.0),
        np.broadcast_arrays(flow[1:, :, None, None], column[:-1, ..., None], -chances),
    ]
    rows, columns, numbers = (np.concatenate([entry[i].ravel() for entry in entries]) for i in range(3))
    spent = np.broadcast_to(np.arange(horizon)[:, None, None], shape[:3]).ravel(), column[..., 1].ravel()
    rewards = np.array(np.broadcast_to(arms.rewards.transpose(0, 2, 1), shape))
    rewards[-1] += (chances @ end[:, None, :, None])[..., 0]
    result = optimize.linprog(
        -rewards.ravel(),
        A_eq=sparse.csc_array((numbers, (rows, columns)), shape=(flow.size, column.size)),
        b_eq=np.concatenate([mass.ravel(), np.zeros(flow[1:].size)]),
        A_ub=sparse.csc_array((np.ones(flow.size), spent), shape=(horizon, column.size)),
        b_ub=np.full(horizon, float(budget)),
        method="highs",
    )
    if result.x is None:
        raise RuntimeError(f"HiGHS could not solve the fluid program: {result.message}")
    return np.maximum(-result.ineqlin.marginals, 0.0), np.maximum(result.x, 0.0).reshape(shape)


class FluidIndex:
    """Follows the fluid optimum of the whole horizon.

    Args:
        arms: ``J`` arms with two levels.
        budget: Most arms acted on in a step.
        horizon: ``H``, number of steps.
        initial: First states, integers ``(J,)``, or distributions ``(J, S)``.
        tolerance: Relative gap of the bound behind it, where the arms are of too many kinds for the fluid program.

    Raises:
        ValueError: If the arms have other than two levels, or an argument is out of range or of the wrong shape.
    """

    def __init__(self, arms: Arms, budget: int, horizon: int, initial: ArrayLike, tolerance: float = 1e-6) -> None:
        self._kinds, self._budget = _Kinds.of(arms), budget
        end = np.zeros((self._kinds.arms.num_arms, arms.num_states))
        self._plans = _plans(self._kinds, budget, horizon, start_distribution(arms, initial), tolerance, end)

    def __call__(self, states: NDArray[Any], t: int) -> NDArray[np.int8]:
        """See :class:`~telos.baselines.policies.bandits.BanditPolicy`."""
        return self._plans[t].act(states, self._kinds.of_arm, self._budget)


class FluidUpdate:
    """Solves the fluid problem anew from the present states of each environment.

    Over a finite horizon it looks at all steps that are left. Without an end it looks ``window`` steps ahead, to states
    worth what ``average_reward_bound`` says; these values at the end are ours.

    Args:
        arms: ``J`` arms with two levels; without an end, of few kinds.
        budget: Most arms acted on in a step.
        horizon: ``H``, number of steps; None for the long-run average reward.
        period: Steps between two solutions.
        window: Steps to look ahead where there is no end.
        tolerance: Relative gap of the bound behind it, where the arms are of too many kinds for the fluid program.

    Raises:
        ValueError: If the arms have other than two levels, or an argument is out of range.
    """

    def __init__(
        self,
        arms: Arms,
        budget: int,
        horizon: int | None,
        period: int = 1,
        window: int = 20,
        tolerance: float = 1e-4,
    ) -> None:
        if not 1 <= period <= window:
            raise ValueError(f"need 1 <= period <= window; got period={period}, window={window}")
        self._kinds, self._budget, self._tolerance = _Kinds.of(arms), budget, tolerance
        self._horizon, self._period, self._window = horizon, period, window
        self._end = np.zeros((self._kinds.arms.num_arms, arms.num_states))
        if horizon is None:
            if not self._kinds.are_few(window):
                raise ValueError(
                    f"{self._kinds.arms.num_arms} kinds of arms are too many to look {window} steps ahead without an "
                    "end; use FluidPriority, or a smaller window"
                )
            self._end[self._kinds.of_arm] = average_reward_bound(arms, budget).values
        self._plans: list[list[_Plan]] = []

    def __call__(self, states: NDArray[Any], t: int) -> NDArray[np.int8]:
        """See :class:`~telos.baselines.policies.bandits.BanditPolicy`; needs a call at every multiple of the period."""
        age = t % self._period
        if age == 0:
            steps = self._window if self._horizon is None else self._horizon - t
            one_hot = np.eye(self._end.shape[1])
            self._plans = [
                _plans(self._kinds, self._budget, steps, one_hot[row], self._tolerance, self._end) for row in states
            ]
        pairs = zip(self._plans, states, strict=True)
        return np.stack([plans[age].act(row[None], self._kinds.of_arm, self._budget)[0] for plans, row in pairs])


def _stationary_plan(arms: Arms, bound: StationaryBound) -> _Plan:
    """Gains and shares of each arm in the long run; a state that the optimum never visits does what is worth more."""
    worth = arms.rewards + (arms.transitions @ bound.values[:, None, :, None])[..., 0]
    gains = worth[:, 1] - worth[:, 0]
    present = bound.occupancy.sum(axis=-1)
    visited = present > _TIE
    shares = np.divide(bound.occupancy[..., 1], present, out=np.zeros_like(present), where=visited)
    return _Plan(gains, np.where(visited, shares, gains > bound.price), bound.price)


class FluidPriority:
    """The arms that gain most from acting, in values at the long-run optimum's price.

    Args:
        arms: ``J`` arms with two levels.
        budget: Most arms acted on in a step.
        bound: From ``average_reward_bound`` with that budget; computed if not given.

    Raises:
        ValueError: If the arms have other than two levels, or ``average_reward_bound`` raises it.
    """

    def __init__(self, arms: Arms, budget: int, bound: StationaryBound | None = None) -> None:
        kinds = _Kinds.of(arms)
        first = np.unique(kinds.of_arm, return_index=True)[1]
        plan = _stationary_plan(arms, bound or average_reward_bound(arms, budget))
        self._plan = _Plan(plan.gains[first], plan.shares[first], plan.price)
        self._kind, self._budget = kinds.of_arm, budget

    def __call__(self, states: NDArray[Any], t: int) -> NDArray[np.int8]:
        """See :class:`~telos.baselines.policies.bandits.BanditPolicy`."""
        return self._plan.act(states, self._kind, self._budget)


class IDPolicy:
    """Each arm asks for what it would do alone; those first in a fixed order of the arms get it while the budget lasts.

    The order is random, except that arms that ask often are spread evenly over it ("reassignment" of the arms' IDs):
    "often" is at least ``1 - sqrt(1 - B / 2J)`` times per step, as in the authors' code for a single constraint.

    Args:
        arms: ``J`` arms with two levels.
        budget: Most arms acted on in a step.
        seed: Seed of the order and of the arms' draws.
        bound: From ``average_reward_bound`` with that budget; computed if not given.

    Raises:
        ValueError: If the arms have other than two levels, or ``average_reward_bound`` raises it.
    """

    def __init__(self, arms: Arms, budget: int, seed: int = 0, bound: StationaryBound | None = None) -> None:
        _check_levels(arms)
        bound = bound or average_reward_bound(arms, budget)
        self._shares, self._budget = _stationary_plan(arms, bound).shares, budget
        self._rng = np.random.default_rng(seed)
        often = bound.occupancy[..., 1].sum(axis=1) >= 1.0 - np.sqrt(1.0 - min(budget / arms.num_arms, 1.0) / 2.0)
        key = self._rng.random(arms.num_arms)
        key[often] = self._rng.permutation(np.arange(often.sum()) + 0.5) / max(often.sum(), 1)
        self._order = np.argsort(key)

    def __call__(self, states: NDArray[Any], t: int) -> NDArray[np.int8]:
        """See :class:`~telos.baselines.policies.bandits.BanditPolicy`."""
        share = self._shares[np.arange(states.shape[1]), states]
        asks = self._rng.random(states.shape) < share
        granted = np.zeros(states.shape, np.int8)
        in_order = asks[:, self._order]
        granted[:, self._order] = in_order & (np.cumsum(in_order, axis=1) <= self._budget)
        return granted


class FollowVirtualAdvice:
    """Each arm follows a virtual arm, simulated beside it, that plays the relaxation's optimum and knows no budget.

    Real and virtual arm move together while they agree in state and level. If the virtual arms ask for more than the
    budget, arms that agree with theirs come first; among equals the choice is random. Virtual arms start where the real
    ones do. The published guarantee is for identical arms; the policy runs on any.

    Args:
        arms: ``J`` arms with two levels.
        budget: Most arms acted on in a step.
        seed: Seed of the virtual arms.
        bound: From ``average_reward_bound`` with that budget; computed if not given.

    Raises:
        ValueError: If the arms have other than two levels, or ``average_reward_bound`` raises it.
    """

    def __init__(self, arms: Arms, budget: int, seed: int = 0, bound: StationaryBound | None = None) -> None:
        _check_levels(arms)
        self._shares = _stationary_plan(arms, bound or average_reward_bound(arms, budget)).shares
        self._below = np.cumsum(arms.transitions, axis=-1)[..., :-1]
        self._budget, self._rng = budget, np.random.default_rng(seed)
        self._arm = np.arange(arms.num_arms)
        self._real = self._virtual = np.zeros((0, arms.num_arms), np.intp)
        self._taken = self._advice = np.zeros((0, arms.num_arms), np.bool_)

    def __call__(self, states: NDArray[Any], t: int) -> NDArray[np.int8]:
        """See :class:`~telos.baselines.policies.bandits.BanditPolicy`; needs a call at every step from 0 on."""
        real = np.array(states, dtype=np.intp)
        if t == 0:
            self._virtual = real.copy()
        else:
            together = (self._real == self._virtual) & (self._taken == self._advice)
            below = self._below[self._arm, self._advice.astype(np.intp), self._virtual]
            alone = (self._rng.random(real.shape)[..., None] >= below).sum(axis=-1)
            self._virtual = np.where(together, real, alone)
        self._advice = self._rng.random(real.shape) < self._shares[self._arm, self._virtual]
        rank = self._rng.random(real.shape) + (real != self._virtual) + 2.0 * ~self._advice
        self._real, self._taken = real, _first(rank, self._budget) & self._advice
        return self._taken.astype(np.int8)
