"""IPPO and MAPPO from scratch in Crafter with several agents, and random agents beside them.

Each run is one of ``telos train ippo`` or ``telos train mappo``, and goes on where it was stopped. Agents earn what
each of them reaches. The score is Crafter's, over agents and episodes: the geometric mean of the rates at which an
agent reaches each of the 22 achievements.

    python benchmarks/crafter_marl.py                              # goes on with what is missing
    python benchmarks/crafter_marl.py --total-steps 200000 --seeds 1 --algorithms ippo
"""

from __future__ import annotations

import json
import time
from concurrent.futures import as_completed
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table
from workers import worker_processes

import telos
from telos.baselines import ippo, mappo
from telos.baselines.evaluation import Evaluation
from telos.baselines.machine import describe_machine
from telos.baselines.policies.simple import RandomActions
from telos.baselines.runs import read_run
from telos.baselines.stats import bootstrap_interval, bootstrap_mean
from telos.baselines.team_envs import make_agent_envs
from telos.envs.crafter.names import ACHIEVEMENTS

ENV = "telos.envs.crafter.env"
SCRIPTS: dict[str, type[mappo.Args]] = {"ippo": ippo.Args, "mappo": mappo.Args}
SETTINGS: dict[str, Any] = {
    "num_envs": 32,
    "num_steps": 128,
    "num_minibatches": 8,
    "update_epochs": 4,
    "hidden": 128,
    "learning_rate": 3e-4,
    "entropy_weight": 0.01,
    "eval_every": 250_000,
    "eval_episodes": 32,
    "checkpoint_every": 100_000,
    "tensorboard": False,
    "device": "cpu",
    "threads": 1,
}
PUBLISHED = {"random": 1.6, "PPO": 4.6, "DreamerV3": 14.5}
"""Scores of one agent after a million steps, from the README of the original."""


def arguments(algorithm: str, agents: int, seed: int, total_steps: int, runs: Path) -> mappo.Args:
    """Those of one run."""
    given = (f"num_agents={agents}", "obs=flat", "length=1000")
    return SCRIPTS[algorithm](
        **SETTINGS, env=ENV, env_arg=given, seed=seed, total_steps=total_steps, out=runs, resume="auto"
    )


def train(algorithm: str, agents: int, seed: int, total_steps: int, runs: Path) -> tuple[str, int, str, float]:
    """Trains, or goes on; returns algorithm, seed, folder and seconds."""
    began = time.perf_counter()
    run = mappo.train(arguments(algorithm, agents, seed, total_steps, runs))
    return algorithm, seed, str(run.folder), time.perf_counter() - began


def rates(played: Evaluation, agents: int) -> NDArray[np.float64]:
    """Of each episode the share of agents that reached each achievement, ``(episodes, 22)``."""
    return np.stack([played.terms[name] for name in ACHIEVEMENTS], axis=1) / agents


def score(reached: NDArray[np.float64]) -> NDArray[np.float64]:
    """Crafter's score of rates ``(..., episodes, 22)``, 0 to 100."""
    return np.asarray(np.expm1(np.log1p(100.0 * reached.mean(axis=-2)).mean(axis=-1)))


def measured(played: Evaluation, agents: int) -> dict[str, Any]:
    """Score and return, with intervals over episodes."""
    reached = rates(played, agents)
    drawn = bootstrap_interval(
        np.arange(len(reached)), lambda rows: score(reached[rows.astype(np.int64)]), resamples=2_000
    )
    mean = reached.mean(axis=0).tolist()
    returns = bootstrap_mean(played.returns / agents)
    return {"score": asdict(drawn), "return": asdict(returns), "rates": dict(zip(ACHIEVEMENTS, mean, strict=True))}


def curve(folder: str, agents: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Steps and scores of a run's evaluations."""
    series = [read_run(folder).series(f"eval/{name}") for name in ACHIEVEMENTS]
    values = np.stack([one.values for one in series], axis=-1) / agents
    return series[0].steps, score(values[:, None])


def draw(path: Path, curves: dict[str, list[Any]], chance: float) -> None:
    """Scores over steps."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7.4, 3.8), layout="constrained")
    for (algorithm, runs), colour in zip(curves.items(), ("tab:blue", "tab:orange"), strict=False):
        for k, (steps, scores) in enumerate(runs):
            axis.plot(steps, scores, color=colour, linewidth=1.4, label=algorithm if k == 0 else None)
    axis.axhline(chance, color="black", linewidth=1.0, linestyle=":", label="random")
    axis.set(xlabel="environment steps", ylabel="Crafter score (%)", ylim=(0, None))
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def main(
    algorithms: tuple[str, ...] = ("ippo", "mappo"),
    agents: int = 4,
    seeds: int = 1,
    total_steps: int = 2_000_000,
    episodes: int = 200,
    workers: int = 2,
    runs: Path = Path("runs/crafter_marl"),
    out: Path = Path("benchmarks/results/crafter_marl.json"),
    figure: Path = Path("docs/figures/crafter_marl.png"),
) -> None:
    """Trains what is missing, plays the last policies, prints the table, and writes JSON and figure.

    Args:
        algorithms: ``ippo``, ``mappo`` or both.
        agents: In each world.
        seeds: Runs of each algorithm.
        total_steps: Of each run, of environments.
        episodes: With each last policy, and of random agents.
        workers: Runs at a time, each with one thread.
        runs: Folder of the runs.
        out: The JSON file.
        figure: The figure.
    """
    rows: dict[str, Any] = {}
    curves: dict[str, list[Any]] = {algorithm: [] for algorithm in algorithms}
    first = arguments(algorithms[0], agents, 1, total_steps, runs)
    envs = make_agent_envs(first.env, first.env_kwargs, 1)
    random = RandomActions(envs.single_action_space)
    envs.close()
    rows["random"] = measured(mappo.evaluate(first, random, episodes), agents)
    with worker_processes(workers) as pool:
        job = partial(train, agents=agents, total_steps=total_steps, runs=runs)
        trained = [pool.submit(job, algorithm, seed=seed) for seed in range(1, seeds + 1) for algorithm in algorithms]
        for future in as_completed(trained):
            algorithm, seed, folder, seconds = future.result()
            args = SCRIPTS[algorithm].of_run(folder)
            policy = mappo.load_policy(folder, deterministic=False, arguments=SCRIPTS[algorithm])
            found = measured(mappo.evaluate(args, policy, episodes), agents)
            rows[f"{algorithm}, seed {seed}"] = found | {"folder": folder, "seconds_of_last_start": seconds}
            curves[algorithm].append(curve(folder, agents))
    table = Table("policy", "Crafter score (%)", "95 %", "return of an agent", "95 %", box=box.SIMPLE)
    for name, row in sorted(rows.items()):
        cells = []
        for key in ("score", "return"):
            cells += [f"{row[key]['estimate']:.2f}", f"{row[key]['low']:.2f} to {row[key]['high']:.2f}"]
        table.add_row(name, *cells)
    console = Console()
    console.print(table)
    console.print(f"published, one agent, a million steps: {PUBLISHED}")
    record = {"telos": telos.__version__, "machine": describe_machine(), "agents": agents, "total_steps": total_steps}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(
        json.dumps(record | {"settings": SETTINGS, "published": PUBLISHED, "policies": rows}, indent=1) + "\n"
    )
    draw(figure, curves, rows["random"]["score"]["estimate"])
    console.print(f"written to {out} and {figure}")


if __name__ == "__main__":
    tyro.cli(main)
