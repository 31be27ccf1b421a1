"""Slates as a family: arguments to arrays and spaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from telos.envs.engine.arrays import on_host
from telos.envs.engine.family import Family
from telos.envs.engine.spread import make_spread
from telos.envs.recsys.slate.instances import make_catalogue
from telos.envs.recsys.slate.params import Params, State, Users, new_state
from telos.envs.recsys.slate.rules import observe_user, reset_user, step_slate

__all__ = ["PublicCatalogue", "SlateRec", "users_of"]

_BYTE, _SHORT = np.iinfo(np.int8).max, np.iinfo(np.int16).max


class SlateRec(Family):
    """See :class:`telos.envs.recsys.slate.env.SlateRecEnv` for the arguments.

    Attributes:
        catalogue: The items.
    """

    terms = ("clicks", "departure")
    metrics = ("intra_list_diversity", "topic_entropy", "topic_entropy_drift")
    render_modes = ("ansi",)
    reset_rule = staticmethod(reset_user)
    step_rule = staticmethod(step_slate)
    observe_rule = staticmethod(observe_user)

    def __init__(
        self,
        num_items: int = 1000,
        num_topics: int = 10,
        slate_size: int = 10,
        horizon: int = 100,
        catalogue_seed: int = 0,
        quality_std: float = 0.05,
        new_items: float = 0.0,
        popularity_exponent: float = 1.0,
        user_topics: Sequence[int] = (3, 5),
        position_discount: float = 0.85,
        offset: float = 0.65,
        slope: float = 100.0,
        taste_inertia: float = 0.95,
        boredom: str = "topic",
        boredom_threshold: int = 5,
        boredom_steps: int = 5,
        remembered_clicks: int = 10,
        patience: Sequence[float] = (10.0, 30.0),
        wanted_clicks: float = 2.0,
        recovery: float = 0.5,
        departure_cost: float = 20.0,
        duplicates: str = "blank",
    ) -> None:
        ranges = {
            "num_topics": (num_topics, 2, _BYTE),
            "num_items": (num_items, 1, np.iinfo(np.int32).max),
            "slate_size": (slate_size, 1, num_items),
            "horizon": (horizon, 1, _SHORT),
            "catalogue_seed": (catalogue_seed, 0, np.inf),
            "quality_std": (quality_std, 0, 1e6),
            "new_items": (new_items, 0, 1),
            "popularity_exponent": (popularity_exponent, 0, 100),
            "position_discount": (position_discount, 0, 1),
            "offset": (offset, -1e6, 1e6),
            "slope": (slope, 0, 1e6),
            "taste_inertia": (taste_inertia, 0, 1),
            "boredom_threshold": (boredom_threshold, 1, _BYTE),
            "boredom_steps": (boredom_steps, 1, _BYTE),
            "remembered_clicks": (remembered_clicks, 1, _BYTE),
            "wanted_clicks": (wanted_clicks, 0, slate_size),
            "recovery": (recovery, 0, 1e6),
            "departure_cost": (departure_cost, 0, 1e6),
        }
        for name, (value, least, most) in ranges.items():
            if not least <= value <= most:
                raise ValueError(f"{name} must be at least {least:g} and at most {most:g}, got {value}")
        _check_range("user_topics", user_topics, 1, num_topics)
        _check_range("patience", patience, float(np.finfo(np.float32).tiny), 1e6)
        for name, choice, choices in (
            ("boredom", boredom, ("topic", "all")),
            ("duplicates", duplicates, ("blank", "error")),
        ):
            if choice not in choices:
                raise ValueError(f"{name}={choice!r} is unknown: choose {' or '.join(map(repr, choices))}")
        self.catalogue = make_catalogue(
            catalogue_seed, num_items, num_topics, quality_std, new_items, popularity_exponent
        )
        self._memory, self._forbids_duplicates = remembered_clicks, duplicates == "error"
        numbers = np.arange(max(slate_size * horizon, remembered_clicks) + 1, dtype=np.float64)
        scalars = {
            **{"offset": offset, "slope": slope, "taste_inertia": taste_inertia, "wanted_clicks": wanted_clicks},
            **{"recovery": recovery, "departure_cost": departure_cost},
        }
        self.params = Params(
            item_topics=self.catalogue.topics,
            item_weights=self.catalogue.weights,
            quality=self.catalogue.quality,
            popularity=self.catalogue.popularity,
            examination=np.array([float(position_discount) ** place for place in range(slate_size)]),
            bored_of_all=np.array(boredom == "all"),
            patience=make_spread(patience),
            n_log_n=numbers * np.log(np.maximum(numbers, 1)),
            **{name: np.array(value, np.float64) for name, value in scalars.items()},
            least_topics=np.array(user_topics[0], np.int64),
            most_topics=np.array(user_topics[1], np.int64),
            boredom_threshold=np.array(boredom_threshold, np.int64),
            boredom_steps=np.array(boredom_steps, np.int64),
            horizon=np.array(horizon, np.int64),
        )
        self.action_space = spaces.MultiDiscrete([num_items] * slate_size)
        self.observation_space = spaces.Box(0.0, 1.0, (slate_size + 3 * num_topics + 1,), np.float32)
        self.work = 30 * slate_size + 10 * num_topics

    def new_state(self, num_envs: int) -> State:
        """Arrays for ``num_envs`` users."""
        topics, slots = len(self.catalogue.popularity), len(self.params.examination)
        return new_state(num_envs, topics, slots, self._memory)

    def check_actions(self, actions: Any, state: Any) -> Any:
        """See :meth:`Family.check_actions`; with ``duplicates="error"``, no item may be twice in a slate."""
        actions = super().check_actions(actions, state)
        if self._forbids_duplicates:
            given = np.sort(on_host(actions), axis=1)
            twice = given[:, 1:] == given[:, :-1]
            if twice.any():
                row = int(twice.any(axis=1).argmax())
                raise ValueError(
                    f"the slate of environment {row} has item {given[row, 1:][twice[row]][0]} more than once; show "
                    "each item once, or make the environment with duplicates='blank'"
                )
        return actions

    def render_row(self, state: State, row: int, mode: str) -> str:
        """The last clicks, and what is hidden."""
        bored = np.flatnonzero(state.boredom[row]).tolist()
        return (
            f"t={state.time[row]}  clicks {''.join('.x'[int(c)] for c in state.clicked[row])}  (hidden: patience "
            f"{state.patience[row]:.1f}, bored of topics {bored})"
        )


class PublicCatalogue:
    """What both faces offer besides Gymnasium's methods."""

    family: Any
    _batch: Any

    @property
    def item_topics(self) -> NDArray[np.float32]:
        """How much each item is about each topic, ``(num_items, num_topics)``; rows are unit vectors. A copy."""
        return np.asarray(self.family.catalogue.matrix)

    @property
    def item_quality(self) -> NDArray[np.float32]:
        """The quality of each item, ``(num_items,)``, and NaN of those that are new. A copy."""
        catalogue = self.family.catalogue
        return np.where(catalogue.new, np.float32(np.nan), catalogue.quality)

    @property
    def examination(self) -> NDArray[np.float64]:
        """The probability that a user looks at each place of the slate, ``(slate_size,)``. A copy."""
        return np.array(self.family.params.examination)

    def hidden_users(self) -> Users:
        """A copy of what the observation hides: for evaluation and references, not for policies.

        The first axis of each array is the environment, one of a single environment.
        """
        return users_of(self._batch.state)


def users_of(state: State) -> Users:
    """Copies of the hidden arrays, on the host."""
    return Users(*(on_host(getattr(state, name)).copy() for name in Users._fields))


def _check_range(name: str, bounds: Sequence[float], least: float, most: float) -> None:
    if len(bounds) != 2 or not least <= bounds[0] <= bounds[1] <= most:
        raise ValueError(
            f"{name} must be two numbers, the smaller first, above 0 and at most {most:g}; got {list(bounds)}"
        )
