"""Compares runs: by environment and label, at steps that all of them reached.

* ``load_comparison`` - finds, reads and compares
* ``compare_runs`` - the statistics
* ``Comparison`` - what it returns, with ``to_dict`` for JSON
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import telos
from telos.baselines.compare_checks import fairness_warnings, origin_warnings, why_unfit
from telos.baselines.machine import describe_machine
from telos.baselines.runs import RecordedRun, Series, common_curves, find_runs, group_runs, read_run
from telos.baselines.stats import Interval, bootstrap_interval, iqm, probability_of_improvement

__all__ = [
    "Comparison",
    "Curve",
    "EnvironmentComparison",
    "Group",
    "Overall",
    "Reached",
    "compare_runs",
    "load_comparison",
    "summarise",
]

Floats = NDArray[np.float64]
_CURVE_RESAMPLES = 2_000


@dataclass(frozen=True, eq=False)
class Curve:
    """A metric over training: interquartile means over runs at p common steps, all arrays ``(p,)``.

    Attributes:
        steps: Environment steps.
        estimate: Interquartile means.
        low: Lower limits; NaN with one run.
        high: Upper limits; NaN with one run.
    """

    steps: Floats
    estimate: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Reached:
    """How soon runs reach a threshold.

    Attributes:
        share: Share of runs that do.
        steps: Interquartile mean of the steps until then; a run that does not counts with all steps compared, so
            this is too low if ``share`` is below 1.
    """

    share: float
    steps: Interval


@dataclass(frozen=True, eq=False)
class Group:
    """The runs of one label on one environment.

    Attributes:
        label: Algorithm and wrappers.
        runs: Its n runs.
        scores: Of each run, at the last common step, ``(n,)``.
        final: Interquartile mean of the scores. The limits are NaN with one run, here and below.
        average: Interquartile mean of the runs' averages over training: the area under the curve over the steps.
        curve: Over training.
        reached: Steps to the threshold; None if there is none.
        improvement: Probability that a run scores higher than one of the baseline; None without one, or for itself.
    """

    label: str
    runs: tuple[RecordedRun, ...]
    scores: Floats
    final: Interval
    average: Interval
    curve: Curve
    reached: Reached | None
    improvement: Interval | None


@dataclass(frozen=True, eq=False)
class EnvironmentComparison:
    """The groups of one environment.

    Attributes:
        environment: Its id and arguments.
        step: Where scores are compared: the last step that all runs reached; 0 if none was trained.
        groups: One a label.
    """

    environment: str
    step: int
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Overall:
    """A label over all environments.

    Attributes:
        label: Algorithm and wrappers.
        final: Interquartile mean of normalised scores over all runs; None if they are not normalised.
        improvement: Probability of improvement over the baseline, averaged over environments; None without one.
    """

    label: str
    final: Interval | None
    improvement: Interval | None


@dataclass(frozen=True, eq=False)
class Comparison:
    """Everything that tables, figures and pages show.

    Attributes:
        metric: What is compared.
        normalise: Scores that become 0 and 1, by environment; empty if scores are as logged.
        baseline: Label that the others are compared with; None for none.
        threshold: Score to reach, after normalisation; None for none.
        environments: One each.
        overall: Labels that have at least two runs on each of several environments; empty if there is neither a
            baseline nor a scale on which to compare them.
        left_out: Runs that do not count, and why.
        warnings: What a reader must know before believing the figures.
    """

    metric: str
    normalise: Mapping[str, tuple[float, float]]
    baseline: str | None
    threshold: float | None
    environments: tuple[EnvironmentComparison, ...]
    overall: tuple[Overall, ...]
    left_out: tuple[tuple[RecordedRun, str], ...]
    warnings: tuple[str, ...]

    @property
    def runs(self) -> tuple[RecordedRun, ...]:
        """All runs that count."""
        return tuple(run for each in self.environments for group in each.groups for run in group.runs)

    def machines(self) -> list[dict[str, Any]]:
        """Machines, versions and commits of the runs that count, and how many runs each has."""
        counts: Counter[str] = Counter()
        facts: dict[str, dict[str, Any]] = {}
        for run in self.runs:
            machine = {name: value for name, value in run.args.get("machine", {}).items() if name != "load"}
            machine["telos"] = run.args.get("telos")
            facts[repr(machine)] = machine
            counts[repr(machine)] += 1
        return [facts[key] | {"runs": count} for key, count in counts.most_common()]

    def to_dict(self) -> dict[str, Any]:
        """For JSON: limits that do not exist are None."""
        found = {
            "telos": telos.__version__,
            "machine": describe_machine(),
            "machines_of_runs": self.machines(),
            "metric": self.metric,
            "normalise": dict(self.normalise),
            "baseline": self.baseline,
            "threshold": self.threshold,
            "environments": {
                each.environment: {
                    "step": each.step,
                    "labels": {group.label: _group_to_dict(group) for group in each.groups},
                }
                for each in self.environments
            },
            "overall": [asdict(each) for each in self.overall],
            "left_out": [{"run": str(run.path), "step": run.step, "why": why} for run, why in self.left_out],
            "warnings": list(self.warnings),
        }
        plain: dict[str, Any] = _plain(found)
        return plain


def compare_runs(
    runs: Sequence[RecordedRun],
    metric: str = "eval/return",
    *,
    normalise: tuple[float, float] | Mapping[str, tuple[float, float]] | None = None,
    baseline: str | None = None,
    threshold: float | None = None,
    unfinished: bool = False,
) -> Comparison:
    """Compares runs. Higher scores are better. Intervals are 95 % stratified bootstrap intervals over runs.

    Between logged steps, runs are interpolated linearly. Policies that were only evaluated have their score at every
    step. Runs that are stopped or unfinished, have no such metric, or
    end with an evaluation that is not finite are left out, and named.

    Args:
        runs: The runs.
        metric: Name in their logs.
        normalise: Scores that become 0 and 1, such as those of a random and of a reference policy: one pair, or one
            for each environment.
        baseline: Label that the others are compared with.
        threshold: Score to reach, after normalisation.
        unfinished: Also count runs that are stopped or unfinished. Scores are then those at the last step that all
            runs of an environment reached.

    Raises:
        ValueError: If no run is left, there is no such baseline, an environment has no pair to normalise by, or its
            runs have no step in common.
    """
    kept, left_out = [], []
    for run in runs:
        why = why_unfit(run, metric, unfinished)
        if why:
            left_out.append((run, why))
        else:
            kept.append(run)
    if not kept:
        raise ValueError(_nothing_left(left_out))
    grouped = group_runs(kept)
    labels = sorted({label for groups in grouped.values() for label in groups})
    if baseline is not None and baseline not in labels:
        raise ValueError(
            f"no run that counts has the label {baseline!r} of the baseline; there are: {', '.join(labels)}"
        )
    scales = _scales(normalise, list(grouped))
    environments = tuple(
        _compare_environment(name, groups, metric, scales.get(name, (0.0, 1.0)), baseline, threshold)
        for name, groups in grouped.items()
    )
    warnings = origin_warnings(kept)
    warnings += [text for name, groups in grouped.items() for text in fairness_warnings(name, groups, metric)]
    overall = _overall(environments, baseline, bool(scales))
    if overall:
        covered = {each.label for each in overall}
        warnings += [
            f"{each}: not in the table over all environments, as it lacks two runs on some."
            for each in labels
            if each not in covered
        ]
    return Comparison(metric, scales, baseline, threshold, environments, overall, tuple(left_out), tuple(warnings))


def load_comparison(paths: Sequence[str | Path], metric: str = "eval/return", **settings: Any) -> Comparison:
    """Finds, reads and compares runs.

    Args:
        paths: See ``find_runs``.
        metric: Name in their logs.
        **settings: See ``compare_runs``.

    Raises:
        ValueError: As ``find_runs``, ``read_run`` and ``compare_runs``.
    """
    found = find_runs(paths)
    comparison = compare_runs([read_run(path) for path in found.runs], metric, **settings)
    empty = tuple(f"{path} holds no run and is passed over." for path in found.passed_over)
    return replace(comparison, warnings=comparison.warnings + empty)


def summarise(values: Floats, resamples: int = 10_000) -> Interval:
    """Interquartile mean; its limits are NaN if there is one value."""
    if len(values) < 2:
        return Interval(float(values[0]), math.nan, math.nan)
    return bootstrap_interval(values, iqm, resamples=resamples)


def _nothing_left(left_out: Sequence[tuple[RecordedRun, str]]) -> str:
    if not left_out:
        return "there is no run to compare."
    shown = "\n".join(f"  {run.path}: {why}" for run, why in left_out[:10])
    return f"no run counts:\n{shown}\n--unfinished also counts runs that did not finish; --metric names another metric."


def _scales(
    normalise: tuple[float, float] | Mapping[str, tuple[float, float]] | None, names: list[str]
) -> dict[str, tuple[float, float]]:
    if normalise is None:
        return {}
    pairs = normalise if isinstance(normalise, Mapping) else dict.fromkeys(names, normalise)
    for name in names:
        if name not in pairs:
            raise ValueError(f"there is no pair of scores to normalise {name} by; there are: {', '.join(pairs)}")
        low, high = pairs[name]
        if not (math.isfinite(low) and math.isfinite(high) and low != high):
            raise ValueError(f"cannot normalise {name} by {low} and {high}: they must be finite and differ.")
    return {name: (float(pairs[name][0]), float(pairs[name][1])) for name in names}


def _compare_environment(
    name: str,
    groups: Mapping[str, list[RecordedRun]],
    metric: str,
    scale: tuple[float, float],
    baseline: str | None,
    threshold: float | None,
) -> EnvironmentComparison:
    low, high = scale
    found = {}
    for label, runs in groups.items():
        logged = [run.series(metric).finite() for run in runs]
        found[label] = [Series(each.steps, (each.values - low) / (high - low)) for each in logged]
    everyone = [each for label, series in found.items() for each in _trained(groups[label], series)]
    first = max((int(each.steps[0]) for each in everyone), default=0)
    last = min((int(each.steps[-1]) for each in everyone), default=0)
    if first > last:
        raise ValueError(
            f"the runs of {name} have no step of {metric} in common: one begins at {first}, one ends at {last}."
        )
    scores = {label: np.array([float(each.at(last)) for each in found[label]]) for label in found}
    compared = []
    for label, runs in groups.items():
        improvement = None
        if baseline in scores and label != baseline and min(len(scores[label]), len(scores[baseline])) > 1:
            improvement = probability_of_improvement(scores[label], scores[baseline])
        begins = [first if run.trained else 0 for run in runs]
        cut = [each.between(begin, last) for begin, each in zip(begins, found[label], strict=True)]
        compared.append(
            Group(
                label=label,
                runs=tuple(runs),
                scores=scores[label],
                final=summarise(scores[label]),
                average=summarise(np.array([each.average() for each in cut])),
                curve=_curve(cut),
                reached=None if threshold is None else _reached(cut, threshold, last),
                improvement=improvement,
            )
        )
    return EnvironmentComparison(name, last, tuple(compared))


def _trained(runs: Sequence[RecordedRun], series: Sequence[Series]) -> list[Series]:
    """Those of runs that trained; the others have no steps that could be in common."""
    return [each for run, each in zip(runs, series, strict=True) if run.trained]


def _curve(series: Sequence[Series]) -> Curve:
    steps, values = common_curves(series)
    points = [summarise(column, _CURVE_RESAMPLES) for column in values.T]
    estimate, low, high = np.array([(point.estimate, point.low, point.high) for point in points]).T
    return Curve(steps, estimate, low, high)


def _reached(series: Sequence[Series], threshold: float, last: int) -> Reached:
    there = [each.steps[each.values >= threshold] for each in series]
    steps = np.array([float(each[0]) if len(each) else float(last) for each in there])
    return Reached(float(np.mean([len(each) > 0 for each in there])), summarise(steps))


def _overall(
    environments: Sequence[EnvironmentComparison], baseline: str | None, normalised: bool
) -> tuple[Overall, ...]:
    if len(environments) < 2 or (baseline is None and not normalised):
        return ()
    scores = [{group.label: group.scores for group in each.groups if len(group.scores) > 1} for each in environments]
    rows = []
    for label in sorted(set.intersection(*map(set, scores))):
        own = [each[label] for each in scores]
        improvement = None
        if baseline is not None and label != baseline and all(baseline in each for each in scores):
            improvement = probability_of_improvement(own, [each[baseline] for each in scores])
        rows.append(Overall(label, bootstrap_interval(own) if normalised else None, improvement))
    return tuple(rows) if normalised or len(rows) > 1 else ()


def _group_to_dict(group: Group) -> dict[str, Any]:
    return {
        "runs": [
            {"run": str(run.path), "seed": run.seed, "status": run.status, "score": score}
            for run, score in zip(group.runs, group.scores.tolist(), strict=True)
        ],
        "final": asdict(group.final),
        "average": asdict(group.average),
        "reached": None if group.reached is None else asdict(group.reached),
        "improvement": None if group.improvement is None else asdict(group.improvement),
        "curve": {name: values.tolist() for name, values in vars(group.curve).items()},
    }


def _plain(value: Any) -> Any:
    """NaN as None, which JSON has."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
