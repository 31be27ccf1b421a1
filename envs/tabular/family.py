"""What all tabular environments share."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from telos.envs.engine.family import Family
from telos.envs.tabular.mdp import TabularMDP
from telos.envs.tabular.params import State, make_params, new_state
from telos.envs.tabular.rules import (
    observe_index,
    observe_index_and_time,
    observe_one_hot,
    observe_one_hot_and_time,
    reset_state,
    step_state,
)

__all__ = ["Tabular", "TabularFamily"]

_OBSERVE = {
    ("index", False): observe_index,
    ("index", True): observe_index_and_time,
    ("one_hot", False): observe_one_hot,
    ("one_hot", True): observe_one_hot_and_time,
}


class TabularFamily(Family):
    """Plays a table.

    Args:
        mdp: The table.
        observation: ``"index"``: the state's number, ``Discrete(S)``; ``"one_hot"``: ``Box(0, 1, (S,), float32)``.
        observe_time: Whether the steps taken are observed, too: ``MultiDiscrete([S, H + 1])``, or one more entry of
            the ``Box``, the share of the horizon that has passed.

    Raises:
        ValueError: If ``observation`` is unknown, or time is to be observed without a horizon.
    """

    reset_rule = staticmethod(reset_state)
    step_rule = staticmethod(step_state)
    render_modes = ("ansi",)

    def __init__(self, mdp: TabularMDP, observation: str, observe_time: bool = False) -> None:
        if (observation, observe_time) not in _OBSERVE:
            raise ValueError(f"observation={observation!r} is unknown: choose 'index' or 'one_hot'")
        if observe_time and mdp.horizon is None:
            raise ValueError("observe_time=True needs a horizon: there is no last step to count up to")
        self.mdp, self.terms = mdp, mdp.terms
        self.params = make_params(mdp)
        self.work = mdp.next_states.shape[2]
        self.observe_rule = _OBSERVE[observation, observe_time]
        states = mdp.num_states
        self.observation_space: spaces.Space[Any]
        if observation == "one_hot":
            self.observation_space = spaces.Box(0.0, 1.0, (states + observe_time,), np.float32)
            self.work += states
        elif observe_time:
            assert mdp.horizon is not None
            self.observation_space = spaces.MultiDiscrete([states, mdp.horizon + 1])
        else:
            self.observation_space = spaces.Discrete(states)
        self.action_space = spaces.Discrete(mdp.num_actions)

    def new_state(self, num_envs: int) -> State:
        """Arrays for ``num_envs`` environments."""
        return new_state(num_envs)

    def picture(self, state: int) -> str:
        """What :meth:`render_row` shows of a state."""
        return f"state {state}"

    def render_row(self, state: State, row: int, mode: str) -> str:
        """The time, and the state."""
        return f"t={state.time[row]}  {self.picture(int(state.state[row]))}"


class Tabular:
    """What both faces of a tabular environment offer besides Gymnasium's methods."""

    family: TabularFamily

    def to_tabular(self) -> TabularMDP:
        """The exact model: transitions, rewards by term, first states, terminal states and horizon.

        Solvers are in :mod:`telos.envs.tabular.optimum`.
        """
        return self.family.mdp
