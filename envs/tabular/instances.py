"""Tables of the registered environments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from telos.envs.tabular.mdp import TabularMDP

__all__ = ["FOUR_ROOMS", "deep_sea", "four_rooms", "four_rooms_cells", "loiter_chain", "random_mdp", "step_chain"]

FOUR_ROOMS = (
    "#############",
    "#     #     #",
    "#     #     #",
    "#           #",
    "#     #     #",
    "#     #     #",
    "## ####     #",
    "#     ### ###",
    "#     #     #",
    "#     #     #",
    "#           #",
    "#     #     #",
    "#############",
)
"""Sutton, Precup and Singh 1999, figure 2: ``#`` is a wall."""

_MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))


def _first(states: int) -> NDArray[np.float64]:
    return np.asarray(np.arange(states) == 0, np.float64)


def _last(states: int) -> NDArray[np.bool_]:
    return np.asarray(np.arange(states) == states - 1)


def _check_share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} must be in [0, 1], got {value}")


def _check_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")


def loiter_chain(goal_distance: int, horizon: int, forward_score: float, loiter_score: float) -> TabularMDP:
    """States are steps towards the goal; action 0 is a step forward, action 1 loiters."""
    _check_least("goal_distance", goal_distance, 1)
    states = goal_distance + 1
    here = np.arange(states)
    ahead = np.minimum(here + 1, goal_distance)
    shape = (states, 2, 1)
    outcome, process = np.zeros(shape), np.empty(shape)
    outcome[goal_distance - 1, 0] = 1.0
    process[:, 0], process[:, 1] = forward_score, loiter_score
    terms = {"outcome": outcome, "process": process}
    next_states = np.stack([ahead, here], axis=1)[:, :, None]
    return TabularMDP(next_states, np.ones(shape), terms, _first(states), _last(states), horizon)


def step_chain(
    num_steps: int,
    p_correct: float,
    max_steps: int,
    prm_noise: float,
    correct_score: float,
    wrong_score: float,
    repeat_score: float,
) -> TabularMDP:
    """States 0 to ``num_steps`` count right steps, later ones count steps of which one was wrong, the last is the end.

    Actions: 0 solve the next step, 1 repeat something trivial, 2 answer. Outcomes: (right, wrong) by noise (-, +).
    """
    _check_least("num_steps", num_steps, 1)
    _check_share("p_correct", p_correct)
    states, end = 2 * num_steps + 2, 2 * num_steps + 1
    next_states = np.repeat(np.arange(states), 12).reshape(states, 3, 4)
    probabilities = np.zeros((states, 3, 4))
    probabilities[:, 1:, :2] = 0.5
    process, outcome = np.zeros((states, 3, 4)), np.zeros((states, 3, 4))
    noise = np.array([-prm_noise, prm_noise])
    process[:, 1:, :2] = repeat_score + noise
    # With nothing left to solve, solving is a repetition.
    probabilities[:, 0], process[:, 0] = probabilities[:, 1], process[:, 1]
    next_states[:, 2] = end
    outcome[num_steps, 2, :2] = 1.0
    for state in range(2 * num_steps):
        if state == num_steps:
            continue
        # A step after a wrong one is right or wrong in itself, but the chain stays wrong.
        wrong = state + 1 if state > num_steps else num_steps + state + 1
        next_states[state, 0] = (state + 1, state + 1, wrong, wrong)
        probabilities[state, 0] = np.repeat([p_correct / 2, (1.0 - p_correct) / 2], 2)
        process[state, 0] = np.repeat([correct_score, wrong_score], 2) + np.tile(noise, 2)
    terms = {"outcome": outcome, "process": process}
    return TabularMDP(next_states, probabilities, terms, _first(states), _last(states), max_steps)


def deep_sea(
    size: int, stochastic: bool, move_cost: float, randomize_actions: bool, instance_seed: int
) -> tuple[TabularMDP, NDArray[np.int64]]:
    """State ``row * size + column``, and the end; also the action that goes right in each cell, ``(size, size)``.

    In the stochastic version outcomes are (moved, blown back) by noise (-1, +1).
    """
    _check_least("size", size, 2)
    rights = np.ones((size, size), np.int64)
    if randomize_actions:
        rights = np.random.default_rng(instance_seed).integers(2, size=(size, size))
    states, end, outcomes = size * size + 1, size * size, 4 if stochastic else 1
    next_states = np.full((states, 2, outcomes), end)
    probabilities, terms = np.zeros((states, 2, outcomes)), {}
    for name in ("treasure", "move", *(("noise",) if stochastic else ())):
        terms[name] = np.zeros((states, 2, outcomes))
    probabilities[:, :, : 2 if stochastic else 1] = 0.5 if stochastic else 1.0
    for row in range(size):
        for column in range(size):
            state, right = row * size + column, rights[row, column]
            left = 1 - right
            if row + 1 < size:
                below = (row + 1) * size
                next_states[state, right] = below + min(column + 1, size - 1)
                next_states[state, left] = below + max(column - 1, 0)
                if stochastic:
                    next_states[state, right, 2:] = below + column
            if stochastic:
                failing = 1.0 / size
                probabilities[state, right] = np.repeat([(1.0 - failing) / 2, failing / 2], 2)
                if row == size - 1 and column in (0, size - 1):
                    terms["noise"][state] = np.tile([-1.0, 1.0], 2)
            terms["move"][state, right] = -move_cost / size
            if column == size - 1:
                terms["treasure"][state, right] = 1.0
    return TabularMDP(next_states, probabilities, terms, _first(states), _last(states), size), rights


def random_mdp(
    num_states: int, num_actions: int, branching: int, concentration: float, horizon: int | None, instance_seed: int
) -> TabularMDP:
    """Draws successors without repetition, their probabilities from a Dirichlet distribution, rewards from N(0, 1)."""
    for name, value in {"num_states": num_states, "num_actions": num_actions, "branching": branching}.items():
        _check_least(name, value, 1)
    if branching > num_states or not concentration > 0.0:
        raise ValueError(
            f"branching must be at most num_states={num_states}, and concentration above 0; got {branching} and "
            f"{concentration}"
        )
    rng = np.random.default_rng(instance_seed)
    shape = (num_states, num_actions, branching)
    next_states = np.argsort(rng.random((num_states, num_actions, num_states)), axis=2)[:, :, :branching]
    probabilities = rng.dirichlet(np.full(branching, concentration), shape[:2])
    start, terminal = np.full(num_states, 1.0 / num_states), np.zeros(num_states, np.bool_)
    return TabularMDP(next_states, probabilities, {"outcome": rng.normal(size=shape)}, start, terminal, horizon)


def four_rooms_cells() -> list[tuple[int, int]]:
    """Row and column of each state: the cells that are no walls, row by row."""
    return [(row, column) for row, line in enumerate(FOUR_ROOMS) for column, cell in enumerate(line) if cell == " "]


def four_rooms(goal: tuple[int, int], slip: float, start: tuple[int, int] | None) -> TabularMDP:
    """Actions: up, right, down, left. Outcome ``k`` is a move in direction ``k``."""
    _check_share("slip", slip)
    cells = four_rooms_cells()
    number = {cell: state for state, cell in enumerate(cells)}
    for name, cell in {"goal": goal, "start": start}.items():
        if cell is not None and cell not in number:
            shown = "\n".join(FOUR_ROOMS)
            raise ValueError(f"{name}={list(cell)} is not a free cell [row, column] of the map:\n{shown}")
    if start == goal:
        raise ValueError(f"start={list(goal)} is the goal: choose another cell, or None for any")
    after = np.array(
        [[number.get((row + dr, column + dc), state) for dr, dc in _MOVES] for state, (row, column) in enumerate(cells)]
    )
    states = len(cells)
    next_states = np.broadcast_to(after[:, None, :], (states, 4, 4))
    moves = np.full((4, 4), slip / 3.0)
    np.fill_diagonal(moves, 1.0 - slip)
    terminal = np.arange(states) == number[goal]
    first = np.where(terminal, 0.0, 1.0 / (states - 1)) if start is None else np.eye(states)[number[start]]
    reached = (next_states == number[goal]).astype(np.float64)
    return TabularMDP(next_states, np.broadcast_to(moves, (states, 4, 4)), {"goal": reached}, first, terminal, None)
