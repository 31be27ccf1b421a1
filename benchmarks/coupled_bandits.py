"""How close policies without learning come to the hull bound on the four coupled bandits.

Instances as in arXiv:2503.01919 (J arms, B = J / 4 or J / 5, horizon 20, seeds 20 to 25), start states as in its code
(each arm in state 1 with probability 0.2), generated and audited here: its own instances are not public. Every policy
plays the same episodes under the same luck; the score is the mean expected reward per step, and its denominator is the
bound for the distribution of start states.

    python benchmarks/coupled_bandits.py --sizes 20 40
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from rich import box
from rich.console import Console
from rich.table import Table

import telos
from telos.baselines.bandit_evaluation import evaluate_policy
from telos.baselines.machine import describe_machine
from telos.baselines.policies.bandits import GreedyMyopic, Myopic, Null, Prices, Random, Sampling
from telos.baselines.progress import progress_bar
from telos.envs.bandits.relaxation import hull_bound

PROBLEMS = ("Intervention", "Path", "Matching", "Capacity")
BUDGETS = {20: 5, 40: 10, 100: 20}
HORIZON = 20


def measure(problem: str, num_arms: int, seed: int, episodes: int) -> dict[str, Any]:
    """Bound, scores and times of every policy on one instance."""
    arguments = {"num_arms": num_arms, "budget": BUDGETS[num_arms], "horizon": HORIZON, "instance_seed": seed}
    if problem == "Intervention":
        arguments["num_actions"] = num_arms // 2
    envs = gym.make_vec(f"CoRMAB{problem}-v0", num_envs=episodes, **arguments)
    instance = envs.unwrapped.family.instance
    arms, feasible_set = instance.arms, instance.feasible
    started = time.perf_counter()
    feasible_set.linear_oracle(arms.rewards[:, :, 0])  # what the set prepares once is part of the set-up
    bound = hull_bound(arms, feasible_set, HORIZON, envs.unwrapped.family.start)
    prices = Prices(arms, feasible_set, bound)
    setup = time.perf_counter() - started
    policies = {
        "null": Null(feasible_set),
        "random": Random(feasible_set, seed),
        "sampling": Sampling(arms, feasible_set, seed=seed),
        "greedy": GreedyMyopic(arms, feasible_set),
        "myopic": Myopic(arms, feasible_set),
        "prices": prices,
    }
    row: dict[str, Any] = {"problem": problem, "arms": num_arms, "seed": seed, "setup_s": setup}
    row["bound"] = bound.value / HORIZON
    for name, policy in policies.items():
        score = evaluate_policy(envs, policy, HORIZON, seed=1_000_000 * seed)
        row[name] = {"mean": score.mean, "error": score.error, "of_bound": score.mean / row["bound"]}
    states = envs.reset(seed=1)[0][:1]
    times = []
    for t in range(HORIZON):
        started = time.perf_counter()
        prices(states, t)
        times.append(time.perf_counter() - started)
    row["decision_ms"] = 1e3 * float(np.median(times))
    envs.close()
    return row


def main(
    sizes: tuple[int, ...] = (20, 40),
    seeds: tuple[int, ...] = (20, 21, 22, 23, 24, 25),
    episodes: int = 200,
    out: Path = Path("benchmarks/results/coupled_bandits.json"),
) -> None:
    """Measures and writes the table and the JSON.

    Args:
        sizes: Numbers of arms, of 20, 40 and 100.
        seeds: Seeds of the instances.
        episodes: Episodes of each policy on each instance.
        out: The JSON file.
    """
    rows = []
    jobs = [(problem, size, seed) for size in sizes for problem in PROBLEMS for seed in seeds]
    with progress_bar("instances") as bar:
        for done, job in enumerate(jobs):
            rows.append(measure(*job, episodes))
            bar.update(f"{job[0]} J={job[1]} seed {job[2]}", (done + 1) / len(jobs))
    names = ("null", "random", "sampling", "greedy", "myopic", "prices")
    table = Table("problem", "J", *names, "setup s", "act ms", box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for size in sizes:
        for problem in PROBLEMS:
            own = [row for row in rows if (row["problem"], row["arms"]) == (problem, size)]
            shares = [f"{np.mean([row[name]['of_bound'] for row in own]):.1%}" for name in names]
            times = [f"{np.median([row[key] for row in own]):.2f}" for key in ("setup_s", "decision_ms")]
            table.add_row(problem, str(size), *shares, *times)
    console = Console()
    console.print(table)
    out.parent.mkdir(parents=True, exist_ok=True)
    record = {"telos": telos.__version__, "machine": describe_machine(), "episodes": episodes, "instances": rows}
    out.write_text(json.dumps(record, indent=1) + "\n")
    console.print(f"written to {out}")


if __name__ == "__main__":
    tyro.cli(main)
