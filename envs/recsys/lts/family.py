"""Long-term satisfaction as a family: arguments to arrays and spaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from telos.envs.engine.arrays import extremes, on_host
from telos.envs.engine.family import Family
from telos.envs.engine.spread import Spread, make_spread
from telos.envs.recsys.lts.instances import LOG_UNIFORM, training_groups
from telos.envs.recsys.lts.params import Params, State, Users, new_state
from telos.envs.recsys.lts.rules import MAX_ENGAGEMENT, observe_user, reset_user, step_item, step_position

__all__ = ["HiddenUsers", "LTSRec"]

#: No normal draw of the rules is further from zero, in standard deviations.
_LARGEST_NORMAL = 8.6


class LTSRec(Family):
    """See :class:`telos.envs.recsys.lts.env.LTSRecEnv` for the arguments.

    Attributes:
        groups: Choc means of the groups that users are drawn from.
    """

    terms = ("engagement",)
    render_modes = ("ansi",)
    reset_rule = staticmethod(reset_user)
    observe_rule = staticmethod(observe_user)
    work = 40

    def __init__(
        self,
        split: str = "train",
        gap: float = 4.0,
        groups: Sequence[float] | None = None,
        sim_noise: float = 0.0,
        target: float = 14.0,
        group_range: int = 8,
        kale_mean: float = 4.0,
        choc_std: float = 0.01,
        kale_std: float = 0.01,
        memory_discount: Sequence[float] | None = None,
        sensitivity: Sequence[float] | None = None,
        innovation_std: float = 0.0,
        initial_exposure: Sequence[float] = (0.5, 0.5),
        num_items: int = 30,
        horizon: int = 140,
        action: str = "item",
        observe_group: bool = True,
        cue_std: float = 3.0,
        observe_user: bool = False,
        observe_time: bool = False,
    ) -> None:
        if split not in ("train", "test"):
            raise ValueError(f"split={split!r} is unknown: choose 'train' or 'test'")
        if split == "test":
            self.groups: tuple[float, ...] = (float(target),)
            sim_noise = 0.0
        elif groups is not None:
            self.groups = tuple(float(mean) for mean in groups)
        else:
            self.groups = training_groups(gap, target, group_range)
        least = {"num_items": (num_items, 2), "horizon": (horizon, 1), "sim_noise": (sim_noise, 0)}
        stds = {"choc_std": choc_std, "kale_std": kale_std, "cue_std": cue_std, "innovation_std": innovation_std}
        for name, (value, bound) in (least | {name: (value, 0) for name, value in stds.items()}).items():
            if not bound <= value < np.inf:
                raise ValueError(f"{name} must be at least {bound} and finite, got {value}")
        if not self.groups or not all(0.0 <= mean <= MAX_ENGAGEMENT for mean in (*self.groups, kale_mean)):
            raise ValueError(
                f"mean engagements must be in [0, {MAX_ENGAGEMENT:g}], and there must be at least one group; got "
                f"groups {self.groups} and kale_mean={kale_mean}"
            )
        self.params = Params(
            choc_means=np.array(self.groups),
            kale_mean=make_spread((kale_mean - sim_noise, kale_mean + sim_noise)),
            memory_discount=_spread("memory_discount", memory_discount, 0.0, 1.0),
            sensitivity=_spread("sensitivity", sensitivity, 0.0, np.inf),
            initial_exposure=_spread("initial_exposure", initial_exposure, -np.inf, np.inf),
            **{name: np.array(value, np.float64) for name, value in stds.items()},
            num_items=np.array(num_items, np.int64),
            horizon=np.array(horizon, np.int64),
            observe_group=np.array(observe_group, np.bool_),
            observe_user=np.array(observe_user, np.bool_),
            observe_time=np.array(observe_time, np.bool_),
        )
        self.action_space: spaces.Space[Any]
        if action == "item":
            self.step_rule, self.action_space = step_item, spaces.Discrete(num_items)
        elif action == "continuous":
            self.step_rule, self.action_space = step_position, spaces.Box(-1.0, 1.0, (1,), np.float32)
        else:
            raise ValueError(f"action={action!r} is unknown: choose 'item' or 'continuous'")
        # The same for every group, so that a policy fits both splits.
        beyond = _LARGEST_NORMAL * cue_std
        columns = [(-beyond, MAX_ENGAGEMENT + beyond)] * observe_group
        columns += [self.params.memory_discount.bounds, self.params.sensitivity.bounds, (0.0, 1.0)] * observe_user
        columns += [(0.0, 1.0), (0.0, MAX_ENGAGEMENT)] + [(0.0, 1.0)] * observe_time
        low, high = np.array(columns, np.float32).T
        self.observation_space = spaces.Box(low, high, dtype=np.float32)

    def new_state(self, num_envs: int) -> State:
        """Arrays for ``num_envs`` users."""
        return new_state(num_envs)

    def check_actions(self, actions: Any, state: Any) -> Any:
        """See :meth:`Family.check_actions`; continuous actions must be in [-1, 1]."""
        if isinstance(self.action_space, spaces.Discrete):
            return super().check_actions(actions, state)
        if tuple(actions.shape[1:]) != (1,):
            raise ValueError(f"actions must have shape ('num_envs', 1), got {tuple(actions.shape)}")
        least, most = extremes(actions)
        if not (least >= -1.0 and most <= 1.0):  # also where one is not a number
            given = on_host(actions)[:, 0]
            row = int(np.argmin((given >= -1.0) & (given <= 1.0)))
            raise ValueError(
                f"the action of environment {row} is not in {self.action_space}: {given[row]}; "
                "gymnasium.wrappers.ClipAction clips"
            )
        return actions

    def render_row(self, state: State, row: int, mode: str) -> str:
        """The time, the last engagement, and what is hidden."""
        satisfaction = users_of(state).satisfaction[row]
        return (
            f"t={state.time[row]}  engagement {state.engagement[row]:.2f}  (hidden: net positive exposure "
            f"{state.exposure[row]:.2f}, satisfaction {satisfaction:.2f})"
        )


class HiddenUsers:
    """What both faces offer besides Gymnasium's methods."""

    _batch: Any

    def hidden_users(self) -> Users:
        """A copy of what the observation hides: for evaluation and references, not for policies.

        Each array is float64 ``(num_envs,)``, ``(1,)`` of a single environment. Right after a ``reset`` it is what
        :mod:`telos.envs.recsys.lts.optimum` takes.
        """
        return users_of(self._batch.state)


def users_of(state: State) -> Users:
    """Copies of the hidden arrays, on the host."""
    return Users(*(on_host(getattr(state, name)).copy() for name in Users._fields))


def _spread(name: str, bounds: Sequence[float] | None, least: float, below: float) -> Spread:
    if bounds is None:
        return make_spread(LOG_UNIFORM, logarithmic=True)
    if len(bounds) != 2 or not least <= bounds[0] <= bounds[1] < below or not np.isfinite(bounds).all():
        raise ValueError(
            f"{name} must be two numbers, the smaller first, at least {least:g} and below {below:g}; got {bounds}"
        )
    return make_spread(bounds)
