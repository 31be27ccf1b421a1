"""The policies of restless bandits as ``telos.baselines.evaluation`` plays them, made from an environment.

* ``BanditPlayer`` - plays any of them
* the functions - make one from an environment, a seed and arguments; ``telos.baselines.policies.registry`` names them
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from telos.baselines.policies import bandits, fluid, roaming
from telos.envs.bandits.coupled import CoupledBandit
from telos.envs.bandits.family import BOUND_TOLERANCE, BanditFamily
from telos.envs.bandits.feasible.base import FeasibleSet
from telos.envs.bandits.feasible.budget import BudgetSet
from telos.envs.bandits.feasible.path import PathSet
from telos.envs.bandits.feasible.roaming import RoamingSet
from telos.envs.bandits.interacting_optimum import interacting_optimum
from telos.envs.bandits.interaction import interaction_bound_arguments
from telos.envs.bandits.optimum import finite_horizon_optimum
from telos.envs.bandits.params import INDEPENDENT
from telos.envs.bandits.relaxation import Bound, hull_bound
from telos.envs.bandits.roaming_bound import roaming_bound

__all__ = [
    "BanditPlayer",
    "follow_virtual_advice",
    "greedy",
    "id_policy",
    "lp_index",
    "lp_priority",
    "lp_update",
    "myopic",
    "null",
    "optimal",
    "price_rollout",
    "prices",
    "random_feasible",
    "sampling",
    "whittle",
]

Env = gym.Env[Any, Any]


class BanditPlayer:
    """Plays a bandit's policy: tells it the states and the time.

    Args:
        family: What it plays.
        policy: A ``BanditPolicy``.
        whole: Whether it gets the whole observation instead of the arms' states: the vehicle's place is in there.
    """

    def __init__(self, family: BanditFamily, policy: Any, whole: bool = False) -> None:
        self._policy, self._whole, self._last = policy, whole, family.horizon - 1
        self._time = 0

    def __call__(self, observations: Any, infos: dict[str, Any], begins: NDArray[np.bool_]) -> Any:
        """Returns a batch of actions, as ``Policy``.

        Raises:
            ValueError: If the environments are at different times.
        """
        if begins.any() and not begins.all():
            raise ValueError("bandit policies play environments that begin their episodes together")
        # A step that only resets is behind the last; its action does not matter.
        self._time = 0 if begins.all() else min(self._time + 1, self._last)
        seen = observations if self._whole or not isinstance(observations, dict) else observations["arms"]
        return self._policy(seen, self._time)


def null(env: Env, seed: int) -> BanditPlayer:
    """Acts on nothing."""
    family = _family(env)
    return BanditPlayer(family, bandits.Null(family.feasible_sets[0]))


def random_feasible(env: Env, seed: int) -> BanditPlayer:
    """Random feasible actions."""
    family = _family(env)
    if family.roams:
        return BanditPlayer(family, roaming.RoamingRandom(_roaming_sets(family), seed), whole=True)
    return BanditPlayer(family, bandits.Random(_only_set(family), seed))


def sampling(env: Env, seed: int, count: int = 100) -> BanditPlayer:
    """Of some random feasible actions, the best for the next step."""
    family = _family(env)
    return BanditPlayer(family, bandits.Sampling(family.arms, _only_set(family), count, seed))


def greedy(env: Env, seed: int) -> BanditPlayer:
    """Adds what raises the next step's expected reward most, until nothing does."""
    family = _family(env)
    return BanditPlayer(family, bandits.GreedyMyopic(family.arms, _only_set(family)))


def myopic(env: Env, seed: int) -> BanditPlayer:
    """The feasible action with the largest expected reward of the next step; arms count as independent."""
    family = _family(env)
    if family.roams:
        sets = _roaming_sets(family)
        return BanditPlayer(family, roaming.RoamingMyopic(family.arms, sets, family.horizon), whole=True)
    return BanditPlayer(family, bandits.Myopic(family.arms, _only_set(family)))


def prices(env: Env, seed: int) -> BanditPlayer:
    """The best feasible action under the values that a bound's prices give to each arm's next state."""
    family = _family(env)
    if family.roams:
        assert isinstance(family, CoupledBandit)  # as only these roam
        home, sets = family.instance.feasible, _roaming_sets(family)
        assert isinstance(home, PathSet)
        bound = roaming_bound(family.arms, sets, home.source, family.horizon, family.start)
        return BanditPlayer(family, roaming.RoamingPrices(family.arms, sets, bound), whole=True)
    return BanditPlayer(family, bandits.Prices(family.arms, _only_set(family), _bound(family)))


def price_rollout(env: Env, seed: int, candidates: int = 8, samples: int = 128, depth: int = 20) -> BanditPlayer:
    """Of some actions, the one after which prices earn most in simulated futures."""
    family = _family(env)
    numbers = {"candidates": candidates, "samples": samples, "depth": depth}
    policy = bandits.PriceRollout(family.arms, _only_set(family), _bound(family), **numbers, seed=seed)
    return BanditPlayer(family, policy)


def whittle(env: Env, seed: int, discount: float = 1.0) -> BanditPlayer:
    """The arms with the highest Whittle index."""
    family = _family(env)
    return BanditPlayer(family, bandits.WhittleIndex(family.arms, _pulls(family), discount))


def lp_index(env: Env, seed: int) -> BanditPlayer:
    """Follows one fluid optimum for the whole horizon."""
    family = _family(env)
    return BanditPlayer(family, fluid.FluidIndex(family.arms, _pulls(family), family.horizon, family.start))


def lp_update(env: Env, seed: int, period: int = 1) -> BanditPlayer:
    """Solves the fluid problem anew from the present states, every ``period`` steps."""
    family = _family(env)
    return BanditPlayer(family, fluid.FluidUpdate(family.arms, _pulls(family), family.horizon, period))


def lp_priority(env: Env, seed: int) -> BanditPlayer:
    """The arms that gain most at the long-run optimum's price."""
    family = _family(env)
    return BanditPlayer(family, fluid.FluidPriority(family.arms, _pulls(family)))


def id_policy(env: Env, seed: int) -> BanditPlayer:
    """Arms draw what they would do alone, and those first in a fixed order do it."""
    family = _family(env)
    return BanditPlayer(family, fluid.IDPolicy(family.arms, _pulls(family), seed))


def follow_virtual_advice(env: Env, seed: int) -> BanditPlayer:
    """Each arm follows a simulated arm that knows no budget."""
    family = _family(env)
    return BanditPlayer(family, fluid.FollowVirtualAdvice(family.arms, _pulls(family), seed))


def optimal(env: Env, seed: int) -> BanditPlayer:
    """The exact optimum of a small instance, by dynamic programming over joint states."""
    family = _family(env)
    feasible_set = _only_set(family)
    if isinstance(family, CoupledBandit) and family.params.interaction is not INDEPENDENT:
        optimum = interacting_optimum(family)
    else:
        optimum = finite_horizon_optimum(family.arms, feasible_set, family.horizon)
    return BanditPlayer(family, lambda states, t: optimum.policy(t, states))


def _family(env: Env) -> BanditFamily:
    family: BanditFamily = env.unwrapped.family  # type: ignore[attr-defined]
    return family


def _only_set(family: BanditFamily) -> FeasibleSet:
    if family.roams:
        raise ValueError("persistent=true: a vehicle that stays out is only for random, null, myopic and prices")
    return family.feasible_sets[0]


def _roaming_sets(family: BanditFamily) -> list[RoamingSet]:
    return [each for each in family.feasible_sets if isinstance(each, RoamingSet)]


def _bound(family: BanditFamily) -> Bound:
    influence: dict[str, Any] = {}
    if isinstance(family, CoupledBandit):
        paid = family.instance.next_state_rewards
        influence = interaction_bound_arguments(family.arms, paid, family.params.interaction)
    horizon, start = family.horizon, family.start
    return hull_bound(family.arms, _only_set(family), horizon, start, tolerance=BOUND_TOLERANCE, **influence)


def _pulls(family: BanditFamily) -> int:
    """Largest number of arms acted on in a step, where there are two levels and nothing but a budget."""
    budget_set = _only_set(family)
    assert isinstance(budget_set, BudgetSet)
    if budget_set.num_levels != 2:
        raise ValueError(f"this policy is for arms with two levels, and these have {budget_set.num_levels}; try prices")
    return budget_set.budget // int(budget_set.level_costs[1]) if budget_set.level_costs[1] else family.arms.num_arms
