"""What not knowing the transition probabilities costs: regret of learning policies on a coupled bandit.

A learner plays one episode after the other on the same instance (J = 20, B = 5, horizon 20). The regret of an episode
is what the price policy that knows the probabilities gets, less what the learner gets, as a share of the hull bound;
both are averaged over held-out episodes under the same luck.

    python benchmarks/bandit_regret.py
"""

from __future__ import annotations

import json
import os
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
from telos.baselines.policies.bandits import Prices, Random
from telos.baselines.policies.learning import LearnedPrices
from telos.baselines.progress import progress_bar
from telos.envs.bandits.relaxation import hull_bound

HORIZON = 20
LEARNERS = {"posterior sampling": True, "certainty equivalence": False}


def learn(env_id: str, seed: int, sample: bool, episodes: int, every: int) -> list[float]:
    """The share of the bound that the learner's present policy gets, before learning and every few episodes."""
    arguments: dict[str, Any] = {"horizon": HORIZON, "instance_seed": seed}
    envs = gym.make_vec(env_id, num_envs=1, **arguments)
    test = gym.make_vec(env_id, num_envs=100, **arguments)
    family: Any = envs.unwrapped.family  # type: ignore[attr-defined]
    (feasible_set,) = family.feasible_sets
    rewards = family.instance.next_state_rewards
    policy = LearnedPrices(rewards, feasible_set, family.start, HORIZON, sample=sample, seed=seed)
    bound = hull_bound(family.arms, feasible_set, HORIZON, family.start).value / HORIZON
    states, _ = envs.reset(seed=seed)
    shares = []
    for episode in range(episodes + 1):
        policy.begin_episode()
        if episode % every == 0:
            shares.append(evaluate_policy(test, policy, HORIZON, seed=1_000_000 * seed).mean / bound)
        for t in range(HORIZON):
            actions = policy(states, t)
            after = envs.step(actions)[0]
            policy.observe(states, actions, after)
            states = after
        states, _ = envs.reset()
    return shares


def references(env_id: str, seed: int) -> dict[str, float]:
    """Shares of the bound of the policy that knows, and of random actions."""
    test = gym.make_vec(env_id, num_envs=100, horizon=HORIZON, instance_seed=seed)
    family: Any = test.unwrapped.family  # type: ignore[attr-defined]
    (feasible_set,) = family.feasible_sets
    bound = hull_bound(family.arms, feasible_set, HORIZON, family.start)
    policies = {"known": Prices(family.arms, feasible_set, bound), "random": Random(feasible_set, seed)}
    scores = {name: evaluate_policy(test, policy, HORIZON, 1_000_000 * seed) for name, policy in policies.items()}
    return {name: score.mean * HORIZON / bound.value for name, score in scores.items()}


def draw(record: dict[str, Any], path: Path) -> None:
    """Share of the bound by episode."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 4.2))
    for (name, runs), colour in zip(record["learners"].items(), ("#227755", "#cc7744"), strict=True):
        shares = 100 * np.array(list(runs.values()))
        axis.plot(record["episodes"], shares.mean(axis=0), color=colour, label=name, linewidth=2)
        axis.fill_between(record["episodes"], shares.min(axis=0), shares.max(axis=0), color=colour, alpha=0.15)
    for name, style in (("known", "--"), ("random", ":")):
        mean = 100 * np.mean([row[name] for row in record["references"].values()])
        axis.axhline(
            mean, color="#555555", linestyle=style, label={"known": "prices, probabilities known"}.get(name, name)
        )
    axis.set_xlabel("episodes of experience")
    axis.set_ylabel("share of the hull bound (%)")
    axis.set_ylim(0, 103)
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, loc="center right")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def main(
    env_id: str = "CoRMABCapacity-v0",
    seeds: tuple[int, ...] = (20, 21, 22),
    episodes: int = 200,
    every: int = 10,
    out: Path = Path("benchmarks/results/bandit_regret.json"),
    figure: Path = Path("docs/figures/bandit_regret.png"),
) -> None:
    """Measures and writes table, JSON and figure.

    Args:
        env_id: A coupled bandit.
        seeds: Seeds of the instances, and of the learner on each.
        episodes: Episodes of experience.
        every: Episodes between evaluations.
        out: The JSON file.
        figure: The figure.
    """
    record: dict[str, Any] = {"telos": telos.__version__, "machine": describe_machine(), "env": env_id}
    record["episodes"] = list(range(0, episodes + 1, every))
    record["references"] = {seed: references(env_id, seed) for seed in seeds}
    record["learners"] = {name: {} for name in LEARNERS}
    jobs = [(name, seed) for name in LEARNERS for seed in seeds]
    with progress_bar("learning") as bar:
        for done, (name, seed) in enumerate(jobs):
            record["learners"][name][seed] = learn(env_id, seed, LEARNERS[name], episodes, every)
            bar.update(f"{name}, seed {seed}", (done + 1) / len(jobs))
    table = Table(
        "learner", *(f"after {n}" for n in record["episodes"][:: len(record["episodes"]) // 5]), box=box.SIMPLE
    )
    for name, runs in record["learners"].items():
        means = np.mean(list(runs.values()), axis=0)
        table.add_row(name, *(f"{value:.1%}" for value in means[:: len(means) // 5]))
    console = Console()
    console.print(table)
    known = np.mean([row["known"] for row in record["references"].values()])
    for name, runs in record["learners"].items():
        means = np.mean(list(runs.values()), axis=0)
        regret = np.trapezoid(known - means, record["episodes"])
        console.print(f"{name}: regret in {episodes} episodes as much as {regret:.1f} episodes at the bound")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(record, indent=1) + "\n")
    draw(record, figure)
    console.print(f"written to {out} and {figure}")


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    tyro.cli(main)
