"""Retention as a family: arguments to arrays and spaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from telos.envs.engine.arrays import on_host
from telos.envs.engine.episodes import WhenDone
from telos.envs.engine.family import Family
from telos.envs.engine.spread import make_spread
from telos.envs.recsys.retention.counterfactual import ReturnEffect, expected_return_day
from telos.envs.recsys.retention.params import FEEDBACKS, Floats, Params, State, Users, new_state
from telos.envs.recsys.retention.rules import between, observe_user, reset_user, step_slate

__all__ = ["HiddenUsers", "RetentionRec"]


class RetentionRec(Family):
    """See :class:`telos.envs.recsys.retention.env.RetentionRecEnv` for the arguments."""

    terms = ("click", "retention")
    render_modes = ("ansi",)
    reset_rule = staticmethod(reset_user)
    step_rule = staticmethod(step_slate)
    observe_rule = staticmethod(observe_user)

    def __init__(
        self,
        slate_size: int = 5,
        taste: Sequence[float] = (2.4, 1.2, 0.7, 0.4, 0.3),
        clickbait_levels: int = 3,
        base_rates: Sequence[float] = (0.2, 0.04, 0.006),
        clickbait_effect: Sequence[float] = (0.75, -0.2, -0.5),
        satisfaction_effect: float = 0.3,
        aversion: Sequence[float] = (0.5, 1.0),
        memory: float = 0.9,
        initial_satisfaction: float = 0.5,
        continue_probability: Sequence[float] = (0.6, 0.8),
        return_probability: Sequence[float] = (0.02, 0.8),
        churn_probability: Sequence[float] = (0.1, 0.0),
        requests: int = 5,
        horizon: int = 30,
        satisfaction_levels: int = 50,
        recent_discount: float = 0.9,
        click_weight: float = 1.0,
        retention_weight: float = 1.0,
    ) -> None:
        counts = {"slate_size": (slate_size, 1, 127), "clickbait_levels": (clickbait_levels, 2, 127)}
        counts |= {"requests": (requests, 1, 127), "horizon": (horizon, 1, 32_766)}
        counts |= {"satisfaction_levels": (satisfaction_levels, 1, 32_766)}
        for name, (value, least, most) in counts.items():
            if not least <= value <= most:
                raise ValueError(f"{name} must be between {least} and {most}, got {value}")
        shares = {"memory": memory, "recent_discount": recent_discount}
        for name, share in shares.items():
            if not 0.0 <= share < 1.0:
                raise ValueError(f"{name} must be at least 0 and below 1, got {share}")
        first = {"initial_satisfaction": initial_satisfaction, "satisfaction_effect": satisfaction_effect}
        for name, share in first.items():
            if not 0.0 <= share <= 1.0:
                raise ValueError(f"{name} must be in [0, 1], got {share}")
        weights = {"click_weight": click_weight, "retention_weight": retention_weight}
        for name, weight in weights.items():
            if not 0.0 <= weight < np.inf:
                raise ValueError(f"{name} must be at least 0 and finite, got {weight}")
        likings = np.array(taste, np.float64)
        if not 1 <= likings.size <= 127 or not (np.diff(likings) <= 0.0).all() or not likings[-1] >= 0.0 < likings[0]:
            raise ValueError(f"taste must be numbers of at least 0, the largest first and above 0; got {taste}")
        likings /= likings.mean()
        clickbait = np.linspace(0.0, 1.0, clickbait_levels)
        items = np.arange(likings.size * clickbait_levels)
        best_mood = 1.0 + satisfaction_effect * (1.0 - initial_satisfaction)
        scalars: dict[str, Any] = {name: np.array(v, np.float64) for name, v in (shares | first | weights).items()}
        scalars |= {name: np.array(v, np.int64) for name, (v, _, _) in counts.items() if name != "clickbait_levels"}
        self.params = Params(
            item_topic=items // clickbait_levels,
            item_clickbait=items % clickbait_levels,
            harm=clickbait**2,
            fit=likings / likings[0],
            feedback_probability=_feedback_probability(likings, clickbait, base_rates, clickbait_effect, best_mood),
            aversion=make_spread(_pair("aversion", aversion).tolist()),
            continue_probability=_pair("continue_probability", continue_probability),
            return_probability=_pair("return_probability", return_probability),
            churn_probability=_pair("churn_probability", churn_probability, falls=True),
            **scalars,
        )
        self.action_space = spaces.MultiDiscrete(np.full(slate_size, items.size))
        high = np.ones(4 + len(FEEDBACKS) + 2 * likings.size, np.float32)
        high[4 + len(FEEDBACKS) :] = 1.0 / (1.0 - recent_discount)
        self.observation_space = spaces.Box(np.zeros_like(high), high, dtype=np.float32)
        self.work = 20 + 20 * slate_size

    def new_state(self, num_envs: int) -> State:
        """Arrays for ``num_envs`` users."""
        return new_state(num_envs, len(self.params.fit))

    def render_row(self, state: State, row: int, mode: str) -> str:
        """Calendar, last feedback, and what is hidden."""
        satisfaction = state.satisfaction[row] / self.params.satisfaction_levels
        feedback = ", ".join(f"{name} {count}" for name, count in zip(FEEDBACKS, state.feedback[row], strict=True))
        return (
            f"day {state.day[row]}  request {state.position[row]}  {feedback}  (hidden: favourite topic "
            f"{state.rank[row].argmin()}, aversion {state.aversion[row]:.2f}, satisfaction {satisfaction:.2f}, daily "
            f"return {between(self.params.return_probability, satisfaction):.2f})"
        )


class HiddenUsers:
    """What both faces offer besides Gymnasium's methods: the truth, for evaluation only."""

    _batch: Any
    family: Any

    def hidden_users(self) -> Users:
        """A copy of what decides the users' future; first axis is the environment, one of a single environment.

        Right after a ``reset`` it is what :mod:`telos.envs.recsys.retention.optimum` takes.
        """
        return Users(*(on_host(getattr(self._batch.state, name)).copy() for name in Users._fields))

    def return_hazard(self) -> Floats:
        """Daily probability that each user would return, were the session to end now; float64 ``(num_envs,)``.

        A user may leave for good after a session, before the hazard counts: ``churn_probability`` is apart.
        """
        params = self.family.params
        satisfaction = self.hidden_users().satisfaction / params.satisfaction_levels
        return np.asarray(between(params.return_probability, satisfaction))

    def return_effect(self, slate: Any, instead_of: Any, following: Any = None) -> ReturnEffect:
        """The true effect of one slate now on the day of each user's next session; the environment stays as it is.

        Args:
            slate: Integers ``(num_envs, slate_size)``, or ``(slate_size,)`` for all.
            instead_of: The slate that it is compared with.
            following: What both futures show in the rest of the session; ``instead_of`` if None.

        Raises:
            ValueError: If a slate is invalid.
        """
        family, batch, users = self.family, self._batch, self.hidden_users()
        shape = (batch.size, int(family.params.slate_size))
        slates = [instead_of if slates is None else slates for slates in (slate, instead_of, following)]
        treated, control, rest = (np.broadcast_to(np.asarray(slates), shape).copy() for slates in slates)
        kept = batch.clone()
        sampled = []
        for first in (treated, control):
            day = np.full(batch.size, -1)
            try:
                for now in [first] + [rest] * (int(family.params.requests) - 1):
                    batch.step(now, WhenDone.NOTHING)
                    over = (day < 0) & (on_host(batch.state.position) == 0)
                    # Who was gone before stays so.
                    day[over] = np.minimum(on_host(batch.state.day)[over], family.params.horizon)
            finally:
                batch.restore(kept)
            sampled.append(day)
        expected = [expected_return_day(family.params, users, first, rest) for first in (treated, control)]
        return ReturnEffect(sampled[0] - sampled[1], expected[0] - expected[1])


def _pair(name: str, bounds: Sequence[float], falls: bool = False) -> Floats:
    pair = np.array(bounds, np.float64)
    if pair.shape != (2,) or not 0.0 <= pair.min() <= pair.max() <= 1.0 or pair[int(falls)] > pair[int(not falls)]:
        order = "larger" if falls else "smaller"
        raise ValueError(f"{name} must be two numbers in [0, 1], the {order} first; got {tuple(bounds)}")
    return pair


def _feedback_probability(
    taste: Floats, clickbait: Floats, base_rates: Sequence[float], effects: Sequence[float], best_mood: float
) -> Floats:
    """``(3, T, B)``; ``taste`` has mean 1, as has the effect of clickbait, so that base rates are means over items."""
    rates, slopes = np.array(base_rates, np.float64), np.array(effects, np.float64)
    for name, values, least in (("base_rates", rates, 0.0), ("clickbait_effect", slopes, -1.0)):
        if values.shape != (len(FEEDBACKS),) or not ((values >= least) & (values <= 1.0)).all():
            raise ValueError(f"{name} must be {len(FEEDBACKS)} numbers in [{least:g}, 1], one for each of {FEEDBACKS}")
    lure = 1.0 + slopes[:, None, None] * (2.0 * clickbait - 1.0)
    probability = rates[:, None, None] * taste[:, None] * lure
    if probability[0].max() * best_mood > 1.0:
        raise ValueError(
            f"the probability of a click would reach {probability[0].max() * best_mood:.2f}: lower base_rates[0], the "
            "largest taste, clickbait_effect[0] or satisfaction_effect"
        )
    for feedback in (1, 2):
        if (probability[feedback] > probability[0] * (1.0 + 1e-12)).any():
            raise ValueError(
                f"what is not clicked gets no {FEEDBACKS[feedback]}, but some items would have more of these than "
                f"clicks: lower base_rates[{feedback}], or raise clickbait_effect[{feedback}]"
            )
    return np.asarray(probability)
