"""What a wrapper, or a stack of them, did to the rewards of logged episodes.

* ``reward_report`` - compares what came in with what is paid, term by term, episode by episode and stage by stage
* ``RewardReport``, ``RewardChange``, ``TermChange`` - what it finds
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from telos.wrappers.core import RewardTransform
from telos.wrappers.diagnostics.hacking import hacking_gap
from telos.wrappers.episodes import as_episode
from telos.wrappers.logged import Relabelled, relabel
from telos.wrappers.specs import as_transforms
from telos.wrappers.terms import Array, sum_terms, unknown_term

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["RewardChange", "RewardReport", "TermChange", "reward_report"]

_OUTCOME = "outcome"
_TIE = 1e-6
"""Neighbouring returns that differ by less than this part of the largest are tied: terms may be float32."""


@dataclass(frozen=True)
class TermChange:
    """What became of one term.

    Attributes:
        raw_sum: Mean over episodes of its sum before; 0 if the wrapper made the term.
        paid_sum: Mean over episodes of its sum after; 0 if the wrapper dropped it.
        changed: Share of the steps of all episodes in which its value is another one, in [0, 1].
        lateness: Share of what is paid that falls on the last step of an episode, by absolute values, in [0, 1]; NaN
            if nothing is paid.
    """

    raw_sum: float
    paid_sum: float
    changed: float
    lateness: float


@dataclass(frozen=True)
class RewardChange:
    """What one wrapper, or all of them together, did.

    Attributes:
        name: The wrapper and its arguments.
        terms: Term name to what became of it.
        raw_mean: Mean undiscounted return before.
        raw_sd: Its standard deviation over episodes (with n - 1); NaN for one episode.
        paid_mean: Mean undiscounted return after.
        paid_sd: Its standard deviation.
        rank_correlation: Spearman's, of the return before and after, in [-1, 1]; NaN if one of them is the same in all
            episodes.
        flipped: Share of all pairs of episodes of which the other is better now, in [0, 1]; NaN for one episode. Pairs
            that are tied before or after do not count as flipped.
        outcome_correlation: Spearman's, of the return after and the environment's outcome; NaN as above, or if there
            is no outcome term.
    """

    name: str
    terms: dict[str, TermChange]
    raw_mean: float
    raw_sd: float
    paid_mean: float
    paid_sd: float
    rank_correlation: float
    flipped: float
    outcome_correlation: float


@dataclass(frozen=True)
class RewardReport:
    """What a stack of wrappers did to the rewards of some episodes; ``rich.print(report)`` shows it as tables.

    Attributes:
        episodes: How many.
        steps: How many in all.
        outcome: The outcome term; None if there is none.
        total: From the environment's rewards to what the outermost wrapper pays.
        stages: For each wrapper from the innermost out, from what it is given to what it pays.
    """

    episodes: int
    steps: int
    outcome: str | None
    total: RewardChange
    stages: tuple[RewardChange, ...]

    def to_dict(self) -> dict[str, Any]:
        """Returns all numbers by name, for JSON: NaN as None."""
        plain: dict[str, Any] = _without_nan(asdict(self))
        return plain

    def __rich__(self) -> RenderableType:
        """The tables."""
        from rich import box
        from rich.console import Group
        from rich.markup import escape
        from rich.table import Table

        changes = [*self.stages, self.total] if len(self.stages) > 1 else self.stages
        title = f"Returns of {self.episodes} episodes, {self.steps} steps"
        returns = Table(box=box.SIMPLE, padding=(0, 0, 0, 1), title=title, title_justify="left")
        returns.add_column("wrapper", no_wrap=True)
        with_outcome = [f"corr. with {escape(self.outcome)}"] if self.outcome else []
        for heading in ("before", "sd", "paid", "sd", "rank corr.", "flipped", *with_outcome):
            returns.add_column(heading, justify="right")
        tables = []
        for change in changes:
            terms = Table("term", box=box.SIMPLE, title=escape(change.name), title_justify="left")
            for heading in ("sum before", "sum paid", "steps changed", "paid last"):
                terms.add_column(heading, justify="right")
            for term, row in change.terms.items():
                sums = _number(row.raw_sum), _number(row.paid_sum)
                terms.add_row(escape(term), *sums, _share(row.changed), _share(row.lateness))
            tables.append(terms)
            numbers = (change.raw_mean, change.raw_sd, change.paid_mean, change.paid_sd, change.rank_correlation)
            cells = [*(_number(value) for value in numbers), _share(change.flipped)]
            if self.outcome:
                cells.append(_number(change.outcome_correlation))
            returns.add_row(change.name.partition("(")[0], *cells)
        return Group(*tables, returns)


def reward_report(
    episodes: Iterable[Any], transform: str | type[Any] | RewardTransform | Sequence[Any], outcome: str | None = None
) -> RewardReport:
    """Tells what a wrapper, or each wrapper of a stack and all together, did to the rewards of logged episodes.

    Of a wrapper that rewrites in hindsight, what counts as paid is what it rewrites the steps to: what a learner trains
    on. Wrappers outside of it are given what it pays as a wrapper. Returns are not discounted. Steps that are not
    trainable are paid 0, and so may be changed even by a wrapper that changes nothing else.

    Args:
        episodes: ``Episode`` objects, or Minari's episodes, at least one; see ``telos.wrappers.relabel``.
        transform: A spec such as ``"gated:threshold=0.5"``, a transform or its class, or a sequence of these from the
            innermost out, at least one.
        outcome: The term that tells how good an episode is, by its sum as the environment pays it; by default
            ``"outcome"``, if there is such a term.

    Returns:
        The report.

    Raises:
        TypeError: If an episode or the transform is none.
        ValueError: If there are no episodes or transforms, a term does not exist, or ``relabel`` cannot run.

    Source: ours.

    Example:
        >>> from telos.wrappers import Episode
        >>> episodes = [Episode(None, None, {"outcome": [0.0, 1.0], "tool": [0.5, 0.5]}),
        ...             Episode(None, None, {"outcome": [0.0, 0.0], "tool": [1.0, 1.0]})]
        >>> report = reward_report(episodes, "gated:threshold=0.5")
        >>> report.total.terms["tool"].paid_sum, report.total.flipped
        (0.5, 0.0)
    """
    logged = [as_episode(episode) for episode in episodes]
    transforms = as_transforms(transform)
    if not logged or not transforms:
        raise ValueError(f"A report needs at least one {'wrapper' if logged else 'episode'}.")
    ends = np.cumsum([len(episode) for episode in logged])
    raw = given = _laid_out([episode.terms for episode in logged], ends)
    if outcome is None:
        outcome = _OUTCOME if _OUTCOME in raw else None
    elif outcome not in raw:
        raise unknown_term("reward_report", outcome, raw)
    outcomes = None if outcome is None else _sums(raw[outcome], ends)
    stages = []
    for each in transforms:
        results = relabel(logged, each)
        paid = _laid_out([_trained_on(result) for result in results], ends)
        stages.append(_compare(f"{each.public_name()}({each.described()})", given, paid, ends, outcomes))
        given = _laid_out([result.terms for result in results], ends)
        logged = [replace(episode, terms=result.terms) for episode, result in zip(logged, results, strict=True)]
    return RewardReport(
        len(logged), int(ends[-1]), outcome, _compare("all together", raw, paid, ends, outcomes), tuple(stages)
    )


def _trained_on(result: Relabelled) -> dict[str, Array]:
    """What a learner trains on: what is paid, unless that is rewritten in hindsight."""
    hindsight = result.info.get("hindsight")
    terms: dict[str, Array] = result.terms if hindsight is None else hindsight.terms
    return terms


def _laid_out(episodes: Sequence[Mapping[str, Array]], ends: Array) -> dict[str, Array]:
    """Returns terms of all episodes one after the other, shape ``(steps,)``; 0 in episodes without the term."""
    names = dict.fromkeys(name for terms in episodes for name in terms)
    lengths = np.diff(ends, prepend=0)
    return {
        name: np.concatenate(
            [np.asarray(terms.get(name, np.zeros(n)), np.float64) for terms, n in zip(episodes, lengths, strict=True)]
        )
        for name in names
    }


def _sums(values: Array, ends: Array) -> Array:
    sums: Array = np.add.reduceat(values, np.r_[0, ends[:-1]])
    return sums


def _compare(
    name: str, raw: Mapping[str, Array], paid: Mapping[str, Array], ends: Array, outcomes: Array | None
) -> RewardChange:
    none, terms = np.zeros(ends[-1]), {}
    for term in dict.fromkeys((*raw, *paid)):
        before, after = raw.get(term, none), paid.get(term, none)
        size = np.abs(after)
        terms[term] = TermChange(
            raw_sum=float(before.sum() / len(ends)),
            paid_sum=float(after.sum() / len(ends)),
            changed=float((before != after).mean()),
            lateness=float(size[ends - 1].sum() / size.sum()) if size.any() else math.nan,
        )
    before, after = (_sums(sum_terms(stream), ends) for stream in (raw, paid))
    several = len(ends) > 1
    ranked = [_places(returns) for returns in (before, after)]
    return RewardChange(
        name=name,
        terms=terms,
        raw_mean=float(before.mean()),
        raw_sd=float(before.std(ddof=1)) if several else math.nan,
        paid_mean=float(after.mean()),
        paid_sd=float(after.std(ddof=1)) if several else math.nan,
        rank_correlation=hacking_gap(*ranked) if several else math.nan,
        flipped=_flipped(*ranked) if several else math.nan,
        outcome_correlation=hacking_gap(ranked[1], _places(outcomes)) if several and outcomes is not None else math.nan,
    )


def _places(returns: Array) -> Array:
    """Ranks returns; those that differ by rounding only are tied, as a wrapper may add in another order."""
    order = np.argsort(returns)
    ordered = returns[order]
    places = np.empty(len(returns))
    places[order] = np.cumsum(np.diff(ordered, prepend=ordered[0]) > _TIE * np.abs(returns).max())
    return places


def _flipped(before: Array, after: Array) -> float:
    """Returns the share of all pairs whose order is reversed."""
    count = len(before)
    pairs = ((before[k + 1 :] - before[k]) * (after[k + 1 :] - after[k]) for k in range(count - 1))
    return sum(int((signs < 0).sum()) for signs in pairs) / (count * (count - 1) / 2)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value + 0.0:.4g}"


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1%}"
