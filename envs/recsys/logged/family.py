"""Fitted users as a family: a fit and arguments to arrays and spaces."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from telos.envs.engine.arrays import on_host
from telos.envs.engine.family import Family
from telos.envs.recsys.logged.convert import cache_of
from telos.envs.recsys.logged.fidelity import check_fidelity
from telos.envs.recsys.logged.fitting import FIT_FILE, Fit, load_fit
from telos.envs.recsys.logged.layouts import DataMissingError, find_layout
from telos.envs.recsys.logged.params import HiddenUsers, Params, State, factors_of, new_state
from telos.envs.recsys.logged.rules import observe_user, reset_user, step_item, step_slate

__all__ = ["FittedUsers", "LoggedRec"]


class LoggedRec(Family):
    """See :class:`telos.envs.recsys.logged.env.LoggedRecEnv` for the arguments.

    Attributes:
        fit: What users are simulated by.
        num_items: Items to recommend.
    """

    metrics = ("shown", "left", "return_day")
    render_modes = ("ansi",)
    reset_rule = staticmethod(reset_user)
    observe_rule = staticmethod(observe_user)
    fit: Fit
    num_items: int

    def __init__(
        self,
        data_root: str | None = None,
        cache: str | None = None,
        slate: int = 1,
        num_items: int | None = None,
        days: int = 7,
        weights: Mapping[str, float] | None = None,
        allow_unfaithful: bool = False,
    ) -> None:
        if data_root is None and cache is None:
            raise DataMissingError(
                "LoggedRec-v0 simulates users of logs that you supply: data_root=FOLDER. Without logs, make synthetic "
                "ones: `telos recsys synthetic --layout kuairand-pure --out FOLDER`, then "
                "`telos recsys fit --data-root FOLDER`"
            )
        folder = cache_of(data_root or "", cache)
        if not (folder / FIT_FILE).is_file() and data_root is not None:
            layout, _ = find_layout(Path(data_root))
            raise DataMissingError(
                f"no users are fitted to {layout.title} in {folder} yet: `telos recsys fit --data-root {data_root}"
                + (f" --cache {cache}`" if cache is not None else "`")
            )
        fit = load_fit(folder)
        if not allow_unfaithful:
            check_fidelity(fit, folder)
        self._configure(fit, slate, num_items, days, weights, pools=False)

    @classmethod
    def of(
        cls,
        fit: Fit,
        slate: int = 1,
        num_items: int | None = None,
        days: int = 7,
        weights: Mapping[str, float] | None = None,
        pools: bool = False,
    ) -> LoggedRec:
        """A family of a fit at hand, whatever its report; with ``pools``, those can be recommended like items."""
        family = cls.__new__(cls)
        family._configure(fit, slate, num_items, days, weights, pools)
        return family

    def _configure(
        self,
        fit: Fit,
        slate: int,
        num_items: int | None,
        days: int,
        weights: Mapping[str, float] | None,
        pools: bool,
    ) -> None:
        offered = len(fit.model.items) if pools else fit.num_items
        for name, value, most in (("slate", slate, np.inf), ("days", days, np.inf), ("num_items", num_items, offered)):
            if value is not None and not 1 <= value <= most:
                raise ValueError(f"{name} must be from 1 to {most}, got {value}")
        self.fit, self.num_items = fit, num_items or offered
        self.terms = (*fit.signals, "return_day")
        paid = {fit.signals[0]: 1.0} if weights is None else dict(weights)
        for name, weight in paid.items():
            if name not in self.terms:
                near = difflib.get_close_matches(name, self.terms, n=1) or self.terms
                raise ValueError(f"weights has no term {name!r}; did you mean {', '.join(map(repr, near))}?")
            if not np.isfinite(weight):
                raise ValueError(f"the weight of {name} must be finite, got {weight}")
        order = np.array([paid.get(name, 0.0) for name in self.terms], np.float64)
        self.params = Params(fit.model, order, np.array(days, np.int64))
        signals = len(fit.signals)
        self.work = slate * (20 * signals + 2 * signals * factors_of(fit.model) + 3 * fit.window)
        self.action_space: spaces.Space[Any]
        if slate == 1:
            self.step_rule, self.action_space = step_item, spaces.Discrete(self.num_items)
        else:
            self.step_rule, self.action_space = step_slate, spaces.MultiDiscrete([self.num_items] * slate)
        self._slate = slate
        columns = 2 * len(fit.categories) + slate * signals + 2
        self.observation_space = spaces.Box(0.0, 1.0, (columns,), np.float32)

    def new_state(self, num_envs: int) -> State:
        """Arrays for ``num_envs`` users."""
        return new_state(num_envs, len(self.fit.signals), self._slate, self.fit.window)

    def render_row(self, state: State, row: int, mode: str) -> str:
        """The time, the session's length, and the last slate's feedback."""
        counts = state.feedback[row].sum(axis=0)
        given = ", ".join(f"{name} {count}" for name, count in zip(self.fit.signals, counts, strict=True) if count)
        return f"day {state.day[row]}  item {state.position[row]} of the session  feedback: {given or 'none'}"


class FittedUsers:
    """What both faces offer besides Gymnasium's methods."""

    _batch: Any
    family: LoggedRec

    @property
    def item_categories(self) -> NDArray[np.int16]:
        """The category of each item, int16 ``(num_items,)``: known to any recommender."""
        return self.family.fit.model.categories[: self.family.num_items].copy()

    @property
    def item_counts(self) -> NDArray[np.int64]:
        """How often each item was shown in the log, and got each signal, int64 ``(num_items, 1 + S)``."""
        model = self.family.fit.model
        return np.column_stack([model.shown, model.given])[: self.family.num_items]

    def hidden_users(self) -> HiddenUsers:
        """A copy of what the observation hides: for evaluation and references, not for policies."""
        state = self._batch.state
        return HiddenUsers(*(on_host(getattr(state, name)).astype(np.int64) for name in HiddenUsers._fields))
