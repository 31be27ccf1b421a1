"""What shaping by a potential saves, and what it costs where the potential is bad: Q-learning on FourRooms-v0.

How long until the greedy policy is worth 95 % of the optimum, the policy evaluated exactly on the reward as it is.
Moves slip in one case of three, episodes begin anywhere, and the discount is 0.95.

Known: a potential leaves all optimal policies what they are (Ng, Harada and Russell 1999), and with a table it is the
same as starting from it as the first values (Wiewiora 2003): a potential near the optimal values helps, and adding a
constant to one, which changes nothing about policies, makes the start more or less optimistic. Ours: the problem, the
potentials, the learner's settings and all numbers. A table's learner only stands for others so far.

Potentials:

* distance: ``discount ** steps``, the steps being those to the goal divided by the mean progress of a move, 5/9
* optimal values: the best there can be, and what is to be learned
* noisy: distance, and normal noise with a standard deviation of 0.2
* shuffled: those of distance, each in another cell
* distance - 1: the same less a constant
* constant 1: says nothing about the problem
* wrong sign: less distance
* distance x 2: twice as much
* wrong discount, and the same x 2: with the wrapper's ``gamma`` at 1, which is not the learner's. The best policy
  may change then; the column "limit" says whether it does

    python benchmarks/rewards_potential.py
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

import telos
from telos.baselines.machine import describe_machine
from telos.baselines.progress import progress_bar
from telos.baselines.q_learning import QLearning
from telos.baselines.stats import Interval, bootstrap_mean
from telos.envs.tabular.mdp import TabularMDP
from telos.envs.tabular.optimum import policy_evaluation, value_iteration
from telos.wrappers import vector

Floats = NDArray[np.float64]
DISCOUNT, SLIP, REACHED = 0.95, 1.0 / 3.0, 0.95
EVERY = 250  # steps between evaluations
LIMIT = 500  # steps of an episode at most; a random walk takes as many
COLOURS = {
    "none": "black",
    "distance": "tab:blue",
    "optimal values": "tab:green",
    "noisy": "tab:cyan",
    "shuffled": "tab:orange",
    "distance - 1": "tab:purple",
    "constant 1": "tab:gray",
    "wrong sign": "tab:red",
    "distance x 2": "tab:pink",
    "wrong discount": "tab:olive",
    "wrong discount, x 2": "tab:brown",
}


def distances(mdp: TabularMDP) -> Floats:
    """Moves from each state to the goal."""
    found = np.where(mdp.terminal, 0.0, np.inf)
    while np.isinf(found).any():
        found = np.minimum(found, 1.0 + found[mdp.next_states].min(axis=(1, 2)))
    return found


def potentials(mdp: TabularMDP, values: Floats) -> dict[str, tuple[Floats | None, float]]:
    """Name to a potential of each state and the discount of the wrapper."""
    rng = np.random.default_rng(0)
    near = DISCOUNT ** (distances(mdp) / (1.0 - 4.0 / 3.0 * SLIP))
    return {
        "none": (None, DISCOUNT),
        "distance": (near, DISCOUNT),
        "optimal values": (values, DISCOUNT),
        "noisy": (near + 0.2 * rng.normal(size=len(near)), DISCOUNT),
        "shuffled": (rng.permutation(near), DISCOUNT),
        "distance - 1": (near - 1.0, DISCOUNT),
        "constant 1": (np.ones_like(near), DISCOUNT),
        "wrong sign": (-near, DISCOUNT),
        "distance x 2": (2.0 * near, DISCOUNT),
        "wrong discount": (near, 1.0),
        "wrong discount, x 2": (2.0 * near, 1.0),
    }


def best_for_what_is_paid(mdp: TabularMDP, potential: Floats | None, gamma: float) -> float:
    """What the optimal policy of the shaped problem is worth in the problem as it is, exactly."""
    paid = dict(mdp.outcome_rewards)
    if potential is not None:
        after = np.where(mdp.terminal, 0.0, potential)[mdp.next_states]
        paid["potential"] = gamma * after - potential[:, None, None]
    shaped = TabularMDP(mdp.next_states, mdp.probabilities, paid, mdp.start, mdp.terminal)
    policy = value_iteration(shaped, DISCOUNT).policy
    return float(mdp.start @ policy_evaluation(mdp, policy, DISCOUNT))


@dataclass(frozen=True, eq=False)
class Curve:
    """Training of n seeds, evaluated at p points.

    Attributes:
        steps: Steps made before each point, ``(p,)``.
        episodes: Episodes finished before each point, ``(p, n)``.
        worth: The greedy policy's share of the optimum, ``(p, n)``.
    """

    steps: NDArray[np.int64]
    episodes: NDArray[np.int64]
    worth: Floats


def learn(potential: Floats | None, gamma: float, seeds: int, budget: int, optimum: float) -> Curve:
    """Trains all seeds with one potential."""
    envs = gym.make_vec("FourRooms-v0", seeds, autoreset_mode="SameStep", slip=SLIP, max_episode_steps=LIMIT)
    mdp: TabularMDP = envs.unwrapped.to_tabular()  # type: ignore[attr-defined]
    if potential is not None:
        envs = vector.PotentialShaping(envs, potential=potential.tolist(), gamma=gamma)
    learner = QLearning(envs, discount=DISCOUNT, learning_rate=1.0, decay=0.6, epsilon=0.3, seed=0)
    finished, episodes, worth = np.zeros(seeds, np.int64), [], []
    for step in range(budget + 1):
        if step % EVERY == 0:
            episodes.append(finished.copy())
            values = [mdp.start @ policy_evaluation(mdp, policy, DISCOUNT) for policy in learner.greedy_policy]
            worth.append(np.array(values) / optimum)
        finished += learner.step().done
    return Curve(np.arange(0, budget + 1, EVERY), np.array(episodes), np.array(worth))


def summarise(curve: Curve) -> dict[str, Any]:
    """Statistics over seeds, each with its interval; seeds that never get there count with all that they had."""
    reached = curve.worth >= REACHED
    ever = reached.any(axis=0)
    at = np.where(ever, reached.argmax(axis=0), len(reached) - 1)
    values = {
        "episodes": curve.episodes[at, np.arange(len(at))],
        "steps": curve.steps[at],
        "worth_at_end": curve.worth[-1],
    }
    row: dict[str, Any] = {name: asdict(bootstrap_mean(each)) for name, each in values.items()}
    return row | {
        "reached": float(ever.mean()),
        "episodes_by_seed": values["episodes"].tolist(),
        "reached_by_seed": ever.tolist(),
    }


def draw(curves: dict[str, Curve], path: Path) -> None:
    """Worth of the greedy policies over training."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(9, 4.8), constrained_layout=True)
    for name, curve in curves.items():
        intervals = [bootstrap_mean(point, resamples=1000) for point in curve.worth]
        axis.plot(curve.steps, [each.estimate for each in intervals], color=COLOURS[name], label=name)
        low, high = [each.low for each in intervals], [each.high for each in intervals]
        axis.fill_between(curve.steps, low, high, color=COLOURS[name], alpha=0.15, linewidth=0)
    axis.axhline(REACHED, color="black", linewidth=0.8, linestyle=":")
    axis.set(xlabel="steps", ylabel="share of the optimum", xscale="symlog", ylim=(0, 1.02))
    axis.set_xlim(EVERY, curves["none"].steps[-1])
    axis.grid(alpha=0.3)
    figure.legend(loc="outside right upper", title="potential")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    seeds: int = 20,
    budget: int = 60_000,
    out: Path = Path("benchmarks/results/rewards_potential.json"),
    figure: Path = Path("docs/figures/rewards_potential.png"),
) -> None:
    """Trains with all potentials, prints the table, and writes the JSON and the figure.

    Args:
        seeds: Runs of each potential.
        budget: Steps of each run.
        out: The JSON file.
        figure: The figure.
    """
    started, wall = time.process_time(), time.perf_counter()
    mdp = gym.make("FourRooms-v0", slip=SLIP).unwrapped.to_tabular()  # type: ignore[attr-defined]
    optimum = value_iteration(mdp, DISCOUNT)
    curves: dict[str, Curve] = {}
    rows: list[dict[str, Any]] = []
    with progress_bar("potential") as bar:
        compared = potentials(mdp, optimum.values)
        for name, (potential, gamma) in compared.items():
            bar.update(name, len(rows) / len(compared))
            curves[name] = learn(potential, gamma, seeds, budget, optimum.expected)
            limit = best_for_what_is_paid(mdp, potential, gamma) / optimum.expected
            rows.append({"potential": name, "limit": limit, **summarise(curves[name])})
    console = Console(width=120)
    table = Table("potential", "seeds there", "episodes", "steps", "share at the end", "limit", box=box.SIMPLE)
    table.title = f"FourRooms-v0: to {REACHED:.0%} of the optimum, {optimum.expected:.3f}, within {budget} steps"
    for row in rows:
        more = "" if row["reached"] == 1.0 else "> "
        spans = [f"{more}{Interval(**row[column]):.0f}" for column in ("episodes", "steps")]
        there = f"{round(row['reached'] * seeds)} of {seeds}"
        table.add_row(row["potential"], there, *spans, f"{Interval(**row['worth_at_end'])}", f"{row['limit']:.4f}")
    console.print(table)
    console.print(f"mean over {seeds} seeds with 95 % intervals; where seeds fail, they count with their whole budget;")
    console.print("limit: what the best policy for what is paid is worth, as a share of the optimum, exactly")
    record = {"telos": telos.__version__, "machine": describe_machine(), "seeds": seeds, "budget": budget}
    record |= {"optimum": optimum.expected, "cpu_s": time.process_time() - started}
    record |= {"wall_s": time.perf_counter() - wall, "rows": rows}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    draw(curves, figure)
    console.print(f"written to {out} and {figure}, {record['cpu_s']:.0f} s of one core")


if __name__ == "__main__":
    tyro.cli(main)
