"""The registered tabular families: arguments to tables. The environments' docstrings document the arguments."""

from __future__ import annotations

from collections.abc import Sequence

from telos.envs.tabular.family import TabularFamily
from telos.envs.tabular.instances import (
    FOUR_ROOMS,
    deep_sea,
    four_rooms,
    four_rooms_cells,
    loiter_chain,
    random_mdp,
    step_chain,
)

__all__ = ["DeepSea", "FourRooms", "LoiterChain", "RandomMDP", "StepChain"]


class LoiterChain(TabularFamily):
    """See :class:`telos.envs.tabular.chain_env.LoiterChainEnv`."""

    def __init__(
        self,
        goal_distance: int = 5,
        horizon: int = 20,
        forward_score: float = 0.6,
        loiter_score: float = 0.5,
        observation: str = "index",
        observe_time: bool = True,
    ) -> None:
        super().__init__(loiter_chain(goal_distance, horizon, forward_score, loiter_score), observation, observe_time)

    def picture(self, state: int) -> str:
        """The chain, the agent, and the goal."""
        chain = ["."] * (self.mdp.num_states - 1) + ["G"]
        chain[state] = "@"
        return "".join(chain)


class StepChain(TabularFamily):
    """See :class:`telos.envs.tabular.chain_env.StepChainEnv`."""

    def __init__(
        self,
        num_steps: int = 4,
        p_correct: float = 0.85,
        max_steps: int = 24,
        prm_noise: float = 0.03,
        correct_score: float = 0.8,
        wrong_score: float = 0.3,
        repeat_score: float = 0.96,
        observation: str = "index",
        observe_time: bool = True,
    ) -> None:
        scores = correct_score, wrong_score, repeat_score
        super().__init__(step_chain(num_steps, p_correct, max_steps, prm_noise, *scores), observation, observe_time)
        self._num_steps = num_steps

    def picture(self, state: int) -> str:
        """Steps solved, and whether all are right."""
        if state > 2 * self._num_steps:
            return "answered"
        wrong = state > self._num_steps
        return f"{state - self._num_steps * wrong}/{self._num_steps} steps, {'wrong' if wrong else 'right'} so far"


class DeepSea(TabularFamily):
    """See :class:`telos.envs.tabular.env.DeepSeaEnv`.

    Attributes:
        rights: Int64 ``(size, size)``: the action that goes right, in each row and column.
    """

    def __init__(
        self,
        size: int = 10,
        stochastic: bool = False,
        move_cost: float = 0.01,
        randomize_actions: bool = True,
        instance_seed: int = 0,
        observation: str = "index",
    ) -> None:
        mdp, self.rights = deep_sea(size, stochastic, move_cost, randomize_actions, instance_seed)
        super().__init__(mdp, observation)
        self._size = size

    def picture(self, state: int) -> str:
        """The grid, and the block that falls."""
        rows = [["."] * self._size for _ in range(self._size)]
        if state < self._size**2:
            rows[state // self._size][state % self._size] = "@"
        return "\n".join(["", *("".join(row) for row in rows)])


class RandomMDP(TabularFamily):
    """See :class:`telos.envs.tabular.env.RandomMDPEnv`."""

    def __init__(
        self,
        num_states: int = 32,
        num_actions: int = 4,
        branching: int = 5,
        concentration: float = 1.0,
        horizon: int | None = 100,
        instance_seed: int = 0,
        observation: str = "index",
        observe_time: bool = False,
    ) -> None:
        mdp = random_mdp(num_states, num_actions, branching, concentration, horizon, instance_seed)
        super().__init__(mdp, observation, observe_time)


class FourRooms(TabularFamily):
    """See :class:`telos.envs.tabular.env.FourRoomsEnv`.

    Attributes:
        cells: Row and column of each state.
    """

    def __init__(
        self,
        goal: Sequence[int] = (7, 9),
        slip: float = 1.0 / 3.0,
        start: Sequence[int] | None = None,
        observation: str = "index",
    ) -> None:
        row, column = goal
        first = None if start is None else (int(start[0]), int(start[1]))
        super().__init__(four_rooms((int(row), int(column)), slip, first), observation)
        self.cells = four_rooms_cells()

    def picture(self, state: int) -> str:
        """The map, the agent, and the goal."""
        rows = [list(line) for line in FOUR_ROOMS]
        for number, mark in ((int(self.mdp.terminal.argmax()), "G"), (state, "@")):
            row, column = self.cells[number]
            rows[row][column] = mark
        return "\n".join(["", *("".join(line) for line in rows)])
