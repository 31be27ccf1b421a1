"""The exact optimum of rewards that depend on a whole episode, such as gated, averaged or clipped ones.

What an episode is worth is a function of a summary that grows step by step (sums of terms, say). A table whose states
are (state, summary) is again a Markov decision process, and small where few summaries can occur.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from telos.envs.tabular.mdp import TabularMDP

__all__ = ["EpisodeOptimum", "episode_optimum"]

_TIE = 1e-9  # ours: as in telos.envs.tabular.optimum
_MAX_HORIZON = 200  # ours: the recursion is as deep

Summary = TypeVar("Summary", bound=Hashable)
_Ranges = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class EpisodeOptimum:
    """What :func:`episode_optimum` returns.

    Attributes:
        worth: The largest expected worth of an episode.
        ranges: Name of a statistic to its smallest and largest expectation among all optimal policies.
    """

    worth: float
    ranges: dict[str, tuple[float, float]]


def episode_optimum(
    mdp: TabularMDP,
    initial: Summary,
    extend: Callable[[Summary, dict[str, float]], Summary],
    worth: Callable[[Summary], float],
    statistics: Mapping[str, Callable[[Summary], float]],
) -> EpisodeOptimum:
    """Finds what an agent that sees everything would do if an episode paid ``worth`` at its end.

    Args:
        mdp: The table, with a horizon of at most 200.
        initial: Summary of no steps. Summaries are hashable; round sums, or equal ones are not recognised.
        extend: Summary and a step's terms to the summary after it.
        worth: What an episode with this summary pays.
        statistics: Name to a number that a summary gives, such as the episode's length.

    Raises:
        ValueError: If the table has no horizon, or too long a one.
    """
    if mdp.horizon is None or mdp.horizon > _MAX_HORIZON:
        raise ValueError(f"this needs a horizon of at most {_MAX_HORIZON} steps; the table has {mdp.horizon}")
    horizon = mdp.horizon
    next_states, probabilities = mdp.next_states.tolist(), mdp.probabilities.tolist()
    rewards = {name: values.tolist() for name, values in mdp.outcome_rewards.items()}
    known: dict[Any, tuple[float, _Ranges]] = {}

    def best(time: int, state: int, summary: Summary) -> tuple[float, _Ranges]:
        if time == horizon or mdp.terminal[state]:
            return worth(summary), tuple((value(summary),) * 2 for value in statistics.values())
        key = time, state, summary
        if key not in known:
            known[key] = _best_of([follow(time, state, action, summary) for action in range(mdp.num_actions)])
        return known[key]

    def follow(time: int, state: int, action: int, summary: Summary) -> tuple[float, _Ranges]:
        parts = []
        for k, probability in enumerate(probabilities[state][action]):
            if probability > 0.0:
                terms = {name: values[state][action][k] for name, values in rewards.items()}
                parts.append((probability, best(time + 1, next_states[state][action][k], extend(summary, terms))))
        return _mean(parts)

    value, ranges = _mean([(p, best(0, state, initial)) for state, p in enumerate(mdp.start.tolist()) if p > 0.0])
    return EpisodeOptimum(value, dict(zip(statistics, ranges, strict=True)))


def _mean(parts: Sequence[tuple[float, tuple[float, _Ranges]]]) -> tuple[float, _Ranges]:
    value = sum(p * worth for p, (worth, _) in parts)
    columns = zip(*(ranges for _, (_, ranges) in parts), strict=True)
    weights = [p for p, _ in parts]
    return value, tuple(
        (_dot(weights, [low for low, _ in column]), _dot(weights, [high for _, high in column])) for column in columns
    )


def _dot(weights: Sequence[float], values: Sequence[float]) -> float:
    return sum(p * value for p, value in zip(weights, values, strict=True))


def _best_of(choices: Sequence[tuple[float, _Ranges]]) -> tuple[float, _Ranges]:
    top = max(value for value, _ in choices)
    tied = [ranges for value, ranges in choices if value >= top - _TIE * max(1.0, abs(top))]
    columns = zip(*tied, strict=True)
    return top, tuple((min(low for low, _ in c), max(high for _, high in c)) for c in map(list, columns))
