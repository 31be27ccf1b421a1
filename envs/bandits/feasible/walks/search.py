"""The best closed walk, exactly: dynamic programming on walk tables, narrowed by prices on edges and pulls.

A price on every edge and every pull turns both limits into costs. Without limits the dynamic program keeps one number
a state and takes microseconds, and at the best prices (Lagrangian relaxation, Fisher, Management Science 27(1), 1981)
its optimum is an upper bound close to the answer. The bound holds for every state alone, too: the best walk through
it. The search with both limits then follows only what can still come close to the bound; it keeps for each state the
(length, pulls, value) that no other beats in all three. If it finds nothing so good, it comes less close and starts
again, so the answer is exact. This last step, the order of its trials and the constants are ours.

The functions allocate memory: they run on the CPU only.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from telos.envs.bandits.feasible.walks.tables import Floats, Integers, WalkTables, inside_scores, outside_scores
from telos.envs.engine.kernels import Kernel
from telos.envs.engine.rules import rule
from telos.envs.engine.threads import default_threads

FIRST_GAP = 0.01  # ours: where the search starts, as a part of the bound
GROWTH = 1.5  # ours: of the gap after a search that found nothing
ROUNDS = 12  # ours: the most prices on a pull to try
NEAR = 1e-2  # ours: relative distance from the best price on a pull at which to stop
ROUNDING = 1e-9  # relative
WORK = 100  # ours: elementary operations for each transition in one search, about


@rule
def _price_edges(
    tables: WalkTables, worth: Floats, max_length: int, scores: Floats, counts: Integers
) -> tuple[float, float, float]:
    """The best price on an edge, the bound it gives, and the paid visits there (a mean of two walks')."""
    inside_scores(tables, worth, 0.0, scores, counts)
    long_length, visits = counts[-1, 0], counts[-1, 1]
    long_value, long_visits = scores[-1], float(visits)
    if long_length <= max_length:
        return 0.0, long_value, long_visits
    # The bound as a function of the price is the largest of lines, one a walk: go to where the two best lines meet.
    short_value, short_length, short_visits = 0.0, counts[0, 0], 0.0
    while True:
        price = (long_value - short_value) / (long_length - short_length)
        inside_scores(tables, worth, price, scores, counts)
        length, visits = counts[-1, 0], counts[-1, 1]
        value = scores[-1] + price * length
        known = short_value - price * short_length
        if scores[-1] <= known + ROUNDING * long_value:
            share = (max_length - short_length) / (long_length - short_length)
            return price, scores[-1] + price * max_length, share * long_visits + (1.0 - share) * short_visits
        if length > max_length:
            long_value, long_length, long_visits = value, length, float(visits)
        else:
            short_value, short_length, short_visits = value, length, float(visits)


@rule
def _prices(
    tables: WalkTables, gains: Floats, max_length: int, budget: int, scores: Floats, counts: Integers
) -> tuple[float, float]:
    """Good prices on a pull and on an edge; any would do, good ones leave less to search."""
    edge_price, value, visits = _price_edges(tables, gains, max_length, scores, counts)
    pull_price = 0.0
    if visits <= budget:
        return pull_price, edge_price
    many_value, many_visits, few_value, few_visits = value, visits, 0.0, 0.0
    for _ in range(ROUNDS):
        pull_price = (many_value - few_value) / (many_visits - few_visits)
        worth = np.maximum(gains - pull_price, 0.0)
        edge_price, value, visits = _price_edges(tables, worth, max_length, scores, counts)
        known = few_value - pull_price * few_visits
        if value <= known + NEAR * many_value:
            break
        if visits > budget:
            many_value, many_visits = value + pull_price * visits, visits
        else:
            few_value, few_visits = value + pull_price * visits, visits
    return pull_price, edge_price


@rule
def _search(
    tables: WalkTables,
    gains: Floats,
    pull_price: float,
    edge_price: float,
    max_length: int,
    budget: int,
    count_pulls: bool,
    bounds: Floats,
    outside: Floats,
    target: float,
    action: NDArray[np.int8],
) -> float:
    """The best value of at least ``target``, or -1; writes the pulls. The target is after paying the prices.

    A label is a way to reach a state: in ``numbers`` its length, pulls, transition, the two labels before, and whether
    the node is pulled; in ``values`` its value before and after paying the prices.
    """
    num_states = len(outside)
    start = np.zeros(num_states + 1, dtype=np.int64)
    numbers, values = np.zeros((4096, 6), dtype=np.int32), np.zeros((4096, 2))
    count = start[1] = 1
    best = np.full((max_length + 1, budget + 1), -1.0)
    chosen = np.zeros((max_length + 1, budget + 1, 4), dtype=np.int32)
    front = np.empty(budget + 1)
    for state in range(1, num_states):
        enough, longest = target - outside[state], max_length - tables.rest[state]
        low, high, most = max_length + 1, -1, -1
        for step in range(tables.first[state], tables.first[state + 1]):
            if bounds[step] < target:
                continue
            left, right, gain = tables.left[step], tables.right[step], gains[tables.node[step]]
            price = edge_price * tables.length[step]
            hope = max(gain - pull_price, 0.0) - price
            for one in range(start[left], start[left + 1]):
                for other in range(start[right], start[right + 1]):
                    length = numbers[one, 0] + numbers[other, 0] + tables.length[step]
                    if length > longest:
                        break  # the labels of a state are sorted by length
                    paid = values[one, 1] + values[other, 1]
                    if paid + hope < enough:
                        continue
                    value, pulls = values[one, 0] + values[other, 0], numbers[one, 1] + numbers[other, 1]
                    for pulled in range(0 if count_pulls or gain <= 0.0 else 1, 2 if gain > 0.0 else 1):
                        total, number = value + pulled * gain, pulls + (pulled if count_pulls else 0)
                        if number > budget or paid - price + pulled * (gain - pull_price) < enough:
                            continue
                        if total > best[length, number]:
                            best[length, number] = total
                            chosen[length, number, 0], chosen[length, number, 1] = step, one
                            chosen[length, number, 2], chosen[length, number, 3] = other, pulled
                            low, high, most = min(low, length), max(high, length), max(most, number)
        front[:] = -1.0
        for length in range(low, high + 1):
            record = -1.0
            for number in range(most + 1):
                record = max(record, front[number])
                if best[length, number] > record:
                    record = best[length, number]
                    if count == len(numbers):
                        numbers = np.concatenate((numbers, np.zeros_like(numbers)))
                        values = np.concatenate((values, np.zeros_like(values)))
                    numbers[count, 0], numbers[count, 1] = length, number
                    for column in range(4):  # a slice would take Numba seconds to compile
                        numbers[count, 2 + column] = chosen[length, number, column]
                    values[count, 0] = record
                    values[count, 1] = record - edge_price * length - pull_price * number
                    count += 1
                front[number] = record
                best[length, number] = -1.0
        start[state + 1] = count
    action[:] = 0
    if start[-1] == start[-2]:
        return -1.0
    winner = start[-2] + values[start[-2] : count, 0].argmax()
    pending = [winner]
    while pending:
        label = pending.pop()
        if label > 0:
            if numbers[label, 5]:
                action[tables.node[numbers[label, 2]]] = 1
            pending.append(np.int64(numbers[label, 3]))
            pending.append(np.int64(numbers[label, 4]))
    return values[winner, 0]  # type: ignore[no-any-return]


@rule
def _best_pulls(
    row: int, tables: WalkTables, gains: Floats, max_length: int, budget: int, actions: NDArray[np.int8]
) -> None:
    """Writes the best action of one row."""
    worth, action = gains[row], actions[row]
    num_states = len(tables.rest)
    inside, outside, bounds = np.empty(num_states), np.empty(num_states), np.empty(len(tables.left))
    counts = np.empty((num_states, 2), dtype=np.int32)
    pull_price, edge_price = _prices(tables, worth, max_length, budget, inside, counts)
    after_pull = np.maximum(worth - pull_price, 0.0)
    inside_scores(tables, after_pull, edge_price, inside, counts)
    outside_scores(tables, after_pull, edge_price, inside, outside, bounds)
    paid = pull_price * budget + edge_price * max_length
    bound = inside[-1] + paid
    action[:] = 0
    if bound <= 0.0:
        return
    gap, count_pulls = FIRST_GAP * bound, pull_price > 0.0
    while True:
        target = bound - gap
        value = _search(
            tables,
            worth,
            pull_price,
            edge_price,
            max_length,
            budget,
            count_pulls,
            bounds,
            outside,
            target - paid - ROUNDING * bound,
            action,
        )
        if value < target:
            gap *= GROWTH
        elif count_pulls or action.sum() <= budget:
            return
        else:
            count_pulls = True


_BEST_PULLS = Kernel(_best_pulls, Path(__file__).parent, "the search for walks", allocates=True)


def best_pulls(tables: WalkTables, gains: Floats, max_length: int, budget: int) -> NDArray[np.int8]:
    """The pulls of greatest gain among the nodes of one closed walk, exactly.

    Args:
        tables: The graph.
        gains: Float64 ``(count, J)``; nodes of gain <= 0 are not pulled.
        max_length: T, the largest number of edges.
        budget: B, the largest number of pulls.

    Returns:
        Int8 ``(count, J)``.
    """
    actions = np.zeros((len(gains), gains.shape[1] + 1), dtype=np.int8)
    worth = np.zeros(actions.shape)
    np.maximum(gains, 0.0, out=worth[:, :-1])
    budget = min(budget, gains.shape[1])
    if budget > 0:
        _BEST_PULLS(
            len(gains), (tables, worth, max_length, budget, actions), default_threads(), WORK * len(tables.left)
        )
    return actions[:, :-1]
