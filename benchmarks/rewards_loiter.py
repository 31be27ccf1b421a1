"""What reward schemes make optimal where loitering is paid: LoiterChain-v0 and StepChain-v0, solved exactly.

For each scheme, the largest worth of an episode and, among all policies that reach it, the fewest and the most steps
and the outcome. No learning is involved: these are the policies that a perfect learner could end up with.

    python benchmarks/rewards_loiter.py
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import tyro
from rich import box
from rich.console import Console
from rich.table import Table

import telos
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.envs.tabular.episodic import episode_optimum

Summary = tuple[float, float, int]
NEEDED = 5  # steps to the goal of LoiterChain-v0
LOITER_SCORES = 0.5, 0.7  # below and above the score of a step forward


def same(score: float) -> float:
    """The score itself."""
    return score


def clip(score: float) -> float:
    """Clip of arXiv 2410.15115 with a threshold of 0.9."""
    return min(score - 0.9, 0.0)


@dataclass(frozen=True)
class Scheme:
    """What an episode is worth.

    Attributes:
        name: The scheme and its numbers.
        worth: Outcome, the scores that count, and the number of steps, to the episode's worth.
        score: What a step's score counts for.
        first_only: Whether only the first step's score counts: what differences of scores add up to.
    """

    name: str
    worth: Callable[[float, float, int], float]
    score: Callable[[float], float] = same
    first_only: bool = False

    def extend(self, summary: Summary, terms: dict[str, float]) -> Summary:
        """Adds a step."""
        outcome, scores, length = summary
        if length == 0 or not self.first_only:
            scores = round(scores + self.score(terms["process"]), 9)
        return outcome + terms["outcome"], scores, length + 1


def weighted(weight: float) -> Callable[[float, float, int], float]:
    """Outcome and weighted scores."""
    return lambda outcome, scores, _: outcome + weight * scores


def gated(gate: float, cap: float = math.inf) -> Callable[[float, float, int], float]:
    """G-RA with two levels, as ``GatedReward(threshold=gate, low_cap=cap)``."""
    return lambda outcome, scores, _: outcome + (min(max(scores, 0.0), cap) if outcome >= gate else 0.0)


def chain_schemes() -> list[Scheme]:
    """What is compared on LoiterChain-v0."""
    return [
        Scheme("outcome only", weighted(0.0)),
        *(Scheme(f"D-RA, weight {w:g}", weighted(w)) for w in (1.0, 0.5, 0.2, 0.1)),
        *(Scheme(f"G-RA, gate {gate:g}", gated(gate)) for gate in (0.0, 0.5, 1.0, 2.0)),
        *(Scheme(f"G-RA, gate 1, low_cap {cap:g}", gated(1.0, cap)) for cap in (6.0, 4.0, 3.0, 0.9, 0.5)),
        Scheme("ReNorm, sum", lambda outcome, scores, length: scores + length * (outcome - 1.0)),
        Scheme("ReNorm, mean", lambda outcome, scores, length: scores / length + outcome - 1.0),
        Scheme("Clip 0.9", weighted(1.0), clip),
        Scheme("Delta", weighted(1.0), first_only=True),
    ]


def step_schemes() -> list[Scheme]:
    """What is compared on StepChain-v0."""
    schemes = [Scheme("outcome only", weighted(0.0))]
    for weight in (0.05, 0.2, 0.5, 1.0):
        schemes += [
            Scheme(f"raw, weight {weight:g}", weighted(weight)),
            Scheme(f"Clip 0.9, weight {weight:g}", weighted(weight), clip),
            Scheme(f"Delta, weight {weight:g}", weighted(weight), first_only=True),
            Scheme(f"Clip and Delta, weight {weight:g}", weighted(weight), clip, first_only=True),
        ]
    return schemes


def solve(env_id: str, scheme: Scheme, **arguments: Any) -> dict[str, Any]:
    """The optimum of one scheme."""
    env = gym.make(env_id, **arguments)
    optimum = episode_optimum(
        env.unwrapped.to_tabular(),  # type: ignore[attr-defined]
        (0.0, 0.0, 0),
        scheme.extend,
        lambda summary: scheme.worth(*summary),
        {"outcome": lambda summary: summary[0], "steps": lambda summary: summary[2]},
    )
    return {"env": env_id, "arguments": arguments, "scheme": scheme.name, "worth": optimum.worth, **optimum.ranges}


def span(ends: tuple[float, float]) -> str:
    """One number, or two with a dash."""
    low, high = (f"{round(end, 3) + 0.0:g}" for end in ends)
    return low if low == high else f"{low} to {high}"


def main(out: Path = Path("benchmarks/results/rewards_loiter.json")) -> None:
    """Solves all, prints the table and writes the JSON.

    Args:
        out: The JSON file.
    """
    cases: list[tuple[str, Scheme, dict[str, Any]]] = []
    for loiter_score in LOITER_SCORES:
        cases += [("LoiterChain-v0", scheme, {"loiter_score": loiter_score}) for scheme in chain_schemes()]
    cases += [("StepChain-v0", scheme, {}) for scheme in step_schemes()]
    rows = []
    with progress_bar("loiter") as bar:
        for number, (env_id, scheme, arguments) in enumerate(cases):
            rows.append(solve(env_id, scheme, **arguments))
            bar.update("loiter", (number + 1) / len(cases))
    console = Console()
    of_scheme: dict[str, list[str]] = {}
    for row in rows[: -len(step_schemes())]:
        low, high = row["steps"]
        of_scheme.setdefault(row["scheme"], []).extend([span((low - NEEDED, high - NEEDED)), span(row["outcome"])])
    headings = [f"{what}, {score:g}" for score in LOITER_SCORES for what in ("extra steps", "outcome")]
    table = Table("scheme", *headings, box=box.SIMPLE, title="LoiterChain-v0, by score of loitering (forward: 0.6)")
    for name, cells in of_scheme.items():
        table.add_row(name, *cells)
    console.print(table)
    table = Table("scheme", "worth", "outcome", "steps", box=box.SIMPLE, title="StepChain-v0")
    for row in rows[-len(step_schemes()) :]:
        table.add_row(row["scheme"], f"{row['worth']:.4g}", span(row["outcome"]), span(row["steps"]))
    console.print(table)
    record = {"telos": telos.__version__, "machine": describe_machine(), "rows": rows}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    console.print(f"written to {out}")


if __name__ == "__main__":
    tyro.cli(main)
