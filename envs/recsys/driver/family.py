"""The driver program as a family: arguments to arrays and spaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from telos.envs.engine.arrays import extremes, on_host
from telos.envs.engine.family import Family
from telos.envs.engine.spread import make_spread
from telos.envs.recsys.driver import instances
from telos.envs.recsys.driver.instances import Cities
from telos.envs.recsys.driver.params import Drivers, Integers, Params, State, new_state
from telos.envs.recsys.driver.rules import LEVELS, observe_driver, reset_driver, step_grid, step_position

__all__ = ["DriverProgram", "HiddenDrivers"]

#: No normal draw of the rules is further from zero, in standard deviations.
_LARGEST_NORMAL = 8.6

_GRID = (9, 4)  # ours: targets and bonuses of the grid
_LARGEST = 1000  # of targets and units, so that they fit their arrays with room to spare


class DriverProgram(Family):
    """See :class:`telos.envs.recsys.driver.env.DriverProgramEnv` for the arguments.

    Attributes:
        positions: Of the cities, float64 ``(cities, 3)`` in [-1, 1]; the target is at the origin.
    """

    terms = ("orders", "spend", "penalty")
    render_modes = ("ansi",)
    reset_rule = staticmethod(reset_driver)
    observe_rule = staticmethod(observe_driver)
    work = 100

    def __init__(
        self,
        split: str = "train",
        gap: float = 0.5,
        cities: int = 20,
        city_seed: int = 0,
        action: str = "continuous",
        target_bounds: Sequence[int] = (5, 35),
        max_bonus: float = 40.0,
        bonus_step: float = 5.0,
        overreach: float = 0.2,
        unit_gmv: float = 20.0,
        coupon_ratio: float = 0.4,
        penalty: float = 5.0,
        budget: float = 100.0,
        horizon: int = 30,
        observe_history: bool = True,
        cue_std: Sequence[float] = (1.5, 1.0),
        observe_driver: bool = False,
    ) -> None:
        if split not in ("train", "test"):
            raise ValueError(f"split={split!r} is unknown: choose 'train' or 'test'")
        if action not in ("continuous", "grid"):
            raise ValueError(f"action={action!r} is unknown: choose 'continuous' or 'grid'")
        positive = {"bonus_step": bonus_step, "coupon_ratio": coupon_ratio, "budget": budget, "max_bonus": max_bonus}
        for name, value in positive.items():
            if not 0.0 < value < np.inf:
                raise ValueError(f"{name} must be above 0 and finite, got {value}")
        for name, value in {"overreach": overreach, "unit_gmv": unit_gmv, "penalty": penalty}.items():
            if not 0.0 <= value < np.inf:
                raise ValueError(f"{name} must be at least 0 and finite, got {value}")
        units = round(max_bonus / bonus_step)
        if not 1 <= units <= _LARGEST or not np.isclose(units * bonus_step, max_bonus):
            raise ValueError(
                f"max_bonus must be 1 to {_LARGEST} times bonus_step, a whole number; got {max_bonus} and {bonus_step}"
            )
        if len(target_bounds) != 2 or not 1 <= target_bounds[0] <= target_bounds[1] <= _LARGEST:
            raise ValueError(
                f"target_bounds must be two whole numbers from 1 to {_LARGEST}, the smaller first, got {target_bounds}"
            )
        if len(cue_std) != 2 or not all(0.0 <= std < np.inf for std in cue_std):
            raise ValueError(f"cue_std must be two numbers of at least 0, got {cue_std}")
        if not 1 <= horizon <= _LARGEST:
            raise ValueError(f"horizon must be from 1 to {_LARGEST} days, got {horizon}")
        training = instances.training_positions(cities, gap, city_seed)
        self.positions = np.zeros((1, 3)) if split == "test" else training
        self.params = Params(
            cities=Cities.at(self.positions),
            propensity_factor=make_spread(instances.PROPENSITY_FACTOR),
            responsiveness_factor=make_spread(instances.RESPONSIVENESS_FACTOR),
            tiring_factor=make_spread(instances.TIRING_FACTOR),
            tilt=make_spread(instances.TILT),
            discouragement=make_spread(instances.DISCOURAGEMENT),
            week=instances.weekly_cycle(),
            grid=_grid(target_bounds, units),
            target_bounds=np.array(target_bounds, np.int64),
            max_units=np.array(units, np.int64),
            bonus_step=np.array(bonus_step, np.float64),
            overreach=np.array(overreach, np.float64),
            unit_gmv=np.array(unit_gmv, np.float64),
            coupon_ratio=np.array(coupon_ratio, np.float64),
            penalty=np.array(penalty, np.float64),
            budget=np.array(budget, np.float64),
            cue_std=np.array(cue_std, np.float64),
            horizon=np.array(horizon, np.int64),
            observe_history=np.array(observe_history, np.bool_),
            observe_driver=np.array(observe_driver, np.bool_),
        )
        self.action_space: spaces.Space[Any]
        if action == "grid":
            self.step_rule, self.action_space = step_grid, spaces.Discrete(len(self.params.grid))
        else:
            self.step_rule, self.action_space = step_position, spaces.Box(-1.0, 1.0, (2,), np.float32)
        # The same for every city, so that a policy fits both splits: at (1, 1, 1), all means are the largest.
        largest = Cities.at(np.ones((1, 3)))
        propensity = float(largest.propensity[0]) * instances.PROPENSITY_FACTOR[1]
        responsiveness = float(largest.responsiveness[0]) * instances.RESPONSIVENESS_FACTOR[1]
        tiring, tilt = float(largest.tiring[0]) * instances.TIRING_FACTOR[1], instances.TILT
        mean = max(propensity * (1.0 + tilt[1]), target_bounds[1])
        beyond_orders, beyond_response = (_LARGEST_NORMAL * std for std in cue_std)
        columns = [(-beyond_orders, propensity + beyond_orders)] * observe_history
        columns += [(-beyond_response, responsiveness + beyond_response)] * observe_history
        hidden = [(0.0, propensity), (0.0, responsiveness), tilt, (0.0, tiring), (0.0, instances.DISCOURAGEMENT[1])]
        columns += [*hidden, (0.0, 1.0)] * observe_driver
        columns += [(-1.0, 1.0), (-1.0, 1.0), (0.0, 1.0), (0.0, mean + _LARGEST_NORMAL * mean**0.5 + 1.0)]
        columns += [(0.0, target_bounds[1]), (0.0, max_bonus), (0.0, 1.0), (0.0, 1.0 + max_bonus / budget)]
        low, high = np.array(columns, np.float32).T
        self.observation_space = spaces.Box(low, high, dtype=np.float32)

    def new_state(self, num_envs: int) -> State:
        """Arrays for ``num_envs`` drivers."""
        return new_state(num_envs)

    def coupons(self) -> Integers:
        """Target and units of bonus of all coupons that there are, int64 ``(coupons, 2)``; the first is none."""
        if isinstance(self.action_space, spaces.Discrete):
            return np.asarray(self.params.grid)
        low, high = self.params.target_bounds
        return _product(np.arange(low, high + 1), np.arange(1, self.params.max_units + 1))

    def offers(self, numbers: Integers) -> Any:
        """The actions that offer coupons, given by their numbers in :meth:`coupons`; int64 ``(n,)``."""
        if isinstance(self.action_space, spaces.Discrete):
            return numbers
        (low, high), most = self.params.target_bounds, self.params.max_units
        targets, units = self.coupons()[numbers].T
        positions = np.stack([(np.maximum(targets, low) - low) / max(high - low, 1), units / most], axis=1)
        return ((2.0 * positions - 1.0) / (1.0 + self.params.overreach)).astype(np.float32)

    def check_actions(self, actions: Any, state: Any) -> Any:
        """See :meth:`Family.check_actions`; continuous actions must be in [-1, 1]."""
        if isinstance(self.action_space, spaces.Discrete):
            return super().check_actions(actions, state)
        if tuple(actions.shape[1:]) != (2,):
            raise ValueError(f"actions must have shape ('num_envs', 2), got {tuple(actions.shape)}")
        least, most = extremes(actions)
        if not (least >= -1.0 and most <= 1.0):  # also where one is not a number
            given = on_host(actions)
            row = int(np.argmin(((given >= -1.0) & (given <= 1.0)).all(axis=1)))
            raise ValueError(
                f"the action of environment {row} is not in {self.action_space}: {given[row]}; "
                "gymnasium.wrappers.ClipAction clips"
            )
        return actions

    def render_row(self, state: State, row: int, mode: str) -> str:
        """The day, the last day's coupon and orders, and what is hidden."""
        unit = float(self.params.bonus_step)
        bonus, paid = state.units[row] * unit, state.paid[row] * unit
        coupon = f"{bonus:g} for {state.target[row]} orders" if bonus > 0.0 else "no coupon"
        return (
            f"day {state.time[row]}  {coupon}: {state.orders[row]} orders  paid {paid:g} so far  (hidden: "
            f"{state.baseline_orders[row]} orders without coupons, energy {state.level[row] / LEVELS:.1f})"
        )


class HiddenDrivers:
    """What both faces offer besides Gymnasium's methods."""

    _batch: Any

    def hidden_drivers(self) -> Drivers:
        """A copy of what the observation hides: for evaluation and references, not for policies.

        Each array is ``(num_envs,)``, ``(1,)`` of a single environment. Right after a ``reset`` it is what
        :mod:`telos.envs.recsys.driver.optimum` takes.
        """
        state = self._batch.state
        return Drivers(*(on_host(getattr(state, name)).copy() for name in Drivers._fields))


def _product(targets: Any, units: Any) -> Integers:
    """No coupon, and all others; int64 ``(1 + targets * units, 2)``."""
    pairs = np.stack(np.meshgrid(targets, units, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.concatenate([np.zeros((1, 2), np.int64), pairs.astype(np.int64)])


def _grid(target_bounds: Sequence[int], max_units: int) -> Integers:
    """Coupons evenly over the bounds, as few as the bounds have where they are narrow."""
    targets = np.unique(np.rint(np.linspace(target_bounds[0], target_bounds[1], _GRID[0])))
    units = np.unique(np.rint(np.linspace(0, max_units, _GRID[1] + 1))[1:])
    return _product(targets, units[units > 0])
