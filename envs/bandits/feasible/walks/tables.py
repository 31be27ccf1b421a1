"""Tables of the closed walks on a graph, and what can be read off them in one pass over the states.

The functions allocate memory: they run on the CPU only.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from telos.envs.engine.kernels import Kernel
from telos.envs.engine.rules import rule
from telos.envs.engine.threads import default_threads

LANES = 16  # ours: actions tested side by side
NEVER = 1_000_000_000  # edges

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]


class WalkTables(NamedTuple):
    """The states of closed walks on a graph, in an order in which parts come before the whole.

    State 0 is the empty part, the last state the whole walk. Transition e makes its state out of two others, adds
    edges, and may visit a node for good.

    Attributes:
        first: Int32 ``(S + 1,)``: the transitions into state s are ``first[s] .. first[s + 1] - 1``; state 0 has none.
        left: Int32 ``(E,)``, a state before.
        right: Int32 ``(E,)``, another state before, 0 if there is no other.
        length: Int32 ``(E,)``, the edges that the walk takes in the transition.
        node: Int32 ``(E,)``, the node 0..J-1 that it visits, or J for none.
        rest: Int32 ``(S,)``, the fewest edges that complete the state to a walk.
    """

    first: Integers
    left: Integers
    right: Integers
    length: Integers
    node: Integers
    rest: Integers


@rule
def inside_scores(tables: WalkTables, worth: Floats, edge_price: float, scores: Floats, counts: Integers) -> None:
    """For every state the best of worth less price: the score, and the edges and paid visits ``(S, 2)`` behind it."""
    scores[0] = 0.0
    counts[0] = 0
    for state in range(1, len(scores)):
        best, length, visits = -np.inf, 0, 0
        for step in range(tables.first[state], tables.first[state + 1]):
            left, right, gain = tables.left[step], tables.right[step], worth[tables.node[step]]
            score = scores[left] + scores[right] + gain - edge_price * tables.length[step]
            if score > best:
                best = score
                length = counts[left, 0] + counts[right, 0] + tables.length[step]
                visits = counts[left, 1] + counts[right, 1] + (1 if gain > 0.0 else 0)
        scores[state], counts[state, 0], counts[state, 1] = best, length, visits


@rule
def outside_scores(
    tables: WalkTables, worth: Floats, edge_price: float, inside: Floats, outside: Floats, bounds: Floats
) -> None:
    """For every state the best that can be added to it, ``outside``, and for every transition the best with it."""
    outside[:] = -np.inf
    outside[-1] = 0.0
    for state in range(len(inside) - 1, 0, -1):
        for step in range(tables.first[state], tables.first[state + 1]):
            left, right = tables.left[step], tables.right[step]
            score = outside[state] + worth[tables.node[step]] - edge_price * tables.length[step]
            outside[left] = max(outside[left], score + inside[right])
            outside[right] = max(outside[right], score + inside[left])
            bounds[step] = score + inside[left] + inside[right]


@rule
def _visitable(
    block: int, tables: WalkTables, wanted: NDArray[np.float32], max_length: int, result: NDArray[np.bool_]
) -> None:
    """Writes for 16 actions whether a walk visits all that they pull: missing one costs more than any walk."""
    first = block * LANES
    lanes = min(LANES, len(result) - first)
    # Single precision is exact here, and as many lanes as this make the compiler use vector instructions.
    credit = np.zeros((wanted.shape[1], LANES), dtype=np.float32)
    for lane in range(lanes):
        for node in range(len(credit)):
            credit[node, lane] = wanted[first + lane, node]
    scores = np.zeros((len(tables.rest), LANES), dtype=np.float32)
    for state in range(1, len(scores)):
        scores[state] = -np.inf
        for step in range(tables.first[state], tables.first[state + 1]):
            left, right, node = tables.left[step], tables.right[step], tables.node[step]
            length = np.float32(tables.length[step])
            for lane in range(LANES):
                score = scores[left, lane] + scores[right, lane] + credit[node, lane] - length
                scores[state, lane] = score if score > scores[state, lane] else scores[state, lane]
    for lane in range(lanes):
        result[first + lane] = scores[-1, lane] >= credit[:, lane].sum() - max_length


@rule
def _shortest(_: int, tables: WalkTables, inside: Integers, rest: Integers) -> None:
    """Writes the fewest edges that make every state and that complete it to a walk."""
    num_states = len(rest)
    worth = np.zeros(tables.node.max() + 1)
    scores, others, bounds = np.empty(num_states), np.empty(num_states), np.empty(len(tables.left))
    counts = np.empty((num_states, 2), dtype=np.int32)
    inside_scores(tables, worth, 1.0, scores, counts)
    outside_scores(tables, worth, 1.0, scores, others, bounds)
    for state in range(num_states):
        inside[state], rest[state] = -scores[state], -max(others[state], -NEVER)


_FOLDER = Path(__file__).parent
_VISITABLE = Kernel(_visitable, _FOLDER, "the test of walks", allocates=True)
_SHORTEST = Kernel(_shortest, _FOLDER, "the lengths of walks", allocates=True)


def visitable(tables: WalkTables, actions: NDArray[np.int8], max_length: int) -> NDArray[np.bool_]:
    """Which sets of nodes a closed walk can visit.

    Args:
        tables: The graph.
        actions: 0/1 integers ``(count, J)``, the nodes to visit.
        max_length: T, the largest number of edges.

    Returns:
        Bool ``(count,)``.
    """
    wanted = np.zeros((len(actions), actions.shape[1] + 1), dtype=np.float32)
    wanted[:, :-1] = actions
    wanted *= max_length + 1
    result = np.zeros(len(actions), dtype=bool)
    blocks = -(-len(actions) // LANES)
    _VISITABLE(blocks, (tables, wanted, max_length, result), default_threads(), LANES * len(tables.left))
    return result


def shortest(tables: WalkTables) -> tuple[Integers, Integers]:
    """The fewest edges that make every state, and that complete it to a walk: int32 ``(S,)`` each."""
    inside, rest = np.zeros((2, len(tables.rest)), dtype=np.int32)
    _SHORTEST(1, (tables, inside, rest))
    return inside, rest
