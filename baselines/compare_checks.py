"""What must be known before runs are compared: which are unfit, and what makes a comparison unfair or uncertain.

* ``why_unfit`` - why a run does not count
* ``origin_warnings``, ``fairness_warnings`` - what a reader must be told of those that do
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from telos.baselines.runs import RecordedRun

__all__ = ["FEW_RUNS", "fairness_warnings", "origin_warnings", "why_unfit"]

FEW_RUNS = 5
_OF_ONE_RUN = ("seed", "resume", "out", "device", "machine", "telos", "tensorboard", "label")
"""Arguments that may differ between the runs of one label."""


def why_unfit(run: RecordedRun, metric: str, unfinished: bool) -> str:
    """Why a run does not count; empty if it does."""
    series = run.series(metric)
    if run.status != "finished" and not unfinished:
        how = "was stopped" if run.status == "stopped" else "was killed or still runs"
        return f"{how}: {run.step:,} of {run.args.get('total_steps', 'unknown')} steps"
    finite = np.isfinite(series.values)
    if not finite.any():
        return f"has no {metric}; it has {', '.join(run.metrics) or 'an empty log'}"
    # In training, a line has no return if no episode ended; an evaluation always has one.
    if metric.startswith("eval/") and not finite[-1]:
        return f"{metric} is not finite at its last step; without this run its group looks better than it is"
    return ""


def origin_warnings(runs: Sequence[RecordedRun]) -> list[str]:
    """Says so if runs are of several commits."""
    commits = sorted({str(run.args.get("machine", {}).get("commit") or "an unknown commit") for run in runs})
    return [f"The runs are of several versions of the code: {', '.join(commits)}."] if len(commits) > 1 else []


def fairness_warnings(name: str, groups: Mapping[str, list[RecordedRun]], metric: str) -> list[str]:
    """What makes the comparison on one environment less than fair or certain."""
    texts = []
    ends = {
        label: sorted({int(run.series(metric).finite().steps[-1]) for run in runs if run.trained})
        for label, runs in groups.items()
    }
    if len({end for each in ends.values() for end in each}) > 1:
        spans = "; ".join(f"{label} at {', '.join(f'{end:,}' for end in each)}" for label, each in ends.items() if each)
        texts.append(f"{name}: runs end at different steps, and only what all reached is compared: {spans}.")
    # One policy that was only evaluated has no interval.
    with_interval = {label: runs for label, runs in groups.items() if len(runs) > 1 or runs[0].trained}
    few = [f"{label} ({len(runs)})" for label, runs in with_interval.items() if len(runs) < FEW_RUNS]
    if few:
        texts.append(f"{name}: intervals of fewer than {FEW_RUNS} runs are too narrow: {', '.join(few)}.")
    for label, runs in groups.items():
        where = f"{label} on {name}"
        twice = [str(seed) for seed, count in Counter(run.seed for run in runs).items() if count > 1]
        if twice:
            texts.append(f"{where}: several runs have seed {', '.join(twice)}; if they are copies, count them once.")
        names = dict.fromkeys(key for run in runs for key in run.args if key not in _OF_ONE_RUN)
        differing = [key for key in names if any(run.args.get(key) != runs[0].args.get(key) for run in runs)]
        if differing:
            texts.append(
                f"{where}: the runs of this label differ in {', '.join(differing)}; give them labels of their own."
            )
        if any(run.args.get("smoke") for run in runs):
            texts.append(f"{where}: made with --smoke, which only tries whether everything works.")
        unfinished = [run for run in runs if run.status != "finished"]
        if unfinished:
            texts.append(f"{where}: {len(unfinished)} of {len(runs)} runs did not finish.")
    return texts
